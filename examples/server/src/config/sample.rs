//! The configuration as a file: a sample with every setting, and the settings that hold.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use serde_json::{Map, Value};

use super::{Config, Failure, aliases};
use crate::{cli::Cli, environment, output::Output};

/// The settings that only a file can have.
const ISSUERS: &str = r##"
# Other issuers of accepted tokens: a table for each issuer.
#[[issuers]]
# The claim `iss` of the tokens.
#iss = "https://login.example.org"
# The value of the claim `aud` of the tokens.
#audience = "chat"
# The issuer's keys: an https address, or a file; a change of the file reloads the keys.
#jwks = "https://login.example.org/jwks.json"
# The prefix of the ids of the issuer's users.
#user_prefix = "example:"
# The names of claims with other names than in OpenID Connect; each name is optional.
#[issuers.claims]
#name = "name"
#username = "preferred_username"
#email = "email"
#picture = "picture"
# The claim and the value that make a user an administrator. By default there is none.
#admin = { claim = "role", value = "admin" }
"##;

/// A setting, as the command line declares it, with its default.
struct Setting {
    name: String,
    variable: String,
    flag: String,
    /// What stands for the value.
    value: String,
    meaning: String,
    /// What the meaning says of the default.
    told: Option<String>,
    default: Value,
}

/// All settings that a file can have, in the order of the command line.
fn settings() -> Vec<Setting> {
    let defaults = defaults();
    let of_file = |argument: &&Arg| defaults.contains_key(argument.get_id().as_str());
    let command = built();
    command.get_arguments().filter(of_file).filter_map(|argument| Setting::of(argument, &defaults)).collect()
}

fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// The settings that can be given otherwise than by a table.
fn defaults() -> Map<String, Value> {
    match serde_json::to_value(Config::default()) {
        Ok(Value::Object(mut defaults)) => {
            defaults.remove("issuers");
            defaults
        }
        _ => Map::new(),
    }
}

impl Setting {
    fn of(argument: &Arg, defaults: &Map<String, Value>) -> Option<Self> {
        let name = argument.get_id().as_str();
        let help = argument.get_long_help().or_else(|| argument.get_help())?.to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        let (meaning, told) = match help.rsplit_once(" [default: ") {
            Some((meaning, told)) => (meaning.to_owned(), told.strip_suffix(']').map(str::to_owned)),
            None => (help, None),
        };
        let values = argument.get_possible_values();
        let value = match argument.get_value_names() {
            _ if !values.is_empty() => {
                values.iter().map(clap::builder::PossibleValue::get_name).collect::<Vec<_>>().join(" | ")
            }
            Some([value, ..]) => value.to_string(),
            Some([]) | None => name.to_uppercase(),
        };
        Some(Self {
            name: name.to_owned(),
            variable: argument.get_env()?.to_str()?.to_owned(),
            flag: format!("--{}", argument.get_long()?),
            value,
            meaning,
            told,
            default: defaults.get(name)?.clone(),
        })
    }

    /// What a value looks like.
    fn unit(&self) -> &str {
        match self.value.as_str() {
            "TIME" => "a time with a unit, like 75s, 5m or 7days",
            "NUMBER/TIME" => "a burst, and the time to refill one, like 300/2s; or off",
            "BYTES" => "a number of bytes",
            "CHARACTERS" => "a number of characters",
            "NUMBER" => "a number",
            "BOOL" => "true or false",
            "FILE" => "the path of a file",
            "FOLDER" => "the path of a folder",
            other => other,
        }
    }

    fn write(&self, text: &mut String) {
        let _ = writeln!(text);
        for line in wrapped(&self.meaning) {
            let _ = writeln!(text, "# {line}");
        }
        let default = match (&self.default, &self.told) {
            (Value::Null, Some(told)) => told.clone(),
            (Value::Null, None) => "none".to_owned(),
            (Value::Array(none), _) if none.is_empty() => "none".to_owned(),
            (Value::String(text), _) => text.clone(),
            (value, _) => value.to_string(),
        };
        let _ = writeln!(text, "# Value: {}. Default: {default}.", self.unit());
        let _ = writeln!(text, "# Environment: {}. Flag: {}.", self.variable, self.flag);
        // A setting without a default shows what a value looks like.
        let value = if self.default.is_null() { Value::from(self.value.clone()) } else { self.default.clone() };
        let _ = writeln!(text, "#{} = {}", self.name, toml(&value));
    }
}

/// A sample of a file, in which every setting is a comment.
pub(crate) fn sample() -> String {
    let mut text = String::from(
        "# The configuration of chat-server: every setting, with its default. Remove the `#` in front of a setting to set it.\n\
        # A flag overrides the environment, and the environment overrides this file. The server reads chat-server.toml in its working\n\
        # directory, or the file that --config or CHAT_CONFIG names. Paths start at the working directory.\n",
    );
    for setting in settings() {
        setting.write(&mut text);
    }
    text.push_str(ISSUERS);
    text.push_str("\n# Secrets come from the environment, since a file is copied and every process sees flags:\n");
    for (name, meaning) in environment::SECRETS {
        for line in wrapped(&format!("{name}: {meaning}.")) {
            let _ = writeln!(text, "#   {line}");
        }
    }
    text.push_str(
        "\n# The server also accepts variables of the Messaging API, which override this file. The variables above have precedence:\n",
    );
    for aliases::Alias { name, of, note } in aliases::ALL {
        let of = of.map_or_else(|| "no setting".to_owned(), str::to_owned);
        for line in wrapped(&format!("{name}: {of}; {note}.")) {
            let _ = writeln!(text, "#   {line}");
        }
    }
    text
}

/// The settings that hold, as a file. A name and a password in an address are left out.
pub(crate) fn effective(config: &Config) -> Result<String, Failure> {
    let mut text = String::new();
    if let Value::Object(settings) = serde_json::to_value(config)? {
        for (name, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
            let _ = writeln!(text, "{name} = {}", toml(&masked(value)));
        }
    }
    Ok(text)
}

pub(crate) fn print(text: &str) {
    let stdout = Output::stdout();
    stdout.say(text.trim_end());
    stdout.flush();
}

/// A value without what stands before an `@` in the host of an address.
fn masked(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_password(text)),
        Value::Array(values) => values.iter().map(masked).collect(),
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), masked(value))).collect(),
        other => other.clone(),
    }
}

/// An address without a name and a password.
pub(crate) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest.split_at(end) {
        (host, path) if host.contains('@') => {
            format!("{scheme}://***@{}{path}", host.rsplit('@').next().unwrap_or_default())
        }
        _ => text.to_owned(),
    }
}

/// A value in TOML. Strings of JSON are basic strings of TOML.
fn toml(value: &Value) -> String {
    match value {
        Value::Array(values) => format!("[{}]", values.iter().map(toml).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<_> = fields.map(|(name, value)| format!("{name} = {}", toml(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

/// The lines of a text, none much longer than a hundred characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + word.len() < 110 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use figment::{
        Figment,
        providers::{Format as _, Serialized, Toml},
    };

    use super::*;

    /// What a file makes of the settings.
    fn read(text: &str) -> Result<Value, Box<figment::Error>> {
        let sources = Figment::from(Serialized::defaults(Config::default())).merge(Toml::string(text));
        Ok(serde_json::to_value(sources.extract::<Config>()?).unwrap())
    }

    /// The sample with the settings that a test chooses.
    fn set(text: &str, is_chosen: impl Fn(&str) -> bool) -> String {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && is_chosen(rest) => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn the_sample_is_a_file_and_holds_the_defaults() {
        let sample = sample();
        let defaults = serde_json::to_value(Config::default()).unwrap();
        assert_eq!(read(&sample).unwrap(), defaults);
        let has_default = |rest: &str| {
            let name = rest.split(' ').next().unwrap();
            self::defaults().get(name).is_some_and(|default| !default.is_null())
        };
        let text = set(&sample, has_default);
        assert_eq!(read(&text).unwrap(), defaults);
        let table: BTreeMap<String, Value> = Figment::from(Toml::string(&text)).extract().unwrap();
        let set: Vec<_> = self::defaults().into_iter().filter(|(_, default)| !default.is_null()).collect();
        assert_eq!(table.len(), set.len(), "a default is missing");
        for (name, default) in set {
            assert_eq!(table[&name], default, "{name}");
        }
    }

    #[test]
    fn every_setting_has_a_flag_a_variable_and_a_place_in_the_sample() {
        let (sample, settings) = (sample(), settings());
        let names: Vec<_> = settings.iter().map(|setting| setting.name.as_str()).collect();
        let mut expected: Vec<_> = defaults().keys().cloned().collect();
        expected.sort();
        let mut found = names.clone();
        found.sort_unstable();
        assert_eq!(found, expected);
        for argument in built().get_arguments().filter(|argument| argument.get_env().is_some()) {
            let (name, flag) = (argument.get_id().as_str(), argument.get_long().unwrap());
            assert_eq!(flag, name.replace('_', "-"));
            assert_eq!(argument.get_env().unwrap().to_str().unwrap(), format!("CHAT_{}", name.to_uppercase()));
            let is_in_sample = sample.contains(&format!("--{flag}"));
            assert!(is_in_sample && (name == "config" || sample.contains(&format!("\n#{name} = "))), "{name}");
        }
        for (name, _) in environment::SECRETS {
            assert!(sample.contains(name), "{name}");
        }
        for alias in aliases::ALL {
            let known = |of: &str| names.contains(&of) || of == environment::SECRET;
            assert!(sample.contains(alias.name) && alias.of.is_none_or(known), "{}", alias.name);
        }
    }

    #[test]
    fn what_the_help_says_of_a_default_is_true() {
        for setting in settings() {
            let (name, told) = (&setting.name, setting.told.as_deref());
            match &setting.default {
                // It says what holds then.
                Value::Null => assert!(told.is_none_or(|told| told.len() > 2), "{name}"),
                Value::Array(_) => {}
                // A time can be written in several ways.
                Value::String(default) if setting.value == "TIME" => {
                    let time = |text: &str| humantime::parse_duration(text).unwrap();
                    assert_eq!(told.map(time), Some(time(default)), "{name}");
                }
                Value::String(default) => assert_eq!(told, Some(default.as_str()), "{name}"),
                other => assert_eq!(told, Some(other.to_string().as_str()), "{name}"),
            }
        }
    }

    #[test]
    fn the_table_of_the_sample_is_right() {
        let issuers = set(ISSUERS, |_| true);
        let read = read(&issuers).unwrap_or_else(|error| panic!("{error}: {issuers}"));
        assert_eq!(read["issuers"][0]["claims"]["admin"]["claim"], "role");
    }

    #[test]
    fn what_holds_can_be_read_again_and_shows_no_password() {
        let file = "database = \"ws://ada:secret@db:8000\"\nlog = \"a\\\"b\"\nrequest_rate = \"5/1s\"\n";
        let file = format!("{file}{}", set(ISSUERS, |_| true)).replace("//login", "//eve:hidden@login");
        let sources = Figment::from(Serialized::defaults(Config::default())).merge(Toml::string(&file));
        let config: Config = sources.extract().unwrap();
        let text = effective(&config).unwrap();
        assert!(!text.contains("secret@") && !text.contains("hidden"), "{text}");
        let mut again = read(&text).unwrap();
        assert_eq!(again["database"], "ws://***@db:8000");
        assert_eq!((&again["log"], &again["request_rate"]), (&"a\"b".into(), &"5/1s".into()));
        let issuer = again["issuers"][0].take();
        assert_eq!(issuer["jwks"], "https://***@login.example.org/jwks.json");
    }
}
