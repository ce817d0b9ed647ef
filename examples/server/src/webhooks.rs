//! Webhooks: their settings, and their deliveries.

use std::{net::IpAddr, ops::RangeInclusive, time::Duration};

use chatcore::{
    Chat, Webhooks,
    webhooks::{HttpSender, IpNet, WebhookOptions, WebhookWorker},
};
use clap::Args;
use serde::Serialize;

use crate::config::{Config, Failure, Period, Switch};

/// The settings of webhooks as they are given.
#[derive(Debug, Args, Serialize)]
pub(crate) struct WebhookFlags {
    /// Whether owners and admins of sessions can create webhooks, which send events to other systems over HTTPS. The server then connects
    /// to public addresses that users choose [default: off]
    #[arg(id = "webhooks", long = "webhooks", global = true, env = "CHAT_WEBHOOKS")]
    #[serde(rename = "webhooks", skip_serializing_if = "Option::is_none")]
    enabled: Option<Switch>,
    /// Whether webhooks can have http addresses beside https addresses, true or false [default: false]
    #[arg(id = "webhook_http", long = "webhook-http", global = true, env = "CHAT_WEBHOOK_HTTP", value_name = "BOOL")]
    #[serde(rename = "webhook_http", skip_serializing_if = "Option::is_none")]
    http: Option<bool>,
    /// A private address or network that webhooks can reach beside public addresses, like 10.0.0.7 or 10.0.0.0/8; repeat for several. Users
    /// then reach this address or network through the server [default: none]
    #[arg(
        id = "webhook_networks",
        long = "webhook-networks",
        global = true,
        env = "CHAT_WEBHOOK_NETWORKS",
        value_name = "ADDRESS",
        value_delimiter = ','
    )]
    #[serde(rename = "webhook_networks", skip_serializing_if = "Vec::is_empty")]
    networks: Vec<String>,
    /// Timeout of one delivery attempt. After four times this timeout, another server takes over the deliveries of a killed server
    /// [default: 15s]
    #[arg(
        id = "webhook_timeout",
        long = "webhook-timeout",
        global = true,
        env = "CHAT_WEBHOOK_TIMEOUT",
        value_name = "TIME"
    )]
    #[serde(rename = "webhook_timeout", skip_serializing_if = "Option::is_none")]
    timeout: Option<Period>,
    /// The backoff: the pauses before the second and each further attempt to deliver an event. After a failed last attempt, the event
    /// becomes a dead letter [default: 5s,5m,30m,2h,5h,10h,14h,20h,24h]
    #[arg(
        id = "webhook_retry_delays",
        long = "webhook-retry-delays",
        global = true,
        env = "CHAT_WEBHOOK_RETRY_DELAYS",
        value_name = "TIME",
        value_delimiter = ','
    )]
    #[serde(rename = "webhook_retry_delays", skip_serializing_if = "Vec::is_empty")]
    retry_delays: Vec<Period>,
}

/// The least and the most time that an attempt may take.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(300);

/// The shortest and the longest pause before another attempt.
const RETRY_DELAYS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(7 * 24 * 3_600);

/// Most attempts after the first one.
const MOST_RETRIES: usize = 100;

/// Refuses settings that are out of their bounds, or that nothing uses.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let usual = Config::default();
    let is_set = [
        ("--webhook-http", config.webhook_http),
        ("--webhook-networks", !config.webhook_networks.is_empty()),
        ("--webhook-timeout", config.webhook_timeout != usual.webhook_timeout),
        ("--webhook-retry-delays", config.webhook_retry_delays != usual.webhook_retry_delays),
    ];
    if let Some((flag, _)) = is_set.iter().find(|(_, is_set)| *is_set && config.webhooks == Switch::Off) {
        return Err(format!("{flag} is for webhooks, so it needs --webhooks on").into());
    }
    if config.webhook_retry_delays.len() > MOST_RETRIES {
        return Err(format!("--webhook-retry-delays has more than {MOST_RETRIES} pauses").into());
    }
    let delays = config.webhook_retry_delays.iter().map(|delay| ("--webhook-retry-delays", delay, RETRY_DELAYS));
    for (flag, Period(time), bounds) in
        [("--webhook-timeout", &config.webhook_timeout, TIMEOUTS)].into_iter().chain(delays)
    {
        if !bounds.contains(time) {
            let [time, least, most] =
                [time, bounds.start(), bounds.end()].map(|time| humantime::format_duration(*time));
            return Err(format!("{flag} is {time}, and it can be from {least} to {most}").into());
        }
    }
    Ok(())
}

/// How webhooks are delivered; `None` where there are none.
pub(crate) fn options(config: &Config) -> Result<Option<WebhookOptions>, Failure> {
    let network = |text: &String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| format!("--webhook-networks: {text} is neither an address nor a network"))
    };
    let allowed_networks = config.webhook_networks.iter().map(network).collect::<Result<Vec<_>, _>>()?;
    let options = WebhookOptions {
        allow_http: config.webhook_http,
        allowed_networks,
        timeout: config.webhook_timeout.0,
        retry_delays: config.webhook_retry_delays.iter().map(|Period(pause)| *pause).collect(),
        ..WebhookOptions::default()
    };
    Ok((config.webhooks == Switch::On).then_some(options))
}

/// Starts the deliveries.
pub(crate) fn start(
    chat: &Chat,
    options: Option<WebhookOptions>,
) -> Result<Option<(Webhooks, WebhookWorker)>, Failure> {
    let Some(options) = options else { return Ok(None) };
    let sender = HttpSender::new(&options)?;
    let webhooks = Webhooks::new(chat.clone(), options);
    let worker = webhooks.start(sender);
    Ok(Some((webhooks, worker)))
}
