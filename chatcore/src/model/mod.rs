//! Plain data: what a chat consists of. Imports nothing else of this crate.

mod cursor;
mod event;
mod id;
mod message;
mod notice;
mod page;
mod participant;
mod preferences;
mod profile;
mod reaction;
mod reading;
mod session;
mod signal;
mod standing;
pub(crate) mod visible;

pub use cursor::{Cursor, Epoch};
pub use event::{
    Event, EventKind, MessageEvent, MessageStatus, NewEvent, ParticipantEvent, RemovalReason, Seq, SessionChanges,
    SessionEvent,
};
pub use id::{AuditId, ClientId, InvalidId, LoginId, MessageId, NoticeId, ParticipantId, SessionId, UserId};
pub use message::{Content, EncryptedContent, Message, MessageBody, MessageRevision, MessageType, SpeakerRole};
pub use notice::Notice;
pub use page::{Bound, ListPage, MessagePage, MessageWindow, Page};
pub use participant::{Participant, ParticipantRole, Standing};
pub use preferences::Preferences;
pub use profile::Profile;
pub use reaction::{Emoji, Reaction, Reactor};
pub use reading::{AllRead, Overview, ReadState, Unread};
pub use session::{Session, SessionDetails, SessionSummary, SessionType};
pub use signal::Signal;
pub use standing::{Ban, EndedLogin, UserStanding};
