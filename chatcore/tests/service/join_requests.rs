//! Requests to join, and the answers to them.

use chatcore::{
    InProcessNotifier,
    chat::{BanAccount, CreateInvite, MAX_JOIN_REQUESTS, SanctionUser},
    identity::Scope,
    model::{InviteCode, JoinRequest, Signal},
    store::{AskedToJoin, ChatStoreExt as _, JoinRequests},
};
use futures_util::StreamExt as _;

use super::*;

fn asking() -> CreateInvite {
    CreateInvite { needs_approval: true, ..CreateInvite::default() }
}

/// A session of alice into which users have to ask.
async fn guarded(chat: &Chat, alice: &Principal) -> (SessionId, InviteCode) {
    let id = session(chat, alice, SessionType::InviteOnly).await;
    (id, chat.create_invite(alice, id, asking()).await.unwrap().code)
}

async fn open(chat: &Chat, reader: &Principal, id: SessionId) -> Vec<JoinRequest> {
    chat.join_requests(reader, id, Page::FIRST).await.unwrap().entries
}

#[tokio::test]
async fn a_user_asks_and_whoever_manages_the_session_lets_the_user_in() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob").with_name("Bob"));
    let (id, code) = guarded(&chat, &alice).await;
    assert!(chat.preview_invite(&bob, &code).await.unwrap().needs_approval);
    assert_eq!(chat.join_by_invite(&bob, &code).await.unwrap_err(), Error::ApprovalRequired);
    let asked = chat.request_to_join(&bob, &code, Some("Hi,\nplease".to_owned())).await.unwrap();
    assert_eq!((asked.session_id, asked.role, asked.text.as_deref()), (id, MEMBER, Some("Hi,\nplease")));
    assert_eq!(asked.user.name, "Bob");
    assert_eq!(open(&chat, &alice, id).await, std::slice::from_ref(&asked));
    assert_denied(chat.session(&bob, id).await, Denial::Hidden);
    // Asking again is a retry.
    let before = head(&chat, &alice, id).await;
    assert_eq!(chat.request_to_join(&bob, &code, None).await.unwrap(), asked);
    assert_eq!(head(&chat, &alice, id).await, before);
    assert_eq!(chat.invites(&alice, id, Page::FIRST).await.unwrap()[0].uses, 1);

    let let_in = chat.approve_join_request(&alice, id, &bob.user_id, None).await.unwrap();
    assert_eq!((let_in.participant.role, let_in.participant.profile.name.as_str()), (MEMBER, "Bob"));
    assert!(open(&chat, &alice, id).await.is_empty());
    let again = chat.approve_join_request(&alice, id, &bob.user_id, None).await.unwrap_err();
    assert_eq!(again, Error::JoinRequestNotFound);
    assert_denied(chat.request_to_join(&bob, &code, None).await, Denial::AlreadyParticipant);
    let events = chat.events(&bob, id, 2, None).await.unwrap().events;
    let kinds: Vec<_> = events.iter().map(|view| view.event.kind.clone()).collect();
    assert_eq!(
        (&kinds[0], events[0].actor.user_id.as_str()),
        (&EventKind::Session(SessionEvent::JoinRequested), "bob")
    );
    assert!(matches!(kinds[1], EventKind::Participant(ParticipantEvent::Added { .. })));
    assert!(!format!("{events:?}").contains("please"), "those who do not manage the session do not see the text");
}

#[tokio::test]
async fn a_retry_of_a_request_is_authorised_again() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let (id, code) = guarded(&chat, &alice).await;
    let asked = chat.request_to_join(&bob, &code, None).await.unwrap();
    let elsewhere = bob.clone().within(Scope { sessions: Some([].into()), actions: None });
    assert_eq!(chat.request_to_join(&elsewhere, &code, None).await.unwrap_err(), Error::OutOfScope);
    chat.update_session(&alice, id, to_type(SessionType::Private)).await.unwrap();
    assert_denied(chat.request_to_join(&bob, &code, None).await, Denial::PrivateSession);
    chat.update_session(&alice, id, to_type(SessionType::InviteOnly)).await.unwrap();
    // The request waits while the session is full.
    chat.update_session(&alice, id, to_cap(1)).await.unwrap();
    assert_eq!(chat.request_to_join(&bob, &code, None).await.unwrap(), asked);
    chat.ban_participant(&alice, id, &bob.user_id, SanctionUser::ENDLESS).await.unwrap();
    // To the banned user, the code is as a wrong one.
    assert_eq!(chat.request_to_join(&bob, &code, None).await.unwrap_err(), Error::InviteNotFound);
}

#[tokio::test]
async fn a_request_is_declined_or_withdrawn_and_can_be_made_again() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let (id, code) = guarded(&chat, &alice).await;
    for by_bob in [true, false] {
        chat.request_to_join(&bob, &code, None).await.unwrap();
        if by_bob {
            chat.withdraw_join_request(&bob, id).await.unwrap();
        } else {
            chat.decline_join_request(&alice, id, &bob.user_id).await.unwrap();
        }
        assert!(open(&chat, &alice, id).await.is_empty());
        assert_eq!(chat.withdraw_join_request(&bob, id).await.unwrap_err(), Error::JoinRequestNotFound);
        let declined = chat.decline_join_request(&alice, id, &bob.user_id).await.unwrap_err();
        assert_eq!(declined, Error::JoinRequestNotFound);
        let last = chat.events(&alice, id, 0, None).await.unwrap().events.pop().unwrap();
        let closed = SessionEvent::JoinRequestClosed { user_id: bob.user_id.clone() };
        assert_eq!(last.event.kind, EventKind::Session(closed));
        assert_eq!(last.actor.user_id, if by_bob { bob.user_id.clone() } else { alice.user_id.clone() });
    }
    // A request to a session that is not there is the same as none.
    let nowhere = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
    chat.request_to_join(&bob, &code, None).await.unwrap();
    chat.delete_session(&alice, id).await.unwrap();
    for id in [id, nowhere] {
        assert_eq!(chat.withdraw_join_request(&bob, id).await.unwrap_err(), Error::JoinRequestNotFound);
    }
    assert_eq!(chat.request_to_join(&bob, &code, None).await.unwrap_err(), Error::InviteNotFound);
}

#[tokio::test]
async fn owners_and_admins_answer_and_nobody_becomes_more_than_they_may_grant() {
    let (chat, owner, bob) = (Chat::in_memory(), user("owner"), user("bob"));
    let (id, code) = guarded(&chat, &owner).await;
    for (name, role) in [("admin", ADMIN), ("member", MEMBER), ("viewer", VIEWER)] {
        chat.me(&user(name)).await.unwrap();
        chat.add_participant(&owner, id, add(name, Some(role))).await.unwrap();
    }
    chat.request_to_join(&bob, &code, None).await.unwrap();
    for (name, denial) in [
        ("member", Denial::RoleInsufficient),
        ("viewer", Denial::RoleInsufficient),
        ("stranger", Denial::Hidden),
        ("bob", Denial::Hidden),
    ] {
        let who = user(name);
        // Whether there is a request is not told either.
        for asked in ["bob", "nobody"].map(user_id) {
            assert_denied(chat.approve_join_request(&who, id, &asked, None).await, denial);
            assert_denied(chat.decline_join_request(&who, id, &asked).await, denial);
        }
        assert_denied(chat.join_requests(&who, id, Page::FIRST).await, denial);
    }
    let admin = user("admin");
    assert_denied(chat.approve_join_request(&admin, id, &bob.user_id, Some(OWNER)).await, Denial::OwnerProtected);
    chat.update_session(&owner, id, to_cap(4)).await.unwrap();
    assert_denied(chat.approve_join_request(&admin, id, &bob.user_id, None).await, Denial::Full);
    assert_eq!(open(&chat, &admin, id).await.len(), 1, "a refusal closes nothing");
    chat.update_session(&owner, id, to_cap(5)).await.unwrap();
    let let_in = chat.approve_join_request(&admin, id, &bob.user_id, Some(VIEWER)).await.unwrap();
    assert_eq!(let_in.participant.role, VIEWER);
}

#[tokio::test]
async fn an_approval_without_a_role_gives_the_role_of_the_invite() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    for role in [ADMIN, MEMBER, VIEWER] {
        let id = session(&chat, &alice, SessionType::InviteOnly).await;
        let new = CreateInvite { role: Some(role), ..asking() };
        let code = chat.create_invite(&alice, id, new).await.unwrap().code;
        assert_eq!(chat.request_to_join(&bob, &code, None).await.unwrap().role, role);
        let let_in = chat.approve_join_request(&alice, id, &bob.user_id, None).await.unwrap();
        assert_eq!(let_in.participant.role, role);
    }
}

#[tokio::test]
async fn a_list_shows_nothing_that_was_asked_after_its_reader_was_removed() {
    for removes in [true, false] {
        let store = hooked::Hooked::default();
        let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store.intact()));
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(user);
        let (id, code) = guarded(&elsewhere, &alice).await;
        elsewhere.me(&bob).await.unwrap();
        elsewhere.add_participant(&alice, id, add("bob", Some(ADMIN))).await.unwrap();
        let reader = bob.user_id.clone();
        // After the decision about the reader.
        *store.reads_of.lock().unwrap() = Some(JoinRequests::TABLE.name);
        store.before_read.once(async move {
            if removes {
                elsewhere.remove_participant(&alice, id, &reader).await.unwrap();
            }
            elsewhere.request_to_join(&carol, &code, None).await.unwrap();
        });
        let shown = chat.join_requests(&bob, id, Page::FIRST).await;
        assert!(store.before_read.is_done());
        if removes {
            assert_denied(shown, Denial::Hidden);
        } else {
            assert_eq!(shown.unwrap().len(), 1);
        }
    }
}

#[tokio::test]
async fn whatever_brings_the_user_in_closes_the_request_and_a_banned_account_stays_out() {
    let (chat, alice, bob, carol) = (Chat::in_memory(), user("alice"), user("bob"), user("carol"));
    let (id, code) = guarded(&chat, &alice).await;
    chat.request_to_join(&bob, &code, None).await.unwrap();
    chat.add_participant(&alice, id, add("bob", None)).await.unwrap();
    assert!(open(&chat, &alice, id).await.is_empty());

    chat.request_to_join(&carol, &code, None).await.unwrap();
    let ban = BanAccount { reason: "spam".to_owned(), by: user_id("host"), until: None };
    chat.ban_account(&carol.user_id, ban).await.unwrap();
    let refused = chat.approve_join_request(&alice, id, &carol.user_id, None).await.unwrap_err();
    assert_eq!(refused, Error::UserBanned);
    chat.decline_join_request(&alice, id, &carol.user_id).await.unwrap();
}

#[tokio::test]
async fn requests_are_bounded_in_length_and_number() {
    let chat = uncounted(MemoryStore::new());
    let alice = user("alice");
    let (id, code) = guarded(&chat, &alice).await;
    for (text, wrong) in
        [("x".repeat(501), Code::ValidationLengthExceeded), ("\u{7}".into(), Code::ValidationInvalidValue)]
    {
        assert_fault(chat.request_to_join(&user("u"), &code, Some(text)).await, "text", wrong);
    }
    for n in 0..MAX_JOIN_REQUESTS {
        chat.request_to_join(&user(&format!("u{n:03}")), &code, None).await.unwrap();
    }
    let limit = MAX_JOIN_REQUESTS as u64;
    let full = Error::LimitExceeded { what: "the number of open requests to join one session", limit };
    assert_eq!(chat.request_to_join(&user("one"), &code, None).await.unwrap_err(), full);
    let page = Page { limit: Some(60), ..Page::FIRST };
    let first = chat.join_requests(&alice, id, page).await.unwrap();
    let rest = chat.join_requests(&alice, id, Page { after: first.next.clone(), ..Page::FIRST }).await.unwrap();
    let names: Vec<_> = first.iter().chain(rest.iter()).map(|one| one.user.user_id.to_string()).collect();
    assert_eq!(names, (0..MAX_JOIN_REQUESTS).map(|n| format!("u{n:03}")).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_two_answers_counts_whatever_the_process() {
    for _ in 0..40 {
        let store = MemoryStore::new();
        let (here, there) = (uncounted(store.clone()), uncounted(store));
        let (alice, bob) = (user("alice"), user("bob"));
        let (id, code) = guarded(&here, &alice).await;
        let asks = [here.clone(), there.clone()].map(|chat| {
            let (bob, code) = (bob.clone(), code.clone());
            tokio::spawn(async move { chat.request_to_join(&bob, &code, None).await.unwrap() })
        });
        for ask in asks {
            ask.await.unwrap();
        }
        assert_eq!(here.invites(&alice, id, Page::FIRST).await.unwrap()[0].uses, 1);
        let (owner, asked) = (alice.clone(), bob.user_id.clone());
        let approval =
            tokio::spawn(async move { there.approve_join_request(&owner, id, &asked, None).await.map(drop) });
        let declined = here.decline_join_request(&alice, id, &bob.user_id).await;
        let approved = approval.await.unwrap();
        let is_in = role_of(&here, &alice, id, "bob").await.is_some();
        let lost = Err(Error::JoinRequestNotFound);
        match is_in {
            true => assert_eq!((approved, declined), (Ok(()), lost)),
            false => assert_eq!((approved, declined), (lost, Ok(()))),
        }
        assert!(open(&here, &alice, id).await.is_empty());
    }
}

async fn own(chat: &Chat, who: &Principal) -> Vec<SessionId> {
    chat.own_join_requests(who, Page::FIRST).await.unwrap().iter().map(|one| one.session_id).collect()
}

#[tokio::test]
async fn a_user_sees_the_own_requests_while_they_are_open() {
    let store = MemoryStore::new();
    let (here, there) = (uncounted(store.clone()), uncounted(store.clone()));
    let (alice, bob, carol) = (user("alice"), user("bob").with_name("Bob"), user("carol"));
    here.me(&bob).await.unwrap();
    let (mut ids, mut asked) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        let (id, code) = guarded(&here, &alice).await;
        asked.push(here.request_to_join(&bob, &code, Some("please".to_owned())).await.unwrap());
        ids.push(id);
    }
    assert_eq!(here.own_join_requests(&bob, Page::FIRST).await.unwrap().entries, asked);
    assert!(own(&here, &alice).await.is_empty() && own(&here, &carol).await.is_empty());
    here.approve_join_request(&alice, ids[0], &bob.user_id, None).await.unwrap();
    there.decline_join_request(&alice, ids[1], &bob.user_id).await.unwrap();
    here.withdraw_join_request(&bob, ids[2]).await.unwrap();
    // Somebody lets the user in without an answer to the request.
    here.add_participant(&alice, ids[3], add("bob", None)).await.unwrap();
    here.delete_session(&alice, ids[4]).await.unwrap();
    for chat in [&here, &there] {
        assert_eq!(own(chat, &bob).await, [ids[5]]);
    }
    let stale = AskedToJoin { user: user_id("bob"), session: ids[3] };
    assert!(store.get(&stale).await.unwrap().is_none(), "a reader has removed it");
    // With the session, the request is there again.
    here.restore_session(&alice, ids[4]).await.unwrap();
    assert_eq!(own(&here, &bob).await, ids[4..]);
    let first = here.own_join_requests(&bob, Page { limit: Some(1), ..Page::FIRST }).await.unwrap();
    let rest = here.own_join_requests(&bob, Page::after(first.next.unwrap())).await.unwrap();
    assert_eq!((first[0].session_id, rest[0].session_id, rest.next), (ids[4], ids[5], None));
    let invalid = here.own_join_requests(&bob, Page { limit: Some(0), ..Page::FIRST }).await;
    assert_fault(invalid, "limit", Code::ValidationInvalidValue);
}

#[tokio::test]
async fn a_declined_user_is_told_on_each_connection_in_each_process_and_nobody_else_is() {
    let (store, notifier) = (MemoryStore::new(), InProcessNotifier::new());
    let process = || Chat::builder(store.clone()).notifier(notifier.clone()).rates(RateLimits::off()).build();
    let (here, there) = (process(), process());
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let (id, code) = guarded(&here, &alice).await;
    here.request_to_join(&bob, &code, None).await.unwrap();
    here.request_to_join(&carol, &code, None).await.unwrap();
    let mut connections = Vec::new();
    for chat in [&here, &there] {
        connections.push(chat.own_signals(&bob).await);
        connections.push(chat.own_signals(&bob).await);
    }
    let (mut of_alice, mut of_carol) = (here.own_signals(&alice).await, here.own_signals(&carol).await);
    here.decline_join_request(&alice, id, &bob.user_id).await.unwrap();
    there.withdraw_join_request(&carol, id).await.unwrap();
    let declined = Signal::JoinRequestDeclined { user_id: bob.user_id.clone(), session_id: id };
    for connection in &mut connections {
        let view = kit::in_time(connection.next()).await.unwrap();
        assert_eq!((&view.signal, &view.actor.user_id), (&declined, &bob.user_id));
    }
    for other in [&mut of_alice, &mut of_carol] {
        assert!(tokio::time::timeout(std::time::Duration::from_millis(50), other.next()).await.is_err());
    }
}
