//! Operations as streams of what there is to tell, the same for sockets and event streams.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use async_graphql::{Executor, Response, ServerError, Value, parser::types::OperationType};
use chatcore::{Code, Error};
use futures_util::{
    FutureExt, Stream, StreamExt,
    stream::{BoxStream, CatchUnwind},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{request::Operation, response::is_request_error};
use crate::error::{give_codes, is_of_caller, request_error};

/// What an operation tells. After `Failed` or `Complete` it tells nothing more.
#[derive(Debug)]
pub(crate) enum Step {
    /// A result.
    Next(Response),
    /// There is nothing to execute, or its source could not be made.
    Failed(Vec<ServerError>),
    /// There are no more results.
    Complete,
}

impl Step {
    /// The code where it says that the caller's token no longer counts: that ends the connection, and not an operation.
    pub(crate) fn login_ended(&self) -> Option<Code> {
        let errors = match self {
            Self::Next(response) => response.errors.as_slice(),
            Self::Failed(errors) => errors.as_slice(),
            Self::Complete => &[],
        };
        let given = |error: &ServerError| match error.extensions.as_ref()?.get("code")? {
            Value::String(code) => Code::ALL.iter().copied().find(|known| known.as_str() == code),
            _ => None,
        };
        errors.iter().filter(|error| is_of_caller(error)).filter_map(given).find(|code| code.ends_login())
    }
}

/// The place of a query or mutation among those of its socket; empty until it has one.
pub(crate) type Place = Arc<OnceLock<OwnedSemaphorePermit>>;

/// An operation under way. Ends it when dropped.
pub(crate) struct Execution {
    /// `None` at its end.
    responses: Option<CatchUnwind<AssertUnwindSafe<BoxStream<'static, Response>>>>,
    /// What comes before anything else.
    held: Option<Step>,
    first: bool,
    subscription: bool,
}

impl Execution {
    /// Begins it; nothing happens before it is polled.
    pub(crate) fn start<E: Executor>(executor: &E, operation: Operation) -> Self {
        let subscription = operation.kind == Some(OperationType::Subscription);
        Self::of(executor.execute_stream(operation.request, None), subscription)
    }

    /// Begins a query or mutation as [`start`](Self::start) does, once there is a place for it. The owner of `place` ends its stay.
    pub(crate) fn start_in_turn<E: Executor>(
        executor: &E,
        operation: Operation,
        places: Arc<Semaphore>,
        place: Place,
    ) -> Self {
        let responses = executor.execute_stream(operation.request, None);
        let in_turn = async move {
            if let Ok(permit) = places.acquire_owned().await {
                let _ = place.set(permit);
            }
            responses
        };
        Self::of(in_turn.flatten_stream().boxed(), false)
    }

    fn of(responses: BoxStream<'static, Response>, subscription: bool) -> Self {
        let responses = AssertUnwindSafe(responses).catch_unwind();
        Self { responses: Some(responses), held: None, first: true, subscription }
    }

    /// One that has failed already.
    pub(crate) fn failed(errors: Vec<ServerError>) -> Self {
        Self { responses: None, held: Some(Step::Failed(errors)), first: false, subscription: false }
    }

    fn poll_response(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Response, Panicked>>> {
        let Some(responses) = &mut self.responses else { return Poll::Ready(None) };
        let response = ready!(responses.poll_next_unpin(context));
        let response = response.map(|response| match response {
            Ok(mut response) => {
                give_codes(&mut response.errors);
                Ok(response)
            }
            Err(_) => Err(Panicked),
        });
        if !matches!(response, Some(Ok(_))) {
            self.responses = None;
        }
        Poll::Ready(response)
    }

    /// Whether what would be the only result says that the source of the events could not be made. Its error names the
    /// field, as that of an event does, but there is nothing after it.
    fn poll_sourceless(&mut self, response: &Response, context: &mut Context<'_>) -> bool {
        if !self.subscription || response.data != Value::Null || response.errors.is_empty() {
            return false;
        }
        match self.poll_response(context) {
            Poll::Ready(None) => return true,
            Poll::Ready(Some(second)) => self.held = Some(second.map_or_else(Panicked::step, Step::Next)),
            Poll::Pending => {}
        }
        false
    }
}

/// A resolver panicked.
struct Panicked;

impl Panicked {
    fn step(self) -> Step {
        Step::Failed(vec![request_error(&Error::Internal)])
    }
}

impl Stream for Execution {
    type Item = Step;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Step>> {
        if let Some(step) = self.held.take() {
            return Poll::Ready(Some(step));
        }
        if self.responses.is_none() {
            return Poll::Ready(None);
        }
        let step = match ready!(self.poll_response(context)) {
            None => Step::Complete,
            Some(Err(panicked)) => panicked.step(),
            Some(Ok(response)) => {
                let first = std::mem::take(&mut self.first);
                if first && (is_request_error(&response) || self.poll_sourceless(&response, context)) {
                    self.responses = None;
                    Step::Failed(response.errors)
                } else {
                    Step::Next(response)
                }
            }
        };
        Poll::Ready(Some(step))
    }
}
