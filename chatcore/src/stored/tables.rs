//! The tables of this crate.

use super::{ClientIdUse, Listed, ParticipantRecord, ProfileRecord, Revision, Seat};
use crate::{
    model::{ClientId, ParticipantId, Seq, Session, SessionId, UserId},
    store::Newest,
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

    /// Earlier texts of messages that were edited.
    session plain Revisions = "revision" [
        /// The session.
        session: SessionId,
        /// The position of the message.
        message: Seq,
        /// The revision that had this text.
        revision: u64,
    ] -> Revision = 1;

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

    /// Profiles of users who were seen.
    shared plain Profiles = "profile" [
        /// The user.
        user: UserId,
    ] -> ProfileRecord = 1;
}
