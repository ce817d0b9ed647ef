//! Connections and cursors, as Relay has them (Relay's "GraphQL Cursor Connections Specification").

use std::{fmt::Display, marker::PhantomData, str::FromStr, sync::Arc};

use async_graphql::{
    ObjectType, OutputType, SimpleObject,
    connection::{Connection, ConnectionNameType, Edge, EdgeNameType, EmptyFields},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chatcore::{
    Code, Error, Result,
    chat::{EventPage, EventView, FoundSessions, MessagesOf, PublicOrder},
    model::{
        self, BlockedUser, Bound, Draft, Emoji, FollowedThread, HeldId, HeldMessage, InvalidId, Invite, InviteId,
        JoinRequest, ListPage, MentionCursor, MentionedMessage, MessageId, MessagePage, MessageReceipt, MessageWindow,
        ModerationEntry, ModerationId, Page, Participant, ParticipantId, ParticipantPresence, PublicCursor, Reactor,
        Report, ReportId, ScheduledId, ScheduledMessage, SessionBan, SessionId, SessionSummary, UserId,
    },
};

use super::{
    block::BlockedUser as BlockedUserNode,
    event::SessionEvent,
    held::HeldMessage as HeldMessageNode,
    invite::Invite as InviteNode,
    join_request::JoinRequest as JoinRequestNode,
    later::{Draft as DraftNode, ScheduledMessage as ScheduledNode},
    listing::{Events, Listing, Mentions, PublicSessions, Threads},
    message::Message,
    participant::Participant as ParticipantNode,
    presence::Presence as PresenceNode,
    reaction::Reactor as ReactorNode,
    receipt::MessageReceipt as ReceiptNode,
    report::{ModerationEntry as ModerationNode, Report as ReportNode},
    sanction::SessionBan as BanNode,
    scalar::{Long, natural},
    thread::FollowedThread as FollowedThreadNode,
};

/// How many entries a list is counted with for the complexity of a query.
pub(super) fn listed(first: Option<i32>, last: Option<i32>, each: usize) -> usize {
    let count = first.or(last).map_or(50, |count| usize::try_from(count).unwrap_or(0));
    count.saturating_mul(each).saturating_add(1)
}

/// The total number of entries.
#[derive(SimpleObject)]
pub(super) struct Total {
    /// The total number of entries.
    total_count: Long,
}

/// The total number of entries, where the number is known.
#[derive(SimpleObject)]
pub(super) struct KnownTotal {
    /// The total number of entries; null for a search in the order `NEWEST`, which does not read all entries.
    total_count: Option<Long>,
}

/// The end of a log.
#[derive(SimpleObject)]
pub(super) struct Head {
    /// The last position of the log. No event follows the event at this position.
    head: Long,
}

/// The caller's state of a mention.
#[derive(SimpleObject)]
pub(super) struct MentionMark {
    /// Whether the message is unread: the position of the message is after the session's `readUpto`.
    is_unread: bool,
}

pub(super) type SessionConnection = Listing<super::session::Session>;
pub(super) type PublicSessionConnection = Listing<super::session::Session, KnownTotal, PublicSessions, PublicSessions>;
pub(super) type ParticipantConnection = Listing<ParticipantNode>;
pub(super) type InviteConnection = Listing<InviteNode>;
pub(super) type HeldMessageConnection = Listing<HeldMessageNode>;
pub(super) type JoinRequestConnection = Listing<JoinRequestNode>;
pub(super) type BanConnection = Listing<BanNode>;
pub(super) type ReportConnection = Listing<ReportNode>;
pub(super) type ModerationConnection = Listing<ModerationNode>;
pub(super) type PresenceConnection = Listing<PresenceNode>;
pub(super) type ReceiptConnection = Listing<ReceiptNode>;
pub(super) type BlockedUserConnection = Listing<BlockedUserNode>;
pub(super) type ReactorConnection = Listing<ReactorNode>;
pub(super) type ScheduledMessageConnection = Listing<ScheduledNode>;
pub(super) type DraftConnection = Listing<DraftNode>;
pub(super) type MessageConnection = Connection<String, Message, Total>;
pub(super) type MentionConnection = Listing<Message, EmptyFields, Mentions, Mentions, MentionMark>;
pub(super) type ThreadConnection = Listing<Message, EmptyFields, Threads, Threads>;
pub(super) type FollowedThreadConnection = Listing<FollowedThreadNode>;
pub(super) type EventConnection = Connection<String, SessionEvent, Head, EmptyFields, Events, Events>;

fn bad_cursor(name: &str, expected: &str) -> Error {
    Error::malformed(name, expected)
}

/// A list whose entries have ids of the type `K`. Its cursors are of this list only: each says of which list it is and names
/// its entry.
pub(super) struct List<K> {
    name: String,
    ids: PhantomData<fn() -> K>,
}

impl List<SessionId> {
    /// The sessions that the caller is in.
    pub(super) fn sessions(archived: bool) -> Self {
        Self::named(if archived { "archivedSessions" } else { "sessions" })
    }

    /// The deleted sessions that the caller may restore.
    pub(super) fn deleted_sessions() -> Self {
        Self::named("deletedSessions")
    }
}

impl List<HeldId> {
    /// The messages of a session that wait for approval.
    pub(super) fn held_messages(session_id: SessionId) -> Self {
        Self::named(format!("heldMessages/{session_id}"))
    }

    /// Held messages as a connection.
    pub(super) fn of_held_messages(
        &self,
        page: &Page<HeldId>,
        found: ListPage<HeldMessage, HeldId>,
    ) -> HeldMessageConnection {
        self.connection(page, found, EmptyFields, |held| held.id, HeldMessageNode)
    }
}

impl List<ScheduledId> {
    /// The caller's messages that wait for their time.
    pub(super) fn scheduled() -> Self {
        Self::named("scheduledMessages")
    }

    /// Scheduled messages as a connection.
    pub(super) fn of_scheduled(
        &self,
        page: &Page<ScheduledId>,
        found: ListPage<ScheduledMessage, ScheduledId>,
    ) -> ScheduledMessageConnection {
        self.connection(page, found, EmptyFields, |scheduled| scheduled.id, ScheduledNode)
    }
}

impl List<SessionId> {
    /// The caller's own requests to join.
    pub(super) fn own_join_requests() -> Self {
        Self::named("ownJoinRequests")
    }

    /// The caller's own requests to join as a connection.
    pub(super) fn of_own_join_requests(
        &self,
        page: &Page<SessionId>,
        found: ListPage<JoinRequest, SessionId>,
    ) -> JoinRequestConnection {
        self.connection(page, found, EmptyFields, |request| request.session_id, JoinRequestNode)
    }

    /// The caller's drafts.
    pub(super) fn drafts() -> Self {
        Self::named("drafts")
    }

    /// Drafts as a connection.
    pub(super) fn of_drafts(&self, page: &Page<SessionId>, found: ListPage<Draft, SessionId>) -> DraftConnection {
        self.connection(page, found, EmptyFields, |draft| draft.session_id, DraftNode)
    }
}

impl List<ParticipantId> {
    /// The participants of a session.
    pub(super) fn participants(session_id: SessionId) -> Self {
        Self::named(format!("participants/{session_id}"))
    }
}

impl List<InviteId> {
    /// The invites into a session.
    pub(super) fn invites(session_id: SessionId) -> Self {
        Self::named(format!("invites/{session_id}"))
    }

    /// Invites as a connection.
    pub(super) fn of_invites(&self, page: &Page<InviteId>, found: ListPage<Invite, InviteId>) -> InviteConnection {
        self.connection(page, found, EmptyFields, |invite| invite.id, InviteNode)
    }
}

impl List<ParticipantId> {
    /// The presence of the participants of a session.
    pub(super) fn presence(session_id: SessionId) -> Self {
        Self::named(format!("presence/{session_id}"))
    }

    /// The receipts for a message.
    pub(super) fn receipts(id: MessageId) -> Self {
        Self::named(format!("receipts/{id}"))
    }
}

impl List<UserId> {
    /// The open requests to join a session.
    pub(super) fn join_requests(session_id: SessionId) -> Self {
        Self::named(format!("joinRequests/{session_id}"))
    }

    /// Requests to join as a connection.
    pub(super) fn of_join_requests(
        &self,
        page: &Page<UserId>,
        found: ListPage<JoinRequest, UserId>,
    ) -> JoinRequestConnection {
        self.connection(page, found, EmptyFields, |request| request.user.user_id.clone(), JoinRequestNode)
    }

    /// The users who are banned from a session.
    pub(super) fn bans(session_id: SessionId) -> Self {
        Self::named(format!("bans/{session_id}"))
    }

    /// The users that the caller has blocked.
    pub(super) fn blocks() -> Self {
        Self::named("blocks")
    }

    /// Blocked users as a connection.
    pub(super) fn of_blocks(&self, page: &Page<UserId>, found: ListPage<BlockedUser, UserId>) -> BlockedUserConnection {
        self.connection(page, found, EmptyFields, |blocked| blocked.user.user_id.clone(), BlockedUserNode)
    }

    /// The users who reacted to a message with an emoji.
    pub(super) fn reactors(message: MessageId, emoji: &Emoji) -> Self {
        Self::named(format!("reactors/{message}/{emoji}"))
    }
}

impl List<MessageId> {
    /// The thread that a message belongs to.
    pub(super) fn thread(message: MessageId) -> Self {
        Self::named(format!("thread/{message}"))
    }

    /// The threads of a session.
    pub(super) fn threads(session_id: SessionId) -> Self {
        Self::named(format!("threads/{session_id}"))
    }

    /// The threads of a session that the caller follows.
    pub(super) fn followed_threads(session_id: SessionId) -> Self {
        Self::named(format!("followedThreads/{session_id}"))
    }

    /// Followed threads as a connection.
    pub(super) fn of_followed_threads(
        &self,
        page: &Page<MessageId>,
        found: ListPage<FollowedThread, MessageId>,
        message: impl Fn(model::Message) -> Message,
    ) -> FollowedThreadConnection {
        let last = |followed: &FollowedThread| {
            let last = followed.root.thread.as_ref().and_then(|thread| thread.last);
            last.map_or(followed.root.id, |last| last.id)
        };
        self.connection(page, found, EmptyFields, last, |followed| FollowedThreadNode::new(followed, &message))
    }
}

impl<K: Display + FromStr> List<K> {
    fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ids: PhantomData }
    }

    /// The number of the form of cursors; a cursor of another form is refused.
    const FORM: u32 = 1;

    fn prefix(&self) -> String {
        format!("{}:{}:", Self::FORM, self.name)
    }

    /// The cursor of an entry.
    fn cursor(&self, id: &K) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}{id}", self.prefix()))
    }

    /// The entry of a cursor.
    fn entry(&self, cursor: &str) -> Option<K> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        std::str::from_utf8(&bytes).ok()?.strip_prefix(&self.prefix())?.parse().ok()
    }

    /// The page of the list after a cursor.
    pub(super) fn page(&self, first: Option<i32>, after: Option<&str>) -> Result<Page<K>> {
        let refused = || bad_cursor("after", "a cursor of this list as the server gave it out");
        let after = after.map(|cursor| self.entry(cursor).ok_or_else(refused)).transpose()?;
        Ok(Page { after, limit: natural("limit", first)?, ..Page::FIRST })
    }

    /// What was found for a page as a connection.
    fn connection<T, N, C, M, E>(
        &self,
        page: &Page<K>,
        found: ListPage<T, K>,
        fields: C,
        id: impl Fn(&T) -> K,
        node: impl Fn(T) -> N,
    ) -> Listing<N, C, M, E>
    where
        N: OutputType,
        C: ObjectType,
        M: ConnectionNameType,
        E: EdgeNameType,
    {
        let next = found.next.as_ref().map(|next| self.cursor(next));
        let edge = |entry: T| Edge::new(self.cursor(&id(&entry)), node(entry));
        Listing::new(found.entries.into_iter().map(edge).collect(), page.after.is_some(), next, fields)
    }
}

impl List<SessionId> {
    /// Sessions as a connection.
    pub(super) fn of_sessions(
        &self,
        page: &Page<SessionId>,
        found: ListPage<SessionSummary, SessionId>,
        node: impl Fn(SessionSummary) -> super::session::Session,
    ) -> SessionConnection {
        self.connection(page, found, EmptyFields, |summary| summary.session.id, node)
    }
}

impl List<PublicCursor> {
    /// The sessions that the caller could join.
    pub(super) fn public_sessions() -> Self {
        Self::named("publicSessions")
    }

    /// Public sessions in an order as a connection.
    pub(super) fn of_public(
        &self,
        page: &Page<PublicCursor>,
        found: FoundSessions,
        order: PublicOrder,
        node: impl Fn(SessionSummary) -> super::session::Session,
    ) -> PublicSessionConnection {
        let FoundSessions { sessions, next, total } = found;
        let (found, fields) = (ListPage { entries: sessions, next }, KnownTotal { total_count: total.map(Long) });
        self.connection(page, found, fields, |summary| order.place(&summary.session, summary.cursor), node)
    }
}

impl List<ParticipantId> {
    /// Participants as a connection.
    pub(super) fn of_participants(
        &self,
        page: &Page<ParticipantId>,
        found: ListPage<Participant, ParticipantId>,
    ) -> ParticipantConnection {
        self.connection(page, found, EmptyFields, |participant| participant.id, ParticipantNode)
    }
}

impl List<ParticipantId> {
    /// The presence of participants as a connection.
    pub(super) fn of_presence(
        &self,
        page: &Page<ParticipantId>,
        found: ListPage<ParticipantPresence, ParticipantId>,
    ) -> PresenceConnection {
        let node = |found: ParticipantPresence| PresenceNode(found.presence);
        self.connection(page, found, EmptyFields, |found| found.participant_id, node)
    }

    /// Receipts as a connection.
    pub(super) fn of_receipts(
        &self,
        page: &Page<ParticipantId>,
        found: ListPage<MessageReceipt, ParticipantId>,
    ) -> ReceiptConnection {
        self.connection(page, found, EmptyFields, |found| found.participant_id, ReceiptNode)
    }
}

impl List<UserId> {
    /// Bans as a connection.
    pub(super) fn of_bans(&self, page: &Page<UserId>, found: ListPage<SessionBan, UserId>) -> BanConnection {
        self.connection(page, found, EmptyFields, |ban| ban.user.user_id.clone(), BanNode)
    }

    /// Users who reacted as a connection.
    pub(super) fn of_reactors(&self, page: &Page<UserId>, found: ListPage<Reactor, UserId>) -> ReactorConnection {
        self.connection(page, found, EmptyFields, |reactor| reactor.user.user_id.clone(), ReactorNode)
    }
}

impl List<ReportId> {
    /// The reports of a session.
    pub(super) fn reports(session_id: SessionId) -> Self {
        Self::named(format!("reports/{session_id}"))
    }

    /// Reports as a connection.
    pub(super) fn of_reports(
        &self,
        page: &Page<ReportId>,
        found: ListPage<Report, ReportId>,
        node: impl Fn(Report) -> ReportNode,
    ) -> ReportConnection {
        self.connection(page, found, EmptyFields, |report| report.id, node)
    }
}

impl List<ModerationId> {
    /// The moderation log of a session.
    pub(super) fn moderation(session_id: SessionId) -> Self {
        Self::named(format!("moderationLog/{session_id}"))
    }

    /// The moderation log as a connection.
    pub(super) fn of_moderation(
        &self,
        page: &Page<ModerationId>,
        found: ListPage<ModerationEntry, ModerationId>,
    ) -> ModerationConnection {
        self.connection(page, found, EmptyFields, |entry| entry.id, ModerationNode::from)
    }
}

impl List<MentionCursor> {
    /// The messages that mention the caller.
    pub(super) fn mentions() -> Self {
        Self::named("mentions")
    }

    /// The messages that mention the caller as a connection.
    pub(super) fn of_mentions(
        &self,
        page: &Page<MentionCursor>,
        found: ListPage<MentionedMessage, MentionCursor>,
        node: impl Fn(model::Message) -> Message,
    ) -> MentionConnection {
        let next = found.next.as_ref().map(|next| self.cursor(next));
        let edge = |MentionedMessage { cursor, message, is_unread }| {
            Edge::with_additional_fields(self.cursor(&cursor), node(message), MentionMark { is_unread })
        };
        Listing::new(found.entries.into_iter().map(edge).collect(), page.after.is_some(), next, EmptyFields)
    }
}

impl List<MessageId> {
    /// Messages as a connection, each with the id of its entry.
    pub(super) fn of_messages(
        &self,
        page: &Page<MessageId>,
        found: ListPage<model::Message, MessageId>,
        id: impl Fn(&model::Message) -> MessageId,
        node: impl Fn(model::Message) -> Message,
    ) -> ThreadConnection {
        self.connection(page, found, EmptyFields, id, node)
    }
}

pub(super) fn total(total: u64) -> Total {
    Total { total_count: Long(total) }
}

/// Arguments of a connection of messages.
pub(super) struct MessageArguments {
    pub(super) first: Option<i32>,
    pub(super) after: Option<String>,
    pub(super) last: Option<i32>,
    pub(super) before: Option<String>,
    pub(super) skip: Option<Long>,
}

/// A place in a log: a position, or a time.
fn place(name: &str, cursor: &str) -> Result<Bound> {
    cursor.parse().map_err(|error: InvalidId| bad_cursor(name, error.expected))
}

impl MessageArguments {
    pub(super) fn read(self, session_id: SessionId) -> Result<MessagesOf> {
        let Self { first, after, last, before, skip } = self;
        let together = |message| Err(Error::invalid("first", Code::ValidationInvalidValue, message));
        let (window, limit) = match (first, after, last, before, skip) {
            (first, None, None, None, skip) => (MessageWindow::Skip(skip.map_or(0, |Long(skip)| skip)), first),
            (first, Some(after), None, None, None) => (MessageWindow::After(place("after", &after)?), first),
            (None, None, last, Some(before), None) => (MessageWindow::Before(place("before", &before)?), last),
            (None, None, Some(last), None, None) => (MessageWindow::Newest, Some(last)),
            _ => return together("give first with after or skip, or last with before"),
        };
        Ok(MessagesOf { session_id, window, limit: natural("limit", limit)? })
    }
}

pub(super) fn messages(page: MessagePage, message: impl Fn(chatcore::model::Message) -> Message) -> MessageConnection {
    let MessagePage { messages, previous, next, total: count } = page;
    let mut connection = Connection::with_additional_fields(previous.is_some(), next.is_some(), total(count));
    let edge = |found: chatcore::model::Message| {
        async_graphql::connection::Edge::new(found.cursor().to_string(), message(found))
    };
    connection.edges.extend(messages.into_iter().map(edge));
    connection
}

pub(super) fn events(
    found: EventPage,
    event: impl Fn(Arc<EventView>) -> async_graphql::Result<SessionEvent>,
) -> async_graphql::Result<EventConnection> {
    let last = found.next().seq;
    let EventPage { after, events, head } = found;
    let fields = Head { head: Long(head.seq) };
    let mut connection = Connection::with_additional_fields(after.seq > 0, last < head.seq, fields);
    for view in events {
        let cursor = view.event.cursor().to_string();
        connection.edges.push(async_graphql::connection::Edge::new(cursor, event(view)?));
    }
    Ok(connection)
}
