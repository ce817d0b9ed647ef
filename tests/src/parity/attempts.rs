//! The table of what is tried: a family of attempts for each operation. An operation that is added to the chat gets an entry here.

use chatcore::model::SessionType;
use serde_json::{Value, json};

mod bots;
mod messages;
mod moderation;
mod people;
mod receipts;

use self::{messages::*, moderation::moderation, people::*};
use super::{
    action::{Action, Attempt, Level, SUBSCRIBE, Target, Which, id_of, time_of},
    stage::{Actor, GHOST, PEOPLE, Stage, State},
    world,
};

/// Times that are no RFC 3339, or have no form in it in UTC. Parsers take some of them.
const LOOSE_TIMES: [&str; 4] =
    ["2030-1-2 3:4:5UTC", "+262142-12-31T23:59:59Z", "9999-12-31T23:59:59-01:00", "2999-01-01T00:00:00"];

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

/// The operations for which it counts whether a session has room for more.
const ADMITTING: [&str; 7] = [
    "addParticipant",
    "approveJoinRequest",
    "joinByInvite",
    "joinSession",
    "previewInvite",
    "requestToJoin",
    "updateSession",
];

/// The stage of the attempts that come to the same on each stage.
const OPEN: Stage = Stage { session_type: SessionType::Public, state: State::Fresh };

/// One of so many attempts of this kind is made; 0 stands for none. The plainest attempt of each operation is always made.
fn one_of(stage: Stage, actor: Actor, level: Level, target: Target) -> usize {
    if level != Level::Exact {
        // A parser refuses these before the actor and the stage count.
        return usize::from(stage == OPEN && matches!(actor, Actor::Owner | Actor::Stranger | Actor::Nobody));
    }
    // A user who may not know of the session always gets 404.
    let may_know = match stage.session_type {
        SessionType::Public => true,
        SessionType::InviteOnly => {
            matches!(actor, Actor::Owner | Actor::Admin | Actor::Member | Actor::Viewer)
        }
        SessionType::Private | SessionType::Direct => actor == Actor::Owner,
    };
    if may_know || target == Target::Nothing { 1 } else { 4 }
}

/// What is tried on a stage: all that differs there, by everybody for whom it can differ; of each operation the plainest
/// attempt and every `step`th of the others, counted from an offset. With `PARITY_WHOLE` in the environment also what cannot
/// differ is tried by every user.
#[must_use]
pub fn attempts(stage: Stage, step: usize, offset: usize) -> Vec<Attempt> {
    let is_whole = std::env::var_os("PARITY_WHOLE").is_some();
    let families = families();
    let mut attempts = Vec::new();
    let every = |attempts: &mut Vec<Attempt>, actors: &[Actor], families: &[Family]| {
        for (turn, &actor) in actors.iter().enumerate() {
            for family in families {
                let chosen = (0..family.actions.len()).filter(|n| {
                    let (level, action) = &family.actions[*n];
                    let one_of = if is_whole { 1 } else { one_of(stage, actor, *level, action.target) };
                    *n == 0 || (n + offset + turn).is_multiple_of(step * one_of)
                });
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
        State::Full if !is_whole => {
            let (admitting, others): (Vec<_>, Vec<_>) =
                self::families().into_iter().partition(|family| ADMITTING.contains(&family.actions[0].1.operation));
            every(&mut attempts, &Actor::USERS, &admitting);
            // To all else it is a session like a fresh one: each is tried by one user.
            let users = Actor::USERS.iter().cycle().skip(offset);
            attempts.extend(others.iter().zip(users).map(|(family, user)| family.attempt(0, *user, None)));
        }
        State::Fresh | State::Full => {
            every(&mut attempts, &Actor::USERS, &families);
            if stage == OPEN {
                for families in [about_no_session(), bots::bots()] {
                    every(&mut attempts, &Actor::USERS, &families);
                    every(&mut attempts, &Actor::UNKNOWN, &families);
                }
                attempts.extend(plainest(&Actor::UNKNOWN, None));
            }
        }
        State::Deleted => attempts.extend(plainest(&Actor::USERS, None)),
        State::Never => {
            attempts.extend(plainest(&Actor::USERS, None));
            // Whoever is nobody learns nothing of any session, so this one stands for all that are not open.
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
    let found = |(list, input): (&'static str, Value)| Action::new(list, Target::Nothing, input);
    let family = Family::exact([Action::new("me", Target::Nothing, json!({}))])
        .and(Level::Exact, searches().into_iter().map(found))
        .refused(["listSessions", "listPublicSessions"].map(|list| found((list, json!({ "sort": "size" })))))
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

/// Searches of both lists, and the orders of the public one.
fn searches() -> Vec<(&'static str, Value)> {
    let texts = ["room", "A ROOM", "stranger of", "nobody", "*", "c--", "\u{dc}n\u{ef}", "", " ", "\u{200b}", "\u{7}"];
    let long = ["x".repeat(100), "x".repeat(101)];
    let texts: Vec<String> = texts.into_iter().map(str::to_owned).chain(long).collect();
    let mut all = Vec::new();
    for list in ["listSessions", "listPublicSessions"] {
        all.extend(texts.iter().map(|text| (list, json!({ "search": text }))));
        all.push((list, json!({ "search": "room", "limit": 1 })));
    }
    all.push(("listSessions", json!({ "search": "room", "sort": "activity", "limit": 2 })));
    all.push(("listSessions", json!({ "search": "room", "archived": true })));
    for sort in ["newest", "title", "participants", "activity"] {
        all.extend([json!({ "sort": sort }), json!({ "sort": sort, "limit": 1 })].map(|it| ("listPublicSessions", it)));
        all.push(("listPublicSessions", json!({ "sort": sort, "search": "room", "limit": 1 })));
        all.push(("listPublicSessions", json!({ "sort": sort, "limit": 0 })));
    }
    all
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
    families.extend(incoming_webhooks());
    families.extend(join_requests());
    families.extend(streamed());
    families.extend(bots::commands());
    families.extend(receipts::receipts());
    families.extend(emojis());
    families.extend(moderation());
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
        Family::exact([session("listParticipants", json!({ "include_email": false }))])
            .after_all([(Actor::Admin, sanction("muteParticipant", "member"))]),
        Family::exact(["member", "admin", "peer", GHOST].map(|name| sanction("unmuteParticipant", name)))
            .after_all([(Actor::Admin, sanction("muteParticipant", "member"))]),
        metadata(),
        Family::exact([described("peer"), user("setParticipantMetadata", "peer", json!({ "metadata": null }))])
            .after_all([(Actor::Admin, described("peer"))]),
        Family::exact([session("listParticipants", json!({ "include_email": false }))])
            .after_all([(Actor::Admin, described("peer"))]),
        Family::exact([user("removeParticipant", "peer", json!({}))]).after_all([(Actor::Admin, described("peer"))]),
        events().after_all([(Actor::Admin, described("peer"))]),
        Family::exact(PEOPLE.map(|name| user("transferOwnership", name, json!({})))),
        replies(),
        mentions(),
        attachments(),
        forwards(),
        on_messages("getMessage", &[Which::Own]).after([forward(Which::First)]),
        Family::exact(
            [
                json!({}),
                json!({ "limit": 1 }),
                json!({ "limit": 0 }),
                json!({ "unread": true }),
                json!({ "sort": "newest" }),
                json!({ "sort": "unread_first", "limit": 1 }),
            ]
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
        on_messages("followThread", &MESSAGES).after([reply(Which::First)]),
        on_messages("unfollowThread", &MESSAGES).after([reply(Which::First)]).after_own([reply(Which::First)]),
        on_messages("markThreadRead", &MESSAGES)
            .and(Level::Exact, [message("markThreadRead", Which::Last, json!({}))])
            .after([reply(Which::First)])
            .after_all([(Actor::Admin, reply(Which::First))]),
        followed_threads(),
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
        held_sends(),
        Family::exact([None, Some(1), Some(0)].map(|limit| session("listHeldMessages", limited(json!({}), limit))))
            .after_all([(Actor::Member, held_send()), (Actor::Admin, messages::whole_held())]),
        Family::exact([session("listHeldMessages", json!({}))]).after_all(messages::other_held()),
        held("approveMessage").after_all([(Actor::Member, messages::whole_held())]),
        held("approveMessage").after_all([(Actor::Member, held_send())]),
        held("approveMessage"),
        held("rejectMessage").after_all([(Actor::Member, held_send())]),
        held("rejectMessage"),
        drafts(),
        plain("getDraft"),
        plain("getDraft").after_own([draft(json!("not yet"))]),
        plain("getDraft").after([draft(json!("not yet"))]),
        // Beside the draft above, which is in another session.
        Family::exact(
            [None, Some(1), Some(0)].map(|limit| Action::new("listDrafts", Target::Nothing, limited(json!({}), limit))),
        )
        .after_own([draft(json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 }))]),
        plain("deleteDraft").after_own([draft(json!("not yet"))]),
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

/// A message that the policy of the world holds.
fn held_send() -> Action {
    session("sendMessage", json!({ "content": world::HELD }))
}

/// Messages that the policy of the world holds or refuses.
fn held_sends() -> Family {
    let refused = session("sendMessage", json!({ "content": world::REFUSED }));
    Family::exact([held_send(), refused])
}

fn held(operation: &'static str) -> Family {
    Family::exact([Action::new(operation, Target::Held, json!({}))])
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
        json!({ "text": "x", "text_until": LOOSE_TIMES[0] }),
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
        json!({ "title": "Since", "session_type": "PUBLIC", "history_visibility": "SINCE_JOINING" }),
        json!({ "title": "Unseen", "receipts": false }),
        json!({ "title": "Seen", "receipts": true }),
        json!({ "title": "Held", "metadata": { "some_key": [1, { "a": null }] } }),
        json!({ "title": "x", "metadata": { "a": "x".repeat(4_096) } }),
        json!({ "title": "x", "metadata": { "a": [[[[[[[[1]]]]]]]] } }),
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
        json!({ "title": "x", "metadata": [1] }),
        json!({ "title": "x", "receipts": null }),
        json!({ "title": "x", "receipts": "no" }),
        json!({ "title": "x", "metadata": "x" }),
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
        json!({ "history_visibility": "SINCE_JOINING" }),
        json!({ "history_visibility": "ALL" }),
        json!({ "message_lifetime": 86_400 }),
        json!({ "message_lifetime": null }),
        json!({ "message_lifetime": 59 }),
        json!({ "message_lifetime": 31_536_001 }),
        json!({ "tags": ["twice", "twice"] }),
        json!({ "tags": [""] }),
        json!({ "tags": ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"] }),
        json!({ "receipts": false }),
        json!({ "receipts": true }),
        json!({ "metadata": { "host": { "ticket": 7 } } }),
        json!({ "metadata": {} }),
        json!({ "metadata": null }),
        json!({ "avatar_url": "" }),
        json!({ "avatar_url": "x".repeat(2_049) }),
    ];
    let nulls = [
        json!({ "session_type": null }),
        json!({ "max_participants": null }),
        json!({ "slow_mode_seconds": null }),
        json!({ "slow_mode_seconds": -1 }),
        json!({ "history_visibility": null }),
        json!({ "history_visibility": "NONE" }),
        json!({ "history_visibility": 1 }),
        json!({ "receipts": null }),
        json!({ "receipts": 1 }),
        json!({ "message_lifetime": -1 }),
        json!({ "message_lifetime": "long" }),
        json!({ "tags": null }),
        json!({ "tags": [5] }),
        json!({ "avatar_url": 5 }),
    ];
    let update = |input| session("updateSession", input);
    Family::exact(alone.into_iter().chain(good).map(update)).refused(bad.into_iter().chain(nulls).map(update))
}

fn events() -> Family {
    let of = |after: u64, limit| session("listEvents", limited(json!({ "after": after }), limit));
    let pages = [(0, None), (3, Some(4)), (0, Some(100)), (12, Some(1)), (999, None), (0, Some(0)), (0, Some(101))];
    Family::exact(pages.map(|(after, limit)| of(after, limit))).coded([of(0, Some(-1))])
}

fn archive() -> Action {
    session("archiveSession", json!({}))
}
