//! The client for the collector.

use std::fmt;

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
        // The timeout of each request is that of the environment, which the exporter puts into the request.
        let http = reqwest::Client::builder().redirect(Policy::none()).timeout(TIME);
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

/// How long a request may take.
const TIME: std::time::Duration = std::time::Duration::from_secs(10);

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
