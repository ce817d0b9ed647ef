//! The core itself: the yardstick of all transports.

use std::sync::Arc;

use async_trait::async_trait;
use chatcore::{
    Chat, Code, Error, JwtAuthenticator, Principal, Result,
    chat::{AddParticipant, CreateSession, EditMessage, SendMessage, Subscription, UpdateSession},
    identity::Authenticator as _,
    model::{
        Bound, ClientId, Content, ListPage, MessageBody, MessageId, MessageType, MessageWindow, Page, ParticipantRole,
        SessionId, SessionType, SpeakerRole, UserId,
    },
};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    PATIENCE,
    action::{Action, Actor, Place, Window},
    canon::{self, Fault, Outcome},
    room::Cast,
    transport::{Call, Deliveries, Subscribed, Transport, typed},
};
use crate::server::SECRET;

/// All pages of a list, in one.
macro_rules! all {
    ($limit:expr, $one:expr, |$page:ident| $call:expr) => {{
        let (limit, mut found, mut after) = ($limit, Vec::new(), None);
        loop {
            let $page = Page { after, limit, ..Page::FIRST };
            match $call {
                Ok(page) => {
                    after = page.next;
                    found.extend(page.iter().map($one));
                    if after.is_none() {
                        break Ok(Value::Array(found));
                    }
                }
                Err(error) => break Err(error),
            }
        }
    }};
}

/// Calls the core.
pub struct Core {
    chat: Chat,
    authenticator: JwtAuthenticator,
}

impl Core {
    /// Over a chat.
    #[must_use]
    pub fn new(chat: Chat) -> Self {
        Self { chat, authenticator: JwtAuthenticator::hs256(SECRET).unwrap() }
    }

    async fn principal(&self, call: &Call<'_>) -> Option<Result<Principal>> {
        Some(self.authenticator.authenticate(call.token()?).await)
    }

    async fn act(&self, call: &Call<'_>, by: &Principal) -> Option<Result<Value>> {
        let chat = &self.chat;
        if let Some(done) = self.act_without_session(call, by).await {
            return Some(done);
        }
        let id: SessionId = call.session().parse().ok()?;
        Some(match call.action {
            Action::Session => chat.session(by, id).await.map(|found| canon::session(&found)),
            Action::Participants { limit, email } => {
                all!(natural(*limit)?, canon::participant, |page| chat.participants(by, id, page, *email).await)
            }
            Action::Messages { window, limit } => {
                let (window, limit) = (translate(call, *window)?, natural(*limit)?);
                chat.messages(by, id, window, limit).await.map(|page| {
                    let messages: Value = page.messages.iter().map(canon::message).collect();
                    json!({ "messages": messages, "previous": page.previous, "next": page.next, "?total": page.total })
                })
            }
            Action::Events { after, limit } => chat.events(by, id, *after, natural(*limit)?).await.map(|page| {
                let events: Value = page.events.iter().map(|view| canon::event(view)).collect();
                json!({ "events": events, "head": page.head.seq })
            }),
            Action::Update(input) => {
                let changes: UpdateSession = update(input)?;
                chat.update_session(by, id, changes).await.map(|found| canon::session(&found))
            }
            Action::Delete => chat.delete_session(by, id).await.map(|()| json!({})),
            Action::Join => chat.join(by, id).await.map(|joined| joined_as(&canon::participant(&joined.participant))),
            Action::Leave => chat.leave(by, id).await.map(|()| json!({})),
            Action::Add(input) => {
                let input = only(&call.input(input), &["user_id", "role"])?;
                let user_id: UserId = typed(&input, "user_id")??;
                let add = AddParticipant { user_id, role: typed(&input, "role")? };
                chat.add_participant(by, id, add).await.map(|added| canon::participant(&added.participant))
            }
            Action::ChangeRole { user, input } => {
                let role: ParticipantRole = typed(&only(input, &["role"])?, "role")??;
                let user = UserId::new(call.cast.user(user)).ok()?;
                chat.change_role(by, id, &user, role).await.map(|changed| canon::participant(&changed))
            }
            Action::Remove(user) => {
                let user = UserId::new(call.cast.user(user)).ok()?;
                chat.remove_participant(by, id, &user).await.map(|()| json!({}))
            }
            Action::Send(input) => chat.send(by, id, message(input)?).await.map(|sent| canon::message(&sent)),
            Action::Edit { which, input } => {
                let (id, edit) = (call.message(*which).parse().ok()?, edit(input)?);
                chat.edit_message(by, id, edit).await.map(|edited| canon::message(&edited))
            }
            Action::DeleteMessage { which, revision } => {
                let id: MessageId = call.message(*which).parse().ok()?;
                chat.delete_message(by, id, *revision).await.map(|deleted| canon::message(&deleted))
            }
            Action::Revisions(which) => {
                let id: MessageId = call.message(*which).parse().ok()?;
                chat.message_revisions(by, id).await.map(|found| found.iter().map(canon::revision).collect())
            }
            Action::Pin(which) => {
                let id: MessageId = call.message(*which).parse().ok()?;
                chat.pin_message(by, id).await.map(|()| json!({}))
            }
            Action::Unpin(which) => {
                let id: MessageId = call.message(*which).parse().ok()?;
                chat.unpin_message(by, id).await.map(|()| json!({}))
            }
            Action::Pins => chat.pins(by, id).await.map(|found| found.iter().map(canon::pinned).collect()),
            Action::Typing(is_typing) => chat.typing(by, id, *is_typing).await.map(|()| json!({})),
            Action::Me
            | Action::Sessions { .. }
            | Action::PublicSessions { .. }
            | Action::Message(_)
            | Action::Create(_)
            | Action::Subscribe { .. } => return None,
        })
    }

    async fn act_without_session(&self, call: &Call<'_>, by: &Principal) -> Option<Result<Value>> {
        let chat = &self.chat;
        Some(match call.action {
            Action::Me => chat.me(by).await.map(|profile| canon::me(&profile)),
            Action::Sessions { limit } => {
                all!(natural(*limit)?, canon::summary, |page| chat.sessions(by, page).await)
            }
            Action::PublicSessions { limit } => {
                let mut total = 0;
                let found = all!(natural(*limit)?, canon::summary, |page| {
                    let page = chat.public_sessions(by, page).await;
                    page.map(|page| {
                        total = page.total;
                        ListPage { entries: page.sessions, next: page.next }
                    })
                });
                found.map(|sessions| json!({ "sessions": sessions, "total": total }))
            }
            Action::Message(which) => {
                let id: MessageId = call.message(*which).parse().ok()?;
                chat.message(by, id).await.map(|found| canon::message(&found))
            }
            Action::Create(input) => {
                let new = create(input)?;
                let made = match typed::<String>(input, "client_id")?.map(ClientId::new) {
                    None => chat.create_session(by, new).await,
                    Some(Ok(client_id)) => chat.create_session_once(by, &client_id, new).await,
                    Some(Err(error)) => Err(Error::invalid("client_id", Code::ValidationInvalidValue, error.expected)),
                };
                made.map(|made| canon::session(&made))
            }
            _ => return None,
        })
    }
}

/// What joining tells.
#[must_use]
pub fn joined_as(participant: &Value) -> Value {
    json!({ "participant_id": participant["id"], "?participant": participant })
}

fn natural(number: Option<i64>) -> Option<Option<u64>> {
    number.map(u64::try_from).transpose().ok()
}

fn translate(call: &Call<'_>, window: Window) -> Option<MessageWindow> {
    let bound = |place| match place {
        Place::Seq(seq) => Bound::Seq(seq),
        Place::TimeOf(_) => Bound::Time(call.place(place).parse().unwrap()),
    };
    Some(match window {
        Window::Skip(skip) => MessageWindow::Skip(skip.try_into().ok()?),
        Window::Newest => MessageWindow::Newest,
        Window::Before(place) => MessageWindow::Before(bound(place)),
        Window::After(place) => MessageWindow::After(bound(place)),
    })
}

/// An input that has no other fields.
fn only(input: &Value, fields: &[&str]) -> Option<Value> {
    input.as_object()?.keys().all(|name| fields.contains(&name.as_str())).then(|| input.clone())
}

const SETTINGS: [&str; 4] = ["title", "description", "session_type", "max_participants"];

fn create(input: &Value) -> Option<CreateSession> {
    let input = only(input, &[&SETTINGS[..], &["client_id"]].concat())?;
    let session_type: Option<SessionType> = typed(&input, "session_type")?;
    Some(CreateSession {
        title: typed(&input, "title")??,
        description: typed::<Option<String>>(&input, "description")?.flatten(),
        session_type: session_type.unwrap_or_default(),
        max_participants: typed(&input, "max_participants")?,
    })
}

fn update(input: &Value) -> Option<UpdateSession> {
    let input = only(input, &SETTINGS)?;
    Some(UpdateSession {
        title: typed(&input, "title")?,
        description: typed(&input, "description")?,
        session_type: typed(&input, "session_type")?,
        max_participants: typed(&input, "max_participants")?,
    })
}

fn message(input: &Value) -> Option<SendMessage> {
    let input = only(input, &["content", "role", "message_type", "client_id"])?;
    let content: Content = typed(&input, "content")??;
    let role: Option<SpeakerRole> = typed(&input, "role")?;
    let message_type: Option<MessageType> = typed(&input, "message_type")?;
    let client_id: Option<ClientId> = typed(&input, "client_id")?;
    let body = MessageBody { role: role.unwrap_or_default(), message_type: message_type.unwrap_or_default(), content };
    Some(SendMessage { body, client_id })
}

fn edit(input: &Value) -> Option<EditMessage> {
    let input = only(input, &["content", "revision"])?;
    Some(EditMessage { content: typed(&input, "content")??, revision: typed(&input, "revision")? })
}

fn told(result: Result<Value>) -> Outcome {
    result.map(canon::tidy).map_err(|error| canon::fault(&error))
}

#[async_trait]
impl Transport for Core {
    fn name(&self) -> &'static str {
        "core"
    }

    async fn perform(&mut self, call: &Call<'_>) -> Option<Outcome> {
        match self.principal(call).await? {
            Ok(principal) => self.act(call, &principal).await.map(told),
            Err(error) => Some(Err(canon::fault(&error))),
        }
    }

    async fn subscribe(&mut self, call: &Call<'_>, after: Option<u64>) -> Option<Result<Subscribed, Fault>> {
        let principal = match self.principal(call).await? {
            Ok(principal) => principal,
            Err(error) => return Some(Err(canon::fault(&error))),
        };
        let id = call.session().parse().ok()?;
        let opened = self.chat.subscribe(&principal, id, after).await;
        Some(match opened {
            Ok(subscription) => {
                Ok(Subscribed { after: Some(subscription.after().seq), deliveries: Box::new(Stream(subscription)) })
            }
            Err(error) => Err(canon::fault(&error)),
        })
    }

    async fn since(&mut self, cast: &Cast, reader: Actor, session: &str, span: (u64, u64)) -> Option<Vec<Value>> {
        let by = cast.principal(reader.name()?);
        match self.chat.events(by, session.parse().ok()?, span.0, Some(100)).await {
            Ok(page) => Some(page.events.iter().map(Arc::as_ref).map(canon::event).collect()),
            Err(Error::Denied(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

struct Stream(Subscription);

#[async_trait]
impl Deliveries for Stream {
    async fn next(&mut self) -> Value {
        let next = timeout(PATIENCE, self.0.next()).await.expect("nothing came");
        canon::tidy(canon::delivery(&next.expect("it ended").unwrap()))
    }

    async fn end(mut self: Box<Self>) {
        let next = timeout(PATIENCE, self.0.next()).await.expect("it did not end");
        assert!(next.is_none(), "{next:?}");
    }
}
