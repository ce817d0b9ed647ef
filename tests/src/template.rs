//! A session made once, and copied in one change for each test that needs one of its own.

use std::sync::Arc;

use chatcore::{
    Clock,
    model::{Event, NewEvent, Session, SessionId, UserId},
    store::{
        Change, ChatStore, Directory, FactsQuery, Freshness, Json, Key, Listed, LogRange, Memberships, Newest,
        Participants, Seat, Seats, SessionFacts, Sessions, TypedKey, Value, decode_event, encode_event,
    },
};
use serde::{Deserialize, Serialize};

/// A session as the store has it, to be copied.
#[derive(Debug)]
pub struct Template {
    /// The events and the records at the end of the log.
    text: String,
    session: String,
    stays: Vec<String>,
    times: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Contents {
    /// What happened, as it is stored.
    events: Vec<(UserId, String)>,
    /// The records, as they are stored.
    session: Json,
    people: Vec<(UserId, Json)>,
}

impl Template {
    /// Of a session, with those of these users who have a record there.
    pub async fn of(store: &dyn ChatStore, id: SessionId, users: &[UserId]) -> Self {
        let facts = facts(store, id, users).await;
        let range = LogRange { session_id: id, from: 1, to: facts.head.seq };
        let log: Vec<_> = store.log(&[range]).await.unwrap().into_iter().flatten().collect();
        let events = log.iter().map(|event| (event.actor.clone(), encode_event(&event.kind))).collect();
        let mut records = facts.records.into_iter().map(|record| record.map(|record| record.value.encode()));
        let session = records.next().flatten().unwrap();
        let person = |(user, record): (&UserId, Option<Json>)| Some((user.clone(), record?));
        let people = users.iter().zip(records).filter_map(person).collect();
        Self {
            text: text(&Contents { events, session, people }),
            session: id.to_string(),
            stays: log.iter().filter_map(|event| stay(event)).collect(),
            times: log.iter().map(|event| text(&event.created_at)).collect(),
        }
    }

    /// Makes the same session with ids and times of its own, in one change. Whatever begins with the first text of `renamed`
    /// begins with the second. Gives the id and the log.
    pub async fn copy(
        &self,
        store: &dyn ChatStore,
        clock: &dyn Clock,
        renamed: Option<(&str, &str)>,
    ) -> (SessionId, Vec<Arc<Event>>) {
        let id = SessionId(clock.new_id());
        let mut copy = self.text.replace(&self.session, &id.to_string());
        if let Some((old, new)) = renamed {
            copy = copy.replace(old, new);
        }
        for stay in &self.stays {
            copy = copy.replace(stay, &clock.new_id().to_string());
        }
        let times: Vec<_> = self.times.iter().map(|_| clock.now()).collect();
        for (old, new) in self.times.iter().zip(&times) {
            copy = copy.replace(old, &text(new));
        }
        let Contents { events, session, people } = serde_json::from_str(&copy).unwrap();
        let at = |((actor, kind), created_at): ((_, String), _)| NewEvent {
            actor,
            created_at,
            kind: decode_event(&kind).unwrap(),
        };
        let events = events.into_iter().zip(times).map(at).collect();
        let session: Session = decoded(&Sessions { session: id }, session);
        let listing = Directory { session: Newest(id) };
        let mut writes = vec![if session.is_joinable() { listing.put(Listed) } else { listing.remove() }];
        writes.push(Sessions { session: id }.put(session));
        for (user, record) in people {
            let key = Participants { session: id, user: user.clone() };
            let record = decoded(&key, record);
            if record.standing.role().is_some() {
                writes.push(Seats { session: id, stay: record.id }.put(Seat { user: user.clone() }));
                writes.push(Memberships { user, session: Newest(id) }.put(Listed));
            }
            writes.push(key.put(record));
        }
        let committed = store.commit(Change::of(id, 0, events, writes)).await.unwrap();
        (id, committed.events)
    }
}

/// What decides in a session: its record, and those of these users.
pub(crate) async fn facts(store: &dyn ChatStore, session_id: SessionId, users: &[UserId]) -> SessionFacts {
    let participant = |user: &UserId| Participants { session: session_id, user: user.clone() }.key();
    let keys = std::iter::once(Sessions { session: session_id }.key()).chain(users.iter().map(participant));
    let keys: Vec<Key> = keys.collect();
    let query = FactsQuery { session_id, records: &keys };
    store.facts(&[query], Freshness::Fresh).await.unwrap().into_iter().next().unwrap()
}

/// A value as its table reads it.
fn decoded<K: TypedKey>(key: &K, stored: Json) -> K::Value
where
    K::Value: Clone,
{
    let value = Value::decode(&key.key(), K::TABLE.format, stored).unwrap();
    value.get::<K::Value>().unwrap().clone()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

/// The stays that an event begins.
pub(crate) fn stay(event: &Event) -> Option<String> {
    event.kind.admission(&event.actor).map(|(_, stay)| stay.to_string())
}
