//! Receipts in canonical form.

use chatcore::{
    chat::SignalView,
    model::{MessageDelivery, MessageReceipt, Signal},
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
