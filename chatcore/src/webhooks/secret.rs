//! Secrets, signatures and ids of deliveries, as Standard Webhooks describes them.

use std::fmt;

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::{TryRng as _, rngs::SysRng};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::{
    error::{Error, Result},
    model::{Seq, SessionId, WebhookId},
};

/// What every secret begins with.
const PREFIX: &str = "whsec_";

/// Random bytes of a secret.
const SECRET_BYTES: usize = 32;

/// The secret of a webhook: `whsec_` and the base64 of random bytes. The debug form does not show the text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookSecret(String);

impl WebhookSecret {
    /// A new secret.
    pub(super) fn random() -> Result<Self> {
        let mut bytes = [0; SECRET_BYTES];
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| {
            tracing::error!(%error, "the operating system gives no random bytes");
            Error::Internal
        })?;
        Ok(Self(format!("{PREFIX}{}", STANDARD.encode(bytes))))
    }

    /// The text, for the owner of the webhook.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The signature of a delivery.
    fn signature(&self, id: &str, timestamp: i64, body: &[u8]) -> Result<String> {
        let key = self.0.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok()).ok_or(Error::Internal)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| Error::Internal)?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// The signatures by each of the secrets, with a space between them.
pub(super) fn signatures<'a>(
    secrets: impl Iterator<Item = &'a WebhookSecret>,
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> Result<String> {
    let signatures: Result<Vec<_>> = secrets.map(|secret| secret.signature(id, timestamp, body)).collect();
    Ok(signatures?.join(" "))
}

/// The id of a delivery: the same in each attempt and in each process, since it is made of what is delivered, and where.
pub(super) fn delivery_id(webhook: WebhookId, session: SessionId, seq: Seq) -> String {
    let bytes = [webhook.0.as_bytes(), session.0.as_bytes(), seq.to_be_bytes().as_slice()].concat();
    format!("evt_{}", URL_SAFE_NO_PAD.encode(bytes))
}
