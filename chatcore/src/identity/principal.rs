//! The caller of a use case.

use chrono::{DateTime, SubsecRound, Utc};

use crate::model::{Profile, UserId};

/// What somebody is in the whole system, apart from any session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SystemRole {
    /// Anybody.
    #[default]
    User,
    /// Runs the system.
    Admin,
}

/// Who is calling: the first argument of every use case. A frontend makes one from a token; a program that embeds the
/// chat and knows its users makes one with [`Principal::new`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub user_id: UserId,
    /// A short handle to show.
    pub username: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// An address of a picture.
    pub picture: Option<String>,
    /// What they are in the whole system.
    pub system_role: SystemRole,
    /// Which login this is, where the host tells them apart.
    pub login_id: Option<String>,
    /// As of when the rest holds; the profile is updated from newer ones only.
    pub issued_at: DateTime<Utc>,
    /// When this ends: use cases are refused and streams end from then on. `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Principal {
    /// A user of whom the host vouches, as of now and without an end.
    #[must_use]
    pub fn new(user_id: UserId) -> Self {
        Self {
            user_id,
            username: None,
            name: None,
            email: None,
            picture: None,
            system_role: SystemRole::User,
            login_id: None,
            issued_at: Utc::now(),
            expires_at: None,
        }
    }

    /// The same with a name to show.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The profile that these claims make; texts are trimmed, freed of control characters, and cut to `max_chars`.
    #[must_use]
    pub(crate) fn profile(&self, max_chars: usize) -> Profile {
        let clean = |text: &Option<String>| {
            let text: String = text.as_deref()?.chars().filter(|c| !c.is_control()).collect();
            let text: String = text.trim().chars().take(max_chars).collect();
            (!text.is_empty()).then_some(text)
        };
        let username = clean(&self.username).unwrap_or_else(|| self.user_id.as_str().to_owned());
        let name = clean(&self.name).unwrap_or_else(|| username.clone());
        Profile {
            user_id: self.user_id.clone(),
            username,
            name,
            email: clean(&self.email),
            picture: clean(&self.picture),
            updated_at: self.issued_at.trunc_subsecs(6),
        }
    }
}
