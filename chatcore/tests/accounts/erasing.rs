mod reports;

use chatcore::{
    Authenticator as _, ChatStore,
    accounts::{ErasureRecord, Erasures},
    chat::{
        AddParticipant, CreateBotToken, EditMessage, FileReport, MAX_BLOCKS, SanctionUser, SendMessage, SetUserSettings,
    },
    identity::{BotAuthenticator, NoTokens, Scope},
    model::{
        Content, EventKind, HeldId, MessageBody, MessageEvent, MessageWindow, Page, ReportReason, SessionId,
        SessionType,
    },
    permission::Denial,
    store::{
        BlockRecord, Blocks, BotCursor, BotCursors, BotLease, BotLeases, BotTokenUses, BotTokens, Bots, Change,
        Departures, Follows, Held, HeldEntry, HeldList, HeldLists, HeldMessages, Key, KeyPart as _, LogRange,
        OwnedBots, Prefix, Scan, TABLES, Table, ThreadMarkers, TypedKey,
    },
};

use super::*;

async fn erased(world: &World) {
    // Waits for the job that the deletion has begun: it takes the record away.
    kit::in_time(async {
        loop {
            let all = Prefix { table: erasures(), parts: Vec::new() };
            if world.store.count(&[all]).await.unwrap() == [0] {
                return;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
}

fn erasures() -> &'static Table {
    Erasures::TABLE
}

/// The erasure of an account that was just deleted.
fn erasure(world: &World) -> ErasureRecord {
    ErasureRecord {
        since: world.chat.now(),
        messages: true,
        done: None,
        after: 0,
        claimed_until: None,
        left: Vec::new(),
        failures: 0,
    }
}

async fn is_erased(world: &World, reader: &Principal, message: &chatcore::model::Message) -> bool {
    world.chat.message(reader, message.id).await.unwrap().body.content == Content::Deleted
}

/// All that the store has, as text.
async fn everything(world: &World, sessions: &[SessionId]) -> String {
    let tables = TABLES.iter().chain(chatcore::accounts::TABLES);
    let scans: Vec<Scan> = tables
        .map(|table| Scan { table, prefix: Vec::new(), after: None, skip: 0, limit: u64::MAX, shows_unreadable: false })
        .collect();
    let records: Vec<Vec<(Key, _)>> = world.store.scan(&scans).await.unwrap();
    let ranges: Vec<LogRange> = sessions.iter().map(|id| LogRange { session_id: *id, from: 1, to: 10_000 }).collect();
    format!("{records:?} {:?}", world.store.log(&ranges).await.unwrap())
}

#[tokio::test]
async fn a_deleted_account_leaves_nothing_about_threads() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    let records = async |who: &Principal| {
        let prefix = |table| Prefix { table, parts: vec![who.user_id.part()] };
        world.store.count(&[prefix(Follows::TABLE), prefix(ThreadMarkers::TABLE)]).await.unwrap()
    };
    for _ in 0..3 {
        let root = kit::say(&world.chat, &by_eve, id, "root").await;
        let answer = || SendMessage::text("an answer").in_reply_to(root.id);
        let reply = world.chat.send(&by_ada, id, answer()).await.unwrap();
        world.chat.mark_thread_read(&by_ada, reply.id).await.unwrap();
        world.chat.unfollow_thread(&by_eve, root.id).await.unwrap();
    }
    assert_eq!((records(&by_ada).await, records(&by_eve).await), (vec![3, 3], vec![3, 0]));
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    assert_eq!((records(&by_ada).await, records(&by_eve).await), (vec![0, 0], vec![3, 0]));
    // The first reply to a message of a deleted user writes nothing for the user.
    let kept = world.chat.messages(&by_eve, id, MessageWindow::Newest, None).await.unwrap().messages;
    let root = kept.iter().find(|message| message.body.content != Content::Deleted).unwrap();
    world.chat.send(&by_eve, id, SendMessage::text("again").in_reply_to(root.id)).await.unwrap();
    assert_eq!(records(&by_ada).await, [0, 0]);
}

/// Calls in several processes together can have let in more blocks than the limit.
#[tokio::test]
async fn a_deleted_account_leaves_no_blocks() {
    let world = World::new();
    let ada = world.caller(&world.register("ada").await).await;
    let block = |n: u64| {
        let blocked = kit::user_id(&format!("u{n}"));
        Blocks { user: ada.user_id.clone(), blocked }.put(BlockRecord { at: world.chat.now() })
    };
    world.store.commit(Change::of_records((0..=MAX_BLOCKS).map(block).collect())).await.unwrap();
    world.accounts.delete_account(&ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    assert_eq!(world.store.count(&[Prefix { table: Blocks::TABLE, parts: Vec::new() }]).await.unwrap(), [0]);
}

#[tokio::test]
async fn a_deleted_account_leaves_no_bots() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[]).await;
    let bot = world.chat.create_bot(&by_ada, "A bot").await.unwrap().profile.user_id;
    world.chat.add_participant(&by_eve, id, AddParticipant { user_id: bot.clone(), role: None }).await.unwrap();
    let new = CreateBotToken::named("one");
    let token = world.chat.create_bot_token(&by_ada, &bot, new).await.unwrap().secret;
    let tokens = BotAuthenticator::new(world.chat.clone(), NoTokens);
    let as_bot = tokens.authenticate(token.as_str()).await.unwrap();
    kit::say(&world.chat, &as_bot, id, "hello").await;
    // A bot has no account of its own.
    assert_eq!(world.accounts.me(&as_bot).await.unwrap_err(), Error::AccountNotFound);
    let scoped = as_bot.clone().within(Scope { sessions: Some([id].into()), actions: None });
    assert_eq!(world.accounts.me(&scoped).await.unwrap_err(), Error::OutOfScope);
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    assert_eq!(tokens.authenticate(token.as_str()).await.unwrap_err(), Error::TokenInvalid);
    let people = world.chat.participants(&by_eve, id, Page::FIRST, false).await.unwrap();
    assert_eq!(people.iter().filter(|one| one.is_active).count(), 1);
    let all = [Bots::TABLE, OwnedBots::TABLE, BotTokens::TABLE, BotTokenUses::TABLE];
    let prefixes = all.map(|table| Prefix { table, parts: Vec::new() });
    assert_eq!(world.store.count(&prefixes).await.unwrap(), [0, 0, 0, 0]);
}

#[tokio::test]
async fn a_deleted_account_leaves_no_name_no_address_and_no_text() {
    let world = World::new();
    let phone = Client { device: Some("Her phone".into()), ..client("198.51.100.9") };
    let new = Register { display_name: Some("Lovelace".into()), ..new("adalove") };
    let ada = world.accounts.register(&phone, new).await.unwrap();
    let eve = world.register("eve").await;
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let (own, other) =
        (kit::room(&world.chat, &by_ada, &[&by_eve]).await, kit::room(&world.chat, &by_eve, &[&by_ada]).await);
    let left = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    let mut texts = Vec::new();
    for id in [own, other, left] {
        let message = kit::say(&world.chat, &by_ada, id, "secret-one").await;
        world.chat.edit_message(&by_ada, message.id, EditMessage::text("secret-two")).await.unwrap();
        texts.push(message.id);
        kit::say(&world.chat, &by_eve, id, "eve says").await;
    }
    let report = |text: &str| FileReport { reason: ReportReason::Other, text: Some(text.into()) };
    world.chat.report_participant(&by_ada, other, &by_eve.user_id, report("secret-report")).await.unwrap();
    world.chat.report_participant(&by_eve, own, &by_ada.user_id, report("secret-about-ada")).await.unwrap();
    world.chat.report_participant(&by_eve, other, &by_ada.user_id, report("secret-about-ada")).await.unwrap();
    world.chat.leave(&by_ada, left).await.unwrap();
    // Nobody is taken out of a deleted session.
    let closed = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    for id in [other, closed] {
        let metadata = serde_json::from_value(serde_json::json!({ "note": "secret-three" })).unwrap();
        let user = &ada.account.user_id;
        world.chat.set_participant_metadata(&by_eve, id, user, Some(metadata)).await.unwrap();
    }
    world.chat.delete_session(&by_eve, closed).await.unwrap();
    world.chat.block_user(&by_ada, &by_eve.user_id).await.unwrap();
    world.chat.acknowledge_delivery(&by_ada, own, 1).await.unwrap();
    world.chat.set_user_settings(&by_ada, SetUserSettings { receipts: Some(false) }).await.unwrap();
    let lease = BotLease { holder: uuid::Uuid::nil(), until: world.chat.now() };
    let bot = vec![
        BotCursors { user: by_ada.user_id.clone(), session: own }.put(BotCursor { seq: 3 }),
        BotLeases { user: by_ada.user_id.clone() }.put(lease),
    ];
    world.store.commit(Change::of_records(bot)).await.unwrap();
    let before = everything(&world, &[own, other, left]).await;
    let records = ["block:", "delivery:", "user_settings:", "bot_cursor:", "bot_lease:"];
    for trace in ["secret-one", "secret-two", "secret-three", "adalove", "Lovelace", "198.51.100.9", "Her phone"]
        .iter()
        .chain(&records)
    {
        assert!(before.contains(trace), "{trace}");
    }
    let mut events = world.chat.subscribe(&by_eve, other, None).await.unwrap();

    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    assert_eq!(world.chat.me(&by_ada).await.unwrap_err(), Error::AccountDeleted);
    assert_eq!(world.log_in("adalove", PASSWORD).await.unwrap_err(), Error::InvalidCredentials);
    erased(&world).await;

    let kept = everything(&world, &[own, other, left]).await;
    for trace in ["secret", "adalove", "Lovelace", "198.51.100.9", "Her phone"].iter().chain(&records) {
        assert!(!kept.contains(trace), "{trace} is still in the store");
    }
    for id in &texts {
        let message = world.chat.message(&by_eve, *id).await;
        let message = message.unwrap();
        assert_eq!((&message.body.content, message.sender.name.as_str()), (&Content::Deleted, "Deleted user"));
    }
    assert_eq!(kept.matches("eve says").count(), 3);
    // Readers are told by an event that names the rows.
    loop {
        let event = kit::next(&mut events).await;
        if let EventKind::Message(MessageEvent::Deleted { messages, .. }) = &event.event.kind {
            assert_eq!(messages, &[texts[1].seq]);
            break;
        }
    }
    // The reports stay for those who moderate, without words of the user or about the user.
    let reports = world.chat.reports(&by_eve, other, None, Page::FIRST).await.unwrap().entries;
    assert_eq!(reports.iter().map(|report| report.text.clone()).collect::<Vec<_>>(), [None]);
    assert_eq!(reports[0].user.name, "Deleted user");
    // Nobody brings the user back, and the name is free.
    let add = AddParticipant { user_id: ada.account.user_id.clone(), role: None };
    assert_eq!(world.chat.add_participant(&by_eve, other, add).await.unwrap_err(), Error::UserBanned);
    world.register("adalove").await;
}

#[tokio::test]
async fn texts_may_stay_under_the_name_of_a_removed_user() {
    let world = World::with(AccountSettings { erases_messages: false, removed_name: "Gone".into(), ..settings() });
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    let message = kit::say(&world.chat, &by_ada, id, "this stays").await;
    let metadata = serde_json::from_value(serde_json::json!({ "note": "about ada" })).unwrap();
    world.chat.set_participant_metadata(&by_eve, id, &ada.account.user_id, Some(metadata)).await.unwrap();
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    let found = world.chat.message(&by_eve, message.id).await.unwrap();
    assert_eq!((kit::text_of(&found), found.sender.name.as_str()), ("this stays", "Gone"));
    let participant = world.chat.participant(&by_eve, id, &ada.account.user_id, false).await.unwrap();
    assert_eq!((participant.is_active, participant.metadata), (false, None));
}

#[tokio::test]
async fn a_deleted_account_leaves_no_reason_of_a_ban_or_a_mute() {
    let world = World::with(AccountSettings { erases_messages: false, ..settings() });
    let (ada, bob, eve) = (world.register("ada").await, world.register("bob").await, world.register("eve").await);
    let (by_ada, by_bob, by_eve) = (world.caller(&ada).await, world.caller(&bob).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada, &by_bob]).await;
    world.chat.change_role(&by_eve, id, &by_ada.user_id, chatcore::model::ParticipantRole::Admin).await.unwrap();
    let (left, never_in) =
        (kit::room(&world.chat, &by_eve, &[&by_ada]).await, kit::room(&world.chat, &by_eve, &[]).await);
    let sanction = |reason: &str| SanctionUser { reason: Some(reason.to_owned()), until: None };
    let (of_ada, about_ada) = (|| sanction("secret-of-ada"), || sanction("secret-about-ada"));
    world.chat.mute_participant(&by_ada, id, &by_bob.user_id, of_ada()).await.unwrap();
    world.chat.ban_participant(&by_ada, id, &by_bob.user_id, of_ada()).await.unwrap();
    world.chat.ban_participant(&by_eve, id, &kit::user_id("zoe"), sanction("eve says")).await.unwrap();
    world.chat.mute_participant(&by_eve, left, &by_ada.user_id, about_ada()).await.unwrap();
    world.chat.ban_participant(&by_eve, left, &by_ada.user_id, about_ada()).await.unwrap();
    world.chat.ban_participant(&by_eve, never_in, &by_ada.user_id, about_ada()).await.unwrap();
    let before = everything(&world, &[id]).await;
    assert!(before.contains("secret-of-ada") && before.contains("secret-about-ada"));
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    assert!(!everything(&world, &[id, left, never_in]).await.contains("secret-"));
    // The bans stay, and so do the reasons of others.
    let bans = async |id| {
        let bans = world.chat.bans(&by_eve, id, Page::FIRST).await.unwrap().entries;
        bans.into_iter().map(|ban| (ban.user.user_id, ban.reason)).collect::<Vec<_>>()
    };
    let mut expected = vec![(by_bob.user_id.clone(), None), (kit::user_id("zoe"), Some("eve says".to_owned()))];
    expected.sort();
    assert_eq!(bans(id).await, expected);
    for id in [left, never_in] {
        assert_eq!(bans(id).await, [(by_ada.user_id.clone(), None)]);
    }
}

/// These were never sent, and nobody can approve them any more.
#[tokio::test]
async fn held_messages_go_also_where_texts_may_stay() {
    let world = World::with(AccountSettings { erases_messages: false, ..settings() });
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let session = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    let stay = world.chat.participant(&by_eve, session, &ada.account.user_id, false).await.unwrap().id;
    let held = Held {
        author: ada.account.user_id.clone(),
        stay,
        body: MessageBody::new(Content::Text("wait".to_owned())),
        reply_to: None,
        mentions: Vec::new(),
        mentions_everybody: false,
        client_id: None,
        fingerprint: None,
        reason: None,
        held_at: world.chat.now(),
        is_approved: false,
    };
    let id = HeldId(uuid::Uuid::from_u128(7));
    let list = HeldList { entries: vec![HeldEntry { id, author: held.author.clone(), client_id: None }] };
    let writes = vec![HeldMessages { session, id }.put(held), HeldLists { session }.put(list)];
    world.store.commit(Change::of_records(writes)).await.unwrap();
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    let all = [HeldMessages::TABLE, HeldLists::TABLE].map(|table| Prefix { table, parts: Vec::new() });
    assert_eq!(world.store.count(&all).await.unwrap(), [0, 0]);
}

#[tokio::test]
async fn a_long_session_is_erased_in_parts_and_by_another_process() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    for number in 0..500 {
        let who = if number % 10 == 9 { &by_eve } else { &by_ada };
        kit::say(&world.chat, who, id, "words").await;
    }
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    assert_eq!(world.restarted(settings()).resume_erasures().await.unwrap(), 0);
    let log = world.store.log(&[LogRange { session_id: id, from: 1, to: 10_000 }]).await.unwrap().pop().unwrap();
    let mut named = 0;
    for event in &log {
        if let EventKind::Message(MessageEvent::Deleted { messages, .. }) = &event.kind {
            assert!(messages.len() <= 200);
            named += messages.len();
        }
    }
    assert_eq!(named, 450);
    let page = world.chat.messages(&by_eve, id, MessageWindow::Newest, Some(100)).await.unwrap();
    assert!(
        page.messages
            .iter()
            .all(|message| message.sender.user_id == by_eve.user_id || message.body.content == Content::Deleted)
    );
}

#[tokio::test]
async fn an_erasure_that_a_process_left_behind_goes_on() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    let message = kit::say(&world.chat, &by_ada, id, "words").await;
    // As a process leaves it that has marked the account and ends.
    let user = ada.account.user_id.clone();
    world.chat.delete_account(&user, &user).await.unwrap();
    let claimed_until = Some(world.chat.now() + TimeDelta::seconds(60));
    let write = Erasures { user }.put(ErasureRecord { claimed_until, ..erasure(&world) });
    world.store.commit(Change::of_records(vec![write])).await.unwrap();
    let other = world.restarted(settings());
    assert_eq!(other.resume_erasures().await.unwrap(), 0, "the other process may still work on it");
    world.later(61);
    assert_eq!(other.resume_erasures().await.unwrap(), 1);
    let found = other.chat().message(&by_eve, message.id).await.unwrap();
    assert_eq!(found.body.content, Content::Deleted);
    assert_eq!(other.resume_erasures().await.unwrap(), 0);
}

#[tokio::test]
async fn a_wrong_password_deletes_nothing() {
    let world = World::new();
    let ada = world.register("ada").await;
    let caller = world.caller(&ada).await;
    let error = world.accounts.delete_account(&caller, &here(), "wrong one").await.unwrap_err();
    assert_eq!(error, Error::InvalidCredentials);
    assert_eq!(world.accounts.me(&caller).await.unwrap(), ada.account);
    let id = kit::session(&world.chat, &caller, SessionType::Private).await;
    kit::assert_denied(world.chat.session(&kit::user("other"), id).await, Denial::Hidden);
}

#[tokio::test]
async fn a_session_that_fails_keeps_no_other_session_and_no_other_erasure_waiting() {
    let world = World::new();
    let (store, other) = world.breakable(settings());
    let eve = world.register("eve").await;
    let by_eve = world.caller(&eve).await;
    let (mut ids, mut messages) = (Vec::new(), Vec::new());
    // Two users with two sessions each.
    for name in ["ada", "bob"] {
        let caller = world.caller(&world.register(name).await).await;
        for _ in 0..2 {
            let id = kit::room(&world.chat, &by_eve, &[&caller]).await;
            messages.push(kit::say(&world.chat, &caller, id, "words").await);
            ids.push(id);
        }
        world.chat.delete_account(&caller.user_id, &caller.user_id).await.unwrap();
        let write = Erasures { user: caller.user_id }.put(erasure(&world));
        world.store.commit(Change::of_records(vec![write])).await.unwrap();
    }
    let are_erased = async || {
        let mut found = Vec::new();
        for message in &messages {
            found.push(is_erased(&world, &by_eve, message).await);
        }
        found
    };
    *store.broken.lock().unwrap() = Some(ids[0]);
    assert_eq!(other.resume_erasures().await.unwrap(), 1);
    assert_eq!(are_erased().await, [false, true, true, true]);
    // The next attempt comes after a pause, and after a second failure after a longer one.
    for (seconds, is_healed, done) in [(0, true, 0), (59, false, 0), (1, false, 0), (119, true, 0), (1, true, 1)] {
        world.later(seconds);
        *store.broken.lock().unwrap() = (!is_healed).then_some(ids[0]);
        assert_eq!(other.resume_erasures().await.unwrap(), done, "{seconds}");
    }
    assert_eq!(are_erased().await, [true; 4]);
    erased(&world).await;
}

#[tokio::test]
async fn a_deleted_user_who_cannot_be_removed_from_one_session_is_erased_in_the_others() {
    let world = World::new();
    let (store, other) = world.breakable(settings());
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let ids = [kit::room(&world.chat, &by_eve, &[&by_ada]).await, kit::room(&world.chat, &by_eve, &[&by_ada]).await];
    let messages =
        [kit::say(&world.chat, &by_ada, ids[0], "one").await, kit::say(&world.chat, &by_ada, ids[1], "two").await];
    *store.broken.lock().unwrap() = Some(ids[0]);
    other.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    kit::in_time(async {
        while !is_erased(&world, &by_eve, &messages[1]).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(!is_erased(&world, &by_eve, &messages[0]).await);
    *store.broken.lock().unwrap() = None;
    world.later(61);
    kit::in_time(async {
        while other.resume_erasures().await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(is_erased(&world, &by_eve, &messages[0]).await);
    let all = Prefix { table: Departures::TABLE, parts: Vec::new() };
    assert_eq!(world.store.count(&[all]).await.unwrap(), [0]);
}

#[tokio::test]
async fn a_new_account_of_the_same_name_has_nothing_of_the_deleted_one() {
    let mut world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    let message = kit::say(&world.chat, &by_ada, id, "of the first one").await;
    for _ in ["of ada", "of eve"] {
        world.mail().await;
    }
    world.accounts.request_password_reset(&here(), "ada@example.org").await.unwrap();
    let reset = world.mail().await;
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    let again = world.register("ada").await;
    assert_ne!(again.account.user_id, ada.account.user_id);
    let by_again = world.caller(&again).await;
    kit::assert_denied(world.chat.message(&by_again, message.id).await, Denial::NotParticipant);
    world.chat.join(&by_again, id).await.unwrap();
    let words = kit::say(&world.chat, &by_again, id, "of the second one").await;
    erased(&world).await;
    assert!(is_erased(&world, &by_eve, &message).await && !is_erased(&world, &by_eve, &words).await);
    // Neither the tokens nor the code of before are good for anything.
    assert_eq!(world.chat.me(&by_ada).await.unwrap_err(), Error::AccountDeleted);
    let refreshed = world.accounts.refresh(&here(), &ada.tokens.refresh_token).await;
    assert_eq!(refreshed.unwrap_err(), Error::RefreshTokenInvalid);
    let reset = world.accounts.reset_password(&reset.code, "another strong pass-phrase").await;
    assert_eq!(reset.unwrap_err(), Error::CodeInvalid);
    world.log_in("ada", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn nothing_brings_a_deleted_user_back() {
    use chatcore::accounts::ImportAccount;
    let world = World::new();
    let other = world.restarted(settings());
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    let message = kit::say(&world.chat, &by_ada, id, "words").await;
    other.chat().standing(&by_ada.user_id).await.unwrap();
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    // A process that has not heard of the deletion, and a token of another issuer that shows a name.
    world.clock.set(world.chat.now() + TimeDelta::milliseconds(1));
    let named = Principal { issued_at: world.chat.now(), ..by_ada.clone().with_name("Lovelace") };
    other.chat().me(&named).await.unwrap();
    assert_eq!(world.chat.message(&by_eve, message.id).await.unwrap().sender.name, "Deleted user");
    let hash = "$2b$04$abcdefghijklmnopqrstuuYSFzS8hzcfSkQD0a2nA5Fv3ZrjYvO9e".to_owned();
    let import = ImportAccount {
        user_id: Some(by_ada.user_id.clone()),
        username: "ada".into(),
        email: "ada@example.org".into(),
        password_hash: hash,
        display_name: None,
        is_verified: true,
        created_at: None,
    };
    assert_eq!(world.accounts.import(import.clone()).await.unwrap_err(), Error::AccountDeleted);
    // The name is free for a new user.
    world.accounts.import(ImportAccount { user_id: None, ..import }).await.unwrap();
}

#[tokio::test]
async fn a_deleted_account_leaves_its_webhooks_and_not_its_name() {
    let world = World::new();
    let (ada, eve) = (world.register("ada").await, world.register("eve").await);
    let (by_ada, by_eve) = (world.caller(&ada).await, world.caller(&eve).await);
    let id = kit::room(&world.chat, &by_eve, &[&by_ada]).await;
    world.chat.change_role(&by_eve, id, &by_ada.user_id, chatcore::model::ParticipantRole::Admin).await.unwrap();
    let new = chatcore::chat::CreateIncomingWebhook { name: "Builds".to_owned(), avatar_url: None };
    let token = world.chat.create_incoming_webhook(&by_ada, id, new).await.unwrap().token;
    let post = async || {
        let caller = world.chat.admit_webhook(chatcore::Origin::UNKNOWN, &token).await.unwrap();
        world.chat.post_to_webhook(caller, chatcore::chat::PostToWebhook::text("done")).await.unwrap()
    };
    let before = post().await;
    let listed = async || world.chat.incoming_webhooks(&by_eve, id).await.unwrap().remove(0);
    assert_eq!(listed().await.created_by.username, "ada");
    world.accounts.delete_account(&by_ada, &here(), PASSWORD).await.unwrap();
    erased(&world).await;
    let after = listed().await.created_by;
    assert_eq!((&after.user_id, after.username.as_str()), (&by_ada.user_id, "deleted"));
    // Its messages are the webhook's, and it posts on.
    assert!(!is_erased(&world, &by_eve, &before).await);
    assert_eq!(post().await.sender.name, "Builds");
}
