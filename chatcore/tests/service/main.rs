//! Every use case of the service with its errors, by example, on the in-memory store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod archiving;
mod attachments;
mod batches;
mod blocks;
mod bots;
mod churn;
mod commands;
mod directory;
mod directs;
mod editing;
mod emojis;
mod errors;
mod expiring;
mod finding;
mod follows;
mod forwarding;
mod held;
mod history;
#[path = "../kit/hooked.rs"]
mod hooked;
mod incoming;
mod invites;
mod inviting;
mod join_requests;
mod joining;
#[path = "../kit/mod.rs"]
mod kit;
mod later;
mod lists;
mod managing;
mod mentions;
mod messages;
mod newer;
mod ownership;
mod participant;
mod participant_metadata;
mod people;
mod pins;
mod preferences;
mod presence;
mod purging;
mod reactions;
mod reading;
mod receipts;
mod reports;
mod retries;
mod sanctions;
mod session_metadata;
mod sessions;
mod slow_mode;
mod streamed;
mod system;
mod threads;

use std::sync::{Arc, atomic::Ordering};

use chatcore::{
    Chat, Code, Error, Limits, MemoryStore, Principal, Rate, RateLimits, TestClock,
    chat::{AddParticipant, CreateSession, ParticipantsOf, ReadUpto, SendMessage, SetPreferences, UpdateSession},
    identity::SystemRole,
    model::{
        ClientId, Content, EncryptedContent, EventKind, HistoryVisibility, MessageBody, MessageEvent, MessageId,
        MessageStatus, MessageType, MessageWindow, NewEvent, Page, ParticipantEvent, ParticipantRole, SessionEvent,
        SessionId, SessionType, SpeakerRole,
    },
    permission::Denial,
    store::{Change, ChatStore, FactsQuery, Freshness, Profiles, StoreError, TypedKey},
};
use chrono::{TimeDelta, Utc};
use kit::{Breakable, assert_denied, id_of, room, say, session, text_of, uncounted, user, user_id};

const OWNER: ParticipantRole = ParticipantRole::Owner;
const ADMIN: ParticipantRole = ParticipantRole::Admin;
const MEMBER: ParticipantRole = ParticipantRole::Member;
const VIEWER: ParticipantRole = ParticipantRole::Viewer;

fn add(name: &str, role: Option<ParticipantRole>) -> AddParticipant {
    AddParticipant { user_id: user_id(name), role }
}

fn to_type(session_type: SessionType) -> UpdateSession {
    UpdateSession { session_type: Some(session_type), ..UpdateSession::default() }
}

fn to_cap(cap: u32) -> UpdateSession {
    UpdateSession { max_participants: Some(cap), ..UpdateSession::default() }
}

fn titled(title: &str) -> UpdateSession {
    UpdateSession { title: Some(title.to_owned()), ..UpdateSession::default() }
}

/// The fields that are wrong, with the kinds of wrong.
#[track_caller]
fn faults<T: std::fmt::Debug>(result: Result<T, Error>) -> Vec<(String, Code)> {
    match result.unwrap_err() {
        Error::Invalid(fields) => fields.into_iter().map(|field| (field.field, field.code)).collect(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_fault<T: std::fmt::Debug>(result: Result<T, Error>, field: &str, code: Code) {
    assert_eq!(faults(result), [(field.to_owned(), code)]);
}

async fn roles(chat: &Chat, reader: &Principal, id: SessionId) -> Vec<(String, ParticipantRole)> {
    let participants = chat.participants(reader, id, Page::FIRST, false).await.unwrap();
    participants.into_iter().map(|one| (one.profile.user_id.to_string(), one.role)).collect()
}

async fn role_of(chat: &Chat, reader: &Principal, id: SessionId, name: &str) -> Option<ParticipantRole> {
    roles(chat, reader, id).await.into_iter().find(|(user, _)| user == name).map(|(_, role)| role)
}

async fn head(chat: &Chat, reader: &Principal, id: SessionId) -> u64 {
    chat.session(reader, id).await.unwrap().seq
}

/// What every use case answers to somebody about a session.
async fn answers(chat: &Chat, who: &Principal, id: SessionId) -> Vec<Error> {
    let message = MessageId { session_id: id, seq: 1 };
    let sent = SendMessage::text("hi").with_client_id(ClientId::new("c").unwrap());
    vec![
        chat.session(who, id).await.unwrap_err(),
        chat.update_session(who, id, titled("Mine")).await.unwrap_err(),
        chat.update_session(who, id, to_cap(1)).await.unwrap_err(),
        chat.update_session(who, id, to_type(SessionType::Private)).await.unwrap_err(),
        chat.update_session(who, id, titled("")).await.unwrap_err(),
        chat.delete_session(who, id).await.unwrap_err(),
        chat.join(who, id).await.unwrap_err(),
        chat.leave(who, id).await.unwrap_err(),
        chat.participants(who, id, Page::FIRST, true).await.unwrap_err(),
        chat.participants(who, id, Page { limit: Some(0), ..Page::FIRST }, true).await.unwrap_err(),
        chat.add_participant(who, id, add("alice", None)).await.unwrap_err(),
        chat.add_participant(who, id, add("nobody", Some(OWNER))).await.unwrap_err(),
        chat.change_role(who, id, &user_id("alice"), OWNER).await.unwrap_err(),
        chat.change_role(who, id, &who.user_id, ADMIN).await.unwrap_err(),
        chat.remove_participant(who, id, &user_id("alice")).await.unwrap_err(),
        chat.send(who, id, sent).await.unwrap_err(),
        chat.send(who, id, SendMessage::text("")).await.unwrap_err(),
        chat.typing(who, id, true).await.unwrap_err(),
        chat.acknowledge_delivery(who, id, 1).await.unwrap_err(),
        chat.acknowledge_delivery(who, id, 0).await.unwrap_err(),
        chat.acknowledge_delivery(who, id, u64::MAX).await.unwrap_err(),
        chat.mark_read(who, id, ReadUpto::Seq(1)).await.unwrap_err(),
        chat.mark_read(who, id, ReadUpto::Seq(0)).await.unwrap_err(),
        chat.mark_read(who, id, ReadUpto::Seq(u64::MAX)).await.unwrap_err(),
        chat.mark_read(who, id, ReadUpto::Message(message)).await.unwrap_err(),
        chat.mark_unread_from(who, message).await.unwrap_err(),
        chat.follow_thread(who, message).await.unwrap_err(),
        chat.unfollow_thread(who, message).await.unwrap_err(),
        chat.mark_thread_read(who, message).await.unwrap_err(),
        chat.followed_threads(who, id, Page::FIRST).await.unwrap_err(),
        chat.set_preferences(who, id, SetPreferences::default()).await.unwrap_err(),
        chat.messages(who, id, MessageWindow::Newest, None).await.unwrap_err(),
        chat.messages(who, id, MessageWindow::Newest, Some(0)).await.unwrap_err(),
        chat.message(who, message).await.unwrap_err(),
        chat.message(who, MessageId { seq: 0, ..message }).await.unwrap_err(),
        chat.events(who, id, 0, None).await.unwrap_err(),
        chat.events(who, id, u64::MAX, None).await.unwrap_err(),
        chat.subscribe(who, id, None).await.unwrap_err(),
        chat.subscribe(who, id, Some(u64::MAX)).await.unwrap_err(),
    ]
}
