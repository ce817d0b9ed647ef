//! What every frontend answers about the administration: one list of calls, which each frontend and the core run in a world of their own.

use std::sync::Arc;

use chatcore::{
    Administration, Authenticator, Chat, Error, MemoryStore, Principal, RateLimits, TestClock,
    admin::{AuditAction, AuditFilter, AuditOrigin, BanUser, ReportFilter, SessionFilter, UserFilter},
    async_trait,
    chat::{CreateSession, FileReport, ResolveReport, SendMessage},
    identity::SystemRole,
    model::{ListPage, Page, Participant, ReportId, ReportReason, SessionId, SessionType, UserId},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// What a face answered: the code of the error, or the data without nulls and without what is of one request only.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer(pub(crate) Result<Value, String>);

/// The core or a frontend.
pub(crate) trait Face {
    /// Calls an operation with the fields of its input, ids and parameters among them, in the words of REST.
    async fn call(&self, operation: &str, user: &str, input: Value) -> Answer;
}

/// Tokens are user ids; `root` has the system role.
pub(crate) struct Names;

fn principal(name: &str) -> Principal {
    let system_role = if name == "root" { SystemRole::Admin } else { SystemRole::User };
    let email = Some(format!("{name}@example.org"));
    Principal { system_role, email, ..Principal::new(UserId::new(name).unwrap()) }
}

#[async_trait]
impl Authenticator for Names {
    async fn authenticate(&self, token: &str) -> chatcore::Result<Principal> {
        Ok(principal(token))
    }
}

/// A chat with two users in a session. Each world is the same.
pub(crate) struct World {
    pub(crate) chat: Chat,
    pub(crate) admin: Administration,
    pub(crate) session: SessionId,
    pub(crate) report: ReportId,
}

impl World {
    pub(crate) async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let chat = Chat::builder(store).clock(TestClock::default()).rates(RateLimits::off()).build();
        let admin = Administration::new(chat.clone());
        let new = CreateSession { description: Some("Cats".into()), ..CreateSession::titled("Pets") };
        let made = chat.create_session(&principal("ann"), new.of_type(SessionType::Public)).await.unwrap();
        let session = made.summary.session.id;
        chat.join(&principal("bob"), session).await.unwrap();
        chat.send(&principal("bob"), session, SendMessage::text("A secret")).await.unwrap();
        let spam = FileReport { reason: ReportReason::Spam, text: Some("Again".into()) };
        let bob = UserId::new("bob").unwrap();
        let report = chat.report_participant(&principal("ann"), session, &bob, spam).await.unwrap().id;
        Self { chat, admin, session, report }
    }
}

/// The calls, in their order.
fn calls(session: SessionId, report: ReportId) -> Vec<(&'static str, &'static str, Value)> {
    let unknown = "0190c0de-0000-7000-8000-000000000000";
    let long = "x".repeat(501);
    vec![
        ("adminListReports", "root", json!({})),
        ("adminListReports", "bob", json!({})),
        ("adminListReports", "root", json!({ "session_id": session, "state": "OPEN", "limit": 1 })),
        ("adminListReports", "root", json!({ "session_id": unknown })),
        ("adminListReports", "root", json!({ "state": "RESOLVED" })),
        ("adminListReports", "root", json!({ "limit": 0 })),
        ("adminResolveReport", "ann", json!({ "session_id": session, "report_id": report, "state": "RESOLVED" })),
        ("adminResolveReport", "root", json!({ "session_id": session, "report_id": unknown, "state": "RESOLVED" })),
        (
            "adminResolveReport",
            "root",
            json!({ "session_id": session, "report_id": report, "state": "RESOLVED", "note": "Done", "revision": 1 }),
        ),
        ("adminResolveReport", "root", json!({ "session_id": session, "report_id": report, "state": "DISMISSED" })),
        ("adminDeleteMessagesOf", "bob", json!({ "session_id": session, "user_id": "bob" })),
        ("adminDeleteMessagesOf", "root", json!({ "session_id": unknown, "user_id": "bob" })),
        ("adminDeleteMessagesOf", "root", json!({ "session_id": session, "user_id": "nobody" })),
        ("adminDeleteMessagesOf", "root", json!({ "session_id": session, "user_id": "bob", "reason": " " })),
        ("adminDeleteMessagesOf", "root", json!({ "session_id": session, "user_id": "bob", "reason": "Spam" })),
        ("adminListUsers", "root", json!({})),
        ("adminListUsers", "ann", json!({})),
        ("adminListUsers", "root", json!({ "limit": 1 })),
        ("adminListUsers", "root", json!({ "limit": 2, "after": "ann" })),
        ("adminListUsers", "root", json!({ "limit": 0 })),
        ("adminListUsers", "root", json!({ "search": "BOB" })),
        ("adminListUsers", "root", json!({ "search": " " })),
        ("adminGetUser", "root", json!({ "user_id": "bob" })),
        ("adminGetUser", "root", json!({ "user_id": "nobody" })),
        ("adminBanUser", "ann", json!({ "user_id": "bob", "reason": "Spam" })),
        ("adminBanUser", "root", json!({ "user_id": "nobody", "reason": "Spam" })),
        ("adminBanUser", "root", json!({ "user_id": "root", "reason": "Spam" })),
        ("adminBanUser", "root", json!({ "user_id": "bob", "reason": "" })),
        ("adminBanUser", "root", json!({ "user_id": "bob", "reason": "Spam", "until": "2001-01-01T00:00:00Z" })),
        ("adminBanUser", "root", json!({ "user_id": "bob", "reason": "Spam", "until": "2126-01-01T00:00:00Z" })),
        ("adminListUsers", "root", json!({ "status_filter": "BANNED" })),
        ("adminBanUser", "root", json!({ "user_id": "bob", "reason": "More spam" })),
        ("adminListUsers", "bob", json!({})),
        ("adminListParticipants", "root", json!({ "session_id": session })),
        ("adminUnbanUser", "root", json!({ "user_id": "bob", "reason": long })),
        ("adminUnbanUser", "root", json!({ "user_id": "bob", "reason": "A mistake" })),
        ("adminUnbanUser", "root", json!({ "user_id": "bob" })),
        ("adminUnbanUser", "root", json!({ "user_id": "nobody" })),
        ("adminSetRole", "root", json!({ "user_id": "ann", "role": "ADMIN", "reason": "On duty" })),
        ("adminSetRole", "ann", json!({ "user_id": "ann", "role": "USER" })),
        ("adminSetRole", "bob", json!({ "user_id": "ann", "role": "USER" })),
        ("adminSetRole", "ann", json!({ "user_id": "nobody", "role": "ADMIN" })),
        ("adminListUsers", "ann", json!({ "role_filter": "ADMIN" })),
        ("adminListSessions", "root", json!({})),
        ("adminListSessions", "root", json!({ "search": "cats", "session_type": "PUBLIC" })),
        ("adminListSessions", "root", json!({ "status_filter": "DELETED" })),
        ("adminGetSession", "root", json!({ "session_id": session })),
        ("adminGetSession", "root", json!({ "session_id": unknown })),
        ("adminGetSession", "bob", json!({ "session_id": session })),
        ("adminListParticipants", "root", json!({ "session_id": unknown })),
        ("adminGetStatistics", "root", json!({})),
        ("adminGetStatistics", "bob", json!({})),
        ("adminCloseSession", "bob", json!({ "session_id": session })),
        ("adminCloseSession", "ann", json!({ "session_id": session, "reason": "Illegal" })),
        ("adminCloseSession", "ann", json!({ "session_id": session })),
        ("adminCloseSession", "ann", json!({ "session_id": unknown })),
        ("adminListSessions", "root", json!({ "status_filter": "DELETED" })),
        ("adminSetRole", "root", json!({ "user_id": "ann", "role": "USER" })),
        ("adminGetStatistics", "ann", json!({})),
        ("adminBroadcast", "root", json!({ "text": "Maintenance", "reason": "Planned" })),
        ("adminBroadcast", "root", json!({ "text": " " })),
        ("adminBroadcast", "bob", json!({ "text": "Maintenance" })),
        ("adminListAudit", "root", json!({})),
        ("adminListAudit", "root", json!({ "limit": 2 })),
        ("adminListAudit", "root", json!({ "actor": "ann" })),
        ("adminListAudit", "root", json!({ "target": "bob", "action": "USER_UNBANNED" })),
        ("adminListAudit", "bob", json!({})),
    ]
}

/// Runs the calls through a face and through the core, and compares what both answer.
pub(crate) async fn all(face: &impl Face, world: &World) {
    let own = World::new().await;
    assert_eq!(own.session, world.session);
    let mut recorded = 0;
    for (operation, user, input) in calls(world.session, world.report) {
        let shown = format!("{operation} by {user} with {input}");
        let expected = own.call(operation, user, input.clone()).await;
        let answer = face.call(operation, user, input).await;
        assert_eq!(answer, expected, "{shown}");
        assert!(!format!("{answer:?}").contains("secret"), "{shown}");
        if operation == "adminListAudit" && user == "root" {
            recorded = recorded.max(answer.0.unwrap()["entries"].as_array().unwrap().len());
        }
    }
    assert_eq!(recorded, 9);
}

/// A value without nulls, and without what is of one request only.
pub(crate) fn plain(value: Value) -> Value {
    let is_kept = |name: &str, value: &Value| !value.is_null() && !["request_id", "address"].contains(&name);
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, value)| is_kept(name, value));
            fields.map(|(name, value)| (name, plain(value))).collect::<serde_json::Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        value => value,
    }
}

fn answer(result: Result<impl Serialize, Error>) -> Answer {
    let code = |error: Error| error.code().as_str().to_owned();
    Answer(result.map(|value| plain(serde_json::to_value(value).unwrap())).map_err(code))
}

/// What each frontend says of a report in the same words.
pub(crate) fn short(report: &Value) -> Value {
    let names = ["id", "session_id", "reason", "text", "state", "revision", "created_at", "handled_at", "note"];
    plain(
        names.into_iter().map(|name| (name.to_owned(), report[name].clone())).collect::<serde_json::Map<_, _>>().into(),
    )
}

/// A page, with the place after which the next one begins.
pub(crate) fn paged(entries: Value, next: Option<String>) -> Value {
    plain(json!({ "entries": entries, "next": next }))
}

fn page_of<T: Serialize, K: ToString>(page: ListPage<T, K>) -> Value {
    paged(serde_json::to_value(page.entries).unwrap(), page.next.map(|next| next.to_string()))
}

impl Face for World {
    async fn call(&self, operation: &str, user: &str, input: Value) -> Answer {
        let (admin, caller, origin) = (&self.admin, &principal(user), &AuditOrigin::default());
        let text = |name: &str| input[name].as_str().map(str::to_owned);
        fn named<T: DeserializeOwned>(value: &Value) -> Option<T> {
            (!value.is_null()).then(|| serde_json::from_value(value.clone()).unwrap())
        }
        let of_user = |name: &str| text(name).map(|id| UserId::new(id).unwrap());
        let user = || of_user("user_id").unwrap();
        let session = || -> SessionId { text("session_id").unwrap().parse().unwrap() };
        let (reason, limit) = (text("reason"), input["limit"].as_u64());
        match operation {
            "adminListUsers" => {
                let (status, role) = (named(&input["status_filter"]), named(&input["role_filter"]));
                let filter = UserFilter { search: text("search"), status, role };
                answer(admin.users(caller, &filter, of_user("after"), limit).await.map(page_of))
            }
            "adminGetUser" => answer(admin.user(caller, &user()).await),
            "adminBanUser" => {
                let ban = BanUser { reason: reason.unwrap(), until: named(&input["until"]) };
                answer(admin.ban(caller, origin, &user(), ban).await)
            }
            "adminUnbanUser" => answer(admin.unban(caller, origin, &user(), reason).await),
            "adminSetRole" => {
                let role: SystemRole = named(&input["role"]).unwrap();
                answer(admin.set_role(caller, origin, &user(), role, reason).await)
            }
            "adminListSessions" => {
                let (status, session_type) = (named(&input["status_filter"]), named(&input["session_type"]));
                let filter = SessionFilter { search: text("search"), status, session_type };
                answer(admin.sessions(caller, &filter, None, limit).await.map(page_of))
            }
            "adminGetSession" => answer(admin.session(caller, session()).await),
            "adminListParticipants" => {
                let shown = |found: &Participant| json!([found.profile.user_id, found.profile.email, found.role]);
                let found = admin.participants(caller, session(), Page::FIRST).await;
                answer(found.map(|page| page.iter().map(shown).collect::<Vec<_>>()))
            }
            "adminCloseSession" => answer(admin.close_session(caller, origin, session(), reason).await),
            "adminListReports" => {
                let session = text("session_id").map(|id| id.parse().unwrap());
                let filter = ReportFilter { session, state: named(&input["state"]) };
                answer(admin.reports(caller, &filter, None, limit).await.map(|page| {
                    let ListPage { entries, next } = page;
                    let entries = entries.iter().map(|report| short(&json!(report))).collect();
                    page_of(ListPage { entries, next })
                }))
            }
            "adminResolveReport" => {
                let (note, revision) = (text("note"), input["revision"].as_u64());
                let change = ResolveReport { state: named(&input["state"]).unwrap(), note, revision };
                let report = text("report_id").unwrap().parse().unwrap();
                let handled = admin.resolve_report(caller, origin, session(), report, change).await;
                answer(handled.map(|report| short(&json!(report))))
            }
            "adminDeleteMessagesOf" => {
                answer(admin.delete_messages_of(caller, origin, session(), &user(), reason).await)
            }
            "adminGetStatistics" => answer(admin.statistics(caller).await),
            "adminBroadcast" => answer(admin.broadcast(caller, origin, text("text").unwrap(), reason).await),
            "adminListAudit" => {
                let action: Option<AuditAction> = named(&input["action"]);
                let filter = AuditFilter { actor: of_user("actor"), target: text("target"), action };
                answer(admin.audit(caller, &filter, None, limit).await.map(page_of))
            }
            operation => panic!("no operation {operation}"),
        }
    }
}
