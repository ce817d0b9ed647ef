//! Lists of words and links: their settings, and the review of messages that they make.

use std::{
    fs,
    path::{Path, PathBuf},
};

use chatcore::chat::{ListPolicy, OnMatch};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Failure};

/// The settings of the lists as they are given.
#[derive(Debug, Args, Serialize)]
pub(crate) struct ListFlags {
    /// A file with blocked words, one a line; `#` begins a comment. A word matches only as a whole word, and regardless of case and accents
    #[arg(long, global = true, env = "CHAT_BLOCKED_WORDS", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocked_words: Option<PathBuf>,
    /// The outcome for a message with a word of --blocked-words [default: refuse]
    #[arg(long, global = true, env = "CHAT_ON_BLOCKED_WORD")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_blocked_word: Option<OnBlocked>,
    /// A file with domains to which messages may not link, one a line; `#` begins a comment. A domain includes its subdomains
    #[arg(long, global = true, env = "CHAT_BLOCKED_LINKS", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) blocked_links: Option<PathBuf>,
    /// A file with the only domains to which messages may link, in the same format, instead of --blocked-links; without a domain, messages
    /// may have no link
    #[arg(long, global = true, env = "CHAT_ALLOWED_LINKS", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allowed_links: Option<PathBuf>,
    /// The outcome for a message with a link that --blocked-links or --allowed-links does not allow [default: refuse]
    #[arg(long, global = true, env = "CHAT_ON_BLOCKED_LINK")]
    #[serde(skip_serializing_if = "Option::is_none")]
    on_blocked_link: Option<OnBlocked>,
}

/// The outcome for a message with a word or link that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnBlocked {
    /// Refuse the message
    Refuse,
    /// Hold the message until an owner or admin of the session approves it
    Hold,
    /// Replace the word or link with asterisks
    Mask,
}

impl From<OnBlocked> for OnMatch {
    fn from(outcome: OnBlocked) -> Self {
        match outcome {
            OnBlocked::Refuse => Self::Refuse,
            OnBlocked::Hold => Self::Hold,
            OnBlocked::Mask => Self::Mask,
        }
    }
}

/// Refuses settings that exclude each other, or that nothing uses.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    if config.blocked_links.is_some() && config.allowed_links.is_some() {
        return Err("--blocked-links and --allowed-links exclude each other: leave one out".into());
    }
    if config.on_blocked_word != OnBlocked::Refuse && config.blocked_words.is_none() {
        return Err("--on-blocked-word is for a list of words, so it needs --blocked-words".into());
    }
    if config.on_blocked_link != OnBlocked::Refuse && config.blocked_links.is_none() && config.allowed_links.is_none() {
        return Err("--on-blocked-link is for a list of domains, so it needs --blocked-links or --allowed-links".into());
    }
    Ok(())
}

/// The review of messages that the lists make; `None` where there is no list.
pub(crate) fn policy(config: &Config) -> Result<Option<ListPolicy>, Failure> {
    const WORD: &str = "one word of letters and digits";
    const DOMAIN: &str = "a domain like example.com";
    let words = entries("--blocked-words", config.blocked_words.as_deref(), WORD, ListPolicy::is_word)?;
    let blocked = entries("--blocked-links", config.blocked_links.as_deref(), DOMAIN, ListPolicy::is_domain)?;
    let allowed = entries("--allowed-links", config.allowed_links.as_deref(), DOMAIN, ListPolicy::is_domain)?;
    if words.is_none() && blocked.is_none() && allowed.is_none() {
        return Ok(None);
    }
    let mut policy = ListPolicy::new();
    if let Some(words) = words {
        policy = policy.words(words, config.on_blocked_word.into());
    }
    if let Some(domains) = blocked {
        policy = policy.no_links(domains, config.on_blocked_link.into());
    }
    if let Some(domains) = allowed {
        policy = policy.only_links(domains, config.on_blocked_link.into());
    }
    Ok(Some(policy))
}

/// The entries of a list; `None` where the setting names no file.
fn entries(
    flag: &str,
    file: Option<&Path>,
    kind: &str,
    is_entry: fn(&str) -> bool,
) -> Result<Option<Vec<String>>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let text = fs::read_to_string(file).map_err(|error| format!("{flag}: cannot read {}: {error}", file.display()))?;
    let mut entries = Vec::new();
    // Some editors put a byte order mark in front.
    for (line, text) in (1_usize..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let entry = text.split('#').next().unwrap_or_default().trim();
        if entry.is_empty() {
            continue;
        }
        if !is_entry(entry) {
            return Err(format!("{flag}: line {line} of {} is not {kind}: {entry}", file.display()).into());
        }
        entries.push(entry.to_owned());
    }
    Ok(Some(entries))
}
