//! Operations on a socket.

use super::*;

#[tokio::test(start_paused = true)]
async fn operations_of_every_kind_are_executed() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    let payload = json!({
        "query": "query a { hello } query b($x: String!) { echo(text: $x) }",
        "operationName": "b", "variables": { "x": "\u{2028}\"" },
    });
    client.send(subscribe(json!("q"), payload)).await;
    assert_eq!(client.message().await, next("q", json!({ "echo": "\u{2028}\"" })));
    assert_eq!(client.message().await, complete("q"));
    client.subscribe("m", "mutation { bump }").await;
    assert_eq!(client.message().await, next("m", json!({ "bump": 1 })));
    assert_eq!(client.message().await, complete("m"));
    client.subscribe("s", "subscription { count(to: 3) }").await;
    for number in 1..=3 {
        assert_eq!(client.message().await, next("s", json!({ "count": number })));
    }
    assert_eq!(client.message().await, complete("s"));
    assert_eq!(client.settled().await, Vec::<Value>::new());
    assert_eq!(client.seen.sources.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn data_are_made_for_each_operation() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    for number in 1..=3 {
        client.subscribe("1", "{ operation }").await;
        assert_eq!(client.message().await, next("1", json!({ "operation": number })));
        assert_eq!(client.message().await, complete("1"));
    }
}

#[tokio::test(start_paused = true)]
async fn results_with_errors_are_results() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    client.subscribe("1", "{ hello full }").await;
    let message = client.message().await;
    assert_eq!(
        (&message["type"], &message["payload"]["data"]),
        (&json!("next"), &json!({ "hello": "world", "full": null }))
    );
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "SESSION_FULL");
    assert_eq!(client.message().await, complete("1"));
    client.subscribe("2", "{ needed }").await;
    let message = client.message().await;
    assert_eq!(message["type"], "next");
    assert_eq!(message["payload"].get("data"), Some(&Value::Null));
    assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "INTERNAL_ERROR");
    assert_eq!(client.message().await, complete("2"));
    for field in ["stumbles", "stumblesSlowly"] {
        client.subscribe("3", &format!("subscription {{ {field} }}")).await;
        let message = client.message().await;
        assert_eq!((&message["type"], &message["payload"]["data"]), (&json!("next"), &Value::Null), "{message}");
        assert_eq!(message["payload"]["errors"][0]["extensions"]["code"], "SESSION_FULL");
        assert_eq!(client.message().await, next("3", json!({ field: 2 })));
        assert_eq!(client.message().await, complete("3"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_executed_is_an_error_and_nothing_more() {
    let deep = format!("{}hello{}", "{nested".repeat(6), "}".repeat(6));
    let deep = deep.replace("nestedhello", "nested{hello}");
    let cases = [
        ("{", "VALIDATION_INVALID_FORMAT"),
        ("", "VALIDATION_INVALID_FORMAT"),
        ("{ nothing }", "VALIDATION_INVALID_VALUE"),
        ("query($x: Int!) { number(value: $x) }", "VALIDATION_REQUIRED_FIELD"),
        ("{ number(value: \"x\") }", "VALIDATION_INVALID_VALUE"),
        ("query a { hello } query b { hello }", "VALIDATION_INVALID_VALUE"),
        (&deep, "RESOURCE_LIMIT_EXCEEDED"),
        (&format!("{{ {} }}", (0..30).map(|n| format!("a{n}: hello ")).collect::<String>()), "RESOURCE_LIMIT_EXCEEDED"),
        ("{ hello @skip(if:false) @skip(if:false) @skip(if:false) }", "RESOURCE_LIMIT_EXCEEDED"),
        (&"{".repeat(10_000), "RESOURCE_LIMIT_EXCEEDED"),
        (&format!("{{ a(x: {}) }}", "[".repeat(60_000)), "RESOURCE_LIMIT_EXCEEDED"),
        (&format!("{}hello{}", "{nested".repeat(100), "}".repeat(100)), "RESOURCE_LIMIT_EXCEEDED"),
        ("subscription { sourceless }", "SESSION_FULL"),
        ("subscription { nothing }", "VALIDATION_INVALID_VALUE"),
        ("{ boom }", "INTERNAL_ERROR"),
    ];
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    for (query, code) in cases {
        // The id is free again each time.
        client.subscribe("1", query).await;
        let message = client.message().await;
        assert!(codes(&message, "1").contains(&json!(code)), "{query:.100}: {message}");
        assert_eq!(client.settled().await, Vec::<Value>::new(), "{query:.100}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_panics_ends_its_operation_only() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    client.subscribe("1", "subscription { quiet }").await;
    assert_eq!(client.message().await, next("1", json!({ "quiet": 1 })));
    client.subscribe("2", "subscription { breaks }").await;
    assert_eq!(client.message().await, next("2", json!({ "breaks": 1 })));
    assert_eq!(codes(&client.message().await, "2"), ["INTERNAL_ERROR"]);
    assert_eq!(client.settled().await, Vec::<Value>::new());
    assert_eq!(client.seen.sources.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_id_has_one_operation() {
    for query in ["subscription { quiet }", "{ slow }"] {
        let mut client = Client::admitted(WireOptions::default(), 64).await;
        client.subscribe("one", query).await;
        if query != "{ slow }" {
            assert_eq!(client.message().await, next("one", json!({ "quiet": 1 })));
        }
        client.subscribe("one", "{ hello }").await;
        assert_eq!(client.closed().await, (4409, "Subscriber for one already exists".to_owned()));
        assert_eq!(client.seen.sources.load(Ordering::SeqCst), 0);
    }
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    let id = "ä".repeat(128);
    client.subscribe(&id, "{ slow }").await;
    client.subscribe(&id, "{ slow }").await;
    let (code, reason) = client.closed().await;
    assert_eq!(code, 4409);
    assert!(reason.starts_with("Subscriber for ää") && reason.ends_with("ä… already exists"), "{reason}");
}

#[tokio::test(start_paused = true)]
async fn the_client_ends_an_operation_and_its_id_is_free() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    for query in ["subscription { quiet }", "subscription { flood }", "{ slow }"] {
        client.subscribe("1", query).await;
        client.subscribe("2", "{ hello }").await;
        client.complete("1").await;
        client.complete("1").await;
        client.complete("never there").await;
        client.subscribe("1", "{ hello }").await;
        let mut messages = client.settled().await;
        while !messages.contains(&complete("1")) {
            messages.extend(client.settled().await);
        }
        // Of the second "1", and then nothing.
        let of_first = |message: &Value| message["id"] == "1";
        let last: Vec<_> = messages.iter().filter(|message| of_first(message)).rev().take(2).collect();
        assert_eq!(last, [&complete("1"), &next("1", json!({ "hello": "world" }))], "{query}");
        assert_eq!(messages.iter().filter(|message| **message == complete("1")).count(), 1);
        assert_eq!(client.settled().await.iter().filter(|message| of_first(message)).count(), 0);
        assert_eq!(client.seen.sources.load(Ordering::SeqCst), 0, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn operations_do_not_wait_for_one_another() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    client.subscribe("slow", "{ slow }").await;
    client.subscribe("fast", "{ hello }").await;
    assert_eq!(client.message().await, next("fast", json!({ "hello": "world" })));
    assert_eq!(client.message().await, complete("fast"));
    client.seen.gate.notify_one();
    assert_eq!(client.message().await, next("slow", json!({ "slow": 1 })));
    assert_eq!(client.message().await, complete("slow"));
}

#[tokio::test(start_paused = true)]
async fn a_flood_keeps_nobody_waiting() {
    let mut client = Client::admitted(WireOptions::default(), 64).await;
    client.subscribe("flood", "subscription { flood }").await;
    client.subscribe("1", "{ hello }").await;
    let mut others = Vec::new();
    for _ in 0..100_000 {
        let message = client.message().await;
        if message["id"] == "1" {
            others.push(message);
        }
        if others.len() == 2 {
            break;
        }
    }
    assert_eq!(others, [next("1", json!({ "hello": "world" })), complete("1")]);
    // And the reading half is heard.
    client.complete("flood").await;
    client.settled().await;
    assert_eq!(client.settled().await, Vec::<Value>::new());
}

#[tokio::test(start_paused = true)]
async fn one_operation_more_than_may_be_open_is_refused_alone() {
    let options = WireOptions { operations_per_socket: 2, ..WireOptions::default() };
    let mut client = Client::admitted(options, 64).await;
    for id in ["1", "2"] {
        client.subscribe(id, "subscription { quiet }").await;
        assert_eq!(client.message().await, next(id, json!({ "quiet": 1 })));
    }
    client.subscribe("3", "mutation { bump }").await;
    assert_eq!(codes(&client.message().await, "3"), ["RESOURCE_LIMIT_EXCEEDED"]);
    assert_eq!(client.seen.bumps.load(Ordering::SeqCst), 0);
    client.complete("1").await;
    client.subscribe("3", "mutation { bump }").await;
    assert_eq!(client.message().await, next("3", json!({ "bump": 1 })));
    assert_eq!(client.message().await, complete("3"));
    // What has ended leaves room.
    client.subscribe("4", "subscription { quiet }").await;
    assert_eq!(client.message().await, next("4", json!({ "quiet": 1 })));
    // One that is there already is still another matter.
    client.subscribe("2", "{ hello }").await;
    assert_eq!(client.closed().await.0, 4409);
}

#[tokio::test(start_paused = true)]
async fn queries_wait_for_their_turn_and_subscriptions_do_not() {
    let options = WireOptions { queries_per_socket: 1, ..WireOptions::default() };
    let mut client = Client::admitted(options, 64).await;
    client.subscribe("slow", "{ slow }").await;
    client.subscribe("1", "mutation { bump }").await;
    client.subscribe("2", "{ slow }").await;
    client.subscribe("3", "subscription { quiet }").await;
    assert_eq!(client.message().await, next("3", json!({ "quiet": 1 })));
    assert_eq!(client.settled().await, Vec::<Value>::new());
    assert_eq!(client.seen.bumps.load(Ordering::SeqCst), 0);
    // What is ended leaves its place; so does what waits, and what comes to its end.
    client.complete("2").await;
    client.complete("slow").await;
    assert_eq!(client.message().await, next("1", json!({ "bump": 1 })));
    assert_eq!(client.message().await, complete("1"));
    client.subscribe("4", "mutation { bump }").await;
    assert_eq!(client.message().await, next("4", json!({ "bump": 2 })));
    assert_eq!(client.message().await, complete("4"));
}

#[tokio::test(start_paused = true)]
async fn a_mutation_goes_on_while_the_client_reads_nothing() {
    let mut client = Client::admitted(WireOptions { queries_per_socket: 2, ..WireOptions::default() }, 4).await;
    for id in ["1", "2", "3"] {
        client.subscribe(id, "mutation { slowBump }").await;
    }
    client.subscribe("flood", "subscription { flood }").await;
    // The socket is full, and the client has not been closed yet.
    sleep(Duration::from_secs(5)).await;
    for bumps in [1, 2] {
        client.seen.gate.notify_one();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(client.seen.bumps.load(Ordering::SeqCst), bumps);
    }
    // An answer keeps its place until it is written, so that answers do not pile up.
    client.seen.gate.notify_one();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(client.seen.bumps.load(Ordering::SeqCst), 2);
    client.complete("flood").await;
    let mut told = Vec::new();
    while told.len() < 6 {
        let message = client.message().await;
        if message["id"] != "flood" {
            told.push(message);
        }
    }
    let answers = ["1", "2", "3"].into_iter().zip(1..);
    let expected = answers.flat_map(|(id, bumps)| [next(id, json!({ "slowBump": bumps })), complete(id)]);
    assert_eq!(told, expected.collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_waits_goes_with_its_operation() {
    let mut client = Client::admitted(WireOptions::default(), 4).await;
    client.subscribe("1", "mutation { slowBump }").await;
    client.subscribe("flood", "subscription { flood }").await;
    sleep(Duration::from_secs(1)).await;
    client.seen.gate.notify_one();
    sleep(Duration::from_secs(1)).await;
    client.complete("1").await;
    client.subscribe("1", "{ hello }").await;
    client.complete("flood").await;
    let mut told = Vec::new();
    while told.len() < 2 {
        let message = client.message().await;
        if message["id"] != "flood" {
            told.push(message);
        }
    }
    assert_eq!(told, [next("1", json!({ "hello": "world" })), complete("1")]);
    assert_eq!(client.seen.bumps.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn operations_that_end_while_nothing_is_written_leave_room() {
    // No ping makes the socket look again.
    let ping_interval = Duration::from_secs(3_600);
    let options = WireOptions { operations_per_socket: 2, ping_interval, ..WireOptions::default() };
    let mut client = Client::admitted(options, 4).await;
    client.subscribe("flood", "subscription { flood }").await;
    sleep(Duration::from_secs(1)).await;
    for id in ["1", "2"] {
        client.subscribe(id, "subscription { quiet }").await;
        client.complete(id).await;
    }
    client.complete("flood").await;
    client.subscribe("slow", "{ slow }").await;
    client.subscribe("fast", "{ hello }").await;
    let mut message = client.message().await;
    while message["id"] == "flood" {
        message = client.message().await;
    }
    assert_eq!(message, next("fast", json!({ "hello": "world" })));
}

#[tokio::test(start_paused = true)]
async fn many_operations_at_once_are_all_answered() {
    let mut client = Client::admitted(WireOptions::default(), 8).await;
    let out = client.out.clone();
    tokio::spawn(async move {
        for number in 0..2_000 {
            let message = subscribe(json!(number.to_string()), json!({ "query": "{ hello }" }));
            out.send(Ok(Frame::Text(message.to_string()))).await.unwrap();
        }
    });
    let (mut completed, mut refused) = (0, 0);
    while completed + refused < 2_000 {
        let message = client.message().await;
        match message["type"].as_str() {
            Some("complete") => completed += 1,
            Some("error") => refused += 1,
            _ => {}
        }
    }
    assert!(completed >= 100, "{completed}");
}
