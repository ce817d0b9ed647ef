//! Processes that end in the middle of an approval.

use chatcore::store::{ChatStore, ClientIds, ModerationEntries, TypedKey as _};

use super::*;
use crate::{hooked::Hooked, kit::in_time};

fn process(store: impl ChatStore) -> Chat {
    Chat::builder(store).rates(RateLimits::off()).message_policy(BlockingPolicy::new(obedient)).build()
}

#[tokio::test]
async fn an_approval_that_has_begun_stands_and_sends_one_message() {
    // Before the message is sent, and between the message and the end of the approval.
    for table in [ClientIds::TABLE, ModerationEntries::TABLE] {
        let store = Hooked::default();
        let (ended, other) = (process(store.clone()), process(store.intact()));
        let (alice, bob) = (user("alice"), user("bob"));
        let id = room(&ended, &alice, &[&bob]).await;
        assert_eq!(ended.send(&bob, id, text("hold")).await.unwrap_err(), Error::MessageHeld);
        let waiting = held(&ended, &alice, id).await.remove(0).id;
        let (reached, mut waits) = tokio::sync::mpsc::channel::<()>(1);
        *store.commits_of.lock().unwrap() = Some(table.name);
        store.before_commit.once(async move {
            reached.send(()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let by = alice.clone();
        let task = tokio::spawn(async move { ended.approve_message(&by, id, waiting).await });
        in_time(waits.recv()).await.unwrap();
        task.abort();
        let rejected = other.reject_message(&alice, id, waiting).await;
        assert_eq!(rejected, Err(Error::HeldMessageNotFound), "{}", table.name);
        let sent = other.approve_message(&alice, id, waiting).await.unwrap();
        assert_eq!((text_of(&sent), texts(&other, &bob, id).await), ("hold", vec!["hold".to_owned()]));
        assert_eq!(held(&other, &alice, id).await, []);
    }
}
