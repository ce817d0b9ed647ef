//! Attempts about reports, the moderation log, and the deletion of all messages of a user.

use super::*;

pub(super) fn report(which: Which) -> Action {
    message("reportMessage", which, json!({ "reason": "SPAM", "text": "Buy, buy" }))
}

pub(super) fn report_of(name: &'static str) -> Action {
    user("reportParticipant", name, json!({ "reason": "HARASSMENT" }))
}

fn resolve(which: Which, input: Value) -> Action {
    Action::new("resolveReport", Target::Report(which), input)
}

/// A message of the owner is reported, and then a member is: the report that was made last.
fn reported(family: Family) -> Family {
    family.after_all([(Actor::Member, report(Which::First)), (Actor::Viewer, report_of("member"))])
}

pub(super) fn moderation() -> Vec<Family> {
    const MESSAGES: [Which; 4] = [Which::First, Which::Own, Which::NoMessage, Which::Beyond];
    let good = [
        json!({ "reason": "OTHER" }),
        json!({ "reason": "ILLEGAL", "text": "Line\nby line" }),
        json!({ "reason": "HATE", "text": "x".repeat(501) }),
        json!({ "reason": "SPAM", "text": "a\u{7}b" }),
    ];
    let bad = [
        json!({}),
        json!({ "reason": "BOREDOM" }),
        json!({ "reason": "spam" }),
        json!({ "reason": null }),
        json!({ "reason": "SPAM", "text": 5 }),
        json!({ "reason": "SPAM", "as": "x" }),
    ];
    let of_first = |input| message("reportMessage", Which::First, input);
    let of_peer = |input| user("reportParticipant", "peer", input);
    let people = ["peer", "owner", "admin", "viewer", "left", "removed", "stranger", GHOST];
    let states = ["IN_REVIEW", "RESOLVED", "DISMISSED", "OPEN"];
    let changes = [
        json!({ "state": "RESOLVED", "note": "Warned" }),
        json!({ "state": "RESOLVED", "revision": 7 }),
        json!({ "state": "DISMISSED", "note": "x".repeat(501) }),
    ];
    let wrong = [
        json!({}),
        json!({ "state": "GONE" }),
        json!({ "state": "RESOLVED", "revision": "one" }),
        json!({ "state": "RESOLVED", "note": 5 }),
        json!({ "state": "RESOLVED", "as": "x" }),
    ];
    let first = |input| resolve(Which::First, input);
    let list = |input| session("listReports", input);
    let lists = [
        json!({}),
        json!({ "limit": 1 }),
        json!({ "state": "OPEN" }),
        json!({ "state": "OPEN", "limit": 1 }),
        json!({ "state": "RESOLVED" }),
        json!({ "limit": 0 }),
        json!({ "limit": 101 }),
    ];
    let log = |limit| session("listModerationLog", limited(json!({}), limit));
    let purge = |name| user("deleteMessagesOf", name, json!({}));
    let edit = message("editMessage", Which::First, json!({ "content": "other words" }));
    vec![
        Family::exact(MESSAGES.map(report))
            .and(Level::Exact, good.clone().map(of_first))
            .coded([report(Which::Malformed)])
            .refused(bad.clone().map(of_first)),
        Family::exact([report(Which::First)]).after_own([report(Which::First)]),
        Family::exact([report(Which::First)]).after([message("deleteMessage", Which::First, json!({}))]),
        Family::exact(people.map(report_of)).and(Level::Exact, good.map(of_peer)).refused(bad.map(of_peer)),
        Family::exact([report_of("peer")]).after_all([(Actor::Admin, sanction("muteParticipant", "member"))]),
        reported(Family::exact(lists.map(list)).coded([list(json!({ "limit": -1 }))])),
        reported(Family::exact([list(json!({}))]).after([edit])),
        // A report that is closed stays as it is, so this comes first.
        reported(Family::exact([first(json!({ "state": "IN_REVIEW", "note": "Looking into it" }))])),
        reported(
            Family::exact(states.map(|state| first(json!({ "state": state }))))
                .and(Level::Exact, changes.map(first))
                .and(Level::Exact, [resolve(Which::NoMessage, json!({ "state": "RESOLVED" }))])
                .coded([resolve(Which::Malformed, json!({ "state": "RESOLVED" }))])
                .refused(wrong.map(first)),
        ),
        // Somebody was faster.
        reported(Family::exact(["RESOLVED", "DISMISSED"].map(|state| first(json!({ "state": state })))))
            .after_all([(Actor::Admin, first(json!({ "state": "RESOLVED", "note": "Warned" })))]),
        reported(Family::exact([list(json!({})), list(json!({ "state": "RESOLVED" }))]))
            .after_all([(Actor::Admin, first(json!({ "state": "RESOLVED", "note": "Warned" })))]),
        Family::exact([None, Some(1), Some(0)].map(log)).coded([log(Some(-1))]).after_all([
            (Actor::Member, report_of("peer")),
            (Actor::Admin, first(json!({ "state": "DISMISSED" }))),
            (Actor::Admin, sanction("muteParticipant", "peer")),
            (Actor::Admin, message("deleteMessage", Which::First, json!({}))),
            (Actor::Owner, purge("member")),
        ]),
        Family::exact(people.map(purge)).and(Level::Exact, ["member", "owner"].map(purge)),
        Family::exact(["member", "admin"].map(purge)).after([purge("member")]),
    ]
}
