//! The session that messages go to, and who sends them.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _, TryStreamExt as _, stream, stream::SplitSink};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};

use crate::{Failure, server::Server, subscriber::websocket};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Users who join at the same time.
const TOGETHER: usize = 16;

/// A public session with its users, one of whom sends.
pub(crate) struct Room {
    pub(crate) id: String,
    /// The tokens of those who subscribe.
    pub(crate) tokens: Vec<String>,
    socket: SplitSink<WebSocketStream<TcpStream>, Message>,
    /// How many messages were acknowledged, or why there will be no more.
    acknowledged: watch::Receiver<Result<u64, String>>,
    sent: u64,
}

impl Room {
    /// Makes it, and lets the users in.
    pub(crate) async fn open(server: &Server, users: u32) -> Result<Self, Failure> {
        // Users keep their names where a server is used again.
        let client = Client::builder().timeout(PATIENCE).build()?;
        let api = format!("http://{}/api/v1/chat/sessions", server.address);
        let sender = server.token("load-sender")?;
        let asked = json!({ "title": "Load", "session_type": "PUBLIC", "max_participants": users + 1 });
        let made = post(&client, &api, &sender, &asked).await?;
        let id = made.get("id").and_then(Value::as_str).ok_or("the session has no id")?.to_owned();
        let join = format!("{api}/{id}/join");
        let names = (0..users).map(|n| format!("load-{n}"));
        let tokens = names.map(|name| server.token(&name)).collect::<Result<Vec<_>, _>>()?;
        let joining = tokens.iter().map(|token| post(&client, &join, token, &Value::Null)).collect::<Vec<_>>();
        stream::iter(joining).buffer_unordered(TOGETHER).try_for_each(|_| async { Ok(()) }).await?;

        let (socket, answers) = websocket(&server.address, "/ws", &sender, None).await?.split();
        let (tell, acknowledged) = watch::channel(Ok(0));
        tokio::spawn(async move {
            let outcome = count_acks(answers, &tell).await;
            let _ = tell.send_replace(Err(outcome));
        });
        Ok(Self { id, tokens, socket, acknowledged, sent: 0 })
    }

    /// Sends messages at an even pace, and waits until all are acknowledged.
    pub(crate) async fn send(
        &mut self,
        count: u64,
        rate: u32,
        mut content: impl FnMut(u64) -> String,
    ) -> Result<(), Failure> {
        let mut pace = interval(Duration::from_secs(1) / rate);
        pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
        for n in 0..count {
            pace.tick().await;
            let data = json!({ "session_id": self.id, "content": content(n) });
            let frame = json!({ "event": "send_message", "id": n, "data": data });
            self.socket.send(Message::text(frame.to_string())).await?;
            self.sent += 1;
        }
        let all = |told: &Result<u64, String>| told.as_ref().map_or(true, |count| *count >= self.sent);
        let told = timeout(PATIENCE, self.acknowledged.wait_for(all)).await;
        match &*told.map_err(|_| "not all messages were acknowledged in time")?? {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("the sender: {error}").into()),
        }
    }
}

/// Counts the answers to sent messages, until there are no more, and says why.
async fn count_acks(
    mut answers: impl futures_util::Stream<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
    tell: &watch::Sender<Result<u64, String>>,
) -> String {
    let mut count = 0;
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(Message::Text(frame)) if frame.starts_with(r#"{"event":"ack""#) => {
                count += 1;
                let _ = tell.send_replace(Ok(count));
            }
            Ok(Message::Text(frame)) => return frame.as_str().to_owned(),
            Ok(Message::Close(close)) => return format!("closed: {close:?}"),
            Ok(_) => {}
            Err(error) => return error.to_string(),
        }
    }
    "the connection ended".to_owned()
}

async fn post(client: &Client, url: &str, token: &str, body: &Value) -> Result<Value, Failure> {
    let began = Instant::now();
    let request = client.post(url).bearer_auth(token);
    let request = if body.is_null() { request.json(&json!({})) } else { request.json(body) };
    let answer = request.send().await.map_err(|error| format!("{url}, after {:?}: {error}", began.elapsed()))?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        return Err(format!("{url}: {status}: {text}").into());
    }
    Ok(serde_json::from_str(&text)?)
}
