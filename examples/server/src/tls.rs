//! The certificate of the server.

use std::{path::Path, sync::Arc, time::Duration};

use chatcore_poem::Tls;
use chrono::{DateTime, TimeDelta, Utc};
use rustls::{
    CertificateError, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use tokio::sync::Notify;

use crate::{
    config::{Config, Failure},
    exposure,
};

/// How often the files are looked at.
const LOOKS: Duration = Duration::from_secs(5);

/// How long before its end a certificate is told of.
const SOON: TimeDelta = TimeDelta::days(14);

/// Times before and at the end of the life of any certificate, in seconds of Unix. One that ends at the last of the year 9999 has no end (RFC 5280, section
/// 4.1.2.5).
const FIRST: u64 = 0;
const LAST: u64 = 253_402_300_799;

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
    // A client may accept it all the same, and a new one counts without a new start.
    match validity(config, Utc::now()) {
        Ok(Some(Validity::EndsSoon(warning))) => tracing::warn!("{warning}"),
        Ok(_) => {}
        Err(error) => tracing::warn!("{error}"),
    }
    let follower = tls.clone();
    tokio::spawn(async move { follower.follow(LOOKS, &reload).await });
    Ok(Some(tls))
}

/// What a time says of a certificate that is good at that time, in words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Validity {
    Good(String),
    EndsSoon(String),
}

/// What a time says of the certificate of the settings and of its chain; `None` where there is no certificate.
///
/// # Errors
/// A certificate of the chain is not good at that time, or is no certificate.
pub(crate) fn validity(config: &Config, now: DateTime<Utc>) -> Result<Option<Validity>, Failure> {
    config.tls_cert.as_deref().map(|file| validity_of(file, now)).transpose()
}

fn validity_of(file: &Path, now: DateTime<Utc>) -> Result<Validity, Failure> {
    let shown = file.display();
    let mut first_end = DateTime::<Utc>::MAX_UTC;
    for certificate in CertificateDer::pem_file_iter(file)? {
        let certificate = certificate?;
        let certificate = ParsedCertificate::try_from(&certificate)?;
        if let Some(CertificateError::NotValidYetContext { not_before, .. }) = refusal(&certificate, FIRST)
            && time(not_before) > now
        {
            let (begin, advice) = (time(not_before), "take one that is good now, or correct the clock");
            return Err(format!("a certificate in {shown} begins at {begin}; {advice}").into());
        }
        if let Some(CertificateError::ExpiredContext { not_after, .. }) = refusal(&certificate, LAST) {
            first_end = first_end.min(time(not_after));
        }
    }
    let left = first_end.signed_duration_since(now);
    if left < TimeDelta::zero() {
        return Err(format!("a certificate in {shown} ended at {first_end}; renew it").into());
    }
    let days = left.num_days();
    Ok(if left < SOON {
        Validity::EndsSoon(format!("a certificate in {shown} ends at {first_end}, in {days} days; renew it"))
    } else if first_end == DateTime::<Utc>::MAX_UTC {
        Validity::Good(format!("the certificate in {shown} has no end"))
    } else {
        Validity::Good(format!("the certificate in {shown} is good until {first_end}, for {days} days"))
    })
}

/// Why a client that trusts nobody refuses a certificate at a time, in seconds of Unix: for its time first, and only then for the missing trust.
fn refusal(certificate: &ParsedCertificate<'_>, at: u64) -> Option<CertificateError> {
    let at = UnixTime::since_unix_epoch(Duration::from_secs(at));
    match verify_server_cert_signed_by_trust_anchor(certificate, &RootCertStore::empty(), &[], at, &[]) {
        Err(rustls::Error::InvalidCertificate(refusal)) => Some(refusal),
        _ => None,
    }
}

fn time(time: UnixTime) -> DateTime<Utc> {
    i64::try_from(time.as_secs()).ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).unwrap_or_default()
}
