//! The codes, and the table of the transport forms of each code.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $close:expr, $title:literal;)*) => {
        /// A stable name of an error. One table defines the transport forms of all errors: the HTTP status (RFC 9110), the close code of a
        /// WebSocket that the error ends (RFC 6455; 4000 to 4999 are private codes), and the name in error frames, problem documents and
        /// GraphQL's `extensions.code`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[$doc])* #[doc = concat!("`", $code, "`: ", $title, ".")] $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The name on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// The HTTP status.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// The close code of a WebSocket that the error ends.
            #[must_use]
            pub const fn close(self) -> u16 {
                match self { $(Self::$name => $close),* }
            }

            /// A short title, equal for all occurrences.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    AuthRequired = "AUTH_REQUIRED", 401, 4401, "Authentication required";
    AuthTokenInvalid = "AUTH_TOKEN_INVALID", 401, 4401, "Token not valid";
    AuthTokenExpired = "AUTH_TOKEN_EXPIRED", 401, 4401, "Token expired";
    AuthInvalidCredentials = "AUTH_INVALID_CREDENTIALS", 401, 4401, "Wrong user or password";
    AuthRefreshTokenInvalid = "AUTH_REFRESH_TOKEN_INVALID", 401, 4401, "Refresh token not valid";
    AuthUserNotFound = "AUTH_USER_NOT_FOUND", 404, 4404, "Account not found";
    AuthCodeInvalid = "AUTH_CODE_INVALID", 422, 4400, "Code not valid";
    LoginNotFound = "LOGIN_NOT_FOUND", 404, 4404, "Login not found";
    PasswordTooWeak = "PASSWORD_TOO_WEAK", 422, 4400, "Password too weak";
    UsernameReserved = "USERNAME_RESERVED", 422, 4400, "User name reserved";
    UsernameTaken = "USERNAME_TAKEN", 409, 4409, "User name taken";
    EmailTaken = "EMAIL_TAKEN", 409, 4409, "E-mail address taken";
    AccountBanned = "ACCOUNT_BANNED", 403, 4403, "Account banned";
    AccountDeleted = "ACCOUNT_DELETED", 403, 4403, "Account deleted";
    AdminRequired = "ADMIN_REQUIRED", 403, 4403, "Administrator required";
    BackupRunning = "BACKUP_RUNNING", 409, 4409, "Backup running";
    LastAdministrator = "LAST_ADMINISTRATOR", 409, 4409, "Last administrator";
    OriginNotAllowed = "ORIGIN_NOT_ALLOWED", 403, 4403, "Origin not allowed";
    ValidationInvalidFormat = "VALIDATION_INVALID_FORMAT", 400, 4400, "Cannot be parsed";
    ValidationRequiredField = "VALIDATION_REQUIRED_FIELD", 422, 4400, "Required field missing";
    ValidationLengthExceeded = "VALIDATION_LENGTH_EXCEEDED", 422, 4400, "Length limit passed";
    ValidationInvalidValue = "VALIDATION_INVALID_VALUE", 422, 4400, "Value not acceptable";
    ResourceNotFound = "RESOURCE_NOT_FOUND", 404, 4404, "Not found";
    ResourceAccessDenied = "RESOURCE_ACCESS_DENIED", 403, 4403, "Not allowed";
    ResourceLimitExceeded = "RESOURCE_LIMIT_EXCEEDED", 422, 4400, "Limit passed";
    MethodNotAllowed = "METHOD_NOT_ALLOWED", 405, 4400, "Method not allowed";
    NotAcceptable = "NOT_ACCEPTABLE", 406, 4400, "Not acceptable";
    RequestTimeout = "REQUEST_TIMEOUT", 408, 4408, "The request took too long";
    PreconditionFailed = "PRECONDITION_FAILED", 412, 4400, "Precondition failed";
    PayloadTooLarge = "PAYLOAD_TOO_LARGE", 413, 1009, "Payload too large";
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", 415, 1003, "Unsupported media type";
    UnsupportedContentEncoding = "UNSUPPORTED_CONTENT_ENCODING", 415, 1003, "Unsupported content encoding";
    ExpectationFailed = "EXPECTATION_FAILED", 417, 4400, "Expectation failed";
    UpgradeRequired = "UPGRADE_REQUIRED", 426, 4400, "WebSocket upgrade required";
    SessionNotFound = "SESSION_NOT_FOUND", 404, 4404, "Session not found";
    SessionAccessDenied = "SESSION_ACCESS_DENIED", 403, 4403, "Not a participant";
    SessionBanned = "SESSION_BANNED", 403, 4403, "Banned from the session";
    SessionMuted = "SESSION_MUTED", 403, 4403, "Muted in the session";
    SessionOwnerRequired = "SESSION_OWNER_REQUIRED", 403, 4403, "Owner required";
    SessionOwnerProtected = "SESSION_OWNER_PROTECTED", 403, 4403, "Owner protected";
    SessionOwnerCannotLeave = "SESSION_OWNER_CANNOT_LEAVE", 409, 4409, "Owner cannot leave";
    SessionFull = "SESSION_FULL", 409, 4409, "Session full";
    SessionArchived = "SESSION_ARCHIVED", 409, 4409, "Session is archived";
    SessionPrivate = "SESSION_PRIVATE", 409, 4409, "Session is private";
    SessionNotEmpty = "SESSION_NOT_EMPTY", 409, 4409, "Others are in the session";
    SessionCapTooLow = "SESSION_CAP_TOO_LOW", 409, 4409, "Cap below head count";
    ParticipantNotFound = "PARTICIPANT_NOT_FOUND", 404, 4404, "Participant not found";
    ParticipantAlreadyExists = "PARTICIPANT_ALREADY_EXISTS", 409, 4409, "Already a participant";
    InviteNotFound = "INVITE_NOT_FOUND", 404, 4404, "Invite not found";
    WebhookNotFound = "WEBHOOK_NOT_FOUND", 404, 4404, "Webhook not found";
    DeadLetterNotFound = "DEAD_LETTER_NOT_FOUND", 404, 4404, "Undelivered event not found";
    JoinApprovalRequired = "JOIN_APPROVAL_REQUIRED", 409, 4409, "Approval required";
    JoinRequestNotFound = "JOIN_REQUEST_NOT_FOUND", 404, 4404, "Request to join not found";
    ReportNotFound = "REPORT_NOT_FOUND", 404, 4404, "Report not found";
    ReportDenied = "REPORT_DENIED", 403, 4403, "Report of oneself";
    ReportConflict = "REPORT_CONFLICT", 409, 4409, "Report was changed meanwhile";
    ParticipantBanned = "PARTICIPANT_BANNED", 409, 4409, "Banned from the session";
    UserNotFound = "USER_NOT_FOUND", 404, 4404, "User not found";
    DirectRefused = "DIRECT_REFUSED", 403, 4403, "Direct messages refused";
    UserBanned = "USER_BANNED", 409, 4409, "User is banned";
    MessageNotFound = "MESSAGE_NOT_FOUND", 404, 4404, "Message not found";
    ScheduledMessageNotFound = "SCHEDULED_MESSAGE_NOT_FOUND", 404, 4404, "Scheduled message not found";
    MessageHeld = "MESSAGE_HELD", 403, 4403, "Message waits for approval";
    HeldMessageNotFound = "HELD_MESSAGE_NOT_FOUND", 404, 4404, "Held message not found";
    AuthorCannotSend = "AUTHOR_CANNOT_SEND", 409, 4409, "Author may not send";
    DraftNotFound = "DRAFT_NOT_FOUND", 404, 4404, "Draft not found";
    CommandNotFound = "COMMAND_NOT_FOUND", 404, 4404, "Command not found";
    CommandAmbiguous = "COMMAND_AMBIGUOUS", 409, 4409, "Several bots have the command";
    BotNotFound = "BOT_NOT_FOUND", 404, 4404, "Bot not found";
    BotTokenNotFound = "BOT_TOKEN_NOT_FOUND", 404, 4404, "Token of a bot not found";
    BotRequired = "BOT_REQUIRED", 403, 4403, "Bot required";
    OutOfScope = "OUT_OF_SCOPE", 403, 4403, "Out of the token's scope";
    MessageTooLong = "MESSAGE_TOO_LONG", 422, 4400, "Message too long";
    MessageEditDenied = "MESSAGE_EDIT_DENIED", 403, 4403, "Message of somebody else";
    MessageDeleteDenied = "MESSAGE_DELETE_DENIED", 403, 4403, "Message may not be deleted";
    MessageDeleted = "MESSAGE_DELETED", 409, 4409, "Message was deleted";
    MessageStreaming = "MESSAGE_STREAMING", 409, 4409, "Message is being written";
    MessageNotStreaming = "MESSAGE_NOT_STREAMING", 409, 4409, "Message takes no parts";
    OffsetConflict = "OFFSET_CONFLICT", 409, 4409, "The text has another length";
    RevisionConflict = "REVISION_CONFLICT", 409, 4409, "Message was changed meanwhile";
    ClientIdReused = "CLIENT_ID_REUSED", 409, 4409, "Client id used for something else";
    Resync = "RESYNC", 410, 4410, "Position outside of the kept log";
    RefusedByHost = "REFUSED_BY_HOST", 403, 4403, "Refused by the host";
    RateLimitExceeded = "RATE_LIMIT_EXCEEDED", 429, 4429, "Too many requests";
    ConnectionLimitExceeded = "CONNECTION_LIMIT_EXCEEDED", 429, 4429, "Too many connections";
    ServiceUnavailable = "SERVICE_UNAVAILABLE", 503, 1013, "Service unavailable";
    OutcomeUnknown = "OUTCOME_UNKNOWN", 503, 1011, "Outcome unknown";
    InternalError = "INTERNAL_ERROR", 500, 1011, "Internal error";
    NotImplemented = "NOT_IMPLEMENTED", 501, 4400, "Not implemented";
}

impl Code {
    /// Whether the caller's token is no longer valid: see [`Error::ends_login`](crate::Error::ends_login).
    #[must_use]
    pub const fn ends_login(self) -> bool {
        matches!(self, Self::AuthTokenInvalid | Self::AuthTokenExpired | Self::AccountBanned | Self::AccountDeleted)
    }
}
