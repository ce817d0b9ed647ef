//! The administration of the whole system: users, roles, sessions, and an audit log.
//!
//! Every use case is a method of one cloneable handle, [`Administration`]. Each use case takes the calling [`Principal`] first, and needs
//! [`SystemRole::Admin`]: the host gives the role to a caller, or an administrator grants the role to an account. Other callers get
//! [`AdminRequired`](Error::AdminRequired). A participant's role in a session gives no right here.
//!
//! Each change by an administrator writes an entry of the audit log in the same commit. The audit log has no texts of messages and no
//! secrets.
//!
//! ```
//! use chatcore::admin::{AuditFilter, AuditOrigin, BanUser};
//! use chatcore::identity::SystemRole;
//! use chatcore::model::UserId;
//! use chatcore::{Administration, Chat, Principal};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let chat = Chat::in_memory();
//!     let admin = Administration::new(chat.clone());
//!     let root = Principal { system_role: SystemRole::Admin, ..Principal::new(UserId::new("root")?) };
//!     let mallory = Principal::new(UserId::new("mallory")?);
//!     chat.me(&mallory).await?;
//!
//!     let origin = AuditOrigin::default();
//!     admin.ban(&root, &origin, &mallory.user_id, BanUser { reason: "Spam".into(), until: None }).await?;
//!     assert!(chat.me(&mallory).await.is_err());
//!     let log = admin.audit(&root, &AuditFilter::default(), None, None).await?;
//!     assert_eq!(log.entries[0].record.reason.as_deref(), Some("Spam"));
//!     Ok(())
//! }
//! ```

mod audit;
#[cfg(feature = "backup")]
mod backup;
mod model;
mod notices;
mod picker;
mod reports;
mod roles;
mod sessions;
mod statistics;
mod stored;
mod users;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

pub use audit::AuditExport;
#[cfg(feature = "webhooks")]
pub(crate) use audit::{Deed, entry};
#[cfg(feature = "backup")]
pub use backup::BackupFile;
pub use model::{
    AuditEntry, AuditFilter, AuditOrigin, BanUser, ManagedSession, ManagedUser, ReportFilter, SessionFilter,
    SessionStatus, UserFilter, UserStatus,
};
#[cfg(feature = "accounts")]
pub(crate) use roles::resignation;
pub use statistics::{DayStatistics, Statistics};
pub use stored::*;

use crate::{
    Chat,
    error::{Code, Error, FieldError, Result},
    identity::{Principal, SystemRole},
    limits::Use,
    model::{UserId, visible::is_visible},
    store::{ChatStore, TypedKey as _, Write},
    trace::use_case,
};

/// The longest text that is searched for, in characters.
const SEARCH_CHARS: usize = 100;

/// The administration: one handle for every use case, cheap to clone.
///
/// All use cases fail with the one [`Error`]: [`AdminRequired`](Error::AdminRequired) for a caller without the system role, and the errors
/// of a token. If the future of a method is dropped, its use case is executed completely or not at all.
#[derive(Clone)]
pub struct Administration {
    inner: Arc<Inner>,
}

struct Inner {
    chat: Chat,
    /// Counts the open connections.
    connections: OnceLock<Box<dyn Fn() -> usize + Send + Sync>>,
    /// The user who is never banned.
    protected: OnceLock<UserId>,
    #[cfg(feature = "backup")]
    backups: backup::Backups,
}

impl fmt::Debug for Administration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administration").finish_non_exhaustive()
    }
}

impl Administration {
    /// The administration of a chat. From now on the chat counts for the [`statistics`](Self::statistics). If several processes serve one
    /// store, each process creates an administration.
    #[must_use]
    pub fn new(chat: Chat) -> Self {
        chat.begin_counting();
        Self {
            inner: Arc::new(Inner {
                chat,
                connections: OnceLock::new(),
                protected: OnceLock::new(),
                #[cfg(feature = "backup")]
                backups: backup::Backups::default(),
            }),
        }
    }

    /// The administered chat.
    #[must_use]
    pub fn chat(&self) -> &Chat {
        &self.inner.chat
    }

    /// Protects this user, the operator of the system, from bans: an administrator could lock the operator out. Only the first call has an
    /// effect.
    pub fn protect(&self, user: UserId) {
        let _ = self.inner.protected.set(user);
    }

    fn store(&self) -> &Arc<dyn ChatStore> {
        self.inner.chat.store()
    }

    /// Admits only administrators, for pages that a host shows to administrators alone. The call counts as a use case.
    ///
    /// # Errors
    /// [`AdminRequired`](Error::AdminRequired).
    pub async fn admit(&self, principal: &Principal) -> Result<()> {
        use_case!("admin.admit", self.enter(principal))
    }

    async fn enter(&self, principal: &Principal) -> Result<()> {
        enter(&self.inner.chat, principal).await
    }

    async fn authority(&self, principal: &Principal) -> Result<Vec<Write>> {
        authority(&self.inner.chat, principal).await
    }

    /// The reason that an administrator gives, where there is one.
    fn reason(&self, reason: Option<String>) -> Result<Option<String>> {
        let max = self.inner.chat.limits().description_chars;
        match reason {
            Some(reason) if !is_visible(&reason) || reason.chars().nth(max).is_some() => {
                let message = format!("1 to {max} characters");
                Err(Error::Invalid(vec![FieldError::new("reason", Code::ValidationInvalidValue, message)]))
            }
            reason => Ok(reason),
        }
    }
}

/// Every use case for administrators begins here: it refuses a caller whose token or standing forbids it, who is too fast, or who has no system
/// role.
pub(crate) async fn enter(chat: &Chat, principal: &Principal) -> Result<()> {
    chat.enter(principal, Use::Request).await?;
    let has_role = match principal.system_role {
        SystemRole::Admin => true,
        SystemRole::User => roles::administrators(chat).await?.value.holds(&principal.user_id),
    };
    if !has_role {
        return Err(Error::AdminRequired);
    }
    chat.permit_administration(principal).await
}

/// The writes that make a change fail where the caller has lost the authority for it before the commit: by a ban, by the end of the login, or
/// by the end of the role. It reads the standing and the role anew.
///
/// # Errors
/// Those of a caller without the authority.
pub(crate) async fn authority(chat: &Chat, principal: &Principal) -> Result<Vec<Write>> {
    let mut holds = vec![chat.hold(principal, &principal.user_id, true).await?];
    if principal.system_role == SystemRole::User {
        let known = roles::administrators(chat).await?;
        let version = known.version.filter(|_| known.value.holds(&principal.user_id)).ok_or(Error::AdminRequired)?;
        holds.push(Administrators::all().hold(version));
    }
    Ok(holds)
}

/// A text to search for, in a form in which the case of letters makes no difference.
fn wanted(search: Option<&str>) -> Result<Option<String>> {
    let Some(search) = search else { return Ok(None) };
    let search = search.trim();
    if search.is_empty() || search.chars().nth(SEARCH_CHARS).is_some() {
        let message = format!("1 to {SEARCH_CHARS} characters");
        return Err(Error::invalid("search", Code::ValidationInvalidValue, message));
    }
    Ok(Some(search.to_lowercase()))
}

/// Whether one of the texts contains what is wanted.
fn contains<'a>(wanted: Option<&str>, texts: impl IntoIterator<Item = &'a str>) -> bool {
    wanted.is_none_or(|wanted| texts.into_iter().any(|text| text.to_lowercase().contains(wanted)))
}
