//! The names of the environment in the specification of the Messaging API.

use std::fs;

use serde_json::json;

use crate::{
    configuration::sample,
    kit::{command, folder},
    settings::refuses,
};

/// All names of the specification, with a value for each; the setting, with what it becomes; and the same setting by the server's own
/// variable.
type Name = (&'static str, &'static str, Option<(&'static str, &'static str)>, (&'static str, &'static str));

const NAMES: [Name; 10] = [
    ("DATABASE_URL", "mem://", Some(("database", "\"mem://\"")), ("CHAT_DATABASE", "surrealkv://own")),
    (
        "JWT_SECRET_KEY",
        "a secret of another kind of server",
        None,
        ("CHAT_SECRET", "a secret of the server's own, long enough"),
    ),
    ("JWT_ALGORITHM", "HS256", None, ("", "")),
    ("JWT_EXPIRE_MINUTES", "45", Some(("access_lifetime", "\"45m\"")), ("CHAT_ACCESS_LIFETIME", "7m")),
    ("UPLOAD_DIR", "uploads", Some(("files", "\"uploads\"")), ("CHAT_FILES", "own")),
    ("MAX_FILE_SIZE", "10485760", None, ("", "")),
    ("ALLOWED_FILE_TYPES", ".jpg,.png,.pdf,.txt", None, ("", "")),
    ("RATE_LIMIT_REQUESTS", "50", Some(("request_rate", "\"50/1m 12s\"")), ("CHAT_REQUEST_RATE", "7/1s")),
    ("RATE_LIMIT_WINDOW", "100", Some(("request_rate", "\"100/1s\"")), ("CHAT_REQUEST_RATE", "7/1s")),
    (
        "ALLOWED_ORIGINS",
        "http://localhost:3000,https://chatapp.com",
        Some(("allowed_origins", "[\"http://localhost:3000\", \"https://chatapp.com\"]")),
        ("CHAT_ALLOWED_ORIGINS", "https://own.example"),
    ),
];

/// The line of a setting that holds, and what is said on stderr.
fn effective(data: &std::path::Path, variables: &[(&str, &str)], setting: &str) -> (Option<String>, String) {
    let output = command(data).envs(variables.iter().copied()).args(["config", "--effective"]).output().unwrap();
    assert!(output.status.success(), "{variables:?}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{setting} = "))).map(str::to_owned);
    (line, String::from_utf8(output.stderr).unwrap())
}

#[test]
fn every_name_is_used_or_told_of() {
    let folder = folder();
    let data = folder.path();
    let (sample, documents) = (sample(data), include_str!("../../../../docs/configuration.md"));
    for (name, value, becomes, (own, own_value)) in NAMES {
        assert!(sample.contains(&format!("#   {name}: ")), "{name} is not in the sample");
        assert!(documents.contains(&format!("`{name}`")), "{name} is not in docs/configuration.md");
        let Some((setting, written)) = becomes else { continue };
        // The file gives way to the name, and the name to the server's own.
        fs::write(data.join("chat-server.toml"), format!("{setting} = {}", json!(["https://file.example"]))).unwrap();
        if setting != "allowed_origins" {
            let in_file = if setting == "request_rate" { "9/1s" } else { "9s" };
            fs::write(data.join("chat-server.toml"), format!("{setting} = \"{in_file}\"")).unwrap();
        }
        let (found, told) = effective(data, &[(name, value)], setting);
        assert_eq!((found.as_deref(), told.as_str()), (Some(written), ""), "{name}");
        let (found, told) = effective(data, &[(name, value), (own, own_value)], setting);
        assert!(found.as_ref().is_some_and(|found| found.contains(own_value)), "{name}: {found:?}");
        assert!(told.contains(&format!("{name} has no effect")) && told.contains(own), "{name}: {told}");
        fs::remove_file(data.join("chat-server.toml")).unwrap();
    }
    // Both of a rate.
    let both = [("RATE_LIMIT_REQUESTS", "100"), ("RATE_LIMIT_WINDOW", "3600")];
    assert_eq!(effective(data, &both, "request_rate").0.as_deref(), Some("\"100/36s\""));
    // Names that set nothing say so, and a database of another kind too.
    for (name, value) in
        [("MAX_FILE_SIZE", "1"), ("ALLOWED_FILE_TYPES", ".pdf"), ("DATABASE_URL", "postgresql://user:hush@host/db")]
    {
        let (found, told) = effective(data, &[(name, value)], "database");
        assert!(found.is_none() && told.contains(&format!("{name} has no effect")), "{name}: {told}");
        assert!(!told.contains("hush"), "{told}");
    }
}

#[test]
fn a_value_that_cannot_be_used_is_refused_with_its_name() {
    let folder = folder();
    let data = folder.path();
    for (name, value) in [
        ("JWT_ALGORITHM", "RS256"),
        ("JWT_SECRET_KEY", "your-secret-key-here"),
        ("JWT_EXPIRE_MINUTES", "soon"),
        ("JWT_EXPIRE_MINUTES", "0"),
        ("JWT_EXPIRE_MINUTES", "1441"),
        ("RATE_LIMIT_REQUESTS", "0"),
        ("RATE_LIMIT_WINDOW", "-1"),
        ("UPLOAD_DIR", ""),
    ] {
        refuses(data, &[(name, value.as_ref())], &["--listen", "127.0.0.1:0"], &[name]);
    }
    let both = [("JWT_SECRET_KEY", "a secret of another kind of server".as_ref())];
    refuses(data, &both, &["token", "--user", "a", "--secret-file", "x"], &["JWT_SECRET_KEY", "--secret-file"]);
}

#[test]
fn the_secret_of_the_name_signs_and_the_own_one_beats_it() {
    let folder = folder();
    let data = folder.path();
    let token = |variables: &[(&str, &str)]| {
        let output = command(data).envs(variables.iter().copied()).args(["token", "--user", "a"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        (text.trim().to_owned(), String::from_utf8(output.stderr).unwrap())
    };
    let secrets = ["a secret of another kind of server", "a secret of the server's own, long enough"];
    let signed_by = |token: &str, secret: &str| {
        let key = jsonwebtoken::DecodingKey::from_secret(secret.as_bytes());
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
        validation.validate_aud = false;
        jsonwebtoken::decode::<serde_json::Value>(token, &key, &validation).is_ok()
    };
    let (by_name, told) = token(&[("JWT_SECRET_KEY", secrets[0])]);
    assert!(signed_by(&by_name, secrets[0]) && told.is_empty(), "{told}");
    let (by_own, told) = token(&[("JWT_SECRET_KEY", secrets[0]), ("CHAT_SECRET", secrets[1])]);
    assert!(signed_by(&by_own, secrets[1]) && told.contains("JWT_SECRET_KEY has no effect"), "{told}");
}
