//! What was edited away or deleted leaves the disk when the folder is compacted.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test reports by panicking")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use chatcore::{
    Chat, Principal,
    chat::{CreateSession, EditMessage, SendMessage},
    model::{Message, SessionId, UserId},
};
use chatcore_surreal::{Compaction, ConnectError, SurrealOptions, SurrealStore};

/// Whether a file below a folder contains these bytes. The engine compresses nothing, which the texts that stay prove.
fn is_in(folder: &Path, wanted: &str) -> bool {
    fs::read_dir(folder).expect("a folder").any(|entry| {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            return is_in(&path, wanted);
        }
        let found = fs::read(&path).expect("a file");
        found.windows(wanted.len()).any(|window| window == wanted.as_bytes())
    })
}

async fn open(folder: &Path) -> Arc<SurrealStore> {
    Arc::new(SurrealStore::open(folder, SurrealOptions::default()).await.expect("a store"))
}

async fn compact(folder: &Path) -> Result<Compaction, ConnectError> {
    // Nobody waits for a folder that stays in use.
    let options = SurrealOptions { lock_patience: Duration::ZERO, ..SurrealOptions::default() };
    SurrealStore::compact_folder(folder, &options).await
}

fn ana() -> Principal {
    Principal::new(UserId::new("ana").expect("a user id"))
}

fn content(text: &str) -> EditMessage {
    EditMessage::text(text)
}

async fn say(chat: &Chat, id: SessionId, text: &str) -> Message {
    chat.send(&ana(), id, SendMessage::text(text)).await.expect("a message")
}

/// Texts that nothing else contains. The engine keeps the long ones apart from the short ones.
fn texts(name: &str) -> [String; 2] {
    let short = format!("{name}-{}", uuid::Uuid::now_v7());
    [format!("{short} long").repeat(150), short]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_text_is_in_no_file_after_a_compaction() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let [kept, edited, sent, latest] = ["kept", "edited", "sent", "latest"].map(texts);
    let store = open(folder).await;
    let chat = Chat::new(Arc::clone(&store));
    let room = chat.create_session(&ana(), CreateSession::titled("A room")).await.expect("a session");
    let id = room.summary.session.id;
    for place in 0..2 {
        say(&chat, id, &kept[place]).await;
        // One that is edited and deleted, and one that goes with its first text.
        let message = say(&chat, id, &sent[place]).await;
        chat.edit_message(&ana(), message.id, content(&edited[place])).await.expect("an edit");
        chat.edit_message(&ana(), message.id, content(&latest[place])).await.expect("an edit");
        chat.delete_message(&ana(), message.id, None).await.expect("a deletion");
    }
    let before = chat.session(&ana(), id).await.expect("the session");
    store.close().await;

    // Without a compaction they stay, however often the database is opened.
    for _ in 0..2 {
        open(folder).await.close().await;
    }
    for text in [&kept, &sent, &edited, &latest].into_iter().flatten() {
        assert!(is_in(folder, text), "the search finds nothing: {}", &text[..20]);
    }

    // What a killed compaction leaves is in nobody's way.
    fs::create_dir_all(folder.join("compacting/sstables")).expect("a folder");
    let sizes = compact(folder).await.expect("a compaction");
    assert!(sizes.after < sizes.before, "{sizes:?}");
    for text in &kept {
        assert!(is_in(folder, text), "a text is lost: {}", &text[..20]);
    }
    for text in [&sent, &edited, &latest].into_iter().flatten() {
        assert!(!is_in(folder, text), "a deleted text is still there: {}", &text[..20]);
    }

    // Nothing else has changed, and the database goes on, also through another compaction.
    for round in 0..2 {
        let store = open(folder).await;
        let chat = Chat::new(Arc::clone(&store));
        let after = chat.session(&ana(), id).await.expect("the session");
        assert_eq!(after.messages.len(), before.messages.len() + round);
        assert_eq!(after.messages[..before.messages.len()], before.messages);
        say(&chat, id, "another").await;
        let refused = compact(folder).await;
        assert!(matches!(refused, Err(ConnectError::Locked { .. })), "{refused:?}");
        store.close().await;
        compact(folder).await.expect("a compaction");
    }
}

/// A host may open a store in a task.
#[test]
fn opening_and_compacting_can_be_spawned() {
    fn spawned(_: impl Send) {}
    let (options, folder) = (SurrealOptions::default(), Path::new("unused"));
    spawned(SurrealStore::connect("mem://"));
    spawned(SurrealStore::open(folder, options.clone()));
    spawned(SurrealStore::compact_folder(folder, &options));
}

#[tokio::test]
async fn only_a_folder_is_compacted() {
    for url in ["mem://", "ws://127.0.0.1:1"] {
        let refused = SurrealStore::compact(url, &SurrealOptions::default()).await;
        assert!(matches!(refused, Err(ConnectError::InvalidUrl(_))), "{refused:?}");
    }
    // A folder that is not there is a new database.
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("surrealkv://{}/new", folder.path().display());
    SurrealStore::compact(&url, &SurrealOptions::default()).await.expect("a compaction");
    SurrealStore::connect(&url).await.expect("a store").close().await;
}
