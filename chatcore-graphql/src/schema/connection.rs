//! Connections and cursors, as Relay has them (Relay's "GraphQL Cursor Connections Specification").

use std::sync::Arc;

use async_graphql::{
    OutputType, SimpleObject,
    connection::{Connection, ConnectionNameType, EdgeNameType, EmptyFields},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chatcore::{
    Chat, Code, Error, Result,
    chat::{EventPage, EventView, MessagesOf, ParticipantsOf},
    model::{Bound, InvalidId, MessagePage, MessageWindow, Page, Participant, SessionId},
};

use super::{
    event::SessionEvent,
    message::Message,
    participant::Participant as ParticipantNode,
    scalar::{Long, natural},
};

/// How many entries a list is counted with for the complexity of a query.
pub(super) fn listed(first: Option<i32>, last: Option<i32>, each: usize) -> usize {
    let count = first.or(last).map_or(50, |count| usize::try_from(count).unwrap_or(0));
    count.saturating_mul(each).saturating_add(1)
}

/// How many there are in all.
#[derive(SimpleObject)]
pub(super) struct Total {
    /// How many there are in all.
    total_count: Long,
}

/// The end of a log.
#[derive(SimpleObject)]
pub(super) struct Head {
    /// The last position of the log: with the last event at it there are no more.
    head: Long,
}

/// Names of a connection of nodes that another one has, too.
pub(super) struct PublicSessions;

impl ConnectionNameType for PublicSessions {
    fn type_name<T: OutputType>() -> String {
        "PublicSessionConnection".to_owned()
    }
}

impl EdgeNameType for PublicSessions {
    fn type_name<T: OutputType>() -> String {
        "PublicSessionEdge".to_owned()
    }
}

/// Names of the connection of events, whose nodes are an interface.
pub(super) struct Events;

impl ConnectionNameType for Events {
    fn type_name<T: OutputType>() -> String {
        "EventConnection".to_owned()
    }
}

impl EdgeNameType for Events {
    fn type_name<T: OutputType>() -> String {
        "EventEdge".to_owned()
    }
}

pub(super) type SessionConnection = Connection<String, super::session::Session>;
pub(super) type PublicSessionConnection =
    Connection<String, super::session::Session, Total, EmptyFields, PublicSessions, PublicSessions>;
pub(super) type ParticipantConnection = Connection<String, ParticipantNode>;
pub(super) type MessageConnection = Connection<String, Message, Total>;
pub(super) type EventConnection = Connection<String, SessionEvent, Head, EmptyFields, Events, Events>;

/// The cursor of the entry with so many before it.
fn offset_cursor(offset: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("offset:{offset}"))
}

fn bad_cursor(name: &str, expected: &str) -> Error {
    Error::malformed(name, expected)
}

/// The page of a list behind a cursor.
pub(super) fn page(first: Option<i32>, after: Option<&str>) -> Result<Page> {
    let offset = |cursor: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        std::str::from_utf8(&bytes).ok()?.strip_prefix("offset:")?.parse::<u64>().ok()
    };
    let skip = match after {
        None => 0,
        Some(cursor) => {
            let offset = offset(cursor).ok_or_else(|| bad_cursor("after", "a cursor as the server gave it out"))?;
            offset.saturating_add(1)
        }
    };
    Ok(Page { skip, limit: natural("limit", first)? })
}

/// Entries of a list as a connection. Whether there are more is known when the page is full.
pub(super) fn offsets<N, C, M, E>(
    nodes: Vec<N>,
    page: Page,
    fields: C,
    more: bool,
) -> Connection<String, N, C, EmptyFields, M, E>
where
    N: OutputType,
    C: async_graphql::ObjectType,
    M: ConnectionNameType,
    E: EdgeNameType,
{
    let mut connection = Connection::with_additional_fields(page.skip > 0, more, fields);
    connection.edges.extend(
        (page.skip..)
            .zip(nodes)
            .map(|(offset, node)| async_graphql::connection::Edge::new(offset_cursor(offset), node)),
    );
    connection
}

/// Whether a page is as long as it may be.
pub(super) fn full(chat: &Chat, page: Page, count: usize) -> bool {
    count as u64 == page.limit.unwrap_or(u64::from(chat.limits().page_default))
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
    let edge =
        |found: chatcore::model::Message| async_graphql::connection::Edge::new(found.seq.to_string(), message(found));
    connection.edges.extend(messages.into_iter().map(edge));
    connection
}

pub(super) fn participants(
    found: Vec<Participant>,
    asked: ParticipantsOf,
    chat_is_full: bool,
) -> ParticipantConnection {
    let nodes = found.into_iter().map(ParticipantNode).collect();
    offsets(nodes, asked.page, EmptyFields, chat_is_full)
}

pub(super) fn events(
    found: EventPage,
    after: u64,
    event: impl Fn(Arc<EventView>) -> async_graphql::Result<SessionEvent>,
) -> async_graphql::Result<EventConnection> {
    let EventPage { events, head } = found;
    let last = events.last().map_or(after, |view| view.event.seq);
    let mut connection = Connection::with_additional_fields(after > 0, last < head, Head { head: Long(head) });
    for view in events {
        let cursor = view.event.seq.to_string();
        connection.edges.push(async_graphql::connection::Edge::new(cursor, event(view)?));
    }
    Ok(connection)
}
