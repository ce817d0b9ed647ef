//! Sessions.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result};
use chatcore::{
    Chat, Error,
    chat::ParticipantsOf,
    model::{self, MessageWindow, Overview, ReadState, SessionDetails, SessionSummary, Stay},
};

use super::{
    Fallible as _,
    connection::{self, List, MessageArguments, MessageConnection, ParticipantConnection, listed},
    load::Loads,
    message::Message,
    participant::ParticipantRole,
    preferences::Preferences,
    reading::{Unread, UnreadMentions},
    scalar::{DateTime, JsonObject, Long},
    user::User,
};

/// The type of a session, which decides the access of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::SessionType")]
pub(super) enum SessionType {
    /// Only the owner is in the session.
    Private,
    /// Every user may join.
    Public,
    /// Only invited users are in the session.
    InviteOnly,
    /// Exactly two users.
    Direct,
}

/// The part of the history that the participants of a session see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[graphql(remote = "model::HistoryVisibility")]
pub(super) enum HistoryVisibility {
    /// All of it.
    All,
    /// The messages and events from the participant's last join on. The user who created the session sees all.
    SinceJoining,
}

/// A conversation, with what its contents can be loaded by.
#[derive(Debug, Clone)]
pub(super) struct Session {
    summary: SessionSummary,
    /// What was read together with it.
    details: Option<Arc<SessionDetails>>,
    loads: Arc<Loads>,
}

impl Session {
    /// As a list shows it.
    pub(super) const fn listed(summary: SessionSummary, loads: Arc<Loads>) -> Self {
        Self { summary, details: None, loads }
    }

    /// With its contents.
    pub(super) fn whole(details: SessionDetails, loads: Arc<Loads>) -> Self {
        Self { summary: details.summary.clone(), details: Some(Arc::new(details)), loads }
    }

    /// Its last message, and how far the caller has read. `None` for a session that the caller is not in.
    async fn overview(&self) -> Result<Option<Overview>> {
        match &self.summary.overview {
            Some(overview) => Ok(Some(Overview::clone(overview))),
            None => match self.loads.overview(self.summary.session.id).await {
                Err(Error::Denied(_)) => Ok(None),
                found => found.or_field_error(),
            },
        }
    }

    /// How far the caller has read.
    async fn reading(&self) -> Result<Option<ReadState>> {
        match &self.details {
            Some(details) => Ok(Some(details.reading)),
            None => Ok(self.overview().await?.map(|overview| overview.reading)),
        }
    }

    /// The caller's stay.
    async fn stay(&self) -> Result<Option<Stay>> {
        match &self.details {
            Some(details) => Ok(Some(details.stay)),
            None => Ok(self.overview().await?.map(|overview| overview.stay)),
        }
    }
}

/// A conversation.
#[Object]
impl Session {
    /// The id.
    pub(super) async fn id(&self) -> ID {
        ID(self.summary.session.id.to_string())
    }

    /// The title.
    async fn title(&self) -> &str {
        &self.summary.session.title
    }

    /// The description.
    async fn description(&self) -> Option<&str> {
        self.summary.session.description.as_deref()
    }

    /// The type.
    async fn session_type(&self) -> SessionType {
        self.summary.session.session_type.into()
    }

    /// The maximum number of participants.
    async fn max_participants(&self) -> u32 {
        self.summary.session.max_participants
    }

    /// The number of participants.
    async fn participant_count(&self) -> u32 {
        self.summary.session.participant_count
    }

    /// The owner.
    async fn owner(&self) -> User {
        User(self.summary.owner.clone())
    }

    /// False for a deleted session.
    async fn is_active(&self) -> bool {
        self.summary.session.is_active
    }

    /// The minimum number of seconds between two messages of one sender; 0 for no minimum.
    async fn slow_mode_seconds(&self) -> u32 {
        self.summary.session.settings.slow_mode_seconds
    }

    /// The lifetime of a message in seconds; null for no limit.
    async fn message_lifetime(&self) -> Option<u32> {
        self.summary.session.settings.message_lifetime
    }

    /// The part of the history that participants see.
    async fn history_visibility(&self) -> HistoryVisibility {
        self.summary.session.settings.history_visibility.into()
    }

    /// The tags: words by which a search finds the session.
    async fn tags(&self) -> &[String] {
        &self.summary.session.settings.tags
    }

    /// The address of a picture, or another reference to one.
    async fn avatar_url(&self) -> Option<&str> {
        self.summary.session.settings.avatar_url.as_deref()
    }

    /// Custom data of the host or the client; null where there are none.
    #[graphql(complexity = 20)]
    async fn metadata(&self) -> Option<JsonObject> {
        self.summary.session.settings.metadata.clone().map(JsonObject)
    }

    /// Whether the users of the session see each other's receipts.
    async fn receipts(&self) -> bool {
        self.summary.session.settings.receipts
    }

    /// The time of archiving; null for a session that is not archived.
    async fn archived_at(&self) -> Option<DateTime> {
        self.summary.session.archived_at.map(DateTime)
    }

    /// The time of the deletion by the owner; null for a session that is not deleted.
    async fn deleted_at(&self) -> Option<DateTime> {
        self.summary.session.deletion.as_ref().map(|deletion| DateTime(deletion.at))
    }

    /// The time of creation.
    async fn created_at(&self) -> DateTime {
        DateTime(self.summary.session.created_at)
    }

    /// The time of the last change of the settings.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.summary.session.updated_at)
    }

    /// The number of messages.
    async fn message_count(&self) -> Long {
        Long(self.summary.message_count)
    }

    /// The position in the session's log at the time of the answer: `sessionEvents` after this position misses no event. In a query of the
    /// session by its id, the first 50 participants (`participants`) and the newest 50 messages (`messages(last: 50)`) have the same
    /// position.
    async fn seq(&self) -> Long {
        Long(self.summary.seq)
    }

    /// The last position of the session's log with its epoch: the cursor after which to continue.
    async fn cursor(&self) -> String {
        self.summary.cursor.to_string()
    }

    /// The newest message, without its reactions; null for a session without messages, and where the caller is not in the session.
    async fn last_message(&self) -> Result<Option<Message>> {
        let last = self.overview().await?.and_then(|overview| overview.last_message);
        Ok(last.map(|message| Message { message, loads: Arc::clone(&self.loads) }))
    }

    /// The position up to which the caller has read; null where the caller is not in the session. `messages` with this position as `after`
    /// begins with the first unread message.
    async fn read_upto(&self) -> Result<Option<Long>> {
        Ok(self.reading().await?.map(|reading| Long(reading.read_upto)))
    }

    /// The messages that the caller has not read; null where the caller is not in the session.
    async fn unread(&self) -> Result<Option<Unread>> {
        Ok(self.reading().await?.map(|reading| reading.unread.into()))
    }

    /// The unread messages that mention the caller; null where the caller is not in the session.
    async fn unread_mentions(&self) -> Result<Option<UnreadMentions>> {
        let unread_mentions = match &self.details {
            Some(details) => Some(details.unread_mentions),
            None => self.overview().await?.map(|overview| overview.unread_mentions),
        };
        Ok(unread_mentions.map(Into::into))
    }

    /// The caller's settings for the session; null where the caller is not in the session.
    async fn preferences(&self) -> Result<Option<Preferences>> {
        let preferences = match &self.details {
            Some(details) => Some(details.preferences),
            None => self.overview().await?.map(|overview| overview.preferences),
        };
        Ok(preferences.map(Into::into))
    }

    /// The caller's role; null where the caller is not in the session.
    async fn role(&self) -> Result<Option<ParticipantRole>> {
        Ok(self.stay().await?.map(|stay| stay.role.into()))
    }

    /// The time of the caller's last join; null where the caller is not in the session.
    async fn joined_at(&self) -> Result<Option<DateTime>> {
        Ok(self.stay().await?.map(|stay| DateTime(stay.joined_at)))
    }

    /// The participants, in the order of joining. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, None, child_complexity)")]
    async fn participants(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries.")] first: Option<i32>,
        #[graphql(desc = "The cursor of the entry after which to begin.")] after: Option<String>,
        #[graphql(
            desc = "Whether to show e-mail addresses: for every caller the caller's own address, for owners and admins also the addresses of users who joined by themselves or have posted here."
        )]
        include_email: Option<bool>,
    ) -> Result<Option<ParticipantConnection>> {
        let chat = context.data::<Chat>()?;
        let session_id = self.summary.session.id;
        let list = List::participants(session_id);
        let page = list.page(first, after.as_deref()).or_field_error()?;
        let asked = ParticipantsOf { session_id, page, with_email: include_email.unwrap_or(false) };
        // As many as belong to it, whether they were counted or not.
        let most = u64::from(chat.limits().page_default);
        let first = page.after.is_none() && page.limit.is_none_or(|limit| limit == most);
        let found = match &self.details {
            Some(details) if first && !asked.with_email => details.first_participants(),
            Some(_) | None => self.loads.participants(asked).await.or_field_error()?,
        };
        Ok(Some(list.of_participants(&page, found)))
    }

    /// The messages, oldest first. `last` gives the newest messages, `before` and `after` take a cursor, a position or an RFC 3339 time,
    /// `skip` counts from the oldest message. At most 100 at a time, 50 by default.
    #[graphql(complexity = "listed(first, last, child_complexity)")]
    async fn messages(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The maximum number of entries, from the oldest or after a place.")] first: Option<i32>,
        #[graphql(desc = "The place after which to begin.")] after: Option<String>,
        #[graphql(desc = "The maximum number of entries, up to the newest or before a place.")] last: Option<i32>,
        #[graphql(desc = "The place before which to end.")] before: Option<String>,
        #[graphql(desc = "The number of entries to skip.")] skip: Option<Long>,
    ) -> Result<Option<MessageConnection>> {
        let chat = context.data::<Chat>()?;
        let asked = MessageArguments { first, after, last, before, skip };
        let asked = asked.read(self.summary.session.id).or_field_error()?;
        let newest =
            asked.window == MessageWindow::Newest && asked.limit == Some(u64::from(chat.limits().page_default));
        let page = match &self.details {
            Some(details) if newest => details.newest(),
            Some(_) | None => self.loads.messages(asked).await.or_field_error()?,
        };
        let message = |message| Message { message, loads: Arc::clone(&self.loads) };
        Ok(Some(connection::messages(page, message)))
    }
}
