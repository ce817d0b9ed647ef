//! Races between processes that share a database: who acts does so through any of them, and a naive reading of the log says
//! whether everything in it was allowed when it happened.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Chat, Principal,
    chat::{AddParticipant, CreateSession, SendMessage, UpdateSession},
    model::{
        ClientId, Content, Event, EventKind, MessageBody, MessageEvent, ParticipantEvent, ParticipantRole,
        SessionEvent, SessionId, SessionType, UserId,
    },
    store::{ChatStore, ChatStoreExt as _, LogRange, Sessions},
};
use serde_json::json;

use crate::{Client, token};

/// What somebody does.
#[derive(Debug, Clone)]
pub enum Act {
    /// Says something, perhaps under a client id.
    Say(String, Option<String>),
    /// Comes in.
    Join,
    /// Goes.
    Leave,
    /// Brings somebody in.
    Add(String),
    /// Takes somebody out.
    Remove(String),
    /// Makes somebody a viewer.
    Demote(String),
    /// Changes who may come in.
    Open(SessionType),
    /// Deletes the session.
    Delete,
}

/// A process that serves the chat: the library, or a server.
#[async_trait]
pub trait Process: Send + Sync + 'static {
    /// Makes a session of the user.
    async fn create(&self, user: &str, session_type: SessionType, cap: u32) -> SessionId;

    /// Does something; a message gives its position, everything else 0, and what is refused the code of the error.
    async fn act(&self, user: &str, session: SessionId, act: Act) -> Result<u64, String>;
}

/// Does something, as often as the process says that it could not: others were faster for seconds, or a server was slow. Nothing
/// was changed then.
async fn act(process: &dyn Process, user: &str, session: SessionId, act: Act) -> Result<u64, String> {
    loop {
        match process.act(user, session, act.clone()).await {
            Err(code) if code == "SERVICE_UNAVAILABLE" => tokio::time::sleep(Duration::from_millis(20)).await,
            done => return done,
        }
    }
}

fn principal(user: &str) -> Principal {
    Principal::new(UserId::new(user).unwrap())
}

#[async_trait]
impl Process for Chat {
    async fn create(&self, user: &str, session_type: SessionType, cap: u32) -> SessionId {
        let new =
            CreateSession { max_participants: Some(cap), ..CreateSession::titled("A race").of_type(session_type) };
        self.create_session(&principal(user), new).await.unwrap().summary.session.id
    }

    async fn act(&self, user: &str, session: SessionId, act: Act) -> Result<u64, String> {
        let who = principal(user);
        let whom = |name: String| UserId::new(name).unwrap();
        let done = match act {
            Act::Say(text, client_id) => {
                let content = Content::Text(text);
                let body = MessageBody::new(content);
                let message =
                    SendMessage { client_id: client_id.map(|id| ClientId::new(id).unwrap()), ..SendMessage::new(body) };
                self.send(&who, session, message).await.map(|message| message.seq)
            }
            Act::Join => self.join(&who, session).await.map(|_| 0),
            Act::Leave => self.leave(&who, session).await.map(|()| 0),
            Act::Add(name) => {
                let add = AddParticipant { user_id: whom(name), role: None };
                self.add_participant(&who, session, add).await.map(|_| 0)
            }
            Act::Remove(name) => self.remove_participant(&who, session, &whom(name)).await.map(|()| 0),
            Act::Demote(name) => self.change_role(&who, session, &whom(name), ParticipantRole::Viewer).await.map(|_| 0),
            Act::Open(session_type) => {
                let changes = UpdateSession { session_type: Some(session_type), ..UpdateSession::default() };
                self.update_session(&who, session, changes).await.map(|_| 0)
            }
            Act::Delete => self.delete_session(&who, session).await.map(|()| 0),
        };
        done.map_err(|error| error.code().as_str().to_owned())
    }
}

/// A server process, reached over REST.
pub struct Remote {
    client: Client,
    sign: Box<dyn Fn(&str) -> String + Send + Sync>,
}

impl Remote {
    /// The server at this address, which takes tokens that `sign` makes.
    pub fn new(address: &str, sign: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self { client: Client::new(address, None), sign: Box::new(sign) }
    }

    /// A server that takes the tokens of these tests.
    pub fn of_tests(address: &str) -> Self {
        Self::new(address, token)
    }
}

#[async_trait]
impl Process for Remote {
    async fn create(&self, user: &str, session_type: SessionType, cap: u32) -> SessionId {
        let client = self.client.with_token((self.sign)(user));
        let body = json!({ "title": "A race", "session_type": session_type, "max_participants": cap });
        client.post("/sessions", body).await.expect(201)["id"].as_str().unwrap().parse().unwrap()
    }

    async fn act(&self, user: &str, session: SessionId, act: Act) -> Result<u64, String> {
        let client = self.client.with_token((self.sign)(user));
        let path = format!("/sessions/{session}");
        let reply = match act {
            Act::Say(text, client_id) => {
                client.post(&format!("{path}/messages"), json!({ "content": text, "client_id": client_id })).await
            }
            Act::Join => client.post(&format!("{path}/join"), json!({})).await,
            Act::Leave => client.post(&format!("{path}/leave"), json!({})).await,
            Act::Add(name) => client.post(&format!("{path}/participants"), json!({ "user_id": name })).await,
            Act::Remove(name) => client.delete(&format!("{path}/participants/{name}")).await,
            Act::Demote(name) => {
                client.put(&format!("{path}/participants/{name}/role"), json!({ "role": "VIEWER" })).await
            }
            Act::Open(session_type) => client.put(&path, json!({ "session_type": session_type })).await,
            Act::Delete => client.delete(&path).await,
        };
        match reply.status {
            200..300 => Ok(reply.body["seq"].as_u64().unwrap_or(0)),
            _ => Err(reply.body["code"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()),
        }
    }
}

/// How many rounds each race has: `CHATCORE_RACE_ROUNDS`, or this many.
pub fn rounds(usual: usize) -> usize {
    std::env::var("CHATCORE_RACE_ROUNDS").map_or(usual, |rounds| rounds.parse().unwrap())
}

/// Processes that race, and the database on which they do.
pub struct Race {
    processes: Vec<Arc<dyn Process>>,
    store: Arc<dyn ChatStore>,
    names: AtomicU32,
}

const REFUSALS: &[&str] = &[
    "SESSION_NOT_FOUND",
    "SESSION_ACCESS_DENIED",
    "RESOURCE_ACCESS_DENIED",
    "PERMISSION_DENIED",
    "SESSION_FULL",
    "SESSION_PRIVATE",
    "SESSION_NOT_EMPTY",
    "PARTICIPANT_NOT_FOUND",
    "PARTICIPANT_ALREADY_EXISTS",
    "SESSION_OWNER_REQUIRED",
];

impl Race {
    /// Races between these; the store is one on the same database, that only looks.
    pub fn new(processes: Vec<Arc<dyn Process>>, store: Arc<dyn ChatStore>) -> Self {
        Self { processes, store, names: AtomicU32::new(0) }
    }

    fn process(&self, n: usize) -> Arc<dyn Process> {
        Arc::clone(&self.processes[n % self.processes.len()])
    }

    /// Names that no other round has.
    fn name(&self, what: &str) -> String {
        format!("{what}-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    async fn known(&self, user: &str) {
        // Whoever did something is known; making a session is something that everybody may do.
        self.process(0).create(user, SessionType::Private, 2).await;
    }

    async fn log(&self, session_id: SessionId) -> Vec<Arc<Event>> {
        self.store.log(&[LogRange { session_id, from: 1, to: 100_000 }]).await.unwrap().remove(0)
    }

    /// All of the races, so many rounds each. Says how far it is.
    pub async fn run(&self, rounds: usize) {
        for round in 0..rounds {
            self.sends_against(round, Act::Remove).await;
            self.sends_against(round, Act::Demote).await;
            self.sends_against(round, |_| Act::Leave).await;
            self.sends_against(round, |_| Act::Delete).await;
            self.joins_against_the_cap(round).await;
            self.joins_against(round, SessionType::Private).await;
            self.joins_against(round, SessionType::InviteOnly).await;
            self.one_client_id(round).await;
            if round % 100 == 99 {
                eprintln!("{} of {rounds} rounds", round + 1);
            }
        }
    }

    /// Somebody says things through every process while their right to is taken away through one of them.
    async fn sends_against(&self, round: usize, end: impl Fn(String) -> Act) {
        let (owner, ana) = (self.name("owner"), self.name("ana"));
        let session = self.process(round).create(&owner, SessionType::Public, 10).await;
        act(&*self.process(round + 1), &ana, session, Act::Join).await.unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let senders: Vec<_> = (0..4)
            .map(|n| {
                let (process, ana, tell) = (self.process(n), ana.clone(), tell.clone());
                tokio::spawn(async move {
                    let mut sent = Vec::new();
                    loop {
                        match act(&*process, &ana, session, Act::Say("still here".to_owned(), None)).await {
                            Ok(seq) => sent.push(seq),
                            Err(code) => return (sent, code),
                        }
                        // The race is over when this is not heard any more.
                        let _ = tell.send(());
                    }
                })
            })
            .collect();
        drop(tell);
        // After a few messages, so that it comes in the middle of them.
        for _ in 0..round % 7 {
            told.recv().await;
        }
        let ending = end(ana.clone());
        let who = if matches!(ending, Act::Leave) { &ana } else { &owner };
        act(&*self.process(round / 2), who, session, ending).await.unwrap();
        let mut acknowledged = BTreeSet::new();
        for sender in senders {
            let (sent, code) = sender.await.unwrap();
            assert!(REFUSALS.contains(&code.as_str()), "{code}");
            for seq in sent {
                assert!(acknowledged.insert(seq), "{seq} was given twice");
            }
        }
        let log = self.log(session).await;
        check(&log);
        let said = log.iter().filter(|event| event.kind.is_message()).map(|event| event.seq).collect();
        assert_eq!(acknowledged, said);
    }

    async fn joins_against_the_cap(&self, round: usize) {
        let session = self.process(round).create(&self.name("owner"), SessionType::Public, 4).await;
        let joins: Vec<_> = (0..8)
            .map(|n| {
                let (process, who) = (self.process(n), self.name("guest"));
                tokio::spawn(async move { act(&*process, &who, session, Act::Join).await })
            })
            .collect();
        let mut seated = 0;
        for join in joins {
            match join.await.unwrap() {
                Ok(_) => seated += 1,
                Err(code) => assert_eq!(code, "SESSION_FULL"),
            }
        }
        assert_eq!(seated, 3);
        let log = self.log(session).await;
        check(&log);
        assert_eq!(log.len(), 4);
        let record = self.store.get(&Sessions { session }).await.unwrap().unwrap();
        assert_eq!(record.value.participant_count, 4);
    }

    /// People come in, by themselves and by invitation, while the door is being closed.
    async fn joins_against(&self, round: usize, session_type: SessionType) {
        let (owner, invited) = (self.name("owner"), self.name("invited"));
        self.known(&invited).await;
        let session = self.process(round).create(&owner, SessionType::Public, 10).await;
        let mut joins: Vec<_> = (0..3)
            .map(|n| {
                let (process, who) = (self.process(n), self.name("guest"));
                tokio::spawn(async move { act(&*process, &who, session, Act::Join).await })
            })
            .collect();
        let (process, by) = (self.process(round + 1), owner.clone());
        joins.push(tokio::spawn(async move { act(&*process, &by, session, Act::Add(invited)).await }));
        let closed = act(&*self.process(round / 2), &owner, session, Act::Open(session_type)).await;
        let mut came = 0;
        for join in joins {
            match join.await.unwrap() {
                Ok(_) => came += 1,
                Err(code) => assert!(REFUSALS.contains(&code.as_str()), "{code}"),
            }
        }
        let log = self.log(session).await;
        check(&log);
        match closed {
            Ok(_) => {}
            Err(code) => assert!(code == "SESSION_NOT_EMPTY" && came > 0, "{code} after {came}"),
        }
        assert_eq!(log.len(), 1 + came + usize::from(log.iter().any(is_update)));
    }

    async fn one_client_id(&self, round: usize) {
        let owner = self.name("owner");
        let session = self.process(round).create(&owner, SessionType::Public, 10).await;
        for differ in [false, true] {
            let sends: Vec<_> = (0..4)
                .map(|n| {
                    let (process, owner) = (self.process(n), owner.clone());
                    let text = if differ { format!("attempt {n}") } else { "the same".to_owned() };
                    let say = Act::Say(text, Some(format!("once {differ}")));
                    tokio::spawn(async move { act(&*process, &owner, session, say).await })
                })
                .collect();
            let (mut places, mut refused) = (Vec::new(), 0);
            for send in sends {
                match send.await.unwrap() {
                    Ok(seq) => places.push(seq),
                    Err(code) => {
                        assert_eq!(code, "CLIENT_ID_REUSED");
                        refused += 1;
                    }
                }
            }
            assert_eq!((places.len(), refused), if differ { (1, 3) } else { (4, 0) });
            assert!(places.iter().all(|seq| *seq == places[0]), "{places:?}");
        }
        let log = self.log(session).await;
        check(&log);
        assert_eq!(log.len(), 3);
    }
}

fn is_update(event: &Arc<Event>) -> bool {
    matches!(event.kind, EventKind::Session(SessionEvent::Updated { .. }))
}

/// Reads a log from its start and looks whether each event was allowed where it stands, by rules written down a second time.
pub fn check(log: &[Arc<Event>]) {
    use ParticipantRole::{Admin, Member, Owner, Viewer};

    let mut people = BTreeMap::<&UserId, ParticipantRole>::new();
    let (mut open, mut cap, mut number, mut at) = (SessionType::Private, 0, 0, None);
    let mut clients = HashMap::new();
    let mut deleted = false;
    for (event, seq) in log.iter().zip(1..) {
        number += u64::from(event.kind.is_message());
        assert_eq!((event.seq, event.number), (seq, number), "the log is not dense: {event:?}");
        assert!(at <= Some(event.created_at), "time runs backwards: {event:?}");
        assert!(!deleted, "after the deletion: {event:?}");
        at = Some(event.created_at);
        let actor = people.get(&event.actor).copied();
        let leads = matches!(actor, Some(Owner | Admin));
        let allowed = match &event.kind {
            EventKind::Session(SessionEvent::Created { session, .. }) => {
                (open, cap) = (session.session_type, session.max_participants);
                people.insert(&event.actor, Owner);
                seq == 1
            }
            EventKind::Session(SessionEvent::Updated { changes }) => {
                open = changes.session_type.unwrap_or(open);
                cap = changes.max_participants.unwrap_or(cap);
                leads && (open != SessionType::Private || people.len() == 1) && people.len() <= cap as usize
            }
            EventKind::Session(
                SessionEvent::InviteCreated { .. }
                | SessionEvent::InviteRevoked { .. }
                | SessionEvent::WebhookChanged { .. },
            ) => leads,
            EventKind::Session(SessionEvent::EmojiAdded { .. } | SessionEvent::EmojiRemoved { .. }) => leads,
            EventKind::Session(SessionEvent::JoinRequested) => actor.is_none(),
            EventKind::Session(SessionEvent::JoinRequestClosed { user_id }) => leads || event.actor == *user_id,
            // The races put nothing away.
            EventKind::Session(SessionEvent::Archived | SessionEvent::Unarchived | SessionEvent::Restored) => false,
            EventKind::Session(SessionEvent::Deleted) => {
                deleted = true;
                actor == Some(Owner)
            }
            EventKind::Participant(ParticipantEvent::Joined { role, .. }) => {
                let new = people.insert(&event.actor, *role).is_none();
                new && open == SessionType::Public && people.len() <= cap as usize
            }
            EventKind::Participant(ParticipantEvent::Added { user_id, role, .. }) => {
                let new = people.insert(user_id, *role).is_none();
                new && leads && open != SessionType::Private && people.len() <= cap as usize
            }
            EventKind::Participant(ParticipantEvent::Left) => {
                people.remove(&event.actor).is_some_and(|role| role != Owner)
            }
            EventKind::Participant(ParticipantEvent::Removed { user_id, .. }) => {
                leads && people.remove(user_id).is_some_and(|role| role != Owner)
            }
            EventKind::Participant(ParticipantEvent::RoleChanged { user_id, role, .. }) => {
                leads && people.insert(user_id, *role).is_some_and(|role| role != Owner)
            }
            // The races sanction nobody.
            EventKind::Participant(
                ParticipantEvent::Banned { .. }
                | ParticipantEvent::Unbanned { .. }
                | ParticipantEvent::Muted { .. }
                | ParticipantEvent::Unmuted { .. }
                | ParticipantEvent::MetadataChanged { .. }
                | ParticipantEvent::OwnerChanged { .. },
            ) => false,
            EventKind::Message(MessageEvent::Sent { client_id, .. }) => {
                let fresh = client_id.as_ref().is_none_or(|id| clients.insert((&event.actor, id), seq).is_none());
                fresh && matches!(actor, Some(Owner | Admin | Member)) && actor != Some(Viewer)
            }
            // The races change no message, and every process has this version.
            EventKind::Message(_) | EventKind::Unknown => false,
        };
        assert!(allowed, "not allowed where it stands: {event:?}");
    }
}
