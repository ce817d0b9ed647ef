//! Counting requests by the operations that they name.

use chatcore::metrics::Requests;
use chatcore_http::OperationName;
use poem::Response;
use serde_json::Value;

use crate::ws;

/// What a request asked for.
pub(crate) enum Asked<'a> {
    Operation(Option<&'a str>),
    /// It was counted further inside.
    Counted,
}

/// The mark of a response that was counted.
#[derive(Clone, Copy)]
struct Counted;

impl<'a> Asked<'a> {
    /// What a request asked for by the name that is known before it is carried out, or by the name in its response.
    pub(crate) fn of(name: Option<&'a str>, response: &Response) -> Self {
        if response.data::<Counted>().is_some() {
            return Self::Counted;
        }
        Self::Operation(name.or_else(|| response.data().map(|OperationName(name)| *name)))
    }

    pub(crate) fn count(self, response: &mut Response, requests: &Requests) {
        if let Self::Operation(operation) = self {
            requests.count(operation, response.status().as_u16());
        }
        response.set_data(Counted);
    }
}

/// The counters of the operations of an OpenAPI document, and of what stands beside them.
pub(crate) fn requests(document: &Value) -> Requests {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    let operations = paths.flat_map(|(_, operations)| operations.as_object().into_iter().flatten());
    let ids = operations.filter_map(|(_, operation)| operation.get("operationId")?.as_str());
    Requests::new("http", ids.chain([ws::OPEN, "graphql"]).map(str::to_owned))
}

/// The counters of the events of frames.
pub(crate) fn frames() -> Requests {
    Requests::new("websocket", ws::events().map(str::to_owned))
}
