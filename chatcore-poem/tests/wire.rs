//! What is shown has the same form wherever it is shown.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test reports by panicking")]

use chatcore::{
    Chat, Error, Principal,
    chat::{
        AddParticipant, CreateIncomingWebhook, CreateInvite, CreateSession, SanctionUser, SendMessage, UpdateSession,
    },
    json::typed,
    model::{SessionType, UserId},
    wire,
};
use chrono::DateTime;
use serde::Serialize;
use serde_json::{Value, json};

/// The names of an object's fields in the order of the text.
fn names(shown: &impl Serialize) -> String {
    let text = serde_json::to_string(shown).unwrap();
    let Value::Object(fields) = serde_json::from_str(&text).unwrap() else { unreachable!() };
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort_by_key(|name| text.find(&format!("\"{name}\":")));
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ")
}

fn value(shown: &impl Serialize) -> Value {
    serde_json::to_value(shown).unwrap()
}

fn principal(id: &str) -> Principal {
    Principal::new(UserId::new(id).unwrap()).with_name(id)
}

#[tokio::test]
async fn messages_participants_and_sessions_have_their_fields() {
    let chat = Chat::in_memory();
    let owner = principal("owner");
    let new = CreateSession::titled("A session").of_type(SessionType::Public);
    let id = chat.create_session(&owner, new).await.unwrap().summary.session.id;
    let message = chat.send(&owner, id, SendMessage::text("Hello")).await.unwrap();
    assert_eq!(
        names(&message),
        "id session_id user_id username name is_bot avatar_url role message_type content reply_to thread_root mentions links attachments metadata \
         forwarded_from stream command seq number created_at revision edited_at deleted_at deleted_by reactions thread sender_blocked"
    );
    let shown = value(&message);
    assert_eq!(
        (&shown["content"], &shown["role"], &shown["message_type"]),
        (&json!("Hello"), &json!("user"), &json!("text"))
    );
    assert_eq!((&shown["id"], &shown["session_id"]), (&json!(message.id.to_string()), &json!(id.to_string())));
    assert_eq!((&shown["revision"], &shown["deleted_by"]), (&json!(1), &Value::Null));

    let mut details = chat.session(&owner, id).await.unwrap();
    assert_eq!(value(&details)["messages"], json!([shown]));
    details.messages.clear();
    // A participant has a field of the same name as its session.
    let participants = std::mem::take(&mut details.participants);
    assert_eq!(
        names(&details),
        "id title description session_type max_participants user_id owner_username is_active created_at updated_at \
participants messages participant_count message_count slow_mode_seconds message_lifetime history_visibility tags avatar_url metadata receipts archived_at deleted_at seq cursor read_upto unread unread_mentions preferences role joined_at"
    );
    assert_eq!(
        names(&details.summary),
        "id title description session_type max_participants user_id owner_username created_at updated_at message_count \
participant_count slow_mode_seconds message_lifetime history_visibility tags avatar_url metadata receipts archived_at deleted_at"
    );
    assert_eq!(
        names(&participants[0]),
        "id session_id user_id username name is_bot avatar_url role is_owner is_active joined_at created_at is_muted muted_until metadata"
    );
    let created = chat.create_invite(&owner, id, CreateInvite::default()).await.unwrap();
    assert_eq!(names(&created), "code invite");
    assert_eq!(
        names(&created.invite),
        "id session_id role created_by created_by_username created_by_name created_by_is_bot created_by_avatar_url created_at \
         expires_at max_uses uses needs_approval"
    );
    assert_eq!(
        names(&chat.preview_invite(&principal("bob"), &created.code).await.unwrap()),
        "session_id title description session_type participant_count invited_by invited_by_username invited_by_name \
         invited_by_is_bot invited_by_avatar_url role expires_at needs_approval"
    );
    let new = CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
    let created = chat.create_incoming_webhook(&owner, id, new).await.unwrap();
    assert_eq!(names(&created), "token path webhook");
    assert_eq!(value(&created)["path"], json!(format!("/hooks/{}", created.token.as_str())));
    assert_eq!(
        names(&created.webhook),
        "id session_id name avatar_url author_id created_by created_by_username created_at last_used_at"
    );
    let problem = wire::Problem::new(&Error::AuthRequired, "x", message.created_at);
    assert_eq!(names(&problem), "type title status detail code details request_id timestamp");
}

#[tokio::test]
async fn every_event_has_its_data() {
    let chat = Chat::in_memory();
    let (owner, bob, eve) = (principal("owner"), principal("bob"), principal("eve"));
    let mut new = CreateSession::titled("A session").of_type(SessionType::Public);
    new.description = Some("What it is about".to_owned());
    let id = chat.create_session(&owner, new).await.unwrap().summary.session.id;
    chat.me(&eve).await.unwrap();
    chat.join(&bob, id).await.unwrap();
    chat.add_participant(&owner, id, AddParticipant { user_id: eve.user_id.clone(), role: None }).await.unwrap();
    chat.change_role(&owner, id, &eve.user_id, chatcore::model::ParticipantRole::Viewer).await.unwrap();
    chat.remove_participant(&owner, id, &eve.user_id).await.unwrap();
    let sanction = || SanctionUser { reason: None, until: Some(DateTime::from_timestamp(32_000_000_000, 0).unwrap()) };
    chat.mute_participant(&owner, id, &bob.user_id, sanction()).await.unwrap();
    chat.unmute_participant(&owner, id, &bob.user_id).await.unwrap();
    let metadata = serde_json::from_value(json!({ "a": 1 })).unwrap();
    chat.set_participant_metadata(&owner, id, &bob.user_id, Some(metadata)).await.unwrap();
    chat.ban_participant(&owner, id, &eve.user_id, SanctionUser::ENDLESS).await.unwrap();
    chat.unban_participant(&owner, id, &eve.user_id).await.unwrap();
    chat.transfer_ownership(&owner, id, &bob.user_id).await.unwrap();
    chat.transfer_ownership(&bob, id, &owner.user_id).await.unwrap();
    chat.leave(&bob, id).await.unwrap();
    chat.archive_session(&owner, id).await.unwrap();
    chat.unarchive_session(&owner, id).await.unwrap();
    chat.delete_session(&owner, id).await.unwrap();
    chat.restore_session(&owner, id).await.unwrap();
    let changes = UpdateSession { description: Some(None), title: Some("B".to_owned()), ..UpdateSession::default() };
    chat.update_session(&owner, id, changes).await.unwrap();
    chat.send(&owner, id, SendMessage::text("Hello")).await.unwrap();
    let party = chatcore::model::EmojiName::new("party").unwrap();
    chat.add_emoji(&owner, id, &party, None).await.unwrap();
    chat.remove_emoji(&owner, id, &party).await.unwrap();
    let invite = chat.create_invite(&owner, id, CreateInvite::default()).await.unwrap().invite;
    chat.revoke_invite(&owner, id, invite.id).await.unwrap();
    let new = CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
    chat.create_incoming_webhook(&owner, id, new).await.unwrap();
    let code = chat.create_invite(&owner, id, CreateInvite::default()).await.unwrap().code;
    let asked = chat.request_to_join(&eve, &code, None).await.unwrap();
    assert_eq!(names(&asked), "session_id user_id username name is_bot avatar_url text role requested_at");
    chat.decline_join_request(&owner, id, &eve.user_id).await.unwrap();
    let page = chat.events(&owner, id, Some(0), None).await.unwrap();
    let shown: Vec<Value> = page.events.iter().map(|view| value(&**view)).collect();
    for ((frame, view), (event, fields)) in shown.iter().zip(&page.events).zip([
        (
            "session_created",
            "title description session_type max_participants history_visibility user participant_id metadata receipts",
        ),
        ("user_joined", "user participant_id role added_by"),
        ("user_joined", "user participant_id role added_by"),
        ("participant_role_changed", "user_id role previous_role changed_by"),
        ("participant_removed", "user_id removed_by reason"),
        ("participant_muted", "user_id muted_by until"),
        ("participant_unmuted", "user_id unmuted_by"),
        ("participant_metadata_changed", "user_id metadata changed_by"),
        ("participant_banned", "user_id banned_by until was_active"),
        ("participant_unbanned", "user_id unbanned_by"),
        ("ownership_transferred", "user_id previous_role transferred_by"),
        ("ownership_transferred", "user_id previous_role transferred_by"),
        ("user_left", "user_id"),
        ("session_archived", "archived_by"),
        ("session_unarchived", "unarchived_by"),
        ("session_deleted", "deleted_by"),
        ("session_restored", "restored_by"),
        ("session_updated", "changes updated_by"),
        ("message_received", "message client_id"),
        ("emoji_added", "name url added_by"),
        ("emoji_removed", "name removed_by"),
        ("invite_created", "invite_id role created_by"),
        ("invite_revoked", "invite_id revoked_by"),
        ("webhook_changed", "webhook_id changed_by"),
        ("invite_created", "invite_id role created_by"),
        ("join_requested", "user"),
        ("join_request_closed", "user_id closed_by"),
    ]) {
        assert_eq!(names(&**view), "event seq cursor data");
        assert_eq!((&frame["event"], &frame["seq"]), (&json!(event), &json!(view.event.seq)));
        let mut expected: Vec<&str> = fields.split(' ').chain(["session_id", "created_at"]).collect();
        expected.sort_unstable();
        let data = frame["data"].as_object().unwrap();
        let mut found: Vec<&str> = data.keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{frame}");
    }
    assert_eq!(shown.len(), 27);
    assert_eq!(shown[1]["data"]["added_by"], Value::Null);
    assert_eq!(shown[2]["data"]["added_by"], json!("owner"));
    assert_eq!(
        shown[2]["data"]["user"],
        json!({ "id": "eve", "username": "eve", "display_name": "eve", "avatar_url": null, "is_bot": false })
    );
    assert_eq!(shown[17]["data"]["changes"], json!({"title":"B", "description":null}));
    assert_eq!(shown[18]["data"]["message"]["content"], json!("Hello"));
    assert_eq!(value(&page), json!({"events":shown, "head": shown.len()}));
}

#[test]
fn a_command_is_found_by_its_name_and_an_error_names_the_field() {
    let id = "018f2f5e-7c1a-7abc-8def-0123456789ab";
    let read = |name, data: Value| wire::Command::read(name, data.as_object().unwrap().clone());
    for name in wire::Command::NAMES {
        assert!(read(name, json!({})).is_some(), "{name}");
    }
    assert!(read("nonsense", json!({})).is_none());
    assert!(wire::Command::FRAMES.contains(&"send_message"));
    let sent = read("send_message", json!({ "session_id": id, "content": "x" })).unwrap().unwrap();
    assert_eq!(sent.name(), "send_message");
    for (data, field) in [
        (json!({ "content": "x" }), "session_id"),
        (json!({ "session_id": 1, "content": "x" }), "session_id"),
        (json!({ "session_id": "x", "content": "x" }), "session_id"),
        (json!({ "session_id": id }), "content"),
        (json!({ "session_id": id, "content": null }), "content"),
        (json!({ "session_id": id, "content": "x", "role": "cat" }), "role"),
        (json!({ "session_id": id, "content": "x", "color": 1 }), "color"),
    ] {
        let error = read("send_message", data.clone()).unwrap().unwrap_err();
        assert_eq!(error.fields()[0].field, field, "{data}");
    }
}

#[test]
fn a_setting_that_is_null_is_not_a_setting_that_is_left_out() {
    let read = |text: &str| typed::<wire::UpdateSession>(text.as_bytes()).map(wire::UpdateSession::command);
    assert_eq!(read("{}").unwrap().description, None);
    assert_eq!(read(r#"{"description": null}"#).unwrap().description, Some(None));
    assert!(read(r#"{"title": null}"#).is_err());
}

#[test]
fn every_command_but_typing_is_an_operation_of_the_same_name() {
    let authenticator = chatcore::JwtAuthenticator::hs256(&[7; 32]).unwrap();
    let frontend = chatcore_poem::ChatFrontend::new(Chat::in_memory(), authenticator);
    let document = frontend.openapi().to_string();
    for name in wire::Command::NAMES.iter().filter(|name| **name != "set_typing") {
        let mut words = name.split('_');
        let first = words.next().unwrap().to_owned();
        let camel = words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..]);
        assert!(document.contains(&format!("\"operationId\":\"{camel}\"")), "{camel}");
    }
}
