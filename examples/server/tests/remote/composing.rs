//! What `compose.yaml` says, without containers.

use std::{fs, path::Path, process::Command};

use chatcore_tests::Client;
use nix::sys::signal::Signal;

use super::{
    composed,
    kit::{self, Server, folder},
    nats, surreal,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_servers_of_the_compose_file_work_together() {
    let password = composed::value("CHAT_BUS_PASSWORD");
    let Some(bus) = nats::Server::start_with(&["--user", "chat", "--pass", &password]) else { return };
    let (database, folder) = (surreal("memory").await, folder());
    let data = folder.path();
    // As the service `database-user` does, each time that the deployment comes up.
    fs::write(data.join("user.surql"), composed::user()).unwrap();
    let endpoint = database.url().replace("ws://", "http://");
    for _ in 0..2 {
        let mut import = Command::new(Path::new(env!("CARGO_BIN_EXE_chat-server")).with_file_name("surreal"));
        import.args(["import", "--endpoint", &endpoint, "--user", "root", "--pass", "root"]);
        let import = import.args(["--ns", "chatcore", "--db", "chatcore", "user.surql"]).current_dir(data).output();
        let import = import.unwrap();
        assert!(import.status.success(), "{import:?}");
    }
    // The names of the services stand for addresses.
    let placed = |value: String| match value.as_str() {
        "ws://database:8000" => database.url(),
        "nats://bus:4222" => bus.url(),
        "/var/lib/chatcore/files" => "files".to_owned(),
        _ => value,
    };
    let mut command = kit::command(data);
    command.envs(composed::image()).envs(composed::chat().into_iter().map(|(name, value)| (name, placed(value))));
    let server = Server::start_by(command, data, &[]);
    let ready = Client::new(&server.address, None).get("//ready").await.expect(200);
    assert_eq!(ready["bus"], "connected", "{ready}");
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
