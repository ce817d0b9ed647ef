//! Counting requests by the operations that they name.

use std::thread;

use chatcore::metrics::Requests;
use chatcore_http::OperationName;
use poem::Response;
use poem_openapi::OperationId;
use serde_json::Value;

/// The request that opens the WebSocket, which is not in the OpenAPI document.
pub(crate) const OPEN_SOCKET: OperationName = OperationName("openSocket");

/// What a request asked for.
pub(crate) enum Asked {
    Operation(Option<&'static str>),
    /// It was counted further inside.
    Counted,
}

/// The mark of a response that was counted.
#[derive(Clone, Copy)]
struct Counted;

impl Asked {
    pub(crate) fn of(output: &thread::Result<poem::Result<Response>>) -> Self {
        let (id, name) = match output {
            Ok(Ok(response)) if response.data::<Counted>().is_some() => return Self::Counted,
            Ok(Ok(response)) => (response.data::<OperationId>(), response.data::<OperationName>()),
            Ok(Err(error)) => (error.data::<OperationId>(), error.data::<OperationName>()),
            Err(_) => (None, None),
        };
        Self::Operation(id.map(|OperationId(id)| *id).or_else(|| name.map(|OperationName(name)| *name)))
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
    let OperationName(socket) = OPEN_SOCKET;
    Requests::new("http", ids.chain([socket, "graphql"]).map(str::to_owned))
}

/// The counters of the events of frames.
pub(crate) fn frames() -> Requests {
    Requests::new("websocket", crate::ws::events().map(str::to_owned))
}
