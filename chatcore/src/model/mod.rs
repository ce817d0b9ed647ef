//! Plain data: what a chat consists of. Imports nothing else of this crate.

mod attachment;
mod cursor;
mod event;
mod forward;
mod id;
mod mention;
mod message;
mod notice;
mod page;
mod participant;
mod profile;
mod reaction;
mod session;
mod signal;
mod standing;
mod thread;
pub(crate) mod visible;

pub use attachment::{Attachment, Metadata};
pub use cursor::{Cursor, Epoch};
pub use event::{
    Event, EventKind, MessageEvent, MessageStatus, NewEvent, ParticipantEvent, RemovalReason, Seq, SessionChanges,
    SessionEvent,
};
pub use forward::Origin;
pub use id::{AuditId, ClientId, InvalidId, LoginId, MessageId, NoticeId, ParticipantId, SessionId, UserId};
pub use mention::{Mention, MentionCursor, MentionedMessage, Span};
pub use message::{Content, EncryptedContent, Message, MessageBody, MessageRevision, MessageType, SpeakerRole};
pub use notice::Notice;
pub use page::{Bound, ListPage, MessagePage, MessageWindow, Page};
pub use participant::{Participant, ParticipantRole, Standing};
pub use profile::Profile;
pub use reaction::{Emoji, Reaction, Reactor};
pub use session::{Session, SessionDetails, SessionSummary, SessionType};
pub use signal::Signal;
pub use standing::{Ban, EndedLogin, UserStanding};
pub use thread::{LastReply, Reply, ThreadSummary};
