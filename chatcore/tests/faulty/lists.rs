//! Lists with faults.

use super::*;
use chatcore::model::SessionType;

fn cut<T, K>(all: Vec<T>, slice: Slice<K>) -> Vec<T> {
    let count = |n| usize::try_from(n).unwrap_or(usize::MAX);
    all.into_iter().skip(count(slice.skip)).take(count(slice.limit)).collect()
}

const fn everything<K>() -> Slice<K> {
    Slice::first(u64::MAX)
}

impl Faulty {
    /// The entries after a cursor.
    fn after<T, K: Ord + Copy>(&self, mut all: Vec<T>, after: Option<K>, id: impl Fn(&T) -> K, falls: bool) -> Vec<T> {
        let Some(cursor) = after else { return all };
        let place = all.iter().position(|entry| id(entry) == cursor);
        let passed = |entry: &T| if falls { id(entry) >= cursor } else { id(entry) <= cursor };
        match (self.fault, place) {
            (Fault::IgnoresCursors, _) => {}
            (Fault::ShowsTheEntryOfACursorAgain, _) => all.retain(|entry| !passed(entry) || id(entry) == cursor),
            (Fault::LooksForTheEntryOfACursor, None) => all.clear(),
            (Fault::StartsOverWithoutTheEntryOfACursor, None) => {}
            _ => all.retain(|entry| !passed(entry)),
        }
        all
    }

    pub(super) async fn listed_participants(
        &self,
        id: SessionId,
        mut slice: Slice<ParticipantId>,
    ) -> Result<Vec<ParticipantRecord>, StoreError> {
        let mut all =
            self.inner.participants(&[ParticipantsQuery { session_id: id, slice: everything() }]).await?.remove(0);
        let notes = self.notes();
        match self.fault {
            Fault::ListsWhoLeft => {
                all = notes.records.values().filter(|record| record.session_id == id).cloned().collect();
                all.sort_by_key(|record| record.id);
            }
            Fault::KeepsPlacesForWhoComesBack => {
                all.sort_by_key(|record| notes.first_stays.get(&(id, record.user_id.clone())));
            }
            Fault::SortsParticipantsByName => all.sort_by_key(|record| record.user_id.clone()),
            Fault::IgnoresSkipOfParticipants => slice.skip = 0,
            _ => {}
        }
        Ok(cut(self.after(all, slice.after, |record| record.id, false), slice))
    }

    pub(super) async fn listed_sessions_of(
        &self,
        user: &UserId,
        mut slice: Slice<SessionId>,
    ) -> Result<Vec<(Session, Head)>, StoreError> {
        let mut all = self.inner.sessions_of(user, everything()).await?;
        match self.fault {
            Fault::ListsDeletedSessions => all = self.noted(|session| self.is_in(user, session.id)).await?,
            Fault::ListsSessionsLeft => {
                all = self.noted(|session| session.is_active && self.was_in(user, session.id)).await?;
            }
            Fault::ListsOldestFirst => all.reverse(),
            Fault::ListsByActivity => all.sort_by_key(|(_, head)| std::cmp::Reverse(head.at)),
            Fault::IgnoresSkipOfSessions => slice.skip = 0,
            Fault::ReadsListsInTwoSteps => {
                pause().await;
                for (session, head) in &mut all {
                    *head = self.kept_facts(session.id, &[], Freshness::Fresh).await?.head;
                }
            }
            Fault::ListsWithoutHeads => all.iter_mut().for_each(|(_, head)| *head = Head::default()),
            _ => {}
        }
        let all = self.after(all, slice.after, |(session, _)| session.id, true);
        Ok(cut(self.with_heads(all), slice))
    }

    pub(super) async fn listed_public_sessions(
        &self,
        user: &UserId,
        mut slice: Slice<SessionId>,
    ) -> Result<PublicSessions, StoreError> {
        let is_open = |session: &Session| session.session_type == SessionType::Public && session.is_active;
        let has_seats = |session: &Session| session.participant_count < session.max_participants;
        let mut all = self.inner.public_sessions(user, everything()).await?.sessions;
        match self.fault {
            Fault::OffersSessionsJoined => all = self.noted(|session| is_open(session) && has_seats(session)).await?,
            Fault::OffersFullSessions => {
                all = self.noted(|session| is_open(session) && !self.is_in(user, session.id)).await?;
            }
            Fault::OffersDeletedSessions => {
                let public = |session: &Session| session.session_type == SessionType::Public;
                all = self.noted(|s| public(s) && has_seats(s) && !self.is_in(user, s.id)).await?;
            }
            Fault::OffersHiddenSessions => {
                all = self.noted(|s| s.is_active && has_seats(s) && !self.is_in(user, s.id)).await?;
            }
            Fault::OffersNothingToWhoLeft => all.retain(|(session, _)| !self.was_in(user, session.id)),
            Fault::IgnoresSkipOfPublicSessions => slice.skip = 0,
            _ => {}
        }
        let total = all.len() as u64;
        let all = self.after(all, slice.after, |(session, _)| session.id, true);
        let total = if self.has(Fault::CountsWhatIsAfterACursor) { all.len() as u64 } else { total };
        let sessions = cut(self.with_heads(all), slice);
        let total = if self.has(Fault::CountsThePage) { sessions.len() as u64 } else { total };
        Ok(PublicSessions { sessions, total })
    }

    fn with_heads(&self, sessions: Vec<(Session, Head)>) -> Vec<(Session, Head)> {
        sessions.into_iter().map(|(session, head)| (session.clone(), self.head(session.id, head))).collect()
    }

    fn is_in(&self, user: &UserId, id: SessionId) -> bool {
        let notes = self.notes();
        let record = notes.records.get(&(id, user.clone()));
        record.is_some_and(|record| matches!(record.standing, Standing::Active(_)))
    }

    fn was_in(&self, user: &UserId, id: SessionId) -> bool {
        self.notes().records.contains_key(&(id, user.clone()))
    }

    /// The sessions that were ever put and are wanted, newest first.
    async fn noted(&self, wanted: impl Fn(&Session) -> bool) -> Result<Vec<(Session, Head)>, StoreError> {
        let sessions: Vec<Session> = self.notes().sessions.values().rev().cloned().collect();
        let mut found = Vec::new();
        for session in sessions.into_iter().filter(|session| wanted(session)) {
            let head = self.kept_facts(session.id, &[], Freshness::Fresh).await?.head;
            found.push((session, head));
        }
        Ok(found)
    }
}
