//! The sample of the configuration, and which source of a setting counts.

use std::{collections::BTreeMap, fs, path::Path};

use figment::{
    Figment,
    providers::{Format as _, Toml},
};
use serde_json::Value;

use crate::kit::{command, folder, run};

/// A setting, as the sample tells of it.
struct Setting {
    name: String,
    variable: String,
    flag: String,
    /// A value that it can have, as the sample writes it.
    value: Value,
    kind: String,
}

/// The settings of a file.
type Settings = BTreeMap<String, Value>;

fn read(text: &str) -> Settings {
    Figment::from(Toml::string(text)).extract().unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(crate) fn sample(data: &Path) -> String {
    let output = run(data, &["config"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn settings(sample: &str) -> Vec<Setting> {
    // What follows the settings is of a table.
    let (sample, _) = sample.split_once("#[[issuers]]").unwrap();
    let (mut found, mut kind, mut names) = (Vec::new(), "", ("", ""));
    for line in sample.lines() {
        if let Some(rest) = line.strip_prefix("# Value: ") {
            kind = rest.split(". Default: ").next().unwrap();
        } else if let Some(rest) = line.strip_prefix("# Environment: ") {
            names = rest.trim_end_matches('.').split_once(". Flag: ").unwrap();
        } else if let Some(setting) = line.strip_prefix('#').filter(|setting| !setting.starts_with(' ')) {
            let (name, value) = read(setting).pop_first().unwrap();
            let (variable, flag) = (names.0.to_owned(), names.1.to_owned());
            found.push(Setting { name, variable, flag, value, kind: kind.to_owned() });
        }
    }
    found
}

impl Setting {
    /// A value as the sources give it, the `number`-th of several that differ from their neighbours and from the default.
    fn other(&self, number: usize) -> String {
        let kind = self.kind.as_str();
        if let Value::Bool(default) = self.value {
            return (default == (number.is_multiple_of(2))).to_string();
        }
        if kind.contains(" | ") {
            let values: Vec<_> = kind.split(" | ").collect();
            let default = values.iter().position(|value| self.value == *value).unwrap();
            return values[(default + number) % values.len()].to_owned();
        }
        match kind {
            kind if kind.starts_with("a number") => (1_000 + number).to_string(),
            kind if kind.starts_with("a time") => format!("{}s", 10 + number),
            kind if kind.starts_with("a burst") => format!("{number}/1s"),
            "ADDRESS:PORT" => format!("127.0.0.1:{number}"),
            _ => format!("value-{number}"),
        }
    }

    /// The same as a file and the settings that hold write it.
    fn written(&self, number: usize) -> Value {
        let text = self.other(number);
        match &self.value {
            Value::Bool(_) | Value::Number(_) => text.parse().unwrap(),
            Value::Array(_) => vec![text].into(),
            _ => text.into(),
        }
    }
}

/// The settings that hold with these sources.
fn effective(data: &Path, variables: &[(String, String)], flags: &[String]) -> Settings {
    let mut command = command(data);
    command.env_remove("CHAT_RATE_LIMITS").envs(variables.iter().cloned());
    let output = command.args(flags).args(["config", "--effective"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    read(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_flag_beats_the_environment_beats_the_file_beats_the_default_for_every_setting() {
    let folder = folder();
    let data = folder.path();
    let settings = settings(&sample(data));
    assert!(settings.len() > 40, "{}", settings.len());
    let defaults = effective(data, &[], &[]);
    // The sources of each step beat those of the one before, and give every setting another value.
    let line = |setting: &Setting| format!("{} = {}\n", setting.name, setting.written(1));
    fs::write(data.join("chat-server.toml"), settings.iter().map(line).collect::<String>()).unwrap();
    let variables: Vec<_> = settings.iter().map(|setting| (setting.variable.clone(), setting.other(2))).collect();
    let flags: Vec<_> = settings.iter().flat_map(|setting| [setting.flag.clone(), setting.other(3)]).collect();
    let steps = [
        effective(data, &[], &[]),
        effective(data, &variables, &[]),
        effective(data, &variables, &flags),
        effective(data, &[], &flags),
    ];
    for setting in &settings {
        let name = setting.name.as_str();
        let found: Vec<_> = steps.iter().map(|step| step[name].clone()).collect();
        let expected = [1, 2, 3, 3].map(|number| setting.written(number));
        assert_eq!(found, expected, "{name}");
        assert_ne!(defaults.get(name), Some(&found[0]), "{name}: the file had the default");
        assert!(found[0] != found[1] && found[1] != found[2], "{name}: a step changes nothing");
    }
    fs::remove_file(data.join("chat-server.toml")).unwrap();
    // The defaults are those of the sample.
    for setting in settings.iter().filter(|setting| defaults.contains_key(&setting.name)) {
        assert_eq!(setting.value, defaults[&setting.name], "{}", setting.name);
    }
}

#[test]
fn the_sample_as_it_is_is_a_configuration() {
    let folder = folder();
    let data = folder.path();
    let sample = sample(data);
    let before = effective(data, &[], &[]);
    fs::write(data.join("chat-server.toml"), &sample).unwrap();
    assert_eq!(effective(data, &[], &[]), before);
    let checked = run(data, &["check", "--listen", "127.0.0.1:0"]);
    assert!(checked.status.success(), "{checked:?}");
    // Also in a folder whose file is broken.
    fs::write(data.join("chat-server.toml"), "nonsense").unwrap();
    assert_eq!(self::sample(data), sample);
    // Secrets are in no output.
    fs::remove_file(data.join("chat-server.toml")).unwrap();
    let secrets =
        [("CHAT_SECRET", "a secret for tests, long enough for HS256"), ("CHAT_DATABASE_PASSWORD", "hush-hush")];
    let database = ["--database", "ws://ada:pass-word@127.0.0.1:1", "--database-user", "x", "--listen", "127.0.0.1:0"];
    for arguments in [&["config"][..], &["config", "--effective"], &["check"], &["serve"]] {
        let output = command(data).envs(secrets).args(database).args(arguments).output().unwrap();
        let told = format!("{output:?}");
        assert!(!["long enough for", "hush", "pass-word"].iter().any(|secret| told.contains(secret)), "{told}");
    }
}
