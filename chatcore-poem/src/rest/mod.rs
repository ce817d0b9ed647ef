//! The REST operations.

mod messages;
mod participants;
mod sessions;

use chatcore::{Chat, Code, Error, Result, model::Page};
use poem_openapi::Tags;

pub(crate) use messages::Messages;
pub(crate) use participants::Participants;
pub(crate) use participants::unacceptable;
pub(crate) use sessions::Sessions;

#[derive(Tags)]
enum Group {
    /// Conversations.
    Sessions,
    /// Who is in them.
    Participants,
    /// What is said in them.
    Messages,
}

/// The operations, over one chat.
#[derive(Clone)]
struct Api {
    chat: Chat,
}

pub(crate) fn all(chat: &Chat) -> (Sessions, Participants, Messages) {
    let api = || Api { chat: chat.clone() };
    (Sessions(api()), Participants(api()), Messages(api()))
}

/// A number in a query that must not be negative.
fn natural(name: &str, value: Option<i64>) -> Result<Option<u64>> {
    let negative = |_| Error::invalid(name, Code::ValidationInvalidValue, "must not be negative");
    value.map(u64::try_from).transpose().map_err(negative)
}

fn page(skip: Option<i64>, limit: Option<i64>) -> Result<Page> {
    Ok(Page { skip: natural("skip", skip)?.unwrap_or(0), limit: natural("limit", limit)? })
}
