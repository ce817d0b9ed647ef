//! Tells the bot which sessions have new events. The bot reads the events from the log when their turn comes.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::runner::Shared;
use crate::{
    chat::{AllDelivery, Delivery},
    error::Error,
    model::{Cursor, SessionId},
};

/// The pause before a stream that ended is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// News for the bot.
pub(super) enum Note {
    /// A session is followed from this position on. What stands before it may be new to the bot.
    Followed(SessionId, Cursor),
    /// An event was committed. `concerns` says whether a handler takes it.
    Committed { session: SessionId, cursor: Cursor, concerns: bool },
    /// The bot is in more sessions than the stream has.
    LeftOut,
    /// The bot's user may not act any more.
    Over(Error),
}

/// Follows all sessions of the bot's user, until nobody takes the notes any more.
pub(super) async fn listen(shared: &Shared, notes: &mpsc::Sender<Note>) {
    let user = &shared.principal.user_id;
    loop {
        match shared.chat.subscribe_all(&shared.principal, &[]).await {
            Ok(mut stream) => {
                while let Some(delivery) = stream.next().await {
                    let note = match delivery {
                        Ok(AllDelivery::Subscribed(at)) => Note::Followed(at.session_id, at.cursor),
                        Ok(AllDelivery::Delivered(Delivery::Event(view))) => Note::Committed {
                            session: view.event.session_id,
                            cursor: view.event.cursor(),
                            concerns: shared.handlers.call(&view, user).is_some(),
                        },
                        Ok(AllDelivery::Delivered(Delivery::Signal(_))) => continue,
                        // The stream gives the session up, so a new stream begins.
                        Ok(AllDelivery::Ended { error: Error::Resync { .. }, .. }) => break,
                        Ok(
                            AllDelivery::Ended { error: Error::LimitExceeded { .. }, .. } | AllDelivery::LeftOut { .. },
                        ) => Note::LeftOut,
                        Ok(AllDelivery::Ended { session_id, error }) => {
                            tracing::info!(session = %session_id, %error, "a bot does not follow a session");
                            continue;
                        }
                        Err(error) if error.ends_login() => Note::Over(error),
                        Err(error) => {
                            tracing::warn!(%user, %error, "the stream of a bot ended; opening it again");
                            break;
                        }
                    };
                    if notes.send(note).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) if error.ends_login() => {
                let _ = notes.send(Note::Over(error)).await;
                return;
            }
            Err(error) => tracing::warn!(%user, %error, "a bot cannot follow its sessions; trying again"),
        }
        tokio::time::sleep(PAUSE).await;
    }
}
