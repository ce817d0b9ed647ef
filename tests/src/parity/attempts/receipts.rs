//! What is tried with receipts.

use serde_json::{Value, json};

use super::{
    super::{
        action::{Action, Level, Target, Which},
        stage::Actor,
    },
    Family, limited, message, on_messages, session,
};

fn set(input: Value) -> Action {
    Action::new("setUserSettings", Target::Nothing, input)
}

fn acknowledge(input: Value) -> Action {
    session("acknowledgeDelivery", input)
}

/// What was done before receipts are looked at: messages came to some, and were read by others.
fn came() -> [(Actor, Action); 3] {
    [
        (Actor::Member, acknowledge(json!({ "seq": 9 }))),
        (Actor::Admin, session("markRead", json!({ "seq": 9 }))),
        (Actor::Owner, acknowledge(json!({ "seq": 3 }))),
    ]
}

/// Acknowledgements up to a position, and what is none.
fn acknowledgements() -> Family {
    let good = [3, 8, 9, 3, 0, 999].map(|seq| acknowledge(json!({ "seq": seq })));
    let bad = [
        json!({}),
        json!({ "seq": -1 }),
        json!({ "seq": "3" }),
        json!({ "seq": null }),
        json!({ "seq": 1.5 }),
        json!({ "seq": u64::MAX }),
        json!({ "seq": 3, "message_id": "x" }),
    ];
    Family::exact(good).refused(bad.map(acknowledge))
}

fn settings() -> Family {
    let good = [json!({ "receipts": false }), json!({}), json!({ "receipts": true })];
    let bad = [json!({ "receipts": null }), json!({ "receipts": "no" }), json!({ "colour": "red" })];
    Family::exact([Action::new("getUserSettings", Target::Nothing, json!({}))])
        .and(Level::Exact, good.map(set))
        .refused(bad.map(set))
}

/// Every operation about receipts.
pub(super) fn receipts() -> Vec<Family> {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let list = |limit| message("listMessageReceipts", Which::First, limited(json!({}), limit));
    let pages = [Some(1), Some(2), Some(0), Some(101)].map(list);
    let unseen = || session("updateSession", json!({ "receipts": false }));
    let delete = || message("deleteMessage", Which::First, json!({}));
    vec![
        acknowledgements(),
        settings(),
        on_messages("listMessageReceipts", &MESSAGES).and(Level::Exact, pages).after_all(came()),
        on_messages("getMessageDelivery", &MESSAGES).after_all(came()),
        on_messages("listMessageReceipts", &[Which::First]).after([unseen()]).after_all(came()),
        on_messages("getMessageDelivery", &[Which::First]).after([unseen()]).after_all(came()),
        on_messages("listMessageReceipts", &[Which::First]).after([delete()]),
        on_messages("getMessageDelivery", &[Which::First]).after([delete()]),
        on_messages("listMessageReceipts", &[Which::First])
            .after_all(came())
            .after_all([(Actor::Member, set(json!({ "receipts": false })))]),
        Family::exact([set(json!({ "receipts": true }))]),
    ]
}
