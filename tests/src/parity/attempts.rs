//! The table of what is tried: a family of attempts for each operation. An operation that is added to the chat gets an entry here.

use chatcore::model::SessionType;
use serde_json::{Value, json};

use super::{
    action::{Action, Attempt, Level, SUBSCRIBE, Target, Which, time_of},
    stage::{Actor, GHOST, PEOPLE, Stage, State},
};

/// The attempts of one operation; the plainest comes first.
#[derive(Debug, Clone, Default)]
struct Family {
    actions: Vec<(Level, Action)>,
    /// What is done before each of them.
    before: Vec<(Option<Actor>, Action)>,
}

impl Family {
    fn of(level: Level, actions: impl IntoIterator<Item = Action>) -> Self {
        Self::default().and(level, actions)
    }

    fn exact(actions: impl IntoIterator<Item = Action>) -> Self {
        Self::of(Level::Exact, actions)
    }

    fn and(mut self, level: Level, actions: impl IntoIterator<Item = Action>) -> Self {
        self.actions.extend(actions.into_iter().map(|action| (level, action)));
        self
    }

    fn coded(self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.and(Level::Code, actions)
    }

    fn refused(self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.and(Level::Refused, actions)
    }

    /// After the owner has done these.
    fn after(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.before = actions.into_iter().map(|action| (Some(Actor::Owner), action)).collect();
        self
    }

    /// After these were tried, too, whether or not they were allowed.
    fn after_all(mut self, actions: impl IntoIterator<Item = (Actor, Action)>) -> Self {
        self.before.extend(actions.into_iter().map(|(actor, action)| (Some(actor), action)));
        self
    }

    /// An attempt of it. Whoever uses the client id that stands for a message has sent that message.
    fn attempt(&self, n: usize, actor: Actor, level: Option<Level>) -> Attempt {
        let (own, action) = self.actions[n].clone();
        let mut before = self.before.clone();
        if action.input["client_id"] == KEPT.0 {
            before.push((None, send(json!({ "content": KEPT.1, "client_id": KEPT.0 }))));
        }
        Attempt { actor, action, level: level.unwrap_or(own), before }
    }
}

/// What is tried on a stage: all that differs there, by everybody for whom it can differ; of each operation the plainest
/// attempt and every `step`th of the others, counted from an offset.
#[must_use]
pub fn attempts(stage: Stage, step: usize, offset: usize) -> Vec<Attempt> {
    let families = families();
    let mut attempts = Vec::new();
    let every = |attempts: &mut Vec<Attempt>, actors: &[Actor], families: &[Family]| {
        for (turn, &actor) in actors.iter().enumerate() {
            for family in families {
                let chosen = (0..family.actions.len()).filter(|n| *n == 0 || (n + offset + turn).is_multiple_of(step));
                attempts.extend(chosen.map(|n| family.attempt(n, actor, None)));
            }
        }
    };
    let plainest = |actors: &[Actor], level| {
        let mut attempts = Vec::new();
        for (turn, &actor) in actors.iter().enumerate() {
            let chosen =
                families.iter().enumerate().filter(|(n, _)| *n == 0 || (n + offset + turn).is_multiple_of(step));
            attempts.extend(chosen.map(|(_, family)| family.attempt(0, actor, level)));
        }
        attempts
    };
    match stage.state {
        State::Fresh | State::Full => {
            every(&mut attempts, &Actor::USERS, &families);
            if stage == (Stage { session_type: SessionType::Public, state: State::Fresh }) {
                every(&mut attempts, &Actor::USERS, &[creations()]);
                every(&mut attempts, &Actor::UNKNOWN, &[creations()]);
            }
            attempts.extend(plainest(&Actor::UNKNOWN, None));
        }
        State::Deleted | State::Never => {
            attempts.extend(plainest(&Actor::USERS, None));
            attempts.extend(plainest(&Actor::UNKNOWN, None));
        }
        State::Malformed => attempts.extend(plainest(&Actor::USERS[..1], Some(Level::Code))),
    }
    attempts
}

/// What is tried where lists of sessions are the only thing that counts.
#[must_use]
pub fn listings() -> Vec<Attempt> {
    let lists = ["listSessions", "listPublicSessions", "listDeletedSessions"];
    let of = |limit: Option<i64>| lists.map(|list| Action::new(list, Target::Nothing, limited(json!({}), limit)));
    let limits = [None, Some(1), Some(2), Some(3), Some(100), Some(0), Some(101)];
    let family = Family::exact([Action::new("me", Target::Nothing, json!({}))])
        .and(Level::Exact, limits.into_iter().flat_map(of))
        .coded(of(Some(-1)));
    let actors = Actor::USERS.into_iter().chain(Actor::UNKNOWN);
    let each = |actor| (0..family.actions.len()).map(|n| family.attempt(n, actor, None)).collect::<Vec<_>>();
    actors.flat_map(each).collect()
}

fn session(operation: &'static str, input: Value) -> Action {
    Action::new(operation, Target::Session, input)
}

fn message(operation: &'static str, which: Which, input: Value) -> Action {
    Action::new(operation, Target::Message(which), input)
}

fn user(operation: &'static str, name: &'static str, input: Value) -> Action {
    Action::new(operation, Target::User(name), input)
}

fn limited(mut input: Value, limit: Option<i64>) -> Value {
    if let Some(limit) = limit {
        input["limit"] = json!(limit);
    }
    input
}

/// One operation on each of several messages.
fn on_messages(operation: &'static str, good: &[Which]) -> Family {
    let of = |which: &Which| message(operation, *which, json!({}));
    Family::exact(good.iter().map(of)).coded([of(&Which::Malformed)])
}

const THUMB: &str = "\u{1f44d}";

fn reaction(operation: &'static str, which: Which, emoji: &'static str) -> Action {
    Action::new(operation, Target::Reaction(which, emoji), json!({}))
}

fn react(which: Which) -> Action {
    reaction("addReaction", which, THUMB)
}

/// One operation on reactions to several messages.
fn reactions(operation: &'static str) -> Family {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let of = |which: Which| reaction(operation, which, THUMB);
    let bad = ["a", ":+1:", "\u{1f44d}\u{1f44d}"].map(|text| reaction(operation, Which::First, text));
    Family::exact(MESSAGES.map(of)).coded([of(Which::Malformed)]).coded(bad)
}

/// Every operation on one session.
fn families() -> Vec<Family> {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let plain = |operation| Family::exact([session(operation, json!({}))]);
    let pin = || message("pinMessage", Which::First, json!({}));
    let edit = |content: Value| message("editMessage", Which::First, json!({ "content": content }));
    let encrypted = json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 });
    let removed = ["peer", "owner", "admin", "viewer", "left", "stranger", GHOST];
    let positions = [json!({}), json!({ "after": 0 }), json!({ "after": 3 }), json!({ "after": 999 })];
    vec![
        plain("getSession"),
        participants(),
        messages(),
        on_messages("getMessage", &[Which::First, Which::NoMessage, Which::Beyond]),
        events(),
        updates(),
        plain("deleteSession"),
        plain("joinSession"),
        plain("archiveSession"),
        plain("unarchiveSession").after([archive()]),
        plain("restoreSession"),
        plain("joinSession").after([archive()]),
        plain("leaveSession").after([archive()]),
        Family::exact([send(json!({ "content": "hello" }))]).after([archive()]),
        Family::exact([session("updateSession", json!({ "title": "Other" }))]).after([archive()]),
        Family::exact([Action::new("listSessions", Target::Nothing, json!({ "archived": true }))]).after([archive()]),
        plain("leaveSession"),
        additions(),
        role_changes(),
        Family::exact(removed.map(|name| user("removeParticipant", name, json!({})))),
        sends(),
        bans(),
        Family::exact([send(json!({ "content": "hello" }))])
            .after([session("updateSession", json!({ "slow_mode_seconds": 3_600 }))]),
        plain("joinSession").after([sanction("banParticipant", "stranger")]),
        plain("listMessages").after([sanction("banParticipant", "left")]),
        Family::exact([session("addParticipant", json!({ "user_id": "stranger" }))])
            .after([sanction("banParticipant", "stranger")]),
        Family::exact(["stranger", "peer", GHOST].map(|name| sanction("unbanParticipant", name)))
            .after([sanction("banParticipant", "stranger")]),
        Family::exact([None, Some(1), Some(0)].map(|limit| session("listBans", limited(json!({}), limit))))
            .after(["stranger", "removed"].map(|name| sanction("banParticipant", name))),
        mutes(),
        Family::exact([send(json!({ "content": "hello" }))]).after_all([
            (Actor::Admin, sanction("muteParticipant", "member")),
        ]),
        Family::exact(["member", "admin", "peer", GHOST].map(|name| sanction("unmuteParticipant", name))).after_all([
            (Actor::Admin, sanction("muteParticipant", "member")),
        ]),
        Family::exact(PEOPLE.map(|name| user("transferOwnership", name, json!({})))),
        edits(),
        deletions(),
        on_messages("listMessageRevisions", &MESSAGES).after([edit(encrypted), edit(json!("other words"))]),
        on_messages("pinMessage", &MESSAGES),
        on_messages("unpinMessage", &MESSAGES).after([pin()]),
        plain("listPins").after([pin()]),
        on_messages("getMessage", &[Which::First]).after([react(Which::First)]),
        reactions("addReaction"),
        reactions("removeReaction").after([react(Which::First)]),
        reactions("listReactors")
            .and(
                Level::Exact,
                [Action { input: json!({ "limit": 1 }), ..reaction("listReactors", Which::First, THUMB) }],
            )
            .after([react(Which::First)])
            .after_all([(Actor::Admin, react(Which::First))]),
        Family::exact([true, false].map(|is_typing| session("setTyping", json!({ "is_typing": is_typing })))),
        Family::exact(positions.map(|input| session(SUBSCRIBE, input))),
    ]
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

fn creations() -> Family {
    let (mut good, mut bad) = settings();
    bad.push(json!({}));
    good.push(json!({ "title": "Once", "client_id": "retry" }));
    good.push(json!({ "title": "Once", "client_id": "" }));
    let create = |input| Action::new("createSession", Target::Nothing, input);
    Family::exact(good.into_iter().map(create)).refused(bad.into_iter().map(create))
}

fn updates() -> Family {
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
        json!({ "slow_mode_seconds": 30, "tags": ["rust", "Ünïcode 🎉"], "avatar_url": "https://chat.example/a.png" }),
        json!({ "slow_mode_seconds": 0, "tags": [], "avatar_url": null }),
        json!({ "slow_mode_seconds": 21_601 }),
        json!({ "tags": ["twice", "twice"] }),
        json!({ "tags": [""] }),
        json!({ "tags": ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"] }),
        json!({ "avatar_url": "" }),
        json!({ "avatar_url": "x".repeat(2_049) }),
    ];
    let nulls = [
        json!({ "session_type": null }),
        json!({ "max_participants": null }),
        json!({ "slow_mode_seconds": null }),
        json!({ "slow_mode_seconds": -1 }),
        json!({ "tags": null }),
        json!({ "tags": [5] }),
        json!({ "avatar_url": 5 }),
    ];
    let update = |input| session("updateSession", input);
    Family::exact(alone.into_iter().chain(good).map(update)).refused(bad.into_iter().chain(nulls).map(update))
}

fn participants() -> Family {
    let of = |limit, email| session("listParticipants", limited(json!({ "include_email": email }), limit));
    let good = [
        of(None, false),
        of(None, true),
        of(Some(1), false),
        of(Some(2), true),
        of(Some(0), false),
        of(Some(101), false),
    ];
    Family::exact(good).coded([of(Some(-1), false)])
}

/// Messages from the oldest without so many, the newest ones, and those before and after a place: a position or a time.
fn messages() -> Family {
    let of = |window: Value, limit| session("listMessages", limited(window, limit));
    let skip = |skip: i64, limit| of(json!({ "skip": skip }), limit);
    let skips = [(0, None), (1, Some(2)), (0, Some(100)), (99, None), (0, Some(0)), (0, Some(101))];
    let skips = skips.map(|(skipped, limit)| skip(skipped, limit));
    let newest = [2, 0, 101].map(|limit| of(json!({ "newest": true }), Some(limit)));
    let places = [0, 1, 8, 9, 10, 999].map(|seq| json!(seq)).into_iter().chain([1, 9, 10].map(time_of));
    let around =
        places.flat_map(|place| [of(json!({ "before": place }), Some(2)), of(json!({ "after": place }), Some(2))]);
    Family::exact(skips.into_iter().chain(newest).chain(around)).coded([skip(-1, None), skip(0, Some(-1))])
}

fn events() -> Family {
    let of = |after: u64, limit| session("listEvents", limited(json!({ "after": after }), limit));
    let pages = [(0, None), (3, Some(4)), (0, Some(100)), (12, Some(1)), (999, None), (0, Some(0)), (0, Some(101))];
    Family::exact(pages.map(|(after, limit)| of(after, limit))).coded([of(0, Some(-1))])
}

fn additions() -> Family {
    const ROLES: [&str; 4] = ["MEMBER", "OWNER", "ADMIN", "VIEWER"];
    let add = |input| session("addParticipant", input);
    let mut additions = Vec::new();
    for user in ["stranger", "removed", "left", "peer", "owner", GHOST] {
        additions.push(json!({ "user_id": user }));
        additions.extend(ROLES.map(|role| json!({ "user_id": user, "role": role })));
    }
    let nobody = [json!({ "user_id": "" }), json!({ "user_id": "u".repeat(129) })];
    let bad = [
        json!({ "user_id": "stranger", "role": "BOSS" }),
        json!({ "user_id": "stranger", "role": "member" }),
        json!({ "role": "MEMBER" }),
        json!({ "user_id": 5 }),
        json!({ "user_id": "stranger", "as": "x" }),
    ];
    Family::exact(additions.into_iter().map(add)).coded(nobody.map(add)).refused(bad.map(add))
}

fn role_changes() -> Family {
    let mut changes = Vec::new();
    for name in ["peer", "owner", "admin", "viewer", "left", "stranger", GHOST] {
        changes.extend(
            ["VIEWER", "MEMBER", "ADMIN", "OWNER"].map(|role| user("changeRole", name, json!({ "role": role }))),
        );
    }
    let bad = [json!({ "role": "BOSS" }), json!({ "role": null }), json!({}), json!({ "role": "ADMIN", "as": 1 })];
    Family::exact(changes).refused(bad.map(|input| user("changeRole", "peer", input)))
}

fn archive() -> Action {
    session("archiveSession", json!({}))
}

fn sanction(operation: &'static str, name: &'static str) -> Action {
    user(operation, name, json!({}))
}

/// One operation on users, with and without the particulars of a ban or a mute.
fn sanctions(operation: &'static str, names: &[&'static str]) -> Family {
    let good = [
        json!({ "reason": "spam", "until": "2999-01-01T00:00:00.123456789Z" }),
        json!({ "reason": "" }),
        json!({ "until": "2020-01-01T00:00:00Z" }),
        json!({ "reason": "x".repeat(501) }),
    ];
    let bad = [json!({ "until": 5 }), json!({ "until": "soon" }), json!({ "reason": 5 }), json!({ "by": "owner" })];
    let of = move |name, input| user(operation, name, input);
    let each = names.iter().map(move |name| of(name, json!({})));
    let target = names[0];
    Family::exact(each.chain(good.map(|input| of(target, input)))).refused(bad.map(|input| of(target, input)))
}

fn bans() -> Family {
    sanctions("banParticipant", &["stranger", "peer", "owner", "admin", "viewer", "left", "removed", GHOST])
}

fn mutes() -> Family {
    sanctions("muteParticipant", &["peer", "owner", "admin", "viewer", "left", "stranger", GHOST])
}

fn send(input: Value) -> Action {
    session("sendMessage", input)
}

/// A client id that stands for a message already where it is used, and what that message says.
pub const KEPT: (&str, &str) = ("kept", "first words");

fn sends() -> Family {
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
    Family::exact(good.map(send)).coded(ids.map(send)).refused(bad.map(send))
}

fn edits() -> Family {
    let encrypted = |data: &str| json!({ "content": { "encrypted_data": data, "iv": "aXY=", "key_version": 3 } });
    let of = |which| move |input| message("editMessage", which, input);
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
    Family::exact(good).coded([malformed]).refused(bad.map(of(Which::Own)))
}

fn deletions() -> Family {
    let of = |which, input| message("deleteMessage", which, input);
    let good = [
        of(Which::Own, json!({})),
        of(Which::First, json!({})),
        of(Which::Own, json!({ "revision": 1 })),
        of(Which::Own, json!({ "revision": 2 })),
        of(Which::NoMessage, json!({})),
        of(Which::Beyond, json!({})),
    ];
    Family::exact(good).coded([of(Which::Malformed, json!({}))])
}
