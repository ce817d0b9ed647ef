//! The talk over a socket after the caller is known: one task runs the operations, reads and writes.

use std::{convert::Infallible, future::poll_fn, pin::pin, task::Poll};

use async_graphql::Executor;
use chatcore::{Code, Error, Result as Outcome, chat::PaidRequest};
use chatcore_http::Refusals;
use futures_util::{Sink, Stream, future::BoxFuture};
use tokio::{
    task::coop::consume_budget,
    time::{Instant, Interval},
};

use super::{
    Admitted, Expiry, WireOptions,
    clock::{at, every, in_time, tick},
    execution::Step,
    line::{Io, Line},
    message::{self, Incoming},
    operations::{Named, Operations, Started, exists},
    socket::{Close, End, Frame, expired, refused, too_fast, too_many_inits},
    upkeep::Upkeep,
};
use crate::error::request_error;

/// Messages of operations that are written together.
const BURST: usize = 64;

/// The pings of a socket that nothing else keeps.
struct Pings {
    /// `None` where something else keeps the socket.
    due: Option<Interval>,
    pong_due: Option<Instant>,
    /// Something came since the last ping.
    is_heard: bool,
}

pub(super) struct Talk<'a, E, S> {
    executor: &'a E,
    options: &'a WireOptions,
    caller: &'a Admitted,
    upkeep: &'a dyn Upkeep,
    line: Line<S>,
    operations: Operations,
    refusals: Refusals,
    pings: Pings,
    /// Done at the end of the token, unless something else keeps the socket.
    expiry: BoxFuture<'static, ()>,
    /// Nothing is read, since too much waits.
    is_busy: bool,
}

/// What happens next.
enum News {
    Io(Io),
    Step(Named, Step),
    /// Operations that the client ended are gone, so that the socket can be read again.
    Room,
    PingDue,
    PongDue,
}

impl<'a, E, S> Talk<'a, E, S>
where
    E: Executor,
    S: Stream<Item = Result<Frame, Option<Close>>> + Sink<Frame> + Unpin,
{
    pub(super) fn new(
        executor: &'a E,
        mut line: Line<S>,
        caller: &'a Admitted,
        options: &'a WireOptions,
        upkeep: &'a dyn Upkeep,
    ) -> Self {
        let expiry = caller.expiry(executor);
        let is_kept = upkeep.begin(expiry.clone(), Error::TokenExpired.code().as_str());
        let (expiry, due) = if is_kept { (None, None) } else { (expiry, Some(every(options.ping_interval))) };
        if is_kept {
            line.trust();
        }
        let pings = Pings { due, pong_due: None, is_heard: false };
        let operations = Operations::new(options);
        let expiry = Expiry::reached(expiry);
        let refusals = Refusals::default();
        Self { executor, options, caller, upkeep, line, operations, refusals, pings, expiry, is_busy: false }
    }

    /// Talks until the socket ends; says why.
    pub(super) async fn run(mut self) -> End {
        let end = match self.go_on().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        if end.is_some() {
            // What was said before the end stands before the close frame.
            for (id, step) in self.operations.told() {
                self.tell(&id, step);
            }
            self.line.write_now().await;
        }
        end
    }

    async fn go_on(&mut self) -> Result<Infallible, End> {
        let mut ended = self.upkeep.ended();
        let caller = self.caller;
        let mut login_ended = pin!(caller.login_ended());
        loop {
            // What is always ready would else keep other tasks from their turn.
            consume_budget().await;
            let has_room = self.line.has_room();
            let reads = has_room && self.operations.has_room();
            self.set_busy(!reads);
            let Self { line, operations, pings, expiry, .. } = self;
            let is_idle = line.is_idle();
            let news = async {
                Ok::<_, End>(tokio::select! {
                    io = line.next(reads) => News::Io(io?),
                    news = poll_fn(|context| match operations.poll_step(context, is_idle) {
                        Poll::Ready((named, step)) => Poll::Ready(News::Step(named, step)),
                        Poll::Pending if !reads && has_room && operations.has_room() => Poll::Ready(News::Room),
                        Poll::Pending => Poll::Pending,
                    }) => news,
                    // A ping that is still unanswered is not asked again: that would put its end off.
                    () = tick(&mut pings.due), if pings.pong_due.is_none() => News::PingDue,
                    () = at(pings.pong_due) => News::PongDue,
                })
            };
            let news: Result<News, End> = tokio::select! {
                biased;
                () = expiry => return Err(expired()),
                error = &mut login_ended => return Err(refused(&error)),
                end = &mut ended => return Err(end),
                news = news => news,
            };
            match news? {
                News::Io(Io::Written) | News::Room => {}
                News::Io(Io::Closed) => return Err(self.line.answer_close().await),
                News::Io(Io::Message(message)) => self.follow(message).await?,
                News::Step(named, step) => self.deliver(named, step).await?,
                News::PingDue => {
                    self.line.ping();
                    self.pings.is_heard = false;
                    self.pings.pong_due = in_time(self.options.pong_time);
                }
                News::PongDue => {
                    self.pings.pong_due = if self.pings.is_heard {
                        None
                    } else if self.is_busy {
                        in_time(self.options.pong_time)
                    } else {
                        return Err(Some(Close::new(4408, "no answer to a ping")));
                    };
                }
            }
        }
    }

    /// While nothing is read no pong is heard: that is not the other side's fault.
    fn set_busy(&mut self, is_busy: bool) {
        if self.is_busy != is_busy {
            self.is_busy = is_busy;
            self.pings.is_heard = true;
            self.upkeep.set_busy(is_busy);
        }
    }

    /// Counts a message as a frame, and does what it says. What has no answer is passed over where it is one too many.
    async fn follow(&mut self, message: Option<Incoming>) -> Result<(), End> {
        self.pings.is_heard = true;
        let message = match message {
            None => return Ok(()),
            Some(Incoming::Init(_)) => return Err(too_many_inits()),
            Some(message) => message,
        };
        let begun = self.caller.begin().await;
        let is_too_fast = self.refusals.note(&begun);
        let end = begun.as_ref().err().filter(|_| is_too_fast).map(too_fast);
        self.carry_out(message, begun)?;
        end.map_or(Ok(()), Err)
    }

    fn carry_out(&mut self, message: Incoming, begun: Outcome<Option<PaidRequest>>) -> Result<(), End> {
        match message {
            Incoming::Init(_) | Incoming::Pong => {}
            Incoming::Ping(payload) if begun.is_ok() => self.line.answer(message::pong(payload.as_ref())),
            Incoming::Ping(_) => {}
            // The client hears no more of it, so it ends in any case.
            Incoming::Complete { id } => self.operations.end(&id),
            Incoming::TooLarge { id } if self.operations.is_open(&id) => return Err(Some(exists(&id))),
            Incoming::TooLarge { id } => {
                let detail = "the message is too large; nothing of it was done";
                let error = begun.err().unwrap_or(Error::Refused { code: Code::PayloadTooLarge, detail });
                self.line.answer(message::error(&id, &[request_error(&error)]));
            }
            Incoming::Subscribe { id, parameters } => {
                match self.operations.start(self.executor, self.caller, &id, *parameters, begun) {
                    Started::Running => {}
                    Started::Exists => return Err(Some(exists(&id))),
                    Started::Refused(error) => self.line.answer(message::error(&id, &[request_error(&error)])),
                }
            }
        }
        Ok(())
    }

    /// Writes what an operation tells, and what is ready besides, in one go.
    async fn deliver(&mut self, named: Named, step: Step) -> Result<(), End> {
        let mut burst = 1;
        let mut next = Some((named, step));
        while let Some((id, step)) = next {
            // The chat may notice before this socket's own clock does.
            if let Some(code) = step.login_ended() {
                return Err(Some(Close::new(4403, code.as_str())));
            }
            self.tell(&id, step);
            // What is always ready would else keep other tasks from their turn.
            consume_budget().await;
            burst += 1;
            let more = poll_fn(|context| match self.operations.poll_step(context, true) {
                Poll::Ready(step) => Poll::Ready(Some(step)),
                Poll::Pending => Poll::Ready(None),
            });
            next = if burst > BURST { None } else { more.await };
        }
        Ok(())
    }

    fn tell(&mut self, id: &str, step: Step) {
        let text = match step {
            Step::Next(response) => message::next(id, &response),
            Step::Failed(errors) => {
                self.operations.close(id);
                message::error(id, &errors)
            }
            Step::Complete => {
                self.operations.close(id);
                message::complete(id)
            }
        };
        self.line.send(text);
    }
}
