//! One shape for what the transports tell in several: what a use case gives, and what an event says.

use chatcore::{
    Error,
    chat::{Delivery, EventView, PinnedMessage, SignalView},
    model::{
        BlockedUser, Bot, BotCommand, BotToken, Content, Draft, Event, EventKind, FiledReport, FollowedThread,
        HeldMessage, IncomingWebhook, Invite, InvitePreview, JoinRequest, Mention, MentionedMessage, Message,
        MessageBody, MessageEvent, MessageId, MessageRevision, MessageStatus, ModerationEntry, Origin, OwnPresence,
        Participant, ParticipantEvent, ParticipantRole, Presence, Profile, Reaction, Reactor, ReadState, Report,
        ScheduledMessage, SessionBan, SessionChanges, SessionCommand, SessionDetails, SessionEmoji, SessionEvent,
        SessionSummary, Signal, StreamState, Term, ThreadState, ThreadSummary,
    },
    permission::Denial,
    wire::Answer,
};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

use super::model::Model;

/// A use case that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// The stable code.
    pub code: String,
    /// What stands beside it.
    pub details: Value,
}

/// What a use case came to.
pub type Outcome = Result<Value, Fault>;

/// Writes every time in the same way.
#[must_use]
pub fn tidy(value: Value) -> Value {
    match value {
        Value::String(text) => match DateTime::parse_from_rfc3339(&text) {
            Ok(time) => Value::String(time.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true)),
            Err(_) => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(tidy).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, tidy(value))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

/// An error of the core, as the transports tell it.
#[must_use]
pub fn fault(error: &Error) -> Fault {
    let mut details = Map::new();
    if !error.fields().is_empty() {
        let field = |field: &chatcore::FieldError| json!({ "field": field.field, "code": field.code.as_str(), "message": field.message });
        details.insert("fields".to_owned(), error.fields().iter().map(field).collect());
    }
    if let Error::Resync { oldest, head } = error {
        details.insert("oldest".to_owned(), json!(oldest));
        details.insert("head".to_owned(), json!(head));
    }
    if let Error::Denied(Denial::Banned(term) | Denial::Muted(term)) = error {
        details.insert("until".to_owned(), json!(term.end()));
    }
    if let Error::ReportConflict { state, revision } = error {
        details.insert("current_state".to_owned(), json!(state));
        details.insert("current_revision".to_owned(), json!(revision));
    }
    if let Error::RevisionConflict { current } = error {
        details.insert("current_revision".to_owned(), json!(current));
    }
    if let Error::OffsetConflict { current } = error {
        details.insert("current_length".to_owned(), json!(current));
    }
    if let Error::CommandAmbiguous { bots } = error {
        details.insert("bot_ids".to_owned(), json!(bots));
    }
    Fault { code: error.name().to_owned(), details: tidy(Value::Object(details)) }
}

/// A user with names.
#[must_use]
pub fn person(profile: &Profile) -> Value {
    let Profile { user_id, username, name, picture, email: _, updated_at: _, is_bot } = profile;
    json!({ "id": user_id, "?username": username, "?name": name, "?picture": picture, "?is_bot": is_bot })
}

/// The caller.
#[must_use]
pub fn me(profile: &Profile) -> Value {
    json!({ "person": person(profile), "email": profile.email })
}

fn content(content: &Content) -> Value {
    serde_json::to_value(content).unwrap()
}

/// What became of a message, as fields of it.
fn status(mut message: Value, status: &MessageStatus) -> Value {
    let (edited_at, deleted_at, deleted_by) = match status {
        MessageStatus::AsSent => (None, None, None),
        MessageStatus::Edited { at } => (Some(at), None, None),
        MessageStatus::Deleted { by, at } => (None, Some(at), by.as_ref()),
    };
    message["edited_at"] = json!(edited_at);
    message["deleted_at"] = json!(deleted_at);
    message["deleted_by"] = json!(deleted_by);
    message
}

/// A message.
#[must_use]
pub fn message(message: &Message) -> Value {
    let Message { id, session_id, seq, number, sender, body, created_at, revision, .. } = message;
    let Message { status: now, reactions, thread, sender_blocked, .. } = message;
    let reaction = |one: &Reaction| json!({ "emoji": one.emoji, "count": one.count, "me": one.mine });
    let reactions = reactions.as_ref().map(|reactions| reactions.iter().map(reaction).collect::<Value>());
    let value = json!({
        "id": id, "session_id": session_id, "seq": seq, "number": number, "sender": person(sender),
        "role": body.role, "message_type": body.message_type, "content": content(&body.content),
        "created_at": created_at, "revision": revision, "reactions": reactions, "thread": thread.as_ref().map(threaded),
        "reply_to": body.reply.map(|reply| beside(id, reply.to)),
        "thread_root": body.reply.map(|reply| beside(id, reply.root)), "sender_blocked": sender_blocked,
        "mentions": mentions(body), "links": body.links, "attachments": body.attachments, "metadata": body.metadata,
        "forwarded_from": body.origin.as_ref().map(origin), "stream": body.stream.as_ref().map(streamed),
        "command": body.command,
    });
    status(value, now)
}

/// A bot, for its owner.
#[must_use]
pub fn bot(bot: &Bot) -> Value {
    let Bot { profile, created_at } = bot;
    json!({ "id": profile.user_id, "username": profile.username, "name": profile.name, "created_at": created_at })
}

/// A token of a bot.
#[must_use]
pub fn bot_token(token: &BotToken) -> Value {
    let BotToken { id, bot_id, name, sessions, actions, created_at, expires_at, last_used_at } = token;
    json!({
        "id": id, "bot_id": bot_id, "name": name, "sessions": sessions, "actions": actions, "created_at": created_at,
        "expires_at": expires_at, "last_used_at": last_used_at,
    })
}

/// A command in a session.
#[must_use]
pub fn command(command: &SessionCommand) -> Value {
    let SessionCommand { bot, command: BotCommand { name, description } } = command;
    let bot = json!({ "id": bot.user_id, "?username": bot.username, "?name": bot.name });
    json!({ "name": name, "description": description, "bot": bot })
}

/// An invite.
#[must_use]
pub fn invite(invite: &Invite) -> Value {
    let Invite { id, session_id, role, created_by, created_at, expires_at, max_uses, uses, needs_approval } = invite;
    json!({
        "id": id, "session_id": session_id, "role": role, "created_by": person(created_by), "created_at": created_at,
        "expires_at": expires_at, "max_uses": max_uses, "uses": uses, "needs_approval": needs_approval,
    })
}

/// An incoming webhook.
#[must_use]
pub fn incoming(webhook: &IncomingWebhook) -> Value {
    let IncomingWebhook { id, session_id, name, avatar_url, created_by, created_at, last_used_at } = webhook;
    json!({
        "id": id, "session_id": session_id, "name": name, "avatar_url": avatar_url,
        "author": webhook_of(&json!(id.author())), "created_by": person(created_by), "created_at": created_at,
        "last_used_at": last_used_at,
    })
}

/// The webhook of an author's id.
#[must_use]
pub fn webhook_of(author: &Value) -> Value {
    json!(author.as_str().and_then(|author| author.strip_prefix("webhook:")))
}

/// What a code leads to.
#[must_use]
pub fn preview(preview: &InvitePreview) -> Value {
    let InvitePreview {
        session_id,
        title,
        description,
        session_type,
        participant_count,
        invited_by,
        role,
        expires_at,
        needs_approval,
    } = preview;
    json!({
        "session_id": session_id, "title": title, "description": description, "session_type": session_type,
        "participant_count": participant_count, "invited_by": person(invited_by), "role": role, "expires_at": expires_at,
        "needs_approval": needs_approval,
    })
}

/// A request to join.
#[must_use]
pub fn join_request(request: &JoinRequest) -> Value {
    let JoinRequest { session_id, user, text, role, requested_at } = request;
    json!({
        "session_id": session_id, "user": person(user), "text": text, "role": role, "requested_at": requested_at,
    })
}

/// A ban from a session.
#[must_use]
pub fn ban(ban: &SessionBan) -> Value {
    let SessionBan { user, banned_by, reason, banned_at, until } = ban;
    json!({
        "user": person(user), "banned_by": person(banned_by), "reason": reason, "banned_at": banned_at, "until": until,
    })
}

fn streamed(stream: &StreamState) -> Value {
    match stream {
        StreamState::Streaming => json!({ "state": "STREAMING", "reason": null, "detail": null }),
        StreamState::Complete => json!({ "state": "COMPLETE", "reason": null, "detail": null }),
        StreamState::Failed { reason, detail } => json!({ "state": "FAILED", "reason": reason, "detail": detail }),
    }
}

/// A report as the user sees it who made it.
#[must_use]
pub fn filed(report: &FiledReport) -> Value {
    let FiledReport { id, session_id, user_id, message_id, reason, text, created_at } = report;
    json!({
        "id": id, "session_id": session_id, "user_id": user_id, "message_id": message_id, "reason": reason,
        "text": text, "created_at": created_at,
    })
}

/// A report as those see it who moderate.
#[must_use]
pub fn report(report: &Report) -> Value {
    let Report { id, session_id, reporter, user, message_id, message: reported, reason, text, .. } = report;
    let Report { state, revision, created_at, handling, .. } = report;
    json!({
        "id": id, "session_id": session_id, "reporter": person(reporter), "user": person(user),
        "message_id": message_id, "message": reported.as_ref().map(message), "reason": reason, "text": text,
        "state": state, "revision": revision, "created_at": created_at,
        "handled_by": handling.as_ref().map(|handling| person(&handling.by)),
        "handled_at": handling.as_ref().map(|handling| handling.at),
        "note": handling.as_ref().and_then(|handling| handling.note.as_ref()),
    })
}

/// What a moderator did.
#[must_use]
pub fn moderation(entry: &ModerationEntry) -> Value {
    let ModerationEntry { id, session_id, actor, action, user, message_id, .. } = entry;
    let ModerationEntry { count, report_id, report_state, until, created_at, .. } = entry;
    json!({
        "id": id, "session_id": session_id, "actor": person(actor), "action": action, "user": person(user),
        "message_id": message_id, "count": count, "report_id": report_id, "report_state": report_state,
        "until": until, "created_at": created_at,
    })
}

fn origin(origin: &Origin) -> Value {
    let Origin { message, author, sent_at } = origin;
    let session = message.map(|message| message.session_id);
    json!({ "session_id": session, "message_id": message, "user_id": author, "created_at": sent_at })
}

fn mentions(body: &MessageBody) -> Value {
    let mention = |Mention { user, span }: &Mention| json!({ "user_id": user, "start": span.map(|span| span.start), "end": span.map(|span| span.end) });
    body.mentions.iter().map(mention).collect()
}

/// A message that mentions the reader.
#[must_use]
pub fn mentioned(mentioned: &MentionedMessage) -> Value {
    json!({ "message": message(&mentioned.message), "is_unread": mentioned.is_unread })
}

/// A message of the same session.
const fn beside(id: &MessageId, seq: u64) -> MessageId {
    MessageId { session_id: id.session_id, seq }
}

fn threaded(thread: &ThreadSummary) -> Value {
    let ThreadSummary { replies, last, is_followed } = thread;
    let last = last.map(|last| json!({ "id": last.id, "seq": last.id.seq, "created_at": last.at }));
    json!({ "reply_count": replies, "last_reply": last, "is_followed": is_followed })
}

/// A thread that the reader follows.
#[must_use]
pub fn followed(thread: &FollowedThread) -> Value {
    let FollowedThread { root, state } = thread;
    json!({ "message": message(root), "read_upto": state.read_upto, "unread": state.unread })
}

/// How a thread is for the reader.
#[must_use]
pub fn thread_state(state: &ThreadState) -> Value {
    let ThreadState { session_id, thread_root, is_followed, read_upto, unread } = state;
    json!({
        "session_id": session_id, "thread_root": thread_root, "is_followed": is_followed, "read_upto": read_upto,
        "unread": unread,
    })
}

/// A blocked user.
#[must_use]
pub fn blocked(blocked: &BlockedUser) -> Value {
    json!({ "user": person(&blocked.user), "blocked_at": blocked.blocked_at })
}

/// A user who reacted.
#[must_use]
pub fn reactor(reactor: &Reactor) -> Value {
    json!({ "user": person(&reactor.user), "reacted_at": reactor.reacted_at })
}

/// A message that waits for its time.
#[must_use]
pub fn scheduled(scheduled: &ScheduledMessage) -> Value {
    let ScheduledMessage {
        id,
        session_id,
        body,
        reply_to,
        mentions,
        mentions_everybody,
        client_id,
        send_at,
        created_at,
    } = scheduled;
    json!({
        "id": id, "session_id": session_id, "role": body.role, "message_type": body.message_type,
        "content": content(&body.content), "reply_to": reply_to, "mentions": mentions,
        "mentions_everybody": mentions_everybody, "attachments": body.attachments, "metadata": body.metadata,
        "client_id": client_id, "send_at": send_at, "created_at": created_at,
    })
}

/// A message that waits for approval.
#[must_use]
pub fn held(held: &HeldMessage) -> Value {
    let HeldMessage { id, session_id, author, body, reply_to, mentions, mentions_everybody, reason, held_at } = held;
    json!({
        "id": id, "session_id": session_id, "user": person(author), "role": body.role, "message_type": body.message_type,
        "content": content(&body.content), "reply_to": reply_to, "reason": reason, "held_at": held_at, "mentions": mentions,
        "mentions_everybody": mentions_everybody, "attachments": body.attachments, "metadata": body.metadata,
        "forwarded_from": body.origin.as_ref().map(origin), "command": body.command,
    })
}

/// A draft.
#[must_use]
pub fn draft(draft: &Draft) -> Value {
    json!({ "session_id": draft.session_id, "content": content(&draft.content), "updated_at": draft.updated_at })
}

/// The presence of a user, but for whether the user is there: that differs, since a socket is a device.
#[must_use]
pub fn presence(Presence { user, state }: &Presence) -> Value {
    let (text, until) = state.text.as_ref().map(|text| (&text.text, text.until)).unzip();
    json!({ "user": person(user), "text": text, "text_until": until.flatten() })
}

/// A user's own presence, but for whether the user is there.
#[must_use]
pub fn own_presence(own: &OwnPresence) -> Value {
    let OwnPresence { user, state, availability, is_hidden } = own;
    let mut value = presence(&Presence { user: user.clone(), state: state.clone() });
    value["availability"] = json!(availability);
    value["is_hidden"] = json!(is_hidden);
    value
}

/// What a message said before.
#[must_use]
pub fn revision(earlier: &MessageRevision) -> Value {
    let MessageRevision { revision, body, since } = earlier;
    json!({ "revision": revision, "content": content(&body.content), "since": since })
}

/// An emoji of a session's own.
#[must_use]
pub fn emoji(SessionEmoji { name, url }: &SessionEmoji) -> Value {
    json!({ "name": name, "url": url })
}

/// A pinned message.
#[must_use]
pub fn pinned(pin: &PinnedMessage) -> Value {
    let PinnedMessage { message: pinned, pinned_by, pinned_at } = pin;
    json!({ "message": message(pinned), "pinned_by": person(pinned_by), "pinned_at": pinned_at })
}

/// The message that an event is, as far as the log alone tells.
#[must_use]
pub fn said(event: &Event) -> Value {
    let EventKind::Message(MessageEvent::Sent { body, client_id: _, status: now }) = &event.kind else {
        panic!("{event:?}")
    };
    let id = MessageId { session_id: event.session_id, seq: event.seq };
    let value = json!({
        "id": id, "session_id": event.session_id, "seq": event.seq, "number": event.number,
        "sender": { "id": event.actor }, "role": body.role, "message_type": body.message_type,
        "content": content(&body.content), "created_at": event.created_at, "revision": event.revision, "reactions": null,
        "thread": null, "reply_to": body.reply.map(|reply| beside(&id, reply.to)),
        "thread_root": body.reply.map(|reply| beside(&id, reply.root)), "sender_blocked": null,
        "mentions": mentions(body), "links": body.links, "attachments": body.attachments, "metadata": body.metadata,
        "forwarded_from": body.origin.as_ref().map(|from| origin(&Origin { message: None, ..from.clone() })),
        "stream": body.stream.as_ref().map(streamed), "command": body.command,
    });
    tidy(status(value, now))
}

/// A participant.
#[must_use]
pub fn participant(participant: &Participant) -> Value {
    let Participant { id, session_id, profile, role, is_active, joined_at, created_at, muted, metadata } = participant;
    json!({
        "id": id, "session_id": session_id, "person": person(profile), "email": profile.email, "role": role,
        "is_owner": *role == ParticipantRole::Owner, "is_active": is_active,
        "joined_at": joined_at, "created_at": created_at, "is_muted": muted.is_some(),
        "muted_until": muted.and_then(Term::end), "metadata": metadata,
    })
}

/// A session in a list.
#[must_use]
pub fn summary(summary: &SessionSummary) -> Value {
    let SessionSummary { session, owner, message_count, seq: _, cursor: _, overview } = summary;
    let last_message = overview.as_ref().and_then(|overview| overview.last_message.as_ref()).map(message);
    let reading = overview.as_ref().map(|overview| overview.reading);
    json!({
        "id": session.id, "title": session.title, "description": session.description,
        "session_type": session.session_type, "max_participants": session.max_participants, "owner": person(owner),
        "?is_active": session.is_active, "created_at": session.created_at, "updated_at": session.updated_at,
        "participant_count": session.participant_count, "message_count": message_count,
        "last_message": last_message, "read_upto": reading.map(|reading| reading.read_upto),
        "unread": reading.map(|reading| reading.unread),
        "unread_mentions": overview.as_ref().map(|overview| overview.unread_mentions),
    "slow_mode_seconds":session.settings.slow_mode_seconds, "message_lifetime":session.settings.message_lifetime, "history_visibility":session.settings.history_visibility, "tags":session.settings.tags, "avatar_url":session.settings.avatar_url, "metadata":session.settings.metadata, "receipts":session.settings.receipts, "archived_at":session.archived_at,
        "deleted_at": session.deletion.as_ref().map(|deletion| deletion.at),
        "preferences": overview.as_ref().map(|overview| overview.preferences),
        "role": overview.as_ref().map(|overview| overview.stay.role),
        "joined_at": overview.as_ref().map(|overview| overview.stay.joined_at),
    })
}

/// A session with what is in it.
#[must_use]
pub fn session(details: &SessionDetails) -> Value {
    let SessionDetails {
        summary: head,
        participants,
        messages,
        unseen_messages: _,
        seq,
        reading,
        unread_mentions,
        preferences,
        stay,
    } = details;
    let mut value = summary(head);
    value.as_object_mut().unwrap().remove("last_message");
    value["read_upto"] = json!(reading.read_upto);
    value["unread"] = json!(reading.unread);
    value["unread_mentions"] = json!(unread_mentions);
    value["preferences"] = json!(preferences);
    value["role"] = json!(stay.role);
    value["joined_at"] = json!(stay.joined_at);
    value["cursor"] = json!(head.cursor);
    value["participants"] = participants.iter().map(participant).collect();
    value["messages"] = messages.iter().map(message).collect();
    value["seq"] = json!(seq);
    value
}

fn changes(changes: &SessionChanges) -> Value {
    serde_json::to_value(changes).unwrap()
}

/// An event with names.
#[must_use]
pub fn event(view: &EventView) -> Value {
    let mut value = bare_event(&view.event);
    value["actor"] = person(&view.actor);
    if let Some(subject) = &view.subject {
        value["user"] = person(subject);
    }
    if value["kind"] == METADATA_CHANGED {
        value["metadata"] = json!(view.metadata());
    }
    if let Some(said) = view.message() {
        value["message"] = message(&said);
    }
    tidy(value)
}

/// The event that the log has without what it shows.
const METADATA_CHANGED: &str = "ParticipantMetadataChanged";

/// An event, as far as the log alone tells.
#[must_use]
pub fn bare_event(event: &Event) -> Value {
    let mut value = match &event.kind {
        EventKind::Session(SessionEvent::Created { session, participant_id }) => json!({
            "kind": "SessionCreated", "title": session.title, "description": session.description,
            "session_type": session.session_type, "max_participants": session.max_participants,
            "history_visibility": session.settings.history_visibility, "metadata": session.settings.metadata, "receipts": session.settings.receipts,
            "participant_id": participant_id,
        }),
        EventKind::Session(SessionEvent::Updated { changes: new }) => {
            json!({ "kind": "SessionUpdated", "changes": changes(new) })
        }
        EventKind::Session(SessionEvent::InviteCreated { invite_id, role }) => {
            json!({ "kind": "InviteCreated", "invite_id": invite_id, "role": role })
        }
        EventKind::Session(SessionEvent::InviteRevoked { invite_id }) => {
            json!({ "kind": "InviteRevoked", "invite_id": invite_id })
        }
        EventKind::Session(SessionEvent::EmojiAdded { emoji: added }) => {
            let mut value = emoji(added);
            value["kind"] = json!("EmojiAdded");
            value
        }
        EventKind::Session(SessionEvent::EmojiRemoved { name }) => json!({ "kind": "EmojiRemoved", "name": name }),
        EventKind::Session(SessionEvent::JoinRequested) => json!({ "kind": "JoinRequested" }),
        EventKind::Session(SessionEvent::JoinRequestClosed { user_id: _ }) => json!({ "kind": "JoinRequestClosed" }),
        EventKind::Session(SessionEvent::WebhookChanged { webhook_id }) => {
            json!({ "kind": "WebhookChanged", "webhook_id": webhook_id })
        }
        EventKind::Session(SessionEvent::Deleted) => json!({ "kind": "SessionDeleted" }),
        EventKind::Session(SessionEvent::Archived) => json!({ "kind": "SessionArchived" }),
        EventKind::Session(SessionEvent::Unarchived) => json!({ "kind": "SessionUnarchived" }),
        EventKind::Session(SessionEvent::Restored) => json!({ "kind": "SessionRestored" }),
        EventKind::Participant(ParticipantEvent::Joined { participant_id, role }) => {
            json!({ "kind": "ParticipantJoined", "participant_id": participant_id, "role": role })
        }
        EventKind::Participant(ParticipantEvent::Added { user_id: _, participant_id, role }) => {
            json!({ "kind": "ParticipantAdded", "participant_id": participant_id, "role": role })
        }
        EventKind::Participant(ParticipantEvent::Left) => json!({ "kind": "ParticipantLeft" }),
        EventKind::Participant(ParticipantEvent::Removed { user_id: _, reason }) => {
            json!({ "kind": "ParticipantRemoved", "reason": reason })
        }
        EventKind::Participant(ParticipantEvent::RoleChanged { user_id: _, previous, role }) => {
            json!({ "kind": "ParticipantRoleChanged", "previous_role": previous, "role": role })
        }
        EventKind::Participant(ParticipantEvent::Banned { user_id: _, term, was_active }) => {
            json!({ "kind": "ParticipantBanned", "until": term.end(), "was_active": was_active })
        }
        EventKind::Participant(ParticipantEvent::Unbanned { user_id: _ }) => json!({ "kind": "ParticipantUnbanned" }),
        EventKind::Participant(ParticipantEvent::Muted { user_id: _, term }) => {
            json!({ "kind": "ParticipantMuted", "until": term.end() })
        }
        EventKind::Participant(ParticipantEvent::Unmuted { user_id: _ }) => json!({ "kind": "ParticipantUnmuted" }),
        EventKind::Participant(ParticipantEvent::MetadataChanged { user_id: _ }) => json!({ "kind": METADATA_CHANGED }),
        EventKind::Participant(ParticipantEvent::OwnerChanged { user_id: _, previous }) => {
            json!({ "kind": "OwnershipTransferred", "previous_role": previous })
        }
        EventKind::Message(MessageEvent::Sent { body: _, client_id, status: _ }) => {
            json!({ "kind": "MessageSent", "message": said(event), "client_id": client_id })
        }
        EventKind::Message(MessageEvent::Edited { message, revision: _ }) => {
            json!({ "kind": "MessageEdited", "message_id": message_id(event, *message) })
        }
        EventKind::Message(MessageEvent::Finished { message, revision: _ }) => {
            json!({ "kind": "MessageFinished", "message_id": message_id(event, *message) })
        }
        EventKind::Message(MessageEvent::Deleted { messages, expired }) => {
            let messages: Vec<MessageId> = messages.iter().map(|seq| message_id(event, *seq)).collect();
            let deleted_by = (!expired).then_some(&event.actor);
            json!({ "kind": "MessageDeleted", "messages": messages, "deleted_by": deleted_by })
        }
        EventKind::Message(MessageEvent::Pinned { message }) => {
            json!({ "kind": "MessagePinned", "message_id": message_id(event, *message) })
        }
        EventKind::Message(MessageEvent::Unpinned { message }) => {
            json!({ "kind": "MessageUnpinned", "message_id": message_id(event, *message) })
        }
        EventKind::Message(MessageEvent::Reacted { message, emoji, count }) => {
            json!({ "kind": "ReactionAdded", "message_id": message_id(event, *message), "emoji": emoji, "count": count })
        }
        EventKind::Message(MessageEvent::Unreacted { message, emoji, count }) => {
            json!({ "kind": "ReactionRemoved", "message_id": message_id(event, *message), "emoji": emoji, "count": count })
        }
        EventKind::Unknown => json!({ "kind": "UnknownEvent" }),
    };
    value["session_id"] = json!(event.session_id);
    value["seq"] = json!(event.seq);
    value["cursor"] = json!(event.cursor());
    value["at"] = json!(event.created_at);
    value["actor"] = json!({ "id": event.actor });
    if let Some(subject) = event.subject() {
        value["user"] = json!({ "id": subject });
    }
    tidy(value)
}

fn message_id(event: &Event, seq: u64) -> MessageId {
    MessageId { session_id: event.session_id, seq }
}

/// An event, as far as its session tells: an edit with the message as it is now, a change of metadata with those of now.
#[must_use]
pub fn event_in(log: &[std::sync::Arc<Event>], model: &Model, event: &Event) -> Value {
    let mut value = bare_event(event);
    if value["kind"] == METADATA_CHANGED {
        value["metadata"] = event.subject().map_or(Value::Null, |user| model.metadata(user.as_str()));
    }
    if let Some(message) = event.kind.edited()
        && let Some(row) = log.iter().find(|row| row.seq == message)
    {
        value["message"] = said(row);
    }
    value
}

/// How far the caller has read.
#[must_use]
pub fn read_state(state: &ReadState) -> Value {
    json!({ "session_id": state.session_id, "read_upto": state.read_upto, "unread": state.unread })
}

/// A signal.
#[must_use]
pub fn signal(view: &SignalView) -> Value {
    match &view.signal {
        Signal::Typing { session_id, user_id: _, is_typing, until } => json!({
            "kind": "Typing", "session_id": session_id, "user": person(&view.actor), "is_typing": is_typing,
            "until": until,
        }),
        Signal::Presence { session_id, user_id: _, state } => {
            let mut value = presence(&Presence { user: view.actor.clone(), state: state.clone() });
            value["kind"] = json!("PresenceChanged");
            value["session_id"] = json!(session_id);
            value["status"] = json!(state.status);
            value["last_seen"] = json!(state.last_seen);
            value
        }
        Signal::ReadMarker { user_id: _, state } => {
            let mut value = read_state(state);
            value["kind"] = json!("ReadMarker");
            value
        }
        Signal::Thread { user_id: _, state } => {
            let mut value = thread_state(state);
            value["kind"] = json!("ThreadState");
            value
        }
        Signal::Preferences { user_id: _, session_id, preferences } => {
            json!({ "kind": "PreferencesChanged", "session_id": session_id, "preferences": preferences })
        }
        Signal::MessagePart { session_id, message, user_id: _, offset, text } => json!({
            "kind": "MessagePart", "session_id": session_id, "user": person(&view.actor),
            "message_id": MessageId { session_id: *session_id, seq: *message }, "offset": offset, "text": text,
        }),
        Signal::JoinRequestDeclined { user_id: _, session_id } => {
            json!({ "kind": "JoinRequestDeclined", "session_id": session_id })
        }
        Signal::Receipt { .. } => super::receipts::signal(view),
        Signal::Report { session_id, user_id: _, report_id, state } => {
            json!({ "kind": "ReportChanged", "session_id": session_id, "report_id": report_id, "state": state })
        }
    }
}

/// What a subscription brings.
#[must_use]
pub fn delivery(delivery: &Delivery) -> Value {
    match delivery {
        Delivery::Event(view) => event(view),
        Delivery::Signal(view) => signal(view),
    }
}

/// What a command answers.
#[must_use]
pub fn answer(command: &str, answer: &Answer) -> Value {
    match answer {
        Answer::Message(found) | Answer::ChangedMessage(found) => told(command, message(found)),
        Answer::Appended(appended) => json!({ "message_id": appended.message_id, "length": appended.length }),
        Answer::Participant(found) => told(command, participant(found)),
        Answer::Session(found) => told(command, session(found)),
        Answer::ScheduledMessage(found) => told(command, scheduled(found)),
        Answer::Draft(found) => told(command, draft(found)),
        Answer::JoinRequest(found) => told(command, join_request(found)),
        Answer::Invite(found) => told(command, json!({"code":found.code, "invite":invite(&found.invite)})),
        Answer::CreatedIncomingWebhook(found) => {
            let (token, path) = (found.token.as_str(), found.token.path());
            told(command, json!({ "token": token, "path": path, "webhook": incoming(&found.webhook) }))
        }
        Answer::IncomingWebhook(found) => told(command, incoming(found)),
        Answer::ReadState(state) => read_state(state),
        Answer::ThreadState(state) => thread_state(state),
        Answer::DeliveryState(state) => json!(state),
        Answer::UserSettings(settings) => json!(settings),
        Answer::AllRead(all) => json!({"marked":all.marked, "last":all.last, "is_done":all.is_done}),
        Answer::Preferences(preferences) => json!(preferences),
        Answer::SessionId(_) | Answer::ScheduledId(_) | Answer::UserId(_) | Answer::TokenId(_) => json!({}),
        Answer::Commands(commands) => json!(commands),
        Answer::Bot(found) => bot(found),
        Answer::BotToken(created) => {
            let is_secret = created.secret.as_str().starts_with("cbot_");
            json!({ "code": created.token.id, "token": bot_token(&created.token), "is_secret": is_secret })
        }
        Answer::FiledReport(found) => told(command, filed(found)),
        Answer::Report(found) => told(command, report(found)),
        Answer::MessageDeletion(found) => json!(found),
        Answer::OwnPresence(found) => told(command, own_presence(found)),
    }
}

/// What a command tells of what it answers: everything, but for joining, where REST tells the id of the stay alone.
#[must_use]
pub fn told(command: &str, value: Value) -> Value {
    if command == "join_session" { json!({ "participant_id": value["id"], "?participant": value }) } else { value }
}
