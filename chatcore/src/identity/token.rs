//! What every verifier of tokens does in the same way.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, Header, Validation};

use super::{Principal, SystemRole, principal::LEEWAY, received::Received};
use crate::{
    error::{Error, Result},
    model::UserId,
};

/// The longest token that is looked at, in bytes.
pub(super) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The header of a token that may be an access token. Keys that a header brings or points to are never used (RFC 8725, section
/// 3.10).
pub(super) fn header(token: &str) -> Result<Header> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Error::TokenInvalid);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Error::TokenInvalid)?;
    let names_keys = header.jku.is_some() || header.jwk.is_some() || header.x5u.is_some() || header.x5c.is_some();
    if names_keys || header.crit.is_some() {
        return Err(Error::TokenInvalid);
    }
    // A refresh token, or a token for some other purpose, says so in its type (RFC 8725, section 3.11).
    if header.typ.as_deref().is_some_and(|typ| !is_access_token(typ)) {
        return Err(Error::TokenInvalid);
    }
    Ok(header)
}

/// Whether a type is one of an access token (RFC 9068, section 2.1).
fn is_access_token(typ: &str) -> bool {
    const PREFIX: &str = "application/";
    let has_prefix = typ.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let name = if has_prefix { typ.get(PREFIX.len()..).unwrap_or_default() } else { typ };
    ["JWT", "at+jwt"].iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The checks of tokens of one algorithm. The times are checked by [`principal`].
pub(super) fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["sub"]);
    // Times are checked here, with their fractions and with one leeway.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    // Without an audience of ours, tokens made for another service must not be taken.
    validation.validate_aud = true;
    validation
}

/// The caller of whom claims with a right signature tell. `prefix` stands before the subject in the user id.
pub(super) fn principal(received: Received, prefix: &str, now: DateTime<Utc>) -> Result<Principal> {
    let Received { sub, exp, nbf, iat, name, preferred_username, email, picture, sid, .. } = received;
    if nbf.is_some_and(|nbf| nbf.0 > now + LEEWAY) {
        return Err(Error::TokenInvalid);
    }
    let exp = exp.0;
    let last = exp.checked_add_signed(LEEWAY).unwrap_or(exp);
    if last <= now {
        return Err(Error::TokenExpired);
    }
    let user_id = UserId::new(format!("{prefix}{sub}")).map_err(|reason| {
        tracing::warn!(%reason, "a token is signed and names a user who cannot be accepted");
        Error::TokenInvalid
    })?;
    Ok(Principal {
        user_id,
        username: preferred_username,
        name,
        email,
        picture,
        system_role: SystemRole::User,
        issued_at: iat.map_or(DateTime::UNIX_EPOCH, |iat| iat.0),
        login_id: sid.and_then(|sid| sid.parse().ok()),
        // A stream ends when its token does. A token that is shown within the leeway is good until that is over, or
        // the use cases would refuse what was accepted here.
        expires_at: Some(if exp <= now { last } else { exp }),
        scope: None,
    })
}
