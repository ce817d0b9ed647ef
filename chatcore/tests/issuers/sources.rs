//! Sets of keys that are read again and again.

use super::*;

/// Gives one text after the other, and counts.
#[derive(Clone, Default)]
struct Source {
    texts: Arc<Mutex<VecDeque<Result<String, String>>>>,
    fetches: Arc<AtomicUsize>,
    slow: bool,
}

impl Source {
    fn of(texts: impl IntoIterator<Item = Result<String, String>>) -> Self {
        Self { texts: Arc::new(Mutex::new(texts.into_iter().collect())), ..Self::default() }
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl JwksSource for Source {
    async fn fetch(&self) -> Result<String, String> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(if self.slow { 3_600 } else { 1 })).await;
        let mut texts = self.texts.lock().unwrap();
        if texts.len() > 1 { texts.pop_front().unwrap() } else { texts[0].clone() }
    }
}

fn reading(source: &Source) -> IssuersAuthenticator {
    one(Issuer::with_jwks(ISS, AUD, Jwks::new(source.clone())))
}

async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_looked_for_once_in_a_while_however_many_ask() {
    let source = Source::of([Ok(named(&["rsa", "ec"])), Ok(named(&["ec", "ed"]))]);
    let authenticator = reading(&source);
    let (old, new) = (token("rsa", json!({})), token("ed", json!({})));
    // The first ones share one attempt.
    let first = join_all((0..50).map(|_| user_of(&authenticator, &old))).await;
    assert!(first.into_iter().all(|user| user.as_deref() == Ok("alice")));
    assert_eq!(source.fetches(), 1);
    // Within the interval nobody asks again.
    for _ in 0..50 {
        assert_invalid(user_of(&authenticator, &new).await, "not known yet");
    }
    assert_eq!(source.fetches(), 1);
    pass(Duration::from_secs(61)).await;
    let again = join_all((0..50).map(|_| user_of(&authenticator, &new))).await;
    assert!(again.into_iter().all(|user| user.as_deref() == Ok("alice")));
    assert_eq!(source.fetches(), 2);
    // The key that was taken out is refused, and the one that stayed is not.
    assert_invalid(user_of(&authenticator, &old).await, "taken out");
    assert_eq!(user_of(&authenticator, &token("ec", json!({}))).await.as_deref(), Ok("alice"));
}

#[tokio::test(start_paused = true)]
async fn keys_stay_when_they_cannot_be_read_again() {
    let failures = [Err("away".to_owned()), Ok("<html>".to_owned()), Ok(named(&[])), Ok("x".repeat(300_000))];
    for failure in failures {
        let source = Source::of([Ok(named(&["ec", "rsa"])), failure]);
        let authenticator = reading(&source);
        let token = token("ec", json!({}));
        assert!(user_of(&authenticator, &token).await.is_ok());
        for _ in 0..3 {
            pass(Duration::from_secs(901)).await;
            assert_eq!(user_of(&authenticator, &token).await.as_deref(), Ok("alice"));
        }
        assert_eq!(source.fetches(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_key_nobody_is_let_in_and_nobody_waits_for_ever() {
    let source = Source { slow: true, ..Source::of([Ok(named(&["ec"]))]) };
    let authenticator = reading(&source);
    let token = token("ec", json!({}));
    let begun = tokio::time::Instant::now();
    let all = join_all((0..20).map(|_| user_of(&authenticator, &token))).await;
    assert!(all.into_iter().all(|user| user == Err(Error::Unavailable)));
    assert_eq!((begun.elapsed().as_secs(), source.fetches()), (5, 1));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_stops_no_attempt() {
    let source = Source::of([Ok(named(&["ec"]))]);
    let authenticator = Arc::new(reading(&source));
    let token = token("ec", json!({}));
    for _ in 0..10 {
        let gone = tokio::time::timeout(Duration::from_millis(10), user_of(&*authenticator, &token)).await;
        assert!(gone.is_err());
    }
    assert_eq!(user_of(&*authenticator, &token).await.as_deref(), Ok("alice"));
    assert_eq!(source.fetches(), 1);
}

#[tokio::test]
async fn a_file_is_a_source() {
    let path = std::env::temp_dir().join(format!("chatcore-jwks-{}.json", uuid::Uuid::now_v7()));
    std::fs::write(&path, named(&["ec", "rsa"])).unwrap();
    let authenticator = one(Issuer::with_jwks(ISS, AUD, Jwks::file(&path)));
    assert_eq!(user_of(&authenticator, &token("ec", json!({}))).await.as_deref(), Ok("alice"));
    std::fs::remove_file(&path).unwrap();
    assert_eq!(user_of(&authenticator, &token("rsa", json!({}))).await.as_deref(), Ok("alice"));
    let missing = one(Issuer::with_jwks(ISS, AUD, Jwks::file(&path)));
    assert_eq!(user_of(&missing, &token("ec", json!({}))).await.unwrap_err(), Error::Unavailable);
}

#[cfg(feature = "jwks")]
mod url {
    use chatcore::{
        identity::{InvalidJwksUrl, JwksOptions},
        trace::{RequestSpan, TraceContext},
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// Answers each request with the next of these responses, and counts.
    async fn serve(responses: Vec<String>) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            for response in responses {
                let (mut stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(response.as_bytes()).await;
            }
        });
        (url, asked)
    }

    fn answer(status: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn keys_are_read_from_an_address() {
        let (url, asked) = serve(vec![answer("200 OK", &named(&["ec", "rsa"]))]).await;
        let authenticator = one(Issuer::with_jwks(ISS, AUD, Jwks::url(&url, JwksOptions::default()).unwrap()));
        for name in ["ec", "rsa"] {
            assert_eq!(in_time(user_of(&authenticator, &token(name, json!({})))).await.as_deref(), Ok("alice"));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_trace_of_a_request_is_passed_on() {
        const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for trace in [Some(PARENT), None] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/jwks", listener.local_addr().unwrap());
            let asked = tokio::spawn(async move {
                let (mut stream, mut head) = (listener.accept().await.unwrap().0, vec![0; 4096]);
                let read = stream.read(&mut head).await.unwrap();
                stream.write_all(answer("200 OK", &named(&["ec"])).as_bytes()).await.unwrap();
                String::from_utf8(head[..read].to_vec()).unwrap()
            });
            let authenticator = one(Issuer::with_jwks(ISS, AUD, Jwks::url(&url, JwksOptions::default()).unwrap()));
            let parent = trace.map(|trace| trace.parse::<TraceContext>().unwrap().with_state("a=1"));
            let request = RequestSpan::begin("an-id", None, parent);
            let token = token("ec", json!({}));
            assert_eq!(in_time(request.within(user_of(&authenticator, &token))).await.as_deref(), Ok("alice"));
            let head = in_time(asked).await.unwrap();
            assert_eq!(
                head.contains(&format!("traceparent: {PARENT}\r\ntracestate: a=1\r\n")),
                trace.is_some(),
                "{head}"
            );
            assert_eq!(head.contains("traceparent"), trace.is_some(), "{head}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_none_brings_no_key() {
        let (good, followed) = serve(vec![answer("200 OK", &named(&["ec"]))]).await;
        let redirect = format!("HTTP/1.1 302 Found\r\nlocation: {good}\r\ncontent-length: 0\r\n\r\n");
        let giant = answer("200 OK", &format!("{}{}", " ".repeat(300_000), named(&["ec"])));
        for response in [redirect, giant, answer("404 Not Found", &named(&["ec"]))] {
            let (url, _) = serve(vec![response]).await;
            let authenticator = one(Issuer::with_jwks(ISS, AUD, Jwks::url(&url, JwksOptions::default()).unwrap()));
            let user = in_time(user_of(&authenticator, &token("ec", json!({})))).await;
            assert_eq!(user.unwrap_err(), Error::Unavailable);
        }
        assert_eq!(followed.load(Ordering::SeqCst), 0, "no redirect is followed");
    }

    #[test]
    fn an_address_that_others_could_answer_for_is_refused() {
        for url in ["http://id.example.com/jwks", "ftp://id.example.com/jwks", "file:///etc/passwd"] {
            assert_eq!(Jwks::url(url, JwksOptions::default()).unwrap_err(), InvalidJwksUrl::NotSecure, "{url}");
        }
        assert_eq!(Jwks::url("no url", JwksOptions::default()).unwrap_err(), InvalidJwksUrl::NoUrl);
        assert!(Jwks::url("https://id.example.com/jwks", JwksOptions::default()).is_ok());
    }
}

// ---- The directory
