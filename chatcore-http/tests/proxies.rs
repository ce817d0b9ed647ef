//! From which address a request counts as sent.
#![allow(missing_docs, reason = "tests")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::net::IpAddr;

use chatcore_http::TrustedProxies;
use poem::http::{HeaderMap, HeaderName, HeaderValue};

const PROXY: &str = "10.0.0.1";

fn proxies() -> TrustedProxies {
    TrustedProxies::listed(&["10.0.0.0/8", "192.0.2.7", "fd00::/8"]).unwrap()
}

fn client(peer: &str, headers: &[(&str, &[u8])]) -> IpAddr {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap());
    }
    proxies().client(peer.parse().unwrap(), &map)
}

/// The client behind the proxy, by one line of one header.
fn by(name: &str, value: &str) -> String {
    client(PROXY, &[(name, value.as_bytes())]).to_string()
}

#[test]
fn a_peer_that_is_no_trusted_proxy_is_the_client_whatever_it_sends() {
    let headers: &[(&str, &[u8])] = &[("forwarded", b"for=198.51.100.1"), ("x-forwarded-for", b"198.51.100.1")];
    assert_eq!(client("203.0.113.9", headers).to_string(), "203.0.113.9");
    assert_eq!(client("::ffff:203.0.113.9", headers).to_string(), "203.0.113.9");
    assert_eq!(client("2001:db8::9", headers).to_string(), "2001:db8::9");
    let none = TrustedProxies::default().client(PROXY.parse().unwrap(), &HeaderMap::new());
    assert_eq!(none.to_string(), PROXY);
    assert_eq!(client(PROXY, &[]).to_string(), PROXY);
}

#[test]
fn the_last_address_that_is_no_trusted_proxy_is_the_client() {
    for (value, expected) in [
        ("198.51.100.1", "198.51.100.1"),
        ("evil, 1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("1.1.1.1,198.51.100.1 ,\t10.9.9.9, 192.0.2.7", "198.51.100.1"),
        ("198.51.100.1:4711", "198.51.100.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("::ffff:198.51.100.1", "198.51.100.1"),
        ("198.51.100.1, fd00::5", "198.51.100.1"),
        (", 198.51.100.1, ,", "198.51.100.1"),
        // All of them are proxies: the farthest one asks for itself.
        ("10.1.1.1, 10.2.2.2", "10.1.1.1"),
        // What a proxy hides, or garbles, nobody else may fill in.
        ("1.1.1.1, unknown", PROXY),
        ("1.1.1.1, _hidden, 10.2.2.2", "10.2.2.2"),
        ("1.1.1.1, 300.1.1.1", PROXY),
        ("1.1.1.1, 198.51.100.1:x", PROXY),
        ("1.1.1.1, fe80::1%eth0", PROXY),
        ("1.1.1.1, <script>", PROXY),
        ("", PROXY),
        (",", PROXY),
    ] {
        assert_eq!(by("x-forwarded-for", value), expected, "{value}");
    }
    let lines: &[(&str, &[u8])] = &[("x-forwarded-for", b"1.1.1.1"), ("x-forwarded-for", b"198.51.100.1")];
    assert_eq!(client(PROXY, lines).to_string(), "198.51.100.1");
    let no_text: &[(&str, &[u8])] = &[("x-forwarded-for", b"1.1.1.1"), ("x-forwarded-for", b"\xff")];
    assert_eq!(client(PROXY, no_text).to_string(), PROXY);
}

#[test]
fn forwarded_is_read_as_rfc_7239_writes_it() {
    for (value, expected) in [
        ("for=198.51.100.1", "198.51.100.1"),
        ("For=\"198.51.100.1\"", "198.51.100.1"),
        ("proto=https;for=198.51.100.1;by=203.0.113.43", "198.51.100.1"),
        ("for=1.1.1.1, for=198.51.100.1;host=\"a,b;for=2.2.2.2\"", "198.51.100.1"),
        ("for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
        ("for=\"[2001:db8:cafe::17]:_port\"", "2001:db8:cafe::17"),
        ("for=\"198.51.100.1:_x.-1\"", "198.51.100.1"),
        ("for=\"1\\98.51.100.1\"", "198.51.100.1"),
        ("for=198.51.100.1, for=10.2.2.2", "198.51.100.1"),
        ("for=1.1.1.1, for=unknown", PROXY),
        ("for=1.1.1.1, for=_SEVKISEK", PROXY),
        ("for=1.1.1.1, proto=https", PROXY),
        ("for=1.1.1.1, for=2.2.2.2;for=3.3.3.3", PROXY),
        ("for=1.1.1.1, nonsense", PROXY),
        ("for", PROXY),
        ("=", PROXY),
        // Quotes of the client's part that reach into the proxy's part.
        ("for=\"1.1.1.1, for=198.51.100.1", PROXY),
        ("for=\"1.1.1.1, for=\"[2001:db8::1]:4711\"", PROXY),
        ("for=\"1.1.1.1\\, for=\"[2001:db8::1]:4711\"", PROXY),
        ("for=\"1.1.1.1\"x, for=198.51.100.1", PROXY),
    ] {
        assert_eq!(by("forwarded", value), expected, "{value}");
    }
}

#[test]
fn a_header_that_the_proxy_passes_through_chooses_no_address() {
    let both = |forwarded: &str, x: &str| {
        let headers: &[(&str, &[u8])] = &[("forwarded", forwarded.as_bytes()), ("x-forwarded-for", x.as_bytes())];
        client(PROXY, headers).to_string()
    };
    assert_eq!(both("for=198.51.100.1", "198.51.100.1"), "198.51.100.1");
    assert_eq!(both("for=1.1.1.1", "198.51.100.1"), PROXY);
    assert_eq!(both("for=198.51.100.1", "1.1.1.1"), PROXY);
    assert_eq!(both("", "198.51.100.1"), PROXY);
}

#[test]
fn a_thousand_entries_are_read_from_the_right() {
    let forged = vec!["1.1.1.1"; 1_000].join(",");
    assert_eq!(by("x-forwarded-for", &format!("{forged},198.51.100.1")), "198.51.100.1");
    let proxies = vec!["10.3.3.3"; 1_000].join(",");
    assert_eq!(by("x-forwarded-for", &format!("198.51.100.1,{proxies}")), "198.51.100.1");
    let pairs = vec!["for=1.1.1.1"; 1_000].join(",");
    assert_eq!(by("forwarded", &format!("{pairs},for=198.51.100.1")), "198.51.100.1");
}

#[test]
fn a_list_of_proxies_is_used_as_written_or_refused() {
    for good in ["10.0.0.1", "10.0.0.0/8", "127.0.0.1/32", "::1", "fd00::/8"] {
        assert!(TrustedProxies::listed(&[good]).is_ok(), "{good}");
    }
    for bad in
        ["", "x", "10.0.0.0/33", "10.0.0.1/8", "0.0.0.0/0", "::/0", "::ffff:10.0.0.0/104", "10.0.0.1:80", "10.0.0"]
    {
        let error = TrustedProxies::listed(&["10.0.0.1", bad]).unwrap_err();
        assert_eq!(error.entry, bad);
    }
    let proxies = proxies();
    assert!(proxies.contains("::ffff:10.1.2.3".parse().unwrap()));
    assert!(!proxies.contains("192.0.2.8".parse().unwrap()));
}
