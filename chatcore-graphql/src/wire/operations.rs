//! The operations of a socket.

use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_graphql::Executor;
use chatcore::{Error, Result, chat::PaidRequest, trace::RequestSpan};
use futures_util::{
    Stream, StreamExt as _,
    stream::{AbortHandle, Abortable, SelectAll},
};
use tokio::sync::Semaphore;

use super::{
    Admitted, WireOptions,
    execution::{Execution, Step},
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
    pub(super) running: SelectAll<Abortable<Running>>,
    open: HashMap<Named, AbortHandle>,
    limit: usize,
    /// Places of queries and mutations: each holds its answer until that is written.
    places: Arc<Semaphore>,
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
            running: SelectAll::new(),
            open: HashMap::new(),
            limit: options.operations_per_socket,
            places: Arc::new(Semaphore::new(places)),
        }
    }

    pub(super) fn has_room(&self) -> bool {
        // Those that were ended stay until they are polled once more.
        self.running.len() < self.limit.saturating_mul(2).max(1)
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
        if let Some(handle) = self.open.remove(id) {
            handle.abort();
        }
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
                let execution = match parameters.parse(data) {
                    Ok(operation) => Execution::start_in_turn(executor, operation, Arc::clone(&self.places)),
                    Err(errors) => Execution::failed(errors),
                };
                let (handle, registration) = AbortHandle::new_pair();
                let running = Running { id: Arc::clone(entry.key()), execution, paid, span };
                self.running.push(Abortable::new(running, registration));
                entry.insert(handle);
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
