//! How often things may happen, as settings.

use std::str::FromStr;

use chatcore::{Rate, RateLimits};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::config::Config;

/// A rate: a burst, and the time to refill one, as `300/2s`; or `off` for no limit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Adds(pub(crate) Option<Rate>);

impl FromStr for Adds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let rate = text.split_once('/').and_then(|(at_once, every)| {
            Some(Rate::new(at_once.trim().parse().ok()?, humantime::parse_duration(every.trim()).ok()?))
        });
        let rate = rate.ok_or_else(|| format!("`{text}` is neither like `300/2s` nor `off`"))?;
        if rate.every.is_zero() {
            return Err(format!("`{text}` has a time of zero, which limits nothing: for no limit, say `off`"));
        }
        Ok(Self(Some(rate)))
    }
}

impl TryFrom<String> for Adds {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Adds> for String {
    fn from(adds: Adds) -> Self {
        adds.0.map_or_else(
            || "off".to_owned(),
            |Rate { at_once, every }| format!("{at_once}/{}", humantime::format_duration(every)),
        )
    }
}

/// Rates of [`RateLimits`], by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Preset {
    /// 20 requests a second, with a burst of 600
    Default,
    /// 100 requests an hour, 60 WebSocket messages a minute
    MessagingAdmin,
    /// 60 requests a minute
    Chatrooms,
    /// No limits
    Off,
}

impl Config {
    /// How often the server may be used: the preset, and what is set beside it.
    pub(crate) fn rates(&self) -> RateLimits {
        let preset = match self.rate_limits {
            Preset::Default => RateLimits::default(),
            Preset::MessagingAdmin => RateLimits::messaging_admin(),
            Preset::Chatrooms => RateLimits::chatrooms(),
            Preset::Off => RateLimits::off(),
        };
        let or = |own: Option<Adds>, preset: Option<Rate>| own.map_or(preset, |Adds(rate)| rate);
        RateLimits {
            requests: or(self.request_rate, preset.requests),
            messages: or(self.message_rate, preset.messages),
            frames: or(self.frame_rate, preset.frames),
            pictures: or(self.picture_rate, preset.pictures),
            unknown: or(self.unknown_rate, preset.unknown),
            ..preset
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn adds_are_read_as_they_are_written() {
        for (text, rate) in [
            ("off", None),
            ("300/2s", Some(Rate::new(300, Duration::from_secs(2)))),
            ("60/10m", Some(Rate::new(60, Duration::from_secs(600)))),
            ("1/1h 30m", Some(Rate::new(1, Duration::from_secs(5_400)))),
        ] {
            let adds: Adds = text.parse().unwrap();
            assert_eq!((adds.0, String::from(adds).as_str()), (rate, text));
        }
        for text in ["", "300", "300/", "/2s", "-1/2s", "300/2", "never", "OFF", "4294967296/1s", "0/0s", "5/0ms"] {
            assert!(text.parse::<Adds>().is_err(), "{text}");
        }
    }
}
