//! The table of commands: every operation that a client can call by name.

use std::str::FromStr;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    AcknowledgeDelivery, AddEmoji, AddParticipant, AppendToMessage, ApproveJoinRequest, ChangeRole, CommandsView,
    CreateBot, CreateBotToken, CreateIncomingWebhook, CreateInvite, CreateSession, DeleteMessage, EditMessage,
    FailMessage, FileReport, FinishMessage, ForwardMessage, InvokeCommand, MarkAllRead, MarkRead, RequestToJoin,
    ResolveReport, Sanction, ScheduleMessage, SendMessage, SetCommands, SetDraft, SetParticipantMetadata,
    SetPreferences, SetPresence, SetUserSettings, StartDirect, StartGroup, StartStreamedMessage, UpdateIncomingWebhook,
    UpdateSession, UseInvite,
};
use crate::{
    chat::Chat,
    error::{Code, Error, FieldError, Result},
    identity::Principal,
    json,
    model::{
        AllRead, Appended, Bot, CreatedBotToken, CreatedIncomingWebhook, CreatedInvite, Cursor, DeliveryState, Draft,
        Emoji, EmojiName, FiledReport, HeldId, IncomingWebhook, InvalidId, InviteId, JoinRequest, LoginId, Message,
        MessageDeletion, MessageId, OwnPresence, Participant, Preferences, ReadState, Report, ReportId, ScheduledId,
        ScheduledMessage, SessionDetails, SessionId, ThreadState, UserId, UserSettings, WebhookId,
    },
};

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The message that was sent.
    Message(Box<Message>),
    /// The message that was edited or deleted. The position of the message is not the position of the change.
    #[serde(rename = "message")]
    ChangedMessage(Box<Message>),
    /// The length of the text of the message after a part.
    Appended(Appended),
    /// The participant who was added or changed.
    Participant(Box<Participant>),
    /// The session that was created or changed.
    Session(Box<SessionDetails>),
    /// The scheduled message.
    ScheduledMessage(Box<ScheduledMessage>),
    /// The scheduled message that was cancelled.
    ScheduledId(ScheduledId),
    /// The draft that is kept.
    Draft(Box<Draft>),
    /// The invite that was created, with its code.
    Invite(Box<CreatedInvite>),
    /// The incoming webhook that was created, with its token.
    CreatedIncomingWebhook(Box<CreatedIncomingWebhook>),
    /// The incoming webhook that was changed.
    IncomingWebhook(Box<IncomingWebhook>),
    /// The caller's request to join.
    JoinRequest(Box<JoinRequest>),
    /// The caller's report that is open now.
    FiledReport(Box<FiledReport>),
    /// The report whose state was changed.
    Report(Box<Report>),
    /// How far the deletion of all messages of a user has come.
    MessageDeletion(Box<MessageDeletion>),
    /// How far the caller has read a session.
    ReadState(ReadState),
    /// Whether the caller follows a thread, and how far the caller has read it.
    ThreadState(ThreadState),
    /// How far the caller's devices have received a session.
    DeliveryState(DeliveryState),
    /// The caller's own settings.
    UserSettings(UserSettings),
    /// The result of marking all sessions as read.
    AllRead(AllRead),
    /// The affected user of a command that belongs to no session.
    UserId(UserId),
    /// The caller's settings for a session.
    Preferences(Preferences),
    /// The session of the command.
    SessionId(SessionId),
    /// The caller's own presence.
    OwnPresence(Box<OwnPresence>),
    /// The commands that the caller, a bot, offers.
    Commands(CommandsView),
    /// The bot that was created.
    Bot(Box<Bot>),
    /// The token that was created, with its text.
    BotToken(Box<CreatedBotToken>),
    /// The token that was revoked.
    TokenId(LoginId),
}

impl Answer {
    /// The position in the session's log to which the answer belongs, where there is one.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        match self {
            Self::Message(message) => Some(message.cursor()),
            Self::Session(details) => Some(details.summary.cursor),
            Self::ChangedMessage(_)
            | Self::Appended(_)
            | Self::Participant(_)
            | Self::ScheduledMessage(_)
            | Self::ScheduledId(_)
            | Self::Draft(_)
            | Self::Invite(_)
            | Self::CreatedIncomingWebhook(_)
            | Self::IncomingWebhook(_)
            | Self::JoinRequest(_)
            | Self::FiledReport(_)
            | Self::Report(_)
            | Self::MessageDeletion(_)
            | Self::ReadState(_)
            | Self::ThreadState(_)
            | Self::DeliveryState(_)
            | Self::UserSettings(_)
            | Self::AllRead(_)
            | Self::UserId(_)
            | Self::Preferences(_)
            | Self::SessionId(_)
            | Self::OwnPresence(_)
            | Self::Commands(_)
            | Self::Bot(_)
            | Self::BotToken(_)
            | Self::TokenId(_) => None,
        }
    }
}

/// The empty input of a command that needs only ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// Declares the commands: the name of each, `[frame]` where sockets take it as a frame, the ids of the things that it is about, its input, and the use case that it calls.
macro_rules! commands {
    (in $chat:ident by $principal:ident: $(
        $(#[$doc:meta])*
        $command:ident = $name:literal $([$frame:ident])? ($($id:ident: $of:ty),*) $input:ident: $type:ty => $call:expr;
    )*) => {
        /// A command with its input.
        #[derive(Debug)]
        pub enum Command {
            $(
                $(#[$doc])*
                $command {
                    $(
                        #[doc = concat!("The `", stringify!($id), "` of the command's target.")]
                        $id: $of,
                    )*
                    /// The input.
                    $input: $type,
                },
            )*
        }

        impl Command {
            /// The names of all commands. In camel case each is the `operationId` of a REST operation and the name of a GraphQL
            /// mutation.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// The names of the commands that a client can also send as frames over a WebSocket.
            pub const FRAMES: &'static [&'static str] = &[$($({
                let _ = stringify!($frame);
                $name
            },)?)*];

            /// Reads a command from an object that has its ids beside the fields of its input; `None` where no command has the
            /// name.
            ///
            /// # Errors
            /// [`Malformed`](Error::Malformed) for an id that cannot be parsed; [`Invalid`](Error::Invalid) for another input
            /// that is not acceptable. Both name the field.
            #[must_use]
            pub fn read(name: &str, data: Map<String, Value>) -> Option<Result<Self>> {
                let read: fn(Map<String, Value>) -> Result<Self> = match name {
                    $($name => |data| {
                        #[allow(unused_mut, reason = "some commands take no id")]
                        let mut data = data;
                        $(let $id = target(&mut data, stringify!($id))?;)*
                        Ok(Self::$command { $($id,)* $input: input(&data)? })
                    },)*
                    _ => return None,
                };
                Some(read(data))
            }

            /// The name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$command { .. } => $name,)*
                }
            }

            /// Calls the use case.
            ///
            /// # Errors
            /// Those of the use case.
            pub async fn perform(self, $chat: &Chat, $principal: &Principal) -> Result<Answer> {
                // Boxed, so that the future of each command is as small as that of the command that it carries out: frontends move futures.
                let answer: BoxFuture<'_, Result<Answer>> = match self {
                    $(Self::$command { $($id,)* $input } => Box::pin(async move { $call }),)*
                };
                answer.await
            }
        }
    };
}

commands! { in chat by principal:
    /// Creates a session.
    CreateSession = "create_session" () session: CreateSession => {
        let (session, client_id) = session.command(None)?;
        let created = match client_id {
            Some(client_id) => chat.create_session_once(principal, &client_id, session).await?,
            None => chat.create_session(principal, session).await?,
        };
        Ok(Answer::Session(Box::new(created)))
    };
    /// Changes settings of a session.
    UpdateSession = "update_session" (session_id: SessionId) changes: UpdateSession => {
        let updated = chat.update_session(principal, session_id, changes.command()).await?;
        Ok(Answer::Session(Box::new(updated)))
    };
    /// Deletes a session.
    DeleteSession = "delete_session" (session_id: SessionId) _nothing: Nothing => {
        chat.delete_session(principal, session_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Archives a session.
    ArchiveSession = "archive_session" (session_id: SessionId) _nothing: Nothing => {
        chat.archive_session(principal, session_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Unarchives a session.
    UnarchiveSession = "unarchive_session" (session_id: SessionId) _nothing: Nothing => {
        chat.unarchive_session(principal, session_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Restores a deleted session.
    RestoreSession = "restore_session" (session_id: SessionId) _nothing: Nothing => {
        chat.restore_session(principal, session_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Makes the caller a participant of a public session.
    JoinSession = "join_session" (session_id: SessionId) _nothing: Nothing => {
        Ok(Answer::Participant(Box::new(chat.join(principal, session_id).await?.participant)))
    };
    /// Makes the caller leave a session.
    LeaveSession = "leave_session" (session_id: SessionId) _nothing: Nothing => {
        chat.leave(principal, session_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Adds a user to a session.
    AddParticipant = "add_participant" (session_id: SessionId) participant: AddParticipant => {
        let added = chat.add_participant(principal, session_id, participant.command()?).await?.participant;
        Ok(Answer::Participant(Box::new(added)))
    };
    /// Creates an invite into a session.
    CreateInvite = "create_invite" (session_id: SessionId) invite: CreateInvite => {
        Ok(Answer::Invite(Box::new(chat.create_invite(principal, session_id, invite.command()).await?)))
    };
    /// Revokes an invite into a session.
    RevokeInvite = "revoke_invite" (session_id: SessionId, invite_id: InviteId) _nothing: Nothing => {
        chat.revoke_invite(principal, session_id, invite_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Creates an incoming webhook of a session.
    CreateIncomingWebhook = "create_incoming_webhook" (session_id: SessionId) webhook: CreateIncomingWebhook => {
        let created = chat.create_incoming_webhook(principal, session_id, webhook.command()).await?;
        Ok(Answer::CreatedIncomingWebhook(Box::new(created)))
    };
    /// Changes an incoming webhook of a session.
    UpdateIncomingWebhook = "update_incoming_webhook" (session_id: SessionId, webhook_id: WebhookId) changes: UpdateIncomingWebhook => {
        let changed = chat.update_incoming_webhook(principal, session_id, webhook_id, changes.command()).await?;
        Ok(Answer::IncomingWebhook(Box::new(changed)))
    };
    /// Deletes an incoming webhook of a session.
    DeleteIncomingWebhook = "delete_incoming_webhook" (session_id: SessionId, webhook_id: WebhookId) _nothing: Nothing => {
        chat.delete_incoming_webhook(principal, session_id, webhook_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Makes the caller a participant of a session by the code of an invite.
    JoinByInvite = "join_by_invite" () invite: UseInvite => {
        Ok(Answer::Participant(Box::new(chat.join_by_invite(principal, &invite.code).await?.participant)))
    };
    /// Requests to join a session, by the code of an invite.
    RequestToJoin = "request_to_join" () request: RequestToJoin => {
        let RequestToJoin { code, text } = request;
        Ok(Answer::JoinRequest(Box::new(chat.request_to_join(principal, &code, text).await?)))
    };
    /// Withdraws the caller's request to join.
    WithdrawJoinRequest = "withdraw_join_request" (session_id: SessionId) _nothing: Nothing => {
        chat.withdraw_join_request(principal, session_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Approves a request to join.
    ApproveJoinRequest = "approve_join_request" (session_id: SessionId, user_id: UserId) approval: ApproveJoinRequest => {
        let let_in = chat.approve_join_request(principal, session_id, &user_id, approval.role).await?.participant;
        Ok(Answer::Participant(Box::new(let_in)))
    };
    /// Declines a request to join.
    DeclineJoinRequest = "decline_join_request" (session_id: SessionId, user_id: UserId) _nothing: Nothing => {
        chat.decline_join_request(principal, session_id, &user_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Finds or creates the direct session of the caller and another user.
    StartDirect = "start_direct" () direct: StartDirect => {
        Ok(Answer::Session(Box::new(chat.start_direct(principal, &direct.user()?).await?.session)))
    };
    /// Finds or creates the group of the caller and other users.
    StartGroup = "start_group" () group: StartGroup => {
        Ok(Answer::Session(Box::new(chat.start_group(principal, &group.users()?).await?.session)))
    };
    /// Blocks a user.
    BlockUser = "block_user" (user_id: UserId) _nothing: Nothing => {
        chat.block_user(principal, &user_id).await?;
        Ok(Answer::UserId(user_id))
    };
    /// Ends the block of a user.
    UnblockUser = "unblock_user" (user_id: UserId) _nothing: Nothing => {
        chat.unblock_user(principal, &user_id).await?;
        Ok(Answer::UserId(user_id))
    };
    /// Changes the role of a participant.
    ChangeRole = "change_role" (session_id: SessionId, user_id: UserId) role: ChangeRole => {
        let changed = chat.change_role(principal, session_id, &user_id, role.role).await?;
        Ok(Answer::Participant(Box::new(changed)))
    };
    /// Replaces the metadata of a participant.
    SetParticipantMetadata = "set_participant_metadata" [frame] (session_id: SessionId, user_id: UserId) new: SetParticipantMetadata => {
        let changed = chat.set_participant_metadata(principal, session_id, &user_id, new.metadata).await?;
        Ok(Answer::Participant(Box::new(changed)))
    };
    /// Removes a participant from a session.
    RemoveParticipant = "remove_participant" (session_id: SessionId, user_id: UserId) _nothing: Nothing => {
        chat.remove_participant(principal, session_id, &user_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Bans a user from a session.
    BanParticipant = "ban_participant" (session_id: SessionId, user_id: UserId) ban: Sanction => {
        chat.ban_participant(principal, session_id, &user_id, ban.command()).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Lifts a user's ban from a session.
    UnbanParticipant = "unban_participant" (session_id: SessionId, user_id: UserId) _nothing: Nothing => {
        chat.unban_participant(principal, session_id, &user_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Mutes a participant.
    MuteParticipant = "mute_participant" (session_id: SessionId, user_id: UserId) mute: Sanction => {
        chat.mute_participant(principal, session_id, &user_id, mute.command()).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Ends a participant's mute.
    UnmuteParticipant = "unmute_participant" (session_id: SessionId, user_id: UserId) _nothing: Nothing => {
        chat.unmute_participant(principal, session_id, &user_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Reports a message.
    ReportMessage = "report_message" [frame] (message_id: MessageId) report: FileReport => {
        Ok(Answer::FiledReport(Box::new(chat.report_message(principal, message_id, report.command()).await?)))
    };
    /// Reports a user of a session.
    ReportParticipant = "report_participant" [frame] (session_id: SessionId, user_id: UserId) report: FileReport => {
        let filed = chat.report_participant(principal, session_id, &user_id, report.command()).await?;
        Ok(Answer::FiledReport(Box::new(filed)))
    };
    /// Changes the state of a report.
    ResolveReport = "resolve_report" (session_id: SessionId, report_id: ReportId) change: ResolveReport => {
        let report = chat.resolve_report(principal, session_id, report_id, change.command()).await?;
        Ok(Answer::Report(Box::new(report)))
    };
    /// Deletes all messages of a user in a session.
    DeleteMessagesOf = "delete_messages_of" (session_id: SessionId, user_id: UserId) _nothing: Nothing => {
        let deletion = chat.delete_messages_of(principal, session_id, &user_id).await?;
        Ok(Answer::MessageDeletion(Box::new(deletion)))
    };
    /// Makes a participant the owner of a session.
    TransferOwnership = "transfer_ownership" (session_id: SessionId, user_id: UserId) _nothing: Nothing => {
        let owner = chat.transfer_ownership(principal, session_id, &user_id).await?;
        Ok(Answer::Participant(Box::new(owner)))
    };
    /// Sends a message.
    SendMessage = "send_message" [frame] (session_id: SessionId) message: SendMessage => {
        let sent = chat.send(principal, session_id, message.command(None)?).await?;
        Ok(Answer::Message(Box::new(sent)))
    };
    /// Invokes a command of a bot.
    InvokeCommand = "invoke_command" [frame] (session_id: SessionId) invocation: InvokeCommand => {
        let sent = chat.invoke_command(principal, session_id, invocation.command(None)?).await?;
        Ok(Answer::Message(Box::new(sent)))
    };
    /// Creates a bot.
    CreateBot = "create_bot" () bot: CreateBot => {
        Ok(Answer::Bot(Box::new(chat.create_bot(principal, &bot.name).await?)))
    };
    /// Deletes a bot of the caller.
    DeleteBot = "delete_bot" (bot_id: UserId) _nothing: Nothing => {
        chat.delete_bot(principal, &bot_id).await?;
        Ok(Answer::UserId(bot_id))
    };
    /// Creates a token of a bot of the caller.
    CreateBotToken = "create_bot_token" (bot_id: UserId) token: CreateBotToken => {
        let created = chat.create_bot_token(principal, &bot_id, token.command()?).await?;
        Ok(Answer::BotToken(Box::new(created)))
    };
    /// Revokes a token of a bot of the caller.
    RevokeBotToken = "revoke_bot_token" (bot_id: UserId, token_id: LoginId) _nothing: Nothing => {
        chat.revoke_bot_token(principal, &bot_id, token_id).await?;
        Ok(Answer::TokenId(token_id))
    };
    /// Replaces the commands that the caller, a bot, offers.
    SetCommands = "set_commands" () commands: SetCommands => {
        Ok(Answer::Commands(chat.set_commands(principal, commands.command()?).await?.into()))
    };
    /// Starts a streamed message: a message that is written in parts.
    StartStreamedMessage = "start_streamed_message" [frame] (session_id: SessionId) message: StartStreamedMessage => {
        let begun = chat.start_streamed_message(principal, session_id, message.command(None)?).await?;
        Ok(Answer::Message(Box::new(begun)))
    };
    /// Appends a part to a streamed message.
    AppendToMessage = "append_to_message" [frame] (message_id: MessageId) part: AppendToMessage => {
        let AppendToMessage { offset, text } = part;
        Ok(Answer::Appended(chat.append_to_message(principal, message_id, offset, &text).await?))
    };
    /// Completes a streamed message.
    FinishMessage = "finish_message" [frame] (message_id: MessageId) end: FinishMessage => {
        let finished = chat.finish_message(principal, message_id, end.length).await?;
        Ok(Answer::ChangedMessage(Box::new(finished)))
    };
    /// Ends an incomplete streamed message as failed.
    FailMessage = "fail_message" [frame] (message_id: MessageId) end: FailMessage => {
        let failed = chat.fail_message(principal, message_id, end.command()).await?;
        Ok(Answer::ChangedMessage(Box::new(failed)))
    };
    /// Forwards a message into another session.
    ForwardMessage = "forward_message" [frame] (message_id: MessageId) forward: ForwardMessage => {
        let (to, client_id) = forward.command(None)?;
        let copy = chat.forward_message(principal, message_id, to, client_id).await?;
        Ok(Answer::Message(Box::new(copy)))
    };
    /// Approves a held message, which is sent.
    ApproveMessage = "approve_message" (session_id: SessionId, held_id: HeldId) _nothing: Nothing => {
        let sent = chat.approve_message(principal, session_id, held_id).await?;
        Ok(Answer::Message(Box::new(sent)))
    };
    /// Rejects a held message, which is never sent.
    RejectMessage = "reject_message" (session_id: SessionId, held_id: HeldId) _nothing: Nothing => {
        chat.reject_message(principal, session_id, held_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Edits a message.
    EditMessage = "edit_message" [frame] (message_id: MessageId) edit: EditMessage => {
        let edited = chat.edit_message(principal, message_id, edit.command(None)?).await?;
        Ok(Answer::ChangedMessage(Box::new(edited)))
    };
    /// Deletes a message.
    DeleteMessage = "delete_message" [frame] (message_id: MessageId) deletion: DeleteMessage => {
        let deleted = chat.delete_message(principal, message_id, deletion.revision).await?;
        Ok(Answer::ChangedMessage(Box::new(deleted)))
    };
    /// Pins a message.
    PinMessage = "pin_message" [frame] (message_id: MessageId) _nothing: Nothing => {
        chat.pin_message(principal, message_id).await?;
        Ok(Answer::SessionId(message_id.session_id))
    };
    /// Unpins a message.
    UnpinMessage = "unpin_message" [frame] (message_id: MessageId) _nothing: Nothing => {
        chat.unpin_message(principal, message_id).await?;
        Ok(Answer::SessionId(message_id.session_id))
    };
    /// Reacts to a message.
    AddReaction = "add_reaction" [frame] (message_id: MessageId, emoji: Emoji) _nothing: Nothing => {
        chat.add_reaction(principal, message_id, &emoji).await?;
        Ok(Answer::SessionId(message_id.session_id))
    };
    /// Removes a reaction of the caller.
    RemoveReaction = "remove_reaction" [frame] (message_id: MessageId, emoji: Emoji) _nothing: Nothing => {
        chat.remove_reaction(principal, message_id, &emoji).await?;
        Ok(Answer::SessionId(message_id.session_id))
    };
    /// Adds a custom emoji to a session.
    AddEmoji = "add_emoji" (session_id: SessionId, name: EmojiName) emoji: AddEmoji => {
        chat.add_emoji(principal, session_id, &name, emoji.url).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Removes a custom emoji of a session.
    RemoveEmoji = "remove_emoji" (session_id: SessionId, name: EmojiName) _nothing: Nothing => {
        chat.remove_emoji(principal, session_id, &name).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Schedules a message.
    ScheduleMessage = "schedule_message" (session_id: SessionId) schedule: ScheduleMessage => {
        let scheduled = chat.schedule_message(principal, session_id, schedule.command(None)?).await?;
        Ok(Answer::ScheduledMessage(Box::new(scheduled)))
    };
    /// Cancels a scheduled message.
    CancelScheduledMessage = "cancel_scheduled_message" (scheduled_id: ScheduledId) _nothing: Nothing => {
        chat.cancel_scheduled_message(principal, scheduled_id).await?;
        Ok(Answer::ScheduledId(scheduled_id))
    };
    /// Saves the caller's draft in a session.
    SetDraft = "set_draft" (session_id: SessionId) draft: SetDraft => {
        Ok(Answer::Draft(Box::new(chat.set_draft(principal, session_id, draft.command()).await?)))
    };
    /// Deletes the caller's draft in a session.
    DeleteDraft = "delete_draft" (session_id: SessionId) _nothing: Nothing => {
        chat.delete_draft(principal, session_id).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Signals to the readers of a session whether the caller types.
    SetTyping = "set_typing" (session_id: SessionId) typing: SetTyping => {
        chat.typing(principal, session_id, typing.is_typing).await?;
        Ok(Answer::SessionId(session_id))
    };
    /// Marks a session as read up to a position or a message.
    MarkRead = "mark_read" [frame] (session_id: SessionId) upto: MarkRead => {
        Ok(Answer::ReadState(chat.mark_read(principal, session_id, upto.command()?).await?))
    };
    /// Marks a message and all after it as unread.
    MarkUnreadFrom = "mark_unread_from" [frame] (message_id: MessageId) _nothing: Nothing => {
        Ok(Answer::ReadState(chat.mark_unread_from(principal, message_id).await?))
    };
    /// Acknowledges the delivery of a session to a device of the caller, up to a position.
    AcknowledgeDelivery = "acknowledge_delivery" [frame] (session_id: SessionId) upto: AcknowledgeDelivery => {
        Ok(Answer::DeliveryState(chat.acknowledge_delivery(principal, session_id, upto.seq).await?))
    };
    /// Changes the caller's own settings.
    SetUserSettings = "set_user_settings" [frame] () changes: SetUserSettings => {
        Ok(Answer::UserSettings(chat.set_user_settings(principal, changes.command()).await?))
    };
    /// Marks all sessions of the caller as read.
    MarkAllRead = "mark_all_read" [frame] () from: MarkAllRead => {
        Ok(Answer::AllRead(chat.mark_all_read(principal, from.command()?).await?))
    };
    /// Makes the caller follow a thread.
    FollowThread = "follow_thread" [frame] (message_id: MessageId) _nothing: Nothing => {
        Ok(Answer::ThreadState(chat.follow_thread(principal, message_id).await?))
    };
    /// Makes the caller unfollow a thread.
    UnfollowThread = "unfollow_thread" [frame] (message_id: MessageId) _nothing: Nothing => {
        Ok(Answer::ThreadState(chat.unfollow_thread(principal, message_id).await?))
    };
    /// Marks a thread as read up to a message.
    MarkThreadRead = "mark_thread_read" [frame] (message_id: MessageId) _nothing: Nothing => {
        Ok(Answer::ThreadState(chat.mark_thread_read(principal, message_id).await?))
    };
    /// Changes the caller's own presence.
    SetPresence = "set_presence" [frame] () presence: SetPresence => {
        let presence = chat.set_presence(principal, presence.command()?).await?;
        Ok(Answer::OwnPresence(Box::new(presence)))
    };
    /// Changes the caller's settings for a session.
    SetPreferences = "set_preferences" [frame] (session_id: SessionId) changes: SetPreferences => {
        Ok(Answer::Preferences(chat.set_preferences(principal, session_id, changes.command()).await?))
    };
}

/// Whether the caller types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetTyping {
    /// `true` for started, `false` for stopped.
    pub is_typing: bool,
}

/// Takes the id of a command's target out of the command's data.
fn target<T: FromStr<Err = InvalidId>>(data: &mut Map<String, Value>, field: &'static str) -> Result<T> {
    let Some(value) = data.remove(field) else {
        return Err(Error::Invalid(vec![FieldError::new(field, Code::ValidationRequiredField, "required")]));
    };
    let text = String::deserialize(value)
        .map_err(|error| Error::invalid(field, Code::ValidationInvalidValue, error.to_string()))?;
    text.parse().map_err(|error: InvalidId| Error::malformed(field, error.expected))
}

/// The input of a command. It is read from text once more, so that an error names the field as everywhere else.
fn input<T: serde::de::DeserializeOwned>(data: &Map<String, Value>) -> Result<T> {
    json::typed(&serde_json::to_vec(data).map_err(|_| Error::Internal)?)
}
