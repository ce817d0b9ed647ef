use super::*;

/// A database with some entries.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let written = alone(async {
        let tree = TreeBuilder::with_options(options(folder.path())).build()?;
        for n in 0..10_u8 {
            let mut write = tree.begin_with_mode(Mode::WriteOnly)?;
            write.set(vec![b'/', n], vec![n; 5_000])?;
            write.commit().await?;
        }
        tree.close().await?;
        Ok(())
    });
    written.expect("a database");
    folder
}

fn entries(folder: &Path) -> Vec<Page> {
    let read = alone(async {
        let tree = TreeBuilder::with_options(options(folder)).build()?;
        let (mut pages, mut found) = (Pages::of(&tree)?, Vec::new());
        while let Some(page) = pages.next()? {
            found.push(page);
        }
        drop(pages);
        tree.close().await?;
        Ok(found)
    });
    read.expect("the entries")
}

/// Compacts a folder of which these steps fail. Whatever is reported is what happened. `false` where no step failed.
fn reports_what_is_true(fails: impl Fn(usize) -> bool) -> bool {
    let folder = folder();
    let folder = folder.path();
    let (expected, before) = (entries(folder), bytes(folder).expect("a size"));
    let (mut steps, mut failed) = (0, 0);
    let outcome = blocking(folder, &mut || {
        steps += 1;
        if fails(steps) {
            failed += 1;
            return Err(io::Error::other("the disk failed"));
        }
        Ok(())
    });
    match &outcome {
        Ok(done) => {
            assert_eq!(*done, Compaction { before, after: bytes(folder).expect("a size") });
            assert!(!switch::is_unfinished(folder));
        }
        Err(Failure::Unfinished(_)) => {
            assert!(switch::is_unfinished(folder) && !folder.join(COPY).exists());
            assert!(switch::finish(folder).expect("the switch"));
        }
        Err(Failure::Io(_)) => {
            assert_eq!(steps, 1, "only before the decision is the folder as it was");
            assert_eq!(bytes(folder).expect("a size"), before);
        }
        Err(failure) => panic!("{failure}"),
    }
    assert_eq!(entries(folder), expected);
    failed > 0
}

#[test]
fn what_is_reported_of_a_compaction_is_true() {
    for last in 1.. {
        let once = reports_what_is_true(|step| step == last);
        let always = reports_what_is_true(|step| step >= last);
        assert_eq!(once, always);
        if !once {
            assert!(last > 8, "{last} steps");
            return;
        }
    }
}
