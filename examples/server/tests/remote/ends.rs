//! Two servers with a bus on one database, of which one, or the bus, goes away under load.

use tempfile::TempDir;

use super::{
    kit::{self, Server, errors, folder},
    nats, start_by, surreal,
    traffic::Traffic,
};
use chatcore_surreal::SurrealOptions;
use chatcore_tests::Surreal;

/// Servers in folders of their own, on one database and one bus.
pub(crate) fn servers(bus: &str, database: &Surreal, options: &SurrealOptions) -> [(TempDir, Server); 2] {
    [(); 2].map(|()| {
        let folder = folder();
        let flags = ["--bus", bus, "--bus-required", "true"];
        let server = start_by(kit::command(folder.path()), folder.path(), &database.url(), options, &flags);
        (folder, server)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_one_server_lose_nothing_when_the_other_is_killed() {
    let Some(bus) = nats::Server::start() else { return };
    let database = surreal("memory").await;
    let options = database.database().await;
    let [(_one, killed), (_other, stays)] = servers(&bus.url(), &database, &options);
    let mut traffic = Traffic::start(&[&killed.address, &stays.address], 3).await;
    traffic.go_on(100).await;
    killed.kill();
    traffic.places.set(0, None);
    traffic.go_on(100).await;
    let count = traffic.end(&[1]).await;
    assert!(count >= 200);
    assert_eq!(errors(&stays.log()), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_the_bus_is_started_again_under_load() {
    let Some(bus) = nats::Server::start() else { return };
    let database = surreal("memory").await;
    let options = database.database().await;
    let [(_one, one), (_other, other)] = servers(&bus.url(), &database, &options);
    let mut traffic = Traffic::start(&[&one.address, &other.address], 3).await;
    traffic.go_on(50).await;
    let _bus = bus.away_for(traffic.go_on(50)).await;
    // What only the bus carries is heard again.
    super::bus::hear_each_other(&one, &other, ["user-0", "user-1"], &traffic.session).await;
    traffic.go_on(50).await;
    traffic.end(&[0, 1]).await;
    for server in [one, other] {
        let log = server.log();
        assert_eq!(errors(&log), Vec::<&str>::new());
        assert!(log.contains("the connection to NATS broke"), "{log}");
    }
}
