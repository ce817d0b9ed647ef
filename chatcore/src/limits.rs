//! Every limit of the core, with its default, in one place.

pub(crate) mod buckets;
mod limiter;
mod rates;
mod uses;

use std::time::Duration;

pub use limiter::{Allowance, Cost, Limiter, Origin, Payer, ProcessLimiter, Verdict};
pub use rates::{Bucket, RateLimits, UnknownPreset};
pub(crate) use uses::{Use, Uses};

/// A rate as a token bucket: the burst, and the interval after which one more use is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// The size of the burst after a long enough pause. Zero allows nothing.
    pub at_once: u32,
    /// The interval after which one more use is allowed. Zero is no limit.
    pub every: Duration,
}

impl Rate {
    /// A rate with this burst, and with one more use after each interval.
    #[must_use]
    pub const fn new(at_once: u32, every: Duration) -> Self {
        Self { at_once, every }
    }
}

/// The limits of a chat. Lengths are in characters, not bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest title; the shortest has 1.
    pub title_chars: usize,
    /// Longest description; the shortest has 0.
    pub description_chars: usize,
    /// Longest text of a message; the shortest has 1. An encrypted message may have twice as many, for its encoding.
    pub message_chars: usize,
    /// Maximum number of edits of one message. The chat keeps the earlier texts until the deletion of the message.
    pub message_edits: u32,
    /// Maximum number of unfinished streamed messages of one user in one session.
    pub streamed_per_user: usize,
    /// Maximum number of unfinished streamed messages in one session.
    pub streamed_per_session: usize,
    /// Maximum time without a part before a streamed message is ended as failed. Readers wait this long for an author that has crashed.
    pub streamed_idle: Duration,
    /// Maximum time for which a streamed message may be unfinished. After this time the message is ended as failed.
    pub streamed_time: Duration,
    /// Maximum number of scheduled messages of a user. Concurrent calls in several processes can exceed the limit by one for each further
    /// process.
    pub scheduled_messages: u64,
    /// Maximum time between the call that schedules a message and the send time.
    pub schedule_ahead: Duration,
    /// Interval at which a process looks for due scheduled messages, for expired messages, and for streamed messages without an author.
    /// Sends, deletions and ends of messages can be late by this interval. A process also records the texts of its streamed messages at
    /// this interval.
    pub due_interval: Duration,
    /// Minimum lifetime of the messages of a session. A session with a lifetime of messages costs a process two writes and two reads in
    /// each such time.
    pub message_lifetime_min: Duration,
    /// Maximum lifetime of the messages of a session, other than no limit.
    pub message_lifetime_max: Duration,
    /// Maximum number of drafts of a user. Concurrent calls in several processes can exceed the limit by one for each further process.
    pub drafts: u64,
    /// Maximum value for the number of participants of a session.
    pub max_participants: u32,
    /// Default for the maximum number of participants of a session.
    pub default_participants: u32,
    /// Default number of entries of a page.
    pub page_default: u32,
    /// Maximum number of entries of a page.
    pub page_max: u32,
    /// Maximum number of entries of a request about many sessions.
    pub batch_max: usize,
    /// Maximum value of `skip`.
    pub skip_max: u64,
    /// Maximum length of a name, handle, e-mail address or picture address from a token. Longer values are truncated.
    pub profile_chars: usize,
    /// Maximum number of attempts to commit a change: each lost race costs one attempt. After the last attempt the caller gets an error
    /// that asks for a retry.
    pub commit_attempts: u32,
    /// Interval at which a process polls sessions with readers for events without a hint.
    pub poll_interval: Duration,
    /// Maximum number of sessions in one stream of all of a user's sessions.
    pub stream_sessions: usize,
    /// Maximum number of concurrent streams of all sessions for one user in one process.
    pub streams_per_user: usize,
    /// Interval at which a stream of all sessions looks for sessions that its user joined in another process. A join in the same process
    /// shows at once.
    pub membership_interval: Duration,
    /// Maximum age of a user's standing in a check of a call. Without a hint, a ban or logout in another process can stay unseen for this
    /// time. Open streams are checked at this interval. By default a little under a second.
    pub standing_age: Duration,
    /// Timeout for one answer of the host's [`UserDirectory`](crate::identity::UserDirectory).
    pub directory_timeout: Duration,
    /// Time for which the chat caches an answer of the host's directory.
    pub directory_age: Duration,
    /// Rate at which one user may add users to sessions, across all sessions and users. Successful adds count, and so do adds of unknown
    /// users, so that a caller cannot guess ids without a limit. Refused adds and joins do not count. `None` for no limit.
    ///
    /// Each process counts this limit and the two limits below by itself: `n` processes together allow `n` times as much.
    pub adds_per_inviter: Option<Rate>,
    /// Rate at which one user may be added to sessions, across all inviters. Successful adds count, including repeated adds of a user who
    /// left. `None` for no limit.
    pub adds_per_invited: Option<Rate>,
    /// Rate at which one user may add the same other user to sessions. Successful adds count. `None` for no limit.
    ///
    /// The default is half of the burst and a tenth of the rate of [`adds_per_invited`](Self::adds_per_invited), so that one inviter cannot
    /// use up the allowance of the others.
    pub adds_per_pair: Option<Rate>,
    /// Rates at which callers may use the chat. Typing counts like other uses; posts of the host by
    /// [`Chat::post_system`](crate::Chat::post_system) do not count. A [`Limiter`] that is given to
    /// [`ChatBuilder::limiter`](crate::ChatBuilder::limiter) has rates of its own instead.
    pub rates: RateLimits,
    /// Timeout for one check of the host's [`Policy`](crate::chat::Policy), and for one review of the
    /// [`MessagePolicy`](crate::chat::MessagePolicy). A check that takes longer refuses; a review that takes longer has the outcome of
    /// [`OnFailure`](crate::chat::OnFailure).
    pub policy_timeout: Duration,
    /// Time for which the owner of a deleted session may restore the session.
    pub restore_sessions_for: Duration,
    /// Number of events that a session with readers keeps in memory, for readers slightly behind.
    pub tail_events: usize,
    /// Approximate size of these events in bytes; the last event is kept in any case.
    pub tail_bytes: usize,
    /// Maximum length of a status text; the shortest has 1.
    pub status_chars: usize,
    /// Time for which a user counts as connected after the last device disconnects, so that a reconnect causes no signal.
    pub presence_linger: Duration,
    /// Interval of the heartbeat of a process with connected users. A process without a heartbeat for three times as long counts as
    /// crashed, and its users are offline. The clocks of all processes must agree to within this time.
    pub presence_beat: Duration,
    /// Interval at which a process with listeners polls other processes for changes of presence without a hint.
    pub presence_interval: Duration,
}

impl Limits {
    /// The maximum size of a request within these limits in bytes, in any of the usual encodings: the default limit of the frontends for
    /// bodies and frames.
    ///
    /// JSON may write a character as an escaped surrogate pair (RFC 8259, section 7): 12 bytes, and 14 where the escapes stand in a GraphQL
    /// document. An encrypted message has twice as many characters as a text. The rest of a request, such as a GraphQL document, has 64
    /// KiB.
    #[must_use]
    pub const fn request_bytes(&self) -> usize {
        let message = self.message_chars.saturating_mul(2);
        let chars = message.saturating_add(self.title_chars).saturating_add(self.description_chars);
        chars.saturating_mul(14).saturating_add(64 * 1024)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            title_chars: 100,
            description_chars: 500,
            message_chars: 8_000,
            message_edits: 100,
            streamed_per_user: 10,
            streamed_per_session: 100,
            streamed_idle: Duration::from_secs(30),
            streamed_time: Duration::from_secs(15 * 60),
            scheduled_messages: 100,
            schedule_ahead: Duration::from_secs(366 * 24 * 60 * 60),
            due_interval: Duration::from_secs(1),
            message_lifetime_min: Duration::from_secs(60),
            message_lifetime_max: Duration::from_secs(365 * 24 * 60 * 60),
            drafts: 1_000,
            max_participants: 10_000,
            default_participants: 100,
            page_default: 50,
            page_max: 100,
            batch_max: 100,
            skip_max: 1_000_000_000_000,
            profile_chars: 256,
            commit_attempts: 32,
            poll_interval: Duration::from_millis(500),
            stream_sessions: 1_000,
            streams_per_user: 10,
            membership_interval: Duration::from_secs(5),
            standing_age: Duration::from_millis(800),
            directory_timeout: Duration::from_secs(2),
            directory_age: Duration::from_secs(60),
            adds_per_inviter: Some(Rate::new(300, Duration::from_secs(2))),
            adds_per_invited: Some(Rate::new(120, Duration::from_secs(60))),
            adds_per_pair: Some(Rate::new(60, Duration::from_secs(600))),
            rates: RateLimits::default(),
            policy_timeout: Duration::from_secs(2),
            restore_sessions_for: Duration::from_secs(30 * 24 * 3_600),
            tail_events: 256,
            tail_bytes: 1024 * 1024,
            status_chars: 100,
            presence_linger: Duration::from_secs(10),
            presence_beat: Duration::from_secs(20),
            presence_interval: Duration::from_secs(2),
        }
    }
}
