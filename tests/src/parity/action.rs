//! What is tried: by whom, what, and where.

use chatcore::model::SessionType;
use serde_json::{Value, json};

/// Who acts. All but the last three are users, called by how they stand to the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// Made it.
    Owner,
    /// Is its admin; in a private session, was.
    Admin,
    /// Is a member; in a private session, was.
    Member,
    /// Is a viewer; in a private session, was.
    Viewer,
    /// Was a viewer and left.
    Left,
    /// Was an admin and was removed.
    Removed,
    /// Never was in it.
    Stranger,
    /// Has no token.
    Nobody,
    /// Has a token of the owner that has expired.
    Expired,
    /// Has a token that nobody signed.
    Forged,
}

impl Actor {
    /// Those who are somebody.
    pub const USERS: [Self; 7] =
        [Self::Owner, Self::Admin, Self::Member, Self::Viewer, Self::Left, Self::Removed, Self::Stranger];

    /// Those who are nobody.
    pub const UNKNOWN: [Self; 3] = [Self::Nobody, Self::Expired, Self::Forged];

    /// The user's name among the `PEOPLE`; `None` for who is none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Owner => Some("owner"),
            Self::Admin => Some("admin"),
            Self::Member => Some("member"),
            Self::Viewer => Some("viewer"),
            Self::Left => Some("left"),
            Self::Removed => Some("removed"),
            Self::Stranger => Some("stranger"),
            Self::Nobody | Self::Expired | Self::Forged => None,
        }
    }
}

/// Everybody who was seen: the actors, and a second member to whom things are done.
pub const PEOPLE: [&str; 8] = ["owner", "admin", "member", "peer", "viewer", "left", "removed", "stranger"];

/// Somebody who was never seen.
pub const GHOST: &str = "ghost";

/// In which state the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// With room for more.
    Fresh,
    /// Without.
    Full,
    /// Deleted.
    Deleted,
    /// There never was one of that id.
    Never,
    /// The id is none.
    Malformed,
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A position.
    Seq(u64),
    /// The time of the event at a position.
    TimeOf(usize),
}

/// Which messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Without so many of the oldest.
    Skip(i64),
    /// The newest.
    Newest,
    /// Before a place.
    Before(Place),
    /// After a place.
    After(Place),
}

/// Which message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The session's first.
    First,
    /// The actor's own first one, or the session's first where the actor sent none.
    Own,
    /// The id of an event that is none.
    NoMessage,
    /// The id of a place behind the end.
    Beyond,
    /// No id.
    Malformed,
}

/// A use case with its input. Inputs are JSON as REST has it, so that one can be wrong in any way; users go by their names
/// among the `PEOPLE`.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Who am I?
    Me,
    /// The session with its participants and messages.
    Session,
    /// All pages of the caller's sessions.
    Sessions {
        /// Entries of a page.
        limit: Option<i64>,
    },
    /// All pages of the sessions that can be joined.
    PublicSessions {
        /// Entries of a page.
        limit: Option<i64>,
    },
    /// All pages of the participants.
    Participants {
        /// Entries of a page.
        limit: Option<i64>,
        /// With addresses.
        email: bool,
    },
    /// A page of messages.
    Messages {
        /// Which.
        window: Window,
        /// How many.
        limit: Option<i64>,
    },
    /// One message.
    Message(Which),
    /// A page of the log.
    Events {
        /// From where.
        after: u64,
        /// How many.
        limit: Option<i64>,
    },
    /// Make a session.
    Create(Value),
    /// Change its settings.
    Update(Value),
    /// Delete it.
    Delete,
    /// Come in.
    Join,
    /// Go.
    Leave,
    /// Bring somebody in.
    Add(Value),
    /// Change somebody's role.
    ChangeRole {
        /// Whose.
        user: &'static str,
        /// The role.
        input: Value,
    },
    /// Take somebody out.
    Remove(&'static str),
    /// Say something.
    Send(Value),
    /// Give a message another content.
    Edit {
        /// Which.
        which: Which,
        /// The content.
        input: Value,
    },
    /// Delete a message.
    DeleteMessage {
        /// Which.
        which: Which,
        /// The revision that it must have.
        revision: Option<u64>,
    },
    /// See what a message said before.
    Revisions(Which),
    /// Pin a message.
    Pin(Which),
    /// Unpin a message.
    Unpin(Which),
    /// See the pinned messages.
    Pins,
    /// Tell that one types, or no longer.
    Typing(bool),
    /// Follow the session, see what happens, and lose the right to.
    Subscribe {
        /// From where; `None` from now on.
        after: Option<u64>,
    },
}

impl Action {
    /// Whether it uses a client id that stands for a message already.
    #[must_use]
    pub fn says_again(&self) -> bool {
        matches!(self, Self::Send(input) if input["client_id"] == KEPT.0)
    }

    /// Whether it is about a message that was edited.
    #[must_use]
    pub const fn looks_back(&self) -> bool {
        matches!(self, Self::Revisions(_))
    }

    /// Whether it is about messages that were pinned.
    #[must_use]
    pub const fn needs_pins(&self) -> bool {
        matches!(self, Self::Unpin(_) | Self::Pins)
    }

    /// Whether the room is changed for it beforehand. Such a room serves no other attempt.
    #[must_use]
    pub fn is_prepared(&self) -> bool {
        self.says_again() || self.looks_back() || self.needs_pins()
    }

    /// Whether it adds to a log where it is allowed.
    #[must_use]
    pub const fn changes(&self) -> bool {
        match self {
            Self::Create(_)
            | Self::Update(_)
            | Self::Delete
            | Self::Join
            | Self::Leave
            | Self::Add(_)
            | Self::ChangeRole { .. }
            | Self::Remove(_)
            | Self::Send(_)
            | Self::Edit { .. }
            | Self::DeleteMessage { .. }
            | Self::Pin(_)
            | Self::Unpin(_) => true,
            Self::Me
            | Self::Session
            | Self::Sessions { .. }
            | Self::PublicSessions { .. }
            | Self::Participants { .. }
            | Self::Messages { .. }
            | Self::Message(_)
            | Self::Events { .. }
            | Self::Revisions(_)
            | Self::Pins
            | Self::Typing(_)
            | Self::Subscribe { .. } => false,
        }
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
}

/// The room in which attempts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Of which type.
    pub session_type: SessionType,
    /// In which state.
    pub state: State,
}

/// Every stage.
#[must_use]
pub fn stages() -> Vec<Stage> {
    let types = [SessionType::Public, SessionType::InviteOnly, SessionType::Private];
    let on = |state| move |session_type| Stage { session_type, state };
    let real = [State::Fresh, State::Full, State::Deleted].into_iter().flat_map(|state| types.map(on(state)));
    real.chain([State::Never, State::Malformed].map(|state| Stage { session_type: SessionType::Private, state }))
        .collect()
}

/// What is tried on a stage: all that differs there, by everybody for whom it can differ; of each use case the plainest
/// attempt and every `step`th of the others, counted from an offset.
#[must_use]
pub fn attempts(stage: Stage, step: usize, offset: usize) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    let mut all = |actors: &[Actor], families: &[Vec<(Level, Action)>]| {
        for (turn, &actor) in actors.iter().enumerate() {
            for family in families {
                let chosen =
                    family.iter().enumerate().filter(|(n, _)| *n == 0 || (n + offset + turn).is_multiple_of(step));
                attempts.extend(chosen.map(|(_, (level, action))| Attempt {
                    actor,
                    action: action.clone(),
                    level: *level,
                }));
            }
        }
    };
    match stage.state {
        State::Fresh | State::Full => {
            all(&Actor::USERS, &families());
            all(&Actor::UNKNOWN, &[first_of_each()]);
            if stage == (Stage { session_type: SessionType::Public, state: State::Fresh }) {
                all(&Actor::USERS, &[creations()]);
                all(&Actor::UNKNOWN, &[creations()]);
            }
        }
        State::Deleted | State::Never => {
            all(&Actor::USERS, &[first_of_each()]);
            all(&Actor::UNKNOWN, &[first_of_each()]);
        }
        State::Malformed => {
            let coded = |(_, action)| (Level::Code, action);
            all(&Actor::USERS[..1], &[first_of_each().into_iter().map(coded).collect()]);
        }
    }
    attempts
}

/// What is tried where lists of sessions are the only thing that counts.
#[must_use]
pub fn listings() -> Vec<Attempt> {
    let mut actions = vec![(Level::Exact, Action::Me)];
    for limit in [None, Some(1), Some(2), Some(3), Some(100), Some(0), Some(101)] {
        actions.push((Level::Exact, Action::Sessions { limit }));
        actions.push((Level::Exact, Action::PublicSessions { limit }));
    }
    actions.push((Level::Code, Action::Sessions { limit: Some(-1) }));
    actions.push((Level::Code, Action::PublicSessions { limit: Some(-1) }));
    let actors = Actor::USERS.into_iter().chain(Actor::UNKNOWN);
    actors
        .flat_map(|actor| {
            actions.iter().map(move |(level, action)| Attempt { actor, action: action.clone(), level: *level })
        })
        .collect()
}

fn first_of_each() -> Vec<(Level, Action)> {
    families().into_iter().filter_map(|family| family.into_iter().next()).collect()
}

fn exact(actions: impl IntoIterator<Item = Action>) -> Vec<(Level, Action)> {
    actions.into_iter().map(|action| (Level::Exact, action)).collect()
}

fn coded(actions: impl IntoIterator<Item = Action>) -> Vec<(Level, Action)> {
    actions.into_iter().map(|action| (Level::Code, action)).collect()
}

fn refused(actions: impl IntoIterator<Item = Action>) -> Vec<(Level, Action)> {
    actions.into_iter().map(|action| (Level::Refused, action)).collect()
}

/// The settings that both making and changing a session take, good and bad, and those that no type of ours holds.
fn settings() -> (Vec<Value>, Vec<Value>) {
    let good = vec![
        json!({ "title": "New", "description": "What it is about", "session_type": "PUBLIC", "max_participants": 50 }),
        json!({ "title": "Ünïcode 🎉", "description": null }),
        json!({ "title": "x".repeat(100), "session_type": "INVITE_ONLY", "max_participants": 1 }),
        json!({ "title": "Alone", "session_type": "PRIVATE", "max_participants": 10_000 }),
        json!({ "title": "" }),
        json!({ "title": "   " }),
        json!({ "title": "x".repeat(101) }),
        json!({ "title": "a\u{7}b" }),
        json!({ "title": "x", "description": "x".repeat(501) }),
        json!({ "title": "x", "session_type": "DIRECT" }),
        json!({ "title": "x", "max_participants": 0 }),
        json!({ "title": "x", "max_participants": 10_001 }),
        json!({ "title": "", "description": "x".repeat(501), "session_type": "DIRECT", "max_participants": 0 }),
    ];
    let bad = vec![
        json!({ "title": 5 }),
        json!({ "title": "x", "session_type": "SECRET" }),
        json!({ "title": "x", "session_type": "public" }),
        json!({ "title": "x", "max_participants": "many" }),
        json!({ "title": "x", "max_participants": -1 }),
        json!({ "title": "x", "max_participants": 1.5 }),
        json!({ "title": "x", "colour": "red" }),
        json!({ "title": null }),
    ];
    (good, bad)
}

fn creations() -> Vec<(Level, Action)> {
    let (mut good, mut bad) = settings();
    bad.push(json!({}));
    good.push(json!({ "title": "Once", "client_id": "retry" }));
    good.push(json!({ "title": "Once", "client_id": "" }));
    [exact(good.into_iter().map(Action::Create)), refused(bad.into_iter().map(Action::Create))].concat()
}

/// Every use case about one session, each family of one use case; its plainest attempt comes first.
fn families() -> Vec<Vec<(Level, Action)>> {
    let (good, bad) = settings();
    let alone = [
        json!({ "title": "Renamed" }),
        json!({}),
        json!({ "description": null }),
        json!({ "description": "" }),
        json!({ "title": "A room" }),
        json!({ "session_type": "PRIVATE" }),
        json!({ "session_type": "PUBLIC" }),
        json!({ "session_type": "INVITE_ONLY" }),
        json!({ "max_participants": 30 }),
        json!({ "max_participants": 2 }),
    ];
    let updates = exact(alone.into_iter().chain(good).map(Action::Update));
    let nulls = [json!({ "session_type": null }), json!({ "max_participants": null })];
    let bad_updates = refused(bad.into_iter().chain(nulls).map(Action::Update));
    vec![
        exact([Action::Session]),
        participants(),
        messages(),
        [
            exact([Which::First, Which::NoMessage, Which::Beyond].map(Action::Message)),
            coded([Action::Message(Which::Malformed)]),
        ]
        .concat(),
        events(),
        [updates, bad_updates].concat(),
        exact([Action::Delete]),
        exact([Action::Join]),
        exact([Action::Leave]),
        additions(),
        role_changes(),
        exact(["peer", "owner", "admin", "viewer", "left", "stranger", GHOST].map(Action::Remove)),
        sends(),
        edits(),
        deletions(),
        [
            exact([Which::First, Which::Own, Which::NoMessage, Which::Beyond].map(Action::Revisions)),
            coded([Action::Revisions(Which::Malformed)]),
        ]
        .concat(),
        pins(Action::Pin),
        pins(Action::Unpin),
        exact([Action::Pins]),
        exact([true, false].map(Action::Typing)),
        exact([None, Some(0), Some(3), Some(999)].map(|after| Action::Subscribe { after })),
    ]
}

fn participants() -> Vec<(Level, Action)> {
    let of = |limit, email| Action::Participants { limit, email };
    let good = [
        of(None, false),
        of(None, true),
        of(Some(1), false),
        of(Some(2), true),
        of(Some(0), false),
        of(Some(101), false),
    ];
    [exact(good), coded([of(Some(-1), false)])].concat()
}

fn messages() -> Vec<(Level, Action)> {
    let of = |window, limit| Action::Messages { window, limit };
    let places = [0, 1, 8, 9, 10, 999].map(Place::Seq).into_iter().chain([1, 9, 10].map(Place::TimeOf));
    let around = places.flat_map(|place| [of(Window::Before(place), Some(2)), of(Window::After(place), Some(2))]);
    let skips = [(0, None), (1, Some(2)), (0, Some(100)), (99, None), (0, Some(0)), (0, Some(101))];
    let skips = skips.map(|(skip, limit)| of(Window::Skip(skip), limit));
    let newest = [of(Window::Newest, Some(2)), of(Window::Newest, Some(0)), of(Window::Newest, Some(101))];
    let negative = [of(Window::Skip(-1), None), of(Window::Skip(0), Some(-1))];
    [exact(skips.into_iter().chain(newest).chain(around)), coded(negative)].concat()
}

fn events() -> Vec<(Level, Action)> {
    let of = |after, limit| Action::Events { after, limit };
    let pages = [(0, None), (3, Some(4)), (0, Some(100)), (12, Some(1)), (999, None), (0, Some(0)), (0, Some(101))];
    [exact(pages.map(|(after, limit)| of(after, limit))), coded([of(0, Some(-1))])].concat()
}

const ROLES: [&str; 4] = ["MEMBER", "OWNER", "ADMIN", "VIEWER"];

fn additions() -> Vec<(Level, Action)> {
    let mut additions = Vec::new();
    for user in ["stranger", "removed", "left", "peer", "owner", GHOST] {
        additions.push(Action::Add(json!({ "user_id": user })));
        additions.extend(ROLES.map(|role| Action::Add(json!({ "user_id": user, "role": role }))));
    }
    let bad = [json!({ "user_id": "stranger", "role": "BOSS" }), json!({ "user_id": "stranger", "role": "member" })];
    let worse = [json!({ "role": "MEMBER" }), json!({ "user_id": 5 }), json!({ "user_id": "stranger", "as": "x" })];
    let nobody = coded([json!({ "user_id": "" }), json!({ "user_id": "u".repeat(129) })].map(Action::Add));
    [exact(additions), nobody, refused(bad.into_iter().chain(worse).map(Action::Add))].concat()
}

fn role_changes() -> Vec<(Level, Action)> {
    let mut changes = Vec::new();
    for user in ["peer", "owner", "admin", "viewer", "left", "stranger", GHOST] {
        changes.extend(["VIEWER", "MEMBER", "ADMIN", "OWNER"].map(|role| (user, json!({ "role": role }))));
    }
    let bad = [json!({ "role": "BOSS" }), json!({ "role": null }), json!({}), json!({ "role": "ADMIN", "as": 1 })];
    let change = |(user, input)| Action::ChangeRole { user, input };
    [exact(changes.into_iter().map(change)), refused(bad.map(|input| change(("peer", input))))].concat()
}

/// A client id that stands for a message already where it is used, and what that message says.
pub const KEPT: (&str, &str) = ("kept", "first words");

fn sends() -> Vec<(Level, Action)> {
    let (kept, words) = KEPT;
    let encrypted = |data: &str, iv: &str| json!({ "content": { "encrypted_data": data, "iv": iv, "key_version": 3 } });
    let good = [
        json!({ "content": "hello" }),
        json!({ "content": "line\nbreak\ttab 🎉 <b>", "role": "assistant", "message_type": "image" }),
        json!({ "content": "x".repeat(8_000), "role": "system", "message_type": "file" }),
        encrypted("c2VjcmV0", "aXY="),
        json!({ "content": "new", "client_id": "new" }),
        json!({ "content": words, "client_id": kept }),
        json!({ "content": "other words", "client_id": kept }),
        json!({ "content": words, "client_id": kept, "role": "assistant" }),
        json!({ "content": "" }),
        json!({ "content": "x".repeat(8_001) }),
        json!({ "content": "a\u{7}b" }),
        json!({ "content": "x", "message_type": "system" }),
        encrypted("", "aXY="),
        encrypted("c2VjcmV0", ""),
        encrypted(&"x".repeat(16_001), "aXY="),
    ];
    let ids = [json!({ "content": "x", "client_id": "" }), json!({ "content": "x", "client_id": "c".repeat(129) })];
    let bad = [
        json!({}),
        json!({ "content": null }),
        json!({ "content": 5 }),
        json!({ "content": "x", "role": "boss" }),
        json!({ "content": "x", "message_type": "song" }),
        json!({ "content": "x", "user_id": "owner" }),
        json!({ "content": { "encrypted_data": "x", "iv": "y" } }),
        json!({ "content": { "encrypted_data": "x", "iv": "y", "key_version": -1 } }),
    ];
    [exact(good.map(Action::Send)), coded(ids.map(Action::Send)), refused(bad.map(Action::Send))].concat()
}

fn edits() -> Vec<(Level, Action)> {
    let encrypted = |data: &str| json!({ "content": { "encrypted_data": data, "iv": "aXY=", "key_version": 3 } });
    let of = |which| move |input| Action::Edit { which, input };
    let own = [
        json!({ "content": "other words" }),
        json!({ "content": "earlier words" }),
        json!({ "content": "earlier words", "revision": 7 }),
        json!({ "content": "other words", "revision": 1 }),
        json!({ "content": "other words", "revision": 2 }),
        encrypted("c2VjcmV0"),
        encrypted(""),
        json!({ "content": "" }),
        json!({ "content": "x".repeat(8_001) }),
        json!({ "content": "a\u{7}b" }),
    ];
    let others = [Which::First, Which::NoMessage, Which::Beyond];
    let others = others.map(|which| of(which)(json!({ "content": "other words" })));
    let bad = [
        json!({}),
        json!({ "content": null }),
        json!({ "content": 5 }),
        json!({ "content": "x", "revision": -1 }),
        json!({ "content": "x", "revision": "1" }),
        json!({ "content": "x", "colour": "red" }),
    ];
    let malformed = of(Which::Malformed)(json!({ "content": "x" }));
    let good = own.map(of(Which::Own)).into_iter().chain(others);
    [exact(good), coded([malformed]), refused(bad.map(of(Which::Own)))].concat()
}

fn pins(of: fn(Which) -> Action) -> Vec<(Level, Action)> {
    let good = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    [exact(good.map(of)), coded([of(Which::Malformed)])].concat()
}

fn deletions() -> Vec<(Level, Action)> {
    let of = |which, revision| Action::DeleteMessage { which, revision };
    let good = [
        of(Which::Own, None),
        of(Which::First, None),
        of(Which::Own, Some(1)),
        of(Which::Own, Some(2)),
        of(Which::NoMessage, None),
        of(Which::Beyond, None),
    ];
    [exact(good), coded([of(Which::Malformed, None)])].concat()
}
