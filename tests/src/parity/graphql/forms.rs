//! What GraphQL tells, in canonical form. Objects are read by their types, and events by what the schema says of them.

use serde_json::{Map, Value, json};

use super::{
    super::{
        action::snake,
        canon::{self, Fault, tidy},
    },
    schema::{self, named},
};

/// An object of a type.
#[must_use]
pub fn of(ty: &str, node: &Value) -> Value {
    match ty {
        "BlockedUser" => json!({ "user": person(&node["user"]), "blocked_at": node["blockedAt"] }),
        "Bot" => json!({
            "id": node["user"]["id"], "username": node["user"]["username"], "name": node["user"]["name"],
            "created_at": node["createdAt"],
        }),
        "BotToken" => bot_token(node),
        "SessionCommand" => {
            json!({ "name": node["name"], "description": node["description"], "bot": person(&node["bot"]) })
        }
        "CreatedInvite" => json!({ "code": node["code"], "invite": invite(&node["invite"]) }),
        "HeldMessage" => json!({
            "id": node["id"], "session_id": node["sessionId"], "user": person(&node["author"]),
            "role": lower(&node["role"]), "message_type": lower(&node["messageType"]), "content": content(node),
            "reply_to": node["replyTo"], "reason": node["reason"], "held_at": node["heldAt"],
            "mentions": node["mentions"], "mentions_everybody": node["mentionsEverybody"],
            "attachments": list(&node["attachments"], attachment), "metadata": node["metadata"],
            "forwarded_from": origin(&node["forwardedFrom"]), "command": command(&node["command"]),
        }),
        "CreatedIncomingWebhook" => {
            json!({ "token": node["token"], "path": node["path"], "webhook": incoming(&node["webhook"]) })
        }
        "IncomingWebhook" => incoming(node),
        "Invite" => invite(node),
        "InvitePreview" => preview(node),
        "JoinRequest" => join_request(node),
        "Message" if node["isUnread"].is_boolean() => {
            json!({ "message": message(node), "is_unread": node["isUnread"] })
        }
        "Message" => message(node),
        "MessageRevision" => revision(node),
        "Participant" => participant(node),
        "PinnedMessage" => pinned(node),
        "Presence" => presence(node),
        "OwnPresence" => {
            let mut value = presence(node);
            value["availability"] = lower(&node["availability"]);
            value["is_hidden"] = node["isHidden"].clone();
            value
        }
        "MessageReceipt" => json!({
            "participant_id": node["participantId"], "user": person(&node["user"]),
            "is_addressee": node["isAddressee"], "delivered": node["delivered"], "read": node["read"],
        }),
        "MessageDelivery" => json!({
            "message_id": node["messageId"], "status": node["status"], "addressees": node["addressees"],
            "delivered": node["delivered"], "read": node["read"], "is_exact": node["isExact"],
        }),
        "DeliveryState" => json!({ "session_id": node["sessionId"], "delivered_upto": node["deliveredUpto"] }),
        "UserSettings" => json!({ "receipts": node["receipts"] }),
        "Reactor" => json!({ "user": person(&node["user"]), "reacted_at": node["reactedAt"] }),
        "ScheduledMessage" => json!({
            "id": node["id"], "session_id": node["sessionId"], "role": lower(&node["role"]),
            "message_type": lower(&node["messageType"]), "content": content(node), "reply_to": node["replyTo"],
            "mentions": node["mentions"], "mentions_everybody": node["mentionsEverybody"],
            "attachments": list(&node["attachments"], attachment), "metadata": node["metadata"],
            "client_id": node["clientId"], "send_at": node["sendAt"], "created_at": node["createdAt"],
        }),
        "Draft" => {
            json!({ "session_id": node["sessionId"], "content": content(node), "updated_at": node["updatedAt"] })
        }
        "SessionBan" => json!({
            "user": person(&node["user"]), "banned_by": person(&node["bannedBy"]), "reason": node["reason"],
            "banned_at": node["bannedAt"], "until": node["until"],
        }),
        "FiledReport" => json!({
            "id": node["id"], "session_id": node["sessionId"], "user_id": node["userId"],
            "message_id": node["messageId"], "reason": node["reason"], "text": node["text"],
            "created_at": node["createdAt"],
        }),
        "MessageDeletion" => json!({
            "session_id": node["sessionId"], "user_id": node["userId"], "deleted": node["deleted"],
            "is_done": node["isDone"],
        }),
        "Report" => report(node),
        "ModerationEntry" => moderation(node),
        "Session" => {
            if node["messages"].is_null() {
                summary(node)
            } else {
                whole_session(node)
            }
        }
        "SessionEmoji" => json!({ "name": node["name"], "url": node["url"] }),
        "SessionEvent" => event(node),
        "ReadState" => read_state(node),
        "ThreadState" => thread_state(node),
        "FollowedThread" => json!({
            "message": message(&node["message"]), "read_upto": node["readUpto"], "unread": unread(&node["unread"]),
        }),
        "Preferences" => preferences(node),
        "AllRead" => json!({ "marked": node["marked"], "last": node["last"], "is_done": node["isDone"] }),
        "User" => json!({ "person": person(node), "email": node["email"] }),
        other => panic!("an object `{other}`: {node}"),
    }
}

/// What a mutation's payload says: of several objects, the one that was changed.
#[must_use]
pub fn payload(mutation: &str, of_type: &str, node: &Value) -> Value {
    if of_type == "AppendToMessagePayload" {
        return json!({ "message_id": node["messageId"], "length": node["length"] });
    }
    if of_type == "SetCommandsPayload" {
        return json!({ "commands": node["commands"] });
    }
    if of_type == "CreateBotTokenPayload" {
        let is_secret = node["secret"].as_str().is_some_and(|secret| secret.starts_with("cbot_"));
        return json!({ "code": node["token"]["id"], "token": bot_token(&node["token"]), "is_secret": is_secret });
    }
    let fields = schema::fields(of_type);
    let one = [
        "Bot",
        "Participant",
        "Message",
        "ScheduledMessage",
        "Draft",
        "CreatedInvite",
        "CreatedIncomingWebhook",
        "IncomingWebhook",
        "JoinRequest",
        "Session",
        "ReadState",
        "ThreadState",
        "AllRead",
        "OwnPresence",
        "Preferences",
        "DeliveryState",
        "UserSettings",
        "FiledReport",
        "Report",
        "MessageDeletion",
    ];
    let found =
        one.iter().find_map(|ty| fields.iter().find(|field| named(&field.ty.node) == ty).map(|field| (ty, field)));
    match found {
        Some((ty, field)) => canon::told(&snake(mutation), of(ty, &node[field.name.node.as_str()])),
        None => json!({}),
    }
}

/// The nodes of a connection, which must tell one thing in all its ways.
#[must_use]
pub fn nodes(page: &Value) -> Vec<Value> {
    let (edges, nodes, info) =
        (page["edges"].as_array().unwrap(), page["nodes"].as_array().unwrap(), &page["pageInfo"]);
    assert_eq!(edges.len(), nodes.len(), "{page}");
    for (edge, node) in edges.iter().zip(nodes) {
        assert!(edge["node"].as_object().unwrap().iter().all(|(name, value)| node[name] == *value), "{page}");
    }
    let cursor = |edge: Option<&Value>| edge.map_or(Value::Null, |edge| edge["cursor"].clone());
    assert_eq!((&info["startCursor"], &info["endCursor"]), (&cursor(edges.first()), &cursor(edges.last())), "{page}");
    let marked = |(node, edge): (&Value, &Value)| {
        let mut node = node.clone();
        // What the reader knows of an entry stands beside the node.
        if let Some(mark) = edge.get("isUnread") {
            node["isUnread"] = mark.clone();
        }
        node
    };
    nodes.iter().zip(edges).map(marked).collect()
}

/// An error's code and details. Names of fields come as GraphQL has them.
#[must_use]
pub fn fault(error: &Value) -> Fault {
    let extensions = &error["extensions"];
    let code = extensions["code"].as_str().map_or_else(|| format!("no code: {}", error["message"]), str::to_owned);
    let mut details = if extensions["details"].is_null() { json!({}) } else { extensions["details"].clone() };
    for field in details.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = field["field"].as_str().unwrap_or_default();
        field["field"] = json!(input_field(name.strip_prefix("input.").unwrap_or(name)));
    }
    Fault { code, details }
}

/// An input's field, as REST has it.
fn input_field(name: &str) -> String {
    match name {
        "first" | "last" => "limit".to_owned(),
        "encryptedContent.encryptedData" => "content.encrypted_data".to_owned(),
        "encryptedContent.iv" => "content.iv".to_owned(),
        other => snake(other),
    }
}

fn list(items: &Value, one: fn(&Value) -> Value) -> Value {
    items.as_array().unwrap_or_else(|| panic!("no list: {items}")).iter().map(one).collect()
}

fn person(user: &Value) -> Value {
    json!({
        "id": user["id"], "?username": user["username"], "?name": user["name"], "?picture": user["picture"],
        "?is_bot": user["isBot"],
    })
}

fn lower(name: &Value) -> Value {
    name.as_str().map_or(Value::Null, |name| json!(name.to_lowercase()))
}

fn content(node: &Value) -> Value {
    let encrypted = &node["encryptedContent"];
    if encrypted.is_null() {
        return node["content"].clone();
    }
    assert!(node["content"].is_null(), "{node}");
    json!({
        "encrypted_data": encrypted["encryptedData"], "iv": encrypted["iv"], "key_version": encrypted["keyVersion"],
    })
}

fn revision(node: &Value) -> Value {
    json!({ "revision": node["revision"], "content": content(node), "since": node["since"] })
}

fn pinned(node: &Value) -> Value {
    json!({
        "message": message(&node["message"]), "pinned_by": person(&node["pinnedBy"]), "pinned_at": node["pinnedAt"],
    })
}

fn message(node: &Value) -> Value {
    json!({
        "id": node["id"], "session_id": node["sessionId"], "seq": node["seq"], "number": node["number"],
        "sender": person(&node["sender"]), "role": lower(&node["role"]), "message_type": lower(&node["messageType"]),
        "content": content(node), "created_at": node["createdAt"], "revision": node["revision"],
        "edited_at": node["editedAt"], "deleted_at": node["deletedAt"], "deleted_by": node["deletedBy"],
        "reactions": node["reactions"], "thread": thread(&node["thread"]), "reply_to": node["replyTo"],
        "thread_root": node["threadRoot"], "mentions": list(&node["mentions"], mention), "links": node["links"],
        "attachments": list(&node["attachments"], attachment), "metadata": node["metadata"],
        "forwarded_from": origin(&node["forwardedFrom"]), "stream": node["stream"], "command": command(&node["command"]), "sender_blocked": node["senderBlocked"],
    })
}

fn bot_token(node: &Value) -> Value {
    json!({
        "id": node["id"], "bot_id": node["botId"], "name": node["name"], "sessions": node["sessions"],
        "actions": node["actions"], "created_at": node["createdAt"], "expires_at": node["expiresAt"],
        "last_used_at": node["lastUsedAt"],
    })
}

fn command(node: &Value) -> Value {
    if node.is_null() { Value::Null } else { json!({ "name": node["name"], "bot_id": node["botId"] }) }
}

fn invite(node: &Value) -> Value {
    json!({
        "id": node["id"], "session_id": node["sessionId"], "role": node["role"], "created_by": person(&node["createdBy"]),
        "created_at": node["createdAt"], "expires_at": node["expiresAt"], "max_uses": node["maxUses"],
        "uses": node["uses"], "needs_approval": node["needsApproval"],
    })
}

fn incoming(node: &Value) -> Value {
    json!({
        "id": node["id"], "session_id": node["sessionId"], "name": node["name"], "avatar_url": node["avatarUrl"],
        "author": canon::webhook_of(&node["authorId"]), "created_by": person(&node["createdBy"]),
        "created_at": node["createdAt"], "last_used_at": node["lastUsedAt"],
    })
}

fn preview(node: &Value) -> Value {
    json!({
        "session_id": node["sessionId"], "title": node["title"], "description": node["description"],
        "session_type": node["sessionType"], "participant_count": node["participantCount"],
        "invited_by": person(&node["invitedBy"]), "role": node["role"], "expires_at": node["expiresAt"],
        "needs_approval": node["needsApproval"],
    })
}

fn join_request(node: &Value) -> Value {
    json!({
        "session_id": node["sessionId"], "user": person(&node["user"]), "text": node["text"], "role": node["role"],
        "requested_at": node["requestedAt"],
    })
}

fn report(node: &Value) -> Value {
    let or_null = |node: &Value, form: fn(&Value) -> Value| if node.is_null() { Value::Null } else { form(node) };
    json!({
        "id": node["id"], "session_id": node["sessionId"], "reporter": person(&node["reporter"]),
        "user": person(&node["user"]), "message_id": node["messageId"], "message": or_null(&node["message"], message),
        "reason": node["reason"], "text": node["text"], "state": node["state"], "revision": node["revision"],
        "created_at": node["createdAt"], "handled_by": or_null(&node["handledBy"], person),
        "handled_at": node["handledAt"], "note": node["note"],
    })
}

fn moderation(node: &Value) -> Value {
    json!({
        "id": node["id"], "session_id": node["sessionId"], "actor": person(&node["actor"]), "action": node["action"],
        "user": person(&node["user"]), "message_id": node["messageId"], "count": node["count"],
        "report_id": node["reportId"], "report_state": node["reportState"], "until": node["until"],
        "created_at": node["createdAt"],
    })
}

fn origin(node: &Value) -> Value {
    if node.is_null() {
        return Value::Null;
    }
    json!({
        "session_id": node["sessionId"], "message_id": node["messageId"], "user_id": node["userId"],
        "created_at": node["createdAt"],
    })
}

fn attachment(node: &Value) -> Value {
    json!({ "id": node["id"], "name": node["name"], "media_type": node["mediaType"], "size": node["size"] })
}

fn mention(node: &Value) -> Value {
    json!({ "user_id": node["userId"], "start": node["start"], "end": node["end"] })
}

fn thread(node: &Value) -> Value {
    let (last, reply_count) = (&node["lastReply"], &node["replyCount"]);
    let reply = || json!({ "id": last["id"], "seq": last["seq"], "created_at": last["createdAt"] });
    let last_reply = (!last.is_null()).then(reply);
    if node.is_null() {
        Value::Null
    } else {
        json!({ "reply_count": reply_count, "last_reply": last_reply, "is_followed": node["isFollowed"] })
    }
}

/// How a thread is for the caller.
fn thread_state(node: &Value) -> Value {
    json!({
        "session_id": node["sessionId"], "thread_root": node["threadRoot"], "is_followed": node["isFollowed"],
        "read_upto": node["readUpto"], "unread": unread(&node["unread"]),
    })
}

fn presence(node: &Value) -> Value {
    json!({ "user": person(&node["user"]), "text": node["text"], "text_until": node["textUntil"] })
}

fn participant(node: &Value) -> Value {
    json!({
        "id": node["id"], "session_id": node["sessionId"], "person": person(&node["user"]),
        "email": node["user"]["email"], "role": node["role"], "is_owner": node["isOwner"],
        "is_active": node["isActive"], "joined_at": node["joinedAt"], "created_at": node["createdAt"],
        "is_muted": node["isMuted"], "muted_until": node["mutedUntil"], "metadata": node["metadata"],
    })
}

fn summary(node: &Value) -> Value {
    json!({
        "id": node["id"], "title": node["title"], "description": node["description"],
        "session_type": node["sessionType"], "max_participants": node["maxParticipants"],
        "owner": person(&node["owner"]), "?is_active": node["isActive"], "created_at": node["createdAt"],
        "updated_at": node["updatedAt"], "participant_count": node["participantCount"],
        "message_count": node["messageCount"], "read_upto": node["readUpto"], "unread": unread(&node["unread"]),
        "unread_mentions": unread(&node["unreadMentions"]), "preferences": preferences(&node["preferences"]),
        "role": node["role"], "joined_at": node["joinedAt"],
        "last_message": if node["lastMessage"].is_null() { Value::Null } else { message(&node["lastMessage"]) },
    "message_count":node["messageCount"], "slow_mode_seconds":node["slowModeSeconds"], "message_lifetime":node["messageLifetime"], "history_visibility":node["historyVisibility"], "tags":node["tags"], "avatar_url":node["avatarUrl"], "metadata":node["metadata"], "receipts":node["receipts"], "archived_at":node["archivedAt"], "deleted_at":node["deletedAt"],
    })
}

fn preferences(node: &Value) -> Value {
    if node.is_null() {
        return Value::Null;
    }
    json!({ "is_muted": node["isMuted"], "muted_until": node["mutedUntil"], "is_favourite": node["isFavourite"] })
}

fn unread(node: &Value) -> Value {
    if node.is_null() { Value::Null } else { json!({ "count": node["count"], "is_exact": node["isExact"] }) }
}

/// How far the caller has read.
fn read_state(node: &Value) -> Value {
    json!({ "session_id": node["sessionId"], "read_upto": node["readUpto"], "unread": unread(&node["unread"]) })
}

fn whole_session(node: &Value) -> Value {
    let mut value = summary(node);
    value.as_object_mut().unwrap().remove("last_message");
    value["participants"] = list(&node["participants"]["nodes"], participant);
    value["messages"] = list(&node["messages"]["nodes"], message);
    value["seq"] = node["seq"].clone();
    value["cursor"] = node["cursor"].clone();
    value
}

/// An event. Each field has the name that JSON gives it, but for the few that are said in another way.
#[must_use]
pub fn event(node: &Value) -> Value {
    let kind = node["__typename"].as_str().unwrap_or_default();
    assert!(schema::is(kind, "SessionEvent"), "an event `{kind}`: {node}");
    let mut value = json!({ "kind": kind });
    for field in schema::fields(kind) {
        let (name, told) = (field.name.node.as_str(), &node[schema::response_name(kind, field)]);
        match (name, named(&field.ty.node).as_str()) {
            ("createdAt", _) => value["at"] = told.clone(),
            ("changed", _) => {}
            (_, "SessionChanges") => value["changes"] = changes(node),
            (_, "User") => value[snake(name)] = person(told),
            (_, "Message") => value[snake(name)] = message(told),
            _ => value[snake(name)] = told.clone(),
        }
    }
    tidy(value)
}

fn changes(node: &Value) -> Value {
    let names = [
        ("TITLE", "title", "title"),
        ("DESCRIPTION", "description", "description"),
        ("SESSION_TYPE", "session_type", "sessionType"),
        ("MAX_PARTICIPANTS", "max_participants", "maxParticipants"),
        ("SLOW_MODE_SECONDS", "slow_mode_seconds", "slowModeSeconds"),
        ("MESSAGE_LIFETIME", "message_lifetime", "messageLifetime"),
        ("HISTORY_VISIBILITY", "history_visibility", "historyVisibility"),
        ("TAGS", "tags", "tags"),
        ("AVATAR_URL", "avatar_url", "avatarUrl"),
        ("METADATA", "metadata", "metadata"),
        ("RECEIPTS", "receipts", "receipts"),
    ];
    let changed = node["changed"].as_array().unwrap();
    let mut changes = Map::new();
    for (setting, name, field) in names {
        if changed.iter().any(|changed| changed == setting) {
            changes.insert(name.to_owned(), node["changes"][field].clone());
        } else {
            assert!(node["changes"][field].is_null(), "{setting} did not change: {node}");
        }
    }
    Value::Object(changes)
}

/// A delivery in canonical form, but for those that begin or end a session.
#[must_use]
pub fn delivery(node: &Value) -> Value {
    if node["__typename"] == "Typing" {
        let user = person(&node["user"]);
        return json!({
            "kind": "Typing", "session_id": node["sessionId"], "user": user, "is_typing": node["isTyping"],
            "until": node["until"],
        });
    }
    if node["__typename"] == "MessagePart" {
        let user = person(&node["user"]);
        return json!({
            "kind": "MessagePart", "session_id": node["sessionId"], "user": user, "message_id": node["messageId"],
            "offset": node["offset"], "text": node["text"],
        });
    }
    if node["__typename"] == "Receipt" {
        let user = person(&node["user"]);
        return json!({
            "kind": "Receipt", "session_id": node["sessionId"], "user": user, "of": node["kind"], "seq": node["seq"],
        });
    }
    if node["__typename"] == "PreferencesChanged" {
        let preferences = preferences(&node["preferences"]);
        return json!({ "kind": "PreferencesChanged", "session_id": node["sessionId"], "preferences": preferences });
    }
    if node["__typename"] == "ThreadState" {
        let mut value = thread_state(node);
        value["kind"] = json!("ThreadState");
        return value;
    }
    if node["__typename"] == "JoinRequestDeclined" {
        return json!({ "kind": "JoinRequestDeclined", "session_id": node["sessionId"] });
    }
    if node["__typename"] == "ReportChanged" {
        return json!({
            "kind": "ReportChanged", "session_id": node["sessionId"], "report_id": node["reportId"],
            "state": node["state"],
        });
    }
    if node["__typename"] == "ReadMarker" {
        let mut value = read_state(node);
        value["kind"] = json!("ReadMarker");
        return value;
    }
    if node["__typename"] == "PresenceChanged" {
        let shown = &node["presence"];
        let mut value = presence(shown);
        value["kind"] = json!("PresenceChanged");
        value["session_id"] = node["sessionId"].clone();
        value["status"] = lower(&shown["status"]);
        value["last_seen"] = shown["lastSeen"].clone();
        return value;
    }
    event(node)
}
