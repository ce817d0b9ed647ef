//! A call with bad input for each use case, with what it costs.

use bytes::Bytes;
use chatcore::{
    accounts::{AvatarSize, LogIn, Register, UpdateAccount},
    admin::{AuditFilter, AuditOrigin, BanUser, ReportFilter, SessionFilter, UserFilter},
    chat::{
        AddParticipant, CreateBotToken, CreateIncomingWebhook, CreateInvite, CreateSession, EditMessage, FailMessage,
        FileReport, FindPublicSessions, FindSessions, InvokeCommand, ListMentions, MessagesOf, ParticipantsOf,
        Position, PostSystem, ReadUpto, ResolveReport, SanctionUser, ScheduleMessage, SendMessage, SessionOrder,
        SetPreferences, SetPresence, SetUserSettings, Start, StartMessage, UpdateIncomingWebhook, UpdateSession,
    },
    identity::SystemRole,
    limits::Bucket::{self, Messages, Parts, Pictures, Reports, Requests, Searches, Signals, Unknown, Uploads},
    model::{
        ClientId, CommandName, Content, Emoji, HeldId, IncomingToken, InviteCode, InviteId, LoginId, MessageId,
        MessageWindow, Page, ParticipantRole, ReportId, ReportReason, ReportState, ScheduledId, SessionId, StatusText,
        UserId, WebhookId,
    },
};

use super::{Case, World};

/// Methods that no client can call, and methods by which a frontend counts.
pub(crate) const NO_USE_CASES: [&str; 21] = [
    "Accounts::import",
    "Accounts::resume_erasures",
    "Administration::flush",
    "Chat::admit",
    "Chat::admit_picture",
    "Chat::ban_account",
    "Chat::begin_frame",
    "Chat::delete_account",
    "Chat::end_all_logins",
    "Chat::end_login",
    "Chat::flush_streams",
    "Chat::login_ended",
    "Chat::metered",
    "Chat::notices",
    "Chat::own_signals",
    // The call that lets its caller in counts.
    "Chat::post_to_webhook",
    "Chat::ready",
    "Chat::revoke_before",
    "Chat::run_due",
    "Chat::standing",
    "Chat::unban_account",
];

/// More entries than a batch may have.
const TOO_MANY: usize = 101;

const REQUEST: [(Bucket, u32); 1] = [(Requests, 1)];
const REPORT: [(Bucket, u32); 2] = [(Requests, 1), (Reports, 1)];
const LOOKUP: [(Bucket, u32); 2] = [(Requests, 1), (Searches, 1)];
const STRANGER: [(Bucket, u32); 1] = [(Unknown, 1)];

fn nowhere() -> SessionId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

fn nothing() -> MessageId {
    MessageId { session_id: nowhere(), seq: 1 }
}

fn party() -> chatcore::model::EmojiName {
    chatcore::model::EmojiName::new("party").unwrap()
}

fn no_report() -> ReportId {
    "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap()
}

fn spam() -> FileReport {
    FileReport { reason: ReportReason::Spam, text: None }
}

fn dismissed() -> ResolveReport {
    ResolveReport { state: ReportState::Dismissed, note: None, revision: None }
}

fn emoji() -> Emoji {
    Emoji::new("\u{1f44d}").unwrap()
}

/// Words that are none.
fn wordless() -> SetPresence {
    let text = Some(Some(StatusText { text: String::new(), until: None }));
    SetPresence { text, ..SetPresence::default() }
}

fn page<K>() -> Page<K> {
    Page { limit: Some(0), ..Page::FIRST }
}

pub(crate) fn all(world: &World) -> Vec<Case<'_>> {
    let mut cases = of_sessions(world);
    cases.extend(of_participants(world));
    cases.extend(of_messages(world));
    cases.extend(of_batches(world));
    cases.extend(of_streams(world));
    cases.extend(of_accounts(world));
    cases.extend(without_token(world));
    cases.extend(of_administration(world));
    // The last one, since the tokens of the caller end.
    let World { accounts, caller, .. } = world;
    cases.push(Case::new("Accounts::log_out_everywhere", &REQUEST, accounts.log_out_everywhere(caller)).fine());
    cases
}

fn of_sessions(World { chat, caller, .. }: &World) -> Vec<Case<'_>> {
    let titled = || CreateSession::titled("");
    let untitled = UpdateSession { title: Some(String::new()), ..UpdateSession::default() };
    vec![
        Case::new("Chat::me", &REQUEST, chat.me(caller)).fine(),
        Case::new("Chat::create_session", &REQUEST, chat.create_session(caller, titled())),
        Case::new("Chat::create_session_once", &REQUEST, async move {
            chat.create_session_once(caller, &ClientId::new("1").unwrap(), titled()).await
        }),
        Case::new("Chat::sessions", &REQUEST, chat.sessions(caller, page())),
        Case::new("Chat::sessions_in", &REQUEST, chat.sessions_in(caller, page(), SessionOrder::Activity)),
        Case::new("Chat::mark_read", &REQUEST, chat.mark_read(caller, nowhere(), ReadUpto::Seq(1))),
        Case::new("Chat::acknowledge_delivery", &REQUEST, chat.acknowledge_delivery(caller, nowhere(), 1)),
        Case::new("Chat::message_receipts", &REQUEST, chat.message_receipts(caller, nothing(), page())),
        Case::new("Chat::message_delivery", &REQUEST, chat.message_delivery(caller, nothing())),
        Case::new("Chat::user_settings", &REQUEST, chat.user_settings(caller)).fine(),
        Case::new("Chat::set_user_settings", &REQUEST, async move {
            chat.set_user_settings(caller, SetUserSettings::default()).await
        })
        .fine(),
        Case::new("Chat::mark_unread_from", &REQUEST, chat.mark_unread_from(caller, nothing())),
        Case::new("Chat::set_preferences", &REQUEST, async move {
            chat.set_preferences(caller, nowhere(), SetPreferences::default()).await
        }),
        Case::new("Chat::mark_all_read", &REQUEST, chat.mark_all_read(caller, None)).fine(),
        Case::new("Chat::public_sessions", &REQUEST, chat.public_sessions(caller, page())),
        Case::new("Chat::find_sessions", &LOOKUP, async move {
            let wanted = FindSessions { search: Some(String::new()), ..FindSessions::default() };
            chat.find_sessions(caller, &wanted, page()).await
        }),
        Case::new("Chat::find_public_sessions", &LOOKUP, async move {
            let wanted = FindPublicSessions { search: Some(String::new()), ..FindPublicSessions::default() };
            chat.find_public_sessions(caller, &wanted, page()).await
        }),
        Case::new("Chat::session", &REQUEST, chat.session(caller, nowhere())),
        Case::new("Chat::update_session", &REQUEST, chat.update_session(caller, nowhere(), untitled)),
        Case::new("Chat::archive_session", &REQUEST, chat.archive_session(caller, nowhere())),
        Case::new("Chat::unarchive_session", &REQUEST, chat.unarchive_session(caller, nowhere())),
        Case::new("Chat::restore_session", &REQUEST, chat.restore_session(caller, nowhere())),
        Case::new(
            "Chat::archived_sessions",
            &REQUEST,
            chat.archived_sessions(caller, page(), chatcore::chat::SessionOrder::Newest),
        ),
        Case::new("Chat::deleted_sessions", &REQUEST, chat.deleted_sessions(caller, page())),
        Case::new("Chat::delete_session", &REQUEST, chat.delete_session(caller, nowhere())),
    ]
}

fn of_participants(World { chat, caller, client, .. }: &World) -> Vec<Case<'_>> {
    let nobody = || UserId::new("nobody").unwrap();
    let add = AddParticipant { user_id: nobody(), role: Some(ParticipantRole::Owner) };
    vec![
        Case::new("Chat::join", &REQUEST, chat.join(caller, nowhere())),
        Case::new("Chat::leave", &REQUEST, chat.leave(caller, nowhere())),
        Case::new("Chat::add_participant", &REQUEST, chat.add_participant(caller, nowhere(), add)),
        Case::new("Chat::own_join_requests", &REQUEST, chat.own_join_requests(caller, page())),
        Case::new("Chat::create_invite", &REQUEST, async move {
            chat.create_invite(caller, nowhere(), CreateInvite { max_uses: Some(0), ..CreateInvite::default() }).await
        }),
        Case::new("Chat::revoke_invite", &REQUEST, chat.revoke_invite(caller, nowhere(), InviteId(nowhere().0))),
        Case::new("Chat::create_incoming_webhook", &REQUEST, {
            chat.create_incoming_webhook(caller, nowhere(), CreateIncomingWebhook::default())
        }),
        Case::new("Chat::incoming_webhooks", &REQUEST, chat.incoming_webhooks(caller, nowhere())),
        Case::new("Chat::update_incoming_webhook", &REQUEST, {
            chat.update_incoming_webhook(caller, nowhere(), WebhookId(nowhere().0), UpdateIncomingWebhook::default())
        }),
        Case::new("Chat::delete_incoming_webhook", &REQUEST, {
            chat.delete_incoming_webhook(caller, nowhere(), WebhookId(nowhere().0))
        }),
        Case::new("Chat::admit_webhook", &STRANGER, async move {
            chat.admit_webhook(client.address.into(), &IncomingToken::new("")).await
        }),
        Case::new("Chat::invites", &REQUEST, chat.invites(caller, nowhere(), page())),
        Case::new(
            "Chat::preview_invite",
            &LOOKUP,
            async move { chat.preview_invite(caller, &InviteCode::new("")).await },
        ),
        Case::new(
            "Chat::join_by_invite",
            &LOOKUP,
            async move { chat.join_by_invite(caller, &InviteCode::new("")).await },
        ),
        Case::new("Chat::request_to_join", &LOOKUP, async move {
            chat.request_to_join(caller, &InviteCode::new(""), None).await
        }),
        Case::new("Chat::withdraw_join_request", &REQUEST, chat.withdraw_join_request(caller, nowhere())),
        Case::new("Chat::join_requests", &REQUEST, chat.join_requests(caller, nowhere(), page())),
        Case::new("Chat::approve_join_request", &REQUEST, async move {
            chat.approve_join_request(caller, nowhere(), &nobody(), None).await
        }),
        Case::new("Chat::decline_join_request", &REQUEST, async move {
            chat.decline_join_request(caller, nowhere(), &nobody()).await
        }),
        Case::new("Chat::held_messages", &REQUEST, chat.held_messages(caller, nowhere(), page())),
        Case::new(
            "Chat::approve_message",
            &REQUEST,
            chat.approve_message(caller, nowhere(), HeldId(uuid::Uuid::nil())),
        ),
        Case::new("Chat::reject_message", &REQUEST, chat.reject_message(caller, nowhere(), HeldId(uuid::Uuid::nil()))),
        Case::new("Chat::start_direct", &REQUEST, async move { chat.start_direct(caller, &caller.user_id).await }),
        Case::new("Chat::start_group", &REQUEST, async move { chat.start_group(caller, &[nobody()]).await }),
        Case::new("Chat::block_user", &REQUEST, async move { chat.block_user(caller, &caller.user_id).await }),
        Case::new("Chat::unblock_user", &REQUEST, async move { chat.unblock_user(caller, &nobody()).await }).fine(),
        Case::new("Chat::blocks", &REQUEST, chat.blocks(caller, page())),
        Case::new("Chat::change_role", &REQUEST, async move {
            chat.change_role(caller, nowhere(), &nobody(), ParticipantRole::Owner).await
        }),
        Case::new("Chat::remove_participant", &REQUEST, async move {
            chat.remove_participant(caller, nowhere(), &nobody()).await
        }),
        Case::new("Chat::ban_participant", &REQUEST, async move {
            chat.ban_participant(caller, nowhere(), &nobody(), SanctionUser::ENDLESS).await
        }),
        Case::new("Chat::report_message", &REPORT, async move { chat.report_message(caller, nothing(), spam()).await }),
        Case::new("Chat::report_participant", &REPORT, async move {
            chat.report_participant(caller, nowhere(), &nobody(), spam()).await
        }),
        Case::new("Chat::reports", &REQUEST, async move { chat.reports(caller, nowhere(), None, page()).await }),
        Case::new("Chat::moderation_log", &REQUEST, chat.moderation_log(caller, nowhere(), page())),
        Case::new("Chat::resolve_report", &REQUEST, async move {
            chat.resolve_report(caller, nowhere(), no_report(), dismissed()).await
        }),
        Case::new("Chat::delete_messages_of", &REQUEST, async move {
            chat.delete_messages_of(caller, nowhere(), &nobody()).await
        }),
        Case::new("Chat::unban_participant", &REQUEST, async move {
            chat.unban_participant(caller, nowhere(), &nobody()).await
        }),
        Case::new("Chat::bans", &REQUEST, chat.bans(caller, nowhere(), page())),
        Case::new("Chat::mute_participant", &REQUEST, async move {
            chat.mute_participant(caller, nowhere(), &nobody(), SanctionUser::ENDLESS).await
        }),
        Case::new("Chat::unmute_participant", &REQUEST, async move {
            chat.unmute_participant(caller, nowhere(), &nobody()).await
        }),
        Case::new("Chat::set_participant_metadata", &REQUEST, async move {
            chat.set_participant_metadata(caller, nowhere(), &nobody(), None).await
        }),
        Case::new("Chat::transfer_ownership", &REQUEST, async move {
            chat.transfer_ownership(caller, nowhere(), &nobody()).await
        }),
        Case::new("Chat::participants", &REQUEST, chat.participants(caller, nowhere(), page(), true)),
        Case::new(
            "Chat::participant",
            &REQUEST,
            async move { chat.participant(caller, nowhere(), &nobody(), true).await },
        ),
    ]
}

fn of_messages(World { chat, caller, .. }: &World) -> Vec<Case<'_>> {
    let message = [(Requests, 1), (Messages, 1)];
    let edit = EditMessage::text("");
    let window = MessageWindow::Skip(u64::MAX);
    vec![
        Case::new("Chat::send", &message, chat.send(caller, nowhere(), SendMessage::text(""))),
        Case::new("Chat::thread", &REQUEST, chat.thread(caller, nothing(), page())),
        Case::new("Chat::forward_message", &message, chat.forward_message(caller, nothing(), nowhere(), None)),
        Case::new("Chat::mentions", &REQUEST, chat.mentions(caller, page(), ListMentions::default())),
        Case::new("Chat::threads", &REQUEST, chat.threads(caller, nowhere(), page())),
        Case::new("Chat::follow_thread", &REQUEST, chat.follow_thread(caller, nothing())),
        Case::new("Chat::unfollow_thread", &REQUEST, chat.unfollow_thread(caller, nothing())),
        Case::new("Chat::mark_thread_read", &REQUEST, chat.mark_thread_read(caller, nothing())),
        Case::new("Chat::followed_threads", &REQUEST, chat.followed_threads(caller, nowhere(), page())),
        Case::new("Chat::post_system", &[], chat.post_system(caller, nowhere(), PostSystem::text(""))),
        Case::new("Chat::invoke_command", &message, async move {
            let command = InvokeCommand::new(CommandName::new("deploy").unwrap(), "\u{7}");
            chat.invoke_command(caller, nowhere(), command).await
        }),
        Case::new("Chat::session_commands", &REQUEST, chat.session_commands(caller, nowhere())),
        Case::new("Chat::set_commands", &REQUEST, chat.set_commands(caller, Vec::new())),
        Case::new("Chat::create_bot", &REQUEST, chat.create_bot(caller, "")),
        Case::new("Chat::bots", &REQUEST, chat.bots(caller)).fine(),
        Case::new("Chat::delete_bot", &REQUEST, chat.delete_bot(caller, &caller.user_id)),
        Case::new("Chat::create_bot_token", &REQUEST, async move {
            chat.create_bot_token(caller, &caller.user_id, CreateBotToken::named("")).await
        }),
        Case::new("Chat::bot_tokens", &REQUEST, chat.bot_tokens(caller, &caller.user_id)),
        Case::new("Chat::revoke_bot_token", &REQUEST, async move {
            chat.revoke_bot_token(caller, &caller.user_id, LoginId(uuid::Uuid::nil())).await
        }),
        Case::new("Chat::start_streamed_message", &message, async move {
            chat.start_streamed_message(caller, nowhere(), StartMessage::of_assistant()).await
        }),
        Case::new("Chat::append_to_message", &[(Parts, 1)], chat.append_to_message(caller, nothing(), 0, "")),
        Case::new("Chat::finish_message", &REQUEST, chat.finish_message(caller, nothing(), 0)),
        Case::new("Chat::fail_message", &REQUEST, chat.fail_message(caller, nothing(), FailMessage::default())),
        Case::new("Chat::edit_message", &message, chat.edit_message(caller, nothing(), edit)),
        Case::new("Chat::delete_message", &REQUEST, chat.delete_message(caller, nothing(), None)),
        Case::new("Chat::messages", &REQUEST, chat.messages(caller, nowhere(), window, Some(0))),
        Case::new("Chat::message", &REQUEST, chat.message(caller, nothing())),
        Case::new("Chat::message_revisions", &REQUEST, chat.message_revisions(caller, nothing())),
        Case::new("Chat::events", &REQUEST, chat.events(caller, nowhere(), Start::Beginning, Some(0))),
        Case::new("Chat::may_follow", &REQUEST, chat.may_follow(caller, nowhere(), Start::Beginning)),
        Case::new("Chat::pins", &REQUEST, chat.pins(caller, nowhere())),
        Case::new("Chat::pin_message", &REQUEST, chat.pin_message(caller, nothing())),
        Case::new("Chat::unpin_message", &REQUEST, chat.unpin_message(caller, nothing())),
        Case::new("Chat::emojis", &REQUEST, chat.emojis(caller, nowhere())),
        Case::new("Chat::add_emoji", &REQUEST, async move { chat.add_emoji(caller, nowhere(), &party(), None).await }),
        Case::new("Chat::remove_emoji", &REQUEST, async move { chat.remove_emoji(caller, nowhere(), &party()).await }),
        Case::new("Chat::add_reaction", &REQUEST, async move { chat.add_reaction(caller, nothing(), &emoji()).await }),
        Case::new(
            "Chat::remove_reaction",
            &REQUEST,
            async move { chat.remove_reaction(caller, nothing(), &emoji()).await },
        ),
        Case::new("Chat::reactors", &REQUEST, async move { chat.reactors(caller, nothing(), &emoji(), page()).await }),
        Case::new("Chat::schedule_message", &message, async move {
            let message = SendMessage::text("");
            chat.schedule_message(caller, nowhere(), ScheduleMessage { message, send_at: chat.now() }).await
        }),
        Case::new("Chat::scheduled_messages", &REQUEST, chat.scheduled_messages(caller, page())),
        Case::new("Chat::cancel_scheduled_message", &REQUEST, async move {
            chat.cancel_scheduled_message(caller, ScheduledId(nowhere().0)).await
        }),
        Case::new("Chat::set_draft", &REQUEST, chat.set_draft(caller, nowhere(), Content::Text(String::new()))),
        Case::new("Chat::draft", &REQUEST, chat.draft(caller, nowhere())),
        Case::new("Chat::drafts", &REQUEST, chat.drafts(caller, page())),
        Case::new("Chat::delete_draft", &REQUEST, chat.delete_draft(caller, nowhere())),
        Case::new("Chat::typing", &[(Requests, 1), (Signals, 1)], chat.typing(caller, nowhere(), true)),
        Case::new("Chat::set_presence", &[(Requests, 1), (Signals, 1)], chat.set_presence(caller, wordless())),
        Case::new("Chat::own_presence", &REQUEST, chat.own_presence(caller)).fine(),
        Case::new("Chat::presence", &REQUEST, chat.presence(caller, nowhere(), page())),
        Case::new("Chat::presence_of", &REQUEST, async move {
            chat.presence_of(caller, &vec![caller.user_id.clone(); TOO_MANY]).await
        }),
    ]
}

/// A batch with too many entries is one use. An entry that is not acceptable is one as others are.
fn of_batches(World { chat, caller, .. }: &World) -> Vec<Case<'_>> {
    let messages = MessagesOf { session_id: nowhere(), window: MessageWindow::Newest, limit: Some(0) };
    let participants = ParticipantsOf { session_id: nowhere(), page: page(), with_email: false };
    let three = [(Requests, 3)];
    vec![
        Case::new("Chat::sessions_by_id", &REQUEST, async move {
            chat.sessions_by_id(caller, &[nowhere(); TOO_MANY]).await
        }),
        Case::new("Chat::overviews_by_id", &REQUEST, async move {
            chat.overviews_by_id(caller, &[nowhere(); TOO_MANY]).await
        }),
        Case::new(
            "Chat::details_by_id",
            &REQUEST,
            async move { chat.details_by_id(caller, &[nowhere(); TOO_MANY]).await },
        ),
        Case::new("Chat::messages_by_id", &REQUEST, async move {
            chat.messages_by_id(caller, &[nothing(); TOO_MANY]).await
        }),
        Case::new(
            "Chat::revisions_of",
            &REQUEST,
            async move { chat.revisions_of(caller, &[nothing(); TOO_MANY]).await },
        ),
        Case::new("Chat::messages_of", &REQUEST, async move { chat.messages_of(caller, &[messages; TOO_MANY]).await }),
        Case::new("Chat::messages_of", &three, async move { chat.messages_of(caller, &[messages; 3]).await }).fine(),
        Case::new("Chat::participants_of", &REQUEST, async move {
            chat.participants_of(caller, &[participants; TOO_MANY]).await
        }),
        Case::new(
            "Chat::participants_of",
            &three,
            async move { chat.participants_of(caller, &[participants; 3]).await },
        )
        .fine(),
    ]
}

fn of_streams(World { chat, caller, .. }: &World) -> Vec<Case<'_>> {
    let twice = [Position::new(nowhere(), 1); 2];
    let many = vec![Position::new(nowhere(), 1); chat.limits().stream_sessions + 1];
    vec![
        Case::new("Chat::subscribe", &REQUEST, chat.subscribe(caller, nowhere(), Start::Now)),
        Case::new("Chat::subscribe_all", &[(Requests, 2)], async move { chat.subscribe_all(caller, &twice).await }),
        Case::new("Chat::subscribe_all", &REQUEST, async move { chat.subscribe_all(caller, &many).await }),
        Case::new("Chat::follow_notices", &REQUEST, chat.follow_notices(caller)).fine(),
    ]
}

fn of_accounts(World { accounts, caller, client, .. }: &World) -> Vec<Case<'_>> {
    let (nobody, login) = (UserId::new("nobody").unwrap(), LoginId(nowhere().0));
    let update = UpdateAccount { display_name: Some(String::new()), ..UpdateAccount::default() };
    vec![
        Case::new("Accounts::me", &REQUEST, accounts.me(caller)),
        Case::new("Accounts::update_me", &REQUEST, accounts.update_me(caller, update)),
        Case::new("Accounts::change_password", &REQUEST, accounts.change_password(caller, client, "", "")),
        Case::new("Accounts::change_email", &REQUEST, accounts.change_email(caller, client, "", "")),
        Case::new("Accounts::user", &REQUEST, async move { accounts.user(caller, &nobody).await }),
        Case::new("Accounts::user_named", &REQUEST, accounts.user_named(caller, "")),
        Case::new(
            "Accounts::search_users",
            &[(Requests, 1), (Searches, 1)],
            accounts.search_users(caller, "", None, Some(0)),
        ),
        Case::new(
            "Accounts::upload_avatar",
            &[(Requests, 1), (Uploads, 1)],
            accounts.upload_avatar(caller, Bytes::new()),
        ),
        Case::new("Accounts::delete_avatar", &REQUEST, accounts.delete_avatar(caller)),
        Case::new("Accounts::request_verification", &REQUEST, accounts.request_verification(caller, client)),
        Case::new("Accounts::log_out", &REQUEST, accounts.log_out(caller)),
        Case::new("Accounts::logins", &REQUEST, accounts.logins(caller)).fine(),
        Case::new("Accounts::end_login", &REQUEST, accounts.end_login(caller, login)),
        Case::new("Accounts::export", &REQUEST, accounts.export(caller)).fine(),
        Case::new("Accounts::delete_account", &REQUEST, accounts.delete_account(caller, client, "")),
    ]
}

fn without_token(World { accounts, client, .. }: &World) -> Vec<Case<'_>> {
    let log_in = LogIn { username_or_email: String::new(), password: String::new() };
    vec![
        Case::new("Accounts::register", &STRANGER, accounts.register(client, Register::new("", "", ""))),
        Case::new("Accounts::log_in", &STRANGER, accounts.log_in(client, log_in)),
        Case::new("Accounts::refresh", &STRANGER, accounts.refresh(client, "")),
        Case::new("Accounts::verify_email", &STRANGER, accounts.verify_email("")),
        Case::new("Accounts::reset_password", &STRANGER, accounts.reset_password("", "")),
        // The answer does not tell whether an account has the address.
        Case::new("Accounts::request_password_reset", &STRANGER, accounts.request_password_reset(client, "")).fine(),
        Case::new("Accounts::avatar", &[(Pictures, 1)], accounts.avatar(client, "..", AvatarSize::Small)),
    ]
}

fn of_administration(World { admin, caller, .. }: &World) -> Vec<Case<'_>> {
    let origin = || AuditOrigin { address: None, request_id: None };
    let nobody = || UserId::new("nobody").unwrap();
    let no_text = || Some(String::new());
    vec![
        Case::new("Administration::broadcast", &REQUEST, async move {
            admin.broadcast(caller, &origin(), String::new(), None).await
        }),
        Case::new("Administration::sessions", &REQUEST, async move {
            admin.sessions(caller, &SessionFilter::default(), None, Some(0)).await
        }),
        Case::new("Administration::session", &REQUEST, async move { admin.session(caller, nowhere()).await }),
        Case::new("Administration::participants", &REQUEST, async move {
            admin.participants(caller, nowhere(), page()).await
        }),
        Case::new("Administration::close_session", &REQUEST, async move {
            admin.close_session(caller, &origin(), nowhere(), no_text()).await
        }),
        Case::new("Administration::reports", &REQUEST, async move {
            admin.reports(caller, &ReportFilter::default(), None, Some(0)).await
        }),
        Case::new("Administration::resolve_report", &REQUEST, async move {
            admin.resolve_report(caller, &origin(), nowhere(), no_report(), dismissed()).await
        }),
        Case::new("Administration::delete_messages_of", &REQUEST, async move {
            admin.delete_messages_of(caller, &origin(), nowhere(), &nobody(), None).await
        }),
        Case::new("Administration::statistics", &REQUEST, async move { admin.statistics(caller).await }).fine(),
        Case::new("Administration::back_up", &REQUEST, async move { admin.back_up(caller, &origin(), false).await })
            .fine(),
        Case::new("Administration::users", &REQUEST, async move {
            admin.users(caller, &UserFilter { search: no_text(), ..UserFilter::default() }, None, None).await
        }),
        Case::new("Administration::user", &REQUEST, async move { admin.user(caller, &nobody()).await }),
        Case::new("Administration::ban", &REQUEST, async move {
            admin.ban(caller, &origin(), &nobody(), BanUser { reason: String::new(), until: None }).await
        }),
        Case::new("Administration::unban", &REQUEST, async move {
            admin.unban(caller, &origin(), &nobody(), no_text()).await
        }),
        Case::new("Administration::admit", &REQUEST, admin.admit(caller)).fine(),
        Case::new("Administration::audit", &REQUEST, async move {
            admin.audit(caller, &AuditFilter::default(), None, Some(0)).await
        }),
        Case::new("Administration::export_audit", &REQUEST, async move {
            admin.export_audit(caller, AuditFilter::default()).await
        })
        .fine(),
        Case::new("Administration::set_role", &REQUEST, async move {
            admin.set_role(caller, &origin(), &nobody(), SystemRole::User, no_text()).await
        }),
    ]
}
