//! The JSON that REST and the WebSocket share, in canonical form. Bodies are read by the names of their schemas.

use serde_json::{Value, json};

use super::{action::pascal, canon::tidy};

/// A body that has a schema of this name.
#[must_use]
pub fn of(schema: &str, body: &Value) -> Value {
    match schema {
        "Confirmation" => json!({}),
        "EventPage" => json!({ "events": list(&body["events"], frame), "head": body["head"] }),
        "JoinResponse" => json!({ "participant_id": body["participant_id"] }),
        "Message" => message(body),
        "MentionedMessage" => message(&body["message"]),
        "MessageRevision" => revision(body),
        "Participant" => participant(body),
        "PinnedMessage" => pinned(body),
        "Reactor" => reactor(body),
        "PublicSessions" => json!({ "sessions": list(&body["sessions"], summary), "total": body["total"] }),
        "Session" => session(body),
        "SessionSummary" => summary(body),
        other => panic!("a schema `{other}`: {body}"),
    }
}

fn only(id: &Value) -> Value {
    json!({ "id": id })
}

/// A message.
#[must_use]
pub fn message(body: &Value) -> Value {
    let sender = json!({ "id": body["user_id"], "?username": body["username"], "?name": body["name"] });
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "seq": body["seq"], "number": body["number"],
        "sender": sender, "role": body["role"], "message_type": body["message_type"], "content": body["content"],
        "created_at": body["created_at"], "revision": body["revision"], "edited_at": body["edited_at"],
        "deleted_at": body["deleted_at"], "deleted_by": body["deleted_by"], "reactions": body["reactions"],
        "thread": body["thread"], "reply_to": body["reply_to"], "thread_root": body["thread_root"],
        "mentions": body["mentions"], "links": body["links"],
        "attachments": body["attachments"], "metadata": body["metadata"], "forwarded_from": body["forwarded_from"],
    }))
}

/// What a message said before.
#[must_use]
pub fn revision(body: &Value) -> Value {
    tidy(json!({ "revision": body["revision"], "content": body["content"], "since": body["since"] }))
}

/// A pinned message.
#[must_use]
pub fn pinned(body: &Value) -> Value {
    let pinned_by = json!({ "id": body["pinned_by"], "?username": body["pinned_by_username"] });
    tidy(json!({
        "message": message(&body["message"]), "pinned_by": pinned_by, "pinned_at": body["pinned_at"],
    }))
}

fn reactor(body: &Value) -> Value {
    let user = json!({ "id": body["user_id"], "?username": body["username"], "?name": body["name"] });
    tidy(json!({ "user": user, "reacted_at": body["reacted_at"] }))
}

/// A participant.
#[must_use]
pub fn participant(body: &Value) -> Value {
    let person = json!({ "id": body["user_id"], "?username": body["username"], "?name": body["name"] });
    tidy(json!({
        "id": body["id"], "session_id": body["session_id"], "person": person, "email": body["email"],
        "role": body["role"], "is_owner": body["is_owner"], "is_active": body["is_active"],
        "joined_at": body["joined_at"], "created_at": body["created_at"],
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
    ] {
        value[name] = body[name].clone();
    }
    tidy(value)
}

/// A session with what is in it.
#[must_use]
pub fn session(body: &Value) -> Value {
    let mut value = summary(body);
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
        "?picture": body["avatar_url"],
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
        });
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
