//! The host's policy: it is asked about everything that the table allows, and what it refuses does not happen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod kit;
#[path = "policy/streams.rs"]
mod streams;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chatcore::{
    Chat, Code, Error, Limits, MemoryStore, Policy, Principal, Refusal,
    chat::{
        AddParticipant, AllDelivery, AllSubscription, Attempt, CreateIncomingWebhook, CreateInvite, CreateSession,
        Delivery, EditMessage, FailMessage, FileReport, FindPublicSessions, FindSessions, ListMentions, MessagesOf,
        Operation, ParticipantsOf, Position, PostSystem, ReadUpto, ResolveReport, SanctionUser, ScheduleMessage,
        SendMessage, SessionOrder, SetPreferences, SetPresence, Start, StartMessage, UpdateIncomingWebhook,
        UpdateSession,
    },
    identity::Scope,
    model::{
        ClientId, Content, CreatedInvite, HeldId, MessageId, MessageWindow, Metadata, Page, ParticipantRole, ReportId,
        ReportReason, ReportState, SessionId, SessionType, Standing, UserId, WebhookId,
    },
    permission::{Action, Denial},
};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use kit::{assert_denied, id_of, in_time, next, room, say, session, user, user_id};

fn party() -> chatcore::model::EmojiName {
    chatcore::model::EmojiName::new("party").unwrap()
}

fn thumb() -> chatcore::model::Emoji {
    chatcore::model::Emoji::new("\u{1f44d}").unwrap()
}

/// Does what it is told to, and notes what it is asked.
#[derive(Clone, Default)]
struct Host {
    asked: Arc<Mutex<Vec<String>>>,
    refuses: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl Host {
    fn chat(&self) -> Chat {
        Chat::builder(MemoryStore::new()).policy(self.clone()).build()
    }

    /// What was asked since the last look.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }
}

fn note(attempt: &Attempt<'_>) -> String {
    let user = &attempt.principal.user_id;
    match attempt.operation {
        Operation::InSession { session, participant, action, target, body } => {
            let role = participant.map(|record| record.standing);
            let target = target.map_or("-", UserId::as_str);
            let body = body.map(|body| &body.content);
            format!("{user} {role:?} {:?} {} {target} {body:?}", action.kind(), session.title)
        }
        other => format!("{user} {other:?}").split(['(', ' ']).take(2).collect::<Vec<_>>().join(" "),
    }
}

#[chatcore::async_trait]
impl Policy for Host {
    async fn check(&self, attempt: &Attempt<'_>) -> Result<(), Refusal> {
        self.asked.lock().unwrap().push(note(attempt));
        assert!(!self.panics.load(Ordering::SeqCst), "the policy fails");
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.refuses.load(Ordering::SeqCst) { Err(closed()) } else { Ok(()) }
    }
}

fn closed() -> Refusal {
    Refusal::new("OFFICE_CLOSED", "come back at nine")
}

/// One use case on its way.
type Case = (&'static str, BoxFuture<'static, Result<(), Error>>);

/// Use cases, each with the user who calls it.
macro_rules! cases {
    ($chat:ident, $me:ident, $invite:ident, $scope:ident; $($name:literal by $by:literal: $case:expr;)*) => {
        vec![$(($name, {
            #[allow(unused_variables, reason = "most cases are about no invite")]
            let ($chat, $me, $invite) = ($chat.clone(), within(user($by), $scope), $invite.clone());
            async move { $case }.boxed()
        })),*]
    };
}

fn deploy() -> chatcore::chat::InvokeCommand {
    chatcore::chat::InvokeCommand::new(chatcore::model::CommandName::new("deploy").unwrap(), "")
}

fn spam() -> FileReport {
    FileReport { reason: ReportReason::Spam, text: None }
}

fn dismissed() -> ResolveReport {
    ResolveReport { state: ReportState::Dismissed, note: None, revision: None }
}

fn no_report() -> ReportId {
    ReportId(uuid::Uuid::now_v7())
}

/// What a batch found for its only entry.
fn only<T>(found: Result<Vec<Result<T, Error>>, Error>) -> Result<(), Error> {
    found?.remove(0).map(drop)
}

/// Every use case, in a session of alice with bob in it. Dave is a stranger, and carol was seen.
fn use_cases(chat: &Chat, id: SessionId, message: MessageId, invite: &CreatedInvite) -> Vec<Case> {
    use_cases_within(chat, id, message, invite, None)
}

fn within(caller: Principal, scope: Option<&Scope>) -> Principal {
    match scope {
        Some(scope) => caller.within(scope.clone()),
        None => caller,
    }
}

/// The same with a scope of the callers.
fn use_cases_within(
    chat: &Chat,
    id: SessionId,
    message: MessageId,
    invite: &CreatedInvite,
    scope: Option<&Scope>,
) -> Vec<Case> {
    let bob = || user_id("bob");
    let written = written_after(message);
    let held = HeldId(id.0);
    let new = || CreateSession::titled("New");
    let once = || ClientId::new("once").unwrap();
    let add = |name| AddParticipant { user_id: user_id(name), role: None };
    let participants = ParticipantsOf { session_id: id, page: Page::FIRST, with_email: true };
    let messages = MessagesOf { session_id: id, window: MessageWindow::Newest, limit: None };
    let titled = || UpdateSession { title: Some("Other".to_owned()), ..UpdateSession::default() };
    let hello = || SendMessage::text("hello").with_client_id(ClientId::new("once").unwrap());
    let later = || ScheduleMessage {
        message: SendMessage::text("later"),
        send_at: chrono::Utc::now() + chrono::TimeDelta::days(1),
    };
    cases! {chat, me, invite, scope;
        "me" by "alice": chat.me(&me).await.map(drop);
        "create" by "alice": chat.create_session(&me, new()).await.map(drop);
        "create once" by "alice": chat.create_session_once(&me, &once(), new()).await.map(drop);
        "list" by "alice": chat.sessions(&me, Page::FIRST).await.map(drop);
        "list public" by "dave": chat.public_sessions(&me, Page::FIRST).await.map(drop);
        "find" by "alice": chat.find_sessions(&me, &FindSessions::default(), Page::FIRST).await.map(drop);
        "find public" by "dave": chat.find_public_sessions(&me, &FindPublicSessions::default(), Page::FIRST).await.map(drop);
        "follow all" by "alice": chat.subscribe_all(&me, &[]).await.map(drop);
        "session" by "alice": chat.session(&me, id).await.map(drop);
        "sessions by id" by "alice": only(chat.sessions_by_id(&me, &[id]).await);
        "details by id" by "alice": only(chat.details_by_id(&me, &[id]).await);
        "update" by "alice": chat.update_session(&me, id, titled()).await.map(drop);
        "archive" by "alice": chat.archive_session(&me, id).await;
        "unarchive" by "alice": chat.unarchive_session(&me, id).await;
        "list archived" by "alice": chat.archived_sessions(&me, Page::FIRST, chatcore::chat::SessionOrder::Newest).await.map(drop);
        "list deleted" by "alice": chat.deleted_sessions(&me, Page::FIRST).await.map(drop);
        "restore" by "alice": chat.restore_session(&me, id).await;
        "delete" by "alice": chat.delete_session(&me, id).await;
        "participants" by "alice": chat.participants(&me, id, Page::FIRST, true).await.map(drop);
        "participant" by "alice": chat.participant(&me, id, &bob(), true).await.map(drop);
        "participants of" by "alice": only(chat.participants_of(&me, &[participants]).await);
        "join" by "dave": chat.join(&me, id).await.map(drop);
        "leave" by "bob": chat.leave(&me, id).await;
        "add" by "alice": chat.add_participant(&me, id, add("carol")).await.map(drop);
        "add nobody" by "alice": chat.add_participant(&me, id, add("nobody")).await.map(drop);
        "invite" by "alice": chat.create_invite(&me, id, CreateInvite::default()).await.map(drop);
        "invites" by "alice": chat.invites(&me, id, Page::FIRST).await.map(drop);
        "webhook" by "alice": chat.create_incoming_webhook(&me, id, CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None }).await.map(drop);
        "webhooks" by "alice": chat.incoming_webhooks(&me, id).await.map(drop);
        "change a webhook" by "alice": chat.update_incoming_webhook(&me, id, WebhookId(id.0), UpdateIncomingWebhook::default()).await.map(drop);
        "delete a webhook" by "alice": chat.delete_incoming_webhook(&me, id, WebhookId(id.0)).await;
        "revoke" by "alice": chat.revoke_invite(&me, id, invite.invite.id).await;
        "preview" by "dave": chat.preview_invite(&me, &invite.code).await.map(drop);
        "join by invite" by "dave": chat.join_by_invite(&me, &invite.code).await.map(drop);
        "ask" by "dave": chat.request_to_join(&me, &invite.code, None).await.map(drop);
        "requests" by "alice": chat.join_requests(&me, id, Page::FIRST).await.map(drop);
        "own requests" by "erin": chat.own_join_requests(&me, Page::FIRST).await.map(drop);
        "approve" by "alice": chat.approve_join_request(&me, id, &user_id("erin"), None).await.map(drop);
        "decline" by "alice": chat.decline_join_request(&me, id, &user_id("erin")).await;
        "withdraw" by "erin": chat.withdraw_join_request(&me, id).await;
        "start a direct session" by "alice": chat.start_direct(&me, &bob()).await.map(drop);
        "start a group" by "alice": chat.start_group(&me, &[bob(), user_id("carol")]).await.map(drop);
        "block" by "alice": chat.block_user(&me, &bob()).await;
        "unblock" by "alice": chat.unblock_user(&me, &bob()).await;
        "blocks" by "alice": chat.blocks(&me, Page::FIRST).await.map(drop);
        "create a bot" by "alice": chat.create_bot(&me, "A bot").await.map(drop);
        "bots" by "alice": chat.bots(&me).await.map(drop);
        "delete a bot" by "alice": chat.delete_bot(&me, &bob()).await;
        "create a token" by "alice": chat.create_bot_token(&me, &bob(), chatcore::chat::CreateBotToken::named("one")).await.map(drop);
        "tokens" by "alice": chat.bot_tokens(&me, &bob()).await.map(drop);
        "revoke a token" by "alice": chat.revoke_bot_token(&me, &bob(), chatcore::model::LoginId(uuid::Uuid::now_v7())).await;
        "commands" by "bob": chat.session_commands(&me, id).await.map(drop);
        "invoke a command" by "bob": chat.invoke_command(&me, id, deploy()).await.map(drop);
        "change role" by "alice": chat.change_role(&me, id, &bob(), ParticipantRole::Viewer).await.map(drop);
        "remove" by "alice": chat.remove_participant(&me, id, &bob()).await;
        "ban" by "alice": chat.ban_participant(&me, id, &user_id("dave"), SanctionUser::ENDLESS).await;
        "bans" by "alice": chat.bans(&me, id, Page::FIRST).await.map(drop);
        "unban" by "alice": chat.unban_participant(&me, id, &user_id("dave")).await;
        "mute" by "alice": chat.mute_participant(&me, id, &bob(), SanctionUser::ENDLESS).await;
        "unmute" by "alice": chat.unmute_participant(&me, id, &bob()).await;
        "set metadata" by "alice": chat.set_participant_metadata(&me, id, &bob(), Some(Metadata::default())).await.map(drop);
        "report a message" by "bob": chat.report_message(&me, message, spam()).await.map(drop);
        "report a user" by "bob": chat.report_participant(&me, id, &user_id("alice"), spam()).await.map(drop);
        "reports" by "alice": chat.reports(&me, id, None, Page::FIRST).await.map(drop);
        "resolve a report" by "alice": chat.resolve_report(&me, id, no_report(), dismissed()).await.map(drop);
        "moderation log" by "alice": chat.moderation_log(&me, id, Page::FIRST).await.map(drop);
        "delete all messages" by "alice": chat.delete_messages_of(&me, id, &bob()).await.map(drop);
        "transfer" by "alice": chat.transfer_ownership(&me, id, &bob()).await.map(drop);
        "send" by "bob": chat.send(&me, id, SendMessage::text("hi")).await.map(drop);
        "send again" by "alice": chat.send(&me, id, hello()).await.map(drop);
        "reply" by "bob": chat.send(&me, id, SendMessage::text("hi").in_reply_to(message)).await.map(drop);
        "forward" by "bob": chat.forward_message(&me, message, id, None).await.map(drop);
        "edit" by "alice": chat.edit_message(&me, message, EditMessage::text("other")).await.map(drop);
        "delete a message" by "alice": chat.delete_message(&me, message, None).await.map(drop);
        "begin in parts" by "bob": chat.start_streamed_message(&me, id, StartMessage::of_assistant()).await.map(drop);
        "add a part" by "bob": chat.append_to_message(&me, written, 2, " more").await.map(drop);
        "add a part again" by "bob": chat.append_to_message(&me, written, 0, "so").await.map(drop);
        "finish" by "bob": chat.finish_message(&me, written, 2).await.map(drop);
        "fail" by "bob": chat.fail_message(&me, written, FailMessage::default()).await.map(drop);
        "held messages" by "alice": chat.held_messages(&me, id, Page::FIRST).await.map(drop);
        "approve a message" by "alice": chat.approve_message(&me, id, held).await.map(drop);
        "reject a message" by "alice": chat.reject_message(&me, id, held).await;
        "thread" by "bob": chat.thread(&me, message, Page::FIRST).await.map(drop);
        "mentions" by "bob": chat.mentions(&me, Page::FIRST, ListMentions::default()).await.map(drop);
        "mention everybody" by "alice": chat.send(&me, id, SendMessage { mentions_everybody: true, ..SendMessage::text("hi") }).await.map(drop);
        "threads" by "bob": chat.threads(&me, id, Page::FIRST).await.map(drop);
        "follow a thread" by "bob": chat.follow_thread(&me, message).await.map(drop);
        "unfollow a thread" by "bob": chat.unfollow_thread(&me, message).await.map(drop);
        "mark a thread read" by "bob": chat.mark_thread_read(&me, message).await.map(drop);
        "followed threads" by "bob": chat.followed_threads(&me, id, Page::FIRST).await.map(drop);
        "type" by "bob": chat.typing(&me, id, true).await;
        "list by activity" by "alice": chat.sessions_in(&me, Page::FIRST, SessionOrder::Activity).await.map(drop);
        "mark read" by "bob": chat.mark_read(&me, id, ReadUpto::Message(message)).await.map(drop);
        "acknowledge delivery" by "bob": chat.acknowledge_delivery(&me, id, 1).await.map(drop);
        "receipts" by "bob": chat.message_receipts(&me, message, Page::FIRST).await.map(drop);
        "delivery" by "bob": chat.message_delivery(&me, message).await.map(drop);
        "own settings" by "bob": chat.user_settings(&me).await.map(drop);
        "set own settings" by "bob": chat.set_user_settings(&me, chatcore::chat::SetUserSettings::default()).await.map(drop);
        "mark unread" by "bob": chat.mark_unread_from(&me, message).await.map(drop);
        "set preferences" by "bob": chat.set_preferences(&me, id, SetPreferences::default()).await.map(drop);
        "mark all read" by "bob": chat.mark_all_read(&me, None).await.map(drop);
        "overviews by id" by "bob": only(chat.overviews_by_id(&me, &[id]).await);
        "choose presence" by "bob": chat.set_presence(&me, SetPresence::default()).await.map(drop);
        "own presence" by "bob": chat.own_presence(&me).await.map(drop);
        "presence" by "bob": chat.presence(&me, id, Page::FIRST).await.map(drop);
        "presence of" by "bob": chat.presence_of(&me, &[bob()]).await.map(drop);
        "pin" by "alice": chat.pin_message(&me, message).await;
        "unpin" by "alice": chat.unpin_message(&me, message).await;
        "pins" by "bob": chat.pins(&me, id).await.map(drop);
        "add an emoji" by "alice": chat.add_emoji(&me, id, &party(), None).await;
        "emojis" by "bob": chat.emojis(&me, id).await.map(drop);
        "remove an emoji" by "alice": chat.remove_emoji(&me, id, &party()).await;
        "react" by "bob": chat.add_reaction(&me, message, &thumb()).await;
        "take a reaction back" by "bob": chat.remove_reaction(&me, message, &thumb()).await;
        "reactors" by "bob": chat.reactors(&me, message, &thumb(), Page::FIRST).await.map(drop);
        "schedule" by "bob": chat.schedule_message(&me, id, later()).await.map(drop);
        "set a draft" by "bob": chat.set_draft(&me, id, Content::Text("draft".to_owned())).await.map(drop);
        "delete a draft" by "bob": chat.delete_draft(&me, id).await;
        "message" by "bob": chat.message(&me, message).await.map(drop);
        "messages by id" by "bob": only(chat.messages_by_id(&me, &[message]).await);
        "messages" by "bob": chat.messages(&me, id, MessageWindow::Newest, None).await.map(drop);
        "messages of" by "bob": only(chat.messages_of(&me, &[messages]).await);
        "events" by "bob": chat.events(&me, id, 0, None).await.map(drop);
        "subscribe" by "bob": chat.subscribe(&me, id, Start::Beginning).await.map(drop);
    }
}

/// The message that bob is writing in a scene.
const fn written_after(message: MessageId) -> MessageId {
    MessageId { seq: message.seq + 1, session_id: message.session_id }
}

/// A session of alice with bob. It has one message, and one that bob is writing.
async fn scene(chat: &Chat) -> (SessionId, MessageId, CreatedInvite) {
    let (alice, bob) = (user("alice"), user("bob"));
    chat.me(&user("carol")).await.unwrap();
    let id = room(chat, &alice, &[&bob]).await;
    let hello = SendMessage::text("hello").with_client_id(ClientId::new("once").unwrap());
    let message = chat.send(&alice, id, hello).await.unwrap().id;
    let written = chat.start_streamed_message(&bob, id, StartMessage::of_assistant()).await.unwrap().id;
    assert_eq!(written, written_after(message));
    chat.append_to_message(&bob, written, 0, "so").await.unwrap();
    let invite = chat.create_invite(&alice, id, CreateInvite::default()).await.unwrap();
    chat.request_to_join(&user("erin"), &invite.code, None).await.unwrap();
    (id, message, invite)
}

#[tokio::test]
async fn what_the_host_refuses_is_refused_in_its_words_and_does_not_happen() {
    let host = Host::default();
    let chat = host.chat();
    let (id, message, invite) = scene(&chat).await;
    let head = chat.events(&user("alice"), id, 0, None).await.unwrap().head;
    host.refuse(true);
    for (name, case) in use_cases(&chat, id, message, &invite) {
        let refused = case.await.expect_err(name);
        assert_eq!(refused, Error::RefusedByHost(closed()), "{name}");
        assert_eq!((refused.name(), refused.code()), ("OFFICE_CLOSED", Code::RefusedByHost), "{name}");
        assert_eq!((refused.code().status(), refused.to_string().as_str()), (403, "come back at nine"), "{name}");
    }
    host.refuse(false);
    assert_eq!(chat.events(&user("alice"), id, 0, None).await.unwrap().head, head, "nothing was changed");
    assert_eq!(chat.sessions(&user("alice"), Page::FIRST).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_policy_that_panics_refuses() {
    let host = Host::default();
    let chat = host.chat();
    let (id, message, invite) = scene(&chat).await;
    let head = chat.events(&user("alice"), id, 0, None).await.unwrap().head;
    host.panics.store(true, Ordering::SeqCst);
    for (name, case) in use_cases(&chat, id, message, &invite) {
        assert_eq!(case.await.expect_err(name), Error::Unavailable, "{name}");
    }
    host.panics.store(false, Ordering::SeqCst);
    assert_eq!(chat.events(&user("alice"), id, 0, None).await.unwrap().head, head, "nothing was changed");
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_hangs_refuses_after_its_time() {
    let host = Host::default();
    let limits = Limits { policy_timeout: Duration::from_secs(3), ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).policy(host.clone()).limits(limits).build();
    let (id, message, invite) = scene(&chat).await;
    host.hangs.store(true, Ordering::SeqCst);
    for (name, case) in use_cases(&chat, id, message, &invite) {
        let begun = tokio::time::Instant::now();
        assert_eq!(case.await.expect_err(name), Error::Unavailable, "{name}");
        let took = begun.elapsed();
        assert!((Duration::from_secs(3)..Duration::from_secs(4)).contains(&took), "{name}: {took:?}");
    }
    host.hangs.store(false, Ordering::SeqCst);
    chat.send(&user("bob"), id, SendMessage::text("the next one goes through")).await.unwrap();
}

#[tokio::test]
async fn a_policy_learns_who_does_what_where() {
    let host = Host::default();
    let chat = host.chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id =
        id_of(&chat.create_session(&alice, CreateSession::titled("Lobby").of_type(SessionType::Public)).await.unwrap());
    assert_eq!(host.asked(), ["alice CreateSession"]);
    chat.join(&bob, id).await.unwrap();
    assert_eq!(host.asked(), ["bob None Join Lobby - None"]);
    say(&chat, &bob, id, "hi").await;
    let member = Some(Standing::Active(ParticipantRole::Member));
    assert_eq!(host.asked(), [format!("bob {member:?} Send Lobby - {:?}", Some(Content::Text("hi".to_owned())))]);
    chat.typing(&bob, id, true).await.unwrap();
    assert_eq!(host.asked(), [format!("bob {member:?} Send Lobby - None")]);
    // A message in parts: with each part the text so far, and at the end the whole text.
    let written = chat.start_streamed_message(&bob, id, StartMessage::of_assistant()).await.unwrap().id;
    for (offset, part) in [(0, "so "), (3, "far")] {
        chat.append_to_message(&bob, written, offset, part).await.unwrap();
    }
    chat.finish_message(&bob, written, 6).await.unwrap();
    let told = [("Send", "-", ""), ("ContinueMessage", "bob", "so "), ("ContinueMessage", "bob", "so far")];
    let told = told.map(|(action, target, text)| {
        format!("bob {member:?} {action} Lobby {target} {:?}", Some(Content::Text(text.to_owned())))
    });
    let [begun, part, whole] = told;
    assert_eq!(host.asked(), [begun, part, whole.clone(), whole]);
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    let owner = Some(Standing::Active(ParticipantRole::Owner));
    assert_eq!(host.asked(), [format!("alice {owner:?} Remove Lobby bob None")]);
    chat.sessions_by_id(&alice, &[id, id]).await.unwrap();
    assert_eq!(host.asked(), vec![format!("alice {owner:?} View Lobby - None"); 2]);
}

#[tokio::test]
async fn what_the_table_denies_is_not_asked() {
    let host = Host::default();
    let chat = host.chat();
    let hidden = session(&chat, &user("alice"), SessionType::Private).await;
    host.asked();
    host.refuse(true);
    let eve = user("eve");
    assert_denied(chat.session(&eve, hidden).await, Denial::Hidden);
    assert_denied(chat.join(&eve, hidden).await, Denial::Hidden);
    assert_denied(chat.send(&eve, hidden, SendMessage::text("hi")).await, Denial::Hidden);
    assert!(matches!(chat.sessions_by_id(&eve, &[hidden]).await.unwrap()[0], Err(Error::Denied(Denial::Hidden))));
    assert_eq!(host.asked(), [""; 0]);
}

#[tokio::test]
async fn the_host_is_not_asked_about_its_own_posts() {
    let host = Host::default();
    let chat = host.chat();
    let (id, ..) = scene(&chat).await;
    host.asked();
    host.refuse(true);
    chat.post_system(&user("system"), id, PostSystem::text("closed")).await.unwrap();
    assert_eq!(host.asked(), [""; 0]);
}

#[tokio::test]
async fn a_stream_is_checked_when_it_opens() {
    let host = Host::default();
    let chat = host.chat();
    let (id, ..) = scene(&chat).await;
    let mut events = chat.subscribe(&user("bob"), id, None).await.unwrap();
    host.asked();
    say(&chat, &user("alice"), id, "one more").await;
    next(&mut events).await;
    assert_eq!(host.asked().len(), 1, "the send, and no look at the stream");
}

#[test]
fn the_code_of_a_refusal_has_the_shape_of_all_codes_and_is_none_of_them() {
    let longest = "A".repeat(Refusal::MAX_CODE_CHARS);
    for code in ["QUOTA_USED_UP", "A", "A1_2B", &longest] {
        assert_eq!(Refusal::new(code, "x").code(), code);
    }
    let too_long = "A".repeat(Refusal::MAX_CODE_CHARS + 1);
    let bad = ["", "quota", "Quota", "_A", "A_", "A__B", "1A", "A B", "A-B", "Ä", "A\n", "INTERNAL_ERROR", &too_long];
    for code in bad {
        let refusal = Refusal::new(code, "x");
        assert_eq!((refusal.code(), refusal.detail()), ("REFUSED_BY_HOST", "x"), "{code:?}");
    }
}

#[tokio::test]
async fn no_use_case_goes_around_a_scope() {
    let chat = Chat::in_memory();
    let (id, message, invite) = scene(&chat).await;
    let head = chat.events(&user("alice"), id, 0, None).await.unwrap().head;
    // A scope of nothing: each use case is tried in a session that it does not have, by a user who may do it.
    let nothing = Scope { sessions: Some([].into()), actions: Some([].into()) };
    // Their answers leave out what is not in the scope.
    let lists = [
        "me",
        "list",
        "find",
        "list by activity",
        "list archived",
        "list deleted",
        "mentions",
        "mark all read",
        "follow all",
    ];
    for (name, case) in use_cases_within(&chat, id, message, &invite, Some(&nothing)) {
        match case.await {
            Ok(()) => assert!(lists.contains(&name), "{name} goes around the scope"),
            Err(error) => assert_eq!(error, Error::OutOfScope, "{name}"),
        }
    }
    assert_eq!(chat.events(&user("alice"), id, 0, None).await.unwrap().head, head, "nothing was changed");
}
