//! Use cases about receipts: how far the messages of a session came to its users.
//!
//! No receipt is stored: what came to a user is a position that stands under the user, the delivery marker or the read marker. So a message
//! with a thousand addressees costs no more than one with none.

use super::{
    Chat, ParticipantsOf,
    decide::target::Target,
    read::{
        batch::only,
        lists::{Seated, Slice},
        pages::resync,
        profiles,
    },
    stream::receipts::Came,
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        DeliveryState, DeliveryStatus, ListPage, MessageDelivery, MessageId, MessageReceipt, MessageStatus,
        MessageType, Page, ParticipantId, ReceiptKind, Seq, Session, SessionId, Signal, UserId, UserSettings,
    },
    notify::Hint,
    permission::Action,
    store::{
        Been, BlockRecord, Blocks, DeliveryMarker, DeliveryMarkers, Freshness, Key, ReadMarker, ReadMarkers,
        SettingsOfUsers, StoreError, TypedKey as _, UserSettingsRecord, typed,
    },
    trace::use_case,
};

/// Maximum number of participants whose receipts are counted. In a session with more participants, readers get no signals of receipts.
pub const MAX_COUNTED: u64 = 500;

/// Participants whose positions are read at once.
const CHUNK: u64 = 100;

/// Everything that decides whether a user sees the receipts of another one. The rule is [`shows`](Self::shows) alone.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Sight {
    /// Whether the session shows receipts.
    pub(in crate::chat) session: bool,
    /// Whether the user of whom the receipts are sends receipts.
    pub(in crate::chat) sender: bool,
    /// Whether the reader sends receipts.
    pub(in crate::chat) reader: bool,
    /// Whether one of the two users has blocked the other one.
    pub(in crate::chat) is_blocked: bool,
}

impl Sight {
    /// Whether the reader sees a receipt of this kind. A reader who lets nobody see what the reader has read does not see what others have.
    pub(in crate::chat) const fn shows(self, kind: ReceiptKind) -> bool {
        let Self { session, sender, reader, is_blocked } = self;
        session
            && sender
            && !is_blocked
            && match kind {
                ReceiptKind::Delivered => true,
                ReceiptKind::Read => reader,
            }
    }
}

/// Whether readers of a session are told of receipts as they come.
pub(in crate::chat) fn tells(session: &Session) -> bool {
    let anybody = Sight { session: session.settings.receipts, sender: true, reader: true, is_blocked: false };
    anybody.shows(ReceiptKind::Delivered) && u64::from(session.participant_count) <= MAX_COUNTED
}

/// A participant's receipt for one message, as a reader sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    is_addressee: bool,
    delivered: bool,
    read: bool,
}

/// The records that decide about one participant.
struct Marks {
    delivered: Option<DeliveryMarker>,
    read: Option<ReadMarker>,
    settings: UserSettings,
    is_blocked: bool,
    /// The position with which the user came; 0 where it is not known.
    joined: Seq,
}

impl Chat {
    /// Acknowledges that a device of the caller has received a session up to a position, and returns the acknowledged position. The
    /// position only moves forward: an earlier position changes nothing, so a retry is safe. The other readers of the session receive a
    /// [signal](crate::model::Signal::Receipt). No message and no unread count changes.
    ///
    /// A client may acknowledge each message: a process writes the position of a user in a session at most once in a second. A crash loses
    /// positions that are not written yet; the next acknowledgement restores the position.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Invalid`](Error::Invalid) for the position 0;
    /// [`Resync`](Error::Resync) for a position beyond the end of the log.
    pub async fn acknowledge_delivery(&self, principal: &Principal, id: SessionId, upto: Seq) -> Result<DeliveryState> {
        use_case!("acknowledge_delivery", id, async move {
            self.enter(principal, Use::Request).await?;
            let user = &principal.user_id;
            // What is known already needs no fresh facts: nothing is written.
            let mut known = self.allowed(id, principal, Action::View, Freshness::Cached).await?;
            if upto == 0 {
                return Err(Error::invalid("seq", Code::ValidationInvalidValue, "positions begin at 1"));
            }
            let mut reached = self.inner.receipts.delivered(id, user);
            if reached < upto || upto > known.head.seq {
                known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
                if upto > known.head.seq {
                    return Err(resync(&*self.inner.store, id, known.head.seq).await);
                }
                let is_told = tells(known.session()?);
                let is_now;
                (reached, is_now) = self.inner.receipts.deliver(id, user, Came { seq: upto, is_told }).await?;
                if is_now {
                    self.tell_receipt(id, user, ReceiptKind::Delivered, upto).await;
                }
            }
            Ok(DeliveryState { session_id: id, delivered_upto: reached.min(known.head.seq.max(upto)) })
        })
    }

    /// The receipts for a message, one for each participant of its session, in the order of joining. A receipt that the caller may not see
    /// looks like a missing receipt.
    ///
    /// A user has read a message if the user marked the session as read up to the message, or sent a later message of role `user` among the
    /// last 100 events.
    ///
    /// # Errors
    /// [`MessageNotFound`](Error::MessageNotFound) as for [`message`](Self::message); [`MessageDeleted`](Error::MessageDeleted);
    /// [`Denied`](Error::Denied) when the caller may not view the session; [`Invalid`](Error::Invalid) for a page outside of the limits.
    pub async fn message_receipts(
        &self,
        principal: &Principal,
        id: MessageId,
        page: Page<ParticipantId>,
    ) -> Result<ListPage<MessageReceipt, ParticipantId>> {
        use_case!("message_receipts", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            let target = self.received(principal, id).await?;
            let asked = ParticipantsOf { session_id: id.session_id, page, with_email: false };
            let ListPage { entries, next } = only(self.each_participants(principal, &[asked]).await?)?;
            let users: Vec<&UserId> = entries.iter().map(|participant| &participant.profile.user_id).collect();
            let seen = self.receipts_of(principal, &target, &users).await?;
            let receipt = |(participant, seen): (crate::model::Participant, Seen)| {
                let Seen { is_addressee, delivered, read } = seen;
                let (participant_id, user) = (participant.id, profiles::public(participant.profile));
                MessageReceipt { participant_id, user, is_addressee, delivered, read }
            };
            Ok(ListPage { entries: entries.into_iter().zip(seen).map(receipt).collect(), next })
        })
    }

    /// The delivery status of a message and its numbers of addressees, as the caller may see them. The first [`MAX_COUNTED`] participants
    /// count.
    ///
    /// # Errors
    /// As [`message_receipts`](Self::message_receipts).
    pub async fn message_delivery(&self, principal: &Principal, id: MessageId) -> Result<MessageDelivery> {
        use_case!("message_delivery", id.session_id, async move {
            self.enter(principal, Use::Request).await?;
            let target = self.received(principal, id).await?;
            let count = u64::from(target.known.session()?.participant_count);
            let mut delivery = MessageDelivery {
                message_id: id,
                status: DeliveryStatus::Sent,
                addressees: 0,
                delivered: 0,
                read: 0,
                is_exact: count <= MAX_COUNTED,
            };
            let (mut after, mut looked) = (None, 0);
            while looked < MAX_COUNTED {
                let slice = Slice { after, skip: 0, limit: CHUNK };
                let seated = Seated { session_id: id.session_id, slice };
                let records = self.seats_of(&[seated]).await?.pop().unwrap_or_default();
                let users: Vec<&UserId> = records.iter().map(|record| &record.user_id).collect();
                for Seen { is_addressee, delivered, read } in self.receipts_of(principal, &target, &users).await? {
                    delivery.addressees += u64::from(is_addressee);
                    delivery.delivered += u64::from(delivered);
                    delivery.read += u64::from(read);
                }
                looked += CHUNK;
                after = records.last().map(|record| record.id);
                if (records.len() as u64) < CHUNK {
                    break;
                }
            }
            delivery.status = match (delivery.delivered, delivery.read) {
                (0, 0) => DeliveryStatus::Sent,
                (_, 0) => DeliveryStatus::Delivered,
                (_, _) => DeliveryStatus::Read,
            };
            Ok(delivery)
        })
    }

    /// Tells the readers of a session that a user has read it up to a position, now or within a second.
    pub(in crate::chat) async fn tell_read(&self, id: SessionId, user: &UserId, came: Came) {
        if self.inner.receipts.read(id, user, came) {
            self.tell_receipt(id, user, ReceiptKind::Read, came.seq).await;
        }
    }

    async fn tell_receipt(&self, session_id: SessionId, user: &UserId, kind: ReceiptKind, seq: Seq) {
        self.publish(Hint::Signal(Signal::Receipt { session_id, user_id: user.clone(), kind, seq })).await;
    }

    /// A message of which the caller may see receipts.
    async fn received(&self, principal: &Principal, id: MessageId) -> Result<Target> {
        let target = self.target(principal, id, Freshness::Fresh, |_| Action::View).await?;
        self.permit_on(principal, &target, Action::View, None).await?;
        match target.status {
            MessageStatus::AsSent | MessageStatus::Edited { .. } => Ok(target),
            MessageStatus::Deleted { .. } => Err(Error::MessageDeleted),
        }
    }

    /// What a reader sees of how far a message came to users, in the same order.
    async fn receipts_of(&self, principal: &Principal, target: &Target, users: &[&UserId]) -> Result<Vec<Seen>> {
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let (reader, session) = (&principal.user_id, target.known.session()?);
        let (own, marks) = self.marks_of_users(reader, session.id, users).await?;
        let end = self.ends(&[(session.id, target.known.head)]).await?.pop().ok_or(Error::Internal)??;
        let seq = target.event.seq;
        // The server is the author of system messages.
        let author = (target.body.message_type != MessageType::System).then_some(&target.event.actor);
        let seen = |(user, marks): (&&UserId, Marks)| {
            let Marks { delivered, read, settings, is_blocked, joined } = marks;
            let is_addressee = author != Some(*user) && joined < seq;
            let sight = Sight {
                session: session.settings.receipts,
                sender: settings.receipts,
                reader: own.receipts,
                is_blocked,
            };
            let said = end.said_by(user).next().unwrap_or(0);
            let read = read.map_or(0, |marker| marker.highest()).max(said);
            let delivered = delivered.map_or(0, |marker| marker.seq);
            // What was read was delivered, and what a device of the user said lately is not written yet.
            let delivered = delivered.max(read).max(self.inner.receipts.delivered(session.id, user));
            Seen {
                is_addressee,
                delivered: is_addressee && delivered >= seq && sight.shows(ReceiptKind::Delivered),
                read: is_addressee && read >= seq && sight.shows(ReceiptKind::Read),
            }
        };
        Ok(users.iter().zip(marks).map(seen).collect())
    }

    /// The settings of a reader, and the records of users in a session that decide what the reader sees of them.
    async fn marks_of_users(
        &self,
        reader: &UserId,
        session: SessionId,
        users: &[&UserId],
    ) -> Result<(UserSettings, Vec<Marks>)> {
        let each = |user: &&UserId| {
            let user = || (*user).clone();
            [
                DeliveryMarkers { user: user(), session }.key(),
                ReadMarkers { user: user(), session }.key(),
                SettingsOfUsers { user: user() }.key(),
                Blocks { user: reader.clone(), blocked: user() }.key(),
                Blocks { user: user(), blocked: reader.clone() }.key(),
                Been { user: user(), session }.key(),
            ]
        };
        let own = SettingsOfUsers { user: reader.clone() }.key();
        let keys: Vec<Key> = std::iter::once(own).chain(users.iter().flat_map(each)).collect();
        let mut found = self.inner.store.records(&keys).await?.into_iter();
        let settings = |record| -> Result<UserSettings, StoreError> {
            Ok(typed::<UserSettingsRecord>(record)?.map(|found| (*found.value).into()).unwrap_or_default())
        };
        let own = settings(found.next().flatten())?;
        let mut marks = Vec::with_capacity(users.len());
        while let (Some(delivered), Some(read), Some(chosen), Some(by), Some(of), Some(been)) =
            (found.next(), found.next(), found.next(), found.next(), found.next(), found.next())
        {
            let is_blocked = typed::<BlockRecord>(by)?.is_some() || typed::<BlockRecord>(of)?.is_some();
            marks.push(Marks {
                delivered: typed::<DeliveryMarker>(delivered)?.map(|found| *found.value),
                read: typed::<ReadMarker>(read)?.map(|found| ReadMarker::clone(&found.value)),
                settings: settings(chosen)?,
                is_blocked,
                joined: been.map_or(0, |been| been.at),
            });
        }
        Ok((own, marks))
    }
}
