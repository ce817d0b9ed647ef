//! Webhooks: their settings, and their deliveries.

use std::net::IpAddr;

use chatcore::{
    Chat, Webhooks,
    webhooks::{HttpSender, IpNet, WebhookOptions, WebhookWorker},
};
use clap::Args;
use serde::Serialize;

use crate::config::{Config, Failure, Switch};

/// The settings of webhooks as they are given.
#[derive(Debug, Args, Serialize)]
pub(crate) struct WebhookFlags {
    /// Whether owners and admins of sessions can have events sent to other systems over HTTPS. The server then connects to public addresses that
    /// users choose [default: off]
    #[arg(id = "webhooks", long = "webhooks", global = true, env = "CHAT_WEBHOOKS")]
    #[serde(rename = "webhooks", skip_serializing_if = "Option::is_none")]
    enabled: Option<Switch>,
    /// Whether webhooks can have addresses with http beside those with https, true or false [default: false]
    #[arg(id = "webhook_http", long = "webhook-http", global = true, env = "CHAT_WEBHOOK_HTTP", value_name = "BOOL")]
    #[serde(rename = "webhook_http", skip_serializing_if = "Option::is_none")]
    http: Option<bool>,
    /// An address or a network beside the public ones to which webhooks can lead, like 10.0.0.7 or 10.0.0.0/8; repeat for several. Users can
    /// then reach it by the server [default: none]
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
}

/// How webhooks are delivered; `None` where there are none.
pub(crate) fn options(config: &Config) -> Result<Option<WebhookOptions>, Failure> {
    let network = |text: &String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| format!("--webhook-networks: {text} is neither an address nor a network"))
    };
    let allowed_networks = config.webhook_networks.iter().map(network).collect::<Result<Vec<_>, _>>()?;
    let options = WebhookOptions { allow_http: config.webhook_http, allowed_networks, ..WebhookOptions::default() };
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
