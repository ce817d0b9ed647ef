//! Commands of bots: who offers them, who invokes them, and what a message says of it.

use chatcore::{
    Chat, Code, Error, MemoryStore, Principal,
    chat::{
        BlockingPolicy, EditMessage, InvokeCommand, MAX_COMMAND_DESCRIPTION_CHARS, MAX_COMMANDS, MessageDraft,
        SendMessage, Verdict,
    },
    model::{
        BotCommand, ClientId, CommandName, Content, MessageCommand, MessageWindow, Page, ParticipantRole, SessionId,
        SessionType, UserId,
    },
    permission::Denial,
};

use super::{
    VIEWER, add, assert_denied, assert_fault, faults,
    kit::{next, room, say, session, text_of, uncounted, user},
};

fn chat() -> Chat {
    uncounted(MemoryStore::new())
}

pub(crate) fn named(name: &str) -> CommandName {
    CommandName::new(name).unwrap()
}

fn offered(names: &[&str]) -> Vec<BotCommand> {
    names.iter().map(|name| BotCommand { name: named(name), description: format!("Does {name}") }).collect()
}

/// A bot of a user, in a session, with commands.
pub(crate) async fn bot(chat: &Chat, owner: &Principal, id: SessionId, commands: &[&str]) -> Principal {
    let bot = Principal::new(chat.create_bot(owner, "A bot").await.unwrap().profile.user_id);
    chat.add_participant(owner, id, add(bot.user_id.as_str(), None)).await.unwrap();
    chat.set_commands(&bot, offered(commands)).await.unwrap();
    bot
}

fn invoke(name: &str, arguments: &str) -> InvokeCommand {
    InvokeCommand::new(named(name), arguments)
}

fn command(name: &str, bot: &Principal) -> Option<MessageCommand> {
    Some(MessageCommand { name: named(name), bot_id: bot.user_id.clone() })
}

async fn listed(chat: &Chat, who: &Principal, id: SessionId) -> Vec<(String, UserId)> {
    let found = chat.session_commands(who, id).await.unwrap();
    found.into_iter().map(|one| (one.command.name.to_string(), one.bot.user_id)).collect()
}

#[tokio::test]
async fn a_command_is_a_message_that_names_it() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let bot = bot(&chat, &alice, id, &["deploy", "status"]).await;
    let mut events = chat.subscribe(&bot, id, None).await.unwrap();
    let sent = chat.invoke_command(&bob, id, invoke("deploy", "api now")).await.unwrap();
    assert_eq!((text_of(&sent), &sent.sender.user_id), ("/deploy api now", &bob.user_id));
    assert_eq!(sent.body.command, command("deploy", &bot));
    let shown = serde_json::to_value(&sent).unwrap();
    assert_eq!(shown["command"], serde_json::json!({ "name": "deploy", "bot_id": bot.user_id }));
    let told = serde_json::to_value(&*next(&mut events).await).unwrap();
    assert_eq!(told["data"]["message"]["command"], shown["command"], "{told}");
    let bare = chat.invoke_command(&bob, id, invoke("status", "")).await.unwrap();
    assert_eq!(text_of(&bare), "/status");
    assert_eq!(chat.message(&alice, sent.id).await.unwrap().body.command, command("deploy", &bot));
    let page = chat.messages(&bot, id, MessageWindow::Newest, None).await.unwrap();
    assert_eq!(page.messages[0].body.command, command("deploy", &bot));
    // What only looks like a command is text.
    let plain = say(&chat, &bob, id, "/deploy api now").await;
    assert_eq!(plain.body.command, None);
    assert_eq!(serde_json::to_value(&plain).unwrap()["command"], serde_json::Value::Null);
}

#[tokio::test]
async fn an_edit_keeps_the_command_and_a_copy_and_a_deletion_drop_it() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let bot = bot(&chat, &alice, id, &["deploy"]).await;
    let sent = chat.invoke_command(&bob, id, invoke("deploy", "api")).await.unwrap();
    let edited = chat.edit_message(&bob, sent.id, EditMessage::text("/deploy web")).await.unwrap();
    assert_eq!((text_of(&edited), edited.body.command.clone()), ("/deploy web", command("deploy", &bot)));
    let copy = chat.forward_message(&bob, sent.id, id, None).await.unwrap();
    assert_eq!((text_of(&copy), copy.body.command.clone()), ("/deploy web", None));
    let deleted = chat.delete_message(&bob, sent.id, None).await.unwrap();
    assert_eq!((deleted.body.content, deleted.body.command), (Content::Deleted, None));
    // A sender cannot claim a command.
    let mut claimed = SendMessage::text("/deploy");
    claimed.body.command = command("deploy", &bot);
    assert_eq!(chat.send(&bob, id, claimed).await.unwrap().body.command, None);
}

#[tokio::test]
async fn a_command_is_of_a_bot_that_is_in_the_session() {
    let chat = chat();
    let (alice, bob, eve, dave) = (user("alice"), user("bob"), user("eve"), user("dave"));
    let id = room(&chat, &alice, &[&bob, &eve]).await;
    chat.change_role(&alice, id, &eve.user_id, VIEWER).await.unwrap();
    let one = bot(&chat, &alice, id, &["deploy", "help"]).await;
    let two = bot(&chat, &bob, session(&chat, &bob, SessionType::InviteOnly).await, &["help"]).await;
    assert_eq!(chat.invoke_command(&bob, id, invoke("nothing", "")).await.unwrap_err(), Error::CommandNotFound);
    // The other bot is elsewhere.
    chat.invoke_command(&bob, id, invoke("help", "")).await.unwrap();
    let of_two = || invoke("help", "").of_bot(two.user_id.clone());
    assert_eq!(chat.invoke_command(&bob, id, of_two()).await.unwrap_err(), Error::CommandNotFound);
    // A user who is no bot has no commands.
    let of_bob = invoke("help", "").of_bot(bob.user_id.clone());
    assert_eq!(chat.invoke_command(&bob, id, of_bob).await.unwrap_err(), Error::CommandNotFound);

    chat.add_participant(&alice, id, add(two.user_id.as_str(), None)).await.unwrap();
    let ambiguous = chat.invoke_command(&bob, id, invoke("help", "")).await.unwrap_err();
    let mut bots = vec![one.user_id.clone(), two.user_id.clone()];
    bots.sort();
    assert_eq!(ambiguous, Error::CommandAmbiguous { bots: bots.clone() });
    assert_eq!((ambiguous.code(), ambiguous.code().status()), (Code::CommandAmbiguous, 409));
    assert_eq!(ambiguous.details(), serde_json::json!({ "bot_ids": bots }));
    let sent = chat.invoke_command(&bob, id, of_two()).await.unwrap();
    assert_eq!(sent.body.command, command("help", &two));

    // Who may not send learns nothing of bots.
    assert_denied(chat.invoke_command(&eve, id, invoke("nothing", "")).await, Denial::RoleInsufficient);
    assert_denied(chat.invoke_command(&dave, id, invoke("help", "")).await, Denial::NotParticipant);
    assert_denied(chat.session_commands(&dave, id).await, Denial::NotParticipant);
    let hidden = session(&chat, &alice, SessionType::InviteOnly).await;
    assert_denied(chat.invoke_command(&dave, hidden, invoke("help", "")).await, Denial::Hidden);
    assert_denied(chat.session_commands(&dave, hidden).await, Denial::Hidden);

    let all = [("deploy".to_owned(), one.user_id.clone()), ("help".to_owned(), bots[0].clone())];
    assert_eq!(listed(&chat, &eve, id).await[..2], all);
    assert_eq!(listed(&chat, &eve, id).await.len(), 3);
    chat.remove_participant(&alice, id, &two.user_id).await.unwrap();
    assert_eq!(chat.invoke_command(&bob, id, of_two()).await.unwrap_err(), Error::CommandNotFound);
    assert_eq!(chat.invoke_command(&bob, id, invoke("help", "")).await.unwrap().body.command, command("help", &one));
    assert_eq!(listed(&chat, &bob, id).await.len(), 2);
    // It comes back.
    chat.add_participant(&alice, id, add(two.user_id.as_str(), None)).await.unwrap();
    chat.invoke_command(&bob, id, of_two()).await.unwrap();
}

#[tokio::test]
async fn a_bot_that_is_removed_meanwhile_gets_no_command() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let bot = bot(&chat, &alice, id, &["deploy"]).await;
    chat.invoke_command(&bob, id, invoke("deploy", "")).await.unwrap();
    let head = || async { chat.events(&alice, id, 0, None).await.unwrap().head };
    let (removal, invoked) = tokio::join!(
        chat.remove_participant(&alice, id, &bot.user_id),
        chat.invoke_command(&bob, id, invoke("deploy", "").of_bot(bot.user_id.clone()))
    );
    removal.unwrap();
    let end = head().await;
    match invoked {
        // It stands before the removal.
        Ok(message) => assert!(message.seq < end.seq),
        Err(error) => assert_eq!(error, Error::CommandNotFound),
    }
    let late = chat.invoke_command(&bob, id, invoke("deploy", "").of_bot(bot.user_id.clone())).await;
    assert_eq!(late.unwrap_err(), Error::CommandNotFound);
    assert_eq!(head().await, end);
}

#[tokio::test]
async fn a_retry_of_a_command_gets_its_first_result() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let one = bot(&chat, &alice, id, &["deploy"]).await;
    let once = |invoke: InvokeCommand| invoke.with_client_id(ClientId::new("once").unwrap());
    let first = chat.invoke_command(&bob, id, once(invoke("deploy", "api"))).await.unwrap();
    // Another bot has the command now, so the same call without a retry is ambiguous.
    bot(&chat, &alice, id, &["deploy"]).await;
    let again = chat.invoke_command(&bob, id, once(invoke("deploy", "api"))).await.unwrap();
    assert_eq!((again.id, again.body.command), (first.id, command("deploy", &one)));
    for other in [invoke("deploy", "web"), invoke("deploy", "api").of_bot(one.user_id.clone())] {
        assert_eq!(chat.invoke_command(&bob, id, once(other)).await.unwrap_err(), Error::ClientIdReused);
    }
    let text = SendMessage::text("/deploy api").with_client_id(ClientId::new("once").unwrap());
    assert_eq!(chat.send(&bob, id, text).await.unwrap_err(), Error::ClientIdReused);
    chat.remove_participant(&alice, id, &one.user_id).await.unwrap();
    chat.set_commands(&one, Vec::new()).await.unwrap();
    assert_eq!(chat.invoke_command(&bob, id, once(invoke("deploy", "api"))).await.unwrap().id, first.id);
}

#[tokio::test]
async fn a_bot_sets_its_own_commands() {
    let chat = chat();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    assert_eq!(chat.set_commands(&alice, offered(&["deploy"])).await.unwrap_err(), Error::BotRequired);
    let bot = bot(&chat, &alice, id, &["deploy"]).await;
    let many: Vec<String> = (0..=MAX_COMMANDS).map(|n| format!("c{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_fault(chat.set_commands(&bot, offered(&many)).await, "commands", Code::ResourceLimitExceeded);
    assert_fault(chat.set_commands(&bot, offered(&["a", "a"])).await, "commands", Code::ValidationInvalidValue);
    let described = |text: String| vec![BotCommand { name: named("a"), description: text }];
    let long = "x".repeat(MAX_COMMAND_DESCRIPTION_CHARS + 1);
    let field = "commands[0].description";
    assert_fault(chat.set_commands(&bot, described(long)).await, field, Code::ValidationLengthExceeded);
    assert_fault(chat.set_commands(&bot, described(" ".into())).await, field, Code::ValidationRequiredField);
    assert_fault(chat.set_commands(&bot, described("a\nb".into())).await, field, Code::ValidationInvalidValue);
    assert_eq!(listed(&chat, &bob, id).await.len(), 1, "nothing was changed");
    chat.set_commands(&bot, offered(&many[..MAX_COMMANDS])).await.unwrap();
    assert_eq!(listed(&chat, &bob, id).await.len(), MAX_COMMANDS);
    assert_eq!(chat.invoke_command(&bob, id, invoke("deploy", "")).await.unwrap_err(), Error::CommandNotFound);
    chat.set_commands(&bot, Vec::new()).await.unwrap();
    assert_eq!(listed(&chat, &bob, id).await, []);
}

#[tokio::test]
async fn arguments_have_the_limits_of_a_text() {
    let chat = chat();
    let alice = user("alice");
    let id = room(&chat, &alice, &[]).await;
    bot(&chat, &alice, id, &["a"]).await;
    let max = chat.limits().message_chars;
    chat.invoke_command(&alice, id, invoke("a", &"x".repeat(max - 3))).await.unwrap();
    let long = chat.invoke_command(&alice, id, invoke("a", &"x".repeat(max - 2))).await;
    assert_eq!(faults(long), [("arguments".to_owned(), Code::MessageTooLong)]);
    let control = chat.invoke_command(&alice, id, invoke("a", "\u{7}")).await;
    assert_eq!(faults(control), [("arguments".to_owned(), Code::ValidationInvalidValue)]);
}

#[tokio::test]
async fn a_command_that_was_held_is_still_a_command() {
    let held = |draft: &MessageDraft| match &draft.body.content {
        Content::Text(text) if text.contains("hold") => Verdict::Hold(None),
        Content::Text(_) | Content::Encrypted(_) | Content::Deleted => Verdict::Allow,
    };
    let chat = Chat::builder(MemoryStore::new()).message_policy(BlockingPolicy::new(held)).build();
    let (alice, bob) = (user("alice"), user("bob"));
    let id = room(&chat, &alice, &[&bob]).await;
    let bot = bot(&chat, &alice, id, &["deploy"]).await;
    let once = || invoke("deploy", "hold").with_client_id(ClientId::new("once").unwrap());
    assert_eq!(chat.invoke_command(&bob, id, once()).await.unwrap_err(), Error::MessageHeld);
    let waiting = chat.held_messages(&alice, id, Page::FIRST).await.unwrap().entries.remove(0);
    chat.remove_participant(&alice, id, &bot.user_id).await.unwrap();
    assert_eq!(chat.approve_message(&alice, id, waiting.id).await.unwrap_err(), Error::CommandNotFound);
    chat.add_participant(&alice, id, add(bot.user_id.as_str(), Some(ParticipantRole::Member))).await.unwrap();
    // The bot offers something else by now, and another bot has the command.
    chat.set_commands(&bot, offered(&["status"])).await.unwrap();
    self::bot(&chat, &alice, id, &["deploy"]).await;
    assert_eq!(chat.approve_message(&alice, id, waiting.id).await.unwrap_err(), Error::CommandNotFound);
    chat.set_commands(&bot, offered(&["status", "deploy"])).await.unwrap();
    let sent = chat.approve_message(&alice, id, waiting.id).await.unwrap();
    assert_eq!((text_of(&sent), sent.body.command.clone()), ("/deploy hold", command("deploy", &bot)));
    assert_eq!(chat.invoke_command(&bob, id, once()).await.unwrap().id, sent.id);
}

#[tokio::test]
async fn a_full_list_of_bots_makes_room_for_those_that_are_there() {
    let chat = chat();
    let alice = user("alice");
    let id = session(&chat, &alice, SessionType::InviteOnly).await;
    for owner in 0..5 {
        let owner = user(&format!("owner-{owner}"));
        for _ in 0..20 {
            let bot = chat.create_bot(&owner, "A bot").await.unwrap().profile.user_id;
            let added = chat.add_participant(&alice, id, add(bot.as_str(), None)).await;
            added.unwrap();
            chat.remove_participant(&alice, id, &bot).await.unwrap();
        }
    }
    let bot = bot(&chat, &alice, id, &["deploy"]).await;
    // The list has 100 entries of bots that are gone.
    let found = chat.invoke_command(&alice, id, invoke("deploy", "")).await;
    assert!(matches!(found, Ok(_) | Err(Error::CommandNotFound)), "{found:?}");
    assert_eq!(listed(&chat, &alice, id).await, [("deploy".to_owned(), bot.user_id.clone())]);
    chat.invoke_command(&alice, id, invoke("deploy", "")).await.unwrap();
}
