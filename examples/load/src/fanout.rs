//! `load fanout`.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, TryStreamExt as _, future::OptionFuture, stream};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    Failure, Fanout,
    counted::Counted,
    figures::{Figures, table},
    process,
    room::Room,
    server::Server,
    subscriber::{Tally, Transport, stamped, subscribe},
};

/// Subscribers that connect at the same time.
const TOGETHER: usize = 32;

/// Without anything received for so long, nothing more is waited for.
const SILENCE: Duration = Duration::from_secs(10);

/// The server notices that the last turn's connections are gone, and is quiet again.
const PAUSE: Duration = Duration::from_secs(2);

/// Measures, and prints the figures.
pub(crate) async fn run(asked: &Fanout) -> Result<(), Failure> {
    let server = Server::of(&asked.target).await?;
    eprintln!(
        "server at http://{}{}",
        server.address,
        server.pid.map_or(String::new(), |pid| format!(", process {pid}"))
    );
    let mut room = Room::open(&server, asked.subscribers.div_ceil(asked.sockets_per_user)).await?;
    let metrics = asked.target.metrics.as_deref();
    let before = OptionFuture::from(metrics.map(Counted::read)).await.transpose()?;
    let mut turns: Vec<(Transport, Figures)> = Vec::new();
    for turn in 1..=asked.turns {
        for &transport in &asked.transports {
            eprint!("turn {turn} of {}, {transport}: connecting", asked.turns);
            let figures = take_turn(asked, &server, &mut room, transport).await?;
            eprintln!("; {figures}");
            turns.push((transport, figures));
            sleep(PAUSE).await;
        }
    }
    let sums: Vec<(Transport, Figures)> = asked
        .transports
        .iter()
        .map(|&transport| {
            let own = turns.iter().filter(|(of, _)| *of == transport).map(|(_, figures)| figures);
            (transport, Figures::sum(own))
        })
        .collect();
    let Fanout { subscribers, rate, bytes, seconds, .. } = asked;
    let mut out = std::io::stdout();
    writeln!(out, "{subscribers} subscribers, {rate} messages/s of {bytes} bytes, {} x {seconds} s each", asked.turns)?;
    writeln!(out, "{}", table(&sums))?;
    if let (Some(url), Some(before)) = (metrics, before) {
        let after = Counted::read(url).await?;
        // The first messages of each turn are sent for a second, and read, too.
        let each = u64::from(*rate) * (u64::from(*seconds) + 1);
        let caused = Counted::caused(each * turns.len() as u64, *subscribers);
        writeln!(out, "this program: {caused}; the server: {}", after.since(before))?;
    }
    if sums.iter().any(|(_, figures)| figures.missing() > 0 || figures.doubled > 0) {
        return Err("messages are missing or came twice".into());
    }
    Ok(())
}

async fn take_turn(asked: &Fanout, server: &Server, room: &mut Room, transport: Transport) -> Result<Figures, Failure> {
    let tally = Tally::new(Instant::now());
    let mut followers = connect(asked, server, room, transport, &tally).await?;
    eprint!(", sending");
    // The first messages find cold caches on both sides; they carry no stamp and are not counted.
    room.send(asked.rate.into(), asked.rate, |_| "not counted".to_owned()).await?;

    let count = u64::from(asked.rate) * u64::from(asked.seconds);
    let expected = count * u64::from(asked.subscribers);
    let cpus = || (server.pid.and_then(process::cpu), process::cpu(std::process::id()));
    let (began, before) = (Instant::now(), cpus());
    let bytes = usize::try_from(asked.bytes)?;
    room.send(count, asked.rate, |number| stamped(number, tally.epoch.elapsed(), bytes)).await?;
    settle(&tally, expected).await;
    let (took, after) = (began.elapsed(), cpus());

    followers.shutdown().await;
    let used = |before: Option<Duration>, after: Option<Duration>| Some(after?.saturating_sub(before?));
    let mut figures = Figures {
        expected,
        took,
        server: used(before.0, after.0),
        client: used(before.1, after.1),
        ..Figures::default()
    };
    let ended = tally.with(|received| {
        figures.latencies = std::mem::take(&mut received.latencies);
        figures.doubled = received.doubled;
        figures.bytes = received.bytes;
        received.ended.take()
    });
    if let Some(why) = ended {
        eprint!("; a subscriber was lost: {why}");
    }
    Ok(figures)
}

async fn connect(
    asked: &Fanout,
    server: &Server,
    room: &Room,
    transport: Transport,
    tally: &Tally,
) -> Result<JoinSet<()>, Failure> {
    let tokens = room.tokens.iter().flat_map(|token| std::iter::repeat_n(token, asked.sockets_per_user as usize));
    let beginning = tokens
        .take(asked.subscribers as usize)
        .map(|token| subscribe(transport, &server.address, &room.id, token, tally.clone()));
    let mut followers = JoinSet::new();
    let mut begun = stream::iter(beginning).buffer_unordered(TOGETHER);
    // Each reads at once: a server may ping.
    while let Some(follower) = begun.try_next().await? {
        followers.spawn(follower);
    }
    Ok(followers)
}

/// Waits until all is received, or nothing more comes.
async fn settle(tally: &Tally, expected: u64) {
    let mut last = (0, Instant::now());
    loop {
        let got = tally.with(|received| received.latencies.len() as u64);
        if got > last.0 {
            last = (got, Instant::now());
        }
        if got >= expected || last.1.elapsed() > SILENCE {
            return;
        }
        sleep(Duration::from_millis(2)).await;
    }
}
