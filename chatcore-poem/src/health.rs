//! Whether the process lives, and whether it can serve.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use chatcore::{Chat, Error, Result};
use poem::{Response, Route, endpoint::make, get, http::header::CACHE_CONTROL};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::{ChatFrontend, MountError, problem::ApiError};

/// How long an answer of the second path holds, so that nobody can keep the store busy with it.
const HOLDS: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> std::result::Result<(), String> + Send + Sync>;

/// Two paths for those who watch over a process: load balancers, service managers, Kubernetes. They take GET, need no token and count against
/// no limit.
///
/// The first one answers 200 as long as the process answers at all. The second one answers 200 where the store can be read and each
/// check of the host succeeds, and otherwise 503 with `Retry-After`. Its answer holds for a second.
#[derive(Clone)]
pub struct Health {
    alive: String,
    ready: String,
    within: Duration,
    checks: Vec<Check>,
}

impl Default for Health {
    /// `/health`, `/ready`, and two seconds.
    fn default() -> Self {
        let (alive, ready) = ("/health".to_owned(), "/ready".to_owned());
        Self { alive, ready, within: Duration::from_secs(2), checks: Vec::new() }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alive, ready, within, checks } = self;
        let mut shown = f.debug_struct("Health");
        shown
            .field("alive", alive)
            .field("ready", ready)
            .field("within", within)
            .field("checks", &checks.len())
            .finish()
    }
}

impl Health {
    /// The same at other paths: the one that tells of life, and the one that tells whether the process can serve.
    #[must_use]
    pub fn at(self, alive: impl Into<String>, ready: impl Into<String>) -> Self {
        Self { alive: alive.into(), ready: ready.into(), ..self }
    }

    /// The same with another time within which the store must answer.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// The same with one more check of the host, which must not block. What it says is logged, and not sent.
    #[must_use]
    pub fn check(mut self, check: impl Fn() -> std::result::Result<(), String> + Send + Sync + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    async fn is_ready(&self, chat: &Chat) -> Result<()> {
        for check in &self.checks {
            if let Err(reason) = check() {
                tracing::warn!(reason, "not ready");
                return Err(Error::Unavailable);
            }
        }
        chat.ready(self.within).await
    }
}

impl ChatFrontend {
    /// The same with [`Health`]: its two paths, which the OpenAPI document contains, too.
    #[must_use]
    pub fn with_health(self, health: Health) -> Self {
        Self { health: Some(health), ..self }.documented()
    }

    /// Adds the paths of [`Health`], where they are wanted.
    pub(crate) fn health_paths(&self, app: Route) -> std::result::Result<Route, MountError> {
        let Some(health) = &self.health else { return Ok(app) };
        let alive = make(|_| async { Ok::<_, poem::Error>(named(answer("alive"), ALIVE)) });
        let (chat, asked) = (self.state.chat.clone(), health.clone());
        let last = Arc::new(Mutex::new(None::<(Instant, Result<()>)>));
        let ready = make(move |_| {
            let (chat, asked, last) = (chat.clone(), asked.clone(), Arc::clone(&last));
            // A task of its own: a client that goes away must not make the next one ask the store again.
            let found = tokio::spawn(async move {
                // Those who ask meanwhile wait for the same answer.
                let mut last = last.lock().await;
                let known = last.as_ref().filter(|(at, _)| at.elapsed() < HOLDS).map(|(_, known)| known.clone());
                match known {
                    Some(known) => known,
                    None => {
                        let found = asked.is_ready(&chat).await;
                        *last = Some((Instant::now(), found.clone()));
                        found
                    }
                }
            });
            async move {
                let found = found.await.unwrap_or(Err(Error::Internal));
                match found {
                    Ok(()) => Ok(named(answer("ready"), READY)),
                    Err(error) => {
                        #[cfg_attr(not(feature = "metrics"), allow(unused_mut, reason = "only its name is added"))]
                        let mut error = poem::Error::from(ApiError(error));
                        #[cfg(feature = "metrics")]
                        error.set_data(poem_openapi::OperationId(READY));
                        Err(error)
                    }
                }
            }
        });
        app.try_at(&health.alive, self.wrap_get(get(alive), false))?
            .try_at(&health.ready, self.wrap_get(get(ready), false))
    }
}

/// The operations' ids.
const ALIVE: &str = "getHealth";
const READY: &str = "getReadiness";

/// A response that tells by which operation it was given.
fn named(
    #[cfg_attr(not(feature = "metrics"), allow(unused_mut, reason = "only its name is added"))] mut response: Response,
    operation: &'static str,
) -> Response {
    #[cfg(feature = "metrics")]
    response.set_data(poem_openapi::OperationId(operation));
    #[cfg(not(feature = "metrics"))]
    let _ = operation;
    response
}

fn answer(status: &str) -> Response {
    let body = json!({ "status": status }).to_string();
    Response::builder().content_type("application/json").header(CACHE_CONTROL, "no-store").body(body)
}

/// The paths in the OpenAPI document.
pub(crate) fn paths(health: &Health) -> [(&str, Value); 2] {
    let ok = |status: &str| {
        let schema = json!({
            "type": "object", "required": ["status"], "properties": { "status": { "type": "string", "enum": [status] } }
        });
        json!({ "description": "Success", "content": { "application/json": { "schema": schema } } })
    };
    let unavailable = json!({
        "description": "Not ready: try again",
        "headers": { "Retry-After": { "description": "Seconds to wait", "schema": { "type": "integer", "format": "uint32" } } },
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    });
    let operation = |id: &str, summary: &str, responses: Value| {
        json!({ "servers": [{ "url": "/" }], "get": {
            "tags": ["Health"], "summary": summary, "operationId": id, "responses": responses
        } })
    };
    [
        (&health.alive, operation(ALIVE, "Tell whether the process lives", json!({ "200": ok("alive") }))),
        (
            &health.ready,
            operation(READY, "Tell whether the process can serve", json!({ "200": ok("ready"), "503": unavailable })),
        ),
    ]
    .map(|(path, operation)| (path.as_str(), operation))
}
