//! The middleware in front of other endpoints than the frontend's own.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use chatcore::{Chat, JwtAuthenticator};
use chatcore_poem::ChatFrontend;
use poem::{Endpoint as _, Middleware as _, Request, Response, endpoint::make_sync, http::StatusCode};

/// What an error that an endpoint tells with this content type becomes.
async fn told(content_type: &str) -> (String, String) {
    let authenticator = JwtAuthenticator::hs256(&[7; 32]).unwrap();
    let frontend = ChatFrontend::new(Chat::in_memory(), authenticator);
    let content_type = content_type.to_owned();
    let endpoint = make_sync(move |_| {
        Response::builder().status(StatusCode::BAD_REQUEST).content_type(&content_type).body("{\"errors\":[]}")
    });
    let response = frontend.problems().transform(endpoint).call(Request::default()).await.unwrap();
    assert_eq!(response.status(), 400);
    assert!(response.headers().contains_key("x-request-id"));
    let content_type = response.content_type().unwrap().to_owned();
    (content_type, response.into_body().into_string().await.unwrap())
}

#[tokio::test]
async fn errors_that_are_json_of_their_own_stay_what_they_are() {
    for kind in ["application/json", "application/graphql-response+json; charset=utf-8", "application/problem+json"] {
        assert_eq!(told(kind).await, (kind.to_owned(), "{\"errors\":[]}".to_owned()));
    }
    for kind in ["text/plain", "text/html; charset=utf-8", "application/jsonp"] {
        let (content_type, body) = told(kind).await;
        assert_eq!(content_type, "application/problem+json");
        assert!(body.contains("VALIDATION_INVALID_FORMAT"), "{body}");
    }
}
