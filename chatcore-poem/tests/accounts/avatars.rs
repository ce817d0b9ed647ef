//! Pictures of users over REST.

use std::sync::Arc;

use chatcore::RateLimits;
use object_store::memory::InMemory;
use uses::{number, only};

use super::*;

/// A GIF of one pixel.
const PIXEL: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

const UPLOAD: &str = "/api/v1/users/me/avatar";

fn part(name: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.gif\"\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

async fn upload(rest: &Rest<impl Endpoint>, token: Option<&str>, kind: &str, body: Vec<u8>) -> (u16, Value) {
    let request = Request::builder().method(Method::POST).uri(UPLOAD.parse().unwrap()).header("content-type", kind);
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let response = rest.app.get_response(request.body(body)).await;
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.into_body().into_string().await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_picture_is_uploaded_served_and_removed() {
    let world = World::with(|builder| builder.avatars(Arc::new(InMemory::new()), "/api/v1/users/avatars/"));
    let rest = rest(&world);
    let token = text(&register(&rest, "ada").await, "access_token");
    let (end, form) = (b"--x--\r\n".to_vec(), "multipart/form-data; boundary=x");
    let with = |parts: &[Vec<u8>]| [parts.concat(), end.clone()].concat();
    let good = with(&[part("file", PIXEL)]);
    for (token, kind, body, status) in [
        (None, form, good.clone(), 401),
        (Some(&*token), "application/json", good.clone(), 415),
        (Some(&*token), "multipart/form-data", good.clone(), 415),
        (Some(&*token), form, with(&[part("file", b"no picture")]), 415),
        (Some(&*token), form, with(&[part("file", &PIXEL[..20])]), 422),
        (Some(&*token), form, with(&[part("file", &vec![0; 5_300_000])]), 413),
        (Some(&*token), form, with(&[part("picture", PIXEL)]), 422),
        (Some(&*token), form, with(&[part("file", PIXEL), part("file", PIXEL)]), 422),
        (Some(&*token), form, with(&[]), 422),
        (Some(&*token), form, part("file", PIXEL), 400),
    ] {
        let (found, problem) = upload(&rest, token, kind, body).await;
        assert_eq!(found, status, "{problem}");
        assert!(problem["code"].is_string());
    }
    let (status, account) = upload(&rest, Some(&token), form, good).await;
    assert_eq!(status, 200, "{account}");
    let address = text(&account, "avatar_url");
    let picture = rest.ask("GET", &format!("{address}?size=64"), None, None).await;
    assert_eq!((picture.status().as_u16(), picture.content_type()), (200, Some("image/png")));
    assert_eq!(picture.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(picture.headers()["cross-origin-resource-policy"], "cross-origin");
    assert_eq!(picture.headers()["x-content-type-options"], "nosniff");
    assert!(picture.into_body().into_bytes().await.unwrap().starts_with(b"\x89PNG"));
    assert_eq!(rest.ask("GET", &format!("{address}?size=65"), None, None).await.status(), 422);
    let missing = rest.ask("GET", "/api/v1/users/avatars/..%2Fx", None, None).await;
    assert_eq!((missing.status().as_u16(), &missing.headers()["cache-control"]), (404, &"no-store".parse().unwrap()));
    assert_eq!(rest.ask("DELETE", UPLOAD, Some(&token), None).await.status(), 200);
    assert_eq!(rest.ask("GET", &address, None, None).await.status(), 404);
}

#[tokio::test]
async fn pictures_have_a_limit_of_their_own_for_each_address() {
    let rates = RateLimits { pictures: only(5), unknown: only(2), ..RateLimits::off() };
    let world =
        World::with_rates(rates, |builder| builder.avatars(Arc::new(InMemory::new()), "/api/v1/users/avatars/"));
    let rest = rest(&world);
    let token = text(&register(&rest, "ada").await, "access_token");
    let form = [part("file", PIXEL), b"--x--\r\n".to_vec()].concat();
    let (_, account) = upload(&rest, Some(&token), "multipart/form-data; boundary=x", form).await;
    let address = text(&account, "avatar_url");
    let (bad_size, missing) = (format!("{address}?size=65"), "/api/v1/users/avatars/x");
    let show = async |peer: &str, path: &str, token: Option<&str>| {
        let response = rest.ask_from(peer, "GET", path, token, None).await;
        let told = ["limit", "remaining"].map(|name| number(&response, &format!("x-ratelimit-{name}")));
        (response.status().as_u16(), told, response)
    };
    // Whatever the answer is, and whoever asks.
    for (path, token, status, left) in [
        (address.as_str(), None, 200, 4),
        (&address, Some(token.as_str()), 200, 3),
        (&address, Some("stale"), 200, 2),
        (&bad_size, None, 422, 1),
        (missing, None, 404, 0),
        (&address, None, 429, 0),
    ] {
        let (found, told, response) = show("192.0.2.1:1", path, token).await;
        assert_eq!((found, told), (status, [5, left]), "{path} {token:?}");
        assert_eq!(response.headers().contains_key("retry-after"), status == 429);
    }
    assert_eq!(show("192.0.2.2:1", &address, None).await.0, 200);
    // Pictures take nothing from the other requests of their address, nor do those take from the pictures.
    let guess = json!({ "username": "ada", "password": "wrong" }).to_string();
    for (peer, status) in [("192.0.2.1:1", 401), ("192.0.2.2:1", 401), ("192.0.2.2:1", 401), ("192.0.2.2:1", 429)] {
        let answer = rest.ask_from(peer, "POST", "/api/v1/auth/login", None, Some(guess.clone())).await;
        assert_eq!(answer.status(), status, "{peer}");
    }
    assert_eq!(show("192.0.2.2:1", &address, None).await.1, [5, 3]);
}
