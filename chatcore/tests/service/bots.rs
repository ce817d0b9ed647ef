//! Bots and their tokens: who owns them, what a token is good for, and when it ends.

#[path = "bots/owners.rs"]
mod owners;
#[path = "bots/scheduled.rs"]
mod scheduled;

#[path = "bots/tokens.rs"]
mod tokens;

use std::time::Duration;

use chatcore::{
    Authenticator, Chat, Code, Error, Limits, MemoryStore, Origin, Principal, RateLimits, TestClock,
    chat::{
        AllDelivery, BanAccount, CreateBotToken, CreateIncomingWebhook, CreateSession, Delivery, MAX_BOT_TOKENS,
        MAX_BOTS, MessagesOf, Position, ScheduleMessage, SendMessage, SetPresence, Start,
    },
    identity::{BotAuthenticator, NoTokens, Scope},
    model::{
        BotToken, Content, CreatedBotToken, LoginId, MessageId, MessageWindow, Page, SessionId, SessionType, UserId,
    },
    permission::{ActionKind, Denial},
};
use chrono::TimeDelta;
use futures_util::StreamExt as _;

use super::{
    ADMIN, add, assert_denied, faults,
    kit::{in_time, next, room, say, session, text_of, uncounted, user, user_id},
};

fn chat() -> Chat {
    uncounted(MemoryStore::new())
}

async fn made(chat: &Chat, owner: &Principal) -> UserId {
    chat.create_bot(owner, "A bot").await.unwrap().profile.user_id
}

fn whole() -> CreateBotToken {
    CreateBotToken::named("a token")
}

async fn token(chat: &Chat, owner: &Principal, bot: &UserId, new: CreateBotToken) -> CreatedBotToken {
    chat.create_bot_token(owner, bot, new).await.unwrap()
}

async fn shown(chat: &Chat, text: &str) -> Result<Principal, Error> {
    BotAuthenticator::new(chat.clone(), NoTokens).authenticate(text).await
}

/// The caller whom a new token stands for.
async fn caller(chat: &Chat, owner: &Principal, bot: &UserId, new: CreateBotToken) -> Principal {
    shown(chat, token(chat, owner, bot, new).await.secret.as_str()).await.unwrap()
}

#[tokio::test]
async fn a_bot_is_a_user_that_another_user_owns() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let bot = chat.create_bot(&alice, " Deployer ").await.unwrap();
    assert_eq!((bot.profile.name.as_str(), bot.profile.is_bot), ("Deployer", true));
    let bot_id = bot.profile.user_id.clone();
    assert_eq!(chat.bots(&alice).await.unwrap(), [bot]);
    assert_eq!(chat.bots(&bob).await.unwrap(), []);
    // It comes in by the same rules as any user.
    assert_denied(chat.add_participant(&bob, id, add(bot_id.as_str(), None)).await, Denial::RoleInsufficient);
    let added = chat.add_participant(&alice, id, add(bot_id.as_str(), None)).await.unwrap().participant;
    assert!(added.profile.is_bot);
    assert_eq!(serde_json::to_value(&added).unwrap()["is_bot"], true);
    let people = chat.participants(&bob, id, Page::FIRST, false).await.unwrap();
    let bots: Vec<bool> = people.iter().map(|one| one.profile.is_bot).collect();
    assert_eq!(bots, [false, false, true]);
    let caller = caller(&chat, &alice, &bot_id, whole()).await;
    let said = say(&chat, &caller, id, "hello").await;
    assert_eq!((said.sender.name.as_str(), said.sender.is_bot), ("Deployer", true));
    assert_eq!(chat.me(&caller).await.unwrap().name, "Deployer");
    // A bot owns no bots.
    assert_eq!(chat.create_bot(&caller, "Another").await.unwrap_err(), Error::OutOfScope);
    assert_eq!(chat.bots(&caller).await.unwrap_err(), Error::OutOfScope);
}

#[tokio::test]
async fn the_numbers_of_bots_and_of_tokens_are_bounded() {
    let clock = TestClock::at(chrono::Utc::now());
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    for name in ["", " ", "a\nb", &"x".repeat(51)] {
        assert_eq!(faults(chat.create_bot(&alice, name).await)[0].0, "name", "{name:?}");
    }
    let created = futures_util::future::join_all((0..MAX_BOTS + 5).map(|_| chat.create_bot(&alice, "A bot"))).await;
    assert_eq!(created.iter().filter(|bot| bot.is_ok()).count(), MAX_BOTS);
    let bots = chat.bots(&alice).await.unwrap();
    assert_eq!(bots.len(), MAX_BOTS);
    let one_more = chat.create_bot(&alice, "A bot").await.unwrap_err();
    assert_eq!((one_more.code(), one_more.code().status()), (Code::ResourceLimitExceeded, 422));
    made(&chat, &bob).await;

    let bot = &bots[0].profile.user_id;
    let short = CreateBotToken { expires_at: Some(chat.now() + TimeDelta::hours(1)), ..whole() };
    token(&chat, &alice, bot, short).await;
    for _ in 1..MAX_BOT_TOKENS {
        token(&chat, &alice, bot, whole()).await;
    }
    let one_more = chat.create_bot_token(&alice, bot, whole()).await.unwrap_err();
    assert_eq!(one_more.code(), Code::ResourceLimitExceeded);
    // One that is over makes room.
    clock.advance(TimeDelta::hours(2));
    token(&chat, &alice, bot, whole()).await;
    assert_eq!(chat.bot_tokens(&alice, bot).await.unwrap().len(), MAX_BOT_TOKENS);
    assert_eq!(chat.create_bot_token(&alice, bot, whole()).await.unwrap_err().code(), Code::ResourceLimitExceeded);
}

#[tokio::test]
async fn only_the_owner_manages_a_bot() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let bot = made(&chat, &alice).await;
    let created = token(&chat, &alice, &bot, whole()).await;
    let other = made(&chat, &bob).await;
    let id = created.token.id;
    for bot in [&bot, &user_id("alice"), &user_id("nobody")] {
        assert_eq!(chat.delete_bot(&bob, bot).await.unwrap_err(), Error::BotNotFound);
        assert_eq!(chat.bot_tokens(&bob, bot).await.unwrap_err(), Error::BotNotFound);
        assert_eq!(chat.create_bot_token(&bob, bot, whole()).await.unwrap_err(), Error::BotNotFound);
        assert_eq!(chat.revoke_bot_token(&bob, bot, id).await.unwrap_err(), Error::BotNotFound);
    }
    // A token of another bot is none of this one.
    assert_eq!(chat.revoke_bot_token(&bob, &other, id).await.unwrap_err(), Error::BotTokenNotFound);
    assert_eq!(shown(&chat, created.secret.as_str()).await.unwrap().user_id, bot);
    let nobody = LoginId(uuid::Uuid::now_v7());
    assert_eq!(chat.revoke_bot_token(&alice, &bot, nobody).await.unwrap_err(), Error::BotTokenNotFound);
}

#[tokio::test]
async fn a_token_is_shown_once_and_the_list_says_when_it_was_used() {
    let clock = TestClock::at(chrono::Utc::now());
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let bot = made(&chat, &alice).await;
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let created = token(&chat, &alice, &bot, whole().for_sessions([id]).for_actions([ActionKind::Send])).await;
    let text = created.secret.as_str();
    assert!(text.starts_with("cbot_") && text.len() == 48, "{text}");
    assert!(!format!("{created:?}").contains(text));
    let list = chat.bot_tokens(&alice, &bot).await.unwrap();
    assert_eq!(list, std::slice::from_ref(&created.token));
    let BotToken { sessions, actions, last_used_at, .. } = &list[0];
    assert_eq!((sessions, actions), (&Some(vec![id]), &Some(vec!["SEND".to_owned()])));
    assert_eq!(*last_used_at, None);
    assert!(!serde_json::to_string(&list).unwrap().contains(text));
    shown(&chat, text).await.unwrap();
    let used = chat.bot_tokens(&alice, &bot).await.unwrap()[0].last_used_at.unwrap();
    clock.advance(TimeDelta::seconds(30));
    shown(&chat, text).await.unwrap();
    assert_eq!(chat.bot_tokens(&alice, &bot).await.unwrap()[0].last_used_at, Some(used), "at most once a minute");
    clock.advance(TimeDelta::seconds(31));
    shown(&chat, text).await.unwrap();
    assert!(chat.bot_tokens(&alice, &bot).await.unwrap()[0].last_used_at.unwrap() > used);
}

#[tokio::test]
async fn a_token_with_a_bad_scope_is_refused() {
    let chat = chat();
    let alice = user("alice");
    let bot = made(&chat, &alice).await;
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let with = |actions: &[&str]| CreateBotToken {
        actions: Some(actions.iter().map(|name| (*name).to_owned()).collect()),
        ..whole()
    };
    let past = CreateBotToken { expires_at: Some(chat.now()), ..whole() };
    for (new, field) in [
        (CreateBotToken::named(""), "name"),
        (CreateBotToken::named("x".repeat(101)), "name"),
        (whole().for_sessions([]), "sessions"),
        (whole().for_sessions([id, id]), "sessions"),
        (whole().for_sessions((0..101).map(|_| SessionId(uuid::Uuid::now_v7()))), "sessions"),
        (with(&[]), "actions"),
        (with(&["SEND", "SEND"]), "actions"),
        (with(&["send"]), "actions"),
        (with(&["EVERYTHING"]), "actions"),
        (past, "expires_at"),
    ] {
        assert_eq!(faults(chat.create_bot_token(&alice, &bot, new).await)[0].0, field);
    }
    assert_eq!(chat.bot_tokens(&alice, &bot).await.unwrap(), []);
    for kind in ActionKind::ALL {
        assert_eq!(ActionKind::named(&kind.name()), Some(kind));
    }
    assert_eq!(ActionKind::EditMessage.name(), "EDIT_MESSAGE");
}

#[tokio::test]
async fn a_wrong_a_revoked_and_an_expired_token_look_the_same() {
    let clock = TestClock::at(chrono::Utc::now());
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let bot = made(&chat, &alice).await;
    let revoked = token(&chat, &alice, &bot, whole()).await;
    let kept = token(&chat, &alice, &bot, whole()).await;
    let short = CreateBotToken { expires_at: Some(chat.now() + TimeDelta::hours(1)), ..whole() };
    let short = token(&chat, &alice, &bot, short).await;
    for created in [&revoked, &kept, &short] {
        assert_eq!(shown(&chat, created.secret.as_str()).await.unwrap().user_id, bot);
    }
    chat.revoke_bot_token(&alice, &bot, revoked.token.id).await.unwrap();
    clock.advance(TimeDelta::hours(1));
    let long = format!("cbot_{}", "x".repeat(10_000));
    for wrong in ["cbot_", "cbot_wrong", &long, revoked.secret.as_str(), short.secret.as_str()] {
        assert_eq!(shown(&chat, wrong).await.unwrap_err(), Error::TokenInvalid, "{wrong}");
    }
    shown(&chat, kept.secret.as_str()).await.unwrap();
    // Other tokens are those of the host.
    assert_eq!(shown(&chat, "another").await.unwrap_err(), Error::TokenInvalid);
    struct Host;
    #[chatcore::async_trait]
    impl Authenticator for Host {
        async fn authenticate(&self, token: &str) -> Result<Principal, Error> {
            assert!(!token.starts_with("cbot_"), "the host sees no token of a bot");
            Ok(user("alice"))
        }
    }
    let tokens = BotAuthenticator::new(chat.clone(), Host);
    assert_eq!(tokens.authenticate("another").await.unwrap().user_id, alice.user_id);
    assert_eq!(tokens.authenticate("cbot_wrong").await.unwrap_err(), Error::TokenInvalid);
}

#[tokio::test]
async fn a_revocation_ends_streams_at_once_and_other_tokens_go_on() {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let bot = made(&chat, &alice).await;
    chat.add_participant(&alice, id, add(bot.as_str(), None)).await.unwrap();
    let created = token(&chat, &alice, &bot, whole().for_sessions([id])).await;
    let revoked = shown(&chat, created.secret.as_str()).await.unwrap();
    let kept = caller(&chat, &alice, &bot, whole().for_sessions([id])).await;
    let mut ending = chat.subscribe(&revoked, id, None).await.unwrap();
    let mut going_on = chat.subscribe(&kept, id, None).await.unwrap();
    // Another process knows the token, too.
    let limits = Limits { standing_age: Duration::from_millis(50), rates: RateLimits::off(), ..Limits::default() };
    let elsewhere = Chat::builder(store).limits(limits).build();
    shown(&elsewhere, created.secret.as_str()).await.unwrap();
    let mut there = elsewhere.subscribe(&revoked, id, None).await.unwrap();
    say(&chat, &alice, id, "one").await;
    next(&mut ending).await;
    next(&mut going_on).await;
    next(&mut there).await;
    chat.revoke_bot_token(&alice, &bot, created.token.id).await.unwrap();
    say(&chat, &alice, id, "two").await;
    assert_eq!(in_time(ending.next_event()).await.unwrap().unwrap_err(), Error::TokenInvalid);
    assert_eq!(chat.send(&revoked, id, SendMessage::text("late")).await.unwrap_err(), Error::TokenInvalid);
    next(&mut going_on).await;
    let last = in_time(async {
        loop {
            match there.next_event().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => break error,
                None => panic!("the stream ended without a reason"),
            }
        }
    });
    assert_eq!(last.await, Error::TokenInvalid);
    assert_eq!(shown(&elsewhere, created.secret.as_str()).await.unwrap_err(), Error::TokenInvalid);
    say(&chat, &kept, id, "three").await;
}

#[tokio::test]
async fn a_deleted_bot_leaves_and_its_tokens_end() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let bot = made(&chat, &alice).await;
    chat.add_participant(&alice, id, add(bot.as_str(), None)).await.unwrap();
    let created = token(&chat, &alice, &bot, whole()).await;
    let as_bot = shown(&chat, created.secret.as_str()).await.unwrap();
    let said = say(&chat, &as_bot, id, "hello").await;
    let mut events = chat.subscribe(&as_bot, id, None).await.unwrap();
    chat.delete_bot(&alice, &bot).await.unwrap();
    assert_eq!(chat.bots(&alice).await.unwrap(), []);
    assert_eq!(shown(&chat, created.secret.as_str()).await.unwrap_err(), Error::TokenInvalid);
    assert!(chat.send(&as_bot, id, SendMessage::text("late")).await.is_err());
    in_time(async { while let Some(Ok(_)) = events.next_event().await {} }).await;
    let people = chat.participants(&bob, id, Page::FIRST, false).await.unwrap();
    assert!(people.iter().all(|one| one.profile.user_id != bot || !one.is_active));
    let kept = chat.message(&bob, said.id).await.unwrap();
    assert_eq!((text_of(&kept), kept.sender.name.as_str()), ("hello", "A bot"));
    assert_eq!(chat.delete_bot(&alice, &bot).await.unwrap_err(), Error::BotNotFound);
    let again = chat.add_participant(&alice, id, add(bot.as_str(), None)).await.unwrap_err();
    assert_eq!(again, Error::UserBanned);
    made(&chat, &alice).await;
}

#[tokio::test]
async fn the_bots_of_a_banned_user_are_silent() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let bot = made(&chat, &bob).await;
    chat.add_participant(&alice, id, add(bot.as_str(), Some(ADMIN))).await.unwrap();
    let created = token(&chat, &bob, &bot, whole()).await;
    let as_bot = shown(&chat, created.secret.as_str()).await.unwrap();
    let new = CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
    let webhook = chat.create_incoming_webhook(&as_bot, id, new).await.unwrap();
    chat.admit_webhook(Origin::UNKNOWN, &webhook.token).await.unwrap();
    let mut events = chat.subscribe(&as_bot, id, None).await.unwrap();
    let ban = BanAccount { reason: "spam".to_owned(), by: alice.user_id.clone(), until: None };
    chat.ban_account(&bob.user_id, ban).await.unwrap();
    assert_eq!(shown(&chat, created.secret.as_str()).await.unwrap_err(), Error::TokenInvalid);
    assert_eq!(chat.send(&as_bot, id, SendMessage::text("late")).await.unwrap_err(), Error::TokenInvalid);
    assert_eq!(chat.admit_webhook(Origin::UNKNOWN, &webhook.token).await.unwrap_err(), Error::WebhookNotFound);
    let ended = in_time(async {
        loop {
            if let Some(Err(error)) = events.next_event().await {
                break error;
            }
        }
    });
    assert_eq!(ended.await, Error::TokenInvalid);
}

#[tokio::test]
async fn a_scope_narrows_sessions_and_actions() {
    let chat = chat();
    let alice = user("alice");
    let (here, there) =
        (session(&chat, &alice, SessionType::InviteOnly).await, session(&chat, &alice, SessionType::InviteOnly).await);
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    let bot = made(&chat, &alice).await;
    for id in [here, there] {
        chat.add_participant(&alice, id, add(bot.as_str(), None)).await.unwrap();
    }
    let (one, other) = (say(&chat, &alice, here, "here").await.id, say(&chat, &alice, there, "there").await.id);
    let nothing = MessageId { session_id: there, seq: 999 };

    let in_here = caller(&chat, &alice, &bot, whole().for_sessions([here])).await;
    let sender = caller(&chat, &alice, &bot, whole().for_actions([ActionKind::Send])).await;
    let reader = caller(&chat, &alice, &bot, whole().for_sessions([here]).for_actions([ActionKind::View])).await;

    say(&chat, &in_here, here, "in the scope").await;
    chat.add_reaction(&in_here, one, &chatcore::model::Emoji::new("\u{1f44d}").unwrap()).await.unwrap();
    chat.subscribe(&in_here, here, Start::Beginning).await.unwrap();
    let refused = Error::OutOfScope;
    assert_eq!((refused.name(), refused.code().status()), ("OUT_OF_SCOPE", 403));
    assert_eq!(chat.send(&in_here, there, SendMessage::text("hi")).await.unwrap_err(), refused);
    assert_eq!(chat.session(&in_here, there).await.unwrap_err(), refused);
    assert_eq!(chat.messages(&in_here, there, MessageWindow::Newest, None).await.unwrap_err(), refused);
    assert_eq!(chat.events(&in_here, there, 0, None).await.unwrap_err(), refused);
    assert_eq!(chat.subscribe(&in_here, there, None).await.unwrap_err(), refused);
    assert_eq!(chat.typing(&in_here, there, true).await.unwrap_err(), refused);
    assert_eq!(chat.leave(&in_here, there).await.unwrap_err(), refused);
    // Whether there is a message is not told, either.
    for id in [other, nothing] {
        assert_eq!(chat.message(&in_here, id).await.unwrap_err(), refused);
        assert_eq!(chat.delete_message(&in_here, id, None).await.unwrap_err(), refused);
        assert_eq!(chat.forward_message(&in_here, id, here, None).await.unwrap_err(), refused);
    }
    assert_eq!(chat.forward_message(&in_here, one, there, None).await.unwrap_err(), refused);
    // A session that the bot cannot know of is hidden.
    assert_denied(chat.send(&in_here, hidden, SendMessage::text("hi")).await, Denial::Hidden);
    assert_denied(chat.session(&sender, hidden).await, Denial::Hidden);
    let batch = chat.sessions_by_id(&in_here, &[here, there, hidden]).await.unwrap();
    assert!(batch[0].is_ok());
    assert_eq!(batch[1].as_ref().unwrap_err(), &refused);
    assert_eq!(batch[2].as_ref().unwrap_err(), &Error::Denied(Denial::Hidden));
    let asked = [here, there].map(|id| MessagesOf { session_id: id, window: MessageWindow::Newest, limit: None });
    let batch = chat.messages_of(&in_here, &asked).await.unwrap();
    assert!(batch[0].is_ok() && batch[1].is_err());

    say(&chat, &sender, there, "of the action").await;
    assert_eq!(chat.session(&sender, there).await.unwrap_err(), refused);
    assert_eq!(chat.message(&sender, other).await.unwrap_err(), refused);
    assert_eq!(chat.subscribe(&sender, there, None).await.unwrap_err(), refused);
    assert_eq!(chat.pin_message(&sender, other).await.unwrap_err(), Error::Denied(Denial::RoleInsufficient));

    chat.messages(&reader, here, MessageWindow::Newest, None).await.unwrap();
    assert_eq!(chat.send(&reader, here, SendMessage::text("hi")).await.unwrap_err(), refused);
    assert_eq!(chat.typing(&reader, here, true).await.unwrap_err(), refused);

    // What belongs to no session needs a token without a scope.
    for scoped in [&in_here, &sender, &reader] {
        assert!(chat.me(scoped).await.is_ok());
        assert_eq!(chat.create_session(scoped, CreateSession::titled("x")).await.unwrap_err(), refused);
        assert_eq!(chat.start_direct(scoped, &alice.user_id).await.unwrap_err(), refused);
        assert_eq!(chat.public_sessions(scoped, Page::FIRST).await.unwrap_err(), refused);
        assert_eq!(chat.block_user(scoped, &alice.user_id).await.unwrap_err(), refused);
        assert_eq!(chat.set_draft(scoped, here, Content::Text("x".into())).await.unwrap_err(), refused);
        assert_eq!(chat.drafts(scoped, Page::FIRST).await.unwrap_err(), refused);
        let later = ScheduleMessage { message: SendMessage::text("x"), send_at: chat.now() + TimeDelta::hours(1) };
        assert_eq!(chat.schedule_message(scoped, here, later).await.unwrap_err(), refused);
        assert_eq!(chat.scheduled_messages(scoped, Page::FIRST).await.unwrap_err(), refused);
        assert_eq!(chat.set_presence(scoped, SetPresence::default()).await.unwrap_err(), refused);
        assert_eq!(chat.user_settings(scoped).await.unwrap_err(), refused);
        assert_eq!(chat.set_commands(scoped, Vec::new()).await.unwrap_err(), refused);
        assert_eq!(chat.follow_notices(scoped).await.err(), Some(refused.clone()));
    }
    let free = caller(&chat, &alice, &bot, whole()).await;
    chat.me(&free).await.unwrap();
    chat.set_commands(&free, Vec::new()).await.unwrap();
    chat.create_session(&free, CreateSession::titled("x")).await.unwrap();
    // A host can give a scope to any caller.
    let narrow = user("alice").within(Scope { sessions: Some([here].into()), actions: None });
    assert_eq!(chat.session(&narrow, there).await.unwrap_err(), refused);
    chat.session(&user("alice").within(Scope::default()), there).await.unwrap();
}

#[tokio::test]
async fn lists_and_the_stream_of_all_sessions_show_the_scope() {
    let chat = chat();
    let alice = user("alice");
    let bot = made(&chat, &alice).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        let id = session(&chat, &alice, SessionType::InviteOnly).await;
        chat.add_participant(&alice, id, add(bot.as_str(), None)).await.unwrap();
        chat.send(&alice, id, SendMessage::text("hi").mentioning([bot.clone()])).await.unwrap();
        all.push(id);
    }
    let later = session(&chat, &alice, SessionType::InviteOnly).await;
    let scope = [all[1], later];
    let scoped = caller(&chat, &alice, &bot, whole().for_sessions(scope)).await;
    let list = chat.sessions(&scoped, Page::FIRST).await.unwrap();
    assert_eq!(list.iter().map(|summary| summary.session.id).collect::<Vec<_>>(), [all[1]]);
    let mentions = chat.mentions(&scoped, Page::FIRST, chatcore::chat::ListMentions::default()).await.unwrap();
    assert_eq!(mentions.iter().map(|one| one.message.session_id).collect::<Vec<_>>(), [all[1]]);
    assert_eq!(chat.mark_all_read(&scoped, None).await.unwrap().marked, 1);

    let cursor = chat.session(&alice, all[0]).await.unwrap().summary.cursor;
    let named = [Position { session_id: all[0], cursor }];
    let mut stream = chat.subscribe_all(&scoped, &named).await.unwrap();
    let ended = loop {
        match in_time(stream.next()).await.unwrap().unwrap() {
            AllDelivery::Subscribed(position) => assert_eq!(position.session_id, all[1]),
            other => break other,
        }
    };
    assert!(
        matches!(&ended, AllDelivery::Ended { session_id, error } if *session_id == all[0] && *error == Error::OutOfScope),
        "{ended:?}"
    );
    for id in &all {
        say(&chat, &alice, *id, "news").await;
    }
    chat.add_participant(&alice, later, add(bot.as_str(), None)).await.unwrap();
    let other = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.add_participant(&alice, other, add(bot.as_str(), None)).await.unwrap();
    say(&chat, &alice, other, "not for the token").await;
    say(&chat, &alice, later, "for the token").await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        match in_time(stream.next()).await.unwrap().unwrap() {
            AllDelivery::Delivered(Delivery::Event(view)) => seen.push(view.event.session_id),
            AllDelivery::Delivered(Delivery::Signal(_)) => {}
            AllDelivery::Subscribed(position) => assert!(scope.contains(&position.session_id)),
            other => panic!("{other:?}"),
        }
    }
    // Sessions have no order among them.
    let of = |id: SessionId| seen.iter().filter(|seen| **seen == id).count();
    assert_eq!((of(all[1]), of(later)), (1, 2));
}
