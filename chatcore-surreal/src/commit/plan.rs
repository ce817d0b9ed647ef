//! What becomes of the changes of a batch: worked out here, one after the other, so that one that is refused takes
//! nothing from its neighbours.

use std::{collections::HashMap, sync::Arc};

use chatcore::{
    StoreError,
    model::{Event, Seq, SessionId, Standing},
    store::{Change, ClientIdClaim, Committed, Conflicting, Head, Write},
};

use crate::{
    rows::Known,
    snapshot::{ClaimKey, TAIL},
};

/// The client ids in use: where, and for what.
pub(crate) type Claims = HashMap<ClaimKey, (Seq, String)>;

/// What becomes of one change, provided that the batch is written.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Its events get these places.
    Accepted(Committed),
    /// It is not written.
    Refused(StoreError),
}

/// What becomes of a batch.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One for each change, in their order.
    pub(crate) verdicts: Vec<Verdict>,
    /// Where the logs that are written end afterwards.
    pub(crate) ends: HashMap<SessionId, Known>,
    /// The ends that are written down.
    pub(crate) checkpoints: Vec<SessionId>,
}

impl Plan {
    /// The first event that is written: where it is, the whole batch is.
    pub(crate) fn first_event(&self) -> Option<&Arc<Event>> {
        self.verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Accepted(committed) => committed.events.first(),
            Verdict::Refused(_) => None,
        })
    }
}

/// Decides on each change as if those before it had been committed.
pub(crate) fn plan<'a>(
    changes: impl Iterator<Item = &'a Change>,
    known: &HashMap<SessionId, Known>,
    claims: &Claims,
) -> Plan {
    let mut ends = HashMap::<SessionId, Known>::new();
    let mut used = Claims::new();
    let mut verdicts = Vec::new();
    for change in changes {
        let id = change.session_id;
        let end = ends.get(&id).or_else(|| known.get(&id)).copied().unwrap_or_default();
        let verdict = match refusal(change, &end, &[claims, &used]) {
            Some(error) => Verdict::Refused(error),
            None => {
                let (committed, end) = append(change, end);
                if let (Some(claim), Some(first)) = (&change.claim, committed.events.first()) {
                    used.insert(claim_key(id, claim), (first.seq, claim.fingerprint.clone()));
                }
                ends.insert(id, end);
                Verdict::Accepted(committed)
            }
        };
        verdicts.push(verdict);
    }
    let is_due = |(id, end): (&SessionId, &Known)| {
        let start = known.get(id).copied().unwrap_or_default();
        needs_checkpoint(&start, end).then_some(*id)
    };
    let checkpoints = ends.iter().filter_map(is_due).collect();
    Plan { verdicts, ends, checkpoints }
}

pub(crate) fn claim_key(session: SessionId, claim: &ClientIdClaim) -> ClaimKey {
    (session, claim.user_id.clone(), claim.client_id.clone())
}

/// INVARIANT: no log ever ends further than [`TAIL`] behind its checkpoint, whoever wrote it: each batch that passes a
/// multiple of it writes one. So the end of any log is found with two reads.
fn needs_checkpoint(start: &Known, end: &Known) -> bool {
    start.head.seq == 0 || start.governance != end.governance || start.head.seq / TAIL != end.head.seq / TAIL
}

fn refusal(change: &Change, end: &Known, claims: &[&Claims]) -> Option<StoreError> {
    // Staleness first: who may no longer know is not told about client ids.
    if end.governance > change.decided_at {
        return Some(StoreError::Stale);
    }
    let claim = claim_key(change.session_id, change.claim.as_ref()?);
    let (seq, fingerprint) = claims.iter().find_map(|claims| claims.get(&claim))?.clone();
    Some(StoreError::Conflict { which: Conflicting::ClientId { seq, fingerprint } })
}

fn append(change: &Change, mut end: Known) -> (Committed, Known) {
    let mut events = Vec::with_capacity(change.events.len());
    for (place, new) in change.events.iter().enumerate() {
        let Head { seq, number, at } = end.head;
        // Without an event before it, any time is right; the Unix epoch stands for none.
        let created_at = if seq == 0 { new.created_at } else { new.created_at.max(at) };
        end.head = Head { seq: seq + 1, number: number + u64::from(new.kind.is_message()), at: created_at };
        if change.governs_at(place) {
            end.governance = end.head.seq;
        }
        events.push(Arc::new(Event {
            session_id: change.session_id,
            seq: end.head.seq,
            number: end.head.number,
            created_at,
            actor: new.actor.clone(),
            kind: new.kind.clone(),
        }));
    }
    (Committed { events }, end)
}

/// Why a change can never be committed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a change without an event")]
    NoEvent,
    #[error("a change that writes a record of another session")]
    OtherSession,
    #[error("a participant's record that says that there is none")]
    Stranger,
}

/// Looks for what the service never asks for. What gets past here cannot harm the rest of its batch.
pub(crate) fn check(change: &Change) -> Result<(), Malformed> {
    if change.events.is_empty() {
        return Err(Malformed::NoEvent);
    }
    for write in &change.writes {
        let id = match write {
            Write::Session(session) => session.id,
            Write::Participant(record) => match record.standing {
                Standing::Active(_) | Standing::Former(_) => record.session_id,
                Standing::Stranger => return Err(Malformed::Stranger),
            },
        };
        if id != change.session_id {
            return Err(Malformed::OtherSession);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
