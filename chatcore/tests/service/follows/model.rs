//! Random use of threads by several users, against counting by brute force.

use std::collections::BTreeMap;

use proptest::{prelude::*, sample::Index};

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Say { names: Option<usize> },
    Reply { to: Index, names: Option<usize>, role: SpeakerRole },
    Name { which: Index, whom: usize },
    Delete { which: Index },
    Follow { which: Index },
    Unfollow { which: Index },
    Mark { which: Index },
    Come,
    Look,
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, Step)>> {
    let which = any::<Index>;
    let names = || proptest::option::weighted(0.3, 0..3_usize);
    let role = prop_oneof![5 => Just(SpeakerRole::User), 1 => Just(SpeakerRole::Assistant)];
    let step = prop_oneof![
        3 => names().prop_map(|names| Step::Say { names }),
        12 => (which(), names(), role).prop_map(|(to, names, role)| Step::Reply { to, names, role }),
        2 => (which(), 0..3_usize).prop_map(|(which, whom)| Step::Name { which, whom }),
        2 => which().prop_map(|which| Step::Delete { which }),
        3 => which().prop_map(|which| Step::Follow { which }),
        4 => which().prop_map(|which| Step::Unfollow { which }),
        5 => which().prop_map(|which| Step::Mark { which }),
        2 => Just(Step::Come),
        3 => Just(Step::Look),
    ];
    proptest::collection::vec((0..2_usize, 0..3_usize, step), 1..80)
}

#[derive(Debug, Clone)]
struct Said {
    id: MessageId,
    by: usize,
    role: SpeakerRole,
    root: Option<Seq>,
    names: Option<usize>,
    is_deleted: bool,
}

/// What is known of a user in a thread: the choice, the first position that counts, and the marker.
#[derive(Debug, Clone, Copy, Default)]
struct Kept {
    follows: Option<bool>,
    since: Seq,
    marker: Seq,
}

struct Model {
    chats: [Chat; 2],
    users: [Principal; 3],
    joined: [Option<Seq>; 3],
    id: SessionId,
    said: Vec<Said>,
    kept: BTreeMap<(usize, Seq), Kept>,
}

impl Model {
    async fn new() -> Self {
        let store = MemoryStore::new();
        let chats = [uncounted(store.clone()), uncounted(store)];
        let users = ["alice", "bob", "carol"].map(user);
        let id = room(&chats[0], &users[0], &[&users[1], &users[2]]).await;
        let joined = [Some(1), Some(2), Some(3)];
        Self { chats, users, joined, id, said: Vec::new(), kept: BTreeMap::new() }
    }

    fn pick(&self, which: Index) -> Option<Said> {
        (!self.said.is_empty()).then(|| self.said[which.index(self.said.len())].clone())
    }

    fn replies(&self, root: Seq) -> impl Iterator<Item = &Said> {
        self.said.iter().filter(move |said| said.root == Some(root))
    }

    fn began(&self, root: Seq) -> &Said {
        self.said.iter().find(|said| said.id.seq == root).unwrap()
    }

    /// The user who follows without a choice: who began a thread that has replies.
    fn is_beginner(&self, who: usize, root: Seq) -> bool {
        let began = self.began(root);
        began.by == who && began.role == SpeakerRole::User && self.replies(root).next().is_some()
    }

    fn follows(&self, who: usize, root: Seq) -> bool {
        let kept = self.kept.get(&(who, root)).and_then(|kept| kept.follows);
        kept.unwrap_or_else(|| self.is_beginner(who, root))
    }

    fn upto(&self, who: usize, root: Seq) -> Seq {
        let Kept { since, marker, .. } = self.kept.get(&(who, root)).copied().unwrap_or_default();
        since.saturating_sub(1).max(marker).max(self.joined[who].unwrap()).max(root)
    }

    fn unread(&self, who: usize, root: Seq) -> u64 {
        let upto = self.upto(who, root);
        let is_other = |said: &&Said| said.id.seq > upto && (said.by != who || said.role != SpeakerRole::User);
        self.replies(root).filter(is_other).count() as u64
    }

    /// Who is named and has chosen nothing follows from a position on.
    fn name(&mut self, whom: usize, root: Seq, since: Seq) {
        let is_beginner = self.is_beginner(whom, root);
        let kept = self.kept.entry((whom, root)).or_default();
        if kept.follows.is_none() && !is_beginner {
            (kept.follows, kept.since) = (Some(true), since);
        }
    }

    fn replied(&mut self, said: Said) {
        let (root, seq, who) = (said.root.unwrap(), said.id.seq, said.by);
        let is_first = self.replies(root).next().is_none();
        let names = said.names.filter(|whom| *whom != who && self.joined[*whom].is_some());
        let role = said.role;
        self.said.push(said);
        if role == SpeakerRole::User && !self.follows(who, root) {
            let kept = self.kept.entry((who, root)).or_default();
            (kept.follows, kept.since) = (Some(true), seq);
        }
        let of_root = self.began(root).names.filter(|whom| is_first && *whom != who && self.joined[*whom].is_some());
        for whom in names.into_iter().chain(of_root) {
            self.name(whom, root, seq);
        }
    }

    async fn run(&mut self, process: usize, who: usize, step: Step) {
        let (chat, me) = (self.chats[process].clone(), self.users[who].clone());
        let is_in = self.joined[who].is_some();
        let mention = |names: Option<usize>| names.map(|whom| self.users[whom].user_id.clone());
        match step {
            Step::Say { names } => {
                let message = SendMessage::text("x").mentioning(mention(names));
                if let Ok(sent) = chat.send(&me, self.id, message).await {
                    let names = names.filter(|whom| self.joined[*whom].is_some());
                    let (id, role) = (sent.id, SpeakerRole::User);
                    self.said.push(Said { id, by: who, role, root: None, names, is_deleted: false });
                }
            }
            Step::Reply { to, names, role } => {
                let Some(to) = self.pick(to) else { return };
                let message = answer(to.id).mentioning(mention(names));
                let message = SendMessage { body: MessageBody { role, ..message.body.clone() }, ..message };
                let sent = chat.send(&me, self.id, message).await;
                assert_eq!(sent.is_ok(), is_in && !to.is_deleted);
                if let Ok(sent) = sent {
                    let names = names.filter(|whom| self.joined[*whom].is_some());
                    let root = Some(to.root.unwrap_or(to.id.seq));
                    self.replied(Said { id: sent.id, by: who, role, root, names, is_deleted: false });
                }
            }
            Step::Name { which, whom } => {
                let Some(said) = self.pick(which) else { return };
                let text = format!("to {whom}");
                let edit =
                    EditMessage { mentions: mention(Some(whom)).map(|user| vec![user]), ..EditMessage::text(text) };
                let edited = chat.edit_message(&me, said.id, edit).await;
                assert_eq!(edited.is_ok(), is_in && said.by == who && !said.is_deleted);
                if edited.is_ok() {
                    let is_new = said.names != Some(whom) && whom != who && self.joined[whom].is_some();
                    let root = said.root.unwrap_or(said.id.seq);
                    if is_new && self.replies(root).next().is_some() {
                        self.name(whom, root, said.id.seq);
                    }
                    let names = Some(whom).filter(|whom| self.joined[*whom].is_some());
                    self.said.iter_mut().find(|one| one.id == said.id).unwrap().names = names;
                }
            }
            Step::Delete { which } => {
                let Some(said) = self.pick(which) else { return };
                if chat.delete_message(&me, said.id, None).await.is_ok() {
                    let said = self.said.iter_mut().find(|one| one.id == said.id).unwrap();
                    (said.is_deleted, said.names) = (true, None);
                }
            }
            Step::Follow { which } | Step::Unfollow { which } => {
                let Some(said) = self.pick(which) else { return };
                let root = said.root.unwrap_or(said.id.seq);
                let wanted = matches!(step, Step::Follow { .. });
                let head = if is_in { head(&chat, &me, self.id).await } else { 0 };
                let changed = if wanted {
                    chat.follow_thread(&me, said.id).await
                } else {
                    chat.unfollow_thread(&me, said.id).await
                };
                let is_refused = !is_in || (said.is_deleted && self.replies(root).next().is_none());
                assert_eq!(changed.is_err(), is_refused);
                if is_refused {
                    return;
                }
                let has_chosen = self.kept.get(&(who, root)).and_then(|kept| kept.follows);
                let is_settled = has_chosen.map_or(wanted && self.is_beginner(who, root), |follows| follows == wanted);
                if !is_settled {
                    let kept = self.kept.entry((who, root)).or_default();
                    kept.follows = Some(wanted);
                    if wanted {
                        kept.since = head + 1;
                    }
                }
                let state = changed.unwrap();
                assert_eq!((state.is_followed, state.unread), (wanted, exactly(self.unread(who, root))));
            }
            Step::Mark { which } => {
                let Some(said) = self.pick(which) else { return };
                let root = said.root.unwrap_or(said.id.seq);
                let marked = chat.mark_thread_read(&me, said.id).await;
                assert_eq!(marked.is_ok(), is_in);
                if let Ok(state) = marked {
                    if said.root.is_some() && said.id.seq > self.upto(who, root) {
                        self.kept.entry((who, root)).or_default().marker = said.id.seq;
                    }
                    assert_eq!(state.unread, exactly(self.unread(who, root)));
                    assert!(state.read_upto >= said.id.seq);
                }
            }
            Step::Come if who == 0 => {}
            Step::Come if is_in => {
                chat.leave(&me, self.id).await.unwrap();
                self.joined[who] = None;
            }
            Step::Come => {
                chat.join(&me, self.id).await.unwrap();
                self.joined[who] = Some(head(&chat, &me, self.id).await);
            }
            Step::Look => self.look(process, who).await,
        }
    }

    async fn look(&self, process: usize, who: usize) {
        let (chat, me) = (&self.chats[process], &self.users[who]);
        if self.joined[who].is_none() {
            assert_denied(chat.followed_threads(me, self.id, Page::FIRST).await, Denial::NotParticipant);
            return;
        }
        let roots: Vec<&Said> = self.said.iter().filter(|said| said.root.is_none()).collect();
        let last = |root: Seq| self.replies(root).filter(|reply| !reply.is_deleted).map(|reply| reply.id.seq).max();
        let mut expected: Vec<_> = roots
            .iter()
            .filter(|root| self.follows(who, root.id.seq))
            .filter_map(|root| Some((last(root.id.seq)?, root.id.seq, exactly(self.unread(who, root.id.seq)))))
            .collect();
        expected.sort_unstable_by_key(|(last, ..)| std::cmp::Reverse(*last));
        let found = list(chat, me, self.id, 3).await;
        let shown = |thread: &FollowedThread| {
            let last = thread.root.thread.as_ref().unwrap().last.unwrap().id.seq;
            (last, thread.root.seq, thread.state.unread)
        };
        assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), expected, "of {who}");
        for root in roots {
            assert_eq!(follows(chat, me, root.id).await, self.follows(who, root.id.seq), "{} of {who}", root.id.seq);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn random_use_agrees_with_counting_by_brute_force(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut model = Model::new().await;
            for (process, who, step) in steps {
                model.run(process, who, step).await;
            }
            for who in 0..3 {
                model.look(0, who).await;
                model.look(1, who).await;
            }
        });
    }
}
