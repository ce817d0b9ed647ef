//! What goes wrong in reads.

use std::cmp::Ordering as Order;

use super::*;

impl Faulty {
    async fn facts_of(
        &self,
        session_id: SessionId,
        keys: &[Key],
        freshness: Freshness,
    ) -> Result<SessionFacts, StoreError> {
        let mut asked: Vec<Key> = keys.iter().cloned().map(|key| self.key(key)).collect();
        if self.has(Fault::AnswersEachLawOnce) {
            let mut seen = Vec::new();
            asked.retain(|key| {
                !seen.contains(key) && {
                    seen.push(key.clone());
                    true
                }
            });
        }
        let query = [FactsQuery { session_id, records: &asked }];
        let mut facts = self.inner.facts(&query, freshness).await?.remove(0);
        let place = (session_id, asked.clone());
        match self.fault {
            Fault::CachesFactsUnderANewHead if freshness == Freshness::Cached => {
                let kept = self.notes().facts.entry(place).or_insert_with(|| facts.clone()).clone();
                facts = SessionFacts { head: facts.head, ..kept };
            }
            Fault::MissesMessagesInFreshFacts => facts = self.notes().facts.entry(place).or_insert(facts).clone(),
            Fault::ReadsFactsInTwoSteps => {
                pause().await;
                facts.records = self.inner.facts(&query, freshness).await?.remove(0).records;
            }
            Fault::ForgetsGovernance => facts.governance = facts.head.seq.min(1),
            Fault::GovernsByTheNewKind | Fault::LetsGovernedRecordsOfMessagesPass => {
                let log = self.whole_log(session_id).await?;
                let governs = |event: &&Arc<Event>| self.shown(event).governs;
                facts.governance = log.iter().rfind(governs).map_or(0, |event| event.seq);
            }
            _ => {}
        }
        facts.head = self.head(facts.head);
        let shown = |(key, record): (&Key, Option<Record>)| record.map(|record| self.record(key, record));
        facts.records = asked.iter().zip(facts.records).map(shown).collect();
        Ok(facts)
    }

    async fn scan_of(&self, scan: &Scan) -> Result<Vec<(Key, Record)>, StoreError> {
        let mut scan = scan.clone();
        self.fold(&mut scan.prefix);
        if let Some(after) = &mut scan.after {
            self.fold(after);
        }
        let cursor = scan.after.as_ref().map(|after| [&scan.prefix[..], after].concat());
        let is_there = match &cursor {
            Some(parts) => self.kept(&Key { table: scan.table, parts: parts.clone() }).await?.is_some(),
            None => true,
        };
        match self.fault {
            Fault::IgnoresAfter => scan.after = None,
            Fault::LooksForTheRecordOfACursor if !is_there => scan.limit = 0,
            Fault::IgnoresSkip => scan.skip = 0,
            Fault::LimitsBeforeItSkips => scan.limit = scan.limit.saturating_sub(scan.skip),
            // A text that begins another one counts as its prefix.
            Fault::ScansParts if matches!(scan.prefix.last(), Some(Part::Text(_))) => {
                let last = scan.prefix.pop();
                let found = self.inner.scan(&[scan.clone()]).await?.remove(0);
                let begins = |part: &Part, last: &Part| match (part, last) {
                    (Part::Text(text), Part::Text(last)) => text.starts_with(last.as_str()),
                    _ => part == last,
                };
                let place = scan.prefix.len();
                let is_under = |(key, _): &(Key, Record)| {
                    key.parts.get(place).zip(last.as_ref()).is_some_and(|(part, last)| begins(part, last))
                };
                return Ok(found.into_iter().filter(is_under).collect());
            }
            _ => {}
        }
        let mut found = self.inner.scan(&[scan.clone()]).await?.remove(0);
        match (self.fault, cursor) {
            (Fault::ShowsTheRecordOfACursorAgain, Some(parts)) if is_there && scan.limit > 0 => {
                let key = Key { table: scan.table, parts };
                if let Some(record) = self.kept(&key).await? {
                    found.insert(0, (key, record));
                }
            }
            (Fault::ScansByAge, _) => {
                let notes = self.notes();
                found.sort_by_key(|(key, _)| notes.ages.get(key).copied());
            }
            (Fault::ScansNumbersAsTexts | Fault::ScansLongTextsFirst, _) => {
                found.sort_by(|(one, _), (other, _)| self.order(&one.parts, &other.parts));
            }
            _ => {}
        }
        Ok(found
            .into_iter()
            .map(|(key, record)| {
                let record = self.record(&key, record);
                (key, record)
            })
            .collect())
    }

    fn order(&self, one: &[Part], other: &[Part]) -> Order {
        let part = |(one, other): (&Part, &Part)| match (self.fault, one, other) {
            (Fault::ScansNumbersAsTexts, Part::Number(one), Part::Number(other)) => {
                one.to_string().cmp(&other.to_string())
            }
            (Fault::ScansLongTextsFirst, Part::Text(one), Part::Text(other)) => {
                let is_longer = one.len() > other.len() && one.starts_with(other.as_str());
                if is_longer { Order::Less } else { one.cmp(other) }
            }
            _ => one.cmp(other),
        };
        one.iter().zip(other).map(part).find(|order| order.is_ne()).unwrap_or(one.len().cmp(&other.len()))
    }
}

#[async_trait]
impl ChatStore for Faulty {
    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        if change.check().is_err() && self.has(Fault::AcceptsTheMalformed) {
            return Ok(Committed { events: Vec::new() });
        }
        if self.has(Fault::Nothing) || change.check().is_err() {
            return self.inner.commit(change).await;
        }
        let given = change.clone();
        let mut change = change;
        let done = async {
            self.judge(&mut change).await?;
            self.bend(&mut change).await?;
            self.append(change.clone()).await
        };
        match done.await {
            Ok(committed) => {
                self.note(&given, &committed);
                self.notes().commits += 1;
                Ok(self.answer(&given, committed))
            }
            Err(error) => Err(self.refuse(given, error).await),
        }
    }

    async fn facts(&self, queries: &[FactsQuery<'_>], freshness: Freshness) -> Result<Vec<SessionFacts>, StoreError> {
        let mut queries = queries.to_vec();
        if self.has(Fault::SortsFactsQueries) {
            queries.sort_by_key(|query| query.session_id);
        }
        let mut found = Vec::new();
        for FactsQuery { session_id, records } in queries {
            found.push(self.facts_of(session_id, records, freshness).await?);
        }
        Ok(found)
    }

    async fn log(&self, ranges: &[LogRange]) -> Result<Vec<Vec<Arc<Event>>>, StoreError> {
        let mut ranges = ranges.to_vec();
        for range in &mut ranges {
            match self.fault {
                Fault::ReadsOneTooMany => range.to = range.to.saturating_add(1),
                Fault::ReadsAHundredAtMost => range.to = range.to.min(range.from.saturating_add(99)),
                _ => {}
            }
        }
        if self.has(Fault::SortsRanges) {
            ranges.sort_by_key(|range| (range.session_id, range.from));
        }
        let found = self.inner.log(&ranges).await?;
        Ok(found.iter().map(|part| part.iter().map(|event| self.shown(event)).collect()).collect())
    }

    async fn records(&self, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut keys: Vec<Key> = keys.iter().cloned().map(|key| self.key(key)).collect();
        match self.fault {
            Fault::SortsKeys => keys.sort(),
            Fault::AnswersEachKeyOnce => keys.dedup(),
            _ => {}
        }
        let found = self.inner.records(&keys).await?;
        let shown = |(key, record): (&Key, Option<Record>)| record.map(|record| self.record(key, record));
        Ok(keys.iter().zip(found).map(shown).collect())
    }

    async fn scan(&self, scans: &[Scan]) -> Result<Vec<Vec<(Key, Record)>>, StoreError> {
        let mut found = Vec::new();
        for scan in scans {
            let scan = if self.has(Fault::AnswersTheFirstScan) { scans.first().unwrap_or(scan) } else { scan };
            found.push(self.scan_of(scan).await?);
        }
        Ok(found)
    }

    async fn count(&self, prefixes: &[Prefix]) -> Result<Vec<u64>, StoreError> {
        let mut prefixes = prefixes.to_vec();
        for prefix in &mut prefixes {
            self.fold(&mut prefix.parts);
            if self.has(Fault::CountsAllSessions) {
                prefix.parts.clear();
            }
        }
        let counts = self.inner.count(&prefixes).await?;
        Ok(counts.into_iter().map(|count| if self.has(Fault::CountsAPage) { count.min(20) } else { count }).collect())
    }
}
