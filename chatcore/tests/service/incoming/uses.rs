//! When incoming webhooks were used.

use super::*;
use crate::hooked::Hooked;

#[tokio::test]
async fn a_note_of_a_use_brings_no_token_back_that_is_deleted_meanwhile() {
    let store = Hooked::default();
    let (chat, other, alice) = (uncounted(store.clone()), uncounted(store.intact()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let CreatedIncomingWebhook { webhook, token } = hook(&chat, &alice, id).await;
    // After the message is sent, and before its use is noted.
    *store.commits_of.lock().unwrap() = Some(IncomingTokens::TABLE.name);
    let by = alice.clone();
    store.before_commit.once(async move { other.delete_incoming_webhook(&by, id, webhook.id).await.unwrap() });
    post_text(&chat, &token, "hello").await.unwrap();
    assert!(store.before_commit.is_done());
    assert_eq!(newest(&chat, &alice, id).await.len(), 1);
    let kept = store.intact().scan(&[IncomingTokens::under(Vec::new()).limit(1)]).await.unwrap();
    assert!(kept[0].is_empty(), "{kept:?}");
    assert_eq!(post_text(&chat, &token, "late").await.unwrap_err(), Error::WebhookNotFound);
}
