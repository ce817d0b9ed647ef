//! Use cases that read of many sessions at once, so that a list with its contents costs the store no more calls than one
//! session. Those that read of one session are the same with one entry.

use std::{mem, sync::Arc};

use super::{
    lists::{Seated, Slice},
    pages::{Paged, Wanted, page},
    profiles, view,
};
use crate::chat::{
    Chat,
    decide::{govern::Viewable, history::Sight, turns::OVERTAKEN},
    participants::show,
    read::extras::Extras,
    sessions::summary,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::Use,
    model::{
        Event, ListPage, Message, MessageId, MessagePage, MessageRevision, MessageWindow, Page, Participant,
        ParticipantId, Preferences, ReadState, Seq, SessionDetails, SessionId, SessionSummary, Standing, Stay,
        UnreadMentions, UserId,
    },
    permission::{AddressFacts, Denial, may_see_address},
    store::{LogRange, ParticipantRecord},
    trace::use_case,
};

/// A page of a session's messages, as [`Chat::messages`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessagesOf {
    /// The session.
    pub session_id: SessionId,
    /// The requested page.
    pub window: MessageWindow,
    /// Maximum number of messages; `None` for the default.
    pub limit: Option<u64>,
}

/// A page of a session's participants, as [`Chat::participants`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParticipantsOf {
    /// The session.
    pub session_id: SessionId,
    /// The requested page.
    pub page: Page<ParticipantId>,
    /// Whether to return e-mail addresses.
    pub with_email: bool,
}

/// A session whose participants are being read.
enum Roll {
    /// Not yet, or the list is not of the same time.
    Open(Viewable),
    /// Both held at the same time.
    Called(Viewable, Vec<Arc<ParticipantRecord>>),
}

/// The reader's own data of a session.
struct Own {
    reading: ReadState,
    preferences: Preferences,
    stay: Stay,
}

impl Roll {
    fn open(&self) -> Option<SessionId> {
        match self {
            Self::Open(viewed) => Some(viewed.session.id),
            Self::Called(..) => None,
        }
    }
}

/// Goes on with the entries that have not failed, each with what was found for it: one thing for each of them, in order.
pub(in crate::chat) fn go_on<T, F, U>(
    entries: Vec<Result<T>>,
    found: impl IntoIterator<Item = F>,
    mut step: impl FnMut(T, F) -> Result<U>,
) -> Vec<Result<U>> {
    let mut found = found.into_iter();
    let mut one = |entry| step(entry, found.next().ok_or(Error::Internal)?);
    entries.into_iter().map(|entry| entry.and_then(&mut one)).collect()
}

/// What was found for the only entry.
pub(in crate::chat) fn only<T>(found: Vec<Result<T>>) -> Result<T> {
    found.into_iter().next().ok_or(Error::Internal)?
}

/// A message's address in a session that the caller may not know of must not tell whether there is such a session.
pub(in crate::chat) fn hidden_message(error: Error) -> Error {
    if error == Error::Denied(Denial::Hidden) { Error::MessageNotFound } else { error }
}

/// The last position at which one of the rows was rewritten, or got or lost a reaction.
fn revised<'a>(rows: impl IntoIterator<Item = &'a Arc<Event>>, extras: &Extras) -> Seq {
    rows.into_iter().map(|row| row.revised.max(extras.written([&**row]))).max().unwrap_or(0)
}

impl Chat {
    /// Sessions, each in the form of lists, in the order of the ids. `ids` may contain an id more than once.
    ///
    /// The outer error concerns the whole call, an inner error only its own entry: [`Denied`](Error::Denied) when the caller may not view
    /// the session.
    ///
    /// # Errors
    /// [`LimitExceeded`](Error::LimitExceeded) for more than [`batch_max`](crate::Limits::batch_max) ids.
    pub async fn sessions_by_id(
        &self,
        principal: &Principal,
        ids: &[SessionId],
    ) -> Result<Vec<Result<SessionSummary>>> {
        use_case!("sessions_by_id", async move {
            self.enter_batch(principal, ids).await?;
            let viewed = self.viewable(principal, ids.iter().copied()).await?;
            let owners = viewed.iter().flatten().map(|viewed| &viewed.session.owner);
            let profiles = self.inner.profiles.find(owners.collect()).await?;
            let summary =
                |viewed: Viewable| summary(Arc::unwrap_or_clone(viewed.session), viewed.sight.head, &profiles);
            Ok(viewed.into_iter().map(|viewed| viewed.map(summary)).collect())
        })
    }

    /// Sessions with their first participants and newest messages, each as [`session`](Self::session) returns it, in the order of the ids.
    /// `ids` may contain an id more than once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id).
    pub async fn details_by_id(&self, principal: &Principal, ids: &[SessionId]) -> Result<Vec<Result<SessionDetails>>> {
        use_case!("details_by_id", async move {
            self.enter_batch(principal, ids).await?;
            self.each_details(principal, ids).await
        })
    }

    /// Pages of messages, each as [`messages`](Self::messages) returns it, in the order of `asked`. `asked` may contain a session more than
    /// once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id); a page outside of the limits is an inner error.
    pub async fn messages_of(&self, principal: &Principal, asked: &[MessagesOf]) -> Result<Vec<Result<MessagePage>>> {
        use_case!("messages_of", async move {
            self.enter_batch(principal, asked).await?;
            self.each_messages(principal, asked).await
        })
    }

    /// Messages, each as [`message`](Self::message) returns it, in the order of the ids. `ids` may contain an id more than once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id).
    pub async fn messages_by_id(&self, principal: &Principal, ids: &[MessageId]) -> Result<Vec<Result<Message>>> {
        use_case!("messages_by_id", async move {
            self.enter_batch(principal, ids).await?;
            self.each_message(principal, ids).await
        })
    }

    /// The earlier texts of messages, each as [`message_revisions`](Self::message_revisions) returns them, in the order of the ids. `ids`
    /// may contain an id more than once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id).
    pub async fn revisions_of(
        &self,
        principal: &Principal,
        ids: &[MessageId],
    ) -> Result<Vec<Result<Vec<MessageRevision>>>> {
        use_case!("revisions_of", async move {
            self.enter_batch(principal, ids).await?;
            self.each_revisions(principal, ids).await
        })
    }

    /// Pages of participants, each as [`participants`](Self::participants) returns it, in the order of `asked`. `asked` may contain a
    /// session more than once.
    ///
    /// # Errors
    /// As [`sessions_by_id`](Self::sessions_by_id); a page outside of the limits is an inner error.
    pub async fn participants_of(
        &self,
        principal: &Principal,
        asked: &[ParticipantsOf],
    ) -> Result<Vec<Result<ListPage<Participant, ParticipantId>>>> {
        use_case!("participants_of", async move {
            self.enter_batch(principal, asked).await?;
            self.each_participants(principal, asked).await
        })
    }

    /// The beginning of a use case that takes several entries, each of which is one use. A batch with too many entries is one use, and
    /// refused.
    pub(in crate::chat) async fn enter_batch<T: Sync>(&self, principal: &Principal, asked: &[T]) -> Result<()> {
        let max = self.inner.limits.batch_max;
        let is_long = asked.len() > max;
        self.enter(principal, Use::Request.times(if is_long { 1 } else { asked.len() })).await?;
        if is_long {
            return Err(Error::LimitExceeded { what: "the number of sessions asked for at once", limit: max as u64 });
        }
        Ok(())
    }

    /// Refuses what shows rows that were rewritten after the reader had lost the right to read.
    async fn unless_rewritten<T>(
        &self,
        user: &UserId,
        found: Vec<Result<T>>,
        read: impl Fn(&T) -> (Sight, Seq),
    ) -> Result<Vec<Result<T>>> {
        let read: Vec<_> = found.iter().flatten().map(read).collect();
        let decided = self.decided_upto(user, read).await?;
        Ok(go_on(found, decided, |found, decided| decided.map(|()| found)))
    }

    pub(in crate::chat) async fn each_details(
        &self,
        principal: &Principal,
        ids: &[SessionId],
    ) -> Result<Vec<Result<SessionDetails>>> {
        let found = self.with_first_participants(principal, ids).await?;
        let limit = u64::from(self.inner.limits.page_default);
        let newest = |(viewed, _): &(Viewable, _)| Wanted::of(viewed.sight, MessageWindow::Newest, limit);
        let events = self.pages_of_events(found.iter().flatten().map(newest).collect()).await?;
        let found = go_on(found, events, |(viewed, records), events| Ok((viewed, records, events?)));
        let pages: Vec<&[_]> = found.iter().flatten().map(|(_, _, found)| found.events.as_slice()).collect();
        let extras = self.extras(principal, &pages).await?;
        let read = |(viewed, _, found): &(Viewable, _, Paged)| (viewed.sight, revised(&found.events, &extras));
        let found = self.unless_rewritten(&principal.user_id, found, read).await?;
        let sights: Vec<_> = found.iter().flatten().map(|(viewed, ..)| viewed.sight).collect();
        let marks = self.marks(&principal.user_id, sights.iter().map(|sight| sight.session_id)).await?;
        let states = self.states_by(&principal.user_id, &marks, &sights).await?;
        let mentions = self.mentions_by(&principal.user_id, &states, &sights).await?;
        let found = go_on(found, states.into_iter().zip(&marks), |(viewed, records, events), (state, marks)| {
            let own = Own { reading: state?.0, preferences: marks.preferences, stay: viewed.stay()? };
            Ok((viewed, records, events, own))
        });
        let written = |id: &SessionId| mentions.get(id).map_or(0, |(_, written)| *written);
        let read = |(viewed, ..): &(Viewable, _, _, _)| (viewed.sight, written(&viewed.sight.session_id));
        let found = self.unless_rewritten(&principal.user_id, found, read).await?;
        let users = found.iter().flatten().flat_map(|(viewed, records, found, _)| {
            let participants = records.iter().map(|record| &record.user_id);
            let senders = found.events.iter().map(|event| &event.actor);
            participants.chain(senders).chain([&viewed.session.owner])
        });
        let profiles = self.inner.profiles.find(users.collect()).await?;
        let now = self.inner.clock.now();
        let details = |(viewed, records, found, own): (Viewable, _, Paged, Own)| {
            let Own { reading, preferences, stay } = own;
            let Viewable { sight: Sight { head, .. }, governance: _, session, reader: _ } = viewed;
            SessionDetails {
                summary: summary(Arc::unwrap_or_clone(session), head, &profiles),
                participants: show(records, &profiles, now, |_| false),
                messages: page(head, &found, &profiles, &extras).messages,
                unseen_messages: found.before,
                seq: head.seq,
                reading,
                unread_mentions: mentions.get(&reading.session_id).map_or(UnreadMentions::NONE, |(unread, _)| *unread),
                preferences,
                stay,
            }
        };
        Ok(found.into_iter().map(|found| found.map(details)).collect())
    }

    /// Sessions that somebody may view, each with the first of those who were in it then.
    async fn with_first_participants(
        &self,
        principal: &Principal,
        ids: &[SessionId],
    ) -> Result<Vec<Result<(Viewable, Vec<Arc<ParticipantRecord>>)>>> {
        let slice = Slice::first(u64::from(self.inner.limits.page_default));
        let viewed = self.viewable(principal, ids.iter().copied()).await?;
        let mut rolls: Vec<_> = viewed.into_iter().map(|viewed| viewed.map(Roll::Open)).collect();
        for turn in 0..self.inner.limits.commit_attempts {
            if !rolls.iter().flatten().any(|roll| roll.open().is_some()) {
                break;
            }
            if turn < OVERTAKEN {
                rolls = self.call_rolls(&principal.user_id, rolls, slice).await?;
                continue;
            }
            // One after the other, so that no session waits for the gate of another one.
            for roll in &mut rolls {
                let Some(id) = roll.as_ref().ok().and_then(Roll::open) else { continue };
                let _gate = self.inner.gates.pass(id).await;
                let mut called =
                    self.call_rolls(&principal.user_id, vec![mem::replace(roll, Err(Error::Internal))], slice).await?;
                if called.iter().flatten().any(|roll| roll.open().is_some()) {
                    called = self.call_rolls(&principal.user_id, called, slice).await?;
                }
                *roll = only(called);
            }
        }
        let called = |roll| match roll {
            Roll::Open(_) => Err(Error::Unavailable),
            Roll::Called(viewed, records) => Ok((viewed, records)),
        };
        Ok(rolls.into_iter().map(|roll| roll.and_then(called)).collect())
    }

    /// Reads the first participants of the sessions that are open. A session stays open where an event has governed the session since it was viewed.
    async fn call_rolls(
        &self,
        user: &UserId,
        rolls: Vec<Result<Roll>>,
        slice: Slice<ParticipantId>,
    ) -> Result<Vec<Result<Roll>>> {
        let open: Vec<SessionId> = rolls.iter().flatten().filter_map(Roll::open).collect();
        let queries: Vec<_> = open.iter().map(|id| Seated { session_id: *id, slice }).collect();
        let lists = self.seats_of(&queries).await?;
        let again = self.still_viewable(user, open.into_iter()).await?;
        let mut read = lists.into_iter().zip(again);
        let mut call = |roll| match roll {
            Roll::Called(..) => Ok(roll),
            Roll::Open(viewed) => {
                let (records, again) = read.next().ok_or(Error::Internal)?;
                let again = again?;
                // Nobody came or went meanwhile.
                let same = again.governance == viewed.governance;
                Ok(if same { Roll::Called(viewed, records) } else { Roll::Open(again) })
            }
        };
        Ok(rolls.into_iter().map(|roll| roll.and_then(&mut call)).collect())
    }

    pub(in crate::chat) async fn each_messages(
        &self,
        principal: &Principal,
        asked: &[MessagesOf],
    ) -> Result<Vec<Result<MessagePage>>> {
        let limited = |asked: &MessagesOf| Ok((*asked, self.inner.limits.window(asked.window, asked.limit)?));
        let asked: Vec<_> = asked.iter().map(limited).collect();
        let ids = asked.iter().flatten().map(|(asked, _)| asked.session_id);
        let viewed = self.viewable(principal, ids).await?;
        let wanted =
            go_on(asked, viewed, |(asked, limit), viewed| Ok((asked, Wanted::of(viewed?.sight, asked.window, limit))));
        let wanted = self.within_logs(wanted).await;
        let events = self.pages_of_events(wanted.iter().flatten().copied().collect()).await?;
        let lost: Vec<_> = wanted.iter().map(|wanted| wanted.as_ref().ok().map(|wanted| wanted.sight)).collect();
        let mut found = go_on(wanted, events, |wanted, events| Ok((wanted, events?)));
        for (found, sight) in found.iter_mut().zip(lost) {
            if let (Err(Error::Resync { .. }), Some(sight)) = (&found, sight) {
                *found = Err(self.resync(sight).await);
            }
        }
        let pages: Vec<&[_]> = found.iter().flatten().map(|(_, found)| found.events.as_slice()).collect();
        let extras = self.extras(principal, &pages).await?;
        let read = |(wanted, found): &(Wanted, Paged)| (wanted.sight, revised(&found.events, &extras));
        let found = self.unless_rewritten(&principal.user_id, found, read).await?;
        let senders = found.iter().flatten().flat_map(|(_, found)| &found.events).map(|event| &event.actor);
        let profiles = self.inner.profiles.find(senders.collect()).await?;
        let page = |(wanted, found): (Wanted, Paged)| page(wanted.sight.head, &found, &profiles, &extras);
        Ok(found.into_iter().map(|found| found.map(page)).collect())
    }

    /// Refuses the pages at positions beyond the ends of their logs, as a stream from there is refused. Such a position comes
    /// from another log, or is a time that was given as a number.
    async fn within_logs(&self, asked: Vec<Result<(MessagesOf, Wanted)>>) -> Vec<Result<Wanted>> {
        let mut within = Vec::with_capacity(asked.len());
        for asked in asked {
            within.push(match asked {
                Ok((MessagesOf { window, .. }, wanted)) if window.is_beyond(wanted.sight.head.seq) => {
                    Err(self.resync(wanted.sight).await)
                }
                Ok((_, wanted)) => Ok(wanted),
                Err(error) => Err(error),
            });
        }
        within
    }

    pub(in crate::chat) async fn each_message(
        &self,
        principal: &Principal,
        ids: &[MessageId],
    ) -> Result<Vec<Result<Message>>> {
        let viewed = self.viewable(principal, ids.iter().map(|id| id.session_id)).await?;
        let there = |(id, viewed): (&MessageId, Result<Viewable>)| match viewed {
            Err(error) => Err(hidden_message(error)),
            Ok(viewed) if !viewed.sight.sees(id.seq) => Err(Error::MessageNotFound),
            Ok(viewed) => Ok((LogRange { session_id: id.session_id, from: id.seq, to: id.seq }, viewed.sight)),
        };
        let ranges: Vec<_> = ids.iter().zip(viewed).map(there).collect();
        let asked: Vec<LogRange> = ranges.iter().flatten().map(|(range, _)| *range).collect();
        let rows = if asked.is_empty() { Vec::new() } else { self.inner.store.log(&asked).await? };
        let found = go_on(ranges, rows, |(_, sight), rows| {
            rows.into_iter().next().map(|event| (event, sight)).ok_or(Error::MessageNotFound)
        });
        let pages: Vec<_> = found.iter().flatten().map(|(event, _)| std::slice::from_ref(event)).collect();
        let extras = self.extras(principal, &pages).await?;
        let read = |(event, sight): &(Arc<Event>, Sight)| (*sight, revised([event], &extras));
        let found = self.unless_rewritten(&principal.user_id, found, read).await?;
        let senders = found.iter().flatten().map(|(event, _)| &event.actor);
        let profiles = self.inner.profiles.find(senders.collect()).await?;
        let message = |(event, _): (Arc<Event>, Sight)| {
            let message = view::message(&event, profiles::of(&profiles, &event.actor));
            message.map(|message| extras.shown_in(message)).ok_or(Error::MessageNotFound)
        };
        Ok(found.into_iter().map(|found| found.map_err(hidden_message).and_then(message)).collect())
    }

    pub(in crate::chat) async fn each_participants(
        &self,
        principal: &Principal,
        asked: &[ParticipantsOf],
    ) -> Result<Vec<Result<ListPage<Participant, ParticipantId>>>> {
        let user = &principal.user_id;
        let query = |asked: &ParticipantsOf| {
            let (limit, slice) = self.inner.limits.slice(asked.page)?;
            Ok((Seated { session_id: asked.session_id, slice }, limit, asked.with_email))
        };
        let id = |(query, ..): &(Seated<ParticipantId>, u64, bool)| query.session_id;
        let asked: Vec<_> = asked.iter().map(query).collect();
        let viewed = self.viewable(principal, asked.iter().flatten().map(id)).await?;
        let asked = go_on(asked, viewed, |asked, viewed| viewed.map(|_| asked));
        let queries: Vec<_> = asked.iter().flatten().map(|(query, ..)| *query).collect();
        let lists = self.seats_of(&queries).await?;
        // Decided again, because a list is newer than the first decision: who was removed meanwhile must not learn of
        // those who came after that.
        let again = self.still_viewable(user, asked.iter().flatten().map(id)).await?;
        let found = go_on(asked, lists.into_iter().zip(again), |(_, limit, with_email), (records, viewed)| {
            let reader = viewed?.reader.map_or(Standing::Stranger, |record| record.standing);
            Ok((ListPage::cut(records, limit, |record| record.id), with_email, reader))
        });
        let users = found.iter().flatten().flat_map(|(page, ..)| page.iter()).map(|record| &record.user_id);
        let profiles = self.inner.profiles.find(users.collect()).await?;
        let system_role = principal.system_role;
        let now = self.inner.clock.now();
        let shown = |(page, with_email, reader): (ListPage<_, _>, _, _)| {
            page.map(|records| {
                show(records, &profiles, now, |shown| {
                    let (is_own, is_engaged) = (shown.user_id == *user, shown.is_engaged);
                    with_email && may_see_address(&AddressFacts { system_role, reader, is_own, is_engaged })
                })
            })
        };
        Ok(found.into_iter().map(|found| found.map(shown)).collect())
    }
}
