//! A chat on a database, with people in it who talk.

#![allow(dead_code, reason = "no program needs all of it")]

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use chatcore::{
    Chat, Principal, RateLimits,
    chat::{CreateSession, SendMessage},
    model::{ClientId, Seq, SessionId, SessionType, UserId},
};
use chatcore_surreal::{SurrealOptions, SurrealStore};
use tempfile::TempDir;
use tokio::{runtime::Runtime, task::JoinSet};

/// The one of the example server.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A hundred bytes, as in all figures.
pub(crate) const TEXT: &str =
    "A message of a hundred bytes: that is as long as what people say to one another in a chat, or so...!";

pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Where the data goes.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// Nowhere.
    Memory,
    /// Into a folder that is removed in the end.
    Disk,
    /// Into this folder, which stays.
    Folder(PathBuf),
}

/// An open chat. Dropping it closes the database, and removes the folder if that is its own.
pub(crate) struct World {
    pub(crate) chat: Chat,
    store: Arc<SurrealStore>,
    runtime: tokio::runtime::Handle,
    folder: Option<TempDir>,
}

impl World {
    pub(crate) fn open(runtime: &Runtime, place: &Place, options: SurrealOptions) -> Outcome<Self> {
        let on_disk = |folder: &Path| format!("surrealkv://{}?sync=every", folder.display());
        let (url, folder) = match place {
            Place::Memory => ("mem://".to_owned(), None),
            Place::Disk => {
                let folder = tempfile::tempdir()?;
                (on_disk(folder.path()), Some(folder))
            }
            Place::Folder(folder) => (on_disk(folder), None),
        };
        let store = Arc::new(runtime.block_on(SurrealStore::connect_with(&url, options))?);
        Ok(Self {
            chat: Chat::builder(Arc::clone(&store)).rates(RateLimits::off()).build(),
            store,
            runtime: runtime.handle().clone(),
            folder,
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.runtime.block_on(self.store.close());
    }
}

/// Somebody in a session.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) who: Principal,
    pub(crate) session: SessionId,
}

pub(crate) fn user(name: &str) -> Outcome<Principal> {
    Ok(Principal::new(UserId::new(name)?).with_name("A name to show"))
}

/// A public session, whose owner can send.
pub(crate) async fn session(chat: &Chat, owner: &str) -> Outcome<Sender> {
    let who = user(owner)?;
    let new = CreateSession::titled("A session").of_type(SessionType::Public);
    let session = chat.create_session(&who, new).await?.summary.session.id;
    Ok(Sender { who, session })
}

/// So many people, each in one of so many sessions.
pub(crate) async fn people(chat: &Chat, senders: usize, sessions: usize) -> Outcome<Vec<Sender>> {
    let mut people: Vec<Sender> = Vec::with_capacity(senders);
    for n in 0..senders {
        let name = format!("user-{n}");
        let sender = match people.get(n % sessions) {
            Some(Sender { session, .. }) if n >= sessions => {
                let who = user(&name)?;
                chat.join(&who, *session).await?;
                Sender { who, session: *session }
            }
            Some(_) | None => session(chat, &name).await?,
        };
        people.push(sender);
    }
    Ok(people)
}

/// What is said, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) messages: u64,
    /// How many are under way at a time.
    pub(crate) at_once: usize,
    pub(crate) client_ids: bool,
}

/// Sends messages by these people in turn, each as soon as one is acknowledged. Gives how long it took.
pub(crate) async fn talk(chat: &Chat, people: &[Sender], load: Load) -> Outcome<Duration> {
    let Load { messages, at_once, client_ids } = load;
    let left = Arc::new(AtomicU64::new(messages));
    let mut running = JoinSet::new();
    let begun = Instant::now();
    for n in 0..at_once {
        let (chat, left) = (chat.clone(), Arc::clone(&left));
        let own: Vec<Sender> = people.iter().skip(n % people.len()).step_by(at_once).cloned().collect();
        running.spawn(async move {
            // Whoever is faster sends more, so that to the end as many as wanted are under way.
            let more = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            for Sender { who, session } in own.iter().cycle().take_while(|_| more()) {
                let mut message = SendMessage::text(TEXT);
                if client_ids {
                    let client_id = uuid::Uuid::now_v7().to_string();
                    message = message.with_client_id(ClientId::new(client_id)?);
                }
                chat.send(who, *session, message).await?;
            }
            Outcome::Ok(())
        });
    }
    while let Some(sender) = running.join_next().await {
        sender??;
    }
    Ok(begun.elapsed())
}

/// Reads a session from its beginning up to a position.
pub(crate) async fn replay(chat: &Chat, reader: &Sender, to: Seq) -> Outcome<()> {
    let mut events = chat.subscribe(&reader.who, reader.session, Some(0)).await?;
    for _ in 0..to {
        events.next_event().await.ok_or("the stream ended")??;
    }
    Ok(())
}
