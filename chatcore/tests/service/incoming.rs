//! Incoming webhooks, and what they post.

#[path = "incoming/uses.rs"]
mod uses;

use std::collections::HashSet;

use chatcore::{
    Origin, Refusal,
    chat::{
        Attempt, BanAccount, BlockingPolicy, CreateIncomingWebhook, MAX_INCOMING_WEBHOOKS, MessageDraft, Operation,
        Policy, PostToWebhook, UpdateIncomingWebhook, Verdict,
    },
    model::{CreatedIncomingWebhook, IncomingToken, Message, UserId, WebhookId},
    permission::Action,
    store::{IncomingTokens, IncomingWebhooks},
};

use super::*;

fn named(name: &str) -> CreateIncomingWebhook {
    CreateIncomingWebhook { name: name.to_owned(), avatar_url: None }
}

async fn hook(chat: &Chat, who: &Principal, id: SessionId) -> CreatedIncomingWebhook {
    chat.create_incoming_webhook(who, id, named("Builds")).await.unwrap()
}

async fn post(chat: &Chat, token: &IncomingToken, post: PostToWebhook) -> Result<Message, Error> {
    let caller = chat.admit_webhook(Origin::UNKNOWN, token).await?;
    chat.post_to_webhook(caller, post).await
}

async fn post_text(chat: &Chat, token: &IncomingToken, text: &str) -> Result<Message, Error> {
    post(chat, token, PostToWebhook::text(text)).await
}

fn once(text: &str) -> PostToWebhook {
    PostToWebhook::text(text).with_client_id(ClientId::new("once").unwrap())
}

async fn newest(chat: &Chat, who: &Principal, id: SessionId) -> Vec<Message> {
    chat.messages(who, id, MessageWindow::Newest, None).await.unwrap().messages
}

#[tokio::test]
async fn a_webhook_posts_in_its_own_name_and_is_no_participant() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let new = CreateIncomingWebhook { avatar_url: Some("https://example.com/a.png".to_owned()), ..named("Builds") };
    let created = chat.create_incoming_webhook(&alice, id, new).await.unwrap();
    let (webhook, token) = (created.webhook, created.token);
    assert!(token.as_str().starts_with("chook_") && token.as_str().len() == 49, "{}", token.as_str());
    assert!(!format!("{token:?}").contains(token.as_str()));
    assert_eq!((webhook.created_by.user_id.as_str(), webhook.last_used_at), ("alice", None));

    let sent = post_text(&chat, &token, "done @bob @all https://example.com").await.unwrap();
    assert_eq!(sent.sender.user_id, webhook.id.author());
    assert_eq!((sent.sender.name.as_str(), sent.sender.username.as_str()), ("Builds", "Builds"));
    assert_eq!(sent.sender.picture.as_deref(), Some("https://example.com/a.png"));
    // It has links, and mentions nobody: a mention of everybody takes a right that a webhook has not.
    assert_eq!((sent.body.links.len(), sent.body.mentions.len(), sent.body.role), (1, 0, SpeakerRole::User));
    assert_eq!(newest(&chat, &bob, id).await, std::slice::from_ref(&sent));
    assert_eq!(chat.participants(&alice, id, Page::FIRST, false).await.unwrap().len(), 2);
    assert_eq!(
        chat.overviews_by_id(&bob, &[id]).await.unwrap()[0].as_ref().unwrap().as_ref().unwrap().reading.unread.count,
        1
    );
    // Who manages the session deletes the message as any other one; nobody edits it.
    assert!(chat.edit_message(&alice, sent.id, chatcore::chat::EditMessage::text("x")).await.is_err());
    chat.delete_message(&alice, sent.id, None).await.unwrap();

    let listed = chat.incoming_webhooks(&alice, id).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].last_used_at.is_some());
    assert_eq!((listed[0].id, listed[0].name.as_str()), (webhook.id, "Builds"));
}

#[tokio::test]
async fn a_name_is_changed_for_all_messages_and_stays_when_the_webhook_is_deleted() {
    let store = MemoryStore::new();
    let (chat, other) = (uncounted(store.clone()), uncounted(store));
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let CreatedIncomingWebhook { webhook, token } = hook(&chat, &alice, id).await;
    post_text(&chat, &token, "one").await.unwrap();
    let rename = |name: &str| UpdateIncomingWebhook { name: Some(name.to_owned()), avatar_url: None };
    let renamed = chat.update_incoming_webhook(&alice, id, webhook.id, rename("Deploys")).await.unwrap();
    assert_eq!((renamed.name.as_str(), renamed.last_used_at.is_some()), ("Deploys", true));
    let at = head(&chat, &alice, id).await;
    chat.update_incoming_webhook(&alice, id, webhook.id, rename("Deploys")).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, at, "the same again changes nothing");
    for chat in [&chat, &other] {
        assert_eq!(newest(chat, &alice, id).await[0].sender.name, "Deploys");
    }
    for text in ["a\nb", "", " ", &"x".repeat(101)] {
        let refused = chat.update_incoming_webhook(&alice, id, webhook.id, rename(text)).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{text:?}: {refused:?}");
    }
    for url in ["http://example.com/a", "javascript:alert(1)", "", &format!("https://{}", "x".repeat(2_048))] {
        let changes = UpdateIncomingWebhook { name: None, avatar_url: Some(Some(url.to_owned())) };
        let refused = chat.update_incoming_webhook(&alice, id, webhook.id, changes).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(_)), "{url:?}: {refused:?}");
    }
    let events = head(&chat, &alice, id).await;
    chat.delete_incoming_webhook(&alice, id, webhook.id).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, events + 1);
    assert_eq!(post_text(&chat, &token, "late").await, Err(Error::WebhookNotFound));
    assert_eq!(chat.incoming_webhooks(&alice, id).await.unwrap(), []);
    assert_eq!(newest(&other, &alice, id).await[0].sender.name, "Deploys");
    let again = chat.delete_incoming_webhook(&alice, id, webhook.id).await;
    assert_eq!(again, Err(Error::WebhookNotFound));
    assert_eq!(
        chat.update_incoming_webhook(&alice, id, webhook.id, rename("x")).await.unwrap_err(),
        Error::WebhookNotFound
    );
}

#[tokio::test]
async fn only_those_who_manage_the_session_manage_its_webhooks() {
    let (chat, alice, bob, eve) = (uncounted(MemoryStore::new()), user("alice"), user("bob"), user("eve"));
    let id = room(&chat, &alice, &[&bob]).await;
    let elsewhere = room(&chat, &eve, &[]).await;
    let webhook = hook(&chat, &alice, id).await.webhook.id;
    let at = head(&chat, &alice, id).await;
    let rename = || UpdateIncomingWebhook { name: Some("Mine".to_owned()), avatar_url: None };
    for (who, denial) in [(&bob, Denial::RoleInsufficient), (&eve, Denial::NotParticipant)] {
        assert_denied(chat.create_incoming_webhook(who, id, named("x")).await, denial);
        assert_denied(chat.incoming_webhooks(who, id).await, denial);
        assert_denied(chat.update_incoming_webhook(who, id, webhook, rename()).await, denial);
        assert_denied(chat.delete_incoming_webhook(who, id, webhook).await, denial);
    }
    // A webhook of another session is none of this one.
    let stolen = chat.update_incoming_webhook(&eve, elsewhere, webhook, rename()).await.unwrap_err();
    assert_eq!(stolen, Error::WebhookNotFound);
    assert_eq!(chat.delete_incoming_webhook(&eve, elsewhere, webhook).await, Err(Error::WebhookNotFound));
    assert_eq!(head(&chat, &alice, id).await, at);
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    hook(&chat, &bob, id).await;
}

#[tokio::test]
async fn tokens_that_are_wrong_deleted_or_of_deleted_sessions_look_the_same() {
    let store = MemoryStore::new();
    let (chat, other, alice) = (uncounted(store.clone()), uncounted(store), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let [first, second] = [hook(&chat, &alice, id).await, hook(&chat, &alice, id).await];
    for process in [&chat, &other] {
        post_text(process, &first.token, "hello").await.unwrap();
        post_text(process, &second.token, "hello").await.unwrap();
    }
    chat.delete_incoming_webhook(&alice, id, first.webhook.id).await.unwrap();
    let wrong = [
        first.token.as_str().to_owned(),
        String::new(),
        "chook_".to_owned(),
        format!("chook_{}", "A".repeat(43)),
        format!("{}x", second.token.as_str()),
        second.token.as_str().to_uppercase(),
        second.token.as_str().replace("chook_", ""),
        "x".repeat(100_000),
    ];
    // The other process has cached facts of before the deletion.
    for process in [&chat, &other] {
        for token in &wrong {
            let refused = post_text(process, &IncomingToken::new(token.clone()), "x").await;
            assert_eq!(refused, Err(Error::WebhookNotFound), "{token:.60}");
        }
        post_text(process, &second.token, "still there").await.unwrap();
    }
    chat.delete_session(&alice, id).await.unwrap();
    for process in [&chat, &other] {
        assert_eq!(post_text(process, &second.token, "").await, Err(Error::WebhookNotFound));
    }
    chat.restore_session(&alice, id).await.unwrap();
    post_text(&chat, &second.token, "back").await.unwrap();
    assert_eq!(newest(&chat, &alice, id).await.len(), 7);
}

#[tokio::test]
async fn a_caller_that_was_let_in_posts_nothing_after_the_deletion() {
    let store = MemoryStore::new();
    let (chat, other, alice) = (uncounted(store.clone()), uncounted(store), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let [first, second] = [hook(&chat, &alice, id).await, hook(&chat, &alice, id).await];
    post_text(&chat, &first.token, "hello").await.unwrap();
    let late = async |token| chat.admit_webhook(Origin::UNKNOWN, token).await.unwrap();
    let callers = [late(&first.token).await, late(&second.token).await, late(&second.token).await];
    other.delete_incoming_webhook(&alice, id, first.webhook.id).await.unwrap();
    let [one, two, three] = callers;
    let text = || PostToWebhook::text("late");
    assert_eq!(chat.post_to_webhook(one, text()).await, Err(Error::WebhookNotFound));
    other.archive_session(&alice, id).await.unwrap();
    assert_denied(chat.post_to_webhook(two, text()).await, Denial::Archived);
    // An archived session is known to the holder of a token.
    assert_denied(post_text(&other, &second.token, "hello").await, Denial::Archived);
    other.delete_session(&alice, id).await.unwrap();
    assert_eq!(chat.post_to_webhook(three, text()).await, Err(Error::WebhookNotFound));
}

#[tokio::test]
async fn the_limits_of_content_hold_for_webhooks() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let token = hook(&chat, &alice, id).await.token;
    let long = "x".repeat(chat.limits().message_chars + 1);
    for (text, code) in
        [("", Code::ValidationRequiredField), ("\u{1}", Code::ValidationInvalidValue), (&long, Code::MessageTooLong)]
    {
        assert_fault(post_text(&chat, &token, text).await, "content", code);
    }
    let encrypted = EncryptedContent { encrypted_data: "b3BhcXVl".into(), iv: "aXY".into(), key_version: 1 };
    let content = Content::Encrypted(encrypted.clone());
    let posted = post(&chat, &token, PostToWebhook { content, ..PostToWebhook::text("") }).await.unwrap();
    assert_eq!(posted.body.content, Content::Encrypted(encrypted));
    let role = SpeakerRole::Assistant;
    assert_eq!(post(&chat, &token, PostToWebhook { role, ..once("hi") }).await.unwrap().body.role, role);
}

#[tokio::test]
async fn a_retry_gives_the_first_message_again() {
    let store = MemoryStore::new();
    let (chat, other, alice) = (uncounted(store.clone()), uncounted(store), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let [one, two] = [hook(&chat, &alice, id).await, hook(&chat, &alice, id).await];
    let first = post(&chat, &one.token, once("done")).await.unwrap();
    assert_eq!(post(&other, &one.token, once("done")).await.unwrap(), first);
    assert_eq!(post(&other, &one.token, once("failed")).await, Err(Error::ClientIdReused));
    // Another webhook has client ids of its own.
    assert_ne!(post(&chat, &two.token, once("done")).await.unwrap().id, first.id);
    assert_eq!(newest(&chat, &alice, id).await.len(), 2);
    chat.delete_incoming_webhook(&alice, id, one.webhook.id).await.unwrap();
    assert_eq!(post(&chat, &one.token, once("done")).await, Err(Error::WebhookNotFound));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_posts_at_once_the_bucket_lets_through_and_numbers_are_dense() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let [one, two] = [hook(&chat, &alice, id).await, hook(&chat, &alice, id).await];
    let posts: Vec<_> = (0..1_000)
        .map(|n| {
            let (chat, token) = (chat.clone(), one.token.clone());
            tokio::spawn(async move { post_text(&chat, &token, &format!("{n}")).await })
        })
        .collect();
    let mut numbers = Vec::new();
    for posted in posts {
        match posted.await.unwrap() {
            Ok(message) => numbers.push(message.number),
            Err(error) => assert!(matches!(error, Error::RateLimited { .. }), "{error:?}"),
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=60).collect::<Vec<u64>>());
    // Each webhook has a rate of its own, and takes nothing from a user.
    post_text(&chat, &two.token, "hello").await.unwrap();
    assert_eq!(post_text(&chat, &one.token, "x").await, Err(Error::RateLimited { retry_after: 1 }));
    clock.advance(TimeDelta::seconds(1));
    post_text(&chat, &one.token, "x").await.unwrap();
    say(&chat, &alice, id, "hello").await;
}

#[tokio::test]
async fn all_webhooks_of_one_creator_have_one_rate_together() {
    let rates = RateLimits { user_hooks: Some(Rate::new(3, std::time::Duration::from_secs(60))), ..RateLimits::off() };
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(rates).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let [one, two, third] =
        [room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await, room(&chat, &bob, &[]).await];
    let tokens = [hook(&chat, &alice, one).await.token, hook(&chat, &alice, two).await.token];
    for token in tokens.iter().cycle().take(3) {
        post_text(&chat, token, "x").await.unwrap();
    }
    for token in &tokens {
        assert_eq!(post_text(&chat, token, "x").await, Err(Error::RateLimited { retry_after: 60 }));
    }
    // The creator's own messages, and the webhooks of others, go on.
    say(&chat, &alice, one, "hello").await;
    let of_bob = hook(&chat, &bob, third).await.token;
    post_text(&chat, &of_bob, "x").await.unwrap();
    clock.advance(TimeDelta::seconds(60));
    post_text(&chat, &tokens[1], "x").await.unwrap();
}

#[tokio::test]
async fn a_webhook_posts_nothing_while_the_account_of_its_creator_is_banned() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    let token = hook(&chat, &bob, id).await.token;
    post_text(&chat, &token, "before").await.unwrap();
    let ban = BanAccount { reason: "spam".to_owned(), by: alice.user_id.clone(), until: None };
    chat.ban_account(&bob.user_id, ban).await.unwrap();
    assert_eq!(post_text(&chat, &token, "meanwhile").await, Err(Error::WebhookNotFound));
    chat.unban_account(&bob.user_id).await.unwrap();
    post_text(&chat, &token, "after").await.unwrap();
}

#[tokio::test]
async fn wrong_tokens_use_up_the_address_and_right_ones_do_not() {
    let rates = RateLimits { unknown: Some(Rate::new(3, std::time::Duration::from_secs(60))), ..RateLimits::off() };
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock).rates(rates).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let token = hook(&chat, &alice, id).await.token;
    let origin = Origin::from(Some("192.0.2.1".parse::<std::net::IpAddr>().unwrap()));
    let attempt = async |token: &IncomingToken| {
        let post = async {
            let caller = chat.admit_webhook(origin, token).await?;
            chat.post_to_webhook(caller, PostToWebhook::text("x")).await
        };
        chat.metered(origin, true, post).await.output.and_then(|posted| posted)
    };
    for _ in 0..5 {
        attempt(&token).await.unwrap();
    }
    let wrong = IncomingToken::new(format!("chook_{}", "A".repeat(43)));
    for _ in 0..3 {
        assert_eq!(attempt(&wrong).await, Err(Error::WebhookNotFound));
    }
    assert!(matches!(attempt(&wrong).await, Err(Error::RateLimited { .. })));
    // Who guesses tokens locks nobody out.
    attempt(&token).await.unwrap();
}

#[tokio::test]
async fn slow_mode_does_not_hold_a_webhook_up() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let token = hook(&chat, &alice, id).await.token;
    let slow = UpdateSession { slow_mode_seconds: Some(600), ..UpdateSession::default() };
    chat.update_session(&alice, id, slow).await.unwrap();
    for text in ["one", "two"] {
        post_text(&chat, &token, text).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_has_at_most_ten_whoever_creates_them_at_once() {
    let store = MemoryStore::new();
    let (chats, alice, bob) = ([uncounted(store.clone()), uncounted(store)], user("alice"), user("bob"));
    let id = room(&chats[0], &alice, &[&bob]).await;
    chats[0].change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    for _ in 0..MAX_INCOMING_WEBHOOKS - 1 {
        hook(&chats[0], &alice, id).await;
    }
    let racing: Vec<_> = (0..8)
        .map(|n| {
            let (chat, who) = (chats[n % 2].clone(), [&alice, &bob][n % 2].clone());
            tokio::spawn(async move { chat.create_incoming_webhook(&who, id, named("Last")).await })
        })
        .collect();
    let mut created = 0;
    for one in racing {
        match one.await.unwrap() {
            Ok(_) => created += 1,
            Err(error) => {
                assert!(matches!(error, Error::LimitExceeded { limit: 10, .. } | Error::Unavailable), "{error:?}")
            }
        }
    }
    let listed = chats[1].incoming_webhooks(&alice, id).await.unwrap();
    assert_eq!((created, listed.len()), (1, MAX_INCOMING_WEBHOOKS));
    assert_eq!(listed.iter().map(|webhook| webhook.id).collect::<HashSet<_>>().len(), MAX_INCOMING_WEBHOOKS);
    chats[0].delete_incoming_webhook(&alice, id, listed[0].id).await.unwrap();
    hook(&chats[1], &bob, id).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_message_is_numbered_after_the_deletion_of_its_webhook() {
    for _ in 0..20 {
        let store = MemoryStore::new();
        let (chat, other, alice) = (uncounted(store.clone()), uncounted(store), user("alice"));
        let id = room(&chat, &alice, &[]).await;
        let CreatedIncomingWebhook { webhook, token } = hook(&chat, &alice, id).await;
        let posts: Vec<_> = (0..16)
            .map(|_| {
                let (chat, token) = (chat.clone(), token.clone());
                tokio::spawn(async move { post_text(&chat, &token, "x").await.map(|sent| sent.seq) })
            })
            .collect();
        other.delete_incoming_webhook(&alice, id, webhook.id).await.unwrap();
        let deleted = head(&other, &alice, id).await;
        for posted in posts {
            match posted.await.unwrap() {
                Ok(seq) => assert!(seq <= deleted, "{seq} after {deleted}"),
                Err(error) => assert!(matches!(error, Error::WebhookNotFound | Error::Unavailable), "{error:?}"),
            }
        }
    }
}

fn obedient(draft: &MessageDraft) -> Verdict {
    assert!(draft.principal.user_id.webhook().is_some(), "only webhooks post here");
    match &draft.body.content {
        Content::Text(text) if text.starts_with("hold") => Verdict::Hold(None),
        Content::Text(text) if text.starts_with("refuse") => Verdict::Refuse(Refusal::new("SAID_SO", "no")),
        Content::Text(text) => Verdict::Change(Content::Text(text.replace("bad", "good"))),
        Content::Encrypted(_) | Content::Deleted => Verdict::Allow,
    }
}

#[tokio::test]
async fn the_message_policy_reviews_what_a_webhook_posts() {
    let chat = Chat::builder(MemoryStore::new())
        .rates(RateLimits::off())
        .message_policy(BlockingPolicy::new(obedient))
        .build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let CreatedIncomingWebhook { webhook, token } = hook(&chat, &alice, id).await;
    assert_eq!(text_of(&post_text(&chat, &token, "bad news").await.unwrap()), "good news");
    assert_eq!(post_text(&chat, &token, "refuse").await.unwrap_err().name(), "SAID_SO");
    assert_eq!(post(&chat, &token, once("hold it")).await, Err(Error::MessageHeld));
    assert_eq!(post(&chat, &token, once("hold it")).await, Err(Error::MessageHeld), "and holds no second one");
    let held = chat.held_messages(&alice, id, Page::FIRST).await.unwrap().entries;
    assert_eq!((held.len(), held[0].author.name.as_str()), (1, "Builds"));
    let approved = chat.approve_message(&alice, id, held[0].id).await.unwrap();
    assert_eq!((text_of(&approved), &approved.sender.user_id), ("hold it", &webhook.id.author()));
    assert_eq!(post(&chat, &token, once("hold it")).await.unwrap().id, approved.id, "a retry finds it");
    for number in 0..20 {
        assert_eq!(post_text(&chat, &token, &format!("hold {number}")).await, Err(Error::MessageHeld));
    }
    assert!(matches!(post_text(&chat, &token, "hold 21").await, Err(Error::LimitExceeded { limit: 20, .. })));
    let held = chat.held_messages(&alice, id, Page::FIRST).await.unwrap().entries;
    chat.delete_incoming_webhook(&alice, id, webhook.id).await.unwrap();
    assert_eq!(chat.approve_message(&alice, id, held[0].id).await, Err(Error::AuthorCannotSend));
    chat.reject_message(&alice, id, held[0].id).await.unwrap();
}

#[tokio::test]
async fn a_held_post_is_not_approved_while_the_account_of_the_creator_is_banned() {
    let chat = Chat::builder(MemoryStore::new())
        .rates(RateLimits::off())
        .message_policy(BlockingPolicy::new(obedient))
        .build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    let token = hook(&chat, &bob, id).await.token;
    assert_eq!(post_text(&chat, &token, "hold it").await, Err(Error::MessageHeld));
    let held = chat.held_messages(&alice, id, Page::FIRST).await.unwrap().entries.remove(0).id;
    let ban = BanAccount { reason: "spam".to_owned(), by: alice.user_id.clone(), until: None };
    chat.ban_account(&bob.user_id, ban).await.unwrap();
    assert_eq!(chat.approve_message(&alice, id, held).await, Err(Error::AuthorCannotSend));
    chat.unban_account(&bob.user_id).await.unwrap();
    assert_eq!(text_of(&chat.approve_message(&alice, id, held).await.unwrap()), "hold it");
}

/// Refuses what webhooks post, and nothing else.
struct Closed;

#[chatcore::async_trait]
impl Policy for Closed {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        match attempt.operation {
            Operation::InSession { action: Action::Send, participant: None, body: Some(_), .. } => {
                assert!(attempt.principal.user_id.webhook().is_some());
                Err(Refusal::new("CLOSED", "come back at nine"))
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn the_policy_of_the_host_is_asked_about_a_post() {
    let chat = Chat::builder(MemoryStore::new()).policy(Closed).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let token = hook(&chat, &alice, id).await.token;
    assert_eq!(post_text(&chat, &token, "hello").await.unwrap_err().name(), "CLOSED");
    assert_eq!(newest(&chat, &alice, id).await, []);
}

#[tokio::test]
async fn no_user_has_the_id_of_a_webhook() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let author = hook(&chat, &alice, id).await.webhook.id.author();
    assert_eq!(UserId::new(author.as_str()).unwrap_err().kind, "user id");
    assert!(author.as_str().parse::<UserId>().is_err());
    for id in ["webhook:", "webhook:builds", "webhooks", &author.as_str().to_uppercase()] {
        assert!(UserId::new(id).is_ok_and(|id| id.webhook().is_none()), "{id}");
    }
    assert_eq!(UserId::from_stored(author.as_str()).unwrap().webhook().map(WebhookId::author), Some(author));
}

#[tokio::test]
async fn no_token_is_kept_and_a_deletion_leaves_no_record_of_it() {
    let store = MemoryStore::new();
    let (chat, alice) = (uncounted(store.clone()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let CreatedIncomingWebhook { webhook, token } = hook(&chat, &alice, id).await;
    post_text(&chat, &token, "hello").await.unwrap();
    let kept = async || {
        let all = [IncomingTokens::under(Vec::new()), IncomingWebhooks::under(Vec::new())].map(|scan| scan.limit(100));
        let found = store.scan(&all).await.unwrap().into_iter().flatten();
        found.map(|(key, record)| format!("{key:?} {record:?}")).collect::<Vec<_>>()
    };
    let records = kept().await;
    assert_eq!(records.len(), 2);
    let secret = token.as_str().strip_prefix("chook_").unwrap();
    assert!(records.iter().all(|record| !record.contains(secret)), "{records:?}");
    chat.delete_incoming_webhook(&alice, id, webhook.id).await.unwrap();
    assert_eq!(kept().await, Vec::<String>::new());
}
