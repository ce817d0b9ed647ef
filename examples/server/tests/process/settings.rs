//! Settings: a value that was set is used, or refused with a message that names it.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{PermissionsExt as _, symlink},
    },
    path::Path,
    process::Output,
};

use chatcore::Limits;
use chatcore_tests::Socket;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::kit::{Server, command, folder, run, token};

/// Variables of the environment.
pub(crate) type Variables<'a> = &'a [(&'a str, &'a OsStr)];

const SECRET: &str = "a secret for tests, long enough for HS256";

/// Runs the program with these variables.
fn with(data: &Path, variables: Variables<'_>, args: &[&str]) -> Output {
    command(data).envs(variables.iter().copied()).args(args).output().unwrap()
}

/// The program refuses these settings, names what is wrong, and changes nothing.
pub(crate) fn refuses(data: &Path, variables: Variables<'_>, args: &[&str], why: &[&str]) {
    let listing = || {
        let mut names: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = listing();
    let output = with(data, variables, args);
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{variables:?} {args:?} was accepted: {stderr}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for why in why {
        assert!(stderr.contains(why), "{variables:?} {args:?}: {stderr}");
    }
    assert_eq!(listing(), before, "{variables:?} {args:?}");
}

fn made_by(data: &Path, variables: Variables<'_>, args: &[&str]) -> (String, String) {
    let output = with(data, variables, &[&["token", "--user", "a"], args].concat());
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{variables:?} {args:?}: {stderr}");
    (String::from_utf8(output.stdout).unwrap().trim_end().to_owned(), stderr)
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn secret_at(path: &Path, text: &[u8], mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn settings_come_from_flags_then_the_environment_then_the_file() {
    let folder = folder();
    let data = folder.path();
    let flag = ["--data", "from-flag"];
    let steps: [(&str, Variables<'_>, &[&str]); 3] = [
        ("from-file", &[], &[]),
        ("from-env", &[("CHAT_DATA", OsStr::new("from-env"))], &[]),
        ("from-flag", &[("CHAT_DATA", OsStr::new("from-env"))], &flag),
    ];
    fs::write(data.join("chat-server.toml"), "data = \"from-file\"\n").unwrap();
    for (folder, variables, args) in steps {
        // There is no secret yet, and the message says where it should be.
        refuses(data, variables, &[&["token", "--user", "a"], args].concat(), &[&format!("{folder}/secret")]);
        secret_at(&data.join(folder).join("secret"), SECRET.as_bytes(), 0o600);
        made_by(data, variables, args);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_folder_of_any_name_is_used() {
    let top = folder();
    let data = top.path();
    for name in ["what?", "50%3F #ü", "a:b://c&sync=never"] {
        for path in [data.join("abs").join(name), Path::new("rel").join(name)] {
            let path = path.to_str().unwrap();
            let server = Server::start_with(data, &["--data", path]);
            let given = run(data, &["token", "--user", "a", "--data", path]);
            assert!(given.status.success(), "{given:?}");
            let token = String::from_utf8(given.stdout).unwrap();
            let a = chatcore_tests::Client::new(&server.address, Some(token.trim_end().to_owned()));
            let id = a.session("PUBLIC").await;
            assert_eq!(server.stop(Signal::SIGTERM), 0, "{path}");
            assert!(data.join(path).join("secret").is_file() && data.join(path).join("db").is_dir(), "{path}");
            if name == "what?" {
                // It is one and the same database at the next start.
                let server = Server::start_with(data, &["--data", path]);
                let a = chatcore_tests::Client::new(&server.address, Some(token.trim_end().to_owned()));
                assert_eq!(a.get(&format!("/sessions/{id}")).await.expect(200)["id"], json!(id));
                let output = run(data, &["--listen", "127.0.0.1:0", "--data", path]);
                assert!(String::from_utf8_lossy(&output.stderr).contains("another process"), "{output:?}");
                assert_eq!(server.stop(Signal::SIGTERM), 0, "{path}");
                break;
            }
        }
    }
    let mut made: Vec<_> = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    made.sort();
    assert_eq!(made, ["abs", "log", "rel"]);
}

#[test]
fn a_value_that_cannot_be_used_is_refused_by_name() {
    let folder = folder();
    let data = folder.path();
    let bytes = OsString::from_vec(b"not \xff UTF-8".to_vec());
    let secret = OsStr::new(SECRET);
    for variable in [
        "CHAT_LISTEN",
        "CHAT_DATA",
        "CHAT_CONFIG",
        "CHAT_DATABASE",
        "CHAT_DATABASE_NAMESPACE",
        "CHAT_DATABASE_NAME",
        "CHAT_DATABASE_USER",
        "CHAT_DATABASE_PASSWORD",
        "CHAT_SECRET",
        "CHAT_SECRET_FILE",
        "CHAT_ACCOUNTS",
        "CHAT_ALLOWED_ORIGINS",
        "CHAT_BODY_BYTES",
        "CHAT_CONNECTIONS_PER_ADDRESS",
        "CHAT_LOG",
        "CHAT_LOG_FORMAT",
        "CHAT_GRAPHIQL",
        "CHAT_IDLE_TIMEOUT",
    ] {
        for value in [bytes.as_os_str(), OsStr::new("")] {
            refuses(data, &[(variable, value)], &[], &[variable]);
            refuses(data, &[(variable, value)], &["token", "--user", "a"], &[variable]);
        }
    }
    for (flag, value) in [
        ("--trusted-proxies", "10.0.0.1/8"),
        ("--trusted-proxies", "0.0.0.0/0"),
        ("--proxy-protocol", "true"),
        ("--requests-per-user", "0"),
        ("--data", ""),
        ("--database", ""),
        ("--secret-file", ""),
        ("--log", ""),
        ("--data", "~/x"),
    ] {
        refuses(data, &[], &[flag, value], &[flag]);
    }
    for flag in ["--data", "--secret-file", "--config", "--database"] {
        let output = command(data).arg(flag).arg(&bytes).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && stderr.contains("UTF-8"), "{flag}: {stderr}");
    }
    for level in ["wran", "info,deubg", "chatcore=deubg"] {
        refuses(data, &[], &["--log", level], &["--log"]);
    }
    refuses(data, &[], &["--data", "a", "token", "--user", "a", "--data=b"], &["--data is given twice"]);
    for value in ["0s", "soon", "75", "1000days", "-1s"] {
        refuses(data, &[], &[&format!("--idle-timeout={value}")], &["--idle-timeout"]);
    }
    for value in ["soon", "365", "-1s"] {
        refuses(data, &[], &[&format!("--hsts={value}")], &["--hsts"]);
    }
    for flag in [
        "--message-chars",
        "--sockets-per-user",
        "--sockets",
        "--unknown-sockets-per-address",
        "--connections-per-address",
        "--connections",
    ] {
        let variable = format!("CHAT{}", flag[1..].replace('-', "_").to_uppercase());
        refuses(data, &[], &[flag, "0"], &[&format!("{flag} is 0"), "from 1 to"]);
        refuses(data, &[(variable.as_str(), OsStr::new("0"))], &[], &[&format!("{flag} is 0")]);
        refuses(data, &[], &[flag, "18446744073709551615"], &[flag]);
        refuses(data, &[], &[flag, "many"], &[flag]);
    }
    refuses(data, &[], &["--message-chars", "1000001"], &["--message-chars is 1000001", "from 1 to 1000000"]);
    let least = |message_chars| Limits { message_chars, ..Limits::default() }.request_bytes();
    for (chars, bytes) in [(8_000, 1), (8_000, least(8_000) - 1), (100, least(100) - 1), (1_000_000, least(8_000))] {
        let (needed, bytes, chars) = (least(chars).to_string(), bytes.to_string(), chars.to_string());
        let args = ["--body-bytes", bytes.as_str(), "--message-chars", chars.as_str()];
        refuses(data, &[], &args, &["--body-bytes", "--message-chars", &needed]);
    }
    refuses(data, &[], &["--rate-limits", "many"], &["--rate-limits", "chatrooms"]);
    let of_adds = ["--adds-per-inviter", "--adds-per-invited", "--adds-per-pair"];
    for flag in of_adds.into_iter().chain(["--request-rate", "--picture-rate", "--unknown-rate"]) {
        for rate in ["0/0s", "5/0s", "300", "2s"] {
            refuses(data, &[], &[flag, rate], &[flag, "off"]);
        }
    }
    for line in [
        "data = \"\"",
        "database = \"\"",
        "log = \"\"",
        "secret_file = \"\"",
        "idle_timeout = \"0s\"",
        "body_bytes = 1",
        "message_chars = 0",
        "sockets_per_user = 0",
        "connections_per_address = 0",
    ] {
        fs::write(data.join("chat-server.toml"), line).unwrap();
        let name = line.split(' ').next().unwrap().replace('_', "-");
        refuses(data, &[], &[], &[&name]);
    }
    fs::remove_file(data.join("chat-server.toml")).unwrap();
    // The rest of the settings is right.
    refuses(
        data,
        &[("CHAT_SECRET", secret), ("CHAT_SECRET_FILE", OsStr::new("x"))],
        &[],
        &["CHAT_SECRET", "--secret-file"],
    );
    refuses(data, &[("CHAT_SECRET", secret)], &["token", "--user", "a", "--secret-file", "x"], &["CHAT_SECRET"]);
    refuses(data, &[("CHAT_SECRET", OsStr::new("short"))], &[], &["CHAT_SECRET", "at least 32"]);
    let database = ["--database", "mem://", "--listen", "127.0.0.1:0"];
    refuses(
        data,
        &[("CHAT_SECRET", secret), ("CHAT_DATABASE_PASSWORD", OsStr::new("x"))],
        &database,
        &["CHAT_DATABASE_PASSWORD", "--database-user"],
    );
    let user = [&database[..], &["--database-user", "x"]].concat();
    refuses(
        data,
        &[("CHAT_SECRET", secret), ("CHAT_DATABASE_PASSWORD", OsStr::new("x"))],
        &user,
        &["--database-user", "ws://"],
    );
    // A data folder for which nothing is left.
    let unused = ["--data is set", "--database", "CHAT_SECRET"];
    refuses(data, &[("CHAT_SECRET", secret)], &[&database[..], &["--data", "x"]].concat(), &unused);
    refuses(data, &[("CHAT_SECRET", secret), ("CHAT_DATA", OsStr::new("x"))], &database, &unused);
    let by_file = [&database[..], &["--data", "x", "--secret-file", "y"]].concat();
    refuses(data, &[], &by_file, &["--data is set", "--database", "--secret-file"]);
    fs::write(data.join("chat-server.toml"), "data = \"x\"\n").unwrap();
    refuses(data, &[("CHAT_SECRET", secret)], &database, &unused);
}

#[test]
fn values_at_the_edge_are_used() {
    let folder = folder();
    let data = folder.path();
    let secret = [("CHAT_SECRET", OsStr::new(SECRET))];
    let least = |message_chars| Limits { message_chars, ..Limits::default() }.request_bytes().to_string();
    let (most_bytes, bytes) = (least(1_000_000), least(8_000));
    for args in [
        &["--message-chars", "1"][..],
        &["--message-chars", "1000000", "--body-bytes", most_bytes.as_str()],
        &["--body-bytes", bytes.as_str()],
        &["--body-bytes", "0", "--sockets-per-user", "1", "--sockets", "1"],
        &["--unknown-sockets-per-address", "1", "--connections-per-address", "1", "--connections", "1"],
        &["--adds-per-inviter", "0/1s", "--adds-per-pair", "off"],
        &["--rate-limits", "messaging-admin", "--request-rate", "5/1s", "--frame-rate", "off"],
        // The data folder has a use still, or is the default.
        &["--data", "x"],
        &["--database", "mem://"],
    ] {
        made_by(data, &secret, args);
    }
    made_by(data, &secret, &["--connections-per-address=100000000"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limits_per_address_can_be_set() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://", "--unknown-sockets-per-address", "1"]);
    let first = Socket::try_open(&server.address, "", None, None).await;
    assert!(first.is_ok());
    let second = Socket::try_open(&server.address, "", None, None).await;
    assert_eq!(second.err().map(|(status, _)| status), Some(429));
    drop(first);
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    fs::write(data.join("chat-server.toml"), "connections_per_address = 1\n").unwrap();
    let server = Server::start_with(data, &["--database", "mem://"]);
    let _first = std::net::TcpStream::connect(&server.address).unwrap();
    let mut second = std::net::TcpStream::connect(&server.address).unwrap();
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        second.set_read_timeout(Some(crate::kit::PATIENCE)).unwrap();
        let mut answer = Vec::new();
        second.read_to_end(&mut answer).map(|_| answer)
    });
    // It is turned away without a request.
    assert!(answer.await.unwrap().unwrap().starts_with(b"HTTP/1.1 429"));
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[test]
fn a_name_that_is_no_setting_is_refused_or_told() {
    let folder = folder();
    let data = folder.path();
    secret_at(&data.join("data/secret"), SECRET.as_bytes(), 0o600);
    for (typo, meant) in [
        ("CHAT_LISTEM", "CHAT_LISTEN"),
        ("CHAT_SECRT", "CHAT_SECRET"),
        ("CHAT_SECRETS", "CHAT_SECRET"),
        ("CHAT_SECRET_FLIE", "CHAT_SECRET_FILE"),
        ("CHAT_SECRET_KEY", "CHAT_SECRET"),
        ("CHAT_DATA_DIR", "CHAT_DATA"),
        ("CHAT_ALLOWED_ORIGIN", "CHAT_ALLOWED_ORIGINS"),
        ("CHAT_LOG_LEVEL", "CHAT_LOG"),
    ] {
        for args in [&[][..], &["token", "--user", "a"]] {
            refuses(data, &[(typo, OsStr::new("x"))], args, &[typo, meant]);
        }
    }
    let (_, stderr) = made_by(data, &[("CHAT_PORT", OsStr::new("9000"))], &[]);
    assert!(stderr.contains("CHAT_PORT"), "{stderr}");
    // What Kubernetes sets for services named chat, chat-server and chat-database, and Docker for links.
    for (variable, value) in [
        ("CHAT_SERVICE_HOST", "10.0.0.1"),
        ("CHAT_SERVICE_PORT", "80"),
        ("CHAT_PORT", "tcp://10.0.0.1:80"),
        ("CHAT_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("CHAT_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("CHAT_SERVER_SERVICE_PORT_HTTP", "80"),
        ("CHAT_DATABASE_SERVICE_HOST", "10.0.0.1"),
        ("CHAT_DATABASE_PORT", "tcp://10.0.0.1:8000"),
    ] {
        let (_, stderr) = made_by(data, &[(variable, OsStr::new(value))], &[]);
        assert_eq!(stderr, "", "{variable}");
    }
    for (file, why) in [
        ("listem = \"127.0.0.1:0\"", "listem"),
        ("secret-file = \"x\"", "secret-file"),
        ("[server]\nlisten = \"127.0.0.1:0\"", "server"),
        ("data = 1", "data"),
        ("data", "chat-server.toml"),
    ] {
        fs::write(data.join("chat-server.toml"), file).unwrap();
        refuses(data, &[], &[], &[why]);
    }
    fs::remove_file(data.join("chat-server.toml")).unwrap();
    // A file that is there and cannot be read is not passed over.
    symlink("nowhere.toml", data.join("chat-server.toml")).unwrap();
    refuses(data, &[], &[], &["chat-server.toml"]);
    fs::remove_file(data.join("chat-server.toml")).unwrap();
    fs::create_dir(data.join("chat-server.toml")).unwrap();
    refuses(data, &[], &[], &["chat-server.toml"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_is_the_same_whether_it_comes_from_the_environment_or_from_a_file() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start_with(data, &["--database", "mem://"]);
    let secret = fs::read(data.join("data/secret")).unwrap();
    assert!(secret.ends_with(b"\n"));
    let trimmed = secret.trim_ascii().to_vec();
    for secret in [&secret[..], &trimmed, &[b" \t", &trimmed[..], b"\r\n\r\n"].concat()] {
        let file = data.join("again");
        secret_at(&file, secret, 0o600);
        let by_variable = made_by(data, &[("CHAT_SECRET", OsStr::from_bytes(secret))], &[]);
        let by_file = made_by(data, &[("CHAT_SECRET_FILE", file.as_os_str())], &[]);
        for (token, _) in [by_variable, by_file] {
            chatcore_tests::Client::new(&server.address, Some(token)).get("/sessions").await.expect(200);
        }
    }
    // Space inside belongs to it.
    let inside = [&trimmed[..16], b" ", &trimmed[16..]].concat();
    let (other, _) = made_by(data, &[("CHAT_SECRET", OsStr::from_bytes(&inside))], &[]);
    chatcore_tests::Client::new(&server.address, Some(other)).get("/sessions").await.expect(401);
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[test]
fn a_token_needs_a_secret_that_is_there() {
    let folder = folder();
    let data = folder.path();
    for args in [&[][..], &["--data", "typo"], &["--secret-file", "typo"]] {
        let why = if args.is_empty() { "data/secret" } else { "typo" };
        refuses(data, &[], &[&["token", "--user", "a"], args].concat(), &[why]);
    }
    refuses(data, &[], &["token", "--user", "a"], &["start the server first", "--secret-file", "CHAT_SECRET"]);
    fs::create_dir(data.join("data")).unwrap();
    refuses(data, &[], &["token", "--user", "a"], &["start the server first"]);
    assert!(fs::read_dir(data.join("data")).unwrap().next().is_none());
    // A token that the server would refuse is not made.
    let variables = [("CHAT_SECRET", OsStr::new(SECRET))];
    refuses(data, &variables, &["token", "--user", "a", "--lifetime", "0s"], &["--lifetime"]);
    refuses(data, &variables, &["token", "--user", "a", "--lifetime", "900ms"], &["--lifetime"]);
    refuses(data, &variables, &["token", "--user", "a", "--lifetime", "999999999y"], &["--lifetime"]);
    refuses(data, &variables, &["token", "--user", "a", "--name", &"x".repeat(9_000)], &["token"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_others_may_read_is_used_with_a_warning() {
    let folder = folder();
    let data = folder.path();
    // As Kubernetes mounts it: the file is a link to a link.
    secret_at(&data.join("mount/..2026/token-secret"), SECRET.as_bytes(), 0o444);
    symlink("..2026", data.join("mount/..data")).unwrap();
    symlink("..data/token-secret", data.join("mount/secret")).unwrap();
    for mode in [0o444, 0o440, 0o644, 0o640, 0o400, 0o600] {
        let file = data.join("mount/..2026/token-secret");
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        let (_, stderr) = made_by(data, &[], &["--secret-file", "mount/secret"]);
        assert_eq!(
            stderr.contains("mount/secret") && stderr.contains("chmod"),
            mode & 0o077 != 0,
            "{mode:o}: {stderr}"
        );
    }
    fs::set_permissions(data.join("mount/..2026/token-secret"), fs::Permissions::from_mode(0o444)).unwrap();
    let server = Server::start_with(data, &["--database", "mem://", "--secret-file", "mount/secret"]);
    let (token_of_a, _) = made_by(data, &[], &["--secret-file", "mount/secret"]);
    chatcore_tests::Client::new(&server.address, Some(token_of_a)).get("/sessions").await.expect(200);
    let log = server.log();
    assert!(log.contains("WARN") && log.contains("mount/secret"), "{log}");
    assert_eq!(server.stop(Signal::SIGTERM), 0);

    // One that the server made itself is for its owner only, and stays so.
    // Without accounts there is no warning of mails either.
    let server = Server::start_with(data, &["--database", "mem://", "--accounts", "off"]);
    let made = data.join("data/secret");
    assert_eq!(mode_of(&made), 0o600);
    assert_eq!(mode_of(&data.join("data")), 0o700);
    assert!(!server.log().contains("WARN"), "{}", server.log());
    token(data, "a");
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_idle_timeout_can_be_set() {
    let folder = folder();
    let data = folder.path();
    fs::write(data.join("chat-server.toml"), "idle_timeout = \"1s\"\n").unwrap();
    let server = Server::start_with(data, &["--database", "mem://"]);
    let mut stream = std::net::TcpStream::connect(&server.address).unwrap();
    let ended = tokio::task::spawn_blocking(move || {
        use std::io::{Read as _, Write as _};
        stream.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(crate::kit::PATIENCE)).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer)
    });
    let answer = ended.await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
