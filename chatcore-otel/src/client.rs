//! The client for the collector.

use std::{env, fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use reqwest::redirect::Policy;
use tokio::runtime::{Builder, Runtime};

use crate::ExportError;

/// A client with a runtime of its own. The exporter's thread is no part of the runtime of the server, and waits.
pub(crate) struct Client {
    http: reqwest::Client,
    runtime: Option<Runtime>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(crate) fn new() -> Result<Self, ExportError> {
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|error| ExportError::Client(error.into()))?;
        let http = reqwest::Client::builder().redirect(Policy::none()).timeout(timeout(|name| env::var(name).ok()));
        let http = http.build().map_err(|error| ExportError::Client(error.into()))?;
        Ok(Self { http, runtime: Some(runtime) })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may be dropped by a task, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// How long a request may take: the default of the OpenTelemetry specification.
const TIME: Duration = Duration::from_secs(10);

/// The timeout in the environment, in milliseconds. The exporter uses it only for clients of its own.
fn timeout(variable: impl Fn(&str) -> Option<String>) -> Duration {
    let of = |name| variable(name)?.trim().parse().ok().map(Duration::from_millis);
    of("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT").or_else(|| of("OTEL_EXPORTER_OTLP_TIMEOUT")).unwrap_or(TIME)
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let Some(runtime) = &self.runtime else { return Err("the client has ended".into()) };
        runtime.block_on(async {
            let answer = self.http.execute(request.try_into()?).await?;
            let status = answer.status();
            let mut response = Response::new(answer.bytes().await?);
            *response.status_mut() = status;
            Ok(response)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::timeout;

    #[test]
    fn the_environment_gives_the_timeout_of_a_request() {
        let (traces, all) = ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
        let cases = [
            (&[(traces, "250"), (all, "500")][..], 250),
            (&[(all, " 500 ")], 500),
            (&[(traces, "soon"), (all, "500")], 500),
            (&[(all, "-1")], 10_000),
            (&[], 10_000),
        ];
        for (set, milliseconds) in cases {
            let variable =
                |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            assert_eq!(timeout(variable), Duration::from_millis(milliseconds), "{set:?}");
        }
    }
}
