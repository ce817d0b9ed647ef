//! The core itself: the yardstick of all transports.

use std::{str::FromStr, sync::Arc};

use async_trait::async_trait;
use chatcore::{
    Chat, Error, JwtAuthenticator, Principal, Result,
    chat::{FindPublicSessions, FindSessions, ListMentions, SessionOrder, Subscription},
    identity::Authenticator as _,
    model::{Bound, InviteCode, ListPage, MessageId, MessageWindow, Page, SessionId, UserId},
    wire::Command,
};
use futures_util::StreamExt;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::{
    PATIENCE,
    action::Target,
    canon::{self, Fault, Outcome},
    receipts,
    room::Cast,
    stage::Actor,
    transport::{Call, Deliveries, Subscribed, Transport},
};
use crate::server::SECRET;

/// All pages of a list, in one.
macro_rules! all {
    ($limit:expr, $one:expr, |$page:ident| $call:expr) => {{
        let (limit, mut found, mut after) = ($limit, Vec::new(), None);
        loop {
            let $page = Page { after, limit, ..Page::FIRST };
            match $call {
                Ok(page) => {
                    found.extend(page.iter().map($one));
                    after = page.next;
                    if after.is_none() {
                        break Ok(Value::Array(found));
                    }
                }
                Err(error) => break Err(error),
            }
        }
    }};
}

/// Calls the core.
pub struct Core {
    chat: Chat,
    authenticator: JwtAuthenticator,
    name: &'static str,
}

impl Core {
    /// Over a chat.
    #[must_use]
    pub fn new(chat: Chat) -> Self {
        Self { chat, authenticator: JwtAuthenticator::hs256(SECRET).unwrap(), name: "core" }
    }

    /// Over a chat on the in-memory store, beside others on another store.
    #[must_use]
    pub fn in_memory(chat: Chat) -> Self {
        Self { name: "core-in-memory", ..Self::new(chat) }
    }

    async fn principal(&self, call: &Call<'_>) -> Option<Result<Principal>> {
        Some(self.authenticator.authenticate(call.token()?).await)
    }

    /// Carries out a command through the table of commands.
    async fn command(&self, call: &Call<'_>, name: &str, by: &Principal) -> Result<Value> {
        let mut data = call.input();
        for (id, value) in call.ids() {
            data.insert(id.to_owned(), json!(value));
        }
        let command = Command::read(name, data).unwrap_or_else(|| panic!("no command `{name}`"))?;
        command.perform(&self.chat, by).await.map(|answer| canon::answer(name, &answer))
    }

    /// Asks; `None` where no type of the core holds the question.
    async fn ask(&self, call: &Call<'_>, by: &Principal) -> Option<Result<Value>> {
        let (chat, input) = (&self.chat, &call.input());
        let limit = natural(input, "limit")?;
        let session = || call.session().parse::<SessionId>().ok();
        let message = || call.message_id()?.parse::<MessageId>().ok();
        Some(match call.action.operation {
            "me" => chat.me(by).await.map(|profile| canon::me(&profile)),
            "listSessions" => {
                let order = sorted::<SessionOrder>(input)?;
                let archived = input.get("archived") == Some(&json!(true));
                let wanted = FindSessions { search: search(input)?, order, archived };
                all!(limit, canon::summary, |page| chat.find_sessions(by, &wanted, page).await)
            }
            "listDeletedSessions" => all!(limit, canon::summary, |page| chat.deleted_sessions(by, page).await),
            "listPublicSessions" => {
                let (mut total, order) = (None, sorted(input)?);
                let wanted = FindPublicSessions { search: search(input)?, order };
                let found = all!(limit, canon::summary, |page| {
                    let page = chat.find_public_sessions(by, &wanted, page).await;
                    page.map(|page| {
                        total = page.total;
                        ListPage { entries: page.sessions, next: page.next }
                    })
                });
                found.map(|sessions| json!({ "sessions": sessions, "total": total }))
            }
            "getSession" => chat.session(by, session()?).await.map(|found| canon::session(&found)),
            "listParticipants" => {
                let (id, email) = (session()?, input["include_email"] == true);
                all!(limit, canon::participant, |page| chat.participants(by, id, page, email).await)
            }
            "listInvites" => {
                let id = session()?;
                all!(limit, canon::invite, |page| chat.invites(by, id, page).await)
            }
            "listIncomingWebhooks" => {
                let found = chat.incoming_webhooks(by, session()?).await;
                found.map(|found| found.iter().map(canon::incoming).collect())
            }
            "listBlocks" => all!(limit, canon::blocked, |page| chat.blocks(by, page).await),
            "listJoinRequests" => {
                let id = session()?;
                all!(limit, canon::join_request, |page| chat.join_requests(by, id, page).await)
            }
            "listOwnJoinRequests" => all!(limit, canon::join_request, |page| chat.own_join_requests(by, page).await),
            "listHeldMessages" => {
                let id = session()?;
                all!(limit, canon::held, |page| chat.held_messages(by, id, page).await)
            }
            "previewInvite" => {
                // Another input is no question of the core.
                let code = input.get("code").filter(|_| input.len() == 1)?.as_str()?;
                chat.preview_invite(by, &InviteCode::new(code)).await.map(|found| canon::preview(&found))
            }
            "listBans" => {
                let id = session()?;
                all!(limit, canon::ban, |page| chat.bans(by, id, page).await)
            }
            "listReports" => {
                let id = session()?;
                let state = input.get("state").map(|state| serde_json::from_value(state.clone()));
                let state = state.transpose().ok()?;
                all!(limit, canon::report, |page| chat.reports(by, id, state, page).await)
            }
            "listModerationLog" => {
                let id = session()?;
                all!(limit, canon::moderation, |page| chat.moderation_log(by, id, page).await)
            }
            "listMessages" => chat.messages(by, session()?, window(input)?, limit).await.map(|page| {
                let messages: Value = page.messages.iter().map(canon::message).collect();
                json!({ "messages": messages, "previous": page.previous, "next": page.next, "?total": page.total })
            }),
            "getMessage" => chat.message(by, message()?).await.map(|found| canon::message(&found)),
            "listMessageRevisions" => {
                chat.message_revisions(by, message()?).await.map(|found| found.iter().map(canon::revision).collect())
            }
            "getThread" => {
                let id = message()?;
                all!(limit, canon::message, |page| chat.thread(by, id, page).await)
            }
            "listMentions" => {
                let unread = input.get("unread") == Some(&json!(true));
                let list = ListMentions { unread_only: unread, order: sorted(input)? };
                all!(limit, canon::mentioned, |page| chat.mentions(by, page, list).await)
            }
            "listFollowedThreads" => {
                let id = session()?;
                all!(limit, canon::followed, |page| chat.followed_threads(by, id, page).await)
            }
            "listThreads" => {
                let id = session()?;
                all!(limit, canon::message, |page| chat.threads(by, id, page).await)
            }
            "listReactors" => {
                let (id, Target::Reaction(_, emoji)) = (message()?, call.action.target) else { return None };
                let emoji = emoji.parse().ok()?;
                all!(limit, canon::reactor, |page| chat.reactors(by, id, &emoji, page).await)
            }
            "listScheduledMessages" => all!(limit, canon::scheduled, |page| chat.scheduled_messages(by, page).await),
            "getDraft" => chat.draft(by, session()?).await.map(|draft| canon::draft(&draft)),
            "listDrafts" => all!(limit, canon::draft, |page| chat.drafts(by, page).await),
            "listPresence" => {
                let id = session()?;
                all!(limit, |found| canon::presence(&found.presence), |page| chat.presence(by, id, page).await)
            }
            "listUserPresence" => {
                let users: Vec<_> = input["user_ids"].as_array()?.iter().filter_map(Value::as_str).collect();
                let users = users.into_iter().map(UserId::new).collect::<Result<Vec<_>, _>>().ok()?;
                chat.presence_of(by, &users).await.map(|found| found.iter().map(canon::presence).collect())
            }
            "listMessageReceipts" => {
                let id = message()?;
                all!(limit, receipts::receipt, |page| chat.message_receipts(by, id, page).await)
            }
            "getMessageDelivery" => {
                chat.message_delivery(by, message()?).await.map(|found| receipts::message_delivery(&found))
            }
            "getUserSettings" => chat.user_settings(by).await.map(|found| json!({ "receipts": found.receipts })),
            "getOwnPresence" => chat.own_presence(by).await.map(|found| canon::own_presence(&found)),
            "listCommands" => {
                chat.session_commands(by, session()?).await.map(|found| found.iter().map(canon::command).collect())
            }
            "listBots" => chat.bots(by).await.map(|found| found.iter().map(canon::bot).collect()),
            "listBotTokens" => {
                let (_, bot) = call.ids().into_iter().find(|(name, _)| *name == "bot_id")?;
                let bot = UserId::new(bot).ok()?;
                chat.bot_tokens(by, &bot).await.map(|found| found.iter().map(canon::bot_token).collect())
            }
            "listEmojis" => chat.emojis(by, session()?).await.map(|found| found.iter().map(canon::emoji).collect()),
            "listPins" => chat.pins(by, session()?).await.map(|found| found.iter().map(canon::pinned).collect()),
            "listEvents" => chat.events(by, session()?, natural(input, "after")??, limit).await.map(|page| {
                let events: Value = page.events.iter().map(|view| canon::event(view)).collect();
                json!({ "events": events, "head": page.head.seq })
            }),
            other => panic!("the core does not know the question `{other}`"),
        })
    }
}

/// The order of an input; `None` where there is no such order.
fn sorted<T: FromStr + Default>(input: &Map<String, Value>) -> Option<T> {
    match input.get("sort") {
        Some(order) => order.as_str()?.parse().ok(),
        None => Some(T::default()),
    }
}

/// The search of an input; `None` where it is no text.
#[allow(clippy::option_option, reason = "the two levels mean different things")]
fn search(input: &Map<String, Value>) -> Option<Option<String>> {
    input.get("search").map_or(Some(None), |search| Some(Some(search.as_str()?.to_owned())))
}

/// A number of an input; `None` where it is negative.
fn natural(input: &Map<String, Value>, name: &str) -> Option<Option<u64>> {
    input.get(name).map(Value::as_u64).map_or(Some(None), |number| number.map(Some))
}

fn window(input: &Map<String, Value>) -> Option<MessageWindow> {
    let bound = |place: &Value| match place.as_str() {
        Some(time) => Bound::Time(time.parse().unwrap()),
        None => Bound::Seq(place.as_u64().unwrap()),
    };
    Some(match (input.get("skip"), input.get("before"), input.get("after")) {
        (Some(skip), None, None) => MessageWindow::Skip(skip.as_u64()?),
        (None, Some(place), None) => MessageWindow::Before(bound(place)),
        (None, None, Some(place)) => MessageWindow::After(bound(place)),
        _ => MessageWindow::Newest,
    })
}

fn told(result: Result<Value>) -> Outcome {
    result.map(canon::tidy).map_err(|error| canon::fault(&error))
}

#[async_trait]
impl Transport for Core {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn perform(&mut self, call: &Call<'_>) -> Option<Outcome> {
        match self.principal(call).await? {
            Err(error) => Some(Err(canon::fault(&error))),
            Ok(principal) => match call.action.command() {
                Some(name) => Some(told(self.command(call, name, &principal).await)),
                None => self.ask(call, &principal).await.map(told),
            },
        }
    }

    async fn subscribe(&mut self, call: &Call<'_>, after: Option<u64>) -> Option<Result<Subscribed, Fault>> {
        let principal = match self.principal(call).await? {
            Ok(principal) => principal,
            Err(error) => return Some(Err(canon::fault(&error))),
        };
        let id = call.session().parse().ok()?;
        let opened = self.chat.subscribe(&principal, id, after).await;
        Some(match opened {
            Ok(subscription) => {
                Ok(Subscribed { after: Some(subscription.after().seq), deliveries: Box::new(Stream(subscription)) })
            }
            Err(error) => Err(canon::fault(&error)),
        })
    }

    async fn since(&mut self, cast: &Cast, reader: Actor, session: &str, span: (u64, u64)) -> Option<Vec<Value>> {
        let by = cast.principal(reader.name()?);
        match self.chat.events(by, session.parse().ok()?, span.0, Some(100)).await {
            Ok(page) => Some(page.events.iter().map(Arc::as_ref).map(canon::event).collect()),
            Err(Error::Denied(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }
}

struct Stream(Subscription);

#[async_trait]
impl Deliveries for Stream {
    async fn next(&mut self) -> Value {
        let next = timeout(PATIENCE, self.0.next()).await.expect("nothing came");
        canon::tidy(canon::delivery(&next.expect("it ended").unwrap()))
    }

    async fn end(mut self: Box<Self>) {
        let next = timeout(PATIENCE, self.0.next()).await.expect("it did not end");
        assert!(next.is_none(), "{next:?}");
    }
}
