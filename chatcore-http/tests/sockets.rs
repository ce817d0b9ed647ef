//! WebSockets of a frontend of one's own.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use chatcore_http::{
    ClientAddress, Handshake, Options, ServeOptions, Sockets, serve,
    tungstenite::{Error, Message, client::IntoClientRequest as _, protocol::CloseFrame},
};
use futures_util::StreamExt as _;
use poem::{Request, Response, Route, endpoint::make, get, http::HeaderValue};
use tokio::net::TcpListener;
use tokio_tungstenite::connect_async;

/// A server with WebSockets that end at once, of two frontends that share a registry.
async fn server(sockets: &Sockets, reason: &'static str) -> String {
    let endpoint = |protocol| {
        let sockets = sockets.clone();
        get(make(move |request: Request| {
            let sockets = sockets.clone();
            async move {
                let opened = Handshake::of(&request, sockets.options(), protocol).and_then(|handshake| {
                    let waiting = sockets.clone();
                    handshake.open(&request, &sockets, move |socket| async move {
                        if reason.is_empty() {
                            waiting.stopping().await;
                        }
                        socket.close(4400, reason).await;
                    })
                });
                Ok::<_, poem::Error>(opened.unwrap_or_else(|error| {
                    let status = error.code().status();
                    Response::builder().status(poem::http::StatusCode::from_u16(status).unwrap()).finish()
                }))
            }
        }))
    };
    let app = Route::new().at("/plain", endpoint(None)).at("/named", endpoint(Some("chat.v2")));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(serve(listener, app, ServeOptions::default(), std::future::pending()));
    address
}

/// Opens a socket that offers these subprotocols; gives which one was chosen and the close frame, or the status of the refusal.
async fn open(address: &str, path: &str, offers: &[&'static str]) -> Result<(Option<String>, Option<CloseFrame>), u16> {
    let mut request = format!("ws://{address}/{path}").into_client_request().unwrap();
    for offer in offers {
        request.headers_mut().append("sec-websocket-protocol", HeaderValue::from_static(offer));
    }
    match connect_async(request).await {
        Ok((mut socket, response)) => {
            let chosen = response.headers().get("sec-websocket-protocol");
            let chosen = chosen.map(|chosen| chosen.to_str().unwrap().to_owned());
            let Some(Ok(Message::Close(frame))) = socket.next().await else { panic!("no close frame") };
            Ok((chosen, frame))
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_subprotocol_that_is_named_must_be_offered() {
    let address = server(&Sockets::default(), "bye").await;
    let chosen =
        async |path: &str, offers: &[&'static str]| open(&address, path, offers).await.map(|(chosen, _)| chosen);
    let named = Ok(Some("chat.v2".to_owned()));
    assert_eq!(chosen("named", &["chat.v2"]).await, named);
    assert_eq!(chosen("named", &["chat.v1, chat.v2"]).await, named);
    for offers in [&[][..], &["chat.v1"], &["CHAT.V2"], &["chat.v2x"]] {
        assert_eq!(chosen("named", offers).await, Err(426));
    }
    assert_eq!(chosen("plain", &[]).await, Ok(None));
}

#[tokio::test]
async fn a_reason_that_is_too_long_is_cut() {
    const LONG: &str = "äääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää";
    let address = server(&Sockets::default(), LONG).await;
    let (_, frame) = open(&address, "plain", &[]).await.unwrap();
    let frame = frame.unwrap();
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (4400, &LONG[..122]));
}

#[tokio::test]
async fn frontends_that_share_a_registry_share_its_limits_and_its_end() {
    let sockets = Sockets::new(Options { sockets: 2, ..Options::default() });
    let address = server(&sockets, "").await;
    let (one, two) = (open(&address, "plain", &[]), open(&address, "named", &["chat.v2"]));
    let end = async {
        while sockets.open() < 2 {
            tokio::task::yield_now().await;
        }
        for path in ["plain", "named"] {
            assert_eq!(open(&address, path, &["chat.v2"]).await, Err(429));
        }
        sockets.close().await;
        assert_eq!(sockets.open(), 0);
        assert_eq!(open(&address, "plain", &[]).await, Err(503));
    };
    let (one, two, ()) = tokio::join!(one, two, end);
    assert!(one.is_ok() && two.is_ok());
}

#[test]
fn unknown_sockets_are_counted_by_network_address() {
    let address = |text: &str| Some(ClientAddress::from(text.parse::<std::net::IpAddr>().unwrap()));
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ("2001:db8::1", "2001:db8::1", true),
        ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
        ("2001:db8::1", "2001:db8:0:1::1", false),
        ("::1", "127.0.0.1", false),
    ] {
        let sockets = Sockets::new(Options { unknown_sockets_per_address: 1, ..Options::default() });
        let first = sockets.take_unknown(address(one)).unwrap();
        let second = sockets.take_unknown(address(other));
        assert_eq!(second.is_err(), same, "{one} {other}");
        drop((first, second));
        assert!(sockets.take_unknown(address(other)).is_ok(), "{one} {other}");
    }
}

#[test]
fn sockets_without_an_address_count_in_all_only() {
    let options = Options { unknown_sockets: 3, unknown_sockets_per_address: 1, ..Options::default() };
    let sockets = Sockets::new(options);
    let mut held: Vec<_> = (0..3).map(|_| sockets.take_unknown(None).unwrap()).collect();
    assert!(sockets.take_unknown(None).is_err());
    // A connection that is being closed leaves its place in all to others.
    held[0].closing();
    assert!(sockets.take_unknown(None).is_ok());
    let address = ClientAddress::from(std::net::IpAddr::from([192, 0, 2, 1]));
    let mut ending = sockets.take_unknown(Some(address)).unwrap();
    ending.closing();
    assert!(sockets.take_unknown(Some(address)).is_err());
    drop(ending);
    // What is refused for one limit holds no place of the other.
    held.push(sockets.take_unknown(None).unwrap());
    assert!(sockets.take_unknown(Some(address)).is_err());
    held.clear();
    assert!(sockets.take_unknown(Some(address)).is_ok());
}
