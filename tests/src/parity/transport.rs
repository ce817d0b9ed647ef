//! What the harness wants of a transport.

use async_trait::async_trait;
use chatcore::model::{Event, EventKind, SessionEvent};
use serde_json::{Map, Value, json};

use super::{
    action::{Action, Target, Which},
    canon::{Fault, Outcome},
    room::{Cast, Room},
    stage::Actor,
};

/// One attempt, as a driver needs it.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// Its name, for messages.
    pub name: &'a str,
    /// The users.
    pub cast: &'a Cast,
    /// The session.
    pub room: &'a Room,
    /// Who acts.
    pub actor: Actor,
    /// What they do.
    pub action: &'a Action,
    /// Whether the core is known to refuse it, so that nothing needs to be asked for of what it would give.
    pub is_refused: bool,
}

/// The id of a thing that was never made.
const NOTHING: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

impl Call<'_> {
    /// The actor's token, where they have one.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.cast.token(self.actor)
    }

    /// The session's id.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.room.id
    }

    /// The input, in which users go by their ids and times are times.
    #[must_use]
    pub fn input(&self) -> Map<String, Value> {
        let mut input = self.action.input.as_object().unwrap().clone();
        for field in ["user_id", "bot_id"] {
            if let Some(user) = input.get_mut(field)
                && let Some(name) = user.as_str().filter(|name| !name.is_empty() && name.len() < 100)
            {
                *user = json!(self.cast.user(name));
            }
        }
        for user in input.get_mut("user_ids").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(name) = user.as_str().filter(|name| !name.is_empty()) {
                *user = json!(self.cast.user(name));
            }
        }
        for name in input.get_mut("mentions").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(user) = name.as_str().filter(|name| !name.is_empty() && name.len() < 100) {
                *name = json!(self.cast.user(user));
            }
        }
        for value in input.values_mut() {
            if let Some(nth) = value["code_of"].as_u64() {
                let code = usize::try_from(nth).ok().and_then(|nth| self.room.codes.get(nth));
                *value = code.map_or_else(|| json!("no code"), |code| json!(code));
            }
            if let Some(seq) = value["time_of"].as_u64() {
                *value = json!(self.time_of(seq));
            }
            if value["session"] == true {
                *value = json!(self.session());
            }
            if let Some(which) = value["message"].as_str().and_then(Which::named) {
                *value = json!(self.message(which));
            }
            if value["of"] == "first" {
                *value = json!(self.message(Which::First));
            }
        }
        input
    }

    fn time_of(&self, seq: u64) -> String {
        match self.room.log.iter().find(|event| event.seq == seq) {
            Some(event) => event.created_at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
            None => "2020-01-01T00:00:00Z".to_owned(),
        }
    }

    /// The ids of what it is about, as a command names them: a message's id names the session, too.
    #[must_use]
    pub fn ids(&self) -> Vec<(&'static str, String)> {
        let session = ("session_id", self.session().to_owned());
        match self.action.target {
            Target::Nothing => Vec::new(),
            Target::Session => vec![session],
            Target::Message(which) => vec![("message_id", self.message(which))],
            Target::Reaction(which, emoji) => vec![("message_id", self.message(which)), ("emoji", emoji.to_owned())],
            Target::Emoji(name) => vec![session, ("name", name.to_owned())],
            Target::Made => vec![("scheduled_id", self.room.made.clone().unwrap_or_else(|| NOTHING.to_owned()))],
            Target::Held => {
                vec![session, ("held_id", self.room.made.clone().unwrap_or_else(|| NOTHING.to_owned()))]
            }
            Target::Anybody(name) => vec![("user_id", self.cast.user(name))],
            Target::Invite(which) => vec![session, ("invite_id", self.invite(which))],
            Target::Webhook(which) => vec![session, ("webhook_id", self.webhook(which))],
            Target::User(name) => vec![session, ("user_id", self.cast.user(name))],
            Target::Report(which) => vec![session, ("report_id", self.report(which))],
            Target::Bot => vec![("bot_id", self.made())],
            Target::BotToken => {
                let token = self.room.codes.last().cloned().unwrap_or_else(|| NOTHING.to_owned());
                vec![("bot_id", self.made()), ("token_id", token)]
            }
        }
    }

    /// The id of what was made, or of nothing.
    fn made(&self) -> String {
        self.room.made.clone().unwrap_or_else(|| NOTHING.to_owned())
    }

    /// The id of the message that it is about.
    #[must_use]
    pub fn message_id(&self) -> Option<String> {
        match self.action.target {
            Target::Message(which) | Target::Reaction(which, _) => Some(self.message(which)),
            Target::Nothing
            | Target::Session
            | Target::Emoji(_)
            | Target::Made
            | Target::Held
            | Target::Anybody(_)
            | Target::Invite(_)
            | Target::Webhook(_)
            | Target::User(_)
            | Target::Bot
            | Target::BotToken
            | Target::Report(_) => None,
        }
    }

    /// The id of the first invite that was created, or of none.
    fn invite(&self, which: Which) -> String {
        let created = |event: &std::sync::Arc<Event>| match event.kind {
            EventKind::Session(SessionEvent::InviteCreated { invite_id, .. }) => Some(invite_id.to_string()),
            _ => None,
        };
        let first = self.room.log.iter().find_map(created).filter(|_| which == Which::First);
        match which {
            Which::Malformed => "no id".to_owned(),
            Which::First | Which::Own | Which::Last | Which::NoMessage | Which::Beyond => {
                first.unwrap_or_else(|| "01890a5d-ac96-774b-bcce-b302099a8057".to_owned())
            }
        }
    }

    /// The id of the first webhook that was created, or of none.
    fn webhook(&self, which: Which) -> String {
        let changed = |event: &std::sync::Arc<Event>| match event.kind {
            EventKind::Session(SessionEvent::WebhookChanged { webhook_id }) => Some(webhook_id.to_string()),
            _ => None,
        };
        let first = self.room.log.iter().find_map(changed).filter(|_| which == Which::First);
        match which {
            Which::Malformed => "no id".to_owned(),
            Which::First | Which::Own | Which::Last | Which::NoMessage | Which::Beyond => {
                first.unwrap_or_else(|| NOTHING.to_owned())
            }
        }
    }

    /// The id of the report that was made, or of none.
    fn report(&self, which: Which) -> String {
        match which {
            Which::Malformed => "no id".to_owned(),
            Which::First | Which::Own | Which::Last => self.room.made.clone().unwrap_or_else(|| NOTHING.to_owned()),
            Which::NoMessage | Which::Beyond => NOTHING.to_owned(),
        }
    }

    fn message(&self, which: Which) -> String {
        // Where the session's id is none, there is no id of a message in it either.
        if self.room.id != self.room.session.to_string() {
            return "no id".to_owned();
        }
        let own = self.actor.name().map(|name| self.cast.user(name));
        let is_own = |event: &&std::sync::Arc<Event>| {
            event.kind.is_message() && own.as_deref().is_some_and(|own| event.actor.as_str() == own)
        };
        match which {
            Which::Own if self.room.log.iter().any(|event| is_own(&event)) => {
                self.room.message(self.room.log.iter().find(is_own).map_or(2, |event| event.seq))
            }
            Which::First | Which::Own => {
                let first = self.room.log.iter().find(|event| event.kind.is_message());
                self.room.message(first.map_or(2, |event| event.seq))
            }
            Which::Last => {
                let last = self.room.log.iter().rev().find(|event| event.kind.is_message());
                self.room.message(last.map_or(2, |event| event.seq))
            }
            Which::NoMessage => self.room.message(1),
            Which::Beyond => self.room.message(999),
            Which::Malformed => "no id".to_owned(),
        }
    }
}

/// A subscription that was let in.
pub struct Subscribed {
    /// The position after which it begins, where the transport tells.
    pub after: Option<u64>,
    /// What it brings.
    pub deliveries: Box<dyn Deliveries>,
}

/// What a subscription brings, in canonical form.
#[async_trait]
pub trait Deliveries: Send {
    /// The next one, which must come.
    async fn next(&mut self) -> Value;

    /// Checks that nothing more comes.
    async fn end(self: Box<Self>);
}

/// A way to the core.
#[async_trait]
pub trait Transport: Send + Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// Tries something other than a subscription; `None` where this transport cannot express it.
    async fn perform(&mut self, call: &Call<'_>) -> Option<Outcome>;

    /// Subscribes; `None` where this transport cannot.
    async fn subscribe(&mut self, call: &Call<'_>, after: Option<u64>) -> Option<Result<Subscribed, Fault>>;

    /// Follows a session as a reader for whom this transport keeps a connection open, from a position.
    async fn follow(&mut self, _cast: &Cast, _session: &str, _after: u64) {}

    /// What this transport tells a reader about the events after one position up to another, in canonical form; `None`
    /// where it tells nothing, or no longer does.
    async fn since(&mut self, cast: &Cast, reader: Actor, session: &str, span: (u64, u64)) -> Option<Vec<Value>>;
}
