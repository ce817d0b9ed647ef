//! Everything that can go wrong, with stable codes, and the one table that says how each code travels.

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

/// Why a use case failed. Its text says what to do; it never holds causes, paths or queries.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No token where one is needed.
    #[error("authentication is required: show a token")]
    AuthRequired,
    /// A token that is not acceptable.
    #[error("the token is not valid; get a new one")]
    TokenInvalid,
    /// A token that was acceptable and no longer is.
    #[error("the token has expired; get a new one")]
    TokenExpired,
    /// A wrong password, or a user who is not known: which of the two is not told.
    #[error("the user name, the e-mail address or the password is wrong")]
    InvalidCredentials,
    /// A refresh token that is unknown, over, or was used.
    #[error("the refresh token is not valid; log in again")]
    RefreshTokenInvalid,
    /// The caller has no account here.
    #[error("there is no account of this user here")]
    AccountNotFound,
    /// The caller has no such login.
    #[error("there is no such login")]
    LoginNotFound,
    /// Somebody has the user name, or one that looks like it.
    #[error("somebody has this user name or one that looks like it; choose another one")]
    UsernameTaken,
    /// Somebody has the e-mail address.
    #[error("an account has this e-mail address; log in to it or use another address")]
    EmailTaken,
    /// A code from a mail that is wrong, over, or was used.
    #[error("the code is wrong, or it was used, or its time is over; ask for a new one")]
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
    /// The caller is the only administrator, and would give up the role.
    #[error("you are the only administrator; grant the role to somebody else first")]
    LastAdministrator,
    /// The user who would come into a session is banned from the whole system, or deleted.
    #[error("the user's account is banned or deleted, so the user cannot come into a session")]
    UserBanned,
    /// Input that cannot be parsed.
    #[error("the request cannot be parsed")]
    Malformed(Vec<FieldError>),
    /// Input that is well-formed and not acceptable.
    #[error("the request is not acceptable")]
    Invalid(Vec<FieldError>),
    /// The permission engine said no.
    #[error("{0}")]
    Denied(#[from] Denial),
    /// No invite has the code, or the invite is over: it has expired, it was revoked, or all of its uses are taken. The answer does not tell which.
    #[error("the code is wrong, or the invite is over; ask for a new one")]
    InviteNotFound,
    /// The session has no such webhook, or no webhook has the token.
    #[error("there is no such webhook")]
    WebhookNotFound,
    /// The webhook has no such event among those that could not be delivered: it was delivered later, or it had to make room.
    #[error("there is no such undelivered event; it may have been delivered")]
    DeadLetterNotFound,
    /// The invite lets nobody in without the approval of a user who manages the session.
    #[error("this invite needs an approval; ask to join instead")]
    ApprovalRequired,
    /// The user has no open request to join the session.
    #[error("there is no such request to join")]
    JoinRequestNotFound,
    /// The session has no such report that the caller may see.
    #[error("there is no such report")]
    ReportNotFound,
    /// Somebody has changed the state of the report meanwhile, or has closed the report.
    #[error("the state of the report was changed meanwhile; look at it before trying again")]
    ReportConflict {
        /// The report's state now.
        state: ReportState,
        /// The report's revision now.
        revision: u64,
    },
    /// A user takes no direct messages from the caller.
    #[error("this user takes no direct messages from you")]
    DirectRefused,
    /// No user of that id was ever seen.
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
    #[error("the message was changed meanwhile; look at it before trying again")]
    RevisionConflict {
        /// The message's revision now.
        current: u64,
    },
    /// The message was deleted, and so cannot be edited.
    #[error("the message was deleted")]
    MessageDeleted,
    /// The message is being written, and so can be neither edited nor forwarded.
    #[error("the message is still being written; wait for its end")]
    MessageStreaming,
    /// The message takes no parts: its writing has ended, or it was sent at once.
    #[error("the message takes no parts: its writing has ended, or it was sent at once")]
    MessageNotStreaming,
    /// The part does not begin where the text of the streamed message ends, or is not the part that the text has there.
    #[error("the text of the message has another length; go on from its end")]
    OffsetConflict {
        /// The length of the text now, in characters.
        current: u64,
    },
    /// The client id was used before, for something else.
    #[error("this client id was used for something else; use a new one each time")]
    ClientIdReused,
    /// The log does not continue after the position: it was trimmed, it ends before, or it has another history since the database was
    /// replaced by an older copy.
    #[error(
        "the log does not continue after that position; fetch the session anew and continue after its cursor. A time is \
        written like 2026-01-01T00:00:00Z"
    )]
    Resync {
        /// The earliest position to go on after.
        oldest: Seq,
        /// The last position.
        head: Seq,
    },
    /// A limit was passed that is not one of a single field.
    #[error("{what} is over its limit of {limit}")]
    LimitExceeded {
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
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
    /// The host's [`Policy`](crate::chat::Policy) said no.
    #[error("{}", .0.detail())]
    RefusedByHost(Refusal),
    /// A frontend refused before any use case was reached: a wrong method, media type, size, origin.
    #[error("{detail}")]
    Refused {
        /// The stable code.
        code: Code,
        /// What to do.
        detail: &'static str,
    },
    /// Not now: too busy, or the store is away. Nothing was changed.
    #[error("the service is busy; nothing was changed, try again")]
    Unavailable,
    /// It is not known whether the change was made.
    #[error("it is not known whether the change was made; look before trying again")]
    OutcomeUnknown,
    /// A fault of ours. Nothing was changed.
    #[error("internal error; nothing was changed")]
    Internal,
}

/// Why the host's [`Policy`](crate::chat::Policy) refuses an attempt: a code and a text of the host's own, which clients get as
/// they are. The HTTP status is 403.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    code: String,
    detail: String,
}

impl Refusal {
    /// The longest code.
    pub const MAX_CODE_CHARS: usize = 64;

    /// A refusal. The code is in `SCREAMING_SNAKE_CASE`: words of `A` to `Z` and `0` to `9` with one `_` between them, the first
    /// one beginning with a letter, at most [`MAX_CODE_CHARS`](Self::MAX_CODE_CHARS) characters, and not a code of the chat's
    /// own. The text says what the user can do.
    ///
    /// With another code it is a refusal all the same: its code is `REFUSED_BY_HOST`, and the log says so.
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

    /// What the user can do.
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

/// A field with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's path in the request; empty for the request as a whole.
    pub field: String,
    /// Which kind of wrong.
    pub code: Code,
    /// What would be right.
    pub message: String,
}

impl FieldError {
    /// Makes one.
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

    /// The name on the wire: that of the [`code`](Self::code), or the one that the host gave to its refusal.
    #[must_use]
    pub fn name(&self) -> &str {
        if let Self::RefusedByHost(refusal) = self { refusal.code() } else { self.code().as_str() }
    }

    /// Seconds after which it makes sense to try again, where that may help.
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

    /// Whether the caller's token no longer counts: it expired, its login ended, or its account is banned or deleted. Streams and
    /// sockets of the caller end with such an error.
    #[must_use]
    pub fn ends_login(&self) -> bool {
        self.code().ends_login()
    }

    /// The offending fields, for the errors that have some.
    #[must_use]
    pub fn fields(&self) -> &[FieldError] {
        if let Self::Malformed(fields) | Self::Invalid(fields) = self { fields } else { &[] }
    }

    /// The machine-readable part: `fields`, each with `field`, `code` and `message`, for the errors that have some; `oldest`
    /// and `head` for [`Resync`](Self::Resync); `retry_after`, in seconds, for [`RateLimited`](Self::RateLimited);
    /// `current_revision` for [`RevisionConflict`](Self::RevisionConflict); `current_length` for [`OffsetConflict`](Self::OffsetConflict), and also `current_state` for
    /// [`ReportConflict`](Self::ReportConflict); `bot_ids` for [`CommandAmbiguous`](Self::CommandAmbiguous); `reason` and `until` (null for a ban without an end) for
    /// [`AccountBanned`](Self::AccountBanned); `until` (null where there is no end) for [`Denial::Banned`] and [`Denial::Muted`]; else an
    /// empty object. It is the same on every transport.
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
