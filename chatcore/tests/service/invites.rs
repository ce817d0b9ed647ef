//! Invites: their codes, their uses, and the answers to those who hold one.

use std::collections::HashSet;

use chatcore::{
    chat::{
        Admission, BanAccount, CreateInvite, INVITE_SECONDS, INVITE_SECONDS_MAX, INVITE_USES_MAX, MAX_INVITES,
        SanctionUser,
    },
    model::{CreatedInvite, InviteCode, InvitePreview, Term},
    store::{Scan, TABLES},
};

use super::*;

fn once() -> CreateInvite {
    CreateInvite { max_uses: Some(1), ..CreateInvite::default() }
}

fn granting(role: ParticipantRole) -> CreateInvite {
    CreateInvite { role: Some(role), ..CreateInvite::default() }
}

async fn invite(chat: &Chat, by: &Principal, id: SessionId) -> CreatedInvite {
    chat.create_invite(by, id, CreateInvite::default()).await.unwrap()
}

/// What both questions about a code answer; nothing is to come of either.
async fn refusals(chat: &Chat, who: &Principal, code: &InviteCode) -> [Error; 2] {
    [chat.preview_invite(who, code).await.unwrap_err(), chat.join_by_invite(who, code).await.unwrap_err()]
}

const OVER: [Error; 2] = [Error::InviteNotFound, Error::InviteNotFound];

#[tokio::test]
async fn whoever_has_the_code_joins_in_the_role_that_it_grants() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice").with_name("Alice"), user("bob"));
    for session_type in [SessionType::InviteOnly, SessionType::Public] {
        for role in [ADMIN, MEMBER, VIEWER] {
            let id = session(&chat, &alice, session_type).await;
            let CreatedInvite { invite, code } = chat.create_invite(&alice, id, granting(role)).await.unwrap();
            assert_eq!((invite.session_id, invite.role, invite.uses, invite.max_uses), (id, role, 0, None));
            let lasts = invite.expires_at - invite.created_at;
            assert_eq!(lasts, TimeDelta::seconds(INVITE_SECONDS.into()));

            let preview = chat.preview_invite(&bob, &code).await.unwrap();
            let InvitePreview { session_id, title, participant_count, invited_by, role: granted, .. } = preview;
            assert_eq!((session_id, title.as_str(), participant_count, granted), (id, "A session", 1, role));
            assert_eq!((invited_by.name.as_str(), invited_by.email), ("Alice", None));

            let Admission { participant, cursor } = chat.join_by_invite(&bob, &code).await.unwrap();
            assert_eq!((participant.session_id, participant.role, cursor.seq), (id, role, 3));
            assert_eq!(role_of(&chat, &alice, id, "bob").await, Some(role));
            assert_eq!(chat.invites(&alice, id, Page::FIRST).await.unwrap()[0].uses, 1);
        }
    }
}

#[tokio::test]
async fn owners_and_admins_create_list_and_revoke_invites_and_nobody_else_does() {
    let (chat, owner) = (Chat::in_memory(), user("owner"));
    let id = session(&chat, &owner, SessionType::InviteOnly).await;
    for (name, role) in [("admin", ADMIN), ("member", MEMBER), ("viewer", VIEWER)] {
        chat.me(&user(name)).await.unwrap();
        chat.add_participant(&owner, id, add(name, Some(role))).await.unwrap();
    }
    for name in ["owner", "admin"] {
        let created = invite(&chat, &user(name), id).await.invite;
        assert_eq!(created.created_by.user_id, user_id(name));
        assert_eq!(chat.invites(&user(name), id, Page::FIRST).await.unwrap().len(), 1);
        chat.revoke_invite(&user(name), id, created.id).await.unwrap();
        // A retry, after which nothing is different.
        chat.revoke_invite(&user(name), id, created.id).await.unwrap();
        assert_denied(chat.create_invite(&user(name), id, granting(OWNER)).await, Denial::OwnerProtected);
    }
    let (created, before) = (invite(&chat, &owner, id).await.invite, head(&chat, &owner, id).await);
    for (name, denial) in
        [("member", Denial::RoleInsufficient), ("viewer", Denial::RoleInsufficient), ("stranger", Denial::Hidden)]
    {
        let who = user(name);
        assert_denied(chat.create_invite(&who, id, CreateInvite::default()).await, denial);
        assert_denied(chat.invites(&who, id, Page::FIRST).await, denial);
        assert_denied(chat.revoke_invite(&who, id, created.id).await, denial);
    }
    assert_eq!(head(&chat, &owner, id).await, before);
    assert_eq!(chat.invites(&owner, id, Page::FIRST).await.unwrap()[0].id, created.id);
}

#[tokio::test]
async fn a_code_that_is_wrong_expired_revoked_used_up_or_of_a_deleted_session_gets_one_answer() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let long = "x".repeat(10_000);
    for wrong in ["", "x", "AAAAAAAAAAAAAAAAAAAAAA", "../join", "\u{0}", &long] {
        assert_eq!(refusals(&chat, &bob, &InviteCode::new(wrong)).await, OVER, "{wrong:.20}");
    }

    let brief = CreateInvite { expires_in: Some(60), ..CreateInvite::default() };
    let brief = chat.create_invite(&alice, id, brief).await.unwrap().code;
    clock.advance(TimeDelta::seconds(60) - TimeDelta::microseconds(1));
    chat.preview_invite(&bob, &brief).await.unwrap();
    clock.advance(TimeDelta::microseconds(1));
    assert_eq!(refusals(&chat, &bob, &brief).await, OVER, "expired");

    let revoked = invite(&chat, &alice, id).await;
    chat.revoke_invite(&alice, id, revoked.invite.id).await.unwrap();
    assert_eq!(refusals(&chat, &bob, &revoked.code).await, OVER, "revoked");

    let used = chat.create_invite(&alice, id, once()).await.unwrap().code;
    chat.join_by_invite(&carol, &used).await.unwrap();
    assert_eq!(refusals(&chat, &bob, &used).await, OVER, "used up");
    // Also for the user who used it, and for the owner.
    assert_eq!(refusals(&chat, &carol, &used).await, OVER);

    let good = invite(&chat, &alice, id).await.code;
    chat.preview_invite(&bob, &good).await.unwrap();
    chat.delete_session(&alice, id).await.unwrap();
    for code in [good, used, brief, revoked.code] {
        assert_eq!(refusals(&chat, &bob, &code).await, OVER, "deleted");
    }
    let error = Error::InviteNotFound;
    assert_eq!((error.code(), error.code().status(), error.retry_after()), (Code::InviteNotFound, 404, None));
}

#[tokio::test]
async fn a_code_does_not_go_around_what_else_keeps_users_out() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let code = invite(&chat, &alice, id).await.code;
    chat.join_by_invite(&bob, &code).await.unwrap();
    for who in [&alice, &bob] {
        assert_denied(chat.join_by_invite(who, &code).await, Denial::AlreadyParticipant);
        chat.preview_invite(who, &code).await.unwrap();
    }
    chat.update_session(&alice, id, to_cap(2)).await.unwrap();
    assert_denied(chat.join_by_invite(&carol, &code).await, Denial::Full);
    assert_eq!(chat.preview_invite(&carol, &code).await.unwrap().participant_count, 2);
    assert_eq!(chat.invites(&alice, id, Page::FIRST).await.unwrap()[0].uses, 1, "a refusal is no use");

    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    chat.update_session(&alice, id, to_type(SessionType::Private)).await.unwrap();
    assert_denied(chat.join_by_invite(&bob, &code).await, Denial::PrivateSession);
    assert_denied(chat.preview_invite(&bob, &code).await, Denial::PrivateSession);
    assert_denied(chat.create_invite(&alice, id, once()).await, Denial::PrivateSession);
    chat.update_session(&alice, id, to_type(SessionType::InviteOnly)).await.unwrap();

    let ban = BanAccount { reason: "spam".to_owned(), by: user_id("host"), until: None };
    chat.ban_account(&carol.user_id, ban).await.unwrap();
    assert!(matches!(chat.join_by_invite(&carol, &code).await, Err(Error::AccountBanned(_))));
    // A removal is no ban of the session.
    assert_eq!(chat.join_by_invite(&bob, &code).await.unwrap().participant.role, MEMBER);
    chat.ban_participant(&alice, id, &bob.user_id, SanctionUser::ENDLESS).await.unwrap();
    let of_a_public_one = Error::Denied(Denial::Banned(Term::Endless));
    for (session_type, refused) in [
        (SessionType::InviteOnly, Error::InviteNotFound),
        (SessionType::Public, of_a_public_one),
        (SessionType::Private, Error::InviteNotFound),
    ] {
        chat.update_session(&alice, id, to_type(session_type)).await.unwrap();
        assert_eq!(refusals(&chat, &bob, &code).await, [refused.clone(), refused.clone()]);
        assert_eq!(chat.request_to_join(&bob, &code, None).await.unwrap_err(), refused);
    }
}

#[tokio::test]
async fn numbers_outside_of_their_limits_are_refused() {
    let (chat, alice) = (Chat::in_memory(), user("alice"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let wrong = Code::ValidationInvalidValue;
    for (max_uses, expires_in, field) in [
        (Some(0), None, "max_uses"),
        (Some(INVITE_USES_MAX + 1), None, "max_uses"),
        (None, Some(0), "expires_in"),
        (None, Some(INVITE_SECONDS_MAX + 1), "expires_in"),
    ] {
        assert_fault(
            chat.create_invite(&alice, id, CreateInvite { max_uses, expires_in, ..CreateInvite::default() }).await,
            field,
            wrong,
        );
    }
    let (max_uses, expires_in) = (Some(INVITE_USES_MAX), Some(INVITE_SECONDS_MAX));
    let most = CreateInvite { max_uses, expires_in, ..CreateInvite::default() };
    chat.create_invite(&alice, id, most).await.unwrap();
}

#[tokio::test]
async fn a_session_has_a_bounded_number_of_invites_and_those_that_are_over_make_room() {
    let clock = TestClock::default();
    let chat = Chat::builder(MemoryStore::new()).clock(clock.clone()).rates(RateLimits::off()).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let brief = CreateInvite { expires_in: Some(1), ..CreateInvite::default() };
    let mut codes = HashSet::new();
    let mut ids = Vec::new();
    for n in 0..MAX_INVITES {
        let new = if n < 3 { brief } else { CreateInvite::default() };
        let CreatedInvite { invite, code } = chat.create_invite(&alice, id, new).await.unwrap();
        assert!(code.as_str().len() >= 22, "at least 128 bits in base64");
        assert!(codes.insert(code.as_str().to_owned()));
        ids.push(invite.id);
    }
    let full = Error::LimitExceeded { what: "the number of invites of one session", limit: MAX_INVITES as u64 };
    assert_eq!(chat.create_invite(&alice, id, once()).await.unwrap_err(), full);
    let mut listed = Vec::new();
    let mut page = Page { limit: Some(30), ..Page::FIRST };
    loop {
        let found = chat.invites(&alice, id, page).await.unwrap();
        listed.extend(found.iter().map(|invite| invite.id));
        let Some(next) = found.next else { break };
        page = Page { after: Some(next), ..page };
    }
    assert_eq!(listed, ids);

    clock.advance(TimeDelta::seconds(2));
    let code = chat.create_invite(&alice, id, once()).await.unwrap().code;
    assert_eq!(
        chat.invites(&alice, id, Page { limit: Some(100), ..Page::FIRST }).await.unwrap().len(),
        MAX_INVITES - 2
    );
    chat.join_by_invite(&bob, &code).await.unwrap();
}

#[tokio::test]
async fn no_record_no_event_and_no_debug_text_has_the_code() {
    let store = MemoryStore::new();
    let (chat, alice, bob) = (Chat::new(store.clone()), user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    let created = invite(&chat, &alice, id).await;
    chat.join_by_invite(&bob, &created.code).await.unwrap();
    let whole =
        |table| Scan { table, prefix: Vec::new(), after: None, skip: 0, limit: u64::MAX, shows_unreadable: false };
    let records = store.scan(&TABLES.iter().copied().map(whole).collect::<Vec<_>>()).await.unwrap();
    let records = format!("{records:?}");
    assert!(records.contains("A session") && !records.contains(created.code.as_str()), "{records}");
    chat.revoke_invite(&alice, id, created.invite.id).await.unwrap();
    let events = chat.events(&bob, id, 0, None).await.unwrap().events;
    let kinds: Vec<_> = events.iter().map(|view| view.event.kind.clone()).collect();
    let (invite_id, role) = (created.invite.id, MEMBER);
    assert_eq!(kinds[1], EventKind::Session(SessionEvent::InviteCreated { invite_id, role }));
    assert!(matches!(kinds[2], EventKind::Participant(ParticipantEvent::Joined { role: MEMBER, .. })));
    assert_eq!(kinds[3], EventKind::Session(SessionEvent::InviteRevoked { invite_id }));
    for text in [format!("{events:?}"), format!("{created:?}")] {
        assert!(!text.contains(created.code.as_str()), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_last_uses_of_a_code_are_given_once_whatever_the_process() {
    for round in 0..60 {
        let store = MemoryStore::new();
        let chats = [uncounted(store.clone()), uncounted(store)];
        let (alice, uses) = (user("alice"), 1 + round % 3);
        let id = session(&chats[0], &alice, SessionType::InviteOnly).await;
        let limited = CreateInvite { max_uses: Some(uses), ..CreateInvite::default() };
        let code = chats[0].create_invite(&alice, id, limited).await.unwrap().code;
        let joins = (0..8).map(|n: usize| {
            let (chat, code) = (chats[n % 2].clone(), code.clone());
            tokio::spawn(async move { chat.join_by_invite(&user(&format!("u{n}")), &code).await })
        });
        let mut joined = 0;
        for join in joins.collect::<Vec<_>>() {
            match join.await.unwrap() {
                Ok(_) => joined += 1,
                Err(error) => assert_eq!(error, Error::InviteNotFound),
            }
        }
        assert_eq!(joined, uses);
        assert_eq!(chats[1].invites(&alice, id, Page::FIRST).await.unwrap()[0].uses, uses);
        assert_eq!(roles(&chats[1], &alice, id).await.len(), 1 + uses as usize);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_joins_after_the_revocation() {
    for _ in 0..60 {
        let store = MemoryStore::new();
        let (here, there) = (uncounted(store.clone()), uncounted(store));
        let (alice, bob) = (user("alice"), user("bob"));
        let id = session(&here, &alice, SessionType::InviteOnly).await;
        let CreatedInvite { invite, code } = invite(&here, &alice, id).await;
        let join = tokio::spawn(async move { there.join_by_invite(&bob, &code).await });
        here.revoke_invite(&alice, id, invite.id).await.unwrap();
        let joined = join.await.unwrap();
        let events = here.events(&alice, id, 0, None).await.unwrap().events;
        let place = |wanted: fn(&EventKind) -> bool| events.iter().position(|view| wanted(&view.event.kind));
        let came = place(|kind| matches!(kind, EventKind::Participant(ParticipantEvent::Joined { .. })));
        let ended = place(|kind| matches!(kind, EventKind::Session(SessionEvent::InviteRevoked { .. })));
        match joined {
            Ok(_) => assert!(came.unwrap() < ended.unwrap()),
            Err(error) => assert_eq!((error, came), (Error::InviteNotFound, None)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_invites_than_the_limit_are_created_at_once() {
    let store = MemoryStore::new();
    let chats = [uncounted(store.clone()), uncounted(store)];
    let alice = user("alice");
    let id = session(&chats[0], &alice, SessionType::InviteOnly).await;
    for _ in 0..MAX_INVITES - 2 {
        invite(&chats[0], &alice, id).await;
    }
    let create = |n: usize| {
        let (chat, alice) = (chats[n % 2].clone(), alice.clone());
        tokio::spawn(async move { chat.create_invite(&alice, id, CreateInvite::default()).await.is_ok() })
    };
    let mut created = 0;
    for task in (0..8).map(create).collect::<Vec<_>>() {
        created += usize::from(task.await.unwrap());
    }
    assert_eq!(created, 2);
}
