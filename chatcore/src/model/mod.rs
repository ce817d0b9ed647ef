//! The plain data types of a chat. This module imports nothing else of this crate.

mod attachment;
mod block;
mod bot;
mod cursor;
mod event;
mod forward;
mod held;
mod id;
mod incoming;
mod invite;
mod later;
mod mention;
mod message;
mod moderation;
mod notice;
mod page;
mod participant;
mod preferences;
mod presence;
mod profile;
mod reaction;
mod reading;
mod receipt;
mod report;
mod sanction;
pub(crate) mod search;
mod session;
mod signal;
mod standing;
mod streamed;
mod thread;
mod time;
pub(crate) mod visible;

pub use attachment::{Attachment, Metadata};
pub use block::BlockedUser;
pub use bot::{Bot, BotCommand, BotSecret, BotToken, CommandName, CreatedBotToken, MessageCommand, SessionCommand};
pub use cursor::{Cursor, Epoch};
pub use event::{
    Event, EventKind, MessageEvent, MessageStatus, NewEvent, ParticipantEvent, RemovalReason, Seq, SessionChanges,
    SessionEvent,
};
pub use forward::Origin;
pub use held::HeldMessage;
pub use id::{
    AuditId, ClientId, HeldId, InvalidId, InviteId, LoginId, MessageId, ModerationId, NoticeId, ParticipantId,
    ReportId, ScheduledId, SessionId, UserId, WebhookId,
};
pub use incoming::{CreatedIncomingWebhook, IncomingToken, IncomingWebhook};
pub use invite::{CreatedInvite, Invite, InviteCode, InvitePreview, JoinRequest};
pub use later::{Draft, ScheduledMessage};
pub use mention::{Mention, MentionCursor, MentionSection, MentionedMessage, Span};
pub use message::{Content, EncryptedContent, Message, MessageBody, MessageRevision, MessageType, SpeakerRole};
pub use moderation::{MessageDeletion, ModerationAction, ModerationEntry};
pub use notice::Notice;
pub use page::{Bound, ListPage, MessagePage, MessageWindow, Page};
pub use participant::{Participant, ParticipantRole, Standing};
pub use preferences::Preferences;
pub use presence::{
    Availability, OwnPresence, ParticipantPresence, Presence, PresenceState, PresenceStatus, StatusText,
};
pub use profile::Profile;
pub use reaction::{Emoji, EmojiName, Reaction, Reactor, SessionEmoji};
pub use reading::{AllRead, Overview, ReadState, Stay, Unread, UnreadMentions};
pub use receipt::{DeliveryState, DeliveryStatus, MessageDelivery, MessageReceipt, ReceiptKind, UserSettings};
pub use report::{FiledReport, Handling, Report, ReportReason, ReportState};
pub use sanction::{Sanction, SessionBan, Term};
pub use search::PublicCursor;
pub use session::{
    HistoryVisibility, Session, SessionDeletion, SessionDetails, SessionSettings, SessionSummary, SessionType,
};
pub use signal::{ShownPart, Signal};
pub use standing::{Ban, EndedLogin, UserStanding};
pub use streamed::{Appended, StreamFailure, StreamState};
pub use thread::{FollowedThread, LastReply, Reply, ThreadState, ThreadSummary};
pub use time::parse_time;
