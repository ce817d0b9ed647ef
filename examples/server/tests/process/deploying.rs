//! `chat-server health`, and the files for containers and systemd.

use std::path::Path;

use nix::sys::signal::Signal;

use crate::{
    composed,
    kit::{Server, command, folder, run},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_asks_a_server_that_runs() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let address = server.address.clone();
    let health = |flags: &[&str]| run(data, &[flags, &["health"]].concat());
    let healthy = health(&["--listen", &address]);
    assert!(healthy.status.success(), "{healthy:?}");
    assert!(String::from_utf8(healthy.stdout).unwrap().contains("ready"));
    // A proxy is for the outside.
    let mut behind = command(data);
    behind.env("HTTP_PROXY", "http://127.0.0.1:1").env("http_proxy", "http://127.0.0.1:1");
    let behind = behind.args(["--listen", &address, "health"]).output().unwrap();
    assert!(behind.status.success(), "{behind:?}");
    let named = run(data, &["health", "--server", &format!("http://{address}/")]);
    assert!(named.status.success(), "{named:?}");
    assert_eq!(server.stop(Signal::SIGTERM), 0);
    let gone = health(&["--listen", &address]);
    assert_eq!(gone.status.code(), Some(1), "{gone:?}");
}

#[test]
fn the_settings_of_deployments_go_together() {
    let folder = folder();
    let (database, secret) = ("wss://db.example.org".to_owned(), composed::value("CHAT_SECRET"));
    let elsewhere = vec![("CHAT_DATABASE".to_owned(), database), ("CHAT_SECRET".to_owned(), secret)];
    let (image, unit) = (composed::image(), composed::unit());
    for variables in [
        image.clone(),
        unit.clone(),
        [&image[..], &elsewhere].concat(),
        [&unit[..], &elsewhere].concat(),
        [&image[..], &composed::chat()].concat(),
    ] {
        let output = command(folder.path()).envs(variables.clone()).args(["config", "--effective"]).output().unwrap();
        assert!(output.status.success(), "{variables:?}: {output:?}");
    }
}

#[test]
fn the_files_for_deployments_name_settings_and_commands_that_exist() {
    let folder = folder();
    let text = |arguments: &[&str]| String::from_utf8(run(folder.path(), arguments).stdout).unwrap();
    let (sample, help) = (text(&["config"]), text(&["--help"]));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = 0;
    for file in ["Dockerfile", "compose.yaml", "deploy/systemd/chat-server.service", "docs/deploying.md"] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for name in words.filter(|word| word.starts_with("CHAT_") && *word != "CHAT_CONFIG") {
            names += 1;
            assert!(sample.contains(&format!("{name}.")) || sample.contains(&format!("{name}:")), "{file}: {name}");
        }
        let flags = text.split_whitespace().map(|word| word.trim_matches(['`', '.', ',', ')', '(']));
        for flag in flags.filter(|word| ["--trusted-proxies", "--tls-cert"].contains(word)) {
            assert!(help.contains(flag), "{file}: {flag}");
        }
    }
    assert!(names > 8, "{names}");
    assert!(help.contains("  health "), "{help}");
}
