//! What goes wrong in commits.

use super::*;

impl Faulty {
    /// Forgets reasons to refuse, and refuses what must not be refused.
    pub(super) async fn judge(&self, change: &mut Change) -> Result<(), StoreError> {
        let Some(append) = &mut change.append else { return Ok(()) };
        let log = self.whole_log(append.session_id).await?;
        if self.has(Fault::LeavesAHole) && append.decided_at >= 6 {
            append.decided_at -= 1;
        }
        let decided_at = append.decided_at;
        let later = || log.iter().filter(|event| event.seq > decided_at);
        match self.fault {
            Fault::ForgetsStaleness => append.decided_at = u64::MAX,
            Fault::LooksAFewEventsBack => append.decided_at = decided_at.max((log.len() as u64).saturating_sub(64)),
            Fault::CallsMessagesGovernance if later().next().is_some() => return Err(StoreError::Stale),
            Fault::LetsGovernedRecordsOfMessagesPass if !later().any(|event| event.kind.is_governance()) => {
                append.decided_at = u64::MAX;
            }
            Fault::GovernsByTheNewKind if !later().any(|event| self.shown(event).governs) => {
                append.decided_at = u64::MAX;
            }
            Fault::BeginsSessionsAgain if decided_at == 0 => append.decided_at = u64::MAX,
            Fault::MakesOtherSessionsStale => {
                let elsewhere = self.notes().governed.is_some_and(|id| id != append.session_id);
                if elsewhere && decided_at > 0 {
                    return Err(StoreError::Stale);
                }
            }
            Fault::IsStaleAtTheEventItself => append.decided_at = decided_at.saturating_sub(1),
            Fault::ChecksAndThenAppends => {
                if later().any(|event| event.governs) {
                    return Err(StoreError::Stale);
                }
                append.decided_at = u64::MAX;
                pause().await;
            }
            Fault::RewritesAnyRevision => {
                for rewrite in &mut append.rewrites {
                    let found = log.iter().find(|event| event.seq == rewrite.seq);
                    rewrite.revision = found.map_or(rewrite.revision, |event| event.revision);
                }
            }
            Fault::RewritesOneRowOnly => append.rewrites.truncate(1),
            Fault::ReversesChanges => append.events.reverse(),
            _ => {}
        }
        Ok(())
    }

    /// Does something else than what the writes say.
    pub(super) async fn bend(&self, change: &mut Change) -> Result<(), StoreError> {
        let head = match change.session() {
            Some(id) => self.whole_log(id).await?.len() as u64,
            None => 0,
        };
        for write in &mut change.writes {
            write.key = self.key(write.key.clone());
            let found = self.kept(&write.key).await?;
            self.bend_one(write, found, head);
        }
        match self.fault {
            Fault::WritesBackwards => change.writes.reverse(),
            Fault::ForgetsTheLastWrite if change.writes.len() > 1 => drop(change.writes.pop()),
            Fault::IgnoresHolds => change.writes.retain(|write| write.kind != WriteKind::Hold),
            Fault::ReadsAndThenAdds => {
                let is_put =
                    |write: &Write| matches!(write.kind, WriteKind::Put(_)) && write.expect == Expect::Anything;
                if change.writes.iter().any(is_put) {
                    pause().await;
                }
            }
            Fault::ExpectsAndThenWrites => {
                for write in &change.writes {
                    let found = self.kept(&write.key).await?;
                    let version = found.as_ref().map(|record| record.version);
                    let is_met = match write.expect {
                        Expect::Anything => true,
                        Expect::Absent => version.is_none(),
                        Expect::Version(expected) => version == Some(expected),
                    };
                    if !is_met {
                        return Err(conflict(write.key.clone(), found));
                    }
                }
                pause().await;
                // What was written meanwhile is not looked at again.
                change.writes.retain(|write| write.kind != WriteKind::Hold);
                change.writes.iter_mut().for_each(|write| write.expect = Expect::Anything);
            }
            _ => {}
        }
        Ok(())
    }

    fn bend_one(&self, write: &mut Write, found: Option<Record>, head: Seq) {
        let is_hold = write.kind == WriteKind::Hold;
        match (self.fault, &mut write.kind, write.expect) {
            (Fault::ForgetsAbsences, _, Expect::Absent) => write.expect = Expect::Anything,
            (Fault::ForgetsVersions, _, Expect::Version(_)) if !is_hold => write.expect = Expect::Anything,
            (Fault::KeepsTheFirstVersion, _, Expect::Version(version)) if !is_hold => {
                let first = self.notes().versions.get(&write.key).copied();
                if first == Some(version) {
                    write.expect = Expect::Anything;
                }
            }
            (Fault::WritesWhatItHolds, WriteKind::Hold, _) => {
                if let Some(record) = found {
                    write.kind = WriteKind::Put(record.value);
                }
            }
            (Fault::MergesRecords, WriteKind::Put(value), _) => {
                let before = found.map(|record| record.value.encode());
                if let (Some(Json::Object(mut merged)), Json::Object(fields)) = (before, value.encode()) {
                    merged.extend(fields);
                    let key = &write.key;
                    *value = Value::decode(key, key.table.format, Json::Object(merged)).expect("a value");
                }
            }
            (Fault::WritesAtTheHead, ..) => {
                for part in &mut write.key.parts {
                    if let Part::Here(_) | Part::NewestHere(_) = part {
                        *part = part.resolved(head);
                    }
                }
            }
            (Fault::ReplacesCounters | Fault::ReadsAndThenAdds, WriteKind::Add(number), _) => {
                let before = found.and_then(|record| record.value.encode().as_i64()).unwrap_or(0);
                let before = if self.has(Fault::ReplacesCounters) { 0 } else { before };
                let sum = Json::from(before + *number);
                write.kind = WriteKind::Put(Value::decode(&write.key, 1, sum).expect("a counter"));
            }
            _ => {}
        }
    }

    /// Commits, in one step or not.
    pub(super) async fn append(&self, mut change: Change) -> Result<Committed, StoreError> {
        match (self.fault, &mut change.append) {
            (Fault::CommitsInTwoSteps, Some(append)) if append.events.len() > 1 => {
                let rest = append.events.split_off(1);
                let mut second = change.clone();
                change.writes.clear();
                if let Some(append) = &mut second.append {
                    (append.decided_at, append.events, append.rewrites) = (u64::MAX, rest, Vec::new());
                }
                let mut committed = self.inner.commit(change).await?;
                pause().await;
                committed.events.extend(self.inner.commit(second).await?.events);
                Ok(committed)
            }
            (Fault::StaysLockedWhenDropped, _) => {
                let mut turns = 0;
                while self.is_busy.swap(true, Ordering::SeqCst) {
                    turns += 1;
                    if turns > 10_000 {
                        return Err(StoreError::Unavailable("locked".into()));
                    }
                    yield_now().await;
                }
                yield_now().await;
                let committed = self.inner.commit(change).await;
                self.is_busy.store(false, Ordering::SeqCst);
                committed
            }
            (Fault::AcknowledgesWithoutKeeping, Some(append)) if self.notes().commits % 8 == 7 => {
                let query = FactsQuery { session_id: append.session_id, records: &[] };
                let Head { seq, number, at } = self.inner.facts(&[query], Freshness::Fresh).await?.remove(0).head;
                append.rewrites.clear();
                change.writes.clear();
                let raised = |event: &Arc<Event>| {
                    let (seq, number) = (event.seq + seq, event.number + number);
                    Arc::new(Event { seq, number, created_at: event.created_at.max(at), ..(**event).clone() })
                };
                let committed = MemoryStore::new().commit(change).await?;
                Ok(Committed { events: committed.events.iter().map(raised).collect() })
            }
            _ => self.inner.commit(change).await,
        }
    }

    pub(super) fn note(&self, change: &Change, committed: &Committed) {
        let mut notes = self.notes();
        let first = committed.events.first().map_or(0, |event| event.seq);
        for write in &change.writes {
            let key = write.key.resolved(first);
            let age = notes.ages.len();
            notes.ages.entry(key.clone()).or_insert(age);
            notes.versions.entry(key).or_insert(change.id);
        }
        if committed.events.iter().any(|event| event.governs) {
            notes.governed = change.session();
            if self.has(Fault::MissesMessagesInFreshFacts) {
                notes.facts.retain(|(id, _), _| Some(*id) != change.session());
            }
        }
    }

    pub(super) async fn refuse(&self, given: Change, error: StoreError) -> StoreError {
        if self.has(Fault::WritesWhenItRefuses) {
            let is_shared = |write: &Write| write.key.session().is_none() && matches!(write.kind, WriteKind::Put(_));
            let free = |write: Write| Write { expect: Expect::Anything, ..write };
            let writes = given.writes.iter().filter(|write| is_shared(write)).cloned().map(free).take(1).collect();
            let _ = self.inner.commit(Change::of_records(writes)).await;
        }
        if self.has(Fault::ConflictsBeforeItIsStale) && matches!(error, StoreError::Stale) {
            for write in given.writes.iter().filter(|write| write.expect == Expect::Absent) {
                if let Ok(Some(record)) = self.kept(&write.key).await {
                    return conflict(write.key.clone(), Some(record));
                }
            }
        }
        error
    }

    /// What a commit answers.
    pub(super) fn answer(&self, given: &Change, committed: Committed) -> Committed {
        let mut events: Vec<_> = committed.events.iter().map(|event| self.shown(event)).collect();
        let new = given.append.iter().flat_map(|append| &append.events);
        for (event, new) in events.iter_mut().zip(new) {
            let mut bent = Event::clone(event);
            match (self.fault, bent.seq) {
                (Fault::AnswersTheCallersTime, _) => bent.created_at = new.created_at,
                (Fault::SwapsPositions, 6) => bent.seq = 7,
                (Fault::SwapsPositions, 7) => bent.seq = 6,
                _ => continue,
            }
            *event = Arc::new(bent);
        }
        Committed { events }
    }
}
