//! Emojis of sessions' own, and reactions with them.

use chatcore::{
    chat::{MAX_EMOJI_URL_CHARS, MAX_EMOJIS},
    model::{Emoji, EmojiName, Message, SessionEmoji},
};

use super::{hooked::Hooked, kit::next, *};

const PARTY: &str = "https://example.org/party.png";

fn name(text: &str) -> EmojiName {
    EmojiName::new(text).unwrap()
}

fn named(text: &str) -> Emoji {
    Emoji::new(format!(":{text}:")).unwrap()
}

async fn add(chat: &Chat, by: &Principal, id: SessionId, text: &str, url: Option<&str>) -> Result<(), Error> {
    chat.add_emoji(by, id, &name(text), url.map(str::to_owned)).await
}

async fn list(chat: &Chat, by: &Principal, id: SessionId) -> Vec<(String, Option<String>)> {
    let found = chat.emojis(by, id).await.unwrap();
    found.into_iter().map(|SessionEmoji { name, url }| (name.to_string(), url)).collect()
}

async fn shown(chat: &Chat, by: &Principal, message: &Message) -> Vec<(String, u64, bool)> {
    let reactions = chat.message(by, message.id).await.unwrap().reactions.unwrap();
    reactions.into_iter().map(|one| (one.emoji.to_string(), one.count, one.mine)).collect()
}

#[track_caller]
fn assert_unknown(result: Result<(), Error>) {
    let error = result.unwrap_err();
    assert_eq!(error.fields().iter().map(|field| field.field.as_str()).collect::<Vec<_>>(), ["emoji"], "{error:?}");
    assert_eq!(error.code(), Code::ValidationInvalidFormat, "the code of a text that is no emoji");
}

#[tokio::test]
async fn those_who_manage_a_session_manage_its_emojis_and_all_see_them() {
    let store = MemoryStore::new();
    let [chat, other] = [uncounted(store.clone()), uncounted(store)];
    let [alice, bob, carol, dave, eve] = ["alice", "bob", "carol", "dave", "eve"].map(user);
    let id = room(&chat, &alice, &[&bob, &carol, &dave]).await;
    chat.change_role(&alice, id, &bob.user_id, ADMIN).await.unwrap();
    chat.change_role(&alice, id, &dave.user_id, VIEWER).await.unwrap();
    assert_eq!(list(&chat, &carol, id).await, []);
    let mut events = chat.subscribe(&carol, id, None).await.unwrap();
    add(&chat, &alice, id, "party", Some(PARTY)).await.unwrap();
    let added = |url: Option<&str>| {
        let emoji = SessionEmoji { name: name("party"), url: url.map(str::to_owned) };
        EventKind::Session(SessionEvent::EmojiAdded { emoji })
    };
    assert_eq!(next(&mut events).await.event.kind, added(Some(PARTY)));
    add(&other, &bob, id, "+1", None).await.unwrap();
    next(&mut events).await;
    let both = [("+1".to_owned(), None), ("party".to_owned(), Some(PARTY.to_owned()))];
    for reader in [&alice, &carol, &dave] {
        assert_eq!(list(&other, reader, id).await, both, "in the order of the names");
    }
    let before = head(&chat, &alice, id).await;
    add(&chat, &bob, id, "party", Some(PARTY)).await.unwrap();
    chat.remove_emoji(&bob, id, &name("other")).await.unwrap();
    for who in [&carol, &dave] {
        assert_denied(add(&chat, who, id, "mine", None).await, Denial::RoleInsufficient);
        assert_denied(chat.remove_emoji(who, id, &name("party")).await, Denial::RoleInsufficient);
    }
    assert_denied(add(&chat, &eve, id, "mine", None).await, Denial::NotParticipant);
    assert_denied(chat.emojis(&eve, id).await, Denial::NotParticipant);
    assert_eq!(head(&chat, &alice, id).await, before, "the same again and what is refused change nothing");
    add(&chat, &alice, id, "party", None).await.unwrap();
    assert_eq!(next(&mut events).await.event.kind, added(None), "another address takes the place of the one before");
    chat.remove_emoji(&alice, id, &name("party")).await.unwrap();
    let removed = EventKind::Session(SessionEvent::EmojiRemoved { name: name("party") });
    assert_eq!(next(&mut events).await.event.kind, removed);
    assert_eq!(list(&other, &carol, id).await, [("+1".to_owned(), None)]);
    chat.archive_session(&alice, id).await.unwrap();
    assert_denied(add(&chat, &alice, id, "late", None).await, Denial::Archived);
    assert_denied(chat.remove_emoji(&alice, id, &name("+1")).await, Denial::Archived);
}

#[tokio::test]
async fn users_react_with_the_names_that_the_session_has_at_that_moment() {
    let chat = uncounted(MemoryStore::new());
    let [alice, bob] = ["alice", "bob"].map(user);
    let (id, elsewhere) = (room(&chat, &alice, &[&bob]).await, room(&chat, &alice, &[&bob]).await);
    let (message, there) = (say(&chat, &alice, id, "hello").await, say(&chat, &alice, elsewhere, "hello").await);
    add(&chat, &alice, elsewhere, "party", None).await.unwrap();
    assert_unknown(chat.add_reaction(&bob, message.id, &named("party")).await);
    chat.remove_reaction(&bob, message.id, &named("party")).await.unwrap();
    add(&chat, &alice, id, "party", Some(PARTY)).await.unwrap();
    for _ in 0..2 {
        chat.add_reaction(&bob, message.id, &named("party")).await.unwrap();
    }
    chat.add_reaction(&alice, message.id, &Emoji::new("\u{1f44d}").unwrap()).await.unwrap();
    assert_unknown(chat.add_reaction(&bob, message.id, &named("other")).await);
    let party = |mine| (":party:".to_owned(), 1, mine);
    let thumb = |mine| ("\u{1f44d}".to_owned(), 1, mine);
    assert_eq!(shown(&chat, &alice, &message).await, [party(false), thumb(true)]);
    // What was said before the removal stays, and can be taken back.
    chat.remove_emoji(&alice, id, &name("party")).await.unwrap();
    assert_eq!(shown(&chat, &bob, &message).await, [party(true), thumb(false)]);
    let reactors = chat.reactors(&alice, message.id, &named("party"), Page::FIRST).await.unwrap();
    assert_eq!(reactors.iter().map(|one| one.user.user_id.as_str()).collect::<Vec<_>>(), ["bob"]);
    let before = head(&chat, &alice, id).await;
    assert_unknown(chat.add_reaction(&alice, message.id, &named("party")).await);
    chat.add_reaction(&bob, message.id, &named("party")).await.unwrap();
    assert_eq!(head(&chat, &alice, id).await, before, "bob has reacted already, which is no new reaction");
    chat.remove_reaction(&bob, message.id, &named("party")).await.unwrap();
    assert_eq!(shown(&chat, &alice, &message).await, [thumb(true)]);
    assert_unknown(chat.add_reaction(&bob, message.id, &named("party")).await);
    chat.add_reaction(&bob, there.id, &named("party")).await.unwrap();
    add(&chat, &alice, id, "party", None).await.unwrap();
    chat.add_reaction(&alice, message.id, &named("party")).await.unwrap();
}

#[tokio::test]
async fn addresses_and_the_number_of_emojis_are_bounded() {
    let store = MemoryStore::new();
    let [chat, other] = [uncounted(store.clone()), uncounted(store)];
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    let long = |chars: usize| format!("https://example.org/{}", "x".repeat(chars - "https://example.org/".len()));
    for bad in ["", "http://example.org/a", "javascript:alert(1)", "https://example.org/a b", "https://u@example.org"] {
        let refused = add(&chat, &alice, id, "party", Some(bad)).await;
        assert_fault(refused, "url", Code::ValidationInvalidValue);
    }
    let refused = add(&chat, &alice, id, "party", Some(&long(MAX_EMOJI_URL_CHARS + 1))).await;
    assert_fault(refused, "url", Code::ValidationLengthExceeded);
    assert_eq!(list(&chat, &alice, id).await, []);
    add(&chat, &alice, id, "long", Some(&long(MAX_EMOJI_URL_CHARS))).await.unwrap();
    for n in 2..MAX_EMOJIS {
        add(&chat, &alice, id, &format!("emoji-{n}"), None).await.unwrap();
    }
    // One place is left for two.
    let (left, right) = tokio::join!(add(&chat, &alice, id, "left", None), add(&other, &alice, id, "right", None));
    let full = Error::LimitExceeded { what: "the number of emojis of one session", limit: MAX_EMOJIS as u64 };
    let refusals: Vec<_> = [left, right].into_iter().filter_map(Result::err).collect();
    assert_eq!((refusals, list(&chat, &alice, id).await.len()), (vec![full.clone()], MAX_EMOJIS));
    assert_eq!(add(&other, &alice, id, "more", None).await.unwrap_err(), full);
    add(&other, &alice, id, "long", None).await.unwrap();
    other.remove_emoji(&alice, id, &name("long")).await.unwrap();
    add(&chat, &alice, id, "more", None).await.unwrap();
}

#[tokio::test]
async fn a_removal_that_comes_first_forbids_the_reaction() {
    let store = Hooked::default();
    let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store.intact()));
    let [alice, bob] = ["alice", "bob"].map(user);
    let id = room(&elsewhere, &alice, &[&bob]).await;
    let message = say(&elsewhere, &alice, id, "hello").await;
    add(&elsewhere, &alice, id, "party", None).await.unwrap();
    let (by, then) = (alice.clone(), elsewhere.clone());
    // After the reaction was decided, before it is written.
    store.before_commit.once(async move { then.remove_emoji(&by, id, &name("party")).await.unwrap() });
    assert_unknown(chat.add_reaction(&bob, message.id, &named("party")).await);
    assert!(store.before_commit.is_done());
    assert_eq!(shown(&elsewhere, &alice, &message).await, []);
    // The other way round, what is added after a refusal was read is found by the next attempt.
    let (by, then) = (alice.clone(), elsewhere.clone());
    store.after_records.once(async move { add(&then, &by, id, "party", None).await.unwrap() });
    let first = chat.add_reaction(&bob, message.id, &named("party")).await;
    assert!(first.is_ok() || chat.add_reaction(&bob, message.id, &named("party")).await.is_ok());
    assert_eq!(shown(&elsewhere, &bob, &message).await, [(":party:".to_owned(), 1, true)]);
}

#[tokio::test]
async fn a_reaction_with_an_emoji_of_unicode_reads_nothing_of_the_sessions_own() {
    let store = Breakable::default();
    let (chat, alice) = (uncounted(store.clone()), user("alice"));
    let id = room(&chat, &alice, &[]).await;
    let message = say(&chat, &alice, id, "hello").await;
    add(&chat, &alice, id, "party", None).await.unwrap();
    let read = async |emoji: Emoji| {
        store.tables.lock().unwrap().clear();
        let reads = store.reads.load(Ordering::SeqCst);
        chat.add_reaction(&alice, message.id, &emoji).await.unwrap();
        let asked = store.tables.lock().unwrap().iter().filter(|table| **table == "emojis").count();
        (asked, store.reads.load(Ordering::SeqCst) - reads)
    };
    let (ordinary, reads) = read(Emoji::new("\u{1f44d}").unwrap()).await;
    let (own, reads_of_own) = read(named("party")).await;
    assert_eq!((ordinary, own), (0, 1));
    assert!(reads_of_own <= reads, "a name is read with the records that each reaction reads");
}

#[tokio::test]
async fn a_list_shows_nothing_that_was_added_after_its_reader_was_removed() {
    for removes in [true, false] {
        let store = Hooked::default();
        let (chat, elsewhere) = (uncounted(store.clone()), uncounted(store.intact()));
        let [alice, bob] = ["alice", "bob"].map(user);
        let id = room(&elsewhere, &alice, &[&bob]).await;
        let reader = bob.user_id.clone();
        // After the decision about the reader.
        *store.reads_of.lock().unwrap() = Some("emojis");
        store.before_read.once(async move {
            if removes {
                elsewhere.remove_participant(&alice, id, &reader).await.unwrap();
            }
            add(&elsewhere, &alice, id, "secret", None).await.unwrap();
        });
        let shown = chat.emojis(&bob, id).await;
        assert!(store.before_read.is_done());
        if removes {
            assert_denied(shown, Denial::NotParticipant);
        } else {
            assert_eq!(shown.unwrap(), [SessionEmoji { name: name("secret"), url: None }]);
        }
    }
}
