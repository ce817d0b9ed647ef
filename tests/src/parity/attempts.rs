//! The table of what is tried: a family of attempts for each operation. An operation that is added to the chat gets an entry here.

use chatcore::model::SessionType;
use serde_json::{Value, json};

use super::{
    action::{Action, Attempt, Level, SUBSCRIBE, Target, Which, id_of, time_of},
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

    /// After the actor of the attempt has tried these, whether or not they were allowed.
    fn after_own(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        self.before.extend(actions.into_iter().map(|action| (None, action)));
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
                every(&mut attempts, &Actor::USERS, &about_no_session());
                every(&mut attempts, &Actor::UNKNOWN, &about_no_session());
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
    let mark_all_of = |input| Action::new("markAllRead", Target::Nothing, input);
    let mark_all = [json!({ "after": "01890a5d-ac96-774b-bcce-b302099a8057" }), json!({})].map(mark_all_of);
    let sorts = ["newest", "activity"];
    let sorted = sorts.map(|sort| Action::new("listSessions", Target::Nothing, json!({ "sort": sort })));
    let family = Family::exact([Action::new("me", Target::Nothing, json!({}))])
        .and(Level::Exact, limits.into_iter().flat_map(of))
        .and(Level::Exact, sorted)
        .and(Level::Exact, mark_all)
        .coded([mark_all_of(json!({ "after": "no id" }))])
        .refused([mark_all_of(json!({ "until": "x" }))])
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

fn invite(operation: &'static str, which: Which) -> Action {
    Action::new(operation, Target::Invite(which), json!({}))
}

/// Invites are created by the admin, who is in every room into which somebody can be invited.
fn invited(family: Family) -> Family {
    let approved = json!({ "role": "MEMBER", "needs_approval": true });
    let created = [json!({}), json!({ "role": "VIEWER", "max_uses": 1 }), approved];
    family.after_all(created.map(|input| (Actor::Admin, session("createInvite", input))))
}

fn invites() -> Vec<Family> {
    let create = |input| session("createInvite", input);
    let mut good: Vec<_> = ["OWNER", "ADMIN", "MEMBER", "VIEWER"].map(|role| json!({ "role": role })).into();
    good.insert(0, json!({}));
    good.extend([
        json!({ "role": "MEMBER", "max_uses": 3, "expires_in": 60 }),
        json!({ "max_uses": 0 }),
        json!({ "max_uses": 100_001, "expires_in": 31_536_001 }),
        json!({ "max_uses": null, "expires_in": null }),
        json!({ "needs_approval": true }),
    ]);
    let bad = [
        json!({ "role": "BOSS" }),
        json!({ "max_uses": "many" }),
        json!({ "max_uses": -1 }),
        json!({ "expires_in": 1.5 }),
        json!({ "code": "mine" }),
    ];
    let coded = |operation: &'static str| {
        let of = move |code| Action::new(operation, Target::Nothing, json!({ "code": code }));
        let codes = [
            json!({ "code_of": 0 }),
            json!({ "code_of": 1 }),
            json!({ "code_of": 2 }),
            json!({ "code_of": 9 }),
            json!(""),
        ];
        let bad = [json!({}), json!({ "code": 5 }), json!({ "code": null }), json!({ "code": "x", "as": "x" })];
        let bad = bad.map(move |input| Action::new(operation, Target::Nothing, input));
        invited(Family::exact(codes.map(of)).refused(bad))
    };
    let list = |limit| session("listInvites", limited(json!({}), limit));
    let lists = [None, Some(1), Some(0), Some(101)].map(list);
    vec![
        Family::exact(good.into_iter().map(create)).refused(bad.map(create)),
        invited(Family::exact(lists).coded([list(Some(-1))])),
        invited(
            Family::exact([Which::First, Which::NoMessage].map(|which| invite("revokeInvite", which)))
                .coded([invite("revokeInvite", Which::Malformed)]),
        ),
        coded("previewInvite"),
        coded("joinByInvite"),
    ]
}

fn ask(text: Option<&str>) -> Action {
    Action::new("requestToJoin", Target::Nothing, json!({ "code": { "code_of": 2 }, "text": text }))
}

/// The stranger and a user who was removed ask to be let in.
fn requested(family: Family) -> Family {
    let family = invited(family);
    family.after_all([(Actor::Stranger, ask(Some("Please"))), (Actor::Removed, ask(None))])
}

fn join_requests() -> Vec<Family> {
    let texts = ["Hello,\nI am new", "", "a\u{7}b"].map(|text| ask(Some(text)));
    let long = ask(Some(&"x".repeat(501)));
    let bad = [json!({}), json!({ "code": 5 }), json!({ "code": "x", "text": 5 }), json!({ "code": "x", "as": "x" })];
    let bad = bad.map(|input| Action::new("requestToJoin", Target::Nothing, input));
    let list = |limit| session("listJoinRequests", limited(json!({}), limit));
    let answered = ["stranger", "removed", "peer", GHOST];
    let approve = |name| user("approveJoinRequest", name, json!({}));
    let roles =
        ["OWNER", "ADMIN", "VIEWER"].map(|role| user("approveJoinRequest", "stranger", json!({ "role": role })));
    let unknown = [json!({ "role": "BOSS" }), json!({ "as": "x" })];
    let unknown = unknown.map(|input| user("approveJoinRequest", "stranger", input));
    vec![
        invited(Family::exact([ask(None)].into_iter().chain(texts).chain([long])).refused(bad)),
        requested(Family::exact([session("withdrawJoinRequest", json!({}))])),
        requested(Family::exact([None, Some(1), Some(0)].map(list)).coded([list(Some(-1))])),
        requested(Family::exact(answered.map(approve).into_iter().chain(roles)).refused(unknown)),
        requested(Family::exact(answered.map(|name| user("declineJoinRequest", name, json!({}))))),
    ]
}

/// One operation on reactions to several messages.
fn reactions(operation: &'static str) -> Family {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let of = |which: Which| reaction(operation, which, THUMB);
    let bad = ["a", ":+1:", "\u{1f44d}\u{1f44d}"].map(|text| reaction(operation, Which::First, text));
    Family::exact(MESSAGES.map(of)).coded([of(Which::Malformed)]).coded(bad)
}

/// A message that is sent after the run.
fn schedule(changes: Value) -> Action {
    let day = chrono::Utc::now().date_naive() + chrono::Days::new(2);
    let mut input = json!({ "content": "later", "client_id": "later", "send_at": format!("{day}T00:00:00Z") });
    for (name, value) in changes.as_object().unwrap() {
        input[name] = value.clone();
    }
    session("scheduleMessage", input)
}

fn schedules() -> Family {
    let encrypted = json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 });
    let good = [
        json!({}),
        json!({ "content": encrypted, "role": "assistant", "message_type": "image" }),
        json!({ "content": "" }),
        json!({ "content": "x".repeat(8_001) }),
        json!({ "message_type": "system" }),
        json!({ "client_id": "" }),
        json!({ "reply_to": { "message": "first" } }),
        json!({ "send_at": "2020-01-01T00:00:00Z" }),
        json!({ "send_at": "2999-01-01T00:00:00+02:00" }),
    ];
    let bad = [
        json!({ "send_at": "tomorrow" }),
        json!({ "send_at": 5 }),
        json!({ "send_at": null }),
        json!({ "content": null }),
        json!({ "in": "a minute" }),
    ];
    Family::exact(good.map(schedule)).refused(bad.map(schedule))
}

fn draft(content: Value) -> Action {
    session("setDraft", json!({ "content": content }))
}

fn drafts() -> Family {
    let encrypted = json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 });
    let good = [json!("not yet"), encrypted, json!(""), json!("x".repeat(8_001))];
    Family::exact(good.map(draft)).refused([json!(5), Value::Null].map(draft))
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
    let mut families = invites();
    families.extend(join_requests());
    families.extend([
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
        Family::exact([send(json!({ "content": "hello" }))])
            .after_all([(Actor::Admin, sanction("muteParticipant", "member"))]),
        Family::exact(["member", "admin", "peer", GHOST].map(|name| sanction("unmuteParticipant", name)))
            .after_all([(Actor::Admin, sanction("muteParticipant", "member"))]),
        Family::exact(PEOPLE.map(|name| user("transferOwnership", name, json!({})))),
        replies(),
        mentions(),
        attachments(),
        forwards(),
        on_messages("getMessage", &[Which::Own]).after([forward(Which::First)]),
        Family::exact(
            [json!({}), json!({ "limit": 1 }), json!({ "limit": 0 })]
                .map(|input| Action::new("listMentions", Target::Nothing, input)),
        )
        .after([mention()])
        .after_all([(Actor::Admin, mention())]),
        on_messages("getThread", &MESSAGES).and(Level::Exact, pages("getThread")).after([reply(Which::First)]),
        Family::exact(
            [json!({}), json!({ "limit": 1 }), json!({ "limit": 0 })].map(|input| session("listThreads", input)),
        )
        .after([reply(Which::First)])
        .after_all([(Actor::Admin, reply(Which::Own))]),
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
        schedules(),
        Family::exact(
            [None, Some(1), Some(0)]
                .map(|limit| Action::new("listScheduledMessages", Target::Nothing, limited(json!({}), limit))),
        )
        .after_own([schedule(json!({})), schedule(json!({ "client_id": "second" }))]),
        Family::exact([Action::new("cancelScheduledMessage", Target::Made, json!({}))])
            .after_own([schedule(json!({}))]),
        Family::exact([Action::new("cancelScheduledMessage", Target::Made, json!({}))]).after([schedule(json!({}))]),
        drafts(),
        plain("getDraft"),
        plain("getDraft").after_own([draft(json!("not yet"))]),
        plain("getDraft").after([draft(json!("not yet"))]),
        plain("deleteDraft").after_own([draft(json!("not yet"))]),
        Family::exact(
            [None, Some(1), Some(0)].map(|limit| Action::new("listDrafts", Target::Nothing, limited(json!({}), limit))),
        )
        .after_own([draft(json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 }))]),
        Family::exact([true, false].map(|is_typing| session("setTyping", json!({ "is_typing": is_typing })))),
        marks(),
        preferences(),
        on_messages("markUnreadFrom", &MESSAGES).after_all([(Actor::Member, session("markRead", json!({ "seq": 9 })))]),
        plain("getSession").after_all([(Actor::Member, session("markRead", json!({ "seq": 9 })))]),
        presence(),
        own_presence(),
        Family::exact([json!(["peer", GHOST, "owner"]), json!([])].map(of_users)),
        Family::exact(positions.map(|input| session(SUBSCRIBE, input))),
    ]);
    families
}

/// Settings of the caller for a session, good and bad.
fn preferences() -> Family {
    let of = |input| session("setPreferences", input);
    let good = [
        json!({ "is_muted": true, "is_favourite": true }),
        json!({ "is_muted": true, "muted_until": "2999-01-01T00:00:00Z" }),
        json!({}),
        json!({ "is_muted": false }),
        json!({ "is_muted": true, "muted_until": "2020-01-01T00:00:00Z" }),
        json!({ "muted_until": "2999-01-01T00:00:00Z" }),
    ];
    let bad = [
        json!({ "is_muted": null }),
        json!({ "is_muted": "yes" }),
        json!({ "is_muted": true, "muted_until": "tomorrow" }),
        json!({ "colour": "red" }),
    ];
    Family::exact(good.map(of)).refused(bad.map(of))
}

/// Marks up to a position, and what is no mark.
fn marks() -> Family {
    let of = |input| session("markRead", input);
    let good = [3, 8, 9, 0, 999].map(|seq| of(json!({ "seq": seq })));
    let first = of(json!({ "message_id": { "of": "first" } }));
    let neither_or_both = [json!({}), json!({ "seq": 3, "message_id": "no id" })].map(of);
    let bad = [
        json!({ "seq": -1 }),
        json!({ "seq": "3" }),
        json!({ "seq": null }),
        json!({ "message_id": 3 }),
        json!({ "upto": 3 }),
        json!({ "seq": u64::MAX }),
    ];
    Family::exact(good)
        .and(Level::Exact, [first])
        .coded(neither_or_both)
        .coded([of(json!({ "message_id": "no id" }))])
        .refused(bad.map(of))
}

/// The presence of the users in the session, some of whom said something.
fn presence() -> Family {
    let of = |limit| session("listPresence", limited(json!({}), limit));
    let said = [json!({ "text": "Lunch", "text_until": "2100-01-01T00:00:00Z" })].map(set_presence);
    Family::exact([of(None), of(Some(1)), of(Some(2)), of(Some(0)), of(Some(101))]).coded([of(Some(-1))]).after(said)
}

fn set_presence(input: Value) -> Action {
    Action::new("setPresence", Target::Nothing, input)
}

fn of_users(users: Value) -> Action {
    Action::new("listUserPresence", Target::Nothing, json!({ "user_ids": users }))
}

fn own_presence() -> Family {
    let good = [
        json!({ "availability": "away" }),
        json!({ "availability": "do_not_disturb", "text": "Ünïcode 🎉" }),
        json!({ "text": "Lunch", "text_until": "2100-01-01T00:00:00Z" }),
        json!({}),
        json!({ "is_hidden": true }),
        json!({ "text": "" }),
        json!({ "text": "a\nb" }),
        json!({ "text": "x".repeat(101) }),
        json!({ "text": "Lunch", "text_until": "2020-01-01T00:00:00Z" }),
        json!({ "text_until": "2100-01-01T00:00:00Z" }),
        json!({ "text": null, "availability": "online", "is_hidden": false }),
    ];
    let bad = [
        json!({ "availability": "offline" }),
        json!({ "availability": null }),
        json!({ "text": 5 }),
        json!({ "text": "x", "text_until": "tomorrow" }),
        json!({ "is_hidden": "no" }),
        json!({ "colour": "red" }),
    ];
    let own = Action::new("getOwnPresence", Target::Nothing, json!({}));
    Family::exact([own]).and(Level::Exact, good.map(set_presence)).refused(bad.map(set_presence))
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

/// Every operation that concerns no session that there is.
fn about_no_session() -> Vec<Family> {
    let users = ["peer", "viewer", "owner", GHOST];
    let block = |operation| move |name| Action::new(operation, Target::Anybody(name), json!({}));
    let list = |limit| Action::new("listBlocks", Target::Nothing, limited(json!({}), limit));
    vec![
        creations(),
        directs(),
        groups(),
        Family::exact(users.map(block("blockUser"))),
        Family::exact([None, Some(1), Some(0), Some(101)].map(list)).coded([list(Some(-1))]),
        Family::exact([
            Action::new("startDirect", Target::Nothing, json!({ "user_id": "admin" })),
            session("listMessages", json!({ "newest": true, "limit": 50 })),
        ]),
        Family::exact(users.map(block("unblockUser"))),
    ]
}

fn directs() -> Family {
    let start = |input| Action::new("startDirect", Target::Nothing, input);
    let users = ["peer", "owner", "stranger", "viewer", GHOST].map(|user| json!({ "user_id": user }));
    let nobody = [json!({ "user_id": "" }), json!({ "user_id": "u".repeat(129) })];
    let bad = [json!({}), json!({ "user_id": 5 }), json!({ "user_id": "peer", "title": "x" })];
    Family::exact(users.map(start)).coded(nobody.map(start)).refused(bad.map(start))
}

fn groups() -> Family {
    let start = |input| Action::new("startGroup", Target::Nothing, input);
    let users = [json!(["peer", "viewer"]), json!(["owner", "peer", "viewer"]), json!(["peer"]), json!([])];
    let unknown = [json!(["peer", "viewer", GHOST])];
    let good = users.into_iter().chain(unknown).map(|users| start(json!({ "user_ids": users })));
    let nobody = start(json!({ "user_ids": ["peer", ""] }));
    let bad = [json!({}), json!({ "user_ids": 5 }), json!({ "user_ids": ["peer", "viewer"], "title": "x" })];
    Family::exact(good).coded([nobody]).refused(bad.map(start))
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
    let is_end = operation.starts_with("un");
    let until = json!({ "reason": "spam", "until": "2999-01-01T00:00:00Z" });
    user(operation, name, if is_end { json!({}) } else { until })
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

/// A copy of a message in the same session.
fn forward(which: Which) -> Action {
    message("forwardMessage", which, json!({ "to": { "session": true } }))
}

fn forwards() -> Family {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let once = json!({ "to": { "session": true }, "client_id": "copy" });
    let good = MESSAGES.map(forward).into_iter().chain([message("forwardMessage", Which::First, once)]);
    let bad = [json!({}), json!({ "to": 5 })].map(|input| message("forwardMessage", Which::First, input));
    let nowhere = message("forwardMessage", Which::First, json!({ "to": "nowhere" }));
    Family::exact(good).coded([forward(Which::Malformed)]).refused(bad.into_iter().chain([nowhere]))
}

fn attachments() -> Family {
    let file = |id: &str, media_type: &str| json!({ "id": id, "name": "a.png", "media_type": media_type, "size": 7 });
    let png = || file("7", "image/png");
    let good = [
        json!({ "content": "", "attachments": [png()], "message_type": "image" }),
        json!({ "content": "two", "attachments": [png(), file("8", "text/plain")], "metadata": { "some_key": [1, { "a": null }] } }),
        json!({ "content": "none", "attachments": [], "metadata": {} }),
        json!({ "content": "", "attachments": [] }),
        json!({ "content": "x", "attachments": vec![png(); 11] }),
        json!({ "content": "x", "attachments": [file("", "image/png"), file("7", "image")] }),
        json!({ "content": "x", "metadata": { "a": "x".repeat(4_096) } }),
        json!({ "content": "x", "metadata": { "a": [[[[[[[[1]]]]]]]] } }),
    ];
    let edit = |input| message("editMessage", Which::Own, input);
    let edits = [
        json!({ "content": "other words", "attachments": [png()], "metadata": { "a": 1 } }),
        json!({ "content": "other words", "attachments": [], "metadata": null }),
        json!({ "content": "other words", "metadata": { "a": "x".repeat(4_096) } }),
    ];
    let bad = [
        json!({ "content": "x", "attachments": [{ "id": "7" }] }),
        json!({ "content": "x", "attachments": "7" }),
        json!({ "content": "x", "metadata": [1] }),
        json!({ "content": "x", "metadata": "x" }),
    ];
    let of = |input| session("sendMessage", input);
    Family::exact(good.map(of).into_iter().chain(edits.map(edit))).refused(bad.map(of))
}

/// A message that mentions everybody and two users.
fn mention() -> Action {
    let users = ["member", "viewer"];
    session("sendMessage", json!({ "content": "@all see http://chat.example", "mentions": users }))
}

fn mentions() -> Family {
    let of = |input| session("sendMessage", input);
    let good = [
        json!({ "content": "hello", "mentions": ["owner", "peer", "peer", "stranger", GHOST] }),
        json!({ "content": "hello", "mentions_everybody": true }),
        json!({ "content": "hello", "mentions_everybody": false, "mentions": [] }),
        json!({ "content": "@the_peer: http://chat.example/@the_peer, @THE_OWNER @all \u{1f600} https://x.example." }),
        json!({ "content": "x", "mentions": vec!["peer"; 51] }),
    ];
    let edit = |input| message("editMessage", Which::Own, input);
    let edits = [
        json!({ "content": "@the_peer https://chat.example", "mentions": ["owner"] }),
        json!({ "content": "other words", "mentions_everybody": true }),
    ];
    let bad = [json!({ "content": "x", "mentions": {} }), json!({ "content": "x", "mentions_everybody": "yes" })];
    let ids = [json!({ "content": "x", "mentions": [""] })];
    Family::exact(good.map(of).into_iter().chain([mention()]).chain(edits.map(edit)))
        .coded(ids.map(of))
        .refused(bad.map(of))
}

/// An answer to a message.
fn reply(which: Which) -> Action {
    session("sendMessage", json!({ "content": "an answer", "reply_to": id_of(which) }))
}

/// Pages of the thread of the first message.
fn pages(operation: &'static str) -> [Action; 3] {
    [1, 100, 0].map(|limit| message(operation, Which::First, json!({ "limit": limit })))
}

fn replies() -> Family {
    let good = [Which::First, Which::Own, Which::NoMessage, Which::Beyond].map(reply);
    let once = json!({ "content": "an answer", "reply_to": id_of(Which::First), "client_id": "reply" });
    let bad = session("sendMessage", json!({ "content": "x", "reply_to": 5 }));
    Family::exact(good.into_iter().chain([session("sendMessage", once)]))
        .coded([reply(Which::Malformed)])
        .refused([bad])
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
