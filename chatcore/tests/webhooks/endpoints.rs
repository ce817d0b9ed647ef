//! Who manages webhooks, and what of them is shown.

use std::{
    fmt::Debug,
    io::Write,
    sync::{Arc, Mutex},
};

use chatcore::{
    Code, Error, MemoryStore, Webhooks,
    chat::AddParticipant,
    model::{EventKind, ParticipantEvent, ParticipantRole, SessionEvent, SessionType, WebhookId},
    permission::Denial,
    webhooks::{CreateWebhook, MAX_WEBHOOKS, UpdateWebhook, WebhookState},
};
use futures_util::future::join_all;
use tracing_subscriber::fmt::MakeWriter;

use super::{
    World,
    kit::{assert_denied, session, uncounted, user},
    options,
    receiver::Receiver,
    start, to,
};

const URL: &str = "https://example.com/hook?token=in-the-address";

/// What each use case answers to somebody: of a webhook that is there.
async fn answers(world: &World, name: &str, id: WebhookId) -> Vec<Result<(), Error>> {
    let (hooks, session, caller) = (&world.webhooks, world.session, user(name));
    fn bare<T: Debug>(result: Result<T, Error>) -> Result<(), Error> {
        result.map(|_| ())
    }
    vec![
        bare(hooks.create(&caller, session, to(URL)).await),
        bare(hooks.list(&caller, session).await),
        bare(hooks.get(&caller, session, id).await),
        bare(hooks.update(&caller, session, id, UpdateWebhook::default()).await),
        bare(hooks.rotate_secret(&caller, session, id).await),
        bare(hooks.dead_letters(&caller, session, id, None, None).await),
        // There is none.
        bare(hooks.retry_dead_letter(&caller, session, id, 1).await),
        bare(hooks.delete(&caller, session, id).await),
    ]
}

#[tokio::test]
async fn owners_and_admins_manage_webhooks_and_nobody_else() {
    let world = World::new().await;
    for (name, role) in
        [("admin", ParticipantRole::Admin), ("member", ParticipantRole::Member), ("viewer", ParticipantRole::Viewer)]
    {
        let caller = user(name);
        world.chat.me(&caller).await.unwrap();
        let added = AddParticipant { user_id: caller.user_id, role: Some(role) };
        world.chat.add_participant(&world.owner, world.session, added).await.unwrap();
    }
    for (name, denial) in [
        ("owner", None),
        ("admin", None),
        ("member", Some(Denial::RoleInsufficient)),
        ("viewer", Some(Denial::RoleInsufficient)),
        ("stranger", Some(Denial::NotParticipant)),
    ] {
        let id = world.webhooks.create(&world.owner, world.session, to(URL)).await.unwrap().webhook.id;
        let head = world.chat.session(&world.owner, world.session).await.unwrap().summary.cursor;
        let answers = answers(&world, name, id).await;
        match denial {
            None => {
                let refused = answers.iter().position(|answer| *answer == Err(Error::DeadLetterNotFound));
                assert_eq!(refused, Some(6));
                assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 7, "{name}: {answers:?}");
            }
            Some(denial) => {
                assert!(answers.iter().all(|answer| *answer == Err(denial.into())), "{name}: {answers:?}");
                let after = world.chat.session(&world.owner, world.session).await.unwrap().summary.cursor;
                assert_eq!(after, head, "a refused call has changed something");
            }
        }
    }
    // A session that one may not know of gives the same answer as one that never was.
    let hidden = session(&world.chat, &world.owner, SessionType::InviteOnly).await;
    assert_denied(world.webhooks.list(&user("stranger"), hidden).await, Denial::Hidden);
    world.chat.delete_session(&world.owner, world.session).await.unwrap();
    assert_denied(world.webhooks.create(&world.owner, world.session, to(URL)).await, Denial::Hidden);
}

#[tokio::test]
async fn a_webhook_of_another_session_is_not_found() {
    let world = World::new().await;
    let other = session(&world.chat, &world.owner, SessionType::Public).await;
    let id = world.webhooks.create(&world.owner, other, to(URL)).await.unwrap().webhook.id;
    for (place, answer) in answers(&world, "owner", id).await.into_iter().enumerate().skip(2) {
        assert_eq!(answer, Err(Error::WebhookNotFound), "{place}");
    }
    assert_eq!(world.webhooks.list(&world.owner, other).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_number_of_webhooks_is_exact_in_several_processes() {
    let store = MemoryStore::new();
    let chats = [uncounted(store.clone()), uncounted(store)];
    let owner = user("owner");
    let id = session(&chats[0], &owner, SessionType::Public).await;
    let hooks = chats.map(|chat| Webhooks::new(chat, options()));
    let tries = (0..30).map(|number| hooks[number % 2].create(&owner, id, to(URL)));
    let made = join_all(tries).await;
    let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), MAX_WEBHOOKS);
    for error in refused {
        assert!(matches!(error.unwrap_err(), Error::LimitExceeded { limit: 10, .. }));
    }
    assert_eq!(hooks[0].list(&owner, id).await.unwrap().len(), MAX_WEBHOOKS);
}

#[tokio::test]
async fn an_admin_who_is_removed_meanwhile_creates_no_webhook_after_it() {
    for _ in 0..50 {
        let world = World::new().await;
        let admin = user("admin");
        world.chat.join(&admin, world.session).await.unwrap();
        world.chat.change_role(&world.owner, world.session, &admin.user_id, ParticipantRole::Admin).await.unwrap();
        let (created, removed) = tokio::join!(
            world.webhooks.create(&admin, world.session, to(URL)),
            world.chat.remove_participant(&world.owner, world.session, &admin.user_id)
        );
        removed.unwrap();
        let page = world.chat.events(&world.owner, world.session, Some(0), None).await.unwrap();
        let place = |wanted: fn(&EventKind) -> bool| page.events.iter().position(|view| wanted(&view.event.kind));
        let changed = place(|kind| matches!(kind, EventKind::Session(SessionEvent::WebhookChanged { .. })));
        let removed = place(|kind| matches!(kind, EventKind::Participant(ParticipantEvent::Removed { .. })));
        assert_eq!(changed.is_some(), created.is_ok());
        assert!(changed.is_none_or(|changed| changed < removed.unwrap()));
        // What the owner sees after the removal is all there is.
        let count = world.webhooks.list(&world.owner, world.session).await.unwrap().len();
        assert_eq!(count, usize::from(created.is_ok()));
    }
}

#[tokio::test]
async fn what_is_not_acceptable_changes_nothing() {
    let world = World::new().await;
    let id = world.webhooks.create(&world.owner, world.session, to(URL)).await.unwrap().webhook.id;
    let events = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let huge = "x".repeat(1_000_000);
    for names in
        [&["no_such_event"][..], &[""], &["message_received", "MESSAGE_RECEIVED"], &[huge.as_str()], &["notice"]]
    {
        let new = CreateWebhook { events: events(names), ..to(URL) };
        let error = world.webhooks.create(&world.owner, world.session, new).await.unwrap_err();
        assert!(matches!(&error, Error::Invalid(fields) if fields[0].field == "events"), "{error:?}");
        assert!(format!("{error:?}").len() < 1_000);
        let changes = UpdateWebhook { events: Some(events(names)), ..UpdateWebhook::default() };
        assert!(world.webhooks.update(&world.owner, world.session, id, changes).await.is_err());
    }
    for url in ["", " ", "https://", "https:///", "://", "https://exa mple.com/", huge.as_str()] {
        let error = world.webhooks.create(&world.owner, world.session, to(url)).await.unwrap_err();
        assert!([Code::ValidationInvalidValue, Code::ValidationLengthExceeded].contains(&error.code()), "{url:.20}");
        let changes = UpdateWebhook { url: Some(url.to_owned()), ..UpdateWebhook::default() };
        assert!(world.webhooks.update(&world.owner, world.session, id, changes).await.is_err());
    }
    // An update leaves what it does not name.
    let changes = UpdateWebhook { events: Some(events(&["user_left"])), ..UpdateWebhook::default() };
    let updated = world.webhooks.update(&world.owner, world.session, id, changes).await.unwrap();
    assert_eq!((updated.url.as_str(), updated.state), (URL, WebhookState::Active));
    let shown = world.shown(id).await;
    assert_eq!((shown.events, shown.created_by), (updated.events, world.owner.user_id.clone()));
}

/// The log of the process.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_secret_is_in_a_list_or_in_the_log() {
    let lines = Lines::default();
    // Of all threads: while other threads log without a subscriber, one of a single thread can miss events.
    tracing_subscriber::fmt().with_writer(lines.clone()).with_max_level(tracing::Level::TRACE).init();
    // Each failure is told of.
    let world = World::with(chatcore::webhooks::WebhookOptions { retry_delays: Vec::new(), ..options() }).await;
    let receiver = Receiver::with(&[500, 200]).await;
    let new = to(format!("{}?token=in-the-address", receiver.url()));
    let created = world.webhooks.create(&world.owner, world.session, new).await.unwrap();
    let id = created.webhook.id;
    let rotated = world.webhooks.rotate_secret(&world.owner, world.session, id).await.unwrap();
    let worker = start(&world.webhooks);
    world.say("the text of a message").await;
    world.drained(id).await;
    worker.stop().await;
    let secrets = [created.secret.as_str().to_owned(), rotated.secret.as_str().to_owned()];
    assert!(secrets.iter().all(|secret| secret.len() == "whsec_".len() + 44) && secrets[0] != secrets[1]);
    let listed = world.webhooks.list(&world.owner, world.session).await.unwrap();
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("an event could not be delivered"), "nothing was logged: {log}");
    let shown = format!("{listed:?} {created:?} {rotated:?}");
    for secret in &secrets {
        assert!(!shown.contains(&secret[6..]) && !log.contains(&secret[6..]));
    }
    assert!(!log.contains("the text of a message"));
}
