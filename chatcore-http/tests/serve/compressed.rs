//! Which responses are compressed.

use chatcore_http::Compression;
use poem::{
    Body, Endpoint as _, EndpointExt as _, Request, Response, Route,
    endpoint::make_sync,
    get,
    http::{Method, header},
};

fn text(kind: &'static str, name: &'static str, value: &'static str) -> poem::RouteMethod {
    get(make_sync(move |_| {
        Response::builder().content_type(kind).header(name, value).header("vary", "Accept").body("x".repeat(5_000))
    }))
}

/// The response to a request that accepts gzip.
async fn fetched(path: &str, method: Method) -> Response {
    let stream = || Body::from_bytes_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("x".repeat(5_000))]));
    let app = Route::new()
        .at("/json", text("application/json; charset=utf-8", "x-x", "x"))
        .at("/problem", text("application/problem+json", "x-x", "x"))
        .at("/image", text("image/png", "x-x", "x"))
        .at("/events", text("text/event-stream", "x-x", "x"))
        .at("/api/v1/auth/login", text("application/json", "x-x", "x"))
        .at("/mutation", text("application/json", "cache-control", "no-store, no-transform"))
        .at("/tagged", text("application/json", "etag", "\"3\""))
        .at("/weak", text("application/json", "etag", "W/\"3\""))
        .at("/coded", text("text/css", "content-encoding", "gzip"))
        .at("/small", get(make_sync(|_| Response::builder().content_type("text/plain").body("x".repeat(1_000)))))
        .at("/stream", get(make_sync(move |_| Response::builder().content_type("text/plain").body(stream()))))
        .with(Compression);
    let request = Request::builder().method(method).uri_str(path).header(header::ACCEPT_ENCODING, "gzip").finish();
    app.call(request).await.unwrap()
}

#[tokio::test]
async fn long_texts_are_compressed_and_say_so() {
    for path in ["/json", "/problem", "/weak"] {
        let response = fetched(path, Method::GET).await;
        assert_eq!(response.header("content-encoding"), Some("gzip"), "{path}");
        assert!(response.header("content-length").is_none());
        let vary: Vec<_> = response.headers().get_all("vary").iter().map(|line| line.to_str().unwrap()).collect();
        assert_eq!(vary, ["Accept", "Accept-Encoding"]);
        let body = response.into_body().into_vec().await.unwrap();
        assert!(body.len() < 500 && body.starts_with(&[0x1f, 0x8b]), "{path}");
    }
    let head = fetched("/json", Method::HEAD).await;
    assert_eq!((head.header("content-encoding"), head.header("content-length")), (None, None));
}

#[tokio::test]
async fn secrets_streams_tags_and_short_texts_stay_as_they_are() {
    let paths = ["/image", "/events", "/api/v1/auth/login", "/mutation", "/tagged", "/small", "/stream"];
    for path in paths {
        let response = fetched(path, Method::GET).await;
        assert_eq!(response.header("content-encoding"), None, "{path}");
        assert_eq!(response.into_body().into_vec().await.unwrap().iter().filter(|byte| **byte != b'x').count(), 0);
    }
    // Once is enough.
    assert_eq!(fetched("/coded", Method::GET).await.into_body().into_vec().await.unwrap().len(), 5_000);
}
