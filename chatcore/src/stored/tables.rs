//! The tables of this crate.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    BlockRecord, ClientIdUse, Departure, InvitePlace, InviteRecord, JoinRequestRecord, Listed, ParticipantRecord,
    ProfileRecord, Reacted, ReactionTotals, Revision, Seat, from_json, to_json,
};
use crate::{
    model::{ClientId, Emoji, InviteId, ParticipantId, Seq, Session, SessionId, UserId, UserStanding},
    store::{Json, Newest, Part, StoredValue},
    tables,
};

tables! {
    /// Sessions.
    session governed Sessions = "session" [
        /// The session.
        session: SessionId,
    ] -> Session = 1;

    /// Users who are or were in a session.
    session governed Participants = "participant" [
        /// The session.
        session: SessionId,
        /// The user.
        user: UserId,
    ] -> ParticipantRecord = 1;

    /// Client ids that were used, each with the position of its message.
    session plain ClientIds = "client" [
        /// The session.
        session: SessionId,
        /// The user who used it.
        user: UserId,
        /// The client id.
        client_id: ClientId,
    ] -> ClientIdUse = 1;

    /// The users who are in a session, in the order in which they came.
    session plain Seats = "seat" [
        /// The session.
        session: SessionId,
        /// The stay.
        stay: ParticipantId,
    ] -> Seat = 1;

    /// The invites into a session, in the order in which they were created. A revoked invite has no record.
    session plain Invites = "invite" [
        /// The session.
        session: SessionId,
        /// The invite.
        invite: InviteId,
    ] -> InviteRecord = 1;

    /// Open requests to join a session. Each change that brings the user in removes the request.
    session plain JoinRequests = "join_request" [
        /// The session.
        session: SessionId,
        /// The user who asks.
        user: UserId,
    ] -> JoinRequestRecord = 1;

    /// Earlier texts of messages that were edited.
    session plain Revisions = "revision" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
        /// The revision that had this text.
        revision: u64,
    ] -> Revision = 1;

    /// The messages that are pinned in a session. One record holds them all, so that its version guards their number.
    session plain Pins = "pins" [
        /// The session.
        session: SessionId,
    ] -> PinList = 1;

    /// The kinds of reactions to messages.
    session plain MessageReactions = "reactions" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
    ] -> ReactionTotals = 1;

    /// The users who reacted to messages. A deleted message leaves them behind; nothing shows them.
    session plain Reactors = "reactor" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
        /// The emoji.
        emoji: Emoji,
        /// The user.
        user: UserId,
    ] -> Reacted = 1;

    /// How many messages were deleted in a session. A deletion adds to it, and a pin holds it, so a message that was deleted is not pinned.
    session plain Deletions = "deletions" [
        /// The session.
        session: SessionId,
    ] -> DeletionCount = 1;

    /// The sessions that a user is in, newest first. Deleted sessions stay listed.
    shared plain Memberships = "membership" [
        /// The user.
        user: UserId,
        /// The session.
        session: Newest<SessionId>,
    ] -> Listed = 1;

    /// The sessions that a user could join, newest first.
    shared plain Directory = "directory" [
        /// The session.
        session: Newest<SessionId>,
    ] -> Listed = 1;

    /// The invites that codes stand for. A code itself is kept nowhere.
    shared plain InviteCodes = "invite_code" [
        /// The SHA-256 digest of the code.
        digest: String,
    ] -> InvitePlace = 1;

    /// The users whom a user has blocked.
    shared plain Blocks = "block" [
        /// The user.
        user: UserId,
        /// The blocked user.
        blocked: UserId,
    ] -> BlockRecord = 1;

    /// Profiles of users who were seen.
    shared plain Profiles = "profile" [
        /// The user.
        user: UserId,
    ] -> ProfileRecord = 1;

    /// The standing of users who were seen, in the whole system. Each change that brings a user into a session holds the record.
    shared plain Standings = "standing" [
        /// The user.
        user: UserId,
    ] -> UserStanding = 1;

    /// Work on the sessions of users that is not done yet. It is written in the same change as the standing that asks for it.
    shared plain Departures = "departure" [
        /// The user.
        user: UserId,
    ] -> Departure = 1;

    /// The sessions that the removal of a user left without their owner.
    shared plain Orphans = "orphan" [
        /// The owner.
        user: UserId,
        /// The session.
        session: SessionId,
    ] -> Listed = 1;

    /// What was counted for statistics.
    shared plain Counters = "counter" [
        /// What is counted.
        name: String,
        /// The day, in days since the Unix epoch in UTC; 0 for the total of all days.
        day: u64,
    ] -> Count = 1;
}

/// A sum of what was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count(pub i64);

impl StoredValue for Count {
    fn encode(&self) -> Json {
        self.0.into()
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        stored.as_i64().map(Self).ok_or_else(|| format!("no number: {stored}"))
    }
}

/// The pins of a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PinList {
    /// The pins, the newest first. The message of a pin may have been deleted since.
    pub pins: Vec<Pin>,
}

/// A pinned message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// The position of the message.
    pub message: Seq,
    /// The user who pinned it.
    #[serde(deserialize_with = "UserId::deserialize_stored")]
    pub by: UserId,
    /// When the user pinned it.
    pub at: DateTime<Utc>,
}

impl StoredValue for PinList {
    fn encode(&self) -> Json {
        to_json(self)
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        from_json(stored)
    }
}

/// A number of deletions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletionCount(pub i64);

impl StoredValue for DeletionCount {
    fn encode(&self) -> Json {
        self.0.into()
    }

    fn decode(_: u32, _: &[Part], stored: Json) -> Result<Self, String> {
        stored.as_i64().map(Self).ok_or_else(|| format!("no number: {stored}"))
    }
}
