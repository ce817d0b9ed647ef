//! All errors, with stable codes, and the table of the transport forms of each code.

mod code;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use crate::{
    model::{Ban, InvalidId, ReportState, Seq, UserId},
    permission::Denial,
    store::StoreError,
};

pub use code::Code;

/// A result with the error of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of a use case. The text of an error says what to do, and never holds causes, paths or queries.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request needs a token and has none.
    #[error("authentication is required: show a token")]
    AuthRequired,
    /// The token is not acceptable.
    #[error("the token is not valid; get a new one")]
    TokenInvalid,
    /// The token has expired.
    #[error("the token has expired; get a new one")]
    TokenExpired,
    /// A wrong password, or an unknown user. The error does not distinguish the two cases.
    #[error("the user name, the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// The refresh token is unknown, expired or used.
    #[error("the refresh token is not valid; log in again")]
    RefreshTokenInvalid,
    /// The caller has no account here.
    #[error("there is no account of this user here")]
    AccountNotFound,
    /// The caller has no such login.
    #[error("there is no such login")]
    LoginNotFound,
    /// Another user has the user name, or a user name that looks the same.
    #[error("somebody has this user name or one that looks like it; choose another one")]
    UsernameTaken,
    /// Another account has the e-mail address.
    #[error("an account has this e-mail address; log in to it or use another address")]
    EmailTaken,
    /// The code from a mail is wrong, expired or used.
    #[error("the code is wrong, used or expired; ask for a new one")]
    CodeInvalid,
    /// The caller's account is banned.
    #[error("the account is banned")]
    AccountBanned(Box<Ban>),
    /// The caller's account was deleted.
    #[error("the account was deleted")]
    AccountDeleted,
    /// The caller has no system role.
    #[error("only an administrator of the system may do this")]
    AdminRequired,
    /// A backup is being taken. There is one at a time in a process.
    #[error("a backup is being taken; try again when it is done")]
    BackupRunning,
    /// The caller is the only administrator, and the change would remove the role.
    #[error("you are the only administrator; grant the role to somebody else first")]
    LastAdministrator,
    /// The user to add to a session is banned from the whole system, or deleted.
    #[error("the user's account is banned or deleted, so the user cannot come into a session")]
    UserBanned,
    /// Input that cannot be parsed.
    #[error("the request cannot be parsed")]
    Malformed(Vec<FieldError>),
    /// Input that is well-formed and not acceptable.
    #[error("the request is not acceptable")]
    Invalid(Vec<FieldError>),
    /// The permission engine denies the action.
    #[error("{0}")]
    Denied(#[from] Denial),
    /// No invite has the code, or the invite is expired, revoked or used up. The error does not distinguish the cases.
    #[error("the code is wrong, or the invite is no longer valid; ask for a new one")]
    InviteNotFound,
    /// The session has no such webhook, or no webhook has the token.
    #[error("there is no such webhook")]
    WebhookNotFound,
    /// The webhook has no such dead letter: a later attempt delivered the event, or the store evicted the dead letter.
    #[error("there is no such undelivered event; it may have been delivered")]
    DeadLetterNotFound,
    /// A join by this invite needs the approval of a user who manages the session.
    #[error("this invite needs an approval; ask to join instead")]
    ApprovalRequired,
    /// The user has no open request to join the session.
    #[error("there is no such request to join")]
    JoinRequestNotFound,
    /// The session has no such report that the caller may see.
    #[error("there is no such report")]
    ReportNotFound,
    /// Another user has changed the state of the report since the caller's revision, or has closed the report.
    #[error("the state of the report was changed meanwhile; fetch the report before a retry")]
    ReportConflict {
        /// The report's state now.
        state: ReportState,
        /// The report's revision now.
        revision: u64,
    },
    /// The user does not accept direct messages from the caller.
    #[error("this user takes no direct messages from you")]
    DirectRefused,
    /// No user has the id.
    #[error("there is no such user")]
    UserNotFound,
    /// No such message in a session that the caller may read.
    #[error("there is no such message")]
    MessageNotFound,
    /// No such scheduled message of the caller: it was sent, it was cancelled, or there never was one.
    #[error("there is no such scheduled message; it may have been sent")]
    ScheduledMessageNotFound,
    /// The host's message policy holds the message. It is sent when an owner or admin of the session approves it.
    #[error("the message waits for the approval of a moderator; do not send it again")]
    MessageHeld,
    /// No such message waits for approval in the session.
    #[error("there is no such message to approve; somebody may have answered already")]
    HeldMessageNotFound,
    /// The author of a held message may not send any more.
    #[error("the author of the message may not send any more; reject the message")]
    AuthorCannotSend,
    /// The caller has no draft in the session.
    #[error("you have no draft in this session")]
    DraftNotFound,
    /// No bot in the session has the command.
    #[error("no bot in this session has such a command")]
    CommandNotFound,
    /// Several bots in the session have the command, and the call names none of them.
    #[error("several bots in this session have this command; name the bot")]
    CommandAmbiguous {
        /// The bots, in the order of their ids.
        bots: Vec<UserId>,
    },
    /// The caller owns no such bot.
    #[error("you have no such bot")]
    BotNotFound,
    /// The bot has no such token: it was revoked, or there never was one.
    #[error("the bot has no such token")]
    BotTokenNotFound,
    /// Only a bot may do this.
    #[error("only a bot may do this, with a token of its own")]
    BotRequired,
    /// The caller's token does not allow this, whatever its user may do.
    #[error("the scope of the token does not allow this")]
    OutOfScope,
    /// The message was edited or deleted since the revision that the caller named.
    #[error("the message was changed meanwhile; fetch the message before a retry")]
    RevisionConflict {
        /// The message's revision now.
        current: u64,
    },
    /// The message is deleted and cannot be edited.
    #[error("the message was deleted")]
    MessageDeleted,
    /// The message is still streaming, and can be neither edited nor forwarded.
    #[error("the message is still being written; wait for its end")]
    MessageStreaming,
    /// The message takes no parts: the stream of the message has ended, or the message is no streamed message.
    #[error("the message takes no parts: its stream has ended, or it is not a streamed message")]
    MessageNotStreaming,
    /// The part does not begin at the end of the text of the streamed message, or differs from the text at the offset.
    #[error("the text of the message has another length; continue at the end of the text")]
    OffsetConflict {
        /// The length of the text now, in characters.
        current: u64,
    },
    /// An earlier request with another body used the client id.
    #[error("another message or session has this client id; use a new client id")]
    ClientIdReused,
    /// The log has no events after the position: the log was trimmed, ends earlier, or has another history after the restore of an older
    /// copy of the database.
    #[error(
        "the log does not continue after that position; fetch the session anew and continue after its cursor. A time is \
        written like 2026-01-01T00:00:00Z"
    )]
    Resync {
        /// The earliest position to continue after.
        oldest: Seq,
        /// The last position.
        head: Seq,
    },
    /// The request exceeds a limit that is not the limit of one field.
    #[error("{what} is over its limit of {limit}")]
    LimitExceeded {
        /// The limited quantity.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Too many requests.
    #[error("too many requests; try again in {retry_after} s")]
    RateLimited {
        /// Seconds to wait.
        retry_after: u64,
    },
    /// Too many connections at once.
    #[error("too many connections; close one first")]
    TooManyConnections,
    /// The host's [`Policy`](crate::chat::Policy) refuses the attempt.
    #[error("{}", .0.detail())]
    RefusedByHost(Refusal),
    /// A frontend refuses the request before any use case: a wrong method, media type, size or origin.
    #[error("{detail}")]
    Refused {
        /// The stable code.
        code: Code,
        /// The text for the client.
        detail: &'static str,
    },
    /// The service is busy, or the store is unavailable. Nothing was changed.
    #[error("the service is busy; nothing was changed, try again")]
    Unavailable,
    /// The outcome of the change is unknown.
    #[error("the outcome of the change is unknown; check the state before a retry")]
    OutcomeUnknown,
    /// An internal error. Nothing was changed.
    #[error("internal error; nothing was changed")]
    Internal,
}

/// The refusal of an attempt by the host's [`Policy`](crate::chat::Policy): a code and a text of the host. Clients get both unchanged. The
/// HTTP status is 403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: String,
    detail: String,
}

impl Refusal {
    /// The longest code.
    pub const MAX_CODE_CHARS: usize = 64;

    /// Creates a refusal. The code is in `SCREAMING_SNAKE_CASE`: words of `A` to `Z` and `0` to `9` with one `_` between two words. The
    /// code begins with a letter, has at most [`MAX_CODE_CHARS`](Self::MAX_CODE_CHARS) characters, and differs from every [`Code`]. The
    /// text says what the user can do.
    ///
    /// An invalid code becomes `REFUSED_BY_HOST`, with an error in the log.
    #[must_use]
    pub fn new(code: impl Into<String>, detail: impl Into<String>) -> Self {
        let (code, detail) = (code.into(), detail.into());
        let is_taken = Code::ALL.iter().any(|known| known.as_str() == code);
        if is_screaming_snake(&code) && !is_taken {
            return Self { code, detail };
        }
        let instead = Code::RefusedByHost.as_str();
        if code != instead {
            tracing::error!(code, instead, "a policy refused with a code that it cannot use");
        }
        Self { code: instead.to_owned(), detail }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The text, which says what the user can do.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// Whether a code has the shape of all codes.
fn is_screaming_snake(code: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    code.len() <= Refusal::MAX_CODE_CHARS
        && code.starts_with(|first: char| first.is_ascii_uppercase())
        && code.split('_').all(is_word)
}

/// An invalid field, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path in the request; empty for the request as a whole.
    pub field: String,
    /// The kind of the error.
    pub code: Code,
    /// The text, which says what a valid value is.
    pub message: String,
}

impl FieldError {
    /// Creates a field error.
    pub fn new(field: impl Into<String>, code: Code, message: impl Into<String>) -> Self {
        Self { field: field.into(), code, message: message.into() }
    }
}

impl Error {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::AuthRequired => Code::AuthRequired,
            Self::TokenInvalid => Code::AuthTokenInvalid,
            Self::TokenExpired => Code::AuthTokenExpired,
            Self::InvalidCredentials => Code::AuthInvalidCredentials,
            Self::RefreshTokenInvalid => Code::AuthRefreshTokenInvalid,
            Self::AccountNotFound => Code::AuthUserNotFound,
            Self::LoginNotFound => Code::LoginNotFound,
            Self::UsernameTaken => Code::UsernameTaken,
            Self::EmailTaken => Code::EmailTaken,
            Self::CodeInvalid => Code::AuthCodeInvalid,
            Self::AccountBanned(_) => Code::AccountBanned,
            Self::AccountDeleted => Code::AccountDeleted,
            Self::AdminRequired => Code::AdminRequired,
            Self::BackupRunning => Code::BackupRunning,
            Self::LastAdministrator => Code::LastAdministrator,
            Self::UserBanned => Code::UserBanned,
            Self::Malformed(_) => Code::ValidationInvalidFormat,
            Self::Invalid(fields) => fields.first().map_or(Code::ValidationInvalidValue, |field| field.code),
            Self::Denied(denial) => denial.code(),
            Self::InviteNotFound => Code::InviteNotFound,
            Self::WebhookNotFound => Code::WebhookNotFound,
            Self::DeadLetterNotFound => Code::DeadLetterNotFound,
            Self::ApprovalRequired => Code::JoinApprovalRequired,
            Self::JoinRequestNotFound => Code::JoinRequestNotFound,
            Self::ReportNotFound => Code::ReportNotFound,
            Self::ReportConflict { .. } => Code::ReportConflict,
            Self::DirectRefused => Code::DirectRefused,
            Self::UserNotFound => Code::UserNotFound,
            Self::MessageNotFound => Code::MessageNotFound,
            Self::ScheduledMessageNotFound => Code::ScheduledMessageNotFound,
            Self::MessageHeld => Code::MessageHeld,
            Self::HeldMessageNotFound => Code::HeldMessageNotFound,
            Self::AuthorCannotSend => Code::AuthorCannotSend,
            Self::DraftNotFound => Code::DraftNotFound,
            Self::CommandNotFound => Code::CommandNotFound,
            Self::CommandAmbiguous { .. } => Code::CommandAmbiguous,
            Self::BotNotFound => Code::BotNotFound,
            Self::BotTokenNotFound => Code::BotTokenNotFound,
            Self::BotRequired => Code::BotRequired,
            Self::OutOfScope => Code::OutOfScope,
            Self::RevisionConflict { .. } => Code::RevisionConflict,
            Self::MessageDeleted => Code::MessageDeleted,
            Self::MessageStreaming => Code::MessageStreaming,
            Self::MessageNotStreaming => Code::MessageNotStreaming,
            Self::OffsetConflict { .. } => Code::OffsetConflict,
            Self::ClientIdReused => Code::ClientIdReused,
            Self::Resync { .. } => Code::Resync,
            Self::LimitExceeded { .. } => Code::ResourceLimitExceeded,
            Self::RateLimited { .. } => Code::RateLimitExceeded,
            Self::TooManyConnections => Code::ConnectionLimitExceeded,
            Self::RefusedByHost(_) => Code::RefusedByHost,
            Self::Refused { code, .. } => *code,
            Self::Unavailable => Code::ServiceUnavailable,
            Self::OutcomeUnknown => Code::OutcomeUnknown,
            Self::Internal => Code::InternalError,
        }
    }

    /// The name on the wire: the name of the [`code`](Self::code), or the code of the host's refusal.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Self::RefusedByHost(refusal) = self { refusal.code() } else { self.code().as_str() }
    }

    /// Seconds to wait before a retry; `None` if a retry does not help.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } => Some(*retry_after),
            Self::TooManyConnections | Self::Unavailable | Self::OutcomeUnknown => Some(1),
            Self::AuthRequired
            | Self::TokenInvalid
            | Self::TokenExpired
            | Self::InvalidCredentials
            | Self::RefreshTokenInvalid
            | Self::AccountNotFound
            | Self::LoginNotFound
            | Self::UsernameTaken
            | Self::EmailTaken
            | Self::CodeInvalid
            | Self::AccountBanned(_)
            | Self::AccountDeleted
            | Self::AdminRequired
            | Self::BackupRunning
            | Self::LastAdministrator
            | Self::UserBanned
            | Self::Malformed(_)
            | Self::Invalid(_)
            | Self::Denied(_)
            | Self::ReportNotFound
            | Self::ReportConflict { .. }
            | Self::DirectRefused
            | Self::InviteNotFound
            | Self::WebhookNotFound
            | Self::DeadLetterNotFound
            | Self::ApprovalRequired
            | Self::JoinRequestNotFound
            | Self::UserNotFound
            | Self::MessageNotFound
            | Self::ScheduledMessageNotFound
            | Self::MessageHeld
            | Self::HeldMessageNotFound
            | Self::AuthorCannotSend
            | Self::DraftNotFound
            | Self::CommandNotFound
            | Self::CommandAmbiguous { .. }
            | Self::BotNotFound
            | Self::BotTokenNotFound
            | Self::BotRequired
            | Self::OutOfScope
            | Self::RevisionConflict { .. }
            | Self::MessageDeleted
            | Self::MessageStreaming
            | Self::MessageNotStreaming
            | Self::OffsetConflict { .. }
            | Self::ClientIdReused
            | Self::Resync { .. }
            | Self::LimitExceeded { .. }
            | Self::RefusedByHost(_)
            | Self::Refused { .. }
            | Self::Internal => None,
        }
    }

    /// Whether the caller's token is no longer valid: the token has expired, the login has ended, or the account is banned or deleted.
    /// Streams and sockets of the caller end with such an error.
    #[must_use]
    pub fn ends_login(&self) -> bool {
        self.code().ends_login()
    }

    /// The invalid fields; empty for an error without fields.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        if let Self::Malformed(fields) | Self::Invalid(fields) = self { fields } else { &[] }
    }

    /// The machine-readable part: `fields`, each with `field`, `code` and `message`, for errors with fields; `oldest` and `head` for
    /// [`Resync`](Self::Resync); `retry_after`, in seconds, for [`RateLimited`](Self::RateLimited); `current_revision` for
    /// [`RevisionConflict`](Self::RevisionConflict); `current_length` for [`OffsetConflict`](Self::OffsetConflict); `current_state` and
    /// `current_revision` for [`ReportConflict`](Self::ReportConflict); `bot_ids` for [`CommandAmbiguous`](Self::CommandAmbiguous);
    /// `reason` and `until` (null for a ban without an end) for [`AccountBanned`](Self::AccountBanned); `until` (null without an end) for
    /// [`Denial::Banned`] and [`Denial::Muted`]; else an empty object. The details are equal on all transports.
    #[must_use]
    pub fn details(&self) -> Value {
        let mut details = Map::new();
        let time = |at: Option<DateTime<Utc>>| json!(at.map(|at| at.to_rfc3339_opts(SecondsFormat::Micros, true)));
        let field = |error: &FieldError| {
            let FieldError { field, code, message } = error;
            json!({ "field": field, "code": code.as_str(), "message": message })
        };
        if !self.fields().is_empty() {
            details.insert("fields".to_owned(), self.fields().iter().map(field).collect());
        }
        if let Self::Resync { oldest, head } = self {
            details.insert("oldest".to_owned(), json!(oldest));
            details.insert("head".to_owned(), json!(head));
        }
        if let Self::RateLimited { retry_after } = self {
            details.insert("retry_after".to_owned(), json!(retry_after));
        }
        if let Self::RevisionConflict { current } = self {
            details.insert("current_revision".to_owned(), json!(current));
        }
        if let Self::OffsetConflict { current } = self {
            details.insert("current_length".to_owned(), json!(current));
        }
        if let Self::ReportConflict { state, revision } = self {
            details.insert("current_state".to_owned(), json!(state));
            details.insert("current_revision".to_owned(), json!(revision));
        }
        if let Self::CommandAmbiguous { bots } = self {
            details.insert("bot_ids".to_owned(), json!(bots));
        }
        if let Self::AccountBanned(ban) = self {
            details.insert("reason".to_owned(), json!(ban.reason));
            details.insert("until".to_owned(), time(ban.until));
        }
        if let Self::Denied(Denial::Banned(term) | Denial::Muted(term)) = self {
            details.insert("until".to_owned(), time(term.end()));
        }
        Value::Object(details)
    }

    /// An unacceptable field.
    pub fn invalid(field: impl Into<String>, code: Code, message: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldError::new(field, code, message)])
    }

    /// A field that cannot be parsed.
    pub fn malformed(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Malformed(vec![FieldError::new(field, Code::ValidationInvalidFormat, message)])
    }
}

impl Denial {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> Code {
        match self {
            Self::Hidden => Code::SessionNotFound,
            Self::NotParticipant => Code::SessionAccessDenied,
            Self::Banned(_) => Code::SessionBanned,
            Self::Muted(_) => Code::SessionMuted,
            Self::RoleInsufficient => Code::ResourceAccessDenied,
            Self::NotAuthor => Code::MessageEditDenied,
            Self::NotModerator => Code::MessageDeleteDenied,
            Self::OwnReport => Code::ReportDenied,
            Self::OwnerRequired => Code::SessionOwnerRequired,
            Self::OwnerProtected => Code::SessionOwnerProtected,
            Self::OwnerCannotLeave => Code::SessionOwnerCannotLeave,
            Self::AlreadyParticipant => Code::ParticipantAlreadyExists,
            Self::TargetNotParticipant => Code::ParticipantNotFound,
            Self::TargetBanned => Code::ParticipantBanned,
            Self::Archived => Code::SessionArchived,
            Self::PrivateSession => Code::SessionPrivate,
            Self::OthersPresent => Code::SessionNotEmpty,
            Self::Full => Code::SessionFull,
            Self::CapBelowCount => Code::SessionCapTooLow,
        }
    }
}

impl From<InvalidId> for Error {
    fn from(invalid: InvalidId) -> Self {
        Self::malformed("", invalid.to_string())
    }
}

impl From<StoreError> for Error {
    /// Logs the cause and keeps it: what is inside of a store is nobody's business outside.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Stale | StoreError::Conflict { .. } => Self::Unavailable,
            StoreError::Unavailable(cause) => {
                tracing::warn!(cause, "store unavailable");
                Self::Unavailable
            }
            StoreError::OutcomeUnknown => {
                tracing::error!("outcome of a commit unknown");
                Self::OutcomeUnknown
            }
            StoreError::Corrupt(cause) => {
                tracing::error!(cause, "store corrupt");
                Self::Internal
            }
            StoreError::Backend(source) => {
                tracing::error!(cause = %source, "store failed");
                Self::Internal
            }
        }
    }
}
