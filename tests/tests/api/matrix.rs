//! Every cell of the permission matrix, through REST, and through the WebSocket where a frame expresses it: the answer is
//! the engine's, and what is denied changes nothing.

use std::collections::{HashMap, HashSet};

use chatcore::{
    Code, SystemClock,
    model::{MessageId, ParticipantRole, SessionId, SessionType, Standing, UserId},
    permission::{Action, ActionKind, Denial, Facts, SessionState, decide},
};
use chatcore_tests::{Client, Events, Reply, Server, Socket, Template, on_every_store};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

/// Sessions with one of each: the users are called by what they are.
struct Rooms<'a> {
    server: &'a Server,
    session_type: SessionType,
    template: Template,
    /// The position of one message of each user who was ever in it, by user.
    messages: HashMap<&'static str, u64>,
}

/// One of them.
struct Room<'a> {
    rooms: &'a Rooms<'a>,
    id: SessionId,
}

const CAP: u32 = 20;

fn standing(user: &str) -> Standing {
    match user {
        "owner" => Standing::Active(ParticipantRole::Owner),
        "admin" | "admin2" => Standing::Active(ParticipantRole::Admin),
        "member" | "member2" => Standing::Active(ParticipantRole::Member),
        "viewer" | "viewer2" => Standing::Active(ParticipantRole::Viewer),
        "former" => Standing::Former(ParticipantRole::Member),
        "stranger" => Standing::Stranger,
        other => panic!("{other}"),
    }
}

/// Who is in it besides the owner.
fn others(session_type: SessionType) -> &'static [&'static str] {
    match session_type {
        SessionType::Public | SessionType::InviteOnly => &["admin", "admin2", "member", "member2", "viewer", "viewer2"],
        SessionType::Private | SessionType::Direct => &[],
    }
}

impl<'a> Rooms<'a> {
    /// Makes one through REST, of which all are copies.
    async fn new(server: &'a Server, session_type: SessionType) -> Self {
        let owner = server.client("owner").await;
        let body = json!({ "title": "x", "session_type": "INVITE_ONLY", "max_participants": CAP });
        let id = owner.post("/sessions", body).await.expect(201)["id"].as_str().unwrap().to_owned();
        let path = format!("/sessions/{id}");
        let mut messages = HashMap::new();
        let say = async |user: &str| {
            let sent = server.client(user).await.post(&format!("{path}/messages"), json!({ "content": "x" })).await;
            sent.expect(201)["seq"].as_u64().unwrap()
        };
        messages.insert("owner", say("owner").await);
        for user in others(session_type).iter().copied().chain(["former"]) {
            owner.post(&format!("{path}/invite"), json!({ "user_id": user })).await.expect(201);
            messages.insert(user, say(user).await);
            if let Standing::Active(role @ (ParticipantRole::Admin | ParticipantRole::Viewer)) = standing(user) {
                owner.put(&format!("{path}/participants/{user}/role"), json!({ "role": role })).await.expect(200);
            }
        }
        owner.delete(&format!("{path}/participants/former")).await.expect(200);
        owner.put(&path, json!({ "session_type": session_type })).await.expect(200);
        let users = PEOPLE.map(|name| UserId::new(name).unwrap());
        let template = Template::of(server.store(), id.parse().unwrap(), &users).await;
        Self { server, session_type, template, messages }
    }

    async fn one(&self) -> Room<'_> {
        let (id, _) = self.template.copy(self.server.store(), &SystemClock, None).await;
        Room { rooms: self, id }
    }

    fn facts(&self, actor: &str, target: Option<&str>) -> Facts {
        let participant_count = 1 + u32::try_from(others(self.session_type).len()).unwrap();
        let session_type = self.session_type;
        let session = SessionState {
            session_type,
            is_active: true,
            is_archived: false,
            is_restorable: false,
            participant_count,
            max_participants: CAP,
        };
        Facts { session: Some(session), actor: Some(standing(actor)), target: target.map(standing), muted: None }
    }
}

impl Room<'_> {
    async fn snapshot(&self) -> Value {
        self.rooms.server.client("owner").await.get(&format!("/sessions/{}", self.id)).await.expect(200)
    }

    /// The path of the message of a user, or of the owner where the user has none.
    fn message(&self, user: &str) -> String {
        let messages = &self.rooms.messages;
        let seq = *messages.get(user).unwrap_or(&messages["owner"]);
        format!("/messages/{}", MessageId { session_id: self.id, seq })
    }

    async fn act(&self, client: &Client, actor: &str, action: Action, target: Option<&str>) -> Reply {
        let another = if actor == "owner" { "former" } else { "owner" };
        let edit = json!({ "content": "edited" });
        let metadata = || json!({ "metadata": { "a": 1 } });
        let target = target.unwrap_or_default();
        let (method, path, body) = match action {
            Action::View => (Method::GET, String::new(), Value::Null),
            Action::Send => (Method::POST, "/messages".into(), json!({ "content": "x" })),
            Action::MentionEverybody => {
                (Method::POST, "/messages".into(), json!({ "content": "x", "mentions_everybody": true }))
            }
            Action::EditMessage { own: true } => (Method::PUT, self.message(actor), edit),
            Action::EditMessage { own: false } => (Method::PUT, self.message(another), edit),
            Action::ContinueMessage { own: false } => (Method::POST, self.message(another) + "/fail", json!({})),
            Action::ContinueMessage { own: true } => panic!("a copy of a room has no message that is being written"),
            Action::DeleteOwnMessage => (Method::DELETE, self.message(actor), Value::Null),
            Action::DeleteMessage => (Method::DELETE, self.message(another), Value::Null),
            Action::DeleteMessagesOf => (Method::DELETE, format!("/participants/{target}/messages"), Value::Null),
            Action::ReportMessage { own } => {
                let reported = self.message(if own { actor } else { another });
                (Method::POST, reported + "/reports", json!({ "reason": "SPAM" }))
            }
            Action::ReportParticipant { own } => {
                let reported = if own { actor } else { target };
                (Method::POST, format!("/participants/{reported}/reports"), json!({ "reason": "SPAM" }))
            }
            Action::ManageReports => (Method::GET, "/reports".into(), Value::Null),
            Action::ViewModerationLog => (Method::GET, "/moderation-log".into(), Value::Null),
            Action::ViewRevisions => (Method::GET, self.message(another) + "/revisions", Value::Null),
            Action::PinMessage => (Method::PUT, self.message(another) + "/pin", Value::Null),
            Action::React => (Method::PUT, self.message(another) + "/reactions/%F0%9F%91%8D", Value::Null),
            Action::ManageEmojis => (Method::PUT, "/emojis/party".into(), json!({})),
            Action::Update { session_type, max_participants } => {
                let mut body = json!({ "title": "changed" });
                if let Some(session_type) = session_type {
                    body["session_type"] = json!(session_type);
                }
                if let Some(cap) = max_participants {
                    body["max_participants"] = json!(cap);
                }
                (Method::PUT, String::new(), body)
            }
            Action::Delete => (Method::DELETE, String::new(), Value::Null),
            Action::Invite { role } => (Method::POST, "/invite".into(), json!({ "user_id": target, "role": role })),
            Action::CreateInvite { role } => (Method::POST, "/invites".into(), json!({ "role": role })),
            Action::ManageInvites => (Method::GET, "/invites".into(), Value::Null),
            Action::ManageWebhooks => (Method::GET, "/incoming-webhooks".into(), Value::Null),
            Action::AnswerJoinRequests => (Method::GET, "/join-requests".into(), Value::Null),
            Action::ReviewMessages => (Method::GET, "/held-messages".into(), Value::Null),
            Action::JoinByInvite => panic!("a copy of a room has no invites, so this is not among the cells"),
            Action::Remove => (Method::DELETE, format!("/participants/{target}"), Value::Null),
            Action::ChangeRole { role } => {
                (Method::PUT, format!("/participants/{target}/role"), json!({ "role": role }))
            }
            Action::Ban => (Method::PUT, format!("/bans/{target}"), json!({})),
            Action::ManageBans => (Method::GET, "/bans".into(), Value::Null),
            Action::Mute => (Method::PUT, format!("/participants/{target}/mute"), json!({})),
            Action::Unmute { own: false } => (Method::DELETE, format!("/participants/{target}/mute"), Value::Null),
            Action::Unmute { own: true } => (Method::DELETE, format!("/participants/{actor}/mute"), Value::Null),
            Action::SetOwnMetadata => (Method::PUT, format!("/participants/{actor}/metadata"), metadata()),
            Action::SetMetadata => (Method::PUT, format!("/participants/{target}/metadata"), metadata()),
            Action::Archive => (Method::PUT, "/archive".into(), Value::Null),
            Action::Restore => (Method::POST, "/restore".into(), Value::Null),
            Action::Transfer => (Method::PUT, format!("/participants/{target}/owner"), Value::Null),
            Action::Leave => (Method::POST, "/leave".into(), json!({})),
            Action::Join => (Method::POST, "/join".into(), json!({})),
        };
        let mut request = client.request(method, &format!("/sessions/{}{path}", self.id));
        if !body.is_null() {
            request = request.json(&body);
        }
        client.send(request).await
    }
}

impl Room<'_> {
    /// The frame by which a WebSocket expresses an action; `None` where it has none.
    fn frame(&self, actor: &str, action: Action, target: Option<&str>) -> Option<(&'static str, Value)> {
        let another = if actor == "owner" { "former" } else { "owner" };
        let of = |user: &str| {
            let path = self.message(user);
            json!({ "message_id": path.strip_prefix("/messages/").unwrap() })
        };
        let here = || json!({ "session_id": self.id });
        let whom = |own: bool| if own { actor } else { target.unwrap_or_default() };
        let (name, mut data, input) = match action {
            Action::View => ("join_session", here(), json!({})),
            Action::Send => ("send_message", here(), json!({ "content": "x" })),
            Action::MentionEverybody => ("send_message", here(), json!({ "content": "x", "mentions_everybody": true })),
            Action::EditMessage { own } => {
                ("edit_message", of(if own { actor } else { another }), json!({ "content": "edited" }))
            }
            Action::ContinueMessage { own } => ("fail_message", of(if own { actor } else { another }), json!({})),
            Action::DeleteOwnMessage => ("delete_message", of(actor), json!({})),
            Action::DeleteMessage => ("delete_message", of(another), json!({})),
            Action::ReportMessage { own } => {
                ("report_message", of(if own { actor } else { another }), json!({ "reason": "SPAM" }))
            }
            Action::ReportParticipant { own } => {
                ("report_participant", here(), json!({ "user_id": whom(own), "reason": "SPAM" }))
            }
            Action::PinMessage => ("pin_message", of(another), json!({})),
            Action::React => ("add_reaction", of(another), json!({ "emoji": "\u{1f44d}" })),
            Action::SetOwnMetadata => {
                ("set_participant_metadata", here(), json!({ "user_id": whom(true), "metadata": { "a": 1 } }))
            }
            Action::SetMetadata => {
                ("set_participant_metadata", here(), json!({ "user_id": whom(false), "metadata": { "a": 1 } }))
            }
            Action::DeleteMessagesOf
            | Action::ManageReports
            | Action::ViewModerationLog
            | Action::ViewRevisions
            | Action::ReviewMessages
            | Action::ManageEmojis
            | Action::Update { .. }
            | Action::Delete
            | Action::Invite { .. }
            | Action::CreateInvite { .. }
            | Action::ManageInvites
            | Action::ManageWebhooks
            | Action::AnswerJoinRequests
            | Action::JoinByInvite
            | Action::Remove
            | Action::ChangeRole { .. }
            | Action::Ban
            | Action::ManageBans
            | Action::Mute
            | Action::Unmute { .. }
            | Action::Archive
            | Action::Restore
            | Action::Transfer
            | Action::Leave
            | Action::Join => return None,
        };
        data.as_object_mut().unwrap().extend(input.as_object().unwrap().clone());
        Some((name, data))
    }
}

/// What no cell tries, since a copy of a room has neither an invite nor a message that is being written.
const ELSEWHERE: [Action; 2] = [Action::JoinByInvite, Action::ContinueMessage { own: true }];

#[test]
fn every_action_is_in_a_cell() {
    let tried: HashSet<Action> = cells().into_iter().map(|(action, _)| action).collect();
    let kinds: HashSet<ActionKind> = tried.iter().chain(&ELSEWHERE).map(|action| action.kind()).collect();
    for kind in ActionKind::ALL {
        assert!(kinds.contains(&kind), "{kind:?} is neither in a cell nor among those of elsewhere");
    }
    for action in &tried {
        let other = match *action {
            Action::EditMessage { own } => Action::EditMessage { own: !own },
            Action::ContinueMessage { own } => Action::ContinueMessage { own: !own },
            Action::ReportMessage { own } => Action::ReportMessage { own: !own },
            Action::ReportParticipant { own } => Action::ReportParticipant { own: !own },
            Action::Unmute { own } => Action::Unmute { own: !own },
            other => other,
        };
        assert!(tried.contains(&other) != ELSEWHERE.contains(&other), "{other:?}");
    }
}

/// What can be done to whom.
fn cells() -> Vec<(Action, Option<&'static str>)> {
    let targets = ["owner", "admin2", "member2", "viewer2", "former", "stranger"];
    let mut cells = vec![
        (Action::View, None),
        (Action::Send, None),
        (Action::MentionEverybody, None),
        (Action::EditMessage { own: true }, None),
        (Action::EditMessage { own: false }, None),
        (Action::ContinueMessage { own: false }, None),
        (Action::DeleteOwnMessage, None),
        (Action::DeleteMessage, None),
        (Action::ReportMessage { own: true }, None),
        (Action::ReportMessage { own: false }, None),
        (Action::ReportParticipant { own: true }, None),
        (Action::ManageReports, None),
        (Action::ViewModerationLog, None),
        (Action::ViewRevisions, None),
        (Action::PinMessage, None),
        (Action::React, None),
        (Action::ManageEmojis, None),
        (Action::Update { session_type: None, max_participants: None }, None),
        (Action::Update { session_type: Some(SessionType::Private), max_participants: None }, None),
        (Action::Update { session_type: None, max_participants: Some(1) }, None),
        (Action::Archive, None),
        (Action::Restore, None),
        (Action::ManageBans, None),
        (Action::Unmute { own: true }, None),
        (Action::Unmute { own: false }, Some("former")),
        (Action::SetOwnMetadata, None),
        (Action::Leave, None),
        (Action::Join, None),
        (Action::Delete, None),
    ];
    cells.push((Action::ManageInvites, None));
    cells.push((Action::ManageWebhooks, None));
    cells.push((Action::AnswerJoinRequests, None));
    cells.push((Action::ReviewMessages, None));
    cells.extend(ParticipantRole::ALL.map(|role| (Action::CreateInvite { role }, None)));
    for target in targets {
        for action in
            [Action::Remove, Action::Ban, Action::Mute, Action::SetMetadata, Action::Transfer, Action::DeleteMessagesOf]
        {
            cells.push((action, Some(target)));
        }
        cells.push((Action::ReportParticipant { own: false }, Some(target)));
        for role in ParticipantRole::ALL {
            cells.push((Action::Invite { role }, Some(target)));
            cells.push((Action::ChangeRole { role }, Some(target)));
        }
    }
    cells
}

const PEOPLE: [&str; 9] = ["owner", "admin", "admin2", "member", "member2", "viewer", "viewer2", "former", "stranger"];

const ACTORS: [&str; 6] = ["owner", "admin", "member", "viewer", "former", "stranger"];

fn in_room(session_type: SessionType, user: &str) -> bool {
    matches!(user, "owner" | "former" | "stranger") || others(session_type).contains(&user)
}

fn actors(session_type: SessionType) -> impl Iterator<Item = &'static str> {
    ACTORS.into_iter().filter(move |user| in_room(session_type, user))
}

async fn introduce_everybody(server: &Server) {
    for user in PEOPLE {
        server.client(user).await;
    }
}

const TYPES: [SessionType; 3] = [SessionType::Public, SessionType::InviteOnly, SessionType::Private];

/// The code of a denial: a message's id must not tell whether there is such a session.
fn refusal(action: Action, denial: Denial) -> Code {
    let is_of_message = matches!(
        action,
        Action::EditMessage { .. }
            | Action::ContinueMessage { .. }
            | Action::DeleteOwnMessage
            | Action::DeleteMessage
            | Action::ViewRevisions
            | Action::ReportMessage { .. }
            | Action::PinMessage
            | Action::React
    );
    if is_of_message && denial == Denial::Hidden { Code::MessageNotFound } else { denial.code() }
}

/// Whether a cell is one: the table knows nothing of identity, and the target must be there.
fn is_cell(session_type: SessionType, actor: &str, action: Action, target: Option<&str>) -> bool {
    let is_of_self = action == Action::ReportParticipant { own: false } && target == Some(actor);
    !is_of_self && target.is_none_or(|target| in_room(session_type, target))
}

/// Tries every cell of an actor: what is denied in the one room, where nothing may come of it, and what is allowed in a room of
/// its own. Gives how many were allowed and denied.
async fn every_cell_of(actor: &str, common: &Room<'_>, before: &Value) -> (usize, usize) {
    let rooms = common.rooms;
    let session_type = rooms.session_type;
    let client = rooms.server.client(actor).await;
    let (mut allowed, mut denied) = (0, 0);
    for (action, target) in
        cells().into_iter().filter(|(action, target)| is_cell(session_type, actor, *action, *target))
    {
        let cell = format!("{session_type} {actor} {action:?} {target:?}");
        match decide(&rooms.facts(actor, target), action) {
            Ok(()) => {
                let own = rooms.one().await;
                let reply = own.act(&client, actor, action, target).await;
                assert!(reply.status < 300, "{cell}: {:?}", reply.body);
                allowed += 1;
            }
            Err(denial) => {
                let reply = common.act(&client, actor, action, target).await;
                let code = refusal(action, denial);
                assert_eq!(reply.body["code"], code.as_str(), "{cell}");
                assert_eq!(reply.status, code.status(), "{cell}");
                denied += 1;
            }
        }
    }
    // Every change adds to the log, whose end is part of it: so nothing that was done and undone goes unnoticed.
    assert_eq!(common.snapshot().await, *before, "{session_type} {actor}: something that was denied was done");
    (allowed, denied)
}

on_every_store! {
    async fn every_cell_through_rest(server) {
        introduce_everybody(&server).await;
        let of_type = async |session_type| {
            let rooms = Rooms::new(&server, session_type).await;
            let common = rooms.one().await;
            let before = common.snapshot().await;
            join_all(actors(session_type).map(|actor| every_cell_of(actor, &common, &before))).await
        };
        let counts = join_all(TYPES.map(of_type)).await.into_iter().flatten();
        let (allowed, denied) = counts.fold((0, 0), |sum, (allowed, denied)| (sum.0 + allowed, sum.1 + denied));
        assert!(allowed > 80 && denied > 500, "{allowed} {denied}");
    }

    async fn every_cell_through_the_websocket(server) {
        introduce_everybody(&server).await;
        let (mut allowed, mut denied) = (0, 0);
        for session_type in TYPES {
            let rooms = Rooms::new(&server, session_type).await;
            let room = rooms.one().await;
            let before = room.snapshot().await;
            for actor in actors(session_type) {
                let mut socket = server.socket(actor).await;
                for (action, target) in cells() {
                    let Some((event, data)) = room.frame(actor, action, target) else { continue };
                    if !is_cell(session_type, actor, action, target) {
                        continue;
                    }
                    match decide(&rooms.facts(actor, target), action) {
                        Ok(()) => {
                            let (event, data) = rooms.one().await.frame(actor, action, target).unwrap();
                            check(&mut socket, Ok(()), event, data).await;
                            allowed += 1;
                        }
                        Err(denial) => {
                            check(&mut socket, Err(refusal(action, denial)), event, data).await;
                            denied += 1;
                        }
                    }
                }
            }
            assert_eq!(room.snapshot().await, before, "{session_type}: something that was denied was done");
            for actor in actors(session_type) {
                let mut socket = server.socket(actor).await;
                let send = decide(&rooms.facts(actor, None), Action::Send).map_err(|denial| denial.code());
                for event in ["typing_start", "typing_stop"] {
                    check(&mut socket, send, event, json!({ "session_id": room.id })).await;
                }
            }
        }
        assert!(allowed > 30 && denied > 50, "{allowed} {denied}");
    }

    async fn reading_events_in_every_way(server) {
        introduce_everybody(&server).await;
        for session_type in TYPES {
            let rooms = Rooms::new(&server, session_type).await;
            let room = rooms.one().await;
            for actor in actors(session_type) {
                let client = server.client(actor).await;
                let path = format!("/sessions/{}/events", room.id);
                let id = room.id.to_string();
                match decide(&rooms.facts(actor, None), Action::View) {
                    Ok(()) => {
                        client.get(&path).await.expect(200);
                        Events::open(client.stream_of(&id, "")).await.unwrap();
                    }
                    Err(denial) => {
                        let code = denial.code();
                        client.get(&path).await.problem(code.status(), code.as_str());
                        client.get(&format!("{path}?wait=60")).await.problem(code.status(), code.as_str());
                        client.send(client.stream_of(&id, "")).await.problem(code.status(), code.as_str());
                    }
                }
            }
        }
    }
}

async fn check(socket: &mut Socket, decision: Result<(), Code>, event: &str, data: Value) {
    let answer = socket.ask(event, data.clone()).await;
    match decision {
        Ok(()) => assert_eq!(answer["event"], "ack", "{event} {data}: {answer}"),
        Err(code) => assert_eq!(answer["data"]["code"], code.as_str(), "{event} {data}: {answer}"),
    }
}
