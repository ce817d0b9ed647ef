//! Subscriptions.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, MergedSubscription, Result};
use chatcore::{
    Administration, Code, Error,
    chat::{self, Start},
    model::Cursor,
};
use futures_util::{
    Stream, StreamExt as _,
    stream::{self, BoxStream},
};

use super::{
    Fallible as _, Use,
    delivery::{Delivery, signal},
    load::{Loads, Reads},
    scalar::{Long, session_id},
};

/// A position in the log of a session.
#[derive(InputObject)]
struct PositionInput {
    /// The session.
    session_id: ID,
    /// The position after which to continue. Give either the position or the cursor.
    seq: Option<Long>,
    /// The cursor after which to continue, from an event or from `Subscribed`. The server refuses the cursor when the log no longer has
    /// that event.
    cursor: Option<String>,
}

/// The place after which to continue, by a position or by a cursor.
fn place(after: Option<Long>, cursor: Option<String>) -> chatcore::Result<Option<Cursor>> {
    match (after, cursor) {
        (None, None) => Ok(None),
        (Some(Long(seq)), None) => Ok(Some(seq.into())),
        (None, Some(cursor)) => {
            let unknown = |_| Error::malformed("cursor", "a cursor as the server gave it out");
            cursor.parse().map(Some).map_err(unknown)
        }
        (Some(_), Some(_)) => {
            Err(Error::invalid("cursor", Code::ValidationInvalidValue, "give a position or a cursor, not both"))
        }
    }
}

/// The subscriptions.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(SessionSubscription);

/// The subscriptions.
#[derive(MergedSubscription, Default)]
#[graphql(name = "Subscription")]
pub(crate) struct WithAdmin(SessionSubscription, super::admin::NoticeSubscription);

/// Subscriptions to sessions.
#[derive(Default)]
pub(super) struct SessionSubscription;

/// The subscriptions.
#[async_graphql::Subscription]
impl SessionSubscription {
    /// A session's events after a position and live, signals of the session, signals to all connections of the caller, and notices of
    /// administrators. `Subscribed` comes first. A client resumes after the last received `cursor`. The subscription completes with the
    /// event that revokes the right to read.
    async fn session_events(
        &self,
        context: &Context<'_>,
        #[graphql(name = "sessionId", desc = "The session.")] session: ID,
        #[graphql(desc = "The position after which to begin; now where neither a position nor a cursor is given.")]
        after: Option<Long>,
        #[graphql(
            desc = "The cursor after which to begin. The error is RESYNC when the log no longer has that event."
        )]
        cursor: Option<String>,
        #[graphql(desc = "Whether to send presence signals; false where not given.")] presence: Option<bool>,
    ) -> Result<impl Stream<Item = Result<Delivery>> + use<>> {
        let call = Use::of(context)?;
        let id = session_id(&session).or_field_error()?;
        let start = Start::or_now(place(after, cursor).or_field_error()?);
        let mut events = call.chat.subscribe(call.principal, id, start).await.or_field_error()?;
        if presence.unwrap_or_default() {
            events.show_presence().await;
        }
        let device = call.chat.device(call.principal);
        let start = chat::Position { session_id: id, cursor: events.after() };
        let loads = loads(call.reads());
        let first = stream::iter([Ok(Delivery::subscribed(start))]);
        let events = events.map(move |delivery| {
            let _ = &device;
            Delivery::delivered(delivery.or_field_error()?, &loads)
        });
        let own = call.chat.own_signals(call.principal).await;
        let events = Box::pin(own.beside(events, |view| Ok(signal(&view))));
        Ok(first.chain(with_notices(context, events).await))
    }

    /// The events and signals of all of the caller's sessions, signals to all connections of the caller, and notices of administrators. A
    /// `Subscribed` for each session comes first. For a later join, `Subscribed` comes before the event of the join. With more than 1,000
    /// sessions, the subscription has the sessions in `after` and the most recently active other sessions, and a `SessionsLeftOut` gives
    /// the number of the sessions that are left out.
    async fn all_session_events(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Positions after which to begin; sessions that are not named begin now.")] after: Option<
            Vec<PositionInput>,
        >,
        #[graphql(desc = "Whether to send presence signals; false where not given.")] presence: Option<bool>,
    ) -> Result<impl Stream<Item = Result<Delivery>> + use<>> {
        let call = Use::of(context)?;
        let position = |PositionInput { session_id: id, seq, cursor }: PositionInput| {
            let missing = || Error::invalid("seq", Code::ValidationRequiredField, "give a position or a cursor");
            let cursor = place(seq, cursor)?.ok_or_else(missing)?;
            Ok(chat::Position { session_id: session_id(&id)?, cursor })
        };
        let after: chatcore::Result<Vec<_>> = after.unwrap_or_default().into_iter().map(position).collect();
        let mut all = call.chat.subscribe_all(call.principal, &after.or_field_error()?).await.or_field_error()?;
        if presence.unwrap_or_default() {
            all.show_presence().await;
        }
        let (loads, device) = (loads(call.reads()), call.chat.device(call.principal));
        let all = all.map(move |delivery| {
            let _ = &device;
            Delivery::of_all(delivery.or_field_error()?, &loads)
        });
        let own = call.chat.own_signals(call.principal).await;
        let all = Box::pin(own.beside(all, |view| Ok(signal(&view))));
        Ok(with_notices(context, all).await)
    }
}

/// A stream with the notices to all users between its items, where there is an administration.
async fn with_notices<S>(context: &Context<'_>, stream: S) -> BoxStream<'static, Result<Delivery>>
where
    S: Stream<Item = Result<Delivery>> + Send + Unpin + 'static,
{
    match context.data_opt::<Administration>() {
        Some(admin) => {
            let notices = admin.chat().notices().await;
            notices.beside(stream, |notice| Ok(super::managed::Notice::from(&*notice).into())).boxed()
        }
        None => stream.boxed(),
    }
}

/// Makes loads for one event: what they keep is as old as that.
fn loads(reads: Arc<Reads>) -> impl Fn() -> Arc<Loads> {
    move || Arc::new(Loads::new(Arc::clone(&reads)))
}
