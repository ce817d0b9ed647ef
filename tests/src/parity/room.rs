//! The people and the session of one run, made anew for each attempt that changes something.

use std::{collections::HashMap, sync::Arc};

use chatcore::{
    Chat, Clock, JwtAuthenticator, JwtIssuer, Principal,
    chat::{AddParticipant, CreateSession, SendMessage, UpdateSession},
    identity::{Authenticator as _, Claims},
    model::{
        BotCommand, ClientId, CommandName, Event, HistoryVisibility, MessageId, ParticipantRole, SessionId,
        SessionType, UserId, UserStanding,
    },
    store::{
        BotCommands, Change, ChatStore, ChatStoreExt as _, CommandList, HeldMessages, KeyPart as _, Listed, LogRange,
        SessionBots, SessionFacts, Standings, TypedKey as _,
    },
};

use super::{
    action::Action,
    core::Core,
    model::{Model, users},
    stage::{Actor, GHOST, PEOPLE, Stage, State},
    transport::{Call, Transport as _},
    world::World,
};
use crate::{
    server::{SECRET, token_with},
    template::facts,
};

/// The users of one run, with ids of their own.
#[derive(Debug)]
pub struct Cast {
    /// With what their ids begin.
    pub prefix: String,
    ids: Vec<UserId>,
    tokens: HashMap<&'static str, String>,
    principals: HashMap<&'static str, Principal>,
    expired: String,
}

impl Cast {
    /// Makes them known to a chat.
    pub async fn new(chat: &Chat, prefix: String) -> Self {
        let authenticator = JwtAuthenticator::hs256(SECRET).unwrap();
        let (mut tokens, mut principals) = (HashMap::new(), HashMap::new());
        let claims = |name: &str| Claims {
            sub: format!("{prefix}{name}"),
            name: Some(format!("Name of {name}")),
            preferred_username: Some(format!("the_{name}")),
            email: Some(format!("{name}@chat.example")),
            picture: Some(format!("https://chat.example/{name}.png")),
            ..Claims::default()
        };
        for name in PEOPLE {
            let token = token_with(claims(name), 3600);
            let principal = authenticator.authenticate(&token).await.unwrap();
            chat.me(&principal).await.unwrap();
            tokens.insert(name, token);
            principals.insert(name, principal);
        }
        let expired = JwtIssuer::hs256(SECRET).unwrap().sign(&Claims { exp: 1, ..claims("owner") }).unwrap();
        let ids = users(PEOPLE.into_iter().chain([GHOST]).map(|name| format!("{prefix}{name}")));
        Self { prefix, ids, tokens, principals, expired }
    }

    /// A user's id.
    #[must_use]
    pub fn user(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Everybody's id.
    #[must_use]
    pub fn users(&self) -> &[UserId] {
        &self.ids
    }

    /// A user as the core takes them.
    #[must_use]
    pub fn principal(&self, name: &str) -> &Principal {
        &self.principals[name]
    }

    /// A user's token.
    #[must_use]
    pub fn token_of(&self, name: &str) -> &str {
        &self.tokens[name]
    }

    /// An actor's token, where they have one.
    #[must_use]
    pub fn token(&self, actor: Actor) -> Option<&str> {
        match (actor.name(), actor) {
            (Some(name), _) => Some(&self.tokens[name]),
            (None, Actor::Expired) => Some(&self.expired),
            (None, Actor::Forged) => Some("forged.by.nobody"),
            (None, _) => None,
        }
    }
}

/// A session, with what the store says of it.
#[derive(Debug, Clone)]
pub struct Room {
    /// The id on the wire.
    pub id: String,
    /// The id; a made up one where there is none.
    pub session: SessionId,
    /// Its log.
    pub log: Arc<Vec<Arc<Event>>>,
    /// The codes of its invites, in the order in which they were created.
    pub codes: Vec<String>,
    /// The rest of it.
    pub model: Arc<Model>,
    /// The id of what the last preparation made.
    pub made: Option<String>,
    /// What the model was made of.
    facts: Option<Arc<SessionFacts>>,
}

/// The session of a stage, made once through the chat, to be copied for any cast.
#[derive(Debug)]
pub struct Template {
    session: crate::Template,
    prefix: String,
}

impl Template {
    /// Makes the session of a stage.
    pub async fn make(chat: &Chat, store: &dyn ChatStore, stage: Stage) -> Self {
        let cast = Cast::new(chat, format!("template.{:?}.{}.", stage.state, stage.session_type)).await;
        let id = build(chat, &cast, stage).await;
        Self { session: crate::Template::of(store, id, cast.users()).await, prefix: cast.prefix }
    }

    async fn copy(&self, store: &dyn ChatStore, clock: &dyn Clock, cast: &Cast) -> Room {
        let (session, log) = self.session.copy(store, clock, Some((&self.prefix, &cast.prefix))).await;
        Room { log: Arc::new(log), ..Room::unread(session) }
    }
}

impl Room {
    /// Makes the session of a stage, always with the same log.
    pub async fn make(world: &World, cast: &Cast, stage: Stage) -> Self {
        let never: SessionId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let store = &*world.store;
        let room = match stage.state {
            State::Fresh | State::Full | State::Deleted => {
                world.template(stage).await.copy(store, &world.clock, cast).await
            }
            State::Never | State::Malformed => Self::unread(never),
        };
        if !matches!(stage.state, State::Never | State::Malformed) {
            add_bots(store, cast, room.session).await;
        }
        let room = room.again(store, cast).await;
        if stage.state == State::Malformed { Self { id: "1".to_owned(), ..room } } else { room }
    }

    /// The same room after the actor, or somebody else who is named, has done these, where they may.
    pub async fn after(&self, world: &World, cast: &Cast, actor: Actor, done: &[(Option<Actor>, Action)]) -> Self {
        let mut core = Core::new(world.server.chat.clone());
        let (mut room, mut held) = (self.clone(), Vec::new());
        for (by, action) in done {
            let actor = by.unwrap_or(actor);
            let call = Call { name: "before", cast, room: &room, actor, action, is_refused: false };
            let outcome = core.perform(&call).await;
            // Otherwise nothing would be prepared anywhere, and every attempt agree.
            let is_held = matches!(&outcome, Some(Err(fault)) if fault.code == "MESSAGE_HELD");
            let may = *by == Some(Actor::Owner) && room.model.is_active();
            assert!(!may || matches!(outcome, Some(Ok(_))), "{action:?}: {outcome:?}");
            let made = outcome.and_then(Result::ok).unwrap_or_default();
            let text = |name: &str| made[name].as_str().map(str::to_owned);
            room.codes.extend(text("code"));
            room = room.again(&*world.store, cast).await;
            room.made = text("id").or(room.made);
            if is_held {
                // A room in which something may be held is new. Ids of one millisecond have no order.
                let scan = HeldMessages::under(vec![self.session.part()]);
                let found = world.store.list::<HeldMessages>(scan).await.expect("held messages");
                let now: Vec<_> = found.into_iter().map(|(key, _)| key.id).collect();
                room.made = now.iter().find(|id| !held.contains(*id)).map(|id| id.to_string());
                held = now;
            }
        }
        room
    }

    /// A session as it is now.
    pub async fn read(store: &dyn ChatStore, cast: &Cast, session: SessionId) -> Self {
        Self::unread(session).again(store, cast).await
    }

    /// A session of which nothing is known yet.
    #[must_use]
    pub fn unread(session: SessionId) -> Self {
        Self {
            id: session.to_string(),
            session,
            log: Arc::default(),
            codes: Vec::new(),
            model: Arc::default(),
            made: None,
            facts: None,
        }
    }

    /// The same session as it is now.
    pub async fn again(&self, store: &dyn ChatStore, cast: &Cast) -> Self {
        let facts = facts(store, self.session, cast.users()).await;
        if self.facts.as_deref() == Some(&facts) {
            return self.clone();
        }
        let mut log = self.log.to_vec();
        let (from, to) = (log.len() as u64 + 1, facts.head.seq);
        if from <= to {
            let range = LogRange { session_id: self.session, from, to };
            log.extend(store.log(&[range]).await.unwrap().into_iter().flatten());
            let rewritten: Vec<_> =
                log[self.log.len()..].iter().flat_map(|event| event.kind.rewritten().to_vec()).collect();
            for seq in rewritten {
                let range = LogRange { session_id: self.session, from: seq, to: seq };
                let row = store.log(&[range]).await.unwrap().into_iter().flatten().next().unwrap();
                let place = log.iter().position(|event| event.seq == seq).unwrap();
                log[place] = row;
            }
        }
        let model = Arc::new(Model::of(&facts, &log));
        let (log, facts) = (Arc::new(log), Some(Arc::new(facts)));
        let (id, made) = (self.id.clone(), self.made.clone());
        Self { id, session: self.session, log, codes: self.codes.clone(), model, made, facts }
    }

    /// Whether its log has more by now.
    pub async fn has_news(&self, store: &dyn ChatStore) -> bool {
        let next = self.log.len() as u64 + 1;
        let range = LogRange { session_id: self.session, from: next, to: next };
        store.log(&[range]).await.unwrap().iter().any(|rows| !rows.is_empty())
    }

    /// The end of its log.
    #[must_use]
    pub fn head(&self) -> u64 {
        self.model.seq
    }

    /// The id of a message at a position.
    #[must_use]
    pub fn message(&self, seq: u64) -> String {
        MessageId { session_id: self.session, seq }.to_string()
    }
}

/// Makes the viewer a bot with two commands, of which the admin has one, too. Whether they are in the session is not asked.
async fn add_bots(store: &dyn ChatStore, cast: &Cast, session: SessionId) {
    let offer = |name: &str, description: &str| BotCommand {
        name: CommandName::new(name).unwrap(),
        description: description.to_owned(),
    };
    let (deploy, help) = (offer("deploy", "Deploys"), offer("help", "Helps"));
    let mut writes = Vec::new();
    for (name, commands) in [("viewer", vec![deploy, help.clone()]), ("admin", vec![help])] {
        let bot = UserId::new(cast.user(name)).unwrap();
        writes.push(SessionBots { session, bot: bot.clone() }.put(Listed));
        writes.push(BotCommands { bot }.put(CommandList { commands }));
    }
    let key = Standings { user: UserId::new(cast.user("viewer")).unwrap() };
    let found = store.get(&key).await.unwrap();
    let standing = found.map(|found| UserStanding::clone(&found.value)).unwrap_or_default();
    writes.push(key.put(UserStanding { is_bot: true, ..standing }));
    store.commit(Change::of_records(writes)).await.unwrap();
}

async fn build(chat: &Chat, cast: &Cast, Stage { session_type, state }: Stage) -> SessionId {
    let owner = cast.principal("owner");
    let new = CreateSession {
        title: "A room".to_owned(),
        description: Some("About it".to_owned()),
        session_type: SessionType::Public,
        max_participants: Some(20),
        history_visibility: HistoryVisibility::All,
        metadata: None,
        receipts: true,
    };
    let id = chat.create_session(owner, new).await.unwrap().summary.session.id;
    let come = [
        ("admin", ParticipantRole::Admin),
        ("member", ParticipantRole::Member),
        ("peer", ParticipantRole::Member),
        ("viewer", ParticipantRole::Viewer),
        ("removed", ParticipantRole::Admin),
    ];
    for (name, role) in come {
        let add = AddParticipant { user_id: UserId::new(cast.user(name)).unwrap(), role: Some(role) };
        chat.add_participant(owner, id, add).await.unwrap();
    }
    let left = cast.principal("left");
    chat.join(left, id).await.unwrap();
    chat.change_role(owner, id, &left.user_id, ParticipantRole::Viewer).await.unwrap();
    for name in ["owner", "admin", "member", "removed"] {
        let message = SendMessage::text("earlier words").with_client_id(ClientId::new("earlier").unwrap());
        chat.send(cast.principal(name), id, message).await.unwrap();
    }
    chat.leave(left, id).await.unwrap();
    let mut gone = vec!["removed"];
    if session_type == SessionType::Private {
        gone.extend(["admin", "member", "peer", "viewer"]);
    }
    for name in &gone {
        chat.remove_participant(owner, id, &UserId::new(cast.user(name)).unwrap()).await.unwrap();
    }
    let present = u32::try_from(1 + come.len() - gone.len()).unwrap();
    let max_participants = (state == State::Full).then_some(present);
    let changes = UpdateSession { session_type: Some(session_type), max_participants, ..UpdateSession::default() };
    chat.update_session(owner, id, changes).await.unwrap();
    if state == State::Deleted {
        chat.delete_session(owner, id).await.unwrap();
    }
    id
}
