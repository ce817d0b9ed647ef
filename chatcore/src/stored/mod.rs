//! The tables of this crate, and the forms in which values and events are kept, separate from the model. Golden files pin them.
//!
//! A form only grows: a field that is added later is absent in what was written before, and a field that is not known is
//! skipped. A change that older software would misread raises the format's version in the table's declaration.

pub mod been;
mod blocks;
mod bot_runs;
mod bots;
mod departure;
mod event;
mod expiring;
mod incoming;
mod invites;
mod later;
mod lists;
mod newer;
mod participant;
mod preferences;
mod presence;
mod profile;
mod reactions;
mod reading;
mod receipts;
mod reports;
mod sanctions;
mod session;
mod slow_mode;
mod standing;
mod streamed;
mod tables;
mod threads;

use serde::{Serialize, de::DeserializeOwned};

pub use been::Been;
pub use blocks::BlockRecord;
pub use bot_runs::{BotCursor, BotLease};
pub use bots::{BotRecord, BotTokenPlace, BotTokenRecord, BotTokenUse, CommandList, OwnedBot, OwnedBotList};
pub use departure::{Departure, DepartureTask};
pub use event::{decode_event, encode_event};
pub use expiring::Expiry;
pub use incoming::{IncomingPlace, IncomingRecord, WebhookAuthor};
pub use invites::{InvitePlace, InviteRecord, JoinRequestRecord};
pub use later::{DraftText, Due, DueTask, Held, HeldEntry, HeldList, Scheduled, ScheduledPlace};
pub use lists::{ClientIdUse, Listed, Revision, Seat};
pub use participant::ParticipantRecord;
pub use preferences::PreferenceRecord;
pub use presence::{Connection, LastSeen, PresenceChanges, PresenceChoice, ProcessBeat};
pub use profile::{ProfilePart, ProfileRecord};
pub use reactions::{Reacted, ReactionTotal, ReactionTotals};
pub use reading::ReadMarker;
pub use receipts::{DeliveryMarker, UserSettingsRecord};
pub use reports::{Handled, ModerationRecord, OpenReport, OpenReportList, Purge, PurgeWork, ReportPlace, ReportRecord};
pub use sanctions::BannedUntil;
pub use slow_mode::LastSend;
pub use streamed::{OpenStream, OpenStreamList, StreamedText};
pub use tables::*;
pub use threads::{FollowRecord, LastReplyRecord, ReplyEntry, Speaker, ThreadEntry, ThreadMarker, ThreadRecord};

use crate::store::{Json, KeyPart, Part};

pub(crate) fn to_json<T: Serialize>(form: &T) -> Json {
    // The forms have texts for keys and no numbers that JSON lacks.
    serde_json::to_value(form).unwrap_or_default()
}

pub(crate) fn from_json<T: DeserializeOwned>(stored: Json) -> Result<T, String> {
    serde_json::from_value(stored).map_err(|error| error.to_string())
}

/// A part of a value's key.
fn part<T: KeyPart>(key: &[Part], place: usize) -> Result<T, String> {
    key.get(place).and_then(T::from_part).ok_or_else(|| format!("part {place} of the key has another shape"))
}
