//! Several users act at the same time through two processes. Whenever all of them rest, the counts agree with counting by brute force.

use chatcore::model::UnreadMentions;

use super::*;

const ROUNDS: usize = 6;
const BURSTS: usize = 3;

/// The owner and another user who speak, and two users who mostly read.
const NAMES: [&str; 4] = ["alice", "carol", "bob", "dave"];
const SPEAKERS: usize = 2;

/// A message as the log has it.
#[derive(Debug, Clone)]
struct Row {
    id: MessageId,
    by: usize,
    is_reply: bool,
    /// `None` after a deletion.
    text: Option<String>,
}

/// How far a user has marked the session and the thread.
type Marks = [u64; 2];

/// The counts of a user: unread messages, unread mentions, and unread replies of the thread.
type Counts = [u64; 3];

struct World {
    chats: [Chat; 2],
    users: [Principal; 4],
    id: SessionId,
    root: MessageId,
    marked: [Marks; 4],
}

impl World {
    async fn new() -> Self {
        let store = MemoryStore::new();
        let chats = [uncounted(store.clone()), uncounted(store)];
        let users = NAMES.map(|name| Principal { username: Some(name.to_owned()), ..user(&format!("id-{name}")) });
        let id = room(&chats[0], &users[0], &[&users[1], &users[2], &users[3]]).await;
        let root = say(&chats[0], &users[0], id, "the thread").await.id;
        for user in &users {
            assert!(chats[0].follow_thread(user, root).await.unwrap().is_followed);
        }
        Self { chats, users, id, root, marked: Default::default() }
    }

    /// Each message after the one that began the thread.
    async fn rows(&self) -> Vec<Row> {
        // Fewer than a hundred, so that each count is exact.
        let page = self.chats[0].events(&self.users[0], self.id, 0, Some(100)).await.unwrap();
        assert_eq!(page.next().seq, page.head.seq);
        let row = |event: &Event| {
            let EventKind::Message(MessageEvent::Sent { body, .. }) = &event.kind else { return None };
            let by = self.users.iter().position(|user| user.user_id == event.actor).unwrap();
            let text = match &body.content {
                Content::Text(text) => Some(text.clone()),
                Content::Encrypted(_) | Content::Deleted => None,
            };
            let id = MessageId { session_id: self.id, seq: event.seq };
            let is_reply = body.reply.is_some_and(|reply| reply.root == self.root.seq);
            (id != self.root).then_some(Row { id, by, is_reply, text })
        };
        page.events.iter().filter_map(|view| row(&view.event)).collect()
    }

    /// All users act through both processes at once. Comes back when each of them rests.
    async fn burst(&mut self, turn: usize) {
        let rows = self.rows().await;
        let mut tasks = Vec::new();
        for task in 0..2 * NAMES.len() {
            let (who, process) = (task / 2, task % 2);
            let actor = Actor {
                chat: self.chats[process].clone(),
                me: self.users[who].clone(),
                who,
                id: self.id,
                root: self.root,
                own: rows.iter().filter(|row| row.by == who).map(|row| row.id).collect(),
                rows: rows.clone(),
            };
            let seed = turn * 5 + task * 2;
            tasks.push((who, tokio::spawn(async move { actor.run(seed).await })));
        }
        for (who, task) in tasks {
            for (mark, upto) in self.marked[who].iter_mut().zip(task.await.unwrap()) {
                *mark = upto.max(*mark);
            }
        }
    }

    /// What a user has read up to, and the counts, from the whole log.
    fn counted(&self, rows: &[Row], who: usize) -> (u64, Counts) {
        // They came one after the other, beginning with the position 1.
        let joined = who as u64 + 1;
        let [session, thread] = self.marked[who];
        let own = rows.iter().filter(|row| row.by == who).map(|row| row.id.seq).max().unwrap_or(0);
        let own = if who == 0 { own.max(self.root.seq) } else { own };
        let upto = joined.max(session).max(own);
        let others = || rows.iter().filter(move |row| row.by != who);
        // The message that began the thread counts as every other one.
        let root = u64::from(who != 0 && self.root.seq > upto);
        let unread = others().filter(|row| row.id.seq > upto).count() as u64 + root;
        let name = format!("@{}", NAMES[who]);
        let names = |row: &&Row| row.text.as_ref().is_some_and(|text| text.contains(&name));
        let mentions = others().filter(|row| row.id.seq > upto).filter(names).count() as u64;
        let replies = others().filter(|row| row.is_reply && row.id.seq > thread).count() as u64;
        (upto, [unread, mentions, replies])
    }

    /// Compares what both processes tell with the log. Gives the counts of all users.
    async fn compare(&self) -> Vec<Counts> {
        let rows = self.rows().await;
        let mut all = Vec::new();
        for (who, user) in self.users.iter().enumerate() {
            let (read_upto, counts) = self.counted(&rows, who);
            let [unread, count, replies] = counts;
            for chat in &self.chats {
                let expected = ReadState { session_id: self.id, read_upto, unread: exactly(unread) };
                assert_eq!(state(chat, user, self.id).await, expected, "of {}: {rows:#?}", NAMES[who]);
                let mentions = listed(chat, user, self.id).await.overview.unwrap().unread_mentions;
                assert_eq!(mentions, UnreadMentions { count, is_exact: true }, "of {}: {rows:#?}", NAMES[who]);
                // It is followed already, so this changes nothing and tells the state.
                let thread = chat.follow_thread(user, self.root).await.unwrap();
                assert_eq!(thread.unread, exactly(replies), "of {}: {rows:#?}", NAMES[who]);
            }
            all.push(counts);
        }
        all
    }
}

/// A user at one process.
struct Actor {
    chat: Chat,
    me: Principal,
    who: usize,
    id: SessionId,
    root: MessageId,
    /// The messages as they were before.
    rows: Vec<Row>,
    /// The user's own messages.
    own: Vec<MessageId>,
}

impl Actor {
    /// Gives how far the user has marked the session and the thread.
    async fn run(mut self, seed: usize) -> Marks {
        let mut marked = Marks::default();
        for step in 0..6 {
            // Seven has no divisor: each sequence has all kinds but one, and begins elsewhere.
            let kind = (seed + step * 3) % 7;
            let name = NAMES[(self.who + 1 + step) % NAMES.len()];
            match kind {
                0 => self.send(SendMessage::text("to nobody")).await,
                1 => self.send(SendMessage::text(format!("to @{name}"))).await,
                2 => self.send(SendMessage::text(format!("@{name} in the thread")).in_reply_to(self.root)).await,
                3 => self.edit(seed + step, name).await,
                4 => self.delete(seed + step).await,
                5 => {
                    if let Some(row) = self.rows.get(seed * 7 % self.rows.len().max(1)) {
                        let read = self.chat.mark_read(&self.me, self.id, ReadUpto::Message(row.id)).await.unwrap();
                        assert!(read.read_upto >= row.id.seq);
                        marked[0] = row.id.seq.max(marked[0]);
                    }
                }
                _ => {
                    let replies: Vec<_> = self.rows.iter().filter(|row| row.is_reply).collect();
                    if let Some(row) = replies.get(seed * 7 % replies.len().max(1)) {
                        let read = self.chat.mark_thread_read(&self.me, row.id).await.unwrap();
                        assert!(read.read_upto >= row.id.seq);
                        marked[1] = row.id.seq.max(marked[1]);
                    }
                }
            }
        }
        marked
    }

    /// Users who only read send nothing, since an own message is a mark, too.
    async fn send(&mut self, message: SendMessage) {
        if self.who < SPEAKERS {
            let sent = self.chat.send(&self.me, self.id, message).await.unwrap();
            self.own.push(sent.id);
        }
    }

    /// The other process may edit or delete the same message at this moment.
    async fn edit(&self, pick: usize, name: &str) {
        if let Some(id) = self.own.get(pick % self.own.len().max(1)) {
            let text =
                if pick.is_multiple_of(2) { format!("edited for @{name}") } else { "edited for nobody".to_owned() };
            let edited = self.chat.edit_message(&self.me, *id, EditMessage::text(text)).await;
            assert!(matches!(edited, Ok(_) | Err(Error::MessageDeleted)), "{edited:?}");
        }
    }

    /// The owner deletes messages of others, too.
    async fn delete(&self, pick: usize) {
        let rows = self.rows.iter().filter(|row| self.who == 0 || row.by == self.who);
        let ids: Vec<_> = rows.map(|row| row.id).collect();
        if let Some(id) = ids.get(pick % ids.len().max(1)) {
            self.chat.delete_message(&self.me, *id, None).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counts_under_concurrent_use_of_two_processes_are_the_brute_force_counts() {
    let mut seen = Counts::default();
    for round in 0..ROUNDS {
        let mut world = World::new().await;
        for burst in 0..BURSTS {
            world.burst(round * BURSTS + burst).await;
            for counts in world.compare().await {
                seen.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
    }
    assert!(seen.iter().all(|sum| *sum > 0), "nothing was there to be counted: {seen:?}");
}
