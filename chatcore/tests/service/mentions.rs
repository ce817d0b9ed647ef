//! Mentions of users, and links.

use chatcore::{
    Chat, Code, Error, MemoryStore, Principal,
    chat::{EditMessage, ListMentions, MAX_EVERYBODY, MAX_MENTIONS, MentionOrder, ReadUpto, SendMessage},
    model::{
        ClientId, Content, EncryptedContent, Mention, Message, Page, ParticipantRole, SessionId, SessionType, Span,
        UnreadMentions,
    },
    permission::Denial,
    store::{ChatStore as _, KeyPart as _, Mentions, TypedKey as _},
};

use super::{
    assert_fault,
    kit::{assert_denied, room, say, session, text_of, uncounted, user, user_id},
};

fn named(name: &str) -> Principal {
    Principal { username: Some(name.to_owned()), ..user(&format!("id-{name}")) }
}

/// Alice, who owns the session, and Bob and Carol, who are in it.
async fn with_three(store: &MemoryStore) -> (Chat, [Principal; 3], SessionId) {
    let chat = uncounted(store.clone());
    let people = ["alice", "Bob", "carol"].map(named);
    let id = room(&chat, &people[0], &[&people[1], &people[2]]).await;
    (chat, people, id)
}

type Whom = (Option<String>, Option<(u32, u32)>);

fn whom(message: &Message) -> Vec<Whom> {
    let mention = |Mention { user, span }: &Mention| {
        (user.as_ref().map(ToString::to_string), span.map(|Span { start, end }| (start, end)))
    };
    message.body.mentions.iter().map(mention).collect()
}

fn of(name: &str, span: Option<(u32, u32)>) -> (Option<String>, Option<(u32, u32)>) {
    (Some(format!("id-{name}")), span)
}

/// The whole list, the newest first.
const NEWEST: ListMentions = ListMentions { unread_only: false, order: MentionOrder::Newest };

async fn listed(chat: &Chat, who: &Principal) -> Vec<String> {
    let page = chat.mentions(who, Page::FIRST, NEWEST).await.unwrap();
    page.iter().map(|mentioned| text_of(&mentioned.message).to_owned()).collect()
}

fn everybody(text: &str) -> SendMessage {
    SendMessage { mentions_everybody: true, ..SendMessage::text(text) }
}

#[tokio::test]
async fn names_in_a_text_mention_participants() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, carol], id) = with_three(&store).await;
    let stranger = named("dave");
    chat.me(&stranger).await.unwrap();
    let text = "\u{1f600} @bob, @CAROL! @dave @alice x@bob.example http://example.com/@carol";
    let message = say(&chat, &alice, id, text).await;
    let expected = [of("Bob", Some((2, 6))), of("carol", Some((8, 14))), of("alice", Some((22, 28)))];
    assert_eq!(whom(&message), expected);
    assert_eq!(message.body.links, [Span { start: 43, end: 68 }]);
    for reader in [&alice, &bob] {
        let shown = chat.message(reader, message.id).await.unwrap();
        assert_eq!((whom(&shown), &shown.body.links), (expected.to_vec(), &message.body.links));
    }
    // An author is not told of their own messages.
    assert_eq!(listed(&chat, &alice).await, [""; 0]);
    for who in [&bob, &carol] {
        assert_eq!(listed(&chat, who).await, [text]);
    }
    assert_eq!(listed(&chat, &stranger).await, [""; 0]);
}

#[tokio::test]
async fn a_sender_names_users_beside_the_text() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, carol], id) = with_three(&store).await;
    let (ids, nobody) = ([&bob, &carol].map(|who| who.user_id.clone()), user_id("nobody"));
    let beside = [ids[0].clone(), nobody, ids[0].clone(), ids[1].clone()];
    let message = chat.send(&alice, id, SendMessage::text("see @carol").mentioning(beside)).await.unwrap();
    assert_eq!(whom(&message), [of("carol", Some((4, 10))), of("Bob", None)]);
    // Of ciphertext only these are known.
    let secret = EncryptedContent { encrypted_data: "@bob http://x.example".into(), iv: "iv".into(), key_version: 1 };
    let secret = SendMessage::new(chatcore::model::MessageBody::new(Content::Encrypted(secret)));
    let secret = chat.send(&alice, id, secret.mentioning([ids[1].clone()])).await.unwrap();
    assert_eq!((whom(&secret), secret.body.links.len()), (vec![of("carol", None)], 0));
    let page = chat.mentions(&carol, Page::FIRST, ListMentions::default()).await.unwrap();
    assert_eq!(page.iter().map(|mentioned| mentioned.message.id).collect::<Vec<_>>(), [secret.id, message.id]);
    let many = vec![ids[0].clone(); MAX_MENTIONS + 1];
    let refused = chat.send(&alice, id, SendMessage::text("x").mentioning(many)).await.unwrap_err();
    assert_eq!((refused.code(), refused.fields()[0].field.as_str()), (Code::ValidationInvalidValue, "mentions"));
    // A retry names the same users.
    let once = || SendMessage::text("once").with_client_id(ClientId::new("once").unwrap());
    let first = chat.send(&alice, id, once().mentioning([ids[0].clone()])).await.unwrap();
    assert_eq!(chat.send(&alice, id, once().mentioning([ids[0].clone()])).await.unwrap().id, first.id);
    for other in [once(), SendMessage { mentions_everybody: true, ..once() }] {
        assert_eq!(chat.send(&alice, id, other).await.unwrap_err(), Error::ClientIdReused);
    }
    assert_eq!(listed(&chat, &bob).await, ["once", "see @carol"]);
}

#[tokio::test]
async fn owners_and_admins_mention_everybody() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, carol], id) = with_three(&store).await;
    // For a member the word is text, and a mention beside the text is refused.
    assert_eq!(whom(&say(&chat, &bob, id, "@all hello").await), []);
    assert_denied(chat.send(&bob, id, everybody("x")).await, Denial::RoleInsufficient);
    assert_eq!(listed(&chat, &carol).await, [""; 0]);
    assert_eq!(whom(&say(&chat, &alice, id, "hello @All").await), [(None, Some((6, 10)))]);
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let message = chat.send(&bob, id, everybody("by bob")).await.unwrap();
    assert_eq!(whom(&message), [(None, None)]);
    assert_eq!(listed(&chat, &alice).await, ["by bob"]);
    assert_eq!(listed(&chat, &bob).await, ["hello @All"]);
    assert_eq!(listed(&chat, &carol).await, ["by bob", "hello @All"]);
    // A user who comes later was not mentioned.
    let dave = named("dave");
    chat.join(&dave, id).await.unwrap();
    assert_eq!(listed(&chat, &dave).await, [""; 0]);
    let edited = chat.edit_message(&bob, message.id, EditMessage::text("again")).await.unwrap();
    assert_eq!(whom(&edited), [(None, None)]);
    assert_eq!(listed(&chat, &carol).await, ["again", "hello @All"]);
    assert_eq!(listed(&chat, &dave).await, [""; 0]);
}

/// A mention of everybody that an edit keeps ends where the author may no longer make it, like `@all` in the text. The edit goes on.
#[tokio::test]
async fn an_edit_loses_a_mention_of_everybody_that_its_author_may_not_make() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, carol], id) = with_three(&store).await;
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let sent = chat.send(&bob, id, everybody("tpyo @carol")).await.unwrap();
    assert_eq!(whom(&sent), [of("carol", Some((5, 11))), (None, None)]);
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Member).await.unwrap();
    let asked = EditMessage { mentions_everybody: Some(true), ..EditMessage::text("typo @carol") };
    assert_denied(chat.edit_message(&bob, sent.id, asked).await, Denial::RoleInsufficient);
    let edited = chat.edit_message(&bob, sent.id, EditMessage::text("typo @carol")).await.unwrap();
    assert_eq!(whom(&edited), [of("carol", Some((5, 11)))]);
    assert_eq!((listed(&chat, &alice).await, listed(&chat, &carol).await), (vec![], vec!["typo @carol".to_owned()]));
    // The right comes back, the mention does not.
    chat.change_role(&alice, id, &bob.user_id, ParticipantRole::Admin).await.unwrap();
    let edited = chat.edit_message(&bob, sent.id, EditMessage::text("again @carol")).await.unwrap();
    assert_eq!(whom(&edited), [of("carol", Some((6, 12)))]);
}

#[tokio::test]
async fn a_large_session_is_not_called_as_a_whole() {
    let (chat, alice) = (uncounted(MemoryStore::new()), named("alice"));
    let settings = chatcore::chat::CreateSession {
        max_participants: Some(MAX_EVERYBODY + 1),
        ..chatcore::chat::CreateSession::titled("Large").of_type(SessionType::Public)
    };
    let id = chat.create_session(&alice, settings).await.unwrap().summary.session.id;
    let called = chat.send(&alice, id, everybody("tpyo")).await.unwrap();
    let mut last = alice.clone();
    for number in 1..=MAX_EVERYBODY {
        last = named(&format!("user{number}"));
        if number == MAX_EVERYBODY {
            let message = chat.send(&alice, id, everybody("@all")).await.unwrap();
            assert_eq!(whom(&message), [(None, Some((0, 4)))]);
        }
        chat.join(&last, id).await.unwrap();
    }
    assert_eq!(listed(&chat, &named("user1")).await, ["@all"]);
    assert!(matches!(chat.send(&alice, id, everybody("x")).await, Err(Error::LimitExceeded { limit: 500, .. })));
    assert_eq!(whom(&say(&chat, &alice, id, "@all @USER500").await), [of("user500", Some((5, 13)))]);
    assert_eq!(listed(&chat, &last).await, ["@all @USER500"]);
    let edited = chat.edit_message(&alice, called.id, EditMessage::text("typo")).await.unwrap();
    assert_eq!(whom(&edited), []);
    let asked = EditMessage { mentions_everybody: Some(true), ..EditMessage::text("typo") };
    assert!(matches!(chat.edit_message(&alice, called.id, asked).await, Err(Error::LimitExceeded { limit: 500, .. })));
}

#[tokio::test]
async fn an_edit_mentions_anew_and_a_deletion_mentions_nobody() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, carol], id) = with_three(&store).await;
    let first = say(&chat, &alice, id, "@bob http://example.com").await;
    say(&chat, &alice, id, "@bob @carol later").await;
    let edited = chat.edit_message(&alice, first.id, EditMessage::text("now @carol")).await.unwrap();
    assert_eq!((whom(&edited), edited.body.links.len()), (vec![of("carol", Some((4, 10)))], 0));
    assert_eq!(listed(&chat, &bob).await, ["@bob @carol later"]);
    // It keeps the place of the message.
    assert_eq!(listed(&chat, &carol).await, ["@bob @carol later", "now @carol"]);
    // A retry of an edit is no second one.
    let beside = |users: &[&Principal]| EditMessage {
        mentions: Some(users.iter().map(|who| who.user_id.clone()).collect()),
        ..EditMessage::text("now @carol")
    };
    for _ in 0..2 {
        let edited = chat.edit_message(&alice, first.id, beside(&[&bob])).await.unwrap();
        assert_eq!((edited.revision, whom(&edited)), (3, vec![of("carol", Some((4, 10))), of("Bob", None)]));
        let kept = chat.edit_message(&alice, first.id, EditMessage::text("now @carol")).await.unwrap();
        assert_eq!(kept, edited);
    }
    assert_eq!(listed(&chat, &bob).await, ["@bob @carol later", "now @carol"]);
    let edited = chat.edit_message(&alice, first.id, EditMessage::text("only beside")).await.unwrap();
    assert_eq!(whom(&edited), [of("Bob", None)]);
    let edited = chat.edit_message(&alice, first.id, EditMessage { mentions: Some(vec![]), ..EditMessage::text("x") });
    assert_eq!(whom(&edited.await.unwrap()), []);
    assert_eq!(listed(&chat, &bob).await, ["@bob @carol later"]);
    for message in chat.mentions(&bob, Page::FIRST, ListMentions::default()).await.unwrap() {
        let deleted = chat.delete_message(&alice, message.message.id, None).await.unwrap();
        assert_eq!((whom(&deleted), deleted.body.links.len()), (vec![], 0));
    }
    assert_eq!((listed(&chat, &bob).await, listed(&chat, &carol).await), (vec![], vec![]));
}

#[tokio::test]
async fn a_list_of_mentions_shows_what_its_reader_may_see() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, carol], id) = with_three(&store).await;
    let other = room(&chat, &alice, &[&bob]).await;
    say(&chat, &alice, id, "@bob 1").await;
    say(&chat, &alice, other, "@bob 2").await;
    let call = say(&chat, &alice, id, "@all 3").await;
    say(&chat, &alice, other, "@bob 4").await;
    assert_eq!(listed(&chat, &bob).await, ["@bob 4", "@all 3", "@bob 2", "@bob 1"]);
    // Pages, and the cursor of each entry.
    let whole = chat.mentions(&bob, Page::FIRST, NEWEST).await.unwrap();
    for limit in 1..=5 {
        let (mut walked, mut after) = (Vec::new(), None);
        loop {
            let page = chat.mentions(&bob, Page { after, limit: Some(limit), ..Page::FIRST }, NEWEST).await.unwrap();
            assert!(page.len() as u64 <= limit);
            walked.extend(page.iter().cloned());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(walked, whole.entries);
    }
    for (place, mentioned) in whole.iter().enumerate() {
        let cursor = mentioned.cursor.to_string().parse().unwrap();
        let rest = chat.mentions(&bob, Page::after(cursor), NEWEST).await.unwrap();
        assert_eq!(rest.entries, whole.entries[place + 1..]);
        let skipped = chat.mentions(&bob, Page { skip: place as u64, ..Page::FIRST }, NEWEST).await.unwrap();
        assert_eq!(skipped.entries, whole.entries[place..]);
    }
    // Out of a session, its mentions are not shown; back in it, they are.
    chat.remove_participant(&alice, other, &bob.user_id).await.unwrap();
    assert_eq!(listed(&chat, &bob).await, ["@all 3", "@bob 1"]);
    chat.join(&bob, other).await.unwrap();
    assert_eq!(listed(&chat, &bob).await, ["@bob 4", "@all 3", "@bob 2", "@bob 1"]);
    // The deletion of a mention of everybody leaves entries behind, which the next reader removes.
    let entries = async |who: &Principal| {
        let scan = Mentions::under(vec![who.user_id.part()]);
        store.scan(&[scan]).await.unwrap().pop().unwrap().len()
    };
    assert_eq!((entries(&bob).await, entries(&carol).await), (4, 1));
    chat.delete_message(&alice, call.id, None).await.unwrap();
    assert_eq!((listed(&chat, &bob).await.len(), listed(&chat, &carol).await.len()), (3, 0));
    assert_eq!((entries(&bob).await, entries(&carol).await), (3, 0));
    chat.delete_session(&alice, other).await.unwrap();
    assert_eq!(listed(&chat, &bob).await, ["@bob 1"]);
    for limit in [0, 101] {
        let page = Page { limit: Some(limit), ..Page::FIRST };
        assert!(matches!(chat.mentions(&bob, page, NEWEST).await, Err(Error::Invalid(_))));
    }
    for bad in ["", "7", "-", "7-", "7-x", "+7-AAAA", "r", "u.7-AAAA", "x1.7-AAAA", "u01.7-AAAA"] {
        assert!(bad.parse::<chatcore::model::MentionCursor>().is_err(), "{bad}");
    }
}

#[tokio::test]
async fn unread_mentions_are_marked_listed_and_counted() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, carol], id) = with_three(&store).await;
    let other = room(&chat, &alice, &[&bob]).await;
    let quiet = room(&chat, &alice, &[&bob]).await;
    let exactly = |count| UnreadMentions { count, is_exact: true };
    let counts = async |who: &Principal| {
        let sessions = chat.sessions(who, Page::FIRST).await.unwrap();
        let mut counts = Vec::new();
        for id in [id, other, quiet] {
            let summary = sessions.iter().find(|summary| summary.session.id == id).unwrap();
            let listed = summary.overview.as_ref().unwrap().unread_mentions;
            assert_eq!(chat.session(who, id).await.unwrap().unread_mentions, listed);
            counts.push(listed);
        }
        counts
    };
    say(&chat, &alice, id, "@bob 1").await;
    let second = say(&chat, &alice, other, "@bob 2").await;
    let third = say(&chat, &carol, id, "@bob 3").await;
    say(&chat, &alice, id, "not for bob").await;
    let all = say(&chat, &alice, other, "@all 4").await;
    assert_eq!(counts(&bob).await, [exactly(2), exactly(2), exactly(0)]);
    chat.mark_read(&bob, other, ReadUpto::Message(second.id)).await.unwrap();
    assert_eq!(counts(&bob).await, [exactly(2), exactly(1), exactly(0)]);
    let marks = async |list: ListMentions| {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = Page { after, limit: Some(1), ..Page::FIRST };
            let page = chat.mentions(&bob, page, list).await.unwrap();
            found.extend(page.iter().map(|one| (text_of(&one.message).to_owned(), one.is_unread)));
            after = page.next;
            if after.is_none() {
                return found;
            }
        }
    };
    let mark = |text: &str, is_unread| (text.to_owned(), is_unread);
    let everything = [mark("@all 4", true), mark("@bob 3", true), mark("@bob 2", false), mark("@bob 1", true)];
    let unread_only = ListMentions { unread_only: true, ..ListMentions::default() };
    assert_eq!(marks(NEWEST).await, everything);
    let unread_first = [mark("@all 4", true), mark("@bob 3", true), mark("@bob 1", true), mark("@bob 2", false)];
    assert_eq!(marks(ListMentions::default()).await, unread_first);
    for skip in 0..=4 {
        let page = Page { skip, ..Page::FIRST };
        let found = chat.mentions(&bob, page, ListMentions::default()).await.unwrap();
        let found: Vec<_> = found.iter().map(|one| (text_of(&one.message).to_owned(), one.is_unread)).collect();
        assert_eq!(found, unread_first[skip as usize..], "{skip} left out");
    }
    assert_eq!(marks(unread_only).await, [mark("@all 4", true), mark("@bob 3", true), mark("@bob 1", true)]);
    // What is read between two pages is left out, and nothing else.
    let first = chat.mentions(&bob, Page { limit: Some(1), ..Page::FIRST }, unread_only).await.unwrap();
    chat.mark_read(&bob, id, ReadUpto::Message(third.id)).await.unwrap();
    assert!(first.next.is_some());
    let rest = chat.mentions(&bob, Page { after: first.next, ..Page::FIRST }, unread_only).await.unwrap();
    assert_eq!(rest.entries, []);
    // Deleted messages, those that no longer name the user, and stale entries do not count.
    chat.delete_message(&alice, all.id, None).await.unwrap();
    assert_eq!(counts(&bob).await, [exactly(0), exactly(0), exactly(0)]);
    let fifth = say(&chat, &alice, quiet, "@bob 5").await;
    assert_eq!(counts(&bob).await[2], exactly(1));
    chat.edit_message(&alice, fifth.id, EditMessage::text("5")).await.unwrap();
    assert_eq!(counts(&bob).await[2], exactly(0));
    // The author of a message has no mention in it.
    say(&chat, &bob, quiet, "@bob himself").await;
    assert_eq!(counts(&bob).await[2], exactly(0));
}

/// The unread ones among the newest 500 come first. A user with a long list of read ones gets a full page at once.
#[tokio::test]
async fn unread_mentions_come_first_in_a_long_list() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, _], id) = with_three(&store).await;
    let old = room(&chat, &alice, &[&bob]).await;
    for n in 0..4 {
        say(&chat, &alice, old, &format!("@bob old {n}")).await;
    }
    let mut last = None;
    for n in 0..510 {
        last = Some(say(&chat, &alice, id, &format!("@bob {n}")).await.id);
    }
    chat.mark_read(&bob, id, ReadUpto::Message(last.unwrap())).await.unwrap();
    let first = chat.mentions(&bob, Page::FIRST, ListMentions::default()).await.unwrap();
    assert_eq!((first.len(), first.iter().filter(|one| one.is_unread).count()), (50, 0));
    say(&chat, &alice, old, "@bob new").await;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = Page { after, limit: Some(100), ..Page::FIRST };
        let page = chat.mentions(&bob, page, ListMentions::default()).await.unwrap();
        assert!(!page.is_empty());
        found.extend(page.iter().map(|one| (text_of(&one.message).to_owned(), one.is_unread)));
        // The place survives the wire.
        after = page.next.map(|next| next.to_string().parse().unwrap());
        if after.is_none() {
            break;
        }
    }
    let mark = |text: &str, is_unread| (text.to_owned(), is_unread);
    let read = (0..510).rev().map(|n| mark(&format!("@bob {n}"), false));
    let old = (0..4).rev().map(|n| mark(&format!("@bob old {n}"), true));
    let expected: Vec<_> = [mark("@bob new", true)].into_iter().chain(read).chain(old).collect();
    assert_eq!(found, expected);
    // A page that does not reach as far as it leaves out knows no place to go on.
    let deep = Page { skip: 510, ..Page::FIRST };
    assert_fault(chat.mentions(&bob, deep, ListMentions::default()).await, "skip", Code::ValidationInvalidValue);
    assert_eq!(chat.mentions(&bob, deep, NEWEST).await.unwrap().len(), 5);
}

#[tokio::test]
async fn beyond_a_hundred_mentions_the_count_is_a_lower_bound() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, _], id) = with_three(&store).await;
    let other = room(&chat, &alice, &[&bob]).await;
    say(&chat, &alice, other, "@bob once").await;
    for _ in 0..101 {
        say(&chat, &alice, id, "@bob").await;
    }
    let sessions = chat.sessions(&bob, Page::FIRST).await.unwrap();
    let counted = |id| {
        let summary = sessions.iter().find(|summary| summary.session.id == id).unwrap();
        summary.overview.as_ref().unwrap().unread_mentions
    };
    assert_eq!(counted(id), UnreadMentions { count: 100, is_exact: false });
    assert_eq!(counted(other), UnreadMentions { count: 0, is_exact: false });
    chat.mark_read(&bob, other, ReadUpto::Seq(3)).await.unwrap();
    let sessions = chat.sessions(&bob, Page::FIRST).await.unwrap();
    let other = sessions.iter().find(|summary| summary.session.id == other).unwrap();
    let nothing = UnreadMentions { count: 0, is_exact: true };
    assert_eq!(other.overview.as_ref().unwrap().unread_mentions, nothing);
}

#[tokio::test]
async fn many_stale_entries_do_not_end_a_list() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, _], id) = with_three(&store).await;
    say(&chat, &alice, id, "@bob first").await;
    let private = session(&chat, &alice, SessionType::InviteOnly).await;
    chat.add_participant(&alice, private, chatcore::chat::AddParticipant { user_id: bob.user_id.clone(), role: None })
        .await
        .unwrap();
    for _ in 0..520 {
        say(&chat, &alice, private, "@bob hidden").await;
    }
    chat.remove_participant(&alice, private, &bob.user_id).await.unwrap();
    let (mut found, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = chat.mentions(&bob, Page { after, limit: Some(100), ..Page::FIRST }, NEWEST).await.unwrap();
        found.extend(page.iter().map(|mentioned| text_of(&mentioned.message).to_owned()));
        (after, pages) = (page.next, pages + 1);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, pages), (vec!["@bob first".to_owned()], 2));
}

/// A user who is removed at the same time is mentioned before the removal or not at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_outside_is_mentioned_under_races() {
    let store = MemoryStore::new();
    let (chat, [alice, bob, _], id) = with_three(&store).await;
    let second = uncounted(store.clone());
    for _ in 0..30 {
        let sends = {
            let (chat, alice, ids) = (second.clone(), alice.clone(), [bob.user_id.clone()]);
            tokio::spawn(async move {
                for text in ["@bob 1", "beside", "@bob 2"] {
                    chat.send(&alice, id, SendMessage::text(text).mentioning(ids.clone())).await.unwrap();
                }
            })
        };
        chat.remove_participant(&alice, id, &bob.user_id).await.unwrap();
        sends.await.unwrap();
        chat.join(&bob, id).await.unwrap();
    }
    let (mut after, mut is_in, mut outside) = (chatcore::chat::Start::Beginning, true, 0);
    loop {
        let page = chat.events(&alice, id, after, Some(100)).await.unwrap();
        for view in &page.events {
            use chatcore::model::{EventKind, ParticipantEvent};
            match &view.event.kind {
                EventKind::Participant(ParticipantEvent::Removed { .. }) => is_in = false,
                EventKind::Participant(ParticipantEvent::Joined { .. }) if view.event.actor == bob.user_id => {
                    is_in = true
                }
                _ => {}
            }
            if let Some(message) = view.message() {
                outside += usize::from(!is_in);
                let mentions_bob = message.body.mentions.iter().any(|one| one.user.as_ref() == Some(&bob.user_id));
                assert_eq!(mentions_bob, is_in, "{message:?}");
            }
        }
        if page.next().seq == page.head.seq {
            break;
        }
        after = chatcore::chat::Start::After(page.next());
    }
    assert!(outside > 0, "no send came after a removal");
}
