use super::*;

/// Writes a file into each of these parts of a folder.
fn fill(folder: &Path, parts: &[&str], text: &str) {
    for part in parts {
        fs::create_dir_all(folder.join(part)).expect("a folder");
        fs::write(folder.join(part).join(text), text).expect("a file");
    }
}

/// The names of the files in the parts of a folder.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for part in PARTS.into_iter().filter(|part| folder.join(part).exists()) {
        for entry in fs::read_dir(folder.join(part)).expect("a part") {
            found.push(format!("{part}/{}", entry.expect("an entry").file_name().display()));
        }
    }
    found
}

/// A folder with old files, and a copy of them that is complete.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fill(folder.path(), &["manifest", "sstables", "vlog", "wal"], "old");
    // Another part is missing on each side.
    fill(&folder.path().join(COPY), &["manifest", "sstables", "wal", "versioned_index"], "new");
    folder
}

const NEW: [&str; 4] = ["manifest/new", "sstables/new", "versioned_index/new", "wal/new"];

#[test]
fn a_switch_that_is_interrupted_anywhere_is_finished_later() {
    for last in 0.. {
        let folder = folder();
        let folder = folder.path();
        let lock = Lock::take(folder).expect("a lock").expect("nobody else has it");
        commit(folder, &lock, &mut || Ok(())).expect("a decision");
        let mut steps = 0;
        let outcome = switch(folder, &lock, &mut || {
            steps += 1;
            if steps > last { Err(io::Error::other("killed")) } else { Ok(()) }
        });
        assert_eq!(finish(folder).expect("an answer"), outcome.is_ok(), "another process has the folder");
        drop(lock);
        assert!(finish(folder).expect("the switch"));
        assert_eq!(files(folder), NEW, "after {last} steps");
        assert!(!is_unfinished(folder));
        if outcome.is_ok() {
            assert!(last > NEW.len() * 2, "{last} steps");
            return;
        }
    }
}

#[test]
fn a_copy_that_was_not_finished_is_taken_away() {
    let folder = folder();
    let folder = folder.path();
    assert!(finish(folder).expect("the copy"));
    assert_eq!(files(folder), ["manifest/old", "sstables/old", "vlog/old", "wal/old"]);
    assert!(!is_unfinished(folder));
}

#[test]
fn a_folder_that_was_written_since_is_another_one() {
    let folder = folder();
    let folder = folder.path();
    let seen = state(folder).expect("the state");
    assert_eq!(state(folder).expect("the state"), seen);
    fill(folder, &["manifest"], "more");
    assert_ne!(state(folder).expect("the state"), seen);
}
