//! Reading of many sessions at once: the same answers as one by one, for a number of reads that does not grow.

use std::{fmt::Debug, future::Future};

use chatcore::{
    chat::{EditMessage, MessagesOf, ParticipantsOf},
    model::{Bound, ParticipantId, SessionSummary},
};

use super::*;

/// As many as may be asked for at once.
const BATCH: usize = 100;

/// Sessions of every kind, as alice made them: each with everybody in it who can be, with one who left, and with messages
/// and other events in different places. The last one never was.
async fn sessions(chat: &Chat) -> Vec<SessionId> {
    let [alice, bob, carol, dave, fred] = ["alice", "bob", "carol", "dave", "fred"].map(with_email);
    let mut ids = Vec::new();
    for n in 0..8 {
        let id = room(chat, &alice, &[&bob, &carol, &dave, &fred]).await;
        chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
        chat.change_role(&alice, id, &dave.user_id, VIEWER).await.unwrap();
        chat.leave(&fred, id).await.unwrap();
        for said in 0..n {
            say(chat, if said % 2 == 0 { &alice } else { &carol }, id, &format!("{n}: {said}")).await;
        }
        // Stretches without messages, also longer than what is read at once.
        for change in 0..[0, 1, 5, 300][n % 4] {
            chat.update_session(&alice, id, titled(&format!("{n}: {change}"))).await.unwrap();
        }
        for said in 0..n / 2 {
            say(chat, &bob, id, &format!("{n}: and {said}")).await;
        }
        match n {
            0 | 1 | 7 => {}
            2 | 6 => drop(chat.update_session(&alice, id, to_type(SessionType::InviteOnly)).await.unwrap()),
            3 | 4 => {
                for one in [&bob, &carol, &dave] {
                    chat.remove_participant(&alice, id, &one.user_id).await.unwrap();
                }
                chat.update_session(&alice, id, to_type(SessionType::Private)).await.unwrap();
            }
            _ => chat.delete_session(&alice, id).await.unwrap(),
        }
        ids.push(id);
    }
    ids.push(SessionId(uuid::Uuid::now_v7()));
    ids
}

fn with_email(name: &str) -> Principal {
    Principal { email: Some(format!("{name}@example.com")), ..user(name) }
}

/// Compares what a batch gives with what each of its entries gives alone.
async fn compare<Q: Debug, T: Debug + PartialEq>(
    asked: &[Q],
    batch: impl AsyncFn(&[Q]) -> Result<Vec<Result<T, Error>>, Error>,
    alone: impl AsyncFn(&Q) -> Result<T, Error>,
) {
    for asked in asked.chunks(BATCH) {
        let found = batch(asked).await.unwrap();
        assert_eq!(found.len(), asked.len());
        for (asked, found) in asked.iter().zip(found) {
            assert_eq!(found, alone(asked).await, "{asked:?}");
        }
    }
}

#[tokio::test]
async fn every_entry_is_answered_as_if_it_were_asked_for_alone() {
    let chat = uncounted(MemoryStore::new());
    let ids = sessions(&chat).await;
    // Forwards and backwards, so that each comes more than once.
    let ids: Vec<SessionId> = ids.iter().chain(ids.iter().rev()).copied().collect();
    let times = [0, 1].map(|hour| Bound::Time(Utc::now() + TimeDelta::hours(hour)));
    let bounds: Vec<Bound> = [0, 1, 7, 12, 200, u64::MAX].map(Bound::Seq).into_iter().chain(times).collect();
    let windows: Vec<MessageWindow> = [MessageWindow::Newest, MessageWindow::Skip(0), MessageWindow::Skip(2)]
        .into_iter()
        .chain([MessageWindow::Skip(u64::MAX)])
        .chain(bounds.iter().copied().map(MessageWindow::Before))
        .chain(bounds.iter().copied().map(MessageWindow::After))
        .collect();
    let mut messages = Vec::new();
    let mut participants = Vec::new();
    for limit in [None, Some(1), Some(4), Some(0), Some(101)] {
        for window in &windows {
            messages.extend(ids.iter().map(|id| MessagesOf { session_id: *id, window: *window, limit }));
        }
        let place = Some(ParticipantId(uuid::Uuid::now_v7()));
        for (after, skip, with_email) in [
            (None, 0, false),
            (None, 0, true),
            (None, 1, true),
            (None, u64::MAX, false),
            (place, 0, true),
            (place, 1, true),
        ] {
            let page = Page { after, skip, limit };
            participants.extend(ids.iter().map(|id| ParticipantsOf { session_id: *id, page, with_email }));
        }
    }
    let mut seen = Vec::new();
    for name in ["alice", "bob", "carol", "dave", "fred", "stranger"] {
        let (chat, who) = (&chat, &with_email(name));
        let summary = async |id: &SessionId| Ok(chat.session(who, *id).await?.summary);
        compare(&ids, async |ids| chat.sessions_by_id(who, ids).await, summary).await;
        let details = async |id: &SessionId| chat.session(who, *id).await;
        compare(&ids, async |ids| chat.details_by_id(who, ids).await, details).await;
        let page = async |of: &MessagesOf| chat.messages(who, of.session_id, of.window, of.limit).await;
        compare(&messages, async |asked| chat.messages_of(who, asked).await, page).await;
        let list = async |of: &ParticipantsOf| chat.participants(who, of.session_id, of.page, of.with_email).await;
        compare(&participants, async |asked| chat.participants_of(who, asked).await, list).await;
        let found = chat.sessions_by_id(who, &ids[..9]).await.unwrap();
        let verdict = |found: Result<SessionSummary, Error>| match found {
            Ok(_) => 'y',
            Err(Error::Denied(Denial::Hidden)) => 'h',
            Err(Error::Denied(Denial::NotParticipant)) => 'n',
            Err(other) => panic!("{other:?}"),
        };
        seen.push(format!("{name} {}", found.into_iter().map(verdict).collect::<String>()));
    }
    // So that what is compared is not all the same.
    let outsiders = ["fred nnhhhhhnh", "stranger nnhhhhhnh"];
    let insiders = ["bob yyyhhhyyh", "carol yyyhhhyyh", "dave yyyhhhyyh"];
    assert_eq!(seen, [&["alice yyyyyhyyh"][..], &insiders, &outsiders].concat());
}

/// How often the store is read for it, by a chat that has read nothing yet.
async fn reads<T: Debug>(store: &Breakable, of: impl AsyncFn(Chat) -> Result<Vec<Result<T, Error>>, Error>) -> u64 {
    let chat = uncounted(store.clone());
    // A caller's own profile is read once.
    chat.me(&user("alice")).await.unwrap();
    let before = store.reads.load(Ordering::SeqCst);
    for found in of(chat).await.unwrap() {
        found.unwrap();
    }
    store.reads.load(Ordering::SeqCst) - before
}

#[tokio::test]
async fn fifty_sessions_cost_as_many_reads_as_two() {
    let store = Breakable::default();
    let chat = uncounted(store.intact());
    let alice = user("alice");
    let mut ids = Vec::new();
    for n in 0..50 {
        let others = [0, 1].map(|other| user(&format!("{n}-{other}")));
        let id = room(&chat, &alice, &[&others[0], &others[1]]).await;
        for said in 0..12 {
            say(&chat, &others[said % 2], id, &said.to_string()).await;
        }
        // In every other session nobody has said anything for long.
        for change in 0..200 * (n % 2) {
            chat.update_session(&alice, id, titled(&change.to_string())).await.unwrap();
        }
        ids.push(id);
    }
    let (alice, far) = (&alice, Utc::now() + TimeDelta::hours(1));
    let windows = [
        MessageWindow::Newest,
        MessageWindow::Skip(3),
        MessageWindow::Before(Bound::Seq(10)),
        MessageWindow::After(Bound::Seq(5)),
        MessageWindow::Before(Bound::Time(far)),
    ];
    let mut costs = Vec::new();
    for count in [2, 50] {
        let ids = &ids[..count];
        let mut cost = vec![
            reads(&store, async |chat| chat.sessions_by_id(alice, ids).await).await,
            reads(&store, async |chat| chat.details_by_id(alice, ids).await).await,
            reads(&store, async |chat| {
                let asked = |id: &SessionId| ParticipantsOf { session_id: *id, page: Page::FIRST, with_email: true };
                chat.participants_of(alice, &ids.iter().map(asked).collect::<Vec<_>>()).await
            })
            .await,
        ];
        for window in windows {
            let asked = |id: &SessionId| MessagesOf { session_id: *id, window, limit: Some(2) };
            let asked: Vec<_> = ids.iter().map(asked).collect();
            cost.push(reads(&store, async |chat| chat.messages_of(alice, &asked).await).await);
        }
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1]);
    assert_eq!(costs[1][..1], [1], "the facts, since the owner's name is known");
    // Where nothing but messages stands at the end: the facts, the messages, their reactions, the blocks of their
    // reader, and the senders' names.
    let newest = |id: &SessionId| MessagesOf { session_id: *id, window: MessageWindow::Newest, limit: Some(1) };
    let asked: Vec<_> = ids.iter().step_by(2).map(newest).collect();
    assert_eq!(reads(&store, async |chat| chat.messages_of(alice, &asked).await).await, 5);
}

#[tokio::test]
async fn the_earlier_texts_of_fifty_messages_cost_as_many_reads_as_those_of_one() {
    let store = Breakable::default();
    let chat = Chat::new(store.intact());
    let (alice, bob, carol) = (user("alice"), user("bob"), user("carol"));
    let mut ids = Vec::new();
    for n in 0..50 {
        let id = room(&chat, &alice, &[&bob]).await;
        let message = say(&chat, &bob, id, &n.to_string()).await.id;
        for edit in 0..n % 3 {
            chat.edit_message(&bob, message, EditMessage::text(format!("{n}: {edit}"))).await.unwrap();
        }
        ids.push(message);
    }
    let cost = async |ids: &[MessageId]| reads(&store, async |chat| chat.revisions_of(&alice, ids).await).await;
    assert_eq!((cost(&ids[..1]).await, cost(&ids).await), (3, 3), "the facts, the messages, the texts");
    // What is no message, and what is in no session.
    ids.push(MessageId { seq: 1, ..ids[0] });
    ids.push(MessageId { session_id: SessionId(uuid::Uuid::now_v7()), seq: 1 });
    ids.extend_from_within(..3);
    for who in [&alice, &bob, &carol] {
        let alone = async |id: &MessageId| chat.message_revisions(who, *id).await;
        compare(&ids, async |ids| chat.revisions_of(who, ids).await, alone).await;
    }
    let lengths = |found: Result<Vec<_>, Error>| found.map_or(9, |found| found.len());
    let found = chat.revisions_of(&alice, &ids[..4]).await.unwrap();
    assert_eq!(found.into_iter().map(lengths).collect::<Vec<_>>(), [0, 1, 2, 0]);
}

/// What each way to ask about sessions at once answers to somebody.
async fn outer(chat: &Chat, who: &Principal, ids: &[SessionId]) -> Vec<Result<usize, Error>> {
    let messages = |id: &SessionId| MessagesOf { session_id: *id, window: MessageWindow::Newest, limit: None };
    let participants = |id: &SessionId| ParticipantsOf { session_id: *id, page: Page::FIRST, with_email: false };
    let (messages, participants): (Vec<_>, Vec<_>) = ids.iter().map(|id| (messages(id), participants(id))).unzip();
    vec![
        chat.sessions_by_id(who, ids).await.map(|found| found.len()),
        chat.details_by_id(who, ids).await.map(|found| found.len()),
        chat.messages_of(who, &messages).await.map(|found| found.len()),
        chat.participants_of(who, &participants).await.map(|found| found.len()),
    ]
}

#[tokio::test]
async fn what_concerns_all_of_it_is_said_once() {
    let (store, clock) = (Breakable::default(), TestClock::default());
    let limits = Limits { batch_max: 3, ..Limits::default() };
    let chat = Chat::builder(store.clone()).clock(clock.clone()).limits(limits).build();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    assert_eq!(outer(&chat, &alice, &[]).await, vec![Ok(0); 4]);
    assert_eq!(outer(&chat, &alice, &[id; 3]).await, vec![Ok(3); 4]);
    for answer in outer(&chat, &alice, &[id; 4]).await {
        assert!(matches!(answer, Err(Error::LimitExceeded { limit: 3, .. })), "{answer:?}");
    }
    assert_eq!(Limits::default().batch_max, BATCH);

    // One session is no batch.
    let limits = Limits { batch_max: 0, ..Limits::default() };
    let none = Chat::builder(store.clone()).limits(limits).build();
    assert!(none.session(&alice, id).await.is_ok());
    assert!(none.messages(&alice, id, MessageWindow::Newest, None).await.is_ok());
    assert!(none.participants(&alice, id, Page::FIRST, false).await.is_ok());

    store.reads_fail.store(true, Ordering::SeqCst);
    assert_eq!(outer(&chat, &alice, &[id]).await, vec![Err(Error::Unavailable); 4]);
    store.reads_fail.store(false, Ordering::SeqCst);
    let expired = Principal { expires_at: Some(chatcore::Clock::now(&clock)), ..alice };
    assert_eq!(outer(&chat, &expired, &[id]).await, vec![Err(Error::TokenExpired); 4]);
}

/// Lets this happen before the next lists of participants are read.
fn meddle(store: &Breakable, happens: impl Future<Output = ()> + Send + 'static) {
    store.before_lists.lock().unwrap().push(Box::pin(happens));
}

#[tokio::test]
async fn a_session_holds_together_although_others_come_meanwhile() {
    let store = Breakable::default();
    let (chat, beside) = (uncounted(store.clone()), uncounted(store.intact()));
    let alice = user("alice");
    let ids = [room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await, room(&chat, &alice, &[]).await];
    for n in 0..3 {
        let beside = beside.clone();
        meddle(&store, async move {
            beside.join(&user(&format!("user {n}")), ids[1]).await.unwrap();
        });
    }
    let found = chat.details_by_id(&alice, &ids).await.unwrap();
    assert!(store.before_lists.lock().unwrap().is_empty(), "it is read again until it holds together");
    for (found, (count, seq)) in found.into_iter().zip([(1, 1), (4, 4), (1, 1)]) {
        let details = found.unwrap();
        assert_eq!((details.participants.len(), details.seq), (count, seq));
        assert_eq!(details.summary.session.participant_count as usize, count);
    }
    // Somebody comes each time that it is looked at.
    for n in 3..=2 * chat.limits().commit_attempts {
        let beside = beside.clone();
        meddle(&store, async move {
            beside.join(&user(&format!("user {n}")), ids[0]).await.unwrap();
        });
    }
    let found = chat.details_by_id(&alice, &ids).await.unwrap();
    assert_eq!(found[0], Err(Error::Unavailable));
    assert!(found[1].is_ok() && found[2].is_ok());
}

#[tokio::test]
async fn who_is_removed_meanwhile_is_not_told() {
    let store = Breakable::default();
    let (chat, beside) = (uncounted(store.clone()), uncounted(store.intact()));
    let (alice, bob) = (user("alice"), user("bob"));
    let not_in_it = Error::Denied(Denial::NotParticipant);
    let ids = [room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await];
    let remove = |id| {
        let (beside, alice, bob) = (beside.clone(), alice.clone(), bob.clone());
        meddle(&store, async move { beside.remove_participant(&alice, id, &bob.user_id).await.unwrap() });
    };
    remove(ids[0]);
    let asked = ids.map(|session_id| ParticipantsOf { session_id, page: Page::FIRST, with_email: false });
    let found = chat.participants_of(&bob, &asked).await.unwrap();
    assert_eq!((found[0].clone(), found[1].as_ref().map(|page| page.len())), (Err(not_in_it.clone()), Ok(2)));
    chat.join(&bob, ids[0]).await.unwrap();
    remove(ids[1]);
    let found = chat.details_by_id(&bob, &ids).await.unwrap();
    assert_eq!((found[0].is_ok(), found[1].clone()), (true, Err(not_in_it)));
}
