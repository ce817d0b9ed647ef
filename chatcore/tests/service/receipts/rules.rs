//! The addressees of messages of the host, and choices that come while readers are told.

use chatcore::chat::PostSystem;

use super::*;

#[tokio::test]
async fn a_system_message_is_addressed_to_the_account_in_whose_name_it_stands_too() {
    let (chat, alice, bob) = (Chat::in_memory(), user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let posted = chat.post_system(&alice, id, PostSystem::text("closed")).await.unwrap();
    assert_eq!(counted(&chat, &bob, posted.id).await, (SENT, 2, 0, 0));
    chat.mark_read(&alice, id, ReadUpto::Message(posted.id)).await.unwrap();
    assert_eq!(counted(&chat, &bob, posted.id).await, (DeliveryStatus::Read, 2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_block_and_a_switch_count_at_once_in_their_process_for_readers_who_were_told_before() {
    for blocks in [true, false] {
        let (world, alice, bob) = (World::default(), user("alice"), user("bob"));
        let chat = world.process();
        let id = room(&chat, &alice, &[&bob]).await;
        let mut hers = chat.subscribe(&alice, id, None).await.unwrap();
        for (text, is_told) in [("one", true), ("two", false), ("three", true)] {
            match (text, blocks) {
                ("two", true) => chat.block_user(&alice, &bob.user_id).await.unwrap(),
                ("three", true) => chat.unblock_user(&alice, &bob.user_id).await.unwrap(),
                ("two" | "three", false) => switch(&chat, &bob, is_told).await,
                _ => {}
            }
            world.pass(1);
            let message = say(&chat, &alice, id, text).await;
            chat.mark_read(&bob, id, ReadUpto::Seq(message.seq)).await.unwrap();
            let expected = is_told.then(|| told("bob", Read, message.seq));
            assert_eq!(waiting(&mut hers).await, Vec::from_iter(expected), "{text} {blocks}");
        }
    }
}
