//! What is kept of tokens, what ends them, and what lists show them.

use chatcore::{
    chat::{FindSessions, ListMentions},
    model::{Ban, BotCommand, CommandName, UserStanding},
    store::{BotCommands, BotTokenUses, BotTokens, Bots, Change, ChatStore as _, OwnedBots, Standings, TypedKey as _},
};

use super::*;

#[tokio::test]
async fn no_token_is_kept_and_a_deleted_bot_leaves_no_record() {
    let store = MemoryStore::new();
    let (chat, alice) = (uncounted(store.clone()), user("alice"));
    let bot = made(&chat, &alice).await;
    let created = token(&chat, &alice, &bot, whole()).await;
    let as_bot = shown(&chat, created.secret.as_str()).await.unwrap();
    let command = BotCommand { name: CommandName::new("weather").unwrap(), description: "tells".into() };
    chat.set_commands(&as_bot, vec![command]).await.unwrap();
    let kept = async || {
        let all = [
            Bots::under(Vec::new()),
            OwnedBots::under(Vec::new()),
            BotTokens::under(Vec::new()),
            BotTokenUses::under(Vec::new()),
            BotCommands::under(Vec::new()),
        ]
        .map(|scan| scan.limit(100));
        let found = store.scan(&all).await.unwrap().into_iter().flatten();
        found.map(|(key, record)| format!("{key:?} {record:?}")).collect::<Vec<_>>()
    };
    let records = kept().await;
    assert_eq!(records.len(), 5, "{records:?}");
    let secret = created.secret.as_str().strip_prefix("cbot_").unwrap();
    assert!(records.iter().all(|record| !record.contains(secret)), "{records:?}");
    chat.delete_bot(&alice, &bot).await.unwrap();
    assert_eq!(kept().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_token_ends_at_its_time_also_where_it_was_used_a_moment_ago() {
    let clock = TestClock::at(chrono::Utc::now());
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let bot = made(&chat, &alice).await;
    let short = CreateBotToken { expires_at: Some(chat.now() + TimeDelta::seconds(30)), ..whole() };
    let short = token(&chat, &alice, &bot, short).await;
    clock.advance(TimeDelta::seconds(29));
    shown(&chat, short.secret.as_str()).await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(shown(&chat, short.secret.as_str()).await.unwrap_err(), Error::TokenInvalid);
}

#[tokio::test]
async fn the_ban_of_the_owner_alone_ends_a_token() {
    let store = MemoryStore::new();
    let (chat, bob) = (uncounted(store.clone()), user("bob"));
    let bot = made(&chat, &bob).await;
    let created = token(&chat, &bob, &bot, whole()).await;
    // As a process leaves it that ends after the ban, and before it has ended the logins of the bots.
    let ban = Ban { reason: "spam".to_owned(), by: user_id("alice"), at: chat.now(), until: None };
    let banned = UserStanding { ban: Some(ban), ..UserStanding::default() };
    let write = Standings { user: bob.user_id.clone() }.put(banned);
    store.commit(Change::of_records(vec![write])).await.unwrap();
    assert_eq!(shown(&uncounted(store), created.secret.as_str()).await.unwrap_err(), Error::TokenInvalid);
}

#[tokio::test]
async fn lists_show_nothing_to_a_token_that_may_not_view() {
    let chat = chat();
    let alice = user("alice");
    let bot = made(&chat, &alice).await;
    let free = caller(&chat, &alice, &bot, whole()).await;
    let (id, deleted) =
        (session(&chat, &free, SessionType::InviteOnly).await, session(&chat, &free, SessionType::InviteOnly).await);
    chat.delete_session(&free, deleted).await.unwrap();
    chat.add_participant(&free, id, add("alice", None)).await.unwrap();
    chat.send(&alice, id, SendMessage::text("hi").mentioning([bot.clone()])).await.unwrap();
    for (scope, expected) in [
        (whole().for_actions([ActionKind::Send]), 0),
        (whole().for_sessions([id, deleted]).for_actions([ActionKind::Send]), 0),
        (whole().for_actions([ActionKind::View]), 1),
    ] {
        let scoped = caller(&chat, &alice, &bot, scope).await;
        let found = FindSessions { search: Some("session".to_owned()), ..FindSessions::default() };
        let counts = [
            chat.sessions(&scoped, Page::FIRST).await.unwrap().len(),
            chat.find_sessions(&scoped, &found, Page::FIRST).await.unwrap().len(),
            chat.deleted_sessions(&scoped, Page::FIRST).await.unwrap().len(),
            chat.mentions(&scoped, Page::FIRST, ListMentions::default()).await.unwrap().len(),
            usize::try_from(chat.mark_all_read(&scoped, None).await.unwrap().marked).unwrap(),
        ];
        assert_eq!(counts, [expected; 5]);
    }
}
