//! What an operation may ask for, and what it costs.

use std::time::Duration;

use chatcore::{Limits, MemoryStore, Origin, Rate, RateLimits, TestClock};

use super::*;

async fn refusal(schema: &ChatSchema, query: &str) -> String {
    let answer = ask(schema, &user("alice"), query, json!({})).await;
    assert_eq!(answer["data"], Value::Null, "{} {answer:#}", query.get(..80).unwrap_or(query));
    codes(&answer).join(" ")
}

const OVER: &str = "RESOURCE_LIMIT_EXCEEDED";

#[tokio::test]
async fn what_asks_for_too_much_is_refused_before_it_is_carried_out() {
    let (chat, schema) = graph();
    make(&schema, &user("alice"), "PRIVATE").await;
    let aliases = |count: usize, field: &str| -> String { (0..count).map(|n| format!("a{n}: {field} ")).collect() };
    let deep = |field: &str, depth: usize| format!("{{ {}{}{} }}", field.repeat(depth), "id", " }".repeat(depth));
    let make = "createSession(input: {title: \"x\"}) { session { id } }";

    assert_eq!(refusal(&schema, &deep("me { ", 100)).await, OVER);
    assert_eq!(refusal(&schema, &deep("me { ", 20_000)).await, OVER);
    assert_eq!(refusal(&schema, &format!("{{ {} }}", aliases(5_000, "me { id }"))).await, OVER);
    assert_eq!(refusal(&schema, &format!("{{ me {{ {} }} }}", aliases(101, "id"))).await, OVER);
    assert_eq!(refusal(&schema, &format!("mutation {{ {} }}", aliases(51, make))).await, OVER);
    assert_eq!(refusal(&schema, &format!("mutation {{ {} }}", format!("{make} ").repeat(51))).await, OVER);
    let spread = format!("mutation {{ {} }} fragment f on Mutation {{ {} }}", "...f ".repeat(20), aliases(3, make));
    assert_eq!(refusal(&schema, &spread).await, OVER);
    let commented = format!("{{ me {{ id }} }} # {}", "x ".repeat(100_000));
    data(&schema, &user("alice"), &commented, json!({})).await;
    assert_eq!(refusal(&schema, &format!("{{ me {{ {} }} }}", "id ".repeat(5_000))).await, OVER);
    // Sizes of lists are counted, those in variables, too.
    let lists =
        "query($n: Int) { sessions(first: $n) { nodes { messages(last: 100) { nodes { id content seq number } } } } }";
    let answer = ask(&schema, &user("alice"), lists, json!({ "n": 100 })).await;
    assert_eq!((codes(&answer), &answer["data"]), (vec![OVER], &Value::Null));
    assert_eq!(codes(&ask(&schema, &user("alice"), lists, json!({ "n": 5 })).await), Vec::<&str>::new());
    // A thousand texts are more than a thousand numbers.
    assert_eq!(codes(&ask(&schema, &user("alice"), lists, json!({ "n": 25 })).await), [OVER]);
    let light = lists.replace("content", "");
    assert_eq!(codes(&ask(&schema, &user("alice"), &light, json!({ "n": 25 })).await), Vec::<&str>::new());
    // Each fragment spreads the next one twice: forty lines, and a million million fields.
    let bomb: String = (0..40).map(|n| format!("fragment f{n} on User {{ ...f{} ...f{} }} ", n + 1, n + 1)).collect();
    let bomb = format!("{{ me {{ ...f0 }} }} {bomb} fragment f40 on User {{ id }}");
    assert_eq!(refusal(&schema, &bomb).await, OVER);
    // The same before a fragment that is not there: validation would name it, but expands what leads to it first.
    let bomb = bomb.replace("fragment f40 on User { id }", "");
    assert_eq!(refusal(&schema, &bomb).await, "VALIDATION_INVALID_VALUE");
    let circle = "{ me { ...a } } fragment a on User { ...b } fragment b on User { ...a }";
    assert_eq!(refusal(&schema, circle).await, "VALIDATION_INVALID_FORMAT");
    let unused = "{ me { id } } fragment a on User { ...a }";
    assert_ne!(refusal(&schema, unused).await, "");
    let circular =
        "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }";
    assert_eq!(refusal(&schema, circular).await, OVER);
    assert_eq!(chat.sessions(&user("alice"), chatcore::model::Page::FIRST).await.unwrap().len(), 1, "nothing was made");
}

#[tokio::test]
async fn what_is_no_query_is_told_so() {
    let (_, schema) = graph();
    for (query, code) in [
        ("", "VALIDATION_INVALID_FORMAT"),
        ("{", "VALIDATION_INVALID_FORMAT"),
        ("{ me { id } ", "VALIDATION_INVALID_FORMAT"),
        ("{ me(\"", "VALIDATION_INVALID_FORMAT"),
        ("\u{0}", "VALIDATION_INVALID_FORMAT"),
        ("{ me }", "VALIDATION_INVALID_VALUE"),
        ("{ nothing }", "VALIDATION_INVALID_VALUE"),
        ("{ session(id: 1.5) { id } }", "VALIDATION_INVALID_VALUE"),
        ("{ session { id } }", "VALIDATION_INVALID_VALUE"),
        ("mutation { createSession(input: {title: 3}) { session { id } } }", "VALIDATION_INVALID_VALUE"),
        (
            "mutation { createSession(input: {title: \"x\", unknown: 3}) { session { id } } }",
            "VALIDATION_INVALID_VALUE",
        ),
        (
            "mutation { createSession(input: {title: \"x\", sessionType: SECRET}) { session { id } } }",
            "VALIDATION_INVALID_VALUE",
        ),
        ("query A { me { id } } query B { me { id } }", "VALIDATION_INVALID_VALUE"),
        ("query($n: Int!) { sessions(first: $n) { nodes { id } } }", "VALIDATION_INVALID_VALUE"),
        ("{ session(id: \"x\") { id } }", "VALIDATION_INVALID_FORMAT"),
    ] {
        let answer = ask(&schema, &user("alice"), query, json!({})).await;
        let codes = codes(&answer);
        assert!(!codes.is_empty() && codes.iter().all(|found| *found == code), "{query}: {answer:#}");
    }
}

#[tokio::test]
async fn introspection_and_suggestions_can_be_switched_off() {
    let asked = "{ __schema { queryType { name } } __type(name: \"Session\") { name } }";
    let (_, on) = graph();
    assert_eq!(data(&on, &user("alice"), asked, json!({})).await["__schema"]["queryType"]["name"], "Query");
    let misspelt = "{ sessionz { nodes { id } } }";
    assert!(ask(&on, &user("alice"), misspelt, json!({})).await.to_string().contains("Did you mean"));

    let options = SchemaOptions { introspection: false, suggestions: false, ..SchemaOptions::default() };
    let off = schema(Chat::in_memory(), options);
    let answer = ask(&off, &user("alice"), asked, json!({})).await;
    assert_eq!((codes(&answer), &answer["data"]), (vec!["RESOURCE_ACCESS_DENIED"], &Value::Null));
    let typename = data(&off, &user("alice"), "{ __typename me { __typename } }", json!({})).await;
    assert_eq!(typename, json!({ "__typename": "Query", "me": { "__typename": "User" } }), "clients cannot do without");
    assert!(!ask(&off, &user("alice"), misspelt, json!({})).await.to_string().contains("Did you mean"));
}

#[tokio::test]
async fn what_introspection_tools_ask_is_within_the_limits() {
    let (_, schema) = graph();
    let query = include_str!("introspection.graphql");
    let found = data(&schema, &user("alice"), query, json!({})).await;
    assert!(found["__schema"]["types"].as_array().unwrap().len() > 30);
}

#[tokio::test]
async fn an_argument_that_is_given_twice_is_refused_before_it_is_looked_at() {
    let (_, schema) = graph();
    let ids = "ids: $x ".repeat(1_000);
    let query = format!("query($x: [ID!]!) {{ nodes({ids}) {{ id }} }}");
    let answer = ask(&schema, &user("alice"), &query, json!({ "x": vec!["0"; 20_000] })).await;
    assert_eq!((codes(&answer), &answer["data"]), (vec!["VALIDATION_INVALID_VALUE"], &Value::Null));
    // By what looks first: the engine would find it, too, after a million ids.
    assert!(answer.to_string().contains("an argument is given twice"), "{answer}");
}

#[tokio::test]
async fn fragments_within_fragments_go_only_so_deep() {
    let (_, schema) = graph();
    let chain = |length: usize| {
        let links: String = (0..length).map(|n| format!("fragment f{n} on User {{ ...f{} }} ", n + 1)).collect();
        format!("{{ me {{ ...f0 }} }} {links} fragment f{length} on User {{ id }}")
    };
    // From whichever of them the counting begins.
    for _ in 0..20 {
        assert_eq!(refusal(&schema, &chain(64)).await, OVER);
        data(&schema, &user("alice"), &chain(30), json!({})).await;
    }
}

/// A schema over a chat with these rates, whose documents may be as long as one likes.
fn counted(rates: RateLimits) -> (Chat, ChatSchema) {
    let limits = Limits { rates, ..Limits::default() };
    let chat = Chat::builder(MemoryStore::new()).clock(TestClock::default()).limits(limits).build();
    let options = SchemaOptions {
        aliases: 10_000,
        root_fields: 10_000,
        fields: 100_000,
        tokens: 100_000,
        complexity: 1_000_000,
        ..SchemaOptions::default()
    };
    (chat.clone(), schema(chat, options))
}

/// A rate of so many requests, of which none comes back within a test.
fn only(number: u32) -> RateLimits {
    RateLimits { requests: Some(Rate::new(number, Duration::from_secs(3_600))), ..RateLimits::off() }
}

/// How many requests of the user are left.
async fn left(chat: &Chat, who: &Principal) -> u32 {
    let look = chat.admit(Origin::UNKNOWN, Ok(Some(who.clone())));
    // The look is a request, too.
    chat.metered(Origin::UNKNOWN, false, look).await.left.unwrap().remaining + 1
}

#[tokio::test]
async fn each_entry_that_is_read_is_a_use() {
    let (chat, schema) = counted(only(1_000));
    let alice = user("alice");
    for _ in 0..3 {
        make(&schema, &alice, "PRIVATE").await;
    }
    let uses = async |query: &str| {
        let before = left(&chat, &alice).await - 1;
        data(&schema, &alice, query, json!({})).await;
        before - left(&chat, &alice).await
    };
    assert_eq!(uses("{ me { id } }").await, 1);
    let lists = "{ sessions { nodes { messages(last: 1) { nodes { id } } participants { nodes { id } } } } }";
    assert_eq!(uses(lists).await, 1 + 3 + 3);
    let ways: String = (1..=20).map(|n| format!("a{n}: messages(last: {n}) {{ nodes {{ id }} }} ")).collect();
    assert_eq!(uses(&format!("{{ sessions {{ nodes {{ {ways} }} }} }}")).await, 1 + 3 * 20);
}

#[tokio::test]
async fn a_thousand_aliases_are_a_thousand_uses() {
    let (chat, schema) = counted(RateLimits::default());
    let fields = |field: &str| (0..1_000).map(|n| format!("a{n}: {field} ")).collect::<String>();
    let create = fields("createSession(input: {title: \"x\"}) { session { id } }");
    let answer = ask(&schema, &user("alice"), &format!("mutation {{ {create} }}"), json!({})).await;
    assert_eq!(codes(&answer), vec!["RATE_LIMIT_EXCEEDED"; 400]);
    assert_eq!(answer["errors"][0]["extensions"]["retryAfter"], 1);
    assert_eq!(answer["errors"][0]["extensions"]["details"], json!({ "retry_after": 1 }));
    // The last six hundred uses of others are theirs.
    let me = format!("{{ {} }}", fields("me { id }"));
    assert_eq!(codes(&ask(&schema, &user("bob"), &me, json!({})).await), vec!["RATE_LIMIT_EXCEEDED"; 400]);
    assert_eq!(codes(&ask(&schema, &user("alice"), "{ me { id } }", json!({})).await), ["RATE_LIMIT_EXCEEDED"]);
    assert_eq!(codes(&ask(&schema, &user("carol"), "{ me { id } }", json!({})).await), Vec::<&str>::new());
    let carol = user("carol");
    let made = chat.public_sessions(&carol, chatcore::model::Page::FIRST).await.unwrap();
    assert_eq!(made.total, 0);
}

#[tokio::test]
async fn a_subscription_is_one_use_and_refused_like_one() {
    let (chat, schema) = counted(only(3));
    let alice = user("alice");
    let id = make(&schema, &alice, "PUBLIC").await;
    let query = "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } }";
    let first = next(&mut follow(&schema, &alice, query, json!({ "id": id }))).await;
    assert_eq!(first["data"]["sessionEvents"]["__typename"], "Subscribed");
    assert_eq!(left(&chat, &alice).await, 1);
    let refused = next(&mut follow(&schema, &alice, query, json!({ "id": id }))).await;
    assert_eq!(codes(&refused), ["RATE_LIMIT_EXCEEDED"]);
}
