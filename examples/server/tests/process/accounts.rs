//! Users who have accounts on the server.

use chatcore_tests::Client;
use serde_json::{Value, json};

use super::kit::Server;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A user who is logged in.
pub(crate) struct User {
    pub(crate) client: Client,
    pub(crate) refresh_token: String,
}

impl User {
    /// The user whom a server has logged in.
    pub(crate) fn of(client: &Client, answer: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { client: client.with_token(text(&answer["access_token"])), refresh_token: text(&answer["refresh_token"]) }
    }
}

/// Registers a user.
pub(crate) async fn register(server: &Server, name: &str) -> User {
    let stranger = Client::new(&server.address, None);
    let body = json!({ "username": name, "email": format!("{name}@example.org"), "password": PASSWORD });
    let answer = stranger.post("//api/v1/auth/register", body).await.expect(201);
    User::of(&stranger, &answer)
}
