//! This program was built without a bus.

use chatcore::ChatBuilder;
use chatcore_poem::Health;

use super::BusSettings;
use crate::config::Failure;

/// No bus.
#[derive(Debug)]
pub(crate) struct Options;

/// No bus.
#[derive(Debug, Clone)]
pub(crate) struct Bus;

impl Options {
    pub(crate) fn of(settings: &BusSettings) -> Result<Self, Failure> {
        settings.login()?;
        if settings.servers.is_empty() {
            Ok(Self)
        } else {
            Err("--bus needs a chat-server with the feature `nats`".into())
        }
    }

    #[expect(clippy::unused_async, reason = "there is nothing to wait for without a bus")]
    pub(crate) async fn open(self) -> Result<Bus, Failure> {
        Ok(Bus)
    }
}

impl Bus {
    pub(crate) fn carries(&self, chat: ChatBuilder) -> ChatBuilder {
        chat
    }

    #[expect(clippy::unused_self, reason = "a bus may be there")]
    pub(crate) fn is_missing(&self) -> bool {
        false
    }

    pub(crate) fn watched(&self, health: Health) -> Health {
        health
    }
}
