//! The whole service against a plain model: random use cases by four people, compared step by step.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod kit;
#[path = "service_model/modelled.rs"]
mod modelled;

use std::collections::{BTreeMap, BTreeSet};

use chatcore::{
    Chat, Error, MemoryStore, Principal, RateLimits,
    chat::{AddParticipant, CreateSession, SanctionUser, SendMessage, UpdateSession},
    model::{
        EventKind, Message, MessageWindow, Page, Participant, ParticipantEvent, ParticipantRole, Preferences, Profile,
        ReadState, Seq, Session, SessionDetails, SessionEvent, SessionId, SessionType, Stay, Term, ThreadSummary,
        Unread, UnreadMentions, UserId,
    },
    permission::{ActionKind, Denial, PermissionTable},
};
use kit::{id_of, user, user_id};
use modelled::Modelled;
use proptest::prelude::*;

const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// A use case; people and sessions by number.
#[derive(Debug, Clone)]
enum Step {
    Create { session_type: SessionType, cap: u32 },
    Retitle { title: u8 },
    Retype { session_type: SessionType },
    Recap { cap: u32 },
    Delete,
    Archive { is_archived: bool },
    Restore,
    Join,
    Leave,
    Add { whom: usize, role: ParticipantRole },
    Remove { whom: usize },
    ChangeRole { whom: usize, role: ParticipantRole },
    Ban { whom: usize },
    Unban { whom: usize },
    Mute { whom: usize },
    Unmute { whom: usize },
    Transfer { whom: usize },
    Send { text: u8 },
}

fn types() -> impl Strategy<Value = SessionType> {
    // The public ones are where the most can happen.
    prop_oneof![3 => Just(SessionType::Public), 2 => Just(SessionType::InviteOnly), 1 => Just(SessionType::Private)]
}

fn steps() -> impl Strategy<Value = (usize, usize, Step)> {
    let role = || proptest::sample::select(ParticipantRole::ALL.to_vec());
    let step = prop_oneof![
        2 => (types(), 1..5_u32).prop_map(|(session_type, cap)| Step::Create { session_type, cap }),
        2 => (0..3_u8).prop_map(|title| Step::Retitle { title }),
        2 => types().prop_map(|session_type| Step::Retype { session_type }),
        2 => (1..5_u32).prop_map(|cap| Step::Recap { cap }),
        1 => Just(Step::Delete),
        1 => any::<bool>().prop_map(|is_archived| Step::Archive { is_archived }),
        2 => Just(Step::Archive { is_archived: false }),
        1 => Just(Step::Restore),
        8 => Just(Step::Join),
        3 => Just(Step::Leave),
        6 => (0..NAMES.len(), role()).prop_map(|(whom, role)| Step::Add { whom, role }),
        3 => (0..NAMES.len()).prop_map(|whom| Step::Remove { whom }),
        6 => (0..NAMES.len(), role()).prop_map(|(whom, role)| Step::ChangeRole { whom, role }),
        2 => (0..NAMES.len()).prop_map(|whom| Step::Ban { whom }),
        2 => (0..NAMES.len()).prop_map(|whom| Step::Unban { whom }),
        2 => (0..NAMES.len()).prop_map(|whom| Step::Mute { whom }),
        1 => (0..NAMES.len()).prop_map(|whom| Step::Unmute { whom }),
        2 => (0..NAMES.len()).prop_map(|whom| Step::Transfer { whom }),
        6 => (0..9_u8).prop_map(|text| Step::Send { text }),
    ];
    (0..NAMES.len(), 0..3_usize, step)
}

struct World {
    chat: Chat,
    people: Vec<Principal>,
    sessions: Vec<(SessionId, Modelled)>,
    /// What readers saw when they last looked.
    snapshots: BTreeMap<(usize, usize), SessionDetails>,
}

impl World {
    async fn new(table: PermissionTable) -> Self {
        let chat = Chat::builder(MemoryStore::new()).rates(RateLimits::off()).permissions(table).build();
        let people: Vec<Principal> = NAMES.map(user).into();
        for one in &people {
            chat.me(one).await.unwrap();
        }
        Self { chat, people, sessions: Vec::new(), snapshots: BTreeMap::new() }
    }

    /// Does it for real.
    async fn act(&self, who: usize, id: SessionId, step: &Step) -> Result<(), Error> {
        let (chat, me) = (&self.chat, &self.people[who]);
        let id_of = |whom: &usize| user_id(NAMES[*whom]);
        let update = |changes| chat.update_session(me, id, changes);
        match step {
            Step::Create { .. } => panic!("not in a session"),
            Step::Retitle { title } => {
                update(UpdateSession { title: Some(title.to_string()), ..UpdateSession::default() }).await.map(drop)
            }
            Step::Retype { session_type } => {
                update(UpdateSession { session_type: Some(*session_type), ..UpdateSession::default() }).await.map(drop)
            }
            Step::Recap { cap } => {
                update(UpdateSession { max_participants: Some(*cap), ..UpdateSession::default() }).await.map(drop)
            }
            Step::Delete => chat.delete_session(me, id).await,
            Step::Archive { is_archived: true } => chat.archive_session(me, id).await,
            Step::Archive { is_archived: false } => chat.unarchive_session(me, id).await,
            Step::Restore => chat.restore_session(me, id).await,
            Step::Join => chat.join(me, id).await.map(drop),
            Step::Leave => chat.leave(me, id).await,
            Step::Add { whom, role } => {
                let add = AddParticipant { user_id: id_of(whom), role: Some(*role) };
                chat.add_participant(me, id, add).await.map(drop)
            }
            Step::Remove { whom } => chat.remove_participant(me, id, &id_of(whom)).await,
            Step::ChangeRole { whom, role } => chat.change_role(me, id, &id_of(whom), *role).await.map(drop),
            Step::Ban { whom } => chat.ban_participant(me, id, &id_of(whom), SanctionUser::ENDLESS).await,
            Step::Unban { whom } => chat.unban_participant(me, id, &id_of(whom)).await,
            Step::Mute { whom } => chat.mute_participant(me, id, &id_of(whom), SanctionUser::ENDLESS).await,
            Step::Unmute { whom } => chat.unmute_participant(me, id, &id_of(whom)).await,
            Step::Transfer { whom } => chat.transfer_ownership(me, id, &id_of(whom)).await.map(drop),
            Step::Send { text } => chat.send(me, id, SendMessage::text(text.to_string())).await.map(drop),
        }
    }

    async fn create(&mut self, who: usize, session_type: SessionType, cap: u32) {
        let new = CreateSession { max_participants: Some(cap), ..CreateSession::titled("new").of_type(session_type) };
        let details = self.chat.create_session(&self.people[who], new).await.unwrap();
        let model = Modelled {
            title: "new".to_owned(),
            session_type,
            cap,
            is_deleted: false,
            is_archived: false,
            inside: BTreeMap::from([(who, ParticipantRole::Owner)]),
            outside: BTreeMap::new(),
            banned: BTreeSet::new(),
            muted: BTreeSet::new(),
            order: vec![who],
            messages: Vec::new(),
            events: 1,
        };
        self.sessions.push((id_of(&details), model));
    }

    async fn step(&mut self, who: usize, at: usize, step: &Step) {
        if let Step::Create { session_type, cap } = step {
            if self.sessions.len() < 3 {
                self.create(who, *session_type, *cap).await;
            }
        } else if let Some((id, model)) = self.sessions.get(at) {
            let (id, verdict) = (*id, model.verdict(who, step));
            let before = model.inside.get(&who).copied();
            let done = self.act(who, id, step).await;
            assert_eq!(done, verdict.map_err(Error::Denied), "{} does {step:?}", NAMES[who]);
            if done.is_ok() {
                self.sessions[at].1.apply(who, step);
            }
            let after = self.sessions[at].1.inside.get(&who).copied();
            let most = before.unwrap_or(ParticipantRole::Member);
            assert!(after.is_none_or(|after| after <= most), "{} raised themselves by {step:?}", NAMES[who]);
        }
        for at in 0..self.sessions.len() {
            self.compare(at).await;
        }
        self.compare_lists().await;
    }

    /// What everybody sees of a session is what the model says.
    async fn compare(&mut self, at: usize) {
        let (id, model) = self.sessions[at].clone();
        let mut shown = None;
        for (who, name) in NAMES.into_iter().enumerate() {
            let fresh = self.chat.session(&self.people[who], id).await;
            // Looking is a use case like all others.
            let expected = match (model.is_deleted, model.inside.contains_key(&who), model.session_type) {
                (false, true, _) => Ok(()),
                (false, false, SessionType::Public) if model.banned.contains(&who) => {
                    Err(Error::Denied(Denial::Banned(Term::Endless)))
                }
                (false, false, SessionType::Public) => Err(Error::Denied(Denial::NotParticipant)),
                _ => Err(Error::Denied(Denial::Hidden)),
            };
            assert_eq!(fresh.as_ref().map(drop).map_err(Clone::clone), expected, "{name} looks");
            match fresh {
                Ok(fresh) => {
                    // How far a reader has read, and the reader's settings, are the reader's alone.
                    let nothing = Unread { count: 0, is_exact: true };
                    let reading = ReadState { session_id: id, read_upto: 0, unread: nothing };
                    let mine = fresh.participants.iter().find(|one| one.profile.user_id == self.people[who].user_id);
                    let mine = mine.map(|one| Stay { role: one.role, joined_at: one.joined_at });
                    assert_eq!((Some(fresh.stay), fresh.stay.role), (mine, model.inside[&who]), "{name}'s own stay");
                    assert_eq!(fresh.unread_mentions, UnreadMentions::NONE, "no step mentions anybody");
                    let stay = Stay { role: ParticipantRole::Owner, joined_at: fresh.summary.session.created_at };
                    let fresh = SessionDetails { reading, preferences: Preferences::default(), stay, ..fresh };
                    if let Some(old) = self.snapshots.get(&(at, who)) {
                        self.assert_events_lead_from(old, &fresh, who).await;
                    }
                    assert!(shown.as_ref().is_none_or(|shown| *shown == fresh), "all readers see the same");
                    shown = Some(fresh.clone());
                    // Not every time, so that replays are of different lengths.
                    if fresh.seq.is_multiple_of(3) || !self.snapshots.contains_key(&(at, who)) {
                        self.snapshots.insert((at, who), fresh);
                    }
                }
                Err(_) => {
                    self.snapshots.remove(&(at, who));
                }
            }
        }
        if let Some(shown) = shown {
            assert_shows(&shown, &model);
            let reader = &self.people[model.order[0]];
            let page = self.chat.events(reader, id, 0, Some(100)).await.unwrap();
            assert_eq!(page.head.seq, model.events);
            let seqs: Vec<Seq> = page.events.iter().map(|view| view.event.seq).collect();
            assert_eq!(seqs, (1..=model.events.min(100)).collect::<Vec<_>>(), "positions are dense");
            let times: Vec<_> = page.events.iter().map(|view| view.event.created_at).collect();
            assert!(times.is_sorted(), "time runs backwards");
            let pages = self.chat.messages(reader, id, MessageWindow::Skip(0), Some(100)).await.unwrap();
            let numbers: Vec<u64> = pages.messages.iter().map(|message| message.number).collect();
            assert_eq!(numbers, (1..=model.messages.len() as u64).collect::<Vec<_>>());
        }
    }

    async fn compare_lists(&self) {
        for (who, me) in self.people.iter().enumerate() {
            let mine = self.chat.sessions(me, Page::FIRST).await.unwrap();
            let archived =
                self.chat.archived_sessions(me, Page::FIRST, chatcore::chat::SessionOrder::Newest).await.unwrap();
            let deleted = self.chat.deleted_sessions(me, Page::FIRST).await.unwrap();
            let public = self.chat.public_sessions(me, Page::FIRST).await.unwrap();
            let newest_first = || self.sessions.iter().rev().filter(|(_, model)| !model.is_deleted);
            let of = |is_archived| {
                let is_mine =
                    move |model: &Modelled| model.inside.contains_key(&who) && model.is_archived == is_archived;
                newest_first().filter(move |(_, model)| is_mine(model)).map(|(id, _)| *id).collect::<Vec<_>>()
            };
            assert_eq!(mine.iter().map(|one| one.session.id).collect::<Vec<_>>(), of(false));
            assert_eq!(archived.iter().map(|one| one.session.id).collect::<Vec<_>>(), of(true));
            let owned = |model: &Modelled| model.inside.get(&who) == Some(&ParticipantRole::Owner);
            let gone = self.sessions.iter().rev().filter(|(_, model)| model.is_deleted && owned(model));
            let gone: Vec<SessionId> = gone.map(|(id, _)| *id).collect();
            assert_eq!(deleted.iter().map(|one| one.session.id).collect::<Vec<_>>(), gone);
            let joinable = |model: &Modelled| model.verdict(who, &Step::Join).is_ok();
            let expected: Vec<SessionId> =
                newest_first().filter(|(_, model)| joinable(model)).map(|(id, _)| *id).collect();
            assert_eq!(public.sessions.iter().map(|one| one.session.id).collect::<Vec<_>>(), expected);
            assert_eq!(public.total, expected.len() as u64);
        }
    }

    /// The oracle of old and new: an old snapshot and the events since then make the new snapshot.
    async fn assert_events_lead_from(&self, old: &SessionDetails, fresh: &SessionDetails, who: usize) {
        let events = self.chat.events(&self.people[who], id_of(old), old.seq, Some(100)).await.unwrap().events;
        let mut replayed = old.clone();
        for view in events {
            let (event, summary) = (&view.event, &mut replayed.summary);
            assert_eq!(event.seq, replayed.seq + 1);
            replayed.seq = event.seq;
            (summary.seq, summary.cursor) = (event.seq, event.cursor());
            let message = view.message();
            // No step of this test reacts, replies or blocks, and an event says nothing of that.
            let (reactions, thread) = (Some(Vec::new()), Some(ThreadSummary::default()));
            let sender_blocked = Some(false);
            replayed.messages.extend(message.map(|message| Message { reactions, thread, sender_blocked, ..message }));
            summary.message_count = event.number;
            let came = |participant_id, profile: &Profile, role| Participant {
                id: participant_id,
                session_id: event.session_id,
                profile: profile.clone(),
                role,
                is_active: true,
                joined_at: event.created_at,
                created_at: event.created_at,
                // A mute of an earlier stay is in no event of this one.
                muted: None,
                metadata: None,
            };
            let people = &mut replayed.participants;
            let gone = |user: &UserId, people: &mut Vec<Participant>| {
                people.retain(|one| one.profile.user_id != *user);
            };
            match &event.kind {
                EventKind::Session(SessionEvent::Created { .. }) => panic!("not after a snapshot"),
                EventKind::Session(SessionEvent::Updated { changes }) => {
                    changes.apply(&mut summary.session);
                    summary.session.updated_at = event.created_at;
                }
                EventKind::Session(
                    SessionEvent::InviteCreated { .. }
                    | SessionEvent::InviteRevoked { .. }
                    | SessionEvent::EmojiAdded { .. }
                    | SessionEvent::EmojiRemoved { .. }
                    | SessionEvent::JoinRequested
                    | SessionEvent::JoinRequestClosed { .. }
                    | SessionEvent::WebhookChanged { .. },
                ) => {}
                EventKind::Session(SessionEvent::Deleted) => summary.session.is_active = false,
                EventKind::Session(SessionEvent::Archived) => {
                    summary.session.archived_at = Some(event.created_at);
                    summary.session.needs = Session::NEEDS_ARCHIVE;
                }
                EventKind::Session(SessionEvent::Unarchived) => summary.session.archived_at = None,
                EventKind::Session(SessionEvent::Restored) => {
                    summary.session.is_active = true;
                    summary.session.updated_at = event.created_at;
                }
                EventKind::Participant(ParticipantEvent::Joined { participant_id, role }) => {
                    people.push(came(*participant_id, &view.actor, *role));
                }
                EventKind::Participant(ParticipantEvent::Added { participant_id, role, .. }) => {
                    people.push(came(*participant_id, view.subject.as_ref().unwrap(), *role));
                }
                EventKind::Participant(ParticipantEvent::Left) => gone(&event.actor, people),
                EventKind::Participant(ParticipantEvent::Removed { user_id, .. }) => gone(user_id, people),
                EventKind::Participant(ParticipantEvent::RoleChanged { user_id, previous, role }) => {
                    let one = people.iter_mut().find(|one| one.profile.user_id == *user_id).unwrap();
                    assert_eq!(one.role, *previous);
                    one.role = *role;
                }
                EventKind::Participant(ParticipantEvent::Banned { user_id, was_active, .. }) => {
                    assert_eq!(people.iter().any(|one| one.profile.user_id == *user_id), *was_active);
                    gone(user_id, people);
                    summary.session.needs = Session::NEEDS_SANCTIONS;
                }
                EventKind::Participant(ParticipantEvent::Unbanned { .. }) => {}
                EventKind::Participant(ParticipantEvent::Muted { user_id, term }) => {
                    people.iter_mut().find(|one| one.profile.user_id == *user_id).unwrap().muted = Some(*term);
                    summary.session.needs = Session::NEEDS_SANCTIONS;
                }
                EventKind::Participant(ParticipantEvent::Unmuted { user_id }) => {
                    people.iter_mut().filter(|one| one.profile.user_id == *user_id).for_each(|one| one.muted = None);
                }
                EventKind::Participant(ParticipantEvent::MetadataChanged { .. }) => {
                    panic!("no step of this test makes it")
                }
                EventKind::Participant(ParticipantEvent::OwnerChanged { user_id, previous }) => {
                    let mut of = |user: &UserId, role| {
                        let one = people.iter_mut().find(|one| one.profile.user_id == *user).unwrap();
                        std::mem::replace(&mut one.role, role)
                    };
                    assert_eq!(of(&event.actor, ParticipantRole::Admin), ParticipantRole::Owner);
                    assert_eq!(of(user_id, ParticipantRole::Owner), *previous);
                    people.iter_mut().filter(|one| one.profile.user_id == *user_id).for_each(|one| one.muted = None);
                    summary.session.owner = user_id.clone();
                    summary.owner = view.subject.clone().unwrap();
                }
                EventKind::Message(_) => assert!(event.kind.is_message(), "no step of this test makes {event:?}"),
                EventKind::Unknown => panic!("no step of this test makes it"),
            }
            summary.session.participant_count = u32::try_from(people.len()).unwrap();
        }
        let from = replayed.messages.len().saturating_sub(50);
        replayed.messages.drain(..from);
        // When somebody came for the first time is not in the event of their coming back.
        let mut fresh = fresh.clone();
        for one in replayed.participants.iter_mut().chain(&mut fresh.participants) {
            one.created_at = one.joined_at;
            // A mute that came back with its user is in no event of the stay.
            one.muted = None;
        }
        assert_eq!(replayed, fresh);
    }
}

fn assert_shows(shown: &SessionDetails, model: &Modelled) {
    let session = &shown.summary.session;
    assert_eq!(
        (&session.title, session.session_type, session.max_participants),
        (&model.title, model.session_type, model.cap)
    );
    let people: Vec<(&str, ParticipantRole)> =
        shown.participants.iter().map(|one| (one.profile.user_id.as_str(), one.role)).collect();
    let expected: Vec<(&str, ParticipantRole)> =
        model.order.iter().map(|who| (NAMES[*who], model.inside[who])).collect();
    assert_eq!(people, expected);
    assert_eq!(session.participant_count as usize, people.len());
    let muted: Vec<bool> = shown.participants.iter().map(|one| one.muted.is_some()).collect();
    assert_eq!(muted, model.order.iter().map(|who| model.muted.contains(who)).collect::<Vec<_>>());
    let owners: Vec<&str> =
        people.iter().filter(|(_, role)| *role == ParticipantRole::Owner).map(|(name, _)| *name).collect();
    assert_eq!(owners, [session.owner.as_str()], "exactly one owner");
    assert!(session.session_type != SessionType::Private || people.len() == 1, "a private session has one in it");
    assert!(people.len() <= session.max_participants as usize, "more than there are seats");
    let messages: Vec<(&str, &str)> =
        shown.messages.iter().map(|one| (one.sender.user_id.as_str(), kit::text_of(one))).collect();
    let expected: Vec<(&str, &str)> = model.messages.iter().map(|(who, text)| (NAMES[*who], text.as_str())).collect();
    let newest = expected.len().saturating_sub(50);
    assert_eq!(messages, expected[newest..]);
    assert_eq!((shown.seq, shown.summary.message_count), (model.events, expected.len() as u64));
    let stays: BTreeSet<_> = shown.participants.iter().map(|one| one.id).collect();
    assert_eq!(stays.len(), people.len());
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_service_does_what_the_model_does(
        session_type in types(),
        steps in proptest::collection::vec(steps(), 1..80),
    ) {
        run(async {
            let mut world = World::new(PermissionTable::default()).await;
            world.create(0, session_type, 4).await;
            for (who, at, step) in &steps {
                world.step(*who, *at, step).await;
            }
        });
    }

    /// With a table that allows everything, ownership still stays where it is.
    #[test]
    fn no_table_lets_anybody_touch_the_owner(steps in proptest::collection::vec(steps(), 1..60)) {
        run(async {
            let mut table = PermissionTable::default();
            for role in ParticipantRole::ALL {
                for kind in ActionKind::ALL {
                    table = table.with(role, kind, true);
                }
            }
            let mut world = World::new(table).await;
            world.create(0, SessionType::Public, 4).await;
            let id = world.sessions[0].0;
            for (who, _, step) in &steps {
                if matches!(step, Step::Create { .. } | Step::Delete) || (*who == 0 && matches!(step, Step::Transfer { .. })) {
                    continue;
                }
                let _ = world.act(*who, id, step).await;
                let shown = world.chat.session(&world.people[0], id).await.unwrap();
                let owners: Vec<&Participant> =
                    shown.participants.iter().filter(|one| one.role == ParticipantRole::Owner).collect();
                prop_assert_eq!(owners.len(), 1);
                prop_assert_eq!(&owners[0].profile.user_id, &world.people[0].user_id);
                prop_assert_eq!(shown.summary.session.participant_count as usize, shown.participants.len());
                let private = shown.summary.session.session_type == SessionType::Private;
                prop_assert!(!private || shown.participants.len() == 1);
            }
            Ok(())
        })?;
    }
}
