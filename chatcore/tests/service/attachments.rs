//! Attachments and metadata of messages.

use chatcore::{
    Code, Error, MemoryStore,
    chat::{EditMessage, MAX_ATTACHMENTS, MAX_METADATA_BYTES, MAX_METADATA_DEPTH, SendMessage, StartMessage},
    model::{Attachment, ClientId, Content, MessageBody, Metadata, SessionType},
};
use serde_json::{Value, json};

use super::{
    assert_fault,
    kit::{say, session, uncounted, user},
};

fn file(id: &str) -> Attachment {
    Attachment { id: id.into(), name: "A file.png".into(), media_type: "image/png".into(), size: 7 }
}

fn metadata(value: Value) -> Metadata {
    serde_json::from_value(value).unwrap()
}

fn carrying(attachments: Vec<Attachment>, metadata: Option<Metadata>) -> SendMessage {
    SendMessage::new(MessageBody { attachments, metadata, ..MessageBody::new(Content::Text("text".into())) })
}

#[tokio::test]
async fn a_message_carries_files_and_metadata_until_it_is_deleted() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let data = metadata(json!({ "color": "red", "list": [1, null] }));
    let sent = chat.send(&alice, id, carrying(vec![file("1"), file("2")], Some(data.clone()))).await.unwrap();
    assert_eq!((&sent.body.attachments, &sent.body.metadata), (&vec![file("1"), file("2")], &Some(data.clone())));
    assert_eq!(chat.message(&alice, sent.id).await.unwrap(), sent);
    // An edit keeps what it does not name, and a retry changes nothing.
    let edited = chat.edit_message(&alice, sent.id, EditMessage::text("other")).await.unwrap();
    assert_eq!((&edited.body.attachments, &edited.body.metadata), (&sent.body.attachments, &sent.body.metadata));
    let only = metadata(json!({ "color": "blue" }));
    let change = EditMessage { metadata: Some(Some(only.clone())), ..EditMessage::text("other") };
    for _ in 0..2 {
        let edited = chat.edit_message(&alice, sent.id, change.clone()).await.unwrap();
        assert_eq!((edited.revision, &edited.body.metadata), (3, &Some(only.clone())));
    }
    let bare = EditMessage { metadata: Some(None), attachments: Some(vec![]), ..EditMessage::text("other") };
    let edited = chat.edit_message(&alice, sent.id, bare).await.unwrap();
    assert_eq!((edited.body.attachments.len(), &edited.body.metadata), (0, &None));
    let kept = chat.message_revisions(&alice, sent.id).await.unwrap();
    let kept: Vec<_> =
        kept.into_iter().map(|earlier| (earlier.body.attachments.len(), earlier.body.metadata)).collect();
    let expected = [data.clone(), data.clone(), only].map(|metadata| (2, Some(metadata)));
    assert_eq!(kept, expected, "an earlier text keeps what the message carried with it");
    let again = chat.send(&alice, id, carrying(vec![file("1")], Some(data))).await.unwrap();
    let deleted = chat.delete_message(&alice, again.id, None).await.unwrap();
    assert_eq!((deleted.body.attachments.len(), &deleted.body.metadata), (0, &None));
    assert!(chat.message_revisions(&alice, again.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_text_may_be_empty_beside_a_file() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let empty =
        |attachments| SendMessage::new(MessageBody { attachments, ..MessageBody::new(Content::Text(String::new())) });
    chat.send(&alice, id, empty(vec![file("1")])).await.unwrap();
    assert_eq!(chat.send(&alice, id, empty(vec![])).await.unwrap_err().code(), Code::ValidationRequiredField);
    let deleted = SendMessage::new(MessageBody { attachments: vec![file("1")], ..MessageBody::new(Content::Deleted) });
    assert_eq!(chat.send(&alice, id, deleted).await.unwrap_err().code(), Code::ValidationRequiredField);
}

/// An edit leaves what a send could have sent.
#[tokio::test]
async fn an_edited_text_may_be_empty_beside_a_file() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let text = |text: &str| Content::Text(text.to_owned());
    let bodies = [("", vec![file("1")]), ("text", vec![file("1")]), ("text", vec![])];
    for (said, files) in &bodies {
        for (edited, given) in [("", None), ("", Some(vec![])), ("", Some(vec![file("2")])), ("x", Some(vec![]))] {
            let body = MessageBody { attachments: files.clone(), ..MessageBody::new(text(said)) };
            let sent = chat.send(&alice, id, SendMessage::new(body)).await.unwrap();
            let expected = MessageBody {
                attachments: given.clone().unwrap_or_else(|| files.clone()),
                ..MessageBody::new(text(edited))
            };
            let edit = EditMessage { attachments: given, ..EditMessage::new(text(edited)) };
            let found = chat.edit_message(&alice, sent.id, edit).await;
            if edited.is_empty() && expected.attachments.is_empty() {
                assert_fault(found, "content", Code::ValidationRequiredField);
                assert_eq!(chat.message(&alice, sent.id).await.unwrap(), sent);
            } else {
                assert_eq!(found.unwrap().body, expected);
            }
        }
    }
    let body = MessageBody { attachments: vec![file("1")], ..MessageBody::new(text("text")) };
    let gone = chat.send(&alice, id, SendMessage::new(body)).await.unwrap();
    chat.delete_message(&alice, gone.id, None).await.unwrap();
    assert_eq!(chat.edit_message(&alice, gone.id, EditMessage::text("")).await.unwrap_err(), Error::MessageDeleted);
}

#[tokio::test]
async fn files_and_metadata_have_limits() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let message = say(&chat, &alice, id, "text").await;
    let bad_files = [
        vec![file("x"); MAX_ATTACHMENTS + 1],
        vec![file("")],
        vec![file(&"x".repeat(129))],
        vec![file("a\nb")],
        vec![Attachment { name: " ".into(), ..file("1") }],
        vec![Attachment { name: "x".repeat(257), ..file("1") }],
        vec![Attachment { media_type: "picture".into(), ..file("1") }],
        vec![Attachment { size: 1 << 53, ..file("1") }],
    ];
    let nested = |levels| (1..levels).fold(json!({}), |inner, _| json!({ "a": inner }));
    let long = |bytes: usize| json!({ "a": "x".repeat(bytes - r#"{"a":""}"#.len()) });
    // Bytes are counted, of which each of these characters has two.
    let umlauts = |bytes: usize| json!({ "a": "\u{e4}".repeat((bytes - r#"{"a":""}"#.len()) / 2) });
    let bad_data = [
        long(MAX_METADATA_BYTES + 1),
        umlauts(MAX_METADATA_BYTES + 2),
        nested(MAX_METADATA_DEPTH + 1),
        json!({ "a": [1_u64 << 53] }),
    ];
    for data in bad_data.clone() {
        let begin = StartMessage { metadata: Some(metadata(data)), ..StartMessage::of_assistant() };
        let begun = chat.start_streamed_message(&alice, id, begin).await;
        assert_fault(begun, "metadata", Code::ValidationInvalidValue);
    }
    let refusals = bad_files.into_iter().map(|files| (carrying(files.clone(), None), Some(files), None));
    let refusals = refusals
        .chain(bad_data.map(|data| (carrying(vec![], Some(metadata(data.clone()))), None, Some(metadata(data)))));
    for (send, attachments, metadata) in refusals {
        let field = if attachments.is_some() { "attachments" } else { "metadata" };
        let edit = EditMessage { attachments, metadata: metadata.map(Some), ..EditMessage::text("text") };
        let sent = chat.send(&alice, id, send).await.map(drop);
        for refused in [sent, chat.edit_message(&alice, message.id, edit).await.map(drop)] {
            let refused = refused.unwrap_err();
            assert_eq!((refused.code(), refused.fields()[0].field.as_str()), (Code::ValidationInvalidValue, field));
        }
    }
    let number = json!({ "a": [(1_u64 << 53) - 1] });
    for data in [long(MAX_METADATA_BYTES), umlauts(MAX_METADATA_BYTES), nested(MAX_METADATA_DEPTH), number] {
        let begin = StartMessage { metadata: Some(metadata(data.clone())), ..StartMessage::of_assistant() };
        chat.start_streamed_message(&alice, id, begin).await.unwrap();
        chat.send(&alice, id, carrying(vec![file("x"); MAX_ATTACHMENTS], Some(metadata(data)))).await.unwrap();
    }
}

#[tokio::test]
async fn files_and_metadata_are_part_of_a_retry() {
    let (chat, alice) = (uncounted(MemoryStore::new()), user("alice"));
    let id = session(&chat, &alice, SessionType::Private).await;
    let once = |attachments, metadata| carrying(attachments, metadata).with_client_id(ClientId::new("once").unwrap());
    let data = || Some(metadata(json!({ "a": 1 })));
    let first = chat.send(&alice, id, once(vec![file("1")], data())).await.unwrap();
    assert_eq!(chat.send(&alice, id, once(vec![file("1")], data())).await.unwrap().id, first.id);
    for other in [once(vec![], data()), once(vec![file("2")], data()), once(vec![file("1")], None)] {
        assert_eq!(chat.send(&alice, id, other).await.unwrap_err(), Error::ClientIdReused);
    }
}
