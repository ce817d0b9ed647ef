//! Files that are not whole.

use super::*;

async fn small() -> Vec<u8> {
    let store = MemoryStore::new();
    let chat = uncounted(store.clone());
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::Public).await;
    let message = chat.send(&alice, id, named("text", "client")).await.unwrap();
    chat.edit_message(&alice, message.id, EditMessage::text("another text")).await.unwrap();
    taken(&store).await.unwrap()
}

fn refusal(file: &[u8]) -> BackupError {
    Backup::of(&MemoryStore::new()).verify(Cursor::new(file), &mut |_| ()).unwrap_err()
}

#[tokio::test]
async fn each_byte_counts() {
    let file = small().await;
    for place in 0..file.len() {
        for bit in [1, 128] {
            let mut flipped = file.clone();
            flipped[place] ^= bit;
            match refusal(&flipped) {
                BackupError::NoBackup => assert!(place < 16),
                BackupError::Damaged { at, .. } => {
                    // A length that says more than there is lets the file end too early.
                    assert!(at as usize <= place || at as usize == file.len(), "byte {place} is damage at {at}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_file_that_is_cut_anywhere_is_refused_where_it_ends() {
    let file = small().await;
    for length in 0..file.len() {
        match refusal(&file[..length]) {
            BackupError::Damaged { at, .. } => assert_eq!(at as usize, length),
            BackupError::NoBackup => assert!(length < 16),
            other => panic!("{other:?}"),
        }
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert!(matches!(refusal(&longer), BackupError::Damaged { at, .. } if at as usize == file.len()));
}

#[tokio::test]
async fn blocks_of_another_file_and_at_other_places_are_damage() {
    let (one, two) = (small().await, small().await);
    // The first block has the same length in both.
    let spliced = [&one[..52], &two[52..]].concat();
    assert!(matches!(refusal(&spliced), BackupError::Damaged { at: 52, .. }));
    let missing = [&one[..52], &one[one.len() / 2..]].concat();
    assert!(matches!(refusal(&missing), BackupError::Damaged { at: 52, .. } | BackupError::Damaged { .. }));
}

#[tokio::test]
async fn nothing_of_a_damaged_file_is_written() {
    let mut file = small().await;
    let last = file.len() - 1;
    file[last] ^= 1;
    let store = MemoryStore::new();
    let refused = Backup::of(&store).restore(Cursor::new(&file), &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, BackupError::Damaged { .. }), "{refused:?}");
    assert_eq!(everything(&store).await, Everything { logs: BTreeMap::new(), records: BTreeMap::new() });
}
