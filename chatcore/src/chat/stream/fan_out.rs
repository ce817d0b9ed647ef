//! Handing new events and signals to all readers of a tail.
//!
//! One task does it for each tail, so that nothing that a caller may drop is in the middle of it. It collects what came while
//! it was busy, so that a reader gets many events in one write where they come faster than they can be written.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::{
    sync::Notify,
    task::yield_now,
    time::{Instant, sleep},
};

use super::{
    follow::Ended,
    ring::Look,
    seat::Turn,
    tail::{Tail, locked},
    task::Task,
};
use crate::chat::read::view::SignalView;
use crate::model::{Cursor, Seq};

/// Readers that are served before other tasks get their turn. A task of tokio may do 128 operations on its sockets at a
/// time.
const SERVED_AT_ONCE: usize = 64;

/// Signals that wait to be handed out; of more the oldest are left out.
const SIGNALS: usize = 64;

/// The longest rest after a turn. A turn that follows closely waits as long as the turn before it took, at most this long.
const LONGEST_REST: Duration = Duration::from_millis(5);

/// What is to be handed out, and the task that does it.
pub(in crate::chat) struct FanOut {
    due: Arc<Notify>,
    queue: Mutex<Queue>,
    task: Mutex<Option<Task>>,
}

struct Queue {
    /// The last event that was handed out.
    told: Seq,
    /// Each with the ring's head when it came.
    signals: VecDeque<(Seq, Arc<SignalView>)>,
}

impl FanOut {
    pub(in crate::chat) fn new(told: Seq) -> Self {
        let queue = Queue { told, signals: VecDeque::new() };
        Self { due: Arc::default(), queue: Mutex::new(queue), task: Mutex::default() }
    }

    /// Has the events that the ring now has handed out.
    pub(in crate::chat) fn notify(&self) {
        self.due.notify_one();
    }

    /// Has a signal handed out, after the events up to a position.
    pub(in crate::chat) fn signal(&self, after: Seq, signal: Arc<SignalView>) {
        {
            let mut queue = locked(&self.queue);
            if queue.signals.len() >= SIGNALS {
                queue.signals.pop_front();
            }
            queue.signals.push_back((after, signal));
        }
        self.due.notify_one();
    }

    pub(in crate::chat) fn runs(&self) -> bool {
        locked(&self.task).as_ref().is_some_and(Task::runs)
    }
}

impl Tail {
    /// Starts the task where none runs.
    pub(in crate::chat) fn keep_fanning_out(self: &Arc<Self>) {
        let mut task = locked(&self.fan_out.task);
        if task.as_ref().is_some_and(Task::runs) {
            return;
        }
        let (tail, due) = (Arc::downgrade(self), Arc::clone(&self.fan_out.due));
        let ended = Ended({
            let tail = Weak::clone(&tail);
            move || {
                if let Some(tail) = tail.upgrade() {
                    tail.seats.wake_all();
                }
            }
        });
        *task = Some(Task::spawn(&self.shared.kinds.fan_out, self.shared.poll_interval, move || {
            let _ = &ended;
            hand_out(Weak::clone(&tail), Arc::clone(&due))
        }));
    }

    /// What is to be handed out next.
    fn turn(&self) -> Option<Turn> {
        let mut queue = locked(&self.fan_out.queue);
        let since = self.rewrites.noted();
        let (events, is_lost) = match self.look(Cursor::from(queue.told)) {
            Look::Events(events) => {
                queue.told = events.last().map_or(queue.told, |last| last.event.seq);
                (events, false)
            }
            Look::Log(head) => {
                queue.told = head;
                (Vec::new(), true)
            }
            // The end of a tail wakes its readers.
            Look::Nothing | Look::Lost | Look::Corrupt => (Vec::new(), false),
        };
        let told = queue.told;
        let ripe = queue.signals.iter().take_while(|(after, _)| *after <= told).count();
        let signals: Vec<_> = queue.signals.drain(..ripe).collect();
        let is_empty = events.is_empty() && !is_lost && signals.is_empty();
        (!is_empty).then_some(Turn { events, since, is_lost, signals })
    }

    async fn serve(&self, turn: &Turn) {
        let mut serving = Serving { tail: self, is_done: false };
        let mut readers = Vec::new();
        let mut from = Some(0);
        while let Some(first) = from {
            from = self.seats.some(first, SERVED_AT_ONCE, &mut readers);
            let now = self.shared.profiles.now();
            let mut handed = 0;
            for reader in readers.drain(..) {
                // A text that was deleted since the turn began goes to nobody any more.
                let is_outdated = self.rewrites.noted() != turn.since
                    && turn.events.iter().any(|view| self.rewrites.outdate(turn.since, view));
                handed += reader.offer(turn, turn.is_lost || is_outdated, now);
            }
            #[cfg(feature = "metrics")]
            self.shared.measures.handed(handed, &turn.events, || self.shared.profiles.now());
            #[cfg(not(feature = "metrics"))]
            let _ = handed;
            if from.is_some() {
                yield_now().await;
            }
        }
        serving.is_done = true;
    }
}

/// Wakes all readers where a turn is broken off, by a panic or with the runtime: some of them have not been offered it.
struct Serving<'a> {
    tail: &'a Tail,
    is_done: bool,
}

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if !self.is_done {
            self.tail.seats.wake_all();
        }
    }
}

async fn hand_out(tail: Weak<Tail>, due: Arc<Notify>) {
    loop {
        let mut took = Duration::ZERO;
        {
            let Some(tail) = tail.upgrade() else { return };
            while let Some(turn) = tail.turn() {
                let begun = Instant::now();
                tail.serve(&turn).await;
                took = begun.elapsed();
            }
        }
        let ended = Instant::now();
        due.notified().await;
        // Where messages come faster than readers are served, several go in one write. The committer's threads get the processor
        // meanwhile.
        if ended.elapsed() < took {
            sleep(took.min(LONGEST_REST)).await;
        }
    }
}
