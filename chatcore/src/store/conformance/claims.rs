//! Client ids: each can be used once by a user in a session.

use super::{
    kit::{Room, Store, assert_stale, claim, conflict, content, user, users},
    samples::tricky_texts,
};
use crate::{
    model::{Content, EncryptedContent, UserId},
    store::{Change, ClientIdClaim},
};

fn claiming(room: &Room, decided_at: u64, claim: ClientIdClaim) -> Change {
    Change { claim: Some(claim.clone()), ..room.message(decided_at, &claim.user_id, "a message") }
}

async fn commit(room: &Room, claim: ClientIdClaim) -> u64 {
    let decided_at = room.head().await.seq;
    room.store.commit(claiming(room, decided_at, claim)).await.expect("the client id is free").events[0].seq
}

async fn refused(room: &Room, claim: ClientIdClaim) -> (u64, String) {
    let decided_at = room.head().await.seq;
    conflict(room.store.commit(claiming(room, decided_at, claim)).await)
}

pub(super) async fn a_client_id_used_again_tells_where_and_for_what(store: Store) {
    let room = Room::public(&store).await;
    room.say(&room.owner, "earlier").await;
    let used = commit(&room, claim(&room.owner, "once", "the first use")).await;
    let another = commit(&room, claim(&room.owner, "twice", "")).await;
    // Also a good while later, and when what it was used for has become something else.
    for n in 0..10 {
        for fingerprint in ["the first use", "another use"] {
            let found = refused(&room, claim(&room.owner, "once", fingerprint)).await;
            assert_eq!(found, (used, "the first use".to_owned()));
        }
        assert_eq!(refused(&room, claim(&room.owner, "twice", "x")).await, (another, String::new()));
        room.say(&room.owner, format!("{n}")).await;
        room.retitle(&format!("{n}")).await;
    }
    assert_eq!(room.range(used, used).await.len(), 1);
    let sent = room.log().await.into_iter().filter(|event| event.kind.is_message()).count();
    assert_eq!(sent, 13, "a refused message is not kept");
}

pub(super) async fn a_client_id_belongs_to_one_user_in_one_session(store: Store) {
    let [ana, bob] = users(["ana", "bob"]);
    let (one, other) = (Room::public(&store).await, Room::public(&store).await);
    let first = commit(&one, claim(&ana, "id", "1")).await;
    let second = commit(&one, claim(&bob, "id", "2")).await;
    let third = commit(&other, claim(&ana, "id", "3")).await;
    assert_eq!(refused(&one, claim(&ana, "id", "x")).await, (first, "1".to_owned()));
    assert_eq!(refused(&one, claim(&bob, "id", "x")).await, (second, "2".to_owned()));
    assert_eq!(refused(&other, claim(&ana, "id", "x")).await, (third, "3".to_owned()));
    // However a store puts them together, these are not the same.
    for (user_id, client_id) in
        [("a", "b:c"), ("a:b", "c"), ("a'", "'c"), ("a','", "c"), ("c", "a:b"), ("ab", "c"), ("a", "bc")]
    {
        commit(&one, claim(&user(user_id), client_id, "")).await;
    }
}

pub(super) async fn a_rejected_attempt_uses_no_client_id_up(store: Store) {
    let room = Room::public(&store).await;
    let old = room.head().await.seq;
    let governed = room.retitle("Changed").await.seq;
    assert_stale(store.commit(claiming(&room, old, claim(&room.owner, "id", "rejected"))).await);
    assert_stale(store.commit(claiming(&room, old, claim(&room.owner, "id", "rejected again"))).await);
    let seq = commit(&room, claim(&room.owner, "id", "kept")).await;
    assert_eq!(seq, governed + 1);
    assert_eq!(refused(&room, claim(&room.owner, "id", "x")).await, (seq, "kept".to_owned()));
    // One that conflicts does not replace what is kept either.
    assert_eq!(refused(&room, claim(&room.owner, "id", "kept")).await, (seq, "kept".to_owned()));
}

pub(super) async fn client_ids_are_told_apart_by_every_character(store: Store) {
    let room = Room::public(&store).await;
    let ana: UserId = user("ana");
    let texts = tricky_texts();
    let mut used = Vec::new();
    for text in &texts {
        // The fingerprint is the caller's text as well.
        let decided_at = room.head().await.seq;
        let sealed = EncryptedContent { encrypted_data: text.clone(), iv: text.clone(), key_version: 1 };
        let mut change = claiming(&room, decided_at, claim(&ana, text, text));
        change.events[0].kind = content(Content::Encrypted(sealed));
        let committed = store.commit(change).await;
        used.push(committed.unwrap_or_else(|error| panic!("{text:?} is free, and gave {error:?}")).events[0].seq);
    }
    for (text, seq) in texts.iter().zip(used) {
        assert_eq!(refused(&room, claim(&ana, text, "x")).await, (seq, text.clone()));
    }
}
