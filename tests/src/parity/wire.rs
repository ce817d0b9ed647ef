//! The JSON that REST and the WebSocket share, in canonical form. Bodies are read by the names of their schemas.

use serde_json::{Value, json};

use super::{
    action::pascal,
    canon::{tidy, webhook_of},
};

/// A body that has a schema of this name.
#[must_use]
pub fn of(schema: &str, body: &Value) -> Value {
    match schema {
        "Appended" => json!({ "message_id": body["message_id"], "length": body["length"] }),
        "BlockedUser" => blocked(body),
        "Bot" | "BotToken" | "BotCommands" => tidy(body.clone()),
        "CreatedBotToken" => {
            let is_secret = body["secret"].as_str().is_some_and(|secret| secret.starts_with("cbot_"));
            json!({ "code": body["token"]["id"], "token": tidy(body["token"].clone()), "is_secret": is_secret })
        }
        "SessionCommand" => {
            let bot = json!({ "id": body["bot_id"], "?username": body["bot_username"], "?name": body["bot_name"] });
            json!({ "name": body["name"], "description": body["description"], "bot": bot })
        }
        "Confirmation" => json!({}),
        "EventPage" => json!({ "events": list(&body["events"], frame), "head": body["head"] }),
        "CreatedInvite" => json!({ "code": body["code"], "invite": invite(&body["invite"]) }),
        "CreatedIncomingWebhook" => {
            json!({ "token": body["token"], "path": body["path"], "webhook": incoming(&body["webhook"]) })
        }
        "HeldMessage" => held(body),
        "IncomingWebhook" => incoming(body),
        "Invite" => invite(body),
        "InvitePreview" => preview(body),
        "JoinRequest" => join_request(body),
        "JoinResponse" => json!({ "participant_id": body["participant_id"] }),
        "Message" => message(body),
        "MentionedMessage" => json!({ "message": message(&body["message"]), "is_unread": body["is_unread"] }),
        "MessageRevision" => revision(body),
        "Participant" => participant(body),
        "PinnedMessage" => pinned(body),
        "Reactor" => reactor(body),
        "ScheduledMessage" | "Draft" => tidy(body.clone()),
        "SessionBan" => ban(body),
        "SessionEmoji" => json!({ "name": body["name"], "url": body["url"] }),
        "FiledReport" | "MessageDeletion" => tidy(body.clone()),
        "Report" => report(body),
        "ModerationEntry" => moderation(body),
        "Presence" | "ParticipantPresence" => presence(body),
        "OwnPresence" => own_presence(body),
        "MessageReceipt" => receipt(body),
        "MessageDelivery" | "DeliveryState" | "UserSettings" => tidy(body.clone()),
        "PublicSessions" => json!({ "sessions": list(&body["sessions"], summary), "total": body["total"] }),
        "Session" => session(body),
        "SessionSummary" => summary(body),
        "ReadState" => read_state(body),
        "ThreadState" => tidy(body.clone()),
        "FollowedThread" => {
            json!({ "message": message(&body["message"]), "read_upto": body["read_upto"], "unread": body["unread"] })
        }
        "Preferences" => tidy(body.clone()),
        "AllRead" => json!({ "marked": body["marked"], "last": body["last"], "is_done": body["is_done"] }),
        other => panic!("a schema `{other}`: {body}"),
    }
}

/// The user whom a body shows beside other things.
fn user(body: &Value) -> Value {
    json!({
        "id": body["user_id"], "?username": body["username"], "?name": body["name"], "?picture": body["avatar_url"],
        "?is_bot": body["is_bot"],
    })
}

fn only(id: &Value) -> Value {
    json!({ "id": id })
}

/// A message.
#[must_use]
pub fn message(body: &Value) -> Value {
    let sender = user(body);
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "seq": body["seq"], "number": body["number"],
        "sender": sender, "role": body["role"], "message_type": body["message_type"], "content": body["content"],
        "created_at": body["created_at"], "revision": body["revision"], "edited_at": body["edited_at"],
        "deleted_at": body["deleted_at"], "deleted_by": body["deleted_by"], "reactions": body["reactions"],
        "thread": body["thread"], "reply_to": body["reply_to"], "thread_root": body["thread_root"],
        "sender_blocked": body["sender_blocked"],
        "mentions": body["mentions"], "links": body["links"],
        "attachments": body["attachments"], "metadata": body["metadata"], "forwarded_from": body["forwarded_from"],
        "stream": body["stream"], "command": body["command"],
    }))
}

/// What a message said before.
#[must_use]
pub fn revision(body: &Value) -> Value {
    tidy(json!({ "revision": body["revision"], "content": body["content"], "since": body["since"] }))
}

/// The user in the fields `NAME`, `NAME_username`, `NAME_name`, `NAME_avatar_url` and `NAME_is_bot` of a body.
fn beside(body: &Value, name: &str) -> Value {
    let field = |field: &str| &body[format!("{name}_{field}")];
    json!({
        "id": body[name], "?username": field("username"), "?name": field("name"), "?picture": field("avatar_url"),
        "?is_bot": field("is_bot"),
    })
}

/// A pinned message.
#[must_use]
pub fn pinned(body: &Value) -> Value {
    let pinned_by = beside(body, "pinned_by");
    tidy(json!({
        "message": message(&body["message"]), "pinned_by": pinned_by, "pinned_at": body["pinned_at"],
    }))
}

/// An invite.
fn invite(body: &Value) -> Value {
    let created_by = beside(body, "created_by");
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "role": body["role"], "created_by": created_by,
        "created_at": body["created_at"], "expires_at": body["expires_at"], "max_uses": body["max_uses"],
        "uses": body["uses"], "needs_approval": body["needs_approval"],
    }))
}

/// An incoming webhook.
fn incoming(body: &Value) -> Value {
    let created_by = json!({ "id": body["created_by"], "?username": body["created_by_username"] });
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "name": body["name"], "avatar_url": body["avatar_url"],
        "author": webhook_of(&body["author_id"]), "created_by": created_by, "created_at": body["created_at"],
        "last_used_at": body["last_used_at"],
    }))
}

/// What a code leads to.
fn preview(body: &Value) -> Value {
    let invited_by = beside(body, "invited_by");
    tidy(json!({
        "session_id": body["session_id"], "title": body["title"], "description": body["description"],
        "session_type": body["session_type"], "participant_count": body["participant_count"],
        "invited_by": invited_by, "role": body["role"], "expires_at": body["expires_at"],
        "needs_approval": body["needs_approval"],
    }))
}

/// A message that waits for approval.
fn held(body: &Value) -> Value {
    let user = user(body);
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "user": user, "role": body["role"],
        "message_type": body["message_type"], "content": body["content"], "reply_to": body["reply_to"],
        "reason": body["reason"], "held_at": body["held_at"], "mentions": body["mentions"],
        "mentions_everybody": body["mentions_everybody"], "attachments": body["attachments"],
        "metadata": body["metadata"], "forwarded_from": body["forwarded_from"], "command": body["command"],
    }))
}

/// A request to join.
fn join_request(body: &Value) -> Value {
    let user = user(body);
    tidy(json!({
        "session_id": body["session_id"], "user": user, "text": body["text"], "role": body["role"],
        "requested_at": body["requested_at"],
    }))
}

fn ban(body: &Value) -> Value {
    let user = user(body);
    let banned_by = json!({ "id": body["banned_by"], "?username": body["banned_by_username"] });
    tidy(json!({
        "user": user, "banned_by": banned_by, "reason": body["reason"], "banned_at": body["banned_at"],
        "until": body["until"],
    }))
}

fn report(body: &Value) -> Value {
    let reporter = json!({ "id": body["reporter_id"], "?username": body["reporter_username"] });
    let user = user(body);
    let handled_by = json!({ "id": body["handled_by"], "?username": body["handled_by_username"] });
    let handled_by = if body["handled_by"].is_null() { Value::Null } else { handled_by };
    let reported = if body["message"].is_null() { Value::Null } else { message(&body["message"]) };
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "reporter": reporter, "user": user,
        "message_id": body["message_id"], "message": reported, "reason": body["reason"], "text": body["text"],
        "state": body["state"], "revision": body["revision"], "created_at": body["created_at"],
        "handled_by": handled_by, "handled_at": body["handled_at"], "note": body["note"],
    }))
}

fn moderation(body: &Value) -> Value {
    let actor = json!({ "id": body["actor_id"], "?username": body["actor_username"] });
    let user = json!({ "id": body["user_id"], "?username": body["username"] });
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "actor": actor, "action": body["action"], "user": user,
        "message_id": body["message_id"], "count": body["count"], "report_id": body["report_id"],
        "report_state": body["report_state"], "until": body["until"], "created_at": body["created_at"],
    }))
}

fn presence(body: &Value) -> Value {
    let user = user(body);
    tidy(json!({ "user": user, "text": body["text"], "text_until": body["text_until"] }))
}

fn receipt(body: &Value) -> Value {
    let user = user(body);
    tidy(json!({
        "participant_id": body["participant_id"], "user": user, "is_addressee": body["is_addressee"],
        "delivered": body["delivered"], "read": body["read"],
    }))
}

fn own_presence(body: &Value) -> Value {
    let mut value = presence(body);
    value["availability"] = body["availability"].clone();
    value["is_hidden"] = body["is_hidden"].clone();
    value
}

fn blocked(body: &Value) -> Value {
    let user = user(body);
    tidy(json!({ "user": user, "blocked_at": body["blocked_at"] }))
}

fn reactor(body: &Value) -> Value {
    let user = user(body);
    tidy(json!({ "user": user, "reacted_at": body["reacted_at"] }))
}

/// A participant.
#[must_use]
pub fn participant(body: &Value) -> Value {
    let person = user(body);
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "person": person, "email": body["email"],
        "role": body["role"], "is_owner": body["is_owner"], "is_active": body["is_active"],
        "joined_at": body["joined_at"], "created_at": body["created_at"], "is_muted": body["is_muted"],
        "muted_until": body["muted_until"], "metadata": body["metadata"],
    }))
}

/// A session in a list.
#[must_use]
pub fn summary(body: &Value) -> Value {
    let mut value = json!({ "owner": { "id": body["user_id"], "?username": body["owner_username"] } });
    for name in [
        "id",
        "title",
        "description",
        "session_type",
        "max_participants",
        "created_at",
        "updated_at",
        "participant_count",
        "message_count",
        "read_upto",
        "unread",
        "unread_mentions",
        "slow_mode_seconds",
        "message_lifetime",
        "history_visibility",
        "tags",
        "avatar_url",
        "metadata",
        "receipts",
        "archived_at",
        "deleted_at",
        "preferences",
        "role",
        "joined_at",
    ] {
        value[name] = body[name].clone();
    }
    value["last_message"] = if body["last_message"].is_null() { Value::Null } else { message(&body["last_message"]) };
    tidy(value)
}

/// How far the caller has read.
#[must_use]
pub fn read_state(body: &Value) -> Value {
    json!({ "session_id": body["session_id"], "read_upto": body["read_upto"], "unread": body["unread"] })
}

/// A session with what is in it.
#[must_use]
pub fn session(body: &Value) -> Value {
    let mut value = summary(body);
    value.as_object_mut().unwrap().remove("last_message");
    value["?is_active"] = body["is_active"].clone();
    value["participants"] = list(&body["participants"], participant);
    value["messages"] = list(&body["messages"], message);
    value["seq"] = body["seq"].clone();
    value["cursor"] = body["cursor"].clone();
    value
}

/// Each of a list.
#[must_use]
pub fn list(items: &Value, one: fn(&Value) -> Value) -> Value {
    items.as_array().unwrap_or_else(|| panic!("no list: {items}")).iter().map(one).collect()
}

fn person(body: &Value) -> Value {
    json!({
        "id": body["id"], "?username": body["username"], "?name": body["display_name"],
        "?picture": body["avatar_url"], "?is_bot": body["is_bot"],
    })
}

/// The kinds of events whose frames are called otherwise.
const KINDS: [(&str, &str); 3] =
    [("message_received", "MessageSent"), ("user_joined", "ParticipantJoined"), ("user_left", "ParticipantLeft")];

/// A frame about a session: an event, or a signal. Each field has its own name, but for those that say who acted, and when.
#[must_use]
pub fn frame(frame: &Value) -> Value {
    let (event, data) = (frame["event"].as_str().unwrap_or_default(), &frame["data"]);
    if event == "typing_indicator" {
        let user = json!({ "id": data["user_id"], "?username": data["username"] });
        return json!({
            "kind": "Typing", "session_id": data["session_id"], "user": user, "is_typing": data["is_typing"],
            "until": data["until"],
        });
    }
    if event == "message_part" {
        let user = json!({ "id": data["user_id"], "?username": data["username"] });
        return json!({
            "kind": "MessagePart", "session_id": data["session_id"], "user": user, "message_id": data["message_id"],
            "offset": data["offset"], "text": data["text"],
        });
    }
    if event == "receipt" {
        let user = json!({ "id": data["user_id"], "?username": data["username"] });
        return json!({
            "kind": "Receipt", "session_id": data["session_id"], "user": user, "of": data["kind"], "seq": data["seq"],
        });
    }
    if event == "preferences_changed" {
        let preferences = tidy(data["preferences"].clone());
        return json!({ "kind": "PreferencesChanged", "session_id": data["session_id"], "preferences": preferences });
    }
    if event == "thread_state" {
        let mut value = data.clone();
        value["kind"] = json!("ThreadState");
        return value;
    }
    if event == "join_request_declined" {
        return json!({ "kind": "JoinRequestDeclined", "session_id": data["session_id"] });
    }
    if event == "report_changed" {
        return json!({
            "kind": "ReportChanged", "session_id": data["session_id"], "report_id": data["report_id"],
            "state": data["state"],
        });
    }
    if event == "read_marker" {
        let mut value = read_state(data);
        value["kind"] = json!("ReadMarker");
        return value;
    }
    if event == "presence_changed" {
        let mut value = presence(data);
        value["kind"] = json!("PresenceChanged");
        for field in ["session_id", "status", "last_seen"] {
            value[field] = data[field].clone();
        }
        return tidy(value);
    }
    let kind =
        KINDS.iter().find(|(name, _)| *name == event).map_or_else(|| pascal(event), |(_, kind)| (*kind).to_owned());
    let mut value = json!({ "kind": kind, "seq": frame["seq"], "cursor": frame["cursor"] });
    for (name, told) in data.as_object().unwrap_or_else(|| panic!("{frame}")) {
        match name.as_str() {
            "seq" => assert_eq!(*told, frame["seq"], "{frame}"),
            "created_at" => value["at"] = told.clone(),
            "message" => value["message"] = message(told),
            "user" => value["user"] = person(told),
            "user_id" => value["user"] = only(told),
            name if name.ends_with("_by") && told.is_null() => {}
            name if name.ends_with("_by") => value["actor"] = only(told),
            name if name.ends_with("_at") => assert_eq!(*told, data["created_at"], "{frame}"),
            name => value[name] = told.clone(),
        }
    }
    if event == "message_deleted" {
        value["deleted_by"] = data["deleted_by"].clone();
    }
    // Where nobody else is said to act, it is the one whom it is about, or who sent the message.
    if value["actor"].is_null() {
        let fields = value.as_object_mut().unwrap();
        let sender = fields.get("message").map(|message| message["sender"].clone());
        let actor = sender.or_else(|| fields.remove("user")).unwrap_or_else(|| panic!("who? {frame}"));
        fields.insert("actor".to_owned(), actor);
    } else if event == "user_joined" {
        value["kind"] = json!("ParticipantAdded");
    }
    tidy(value)
}
