//! A session as a client keeps it: a fold over its events.

use std::collections::BTreeMap;

use chatcore::{
    model::{Event, EventKind, MessageEvent, MessageId, SessionEvent, Standing, UserId},
    store::{ParticipantRecord, SessionFacts},
};
use serde_json::{Value, json};

use super::canon;

/// A session with its people and messages, as plain maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// The position up to which it holds.
    pub seq: u64,
    session: BTreeMap<String, Value>,
    people: BTreeMap<String, BTreeMap<String, Value>>,
    /// The end of each ban and each mute.
    bans: BTreeMap<String, Value>,
    mutes: BTreeMap<String, Value>,
    messages: BTreeMap<u64, Value>,
    beside: Beside,
}

/// What belongs to the messages, and stands beside them: the pins with their users and times, the number of each reaction to each message, and
/// the session's own emojis with their addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Beside {
    pins: BTreeMap<u64, Value>,
    reactions: BTreeMap<u64, BTreeMap<String, u64>>,
    emojis: BTreeMap<String, Value>,
}

impl Beside {
    /// What a log makes of it.
    fn of(log: &[std::sync::Arc<Event>]) -> Self {
        let mut beside = Self::default();
        let counts = |event: &&std::sync::Arc<Event>| {
            matches!(
                event.kind,
                EventKind::Session(SessionEvent::EmojiAdded { .. } | SessionEvent::EmojiRemoved { .. })
                    | EventKind::Message(
                        MessageEvent::Deleted { .. }
                            | MessageEvent::Pinned { .. }
                            | MessageEvent::Unpinned { .. }
                            | MessageEvent::Reacted { .. }
                            | MessageEvent::Unreacted { .. }
                    )
            )
        };
        for event in log.iter().filter(counts) {
            beside.apply(&canon::bare_event(event)).unwrap_or_else(|wrong| panic!("{wrong}: {event:?}"));
        }
        beside
    }

    fn apply(&mut self, event: &Value) -> Result<(), String> {
        let text = |name: &str| event[name].as_str().map(str::to_owned).ok_or_else(|| format!("no {name}: {event}"));
        match event["kind"].as_str().unwrap_or_default() {
            "MessagePinned" => {
                let pin = json!({ "by": event["actor"]["id"], "at": event["at"] });
                if self.pins.insert(position(&event["message_id"])?, pin).is_some() {
                    return Err(format!("it was pinned: {event}"));
                }
            }
            "MessageUnpinned" => {
                self.pins.remove(&position(&event["message_id"])?).ok_or_else(|| format!("no pin: {event}"))?;
            }
            kind @ ("ReactionAdded" | "ReactionRemoved") => {
                let count = event["count"].as_u64().ok_or("no count")?;
                let of_message = self.reactions.entry(position(&event["message_id"])?).or_default();
                let before = of_message.remove(&text("emoji")?).unwrap_or(0);
                let expected = if kind == "ReactionAdded" { before + 1 } else { before.saturating_sub(1) };
                if count != expected {
                    return Err(format!("{before} became {count}: {event}"));
                }
                if count > 0 {
                    of_message.insert(text("emoji")?, count);
                }
                self.reactions.retain(|_, of_message| !of_message.is_empty());
            }
            "MessageDeleted" => {
                for id in event["messages"].as_array().ok_or("no messages")? {
                    let message = position(id)?;
                    self.pins.remove(&message);
                    self.reactions.remove(&message);
                }
            }
            "EmojiAdded" => drop(self.emojis.insert(text("name")?, event["url"].clone())),
            "EmojiRemoved" => {
                self.emojis.remove(&text("name")?).ok_or_else(|| format!("no such emoji: {event}"))?;
            }
            _ => {}
        }
        Ok(())
    }
}

impl Model {
    /// What the store says.
    pub fn of(facts: &SessionFacts, log: &[std::sync::Arc<Event>]) -> Self {
        let mut session = BTreeMap::new();
        let mut records = facts.records.iter();
        if let Some(found) = records.next().and_then(Option::as_ref) {
            let Value::Object(fields) = canon::tidy(found.value.encode()) else { unreachable!() };
            session = fields.into_iter().collect();
        }
        let (mut people, mut bans, mut mutes) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        for record in records.flatten().filter_map(|record| record.value.get::<ParticipantRecord>()) {
            let name = record.user_id.to_string();
            bans.extend(record.ban.as_ref().map(|ban| (name.clone(), canon::tidy(json!(ban.until)))));
            mutes.extend(record.mute.as_ref().map(|mute| (name.clone(), canon::tidy(json!(mute.until)))));
            let (role, is_active) = match record.standing {
                Standing::Active(role) => (role, true),
                Standing::Former(role) => (role, false),
                // A ban of a user who never came.
                Standing::Stranger => continue,
                Standing::Banned(_) => panic!("{record:?}"),
            };
            let person = json!({
                "id": record.id, "role": role, "is_active": is_active,
                "joined_at": record.joined_at, "created_at": record.created_at, "metadata": record.metadata,
            });
            let Value::Object(fields) = canon::tidy(person) else { unreachable!() };
            people.insert(name, fields.into_iter().collect());
        }
        let is_message = |event: &&std::sync::Arc<Event>| event.kind.is_message();
        let messages = log.iter().filter(is_message).map(|event| (event.seq, canon::said(event))).collect();
        Self { seq: facts.head.seq, session, people, bans, mutes, messages, beside: Beside::of(log) }
    }

    /// All of it as one value.
    #[must_use]
    pub fn value(&self) -> Value {
        let Self { seq, session, people, bans, mutes, messages, beside } = self;
        let Beside { pins, reactions, emojis } = beside;
        let mut present: Vec<_> = people.iter().filter(|(_, person)| person["is_active"] == true).collect();
        // Stays are named in the order in which they began.
        present.sort_by_key(|(_, person)| person["id"].to_string());
        let present: Vec<_> = present.into_iter().map(|(name, _)| name).collect();
        json!({
            "seq": seq, "session": session, "people": people, "bans": bans, "mutes": mutes, "messages": messages,
            "present": present, "pins": pins, "reactions": reactions, "emojis": emojis,
        })
    }

    /// Whether the session is there and not deleted.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.session.get("is_active") == Some(&Value::Bool(true))
    }

    /// The owner's id.
    #[must_use]
    pub fn owner(&self) -> &str {
        self.session.get("owner").and_then(Value::as_str).unwrap_or_default()
    }

    /// Whether a user is in it.
    #[must_use]
    pub fn has(&self, user: &str) -> bool {
        self.people.get(user).is_some_and(|person| person["is_active"] == true)
    }

    /// The metadata of a user who is in it.
    #[must_use]
    pub fn metadata(&self, user: &str) -> Value {
        self.people.get(user).map_or(Value::Null, |person| person["metadata"].clone())
    }

    /// What an event makes of it.
    ///
    /// # Errors
    /// Why the event cannot come here.
    pub fn apply(&mut self, event: &Value) -> Result<(), String> {
        let seq = event["seq"].as_u64().ok_or("an event without a position")?;
        if seq != self.seq + 1 {
            return Err(format!("event {seq} came after {}", self.seq));
        }
        self.seq = seq;
        self.beside.apply(event)?;
        let at = &event["at"];
        let (actor, user) = (id(&event["actor"]), id(&event["user"]));
        match event["kind"].as_str().unwrap_or_default() {
            "SessionCreated" => {
                for name in ["title", "description", "session_type", "max_participants"] {
                    self.session.insert(name.to_owned(), event[name].clone());
                }
                if event["history_visibility"] == "SINCE_JOINING" {
                    self.set(&[("history_visibility", json!("SINCE_JOINING")), ("needs", json!(1))]);
                }
                if event["receipts"] == false {
                    self.set(&[("receipts", json!(false))]);
                }
                if event["metadata"].is_object() {
                    self.set(&[("metadata", event["metadata"].clone())]);
                }
                self.set(&[("owner", json!(actor)), ("is_active", json!(true)), ("participant_count", json!(0))]);
                self.set(&[("created_at", at.clone()), ("updated_at", at.clone())]);
                self.admit(&actor, &event["participant_id"], &json!("OWNER"), at);
            }
            "SessionUpdated" => {
                let changes = event["changes"].as_object().ok_or("no changes")?;
                for (name, value) in changes {
                    // A setting that few sessions have is kept only where it is set.
                    let is_unset = match name.as_str() {
                        "slow_mode_seconds" => value == 0,
                        "history_visibility" => value == "ALL",
                        "receipts" => value == true,
                        "tags" => value.as_array().is_some_and(Vec::is_empty),
                        "avatar_url" | "message_lifetime" | "metadata" => value.is_null(),
                        _ => false,
                    };
                    if is_unset {
                        self.session.remove(name);
                    } else {
                        self.session.insert(name.clone(), value.clone());
                    }
                    let decides = match name.as_str() {
                        "slow_mode_seconds" => value != 0,
                        "message_lifetime" => !value.is_null(),
                        "history_visibility" => value == "SINCE_JOINING",
                        _ => false,
                    };
                    if decides {
                        self.set(&[("needs", json!(1))]);
                    }
                }
                self.set(&[("updated_at", at.clone())]);
            }
            "EmojiAdded" | "EmojiRemoved" | "InviteCreated" | "InviteRevoked" | "JoinRequested"
            | "JoinRequestClosed" | "WebhookChanged" => {}
            "SessionDeleted" => {
                self.set(&[("is_active", json!(false)), ("updated_at", at.clone())]);
                self.set(&[("deletion", json!({"by":actor, "at":at}))]);
            }
            "SessionArchived" => self.set(&[("archived_at", at.clone()), ("needs", json!(1))]),
            "SessionUnarchived" => drop(self.session.remove("archived_at").ok_or("it was not archived")?),
            "SessionRestored" => {
                self.session.remove("deletion").ok_or("it was not deleted")?;
                self.set(&[("is_active", json!(true)), ("updated_at", at.clone())]);
            }
            "ParticipantJoined" => self.admit(&actor, &event["participant_id"], &event["role"], at),
            "ParticipantAdded" => self.admit(&user, &event["participant_id"], &event["role"], at),
            "ParticipantLeft" => self.dismiss(&actor)?,
            "ParticipantRemoved" => self.dismiss(&user)?,
            "ParticipantRoleChanged" => {
                let person = self.people.get_mut(&user).ok_or("a role of nobody")?;
                let before = person.insert("role".to_owned(), event["role"].clone());
                if before.as_ref() != Some(&event["previous_role"]) {
                    return Err(format!("{user} was {before:?} and not {}", event["previous_role"]));
                }
            }
            "ParticipantBanned" => {
                if event["was_active"] == true {
                    self.dismiss(&user)?;
                }
                self.bans.insert(user, event["until"].clone());
                self.set(&[("needs", json!(1))]);
            }
            "ParticipantUnbanned" => drop(self.bans.remove(&user).ok_or("no ban to lift")?),
            "ParticipantMuted" => {
                self.mutes.insert(user, event["until"].clone());
                self.set(&[("needs", json!(1))]);
            }
            "ParticipantUnmuted" => drop(self.mutes.remove(&user).ok_or("no mute to end")?),
            "ParticipantMetadataChanged" => {
                let person = self.people.get_mut(&user).ok_or("metadata of nobody")?;
                person.insert("metadata".to_owned(), event["metadata"].clone());
                self.set(&[("needs", json!(1))]);
            }
            "OwnershipTransferred" => {
                for (name, role, before) in
                    [(&user, "OWNER", &event["previous_role"]), (&actor, "ADMIN", &json!("OWNER"))]
                {
                    let person = self.people.get_mut(name).ok_or("a role of nobody")?;
                    if person.insert("role".to_owned(), json!(role)).as_ref() != Some(before) {
                        return Err(format!("{name} was not {before}"));
                    }
                }
                self.mutes.remove(&user);
                self.set(&[("owner", json!(user))]);
            }
            "MessageSent" => {
                self.messages.insert(seq, event["message"].clone());
            }
            "MessageEdited" | "MessageFinished" => {
                let edited = position(&event["message_id"])?;
                if !self.messages.contains_key(&edited) {
                    return Err(format!("an edit of no message: {edited}"));
                }
                self.messages.insert(edited, event["message"].clone());
            }
            "MessageDeleted" => {
                for id in event["messages"].as_array().ok_or("no messages")? {
                    let message = self.messages.get_mut(&position(id)?).ok_or("a deletion of no message")?;
                    if !message["deleted_at"].is_null() {
                        // The reader was told of the message when it was deleted already.
                        continue;
                    }
                    let revision = message["revision"].as_u64().ok_or("no revision")?;
                    let gone = [
                        ("content", Value::Null),
                        ("mentions", json!([])),
                        ("links", json!([])),
                        ("attachments", json!([])),
                        ("metadata", Value::Null),
                        ("forwarded_from", Value::Null),
                        ("stream", Value::Null),
                        ("command", Value::Null),
                        ("revision", json!(revision + 1)),
                        ("edited_at", Value::Null),
                        ("deleted_at", at.clone()),
                        ("deleted_by", event["deleted_by"].clone()),
                    ];
                    for (name, value) in gone {
                        message[name] = value;
                    }
                }
            }
            "MessagePinned" | "MessageUnpinned" | "ReactionAdded" | "ReactionRemoved" => {
                let message = position(&event["message_id"])?;
                if !self.messages.contains_key(&message) {
                    return Err(format!("a change of no message: {message}"));
                }
            }
            other => return Err(format!("an event `{other}`")),
        }
        Ok(())
    }

    fn set(&mut self, fields: &[(&str, Value)]) {
        self.session.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }

    fn count(&mut self, by: i64) {
        let count = self.session["participant_count"].as_i64().unwrap();
        self.set(&[("participant_count", json!(count + by))]);
    }

    fn admit(&mut self, user: &str, stay: &Value, role: &Value, at: &Value) {
        self.bans.remove(user);
        let before = self.people.get(user).map(|person| person["created_at"].clone());
        let fields = [
            ("id", stay.clone()),
            ("role", role.clone()),
            ("is_active", json!(true)),
            ("joined_at", at.clone()),
            ("created_at", before.unwrap_or_else(|| at.clone())),
            ("metadata", Value::Null),
        ];
        self.people.insert(user.to_owned(), fields.map(|(name, value)| (name.to_owned(), value)).into());
        self.count(1);
    }

    fn dismiss(&mut self, user: &str) -> Result<(), String> {
        let person = self.people.get_mut(user).ok_or("nobody went")?;
        person.insert("is_active".to_owned(), json!(false));
        person.insert("metadata".to_owned(), Value::Null);
        self.count(-1);
        Ok(())
    }
}

fn position(id: &Value) -> Result<u64, String> {
    let id: MessageId = id.as_str().unwrap_or_default().parse().map_err(|error| format!("{id}: {error}"))?;
    Ok(id.seq)
}

fn id(person: &Value) -> String {
    person["id"].as_str().unwrap_or_default().to_owned()
}

/// Users by their ids.
#[must_use]
pub fn users(names: impl IntoIterator<Item = String>) -> Vec<UserId> {
    names.into_iter().map(|name| UserId::new(name).unwrap()).collect()
}
