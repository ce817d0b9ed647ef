//! A walk at random: several users do whatever there is to do, by every transport, while readers on every transport come and go. Whenever all of
//! them rest, what a reader kept and the events since make what the store has, and what REST tells.

use std::{collections::BTreeMap, sync::Arc};

use chatcore::{
    chat::{AddParticipant, UpdateSession},
    model::{ParticipantRole, SessionType, UserId},
    store::{ChatStoreExt as _, HeldMessages, KeyPart as _, TypedKey as _},
};
use serde_json::{Map, Value, json};

use super::{
    action::{Action, Level, SUBSCRIBE, Target},
    attempts::attempts,
    canon::tidy,
    compare::difference,
    model::Model,
    room::{Cast, Room},
    stage::{Actor, PEOPLE, Stage, State},
    transport::{Call, Deliveries, Transport},
    wire,
    world::World,
};
use crate::{Backend, Client};

/// The steps in one session, before another one is made: each look reads the whole log.
const STEPS: usize = 150;
/// After so many steps those who went come back, and what was closed is opened.
const HEALED: usize = 12;
/// Readers at once.
const READERS: usize = 6;

/// Commands that the walk leaves out: those about other sessions and about bots.
const LEFT_OUT: [&str; 8] = [
    "createSession",
    "startDirect",
    "startGroup",
    "createBot",
    "deleteBot",
    "createBotToken",
    "revokeBotToken",
    "setCommands",
];

/// Commands that are chosen more often than the others.
const OFTEN: [&str; 10] = [
    "sendMessage",
    "editMessage",
    "deleteMessage",
    "pinMessage",
    "unpinMessage",
    "addReaction",
    "removeReaction",
    "forwardMessage",
    "addEmoji",
    "finishMessage",
];

/// Commands after which somebody may read no longer. The readers take what there is before anything else happens: a stream that lags would be
/// judged by what its reader may do by then.
const ENDING: [&str; 4] = ["removeParticipant", "leaveSession", "banParticipant", "deleteSession"];

/// Numbers at random from a seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.roll() % (end.max(1) as u64)).unwrap()
    }

    /// Whether one of so many times is now.
    fn is_one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What can be done, by the name of the command.
struct Pool(BTreeMap<&'static str, Vec<(Actor, Action)>>);

impl Pool {
    /// The attempts of the table that a type of the core can hold, and what prepares them.
    fn new() -> Self {
        let mut pool: BTreeMap<&'static str, Vec<(Actor, Action)>> = BTreeMap::new();
        let stage = Stage { session_type: SessionType::Public, state: State::Fresh };
        for attempt in attempts(stage, 1, 0) {
            // The preparations of all actors are the same.
            let before = attempt.before.into_iter().filter(|_| attempt.actor == Actor::Owner);
            let before = before.map(|(actor, action)| (actor.unwrap_or(attempt.actor), action));
            let own = (attempt.level == Level::Exact).then_some((attempt.actor, attempt.action));
            for (actor, action) in own.into_iter().chain(before) {
                // Readers who see a part of the log cannot be compared with all of it.
                let hides = action.input["history_visibility"] == "SINCE_JOINING";
                let is_wanted = action.command().is_some() && !LEFT_OUT.contains(&action.operation) && !hides;
                if is_wanted && actor.name().is_some() {
                    let known = pool.entry(action.operation).or_default();
                    if !known.contains(&(actor, action.clone())) {
                        known.push((actor, action));
                    }
                }
            }
        }
        assert!(OFTEN.iter().chain(&ENDING).all(|name| pool.contains_key(name)), "{:?}", pool.keys());
        Self(pool)
    }

    fn pick(&self, dice: &mut Dice) -> (Actor, Action) {
        let names: Vec<_> = self.0.keys().copied().collect();
        let name = if dice.is_one_in(2) { *dice.one(&OFTEN) } else { *dice.one(&names) };
        dice.one(&self.0[name]).clone()
    }
}

/// A reader, and what it keeps.
struct Reader {
    actor: Actor,
    model: Model,
    /// The transport and what it brings, and the end of the log when it was opened; `None` while the reader is away.
    open: Option<(usize, Box<dyn Deliveries>, u64)>,
}

impl Reader {
    /// Takes what comes up to a position, or up to the event that ends the stream. Counts the events by transport.
    async fn catch_up(&mut self, cast: &Cast, head: u64, heard: &mut [usize]) -> Result<(), String> {
        let me = self.actor.name().map(|name| cast.user(name)).unwrap_or_default();
        while let Some((transport, deliveries, begun)) = &mut self.open
            && self.model.seq < head
        {
            let told = deliveries.next().await;
            if told["cursor"].is_null() {
                // A signal, which has no place in the log.
                continue;
            }
            self.model.apply(&told).map_err(|wrong| format!("{wrong}: {told}"))?;
            heard[*transport] += 1;
            let is_end = match told["kind"].as_str().unwrap_or_default() {
                "ParticipantRemoved" | "ParticipantBanned" => told["user"]["id"] == *me,
                "ParticipantLeft" => told["actor"]["id"] == *me,
                kind => kind == "SessionDeleted",
            };
            // What happened before the stream began ends nothing.
            if is_end && self.model.seq > *begun {
                self.open = None;
            }
        }
        Ok(())
    }
}

/// The ids of what was made last.
#[derive(Default)]
struct Made {
    scheduled: Option<String>,
    report: Option<String>,
}

struct Walk {
    seed: u64,
    step: usize,
    dice: Dice,
    world: World,
    cast: Cast,
    room: Room,
    made: Made,
    /// Those by which users act, and those by which they read.
    acting: Vec<Box<dyn Transport>>,
    reading: Vec<Box<dyn Transport>>,
    readers: Vec<Reader>,
    /// Events that readers took, by transport.
    heard: Vec<usize>,
    allowed: usize,
}

impl Walk {
    async fn new(seed: u64) -> Self {
        let world = World::start(Backend::Memory, &Arc::default()).await;
        let cast = Cast::new(&world.server.chat, "walk.".to_owned()).await;
        let room = Room::make(&world, &cast, STAGE).await;
        let (acting, reading) = (world.transports(), world.transports());
        let heard = vec![0; reading.len()];
        let (dice, made, readers) = (Dice(seed), Made::default(), Vec::new());
        Self { seed, step: 0, dice, world, cast, room, made, acting, reading, readers, heard, allowed: 0 }
    }

    fn place(&self) -> String {
        format!("seed {}, step {}", self.seed, self.step)
    }

    /// The user who owns the session now.
    fn owner(&self) -> &'static str {
        let owner = self.room.model.owner();
        PEOPLE.into_iter().find(|name| self.cast.user(name) == owner).unwrap_or_else(|| panic!("{owner} is nobody"))
    }

    async fn look(&mut self) {
        self.room = self.room.again(&*self.world.store, &self.cast).await;
    }

    /// Somebody does something.
    async fn act(&mut self, pool: &Pool) {
        let (actor, action) = pool.pick(&mut self.dice);
        let mut room = self.room.clone();
        // Which message is the first one, and the first invite, is a matter of where one begins.
        room.log = Arc::new(room.log[self.dice.below(room.log.len())..].to_vec());
        room.made = match action.target {
            Target::Made => self.made.scheduled.clone(),
            Target::Report(_) => self.made.report.clone(),
            Target::Held => {
                let held = HeldMessages::under(vec![room.session.part()]);
                let held = self.world.store.list::<HeldMessages>(held).await.unwrap();
                held.first().map(|(key, _)| key.id.to_string())
            }
            _ => None,
        };
        let way = self.dice.below(self.acting.len());
        let name = self.place();
        let call = Call { name: &name, cast: &self.cast, room: &room, actor, action: &action, is_refused: false };
        let mut outcome = self.acting[way].perform(&call).await;
        if outcome.is_none() {
            // The core has them all.
            outcome = self.acting[0].perform(&call).await;
        }
        let Some(Ok(made)) = outcome else { return };
        self.allowed += 1;
        let text = |name: &str| made[name].as_str().map(str::to_owned);
        match action.operation {
            "createInvite" => {
                let codes = &mut self.room.codes;
                codes.extend(text("code"));
                if codes.len() > 3 {
                    codes.remove(self.dice.below(3));
                }
            }
            "scheduleMessage" => self.made.scheduled = text("id"),
            "reportMessage" | "reportParticipant" => self.made.report = text("id"),
            _ => {}
        }
        if ENDING.contains(&action.operation) {
            self.rest().await;
        }
    }

    /// A reader comes, goes, or comes back by another transport.
    async fn turn_reader(&mut self) {
        self.look().await;
        let slot = self.dice.below(READERS).min(self.readers.len());
        let is_open = self.readers.get(slot).map(|reader| reader.open.is_some());
        match is_open {
            Some(true) if !self.dice.is_one_in(4) => self.readers[slot].open = None,
            Some(false) if !self.dice.is_one_in(4) => self.open(slot).await,
            _ => {
                let actor = *self.dice.one(&Actor::USERS);
                let reader = Reader { actor, model: Model::clone(&self.room.model), open: None };
                if is_open.is_some() {
                    self.readers[slot] = reader;
                } else {
                    self.readers.push(reader);
                }
                self.open(slot).await;
            }
        }
    }

    /// Opens a stream after what a reader has, where the reader may read.
    async fn open(&mut self, slot: usize) {
        let place = self.place();
        let reader = &mut self.readers[slot];
        let is_in = reader.actor.name().is_some_and(|name| self.room.model.has(&self.cast.user(name)));
        if !is_in || !self.room.model.is_active() {
            return;
        }
        let action = Action::new(SUBSCRIBE, Target::Session, json!({}));
        let (cast, room) = (&self.cast, &self.room);
        let call = Call { name: &place, cast, room, actor: reader.actor, action: &action, is_refused: false };
        let transport = self.dice.below(self.reading.len());
        let opened = self.reading[transport].subscribe(&call, Some(reader.model.seq)).await;
        let opened = opened.unwrap_or_else(|| panic!("{place}: {transport} has no streams"));
        let subscribed = opened.unwrap_or_else(|fault| panic!("{place}: {:?} by {transport}: {fault:?}", reader.actor));
        reader.open = Some((transport, subscribed.deliveries, self.room.head()));
    }

    /// All take what there is, and have the same.
    async fn rest(&mut self) {
        self.look().await;
        let (place, head) = (self.place(), self.room.head());
        let now = settled(self.room.model.value());
        for reader in &mut self.readers {
            let by = reader.open.as_ref().map(|(transport, ..)| self.reading[*transport].name());
            let told = reader.catch_up(&self.cast, head, &mut self.heard).await;
            told.unwrap_or_else(|wrong| panic!("{place}: {:?} by {by:?}: {wrong}", reader.actor));
            if reader.open.is_some()
                && let Some(found) = difference(&settled(reader.model.value()), &now)
            {
                panic!("{place}: what {:?} has by {by:?} | what there is: {found}", reader.actor);
            }
        }
    }

    /// The owner brings everybody back and opens what was closed, as far as that goes.
    async fn heal(&mut self) {
        self.rest().await;
        let (chat, id) = (&self.world.server.chat, self.room.session);
        let by = self.cast.principal(self.owner());
        if !self.room.model.is_active() {
            let _ = chat.restore_session(by, id).await;
        }
        let _ = chat.unarchive_session(by, id).await;
        let open = UpdateSession {
            session_type: Some(SessionType::Public),
            max_participants: Some(20),
            slow_mode_seconds: Some(0),
            ..UpdateSession::default()
        };
        let _ = chat.update_session(by, id, open).await;
        let roles = [
            ("owner", ParticipantRole::Admin),
            ("admin", ParticipantRole::Admin),
            ("member", ParticipantRole::Member),
            ("peer", ParticipantRole::Member),
            ("viewer", ParticipantRole::Viewer),
        ];
        for (name, role) in roles.into_iter().filter(|(name, _)| *name != self.owner()) {
            let user = UserId::new(self.cast.user(name)).unwrap();
            let _ = chat.unban_participant(by, id, &user).await;
            let _ = chat.unmute_participant(by, id, &user).await;
            if self.room.model.has(user.as_str()) {
                let _ = chat.change_role(by, id, &user, role).await;
            } else {
                let _ = chat.add_participant(by, id, AddParticipant { user_id: user, role: Some(role) }).await;
            }
        }
        if self.owner() != "owner" {
            let _ = chat.transfer_ownership(by, id, &UserId::new(self.cast.user("owner")).unwrap()).await;
        }
        self.look().await;
    }

    /// Holds what the log and the records say against what REST tells the owner.
    async fn compare_with_rest(&mut self) {
        self.rest().await;
        if !self.room.model.is_active() {
            return;
        }
        let token = self.cast.token_of(self.owner()).to_owned();
        let client = Client::new(&self.world.server.address, Some(token));
        let kept = settled(self.room.model.value());
        let told = snapshot(&client, &self.room.id).await;
        let mut wanted = Map::new();
        for name in ["seq", "pins", "reactions", "emojis", "messages"] {
            wanted.insert(name.to_owned(), kept[name].clone());
        }
        for name in SETTINGS {
            wanted.insert(name.to_owned(), kept["session"][name].clone());
        }
        let people = kept["present"].as_array().unwrap().iter().map(|name| {
            let name = name.as_str().unwrap().to_owned();
            let person = &kept["people"][&name];
            let fields = STAY.map(|field| (field.to_owned(), person[field].clone()));
            (name, Value::Object(fields.into_iter().collect()))
        });
        wanted.insert("people".to_owned(), Value::Object(people.collect()));
        if let Some(found) = difference(&Value::Object(wanted), &told) {
            panic!("{}: the events | what REST tells: {found}", self.place());
        }
    }

    /// Goes on in another session.
    async fn move_on(&mut self) {
        self.compare_with_rest().await;
        self.readers.clear();
        self.made = Made::default();
        self.room = Room::make(&self.world, &self.cast, STAGE).await;
    }
}

const STAGE: Stage = Stage { session_type: SessionType::Public, state: State::Fresh };

/// What REST and the record of a session both have.
const SETTINGS: [&str; 5] = ["title", "description", "session_type", "max_participants", "participant_count"];

/// What REST and the record of a participant both have.
const STAY: [&str; 5] = ["id", "role", "joined_at", "created_at", "metadata"];

/// A message without what depends on the reader or on the moment: a message that is being written grows beside the log.
fn bare(message: &mut Value) {
    for field in ["reactions", "thread", "sender_blocked", "forwarded_from"] {
        message[field] = Value::Null;
    }
    if message["stream"]["state"] == "STREAMING" {
        for field in ["content", "stream", "revision"] {
            message[field] = Value::Null;
        }
    }
    if !message["deleted_at"].is_null() {
        message["revision"] = Value::Null;
    }
}

/// The value of a model with bare messages.
fn settled(mut model: Value) -> Value {
    model["messages"].as_object_mut().unwrap().values_mut().for_each(bare);
    model
}

/// A session as REST tells it, in the form of a model.
async fn snapshot(client: &Client, session: &str) -> Value {
    let path = format!("/sessions/{session}");
    let list = async |part: &str| match client.get(&format!("{path}/{part}")).await.expect(200) {
        Value::Array(items) => items,
        other => panic!("no list: {other}"),
    };
    let mut told = Map::new();
    let details = client.get(&path).await.expect(200);
    for name in ["seq"].into_iter().chain(SETTINGS) {
        told.insert(name.to_owned(), details[name].clone());
    }
    let (mut messages, mut reactions, mut after) = (Map::new(), Map::new(), 0);
    loop {
        let page = list(&format!("messages?after={after}&limit=100")).await;
        for item in &page {
            let mut message = wire::of("Message", item);
            after = message["seq"].as_u64().unwrap();
            let count = |one: &Value| (one["emoji"].as_str().unwrap().to_owned(), one["count"].clone());
            let counts: Map<String, Value> = message["reactions"].as_array().unwrap().iter().map(count).collect();
            if !counts.is_empty() {
                reactions.insert(after.to_string(), Value::Object(counts));
            }
            bare(&mut message);
            messages.insert(after.to_string(), message);
        }
        if page.len() < 100 {
            break;
        }
    }
    told.insert("messages".to_owned(), Value::Object(messages));
    told.insert("reactions".to_owned(), Value::Object(reactions));
    let pin = |pinned: &Value| {
        let pinned = wire::of("PinnedMessage", pinned);
        let pin = json!({ "by": pinned["pinned_by"]["id"], "at": pinned["pinned_at"] });
        (pinned["message"]["seq"].to_string(), pin)
    };
    told.insert("pins".to_owned(), Value::Object(list("pins").await.iter().map(pin).collect()));
    let emoji = |emoji: &Value| (emoji["name"].as_str().unwrap().to_owned(), emoji["url"].clone());
    told.insert("emojis".to_owned(), Value::Object(list("emojis").await.iter().map(emoji).collect()));
    let person = |participant: &Value| {
        let person = wire::of("Participant", participant);
        let fields = STAY.map(|field| (field.to_owned(), person[field].clone()));
        (person["person"]["id"].as_str().unwrap().to_owned(), Value::Object(fields.into_iter().collect()))
    };
    let people = list("participants?limit=100").await.iter().map(person).collect();
    told.insert("people".to_owned(), Value::Object(people));
    tidy(Value::Object(told))
}

/// Walks so many steps from a seed.
///
/// # Panics
/// Where a reader's state is not the session's. The message has the seed.
pub async fn walk(seed: u64, steps: usize) {
    println!("the seed of the walk is {seed}");
    let pool = Pool::new();
    let mut walk = Walk::new(seed).await;
    for step in 1..=steps {
        walk.step = step;
        walk.act(&pool).await;
        if walk.dice.is_one_in(5) {
            walk.turn_reader().await;
        }
        if walk.dice.is_one_in(8) {
            walk.rest().await;
        }
        if step % HEALED == 0 {
            walk.heal().await;
        }
        if step % (STEPS / 3) == 0 {
            walk.compare_with_rest().await;
        }
        if step % STEPS == 0 {
            walk.move_on().await;
        }
    }
    walk.compare_with_rest().await;
    let Walk { allowed, heard, .. } = walk;
    println!("{allowed} of {steps} were allowed, and readers took {heard:?} events");
    assert!(allowed > steps / 10 && heard.iter().all(|count| *count > 0), "{allowed}, {heard:?}");
}
