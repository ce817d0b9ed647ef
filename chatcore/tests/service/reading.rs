//! Read markers, unread messages, and what a list of the own sessions shows.

use chatcore::{
    chat::{EditMessage, MAX_SORTED, SessionOrder},
    model::{AllRead, Bound, Emoji, Event, ReadState, SessionSummary, Unread},
    permission::{ActionKind, PermissionTable},
};
use proptest::{prelude::*, sample::Index};

use super::*;

mod concurrent;

fn exactly(count: u64) -> Unread {
    Unread { count, is_exact: true }
}

fn upto(count: u64) -> Unread {
    Unread { count, is_exact: false }
}

async fn listed(chat: &Chat, who: &Principal, id: SessionId) -> SessionSummary {
    let all = chat.sessions(who, Page::FIRST).await.unwrap();
    all.into_iter().find(|one| one.session.id == id).unwrap()
}

/// How far a user has read, as each use case that tells it tells it, which must be the same.
async fn state(chat: &Chat, who: &Principal, id: SessionId) -> ReadState {
    let details = chat.session(who, id).await.unwrap().reading;
    let list = listed(chat, who, id).await.overview.unwrap().reading;
    let sorted = chat.sessions_in(who, Page::FIRST, SessionOrder::Activity).await.unwrap();
    let sorted = sorted.into_iter().find(|one| one.session.id == id).unwrap().overview.unwrap().reading;
    let by_id = chat.overviews_by_id(who, &[id]).await.unwrap().remove(0).unwrap().unwrap().reading;
    assert_eq!([list, sorted, by_id], [details; 3]);
    details
}

async fn unread(chat: &Chat, who: &Principal, id: SessionId) -> Unread {
    state(chat, who, id).await.unread
}

#[tokio::test]
async fn messages_of_others_are_unread_until_a_marker_or_an_own_message_passes_them() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::Public).await;
    say(&chat, &alice, id, "before bob came").await;
    chat.join(&bob, id).await.unwrap();
    assert_eq!(state(&chat, &bob, id).await, ReadState { session_id: id, read_upto: 3, unread: exactly(0) });
    let first = say(&chat, &alice, id, "one").await;
    let second = say(&chat, &alice, id, "two").await;
    assert_eq!((unread(&chat, &bob, id).await, unread(&chat, &alice, id).await), (exactly(2), exactly(0)));

    let read = chat.mark_read(&bob, id, ReadUpto::Message(first.id)).await.unwrap();
    assert_eq!(read, ReadState { session_id: id, read_upto: first.seq, unread: exactly(1) });
    // A marker goes forward only.
    assert_eq!(chat.mark_read(&bob, id, ReadUpto::Seq(1)).await.unwrap(), read);
    let page = chat.messages(&bob, id, MessageWindow::After(Bound::Seq(read.read_upto)), None).await.unwrap();
    assert_eq!(page.messages[0].id, second.id, "a page after the marker begins with the first unread message");

    say(&chat, &bob, id, "mine").await;
    assert_eq!(unread(&chat, &bob, id).await, exactly(0), "who speaks has read");
    say(&chat, &alice, id, "three").await;
    assert_eq!(unread(&chat, &bob, id).await, exactly(1));
}

#[tokio::test]
async fn a_relayed_message_counts_and_edits_reactions_and_deletions_change_nothing() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let first = say(&chat, &alice, id, "one").await;
    say(&chat, &alice, id, "two").await;
    for role in [SpeakerRole::Assistant, SpeakerRole::System] {
        let relayed = SendMessage::text("relayed");
        chat.send(&bob, id, SendMessage::new(MessageBody { role, ..relayed.body })).await.unwrap();
    }
    assert_eq!(unread(&chat, &bob, id).await, exactly(4));
    chat.add_reaction(&alice, first.id, &Emoji::new("👍").unwrap()).await.unwrap();
    chat.edit_message(&alice, first.id, EditMessage::text("other")).await.unwrap();
    chat.pin_message(&alice, first.id).await.unwrap();
    chat.delete_message(&alice, first.id, None).await.unwrap();
    assert_eq!(unread(&chat, &bob, id).await, exactly(4), "a tombstone counts until the marker passes it");
    assert_eq!(chat.mark_read(&bob, id, ReadUpto::Message(first.id)).await.unwrap().unread, exactly(3));
}

#[tokio::test]
async fn a_count_is_exact_among_the_last_hundred_events_and_an_upper_bound_beyond() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    for count in 1..=100 {
        say(&chat, &alice, id, "x").await;
        assert_eq!(unread(&chat, &bob, id).await, exactly(count));
    }
    say(&chat, &alice, id, "x").await;
    assert_eq!(unread(&chat, &bob, id).await, upto(101));
    // An own message beyond the last events is not seen, and counts.
    say(&chat, &bob, id, "mine").await;
    assert_eq!(unread(&chat, &bob, id).await, exactly(0));
    for count in 1..=99 {
        say(&chat, &alice, id, "x").await;
        assert_eq!(unread(&chat, &bob, id).await, exactly(count));
    }
    say(&chat, &alice, id, "x").await;
    assert_eq!(unread(&chat, &bob, id).await, upto(202));
    assert_eq!(chat.mark_read(&bob, id, ReadUpto::Seq(150)).await.unwrap().unread, exactly(54));
}

#[tokio::test]
async fn from_a_message_on_all_can_be_unread_again() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = session(&chat, &alice, SessionType::Public).await;
    let before = say(&chat, &alice, id, "before bob came").await;
    chat.join(&bob, id).await.unwrap();
    let first = say(&chat, &alice, id, "one").await;
    let mine = say(&chat, &bob, id, "mine").await;
    say(&chat, &alice, id, "two").await;
    let read = chat.mark_read(&bob, id, ReadUpto::Seq(6)).await.unwrap();
    assert_eq!(read, ReadState { session_id: id, read_upto: 6, unread: exactly(0) });
    let back = chat.mark_unread_from(&bob, first.id).await.unwrap();
    let expected = ReadState { session_id: id, read_upto: first.seq - 1, unread: exactly(2) };
    assert_eq!((back, state(&chat, &bob, id).await), (expected, expected), "an own message in between reads nothing");
    // What is unread stays so.
    assert_eq!(chat.mark_unread_from(&bob, mine.id).await.unwrap(), expected);
    assert_eq!(chat.mark_unread_from(&bob, before.id).await.unwrap(), expected, "what came before bob stays read");
    assert_eq!(chat.mark_read(&bob, id, ReadUpto::Message(first.id)).await.unwrap().unread, exactly(1));
    say(&chat, &bob, id, "mine, too").await;
    assert_eq!(unread(&chat, &bob, id).await, exactly(0), "an own message after that counts again");
}

#[tokio::test]
async fn who_comes_back_has_read_what_was_said_meanwhile() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    say(&chat, &alice, id, "one").await;
    chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
    say(&chat, &alice, id, "without bob").await;
    chat.join(&bob, id).await.unwrap();
    assert_eq!(unread(&chat, &bob, id).await, exactly(0));
    say(&chat, &alice, id, "two").await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    assert_eq!(unread(&chat, &bob, id).await, exactly(1), "another role is no new stay");
}

#[tokio::test]
async fn a_marker_that_names_nothing_is_refused() {
    let (chat, alice, bob, carol) = (uncounted(MemoryStore::new()), user("alice"), user("bob"), user("carol"));
    let id = room(&chat, &alice, &[&bob]).await;
    let hidden = session(&chat, &alice, SessionType::Private).await;
    let elsewhere = room(&chat, &alice, &[&bob]).await;
    let other = say(&chat, &alice, elsewhere, "elsewhere").await;
    let secret = say(&chat, &alice, hidden, "secret").await;
    say(&chat, &alice, id, "one").await;
    assert_fault(chat.mark_read(&bob, id, ReadUpto::Seq(0)).await, "seq", Code::ValidationInvalidValue);
    for seq in [4, 1_000, u64::MAX] {
        let beyond = chat.mark_read(&bob, id, ReadUpto::Seq(seq)).await;
        assert_eq!(beyond, Err(Error::Resync { oldest: 0, head: 3 }));
    }
    let at = |seq| MessageId { session_id: id, seq };
    for message in [other.id, secret.id, at(0), at(1), at(4), at(u64::MAX)] {
        assert_eq!(chat.mark_read(&bob, id, ReadUpto::Message(message)).await, Err(Error::MessageNotFound));
    }
    for message in [secret.id, at(0), at(1), at(4), at(u64::MAX)] {
        assert_eq!(chat.mark_unread_from(&bob, message).await, Err(Error::MessageNotFound));
    }
    assert_denied(chat.mark_read(&bob, hidden, ReadUpto::Seq(1)).await, Denial::Hidden);
    assert_denied(chat.mark_read(&carol, id, ReadUpto::Seq(1)).await, Denial::NotParticipant);
    assert_denied(chat.mark_unread_from(&carol, at(3)).await, Denial::NotParticipant);
    assert_eq!(unread(&chat, &bob, id).await, exactly(1));
}

#[tokio::test]
async fn all_sessions_are_marked_as_read_at_once_and_again_without_effect() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let mut ids = Vec::new();
    for count in 0..230 {
        let id = room(&chat, &alice, &[&bob]).await;
        if count % 2 == 0 {
            say(&chat, &alice, id, "one").await;
        }
        ids.push(id);
    }
    assert_eq!(chat.mark_all_read(&bob, None).await, Ok(AllRead { marked: 115, last: Some(ids[0]), is_done: true }));
    assert_eq!(chat.mark_all_read(&bob, None).await, Ok(AllRead { marked: 0, last: Some(ids[0]), is_done: true }));
    // A list has no room for all of them.
    let unread = async |id| chat.session(&bob, id).await.unwrap().reading.unread;
    for id in ids.iter().step_by(50) {
        assert_eq!(unread(*id).await, exactly(0));
    }
    say(&chat, &alice, ids[200], "two").await;
    say(&chat, &alice, ids[100], "two").await;
    let after = chat.mark_all_read(&bob, Some(ids[200])).await;
    assert_eq!(after, Ok(AllRead { marked: 1, last: Some(ids[0]), is_done: true }), "what stands after the session");
    assert_eq!((unread(ids[200]).await, unread(ids[100]).await), (exactly(1), exactly(0)));
}

#[tokio::test]
async fn a_list_shows_the_last_message_as_it_is() {
    let (store, alice, bob) = (MemoryStore::new(), user("alice").with_name("Alice"), user("bob"));
    let (here, there) = (uncounted(store.clone()), uncounted(store));
    let id = room(&here, &alice, &[&bob]).await;
    let last = async |chat: &Chat| listed(chat, &bob, id).await.overview.unwrap().last_message;
    assert_eq!((last(&here).await, last(&there).await), (None, None));
    let sent = say(&here, &alice, id, "one").await;
    let expected = Some(chatcore::model::Message { sender_blocked: Some(false), ..kit::told(sent.clone()) });
    assert_eq!((last(&here).await, last(&there).await), (expected.clone(), expected));
    // Many events that are no messages push it out of the last rows.
    let thumb = Emoji::new("👍").unwrap();
    for _ in 0..60 {
        here.add_reaction(&alice, sent.id, &thumb).await.unwrap();
        here.remove_reaction(&alice, sent.id, &thumb).await.unwrap();
        last(&here).await;
    }
    assert_eq!(text_of(&last(&here).await.unwrap()), "one");
    assert_eq!(text_of(&last(&there).await.unwrap()), "one");
    // Each process sees the change of the other one.
    here.edit_message(&alice, sent.id, EditMessage::text("other")).await.unwrap();
    assert_eq!(text_of(&last(&there).await.unwrap()), "other");
    assert_eq!(text_of(&last(&here).await.unwrap()), "other");
    there.delete_message(&alice, sent.id, None).await.unwrap();
    for chat in [&here, &there] {
        let tombstone = last(chat).await.unwrap();
        assert_eq!((tombstone.id, tombstone.body.content), (sent.id, Content::Deleted));
    }
}

#[tokio::test]
async fn who_may_no_longer_view_sees_no_last_message() {
    let (store, alice, bob) = (MemoryStore::new(), user("alice"), user("bob"));
    let permissions = PermissionTable::default().with(VIEWER, ActionKind::View, false);
    let chat = Chat::builder(store).permissions(permissions).rates(RateLimits::off()).build();
    let id = room(&chat, &alice, &[&bob]).await;
    say(&chat, &alice, id, "secret").await;
    assert!(listed(&chat, &bob, id).await.overview.is_some());
    chat.change_role(&alice, id, &bob.user_id, VIEWER).await.unwrap();
    assert_eq!(listed(&chat, &bob, id).await.overview, None);
    assert_denied(chat.overviews_by_id(&bob, &[id]).await.unwrap().remove(0), Denial::RoleInsufficient);
}

#[tokio::test]
async fn sessions_are_sorted_by_activity() {
    let (chat, alice, bob) = (uncounted(MemoryStore::new()), user("alice"), user("bob"));
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(room(&chat, &alice, &[&bob]).await);
    }
    for place in [1, 3, 0, 2] {
        say(&chat, &alice, ids[place], "x").await;
    }
    let sorted = async |page| {
        let page = chat.sessions_in(&bob, page, SessionOrder::Activity).await.unwrap();
        let place = |one: &SessionSummary| ids.iter().position(|id| *id == one.session.id).unwrap();
        (page.iter().map(place).collect::<Vec<_>>(), page.next)
    };
    assert_eq!(sorted(Page::FIRST).await, (vec![2, 0, 3, 1], None));
    assert_eq!(sorted(Page { limit: Some(2), ..Page::FIRST }).await, (vec![2, 0], Some(ids[0])));
    assert_eq!(sorted(Page::after(ids[0])).await, (vec![3, 1], None));
    assert_eq!(sorted(Page { skip: 3, ..Page::FIRST }).await, (vec![1], None));
}

#[tokio::test]
async fn more_sessions_than_can_be_sorted_are_refused() {
    let chat = Chat::builder(MemoryStore::new()).rates(RateLimits::off()).build();
    let alice = user("alice");
    for _ in 0..=MAX_SORTED {
        session(&chat, &alice, SessionType::Private).await;
    }
    let sorted = chat.sessions_in(&alice, Page::FIRST, SessionOrder::Activity).await;
    assert!(matches!(sorted, Err(Error::LimitExceeded { limit: MAX_SORTED, .. })), "{sorted:?}");
    assert_eq!(chat.sessions(&alice, Page::FIRST).await.unwrap().len(), 50);
}

#[tokio::test]
async fn a_list_that_is_shown_again_reads_no_log() {
    let store = Breakable::default();
    let (chat, alice, bob) = (uncounted(store.clone()), user("alice"), user("bob"));
    for _ in 0..20 {
        let id = room(&chat, &alice, &[&bob]).await;
        say(&chat, &alice, id, "x").await;
    }
    chat.sessions(&bob, Page::FIRST).await.unwrap();
    let (reads, log_reads) = (store.reads.load(Ordering::SeqCst), store.log_reads.load(Ordering::SeqCst));
    chat.sessions(&bob, Page::FIRST).await.unwrap();
    assert_eq!(store.log_reads.load(Ordering::SeqCst), log_reads);
    assert!(store.reads.load(Ordering::SeqCst) - reads <= 5, "reads do not grow with the sessions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_marks_at_the_same_time_the_furthest_stays() {
    let store = MemoryStore::new();
    let (here, there, alice, bob) = (uncounted(store.clone()), uncounted(store), user("alice"), user("bob"));
    let id = room(&here, &alice, &[&bob]).await;
    for _ in 0..40 {
        say(&here, &alice, id, "x").await;
    }
    let mark = |chat: &Chat, seq| {
        let (chat, bob) = (chat.clone(), bob.clone());
        tokio::spawn(async move { chat.mark_read(&bob, id, ReadUpto::Seq(seq)).await })
    };
    let marks: Vec<_> = (3..=42).rev().map(|seq| mark(if seq % 2 == 0 { &here } else { &there }, seq)).collect();
    for mark in marks {
        mark.await.unwrap().unwrap();
    }
    for chat in [&here, &there] {
        assert_eq!(state(chat, &bob, id).await, ReadState { session_id: id, read_upto: 42, unread: exactly(0) });
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send { role: SpeakerRole },
    Delete { which: Index },
    Edit { which: Index },
    React { which: Index },
    Mark { which: Index },
    Unmark { which: Index },
    MarkAll,
    Remove,
    Join,
    Look,
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, Step)>> {
    let which = any::<Index>;
    let step = prop_oneof![
        12 => Just(Step::Send { role: SpeakerRole::User }),
        2 => Just(Step::Send { role: SpeakerRole::Assistant }),
        2 => which().prop_map(|which| Step::Delete { which }),
        2 => which().prop_map(|which| Step::Edit { which }),
        2 => which().prop_map(|which| Step::React { which }),
        4 => which().prop_map(|which| Step::Mark { which }),
        3 => which().prop_map(|which| Step::Unmark { which }),
        1 => Just(Step::MarkAll),
        1 => Just(Step::Remove),
        2 => Just(Step::Join),
        4 => Just(Step::Look),
    ];
    proptest::collection::vec((0..2_usize, 0..3_usize, step), 1..120)
}

/// What a user's marker comes from, by brute force.
#[derive(Debug, Clone, Copy, Default)]
struct Marked {
    joined: u64,
    stored: u64,
    own_upto: u64,
    is_in: bool,
}

struct Model {
    chats: [Chat; 2],
    users: [Principal; 3],
    marked: [Marked; 3],
    id: SessionId,
    messages: Vec<MessageId>,
}

impl Model {
    async fn new(before: u64) -> Self {
        let store = MemoryStore::new();
        let chats = [uncounted(store.clone()), uncounted(store)];
        let users = ["alice", "bob", "carol"].map(user);
        let id = room(&chats[0], &users[0], &[&users[1], &users[2]]).await;
        let marked = [1, 2, 3].map(|joined| Marked { joined, is_in: true, ..Marked::default() });
        let mut model = Self { chats, users, marked, id, messages: Vec::new() };
        for _ in 0..before {
            model.run(0, 0, Step::Send { role: SpeakerRole::User }).await;
        }
        model
    }

    /// How far a user has read, counted over the whole log: the messages of others after it, and all messages after it.
    async fn counted(&self, who: usize) -> (u64, u64, u64) {
        let owner = &self.users[0];
        let (mut rows, mut after) = (Vec::new(), 0);
        loop {
            let page = self.chats[0].events(owner, self.id, after, Some(100)).await.unwrap();
            rows.extend(page.events.iter().map(|view| Arc::clone(&view.event)));
            after = page.next().seq;
            if after == page.head.seq {
                break;
            }
        }
        let is_own = |row: &Event| {
            let is_said = matches!(&row.kind, EventKind::Message(MessageEvent::Sent { body, .. }) if body.role == SpeakerRole::User);
            is_said && row.actor == self.users[who].user_id
        };
        let Marked { joined, stored, own_upto, .. } = self.marked[who];
        let last = rows.iter().rev().take(100);
        let own = last.filter(|row| is_own(row) && row.seq > own_upto).map(|row| row.seq).max().unwrap_or(0);
        let upto = joined.max(stored).max(own);
        let later: Vec<_> = rows.iter().filter(|row| row.seq > upto && row.kind.is_message()).collect();
        let unread = later.iter().filter(|row| !is_own(row)).count();
        (upto, unread as u64, later.len() as u64)
    }

    async fn look(&self, process: usize, who: usize) {
        let (upto, count, later) = self.counted(who).await;
        let found = state(&self.chats[process], &self.users[who], self.id).await;
        assert_eq!(found.read_upto, upto, "of {who}");
        let head = head(&self.chats[process], &self.users[who], self.id).await;
        // Beyond the last 100 rows the count is a subtraction, in which own messages count.
        let is_exact = later == 0 || upto + 100 >= head;
        if is_exact {
            assert_eq!(found.unread, exactly(count), "of {who}");
        } else {
            assert!(!found.unread.is_exact && found.unread.count >= count, "{found:?} of {who}: {count}");
        }
    }

    async fn run(&mut self, process: usize, who: usize, step: Step) {
        let (chat, me) = (&self.chats[process], &self.users[who]);
        let which = |which: Index| (!self.messages.is_empty()).then(|| self.messages[which.index(self.messages.len())]);
        let is_in = self.marked[who].is_in;
        match step {
            Step::Send { role } => {
                let text = SendMessage::text("x");
                let sent = SendMessage::new(MessageBody { role, ..text.body });
                if let Ok(sent) = chat.send(me, self.id, sent).await {
                    self.messages.push(sent.id);
                }
            }
            Step::Delete { which: index } => {
                if let Some(id) = which(index) {
                    let _ = chat.delete_message(me, id, None).await;
                }
            }
            Step::Edit { which: index } => {
                if let Some(id) = which(index) {
                    let _ = chat.edit_message(me, id, EditMessage::text("y")).await;
                }
            }
            Step::React { which: index } => {
                if let Some(id) = which(index) {
                    let _ = chat.add_reaction(me, id, &Emoji::new("👍").unwrap()).await;
                }
            }
            Step::Mark { which: index } => {
                if let Some(id) = which(index) {
                    let marked = chat.mark_read(me, self.id, ReadUpto::Message(id)).await;
                    assert_eq!(marked.is_ok(), is_in);
                    if is_in {
                        self.marked[who].stored = self.marked[who].stored.max(id.seq);
                    }
                }
            }
            Step::Unmark { which: index } => {
                if let Some(id) = which(index) {
                    let (upto, ..) = self.counted(who).await;
                    let unmarked = chat.mark_unread_from(me, id).await;
                    assert_eq!(unmarked.is_ok(), is_in);
                    if is_in && id.seq <= upto {
                        self.marked[who].stored = id.seq - 1;
                        self.marked[who].own_upto = head(chat, me, self.id).await;
                    }
                }
            }
            Step::MarkAll => {
                let had_unread = is_in && unread(chat, me, self.id).await.count > 0;
                chat.mark_all_read(me, None).await.unwrap();
                if had_unread {
                    let head = head(chat, me, self.id).await;
                    self.marked[who] = Marked { stored: head, own_upto: 0, ..self.marked[who] };
                }
            }
            Step::Remove if who > 0 && is_in => {
                chat.remove_participant(&self.users[0], self.id, &me.user_id).await.unwrap();
                self.marked[who].is_in = false;
            }
            Step::Join if !is_in => {
                chat.join(me, self.id).await.unwrap();
                self.marked[who].joined = head(chat, me, self.id).await;
                self.marked[who].is_in = true;
            }
            Step::Look if is_in => self.look(process, who).await,
            Step::Remove | Step::Join | Step::Look => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_number_of_unread_messages_is_the_brute_force_count(before in 0..150_u64, steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new(before).await;
            for (process, who, step) in steps {
                model.run(process, who, step).await;
            }
            for (process, who) in [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)] {
                if model.marked[who].is_in {
                    model.look(process, who).await;
                }
            }
        });
    }
}
