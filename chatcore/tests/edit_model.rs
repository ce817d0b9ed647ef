//! Random edits, deletions, reactions, messages, replies, removals and reconnections, with readers that connect at any time: an old snapshot and the
//! events after it make a fresh snapshot, and nobody sees a text after its deletion was acknowledged, or a text from after their
//! removal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod kit;

use std::collections::{BTreeMap, BTreeSet};

use chatcore::{
    Chat, Error, Limits, MemoryStore, Principal,
    chat::{EditMessage, EventView, SendMessage, Subscription},
    model::{
        Content, Emoji, EventKind, LastReply, Message, MessageEvent, MessageId, MessageStatus, Page, Reaction, Reply,
        Seq, SessionId, ThreadSummary,
    },
};
use kit::{in_time, room, user};
use proptest::{prelude::*, sample::Index};

const NAMES: [&str; 3] = ["alice", "bob", "carol"];
const KINDS: [&str; 2] = ["\u{1f44d}", "\u{1f389}"];

#[derive(Debug, Clone)]
enum Step {
    Send,
    Reply { which: Index },
    Edit { which: Index },
    EditAgain { which: Index },
    Delete { which: Index },
    React { which: Index, kind: usize, adds: bool },
    Remove,
    Join,
    Connect { from_start: bool },
    Read { which: Index, count: usize },
    Reconnect { which: Index },
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let which = any::<Index>;
    let step = prop_oneof![
        6 => Just(Step::Send),
        6 => which().prop_map(|which| Step::Reply { which }),
        6 => which().prop_map(|which| Step::Edit { which }),
        1 => which().prop_map(|which| Step::EditAgain { which }),
        4 => which().prop_map(|which| Step::Delete { which }),
        6 => (which(), 0..KINDS.len(), any::<bool>()).prop_map(|(which, kind, adds)| Step::React { which, kind, adds }),
        2 => Just(Step::Remove),
        3 => Just(Step::Join),
        3 => any::<bool>().prop_map(|from_start| Step::Connect { from_start }),
        6 => (which(), 1..5_usize).prop_map(|(which, count)| Step::Read { which, count }),
        2 => which().prop_map(|which| Step::Reconnect { which }),
    ];
    proptest::collection::vec((0..NAMES.len(), step), 1..48)
}

/// A text that somebody said.
#[derive(Debug)]
struct Said {
    /// The number of the step.
    born: usize,
    is_gone: bool,
}

struct Reader {
    who: usize,
    events: Subscription,
    position: Seq,
    messages: BTreeMap<Seq, Message>,
}

impl Reader {
    /// Follows an event as a client does.
    fn follow(&mut self, view: &EventView) {
        self.position = view.event.seq;
        let kind = &view.event.kind;
        assert_ne!(*kind, EventKind::Unknown, "{view:?}");
        if kind.is_message() || kind.edited().is_some() {
            let message = view.message().unwrap();
            let known = self.messages.get(&message.seq).and_then(|message| message.reactions.clone());
            let is_deleted = message.body.content == Content::Deleted;
            let reactions = Some(known.filter(|_| !is_deleted).unwrap_or_default());
            self.messages.insert(
                message.seq,
                Message { reactions, thread: Some(ThreadSummary::default()), sender_blocked: Some(false), ..message },
            );
        }
        if let EventKind::Message(
            MessageEvent::Reacted { message, emoji, count } | MessageEvent::Unreacted { message, emoji, count },
        ) = kind
        {
            let mine = (view.event.actor == user(NAMES[self.who]).user_id)
                .then_some(matches!(kind, EventKind::Message(MessageEvent::Reacted { .. })));
            take(self.messages.get_mut(message).unwrap(), emoji, *count, mine);
        }
        if kind.is_deletion() {
            for seq in kind.rewritten() {
                let message = self.messages.get_mut(seq).unwrap();
                // A replay may have brought what is left of it already.
                if message.body.content != Content::Deleted {
                    let (by, at) = (view.event.actor.clone(), view.event.created_at);
                    message.status = MessageStatus::Deleted { by: Some(by), at };
                    message.body.content = Content::Deleted;
                    message.reactions = Some(Vec::new());
                    message.revision += 1;
                }
            }
        }
        // A client counts the replies that it has.
        let threads = threads(&self.messages);
        for (seq, message) in &mut self.messages {
            message.thread = Some(threads.get(seq).cloned().unwrap_or_default());
        }
    }
}

/// The threads that messages make, counted one by one.
fn threads(messages: &BTreeMap<Seq, Message>) -> BTreeMap<Seq, ThreadSummary> {
    let mut threads = BTreeMap::<Seq, ThreadSummary>::new();
    for message in messages.values().filter(|message| message.body.content != Content::Deleted) {
        let Some(Reply { root, .. }) = message.body.reply else { continue };
        let thread = threads.entry(root).or_default();
        thread.replies += 1;
        thread.last = Some(LastReply { id: message.id, at: message.created_at });
    }
    threads
}

/// Follows a reaction as a client does.
fn take(message: &mut Message, emoji: &Emoji, count: u64, mine: Option<bool>) {
    let reactions = message.reactions.as_mut().unwrap();
    // A replay may have brought what is left of a deleted message already.
    if message.body.content == Content::Deleted {
        return;
    }
    match reactions.iter_mut().find(|reaction| reaction.emoji == *emoji) {
        Some(reaction) => {
            reaction.count = count;
            reaction.mine = mine.unwrap_or(reaction.mine);
        }
        None => reactions.push(Reaction { emoji: emoji.clone(), count, mine: mine.unwrap_or(false) }),
    }
    reactions.retain(|reaction| reaction.count > 0);
}

struct World {
    chat: Chat,
    users: Vec<Principal>,
    id: SessionId,
    step: usize,
    /// Every text that was ever said.
    said: BTreeMap<String, Said>,
    /// The authors and the texts of messages, the latest text last; no texts for a deleted message.
    messages: BTreeMap<Seq, (usize, Vec<String>)>,
    /// The roots of the threads of replies.
    roots: BTreeMap<Seq, Seq>,
    /// The users who reacted to messages.
    reacted: BTreeSet<(Seq, usize, usize)>,
    /// The users who are out, with the step that removed them.
    out: BTreeMap<usize, usize>,
    readers: Vec<Reader>,
}

impl World {
    async fn new(kept: usize) -> Self {
        let limits = Limits { tail_events: kept, ..Limits::default() };
        let chat = Chat::builder(MemoryStore::new()).limits(limits).build();
        let users: Vec<_> = NAMES.into_iter().map(user).collect();
        let id = room(&chat, &users[0], &[&users[1], &users[2]]).await;
        let (said, messages, roots, reacted, out, readers) = Default::default();
        Self { chat, users, id, step: 0, said, messages, roots, reacted, out, readers }
    }

    async fn head(&self) -> Seq {
        self.chat.session(&self.users[0], self.id).await.unwrap().seq
    }

    fn new_text(&mut self) -> String {
        let text = format!("text {}", self.step);
        self.said.insert(text.clone(), Said { born: self.step, is_gone: false });
        text
    }

    fn pick(&self, which: &Index) -> Option<(Seq, usize, Vec<String>)> {
        let all: Vec<_> = self.messages.iter().collect();
        if all.is_empty() {
            return None;
        }
        let (seq, (author, texts)) = all[which.index(all.len())];
        Some((*seq, *author, texts.clone()))
    }

    /// Whether somebody may see what is shown to them now.
    fn check(&self, who: usize, messages: &[Message]) {
        for message in messages {
            let Content::Text(text) = &message.body.content else { continue };
            let said = &self.said[text];
            assert!(!said.is_gone, "{} sees {text:?}, which was deleted", NAMES[who]);
            let removed = self.out.get(&who).copied();
            assert!(removed.is_none_or(|removed| said.born < removed), "{} sees {text:?} from outside", NAMES[who]);
        }
    }

    /// The numbers of a snapshot of everything are those of its messages, and so is the list of threads.
    async fn check_threads(&self, who: usize, messages: &[Message]) {
        let by_seq = messages.iter().map(|message| (message.seq, message.clone())).collect();
        let counted = threads(&by_seq);
        let shown = messages.iter().map(|message| (message.seq, message.thread.clone().unwrap()));
        let shown: BTreeMap<_, _> = shown.filter(|(_, thread)| *thread != ThreadSummary::default()).collect();
        assert_eq!(shown, counted);
        let mut order: Vec<_> = counted.iter().map(|(root, thread)| (thread.last.unwrap().id.seq, *root)).collect();
        order.sort_unstable_by(|one, other| other.cmp(one));
        let listed = self.chat.threads(&self.users[who], self.id, Page::FIRST).await.unwrap();
        let listed: Vec<_> = listed.iter().map(|root| root.seq).collect();
        assert_eq!(listed, order.into_iter().map(|(_, root)| root).collect::<Vec<_>>());
        for root in counted.keys() {
            let id = MessageId { session_id: self.id, seq: *root };
            let mut thread = self.chat.thread(&self.users[who], id, Page::FIRST).await.unwrap();
            // Only the thread itself says whether its reader follows it.
            for summary in thread.entries.iter_mut().filter_map(|message| message.thread.as_mut()) {
                summary.is_followed = None;
            }
            let belongs = |message: &&Message| {
                message.seq == *root || message.body.reply.is_some_and(|reply| reply.root == *root)
            };
            assert_eq!(thread.entries, messages.iter().filter(belongs).cloned().collect::<Vec<_>>());
        }
    }

    async fn reply(&mut self, who: usize, which: &Index) {
        let Some((seq, _, texts)) = self.pick(which) else { return };
        let answer = SendMessage::text(format!("text {}", self.step));
        let answer = answer.in_reply_to(MessageId { session_id: self.id, seq });
        let may = !self.out.contains_key(&who);
        match self.chat.send(&self.users[who], self.id, answer).await {
            Ok(message) => {
                assert!(may && !texts.is_empty());
                let root = self.roots.get(&seq).copied().unwrap_or(seq);
                assert_eq!(message.body.reply, Some(Reply { to: seq, root }));
                self.roots.insert(message.seq, root);
                let text = self.new_text();
                self.messages.insert(message.seq, (who, vec![text]));
            }
            Err(Error::MessageDeleted) => assert!(may && texts.is_empty()),
            Err(Error::Denied(_)) => assert!(!may),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn edit(&mut self, who: usize, which: &Index, again: bool) {
        let Some((seq, author, texts)) = self.pick(which) else { return };
        let text = match texts.last() {
            Some(text) if again => text.clone(),
            _ => format!("text {}", self.step),
        };
        let id = MessageId { session_id: self.id, seq };
        let before = self.head().await;
        let edited = self.chat.edit_message(&self.users[who], id, EditMessage::text(text.clone())).await;
        let may = who == author && !self.out.contains_key(&who);
        match edited {
            Ok(message) => {
                assert!(may && !texts.is_empty());
                assert_eq!(message.body.content, Content::Text(text.clone()));
                assert_eq!(self.head().await, before + u64::from(!again));
                if !again {
                    self.new_text();
                    self.messages.get_mut(&seq).unwrap().1.push(text);
                }
            }
            Err(Error::MessageDeleted) => assert!(may && texts.is_empty()),
            Err(Error::Denied(_)) => assert!(!may),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn delete(&mut self, who: usize, which: &Index) {
        let Some((seq, author, _)) = self.pick(which) else { return };
        let id = MessageId { session_id: self.id, seq };
        let may = (who == author || who == 0) && !self.out.contains_key(&who);
        match self.chat.delete_message(&self.users[who], id, None).await {
            Ok(message) => {
                assert!(may);
                assert_eq!(message.body.content, Content::Deleted);
                for text in std::mem::take(&mut self.messages.get_mut(&seq).unwrap().1) {
                    self.said.get_mut(&text).unwrap().is_gone = true;
                }
            }
            Err(Error::Denied(_)) => assert!(!may),
            Err(error) => panic!("{error:?}"),
        }
    }

    async fn react(&mut self, who: usize, which: &Index, kind: usize, adds: bool) {
        let Some((seq, _, texts)) = self.pick(which) else { return };
        let id = MessageId { session_id: self.id, seq };
        let (before, emoji) = (self.head().await, Emoji::new(KINDS[kind]).unwrap());
        let done = if adds {
            self.chat.add_reaction(&self.users[who], id, &emoji).await
        } else {
            self.chat.remove_reaction(&self.users[who], id, &emoji).await
        };
        let may = !self.out.contains_key(&who);
        let changed = match done {
            Ok(()) if texts.is_empty() => false,
            Ok(()) if adds => self.reacted.insert((seq, kind, who)),
            Ok(()) => self.reacted.remove(&(seq, kind, who)),
            Err(Error::MessageDeleted) => {
                assert!(may && adds && texts.is_empty());
                false
            }
            Err(Error::Denied(_)) => {
                assert!(!may);
                false
            }
            Err(error) => panic!("{error:?}"),
        };
        assert_eq!(self.head().await, before + u64::from(changed));
    }

    async fn connect(&mut self, who: usize, from_start: bool) {
        let Ok(snapshot) = self.chat.session(&self.users[who], self.id).await else {
            assert!(self.out.contains_key(&who));
            return;
        };
        self.check(who, &snapshot.messages);
        self.check_threads(who, &snapshot.messages).await;
        let (position, messages) = if from_start { (0, Vec::new()) } else { (snapshot.seq, snapshot.messages) };
        let events = self.chat.subscribe(&self.users[who], self.id, Some(position)).await.unwrap();
        let messages = messages.into_iter().map(|message| (message.seq, message)).collect();
        self.readers.push(Reader { who, events, position, messages });
    }

    /// Reads some events, and forgets a reader whose stream has ended.
    async fn read(&mut self, place: usize, count: usize) {
        let head = self.head().await;
        for _ in 0..count {
            let reader = &mut self.readers[place];
            if reader.position >= head {
                return;
            }
            let who = reader.who;
            match in_time(reader.events.next_event()).await {
                Some(Ok(view)) => {
                    assert_eq!(view.event.seq, reader.position + 1);
                    reader.follow(&view);
                    self.check(who, &view.message().into_iter().collect::<Vec<_>>());
                }
                // A user who is in again by now may have a stream that the removal ended.
                None | Some(Err(Error::Denied(_))) => {
                    drop(self.readers.remove(place));
                    return;
                }
                Some(Err(error)) => panic!("{error:?}"),
            }
        }
    }

    async fn reconnect(&mut self, place: usize) {
        let Reader { who, position, .. } = self.readers[place];
        match self.chat.subscribe(&self.users[who], self.id, Some(position)).await {
            Ok(events) => self.readers[place].events = events,
            Err(error) => {
                assert!(matches!(error, Error::Denied(_)) && self.out.contains_key(&who), "{error:?}");
                drop(self.readers.remove(place));
            }
        }
    }

    async fn run(&mut self, who: usize, step: Step) {
        self.step += 1;
        let user = self.users[who].clone();
        match step {
            Step::Send => {
                let text = format!("text {}", self.step);
                match self.chat.send(&user, self.id, SendMessage::text(text)).await {
                    Ok(message) => {
                        let text = self.new_text();
                        self.messages.insert(message.seq, (who, vec![text]));
                    }
                    Err(error) => assert!(self.out.contains_key(&who), "{error:?}"),
                }
            }
            Step::Reply { which } => self.reply(who, &which).await,
            Step::Edit { which } => self.edit(who, &which, false).await,
            Step::EditAgain { which } => self.edit(who, &which, true).await,
            Step::Delete { which } => self.delete(who, &which).await,
            Step::React { which, kind, adds } => self.react(who, &which, kind, adds).await,
            Step::Remove if who > 0 && !self.out.contains_key(&who) => {
                self.chat.remove_participant(&self.users[0], self.id, &user.user_id).await.unwrap();
                self.out.insert(who, self.step);
            }
            Step::Join if self.out.contains_key(&who) => {
                self.chat.join(&user, self.id).await.unwrap();
                self.out.remove(&who);
            }
            Step::Remove | Step::Join => {}
            Step::Connect { from_start } => self.connect(who, from_start).await,
            Step::Read { which, count } if !self.readers.is_empty() => {
                self.read(which.index(self.readers.len()), count).await;
            }
            Step::Reconnect { which } if !self.readers.is_empty() => {
                self.reconnect(which.index(self.readers.len())).await;
            }
            Step::Read { .. } | Step::Reconnect { .. } => {}
        }
    }

    /// Lets each reader come to the end, and compares what it has with a fresh snapshot.
    async fn finish(mut self) {
        for place in (0..self.readers.len()).rev() {
            self.read(place, usize::MAX).await;
        }
        let head = self.head().await;
        for Reader { who, position, messages, .. } in &self.readers {
            assert_eq!(*position, head);
            if let Ok(fresh) = self.chat.session(&self.users[*who], self.id).await {
                let kept: Vec<_> = messages.values().cloned().collect();
                assert_eq!(kept, fresh.messages, "of {}", NAMES[*who]);
            }
        }
        let fresh = self.chat.session(&self.users[0], self.id).await.unwrap().messages;
        self.check_threads(0, &fresh).await;
        let roots = fresh.iter().filter_map(|message| Some((message.seq, message.body.reply?.root)));
        assert_eq!(roots.collect::<BTreeMap<_, _>>(), self.roots);
        let shown: BTreeMap<_, _> = fresh.iter().map(|message| (message.seq, message.body.content.clone())).collect();
        let modelled = |(seq, (_, texts)): (&Seq, &(usize, Vec<String>))| {
            (*seq, texts.last().map_or(Content::Deleted, |text| Content::Text(text.clone())))
        };
        assert_eq!(shown, self.messages.iter().map(modelled).collect());
        let mut counts = BTreeMap::new();
        for (seq, kind, who) in self.reacted.iter().filter(|(seq, ..)| !self.messages[seq].1.is_empty()) {
            let (count, mine) = counts.entry((*seq, KINDS[*kind].to_owned())).or_insert((0, false));
            (*count, *mine) = (*count + 1, *mine || *who == 0);
        }
        let shown = fresh.iter().flat_map(|message| {
            let reactions = message.reactions.iter().flatten();
            reactions.map(|one| ((message.seq, one.emoji.to_string()), (one.count, one.mine)))
        });
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), counts);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_snapshot_and_the_events_after_it_make_a_fresh_snapshot(
        kept in proptest::sample::select(vec![1_usize, 3, 256]),
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(kept).await;
            for (who, step) in steps {
                world.run(who, step).await;
            }
            world.finish().await;
        });
    }
}
