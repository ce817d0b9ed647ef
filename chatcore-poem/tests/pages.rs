//! The pages for browsers, and what goes with every request of a user.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use chatcore::{Chat, Principal, identity::NoTokens, model::UserId};
use chatcore_poem::{ChatFrontend, MountOptions, Options, StartPage};
use poem::{Endpoint, EndpointExt as _, Request, Response, Route};

fn app(page: &StartPage) -> impl Endpoint<Output = Response> + use<> {
    let frontend = ChatFrontend::new(Chat::in_memory(), NoTokens);
    let page = frontend.start_page(page);
    frontend.mount_with(Route::new(), &MountOptions::default()).unwrap().at("/", page).with(frontend.problems())
}

async fn get(app: &impl Endpoint<Output = Response>, path: &str, accept: &str) -> Response {
    app.call(Request::builder().uri_str(path).header("accept", accept).finish()).await.unwrap()
}

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A page that is shown to a browser, checked.
async fn page(app: &impl Endpoint<Output = Response>, path: &str) -> String {
    let response = get(app, path, BROWSER).await;
    assert_eq!(response.status(), 200);
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("x-frame-options", "DENY")]
    {
        assert_eq!(response.header(name), Some(value), "{path} {name}");
    }
    let policy = response.header("content-security-policy").unwrap().to_owned();
    for source in ["default-src 'none'", "connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(source), "{path} {policy}");
    }
    assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{path} {policy}");
    let scripts = policy.split(';').find(|part| part.trim().starts_with("script-src")).unwrap();
    assert!(!scripts.contains("unsafe"), "{path} {policy}");
    response.into_body().into_string().await.unwrap()
}

#[tokio::test]
async fn no_page_names_another_host_where_a_browser_would_go() {
    let start = StartPage { accounts: true, ..StartPage::default() }.link("README", "https://example.org/readme");
    let app = app(&start);
    for path in ["/", "/docs"] {
        let html = page(&app, path).await;
        for start in
            ["src=\"", "href=\"", "src='", "href='", "import(\"", "fetch(\"", "fetch(`", "@import", "url(\"", "url("]
        {
            for rest in html.split(start).skip(1) {
                let target = rest.trim_start_matches(['"', '\'', ' ']);
                assert!(!target.starts_with("//") && !target.starts_with("http"), "{path}: {start}{:.60}", target);
            }
        }
    }
    assert!(page(&app, "/").await.contains("README: https://example.org/readme"));
}

#[tokio::test]
async fn the_start_page_is_html_for_browsers_and_text_for_others() {
    let app = app(&StartPage { title: "A <chat>".to_owned(), ..StartPage::default() });
    let html = page(&app, "/").await;
    assert!(html.contains("<h1>A &lt;chat&gt;</h1>") && html.contains("href=\"docs\""));
    assert!(!html.contains("{{") && !html.contains("<form") && !html.contains("<script"));
    for accept in ["*/*", "application/json", "text/plain"] {
        let response = get(&app, "/", accept).await;
        assert_eq!(response.content_type(), Some("text/plain; charset=utf-8"));
        assert_eq!(response.header("vary"), Some("Accept"));
        assert!(response.into_body().into_string().await.unwrap().contains("chat-server token --user alice"));
    }
    let refused = app.call(Request::builder().method(poem::http::Method::POST).uri_str("/").finish()).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[tokio::test]
async fn a_token_gets_into_no_url_and_no_storage() {
    let html = page(&app(&StartPage { accounts: true, ..StartPage::default() }), "/").await;
    assert!(html.contains("id=\"login\" method=\"post\"") && html.contains("id=\"register\" method=\"post\""));
    for forbidden in
        ["localStorage", "sessionStorage", "indexedDB", "document.cookie", "location.hash", "pushState", "?token"]
    {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    // Each input has a label.
    for id in html.split("<input id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(html.contains(&format!("<label for=\"{id}\">")), "{id}");
    }
}

#[tokio::test]
async fn a_user_has_so_many_requests_at_once() {
    let options = Options { requests_per_user: 1, ..Options::default() };
    let chat = Chat::in_memory();
    let frontend = ChatFrontend::with_options(chat.clone(), NoTokens, options);
    let app = frontend.mount(Route::new());
    let principal = |user: &str| Principal::new(UserId::new(user).unwrap());
    let room = chat.create_session(&principal("a"), chatcore::chat::CreateSession::titled("x")).await.unwrap();
    let request = |user: &str, query: &str| {
        let path = format!("/api/chat/sessions/{}/events{query}", room.summary.session.id);
        let mut request = Request::builder().uri_str(path).finish();
        request.extensions_mut().insert(principal(user));
        request
    };
    // It waits for news that do not come.
    let mut waiting = Box::pin(app.call(request("a", &format!("?after={}&wait=60", room.seq))));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    while frontend.open_sockets() == 0 {
        assert!(futures_util::poll!(&mut waiting).is_pending());
        tokio::task::yield_now().await;
    }
    let refused = app.call(request("a", "")).await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.header("retry-after")), (429, Some("1")));
    let text = refused.into_body().into_string().await.unwrap();
    assert!(text.contains("RATE_LIMIT_EXCEEDED"), "{text}");
    // Another user has a place of their own, and so has this one when the first request ends.
    assert_eq!(app.call(request("b", "")).await.unwrap().status(), 404);
    drop(waiting);
    assert_eq!(app.call(request("a", "")).await.unwrap().status(), 200);
}
