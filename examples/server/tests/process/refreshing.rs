//! Two clients use one refresh token at the same time, as two tabs of a browser do.
//!
//! `CHATCORE_ROUNDS=1000 cargo test --workspace --test process refreshes` runs more rounds.

use serde_json::json;

use super::{
    Signal,
    accounts::register,
    kit::{Server, folder, rounds},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_refreshes_at_once_exactly_one_succeeds() {
    let folder = folder();
    let data = folder.path();
    let server = Server::start(data);
    let ada = register(&server, "ada").await;
    let (mut refresh_token, mut access_token) = (ada.refresh_token, ada.client.token().unwrap().to_owned());
    let logins = ada.client.get("//api/v1/auth/logins").await.expect(200);
    let login = logins[0]["id"].clone();
    for _ in 0..rounds(20) {
        let refresh = async || {
            let stranger = ada.client.without_token();
            stranger.post("//api/v1/auth/refresh", json!({ "refresh_token": refresh_token })).await
        };
        let (one, other) = tokio::join!(refresh(), refresh());
        let (won, lost) = if one.status == 200 { (one, other) } else { (other, one) };
        let tokens = won.expect(200);
        lost.problem(401, "AUTH_REFRESH_TOKEN_INVALID");
        // Nothing else has happened: the login is there, and both access tokens are good.
        let before = access_token;
        let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
        (refresh_token, access_token) = (text("refresh_token"), text("access_token"));
        for token in [&before, &access_token] {
            let logins = ada.client.with_token(token.as_str()).get("//api/v1/auth/logins").await.expect(200);
            assert_eq!((logins.as_array().unwrap().len(), &logins[0]["id"]), (1, &login));
        }
    }
    assert_eq!(server.stop(Signal::SIGTERM), 0);
}
