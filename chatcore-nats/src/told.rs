//! What becomes of the connection goes to the log.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use async_nats::Event;

use crate::losses::QUIET;

/// Says what happens to a connection, and the same thing not again and again.
#[derive(Debug)]
pub(crate) struct Told {
    place: String,
    last: Mutex<Option<(Instant, String)>>,
}

impl Told {
    pub(crate) fn new(place: String) -> Self {
        Self { place, last: Mutex::default() }
    }

    pub(crate) fn tell(&self, event: &Event) {
        let place = &self.place;
        match event {
            Event::Connected => {
                *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
                tracing::info!(place, "connected to NATS");
            }
            Event::Disconnected => {
                tracing::warn!(place, "the connection to NATS broke; until it is back, readers are served by polling");
            }
            Event::ServerError(error) if self.is_new(error.to_string()) => {
                tracing::warn!(place, %error, "NATS reports an error");
            }
            Event::ClientError(error) if self.is_new(error.to_string()) => {
                tracing::warn!(place, %error, "NATS cannot be used; trying again");
            }
            Event::ServerError(_) | Event::ClientError(_) => {}
            Event::SlowConsumer(_) => {
                tracing::debug!(place, "a listener is behind; it misses hints and reads the log instead");
            }
            Event::LameDuckMode | Event::Draining | Event::Closed => {
                tracing::info!(place, %event, "the NATS server or the connection is about to end");
            }
        }
    }

    /// Whether this was not said a moment ago.
    fn is_new(&self, text: String) -> bool {
        self.is_new_at(text, Instant::now())
    }

    fn is_new_at(&self, text: String, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old =
            last.as_ref().is_some_and(|(at, said)| *said == text && now.saturating_duration_since(*at) < QUIET);
        if !is_old {
            *last = Some((now, text));
        }
        !is_old
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_same_error_is_said_once_in_a_while() {
        let (told, began) = (Told::new(String::new()), Instant::now());
        let said = |after: u64, text: &str| told.is_new_at(text.to_owned(), began + Duration::from_secs(after));
        assert_eq!(
            [said(0, "a"), said(1, "a"), said(2, "b"), said(3, "b"), said(12, "b")],
            [true, false, true, false, true]
        );
    }
}
