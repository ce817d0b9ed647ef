//! Making the attempts and comparing what they came to.

use std::{
    collections::{BTreeMap, HashMap},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use chatcore::{
    chat::{CreateSession, FileReport, ReadUpto, SendMessage, SetPreferences, StartMessage},
    model::{ReportReason, SessionId, SessionType, UserId},
};
use futures_util::{FutureExt as _, StreamExt as _, future::join_all, stream};
use serde_json::{Value, json};

use super::{
    action::{Attempt, Level, SUBSCRIBE},
    attempts::{attempts, listings},
    canon::{self, Outcome},
    compare::difference,
    core::Core,
    coverage::Coverage,
    model::Model,
    normal::Normal,
    room::{Cast, Room},
    stage::{Actor, Stage, State, stages},
    transport::{Call, Subscribed, Transport},
    world::{World, may_be_held},
};
use crate::Backend;

/// What an attempt came to, freed of ids and times.
#[derive(Debug, Clone)]
pub struct Record {
    /// Result or refusal.
    pub verdict: Result<Value, (String, Value)>,
    /// The session as the store has it, and its new events.
    pub state: Value,
    /// The new events as the transport tells them, where it does.
    pub events: Option<Value>,
}

/// How a run went.
#[derive(Debug, Default)]
pub struct Report {
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// How many attempts succeeded, over all transports.
    pub allowed: usize,
    /// How many were refused.
    pub refused: usize,
}

impl Report {
    /// Another's figures, too.
    pub fn add(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.allowed += other.allowed;
        self.refused += other.refused;
    }

    /// Fails where something is wrong. Of problems that look alike one is shown.
    pub fn check(&self) {
        let mut kinds: BTreeMap<(&str, &str), Vec<&Problem>> = BTreeMap::new();
        for problem in &self.problems {
            let action = problem.attempt.rsplit_once(": ").map_or("", |(_, action)| action);
            let action = action.split([' ', '(']).next().unwrap_or_default();
            let what = problem.what.split('`').next().unwrap_or_default();
            kinds.entry((action, what)).or_default().push(problem);
        }
        let shown = kinds.values().take(40).map(|alike| {
            let Problem { attempt, what } = alike[0];
            format!("{attempt}: {what} ({} like it)\n", alike.len() - 1)
        });
        assert!(kinds.is_empty(), "{} problems:\n{}", self.problems.len(), shown.collect::<String>());
    }
}

/// Something wrong.
#[derive(Debug, Clone)]
pub struct Problem {
    /// With which attempt.
    pub attempt: String,
    /// What.
    pub what: String,
}

impl Problem {
    fn new(attempt: &str, what: String) -> Self {
        Self { attempt: attempt.to_owned(), what }
    }
}

/// One transport on one stage.
struct Bench {
    world: Arc<World>,
    stage: Stage,
    transport: Box<dyn Transport>,
    /// Acts where the transport cannot, so that it has something to tell.
    core: Core,
    cast: Cast,
    room: Option<Room>,
    /// Rooms in which something was done beforehand, and nothing since: by what was done.
    prepared: HashMap<String, Room>,
    problems: Vec<Problem>,
    thorough: bool,
    /// Which attempts the yardstick refuses, where that is known.
    refused: Arc<Vec<bool>>,
}

impl Bench {
    async fn new(
        (world, transport): (Arc<World>, Box<dyn Transport>),
        stage: Stage,
        thorough: bool,
        refused: Arc<Vec<bool>>,
    ) -> Self {
        let prefix = format!("{}.{:?}.{}.", transport.name(), stage.state, stage.session_type);
        let cast = Cast::new(&world.server.chat, prefix).await;
        let core = Core::new(world.server.chat.clone());
        let (room, prepared, problems) = (None, HashMap::new(), Vec::new());
        Self { world, stage, transport, core, cast, room, prepared, problems, thorough, refused }
    }

    /// A room as new; where nothing changed the last one is.
    async fn room(&mut self) -> Room {
        if let Some(room) = self.room.take() {
            return room;
        }
        let room = Room::make(&self.world, &self.cast, self.stage).await;
        if room.model.is_active() {
            self.transport.follow(&self.cast, &room.id, room.head()).await;
        }
        room
    }

    async fn attempt(&mut self, name: &str, attempt: &Attempt, is_refused: bool) -> Option<Record> {
        let room = match self.prepared.remove(&prepared_by(attempt)) {
            Some(room) => room,
            None => {
                if attempt.before.iter().any(|(_, action)| may_be_held(&action.input)) {
                    // A user may have only so many held messages in one session, and they stand beside its log.
                    self.room = None;
                }
                let room = self.room().await;
                if attempt.before.is_empty() {
                    room
                } else {
                    self.check(&room, name).await;
                    room.after(&self.world, &self.cast, attempt.actor, &attempt.before).await
                }
            }
        };
        let Attempt { actor, action, .. } = attempt;
        let call = Call { name, cast: &self.cast, room: &room, actor: *actor, action, is_refused };
        let outcome = match attempt.action.operation {
            SUBSCRIBE => {
                let after = attempt.action.input["after"].as_u64();
                match self.transport.subscribe(&call, after).await {
                    Some(Ok(subscribed)) => {
                        let from = after.unwrap_or(room.head());
                        Some(Ok(self.follow(&room, attempt.actor, subscribed, from).await))
                    }
                    Some(Err(fault)) => Some(Err(fault)),
                    None => None,
                }
            }
            _ => match self.transport.perform(&call).await {
                None if attempt.action.changes() => self.core.perform(&call).await,
                outcome => outcome,
            },
        };
        let Some(outcome) = outcome else {
            self.keep(attempt, room);
            return None;
        };
        let record = self.compare_with_log(name, attempt, &room, outcome).await;
        Some(record)
    }

    /// Keeps a room in which nothing has changed for the next attempt that needs one like it.
    fn keep(&mut self, attempt: &Attempt, room: Room) {
        if attempt.action.operation == "rejectMessage" && !attempt.before.is_empty() {
            // The held message that was prepared may be gone, which the log does not show.
            return;
        }
        if attempt.before.is_empty() {
            self.room = Some(room);
        } else {
            self.prepared.insert(prepared_by(attempt), room);
        }
    }

    /// A room in which nothing was allowed since it was looked at has nothing new.
    async fn check(&mut self, room: &Room, name: &str) {
        if room.has_news(&*self.world.store).await {
            let what = format!("{} refused something before this and changed something", self.transport.name());
            self.problems.push(Problem::new(name, what));
        }
    }

    /// Reads a subscription: what it replays, a signal, a message, a signal to the own devices, and the event that ends it.
    async fn follow(&self, room: &Room, reader: Actor, subscribed: Subscribed, from: u64) -> Value {
        let Subscribed { after, mut deliveries } = subscribed;
        let (chat, cast) = (&self.world.server.chat, &self.cast);
        let owner = cast.principal("owner");
        let mut told = Vec::new();
        for _ in from..room.head() {
            told.push(deliveries.next().await);
        }
        let typist = if reader == Actor::Owner { "member" } else { "owner" };
        if room.model.has(&cast.user(typist)) {
            for is_typing in [true, false] {
                chat.typing(cast.principal(typist), room.session, is_typing).await.unwrap();
                told.push(deliveries.next().await);
            }
        }
        let message = chat.send(owner, room.session, SendMessage::text("live")).await.unwrap().id;
        told.push(deliveries.next().await);
        // The typist has received what was sent live.
        if room.model.has(&cast.user(typist)) {
            super::receipts::acknowledge(chat, cast.principal(typist), room.session, room.head() + 1).await;
            told.push(deliveries.next().await);
        }
        // A message that has just come is not marked yet.
        let live = ReadUpto::Seq(room.head() + 1);
        let own = cast.principal(reader.name().unwrap());
        chat.mark_read(own, room.session, live).await.unwrap();
        told.push(deliveries.next().await);
        chat.follow_thread(own, message).await.unwrap();
        told.push(deliveries.next().await);
        // One of the two changes something, and both do where nothing was set.
        for is_favourite in [false, true] {
            let before = chat.session(own, room.session).await.unwrap().preferences;
            let set = SetPreferences { is_favourite: Some(is_favourite), ..SetPreferences::default() };
            if chat.set_preferences(own, room.session, set).await.unwrap() != before {
                told.push(deliveries.next().await);
            }
        }
        let start = StartMessage::of_assistant();
        let streamed = chat.start_streamed_message(owner, room.session, start).await.unwrap();
        told.push(deliveries.next().await);
        chat.append_to_message(owner, streamed.id, 0, "word by word").await.unwrap();
        told.push(deliveries.next().await);
        chat.finish_message(owner, streamed.id, 12).await.unwrap();
        told.push(deliveries.next().await);
        // Those who moderate hear of a report, and nobody else does.
        if reader != Actor::Viewer && room.model.has(&cast.user("viewer")) && room.model.has(&cast.user("peer")) {
            let report = FileReport { reason: ReportReason::Spam, text: None };
            let peer = UserId::new(cast.user("peer")).unwrap();
            chat.report_participant(cast.principal("viewer"), room.session, &peer, report).await.unwrap();
            if matches!(reader, Actor::Owner | Actor::Admin) {
                told.push(deliveries.next().await);
            }
        }
        match reader.name().unwrap() {
            "owner" => chat.delete_session(owner, room.session).await.unwrap(),
            name => {
                let user = UserId::new(cast.user(name)).unwrap();
                chat.remove_participant(owner, room.session, &user).await.unwrap();
            }
        }
        told.push(deliveries.next().await);
        deliveries.end().await;
        match after {
            Some(after) => json!({ "?after": after, "told": told }),
            None => json!({ "told": told }),
        }
    }

    /// Holds what the store has now against what it had before and what the transport tells of the time between.
    async fn compare_with_log(&mut self, name: &str, attempt: &Attempt, before: &Room, outcome: Outcome) -> Record {
        let store = &*self.world.store;
        let may_change = outcome.is_ok() && (attempt.action.changes() || attempt.action.operation == SUBSCRIBE);
        let made = match (attempt.action.operation, &outcome) {
            ("createSession", Ok(made)) => made["id"].as_str().and_then(|id| id.parse::<SessionId>().ok()),
            _ => None,
        };
        let (old, now, reader) = match made {
            Some(session) => {
                let nothing = Room::unread(session);
                (nothing, Room::read(store, &self.cast, session).await, attempt.actor)
            }
            // Nothing is written without an event, and an event that a refusal writes is seen by the next
            // attempt that looks, or at the end. Where looking takes long, that is relied on.
            None if !self.thorough && !may_change && attempt.before.is_empty() => {
                (before.clone(), before.clone(), Actor::Owner)
            }
            None => (before.clone(), before.again(store, &self.cast).await, Actor::Owner),
        };
        let span = (old.head(), now.head());
        let is_same = made.is_none() && old.model == now.model;
        // Most refusals say nothing of the session and leave it as it was.
        if let Err(fault) = &outcome
            && is_same
            && span.0 == span.1
            && fault.details == json!({})
        {
            self.keep(attempt, before.clone());
            let verdict = Err((fault.code.clone(), fault.details.clone()));
            return Record { verdict, state: json!("as before"), events: None };
        }
        let new: Vec<Value> =
            now.log[old.log.len()..].iter().map(|event| canon::event_in(&now.log, &now.model, event)).collect();
        let mut told = None;
        if span.0 < span.1 {
            told = self.transport.since(&self.cast, reader, &now.id, span).await;
        }
        let wire: &[Value] = told.as_deref().unwrap_or(&new);
        if !is_same {
            self.fold(name, &old, &now, wire);
        }

        let mut normal = Normal::new(&self.cast.prefix);
        normal.add("room", before.session, if made.is_some() { &before.log } else { &now.log });
        if let Some(session) = made {
            normal.add("new room", session, &now.log);
        }
        let verdict = match &outcome {
            Ok(value) => {
                normal.add_code(value);
                Ok(normal.apply(value))
            }
            Err(fault) => Err((fault.code.clone(), normal.apply(&fault.details))),
        };
        // Every transport begins with the same room.
        let state =
            if is_same { json!("as before") } else { normal.apply(&json!({ "now": now.model.value(), "new": new })) };
        let mut events = told.map(|told| normal.apply(&Value::Array(told)));
        if attempt.action.operation == SUBSCRIBE {
            // A reader that followed was told of a message without its parts, and one that reads the log afterwards sees all of them.
            events.iter_mut().filter_map(Value::as_array_mut).flatten().for_each(without_parts);
        }
        if made.is_some() || span.0 == span.1 {
            self.keep(attempt, before.clone());
        }
        if span.0 < span.1 && verdict.is_err() {
            let what = format!("{} refused it and changed something: `{state}`", self.transport.name());
            self.problems.push(Problem::new(name, what));
        }
        Record { verdict, state, events }
    }

    /// The old state and the events since are the new state.
    fn fold(&mut self, name: &str, old: &Room, now: &Room, events: &[Value]) {
        let mut model = Model::clone(&old.model);
        let wrong = events.iter().find_map(|event| model.apply(event).err());
        let differs = || if model == *now.model { None } else { difference(&model.value(), &now.model.value()) };
        if let Some(wrong) = wrong.or_else(differs) {
            let transport = self.transport.name();
            let what = format!("the events of {transport} do not make the new state (left): {wrong}");
            self.problems.push(Problem::new(name, what));
        }
    }

    /// Makes all attempts, one after the other.
    async fn run(mut self, attempts: Arc<Vec<(String, Attempt)>>) -> (Vec<Option<Record>>, Vec<Problem>) {
        let mut records = Vec::new();
        for (n, (name, attempt)) in attempts.iter().enumerate() {
            let is_refused = self.refused.get(n).copied().unwrap_or_default();
            match AssertUnwindSafe(self.attempt(name, attempt, is_refused)).catch_unwind().await {
                Ok(record) => records.push(record),
                Err(panic) => {
                    let said = panic.downcast_ref::<String>().cloned();
                    let said = said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                    let (transport, said) = (self.transport.name(), said.unwrap_or_default());
                    self.problems.push(Problem::new(name, format!("{transport} stopped here: {said}")));
                    break;
                }
            }
        }
        if let Some(room) = self.room.take() {
            self.check(&room, "the end").await;
        }
        (records, self.problems)
    }
}

/// Leaves out what a streamed message had grown to.
fn without_parts(event: &mut Value) {
    if let Some(message) = event.get_mut("message").filter(|message| message["stream"].is_object()) {
        for field in ["content", "stream", "revision"] {
            message[field] = Value::Null;
        }
    }
}

/// What was done before an attempt, and by whom; empty where nothing was.
fn prepared_by(attempt: &Attempt) -> String {
    let by = |(actor, action): &(Option<Actor>, _)| format!("{:?} {action:?}", actor.unwrap_or(attempt.actor));
    attempt.before.iter().map(by).collect()
}

/// How many stages are tried at the same time.
const STAGES: usize = 3;

/// Makes the attempts of the table on every stage: all of them, or, where that takes too long, every `step`th; which ones
/// differs from actor to actor and stage to stage, so that together they still try everything.
pub async fn run_table(backend: Backend, coverage: &Arc<Coverage>, step: usize) -> Report {
    let world = Arc::new(World::start(backend, coverage).await);
    let other = other_store(backend, coverage).await;
    let wanted = std::env::var("PARITY_ONLY").unwrap_or_default();
    let runs = stages().into_iter().enumerate().map(|(offset, stage)| {
        let worlds = (Arc::clone(&world), other.clone());
        let chosen = attempts(stage, step, offset);
        let named = chosen.into_iter().map(|attempt| (name(stage, &attempt), attempt));
        let named: Vec<_> = named.filter(|(name, _)| name.contains(&wanted)).collect();
        run_stage(worlds, (offset, stage), Arc::new(named), backend == Backend::Memory)
    });
    let mut report = Report::default();
    // A few at a time: each waits only so long for an answer.
    let mut parts = stream::iter(runs).buffer_unordered(STAGES);
    while let Some(part) = parts.next().await {
        report.add(part);
    }
    report
}

fn name(stage: Stage, attempt: &Attempt) -> String {
    let Stage { session_type, state } = stage;
    let Attempt { actor, action, .. } = attempt;
    let action: String =
        format!("{} {:?} {}", action.operation, action.target, action.input).chars().take(160).collect();
    format!("{session_type} {state:?}, {actor:?}: {action}")
}

/// The in-memory store beside another one, so that a verdict which depends on the store differs from that of the other.
async fn other_store(backend: Backend, coverage: &Arc<Coverage>) -> Option<Arc<World>> {
    let differs = backend != Backend::Memory;
    if differs { Some(Arc::new(World::start(Backend::Memory, coverage).await)) } else { None }
}

async fn run_stage(
    (world, other): (Arc<World>, Option<Arc<World>>),
    (turn, stage): (usize, Stage),
    attempts: Arc<Vec<(String, Attempt)>>,
    thorough: bool,
) -> Report {
    let mut tried: Vec<_> = world.transports().into_iter().map(|transport| (Arc::clone(&world), transport)).collect();
    if other.is_some() && turn > 0 {
        // Beside the core, each transport has its turns: of each state of a session, and of each type.
        let chosen = tried.remove(1 + (2 * turn + 1 + turn / 3) % 3);
        tried.truncate(1);
        tried.push(chosen);
    }
    tried.extend(other.map(|other| {
        let core = Core::in_memory(other.server.chat.clone());
        (other, Box::new(core) as Box<dyn Transport>)
    }));
    let names: Vec<_> = tried.iter().map(|(_, transport)| transport.name()).collect();
    let bench = |tried, refused: &Arc<Vec<bool>>| {
        let (attempts, refused) = (Arc::clone(&attempts), Arc::clone(refused));
        tokio::spawn(async move { Bench::new(tried, stage, thorough, refused).await.run(attempts).await })
    };
    let mut report = Report::default();
    let (mut columns, mut refused) = (Vec::new(), Arc::default());
    // The yardstick goes first: what it refuses, the others need not ask for in full.
    let others = tried.split_off(1);
    for part in [tried, others] {
        for done in join_all(part.into_iter().map(|tried| bench(tried, &refused))).await {
            let (records, problems) = done.unwrap();
            report.problems.extend(problems);
            columns.push(records);
        }
        let is_refused = |record: &Option<Record>| record.as_ref().is_some_and(|record| record.verdict.is_err());
        refused = Arc::new(columns[0].iter().map(is_refused).collect());
    }
    for (n, (name, attempt)) in attempts.iter().enumerate() {
        let row = columns.iter().zip(&names).filter_map(|(records, name)| Some((*name, records.get(n)?.as_ref()?)));
        compare(name, attempt.level, &row.collect::<Vec<_>>(), &mut report);
    }
    report
}

/// Compares what one attempt came to on each transport with the first of them.
fn compare(name: &str, level: Level, row: &[(&str, &Record)], report: &mut Report) {
    for (_, record) in row {
        match record.verdict {
            Ok(_) => report.allowed += 1,
            Err(_) => report.refused += 1,
        }
    }
    let Some(((yardstick, first), others)) = row.split_first() else { return };
    let expected = said(&first.verdict, level);
    for (other, record) in others {
        let differs =
            |what: &str, found: String| Problem::new(name, format!("{what} of {yardstick} | {other} differ {found}"));
        let found = difference(&expected, &said(&record.verdict, level));
        if let Some(found) = found.or_else(|| difference(&first.state, &record.state)) {
            report.problems.push(differs("what it came to", found));
        }
        if let (Some(first), Some(events)) = (&first.events, &record.events)
            && let Some(found) = difference(first, events)
        {
            report.problems.push(differs("events", found));
        }
    }
}

fn said(verdict: &Result<Value, (String, Value)>, level: Level) -> Value {
    match (verdict, level) {
        (Ok(value), _) => json!({ "ok": value }),
        (Err((code, details)), Level::Exact) => json!({ "error": code, "details": details }),
        (Err((code, _)), Level::Code) => json!({ "error": code }),
        (Err(_), Level::Refused) => json!("refused"),
    }
}

/// Makes the attempts for which all sessions of a server count, each transport on a server of its own.
pub async fn run_lists(backend: Backend, coverage: &Arc<Coverage>) -> Report {
    let attempts = listings();
    let count = World::start(Backend::Memory, coverage).await.transports().len();
    let mut tried: Vec<_> = (0..count).map(|n| (backend, n)).collect();
    if backend != Backend::Memory {
        tried.push((Backend::Memory, 0));
    }
    let columns = join_all(tried.into_iter().map(|(backend, n)| list(backend, coverage, n, &attempts))).await;
    let mut report = Report::default();
    for (n, attempt) in attempts.iter().enumerate() {
        let row = columns.iter().filter_map(|(name, records)| Some((*name, records[n].as_ref()?)));
        let name = listed(attempt);
        compare(&name, attempt.level, &row.collect::<Vec<_>>(), &mut report);
    }
    report
}

async fn list(
    backend: Backend,
    coverage: &Arc<Coverage>,
    transport: usize,
    attempts: &[Attempt],
) -> (&'static str, Vec<Option<Record>>) {
    let world = World::start(backend, coverage).await;
    let mut transport = world.transports().remove(transport);
    let cast = Cast::new(&world.server.chat, format!("{}.", transport.name())).await;
    let mut normal = Normal::new(&cast.prefix);
    let mut rooms = Vec::new();
    for session_type in [SessionType::Public, SessionType::InviteOnly, SessionType::Private] {
        for state in [State::Fresh, State::Full, State::Fresh, State::Deleted] {
            rooms.push(Room::make(&world, &cast, Stage { session_type, state }).await);
        }
    }
    let stranger = cast.principal("stranger");
    let own = CreateSession::titled("Of a stranger").of_type(SessionType::Public);
    let own = world.server.chat.create_session(stranger, own).await.unwrap().summary.session.id;
    rooms.push(Room::read(&*world.store, &cast, own).await);
    for (n, room) in rooms.iter().enumerate() {
        normal.add(&format!("room {n}"), room.session, &room.log);
    }
    let mut records = Vec::new();
    for attempt in attempts {
        let name = listed(attempt);
        let Attempt { actor, action, .. } = attempt;
        let call = Call { name: &name, cast: &cast, room: &rooms[0], actor: *actor, action, is_refused: false };
        let outcome = transport.perform(&call).await;
        records.push(outcome.map(|outcome| {
            let refused = |fault: canon::Fault| (fault.code, fault.details);
            let verdict = outcome.map(|value| normal.apply(&value)).map_err(refused);
            Record { verdict, state: Value::Null, events: None }
        }));
    }
    (transport.name(), records)
}

fn listed(attempt: &Attempt) -> String {
    let Attempt { actor, action, .. } = attempt;
    format!("lists, {actor:?}: {} {}", action.operation, action.input)
}
