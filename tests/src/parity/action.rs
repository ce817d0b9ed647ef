//! What is tried: an operation by its name, what it is about, and its input.

use chatcore::wire::Command;
use serde_json::{Value, json};

use super::stage::Actor;

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The session's first.
    First,
    /// The actor's own first one, or the session's first where the actor sent none.
    Own,
    /// The session's last.
    Last,
    /// The id of an event that is none.
    NoMessage,
    /// The id of a place behind the end.
    Beyond,
    /// No id.
    Malformed,
}

/// What an operation is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// No one thing.
    Nothing,
    /// The session.
    Session,
    /// A message in it.
    Message(Which),
    /// A reaction to a message in it.
    Reaction(Which, &'static str),
    /// An emoji of its own, by its name.
    Emoji(&'static str),
    /// The thing that the last preparation of the room made, where that has an id of its own: a scheduled message.
    Made,
    /// The message that waits for approval in the session since the last preparation.
    Held,
    /// A user, whatever the session, by their name among the `PEOPLE`.
    Anybody(&'static str),
    /// An invite into it.
    Invite(Which),
    /// The first incoming webhook of it, or one that there never was.
    Webhook(Which),
    /// A user in it, by their name among the `PEOPLE`.
    User(&'static str),
    /// The bot that the last preparation made, or one that there never was.
    Bot,
    /// The token of that bot that the last preparation made, or one that there never was.
    BotToken,
    /// The report that the last preparation of the room made, or one that there never was.
    Report(Which),
}

/// An operation with its input, in the words of the JSON that REST and the WebSocket share: what REST has in the body or in the
/// query, and sockets beside the ids. So an input can be wrong in any way. Users go by their names among the `PEOPLE`, and
/// `{"time_of": n}` is the time of the event at a position, `{"code_of": n}` the code of the `n`th invite that was created, or a wrong code where
/// none was, `{"message": "first"}` the id of a message, `{"of": "first"}` the id of the session's first message, and `{"session": true}`
/// the session's id.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// The `operationId`, which is also the command in camel case and the name of the mutation. A question has the name that it
    /// has in REST; one that REST does not have, that of the field of `Query`.
    pub operation: &'static str,
    /// What it is about.
    pub target: Target,
    /// The input.
    pub input: Value,
}

/// Following the session, seeing what happens, and losing the right to. Each transport has its own way for it.
pub const SUBSCRIBE: &str = "subscribe";

/// The commands that add nothing to a log.
const BESIDE_THE_LOG: &[&str] = &[
    "set_typing",
    "set_presence",
    "schedule_message",
    "cancel_scheduled_message",
    "set_draft",
    "delete_draft",
    "acknowledge_delivery",
    "set_user_settings",
    "append_to_message",
    "reject_message",
    "report_message",
    "report_participant",
    "resolve_report",
];

impl Action {
    /// About no one thing.
    #[must_use]
    pub const fn new(operation: &'static str, target: Target, input: Value) -> Self {
        Self { operation, target, input }
    }

    /// The command, where it is one.
    #[must_use]
    pub fn command(&self) -> Option<&'static str> {
        let name = snake(self.operation);
        Command::NAMES.iter().copied().find(|command| *command == name)
    }

    /// Whether it adds to a log where it is allowed.
    #[must_use]
    pub fn changes(&self) -> bool {
        self.command().is_some_and(|command| !BESIDE_THE_LOG.contains(&command))
    }
}

/// How much of a refusal must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// All: code and details. For every input that the core's types can hold.
    Exact,
    /// The code: each transport names the place of an id or a number that does not parse in its own way.
    Code,
    /// That it is one: transports with a schema refuse before any code of ours is reached.
    Refused,
}

/// One thing to try.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// By whom.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// What of a refusal must be the same.
    pub level: Level,
    /// The actions that prepare the room, each with its actor; the actor of the attempt where none is named. A prepared room serves
    /// the attempts with the same preparation until one of them changes the room.
    pub before: Vec<(Option<Actor>, Action)>,
}

/// A name of GraphQL or of an operation, as JSON has it.
#[must_use]
pub fn snake(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_uppercase() { format!("_{}", c.to_ascii_lowercase()) } else { c.to_string() };
    name.chars().map(letter).collect()
}

/// A name of JSON, as GraphQL has it.
#[must_use]
pub fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |text, word| text + &capital(word))
}

/// A name of JSON, as types and kinds of events are called.
#[must_use]
pub fn pascal(name: &str) -> String {
    capital(&camel(name))
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
}

impl Which {
    /// The message of a name in an input.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let all = [Self::First, Self::Own, Self::Last, Self::NoMessage, Self::Beyond, Self::Malformed];
        all.into_iter().find(|which| which.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Own => "own",
            Self::Last => "last",
            Self::NoMessage => "none",
            Self::Beyond => "beyond",
            Self::Malformed => "malformed",
        }
    }
}

/// The id of a message, in an input.
#[must_use]
pub fn id_of(which: Which) -> Value {
    json!({ "message": which.name() })
}

/// The time of the event at a position, in an input.
#[must_use]
pub fn time_of(seq: usize) -> Value {
    json!({ "time_of": seq })
}
