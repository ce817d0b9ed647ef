//! No answer tells the cause of a failure.

use super::{
    yielding::{CAUSE, Fault},
    *,
};

#[track_caller]
fn assert_untold(text: &str, what: &str) {
    assert!(!text.contains(CAUSE) && !text.contains("730411") && !text.contains("/var/lib"), "{what}: {text}");
}

#[tokio::test]
async fn no_answer_of_an_operation_tells_the_cause_of_a_failure() {
    let world = World::new();
    let app = world.app();
    let id = world.session("a", SessionType::Public).await;
    let mut failed = 0;
    for operation in world.operations() {
        let ways: &[&str] = if operation.id == "listEvents" { &["*/*", "text/event-stream"] } else { &["*/*"] };
        for (accept, fault) in ways.iter().flat_map(|accept| Fault::ALL.map(|fault| (accept, fault))) {
            let body = operation.body();
            let body = operation.has_body.then_some(&body);
            world.store.fail(Some(fault));
            // A caller of whom nothing is known from before.
            let (status, headers, text) =
                ask(&app, &format!("n{failed}"), &operation.method, &operation.at(id, "a"), accept, body).await;
            world.store.fail(None);
            assert_untold(&format!("{headers:?} {text}"), &operation.id);
            failed += usize::from(status >= 500);
        }
    }
    assert!(failed > 50, "{failed}");
}

#[tokio::test]
async fn no_frame_tells_the_cause_of_a_failure() {
    let world = World::new();
    let address = world.serve().await;
    let id = world.session("a", SessionType::Public).await;
    let mut failed = 0;
    for (frame, fault) in frames().iter().flat_map(|frame| Fault::ALL.map(|fault| (frame, fault))) {
        let mut socket = Socket::open(address, "a").await;
        // The handshake is over once there is an answer.
        socket.ask("leave_session", &json!({ "session_id": id })).await;
        world.store.fail(Some(fault));
        let answer = socket.ask(frame, &data(frame, id)).await;
        world.store.fail(None);
        assert_untold(&answer.to_string(), frame);
        let code = answer["data"]["code"].as_str().unwrap_or_default();
        failed += usize::from(["INTERNAL_ERROR", "SERVICE_UNAVAILABLE"].contains(&code));
    }
    assert!(failed > 15, "{failed}");
}
