//! Counting requests: each field of a root type is one, and a document that is not executed is one.

use async_graphql::{
    Name, PathSegment, Response, ServerError, Value,
    parser::types::{DocumentOperations, ExecutableDocument, Selection},
};
use chatcore::{Code, metrics::Requests};

/// What an operation asks for of its root type.
pub(super) struct Asked {
    requests: Requests,
    /// The keys in the answer, and the names of the fields.
    fields: Vec<(Name, Name)>,
}

impl Asked {
    /// The fields of a document that was planned.
    pub(super) fn of(requests: &Requests, document: &ExecutableDocument) -> Self {
        let items = match &document.operations {
            DocumentOperations::Single(operation) => operation.node.selection_set.node.items.as_slice(),
            DocumentOperations::Multiple(_) => &[],
        };
        let fields = items.iter().filter_map(|item| match &item.node {
            // Of these, nothing is asked of the chat.
            Selection::Field(field) if field.node.name.node == "__typename" => None,
            Selection::Field(field) => Some((field.node.response_key().node.clone(), field.node.name.node.clone())),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => None,
        });
        Self { requests: requests.clone(), fields: fields.collect() }
    }

    /// Counts the fields by what became of each.
    pub(super) fn count(&self, response: &Response) {
        for (key, name) in &self.fields {
            let is_of_field = |error: &&ServerError| error.path.first().is_none_or(|first| is_key(first, key));
            let error = response.errors.iter().find(is_of_field);
            self.requests.count(Some(name), error.map_or(200, status));
        }
    }
}

fn is_key(segment: &PathSegment, key: &Name) -> bool {
    matches!(segment, PathSegment::Field(field) if field == key.as_str())
}

/// Counts a document that is not executed.
pub(super) fn refused(requests: &Requests, errors: &[ServerError]) {
    requests.count(None, errors.first().map_or(500, status));
}

/// The status that the code of an error has over HTTP.
fn status(error: &ServerError) -> u16 {
    let code = error.extensions.as_ref().and_then(|extensions| match extensions.get("code")? {
        Value::String(code) => Some(code.as_str()),
        _ => None,
    });
    let known = |code: &str| Code::ALL.iter().find(|known| known.as_str() == code).map(|known| known.status());
    // Other codes are of the host's policy.
    code.map_or(500, |code| known(code).unwrap_or(403))
}
