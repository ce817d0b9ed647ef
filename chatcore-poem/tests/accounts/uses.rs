//! Each operation of the OpenAPI document is a use of its caller, or of its address where it needs no token.

use std::time::Duration;

use chatcore::{
    Rate, RateLimits,
    accounts::{Client, LogIn, Register},
};

use super::*;

/// A rate of so many, of which none comes back within a test.
pub(super) fn only(number: u32) -> Option<Rate> {
    Some(Rate::new(number, Duration::from_secs(3_600)))
}

/// The token of a user who registered without a request.
async fn token(world: &World) -> String {
    let new = Register::new("ada", "ada@example.org", PASSWORD);
    world.accounts.register(&Client::default(), new).await.unwrap().tokens.access_token
}

/// The token of a new login of the same user, also without a request: an ended login pays for nothing.
async fn again(world: &World) -> String {
    let log_in = LogIn { username_or_email: "ada".to_owned(), password: PASSWORD.to_owned() };
    world.accounts.log_in(&Client::default(), log_in).await.unwrap().tokens.access_token
}

pub(super) fn number(response: &Response, name: &str) -> u32 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn each_operation_of_the_document_is_one_use() {
    let rates = RateLimits { requests: only(1_000), unknown: only(2_000), pictures: only(3_000), ..RateLimits::off() };
    let world = World::with_rates(rates, |builder| builder);
    let (rest, _) = (rest(&world), token(&world).await);
    let (mut of_user, mut of_address, mut of_pictures) = (1_000, 2_000, 3_000);
    for (path, item) in rest.document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let (_, path, _) = rest.operation(id);
            let path = path
                .split('/')
                .map(|part| if part.starts_with('{') { "00000000-0000-7000-8000-000000000001" } else { part });
            let path = path.collect::<Vec<_>>().join("/");
            // The token of a webhook is no token of a user.
            let is_of_webhook = id.starts_with("postToIncomingWebhook");
            let needs_token =
                !is_of_webhook && operation["security"].as_array().is_some_and(|security| !security.is_empty());
            // No token is no hindrance to be counted; one that is not needed changes nothing.
            let token = again(&world).await;
            for caller in [Some(token.as_str()), None] {
                let response = rest.ask(method, &path, caller, None).await;
                let left = match caller {
                    Some(_) if needs_token => &mut of_user,
                    _ if id == "getAvatar" => &mut of_pictures,
                    _ => &mut of_address,
                };
                *left -= 1;
                assert_eq!(number(&response, "x-ratelimit-remaining"), *left, "{id} {}", response.status());
            }
        }
        assert!(!path.is_empty());
    }
    assert!(of_user < 970 && of_address < 1_970, "{of_user} {of_address}");
}

#[tokio::test]
async fn a_refused_guess_and_a_refused_registration_tell_of_their_limits() {
    let world = World::with_rates(RateLimits { registrations: only(2), ..RateLimits::default() }, |builder| builder);
    let rest = rest(&world);
    let new = |name: &str| {
        json!({ "username": name, "email": format!("{name}@example.org"), "password": PASSWORD }).to_string()
    };
    for (name, status, left) in [("ada", 201, 1), ("eve", 201, 0), ("mallory", 429, 0)] {
        let response = rest.ask("POST", "/api/v1/auth/register", None, Some(new(name))).await;
        assert_eq!(response.status(), status);
        let told = ["limit", "remaining"].map(|name| number(&response, &format!("x-ratelimit-{name}")));
        assert_eq!(told, [2, left]);
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
    }
    let guess = json!({ "username": "ada", "password": "wrong" }).to_string();
    for _ in 0..5 {
        assert_eq!(rest.ask("POST", "/api/v1/auth/login", None, Some(guess.clone())).await.status(), 401);
    }
    let response = rest.ask("POST", "/api/v1/auth/login", None, Some(guess)).await;
    let told = ["retry-after", "x-ratelimit-limit", "x-ratelimit-remaining"].map(|name| number(&response, name));
    assert_eq!((response.status().as_u16(), told), (429, [180, 5, 0]));
}

#[tokio::test]
async fn without_rates_passwords_still_cannot_be_guessed() {
    let world = World::with_rates(RateLimits::off(), |builder| builder);
    let rest = rest(&world);
    cases::guessing_alone(&rest).await;
}
