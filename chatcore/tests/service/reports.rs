//! Reports of messages and users, and what moderators see and do.

mod handling;

use chatcore::{
    chat::{
        Delivery, EditMessage, FileReport, MAX_OPEN_REPORTS, PostSystem, ResolveReport, SanctionUser, Subscription,
    },
    model::{FiledReport, ModerationAction, Report, ReportId, ReportReason, ReportState, Signal},
    store::{OpenReports, Reports},
};
use futures_util::StreamExt as _;
use std::time::Duration;

use super::*;
use crate::hooked::Hooked;

const OPEN: ReportState = ReportState::Open;
const RESOLVED: ReportState = ReportState::Resolved;
const DISMISSED: ReportState = ReportState::Dismissed;

fn spam(text: Option<&str>) -> FileReport {
    FileReport { reason: ReportReason::Spam, text: text.map(str::to_owned) }
}

fn to(state: ReportState) -> ResolveReport {
    ResolveReport { state, note: None, revision: None }
}

async fn queue(chat: &Chat, who: &Principal, id: SessionId, state: Option<ReportState>) -> Vec<Report> {
    chat.reports(who, id, state, Page::FIRST).await.unwrap().entries
}

fn ids(reports: &[Report]) -> Vec<ReportId> {
    reports.iter().map(|report| report.id).collect()
}

/// A room of alice, with an admin, two members and a viewer.
async fn staffed(chat: &Chat) -> (SessionId, [Principal; 5]) {
    let people = ["alice", "adam", "bob", "carl", "vera"].map(user);
    let [alice, adam, bob, carl, vera] = &people;
    let id = room(chat, alice, &[adam, bob, carl, vera]).await;
    chat.change_role(alice, id, &adam.user_id, ADMIN).await.unwrap();
    chat.change_role(alice, id, &vera.user_id, VIEWER).await.unwrap();
    (id, people)
}

#[tokio::test]
async fn a_report_is_for_those_who_moderate_and_the_reported_user_learns_nothing() {
    let chat = uncounted(MemoryStore::new());
    let (id, [alice, adam, bob, carl, vera]) = staffed(&chat).await;
    let message = say(&chat, &bob, id, "buy now").await;
    let before = head(&chat, &alice, id).await;
    let filed = chat.report_message(&vera, message.id, spam(Some("Again!"))).await.unwrap();
    let expected = FiledReport {
        id: filed.id,
        session_id: id,
        user_id: bob.user_id.clone(),
        message_id: Some(message.id),
        reason: ReportReason::Spam,
        text: Some("Again!".into()),
        created_at: filed.created_at,
    };
    assert_eq!(filed, expected);
    // The same again changes nothing, whatever it says.
    assert_eq!(chat.report_message(&vera, message.id, spam(None)).await.unwrap(), filed);
    let other = chat.report_message(&carl, message.id, spam(None)).await.unwrap();
    let person = chat.report_participant(&vera, id, &bob.user_id, spam(None)).await.unwrap();
    assert_eq!((person.message_id, person.user_id.clone()), (None, bob.user_id.clone()));
    assert_eq!(head(&chat, &alice, id).await, before, "no event tells of a report");
    for moderator in [&alice, &adam] {
        let shown = queue(&chat, moderator, id, None).await;
        assert_eq!(ids(&shown), [person.id, other.id, filed.id], "the newest first");
        let first = &shown[2];
        assert_eq!(first.reporter.user_id, vera.user_id);
        assert_eq!((first.user.user_id.clone(), first.state, first.revision), (bob.user_id.clone(), OPEN, 1));
        assert_eq!(text_of(first.message.as_ref().unwrap()), "buy now");
        assert_eq!((&first.handling, first.text.as_deref()), (&None, Some("Again!")));
    }
    for reader in [&bob, &carl, &vera] {
        assert_denied(chat.reports(reader, id, None, Page::FIRST).await, Denial::RoleInsufficient);
        assert_denied(chat.resolve_report(reader, id, filed.id, to(RESOLVED)).await, Denial::RoleInsufficient);
        assert_denied(chat.moderation_log(reader, id, Page::FIRST).await, Denial::RoleInsufficient);
    }
}

/// Who is banned is not for members to know.
#[tokio::test]
async fn a_report_does_not_tell_who_is_banned() {
    let chat = uncounted(MemoryStore::new());
    let (id, [alice, _, bob, carl, _]) = staffed(&chat).await;
    for user_id in [&user_id("zoe"), &bob.user_id] {
        chat.ban_participant(&alice, id, user_id, SanctionUser::ENDLESS).await.unwrap();
    }
    for never_in in ["zoe", "nobody"].map(user_id) {
        let refused = chat.report_participant(&carl, id, &never_in, spam(None)).await;
        assert_denied(refused, Denial::TargetNotParticipant);
        let refused = chat.delete_messages_of(&alice, id, &never_in).await;
        assert_denied(refused, Denial::TargetNotParticipant);
    }
    // Who was there can be reported also after the ban.
    assert_eq!(chat.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap().user_id, bob.user_id);
    chat.delete_messages_of(&alice, id, &bob.user_id).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_reported_changes_nothing() {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let (id, [alice, adam, bob, carl, _]) = staffed(&chat).await;
    let stranger = user("stranger");
    chat.me(&stranger).await.unwrap();
    let message = say(&chat, &bob, id, "x").await;
    let deleted = say(&chat, &bob, id, "y").await;
    chat.delete_message(&bob, deleted.id, None).await.unwrap();
    let system = chat.post_system(&user("host"), id, PostSystem::text("Welcome")).await.unwrap();
    assert_denied(chat.report_message(&bob, message.id, spam(None)).await, Denial::OwnReport);
    assert_denied(chat.report_participant(&bob, id, &bob.user_id, spam(None)).await, Denial::OwnReport);
    assert_eq!(chat.report_message(&carl, deleted.id, spam(None)).await.unwrap_err(), Error::MessageDeleted);
    let of_server = chat.report_message(&carl, system.id, spam(None)).await;
    assert_fault(of_server, "message_id", Code::ValidationInvalidValue);
    for seq in [0, 1, 999] {
        let nothing = MessageId { session_id: id, seq };
        assert_eq!(chat.report_message(&carl, nothing, spam(None)).await.unwrap_err(), Error::MessageNotFound);
    }
    let unknown = chat.report_participant(&carl, id, &stranger.user_id, spam(None)).await;
    assert_denied(unknown, Denial::TargetNotParticipant);
    let long = spam(Some(&"x".repeat(501)));
    let too_long = chat.report_message(&carl, message.id, long.clone()).await;
    assert_fault(too_long, "text", Code::ValidationLengthExceeded);
    let too_long = chat.report_participant(&carl, id, &bob.user_id, long).await;
    assert_fault(too_long, "text", Code::ValidationLengthExceeded);
    let control = chat.report_message(&carl, message.id, spam(Some("a\u{7}"))).await;
    assert_fault(control, "text", Code::ValidationInvalidValue);
    // Nobody reports into a session that they do not see.
    assert_denied(chat.report_participant(&stranger, id, &bob.user_id, spam(None)).await, Denial::NotParticipant);
    assert_denied(chat.report_message(&stranger, message.id, spam(None)).await, Denial::NotParticipant);
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    let secret = say(&chat, &alice, hidden, "secret").await;
    assert_eq!(chat.report_message(&bob, secret.id, spam(None)).await.unwrap_err(), Error::MessageNotFound);
    assert_denied(chat.report_participant(&bob, hidden, &alice.user_id, spam(None)).await, Denial::Hidden);
    let all = store.scan(&[Reports::under(Vec::new()), OpenReports::under(Vec::new())]).await.unwrap();
    assert!(all.iter().all(Vec::is_empty));
    // Who left, and who is muted or in an archive, is not kept from it.
    chat.leave(&bob, id).await.unwrap();
    chat.mute_participant(&adam, id, &carl.user_id, SanctionUser::ENDLESS).await.unwrap();
    chat.archive_session(&alice, id).await.unwrap();
    chat.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap();
    chat.report_message(&carl, message.id, spam(None)).await.unwrap();
    assert_eq!(queue(&chat, &alice, id, Some(OPEN)).await.len(), 2);
}

#[tokio::test]
async fn a_moderator_never_sees_a_report_of_themselves() {
    let chat = uncounted(MemoryStore::new());
    let (id, [alice, adam, _, carl, _]) = staffed(&chat).await;
    let of_admin = chat.report_participant(&carl, id, &adam.user_id, spam(None)).await.unwrap();
    let of_owner = chat.report_participant(&carl, id, &alice.user_id, spam(None)).await.unwrap();
    assert_eq!(ids(&queue(&chat, &alice, id, None).await), [of_admin.id]);
    assert_eq!(ids(&queue(&chat, &adam, id, Some(OPEN)).await), [of_owner.id]);
    let refused = chat.resolve_report(&adam, id, of_admin.id, to(DISMISSED)).await;
    assert_eq!(refused.unwrap_err(), Error::ReportNotFound, "as one that does not exist");
    chat.resolve_report(&alice, id, of_admin.id, to(DISMISSED)).await.unwrap();
    // The log does not tell them either.
    let seen = async |who: &Principal| chat.moderation_log(who, id, Page::FIRST).await.unwrap().entries.len();
    assert_eq!((seen(&alice).await, seen(&adam).await), (1, 0));
}

#[tokio::test]
async fn a_report_goes_through_its_states_and_stays_closed() {
    let chat = uncounted(MemoryStore::new());
    let (id, [alice, adam, bob, carl, _]) = staffed(&chat).await;
    let message = say(&chat, &bob, id, "first").await;
    let filed = chat.report_message(&carl, message.id, spam(None)).await.unwrap();
    let note = Some("Looking".to_owned());
    let taken = ResolveReport { state: ReportState::InReview, note: note.clone(), revision: Some(1) };
    let report = chat.resolve_report(&adam, id, filed.id, taken.clone()).await.unwrap();
    assert_eq!((report.state, report.revision), (ReportState::InReview, 2));
    let handling = report.handling.clone().unwrap();
    assert_eq!((handling.by.user_id, handling.note), (adam.user_id.clone(), note));
    assert_eq!(chat.resolve_report(&adam, id, filed.id, taken.clone()).await.unwrap(), report, "a retry is safe");
    let conflict = Error::ReportConflict { state: ReportState::InReview, revision: 2 };
    assert_eq!(chat.resolve_report(&alice, id, filed.id, taken).await.unwrap_err(), conflict);
    let in_review = to(ReportState::InReview);
    assert_eq!(chat.resolve_report(&alice, id, filed.id, in_review).await.unwrap_err(), conflict, "somebody has it");
    // Still one report of this message.
    assert_eq!(chat.report_message(&carl, message.id, spam(None)).await.unwrap().id, filed.id);
    // The text is shown as it is now, and no copy is kept.
    chat.edit_message(&bob, message.id, EditMessage::text("second")).await.unwrap();
    let shown = queue(&chat, &alice, id, Some(ReportState::InReview)).await;
    assert_eq!(text_of(shown[0].message.as_ref().unwrap()), "second");
    assert_eq!(chat.message_revisions(&alice, message.id).await.unwrap().len(), 1);
    chat.delete_message(&bob, message.id, None).await.unwrap();
    let done = chat.resolve_report(&alice, id, filed.id, to(RESOLVED)).await.unwrap();
    assert_eq!((done.state, done.revision), (RESOLVED, 3));
    assert_eq!(done.message.unwrap().body.content, Content::Deleted);
    let closed = Error::ReportConflict { state: RESOLVED, revision: 3 };
    for state in ReportState::ALL.into_iter().filter(|state| *state != RESOLVED) {
        assert_eq!(chat.resolve_report(&adam, id, filed.id, to(state)).await.unwrap_err(), closed);
    }
    assert_eq!(chat.resolve_report(&adam, id, filed.id, to(RESOLVED)).await.unwrap_err(), closed);
    let details = closed.details();
    assert_eq!((&details["current_state"], &details["current_revision"]), (&"RESOLVED".into(), &3.into()));
    assert_eq!((closed.code().as_str(), closed.code().status()), ("REPORT_CONFLICT", 409));
    // After that another report may follow.
    let again = chat.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap();
    let states = |state| queue(&chat, &alice, id, Some(state));
    assert_eq!(ids(&states(OPEN).await), [again.id]);
    assert_eq!(ids(&states(RESOLVED).await), [filed.id]);
    assert_eq!(states(ReportState::InReview).await, []);
    assert_eq!(ids(&queue(&chat, &adam, id, None).await), [again.id, filed.id]);
    let unknown = chat.resolve_report(&alice, id, ReportId(uuid::Uuid::now_v7()), to(RESOLVED)).await;
    assert_eq!(unknown.unwrap_err(), Error::ReportNotFound);
    let elsewhere = room(&chat, &alice, &[]).await;
    let wrong = chat.resolve_report(&alice, elsewhere, again.id, to(RESOLVED)).await;
    assert_eq!(wrong.unwrap_err(), Error::ReportNotFound, "a report of another session");
    let long = ResolveReport { note: Some("x".repeat(501)), ..to(RESOLVED) };
    assert_fault(chat.resolve_report(&alice, id, again.id, long).await, "note", Code::ValidationLengthExceeded);
}

#[tokio::test]
async fn reports_have_a_limit_for_each_user_and_a_rate() {
    let chat = uncounted(MemoryStore::new());
    let (id, [alice, _, bob, carl, vera]) = staffed(&chat).await;
    let mut messages = Vec::new();
    for _ in 0..=MAX_OPEN_REPORTS {
        messages.push(say(&chat, &bob, id, "x").await.id);
    }
    let mut filed = Vec::new();
    for message in &messages[1..] {
        filed.push(chat.report_message(&carl, *message, spam(None)).await.unwrap().id);
    }
    let one_more = chat.report_message(&carl, messages[0], spam(None)).await.unwrap_err();
    assert!(matches!(one_more, Error::LimitExceeded { limit: 50, .. }), "{one_more:?}");
    assert_eq!(chat.report_message(&carl, messages[1], spam(None)).await.unwrap().id, filed[0], "the same is no more");
    chat.report_message(&vera, messages[0], spam(None)).await.unwrap();
    chat.resolve_report(&alice, id, filed[7], to(DISMISSED)).await.unwrap();
    chat.report_message(&carl, messages[0], spam(None)).await.unwrap();
    // Pages go on where the last one ended.
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = chat.reports(&alice, id, Some(OPEN), Page { after, limit: Some(7), ..Page::FIRST }).await.unwrap();
        assert!(page.entries.len() == 7 || page.next.is_none());
        seen.extend(ids(&page.entries));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(
        seen,
        ids(&chat.reports(&alice, id, Some(OPEN), Page { limit: Some(100), ..Page::FIRST }).await.unwrap())
    );
    assert_eq!(seen.len(), 51);
    let skipped = chat.reports(&alice, id, Some(OPEN), Page { skip: 3, limit: Some(2), after: None }).await.unwrap();
    assert_eq!(ids(&skipped), seen[3..5]);
    for limit in [0, 101] {
        let refused = chat.reports(&alice, id, None, Page { limit: Some(limit), ..Page::FIRST }).await;
        assert_fault(refused, "limit", Code::ValidationInvalidValue);
    }
    let rates = RateLimits { reports: Some(Rate::new(2, Duration::from_secs(60))), ..RateLimits::off() };
    let slow = Chat::builder(MemoryStore::new()).rates(rates).build();
    let (id, [_, _, bob, carl, vera]) = staffed(&slow).await;
    for _ in 0..2 {
        slow.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap();
    }
    let refused = slow.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap_err();
    assert!(matches!(refused, Error::RateLimited { .. }), "{refused:?}");
    slow.report_participant(&vera, id, &bob.user_id, spam(None)).await.unwrap();
}

#[tokio::test]
async fn only_those_who_moderate_are_signalled_and_not_the_reported_user() {
    let chat = uncounted(MemoryStore::new());
    let (id, people) = staffed(&chat).await;
    let [alice, adam, bob, carl, vera] = &people;
    let mut streams: Vec<Subscription> = Vec::new();
    for one in [alice, adam, bob, vera] {
        streams.push(chat.subscribe(one, id, None).await.unwrap());
    }
    let heard = async |stream: &mut Subscription| {
        let next = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap().unwrap().unwrap();
        let Delivery::Signal(view) = next else { panic!("{next:?}") };
        match &view.signal {
            Signal::Report { report_id, state, .. } => Some((*report_id, *state)),
            Signal::Typing { .. } => None,
            Signal::Presence { .. }
            | Signal::ReadMarker { .. }
            | Signal::Preferences { .. }
            | Signal::Thread { .. }
            | Signal::JoinRequestDeclined { .. }
            | Signal::Receipt { .. }
            | Signal::MessagePart { .. } => panic!("{view:?}"),
        }
    };
    let of_bob = chat.report_participant(carl, id, &bob.user_id, spam(None)).await.unwrap();
    let of_adam = chat.report_participant(carl, id, &adam.user_id, spam(None)).await.unwrap();
    chat.resolve_report(alice, id, of_adam.id, to(DISMISSED)).await.unwrap();
    chat.typing(carl, id, true).await.unwrap();
    let told = [Some((of_bob.id, OPEN)), Some((of_adam.id, OPEN)), Some((of_adam.id, DISMISSED)), None];
    for expected in told {
        assert_eq!(heard(&mut streams[0]).await, expected, "the owner");
    }
    assert_eq!(heard(&mut streams[1]).await, told[0], "the admin");
    for stream in &mut streams[1..] {
        assert_eq!(heard(stream).await, None, "nobody hears of a report of the own");
    }
}

/// Two moderators at once, in two processes: one is followed, and the other one learns what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_moderators_at_once_one_is_followed() {
    let store = MemoryStore::new();
    let chats = [uncounted(store.clone()), uncounted(store.clone())];
    let (id, [alice, adam, bob, carl, _]) = staffed(&chats[0]).await;
    for round in 0..40 {
        let filed = chats[0].report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap();
        let both = [(&chats[0], &alice, RESOLVED), (&chats[1], &adam, DISMISSED)].map(|(chat, who, state)| {
            let (chat, who) = (chat.clone(), who.clone());
            tokio::spawn(async move { chat.resolve_report(&who, id, filed.id, to(state)).await })
        });
        let [one, two] = both;
        let answers = [one.await.unwrap(), two.await.unwrap()];
        let won = answers.iter().flatten().next().expect("one of them").clone();
        assert_eq!(answers.iter().flatten().count(), 1, "{round}: {answers:?}");
        let lost = answers.into_iter().find_map(Result::err).unwrap();
        assert_eq!(lost, Error::ReportConflict { state: won.state, revision: 2 });
        let now = queue(&chats[1], &alice, id, None).await;
        assert_eq!((now[0].id, now[0].state), (filed.id, won.state));
        assert!(store.scan(&[OpenReports::under(Vec::new())]).await.unwrap()[0].is_empty());
    }
    let log = chats[0].moderation_log(&alice, id, Page { limit: Some(100), ..Page::FIRST }).await.unwrap();
    assert_eq!(log.entries.len(), 40, "one entry for each change that was made");
}

/// The same user reports the same thing at once in two processes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_report_at_once_is_one_report() {
    let store = MemoryStore::new();
    let chats = [uncounted(store.clone()), uncounted(store.clone())];
    let (id, [alice, _, bob, carl, _]) = staffed(&chats[0]).await;
    for round in 1..=20 {
        let message = say(&chats[0], &bob, id, "x").await;
        let tasks = [0, 1, 0, 1].map(|n| {
            let (chat, carl) = (chats[n].clone(), carl.clone());
            tokio::spawn(async move { chat.report_message(&carl, message.id, spam(None)).await.unwrap().id })
        });
        let mut found = Vec::new();
        for task in tasks {
            found.push(task.await.unwrap());
        }
        found.dedup();
        assert_eq!(found.len(), 1);
        assert_eq!(queue(&chats[1], &alice, id, None).await.len(), round);
    }
}

/// A report that was closed between the look and the commit: a moderator's change fails, and the queue has one state.
#[tokio::test]
async fn a_change_on_an_old_report_is_decided_again() {
    let store = Hooked::default();
    let chat = uncounted(store.clone());
    let other = uncounted(store.intact());
    let (id, [alice, adam, bob, carl, _]) = staffed(&chat).await;
    let filed = chat.report_participant(&carl, id, &bob.user_id, spam(None)).await.unwrap();
    *store.commits_of.lock().unwrap() = Some(Reports::TABLE.name);
    let report = filed.id;
    store.before_commit.once(async move {
        other.resolve_report(&adam, id, report, to(DISMISSED)).await.unwrap();
    });
    let refused = chat.resolve_report(&alice, id, filed.id, to(RESOLVED)).await.unwrap_err();
    assert_eq!(refused, Error::ReportConflict { state: DISMISSED, revision: 2 });
    assert!(store.before_commit.is_done());
    assert_eq!(queue(&chat, &alice, id, Some(RESOLVED)).await, []);
}

#[tokio::test]
async fn the_moderation_log_has_what_moderators_did_and_no_texts() {
    let chat = uncounted(MemoryStore::new());
    let (id, [alice, adam, bob, carl, vera]) = staffed(&chat).await;
    let message = say(&chat, &bob, id, "x").await;
    let own = say(&chat, &bob, id, "own").await;
    chat.delete_message(&bob, own.id, None).await.unwrap();
    chat.delete_message(&adam, message.id, None).await.unwrap();
    let reason = Some("secret reason".to_owned());
    let until = Some(chat.now() + TimeDelta::days(1));
    let ban = SanctionUser { reason, until };
    chat.mute_participant(&adam, id, &carl.user_id, SanctionUser::ENDLESS).await.unwrap();
    chat.mute_participant(&adam, id, &carl.user_id, SanctionUser::ENDLESS).await.unwrap();
    chat.unmute_participant(&alice, id, &carl.user_id).await.unwrap();
    chat.ban_participant(&alice, id, &carl.user_id, ban).await.unwrap();
    chat.unban_participant(&alice, id, &carl.user_id).await.unwrap();
    chat.remove_participant(&adam, id, &vera.user_id).await.unwrap();
    let log = chat.moderation_log(&alice, id, Page::FIRST).await.unwrap().entries;
    let told: Vec<_> =
        log.iter().map(|entry| (entry.actor.user_id.as_str(), entry.action, entry.user.user_id.as_str())).collect();
    use ModerationAction::{MessageDeleted, UserBanned, UserMuted, UserRemoved, UserUnbanned, UserUnmuted};
    assert_eq!(
        told,
        [
            ("adam", UserRemoved, "vera"),
            ("alice", UserUnbanned, "carl"),
            ("alice", UserBanned, "carl"),
            ("alice", UserUnmuted, "carl"),
            ("adam", UserMuted, "carl"),
            ("adam", MessageDeleted, "bob"),
        ]
    );
    assert_eq!(log[5].message_id, Some(message.id));
    assert_eq!(log[2].until, until.map(|until| chrono::SubsecRound::trunc_subsecs(until, 6)));
    assert!(!serde_json::to_string(&log).unwrap().contains("secret"));
    let page = chat.moderation_log(&adam, id, Page { limit: Some(4), ..Page::FIRST }).await.unwrap();
    let rest = chat.moderation_log(&adam, id, Page::after(page.next.unwrap())).await.unwrap();
    assert_eq!(page.entries.into_iter().chain(rest.entries).collect::<Vec<_>>(), log);
}
