//! Random admissions, departures, messages and changes of the setting, against an oracle that knows the rule in its plainest form.

use chatcore::model::Event;
use proptest::{prelude::*, sample::Index};

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Send,
    Reply { which: Index },
    Edit { which: Index },
    Delete { which: Index },
    React { which: Index },
    Pin { which: Index },
    Come,
    Go,
    Add { whom: usize },
    Role { whom: usize, role: usize },
    Give { whom: usize },
    Show { all: bool },
    Look,
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, Step)>> {
    let which = any::<Index>;
    let step = prop_oneof![
        8 => Just(Step::Send),
        3 => which().prop_map(|which| Step::Reply { which }),
        3 => which().prop_map(|which| Step::Edit { which }),
        1 => which().prop_map(|which| Step::Delete { which }),
        2 => which().prop_map(|which| Step::React { which }),
        2 => which().prop_map(|which| Step::Pin { which }),
        3 => Just(Step::Come),
        3 => Just(Step::Go),
        2 => (0..USERS).prop_map(|whom| Step::Add { whom }),
        2 => (0..USERS, 0..3_usize).prop_map(|(whom, role)| Step::Role { whom, role }),
        1 => (0..USERS).prop_map(|whom| Step::Give { whom }),
        3 => any::<bool>().prop_map(|all| Step::Show { all }),
        5 => Just(Step::Look),
    ];
    proptest::collection::vec((0..2_usize, 0..USERS, step), 1..60)
}

const USERS: usize = 4;

struct Model {
    chats: [Chat; 2],
    store: MemoryStore,
    users: [Principal; USERS],
    id: SessionId,
    /// The position with which each user came in, while the user is in.
    since: [Option<Seq>; USERS],
    hides: bool,
    texts: u64,
}

impl Model {
    async fn new() -> Self {
        let store = MemoryStore::new();
        let chats = [uncounted(store.clone()), uncounted(store.clone())];
        let users = ["alice", "bob", "carol", "dave"].map(user);
        for who in &users {
            chats[0].me(who).await.unwrap();
        }
        let id = session(&chats[0], &users[0], SessionType::Public).await;
        Self { chats, store, users, id, since: [Some(1), None, None, None], hides: false, texts: 0 }
    }

    async fn log(&self) -> Vec<std::sync::Arc<Event>> {
        let range = chatcore::store::LogRange { session_id: self.id, from: 1, to: 10_000 };
        self.store.log(&[range]).await.unwrap().remove(0)
    }

    /// The first position that a user sees, by the rule.
    fn first(&self, who: usize) -> Option<Seq> {
        let since = self.since[who]?;
        Some(if self.hides && who != 0 { since } else { 1 })
    }

    async fn run(&mut self, process: usize, who: usize, step: Step) {
        self.texts += 1;
        let log = self.log().await;
        let messages: Vec<MessageId> = log
            .iter()
            .filter(|event| event.kind.is_message())
            .map(|event| MessageId { session_id: self.id, seq: event.seq })
            .collect();
        let pick = |which: Index| (!messages.is_empty()).then(|| messages[which.index(messages.len())]);
        let (chat, me, id) = (&self.chats[process], &self.users[who], self.id);
        let sees = |message: MessageId| self.first(who).is_some_and(|first| message.seq >= first);
        let text = format!("<{}>", self.texts);
        // What the reader does not see is not there for the reader, whatever is tried.
        let check = |message, answer: Result<(), Error>| {
            if self.since[who].is_some() && !sees(message) {
                assert_eq!(answer, Err(Error::MessageNotFound));
            } else if self.since[who].is_some() {
                assert_ne!(answer, Err(Error::MessageNotFound));
            }
        };
        match step {
            Step::Send => drop(chat.send(me, id, SendMessage::text(text)).await),
            Step::Reply { which } => {
                if let Some(to) = pick(which) {
                    let sent = chat.send(me, id, SendMessage::text(text).in_reply_to(to)).await.map(drop);
                    // A viewer is told so first.
                    if sent != Err(Error::Denied(Denial::RoleInsufficient)) {
                        check(to, sent);
                    }
                }
            }
            Step::Edit { which } => {
                if let Some(message) = pick(which) {
                    check(message, chat.edit_message(me, message, EditMessage::text(text)).await.map(drop));
                }
            }
            Step::Delete { which } => {
                if let Some(message) = pick(which) {
                    check(message, chat.delete_message(me, message, None).await.map(drop));
                }
            }
            Step::React { which } => {
                if let Some(message) = pick(which) {
                    check(message, chat.add_reaction(me, message, &thumb()).await);
                }
            }
            Step::Pin { which } => {
                if let Some(message) = pick(which) {
                    check(message, chat.pin_message(me, message).await);
                }
            }
            Step::Come => {
                if let Ok(came) = chat.join(me, id).await {
                    self.since[who] = Some(came.cursor.seq);
                }
            }
            Step::Go => {
                if chat.leave(me, id).await.is_ok() {
                    self.since[who] = None;
                }
            }
            Step::Add { whom } => {
                let add = AddParticipant { user_id: self.users[whom].user_id.clone(), role: None };
                if let Ok(came) = chat.add_participant(me, id, add).await {
                    self.since[whom] = Some(came.cursor.seq);
                }
            }
            Step::Role { whom, role } => {
                let role = [ADMIN, MEMBER, VIEWER][role];
                drop(chat.change_role(me, id, &self.users[whom].user_id, role).await);
            }
            Step::Give { whom } => drop(chat.transfer_ownership(me, id, &self.users[whom].user_id).await),
            Step::Show { all } => {
                let history_visibility = if all { HistoryVisibility::All } else { SinceJoining };
                if chat.update_session(me, id, seeing(history_visibility)).await.is_ok() {
                    self.hides = !all;
                }
            }
            Step::Look => self.look(process, who).await,
        }
    }

    /// Compares what a user reads with what the log has from the position on.
    async fn look(&self, process: usize, who: usize) {
        let (chat, me, id) = (&self.chats[process], &self.users[who], self.id);
        let Some(first) = self.first(who) else {
            assert!(chat.messages(me, id, MessageWindow::Newest, None).await.is_err());
            return;
        };
        let log = self.log().await;
        let head = log.last().unwrap().seq;
        let seen: Vec<_> = log.iter().filter(|event| event.seq >= first).collect();
        let said: Vec<Seq> = seen.iter().filter(|event| event.kind.is_message()).map(|event| event.seq).collect();
        let of = |messages: &[Message]| messages.iter().map(|message| message.seq).collect::<Vec<_>>();
        for skip in [0, 1, 5] {
            let page = chat.messages(me, id, MessageWindow::Skip(skip), Some(100)).await.unwrap();
            assert_eq!(of(&page.messages), said[said.len().min(skip as usize)..]);
            assert_eq!(page.total, said.len() as u64);
        }
        for place in [1, first - 1, first, first + 1, first + 3, head].map(|place| place.min(head)) {
            let (earlier, later): (Vec<Seq>, Vec<Seq>) =
                said.iter().filter(|seq| **seq != place).partition(|seq| **seq < place);
            let page = chat.messages(me, id, MessageWindow::Before(Bound::Seq(place)), Some(3)).await.unwrap();
            assert_eq!(of(&page.messages), earlier[earlier.len().saturating_sub(3)..], "before {place}");
            assert_eq!(page.previous.is_some(), earlier.len() > 3, "before {place}");
            let page = chat.messages(me, id, MessageWindow::After(Bound::Seq(place)), Some(3)).await.unwrap();
            assert_eq!(of(&page.messages), later[..later.len().min(3)], "after {place}");
        }
        let details = chat.session(me, id).await.unwrap();
        assert_eq!(of(&details.messages), said[said.len().saturating_sub(50)..]);
        let own = |event: &&&std::sync::Arc<Event>| event.actor != me.user_id && event.kind.is_message();
        let unread = details.reading.unread.count;
        assert!(unread <= seen.iter().filter(own).count() as u64, "no message is counted that is not seen");
        let listed = chat.sessions(me, Page::FIRST).await.unwrap().entries.remove(0).overview.unwrap();
        assert_eq!(listed.last_message.map(|last| last.seq), said.last().copied());
        assert_eq!(listed.reading.unread.count, unread);
        for event in log.iter().filter(|event| event.kind.is_message()) {
            let found = chat.message(me, MessageId { session_id: id, seq: event.seq }).await;
            assert_eq!(found.is_ok(), event.seq >= first);
        }
        let mut stream = chat.subscribe(me, id, Start::Beginning).await.unwrap();
        let page = chat.events(me, id, Start::Beginning, Some(100)).await.unwrap();
        for (event, view) in seen.iter().zip(&page.events) {
            let streamed = next(&mut stream).await;
            for view in [view, &streamed] {
                assert_eq!(view.event.seq, event.seq);
                // Of the past, no event shows a text.
                assert!(view.message().is_none_or(|message| message.seq >= first));
            }
        }
        for root in chat.threads(me, id, Page::FIRST).await.unwrap().iter() {
            assert!(root.seq >= first && root.thread.as_ref().unwrap().last.as_ref().unwrap().id.seq > first);
        }
        assert!(chat.pins(me, id).await.unwrap().iter().all(|pin| pin.message.seq >= first));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn readers_see_what_came_since_they_came(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for (process, who, step) in steps {
                model.run(process, who, step).await;
            }
            for who in 0..USERS {
                model.look(0, who).await;
                model.look(1, who).await;
            }
        });
    }
}
