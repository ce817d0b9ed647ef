//! Which handler an event calls, and what it answers with.

use chatcore::{
    chat::{AddParticipant, EditMessage, InvokeCommand, PostSystem},
    model::{BotCommand, CommandName, EventKind, ParticipantEvent, SessionType},
};

use super::*;
use kit::{say, session};

#[tokio::test]
async fn a_mention_is_answered_and_the_bot_does_not_answer_itself() {
    let world = World::new().await;
    let notes = Notes::default();
    let heard = notes.clone();
    let bot = world
        .bot()
        .on_message(move |context, message| {
            heard.add(text_of(&message));
            echo(context, message)
        })
        .start();
    let question = world.mention("one").await;
    world.until_said("re: one").await;
    say(&world.chat, &world.alice, world.session, "two").await;
    world.until_said("re: two").await;
    a_while().await;
    assert_eq!(world.texts().await, ["one", "re: one", "two", "re: two"]);
    assert_eq!(notes.all(), ["one", "two"]);
    let answer = messages(&world.chat, &world.alice, world.session).await.remove(1);
    assert_eq!(answer.body.reply.unwrap().to, question.seq);
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn each_event_calls_the_handler_that_is_closest_to_it() {
    let world = World::new().await;
    let notes = Notes::default();
    let (mentions, others, events) = (notes.clone(), notes.clone(), notes.clone());
    let bot = world
        .bot()
        .on_mention(move |_, message| {
            mentions.add(format!("mention {}", text_of(&message)));
            async { Ok(()) }
        })
        .on_message(move |_, message| {
            others.add(format!("message {}", text_of(&message)));
            async { Ok(()) }
        })
        .on_event(move |_, view| {
            if let EventKind::Participant(ParticipantEvent::Joined { .. }) = view.event.kind {
                events.add(format!("{} joined", view.actor.user_id));
            } else {
                events.add("another event");
            }
            async { Ok(()) }
        })
        .start();
    let bob = user("bob");
    world.chat.join(&bob, world.session).await.unwrap();
    say(&world.chat, &bob, world.session, "plain").await;
    let everybody = SendMessage { mentions_everybody: true, ..SendMessage::text("all") };
    world.chat.send(&world.alice, world.session, everybody).await.unwrap();
    let named = world.mention("named").await;
    world.chat.edit_message(&world.alice, named.id, EditMessage::text("named again")).await.unwrap();
    let host = user("host");
    world.chat.post_system(&host, world.session, PostSystem::text("a system message")).await.unwrap();
    notes.until(6).await;
    a_while().await;
    let noted = notes.all();
    assert_eq!(noted[..3], ["bob joined", "message plain", "message all"]);
    assert!(matches!(noted[3].as_str(), "mention named" | "mention named again"), "{noted:?}");
    assert_eq!(noted[4..], ["another event", "another event"]);
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn a_command_calls_its_handler() {
    let world = World::new().await;
    let other = user("other");
    world.chat.join(&other, world.session).await.unwrap();
    let name = |name: &str| CommandName::new(name).unwrap();
    for bot in [&world.robot, &other] {
        make_bot(&world, bot).await;
        world.chat.leave(bot, world.session).await.unwrap();
        world.chat.join(bot, world.session).await.unwrap();
        let commands = ["weather", "time"].map(|text| BotCommand { name: name(text), description: "tells".into() });
        world.chat.set_commands(bot, commands.to_vec()).await.unwrap();
    }
    let notes = Notes::default();
    let (weather, others) = (notes.clone(), notes.clone());
    let bot = world
        .bot()
        .on_command("weather", move |context, message| {
            weather.add(text_of(&message));
            async move {
                context.reply("It rains.").await?;
                Ok(())
            }
        })
        .on_message(move |_, message| {
            others.add(format!("message {}", text_of(&message)));
            async { Ok(()) }
        })
        .start();
    let invoke = async |text: &str, bot: &Principal| {
        let command = InvokeCommand::new(name(text), "Paris").of_bot(bot.user_id.clone());
        world.chat.invoke_command(&world.alice, world.session, command).await.unwrap();
    };
    invoke("weather", &other).await;
    invoke("weather", &world.robot).await;
    invoke("time", &world.robot).await;
    notes.until(2).await;
    a_while().await;
    assert_eq!(notes.all(), ["/weather Paris", "message /time Paris"]);
    world.until_said("It rains.").await;
    bot.stop().await.unwrap();
}

/// Marks a user as a bot, as the accounts do.
async fn make_bot(world: &World, bot: &Principal) {
    use chatcore::store::{Change, ChatStoreExt as _, Standings, TypedKey as _};
    let key = Standings { user: bot.user_id.clone() };
    let found = chatcore::ChatStore::records(&world.store, &[key.key()]).await.unwrap();
    assert!(found[0].is_some());
    let found = world.store.get(&key).await.unwrap().unwrap();
    let mut standing = (*found.value).clone();
    standing.is_bot = true;
    let change = Change::of_records(vec![key.put(standing).at(found.version)]);
    chatcore::ChatStore::commit(&world.store, change).await.unwrap();
}

#[tokio::test]
async fn a_mention_from_before_the_first_start_is_answered() {
    let world = World::new().await;
    let id = session(&world.chat, &world.alice, SessionType::InviteOnly).await;
    say(&world.chat, &world.alice, id, "before the bot").await;
    world.mention("in the first session").await;
    let add = AddParticipant { user_id: world.robot.user_id.clone(), role: None };
    world.chat.add_participant(&world.alice, id, add).await.unwrap();
    mention(&world.chat, &world.alice, id, &world.robot, "here").await;
    say(&world.chat, &world.alice, id, "no mention").await;
    let bot = world.bot().on_message(echo).start();
    world.until_said("re: in the first session").await;
    until(async || texts(&world.chat, &world.alice, id).await.len() == 5).await;
    assert_eq!(
        texts(&world.chat, &world.alice, id).await,
        ["before the bot", "here", "no mention", "re: here", "re: no mention"]
    );
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_deleted_before_its_turn_is_not_shown() {
    let world = World::new().await;
    let secret = world.mention("secret").await;
    let last = world.mention("said").await;
    world.chat.delete_message(&world.alice, secret.id, None).await.unwrap();
    let notes = Notes::default();
    let noted = notes.clone();
    let bot = world
        .bot()
        .on_mention(move |context, message| {
            noted.add(format!("{} {}", text_of(&message), context.seq()));
            async { Ok(()) }
        })
        .start();
    notes.until(1).await;
    a_while().await;
    assert_eq!(notes.all(), [format!("said {}", last.seq)]);
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn an_answer_to_a_message_that_goes_meanwhile_is_no_failure() {
    let world = World::new().await;
    let (notes, noted) = (Notes::default(), Notes::default());
    let (begun, failed, chat, alice) = (notes.clone(), noted.clone(), world.chat.clone(), world.alice.clone());
    let bot = world
        .bot()
        .on_mention(move |context, message| {
            let (begun, chat, alice) = (begun.clone(), chat.clone(), alice.clone());
            async move {
                begun.add(text_of(&message));
                if text_of(&message) == "gone" {
                    chat.delete_message(&alice, message.id, None).await?;
                }
                echo(context, message).await
            }
        })
        .on_failure(move |failure| failed.add(failure.error.to_string()))
        .start();
    world.mention("gone").await;
    world.mention("stays").await;
    world.until_said("re: stays").await;
    assert_eq!((notes.all(), noted.all()), (vec!["gone".to_owned(), "stays".to_owned()], Vec::new()));
    bot.stop().await.unwrap();
}

#[tokio::test]
async fn answers_wait_where_they_are_too_many() {
    let store = MemoryStore::new();
    let rates = chatcore::RateLimits {
        messages: Some(chatcore::Rate::new(2, Duration::from_millis(200))),
        ..chatcore::RateLimits::off()
    };
    let slow = Chat::builder(store.clone()).rates(rates).build();
    let chat = uncounted(store);
    let (alice, robot) = (user("alice"), user("robot"));
    let id = room(&chat, &alice, &[&robot]).await;
    let (runs, failed) = (Notes::default(), Notes::default());
    let (ran, noted) = (runs.clone(), failed.clone());
    let bot = Bot::new(slow, robot.clone())
        .options(quick())
        .on_mention(move |context, message| {
            ran.add(text_of(&message));
            echo(context, message)
        })
        .on_failure(move |failure| noted.add(failure.error.to_string()))
        .start();
    for n in 0..4 {
        mention(&chat, &alice, id, &robot, &n.to_string()).await;
    }
    until(async || texts(&chat, &alice, id).await.len() == 8).await;
    // The method waits, so no handler runs again.
    assert_eq!(runs.all(), ["0", "1", "2", "3"]);
    assert_eq!(failed.all(), Vec::<String>::new());
    bot.stop().await.unwrap();
}
