//! Every cell of the permission matrix through queries, mutations and subscriptions: the answer is the engine's.

use std::collections::{HashMap, HashSet};

use chatcore::{
    Code, Limits, MemoryStore, RateLimits,
    chat::{AddParticipant, CreateInvite, CreateSession, SendMessage, UpdateSession},
    model::{MessageId, ParticipantRole, SessionId, SessionType, Standing},
    permission::{Action, ActionKind, Denial, Facts, SessionState, decide},
};

use super::*;

const CAP: u32 = 20;

const TYPES: [SessionType; 3] = [SessionType::Public, SessionType::InviteOnly, SessionType::Private];

const ACTORS: [&str; 6] = ["owner", "admin", "member", "viewer", "former", "stranger"];

const TARGETS: [&str; 6] = ["owner", "admin2", "member2", "viewer2", "former", "stranger"];

fn standing(name: &str) -> Standing {
    match name.trim_end_matches('2') {
        "owner" => Standing::Active(ParticipantRole::Owner),
        "admin" => Standing::Active(ParticipantRole::Admin),
        "member" => Standing::Active(ParticipantRole::Member),
        "viewer" => Standing::Active(ParticipantRole::Viewer),
        "former" => Standing::Former(ParticipantRole::Member),
        _ => Standing::Stranger,
    }
}

/// A chat without limits, in which each user was seen.
async fn unlimited() -> (Chat, ChatSchema) {
    let limits = Limits {
        rates: RateLimits::off(),
        adds_per_inviter: None,
        adds_per_invited: None,
        adds_per_pair: None,
        ..Limits::default()
    };
    let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
    for name in ACTORS.iter().chain(&TARGETS) {
        chat.me(&user(name)).await.unwrap();
    }
    (chat.clone(), schema(chat, SchemaOptions::default()))
}

/// The users in a session besides the owner.
fn others(session_type: SessionType) -> &'static [&'static str] {
    match session_type {
        SessionType::Public | SessionType::InviteOnly => &["admin", "admin2", "member", "member2", "viewer", "viewer2"],
        SessionType::Private | SessionType::Direct => &[],
    }
}

fn is_there(session_type: SessionType, name: &str) -> bool {
    matches!(name, "owner" | "former" | "stranger") || others(session_type).contains(&name)
}

/// A session with a user of each standing.
struct Room {
    id: SessionId,
    session_type: SessionType,
    /// The code of an invite.
    code: String,
    /// The message of each user who ever was in it.
    messages: HashMap<&'static str, MessageId>,
}

impl Room {
    async fn new(chat: &Chat, session_type: SessionType) -> Self {
        let owner = user("owner");
        let new = CreateSession {
            max_participants: Some(CAP),
            ..CreateSession::titled("x").of_type(SessionType::InviteOnly)
        };
        let id = chat.create_session(&owner, new).await.unwrap().summary.session.id;
        let mut messages = HashMap::new();
        let say = async |name: &str| {
            let seq = chat.send(&user(name), id, SendMessage::text("x")).await.unwrap().seq;
            MessageId { session_id: id, seq }
        };
        messages.insert("owner", say("owner").await);
        for name in others(session_type).iter().copied().chain(["former"]) {
            let add = AddParticipant { user_id: user(name).user_id, role: None };
            chat.add_participant(&owner, id, add).await.unwrap();
            messages.insert(name, say(name).await);
            if let Standing::Active(role @ (ParticipantRole::Admin | ParticipantRole::Viewer)) = standing(name) {
                chat.change_role(&owner, id, &user(name).user_id, role).await.unwrap();
            }
        }
        chat.remove_participant(&owner, id, &user("former").user_id).await.unwrap();
        let code = chat.create_invite(&owner, id, CreateInvite::default()).await.unwrap().code.as_str().to_owned();
        let of_type = UpdateSession { session_type: Some(session_type), ..UpdateSession::default() };
        chat.update_session(&owner, id, of_type).await.unwrap();
        Self { id, session_type, code, messages }
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

    /// The message of a user, or of the owner where the user has none.
    fn message(&self, name: &str) -> MessageId {
        *self.messages.get(name).unwrap_or(&self.messages["owner"])
    }
}

/// The fields that carry an action out.
fn documents(action: Action) -> Vec<&'static str> {
    match action {
        Action::View => vec![
            "query($id: ID!) { session(id: $id) { id } }",
            "query($id: ID!) { participants(sessionId: $id) { nodes { id } } }",
            "query($id: ID!) { messages(sessionId: $id) { totalCount } }",
            "query($id: ID!) { threads(sessionId: $id) { nodes { id } } }",
            "query($message: ID!) { thread(messageId: $message) { nodes { id } } }",
            "query($id: ID!) { followedThreads(sessionId: $id) { nodes { readUpto } } }",
            "mutation($message: ID!) { followThread(input: {messageId: $message}) { thread { isFollowed } } }",
            "mutation($message: ID!) { unfollowThread(input: {messageId: $message}) { thread { isFollowed } } }",
            "mutation($message: ID!) { markThreadRead(input: {messageId: $message}) { thread { readUpto } } }",
            "query($id: ID!) { pins(sessionId: $id) { message { id } } }",
            "query($id: ID!) { commands(sessionId: $id) { name } }",
            "query($id: ID!) { presence(sessionId: $id) { nodes { status } } }",
            "query($id: ID!) { events(sessionId: $id) { head } }",
            "mutation($id: ID!) { markRead(input: {sessionId: $id, seq: 1}) { state { readUpto } } }",
            "mutation($id: ID!) { acknowledgeDelivery(input: {sessionId: $id, seq: 1}) { state { deliveredUpto } } }",
            "query($message: ID!) { messageReceipts(messageId: $message) { nodes { read } } }",
            "query($message: ID!) { messageDelivery(messageId: $message) { status } }",
            "mutation($id: ID!) { setPreferences(input: {sessionId: $id, isMuted: true}) { preferences { isMuted } } }",
            "mutation($message: ID!) { markUnreadFrom(input: {messageId: $message}) { state { readUpto } } }",
        ],
        Action::Send => vec![
            "mutation($id: ID!) { sendMessage(input: {sessionId: $id, content: \"x\"}) { message { id } } }",
            "mutation($id: ID!) { startStreamedMessage(input: {sessionId: $id}) { message { id } } }",
            "mutation($id: ID!) { setTyping(input: {sessionId: $id, isTyping: true}) { isTyping } }",
        ],
        Action::MentionEverybody => vec![
            "mutation($id: ID!) { sendMessage(input: {sessionId: $id, content: \"x\", mentionsEverybody: true}) { message { id } } }",
        ],
        Action::EditMessage { .. } => vec![
            "mutation($message: ID!) { editMessage(input: {messageId: $message, content: \"y\"}) { message { id } } }",
        ],
        Action::ContinueMessage { .. } => vec![
            "mutation($message: ID!) { appendToMessage(input: {messageId: $message, offset: 0, text: \"x\"}) { length } }",
            "mutation($message: ID!) { finishMessage(input: {messageId: $message, length: 1}) { message { id } } }",
            "mutation($message: ID!) { failMessage(input: {messageId: $message}) { message { id } } }",
        ],
        Action::DeleteOwnMessage | Action::DeleteMessage => {
            vec!["mutation($message: ID!) { deleteMessage(input: {messageId: $message}) { message { id } } }"]
        }
        Action::DeleteMessagesOf => vec![
            "mutation($id: ID!, $user: ID!) { deleteMessagesOf(input: {sessionId: $id, userId: $user}) { deletion { deleted } } }",
        ],
        Action::ReportMessage { .. } => vec![
            "mutation($message: ID!) { reportMessage(input: {messageId: $message, reason: SPAM}) { report { id } } }",
        ],
        Action::ReportParticipant { .. } => vec![
            "mutation($id: ID!, $user: ID!) {
                reportParticipant(input: {sessionId: $id, userId: $user, reason: SPAM}) { report { id } } }",
        ],
        Action::ManageReports => vec!["query($id: ID!) { reports(sessionId: $id) { nodes { id } } }"],
        Action::ViewModerationLog => vec!["query($id: ID!) { moderationLog(sessionId: $id) { nodes { id } } }"],
        Action::ViewRevisions => vec!["query($message: ID!) { message(id: $message) { revisions { revision } } }"],
        Action::PinMessage => {
            vec!["mutation($message: ID!) { pinMessage(input: {messageId: $message}) { messageId } }"]
        }
        Action::React => vec![
            "mutation($message: ID!) { addReaction(input: {messageId: $message, emoji: \"\u{1f44d}\"}) { messageId } }",
            "mutation($message: ID!) { removeReaction(input: {messageId: $message, emoji: \"\u{1f44d}\"}) { messageId } }",
        ],
        Action::ManageEmojis => vec![
            "mutation($id: ID!) { removeEmoji(input: {sessionId: $id, name: \"party\"}) { sessionId } }",
            "mutation($id: ID!) { addEmoji(input: {sessionId: $id, name: \"party\"}) { sessionId } }",
        ],
        Action::Update { session_type: Some(_), .. } => {
            vec![
                "mutation($id: ID!) { updateSession(input: {sessionId: $id, sessionType: PRIVATE}) { session { id } } }",
            ]
        }
        Action::Update { max_participants: Some(_), .. } => {
            vec!["mutation($id: ID!) { updateSession(input: {sessionId: $id, maxParticipants: 1}) { session { id } } }"]
        }
        Action::Update { .. } => {
            vec!["mutation($id: ID!) { updateSession(input: {sessionId: $id, title: \"y\"}) { session { id } } }"]
        }
        Action::Delete => vec!["mutation($id: ID!) { deleteSession(input: {sessionId: $id}) { sessionId } }"],
        Action::Invite { .. } => vec![
            "mutation($id: ID!, $user: ID!, $role: ParticipantRole!) {
                addParticipant(input: {sessionId: $id, userId: $user, role: $role}) { participant { id } } }",
        ],
        Action::CreateInvite { .. } => vec![
            "mutation($id: ID!, $role: ParticipantRole!) {
                createInvite(input: {sessionId: $id, role: $role}) { createdInvite { code } } }",
        ],
        Action::ManageInvites => vec![
            "query($id: ID!) { invites(sessionId: $id) { nodes { id } } }",
            "mutation($id: ID!) { revokeInvite(input: {sessionId: $id, inviteId: \"01890a5d-ac96-774b-bcce-b302099a8057\"}) {
                inviteId } }",
        ],
        Action::ManageWebhooks => vec![
            "query($id: ID!) { incomingWebhooks(sessionId: $id) { id } }",
        ],
        Action::AnswerJoinRequests => vec!["query($id: ID!) { joinRequests(sessionId: $id) { nodes { text } } }"],
        Action::ReviewMessages => vec!["query($id: ID!) { heldMessages(sessionId: $id) { nodes { id } } }"],
        Action::JoinByInvite => {
            vec!["mutation($code: String!) { joinByInvite(input: {code: $code}) { participant { id } } }"]
        }
        Action::Remove => {
            vec![
                "mutation($id: ID!, $user: ID!) { removeParticipant(input: {sessionId: $id, userId: $user}) { userId } }",
            ]
        }
        Action::ChangeRole { .. } => vec![
            "mutation($id: ID!, $user: ID!, $role: ParticipantRole!) {
                changeRole(input: {sessionId: $id, userId: $user, role: $role}) { participant { id } } }",
        ],
        Action::Ban => {
            vec!["mutation($id: ID!, $user: ID!) { banParticipant(input: {sessionId: $id, userId: $user}) { userId } }"]
        }
        Action::ManageBans => vec![
            "query($id: ID!) { bans(sessionId: $id) { nodes { reason } } }",
            "mutation($id: ID!) { unbanParticipant(input: {sessionId: $id, userId: \"nobody\"}) { userId } }",
        ],
        Action::Mute => vec![
            "mutation($id: ID!, $user: ID!) { muteParticipant(input: {sessionId: $id, userId: $user}) { userId } }",
        ],
        Action::Unmute { .. } => vec![
            "mutation($id: ID!, $user: ID!) { unmuteParticipant(input: {sessionId: $id, userId: $user}) { userId } }",
        ],
        Action::SetOwnMetadata | Action::SetMetadata => vec![
            "mutation($id: ID!, $user: ID!) {
                setParticipantMetadata(input: {sessionId: $id, userId: $user, metadata: {a: 1}}) { participant { id } } }",
        ],
        Action::Archive => vec![
            "mutation($id: ID!) { unarchiveSession(input: {sessionId: $id}) { sessionId } }",
            "mutation($id: ID!) { archiveSession(input: {sessionId: $id}) { sessionId } }",
        ],
        Action::Restore => vec!["mutation($id: ID!) { restoreSession(input: {sessionId: $id}) { sessionId } }"],
        Action::Transfer => vec![
            "mutation($id: ID!, $user: ID!) {
                transferOwnership(input: {sessionId: $id, userId: $user}) { participant { id } } }",
        ],
        Action::Leave => vec!["mutation($id: ID!) { leaveSession(input: {sessionId: $id}) { sessionId } }"],
        Action::Join => vec!["mutation($id: ID!) { joinSession(input: {sessionId: $id}) { participant { id } } }"],
    }
}

/// The actions, each with its target.
fn cells() -> Vec<(Action, Option<&'static str>)> {
    let plain = [
        Action::View,
        Action::Send,
        Action::MentionEverybody,
        Action::EditMessage { own: true },
        Action::EditMessage { own: false },
        // The room has no message that is being written.
        Action::ContinueMessage { own: false },
        Action::DeleteOwnMessage,
        Action::DeleteMessage,
        Action::ReportMessage { own: true },
        Action::ReportMessage { own: false },
        Action::ReportParticipant { own: true },
        Action::ManageReports,
        Action::ViewModerationLog,
        Action::ViewRevisions,
        Action::PinMessage,
        Action::React,
        Action::ManageEmojis,
        Action::Update { session_type: None, max_participants: None },
        Action::Update { session_type: Some(SessionType::Private), max_participants: None },
        Action::Update { session_type: None, max_participants: Some(1) },
        Action::ManageInvites,
        Action::ManageWebhooks,
        Action::AnswerJoinRequests,
        Action::ReviewMessages,
        Action::JoinByInvite,
        Action::Archive,
        Action::Restore,
        Action::ManageBans,
        Action::Unmute { own: true },
        Action::SetOwnMetadata,
        Action::Leave,
        Action::Join,
        Action::Delete,
    ];
    let mut cells: Vec<_> = plain.into_iter().map(|action| (action, None)).collect();
    cells.extend(ParticipantRole::ALL.map(|role| (Action::CreateInvite { role }, None)));
    cells.push((Action::Unmute { own: false }, Some("former")));
    for target in TARGETS {
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

/// What no cell tries, since the room has no message that is being written.
const ELSEWHERE: [Action; 1] = [Action::ContinueMessage { own: true }];

#[test]
fn every_action_is_in_a_cell() {
    let tried: HashSet<Action> = cells().into_iter().map(|(action, _)| action).collect();
    let kinds: HashSet<ActionKind> = tried.iter().map(|action| action.kind()).collect();
    for kind in ActionKind::ALL {
        assert!(kinds.contains(&kind), "{kind:?} is in no cell");
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

/// The codes of the errors of a cell.
async fn codes_of(
    schema: &ChatSchema,
    room: &Room,
    actor: &str,
    (action, target): (Action, Option<&str>),
    document: &str,
) -> Vec<String> {
    let another = if actor == "owner" { "former" } else { "owner" };
    let is_own = matches!(
        action,
        Action::EditMessage { own: true } | Action::DeleteOwnMessage | Action::ReportMessage { own: true }
    );
    let message = room.message(if is_own { actor } else { another }).to_string();
    let role = match action {
        Action::Invite { role } | Action::CreateInvite { role } | Action::ChangeRole { role } => role.as_str(),
        _ => "MEMBER",
    };
    let upon = target.unwrap_or(actor);
    let variables = json!({ "id": room.id, "message": message, "user": upon, "role": role, "code": room.code });
    let answer = ask(schema, &user(actor), document, variables).await;
    codes(&answer).into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn every_cell_through_queries_and_mutations() {
    let (chat, schema) = unlimited().await;
    let (mut allowed, mut denied) = (0, 0);
    for session_type in TYPES {
        let common = Room::new(&chat, session_type).await;
        let before = chat.session(&user("owner"), common.id).await.unwrap().summary.cursor;
        for actor in ACTORS.into_iter().filter(|actor| is_there(session_type, actor)) {
            let there = |target: &Option<&str>| target.is_none_or(|target| is_there(session_type, target));
            for (action, target) in cells().into_iter().filter(|(_, target)| there(target)) {
                // The table knows nothing of identity.
                if action == (Action::ReportParticipant { own: false }) && target == Some(actor) {
                    continue;
                }
                for document in documents(action) {
                    let cell = format!("{session_type} {actor} {action:?} {target:?}");
                    match decide(&common.facts(actor, target), action) {
                        Ok(()) => {
                            let own = Room::new(&chat, session_type).await;
                            let codes = codes_of(&schema, &own, actor, (action, target), document).await;
                            assert!(codes.is_empty(), "{cell}: {codes:?}");
                            allowed += 1;
                        }
                        Err(denial) => {
                            let codes = codes_of(&schema, &common, actor, (action, target), document).await;
                            // A message's id must not tell whether there is such a session.
                            let is_hidden = document.contains("$message") && denial == Denial::Hidden;
                            let code = if is_hidden { Code::MessageNotFound } else { denial.code() };
                            assert_eq!(codes, [code.as_str()], "{cell}");
                            denied += 1;
                        }
                    }
                }
            }
        }
        let after = chat.session(&user("owner"), common.id).await.unwrap().summary.cursor;
        assert_eq!(after, before, "{session_type}: something that was denied was done");
    }
    assert!(allowed > 80 && denied > 500, "{allowed} {denied}");
}

#[tokio::test]
async fn every_subscription_asks_whether_its_reader_may_view() {
    let (chat, schema) = unlimited().await;
    for session_type in TYPES {
        let room = Room::new(&chat, session_type).await;
        for actor in ACTORS.into_iter().filter(|actor| is_there(session_type, actor)) {
            let query = "subscription($id: ID!) { sessionEvents(sessionId: $id) { __typename } }";
            let first = next(&mut follow(&schema, &user(actor), query, json!({ "id": room.id }))).await;
            let all = "subscription($id: ID!) { allSessionEvents(after: [{ sessionId: $id, seq: 1 }]) {
                __typename ... on SubscriptionEnded { code } } }";
            let of_all = next(&mut follow(&schema, &user(actor), all, json!({ "id": room.id }))).await;
            let cell = format!("{session_type} {actor}: {first} {of_all}");
            match decide(&room.facts(actor, None), Action::View) {
                Ok(()) => {
                    assert_eq!(first["data"]["sessionEvents"]["__typename"], "Subscribed", "{cell}");
                    assert_eq!(of_all["data"]["allSessionEvents"]["__typename"], "Subscribed", "{cell}");
                }
                Err(denial) => {
                    assert_eq!(codes(&first), [denial.code().as_str()], "{cell}");
                    assert_eq!(of_all["data"]["allSessionEvents"]["code"], denial.code().as_str(), "{cell}");
                }
            }
        }
    }
}
