//! Users who change a session without a pause do not starve the calls of others.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chatcore::{
    Chat, ChatStore, Error, Limits, MemoryStore, Principal, RateLimits, Result, StoreError,
    chat::{
        ChatBuilder, CreateInvite, EditMessage, FileReport, ListMentions, MessageDraft, MessagePolicy, ReadUpto,
        SanctionUser, SendMessage, SessionOrder, SetPreferences, Start, StartMessage, UpdateSession, Verdict,
    },
    model::{
        Content, Emoji, EmojiName, Event, MessageId, MessageWindow, Page, ParticipantRole, ReportReason, SessionId,
    },
    store::{Change, Committed, FactsQuery, Freshness, Key, LogRange, Prefix, Record, Scan, SessionFacts},
};
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;

use super::{say, user, user_id};

tokio::task_local! {
    /// Set within the calls that others disturb.
    static DISTURBED: ();
}

/// Longer than a disturbance takes that does not wait for the disturbed call.
const LONG: Duration = Duration::from_secs(1);

type Disturbance = Box<dyn Fn(u64) -> BoxFuture<'static, ()> + Send + Sync>;

/// The in-memory store, before each call of which another user changes something, unless that user must wait for the caller.
#[derive(Clone, Default)]
struct Disturbed {
    store: MemoryStore,
    others: Arc<Mutex<Option<Disturbance>>>,
    waiting: Arc<tokio::sync::Mutex<Option<JoinHandle<()>>>>,
    count: Arc<AtomicU64>,
}

impl Disturbed {
    async fn others(&self) {
        if DISTURBED.try_with(|()| ()).is_err() {
            return;
        }
        let mut waiting = self.waiting.lock().await;
        let mut change = match waiting.take() {
            Some(waiting) => waiting,
            None => match self.others.lock().unwrap().as_ref() {
                Some(others) => tokio::spawn(others(self.count.fetch_add(1, Ordering::SeqCst))),
                None => return,
            },
        };
        // The clock of the test jumps where everybody waits.
        match tokio::time::timeout(LONG, &mut change).await {
            Ok(changed) => changed.unwrap(),
            Err(_) => *waiting = Some(change),
        }
    }
}

#[async_trait]
impl ChatStore for Disturbed {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        self.others().await;
        self.store.commit(change).await
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        self.others().await;
        self.store.facts(queries, freshness).await
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        self.others().await;
        self.store.log(ranges).await
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        self.others().await;
        self.store.records(keys).await
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        self.others().await;
        self.store.scan(scans).await
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        self.others().await;
        self.store.count(prefixes).await
    }
}

/// A session of ann with bob and the administrator zoe.
#[derive(Clone)]
struct World {
    chat: Chat,
    ann: Principal,
    bob: Principal,
    zoe: Principal,
    id: SessionId,
    /// A message of ann with an answer of bob.
    root: MessageId,
    answer: MessageId,
}

fn like() -> Emoji {
    Emoji::new("\u{1f44d}").unwrap()
}

impl World {
    async fn new(store: Disturbed) -> Self {
        Self::of(Chat::builder(store)).await
    }

    async fn of(chat: ChatBuilder) -> Self {
        let limits = Limits { message_edits: 10_000, ..Limits::default() };
        let chat = chat.rates(RateLimits::off()).limits(limits).build();
        let (ann, bob, zoe) = (user("ann"), user("bob"), user("zoe"));
        let id = super::room(&chat, &ann, &[&bob, &zoe]).await;
        chat.change_role(&ann, id, &zoe.user_id, ParticipantRole::Admin).await.unwrap();
        let root = say(&chat, &ann, id, "root").await.id;
        let reply = SendMessage::text("an answer").in_reply_to(root);
        let answer = chat.send(&bob, id, reply).await.unwrap().id;
        chat.add_reaction(&zoe, root, &like()).await.unwrap();
        chat.pin_message(&ann, root).await.unwrap();
        chat.create_invite(&ann, id, CreateInvite::default()).await.unwrap();
        chat.add_emoji(&ann, id, &EmojiName::new("party").unwrap(), None).await.unwrap();
        chat.set_draft(&ann, id, Content::Text("a draft".into())).await.unwrap();
        chat.join(&user("eve"), id).await.unwrap();
        chat.ban_participant(&ann, id, &user_id("eve"), SanctionUser::ENDLESS).await.unwrap();
        Self { chat, ann, bob, zoe, id, root, answer }
    }
}

type Called<'a> = BoxFuture<'a, Result<()>>;

/// Calls of ann by name, each of which must succeed.
macro_rules! calls {
    ($($name:literal: |$world:ident| $call:expr;)*) => {
        const CALLS: &[(&str, fn(&World) -> Called<'_>)] = &[$(($name, |$world| {
            Box::pin(async move { $call.await.map(drop) })
        }),)*];
    };
}

calls! {
    "session": |w| w.chat.session(&w.ann, w.id);
    "details_by_id": |w| async { w.chat.details_by_id(&w.ann, &[w.id]).await?.remove(0) };
    "overviews_by_id": |w| async { w.chat.overviews_by_id(&w.ann, &[w.id]).await?.remove(0) };
    "sessions": |w| w.chat.sessions(&w.ann, Page::FIRST);
    "sessions_in": |w| w.chat.sessions_in(&w.ann, Page::FIRST, SessionOrder::Activity);
    "public_sessions": |w| w.chat.public_sessions(&w.ann, Page::FIRST);
    "update_session": |w| async {
        w.chat.update_session(&w.ann, w.id, UpdateSession { title: Some("News".into()), ..UpdateSession::default() }).await
    };
    "participants": |w| w.chat.participants(&w.ann, w.id, Page::FIRST, true);
    "participant": |w| async { w.chat.participant(&w.ann, w.id, &w.bob.user_id, true).await };
    "change_role": |w| async { w.chat.change_role(&w.ann, w.id, &w.bob.user_id, ParticipantRole::Admin).await };
    "presence": |w| w.chat.presence(&w.ann, w.id, Page::FIRST);
    "bans": |w| w.chat.bans(&w.ann, w.id, Page::FIRST);
    "unban_participant": |w| async { w.chat.unban_participant(&w.ann, w.id, &user_id("eve")).await };
    "invites": |w| w.chat.invites(&w.ann, w.id, Page::FIRST);
    "create_invite": |w| w.chat.create_invite(&w.ann, w.id, CreateInvite::default());
    "join_requests": |w| w.chat.join_requests(&w.ann, w.id, Page::FIRST);
    "emojis": |w| w.chat.emojis(&w.ann, w.id);
    "add_emoji": |w| async { w.chat.add_emoji(&w.ann, w.id, &EmojiName::new("wave").unwrap(), None).await };
    "incoming_webhooks": |w| w.chat.incoming_webhooks(&w.ann, w.id);
    "session_commands": |w| w.chat.session_commands(&w.ann, w.id);
    "held_messages": |w| w.chat.held_messages(&w.ann, w.id, Page::FIRST);
    "reports": |w| w.chat.reports(&w.ann, w.id, None, Page::FIRST);
    "moderation_log": |w| w.chat.moderation_log(&w.ann, w.id, Page::FIRST);
    "report_message": |w| async {
        let report = FileReport { reason: ReportReason::Spam, text: None };
        w.chat.report_message(&w.ann, w.answer, report).await
    };
    "delete_messages_of": |w| async {
        let deletion = w.chat.delete_messages_of(&w.ann, w.id, &w.bob.user_id).await?;
        assert!(deletion.is_done, "it is left for later");
        Ok::<_, Error>(deletion)
    };
    "send": |w| w.chat.send(&w.ann, w.id, SendMessage::text("hi"));
    "send a reply": |w| w.chat.send(&w.ann, w.id, SendMessage::text("hi").in_reply_to(w.root));
    "start_streamed_message": |w| async {
        let begun = w.chat.start_streamed_message(&w.ann, w.id, StartMessage::of_assistant()).await?;
        w.chat.append_to_message(&w.ann, begun.id, 0, "part").await?;
        w.chat.finish_message(&w.ann, begun.id, 4).await
    };
    "forward_message": |w| w.chat.forward_message(&w.ann, w.answer, w.id, None);
    "edit_message": |w| w.chat.edit_message(&w.ann, w.root, EditMessage::text("new"));
    "delete_message": |w| w.chat.delete_message(&w.ann, w.root, None);
    "delete_message of another user": |w| w.chat.delete_message(&w.ann, w.answer, None);
    "messages": |w| w.chat.messages(&w.ann, w.id, MessageWindow::Newest, None);
    "message": |w| w.chat.message(&w.ann, w.root);
    "messages_by_id": |w| async { w.chat.messages_by_id(&w.ann, &[w.root, w.answer]).await?.remove(0) };
    "message_revisions": |w| w.chat.message_revisions(&w.ann, w.answer);
    "events": |w| w.chat.events(&w.ann, w.id, Start::Beginning, None);
    "subscribe": |w| w.chat.subscribe(&w.ann, w.id, Start::Beginning);
    "subscribe_all": |w| async { w.chat.subscribe_all(&w.ann, &[]).await };
    "thread": |w| w.chat.thread(&w.ann, w.root, Page::FIRST);
    "threads": |w| w.chat.threads(&w.ann, w.id, Page::FIRST);
    "follow_thread": |w| w.chat.follow_thread(&w.ann, w.root);
    "unfollow_thread": |w| w.chat.unfollow_thread(&w.ann, w.root);
    "mark_thread_read": |w| w.chat.mark_thread_read(&w.ann, w.answer);
    "followed_threads": |w| w.chat.followed_threads(&w.ann, w.id, Page::FIRST);
    "mentions": |w| w.chat.mentions(&w.ann, Page::FIRST, ListMentions::default());
    "mark_read": |w| w.chat.mark_read(&w.ann, w.id, ReadUpto::Message(w.answer));
    "mark_unread_from": |w| w.chat.mark_unread_from(&w.ann, w.answer);
    "mark_all_read": |w| w.chat.mark_all_read(&w.ann, None);
    "acknowledge_delivery": |w| w.chat.acknowledge_delivery(&w.ann, w.id, 1);
    "message_receipts": |w| w.chat.message_receipts(&w.ann, w.root, Page::FIRST);
    "set_preferences": |w| async {
        w.chat.set_preferences(&w.ann, w.id, SetPreferences::default()).await
    };
    "pins": |w| w.chat.pins(&w.ann, w.id);
    "pin_message": |w| w.chat.pin_message(&w.ann, w.answer);
    "unpin_message": |w| w.chat.unpin_message(&w.ann, w.root);
    "add_reaction": |w| async { w.chat.add_reaction(&w.ann, w.root, &like()).await };
    "remove_reaction": |w| async { w.chat.remove_reaction(&w.zoe, w.root, &like()).await };
    "reactors": |w| async { w.chat.reactors(&w.ann, w.root, &like(), Page::FIRST).await };
    "set_draft": |w| w.chat.set_draft(&w.ann, w.id, Content::Text("later".into()));
    "draft": |w| w.chat.draft(&w.ann, w.id);
    "typing": |w| w.chat.typing(&w.ann, w.id, true);
}

/// What others change, by name: the first time, the second time, and so on.
macro_rules! churns {
    ($($name:literal: |$world:ident, $n:ident| $change:expr;)*) => {
        const CHURNS: &[(&str, fn(World, u64) -> BoxFuture<'static, Result<()>>)] = &[$(($name, |$world, $n| {
            Box::pin(async move { $change.await })
        }),)*];
    };
}

churns! {
    "participants": |w, n| async {
        let wim = user("wim");
        if n % 2 == 0 { w.chat.join(&wim, w.id).await.map(drop) } else { w.chat.leave(&wim, w.id).await }
    };
    "titles": |w, n| async {
        let update = UpdateSession { title: Some(format!("Title {n}")), ..UpdateSession::default() };
        w.chat.update_session(&w.zoe, w.id, update).await.map(drop)
    };
    "messages": |w, n| async { w.chat.send(&w.bob, w.id, SendMessage::text(n.to_string())).await.map(drop) };
    "replies": |w, n| async {
        w.chat.send(&w.bob, w.id, SendMessage::text(n.to_string()).in_reply_to(w.root)).await.map(drop)
    };
    "edits": |w, n| async { w.chat.edit_message(&w.bob, w.answer, EditMessage::text(n.to_string())).await.map(drop) };
    "reactions": |w, n| async {
        match n % 2 {
            0 => w.chat.add_reaction(&w.bob, w.root, &like()).await,
            _ => w.chat.remove_reaction(&w.bob, w.root, &like()).await,
        }
    };
    "deletions": |w, n| async {
        let sent = w.chat.send(&w.bob, w.id, SendMessage::text(n.to_string())).await?;
        w.chat.delete_message(&w.bob, sent.id, None).await.map(drop)
    };
    "pins": |w, n| async {
        match n % 2 {
            0 => w.chat.pin_message(&w.zoe, w.answer).await.map(drop),
            _ => w.chat.unpin_message(&w.zoe, w.answer).await,
        }
    };
    "invites": |w, n| async {
        if n % 2 == 0 {
            return w.chat.create_invite(&w.zoe, w.id, CreateInvite::default()).await.map(drop);
        }
        let newest = w.chat.invites(&w.zoe, w.id, Page::FIRST).await?.first().unwrap().id;
        w.chat.revoke_invite(&w.zoe, w.id, newest).await
    };
    "bans": |w, n| async {
        match n % 2 {
            0 => w.chat.ban_participant(&w.zoe, w.id, &user_id("dan"), SanctionUser::ENDLESS).await.map(drop),
            _ => w.chat.unban_participant(&w.zoe, w.id, &user_id("dan")).await,
        }
    };
    "emojis": |w, n| async {
        match n % 2 {
            0 => w.chat.add_emoji(&w.zoe, w.id, &EmojiName::new("blob").unwrap(), None).await.map(drop),
            _ => w.chat.remove_emoji(&w.zoe, w.id, &EmojiName::new("blob").unwrap()).await,
        }
    };
}

impl Disturbed {
    /// Lets others change the world before each step of disturbed calls. Gives the first error of the others.
    fn by_others(
        &self,
        world: &World,
        change: fn(World, u64) -> BoxFuture<'static, Result<()>>,
    ) -> Arc<Mutex<Option<Error>>> {
        let failed = Arc::new(Mutex::new(None));
        let (world, noted) = (world.clone(), Arc::clone(&failed));
        let others: Disturbance = Box::new(move |n| {
            let (change, noted) = (change(world.clone(), n), Arc::clone(&noted));
            Box::pin(async move {
                // The call deletes the message that the others edit.
                if let Err(error) = change.await
                    && error != Error::MessageDeleted
                {
                    noted.lock().unwrap().get_or_insert(error);
                }
            })
        });
        *self.others.lock().unwrap() = Some(others);
        failed
    }
}

/// A policy for messages that changes the session of the message.
#[derive(Clone, Default)]
struct Changing {
    world: Arc<Mutex<Option<World>>>,
    reviews: Arc<AtomicU64>,
    waited: Arc<AtomicU64>,
}

#[async_trait]
impl MessagePolicy for Changing {
    async fn review(&self, _: &MessageDraft) -> Verdict {
        let Some(World { chat, zoe, id, .. }) = self.world.lock().unwrap().clone() else { return Verdict::Allow };
        let title = format!("Review {}", self.reviews.fetch_add(1, Ordering::SeqCst));
        let update = UpdateSession { title: Some(title), ..UpdateSession::default() };
        let change = tokio::spawn(async move { chat.update_session(&zoe, id, update).await.map(drop) });
        if tokio::time::timeout(LONG, change).await.is_err() {
            self.waited.fetch_add(1, Ordering::SeqCst);
        }
        Verdict::Allow
    }
}

#[tokio::test(start_paused = true)]
async fn a_review_holds_up_no_other_change_of_the_session() {
    for name in ["send", "send a reply", "edit_message", "start_streamed_message"] {
        let (store, policy) = (Disturbed::default(), Changing::default());
        let world = World::of(Chat::builder(store.clone()).message_policy(policy.clone())).await;
        *policy.world.lock().unwrap() = Some(world.clone());
        let (_, change) = CHURNS.iter().find(|(name, _)| *name == "participants").unwrap();
        let failed = store.by_others(&world, *change);
        let (_, call) = CALLS.iter().find(|(called, _)| *called == name).unwrap();
        DISTURBED.scope((), call(&world)).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        *store.others.lock().unwrap() = None;
        assert_eq!(*failed.lock().unwrap(), None, "{name}");
        assert_eq!(policy.reviews.load(Ordering::SeqCst), 1, "{name}: the same text is reviewed once");
        assert_eq!(policy.waited.load(Ordering::SeqCst), 0, "{name}: a change waited for the review");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_succeeds_although_others_change_the_session_before_each_step_of_the_call() {
    let mut failed = Vec::new();
    for (churn, change) in CHURNS {
        for (name, call) in CALLS {
            let store = Disturbed::default();
            let world = World::new(store.clone()).await;
            let failing = store.by_others(&world, *change);
            let called = DISTURBED.scope((), call(&world)).await;
            *store.others.lock().unwrap() = None;
            let disturbed = failing.lock().unwrap().take();
            if let Err(error) = called {
                failed.push(format!("{churn} / {name}: {error:?} after {}", store.count.load(Ordering::SeqCst)));
            } else if let Some(error) = disturbed {
                failed.push(format!("{churn} / {name}: the disturbance fails: {error:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{} calls fail: {failed:#?}", failed.len());
}
