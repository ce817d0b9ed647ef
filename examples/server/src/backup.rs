//! Backups of the database: of a running server over its own API, and directly where no server runs.

mod online;

use std::{
    fs::{self, File},
    io::{self, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chatcore::{
    Clock as _, MemoryStore, SystemClock,
    backup::{Backup, BackupError, Contents, Progress, Stage},
};
use chatcore_surreal::{ConnectError, Inspection, SurrealStore};

use crate::{
    cli::BackupArgs,
    config::{Config, Failure},
    exposure,
    logging::Export,
    output::Output,
    run, running,
};

/// How often the progress is told.
const PACE: Duration = Duration::from_secs(1);

/// Writes everything in the database to a file that is not there yet.
pub(crate) fn back_up(config: &Config, args: &BackupArgs, told: &[String], stderr: &Output) -> Result<(), Failure> {
    run::log(config, told, stderr, &Export::default())?;
    let file = args.file.as_path();
    let is_there = || format!("{} is there already; a backup replaces no file", file.display());
    if file.symlink_metadata().is_ok() {
        return Err(is_there().into());
    }
    // Under its own name only once it is complete, so that nobody takes a part for a backup. Two backups have two parts.
    let partial = beside(file, &format!("{:016x}.partial", rand::random::<u64>()));
    let contents = match runtime()?.block_on(take(config, args, &partial, stderr)) {
        Ok(contents) => contents,
        Err(error) => {
            let _ = fs::remove_file(&partial);
            return Err(error);
        }
    };
    // A link replaces no file, unlike a rename.
    let linked = fs::hard_link(&partial, file);
    fs::remove_file(&partial)?;
    linked.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(),
        _ => format!("{} cannot be written: {error}", file.display()),
    })?;
    sync_folder(file)?;
    Output::print(&format!("backed up to {}: {}", file.display(), counted(contents.holds)));
    let left_out = contents.holds.left_out;
    if left_out == 0 {
        return Ok(());
    }
    for record in &contents.left_out {
        stderr.say(&format!("cannot be read, and is not in the backup: {} ({})", record.record, record.fault));
    }
    Err(format!("{} lacks {left_out} records that cannot be read", file.display()).into())
}

/// Writes the file, and checks it as a restore does.
async fn take(config: &Config, args: &BackupArgs, partial: &Path, stderr: &Output) -> Result<Contents, Failure> {
    let mut file = private(partial)?;
    let is_of = |scheme: &str| config.database.as_deref().is_some_and(|database| database.starts_with(scheme));
    let server = match &args.server {
        Some(server) => Some(server.clone()),
        // Nobody else reaches it.
        None if is_of("mem") => Some(running::url(config)?),
        None => match &config.database {
            // The note in the data folder may be that of a server on another database.
            Some(folder) if is_of("surrealkv") => {
                match SurrealStore::inspect(folder, &run::database_options(config)?).await {
                    Ok(Inspection::Missing) => return Err(format!("there is no database at {folder}").into()),
                    Err(ConnectError::Locked { .. }) => Some(running::url(config)?),
                    Ok(_) | Err(_) => None,
                }
            }
            // A database server takes both.
            Some(_) => None,
            None => running::noted(config),
        },
    };
    match server {
        Some(server) => online::take(config, args, server, &mut file, partial, stderr).await?,
        None if config.database.is_none() && !config.data.join("db").is_dir() => {
            return Err(format!("there is no database in {}", config.data.join("db").display()).into());
        }
        None => match run::open(config, run::database_options(config)?).await {
            Ok(store) => {
                let taken = write(&store, args, &mut file, stderr).await;
                store.close().await;
                taken?;
            }
            // A server has it open that has left no note.
            Err(error) if matches!(error.downcast_ref(), Some(ConnectError::Locked { .. })) => {
                online::take(config, args, running::url(config)?, &mut file, partial, stderr)
                    .await
                    .map_err(|online| format!("{error}, and that is no server to ask for a backup: {online}"))?;
            }
            Err(error) => return Err(error),
        },
    }
    file.sync_all()?;
    Ok(check(partial, &mut told(stderr))?)
}

/// Checks a file.
fn check(file: &Path, on_progress: &mut (dyn FnMut(Progress) + Send)) -> Result<Contents, BackupError> {
    Backup::of(&MemoryStore::new()).verify(BufReader::new(File::open(file)?), on_progress)
}

async fn write(store: &SurrealStore, args: &BackupArgs, file: &mut File, stderr: &Output) -> Result<(), Failure> {
    let (now, mut backup) = (SystemClock.now(), Backup::of(store));
    if args.skip_unreadable {
        backup = backup.skipping_unreadable();
    }
    let mut file = BufWriter::new(file);
    backup.take(&mut file, now, &mut told(stderr)).await?;
    file.flush()?;
    Ok(())
}

/// Refuses a database into which a restore has not ended.
pub(crate) async fn refuse_part(store: &SurrealStore) -> Result<(), Failure> {
    match Backup::of(store).unfinished().await? {
        Some(since) => Err(BackupError::Unfinished { since }.into()),
        None => Ok(()),
    }
}

/// Writes a backup into a database that is not there yet, or is empty.
pub(crate) fn restore(config: &Config, file: &Path, told_of: &[String], stderr: &Output) -> Result<(), Failure> {
    run::log(config, told_of, stderr, &Export::default())?;
    let open = || File::open(file).map_err(|error| format!("{} cannot be read: {error}", file.display()));
    let contents = runtime()?.block_on(async {
        let options = run::database_options(config)?;
        if config.database.is_some() {
            let store = run::open(config, options).await?;
            let restored = Backup::of(&store).restore(BufReader::new(open()?), &mut told(stderr)).await;
            store.close().await;
            return restored.map_err(|error| -> Failure {
                match error {
                    BackupError::Store(_) | BackupError::Differs { .. } => {
                        format!("{error}; the database has a part of the backup: remove it before you try again").into()
                    }
                    error => error.into(),
                }
            });
        }
        let folder = config.data.join("db");
        if folder.exists() {
            return Err(
                format!("{} is there already; a restore needs a place without a database", folder.display()).into()
            );
        }
        // Before anything is made.
        Backup::of(&MemoryStore::new()).verify(BufReader::new(open()?), &mut |_| ())?;
        // The database has its name only once it is complete, so no server starts on a part of it.
        let partial = config.data.join("db.restoring");
        exposure::create_folder(&config.data)?;
        let lock = File::create(config.data.join("db.restoring.lock"))?;
        lock.try_lock().map_err(|_| format!("another restore into {} is running", config.data.display()))?;
        if partial.exists() {
            fs::remove_dir_all(&partial)?;
        }
        let store = SurrealStore::open(&partial, options).await?;
        let restored = Backup::of(&store).restore(BufReader::new(open()?), &mut told(stderr)).await;
        store.close().await;
        let contents = restored?;
        drop(store);
        fs::rename(&partial, &folder)?;
        sync_folder(&folder)?;
        drop(lock);
        Ok(contents)
    })?;
    let taken_at = contents.taken_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let restored = counted(contents.holds);
    Output::print(&format!("restored {} of {taken_at}: {restored}", file.display()));
    Ok(())
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// A new file that only its owner can read: a backup holds messages and hashes of passwords.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    // It follows no link, and takes over no file with another mode.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// A new name is on disk once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn counted(progress: Progress) -> String {
    let Progress { stage: _, bytes, sessions, events, records, left_out: _ } = progress;
    format!("{sessions} sessions, {events} events, {records} records, {bytes} bytes")
}

/// Tells the progress at once, and then now and then.
fn told(stderr: &Output) -> impl FnMut(Progress) + Send + use<> {
    let (stderr, mut last) = (stderr.clone(), None::<Instant>);
    move |progress| {
        if last.is_none_or(|last| last.elapsed() >= PACE) {
            last = Some(Instant::now());
            let stage = match progress.stage {
                Stage::Copying => "copying",
                Stage::Verifying => "verifying",
                Stage::Restoring => "restoring",
            };
            stderr.say(&format!("{stage}: {}", counted(progress)));
        }
    }
}
