//! Health checks of the process.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use chatcore::{Chat, Error, Result};
use poem::{Endpoint, EndpointExt as _, Response, Route, endpoint::make, get};
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{ChatFrontend, MountError, Problems, problem::ApiError, routes::Routes};

/// How long an answer of the second path holds, so that nobody can keep the store busy with it.
const HOLDS: Duration = Duration::from_secs(1);

type Check = Arc<dyn Fn() -> std::result::Result<(), String> + Send + Sync>;
type Note = (String, Arc<dyn Fn() -> String + Send + Sync>);

/// Two paths for monitoring: load balancers, service managers, Kubernetes. The paths take GET, need no token and count against no limit.
///
/// The liveness path answers 200 as long as the process answers at all. The readiness path answers 200 where the store can be read and each
/// check of the host succeeds, and otherwise 503 with `Retry-After`. The answer of the readiness path is cached for a second.
#[derive(Clone)]
pub struct Health {
    alive: String,
    ready: String,
    within: Duration,
    checks: Vec<Check>,
    ending: CancellationToken,
    notes: Vec<Note>,
}

impl Default for Health {
    /// `/health`, `/ready`, and two seconds.
    fn default() -> Self {
        let (alive, ready) = ("/health".to_owned(), "/ready".to_owned());
        let ending = CancellationToken::new();
        Self { alive, ready, within: Duration::from_secs(2), checks: Vec::new(), ending, notes: Vec::new() }
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alive, ready, within, checks, ending, notes } = self;
        let mut shown = f.debug_struct("Health");
        shown
            .field("alive", alive)
            .field("ready", ready)
            .field("within", within)
            .field("checks", &checks.len())
            .field("is_ending", &ending.is_cancelled())
            .field("notes", &notes.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .finish()
    }
}

impl Health {
    /// Sets the paths: the liveness path and the readiness path.
    #[must_use]
    pub fn at(self, alive: impl Into<String>, ready: impl Into<String>) -> Self {
        Self { alive: alive.into(), ready: ready.into(), ..self }
    }

    /// Sets the timeout for the answer of the store.
    #[must_use]
    pub fn within(self, within: Duration) -> Self {
        Self { within, ..self }
    }

    /// Adds a check of the host, which must not block. The text of a failure is logged, and not sent.
    #[must_use]
    pub fn check(mut self, check: impl Fn() -> std::result::Result<(), String> + Send + Sync + 'static) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// Sets the token of the shutdown: after the cancellation of the token the readiness path answers 503, without a cached answer.
    #[must_use]
    pub fn ending(self, ending: CancellationToken) -> Self {
        Self { ending, ..self }
    }

    /// Adds a field to the answer of the readiness path of a ready process: the name, and a function for the current value. The field is
    /// information for operators, and does not make a process unready. The function must not block. Every client can read the field.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, value: impl Fn() -> String + Send + Sync + 'static) -> Self {
        self.notes.push((name.into(), Arc::new(value)));
        self
    }

    fn ready_answer(&self) -> Response {
        let notes = self.notes.iter().map(|(name, value)| (name.clone(), value()));
        answer("ready", notes)
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
    /// Adds [`Health`]: its two paths, also in the OpenAPI document.
    #[must_use]
    pub fn with_health(self, health: Health) -> Self {
        Self { health: Some(health), ..self }.documented()
    }

    /// Adds the paths of [`Health`], where they are wanted.
    pub(crate) fn health_paths(&self, app: Route) -> std::result::Result<Route, MountError> {
        let Some(health) = &self.health else { return Ok(app) };
        let alive = make(|_| async { Ok::<_, poem::Error>(answer("alive", [].into_iter())) });
        let (chat, asked) = (self.state.chat.clone(), health.clone());
        let last = Arc::new(Mutex::new(None::<(Instant, Result<()>)>));
        let ending = health.ending.clone();
        let ready = make(move |_| {
            let (chat, asked, told, last) = (chat.clone(), asked.clone(), asked.clone(), Arc::clone(&last));
            let ending = ending.clone();
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
                let found = if ending.is_cancelled() { Err(Error::Unavailable) } else { found };
                found.map(|()| told.ready_answer()).map_err(|error| poem::Error::from(ApiError(error)))
            }
        });
        app.try_at(&health.alive, self.wrap_routine("getHealth", get(alive)))?
            .try_at(&health.ready, self.wrap_routine("getReadiness", get(ready)))
    }

    /// What stands before an endpoint that is asked all the time: its requests are logged at the level `debug`.
    fn wrap_routine<E: Endpoint + 'static>(
        &self,
        name: &'static str,
        endpoint: E,
    ) -> impl Endpoint<Output = Response> + 'static {
        let (routes, name) = (Arc::new(Routes::Get), Some(name));
        endpoint.with(Problems { routes, counts_strangers: false, name, is_routine: true, ..self.problems_below("") })
    }
}

fn answer(status: &str, notes: impl Iterator<Item = (String, String)>) -> Response {
    let fields = notes.map(|(name, value)| (name, Value::from(value)));
    let body: Map<String, Value> = std::iter::once(("status".to_owned(), status.into())).chain(fields).collect();
    let body = Value::Object(body).to_string();
    Response::builder().content_type("application/json").body(body)
}

/// The paths in the OpenAPI document.
pub(crate) fn paths(health: &Health) -> [(&str, Value); 2] {
    let ok = |status: &str, notes: &[Note]| {
        let own = ("status".to_owned(), json!({ "type": "string", "enum": [status] }));
        let notes = notes.iter().map(|(name, _)| (name.clone(), json!({ "type": "string" })));
        let properties: Map<String, Value> = std::iter::once(own).chain(notes).collect();
        let schema = json!({ "type": "object", "required": ["status"], "properties": properties });
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
        (&health.alive, operation("getHealth", "Tell whether the process lives", json!({ "200": ok("alive", &[]) }))),
        (
            &health.ready,
            operation(
                "getReadiness",
                "Tell whether the process can serve",
                json!({ "200": ok("ready", &health.notes), "503": unavailable }),
            ),
        ),
    ]
    .map(|(path, operation)| (path.as_str(), operation))
}
