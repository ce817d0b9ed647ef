//! A model for trying things out: it says back what was said.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response, Sse, sse::Event},
    routing::post,
};
use futures_util::{Stream, StreamExt as _, future, stream};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How the fake behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It answers word by word, with this pause before each word.
    Answers(Duration),
    /// It answers with the status 500.
    Fails,
    /// It ends its answer in the middle.
    Breaks,
    /// It says nothing more in the middle of its answer.
    Hangs,
    /// It takes the request and says nothing at all.
    Ignores,
}

/// Starts the fake on a free port of this machine, in the background of the current runtime.
///
/// # Errors
/// Where no port can be had.
pub async fn start(behaviour: Behaviour) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = Router::new().route("/v1/chat/completions", post(complete)).with_state(behaviour);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(address)
}

async fn complete(State(behaviour): State<Behaviour>, asked: String) -> Response {
    let Ok(asked) = serde_json::from_str::<Value>(&asked) else { return StatusCode::BAD_REQUEST.into_response() };
    let turns = asked.get("messages").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let said = turns.last().and_then(|turn| turn.get("content")?.as_str()).unwrap_or_default();
    let text = format!("After {} messages you said: {said}", turns.len());
    let words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
    match behaviour {
        Behaviour::Answers(pause) => {
            let words = stream::iter(words).then(move |word| async move {
                tokio::time::sleep(pause).await;
                part(&word)
            });
            let finish = json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] });
            let end = [Event::default().data(finish.to_string()), Event::default().data("[DONE]")];
            answer(words.chain(stream::iter(end)))
        }
        Behaviour::Fails => (StatusCode::INTERNAL_SERVER_ERROR, "as it was told").into_response(),
        Behaviour::Breaks => answer(half(words)),
        Behaviour::Hangs => answer(half(words).chain(stream::pending())),
        Behaviour::Ignores => future::pending().await,
    }
}

fn half(words: Vec<String>) -> impl Stream<Item = Event> {
    let half = words.len() / 2;
    stream::iter(words.into_iter().take(half).map(|word| part(&word)))
}

fn part(text: &str) -> Event {
    Event::default().data(json!({ "choices": [{ "delta": { "content": text } }] }).to_string())
}

fn answer(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    Sse::new(events.map(Ok::<_, Infallible>)).into_response()
}
