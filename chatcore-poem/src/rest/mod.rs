//! The REST operations.

mod admin;
#[cfg(feature = "accounts")]
mod auth;
#[cfg(feature = "avatars")]
mod avatars;
#[cfg(feature = "backup")]
mod backup;
mod blocks;
mod bots;
mod directs;
mod event_stream;
mod events;
mod forwards;
mod held;
mod incoming;
mod invites;
mod join_requests;
mod later;
mod links;
mod mentions;
mod messages;
mod participants;
mod presence;
mod reactions;
mod reading;
mod receipts;
mod reports;
mod sanctions;
#[cfg(feature = "webhooks")]
mod server_webhooks;
mod sessions;
mod streamed;
mod threads;
#[cfg(feature = "accounts")]
mod users;
#[cfg(feature = "webhooks")]
mod webhooks;

use std::fmt::Display;

use chatcore::{
    Chat, Code, Error, Result,
    model::{ListPage, Page},
};
use chatcore_http::Sockets;
use poem::Request;
use poem_openapi::Tags;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::reply::Paged;
use links::Links;

pub(crate) use admin::Admin;
#[cfg(feature = "avatars")]
pub(crate) use avatars::Avatars;
#[cfg(feature = "backup")]
pub(crate) use backup::Backups;
pub(crate) use blocks::Blocks;
pub(crate) use bots::Bots;
pub(crate) use directs::Directs;
pub(crate) use events::Events;
pub(crate) use forwards::Forwards;
pub(crate) use held::HeldMessages;
pub(crate) use incoming::Incoming;
pub(crate) use invites::Invites;
pub(crate) use join_requests::JoinRequests;
pub(crate) use later::Later;
pub(crate) use mentions::Mentions;
pub(crate) use messages::Messages;
pub(crate) use participants::Participants;
pub(crate) use presence::Presences;
pub(crate) use reactions::Reactions;
pub(crate) use reading::Reading;
pub(crate) use receipts::Receipts;
pub(crate) use reports::Reports;
pub(crate) use sanctions::Sanctions;
#[cfg(feature = "webhooks")]
pub(crate) use server_webhooks::ServerHooks;
pub(crate) use sessions::Sessions;
pub(crate) use streamed::Streamed;
pub(crate) use threads::Threads;
#[cfg(feature = "webhooks")]
pub(crate) use webhooks::Hooks;
#[cfg(feature = "accounts")]
pub(crate) use {auth::Auth, users::Users};

const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

#[derive(Tags)]
enum Group {
    /// Conversations.
    Sessions,
    /// The users in sessions.
    Participants,
    /// The messages in sessions.
    Messages,
    /// Users that are programs, and their commands.
    Bots,
    /// Reports and the moderation of sessions.
    Moderation,
    /// The presence of users.
    Presence,
    /// The events of sessions.
    Events,
    /// Messages that other programs post.
    #[oai(rename = "Incoming webhooks")]
    Incoming,
}

/// A tag of its own type: a document has all tags of a type.
#[cfg(feature = "accounts")]
#[derive(Tags)]
enum AccountGroup {
    /// Registration and logins.
    Accounts,
    /// The caller's account, and other users.
    Users,
}

#[cfg(feature = "webhooks")]
#[derive(Tags)]
enum WebhookGroup {
    /// Events, sent to other systems.
    Webhooks,
}

#[derive(Tags)]
enum AdminGroup {
    /// Administration of the whole system.
    Administration,
}

/// The operations, over one chat.
#[derive(Clone)]
struct Api {
    chat: Chat,
    sockets: Sockets,
}

/// The operations on the chat.
pub(crate) type All = (
    Sessions,
    (Reading, Receipts),
    Participants,
    // A tuple has no more than sixteen parts.
    (Sanctions, Reports),
    (Invites, Incoming),
    JoinRequests,
    Directs,
    (Blocks, Bots),
    (Messages, Streamed),
    Threads,
    Mentions,
    Forwards,
    Reactions,
    (Later, HeldMessages),
    Presences,
    Events,
);

pub(crate) fn all(chat: &Chat, sockets: &Sockets) -> All {
    let api = || Api { chat: chat.clone(), sockets: sockets.clone() };
    (
        Sessions(api()),
        (Reading(api()), Receipts(api())),
        Participants(api()),
        (Sanctions(api()), Reports(api())),
        (Invites(api()), Incoming(api())),
        JoinRequests(api()),
        Directs(api()),
        (Blocks(api()), Bots(api())),
        (Messages(api()), Streamed(api())),
        Threads(api()),
        Mentions(api()),
        Forwards(api()),
        Reactions(api()),
        (Later(api()), HeldMessages(api())),
        Presences(api()),
        Events(api()),
    )
}

/// A value of a query that is one of a few names.
fn named<T: DeserializeOwned>(name: &str, value: Option<String>) -> Result<Option<T>> {
    let unknown = |_| Error::invalid(name, Code::ValidationInvalidValue, "there is no such value");
    value.map(|value| serde_json::from_value(Value::String(value)).map_err(unknown)).transpose()
}

/// A number in a query that must not be negative.
fn natural(name: &str, value: Option<i64>) -> Result<Option<u64>> {
    let negative = |_| Error::invalid(name, Code::ValidationInvalidValue, "must not be negative");
    value.map(u64::try_from).transpose().map_err(negative)
}

/// A position in a path.
#[cfg(feature = "webhooks")]
fn position(name: &str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Error::invalid(name, Code::ValidationInvalidValue, "must not be negative"))
}

/// The value of a header that may be there once. To an extractor, one that is no text, or the second of two, is as good as
/// none.
fn one_header<'a>(request: &'a Request, name: &str) -> Result<Option<&'a str>> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(_), _) => Err(Error::malformed(name, "one header of visible ASCII characters")),
    }
}

/// The key of a retry. It is read here and not by the extractor: a retry whose key is passed over would be carried out twice.
fn idempotency_key(request: &Request) -> Result<Option<String>> {
    Ok(one_header(request, IDEMPOTENCY_KEY)?.map(str::to_owned))
}

/// Refuses a key that would have no effect, so that no client relies on it.
fn no_idempotency_key(request: &Request) -> Result<()> {
    if request.headers().contains_key(IDEMPOTENCY_KEY) {
        let message = "not taken here: a retry has no second effect";
        return Err(Error::invalid(IDEMPOTENCY_KEY, Code::ValidationInvalidValue, message));
    }
    Ok(())
}

/// A page of a list, with a link to the next one where there is one.
fn listed<T>(page: ListPage<T, impl Display>, request: &Request) -> Paged<Vec<T>> {
    let link = Links::of(request).with("next", "after", page.next.as_ref()).value();
    Paged::linked(page.entries, link)
}

fn page<K>(after: Option<K>, skip: Option<i64>, limit: Option<i64>) -> Result<Page<K>> {
    Ok(Page { after, skip: natural("skip", skip)?.unwrap_or(0), limit: natural("limit", limit)? })
}
