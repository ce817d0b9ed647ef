//! Every limit of the core, with its default, in one place.

pub(crate) mod buckets;
mod limiter;
mod rates;
mod uses;

use std::time::Duration;

pub use limiter::{Allowance, Cost, Limiter, Origin, Payer, ProcessLimiter, Verdict};
pub use rates::{Bucket, RateLimits, UnknownPreset};
pub(crate) use uses::{Use, Uses};

/// How often something may happen: so many times at once, and then once more after each interval. A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many times at once, after a pause long enough. Zero allows nothing.
    pub at_once: u32,
    /// After how long one more is allowed. Zero is no limit.
    pub every: Duration,
}

impl Rate {
    /// So many times at once, and then once more after each interval.
    #[must_use]
    pub const fn new(at_once: u32, every: Duration) -> Self {
        Self { at_once, every }
    }
}

/// What a chat allows. Lengths are in characters, not bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest title; the shortest has 1.
    pub title_chars: usize,
    /// Longest description; the shortest has 0.
    pub description_chars: usize,
    /// Longest text of a message; the shortest has 1. An encrypted one may have twice as many, for its encoding.
    pub message_chars: usize,
    /// How often one message may be edited. Its earlier texts are kept until it is deleted.
    pub message_edits: u32,
    /// Most messages that one user writes in parts at once in one session.
    pub streamed_per_user: usize,
    /// Most messages that are written in parts at once in one session.
    pub streamed_per_session: usize,
    /// How long no part of a streamed message may come before the message is ended as failed: for so long readers wait for an author who
    /// has crashed.
    pub streamed_idle: Duration,
    /// How long a streamed message may be written. After that it is ended as failed.
    pub streamed_time: Duration,
    /// Most messages of a user that wait for their time. Calls at once through several processes may pass it by one for each further process.
    pub scheduled_messages: u64,
    /// Longest time between the call that schedules a message and the time at which the message is sent.
    pub schedule_ahead: Duration,
    /// How often a process looks for scheduled messages whose time has come, for messages whose lifetime is over, and for streamed messages
    /// whose author is gone. A message is sent, deleted or ended so much later. What a process has of streamed messages is recorded as often.
    pub due_interval: Duration,
    /// Shortest time for which a session may keep its messages. A session that keeps them for a time costs a process two writes and two reads in each such time.
    pub message_lifetime_min: Duration,
    /// Longest time for which a session may keep its messages, other than for ever.
    pub message_lifetime_max: Duration,
    /// Most drafts of a user. Calls at once through several processes may pass it by one for each further process.
    pub drafts: u64,
    /// Most participants that a session may be made for.
    pub max_participants: u32,
    /// Participants of a session whose maker named no number.
    pub default_participants: u32,
    /// Entries of a page when none were asked for.
    pub page_default: u32,
    /// Most entries of a page.
    pub page_max: u32,
    /// Most entries of what is asked about many sessions at once.
    pub batch_max: usize,
    /// Deepest `skip`.
    pub skip_max: u64,
    /// Longest name, handle, e-mail address or picture address that is taken over from a token; longer ones are cut.
    pub profile_chars: usize,
    /// How often a change is decided again when somebody else was faster, before the caller is told to try again.
    pub commit_attempts: u32,
    /// How often sessions that have readers are looked at when no hint came.
    pub poll_interval: Duration,
    /// Sessions that one stream of all of a user's sessions may have.
    pub stream_sessions: usize,
    /// Such streams that a user may have at once in one process.
    pub streams_per_user: usize,
    /// How often such a stream looks for sessions that its user came into through another process. Within the process it is
    /// told at once.
    pub membership_interval: Duration,
    /// How old a user's standing may be when a call of the user is checked by it: for so long, another process' ban or logout
    /// may stay unseen where no hint tells of it. Open streams are checked as often. By default a little under a second.
    pub standing_age: Duration,
    /// How long the host's [`UserDirectory`](crate::identity::UserDirectory) may take for one answer.
    pub directory_timeout: Duration,
    /// How long an answer of the host's directory is kept.
    pub directory_age: Duration,
    /// How many users one user may add to sessions, whichever the sessions and users are. Adds that succeed count, and adds of
    /// users who were never seen, so that ids cannot be tried without end; a refused add and a join do not. `None` for no limit.
    ///
    /// This limit and the two below are counted by each process for itself: `n` processes together allow `n` times as much.
    pub adds_per_inviter: Option<Rate>,
    /// How often one user may be added to sessions, whoever does it. Adds that succeed count, also of a user who left and is
    /// added again. `None` for no limit.
    pub adds_per_invited: Option<Rate>,
    /// How often one user may add the same other user to sessions. Adds that succeed count. `None` for no limit.
    ///
    /// By default this is a half of [`adds_per_invited`](Self::adds_per_invited) at once and a tenth of it later, so that one
    /// inviter cannot use up what the others may need.
    pub adds_per_pair: Option<Rate>,
    /// How often callers may use the chat. Typing counts as other uses do; what the host posts by
    /// [`Chat::post_system`](crate::Chat::post_system) does not count. A [`Limiter`] that is given to
    /// [`ChatBuilder::limiter`](crate::ChatBuilder::limiter) has rates of its own instead.
    pub rates: RateLimits,
    /// How long the host's [`Policy`](crate::chat::Policy) may take for one check, and the
    /// [`MessagePolicy`](crate::chat::MessagePolicy) for one review. A check that takes longer refuses; a review that takes longer has the
    /// outcome of [`OnFailure`](crate::chat::OnFailure).
    pub policy_timeout: Duration,
    /// For how long the owner of a deleted session may restore it.
    pub restore_sessions_for: Duration,
    /// Events that a session with readers keeps in memory, for readers who are a little behind.
    pub tail_events: usize,
    /// Roughly how many bytes they may take; the last event is kept in any case.
    pub tail_bytes: usize,
    /// Longest text that a user gives to the own presence; the shortest has 1.
    pub status_chars: usize,
    /// How long a user counts as connected after the last device is gone, so that a device can come back unnoticed.
    pub presence_linger: Duration,
    /// How often a process with connected users gives a sign of life. A process that gave none for three times as long has crashed, and its
    /// users are offline. The clocks of all processes must agree to within this time.
    pub presence_beat: Duration,
    /// How often a process looks for changes of presence in others that no hint told of, while somebody listens.
    pub presence_interval: Duration,
}

impl Limits {
    /// The most bytes that a request within these limits takes, in any of the usual encodings: the default limit of the
    /// frontends for bodies and frames.
    ///
    /// JSON may write a character as an escaped surrogate pair (RFC 8259, section 7): 12 bytes, and 14 where the escapes
    /// stand in a GraphQL document. An encrypted message has twice as many characters as a text. What stands around the
    /// texts, like a GraphQL document, has 64 KiB.
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
