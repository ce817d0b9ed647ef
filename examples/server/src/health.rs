//! Asks a server whether it is ready, for health checks of containers.

use std::time::Duration;

use crate::{
    admin::client,
    config::{Config, Failure},
    output::Output,
};

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Fails where the server is not ready.
pub(crate) fn ask(config: &Config, server: Option<String>) -> Result<(), Failure> {
    let is_named = server.is_some();
    let scheme = if config.tls_cert.is_some() { "https" } else { "http" };
    let server = server.unwrap_or_else(|| client::address(config.listen).replacen("http", scheme, 1));
    let url = format!("{}/ready", server.trim_end_matches('/'));
    // The server's own address is not the name in its certificate, and the question holds no secret.
    let client = reqwest::Client::builder().timeout(PATIENCE).danger_accept_invalid_certs(!is_named);
    // A proxy of the environment is for the outside.
    let client = if is_named { client } else { client.no_proxy() }.build()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, text) = runtime.block_on(async {
        let response = client.get(&url).send().await?;
        Ok::<_, Failure>((response.status(), response.text().await?))
    })?;
    if !status.is_success() {
        return Err(format!("{url} answers {status}: {text}").into());
    }
    Output::print(&text);
    Ok(())
}
