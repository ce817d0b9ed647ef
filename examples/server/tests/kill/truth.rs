//! What a room's log tells, and whether everything else agrees with it.

use std::collections::{BTreeMap, HashMap};

use chatcore_tests::Socket;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::{
    Client,
    load::{Deed, Done, People, Said},
};

/// What the log of a room comes to.
#[derive(Debug, Default, PartialEq)]
struct Story {
    head: u64,
    number: u64,
    title: String,
    at: Option<DateTime<Utc>>,
    /// Who is in, with their role and the name of their stay.
    people: BTreeMap<String, (String, String)>,
    /// Where each message is.
    places: HashMap<String, u64>,
    deeds: HashMap<Deed, u64>,
}

/// A room as it should be.
pub(crate) struct Room {
    pub(crate) path: String,
    id: String,
    token: String,
    story: Story,
    /// The messages that were new when the log was last read.
    fresh: HashMap<String, Value>,
    /// How often something was done, as far as it is known.
    known: HashMap<Deed, u64>,
    expected: HashMap<String, u64>,
}

impl Room {
    pub(crate) async fn made_by(owner: &Client) -> Self {
        let id = owner.session("PUBLIC").await;
        let path = format!("/sessions/{id}");
        let token = owner.token().unwrap().to_owned();
        let mut room = Self {
            path,
            id,
            token,
            story: Story::default(),
            fresh: HashMap::new(),
            known: HashMap::new(),
            expected: HashMap::new(),
        };
        room.catch_up(owner).await;
        room
    }

    pub(crate) fn is_in(&self, user: &str) -> bool {
        self.story.people.contains_key(user)
    }

    /// The message with this content, if it was new when the log was last read.
    pub(crate) fn fresh(&self, content: &str) -> Option<&Value> {
        self.fresh.get(content)
    }

    /// From now on this message must be at this place, and nowhere else.
    pub(crate) fn expect(&mut self, content: &str, seq: u64) {
        self.expected.insert(content.to_owned(), seq);
    }

    /// Reads what is new in the log, event by event.
    pub(crate) async fn catch_up(&mut self, owner: &Client) {
        self.fresh.clear();
        let mut story = std::mem::take(&mut self.story);
        self.read(owner, &mut story).await;
        self.story = story;
        for (content, seq) in self.expected.drain() {
            assert_eq!(
                self.story.places.get(key(&content)),
                Some(&seq),
                "an acknowledged message is gone: {content:.60}"
            );
        }
    }

    async fn read(&mut self, owner: &Client, story: &mut Story) {
        let head = owner.get(&self.path).await.expect(200)["seq"].as_u64().unwrap();
        assert!(head >= story.head, "the log ends at {head} and went on to {}", story.head);
        if head == story.head {
            return;
        }
        let mut socket = Socket::open(owner.address(), "", Some(&self.token)).await;
        socket.join(&self.id, Some(story.head)).await;
        while story.head < head {
            let frame = socket.event().await;
            if let Some(message) = story.follow(&frame) {
                self.fresh.insert(message["content"].as_str().unwrap().to_owned(), message);
            }
        }
    }

    /// Reads the log again from its beginning: it still tells the same.
    pub(crate) async fn is_the_same_from_its_beginning(&mut self, owner: &Client) {
        let fresh = std::mem::take(&mut self.fresh);
        let mut story = Story::default();
        self.read(owner, &mut story).await;
        assert_eq!(story, self.story);
        self.fresh = fresh;
    }

    /// What is kept beside the log says the same as the log.
    pub(crate) async fn agrees_with_its_records(&self, people: &People) {
        let story = &self.story;
        let shown = people.owner.get(&self.path).await.expect(200);
        assert_eq!(
            (&shown["seq"], &shown["message_count"], &shown["participant_count"], &shown["title"]),
            (&json!(story.head), &json!(story.number), &json!(story.people.len()), &json!(story.title)),
        );
        let listed = people.owner.get(&format!("{}/participants?limit=100", self.path)).await.expect(200);
        let field = |participant: &Value, name: &str| participant[name].as_str().unwrap().to_owned();
        let listed: BTreeMap<String, (String, String)> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (field(one, "user_id"), (field(one, "role"), field(one, "id"))))
            .collect();
        assert_eq!(listed, story.people);
        let walkers = people.walkers.iter().map(|(name, client)| (name.as_str(), client));
        for (name, client) in walkers.chain([("victim", &people.victim)]) {
            let sessions = client.get("/sessions").await.expect(200);
            let has = sessions.as_array().unwrap().iter().any(|session| session["id"] == self.id.as_str());
            assert_eq!(has, self.is_in(name), "{name}'s own list of sessions");
        }
    }

    /// Every acknowledged message is there as it was acknowledged. That none is there twice is seen when reading.
    pub(crate) fn holds<'a>(&mut self, said: impl Iterator<Item = &'a Said>, place: &str) {
        for said in said {
            let Some(answer) = &said.answer else { continue };
            assert_eq!(self.fresh.get(&said.content), Some(answer), "{place}: an acknowledged message");
        }
    }

    /// Everything that was acknowledged was done, and nothing was done that nobody did.
    pub(crate) fn counts<'a>(&mut self, done: impl Iterator<Item = &'a Done>, place: &str) {
        let mut possible = self.known.clone();
        for Done { room: _, deed, is_acknowledged } in done {
            *possible.entry(deed.clone()).or_default() += 1;
            *self.known.entry(deed.clone()).or_default() += u64::from(*is_acknowledged);
        }
        for (deed, &possible) in &possible {
            let (known, found) = (self.known[deed], self.story.deeds.get(deed).copied().unwrap_or_default());
            assert!((known..=possible).contains(&found), "{place}: {deed:?} {found} times, not {known} to {possible}");
            self.known.insert(deed.clone(), found);
        }
    }
}

impl Story {
    /// Goes one event on; gives the message where it is one.
    fn follow(&mut self, frame: &Value) -> Option<Value> {
        let (event, data) = (frame["event"].as_str().unwrap(), &frame["data"]);
        let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{frame}")).to_owned();
        self.head += 1;
        assert_eq!(frame["seq"], self.head, "{frame}");
        let at = Some(text(&data["created_at"]).parse().unwrap());
        assert!(at >= self.at, "{at:?} after {:?}", self.at);
        self.at = at;
        match event {
            "session_created" => {
                self.title = text(&data["title"]);
                let stay = ("OWNER".to_owned(), text(&data["participant_id"]));
                self.people.insert(text(&data["user"]["id"]), stay);
            }
            "session_updated" => {
                self.title = text(&data["changes"]["title"]);
                self.count(Deed::Rename);
            }
            "user_joined" => {
                let (user, stay) = (text(&data["user"]["id"]), (text(&data["role"]), text(&data["participant_id"])));
                assert!(self.people.insert(user.clone(), stay).is_none(), "in already: {frame}");
                if !user.starts_with('s') {
                    self.count(Deed::Join(user));
                }
            }
            "user_left" => {
                let user = text(&data["user_id"]);
                assert!(self.people.remove(&user).is_some(), "not in: {frame}");
                self.count(Deed::Leave(user));
            }
            "participant_removed" => {
                let user = text(&data["user_id"]);
                assert!(self.people.remove(&user).is_some(), "not in: {frame}");
                self.count(Deed::Remove(user));
            }
            "message_received" => {
                let message = &data["message"];
                self.number += 1;
                assert_eq!((&message["number"], &message["seq"]), (&json!(self.number), &json!(self.head)), "{frame}");
                assert!(self.people.contains_key(message["user_id"].as_str().unwrap()), "not in: {frame}");
                let content = message["content"].as_str().unwrap();
                let [_, length, filling] = content.split(' ').collect::<Vec<_>>()[..] else { panic!("{frame}") };
                assert_eq!(filling.len().to_string(), length, "{frame}");
                let before = self.places.insert(key(content).to_owned(), self.head);
                assert!(before.is_none(), "twice, at {before:?} and at {}: {content:.60}", self.head);
                return Some(message.clone());
            }
            _ => panic!("{frame}"),
        }
        None
    }

    fn count(&mut self, deed: Deed) {
        *self.deeds.entry(deed).or_default() += 1;
    }
}

/// The part of a content that is like no other.
fn key(content: &str) -> &str {
    content.split(' ').next().unwrap_or_default()
}
