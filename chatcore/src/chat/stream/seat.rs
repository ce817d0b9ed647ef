//! The readers of a tail that wait for the next event, and the way to hand it to them without a task.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
};

use chrono::{DateTime, Utc};

use super::{
    login::Login,
    queue::Entry,
    rights::{Holding, Outcome, Rights},
};
use crate::chat::{
    decide::history::shown_from,
    read::view::{EventView, SignalView},
};
use crate::{
    error::{Error, Result},
    model::{Cursor, Seq, UserId},
    permission::{Action, Decision},
};

/// Signals that wait for a reader; a reader who is further behind misses the oldest.
const SIGNALS: usize = 64;

/// Receives the deliveries of a [`Subscription`](crate::chat::Subscription) directly, without a waiting task.
///
/// # Contract
/// The task that reads the log for all readers calls the methods in the order of the log, one call at a time for each subscription. The
/// methods must not wait, and must not call the subscription. Accepted deliveries count as delivered: the stream does not repeat these
/// deliveries. A delivery that is not accepted wakes the task that polls the stream, and the stream yields the delivery.
pub trait Outlet: Send + Sync {
    /// Accepts the first of these events, as many as possible, and returns the number of accepted events. `events` is never empty.
    fn take_events(&self, events: &[Arc<EventView>]) -> usize;

    /// Accepts a signal, and returns whether the signal was accepted.
    fn take_signal(&self, signal: &Arc<SignalView>) -> bool;
}

/// Where the events of a reader in step go.
pub(in crate::chat) enum Way {
    /// To an outlet, which passes them on.
    Outlet(Arc<dyn Outlet>),
    /// To a queue, in which they wait.
    Queue(Arc<Entry>),
}

impl Way {
    fn take_events(&self, events: &[Arc<EventView>], since: u64, decided_at: Seq, holding: Holding) -> usize {
        let events = &*shown_from(holding.history.first_visible(), events);
        match self {
            Self::Outlet(outlet) => outlet.take_events(events),
            Self::Queue(entry) => entry.take_events(events.iter().map(|view| {
                let reached = Reached { position: view.event.cursor(), decided_at, holding };
                (Arc::clone(view), since, reached)
            })),
        }
    }

    fn take_signal(&self, signal: &Arc<SignalView>) -> bool {
        match self {
            Self::Outlet(outlet) => outlet.take_signal(signal),
            Self::Queue(entry) => entry.take_signal(signal),
        }
    }
}

/// How far a reader has come, and the rights of the reader there.
#[derive(Debug, Clone, Copy)]
pub(in crate::chat) struct Reached {
    position: Cursor,
    decided_at: Seq,
    holding: Holding,
}

/// What a tail offers to its readers at once.
pub(in crate::chat) struct Turn {
    /// The next events; empty where there are only signals.
    pub(in crate::chat) events: Vec<Arc<EventView>>,
    /// The deletions that the tail was told of before the events were collected.
    pub(in crate::chat) since: u64,
    /// Readers must look for themselves: the tail does not have the next events at hand.
    pub(in crate::chat) is_lost: bool,
    /// Each with the position before which it must not be told.
    pub(in crate::chat) signals: Vec<(Seq, Arc<SignalView>)>,
}

/// The place of one reader at a tail.
///
/// A reader that has everything waits here. While it waits, its next events go to its outlet. Whatever the outlet does not
/// take, and whatever ends the stream, wakes the reader's task, and nothing goes to the outlet until the reader waits again.
pub(in crate::chat) struct Seat(Mutex<State>);

struct State {
    rights: Rights,
    expires_at: Option<DateTime<Utc>>,
    login: Login,
    /// The last event that the reader has.
    position: Cursor,
    /// The position was moved back since the reader rose last.
    is_back: bool,
    /// The task of the reader; `None` while it does not wait.
    waiting: Option<Waker>,
    way: Option<Way>,
    signals: VecDeque<(Seq, Arc<SignalView>)>,
    /// Whether the reader asked for presence; `None` for no.
    presence: Option<Arc<AtomicBool>>,
    /// The reader is gone.
    is_left: bool,
}

/// What a reader that wants to wait finds.
pub(in crate::chat) enum Waiting {
    /// It waits from now on.
    Begun,
    /// A signal came meanwhile.
    Signal(Arc<SignalView>),
    /// A signal came meanwhile that stands behind events after the reader's position.
    Behind,
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seat").finish_non_exhaustive()
    }
}

impl Seat {
    pub(in crate::chat) fn new(
        rights: Rights,
        position: Cursor,
        expires_at: Option<DateTime<Utc>>,
        login: Login,
    ) -> Self {
        Self(Mutex::new(State {
            rights,
            expires_at,
            login,
            position,
            is_back: false,
            waiting: None,
            way: None,
            signals: VecDeque::new(),
            presence: None,
            is_left: false,
        }))
    }

    /// Tells the reader of presence while this is set.
    pub(in crate::chat) fn show_presence(&self, is_shown: Arc<AtomicBool>) {
        self.state().presence = Some(is_shown);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::chat) fn deliver_to(&self, way: Way) {
        self.state().way = Some(way);
    }

    /// How far the reader has come.
    pub(in crate::chat) fn reached(&self) -> Reached {
        let State { rights: Rights { decided_at, holding, .. }, position, .. } = &*self.state();
        Reached { position: *position, decided_at: *decided_at, holding: *holding }
    }

    /// Moves the reader back to where it was once, and wakes it. Nothing is offered to the reader before it waits again.
    pub(in crate::chat) fn go_back(&self, to: Reached) {
        let waker = {
            let mut state = self.state();
            (state.position, state.is_back) = (to.position, true);
            (state.rights.decided_at, state.rights.holding) = (to.decided_at, to.holding);
            state.waiting.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Begins to wait for what follows, unless a signal is there.
    pub(in crate::chat) fn wait(&self, waker: &Waker) -> Waiting {
        let mut state = self.state();
        match state.signals.pop_front() {
            Some((before, signal)) if before > state.position.seq => {
                state.signals.push_front((before, signal));
                Waiting::Behind
            }
            Some((_, signal)) => Waiting::Signal(signal),
            None => {
                // An idle reader keeps no memory for signals that came once.
                state.signals = VecDeque::new();
                state.waiting = Some(waker.clone());
                Waiting::Begun
            }
        }
    }

    /// Ends the wait; the position that the reader has come to, and whether it was moved back to it meanwhile.
    pub(in crate::chat) fn rise(&self) -> (Cursor, bool) {
        let (waker, risen) = {
            let mut state = self.state();
            (state.waiting.take(), (state.position, mem::take(&mut state.is_back)))
        };
        drop(waker);
        risen
    }

    /// Takes the reader past an event.
    pub(in crate::chat) fn pass(&self, view: &EventView) -> Outcome {
        let mut state = self.state();
        let (holding, outcome) = state.rights.after(view);
        (state.rights.holding, state.position) = (holding, view.event.cursor());
        outcome
    }

    /// The first position that the reader sees.
    ///
    /// # Errors
    /// [`Resync`](Error::Resync) where an event of a replay stands before it.
    pub(in crate::chat) fn first_visible(&self, view: &EventView) -> Result<Seq> {
        let Rights { decided_at, holding, .. } = &self.state().rights;
        let (seq, first, head) = (view.event.seq, holding.history.first_visible(), *decided_at);
        // What comes after the decision came while the reader was in the session.
        if seq < first && seq <= head {
            return Err(Error::Resync { oldest: first.saturating_sub(1).min(head), head });
        }
        Ok(first)
    }

    /// Whether an event is part of a replay that was decided on before the position `narrowed`.
    pub(in crate::chat) fn is_narrowed(&self, view: &EventView, narrowed: Seq) -> bool {
        narrowed > view.event.seq && (view.event.seq..narrowed).contains(&self.state().rights.decided_at)
    }

    /// Whether a view shows a row that was rewritten where it is not known what the reader was allowed to do.
    pub(in crate::chat) fn is_beyond(&self, view: &EventView) -> bool {
        self.state().rights.is_beyond(view)
    }

    /// The user.
    pub(in crate::chat) fn user(&self) -> UserId {
        self.state().rights.user.clone()
    }

    /// Decides on what held at a position.
    pub(in crate::chat) fn decide(&self, holding: Holding, decided_at: Seq) -> Decision {
        let mut state = self.state();
        (state.rights.holding, state.rights.decided_at) = (holding, decided_at);
        state.rights.permissions.decide(&holding.facts, Action::View)
    }

    /// Wakes the reader, so that it looks for itself.
    pub(in crate::chat) fn wake(&self) {
        let waker = self.state().waiting.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Nothing is offered to the reader from now on.
    pub(in crate::chat) fn leave(&self) {
        let left = {
            let mut state = self.state();
            state.is_left = true;
            (state.waiting.take(), state.way.take())
        };
        drop(left);
    }

    /// Hands the reader what it can take at once, and wakes it for the rest. Says how many events its outlet took.
    pub(in crate::chat) fn offer(&self, turn: &Turn, is_lost: bool, now: DateTime<Utc>) -> usize {
        let (waker, handed) = self.state().take_turn(turn, is_lost, now);
        // The lock is free again: a waker is code of the reader's side, which may look at the seat.
        if let Some(waker) = waker {
            waker.wake();
        }
        handed
    }
}

impl State {
    /// Takes what it can; gives the task that must be woken for the rest, and how many events the outlet took.
    fn take_turn(&mut self, turn: &Turn, is_lost: bool, now: DateTime<Utc>) -> (Option<Waker>, usize) {
        let (mut waker, mut handed) = (None, 0);
        if self.waiting.is_some() {
            let is_over = self.expires_at.is_some_and(|end| end <= now) || self.login.is_over(now);
            if is_over || is_lost || !self.take(turn, &mut handed) {
                waker = self.waiting.take();
            }
        }
        for (before, signal) in &turn.signals {
            let told = self.hears(signal, now).cloned();
            if told.is_some_and(|signal| !self.take_signal(*before, &signal)) {
                waker = waker.or_else(|| self.waiting.take());
            }
        }
        (waker, handed)
    }

    /// Passes events on, and counts those that the outlet took; whether the reader then has all of them.
    fn take(&mut self, Turn { events, since, .. }: &Turn, handed: &mut usize) -> bool {
        let Self { rights, position, way, .. } = self;
        if events.last().is_none_or(|last| last.event.seq <= position.seq) {
            return true;
        }
        let Some(way) = way else { return false };
        let next = events.iter().position(|view| view.event.seq == position.seq + 1);
        let mut rest = next.and_then(|next| events.get(next..)).unwrap_or_default();
        while let Some(first) = rest.first() {
            let (holding, outcome) = rights.after(first);
            if outcome != Outcome::GoesOn || rights.is_beyond(first) {
                return false;
            }
            // What changes nobody's rights goes together.
            let is_plain = |view: &&Arc<EventView>| !view.event.governs && !rights.is_beyond(view);
            let plain = rest.iter().take_while(is_plain).count();
            let Some((run, others)) = rest.split_at_checked(plain.max(1)) else { return false };
            let taken = way.take_events(run, *since, rights.decided_at, holding);
            // What waits in a queue is not handed to the reader yet.
            *handed += if matches!(way, Way::Outlet(_)) { taken } else { 0 };
            if let Some(last) = taken.checked_sub(1).and_then(|last| run.get(last)) {
                *position = last.event.cursor();
                rights.holding = holding;
            }
            if taken < run.len() {
                return false;
            }
            rest = others;
        }
        next.is_some()
    }

    /// What the reader is told of a signal, where it is for the reader.
    fn hears<'a>(&self, signal: &'a Arc<SignalView>, now: DateTime<Utc>) -> Option<&'a Arc<SignalView>> {
        let is_shown = |presence: &Arc<AtomicBool>| presence.load(Ordering::Relaxed);
        let Rights { user, permissions, holding, decided_at: _ } = &self.rights;
        let is_wanted = !self.is_left
            && signal.signal.is_for(user)
            && (!signal.signal.is_of_reports() || permissions.decide(&holding.facts, Action::ManageReports).is_ok())
            && signal.signal.shown_part().is_none_or(|part| part.message.seq >= holding.history.first_visible())
            && signal.audience.as_ref().is_none_or(|audience| audience.contains(user))
            && (!signal.signal.is_presence() || self.presence.as_ref().is_some_and(is_shown));
        let blocked_at = || {
            let stops = signal.signal.stops_at_blocks();
            stops.then(|| self.login.blocked_at(signal.signal.user_id())).flatten()
        };
        if is_wanted { signal.told(&self.rights.user, blocked_at(), now) } else { None }
    }

    /// Passes a signal on, or keeps it; whether it was passed on.
    fn take_signal(&mut self, before: Seq, signal: &Arc<SignalView>) -> bool {
        let in_step = self.waiting.is_some() && self.position.seq >= before && self.signals.is_empty();
        if in_step && self.way.as_ref().is_some_and(|way| way.take_signal(signal)) {
            return true;
        }
        if self.signals.len() >= SIGNALS {
            self.signals.pop_front();
        }
        self.signals.push_back((before, Arc::clone(signal)));
        false
    }
}

impl Reached {
    /// The position.
    pub(in crate::chat) const fn seq(&self) -> Seq {
        self.position.seq
    }
}

/// The readers of one tail.
#[derive(Default)]
pub(in crate::chat) struct Seats(Mutex<Places>);

#[derive(Default)]
struct Places {
    seats: Vec<Option<Arc<Seat>>>,
    free: Vec<usize>,
}

impl Seats {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, which is given back by its number.
    pub(in crate::chat) fn take(&self, seat: Arc<Seat>) -> usize {
        let mut places = self.places();
        let Places { seats, free } = &mut *places;
        if let Some((number, place)) = free.pop().and_then(|number| Some((number, seats.get_mut(number)?))) {
            *place = Some(seat);
            return number;
        }
        seats.push(Some(seat));
        seats.len() - 1
    }

    pub(in crate::chat) fn give_back(&self, number: usize) {
        let mut places = self.places();
        if let Some(place) = places.seats.get_mut(number) {
            *place = None;
            places.free.push(number);
        }
        if places.free.len() == places.seats.len() {
            *places = Places::default();
        }
    }

    /// Collects at most so many readers from a number on; gives the number to go on from, or `None` after the last.
    /// Readers that come meanwhile may be missed: they look for themselves before they wait.
    pub(in crate::chat) fn some(&self, from: usize, most: usize, found: &mut Vec<Arc<Seat>>) -> Option<usize> {
        let places = self.places();
        let end = from.saturating_add(most).min(places.seats.len());
        found.extend(places.seats.get(from..end).unwrap_or_default().iter().flatten().cloned());
        (end < places.seats.len()).then_some(end)
    }

    pub(in crate::chat) fn wake_all(&self) {
        let mut found = Vec::new();
        self.some(0, usize::MAX, &mut found);
        found.iter().for_each(|seat| seat.wake());
    }
}
