//! The certificate of the server.

use std::{sync::Arc, time::Duration};

use chatcore_poem::Tls;
use tokio::sync::Notify;

use crate::{
    config::{Config, Failure},
    exposure,
};

/// How often the files are looked at.
const LOOKS: Duration = Duration::from_secs(5);

/// The bits of a key's mode that let everybody read it. A group may: servers of one machine share certificates that way.
const EVERYBODY: u32 = 0o007;

/// The certificate of the settings, with what is to be told of how its key is kept.
pub(crate) fn load(config: &Config) -> Result<Option<(Tls, Option<String>)>, Failure> {
    let (Some(certificate), Some(key)) = (&config.tls_cert, &config.tls_key) else { return Ok(None) };
    let tls = Tls::load(certificate, key).map_err(|error| format!("--tls-cert and --tls-key: {error}"))?;
    Ok(Some((tls, exposure::of("private key", key, EVERYBODY)?)))
}

/// Loads it, and follows its files from now on.
pub(crate) fn followed(config: &Config, reload: Arc<Notify>) -> Result<Option<Tls>, Failure> {
    let Some((tls, warning)) = load(config)? else { return Ok(None) };
    if let Some(warning) = warning {
        tracing::warn!("{warning}");
    }
    let follower = tls.clone();
    tokio::spawn(async move { follower.follow(LOOKS, &reload).await });
    Ok(Some(tls))
}
