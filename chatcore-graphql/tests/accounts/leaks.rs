//! No field of the schema tells the cause of a failure, and each list is bounded.

use chatcore::{RateLimits, chat::CreateSession};
use yielding::{CAUSE, Fault};

use super::{
    socket::Wired,
    uses::{ID, IDS, INTROSPECTION, codes, inputs, token, unguarded},
    *,
};

/// Each field of a root type with its description, and the description of all types.
async fn fields(graph: &Graph<impl Endpoint>, token: &str) -> (Vec<(&'static str, Value)>, Value) {
    let (_, _, answer) = graph.ask(Some(token), INTROSPECTION, json!({})).await;
    let schema = &answer["data"]["__schema"];
    let roots = [("query", "queryType"), ("mutation", "mutationType"), ("subscription", "subscriptionType")];
    let of_root = |(operation, root)| {
        let fields = schema[root]["fields"].as_array().unwrap().iter();
        fields.map(move |field| (operation, field.clone())).collect::<Vec<_>>()
    };
    (roots.into_iter().flat_map(of_root).collect(), schema["types"].clone())
}

#[tokio::test]
async fn no_field_tells_the_cause_of_a_failure() {
    let world = World::with_rates(RateLimits::off(), unguarded);
    let graph = mounted(&world, managed(&world));
    let token = token(&world).await;
    promote(&world, &token).await;
    let (fields, types) = fields(&graph, &token).await;
    let wired = Wired::over(&world, managed(&world)).await;
    let mut failed = 0;
    for (operation, field) in &fields {
        let arguments = inputs(&types, &field["args"]);
        let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
        for (ids, fault) in IDS.iter().flat_map(|ids| Fault::ALL.map(|fault| (ids, fault))) {
            let name = text(field, "name");
            let query = format!("{operation} {{ {name}{} {{ __typename }} }}", arguments.replace(ID, ids[0]));
            world.later(1);
            world.store.fail(Some(fault));
            let (_, headers, answer) = graph.ask(Some(&token), &query, json!({})).await;
            world.store.fail(None);
            let mut socket = wired.admitted(Some(&token)).await.unwrap();
            world.later(1);
            world.store.fail(Some(fault));
            let by_socket = socket::ask(&mut socket, &query, json!({})).await;
            world.store.fail(None);
            let told = format!("{headers:?} {answer} {by_socket:?}");
            assert!(!told.contains("730411") && !told.contains("/var/lib") && !told.contains(CAUSE), "{query}: {told}");
            let is_of_store = |code: &&str| ["INTERNAL_ERROR", "SERVICE_UNAVAILABLE"].contains(code);
            failed += usize::from(codes(&answer).iter().any(is_of_store));
        }
    }
    assert!(failed > 2 * fields.len(), "{failed} failures of {} fields", fields.len());
}

#[tokio::test]
async fn each_list_is_bounded() {
    let world = World::with_rates(RateLimits::off(), unguarded);
    let graph = mounted(&world, managed(&world));
    let token = token(&world).await;
    promote(&world, &token).await;
    let caller = world.authenticator().authenticate(&token).await.unwrap();
    let session = world.chat.create_session(&caller, CreateSession::titled("t")).await.unwrap().summary.session.id;
    let (fields, types) = fields(&graph, &token).await;
    let mut lists = 0;
    for (operation, field) in &fields {
        for page in field["args"].as_array().unwrap() {
            let page = text(page, "name");
            if !["first", "last", "limit"].contains(&page.as_str()) {
                continue;
            }
            lists += 1;
            let name = text(field, "name");
            let others = inputs(&types, &field["args"]).replace(ID, &session.to_string());
            for number in ["0", "101", "2147483647", "-1"] {
                let query = format!("{operation} {{ {name}({others} {page}: {number}) {{ __typename }} }}");
                let (_, _, answer) = graph.ask(Some(&token), &query, json!({})).await;
                let codes = codes(&answer);
                let is_refused = codes
                    .iter()
                    .any(|code| code.starts_with("VALIDATION_") || code.contains("LIMIT") || code.contains("COMPLEX"));
                assert!(is_refused, "{query}: {answer}");
            }
        }
    }
    assert!(lists >= 6, "{lists} lists");
}
