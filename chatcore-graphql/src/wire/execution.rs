//! Operations as streams of what there is to tell, the same for sockets and event streams.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll, ready},
};

use async_graphql::{Executor, Response, ServerError, Value, parser::types::OperationType};
use chatcore::Error;
use futures_util::{
    Stream, StreamExt,
    stream::{BoxStream, CatchUnwind},
};

use super::{
    request::Operation,
    response::{error_of, give_codes, is_request_error},
};

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
        let responses = AssertUnwindSafe(executor.execute_stream(operation.request, None)).catch_unwind();
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
        Step::Failed(vec![error_of(&Error::Internal)])
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
