//! How the reading of a session ends in the middle, which every frontend runs with its own streams.

use chatcore::{
    Authenticator as _, Principal,
    chat::{BanAccount, CreateSession, SendMessage},
    model::{SessionId, SessionType, UserId},
};
use serde_json::{Value, json};

use super::cases::{Face, PASSWORD, World, register, text};

/// A way in which the reading ends.
pub(crate) struct Cut {
    pub(crate) how: &'static str,
    /// The event that comes last, in the words of REST, with its reason. It may be left out where the connection ends for the same reason.
    pub(crate) last: Option<(&'static str, Option<&'static str>)>,
    /// The code with which the connection ends, or `None` where only the reading ends.
    pub(crate) ends: Option<&'static str>,
    /// The code of the answer to the next attempt.
    next: &'static str,
}

impl Cut {
    /// Asserts that a stream told this and no more: events with their reasons, and then the code of an error, or nothing.
    #[track_caller]
    pub(crate) fn told(&self, stream: &str, events: &[(String, Value)], error: Option<&str>) {
        let last = self.last.map(|(event, reason)| (event.to_owned(), json!(reason)));
        let is_last = match events {
            [] => error.is_some(),
            [event] => last.as_ref() == Some(event),
            _ => false,
        };
        let is_reason = match error {
            Some(_) => error == self.ends,
            // The event says why.
            None => !events.is_empty(),
        };
        assert!(is_last && is_reason, "{}, {stream}: {events:?} {error:?}", self.how);
    }
}

pub(crate) const CUTS: [Cut; 8] = [
    Cut { how: "expired", last: None, ends: Some("AUTH_TOKEN_EXPIRED"), next: "AUTH_TOKEN_EXPIRED" },
    Cut { how: "logged out", last: None, ends: Some("AUTH_TOKEN_INVALID"), next: "AUTH_TOKEN_INVALID" },
    Cut { how: "logged out everywhere", last: None, ends: Some("AUTH_TOKEN_INVALID"), next: "AUTH_TOKEN_INVALID" },
    Cut {
        how: "banned",
        last: Some(("participant_removed", Some("ACCOUNT_BANNED"))),
        ends: Some("ACCOUNT_BANNED"),
        next: "ACCOUNT_BANNED",
    },
    Cut {
        how: "account deleted",
        last: Some(("participant_removed", Some("ACCOUNT_DELETED"))),
        ends: Some("ACCOUNT_DELETED"),
        next: "ACCOUNT_DELETED",
    },
    Cut { how: "session deleted", last: Some(("session_deleted", None)), ends: None, next: "SESSION_NOT_FOUND" },
    Cut {
        how: "removed",
        last: Some(("participant_removed", Some("BY_MANAGER"))),
        ends: None,
        next: "SESSION_ACCESS_DENIED",
    },
    Cut { how: "left", last: Some(("user_left", None)), ends: None, next: "SESSION_ACCESS_DENIED" },
];

/// A user who reads a session of somebody else.
pub(crate) struct Reading {
    pub(crate) session: SessionId,
    pub(crate) token: String,
    owner: Principal,
    reader: Principal,
}

impl Reading {
    pub(crate) async fn new(face: &impl Face, world: &World, cut: &Cut) -> Self {
        let token = text(&register(face, &cut.how.replace(' ', "-")).await, "access_token");
        let reader = world.authenticator().authenticate(&token).await.unwrap();
        let owner = Principal::new(UserId::new("owner").unwrap());
        let new = CreateSession::titled("t").of_type(SessionType::Public);
        let session = world.chat.create_session(&owner, new).await.unwrap().summary.session.id;
        world.chat.join(&reader, session).await.unwrap();
        Self { session, token, owner, reader }
    }

    /// The owner says something.
    pub(crate) async fn say(&self, world: &World, text: &str) {
        world.chat.send(&self.owner, self.session, SendMessage::text(text)).await.unwrap();
    }

    /// Ends the reading. Then the owner says `unseen`, where the session still is, and sees it.
    pub(crate) async fn end(&self, face: &impl Face, world: &World, cut: &Cut) {
        let Self { session, owner, reader, .. } = self;
        let mut seen_by_owner = world.chat.subscribe(owner, *session, None).await.unwrap();
        let token = Some(self.token.as_str());
        match cut.how {
            // A new request has a leeway of 5 seconds, and a stream has none.
            "expired" => world.later(1_806),
            "logged out" => drop(face.call("logOut", token, json!({})).await.ok()),
            "logged out everywhere" => drop(face.call("logOutEverywhere", token, json!({})).await.ok()),
            "banned" => {
                let ban = BanAccount { reason: "Spam".to_owned(), by: owner.user_id.clone(), until: None };
                world.chat.ban_account(&reader.user_id, ban).await.unwrap();
            }
            "account deleted" => {
                drop(face.call("deleteAccount", token, json!({ "password": PASSWORD })).await.ok());
            }
            "session deleted" => world.chat.delete_session(owner, *session).await.unwrap(),
            "removed" => world.chat.remove_participant(owner, *session, &reader.user_id).await.unwrap(),
            _ => world.chat.leave(reader, *session).await.unwrap(),
        }
        if cut.how != "session deleted" {
            self.say(world, "unseen").await;
            while !format!("{:?}", seen_by_owner.next_event().await.unwrap().unwrap()).contains("unseen") {}
        }
    }

    /// The next attempt to read is refused for the same reason.
    pub(crate) async fn is_over(&self, face: &impl Face, cut: &Cut) {
        let answer = face.call("listEvents", Some(&self.token), json!({ "session_id": self.session })).await;
        answer.refused(cut.next);
    }
}
