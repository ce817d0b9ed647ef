//! Each field of a root type is a use of its caller, also where it needs no token.

use std::{collections::BTreeSet, time::Duration};

use chatcore::{
    Rate, RateLimits,
    accounts::{AccountSettings, AccountsBuilder, Argon2Cost, Client, LogIn, Register},
};

use super::*;

/// A rate of so many, of which none comes back within a test.
fn only(number: u32) -> Option<Rate> {
    Some(Rate::new(number, Duration::from_secs(3_600)))
}

pub(super) fn rates(number: u32) -> RateLimits {
    RateLimits { requests: only(number), unknown: only(number), ..RateLimits::off() }
}

/// Accounts whose own limits stay out of the way.
pub(super) fn unguarded(builder: AccountsBuilder) -> AccountsBuilder {
    let argon2 = Argon2Cost { memory_kib: 8, passes: 1, lanes: 1 };
    builder.settings(AccountSettings {
        argon2,
        guesses: None,
        guesses_per_address: None,
        mails: None,
        ..Default::default()
    })
}

/// The token of a user who registered without a request.
pub(super) async fn token(world: &World) -> String {
    let new = Register::new("ada", "ada@example.org", PASSWORD);
    world.accounts.register(&Client::default(), new).await.unwrap().tokens.access_token
}

/// The token of a new login of the same user, also without a request: an ended login pays for nothing.
async fn again(world: &World) -> String {
    let log_in = LogIn { username_or_email: "ada".to_owned(), password: PASSWORD.to_owned() };
    world.accounts.log_in(&Client::default(), log_in).await.unwrap().tokens.access_token
}

pub(super) fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().into_iter().flatten();
    errors.map(|error| error["extensions"]["code"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn each_alias_of_a_mutation_that_needs_no_token_is_one_use_of_its_caller_or_address() {
    for (name, input) in [
        ("logIn", format!("username: \"ada\", password: \"{PASSWORD}\"")),
        ("register", format!("username: \"other\", email: \"x@example.org\", password: \"{PASSWORD}\"")),
        ("refresh", "refreshToken: \"x\"".to_owned()),
        ("verifyEmail", "code: \"x\"".to_owned()),
        ("requestPasswordReset", "email: \"ada@example.org\"".to_owned()),
        ("postToIncomingWebhook", "token: \"x\", content: \"x\"".to_owned()),
        ("resetPassword", format!("code: \"x\", newPassword: \"{PASSWORD}\"")),
    ] {
        let selection = match name {
            "logIn" | "register" | "refresh" => "accessToken",
            "postToIncomingWebhook" => "messageId",
            _ => "message",
        };
        let aliases = |count: usize| {
            let alias = |number| format!("a{number}: {name}(input: {{ {input} }}) {{ {selection} }} ");
            format!("mutation {{ {} }}", (0..count).map(alias).collect::<String>())
        };
        let world = World::with_rates(rates(20), unguarded);
        let (graph, token) = (graph(&world), token(&world).await);
        for caller in [Some(token.as_str()), None] {
            let (_, headers, answer) = graph.ask(caller, &aliases(1), json!({})).await;
            let told = (headers["x-ratelimit-limit"].as_str(), headers["x-ratelimit-remaining"].as_str());
            assert_eq!(told, ("20", "19"), "{name}");
            assert!(!codes(&answer).contains(&"RATE_LIMIT_EXCEEDED"), "{name}: {answer}");
            let count = if name == "logIn" { 1_000 } else { 100 };
            let (status, headers, answer) = graph.ask(caller, &aliases(count), json!({})).await;
            let refused = codes(&answer).iter().filter(|code| **code == "RATE_LIMIT_EXCEEDED").count();
            assert_eq!((status, refused), (200, count - 19), "{name}");
            assert_eq!(headers["x-ratelimit-remaining"], "0", "{name}");
            let (status, headers, _) = graph.ask(caller, &aliases(1), json!({})).await;
            assert_eq!((status, headers["retry-after"].as_str()), (429, "3600"), "{name}");
        }
    }
}

/// Stands in documents where an id is wanted.
pub(super) const ID: &str = "<id>";

/// Two ids of sessions, and two of messages. Nothing has them.
pub(super) const IDS: [[&str; 2]; 2] = [
    ["00000000-0000-7000-8000-000000000000", "00000000-0000-7000-8000-000000000001"],
    ["AAAAAAAAcACAAAAAAAAAAAAAAAAAAAAB", "AAAAAAAAcACAAAAAAAAAAQAAAAAAAAAB"],
];

/// The value of an argument, by the schema's description of its type; `None` where it may be left out.
pub(super) fn value(types: &Value, of: &Value) -> Option<String> {
    let required = (of["kind"] == "NON_NULL").then(|| &of["ofType"])?;
    let name = required["name"].as_str().unwrap_or_default();
    let described = types.as_array().unwrap().iter().find(|found| found["name"] == name);
    Some(match (required["kind"].as_str().unwrap(), name) {
        ("LIST", _) => format!("[{}]", value(types, &required["ofType"]).unwrap_or_default()),
        ("SCALAR", "Int" | "Long") => "1".to_owned(),
        ("SCALAR", "Boolean") => "true".to_owned(),
        ("SCALAR", "DateTime") => "\"2999-01-01T00:00:00Z\"".to_owned(),
        ("SCALAR", _) => format!("\"{ID}\""),
        ("ENUM", _) => text(&described.unwrap()["enumValues"][0], "name"),
        _ if described.unwrap()["isOneOf"] == true => {
            let field = &described.unwrap()["inputFields"][0];
            let required = json!({ "kind": "NON_NULL", "ofType": field["type"] });
            format!("{{ {}: {} }}", text(field, "name"), value(types, &required).unwrap())
        }
        _ => {
            let fields = &described.unwrap()["inputFields"];
            let has = |name: &str| fields.as_array().unwrap().iter().any(|field| field["name"] == name);
            // Of two fields, a message needs one, and so does a place up to which something is read.
            let one_of_two = match (has("content"), has("seq") && has("messageId")) {
                (true, _) => "content: \"x\"",
                (false, true) => "seq: 1",
                // The metadata of a participant may be null, and must be given.
                (false, false) if has("metadata") && has("userId") => "metadata: null",
                (false, false) => "",
            };
            format!("{{ {} {one_of_two} }}", inputs(types, fields))
        }
    })
}

/// The arguments or fields that are required.
pub(super) fn inputs(types: &Value, of: &Value) -> String {
    let each = of.as_array().unwrap().iter();
    let each = each.filter_map(|input| {
        let (name, value) = (text(input, "name"), value(types, &input["type"])?);
        Some(match name.as_str() {
            "email" => "email: \"x@example.org\"".to_owned(),
            "name" => "name: \"party\"".to_owned(),
            "seq" => "seq: 1".to_owned(),
            "emoji" => "emoji: \"\u{1f44d}\"".to_owned(),
            // A session, where the other id is a message's.
            "to" => format!("to: \"{}\"", IDS[0][0]),
            _ => format!("{name}: {value}"),
        })
    });
    each.collect::<Vec<_>>().join(", ")
}

pub(super) const INTROSPECTION: &str = "
    query { __schema {
        queryType { fields { ...F } } mutationType { fields { ...F } } subscriptionType { fields { ...F } }
        types { name enumValues { name } inputFields { ...I } }
    } }
    fragment F on __Field { name args { ...I } }
    fragment I on __InputValue { name type { ...T ofType { ...T ofType { ...T ofType { ...T } } } } }
    fragment T on __Type { kind name }
";

#[tokio::test]
async fn each_field_of_a_root_type_is_one_use_for_each_alias() {
    let world = World::with_rates(rates(10_000), unguarded);
    let (graph, token) = (graph(&world), token(&world).await);
    let (_, headers, answer) = graph.ask(Some(&token), INTROSPECTION, json!({})).await;
    let schema = &answer["data"]["__schema"];
    let mut left: usize = headers["x-ratelimit-remaining"].parse().unwrap();
    let mut missing = BTreeSet::new();
    // The second alias of these would be refused, and pay for nothing.
    let ending = ["logOut", "logOutEverywhere"];
    for (operation, root, aliases) in
        [("query", "queryType", 2), ("subscription", "subscriptionType", 1), ("mutation", "mutationType", 2)]
    {
        for field in schema[root]["fields"].as_array().unwrap() {
            let name = text(field, "name");
            let aliases = if ending.contains(&name.as_str()) { 1 } else { aliases };
            missing.insert(name.clone());
            let arguments = inputs(&schema["types"], &field["args"]);
            let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
            for ids in IDS {
                // Two aliases for the same object may be one read, so each has an id of its own.
                let selections =
                    ids.iter().enumerate().take(aliases).map(|(number, id)| {
                        format!("a{number}: {name}{} {{ __typename }} ", arguments.replace(ID, id))
                    });
                let query = format!("{operation} {{ {} }}", selections.collect::<String>());
                let token = again(&world).await;
                let (_, headers, answer) = graph.ask(Some(&token), &query, json!({})).await;
                let remaining: usize = headers["x-ratelimit-remaining"].parse().unwrap();
                let counted = left - remaining;
                left = remaining;
                // Parts of streamed messages have a bucket of their own, and only the request is in this one.
                let aliases = if name == "appendToMessage" { 1 } else { aliases };
                // What is not acceptable may be refused before the use case counts.
                let is_acceptable = !codes(&answer).iter().any(|code| code.starts_with("VALIDATION_"));
                assert!(counted == aliases || !is_acceptable, "{counted} for {query}: {answer}");
                if counted == aliases {
                    missing.remove(&name);
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn each_alias_whose_input_is_not_acceptable_is_one_use() {
    let world = World::with_rates(rates(10_000), unguarded);
    let (graph, token) = (graph(&world), token(&world).await);
    let left = async |query: &str| {
        let (_, headers, answer) = graph.ask(Some(&token), query, json!({})).await;
        (headers["x-ratelimit-remaining"].parse::<usize>().unwrap(), codes(&answer).len())
    };
    let (session, message) = (IDS[0][0], IDS[1][0]);
    for field in [
        format!("sendMessage(input: {{ sessionId: \"{session}\", content: \"\" }}) {{ __typename }}"),
        format!("editMessage(input: {{ messageId: \"{message}\", content: \"\" }}) {{ __typename }}"),
        "createSession(input: { title: \"\" }) { __typename }".to_owned(),
        format!("updateSession(input: {{ sessionId: \"{session}\", title: \"\" }}) {{ __typename }}"),
        "updateMe(input: { displayName: \"\" }) { __typename }".to_owned(),
        format!("changeEmail(input: {{ email: \"x\", password: \"{PASSWORD}\" }}) {{ __typename }}"),
    ] {
        let (before, _) = left("{ __typename }").await;
        let aliases: String = (0..10).map(|number| format!("a{number}: {field} ")).collect();
        let (after, refused) = left(&format!("mutation {{ {aliases} }}")).await;
        assert_eq!((before - after, refused), (10, 10), "{field}");
    }
}

#[tokio::test]
async fn a_refused_guess_tells_of_the_limit_on_guesses() {
    let world = World::new();
    let graph = graph(&world);
    register(&graph, "ada").await;
    let guess = "mutation { logIn(input: {username: \"ada\", password: \"wrong\"}) { accessToken } }";
    for _ in 0..5 {
        graph.ask(None, guess, json!({})).await;
    }
    let (status, headers, answer) = graph.ask(None, guess, json!({})).await;
    let told = ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining"].map(|name| headers.get(name).cloned());
    assert_eq!((status, codes(&answer)), (200, vec!["RATE_LIMIT_EXCEEDED"]));
    assert_eq!(told[1..], [Some("5".to_owned()), Some("0".to_owned())]);
}

#[tokio::test]
async fn without_rates_passwords_still_cannot_be_guessed() {
    let world = World::with_rates(RateLimits::off(), |builder| builder);
    cases::guessing_alone(&graph(&world)).await;
}
