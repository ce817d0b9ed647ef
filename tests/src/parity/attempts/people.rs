//! Attempts about the users of a session: invites, requests, participants, bans and mutes.

use super::*;

pub(super) fn invite(operation: &'static str, which: Which) -> Action {
    Action::new(operation, Target::Invite(which), json!({}))
}

/// Invites are created by the admin, who is in every room into which somebody can be invited.
pub(super) fn invited(family: Family) -> Family {
    let approved = json!({ "role": "MEMBER", "needs_approval": true });
    let created = [json!({}), json!({ "role": "VIEWER", "max_uses": 1 }), approved];
    family.after_all(created.map(|input| (Actor::Admin, session("createInvite", input))))
}

pub(super) fn invites() -> Vec<Family> {
    let create = |input| session("createInvite", input);
    let mut good: Vec<_> = ["OWNER", "ADMIN", "MEMBER", "VIEWER"].map(|role| json!({ "role": role })).into();
    good.insert(0, json!({}));
    good.extend([
        json!({ "role": "MEMBER", "max_uses": 3, "expires_in": 60 }),
        json!({ "max_uses": 0 }),
        json!({ "max_uses": 100_001, "expires_in": 31_536_001 }),
        json!({ "max_uses": null, "expires_in": null }),
        json!({ "needs_approval": true }),
    ]);
    let bad = [
        json!({ "role": "BOSS" }),
        json!({ "max_uses": "many" }),
        json!({ "max_uses": -1 }),
        json!({ "expires_in": 1.5 }),
        json!({ "code": "mine" }),
    ];
    let coded = |operation: &'static str| {
        let of = move |code| Action::new(operation, Target::Nothing, json!({ "code": code }));
        let codes = [
            json!({ "code_of": 0 }),
            json!({ "code_of": 1 }),
            json!({ "code_of": 2 }),
            json!({ "code_of": 9 }),
            json!(""),
        ];
        let bad = [json!({}), json!({ "code": 5 }), json!({ "code": null }), json!({ "code": "x", "as": "x" })];
        let bad = bad.map(move |input| Action::new(operation, Target::Nothing, input));
        invited(Family::exact(codes.map(of)).refused(bad))
    };
    let list = |limit| session("listInvites", limited(json!({}), limit));
    let lists = [None, Some(1), Some(0), Some(101)].map(list);
    vec![
        Family::exact(good.into_iter().map(create)).refused(bad.map(create)),
        invited(Family::exact(lists).coded([list(Some(-1))])),
        invited(
            Family::exact([Which::First, Which::NoMessage].map(|which| invite("revokeInvite", which)))
                .coded([invite("revokeInvite", Which::Malformed)]),
        ),
        coded("previewInvite"),
        coded("joinByInvite"),
    ]
}

fn webhook(operation: &'static str, which: Which, input: Value) -> Action {
    Action::new(operation, Target::Webhook(which), input)
}

/// Incoming webhooks are created by the admin.
fn hooked(family: Family) -> Family {
    let created =
        [json!({ "name": "Builds", "avatar_url": "https://example.com/a.png" }), json!({ "name": "Deploys" })];
    family.after_all(created.map(|input| (Actor::Admin, session("createIncomingWebhook", input))))
}

pub(super) fn incoming_webhooks() -> Vec<Family> {
    let create = |input| session("createIncomingWebhook", input);
    let update = |input| webhook("updateIncomingWebhook", Which::First, input);
    let good = [
        json!({ "name": "Builds" }),
        json!({ "name": "Builds", "avatar_url": "https://example.com/a.png" }),
        json!({ "name": "" }),
        json!({ "name": "x".repeat(101) }),
        json!({ "name": "a\nb" }),
        json!({ "name": "Builds", "avatar_url": "javascript:alert(1)" }),
        json!({ "name": "Builds", "avatar_url": null }),
    ];
    let bad = [json!({}), json!({ "name": 5 }), json!({ "name": null }), json!({ "name": "x", "token": "chook_mine" })];
    let changes = [
        json!({}),
        json!({ "name": "Deploys" }),
        json!({ "name": "Builds" }),
        json!({ "avatar_url": null }),
        json!({ "avatar_url": "https://example.com/b.png" }),
        json!({ "name": " ", "avatar_url": "http://example.com" }),
    ];
    let wrong = [json!({ "name": 5 }), json!({ "avatar_url": 5 }), json!({ "name": "x", "id": "x" })];
    let renamed = || json!({ "name": "Deploys" });
    let nowhere = || webhook("updateIncomingWebhook", Which::NoMessage, renamed());
    let malformed = || webhook("updateIncomingWebhook", Which::Malformed, renamed());
    let removed = [Which::First, Which::NoMessage].map(|which| webhook("deleteIncomingWebhook", which, json!({})));
    vec![
        Family::exact(good.map(create)).refused(bad.map(create)),
        hooked(Family::exact([session("listIncomingWebhooks", json!({}))])),
        hooked(
            Family::exact(changes.map(update).into_iter().chain([nowhere()]))
                .coded([malformed()])
                .refused(wrong.map(update)),
        ),
        hooked(Family::exact(removed).coded([webhook("deleteIncomingWebhook", Which::Malformed, json!({}))])),
    ]
}

pub(super) fn ask(text: Option<&str>) -> Action {
    Action::new("requestToJoin", Target::Nothing, json!({ "code": { "code_of": 2 }, "text": text }))
}

/// The stranger and a user who was removed ask to be let in.
pub(super) fn requested(family: Family) -> Family {
    let family = invited(family);
    family.after_all([(Actor::Stranger, ask(Some("Please"))), (Actor::Removed, ask(None))])
}

pub(super) fn join_requests() -> Vec<Family> {
    let texts = ["Hello,\nI am new", "", "a\u{7}b"].map(|text| ask(Some(text)));
    let long = ask(Some(&"x".repeat(501)));
    let bad = [json!({}), json!({ "code": 5 }), json!({ "code": "x", "text": 5 }), json!({ "code": "x", "as": "x" })];
    let bad = bad.map(|input| Action::new("requestToJoin", Target::Nothing, input));
    let list = |limit| session("listJoinRequests", limited(json!({}), limit));
    let own = |limit| Action::new("listOwnJoinRequests", Target::Nothing, limited(json!({}), limit));
    let answered = ["stranger", "removed", "peer", GHOST];
    let approve = |name| user("approveJoinRequest", name, json!({}));
    let roles =
        ["OWNER", "ADMIN", "VIEWER"].map(|role| user("approveJoinRequest", "stranger", json!({ "role": role })));
    let unknown = [json!({ "role": "BOSS" }), json!({ "as": "x" })];
    let unknown = unknown.map(|input| user("approveJoinRequest", "stranger", input));
    vec![
        invited(Family::exact([ask(None)].into_iter().chain(texts).chain([long])).refused(bad)),
        requested(Family::exact([session("withdrawJoinRequest", json!({}))])),
        requested(Family::exact([None, Some(1), Some(0)].map(list)).coded([list(Some(-1))])),
        requested(Family::exact([None, Some(1), Some(0), Some(101)].map(own)).coded([own(Some(-1))])),
        requested(Family::exact(answered.map(approve).into_iter().chain(roles)).refused(unknown)),
        requested(Family::exact(answered.map(|name| user("declineJoinRequest", name, json!({}))))),
    ]
}

/// Every operation that concerns no session that there is.
pub(super) fn about_no_session() -> Vec<Family> {
    let users = ["peer", "viewer", "owner", GHOST];
    let block = |operation| move |name| Action::new(operation, Target::Anybody(name), json!({}));
    let list = |limit| Action::new("listBlocks", Target::Nothing, limited(json!({}), limit));
    vec![
        creations(),
        directs(),
        groups(),
        Family::exact(users.map(block("blockUser"))),
        Family::exact([None, Some(1), Some(0), Some(101)].map(list)).coded([list(Some(-1))]),
        Family::exact([
            Action::new("startDirect", Target::Nothing, json!({ "user_id": "admin" })),
            session("listMessages", json!({ "newest": true, "limit": 50 })),
        ]),
        Family::exact(users.map(block("unblockUser"))),
    ]
}

pub(super) fn directs() -> Family {
    let start = |input| Action::new("startDirect", Target::Nothing, input);
    let users = ["peer", "owner", "stranger", "viewer", GHOST].map(|user| json!({ "user_id": user }));
    let nobody = [json!({ "user_id": "" }), json!({ "user_id": "u".repeat(129) })];
    let bad = [json!({}), json!({ "user_id": 5 }), json!({ "user_id": "peer", "title": "x" })];
    Family::exact(users.map(start)).coded(nobody.map(start)).refused(bad.map(start))
}

pub(super) fn groups() -> Family {
    let start = |input| Action::new("startGroup", Target::Nothing, input);
    let users = [json!(["peer", "viewer"]), json!(["owner", "peer", "viewer"]), json!(["peer"]), json!([])];
    let unknown = [json!(["peer", "viewer", GHOST])];
    let good = users.into_iter().chain(unknown).map(|users| start(json!({ "user_ids": users })));
    let nobody = start(json!({ "user_ids": ["peer", ""] }));
    let bad = [json!({}), json!({ "user_ids": 5 }), json!({ "user_ids": ["peer", "viewer"], "title": "x" })];
    Family::exact(good).coded([nobody]).refused(bad.map(start))
}

pub(super) fn participants() -> Family {
    let of = |limit, email| session("listParticipants", limited(json!({ "include_email": email }), limit));
    let good = [
        of(None, false),
        of(None, true),
        of(Some(1), false),
        of(Some(2), true),
        of(Some(0), false),
        of(Some(101), false),
    ];
    Family::exact(good).coded([of(Some(-1), false)])
}

pub(super) fn additions() -> Family {
    const ROLES: [&str; 4] = ["MEMBER", "OWNER", "ADMIN", "VIEWER"];
    let add = |input| session("addParticipant", input);
    let mut additions = Vec::new();
    for user in ["stranger", "removed", "left", "peer", "owner", GHOST] {
        additions.push(json!({ "user_id": user }));
        additions.extend(ROLES.map(|role| json!({ "user_id": user, "role": role })));
    }
    let nobody = [json!({ "user_id": "" }), json!({ "user_id": "u".repeat(129) })];
    let bad = [
        json!({ "user_id": "stranger", "role": "BOSS" }),
        json!({ "user_id": "stranger", "role": "member" }),
        json!({ "role": "MEMBER" }),
        json!({ "user_id": 5 }),
        json!({ "user_id": "stranger", "as": "x" }),
    ];
    Family::exact(additions.into_iter().map(add)).coded(nobody.map(add)).refused(bad.map(add))
}

pub(super) fn role_changes() -> Family {
    let mut changes = Vec::new();
    for name in ["peer", "owner", "admin", "viewer", "left", "stranger", GHOST] {
        changes.extend(
            ["VIEWER", "MEMBER", "ADMIN", "OWNER"].map(|role| user("changeRole", name, json!({ "role": role }))),
        );
    }
    let bad = [json!({ "role": "BOSS" }), json!({ "role": null }), json!({}), json!({ "role": "ADMIN", "as": 1 })];
    Family::exact(changes).refused(bad.map(|input| user("changeRole", "peer", input)))
}

pub(super) fn described(name: &'static str) -> Action {
    user("setParticipantMetadata", name, json!({ "metadata": { "some_key": [1, { "a": null }] } }))
}

pub(super) fn metadata() -> Family {
    let of = |name: &'static str, input| user("setParticipantMetadata", name, input);
    let names = ["peer", "owner", "admin", "member", "viewer", "left", "stranger", GHOST];
    let good = [
        json!({ "metadata": {} }),
        json!({ "metadata": null }),
        json!({ "metadata": { "a": "x".repeat(4_096) } }),
        json!({ "metadata": { "a": [[[[[[[[1]]]]]]]] } }),
        json!({ "metadata": { "a": 9_007_199_254_740_992_u64 } }),
    ];
    let bad = [json!({}), json!({ "metadata": [1] }), json!({ "metadata": "x" }), json!({ "metadata": {}, "as": 1 })];
    let each = names.map(described).into_iter().chain(good.map(|input| of("peer", input)));
    Family::exact(each).refused(bad.map(|input| of("peer", input)))
}

pub(super) fn sanction(operation: &'static str, name: &'static str) -> Action {
    let is_end = operation.starts_with("un");
    let until = json!({ "reason": "spam", "until": "2999-01-01T00:00:00Z" });
    user(operation, name, if is_end { json!({}) } else { until })
}

/// One operation on users, with and without the particulars of a ban or a mute.
pub(super) fn sanctions(operation: &'static str, names: &[&'static str]) -> Family {
    let good = [
        json!({ "reason": "spam", "until": "2999-01-01T00:00:00.123456789Z" }),
        json!({ "reason": "" }),
        json!({ "until": "2020-01-01T00:00:00Z" }),
        json!({ "reason": "x".repeat(501) }),
    ];
    let bad = [
        json!({ "until": 5 }),
        json!({ "until": "soon" }),
        json!({ "until": LOOSE_TIMES[0] }),
        json!({ "reason": 5 }),
        json!({ "by": "owner" }),
    ];
    let of = move |name, input| user(operation, name, input);
    let each = names.iter().map(move |name| of(name, json!({})));
    let target = names[0];
    Family::exact(each.chain(good.map(|input| of(target, input)))).refused(bad.map(|input| of(target, input)))
}

pub(super) fn bans() -> Family {
    sanctions("banParticipant", &["stranger", "peer", "owner", "admin", "viewer", "left", "removed", GHOST])
}

pub(super) fn mutes() -> Family {
    sanctions("muteParticipant", &["peer", "owner", "admin", "viewer", "left", "stranger", GHOST])
}
