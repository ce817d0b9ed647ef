//! The headers in which proxies name the address that a request came from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

/// The addresses that a header names, the last one added by the nearest proxy. `None` for an address that is hidden or cannot be
/// read.
pub(crate) type Hops = Vec<Option<IpAddr>>;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The hops of `X-Forwarded-For`; `None` without this header.
pub(crate) fn x_forwarded_for(headers: &HeaderMap) -> Option<Hops> {
    lines(headers, &X_FORWARDED_FOR).map(|value| members(&value).map(address).collect())
}

/// The hops of `Forwarded` (RFC 7239, section 4); `None` without this header. A header with a syntax error is one hidden hop: quotes of
/// the client's part can begin or end in the proxy's part, so no member of such a header can be told apart.
pub(crate) fn forwarded(headers: &HeaderMap) -> Option<Hops> {
    lines(headers, &header::FORWARDED).map(|value| elements(&value).unwrap_or_else(|| vec![None]))
}

/// All lines of a header as one list. A byte that is not ASCII becomes a character that no address has.
fn lines(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let text = |line: &HeaderValue| line.to_str().map_or_else(|_| "?".to_owned(), str::to_owned);
    let lines: Vec<_> = headers.get_all(name).iter().map(text).collect();
    (!lines.is_empty()).then(|| lines.join(","))
}

fn members(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|member| !member.is_empty())
}

fn elements(value: &str) -> Option<Hops> {
    let elements = split(value, ',')?.into_iter().filter(|element| !element.is_empty());
    elements.map(|element| source(&split(element, ';')?)).collect()
}

/// The address after `for` among the pairs of an element; an inner `None` where it is hidden, an outer one for a syntax error.
fn source(pairs: &[&str]) -> Option<Option<IpAddr>> {
    let mut sources = Vec::new();
    for pair in pairs.iter().filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        if name.eq_ignore_ascii_case("for") {
            sources.push(value);
        }
    }
    // A parameter stands once in an element (RFC 7239, section 4).
    if let [source] = sources.as_slice() { Some(address(source)) } else { Some(None) }
}

/// The parts between separators that stand outside of quoted strings (RFC 9110, section 5.6.4); `None` where a quoted string does not end.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|character: char| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ => return character == separator && !is_quoted,
        }
        false
    });
    let parts = parts.map(str::trim).collect();
    (!is_quoted).then_some(parts)
}

/// A value without its quotes and escapes; `None` where quotes stand elsewhere than around it.
fn unquoted(value: &str) -> Option<String> {
    let Some(inner) = value.strip_prefix('"') else { return (!value.contains('"')).then(|| value.to_owned()) };
    let (mut text, mut characters) = (String::new(), inner.strip_suffix('"')?.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => text.push(characters.next()?),
            _ => text.push(character),
        }
    }
    Some(text)
}

/// An address, with or without a port; `None` for `unknown`, for an obfuscated identifier (RFC 7239, section 6.3), and for anything else.
fn address(text: &str) -> Option<IpAddr> {
    let obfuscated =
        |port: &str| port.starts_with('_') && port.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    let host = match text.rsplit_once(':') {
        Some((host, port)) if obfuscated(port) => host,
        _ => text,
    };
    let bracketed = || host.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let plain = || host.parse::<IpAddr>().ok();
    let with_port = || host.parse::<SocketAddr>().ok().map(|address| address.ip());
    plain().or_else(with_port).or_else(|| bracketed().map(IpAddr::V6)).map(|address| address.to_canonical())
}
