//! Attempts about bots, their commands and their tokens.

use serde_json::{Value, json};

use super::{
    super::stage::{Actor, GHOST},
    Action, Family, LOOSE_TIMES, Target, session, user,
};

/// The commands of the viewer, who is a bot in each room. The admin has the second one, too.
pub(super) fn commands() -> Vec<Family> {
    let invoke = |input| session("invokeCommand", input);
    let good = [
        json!({ "name": "deploy", "arguments": "api now" }),
        json!({ "name": "deploy" }),
        json!({ "name": "help" }),
        json!({ "name": "help", "bot_id": "viewer" }),
        json!({ "name": "deploy", "bot_id": "admin" }),
        json!({ "name": "deploy", "bot_id": GHOST }),
        json!({ "name": "nothing" }),
        json!({ "name": "deploy", "arguments": "see http://chat.example @the_peer", "client_id": "invoked" }),
        json!({ "name": "deploy", "arguments": "x".repeat(8_000) }),
        json!({ "name": "deploy", "arguments": "a\u{7}b" }),
    ];
    let names = [
        json!({ "name": "" }),
        json!({ "name": "/deploy" }),
        json!({ "name": "x".repeat(33) }),
        json!({ "name": "deploy", "bot_id": "" }),
        json!({ "name": "deploy", "client_id": "" }),
    ];
    let bad = [
        json!({}),
        json!({ "name": null }),
        json!({ "name": 5 }),
        json!({ "name": "deploy", "arguments": 5 }),
        json!({ "name": "deploy", "colour": "red" }),
    ];
    let without = || [(Actor::Admin, user("removeParticipant", "viewer", json!({})))];
    vec![
        Family::exact(good.map(invoke)).coded(names.map(invoke)).refused(bad.map(invoke)),
        Family::exact([json!({ "name": "deploy" }), json!({ "name": "help" })].map(invoke)).after_all(without()),
        Family::exact([session("listCommands", json!({}))]),
        Family::exact([session("listCommands", json!({}))]).after_all(without()),
    ]
}

fn create(input: Value) -> Action {
    Action::new("createBot", Target::Nothing, input)
}

fn token(input: Value) -> Action {
    Action::new("createBotToken", Target::Bot, input)
}

/// Bots of the actor's own. A preparation serves several families, so the one that deletes the bot comes last.
pub(super) fn bots() -> Vec<Family> {
    let set = |input| Action::new("setCommands", Target::Nothing, input);
    let offer = |name: &str, description: &str| json!({ "name": name, "description": description });
    let offers = |offers: &[Value]| json!({ "commands": offers });
    let many: Vec<Value> = (0..51).map(|n| offer(&format!("c{n}"), "Does it")).collect();
    let sets = [
        offers(&[offer("deploy", "Deploys"), offer("help", "Helps")]),
        offers(&many),
        offers(&[offer("deploy", "Deploys"), offer("deploy", "Helps")]),
        offers(&[offer("deploy", "")]),
        offers(&[offer("deploy", &"x".repeat(101))]),
    ];
    let bad_sets = [json!({}), json!({ "commands": 5 }), json!({ "commands": [{ "name": "deploy" }] })];
    let made = || [create(json!({ "name": "A bot" }))];
    let scoped = json!({ "name": "one", "sessions": [{ "session": true }], "actions": ["SEND", "VIEW"] });
    let tokens = [
        json!({ "name": "one" }),
        json!({ "name": "one", "actions": ["SEND"], "expires_at": "2100-01-01T00:00:00Z" }),
        json!({ "name": "" }),
        json!({ "name": "one", "actions": [] }),
        json!({ "name": "one", "actions": ["EVERYTHING"] }),
        json!({ "name": "one", "sessions": [] }),
        json!({ "name": "one", "sessions": ["01890a5d-ac96-774b-bcce-b302099a8057"] }),
        json!({ "name": "one", "expires_at": "2020-01-01T00:00:00Z" }),
    ];
    let loose = json!({ "name": "one", "expires_at": LOOSE_TIMES[0] });
    let bad_tokens = [json!({}), json!({ "name": 5 }), json!({ "name": "one", "actions": 5 }), scoped, loose];
    let revoke = || Action::new("revokeBotToken", Target::BotToken, json!({}));
    let with_token = || made().into_iter().chain([token(json!({ "name": "one" }))]);
    vec![
        Family::exact(sets.map(set)).coded([set(offers(&[offer("No name", "x")]))]).refused(bad_sets.map(set)),
        Family::exact(
            [json!({ "name": "A bot" }), json!({ "name": "" }), json!({ "name": "x".repeat(51) })].map(create),
        )
        .refused([json!({}), json!({ "name": 5 }), json!({ "name": "x", "colour": "red" })].map(create)),
        Family::exact([Action::new("listBots", Target::Nothing, json!({}))]),
        Family::exact(tokens.map(token))
            .coded([token(json!({ "name": "one", "sessions": ["no id"] }))])
            .refused(bad_tokens.map(token))
            .after_own(made()),
        Family::exact([Action::new("listBotTokens", Target::Bot, json!({}))]).after_own(made()),
        Family::exact([revoke()]).after_own(with_token()),
        Family::exact([revoke()]).after_all([(Actor::Owner, create(json!({ "name": "A bot" })))]),
        Family::exact([Action::new("deleteBot", Target::Bot, json!({}))]).after_own(made()),
    ]
}
