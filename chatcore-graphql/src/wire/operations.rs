//! The operations of a socket.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque, hash_map::Entry},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_graphql::{Executor, parser::types::OperationType};
use chatcore::{Error, Result, chat::PaidRequest, trace::RequestSpan};
use futures_util::{
    Stream, StreamExt as _,
    stream::{AbortHandle, Abortable, SelectAll},
};
use tokio::sync::Semaphore;

use super::{
    Admitted, WireOptions,
    execution::{Execution, Place, Step},
    request::Parameters,
    socket::{Close, REASON_BYTES, cut},
};

/// The id of an operation.
pub(super) type Named = Arc<str>;

/// An operation with its id.
pub(super) struct Running {
    id: Named,
    execution: Execution,
    /// The request that was counted for it.
    paid: Option<PaidRequest>,
    span: Option<RequestSpan>,
}

impl Stream for Running {
    type Item = (Named, Step);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { execution, paid, span, .. } = &mut *self;
        let mut poll = || match paid {
            Some(paid) => paid.poll(|| execution.poll_next_unpin(context)),
            None => execution.poll_next_unpin(context),
        };
        let step = match span {
            Some(span) => span.poll(poll),
            None => poll(),
        };
        if let (Poll::Ready(Some(Step::Failed(_) | Step::Complete)), Some(span)) = (&step, span) {
            span.end_part();
        }
        step.map(|step| step.map(|step| (Arc::clone(&self.id), step)))
    }
}

/// The operations of a socket. An id is open until the message that ends it is written, or the client ends it.
pub(super) struct Operations {
    /// Queries and mutations.
    answers: SelectAll<Abortable<Running>>,
    subscriptions: SelectAll<Abortable<Running>>,
    /// What queries and mutations told and is not written.
    told: VecDeque<(Named, Step)>,
    open: HashMap<Named, Open>,
    limit: usize,
    /// Places of queries and mutations: each holds its answer until that is written.
    places: Arc<Semaphore>,
}

struct Open {
    handle: AbortHandle,
    _place: Place,
}

/// How an operation began.
pub(super) enum Started {
    Running,
    /// The id is open.
    Exists,
    /// There are as many as may be, or the caller is too fast.
    Refused(Error),
}

impl Operations {
    pub(super) fn new(options: &WireOptions) -> Self {
        let places = options.queries_per_socket.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            answers: SelectAll::new(),
            subscriptions: SelectAll::new(),
            told: VecDeque::new(),
            open: HashMap::new(),
            limit: options.operations_per_socket,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        // Those that were ended stay until they are polled once more.
        self.answers.len() + self.subscriptions.len() < self.limit.saturating_mul(2).max(1)
    }

    pub(super) fn is_open(&self, id: &str) -> bool {
        self.open.contains_key(id)
    }

    /// The message that ends an operation is written.
    pub(super) fn close(&mut self, id: &str) {
        self.open.remove(id);
    }

    /// The client ends an operation.
    pub(super) fn end(&mut self, id: &str) {
        if let Some((named, open)) = self.open.remove_entry(id) {
            open.handle.abort();
            self.told.retain(|(told, _)| !Arc::ptr_eq(told, &named));
        }
    }

    /// Polls for the next message to write. Subscriptions wait until the socket writes again. Queries and mutations do not: while a client
    /// reads nothing, other callers may wait for a change of this client.
    pub(super) fn poll_step(&mut self, context: &mut Context<'_>, writes: bool) -> Poll<(Named, Step)> {
        loop {
            if writes && let Some(told) = self.told.pop_front() {
                return Poll::Ready(told);
            }
            match self.answers.poll_next_unpin(context) {
                Poll::Ready(Some(told)) => self.told.push_back(told),
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        if !writes {
            return Poll::Pending;
        }
        match self.subscriptions.poll_next_unpin(context) {
            Poll::Ready(Some(step)) => Poll::Ready(step),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    /// What queries and mutations told and is not written, for a socket that ends.
    pub(super) fn told(&mut self) -> impl Iterator<Item = (Named, Step)> + use<> {
        std::mem::take(&mut self.told).into_iter()
    }

    /// Starts an operation that was counted, or refused as one too many.
    pub(super) fn start<E: Executor>(
        &mut self,
        executor: &E,
        caller: &Admitted,
        id: &str,
        parameters: Parameters,
        paid: Result<Option<PaidRequest>>,
    ) -> Started {
        let len = self.open.len();
        match self.open.entry(id.into()) {
            Entry::Occupied(_) => Started::Exists,
            Entry::Vacant(entry) => {
                let paid = match paid {
                    Ok(paid) => paid,
                    Err(error) => return Started::Refused(error),
                };
                if len >= self.limit {
                    let what = "the number of operations open on this socket";
                    return Started::Refused(Error::LimitExceeded { what, limit: self.limit as u64 });
                }
                let (span, mut data) = (caller.span(), caller.data());
                if let Some(span) = &span {
                    data.insert(span.clone());
                }
                let place = Place::default();
                let (execution, group) = match parameters.parse(data) {
                    Ok(operation) if operation.kind == Some(OperationType::Subscription) => {
                        (Execution::start(executor, operation), &mut self.subscriptions)
                    }
                    Ok(operation) => {
                        let (places, place) = (Arc::clone(&self.places), Arc::clone(&place));
                        (Execution::start_in_turn(executor, operation, places, place), &mut self.answers)
                    }
                    Err(errors) => (Execution::failed(errors), &mut self.subscriptions),
                };
                let (handle, registration) = AbortHandle::new_pair();
                let running = Running { id: Arc::clone(entry.key()), execution, paid, span };
                group.push(Abortable::new(running, registration));
                entry.insert(Open { handle, _place: place });
                Started::Running
            }
        }
    }
}

/// The reason names the id, shortened where it would not fit.
pub(super) fn exists(id: &str) -> Close {
    let (before, after) = ("Subscriber for ", " already exists");
    let room = REASON_BYTES - before.len() - after.len();
    let id = if id.len() <= room {
        Cow::Borrowed(id)
    } else {
        Cow::Owned(format!("{}…", cut(id, room - '…'.len_utf8())))
    };
    Close::new(4409, format!("{before}{id}{after}"))
}
