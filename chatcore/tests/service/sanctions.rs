//! Bans and mutes.

use chatcore::{
    chat::{SanctionUser, Start},
    model::{Emoji, Event, SessionBan, Term},
    store::{BannedFrom, LogRange, Participants, Prefix, Sessions},
};
use futures_util::StreamExt as _;

use super::*;

fn thumb() -> Emoji {
    Emoji::new("\u{1f44d}").unwrap()
}

/// A chat at a time of its own, with that time and the end of an hour from then on.
fn timed() -> (Chat, TestClock, SanctionUser) {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let hour = SanctionUser::until(chatcore::Clock::now(&clock) + TimeDelta::hours(1));
    (chat, clock, hour)
}

async fn ban(chat: &Chat, by: &Principal, id: SessionId, name: &str) -> Result<(), Error> {
    chat.ban_participant(by, id, &user_id(name), SanctionUser::ENDLESS).await
}

async fn mute(chat: &Chat, by: &Principal, id: SessionId, name: &str) -> Result<(), Error> {
    chat.mute_participant(by, id, &user_id(name), SanctionUser::ENDLESS).await
}

async fn banned(chat: &Chat, by: &Principal, id: SessionId) -> Vec<SessionBan> {
    chat.bans(by, id, Page::FIRST).await.unwrap().entries
}

fn names(bans: &[SessionBan]) -> Vec<&str> {
    bans.iter().map(|ban| ban.user.user_id.as_str()).collect()
}

/// The whole log of a session.
async fn log(store: &MemoryStore, id: SessionId) -> Vec<Arc<Event>> {
    let range = LogRange { session_id: id, from: 1, to: 100_000 };
    store.log(&[range]).await.unwrap().remove(0)
}

const ENDLESS: Denial = Denial::Banned(Term::Endless);

#[tokio::test]
async fn a_ban_takes_a_participant_out_and_keeps_them_out() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "hello").await;
    let mut events = chat.subscribe(&bob, id, Start::Now).await.unwrap();
    ban(&chat, &alice, id, "bob").await.unwrap();
    say(&chat, &alice, id, "without bob").await;
    let last = events.next().await.unwrap().unwrap();
    let chatcore::chat::Delivery::Event(view) = last else { panic!("{last:?}") };
    let told = ParticipantEvent::Banned { user_id: user_id("bob"), term: Term::Endless, was_active: true };
    assert_eq!(view.event.kind, EventKind::Participant(told));
    assert!(events.next().await.is_none(), "the ban is the last thing that the banned user is told");
    assert_eq!(role_of(&chat, &alice, id, "bob").await, None);
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.session.participant_count, 1);
    for error in answers(&chat, &bob, id).await {
        let expected = [Error::Denied(ENDLESS), Error::MessageNotFound];
        assert!(expected.contains(&error) || matches!(error, Error::Invalid(_)), "{error:?}");
    }
    assert_denied(chat.join(&bob, id).await, ENDLESS);
    assert_denied(chat.message(&bob, message.id).await, ENDLESS);
    assert_denied(chat.add_participant(&alice, id, add("bob", None)).await, Denial::TargetBanned);
    assert!(chat.sessions(&bob, Page::FIRST).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_ban_is_of_any_user_and_never_of_the_owner() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    assert_denied(ban(&chat, &bob, id, "alice").await, Denial::OwnerProtected);
    assert_denied(ban(&chat, &carol, id, "dave").await, Denial::RoleInsufficient);
    assert_denied(ban(&chat, &user("dave"), id, "carol").await, Denial::NotParticipant);
    ban(&chat, &bob, id, "dave").await.unwrap();
    ban(&chat, &bob, id, "nobody ever seen").await.unwrap();
    assert_denied(chat.join(&user("dave"), id).await, ENDLESS);
    chat.leave(&carol, id).await.unwrap();
    ban(&chat, &bob, id, "carol").await.unwrap();
    assert_denied(chat.join(&carol, id).await, ENDLESS);
    assert_eq!(names(&banned(&chat, &alice, id).await), ["carol", "dave", "nobody ever seen"]);
    // The list is of those who manage the session.
    chat.change_role(&alice, id, &bob.user_id, MEMBER).await.unwrap();
    assert_denied(chat.bans(&bob, id, Page::FIRST).await, Denial::RoleInsufficient);
    assert_denied(chat.unban_participant(&bob, id, &carol.user_id).await, Denial::RoleInsufficient);
    // A process that knows no bans must not decide about the session.
    assert_eq!(chat.session(&alice, id).await.unwrap().summary.session.needs, 1);
}

#[tokio::test]
async fn the_same_ban_again_changes_nothing_and_another_one_takes_its_place() {
    let (chat, clock, hour) = timed();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let spam = SanctionUser { reason: Some("spam".to_owned()), ..hour.clone() };
    for _ in 0..2 {
        chat.ban_participant(&alice, id, &bob.user_id, spam.clone()).await.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, 3);
    let [first] = &banned(&chat, &alice, id).await[..] else { panic!() };
    assert_eq!((first.reason.as_deref(), first.until), (Some("spam"), hour.until));
    assert_eq!((first.banned_by.user_id.as_str(), first.banned_at), ("alice", chatcore::Clock::now(&clock)));
    let flood = SanctionUser { reason: Some("flood".to_owned()), ..hour.clone() };
    chat.ban_participant(&alice, id, &bob.user_id, flood).await.unwrap();
    let [another] = &banned(&chat, &alice, id).await[..] else { panic!() };
    assert_eq!((another.reason.as_deref(), another.until), (Some("flood"), hour.until));
    ban(&chat, &alice, id, "bob").await.unwrap();
    let [second] = &banned(&chat, &alice, id).await[..] else { panic!() };
    assert_eq!((second.reason.as_deref(), second.until), (None, None));
    for _ in 0..2 {
        chat.unban_participant(&alice, id, &bob.user_id).await.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, 6);
    assert!(banned(&chat, &alice, id).await.is_empty());
    assert_eq!(chat.join(&bob, id).await.unwrap().participant.role, MEMBER);
}

#[tokio::test]
async fn a_ban_ends_at_its_time() {
    let (chat, clock, hour) = timed();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    chat.ban_participant(&alice, id, &bob.user_id, hour.clone()).await.unwrap();
    let denial = Denial::Banned(Term::Until(hour.until.unwrap()));
    let error = chat.join(&bob, id).await.unwrap_err();
    assert_eq!(error, Error::Denied(denial));
    assert_eq!((error.code().as_str(), error.code().status()), ("SESSION_BANNED", 403));
    let until = hour.until.unwrap().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    assert_eq!(error.details(), serde_json::json!({ "until": until }));
    let public = |chat: Chat, bob: Principal| async move {
        let page = chat.public_sessions(&bob, Page::FIRST).await.unwrap();
        (page.sessions.len(), page.total)
    };
    assert_eq!(public(chat.clone(), bob.clone()).await, (0, 0));
    clock.advance(TimeDelta::minutes(60) - TimeDelta::microseconds(1));
    assert_denied(chat.join(&bob, id).await, denial);
    assert_eq!(names(&banned(&chat, &alice, id).await), ["bob"]);
    clock.advance(TimeDelta::microseconds(1));
    assert!(banned(&chat, &alice, id).await.is_empty());
    assert_eq!(public(chat.clone(), bob.clone()).await, (1, 1));
    assert_eq!(chat.join(&bob, id).await.unwrap().participant.role, VIEWER, "a ban gives nobody a role");
}

#[tokio::test]
async fn a_hidden_session_stays_hidden_to_the_banned() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.update_session(&alice, id, to_type(SessionType::InviteOnly)).await.unwrap();
    ban(&chat, &alice, id, "bob").await.unwrap();
    for error in answers(&chat, &bob, id).await {
        let expected = [Error::Denied(Denial::Hidden), Error::MessageNotFound];
        assert!(expected.contains(&error) || matches!(error, Error::Invalid(_)), "{error:?}");
    }
}

#[tokio::test]
async fn bans_come_in_pages_without_those_that_are_over() {
    let (chat, clock, hour) = timed();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    for n in 0..9 {
        let ban = if n % 3 == 0 { hour.clone() } else { SanctionUser::ENDLESS };
        chat.ban_participant(&alice, id, &user_id(&format!("u{n}")), ban).await.unwrap();
    }
    clock.advance(TimeDelta::hours(2));
    let (mut found, mut page) = (Vec::new(), Page { limit: Some(2), ..Page::FIRST });
    loop {
        let part = chat.bans(&alice, id, page.clone()).await.unwrap();
        found.extend(part.iter().map(|ban| ban.user.user_id.to_string()));
        let Some(next) = part.next else { break };
        page = Page { after: Some(next), ..page };
    }
    assert_eq!(found, ["u1", "u2", "u4", "u5", "u7", "u8"]);
    let skipped = chat.bans(&alice, id, Page { skip: 3, limit: Some(2), ..Page::FIRST }).await.unwrap();
    assert_eq!(names(&skipped.entries), ["u5", "u7"]);
    for limit in [0, 101] {
        let page = Page { limit: Some(limit), ..Page::FIRST };
        assert_fault(chat.bans(&alice, id, page).await, "limit", Code::ValidationInvalidValue);
    }
}

/// Nobody takes the bans out of the list that are over, so a page looks at some of them only.
#[tokio::test]
async fn a_page_of_bans_does_not_look_at_all_that_are_over() {
    let (clock, store) = (TestClock::default(), Breakable::default());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).rates(RateLimits::off()).build();
    let hour = SanctionUser::until(chatcore::Clock::now(&clock) + TimeDelta::hours(1));
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let name = |n: usize| format!("u{n:04}");
    for n in 0..700 {
        chat.ban_participant(&alice, id, &user_id(&name(n)), hour.clone()).await.unwrap();
    }
    for n in [650, 700, 701] {
        ban(&chat, &alice, id, &name(n)).await.unwrap();
    }
    clock.advance(TimeDelta::hours(2));
    let (mut found, mut pages, mut page) = (Vec::new(), 0, Page { limit: Some(2), ..Page::FIRST });
    loop {
        store.tables.lock().unwrap().clear();
        let part = chat.bans(&alice, id, page.clone()).await.unwrap();
        let looked = store.tables.lock().unwrap().iter().filter(|table| **table == Participants::TABLE.name).count();
        assert!(looked < 650, "{looked}");
        found.extend(part.iter().map(|ban| ban.user.user_id.to_string()));
        pages += 1;
        let Some(next) = part.next else { break };
        page = Page { after: Some(next), ..page };
    }
    assert_eq!((found, pages), (vec![name(650), name(700), name(701)], 3));
    // What a page skips, it looks at.
    let skipped = chat.bans(&alice, id, Page { skip: 1, limit: Some(2), ..Page::FIRST }).await.unwrap();
    assert_eq!(names(&skipped.entries), [name(700), name(701)]);
}

/// Otherwise each look at the public list would read all bans that ever were.
#[tokio::test]
async fn the_public_list_forgets_the_bans_of_its_reader_that_are_over() {
    let (clock, store) = (TestClock::default(), MemoryStore::new());
    let chat = Chat::builder(store.clone()).clock(clock.clone()).rates(RateLimits::off()).build();
    let hour = SanctionUser::until(chatcore::Clock::now(&clock) + TimeDelta::hours(1));
    let (alice, bob) = (user("alice"), user("bob"));
    let (short, long) = (room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await);
    chat.ban_participant(&alice, short, &bob.user_id, hour).await.unwrap();
    ban(&chat, &alice, long, "bob").await.unwrap();
    let look = async || {
        let page = chat.public_sessions(&bob, Page::FIRST).await.unwrap();
        let kept = store.count(&[Prefix { table: BannedFrom::TABLE, parts: Vec::new() }]).await.unwrap();
        (page.sessions.len(), page.total, kept[0])
    };
    assert_eq!(look().await, (0, 0, 2));
    clock.advance(TimeDelta::hours(2));
    assert_eq!(look().await, (1, 1, 1));
    ban(&chat, &alice, short, "bob").await.unwrap();
    assert_eq!(look().await, (0, 0, 2));
}

#[tokio::test]
async fn a_reason_and_an_end_have_bounds() {
    let (chat, clock, _) = timed();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let now = chatcore::Clock::now(&clock);
    let long = |chars| SanctionUser { reason: Some("x".repeat(chars)), until: None };
    for over in [now, now - TimeDelta::hours(1)] {
        let until = SanctionUser::until(over);
        let ban = chat.ban_participant(&alice, id, &bob.user_id, until.clone()).await;
        assert_fault(ban, "until", Code::ValidationInvalidValue);
        let mute = chat.mute_participant(&alice, id, &bob.user_id, until).await;
        assert_fault(mute, "until", Code::ValidationInvalidValue);
    }
    let ban = chat.ban_participant(&alice, id, &bob.user_id, long(501)).await;
    assert_fault(ban, "reason", Code::ValidationLengthExceeded);
    assert_eq!(head(&chat, &alice, id).await, 2);
    chat.mute_participant(&alice, id, &bob.user_id, long(500)).await.unwrap();
}

#[tokio::test]
async fn the_muted_read_and_say_nothing() {
    let (chat, clock, hour) = timed();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let message = say(&chat, &bob, id, "hello").await;
    chat.add_reaction(&bob, message.id, &thumb()).await.unwrap();
    for _ in 0..2 {
        chat.mute_participant(&alice, id, &bob.user_id, hour.clone()).await.unwrap();
    }
    assert_eq!(head(&chat, &alice, id).await, 5, "the same mute again changes nothing");
    let term = Term::Until(hour.until.unwrap());
    let denial = Denial::Muted(term);
    let edit = chatcore::chat::EditMessage::text("other");
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, denial);
    assert_denied(chat.edit_message(&bob, message.id, edit).await, denial);
    assert_denied(chat.delete_message(&bob, message.id, None).await, denial);
    assert_denied(chat.add_reaction(&bob, message.id, &thumb()).await, denial);
    assert_denied(chat.remove_reaction(&bob, message.id, &thumb()).await, denial);
    assert_denied(chat.typing(&bob, id, true).await, denial);
    let shown = chat.session(&bob, id).await.unwrap();
    assert_eq!(shown.participants.iter().map(|one| one.muted).collect::<Vec<_>>(), [None, Some(term)]);
    // Only the time ends it.
    clock.advance(TimeDelta::minutes(60) - TimeDelta::microseconds(1));
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, denial);
    clock.advance(TimeDelta::microseconds(1));
    say(&chat, &bob, id, "again").await;
    assert_eq!(chat.participant(&bob, id, &bob.user_id, false).await.unwrap().muted, None);
}

#[tokio::test]
async fn a_mute_stays_with_a_user_who_comes_back() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    mute(&chat, &alice, id, "bob").await.unwrap();
    let muted = Denial::Muted(Term::Endless);
    chat.leave(&bob, id).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, muted);
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    chat.add_participant(&alice, id, add("bob", Some(ADMIN))).await.unwrap();
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, muted);
    // An admin manages while muted, and ends nobody's own mute.
    chat.pin_message(&bob, say(&chat, &alice, id, "pin me").await.id).await.unwrap();
    assert_denied(chat.unmute_participant(&bob, id, &bob.user_id).await, muted);
    ban(&chat, &alice, id, "bob").await.unwrap();
    chat.unban_participant(&alice, id, &bob.user_id).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    assert_denied(chat.send(&bob, id, SendMessage::text("hi")).await, muted);
    for _ in 0..2 {
        chat.unmute_participant(&alice, id, &bob.user_id).await.unwrap();
    }
    say(&chat, &bob, id, "at last").await;
}

#[tokio::test]
async fn only_those_who_are_in_are_muted_and_never_the_owner() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob, &carol]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    assert_denied(mute(&chat, &bob, id, "alice").await, Denial::OwnerProtected);
    assert_denied(mute(&chat, &carol, id, "bob").await, Denial::RoleInsufficient);
    assert_denied(chat.unmute_participant(&carol, id, &carol.user_id).await, Denial::RoleInsufficient);
    assert_denied(mute(&chat, &bob, id, "dave").await, Denial::TargetNotParticipant);
    chat.unmute_participant(&bob, id, &user_id("dave")).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, 4);
}

/// Two processes on one store.
fn processes() -> (MemoryStore, [Chat; 2]) {
    let store = MemoryStore::new();
    let chats = [&store, &store].map(|store| Chat::builder(store.clone()).rates(RateLimits::off()).build());
    (store, chats)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_comes_in_after_their_ban() {
    for _ in 0..10 {
        let (store, chats) = processes();
        let (alice, bob) = (user("alice"), user("bob"));
        chats[0].me(&bob).await.unwrap();
        let id = room(&chats[0], &alice, &[]).await;
        let joins: Vec<_> = (0..8)
            .map(|n| {
                let (chat, alice, bob) = (chats[n % 2].clone(), alice.clone(), bob.clone());
                tokio::spawn(async move {
                    let came = match n % 4 {
                        0 => chat.add_participant(&alice, id, super::add("bob", None)).await.map(drop),
                        1 => chat.leave(&bob, id).await,
                        _ => chat.join(&bob, id).await.map(drop),
                    };
                    assert!(!matches!(came, Err(Error::Unavailable | Error::Internal)), "{came:?}");
                })
            })
            .collect();
        let banning = chats[1].clone();
        let by = alice.clone();
        let banned = tokio::spawn(async move { ban(&banning, &by, id, "bob").await });
        for join in joins {
            join.await.unwrap();
        }
        banned.await.unwrap().unwrap();
        let log = log(&store, id).await;
        let is_ban = |event: &Arc<Event>| matches!(event.kind, EventKind::Participant(ParticipantEvent::Banned { .. }));
        let place = log.iter().position(is_ban).unwrap();
        let comes = |event: &Arc<Event>| event.kind.admitted(&event.actor) == Some(&bob.user_id);
        let came = log[..place].iter().filter(|event| comes(event)).count();
        let left = |event: &&Arc<Event>| matches!(event.kind, EventKind::Participant(ParticipantEvent::Left));
        let is_in = came > log[..place].iter().filter(left).count();
        let told = ParticipantEvent::Banned { user_id: user_id("bob"), term: Term::Endless, was_active: is_in };
        assert_eq!(log[place].kind, EventKind::Participant(told));
        assert!(!log[place..].iter().any(comes), "{log:?}");
        for chat in &chats {
            assert_denied(chat.join(&bob, id).await, ENDLESS);
            assert_eq!(chat.session(&alice, id).await.unwrap().summary.session.participant_count, 1);
        }
    }
}

/// Sends from 16 tasks through two processes until the sender is refused; the log, and the number of sends that were acknowledged.
async fn send_against(
    store: &MemoryStore,
    chats: &[Chat; 2],
    id: SessionId,
    refusal: Denial,
    act: impl Future<Output = Result<(), Error>> + Send + 'static,
) -> (Vec<Arc<Event>>, usize) {
    let senders: Vec<_> = (0..16)
        .map(|n| {
            let chat = chats[n % 2].clone();
            tokio::spawn(async move {
                let (bob, mut sent) = (user("bob"), 0);
                loop {
                    match chat.send(&bob, id, SendMessage::text("x")).await {
                        Ok(_) => sent += 1,
                        Err(Error::Denied(denial)) => {
                            assert_eq!(denial, refusal);
                            return sent;
                        }
                        Err(Error::Unavailable) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let acted = tokio::spawn(act);
    let mut acknowledged = 0;
    for sender in senders {
        acknowledged += sender.await.unwrap();
    }
    acted.await.unwrap().unwrap();
    (log(store, id).await, acknowledged)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_is_numbered_after_the_ban_or_the_mute_of_its_sender() {
    for is_ban in [true, false, true, false] {
        let (store, chats) = processes();
        let alice = user("alice");
        let id = room(&chats[0], &alice, &[&user("bob")]).await;
        say(&chats[1], &user("bob"), id, "first").await;
        let chat = chats[0].clone();
        let (log, acknowledged) = if is_ban {
            let act = async move { ban(&chat, &user("alice"), id, "bob").await };
            send_against(&store, &chats, id, ENDLESS, act).await
        } else {
            let act = async move { mute(&chat, &user("alice"), id, "bob").await };
            send_against(&store, &chats, id, Denial::Muted(Term::Endless), act).await
        };
        let place = log.iter().position(|event| !event.kind.is_message() && event.seq > 2).unwrap();
        assert!(log[place..].iter().all(|event| !event.kind.is_message()), "a message came after it");
        assert_eq!(log.iter().filter(|event| event.kind.is_message()).count(), acknowledged + 1);
    }
}

#[tokio::test]
async fn a_ban_between_the_decision_and_the_commit_wins() {
    let (store, alice, bob) = (super::hooked::Hooked::default(), user("alice"), user("bob"));
    let (chat, elsewhere) = (Chat::new(store.clone()), Chat::new(store.intact()));
    chat.me(&bob).await.unwrap();
    let id = room(&chat, &alice, &[]).await;
    let by = alice.clone();
    let other = elsewhere.clone();
    store.before_commit.once(async move { ban(&other, &by, id, "bob").await.unwrap() });
    assert_denied(chat.join(&bob, id).await, ENDLESS);
    assert!(store.before_commit.is_done());
    // The list of bans shows nothing of after the decision about its reader.
    chat.add_participant(&alice, id, super::add("carol", Some(ADMIN))).await.unwrap_err();
    let key = Sessions { session: id }.key();
    let query = FactsQuery { session_id: id, records: std::slice::from_ref(&key) };
    assert!(store.intact().facts(&[query], Freshness::Fresh).await.unwrap()[0].head.seq >= 2);
}
