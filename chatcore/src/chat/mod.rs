//! The service: every use case is a method of [`Chat`].

#[cfg(feature = "admin")]
mod administering;
mod archiving;
mod attachments;
mod blocks;
mod bots;
#[cfg(feature = "bot")]
mod botting;
mod bulk;
#[cfg(feature = "admin")]
mod counting;
mod decide;
mod directs;
mod editing;
mod emojis;
#[cfg(feature = "accounts")]
mod erasing;
mod expiring;
mod finding;
mod followers;
mod follows;
mod forwarding;
mod held;
#[cfg(feature = "webhooks")]
mod hooking;
mod incoming;
mod invites;
mod join_requests;
mod later;
mod mentioned;
mod mentions;
mod messages;
mod moderation;
mod ownership;
mod participants;
mod pins;
mod preferences;
mod presence;
mod purging;
mod reactions;
mod read;
mod reading;
mod ready;
mod receipts;
mod reports;
#[cfg(feature = "accounts")]
mod reports_left;
mod sanctions;
mod send;
mod service;
mod sessions;
mod slow_mode;
mod spans;
mod standing;
mod stream;
mod streamed;
mod threads;
mod typing;
mod user_settings;
mod words;

use std::{
    fmt,
    sync::{Arc, Mutex, atomic::AtomicI64},
};

pub use attachments::{MAX_ATTACHMENTS, MAX_METADATA_BYTES, MAX_METADATA_DEPTH};
pub use blocks::MAX_BLOCKS;
pub use bots::{
    CreateBotToken, InvokeCommand, MAX_BOT_NAME_CHARS, MAX_BOT_TOKENS, MAX_BOTS, MAX_BOTS_LISTED,
    MAX_COMMAND_DESCRIPTION_CHARS, MAX_COMMANDS, MAX_COMMANDS_LISTED, MAX_TOKEN_NAME_CHARS, MAX_TOKEN_SESSIONS,
};
#[cfg(feature = "admin")]
pub(crate) use counting::Counted;
#[cfg(feature = "accounts")]
pub(crate) use decide::metering::refused;
pub use decide::{
    metering::{Metered, PaidRequest},
    policy::{Attempt, Operation, Policy},
    review::{BLOCKING_REVIEWS, BlockingPolicy, MessageDraft, MessagePolicy, OnFailure, Verdict},
};
pub use directs::{GROUP_USERS_MAX, GROUP_USERS_MIN, Started};
pub use editing::EditMessage;
pub use emojis::{MAX_EMOJI_URL_CHARS, MAX_EMOJIS};
pub use finding::{FindPublicSessions, FindSessions, FoundSessions, MAX_SEARCH_CHARS, MAX_SEARCHED, PublicOrder};
pub use held::{MAX_HELD, MAX_HELD_BY_USER};
#[cfg(feature = "webhooks")]
pub(crate) use hooking::{Heard, Turn, WebhookPlan};
pub use incoming::{
    CreateIncomingWebhook, IncomingCaller, MAX_INCOMING_WEBHOOKS, MAX_WEBHOOK_NAME_CHARS, PostToWebhook,
    UpdateIncomingWebhook,
};
pub use invites::{CreateInvite, INVITE_SECONDS, INVITE_SECONDS_MAX, INVITE_USES_MAX, MAX_INVITES};
pub use join_requests::MAX_JOIN_REQUESTS;
pub use later::ScheduleMessage;
pub use mentioned::{ListMentions, MentionOrder};
pub use mentions::{MAX_EVERYBODY, MAX_MENTIONS, MAX_NAMED};
pub use messages::*;
pub use participants::{AddParticipant, Admission};
pub use pins::{MAX_PINS, PinnedMessage};
pub use preferences::SetPreferences;
pub use presence::SetPresence;
pub use reactions::MAX_REACTION_KINDS;
pub use read::{
    batch::{MessagesOf, ParticipantsOf},
    view::{Encoding, EventView, SignalView},
};
pub use reading::{MAX_MARKED, MAX_SORTED, ReadUpto, SessionOrder};
pub use receipts::MAX_COUNTED;
#[cfg(feature = "admin")]
pub(crate) use reports::Attested;
pub use reports::{FileReport, MAX_OPEN_REPORTS, ResolveReport};
pub use sanctions::{MAX_REASON_CHARS, SanctionUser};
pub use send::{PostSystem, SendMessage};
pub use sessions::{CreateSession, MAX_AVATAR_URL_CHARS, MAX_TAG_CHARS, MAX_TAGS, PublicSessionPage, UpdateSession};
pub use slow_mode::MAX_SLOW_MODE_SECONDS;
pub use spans::MAX_LINKS;
pub use standing::BanAccount;
#[cfg(feature = "admin")]
pub(crate) use standing::Recorded;
pub use stream::{
    notices::Notices,
    own::OwnSignals,
    presence::Device,
    seat::Outlet,
    subscribe::{Delivery, Start, Subscription},
    subscribe_all::{AllDelivery, AllSubscription, Position},
};
pub use streamed::{FailMessage, MAX_FAILURE_CHARS, StartMessage};
pub use user_settings::SetUserSettings;
pub use words::{ListPolicy, OnMatch};

use crate::{
    clock::{Clock, SystemClock},
    identity::UserDirectory,
    limits::{Limiter, Limits, RateLimits},
    model::{MessageId, SessionId},
    notify::{InProcessNotifier, Notifier},
    permission::PermissionTable,
    store::{ChatStore, MemoryStore},
    trace::TracedStore,
};
use blocks::Pairs;
use bots::KnownTokens;
#[cfg(feature = "admin")]
use counting::Counts;
use decide::{
    adding::Allowances,
    govern::{Gates, UserHash, publishing},
    metering::Meter,
    policy::Guard,
    review::Reviewer,
};
use read::{directory::Listings, ends::Ends, profiles::Profiles, user_directory::Directory};
use stream::{
    inbox::Inboxes,
    notices::Hub,
    presence::Presences,
    receipts::Receipts,
    standings::KnownStandings,
    tail::Tails,
    task::{Kind, Task},
};
use streamed::Streams;
use tokio::sync::Semaphore;
use typing::Typists;

/// The chat: one handle for all use cases, cheap to clone, shared by all frontends.
///
/// Every method takes the calling [`Principal`](crate::Principal) first, decides by the permission engine, and fails with the one
/// [`Error`](crate::Error). If a method's future is dropped, the use case is executed completely or not at all.
#[derive(Clone)]
pub struct Chat {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn ChatStore>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    permissions: PermissionTable,
    guard: Option<Guard>,
    reviewer: Option<Reviewer>,
    limits: Limits,
    standings: KnownStandings,
    profiles: Profiles,
    gates: Gates<SessionId>,
    message_gates: Gates<MessageId>,
    user_gates: Gates<UserHash>,
    held_gates: Gates<SessionId>,
    publishing: Arc<Semaphore>,
    allowances: Allowances,
    pairs: Pairs,
    bot_tokens: KnownTokens,
    listings: Listings,
    ends: Ends,
    meter: Meter,
    #[cfg(feature = "admin")]
    counts: Counts,
    notices: Hub,
    tails: Tails,
    inboxes: Inboxes,
    presences: Presences,
    receipts: Receipts,
    typists: Typists,
    #[cfg(feature = "webhooks")]
    bell: hooking::Bell,
    streams: Streams,
    stream_gates: Gates<SessionId>,
    /// Continues work that a process left behind.
    resumer: Mutex<Option<Task>>,
    resuming: Kind,
    #[cfg(feature = "metrics")]
    sends: crate::metrics::Counter,
    #[cfg(feature = "metrics")]
    store_up: crate::metrics::Gauge,
    /// For how many seconds a login of the accounts can go on without an access token.
    login_seconds: AtomicI64,
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chat").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

impl Chat {
    /// A chat on a store, with default options.
    pub fn new(store: impl ChatStore) -> Self {
        Self::builder(store).build()
    }

    /// A chat in memory, without persistence.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::new(MemoryStore::new())
    }

    /// A builder of a chat on a store.
    pub fn builder(store: impl ChatStore) -> ChatBuilder {
        ChatBuilder {
            store: Arc::new(store),
            notifier: Arc::new(InProcessNotifier::new()),
            clock: Arc::new(SystemClock),
            permissions: PermissionTable::default(),
            policy: None,
            message_policy: None,
            on_failure: OnFailure::default(),
            directory: None,
            limiter: None,
            rates: None,
            limits: Limits::default(),
        }
    }

    /// The time by the chat's [`Clock`], for comparisons with the expiry of tokens.
    #[must_use]
    pub fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.inner.clock.now()
    }

    /// The clock of this chat, for a frontend that waits for a time.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.clock)
    }

    /// The limits of this chat.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }
}

/// A builder of a [`Chat`].
pub struct ChatBuilder {
    store: Arc<dyn ChatStore>,
    notifier: Arc<dyn Notifier>,
    clock: Arc<dyn Clock>,
    permissions: PermissionTable,
    policy: Option<Arc<dyn Policy>>,
    message_policy: Option<Arc<dyn MessagePolicy>>,
    on_failure: OnFailure,
    directory: Option<Arc<dyn UserDirectory>>,
    limiter: Option<Arc<dyn Limiter>>,
    rates: Option<RateLimits>,
    limits: Limits,
}

impl fmt::Debug for ChatBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChatBuilder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl ChatBuilder {
    /// Sets the notifier for hints between processes on one store. Default: hints within the process, and polls for changes of other
    /// processes at [`Limits::poll_interval`].
    #[must_use]
    pub fn notifier(mut self, notifier: impl Notifier) -> Self {
        self.notifier = Arc::new(notifier);
        self
    }

    /// Sets the clock, the source of times and ids.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the permission table.
    #[must_use]
    pub fn permissions(mut self, permissions: PermissionTable) -> Self {
        self.permissions = permissions;
        self
    }

    /// Sets the policy that checks each use case after the table allows it. Default: no policy.
    #[must_use]
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.policy = Some(Arc::new(policy));
        self
    }

    /// Sets the policy that reviews each message before a send or an edit. Default: no review.
    #[must_use]
    pub fn message_policy(mut self, policy: impl MessagePolicy) -> Self {
        self.message_policy = Some(Arc::new(policy));
        self
    }

    /// Sets the outcome of a review by the [`MessagePolicy`] that panics or takes longer than [`Limits::policy_timeout`]. Default: the
    /// message is refused.
    #[must_use]
    pub fn on_message_policy_failure(mut self, outcome: OnFailure) -> Self {
        self.on_failure = outcome;
        self
    }

    /// Sets the directory for unknown users. Default: no directory.
    #[must_use]
    pub fn directory(mut self, directory: impl UserDirectory) -> Self {
        self.directory = Some(Arc::new(directory));
        self
    }

    /// Sets the limiter of uses. Default: [`ProcessLimiter`](crate::limits::ProcessLimiter), with the rates of [`Limits::rates`].
    #[must_use]
    pub fn limiter(mut self, limiter: impl Limiter) -> Self {
        self.limiter = Some(Arc::new(limiter));
        self
    }

    /// Sets the rates of uses, in place of [`Limits::rates`].
    #[must_use]
    pub fn rates(mut self, rates: RateLimits) -> Self {
        self.rates = Some(rates);
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Builds the chat.
    #[must_use]
    pub fn build(self) -> Chat {
        let Self { store, notifier, clock, permissions, policy, message_policy, on_failure, .. } = self;
        let (directory, limiter, rates, mut limits) = (self.directory, self.limiter, self.rates, self.limits);
        #[cfg(feature = "webhooks")]
        let bell = hooking::Bell::default();
        let store: Arc<dyn ChatStore> = Arc::new(TracedStore {
            store,
            #[cfg(feature = "webhooks")]
            marker: bell.marker(),
        });
        limits.rates = rates.unwrap_or(limits.rates);
        let guard = policy.map(|policy| Guard::new(policy, limits.policy_timeout));
        let timeout = limits.policy_timeout;
        let reviewer = message_policy.map(|policy| Reviewer { policy, on_failure, timeout });
        let directory = Directory::new(directory, &limits);
        let standings = KnownStandings::new(Arc::clone(&store), Arc::clone(&notifier), Arc::clone(&clock), &limits);
        let notices = Hub::new(Arc::clone(&notifier), limits.poll_interval);
        #[cfg(feature = "admin")]
        let counts = Counts::new(Arc::clone(&store), Arc::clone(&clock));
        let max_chars = limits.profile_chars;
        let profiles = Profiles::new(Arc::clone(&store), Arc::clone(&clock), standings.clone(), directory, max_chars);
        #[cfg(feature = "admin")]
        let profiles = profiles.counted_by(counts.clone());
        let receipts = Receipts::new((Arc::clone(&store), Arc::clone(&notifier)), Arc::clone(&clock), &limits);
        let tails =
            Tails::new(Arc::clone(&store), Arc::clone(&notifier), (profiles.clone(), receipts.clone()), &limits);
        let inboxes = Inboxes::new(Arc::clone(&store), Arc::clone(&notifier), &limits);
        let records = (Arc::clone(&store), Arc::clone(&notifier));
        let presences =
            Presences::new(records, Arc::clone(&clock), (profiles.clone(), standings.clone()), tails.clone(), &limits);
        let meter = Meter::new(limiter, &limits);
        let (gates, publishing, allowances) = (Gates::default(), publishing(), Allowances::new(&limits));
        #[cfg(feature = "metrics")]
        let store_up = crate::metrics::STORE_UP.handle();
        // Until somebody asks: the host has just opened it.
        #[cfg(feature = "metrics")]
        store_up.set(1.0);
        let inner = Inner {
            store,
            notifier,
            clock,
            permissions,
            guard,
            reviewer,
            limits,
            standings,
            profiles,
            gates,
            message_gates: Gates::default(),
            user_gates: Gates::default(),
            held_gates: Gates::default(),
            publishing,
            allowances,
            pairs: Pairs::default(),
            bot_tokens: KnownTokens::default(),
            listings: Listings::default(),
            ends: Ends::default(),
            meter,
            #[cfg(feature = "admin")]
            counts,
            notices,
            tails,
            inboxes,
            presences,
            receipts,
            typists: Typists::default(),
            #[cfg(feature = "webhooks")]
            bell,
            streams: Streams::default(),
            stream_gates: Gates::default(),
            resumer: Mutex::default(),
            resuming: Kind::new("resumer"),
            #[cfg(feature = "metrics")]
            sends: crate::metrics::SENDS.handle(),
            #[cfg(feature = "metrics")]
            store_up,
            login_seconds: AtomicI64::new(0),
        };
        Chat { inner: Arc::new(inner) }
    }
}
