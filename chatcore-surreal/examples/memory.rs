//! How much memory a chat on disk takes while it is written to for long: prints messages/s and resident memory as it goes.
//!
//! `cargo run --release -p chatcore-surreal --example memory -- one 1000000`

#![allow(clippy::print_stdout, reason = "that is what it is for")]

#[path = "../benches/kit/mod.rs"]
mod kit;

use std::{env, fs, num::NonZeroU64, path::PathBuf, time::Instant};

use chatcore_surreal::SurrealOptions;
use kit::{Load, Outcome, Place, World, session, talk};
use tokio::runtime::Builder;

const USAGE: &str = "usage: memory one [MESSAGES] [FOLDER]
       memory many [SESSIONS] [MESSAGES] [FOLDER]

one    writes MESSAGES (1000000) into one session
many   writes MESSAGES (1000) into each of SESSIONS (1000), to all of them in turn

The data goes into FOLDER, and where none is named into a temporary one that is removed in the end.";

/// How many messages are under way at a time.
const SENDERS: usize = 64;
/// How many lines are printed.
const REPORTS: u64 = 20;

struct Job {
    sessions: u64,
    /// In each.
    messages: u64,
    place: Place,
}

fn job(mut words: impl Iterator<Item = String>) -> Option<Job> {
    let mut numbers = match words.next()?.as_str() {
        "one" => vec![1_000_000],
        "many" => vec![1_000, 1_000],
        _ => return None,
    };
    let mut folder = None;
    for (given, word) in words.enumerate() {
        match (word.parse::<NonZeroU64>(), numbers.get_mut(given)) {
            (Ok(number), Some(place)) => *place = number.get(),
            (Err(_), _) if folder.is_none() && !word.starts_with('-') => folder = Some(PathBuf::from(word)),
            (Ok(_) | Err(_), _) => return None,
        }
    }
    let place = folder.map_or(Place::Disk, Place::Folder);
    match numbers.as_slice() {
        [messages] => Some(Job { sessions: 1, messages: *messages, place }),
        [sessions, messages] => Some(Job { sessions: *sessions, messages: *messages, place }),
        _ => None,
    }
}

/// What of this process is in memory, in megabytes. Only Linux says.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

fn report(what: &str, rate: f64) {
    match resident() {
        Some(megabytes) => println!("{what:>26}  {rate:>7.0}/s  {megabytes:>6} MB"),
        None => println!("{what:>26}  {rate:>7.0}/s  (memory is only known on Linux)"),
    }
}

fn main() -> Outcome<()> {
    let Some(Job { sessions, messages, place }) = job(env::args().skip(1)) else {
        println!("{USAGE}");
        return Ok(());
    };
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let world = World::open(&runtime, &place, SurrealOptions::default())?;
    report("an open database", 0.0);

    let begun = Instant::now();
    let mut owners = Vec::new();
    for n in 0..sessions {
        owners.push(runtime.block_on(session(&world.chat, &format!("user-{n}")))?);
    }
    report(&format!("{sessions} sessions"), sessions as f64 / begun.elapsed().as_secs_f64());

    let total = sessions * messages;
    let mut done = 0;
    while done < total {
        let part = total.div_ceil(REPORTS).min(total - done);
        let load = Load { messages: part, at_once: SENDERS, client_ids: false };
        let taken = runtime.block_on(talk(&world.chat, &owners, load))?;
        done += part;
        report(&format!("{done} messages"), part as f64 / taken.as_secs_f64());
    }
    Ok(())
}
