//! What users who are not in a session can learn about it.

use super::*;

// Access.

async fn is_told_of_removal(stream: &mut GraphqlEvents, field: &str) {
    let removed = stream.next().await.unwrap();
    assert_eq!(removed["data"][field]["__typename"], "ParticipantRemoved", "{removed}");
}

on_every_store! {
    async fn who_is_removed_is_told_that_and_no_more(server) {
        let a = server.graphql("a");
        let (rest, _) = (server.client("a").await, server.client("b").await);
        let (id, other) = (rest.session("INVITE_ONLY").await, rest.session("INVITE_ONLY").await);
        let add = "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"b\" }) { participant { role } } }";
        for id in [&id, &other] {
            a.data(add, json!({ "id": id })).await;
        }
        let mut socket = server.graphql_socket("b").await;
        socket.subscribe("one", EVENTS, json!({ "id": id })).await;
        assert_eq!(socket.next("one").await["data"]["sessionEvents"]["after"], 2);
        socket.subscribe("other", EVENTS, json!({ "id": other })).await;
        socket.next("other").await;
        let b = server.graphql("b");
        let mut one = GraphqlEvents::open(b.stream(EVENTS, json!({ "id": id }))).await.unwrap();
        one.next().await.unwrap();
        let mut all = GraphqlEvents::open(b.stream(ALL_EVENTS, json!({}))).await.unwrap();
        for _ in 0..2 {
            assert_eq!(all.next().await.unwrap()["data"]["allSessionEvents"]["__typename"], "Subscribed");
        }

        let remove = "mutation($id: ID!) { removeParticipant(input: { sessionId: $id, userId: \"b\" }) { userId } }";
        a.data(remove, json!({ "id": id })).await;
        a.data(SEND, json!({ "id": id, "text": "without b" })).await;
        let removed = json!({ "data": { "sessionEvents": { "__typename": "ParticipantRemoved", "seq": 3 } } });
        assert_eq!(socket.next("one").await, removed);
        socket.completed("one").await;
        assert_eq!(one.next().await, Some(removed));
        assert_eq!(one.next().await, None);
        one.ended().await;
        is_told_of_removal(&mut all, "allSessionEvents").await;

        // The socket and the other subscriptions stay.
        a.data(SEND, json!({ "id": other, "text": "with b" })).await;
        assert_eq!(socket.next("other").await["data"]["sessionEvents"]["message"]["content"], "with b");
        let told = all.next().await.unwrap();
        assert_eq!(told["data"]["allSessionEvents"]["message"]["content"], "with b");
        socket.subscribe("one", EVENTS, json!({ "id": id })).await;
        assert_eq!(socket.failed("one").await, ["SESSION_NOT_FOUND"]);
        let written = socket.ask(SEND, json!({ "id": id })).await;
        assert_eq!(codes(&written["errors"]), ["SESSION_NOT_FOUND"]);
        let head = "query($id: ID!) { events(sessionId: $id) { head } }";
        assert_eq!(a.data(head, json!({ "id": id })).await["events"]["head"], 4);
    }

    async fn a_hidden_session_is_like_one_that_never_was(server) {
        let (a, known) = (server.client("a").await, server.client("b").await);
        let deleted = a.session("PUBLIC").await;
        a.say(&deleted, "hidden").await;
        a.delete(&format!("/sessions/{deleted}")).await.expect(204);
        let (removed, left) = (a.session("INVITE_ONLY").await, a.session("INVITE_ONLY").await);
        for id in [&removed, &left] {
            a.say(id, "hidden").await;
            a.post(&format!("/sessions/{id}/participants"), json!({ "user_id": "b" })).await.expect(201);
        }
        a.delete(&format!("/sessions/{removed}/participants/b")).await.expect(200);
        known.post(&format!("/sessions/{left}/leave"), json!({})).await.expect(200);
        let hidden = [a.session("PRIVATE").await, a.session("INVITE_ONLY").await, deleted, removed, left];
        for id in &hidden[..2] {
            a.say(id, "hidden").await;
        }
        let b = server.graphql("b");
        let mut socket = server.graphql_socket("b").await;
        let fields = fields_that_name_a_session();
        let named: BTreeSet<&str> = fields.iter().map(|(field, _)| *field).collect();
        assert_eq!(named, every_field(&b).await, "a field is not looked at here");
        for (_, query) in fields {
            let ask = async |id: &str| {
                let session_id: SessionId = id.parse().unwrap();
                let message = MessageId { session_id, seq: 2 }.to_string();
                let variables = json!({ "id": id, "message": message });
                let same = |text: &str| text.replace(id, "ID").replace(&message, "MESSAGE");
                let answer = b.ask(query, variables.clone()).await;
                assert_eq!(answer.status, if query.starts_with("subscription") { 406 } else { 200 }, "{}", answer.text);
                same(&answer.text)
            };
            let never = ask(NOWHERE).await;
            if !query.starts_with("subscription") {
                let answer: Value = serde_json::from_str(&never).unwrap();
                let known = ["SESSION_NOT_FOUND", "MESSAGE_NOT_FOUND"];
                assert!(codes(&answer["errors"]).iter().all(|code| known.contains(code)), "{query}: {answer}");
                assert!(answer["errors"].as_array().unwrap().iter().all(|error| error["extensions"]["details"] == json!({})));
            }
            for id in &hidden {
                assert_eq!(ask(id).await, never, "{query}");
            }
            // As subscriptions are meant, and what else is asked so.
            let mut follow = async |id: &str| {
                let session_id: SessionId = id.parse().unwrap();
                let message = MessageId { session_id, seq: 2 }.to_string();
                let variables = json!({ "id": id, "message": message });
                let same = |text: &str| text.replace(id, "ID").replace(&message, "MESSAGE");
                socket.subscribe("s", query, variables.clone()).await;
                let told = same(&socket.message().await.to_string());
                socket.complete("s").await;
                socket.send(json!({ "type": "ping" })).await;
                while socket.message().await["type"] != "pong" {}
                let mut events = GraphqlEvents::open(b.stream(query, variables)).await.unwrap();
                told + &same(&events.next().await.unwrap().to_string())
            };
            let never = follow(NOWHERE).await;
            assert!(never.contains("NOT_FOUND"), "{query}: {never}");
            for id in &hidden {
                assert_eq!(follow(id).await, never, "{query}");
            }
            until_open(&server, 1).await;
        }
        let lists = "{ sessions { nodes { id } } publicSessions { totalCount nodes { id } } }";
        let none = json!({ "sessions": { "nodes": [] }, "publicSessions": { "totalCount": 0, "nodes": [] } });
        assert_eq!(b.data(lists, json!({})).await, none);
        // Nothing was done.
        for id in &hidden[..2] {
            let session = a.get(&format!("/sessions/{id}")).await.expect(200);
            assert_eq!((&session["seq"], &session["title"]), (&json!(2), &json!("A room")));
        }
    }
}

/// Each field that takes the id of a session or of a message, in every way that could make a difference.
fn fields_that_name_a_session() -> Vec<(&'static str, &'static str)> {
    vec![
        ("startStreamedMessage", "mutation($id: ID!) { startStreamedMessage(input: { sessionId: $id }) { message { id } } }"),
        (
            "appendToMessage",
            "mutation($message: ID!) { appendToMessage(input: { messageId: $message, offset: 0, text: \"x\" }) { length } }",
        ),
        ("finishMessage", "mutation($message: ID!) { finishMessage(input: { messageId: $message, length: 1 }) { message { id } } }"),
        ("failMessage", "mutation($message: ID!) { failMessage(input: { messageId: $message }) { message { id } } }"),
        ("session", "query($id: ID!) { session(id: $id) { id title owner { id } messages { totalCount } } }"),
        ("node", "query($id: ID!) { node(id: $id) { __typename id } }"),
        ("node", "query($message: ID!) { node(id: $message) { __typename id } }"),
        ("nodes", "query($id: ID!, $message: ID!) { nodes(ids: [$id, $message, $id]) { id } }"),
        ("participants", "query($id: ID!) { participants(sessionId: $id) { nodes { id } } }"),
        (
            "participants",
            "query($id: ID!) { participants(sessionId: $id, first: 1, includeEmail: true) { nodes { user { email } } } }",
        ),
        ("messages", "query($id: ID!) { messages(sessionId: $id) { totalCount nodes { content } } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, last: 1) { totalCount } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, after: \"999\") { totalCount } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, before: \"2020-01-01T00:00:00Z\") { totalCount } }"),
        ("messages", "query($id: ID!) { messages(sessionId: $id, skip: 99) { totalCount } }"),
        ("message", "query($message: ID!) { message(id: $message) { content session { title } } }"),
        ("thread", "query($message: ID!) { thread(messageId: $message) { nodes { content } } }"),
        (
            "forwardMessage",
            "mutation($message: ID!, $id: ID!) { forwardMessage(input: { messageId: $message, to: $id }) { message { content } } }",
        ),
        ("threads", "query($id: ID!) { threads(sessionId: $id) { nodes { content } } }"),
        ("followedThreads", "query($id: ID!) { followedThreads(sessionId: $id) { nodes { message { content } } } }"),
        (
            "followThread",
            "mutation($message: ID!) { followThread(input: { messageId: $message }) { thread { readUpto } } }",
        ),
        (
            "unfollowThread",
            "mutation($message: ID!) { unfollowThread(input: { messageId: $message }) { thread { readUpto } } }",
        ),
        (
            "markThreadRead",
            "mutation($message: ID!) { markThreadRead(input: { messageId: $message }) { thread { readUpto } } }",
        ),
        ("pins", "query($id: ID!) { pins(sessionId: $id) { message { content } } }"),
        (
            "editMessage",
            "mutation($message: ID!) { editMessage(input: { messageId: $message, content: \"x\" }) { message { content } } }",
        ),
        (
            "editMessage",
            "mutation($message: ID!) { editMessage(input: { messageId: $message, content: \"x\", revision: 9 }) { message { id } } }",
        ),
        (
            "deleteMessage",
            "mutation($message: ID!) { deleteMessage(input: { messageId: $message }) { message { content } } }",
        ),
        ("pinMessage", "mutation($message: ID!) { pinMessage(input: { messageId: $message }) { messageId } }"),
        ("unpinMessage", "mutation($message: ID!) { unpinMessage(input: { messageId: $message }) { messageId } }"),
        ("draft", "query($id: ID!) { draft(sessionId: $id) { updatedAt } }"),
        (
            "setDraft",
            "mutation($id: ID!) { setDraft(input: { sessionId: $id, content: \"x\" }) { draft { updatedAt } } }",
        ),
        ("deleteDraft", "mutation($id: ID!) { deleteDraft(input: { sessionId: $id }) { sessionId } }"),
        (
            "scheduleMessage",
            format!(
                "mutation($id: ID!) {{ scheduleMessage(input: {{ sessionId: $id, content: \"x\", sendAt: \"{}T00:00:00Z\" }}) \
                {{ scheduledMessage {{ id }} }} }}",
                chrono::Utc::now().date_naive() + chrono::Days::new(2)
            )
            .leak(),
        ),
        (
            "addReaction",
            "mutation($message: ID!) { addReaction(input: { messageId: $message, emoji: \"\u{1f44d}\" }) { messageId } }",
        ),
        (
            "removeReaction",
            "mutation($message: ID!) { removeReaction(input: { messageId: $message, emoji: \"\u{1f44d}\" }) { messageId } }",
        ),
        (
            "reactors",
            "query($message: ID!) { reactors(messageId: $message, emoji: \"\u{1f44d}\") { nodes { user { id } } } }",
        ),
        ("events", "query($id: ID!) { events(sessionId: $id) { head } }"),
        ("events", "query($id: ID!) { events(sessionId: $id, after: \"1\") { head } }"),
        ("events", "query($id: ID!) { events(sessionId: $id, after: \"999\") { head } }"),
        (
            "updateSession",
            "mutation($id: ID!) { updateSession(input: { sessionId: $id, title: \"x\" }) { session { id } } }",
        ),
        (
            "updateSession",
            "mutation($id: ID!) { updateSession(input: { sessionId: $id, maxParticipants: 1, sessionType: PUBLIC }) { session { id } } }",
        ),
        ("deleteSession", "mutation($id: ID!) { deleteSession(input: { sessionId: $id }) { sessionId } }"),
        ("archiveSession", "mutation($id: ID!) { archiveSession(input: { sessionId: $id }) { sessionId } }"),
        ("unarchiveSession", "mutation($id: ID!) { unarchiveSession(input: { sessionId: $id }) { sessionId } }"),
        ("restoreSession", "mutation($id: ID!) { restoreSession(input: { sessionId: $id }) { sessionId } }"),
        ("joinSession", "mutation($id: ID!) { joinSession(input: { sessionId: $id }) { session { title } } }"),
        ("leaveSession", "mutation($id: ID!) { leaveSession(input: { sessionId: $id }) { sessionId } }"),
        (
            "addParticipant",
            "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"b\" }) { session { title } } }",
        ),
        (
            "addParticipant",
            "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"a\", role: OWNER }) { session { title } } }",
        ),
        (
            "addParticipant",
            "mutation($id: ID!) { addParticipant(input: { sessionId: $id, userId: \"nobody\" }) { session { title } } }",
        ),
        ("createInvite", "mutation($id: ID!) { createInvite(input: { sessionId: $id }) { createdInvite { code } } }"),
        (
            "createInvite",
            "mutation($id: ID!) { createInvite(input: { sessionId: $id, role: OWNER }) { createdInvite { code } } }",
        ),
        ("invites", "query($id: ID!) { invites(sessionId: $id) { nodes { id } } }"),
        (
            "revokeInvite",
            "mutation($id: ID!) { revokeInvite(input: { sessionId: $id, inviteId: \"01890a5d-ac96-774b-bcce-b302099a8057\" }) { inviteId } }",
        ),
        ("incomingWebhooks", "query($id: ID!) { incomingWebhooks(sessionId: $id) { name } }"),
        (
            "createIncomingWebhook",
            "mutation($id: ID!) { createIncomingWebhook(input: { sessionId: $id, name: \"x\" }) { createdIncomingWebhook { token } } }",
        ),
        (
            "updateIncomingWebhook",
            "mutation($id: ID!) { updateIncomingWebhook(input: { sessionId: $id, webhookId: \"01890a5d-ac96-774b-bcce-b302099a8057\", name: \"x\" }) { incomingWebhook { id } } }",
        ),
        (
            "deleteIncomingWebhook",
            "mutation($id: ID!) { deleteIncomingWebhook(input: { sessionId: $id, webhookId: \"01890a5d-ac96-774b-bcce-b302099a8057\" }) { webhookId } }",
        ),
        ("heldMessages", "query($id: ID!) { heldMessages(sessionId: $id) { nodes { content } } }"),
        (
            "approveMessage",
            "mutation($id: ID!) { approveMessage(input: { sessionId: $id, heldId: \"01890a5d-ac96-774b-bcce-b302099a8057\" }) { message { id } } }",
        ),
        (
            "rejectMessage",
            "mutation($id: ID!) { rejectMessage(input: { sessionId: $id, heldId: \"01890a5d-ac96-774b-bcce-b302099a8057\" }) { heldId } }",
        ),
        ("joinRequests", "query($id: ID!) { joinRequests(sessionId: $id) { nodes { text } } }"),
        (
            "approveJoinRequest",
            "mutation($id: ID!) { approveJoinRequest(input: { sessionId: $id, userId: \"a\" }) { session { title } } }",
        ),
        (
            "declineJoinRequest",
            "mutation($id: ID!) { declineJoinRequest(input: { sessionId: $id, userId: \"nobody\" }) { userId } }",
        ),
        (
            "changeRole",
            "mutation($id: ID!) { changeRole(input: { sessionId: $id, userId: \"a\", role: MEMBER }) { participant { id } } }",
        ),
        (
            "changeRole",
            "mutation($id: ID!) { changeRole(input: { sessionId: $id, userId: \"nobody\", role: OWNER }) { participant { id } } }",
        ),
        (
            "setParticipantMetadata",
            "mutation($id: ID!) { setParticipantMetadata(input: { sessionId: $id, userId: \"a\", metadata: {} }) { participant { id } } }",
        ),
        (
            "setParticipantMetadata",
            "mutation($id: ID!) { setParticipantMetadata(input: { sessionId: $id, userId: \"nobody\", metadata: null }) { participant { id } } }",
        ),
        ("commands", "query($id: ID!) { commands(sessionId: $id) { name } }"),
        (
            "invokeCommand",
            "mutation($id: ID!) { invokeCommand(input: { sessionId: $id, name: \"deploy\" }) { message { id } } }",
        ),
        ("emojis", "query($id: ID!) { emojis(sessionId: $id) { name } }"),
        ("addEmoji", "mutation($id: ID!) { addEmoji(input: { sessionId: $id, name: \"party\" }) { sessionId } }"),
        ("removeEmoji", "mutation($id: ID!) { removeEmoji(input: { sessionId: $id, name: \"party\" }) { sessionId } }"),
        (
            "removeParticipant",
            "mutation($id: ID!) { removeParticipant(input: { sessionId: $id, userId: \"a\" }) { userId } }",
        ),
        (
            "removeParticipant",
            "mutation($id: ID!) { removeParticipant(input: { sessionId: $id, userId: \"nobody\" }) { userId } }",
        ),
        (
            "banParticipant",
            "mutation($id: ID!) { banParticipant(input: { sessionId: $id, userId: \"a\" }) { userId } }",
        ),
        (
            "banParticipant",
            "mutation($id: ID!) { banParticipant(input: { sessionId: $id, userId: \"b\", until: \"2999-01-01T00:00:00Z\" }) { userId } }",
        ),
        (
            "unbanParticipant",
            "mutation($id: ID!) { unbanParticipant(input: { sessionId: $id, userId: \"b\" }) { userId } }",
        ),
        ("bans", "query($id: ID!) { bans(sessionId: $id) { nodes { user { id } } } }"),
        (
            "reportMessage",
            "mutation($message: ID!) { reportMessage(input: { messageId: $message, reason: SPAM }) { report { id } } }",
        ),
        (
            "reportParticipant",
            "mutation($id: ID!) { reportParticipant(input: { sessionId: $id, userId: \"a\", reason: SPAM }) { report { id } } }",
        ),
        (
            "resolveReport",
            "mutation($id: ID!) { resolveReport(input: { sessionId: $id,
                reportId: \"01890a5d-ac96-774b-bcce-b302099a8057\", state: RESOLVED }) { report { id } } }",
        ),
        ("reports", "query($id: ID!) { reports(sessionId: $id) { nodes { id } } }"),
        ("moderationLog", "query($id: ID!) { moderationLog(sessionId: $id) { nodes { id } } }"),
        (
            "deleteMessagesOf",
            "mutation($id: ID!) { deleteMessagesOf(input: { sessionId: $id, userId: \"a\" }) { deletion { deleted } } }",
        ),
        (
            "muteParticipant",
            "mutation($id: ID!) { muteParticipant(input: { sessionId: $id, userId: \"a\" }) { userId } }",
        ),
        (
            "unmuteParticipant",
            "mutation($id: ID!) { unmuteParticipant(input: { sessionId: $id, userId: \"b\" }) { userId } }",
        ),
        (
            "transferOwnership",
            "mutation($id: ID!) { transferOwnership(input: { sessionId: $id, userId: \"b\" }) { participant { id } } }",
        ),
        (
            "sendMessage",
            "mutation($id: ID!) { sendMessage(input: { sessionId: $id, content: \"x\" }) { message { session { title } } } }",
        ),
        (
            "sendMessage",
            "mutation($id: ID!) { sendMessage(input: { sessionId: $id, content: \"x\", clientId: \"k\" }) { message { id } } }",
        ),
        ("markRead", "mutation($id: ID!) { markRead(input: { sessionId: $id, seq: 1 }) { state { readUpto } } }"),
        (
            "markRead",
            "mutation($id: ID!, $message: ID!) { markRead(input: { sessionId: $id, messageId: $message }) { state { readUpto } } }",
        ),
        (
            "markUnreadFrom",
            "mutation($message: ID!) { markUnreadFrom(input: { messageId: $message }) { state { readUpto } } }",
        ),
        (
            "acknowledgeDelivery",
            "mutation($id: ID!) { acknowledgeDelivery(input: { sessionId: $id, seq: 1 }) { state { deliveredUpto } } }",
        ),
        ("messageReceipts", "query($message: ID!) { messageReceipts(messageId: $message) { nodes { read } } }"),
        ("messageDelivery", "query($message: ID!) { messageDelivery(messageId: $message) { status } }"),
        (
            "setPreferences",
            "mutation($id: ID!) { setPreferences(input: { sessionId: $id, isMuted: true }) { preferences { isMuted } } }",
        ),
        ("setTyping", "mutation($id: ID!) { setTyping(input: { sessionId: $id, isTyping: true }) { isTyping } }"),
        ("presence", "query($id: ID!) { presence(sessionId: $id) { nodes { status user { id } } } }"),
        ("presence", "query($id: ID!) { presence(sessionId: $id, first: 1) { edges { cursor } } }"),
        ("sessionEvents", "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } }"),
        ("sessionEvents", "subscription($id: ID!) { sessionEvents(sessionId: $id, presence: true) { __typename } }"),
        ("sessionEvents", "subscription($id: ID!) { sessionEvents(sessionId: $id, after: 0) { __typename } }"),
        ("sessionEvents", "subscription($id: ID!) { sessionEvents(sessionId: $id, after: 999) { __typename } }"),
        (
            "allSessionEvents",
            "subscription($id: ID!) { allSessionEvents(after: [{ sessionId: $id, seq: 1 }]) {
                __typename ... on SubscriptionEnded { sessionId code detail } } }",
        ),
        (
            "allSessionEvents",
            "subscription($id: ID!) { allSessionEvents(after: [{ sessionId: $id, seq: 999 }]) {
                __typename ... on SubscriptionEnded { sessionId code detail } } }",
        ),
    ]
}

/// The root fields of the schema, but for those that name nothing.
async fn every_field(client: &Graphql) -> BTreeSet<&'static str> {
    let roots = "{ __schema { queryType { fields { name } } mutationType { fields { name } } subscriptionType { fields { name } } } }";
    let schema = client.data(roots, json!({})).await;
    let names = ["queryType", "mutationType", "subscriptionType"].into_iter().flat_map(|root| {
        let fields = schema["__schema"][root]["fields"].as_array().unwrap().clone();
        fields.into_iter().map(|field| field["name"].as_str().unwrap().to_owned())
    });
    let plain = [
        "me",
        "mentions",
        "sessions",
        "publicSessions",
        "deletedSessions",
        "createSession",
        "previewInvite",
        "joinByInvite",
        "postToIncomingWebhook",
        "requestToJoin",
        "withdrawJoinRequest",
        "ownJoinRequests",
        "startDirect",
        "startGroup",
        "markAllRead",
        "ownPresence",
        "userPresence",
        "setPresence",
        "userSettings",
        "setUserSettings",
        "bots",
        "botTokens",
        "createBot",
        "deleteBot",
        "createBotToken",
        "revokeBotToken",
        "setCommands",
        "blockUser",
        "unblockUser",
        "blocks",
        "drafts",
        "scheduledMessages",
        "cancelScheduledMessage",
    ];
    names.filter(|name| !plain.contains(&&**name)).map(|name| &*name.leak()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_to_a_public_session_is_told_that_and_nothing_of_it() {
    let server = Server::start(Backend::Memory).await;
    let mut witness = Witness::of(&server).await;
    let b = server.graphql("b");
    let session_id: SessionId = witness.id.parse().unwrap();
    let message = MessageId { session_id, seq: 3 }.to_string();
    witness.untouched().await;
    for (field, query) in fields_that_name_a_session() {
        if ["joinSession", "sessionEvents", "allSessionEvents"].contains(&field) {
            continue;
        }
        let answer = b.ask(query, json!({ "id": witness.id, "message": message })).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert!(!answer.text.contains("A room") && !answer.text.contains("still here"), "{query}: {}", answer.text);
        for error in answer.body["errors"].as_array().unwrap() {
            assert_eq!(error["extensions"]["code"], "SESSION_ACCESS_DENIED", "{query}: {}", answer.text);
            assert_eq!(error["extensions"]["details"], json!({}));
        }
    }
    witness.untouched().await;
}
