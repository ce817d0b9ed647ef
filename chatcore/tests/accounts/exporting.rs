use chatcore::{
    chat::{CreateInvite, EditMessage, FileReport, SendMessage, SetUserSettings},
    model::{ReportReason, SessionType},
    store::{BotCursor, BotCursors, Change, ChatStore as _, TypedKey as _},
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};

use super::*;

async fn export(world: &World, caller: &Principal) -> Vec<Value> {
    let lines = world.accounts.export(caller).await.unwrap();
    let read = |line: Result<String, Error>| {
        let line = line.unwrap();
        assert!(line.ends_with('\n') && !line.trim_end().contains('\n'), "{line:?}");
        serde_json::from_str(&line).unwrap()
    };
    kit::in_time(lines.map(read).collect()).await
}

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["type"] == kind).collect()
}

#[tokio::test]
async fn an_export_has_all_that_the_user_wrote_and_nothing_of_others() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let (here_still, left) =
        (kit::room(&world.chat, &by_eve, &[&by_ada]).await, kit::room(&world.chat, &by_eve, &[&by_ada]).await);
    let edited = kit::say(&world.chat, &by_ada, here_still, "first").await;
    world.chat.edit_message(&by_ada, edited.id, EditMessage::text("second")).await.unwrap();
    let deleted = kit::say(&world.chat, &by_ada, here_still, "taken back").await;
    world.chat.delete_message(&by_ada, deleted.id, None).await.unwrap();
    kit::say(&world.chat, &by_ada, left, "before I left").await;
    kit::say(&world.chat, &by_eve, here_still, "of eve").await;
    world.chat.leave(&by_ada, left).await.unwrap();
    world.chat.block_user(&by_ada, &by_eve.user_id).await.unwrap();
    let guarded = kit::session(&world.chat, &by_eve, SessionType::InviteOnly).await;
    let invite = CreateInvite { needs_approval: true, ..CreateInvite::default() };
    let code = world.chat.create_invite(&by_eve, guarded, invite).await.unwrap().code;
    world.chat.request_to_join(&by_ada, &code, Some("please".to_owned())).await.unwrap();

    let answer = SendMessage::text("an answer").in_reply_to(edited.id);
    let answer = world.chat.send(&by_eve, here_still, answer).await.unwrap();
    world.chat.mark_thread_read(&by_ada, answer.id).await.unwrap();
    world.chat.unfollow_thread(&by_ada, answer.id).await.unwrap();
    world.chat.acknowledge_delivery(&by_ada, here_still, 3).await.unwrap();
    world.chat.set_user_settings(&by_ada, SetUserSettings { receipts: Some(false) }).await.unwrap();
    let metadata = |note: &str| serde_json::from_value(serde_json::json!({ "note": note })).unwrap();
    world
        .chat
        .set_participant_metadata(&by_eve, here_still, &by_ada.user_id, Some(metadata("about ada")))
        .await
        .unwrap();
    world.chat.set_participant_metadata(&by_eve, here_still, &by_eve.user_id, Some(metadata("of eve"))).await.unwrap();
    let report = |text: &str| FileReport { reason: ReportReason::Spam, text: Some(text.into()) };
    world.chat.report_participant(&by_ada, left, &by_eve.user_id, report("eve bores me")).await.unwrap_err();
    world.chat.report_participant(&by_ada, here_still, &by_eve.user_id, report("she bores me")).await.unwrap();
    world.chat.report_participant(&by_eve, here_still, &by_ada.user_id, report("she writes too much")).await.unwrap();

    let cursor = BotCursors { user: by_ada.user_id.clone(), session: here_still }.put(BotCursor { seq: 2 });
    world.store.commit(Change::of_records(vec![cursor])).await.unwrap();

    let lines = export(&world, &by_ada).await;
    let (following, marker) = (of(&lines, "thread_following"), of(&lines, "thread_marker"));
    assert_eq!((following.len(), marker.len()), (1, 1));
    assert_eq!(following[0]["is_followed"], false);
    for thread in [following[0], marker[0]] {
        assert_eq!(thread["thread_root"], edited.id.to_string());
        assert_eq!(thread["session_id"], here_still.to_string());
    }
    assert_eq!(marker[0]["read_upto"], answer.seq);
    let account = of(&lines, "account")[0];
    assert_eq!((&account["username"], &account["email"]), (&"ada".into(), &"ada@example.org".into()));
    assert_eq!(of(&lines, "login")[0]["device"], "A test");
    assert_eq!(of(&lines, "block")[0]["user_id"], by_eve.user_id.to_string());
    let asked = of(&lines, "join_request");
    assert_eq!(
        (asked.len(), &asked[0]["session_id"], &asked[0]["text"]),
        (1, &guarded.to_string().into(), &"please".into())
    );
    let sessions = of(&lines, "session");
    assert_eq!(sessions.len(), 2);
    for session in sessions {
        let is_left = session["id"] == left.to_string();
        assert_eq!((&session["is_active"], session["title"].is_null()), (&(!is_left).into(), is_left));
        assert_eq!(session["delivered_upto"].as_u64(), (!is_left).then_some(3));
        assert_eq!(session["handled_upto"].as_u64(), (!is_left).then_some(2));
        assert_eq!(session["metadata"]["note"].as_str(), (!is_left).then_some("about ada"));
    }
    assert_eq!(of(&lines, "settings")[0]["receipts"], false);
    let reports = of(&lines, "report");
    assert_eq!(reports.len(), 1, "those of the user would tell who made them");
    assert_eq!((&reports[0]["text"], &reports[0]["reason"]), (&"she bores me".into(), &"SPAM".into()));
    let messages = of(&lines, "message");
    assert_eq!(messages.len(), 3);
    assert_eq!((&messages[0]["content"], &messages[0]["earlier"][0]["content"]), (&"second".into(), &"first".into()));
    assert!(!messages[1]["deleted_at"].is_null());
    let whole = lines.iter().map(Value::to_string).collect::<String>();
    for absent in ["writes too much", "of eve", "taken back", "argon2", "password"] {
        assert!(!whole.contains(absent), "{absent}");
    }
    let (progress, end) = (of(&lines, "progress"), lines.last().unwrap());
    assert_eq!((&progress[0]["sessions"], &progress[0]["sessions_done"]), (&2.into(), &0.into()));
    assert_eq!(progress.last().unwrap()["sessions_done"], 2);
    assert_eq!((&end["type"], &end["messages"]), (&"end".into(), &3.into()));
}

#[tokio::test]
async fn an_export_reads_no_further_than_its_reader() {
    let world = World::new();
    let caller = world.caller(&world.register("ada").await).await;
    let id = kit::session(&world.chat, &caller, chatcore::model::SessionType::Private).await;
    for _ in 0..3_000 {
        kit::say(&world.chat, &caller, id, "words").await;
    }
    let mut lines = world.accounts.export(&caller).await.unwrap();
    lines.next().await.unwrap().unwrap();
    // The export waits for its reader: what is sent now is not in lines that were read before.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    kit::say(&world.chat, &caller, id, "the last words").await;
    let rest: Vec<String> = kit::in_time(lines.map(Result::unwrap).collect()).await;
    assert_eq!(rest.iter().filter(|line| line.contains(r#""type":"message""#)).count(), 3_000);
    assert!(rest.last().unwrap().contains(r#""type":"end""#));
}

#[tokio::test]
async fn as_many_exports_run_as_the_settings_allow() {
    let world = World::with(AccountSettings { exports: 1, ..settings() });
    let caller = world.caller(&world.register("ada").await).await;
    let id = kit::session(&world.chat, &caller, chatcore::model::SessionType::Private).await;
    for _ in 0..200 {
        kit::say(&world.chat, &caller, id, "words").await;
    }
    let first = world.accounts.export(&caller).await.unwrap();
    assert_eq!(world.accounts.export(&caller).await.err(), Some(Error::Unavailable));
    // Whoever stops reading makes room.
    drop(first);
    kit::in_time(async {
        while world.accounts.export(&caller).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A user with a session of some thousand messages.
async fn chatty(world: &World, name: &str) -> (LoggedIn, Principal) {
    let user = world.register(name).await;
    let caller = world.caller(&user).await;
    let id = kit::session(&world.chat, &caller, chatcore::model::SessionType::Private).await;
    for _ in 0..3_000 {
        kit::say(&world.chat, &caller, id, "words").await;
    }
    (user, caller)
}

/// The error that a stream ends with.
async fn end_of(mut lines: chatcore::accounts::Export) -> Option<Error> {
    kit::in_time(async {
        while let Some(line) = lines.next().await {
            if let Err(error) = line {
                assert!(lines.next().await.is_none(), "the error is the last item");
                return Some(error);
            }
        }
        None
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_takes_nothing_gives_its_place_up() {
    let world = World::with(AccountSettings { exports: 1, ..settings() });
    let ((_, by_ada), (_, by_eve)) = (chatty(&world, "ada").await, chatty(&world, "eve").await);
    let mut lines = world.accounts.export(&by_ada).await.unwrap();
    lines.next().await.unwrap().unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(59)).await;
    lines.next().await.unwrap().unwrap();
    // The reader took something, so the wait begins anew.
    tokio::time::sleep(std::time::Duration::from_secs(59)).await;
    assert_eq!(world.accounts.export(&by_eve).await.err(), Some(Error::Unavailable));
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let other = world.accounts.export(&by_eve).await.unwrap();
    assert_eq!(end_of(lines).await, Some(Error::Unavailable));
    assert_eq!(end_of(other).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gives_its_place_up_to_another_user() {
    let world = World::with(AccountSettings { exports: 1, ..settings() });
    let ((_, by_ada), (_, by_eve)) = (chatty(&world, "ada").await, chatty(&world, "eve").await);
    let mut lines = world.accounts.export(&by_ada).await.unwrap();
    lines.next().await.unwrap().unwrap();
    assert_eq!(world.accounts.export(&by_eve).await.err(), Some(Error::Unavailable));
    world.later(600);
    // The reader reads on. The virtual time goes on when the export waits for its reader.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    lines.next().await.unwrap().unwrap();
    // The own call is refused, and asks for no place.
    assert_eq!(world.accounts.export(&by_ada).await.err(), Some(Error::Unavailable));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    lines.next().await.unwrap().unwrap();
    assert_eq!(world.accounts.export(&by_eve).await.err(), Some(Error::Unavailable));
    assert_eq!(end_of(lines).await, Some(Error::Unavailable));
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(end_of(world.accounts.export(&by_eve).await.unwrap()).await, None);
}

#[tokio::test]
async fn a_user_has_one_export_at_a_time() {
    let world = World::new();
    let ((_, by_ada), (_, by_eve)) = (chatty(&world, "ada").await, chatty(&world, "eve").await);
    let first = world.accounts.export(&by_ada).await.unwrap();
    assert_eq!(world.accounts.export(&by_ada).await.err(), Some(Error::Unavailable));
    let other = world.accounts.export(&by_eve).await.unwrap();
    assert_eq!((end_of(first).await, end_of(other).await), (None, None));
    kit::in_time(async {
        while world.accounts.export(&by_ada).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_export_ends_with_its_login_and_with_its_token() {
    let world = World::new();
    let (ada, caller) = chatty(&world, "ada").await;
    let (eve, by_eve) = chatty(&world, "eve").await;
    let mut lines = world.accounts.export(&caller).await.unwrap();
    lines.next().await.unwrap().unwrap();
    world.chat.end_login(&caller.user_id, ada.login_id, world.chat.now()).await.unwrap();
    assert_eq!(end_of(lines).await, Some(Error::TokenInvalid));

    let mut lines = world.accounts.export(&by_eve).await.unwrap();
    lines.next().await.unwrap().unwrap();
    world.later(i64::try_from(eve.tokens.expires_in).unwrap());
    assert_eq!(end_of(lines).await, Some(Error::TokenExpired));
}

#[tokio::test]
async fn an_export_has_the_webhooks_that_the_user_created_without_their_secrets() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_ada, &[&by_eve]).await;
    let new = chatcore::chat::CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
    let created = world.chat.create_incoming_webhook(&by_ada, id, new).await.unwrap();
    let caller = world.chat.admit_webhook(chatcore::Origin::UNKNOWN, &created.token).await.unwrap();
    world.chat.post_to_webhook(caller, chatcore::chat::PostToWebhook::text("done")).await.unwrap();
    let lines = export(&world, &by_ada).await;
    let [webhook] = of(&lines, "incoming_webhook")[..] else { panic!("{lines:?}") };
    let mut fields: Vec<&str> = webhook.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["avatar_url", "created_at", "id", "name", "session_id", "type"]);
    assert_eq!((&webhook["name"], &webhook["id"]), (&json!("Builds"), &json!(created.webhook.id)));
    // What the webhook posted is not the user's.
    assert!(of(&lines, "message").is_empty());
    assert!(of(&export(&world, &by_eve).await, "incoming_webhook").is_empty());
}
