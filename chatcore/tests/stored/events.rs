//! The forms of events.

use super::*;

/// The name of an event in the golden file, up to a hyphen. A new kind does not compile until it is named here.
const fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Session(SessionEvent::Created { .. }) => "session_created",
        EventKind::Session(SessionEvent::Updated { .. }) => "session_updated",
        EventKind::Session(SessionEvent::InviteCreated { .. }) => "invite_created",
        EventKind::Session(SessionEvent::InviteRevoked { .. }) => "invite_revoked",
        EventKind::Session(SessionEvent::EmojiAdded { .. }) => "emoji_added",
        EventKind::Session(SessionEvent::EmojiRemoved { .. }) => "emoji_removed",
        EventKind::Session(SessionEvent::JoinRequested) => "join_requested",
        EventKind::Session(SessionEvent::JoinRequestClosed { .. }) => "join_request_closed",
        EventKind::Session(SessionEvent::WebhookChanged { .. }) => "webhook_changed",
        EventKind::Session(SessionEvent::Deleted) => "session_deleted",
        EventKind::Session(SessionEvent::Archived) => "session_archived",
        EventKind::Session(SessionEvent::Unarchived) => "session_unarchived",
        EventKind::Session(SessionEvent::Restored) => "session_restored",
        EventKind::Participant(ParticipantEvent::Joined { .. }) => "participant_joined",
        EventKind::Participant(ParticipantEvent::Added { .. }) => "participant_added",
        EventKind::Participant(ParticipantEvent::Left) => "participant_left",
        EventKind::Participant(ParticipantEvent::Removed { .. }) => "participant_removed",
        EventKind::Participant(ParticipantEvent::RoleChanged { .. }) => "participant_role_changed",
        EventKind::Participant(ParticipantEvent::Banned { .. }) => "participant_banned",
        EventKind::Participant(ParticipantEvent::Unbanned { .. }) => "participant_unbanned",
        EventKind::Participant(ParticipantEvent::Muted { .. }) => "participant_muted",
        EventKind::Participant(ParticipantEvent::Unmuted { .. }) => "participant_unmuted",
        EventKind::Participant(ParticipantEvent::MetadataChanged { .. }) => "participant_metadata_changed",
        EventKind::Participant(ParticipantEvent::OwnerChanged { .. }) => "owner_changed",
        EventKind::Message(MessageEvent::Sent { .. }) => "message_sent",
        EventKind::Message(MessageEvent::Edited { .. }) => "message_edited",
        EventKind::Message(MessageEvent::Finished { .. }) => "message_finished",
        EventKind::Message(MessageEvent::Deleted { .. }) => "message_deleted",
        EventKind::Message(MessageEvent::Pinned { .. }) => "message_pinned",
        EventKind::Message(MessageEvent::Unpinned { .. }) => "message_unpinned",
        EventKind::Message(MessageEvent::Reacted { .. }) => "message_reacted",
        EventKind::Message(MessageEvent::Unreacted { .. }) => "message_unreacted",
        EventKind::Unknown => "unknown",
    }
}

fn messages() -> Vec<(&'static str, EventKind)> {
    let sent = |body, client_id, status| EventKind::Message(MessageEvent::Sent { body, client_id, status });
    let body = |role, message_type, content| MessageBody { role, message_type, ..MessageBody::new(content) };
    let ciphertext = EncryptedContent { encrypted_data: "abc".into(), iv: "def".into(), key_version: 7 };
    let span = |start, end| Span { start, end };
    let mention = |user, span| Mention { user, span };
    let mentions = vec![
        mention(Some(user("bob")), Some(span(0, 4))),
        mention(None, Some(span(5, 9))),
        mention(Some(user(" old/id ")), None),
        mention(None, None),
    ];
    let mentioning = MessageBody { mentions, links: vec![span(10, 20)], ..text("@bob @all http://x.y") };
    let attachment =
        Attachment { id: "7".into(), name: "a.png".into(), media_type: "image/png".into(), size: (1 << 53) - 1 };
    let carrying = MessageBody { attachments: vec![attachment], metadata: Some(metadata()), ..text("") };
    let origin =
        Origin { message: Some(MessageId { session_id: session_id(), seq: 3 }), author: user("bob"), sent_at: at(1) };
    let forwarded = MessageBody { origin: Some(origin), ..text("Hello") };
    let streamed = |said: &str, stream| MessageBody { stream: Some(stream), ..text(said) };
    let failed = |detail: Option<&str>| StreamState::Failed {
        reason: if detail.is_some() { StreamFailure::Aborted } else { StreamFailure::TimedOut },
        detail: detail.map(str::to_owned),
    };
    let command = MessageCommand { name: command_name(), bot_id: user("bot-1") };
    let commanding = MessageBody { command: Some(command), ..text("/deploy api") };
    let [deleted, expired] = [Some(user("ana")), None].map(|by| MessageStatus::Deleted { by, at: at(2) });
    let [file, image] =
        [MessageType::File, MessageType::Image].map(|kind| body(SpeakerRole::System, kind, Content::Text("x".into())));
    vec![
        ("", sent(text("Hello"), None, MessageStatus::AsSent)),
        ("client id", sent(text("Hello"), ClientId::new("once").ok(), MessageStatus::AsSent)),
        (
            "reply",
            sent(MessageBody { reply: Some(Reply { to: 5, root: 3 }), ..text("Hello") }, None, MessageStatus::AsSent),
        ),
        ("mentions", sent(mentioning, None, MessageStatus::AsSent)),
        ("attachments", sent(carrying, None, MessageStatus::AsSent)),
        ("forwarded", sent(forwarded, None, MessageStatus::AsSent)),
        ("edited", sent(text("Hello again"), None, MessageStatus::Edited { at: at(2) })),
        ("deleted", sent(MessageBody { content: Content::Deleted, ..text("") }, None, deleted)),
        ("expired", sent(MessageBody { content: Content::Deleted, ..text("") }, None, expired)),
        (
            "encrypted",
            sent(
                body(SpeakerRole::Assistant, MessageType::System, Content::Encrypted(ciphertext)),
                None,
                MessageStatus::AsSent,
            ),
        ),
        ("file", sent(file, None, MessageStatus::AsSent)),
        ("image", sent(image, None, MessageStatus::AsSent)),
        ("streaming", sent(streamed("", StreamState::Streaming), None, MessageStatus::AsSent)),
        ("complete", sent(streamed("Hello", StreamState::Complete), None, MessageStatus::AsSent)),
        ("failed", sent(streamed("Hel", failed(Some("Away"))), None, MessageStatus::AsSent)),
        ("failed silently", sent(streamed("", failed(None)), None, MessageStatus::AsSent)),
        ("command", sent(commanding, None, MessageStatus::AsSent)),
        ("", EventKind::Message(MessageEvent::Finished { message: 3, revision: 2 })),
        ("", EventKind::Message(MessageEvent::Edited { message: 3, revision: 2 })),
        ("", EventKind::Message(MessageEvent::Deleted { messages: vec![3, 5], expired: false })),
        ("expired", EventKind::Message(MessageEvent::Deleted { messages: vec![3, 5], expired: true })),
        ("", EventKind::Message(MessageEvent::Pinned { message: 3 })),
        ("", EventKind::Message(MessageEvent::Unpinned { message: 3 })),
        ("", EventKind::Message(MessageEvent::Reacted { message: 3, emoji: emoji(), count: 2 })),
        ("", EventKind::Message(MessageEvent::Unreacted { message: 3, emoji: emoji(), count: 0 })),
    ]
}

/// Events with the rest of their names.
fn events() -> Vec<(&'static str, EventKind)> {
    let (participant_id, user_id) = (stay(), user("bob"));
    let created = |session| EventKind::Session(SessionEvent::Created { session, participant_id });
    let updated = |changes| EventKind::Session(SessionEvent::Updated { changes });
    let full = Session { description: Some("About".into()), settings: settings(), needs: 3, ..session() };
    let all = SessionChanges {
        title: Some("New".into()),
        description: Some(Some("About".into())),
        session_type: Some(SessionType::Public),
        max_participants: Some(5),
        slow_mode_seconds: Some(30),
        message_lifetime: Some(Some(3_600)),
        history_visibility: Some(HistoryVisibility::SinceJoining),
        tags: Some(vec!["rust".into()]),
        avatar_url: Some(Some("https://example.com/a.png".into())),
        metadata: Some(Some(metadata())),
        receipts: Some(false),
    };
    let removed = |reason| ParticipantEvent::Removed { user_id: user_id.clone(), reason };
    let [banned, deleted] = [RemovalReason::AccountBanned, RemovalReason::AccountDeleted].map(removed);
    let participants = [
        ParticipantEvent::Joined { participant_id, role: ParticipantRole::Member },
        ParticipantEvent::Added { user_id: user_id.clone(), participant_id, role: ParticipantRole::Viewer },
        ParticipantEvent::Left,
        removed(RemovalReason::ByManager),
        ParticipantEvent::RoleChanged {
            user_id: user_id.clone(),
            previous: ParticipantRole::Owner,
            role: ParticipantRole::Admin,
        },
        ParticipantEvent::Banned { user_id: user_id.clone(), term: Term::Endless, was_active: true },
        ParticipantEvent::Unbanned { user_id: user_id.clone() },
        ParticipantEvent::Muted { user_id: user_id.clone(), term: Term::Until(at(9)) },
        ParticipantEvent::Unmuted { user_id: user_id.clone() },
        ParticipantEvent::MetadataChanged { user_id: user_id.clone() },
        ParticipantEvent::OwnerChanged { user_id: user_id.clone(), previous: ParticipantRole::Viewer },
    ];
    let mut events = vec![
        ("", created(session())),
        ("full", created(full)),
        ("", updated(SessionChanges::default())),
        ("full", updated(all)),
        ("description removed", updated(SessionChanges { description: Some(None), ..SessionChanges::default() })),
        ("", EventKind::Session(SessionEvent::InviteCreated { invite_id: invite(), role: ParticipantRole::Viewer })),
        ("", EventKind::Session(SessionEvent::InviteRevoked { invite_id: invite() })),
        ("", EventKind::Session(SessionEvent::EmojiAdded { emoji: own_emoji(None) })),
        ("shown", EventKind::Session(SessionEvent::EmojiAdded { emoji: own_emoji(Some("https://example.com/a.png")) })),
        ("", EventKind::Session(SessionEvent::EmojiRemoved { name: own_emoji(None).name })),
        ("", EventKind::Session(SessionEvent::JoinRequested)),
        ("", EventKind::Session(SessionEvent::JoinRequestClosed { user_id: user_id.clone() })),
        ("", EventKind::Session(SessionEvent::WebhookChanged { webhook_id: WebhookId(invite().0) })),
        ("", EventKind::Session(SessionEvent::Deleted)),
        ("", EventKind::Session(SessionEvent::Archived)),
        ("", EventKind::Session(SessionEvent::Unarchived)),
        ("", EventKind::Session(SessionEvent::Restored)),
        ("", EventKind::Unknown),
    ];
    events.extend(participants.map(|event| ("", EventKind::Participant(event))));
    events.push(("banned", EventKind::Participant(banned)));
    events.push(("deleted", EventKind::Participant(deleted)));
    let until = ParticipantEvent::Banned { user_id: user_id.clone(), term: Term::Until(at(9)), was_active: false };
    events.push(("until", EventKind::Participant(until)));
    events.extend(messages());
    events
}

#[test]
fn events_are_stored_in_the_forms_of_the_golden_file() {
    let title = |case: &str, kind: &EventKind| format!("{}-{case}", name(kind)).trim_end_matches('-').to_owned();
    let form = |kind: &EventKind| serde_json::from_str(&encode_event(kind)).expect("JSON");
    let forms: Forms = events().iter().map(|(case, kind)| (title(case, kind), form(kind))).collect();
    assert_eq!(forms.len(), events().len(), "each event has a name of its own");
    assert_golden("events.json", &forms);
    let names: BTreeSet<&str> = events().iter().map(|(_, kind)| name(kind)).collect();
    assert_eq!(names.len(), 33, "some kind is missing");
    for (case, kind) in events() {
        let golden = golden("events.json")[&title(case, &kind)].to_string();
        assert_eq!(decode_event(&golden).expect("an event"), kind, "{golden}");
    }
}
