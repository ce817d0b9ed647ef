//! Attempts about messages, drafts, read markers and reactions.

use super::*;

pub(super) const THUMB: &str = "\u{1f44d}";

pub(super) fn reaction(operation: &'static str, which: Which, emoji: &'static str) -> Action {
    Action::new(operation, Target::Reaction(which, emoji), json!({}))
}

pub(super) fn react(which: Which) -> Action {
    reaction("addReaction", which, THUMB)
}

/// One operation on reactions to several messages.
pub(super) fn reactions(operation: &'static str) -> Family {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let of = |which: Which| reaction(operation, which, THUMB);
    let bad = ["a", ":+1:", "\u{1f44d}\u{1f44d}"].map(|text| reaction(operation, Which::First, text));
    Family::exact(MESSAGES.map(of)).coded([of(Which::Malformed)]).coded(bad)
}

pub(super) fn own_emoji(operation: &'static str, name: &'static str, input: Value) -> Action {
    Action::new(operation, Target::Emoji(name), input)
}

pub(super) fn party() -> Action {
    own_emoji("addEmoji", "party", json!({ "url": "https://example.org/party.png" }))
}

/// The emojis of a session's own, and reactions with them.
pub(super) fn emojis() -> Vec<Family> {
    let add = |input| own_emoji("addEmoji", "party", input);
    let good = [
        json!({}),
        json!({ "url": null }),
        json!({ "url": "http://example.org/a.png" }),
        json!({ "url": "https://example.org/a b" }),
        json!({ "url": format!("https://example.org/{}", "x".repeat(2_048)) }),
    ];
    let bad = [json!({ "url": 5 }), json!({ "uri": "https://example.org" })].map(add);
    let names = ["x", "Party", "a b", "abcdefghijklmnopqrstuvwxyz1234567"];
    let of = |operation: &'static str| names.map(move |name| own_emoji(operation, name, json!({})));
    let list = || session("listEmojis", json!({}));
    let named = |operation| reaction(operation, Which::First, ":party:");
    let react = || (Actor::Admin, named("addReaction"));
    let remove = |name| own_emoji("removeEmoji", name, json!({}));
    vec![
        Family::exact([party()].into_iter().chain(good.map(add))).refused(bad).coded(of("addEmoji")),
        Family::exact([party(), add(json!({}))]).after([party()]),
        Family::exact([list()]),
        Family::exact([list()]).after([party(), own_emoji("addEmoji", "+1", json!({}))]),
        Family::exact(["party", "other"].map(remove)).coded(of("removeEmoji")).after([party()]),
        Family::exact(["addReaction", "removeReaction", "listReactors"].map(named)),
        Family::exact(["addReaction", "removeReaction"].map(named)).after([party()]),
        Family::exact(["addReaction", "removeReaction", "listReactors"].map(named))
            .after([party()])
            .after_all([react(), (Actor::Owner, remove("party"))]),
    ]
}

/// A time after the run, with an offset or without one.
fn in_two_days(offset: &str) -> String {
    let day = chrono::Utc::now().date_naive() + chrono::Days::new(2);
    format!("{day}T00:00:00{offset}")
}

/// A message that is sent after the run.
pub(super) fn schedule(changes: Value) -> Action {
    let mut input = json!({ "content": "later", "client_id": "later", "send_at": in_two_days("Z") });
    for (name, value) in changes.as_object().unwrap() {
        input[name] = value.clone();
    }
    session("scheduleMessage", input)
}

pub(super) fn schedules() -> Family {
    let encrypted = json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 });
    let file = json!({ "id": "7", "name": "a.png", "media_type": "image/png", "size": 7 });
    let good = [
        json!({}),
        json!({ "content": encrypted, "role": "assistant", "message_type": "image" }),
        json!({ "content": "", "attachments": [file], "metadata": { "some_key": [1, { "a": null }] }, "mentions": ["member"] }),
        json!({ "attachments": [], "metadata": {}, "mentions": [], "mentions_everybody": true }),
        json!({ "mentions": vec!["peer"; 51], "attachments": vec![file; 11] }),
        json!({ "content": "" }),
        json!({ "content": "x".repeat(8_001) }),
        json!({ "message_type": "system" }),
        json!({ "client_id": "" }),
        json!({ "reply_to": { "message": "first" } }),
        json!({ "send_at": "2020-01-01T00:00:00Z" }),
        json!({ "send_at": "2999-01-01T00:00:00+02:00" }),
    ];
    // A client id stands for one message.
    let own = |(number, mut changes): (usize, Value)| {
        if changes["client_id"].is_null() {
            changes["client_id"] = json!(format!("later {number}"));
        }
        schedule(changes)
    };
    let good = good.into_iter().enumerate().map(own);
    let again = [json!({}), json!({}), json!({ "content": "something else" })].map(schedule);
    let bad = [
        json!({ "send_at": "tomorrow" }),
        json!({ "send_at": in_two_days("") }),
        json!({ "send_at": 5 }),
        json!({ "send_at": null }),
        json!({ "content": null }),
        json!({ "attachments": [{ "id": "7" }] }),
        json!({ "metadata": [1] }),
        json!({ "mentions": {} }),
        json!({ "in": "a minute" }),
    ];
    Family::exact(good.chain(again)).refused(bad.map(schedule))
}

pub(super) fn draft(content: Value) -> Action {
    session("setDraft", json!({ "content": content }))
}

pub(super) fn drafts() -> Family {
    let encrypted = json!({ "encrypted_data": "c2VjcmV0", "iv": "aXY=", "key_version": 3 });
    let good = [json!("not yet"), encrypted, json!(""), json!("x".repeat(8_001))];
    Family::exact(good.map(draft)).refused([json!(5), Value::Null].map(draft))
}

/// Settings of the caller for a session, good and bad.
pub(super) fn preferences() -> Family {
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
    let loose = LOOSE_TIMES.map(|until| of(json!({ "is_muted": true, "muted_until": until })));
    Family::exact(good.map(of)).refused(bad.map(of)).refused(loose)
}

/// Marks up to a position, and what is no mark.
pub(super) fn marks() -> Family {
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

/// Messages from the oldest without so many, the newest ones, and those before and after a place: a position or a time.
pub(super) fn messages() -> Family {
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

pub(super) fn send(input: Value) -> Action {
    session("sendMessage", input)
}

/// A client id that stands for a message already where it is used, and what that message says.
pub(super) const KEPT: (&str, &str) = ("kept", "first words");

pub(super) fn sends() -> Family {
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
pub(super) fn forward(which: Which) -> Action {
    message("forwardMessage", which, json!({ "to": { "session": true } }))
}

pub(super) fn forwards() -> Family {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let once = json!({ "to": { "session": true }, "client_id": "copy" });
    let good = MESSAGES.map(forward).into_iter().chain([message("forwardMessage", Which::First, once)]);
    let bad = [json!({}), json!({ "to": 5 })].map(|input| message("forwardMessage", Which::First, input));
    let nowhere = message("forwardMessage", Which::First, json!({ "to": "nowhere" }));
    Family::exact(good).coded([forward(Which::Malformed)]).refused(bad.into_iter().chain([nowhere]))
}

pub(super) fn attachments() -> Family {
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

/// A message that the policy of the world holds, with all that a message can have.
pub(super) fn whole_held() -> Action {
    let file = json!({ "id": "7", "name": "a.png", "media_type": "image/png", "size": 7 });
    let beside = json!({
        "content": world::HELD, "mentions": ["member"], "mentions_everybody": true, "attachments": [file],
        "metadata": { "some_key": [1, { "a": null }] },
    });
    session("sendMessage", beside)
}

/// Messages of other kinds that the policy of the world holds: a reply, an encrypted one, a command and a copy.
pub(super) fn other_held() -> [(Actor, Action); 5] {
    let encrypted = json!({ "encrypted_data": world::HELD_DATA, "iv": "aXY=", "key_version": 3 });
    [
        session("sendMessage", json!({ "content": world::HELD, "reply_to": id_of(Which::First) })),
        session("sendMessage", json!({ "content": encrypted })),
        session("invokeCommand", json!({ "name": "help", "bot_id": "viewer", "arguments": world::HELD })),
        session("sendMessage", json!({ "content": world::HELD_COPY })),
        forward(Which::Last),
    ]
    .map(|action| (Actor::Member, action))
}

/// A message that mentions everybody and two users.
pub(super) fn mention() -> Action {
    let users = ["member", "viewer"];
    session("sendMessage", json!({ "content": "@all see http://chat.example", "mentions": users }))
}

pub(super) fn mentions() -> Family {
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
pub(super) fn reply(which: Which) -> Action {
    session("sendMessage", json!({ "content": "an answer", "reply_to": id_of(which) }))
}

/// The threads that users follow by writing in them, by being named and by choice.
pub(super) fn followed_threads() -> Family {
    let names = ["member", "viewer"];
    let named = json!({ "content": "an answer", "reply_to": id_of(Which::First), "mentions": names });
    Family::exact(
        [json!({}), json!({ "limit": 1 }), json!({ "limit": 0 })].map(|input| session("listFollowedThreads", input)),
    )
    .after([reply(Which::Own), reply(Which::First)])
    .after_all([(Actor::Admin, send(named)), (Actor::Admin, reply(Which::Own))])
}

/// Pages of the thread of the first message.
pub(super) fn pages(operation: &'static str) -> [Action; 3] {
    [1, 100, 0].map(|limit| message(operation, Which::First, json!({ "limit": limit })))
}

pub(super) fn replies() -> Family {
    let good = [Which::First, Which::Own, Which::NoMessage, Which::Beyond].map(reply);
    let once = json!({ "content": "an answer", "reply_to": id_of(Which::First), "client_id": "reply" });
    let bad = session("sendMessage", json!({ "content": "x", "reply_to": 5 }));
    Family::exact(good.into_iter().chain([session("sendMessage", once)]))
        .coded([reply(Which::Malformed)])
        .refused([bad])
}

pub(super) fn edits() -> Family {
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

/// A message that is written in parts.
pub(super) fn start(input: Value) -> Action {
    session("startStreamedMessage", input)
}

pub(super) fn starts() -> Family {
    let good = [
        json!({}),
        json!({ "role": "user", "metadata": { "model": [1, { "a": null }] }, "client_id": "started" }),
        json!({ "role": "system", "reply_to": id_of(Which::First) }),
        json!({ "reply_to": id_of(Which::Beyond) }),
        json!({ "metadata": { "a": "x".repeat(4_096) } }),
    ];
    let ids = [json!({ "client_id": "" }), json!({ "reply_to": id_of(Which::Malformed) })];
    let bad =
        [json!({ "role": "boss" }), json!({ "content": "x" }), json!({ "metadata": "x" }), json!({ "reply_to": 5 })];
    Family::exact(good.map(start)).coded(ids.map(start)).refused(bad.map(start))
}

fn part(which: Which, input: Value) -> Action {
    message("appendToMessage", which, input)
}

/// A part at the beginning of the newest message.
pub(super) fn first_part() -> Action {
    part(Which::Last, json!({ "offset": 0, "text": "see http://chat.example @the_peer" }))
}

/// Parts of the newest message, which is written by its author.
pub(super) fn parts() -> Family {
    let of = |offset: u64, text: &str| json!({ "offset": offset, "text": text });
    let own = [
        of(0, "hello"),
        of(0, "hel"),
        of(3, "lo"),
        of(0, "other"),
        of(6, "far"),
        of(0, ""),
        of(0, &"x".repeat(8_001)),
        of(0, "a\u{7}b"),
    ];
    let others = [Which::First, Which::NoMessage, Which::Beyond].map(|which| part(which, of(0, "hello")));
    let bad = [
        json!({}),
        json!({ "offset": 0 }),
        json!({ "text": "x" }),
        json!({ "offset": -1, "text": "x" }),
        json!({ "offset": "0", "text": "x" }),
        json!({ "offset": 0, "text": null }),
        json!({ "offset": 0, "text": "x", "colour": "red" }),
    ];
    let good = own.into_iter().map(|input| part(Which::Last, input)).chain(others);
    Family::exact(good).coded([part(Which::Malformed, of(0, "x"))]).refused(bad.map(|input| part(Which::Last, input)))
}

/// The end of the newest message, which has a part.
pub(super) fn ends() -> Family {
    let finish = |which, length: u64| message("finishMessage", which, json!({ "length": length }));
    let fail = |which, input| message("failMessage", which, input);
    let good = [
        finish(Which::Last, 33),
        finish(Which::Last, 7),
        finish(Which::Last, 0),
        finish(Which::First, 13),
        finish(Which::NoMessage, 13),
        fail(Which::Last, json!({})),
        fail(Which::Last, json!({ "detail": "The model is gone" })),
        fail(Which::Last, json!({ "detail": "" })),
        fail(Which::Last, json!({ "detail": "x".repeat(201) })),
        fail(Which::First, json!({})),
        fail(Which::Beyond, json!({})),
    ];
    let bad = [
        message("finishMessage", Which::Last, json!({})),
        message("finishMessage", Which::Last, json!({ "length": -1 })),
        message("finishMessage", Which::Last, json!({ "length": "33" })),
        fail(Which::Last, json!({ "detail": 5 })),
        fail(Which::Last, json!({ "reason": "ABORTED" })),
    ];
    Family::exact(good).coded([finish(Which::Malformed, 1), fail(Which::Malformed, json!({}))]).refused(bad)
}

/// What is done to a message that is being written, and to one that is complete.
pub(super) fn streamed() -> Vec<Family> {
    let begun = || [start(json!({})), first_part()];
    let finish = || message("finishMessage", Which::Last, json!({ "length": 33 }));
    let fail = || message("failMessage", Which::Last, json!({ "detail": "The model is gone" }));
    let changes = || {
        Family::exact([
            message("getMessage", Which::Last, json!({})),
            message("editMessage", Which::Last, json!({ "content": "other words" })),
            forward(Which::Last),
            message("pinMessage", Which::Last, json!({})),
            reaction("addReaction", Which::Last, THUMB),
            message("deleteMessage", Which::Last, json!({})),
        ])
    };
    let again = || Family::exact([finish(), fail(), part(Which::Last, json!({ "offset": 33, "text": "more" }))]);
    vec![
        starts(),
        parts().after_own([start(json!({}))]),
        parts().after([start(json!({}))]),
        ends().after_own(begun()),
        ends().after(begun()),
        changes().after(begun()),
        changes().after_own(begun()),
        again().after_own(begun().into_iter().chain([finish()])),
        again().after_own(begun().into_iter().chain([fail()])),
        changes().after(begun().into_iter().chain([finish()])),
    ]
}

pub(super) fn deletions() -> Family {
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
