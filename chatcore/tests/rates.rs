//! How often callers may use the chat: every use case is counted once, before it reads or writes anything.
#![allow(missing_docs, reason = "tests")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod kit;

use std::{
    future::Future,
    net::IpAddr,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use chatcore::{
    Chat, Clock as _, Error, Limiter, Limits, MemoryStore, Origin, Principal, Rate, RateLimits, TestClock, async_trait,
    chat::{
        AddParticipant, BanAccount, CreateIncomingWebhook, CreateInvite, CreateSession, EditMessage,
        FindPublicSessions, FindSessions, ListMentions, MessagesOf, Metered, ParticipantsOf, PostSystem, ReadUpto,
        SanctionUser, SendMessage, SessionOrder, SetPreferences, Start, UpdateIncomingWebhook, UpdateSession,
    },
    limits::{Allowance, Bucket, Cost, Payer, Verdict},
    model::{ClientId, Content, InviteId, LoginId, MessageId, MessageWindow, Page, ParticipantRole, SessionType},
};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, future::BoxFuture};

use kit::{Breakable, id_of, room, say, session, user, user_id};

fn party() -> chatcore::model::EmojiName {
    chatcore::model::EmojiName::new("party").unwrap()
}

fn thumb() -> chatcore::model::Emoji {
    chatcore::model::Emoji::new("\u{1f44d}").unwrap()
}

/// A rate of so many uses, of which none comes back within a test.
fn only(number: u32) -> Option<Rate> {
    Some(Rate::new(number, Duration::from_secs(3_600)))
}

fn of_requests(number: u32) -> RateLimits {
    RateLimits { requests: only(number), ..RateLimits::off() }
}

fn chat_with(rates: RateLimits) -> (Chat, TestClock) {
    let clock = TestClock::default();
    let limits = Limits { rates, ..Limits::default() };
    (Chat::builder(MemoryStore::new()).limits(limits).clock(clock.clone()).build(), clock)
}

fn is_refused<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::RateLimited { .. }))
}

/// How many uses the user has left.
async fn left(chat: &Chat, who: &Principal) -> u32 {
    let known = async { chat.admit(Origin::UNKNOWN, Ok(Some(who.clone()))).await };
    // The look itself is a request.
    chat.metered(Origin::UNKNOWN, false, known).await.left.unwrap().remaining + 1
}

#[tokio::test]
async fn typing_a_thousand_times_is_a_thousand_uses_and_concerns_nobody_else() {
    let (chat, clock) = chat_with(RateLimits::default());
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    clock.advance(TimeDelta::hours(1));
    let mut refused = 0;
    for turn in 0..1_000 {
        match chat.typing(&alice, id, turn % 2 == 0).await {
            Ok(()) => assert_eq!(refused, 0),
            Err(error) => {
                assert_eq!(error, Error::RateLimited { retry_after: 1 });
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 400);
    chat.typing(&bob, id, true).await.unwrap();
    // One comes back after each twentieth of a second, for whatever use.
    assert!(is_refused(&chat.send(&alice, id, SendMessage::text("x")).await));
    clock.advance(TimeDelta::milliseconds(50));
    chat.send(&alice, id, SendMessage::text("x")).await.unwrap();
    assert!(is_refused(&chat.typing(&alice, id, true).await));
}

type Call<'a> = BoxFuture<'a, Result<(), Error>>;

/// Each use case, and how many uses it is.
fn use_cases<'a>(
    chat: &'a Chat,
    alice: &'a Principal,
    id: chatcore::model::SessionId,
    message: MessageId,
) -> Vec<(&'static str, u32, Call<'a>)> {
    fn told<'a, T>(call: impl Future<Output = Result<T, Error>> + Send + 'a) -> Call<'a> {
        call.map(|result| result.map(drop)).boxed()
    }
    let (window, page) = (MessageWindow::Newest, Page::FIRST);
    let messages = MessagesOf { session_id: id, window, limit: None };
    let participants = ParticipantsOf { session_id: id, page, with_email: false };
    let named = UpdateSession { title: Some("Another".to_owned()), ..UpdateSession::default() };
    let bob = AddParticipant { user_id: user_id("bob"), role: None };
    let edit = EditMessage::text("edited");
    vec![
        ("me", 1, told(chat.me(alice))),
        ("create_session", 1, told(chat.create_session(alice, CreateSession::titled("t")))),
        ("create_session_once", 1, {
            told(async {
                chat.create_session_once(alice, &ClientId::new("1").unwrap(), CreateSession::titled("t")).await
            })
        }),
        ("the same again", 1, {
            told(async {
                chat.create_session_once(alice, &ClientId::new("1").unwrap(), CreateSession::titled("t")).await
            })
        }),
        ("sessions", 1, told(chat.sessions(alice, Page::FIRST))),
        ("public_sessions", 1, told(chat.public_sessions(alice, Page::FIRST))),
        ("session", 1, told(chat.session(alice, id))),
        ("update_session", 1, told(chat.update_session(alice, id, named))),
        ("sessions_by_id", 3, told(async move { chat.sessions_by_id(alice, &[id; 3]).await })),
        ("details_by_id", 3, told(async move { chat.details_by_id(alice, &[id; 3]).await })),
        ("messages", 1, told(chat.messages(alice, id, window, None))),
        ("messages_of", 3, told(async move { chat.messages_of(alice, &[messages; 3]).await })),
        ("message", 1, told(chat.message(alice, message))),
        ("messages_by_id", 3, told(async move { chat.messages_by_id(alice, &[message; 3]).await })),
        ("none by id", 1, told(async move { chat.messages_by_id(alice, &[]).await })),
        ("message_revisions", 1, told(chat.message_revisions(alice, message))),
        ("events", 1, told(chat.events(alice, id, Start::Beginning, None))),
        ("participants", 1, told(chat.participants(alice, id, page, false))),
        ("participants_of", 3, told(async move { chat.participants_of(alice, &[participants; 3]).await })),
        ("participant", 1, told(async move { chat.participant(alice, id, &user_id("alice"), false).await })),
        ("add_participant", 1, told(chat.add_participant(alice, id, bob))),
        ("create_invite", 1, told(chat.create_invite(alice, id, CreateInvite::default()))),
        ("invites", 1, told(chat.invites(alice, id, Page::FIRST))),
        ("create_incoming_webhook", 1, {
            let new = CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
            told(chat.create_incoming_webhook(alice, id, new))
        }),
        ("incoming_webhooks", 1, told(chat.incoming_webhooks(alice, id))),
        ("update_incoming_webhook", 1, {
            told(async move {
                let (webhook, changes) = (chatcore::model::WebhookId(id.0), UpdateIncomingWebhook::default());
                match chat.update_incoming_webhook(alice, id, webhook, changes).await {
                    Err(Error::WebhookNotFound) => Ok(()),
                    other => other.map(drop),
                }
            })
        }),
        ("delete_incoming_webhook", 1, {
            told(async move {
                match chat.delete_incoming_webhook(alice, id, chatcore::model::WebhookId(id.0)).await {
                    Err(Error::WebhookNotFound) => Ok(()),
                    other => other,
                }
            })
        }),
        ("join_requests", 1, told(chat.join_requests(alice, id, Page::FIRST))),
        ("start_direct", 1, told(async move { chat.start_direct(alice, &user_id("bob")).await })),
        ("block_user", 1, told(async move { chat.block_user(alice, &user_id("bob")).await })),
        ("blocks", 1, told(chat.blocks(alice, Page::FIRST))),
        ("unblock_user", 1, told(async move { chat.unblock_user(alice, &user_id("bob")).await })),
        ("revoke_invite", 1, told(chat.revoke_invite(alice, id, InviteId(id.0)))),
        ("change_role", 1, {
            told(async move { chat.change_role(alice, id, &user_id("bob"), ParticipantRole::Viewer).await })
        }),
        ("ban_participant", 1, {
            told(async move { chat.ban_participant(alice, id, &user_id("eve"), SanctionUser::ENDLESS).await })
        }),
        ("bans", 1, told(chat.bans(alice, id, Page::FIRST))),
        ("unban_participant", 1, told(async move { chat.unban_participant(alice, id, &user_id("eve")).await })),
        ("mute_participant", 1, {
            told(async move { chat.mute_participant(alice, id, &user_id("bob"), SanctionUser::ENDLESS).await })
        }),
        ("unmute_participant", 1, told(async move { chat.unmute_participant(alice, id, &user_id("bob")).await })),
        ("set_participant_metadata", 1, {
            told(async move { chat.set_participant_metadata(alice, id, &user_id("bob"), None).await })
        }),
        ("remove_participant", 1, told(async move { chat.remove_participant(alice, id, &user_id("bob")).await })),
        ("send", 1, told(chat.send(alice, id, SendMessage::text("x")))),
        ("a reply", 1, told(chat.send(alice, id, SendMessage::text("x").in_reply_to(message)))),
        ("forward_message", 1, told(chat.forward_message(alice, message, id, None))),
        ("thread", 1, told(chat.thread(alice, message, Page::FIRST))),
        ("mentions", 1, told(chat.mentions(alice, Page::FIRST, ListMentions::default()))),
        ("threads", 1, told(chat.threads(alice, id, Page::FIRST))),
        ("follow_thread", 1, told(chat.follow_thread(alice, message))),
        ("unfollow_thread", 1, told(chat.unfollow_thread(alice, message))),
        ("mark_thread_read", 1, told(chat.mark_thread_read(alice, message))),
        ("followed_threads", 1, told(chat.followed_threads(alice, id, Page::FIRST))),
        ("edit_message", 1, told(chat.edit_message(alice, message, edit))),
        ("pin_message", 1, told(chat.pin_message(alice, message))),
        ("unpin_message", 1, told(chat.unpin_message(alice, message))),
        ("pins", 1, told(chat.pins(alice, id))),
        ("add_emoji", 1, told(async move { chat.add_emoji(alice, id, &party(), None).await })),
        ("emojis", 1, told(chat.emojis(alice, id))),
        ("remove_emoji", 1, told(async move { chat.remove_emoji(alice, id, &party()).await })),
        ("add_reaction", 1, told(async move { chat.add_reaction(alice, message, &thumb()).await })),
        ("reactors", 1, told(async move { chat.reactors(alice, message, &thumb(), Page::FIRST).await })),
        ("remove_reaction", 1, told(async move { chat.remove_reaction(alice, message, &thumb()).await })),
        ("schedule_message", 1, {
            let message = SendMessage::text("later");
            let send_at = chat.now() + chrono::TimeDelta::hours(1);
            told(chat.schedule_message(alice, id, chatcore::chat::ScheduleMessage { message, send_at }))
        }),
        ("scheduled_messages", 1, told(chat.scheduled_messages(alice, Page::FIRST))),
        ("cancel_scheduled_message", 1, {
            told(async move {
                match chat.cancel_scheduled_message(alice, chatcore::model::ScheduledId(uuid::Uuid::nil())).await {
                    Err(Error::ScheduledMessageNotFound) => Ok(()),
                    other => other,
                }
            })
        }),
        ("set_draft", 1, told(chat.set_draft(alice, id, Content::Text("draft".to_owned())))),
        ("draft", 1, told(chat.draft(alice, id))),
        ("drafts", 1, told(chat.drafts(alice, Page::FIRST))),
        ("delete_draft", 1, told(chat.delete_draft(alice, id))),
        ("message_receipts", 1, told(chat.message_receipts(alice, message, page))),
        ("message_delivery", 1, told(chat.message_delivery(alice, message))),
        ("delete_message", 1, told(chat.delete_message(alice, message, None))),
        ("typing", 1, told(chat.typing(alice, id, true))),
        ("sessions_in", 1, told(chat.sessions_in(alice, Page::FIRST, SessionOrder::Activity))),
        (
            "find_sessions",
            1,
            told(async move { chat.find_sessions(alice, &FindSessions::default(), Page::FIRST).await }),
        ),
        ("find_public_sessions", 1, {
            told(async move { chat.find_public_sessions(alice, &FindPublicSessions::default(), Page::FIRST).await })
        }),
        ("mark_read", 1, told(chat.mark_read(alice, id, ReadUpto::Seq(1)))),
        ("acknowledge_delivery", 1, told(chat.acknowledge_delivery(alice, id, 1))),
        ("user_settings", 1, told(chat.user_settings(alice))),
        ("set_user_settings", 1, told(chat.set_user_settings(alice, chatcore::chat::SetUserSettings::default()))),
        ("mark_unread_from", 1, told(chat.mark_unread_from(alice, message))),
        ("set_preferences", 1, told(chat.set_preferences(alice, id, SetPreferences::default()))),
        ("mark_all_read", 1, told(chat.mark_all_read(alice, None))),
        ("overviews_by_id", 3, told(async move { chat.overviews_by_id(alice, &[id; 3]).await })),
        ("set_presence", 1, told(chat.set_presence(alice, chatcore::chat::SetPresence::default()))),
        ("own_presence", 1, told(chat.own_presence(alice))),
        ("presence", 1, told(chat.presence(alice, id, page))),
        ("presence_of", 3, told(async move { chat.presence_of(alice, &["a", "b", "a"].map(user_id)).await })),
        ("subscribe", 1, told(chat.subscribe(alice, id, Start::Now))),
        ("subscribe_all", 1, told(chat.subscribe_all(alice, &[]))),
        ("transfer_ownership", 1, {
            // Given away, the session could not be deleted by alice.
            let refused = Error::Denied(chatcore::permission::Denial::OwnerProtected);
            told(async move {
                match chat.transfer_ownership(alice, id, &user_id("alice")).await {
                    Err(error) if error == refused => Ok(()),
                    other => other.map(drop),
                }
            })
        }),
        ("archive_session", 1, told(chat.archive_session(alice, id))),
        (
            "archived_sessions",
            1,
            told(chat.archived_sessions(alice, Page::FIRST, chatcore::chat::SessionOrder::Newest)),
        ),
        ("unarchive_session", 1, told(chat.unarchive_session(alice, id))),
        ("delete_session", 1, told(chat.delete_session(alice, id))),
        ("deleted_sessions", 1, told(chat.deleted_sessions(alice, Page::FIRST))),
        ("restore_session", 1, told(chat.restore_session(alice, id))),
    ]
}

#[tokio::test]
async fn each_use_case_counts_once_and_each_entry_of_a_batch() {
    let (chat, _) = chat_with(of_requests(1_000));
    let (alice, bob) = (user("alice"), user("bob"));
    chat.me(&bob).await.unwrap();
    let id = session(&chat, &alice, SessionType::Public).await;
    let message = say(&chat, &alice, id, "hello").await.id;
    for (name, uses, call) in use_cases(&chat, &alice, id, message) {
        let before = left(&chat, &alice).await;
        call.await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        // The look before is a use, too.
        assert_eq!(before - 1 - left(&chat, &alice).await, uses, "{name}");
    }
    let id = session(&chat, &alice, SessionType::Public).await;
    let before = left(&chat, &bob).await;
    chat.join(&bob, id).await.unwrap();
    chat.leave(&bob, id).await.unwrap();
    assert_eq!(before - 1 - left(&chat, &bob).await, 2);
}

#[tokio::test]
async fn what_is_refused_has_read_and_written_nothing() {
    let store = Breakable::default();
    let prepared = Chat::builder(store.intact()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    prepared.me(&bob).await.unwrap();
    let id = session(&prepared, &alice, SessionType::Public).await;
    let message = say(&prepared, &alice, id, "hello").await.id;
    let head = prepared.events(&alice, id, Start::Now, None).await.unwrap().head;
    let limits = Limits { rates: of_requests(0), ..Limits::default() };
    let chat = Chat::builder(store.clone()).limits(limits).build();
    for (name, _, call) in use_cases(&chat, &alice, id, message) {
        let refused = call.await;
        assert!(is_refused(&refused), "{name}: {refused:?}");
        assert_eq!(store.reads.load(Ordering::SeqCst), 0, "{name}");
    }
    for refused in [chat.join(&bob, id).await.map(drop), chat.leave(&bob, id).await] {
        assert!(is_refused(&refused), "{refused:?}");
    }
    assert_eq!(prepared.events(&alice, id, Start::Now, None).await.unwrap().head, head);
}

#[tokio::test]
async fn what_the_host_posts_is_not_counted() {
    let (chat, _) = chat_with(of_requests(1));
    let (alice, host) = (user("alice"), user("system"));
    let id = session(&chat, &alice, SessionType::Public).await;
    for _ in 0..10 {
        chat.post_system(&host, id, PostSystem::text("news")).await.unwrap();
    }
    chat.me(&host).await.unwrap();
    assert!(is_refused(&chat.me(&host).await));
}

#[tokio::test]
async fn a_kind_of_use_with_a_rate_of_its_own_is_refused_without_costing_a_request() {
    let rates = RateLimits { messages: only(2), signals: only(1), ..of_requests(100) };
    let (chat, _) = chat_with(rates);
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Public).await;
    let sent = say(&chat, &alice, id, "1").await.id;
    let edit = EditMessage::text("2");
    chat.edit_message(&alice, sent, edit).await.unwrap();
    chat.typing(&alice, id, true).await.unwrap();
    let before = left(&chat, &alice).await;
    let metered = chat.metered(Origin::UNKNOWN, false, chat.send(&alice, id, SendMessage::text("3"))).await;
    let Allowance { bucket, limit, remaining, .. } = metered.left.unwrap();
    assert_eq!((bucket, limit, remaining), (Some(Bucket::Messages), 2, 0));
    assert_eq!(metered.output.unwrap().unwrap_err(), Error::RateLimited { retry_after: 3_600 });
    assert!(is_refused(&chat.typing(&alice, id, false).await));
    assert_eq!(left(&chat, &alice).await, before - 1);
}

#[tokio::test]
async fn a_batch_larger_than_the_bucket_needs_a_full_one() {
    let (chat, clock) =
        chat_with(RateLimits { requests: Some(Rate::new(10, Duration::from_secs(1))), ..RateLimits::off() });
    let alice = user("alice");
    let id = id_of(&chat.create_session(&alice, CreateSession::titled("t")).await.unwrap());
    assert_eq!(chat.sessions_by_id(&alice, &[id; 50]).await.unwrap_err(), Error::RateLimited { retry_after: 1 });
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(chat.sessions_by_id(&alice, &[id; 50]).await.unwrap().len(), 50);
    assert_eq!(chat.me(&alice).await.unwrap_err(), Error::RateLimited { retry_after: 1 });
    assert_eq!(chat.sessions_by_id(&alice, &[id; 10]).await.unwrap_err(), Error::RateLimited { retry_after: 10 });
}

#[tokio::test]
async fn a_request_is_counted_when_its_caller_is_known_and_not_again_by_its_first_use_case() {
    let (chat, clock) =
        chat_with(RateLimits { requests: Some(Rate::new(3, Duration::from_secs(1))), ..RateLimits::off() });
    let alice = user("alice");
    let request = |uses: usize| {
        let (chat, alice) = (chat.clone(), alice.clone());
        async move {
            let call = async {
                let caller = chat.admit(Origin::UNKNOWN, Ok(Some(alice))).await?;
                for _ in 0..uses {
                    chat.me(&caller).await?;
                }
                Ok::<_, Error>(())
            };
            let Metered { output, left } = chat.metered(Origin::UNKNOWN, true, call).await;
            let left = left.unwrap();
            assert_eq!((left.bucket, left.limit), (Some(Bucket::Requests), 3));
            (output.unwrap(), left.remaining, (left.reset - chat.now()).num_seconds())
        }
    };
    assert_eq!(request(0).await, (Ok(()), 2, 1));
    assert_eq!(request(1).await, (Ok(()), 1, 2));
    assert_eq!(request(2).await, (Err(Error::RateLimited { retry_after: 1 }), 0, 3));
    assert_eq!(request(1).await, (Err(Error::RateLimited { retry_after: 1 }), 0, 3));
    clock.advance(TimeDelta::seconds(2));
    assert_eq!(request(2).await, (Ok(()), 0, 3));
}

fn from(address: &str) -> Origin {
    address.parse::<IpAddr>().unwrap().into()
}

#[tokio::test]
async fn callers_who_are_not_known_are_counted_by_address_and_disturb_no_user() {
    let (chat, clock) =
        chat_with(RateLimits { unknown: Some(Rate::new(4, Duration::from_secs(10))), ..RateLimits::off() });
    let turned_away = async |origin, caller| {
        let metered = chat.metered(origin, true, chat.admit(origin, caller)).await;
        (metered.output.unwrap().unwrap_err(), metered.left.map(|left| (left.bucket, left.remaining)))
    };
    let (there, elsewhere) = (from("192.0.2.1"), from("192.0.2.2"));
    let unknown = |remaining| Some((Some(Bucket::Unknown), remaining));
    assert_eq!(turned_away(there, Ok(None)).await, (Error::AuthRequired, unknown(3)));
    assert_eq!(turned_away(there, Err(Error::TokenInvalid)).await, (Error::TokenInvalid, unknown(2)));
    // The same address in another form, and a request that says nothing of its caller.
    assert_eq!(turned_away(from("::ffff:192.0.2.1"), Err(Error::TokenExpired)).await.1, unknown(1));
    assert_eq!(turned_away(there, Err(Error::Unavailable)).await, (Error::Unavailable, unknown(0)));
    let refused = Error::RateLimited { retry_after: 10 };
    assert_eq!(turned_away(there, Ok(None)).await, (refused.clone(), unknown(0)));
    let Metered { output, left } = chat.metered(there, true, async { "a page" }).await;
    assert_eq!((output, left.unwrap().remaining), (Err(refused), 0));
    let free = chat.metered(there, false, async { "a page" }).await;
    assert_eq!((free.output, free.left.unwrap().remaining), (Ok("a page"), 0));
    // A user with a token from there, other addresses, and an address that is not known.
    chat.admit(there, Ok(Some(user("alice")))).await.unwrap();
    assert_eq!(turned_away(elsewhere, Ok(None)).await, (Error::AuthRequired, unknown(3)));
    for _ in 0..10 {
        assert_eq!(turned_away(Origin::UNKNOWN, Ok(None)).await, (Error::AuthRequired, None));
    }
    clock.advance(TimeDelta::seconds(10));
    assert_eq!(turned_away(there, Ok(None)).await, (Error::AuthRequired, unknown(0)));
    // A network of IPv6 is one address.
    for (host, remaining) in [(1, 3), (2, 2), (3, 1)] {
        assert_eq!(turned_away(from(&format!("2001:db8::{host}")), Ok(None)).await.1, unknown(remaining));
    }
    assert_eq!(turned_away(from("2001:db8:0:1::1"), Ok(None)).await.1, unknown(3));
}

#[tokio::test]
async fn frames_have_a_rate_of_their_own_and_pay_for_their_use_case() {
    let (chat, _) = chat_with(RateLimits { frames: only(3), ..of_requests(100) });
    let alice = user("alice");
    let before = left(&chat, &alice).await - 1;
    for _ in 0..3 {
        let paid = chat.begin_frame(&alice).await.unwrap();
        paid.run(chat.me(&alice)).await.unwrap();
    }
    assert_eq!(chat.begin_frame(&alice).await.unwrap_err(), Error::RateLimited { retry_after: 3_600 });
    assert_eq!(before - left(&chat, &alice).await, 3);
    chat.begin_frame(&user("bob")).await.unwrap();
}

#[tokio::test]
async fn a_token_that_has_ended_takes_nothing_from_its_user() {
    let rates = RateLimits { requests: only(10), frames: only(5), unknown: only(3), ..RateLimits::off() };
    let (store, clock, limits) = (MemoryStore::new(), TestClock::default(), Limits { rates, ..Limits::default() });
    let [chat, elsewhere] =
        [(), ()].map(|()| Chat::builder(store.clone()).limits(limits.clone()).clock(clock.clone()).build());
    let logged_in = || Principal { login_id: Some(LoginId(clock.new_id())), issued_at: clock.now(), ..user("alice") };
    let (stolen, own) = (logged_in(), logged_in());
    let until = clock.now() + TimeDelta::seconds(1_800);
    chat.end_login(&stolen.user_id, stolen.login_id.unwrap(), until).await.unwrap();
    let thief = from("192.0.2.66");
    let mut answers = Vec::new();
    for _ in 0..6 {
        let call = chat.admit(thief, Ok(Some(stolen.clone())));
        answers.push(chat.metered(thief, true, call).await.output.unwrap().unwrap_err());
        assert_eq!(chat.me(&stolen).await.unwrap_err(), Error::TokenInvalid);
        assert_eq!(chat.begin_frame(&stolen).await.unwrap_err(), Error::TokenInvalid);
    }
    // The address pays.
    let refused = Error::RateLimited { retry_after: 3_600 };
    assert_eq!(answers[..3], [Error::TokenInvalid, Error::TokenInvalid, Error::TokenInvalid]);
    assert_eq!(answers[3..], [refused.clone(), refused.clone(), refused.clone()]);
    for _ in 0..5 {
        chat.me(&own).await.unwrap();
        chat.begin_frame(&own).await.unwrap();
    }
    assert_eq!(chat.me(&own).await.unwrap_err(), refused);
    // A process that knows nothing of the user finds out at the price of one use.
    for _ in 0..20 {
        assert_eq!(elsewhere.me(&stolen).await.unwrap_err(), Error::TokenInvalid);
    }
    for _ in 0..9 {
        elsewhere.me(&own).await.unwrap();
    }
    assert_eq!(elsewhere.me(&own).await.unwrap_err(), refused);
    // A banned user is refused as too fast all the same.
    let ban = BanAccount { reason: "Spam".to_owned(), by: user("root").user_id, until: None };
    chat.ban_account(&own.user_id, ban).await.unwrap();
    assert_eq!(chat.me(&own).await.unwrap_err(), refused);
}

#[tokio::test]
async fn without_limits_there_is_nothing_to_tell() {
    let (chat, _) = chat_with(RateLimits::off());
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Public).await;
    for _ in 0..2_000 {
        chat.typing(&alice, id, true).await.unwrap();
    }
    let metered = chat.metered(from("192.0.2.1"), true, chat.admit(Origin::UNKNOWN, Ok(Some(alice)))).await;
    assert!(metered.output.unwrap().is_ok() && metered.left.is_none());
}

/// Refuses messages, and remembers what else was taken.
#[derive(Default)]
struct Own(Mutex<Vec<(String, Vec<Cost>)>>);

#[async_trait]
impl Limiter for Own {
    async fn take(&self, payer: Payer<'_>, costs: &[Cost], now: DateTime<Utc>) -> Verdict {
        if costs.iter().any(|cost| cost.bucket == Bucket::Messages) {
            let left = Allowance { bucket: Some(Bucket::Messages), limit: 0, remaining: 0, reset: now };
            return Verdict::Refused { left, retry_after: 7 };
        }
        self.0.lock().unwrap().push((format!("{payer:?}"), costs.to_vec()));
        Verdict::Allowed { left: None }
    }

    async fn left(&self, _: Payer<'_>, _: Bucket, _: DateTime<Utc>) -> Option<Allowance> {
        None
    }
}

#[tokio::test]
async fn a_host_brings_a_limiter_of_its_own() {
    let own = Arc::new(Own::default());
    let limits = Limits { rates: of_requests(0), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).limiter(Arc::clone(&own)).build();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Public).await;
    chat.sessions_by_id(&alice, &[id; 3]).await.unwrap();
    let refused = chat.send(&alice, id, SendMessage::text("x")).await.unwrap_err();
    assert_eq!(
        (refused.clone(), refused.details()["retry_after"].as_u64()),
        (Error::RateLimited { retry_after: 7 }, Some(7))
    );
    let taken = std::mem::take(&mut *own.0.lock().unwrap());
    let uses = |uses| vec![Cost { bucket: Bucket::Requests, uses }];
    let payer = format!("{:?}", Payer::User(&alice.user_id));
    assert_eq!(taken, [(payer.clone(), uses(1)), (payer, uses(3))]);
}
