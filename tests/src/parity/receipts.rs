//! Receipts in canonical form.

use chatcore::{
    Chat, Principal,
    chat::{SetUserSettings, SignalView},
    model::{MessageDelivery, MessageReceipt, Seq, SessionId, Signal},
};
use serde_json::{Value, json};

use super::canon::person;

/// A participant's receipt for a message.
#[must_use]
pub fn receipt(MessageReceipt { participant_id, user, is_addressee, delivered, read }: &MessageReceipt) -> Value {
    json!({
        "participant_id": participant_id, "user": person(user), "is_addressee": is_addressee, "delivered": delivered,
        "read": read,
    })
}

/// How far a message came.
#[must_use]
pub fn message_delivery(delivery: &MessageDelivery) -> Value {
    let MessageDelivery { message_id, status, addressees, delivered, read, is_exact } = delivery;
    json!({
        "message_id": message_id, "status": status, "addressees": addressees, "delivered": delivered, "read": read,
        "is_exact": is_exact,
    })
}

/// The signal that messages came further to a user.
///
/// # Panics
/// For another signal.
#[must_use]
pub fn signal(view: &SignalView) -> Value {
    let Signal::Receipt { session_id, user_id: _, kind, seq } = &view.signal else { panic!("{view:?}") };
    json!({ "kind": "Receipt", "session_id": session_id, "user": person(&view.actor), "of": kind, "seq": seq })
}

/// Acknowledges a session up to a position, by a user whose receipts an attempt before may have switched off.
///
/// # Panics
/// Where that is refused.
pub async fn acknowledge(chat: &Chat, by: &Principal, session: SessionId, upto: Seq) {
    chat.set_user_settings(by, SetUserSettings { receipts: Some(true) }).await.unwrap();
    chat.acknowledge_delivery(by, session, upto).await.unwrap();
}
