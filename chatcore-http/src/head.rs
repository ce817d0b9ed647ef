//! Heads of requests: checks that HTTP requires of a server and that hyper does not make.

use std::str::FromStr as _;

use chatcore::{Code, Error, Result};
use poem::{
    Addr, Request,
    http::{HeaderValue, Method, Version, header, uri::Authority},
};

/// Checks a request's head where hyper does not. Call this function before any other check of the request. A second call changes nothing.
/// Where the target is absolute (`GET http://host/path`), its host replaces the header `Host`, as RFC 9112, section 3.2.2, requires.
///
/// | rule | RFC |
/// |---|---|
/// | HTTP/1.1 needs exactly one `Host`, and a valid one; a request without a peer needs none | 9112, section 3.2 |
/// | `*` is a target of `OPTIONS` only, a host alone of `CONNECT` only | 9112, section 3.2.3 and 3.2.4 |
/// | no user in the target or in `Host` | 9110, section 4.2.4 |
/// | no transfer coding but `chunked` | 9112, section 6.1 |
/// | no expectation but `100-continue` | 9110, section 10.1.1 |
///
/// # Errors
/// [`Malformed`](Error::Malformed); [`Refused`](Error::Refused) with `NOT_IMPLEMENTED` or `EXPECTATION_FAILED`.
pub fn check_head(request: &mut Request) -> Result<()> {
    check_host(request)?;
    check_target(request)?;
    let coded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"chunked");
    if request.headers().get_all(header::TRANSFER_ENCODING).iter().any(coded) {
        return Err(Error::Refused { code: Code::NotImplemented, detail: "use no transfer coding but chunked" });
    }
    let is_11 = request.version() == Version::HTTP_11;
    if is_11 && list(request, &header::EXPECT).any(|member| !member.eq_ignore_ascii_case("100-continue")) {
        return Err(Error::Refused { code: Code::ExpectationFailed, detail: "expect nothing but 100-continue" });
    }
    Ok(())
}

fn check_host(request: &Request) -> Result<()> {
    let wrong = |message: &str| Err(Error::malformed("Host", message));
    // A program's own requests, as tests make them, come from nowhere.
    let is_from_peer = request.remote_addr().0 != Addr::default();
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 && is_from_peer => wrong("HTTP/1.1 needs this header"),
        (None, _) => Ok(()),
        (Some(_), Some(_)) => wrong("send this header once"),
        (Some(host), None) if host.to_str().is_ok_and(is_host) => Ok(()),
        (Some(_), None) => wrong("a host and, where needed, a port"),
    }
}

/// A host with or without a port (RFC 9110, section 7.2), or nothing.
fn is_host(text: &str) -> bool {
    let Ok(authority) = Authority::from_str(text) else { return text.is_empty() };
    // Before the host, a user can stand.
    let (host, Some(behind)) = (authority.host(), text.strip_prefix(authority.host())) else { return false };
    let is_port = |port: &str| port.bytes().all(|digit| digit.is_ascii_digit()) && port.parse::<u16>().is_ok();
    !host.is_empty() && (behind.is_empty() || behind == ":" || behind.strip_prefix(':').is_some_and(is_port))
}

fn check_target(request: &mut Request) -> Result<()> {
    let wrong = |message: &str| Err(Error::malformed("target", message));
    let (method, uri) = (request.method(), request.uri());
    if uri.path() == "*" && method != Method::OPTIONS {
        return wrong("only OPTIONS can ask for *");
    }
    let Some(authority) = uri.authority() else { return Ok(()) };
    if uri.scheme().is_none() && method != Method::CONNECT {
        return wrong("begin the target of a request with /");
    }
    if !is_host(authority.as_str()) {
        return wrong("the target's host is not valid");
    }
    if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(())
}

/// The members of a header that is a list, on however many lines. A line that is no text is one member.
fn list<'a>(request: &'a Request, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = request.headers().get_all(name).into_iter().map(|line| line.to_str().unwrap_or("?"));
    lines.flat_map(|line| line.split(',').map(str::trim)).filter(|member| !member.is_empty())
}

/// Checks the preconditions of a request for a resource without an entity tag (RFC 9110, section 13.1). Without tags, `If-Match` with a tag
/// never holds, and `If-None-Match: *` never holds for a change. Times are ignored, as for every resource without `Last-Modified`. Call
/// this function after authentication and before any change.
///
/// # Errors
/// [`Refused`](Error::Refused) with `PRECONDITION_FAILED`.
pub fn check_conditions(request: &Request) -> Result<()> {
    let safe = [Method::GET, Method::HEAD].contains(request.method());
    let fails = list(request, &header::IF_MATCH).any(|tag| tag != "*")
        || !safe && list(request, &header::IF_NONE_MATCH).any(|tag| tag == "*");
    let detail = "nothing here has an entity tag; leave If-Match and If-None-Match out";
    if fails { Err(Error::Refused { code: Code::PreconditionFailed, detail }) } else { Ok(()) }
}

/// Checks the preconditions of a change of a resource whose entity tag is the number of its revision. Returns the revision in `If-Match`;
/// `None` for any revision. The change itself compares the current revision, since the comparison and the change must be atomic. Call this
/// function after authentication and before any change.
///
/// # Errors
/// [`Malformed`](Error::Malformed) for an `If-Match` that is no entity tag, or has several tags; [`Refused`](Error::Refused) with
/// `PRECONDITION_FAILED` for a tag that no revision has, and for `If-None-Match`.
pub fn revision_condition(request: &Request) -> Result<Option<u64>> {
    let failed = |detail| Err(Error::Refused { code: Code::PreconditionFailed, detail });
    if list(request, &header::IF_NONE_MATCH).next().is_some() {
        return failed("a change cannot depend on If-None-Match; use If-Match");
    }
    let mut tags = list(request, &header::IF_MATCH);
    let (tag, None) = (tags.next(), tags.next()) else {
        return Err(Error::malformed("If-Match", "name one revision"));
    };
    let Some(tag) = tag.filter(|tag| *tag != "*") else { return Ok(None) };
    let (is_weak, quoted) = tag.strip_prefix("W/").map_or((false, tag), |quoted| (true, quoted));
    let inner = quoted.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
    let Some(inner) = inner.filter(|inner| !inner.contains('"')) else {
        return Err(Error::malformed("If-Match", "a revision in double quotes, or *"));
    };
    // Weak tags never match here (RFC 9110, section 13.1.1), and there is one spelling of a number.
    match inner.parse::<u64>() {
        Ok(revision) if !is_weak && revision.to_string() == inner => Ok(Some(revision)),
        Ok(_) | Err(_) => failed("no revision has this entity tag"),
    }
}

#[cfg(test)]
mod tests {
    use poem::{Request, http::Method};

    use super::{is_host, revision_condition};

    fn conditioned(name: &str, values: &[&str]) -> chatcore::Result<Option<u64>> {
        let request = Request::builder().method(Method::PUT);
        revision_condition(&values.iter().fold(request, |request, value| request.header(name, *value)).finish())
    }

    #[test]
    fn an_entity_tag_names_a_revision() {
        assert_eq!(conditioned("If-Match", &[]), Ok(None));
        assert_eq!(conditioned("If-Match", &["*"]), Ok(None));
        assert_eq!(conditioned("If-Match", &["\"1\""]), Ok(Some(1)));
        assert_eq!(conditioned("If-Match", &[" \"12\" "]), Ok(Some(12)));
        let status = |name, values: &[&str]| conditioned(name, values).map_err(|error| error.code().status());
        for bad in ["1", "\"1", "1\"", "\"", "W/1", "\"1\"\"2\"", "\"1\", \"2\"", "*, \"1\""] {
            assert_eq!(status("If-Match", &[bad]), Err(400), "{bad}");
        }
        assert_eq!(status("If-Match", &["\"1\"", "\"2\""]), Err(400));
        for other in ["\"x\"", "\"\"", "W/\"1\"", "\"01\"", "\"+1\"", "\"-1\"", "\"18446744073709551616\""] {
            assert_eq!(status("If-Match", &[other]), Err(412), "{other}");
        }
        for tag in ["*", "\"1\""] {
            assert_eq!(status("If-None-Match", &[tag]), Err(412), "{tag}");
        }
    }

    #[test]
    fn hosts() {
        for good in ["", "x", "x:", "x:80", "chat.example:443", "127.0.0.1:8000", "[::1]", "[::1]:8000", "a_b", "xn--1"]
        {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "x:y", "x:+80", "x:99999", "x:80:80", "a@x", "@x", ":80", "x/y", "x y", "x?y", "x#y", "::1", "[::1", "x\\y",
        ] {
            assert!(!is_host(bad), "{bad}");
        }
    }
}
