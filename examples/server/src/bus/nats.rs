//! The bus is NATS.

use chatcore::ChatBuilder;
use chatcore_nats::{NatsLogin, NatsNotifier, NatsOptions, NatsTls};
use chatcore_poem::Health;

use super::{BusSettings, Login};
use crate::config::Failure;

/// How to reach the bus, where there is one.
#[derive(Debug)]
pub(crate) struct Options(Option<NatsOptions>);

/// The bus, where there is one.
#[derive(Debug, Clone)]
pub(crate) struct Bus(Option<(NatsNotifier, bool)>);

impl Options {
    /// Everything that can be wrong without a look at the network is.
    pub(crate) fn of(settings: &BusSettings) -> Result<Self, Failure> {
        let login = match settings.login()? {
            Login::Nobody => NatsLogin::Nobody,
            Login::Password { user, password } => NatsLogin::Password { user, password },
            Login::Token(token) => NatsLogin::Token(token),
            Login::Credentials(text) => NatsLogin::Credentials(text),
            Login::Nkey(seed) => NatsLogin::Nkey(seed),
        };
        if settings.servers.is_empty() {
            return Ok(Self(None));
        }
        let mut options = NatsOptions::at(settings.servers.clone());
        options.login = login;
        options.required = settings.required;
        options.tls = NatsTls {
            authorities: settings.ca_file.clone(),
            client: settings.certificate_file.clone().zip(settings.key_file.clone()),
        };
        if let Some(prefix) = &settings.prefix {
            options.prefix.clone_from(prefix);
        }
        options.check().map_err(|error| format!("--bus: {error}"))?;
        Ok(Self(Some(options)))
    }

    /// Connects, or begins to.
    pub(crate) async fn open(self) -> Result<Bus, Failure> {
        let Some(options) = self.0 else { return Ok(Bus(None)) };
        let required = options.required;
        Ok(Bus(Some((NatsNotifier::open(options).await?, required))))
    }
}

impl Bus {
    /// The chat tells of news over the bus.
    pub(crate) fn carries(&self, chat: ChatBuilder) -> ChatBuilder {
        match &self.0 {
            Some((notifier, _)) => chat.notifier(notifier.clone()),
            None => chat,
        }
    }

    /// Whether the server is not ready, since the bus is away.
    pub(crate) fn is_missing(&self) -> bool {
        self.0.as_ref().is_some_and(|(notifier, required)| *required && !notifier.is_connected())
    }

    /// Tells whether the bus is there, and where it is required, that the server is not ready without it.
    pub(crate) fn watched(&self, health: Health) -> Health {
        let Some((notifier, required)) = &self.0 else { return health };
        let noted = notifier.clone();
        let note = move || if noted.is_connected() { "connected" } else { "away" }.to_owned();
        let health = health.note("bus", note);
        if !required {
            return health;
        }
        let checked = self.clone();
        let is_there = move || if checked.is_missing() { Err("the bus is away".to_owned()) } else { Ok(()) };
        health.check(is_there)
    }
}
