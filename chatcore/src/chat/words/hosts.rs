//! The hosts to which a text refers, as a browser reads them.

use url::{Host, Url};

use super::folding::{Part, is_ignorable, is_mark};

/// Most bytes of a host with its port. A name in the DNS has 253 characters, and each can be escaped.
const MAX_HOST: usize = 1_024;

/// Most addresses of one text that are read.
const MAX_ADDRESSES: usize = 200;

/// An address with a scheme.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) part: Part,
    /// The host; `None` where it cannot be read.
    pub(super) host: Option<String>,
    /// Whether the host is too long to be read. A browser may read it: it drops characters that are not drawn, and leading zeros of a port.
    pub(super) is_too_long: bool,
    /// The host up to the first character that a name does not have: a client may mark the address up to there only.
    pub(super) begin: Option<String>,
}

/// A name without a scheme.
#[derive(Debug)]
pub(super) struct Name {
    pub(super) part: Part,
    /// The host; `None` where it is too long to be read.
    pub(super) host: Option<String>,
    /// Whether it begins with `www.` or has a path, or may do so.
    pub(super) is_address: bool,
}

/// A host as hosts are compared: in ASCII, in small letters, without a dot at its end.
fn shown<S: AsRef<str>>(host: &Host<S>) -> Option<String> {
    let host = match host {
        Host::Domain(domain) => domain.as_ref().trim_end_matches('.').to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => format!("[{address}]"),
    };
    (!host.is_empty()).then_some(host)
}

/// The host that a text names.
pub(super) fn host(text: &str) -> Option<String> {
    if text.len() > MAX_HOST {
        return None;
    }
    shown(&Host::parse(text).ok()?)
}

/// The host of a host with a port.
fn host_of(authority: &str) -> Option<String> {
    if authority.len() > MAX_HOST {
        return None;
    }
    shown(&Url::parse(&format!("https://{authority}")).ok()?.host()?)
}

const fn is_dot(sign: char) -> bool {
    matches!(sign, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

fn is_of_name(sign: char) -> bool {
    sign.is_alphanumeric() || matches!(sign, '-' | '_') || is_dot(sign) || is_ignorable(sign) || is_mark(sign)
}

const fn ends_address(sign: char) -> bool {
    sign.is_whitespace() || matches!(sign, '<' | '>' | '"')
}

/// The length of a scheme with its colon at the beginning of a text in small letters.
fn scheme(text: &str) -> Option<usize> {
    ["https:", "http:"].iter().find(|scheme| text.starts_with(**scheme)).map(|scheme| scheme.len())
}

/// The address that a text is, with a scheme of so many bytes. `at` is the place of the text.
fn address(text: &str, at: usize, scheme: usize) -> Option<Address> {
    let rest = text.get(scheme..)?.trim_start_matches(['/', '\\']);
    if !rest.contains(char::is_alphanumeric) {
        return None;
    }
    let authority = rest.split(['/', '\\', '?', '#']).next()?;
    let has_path = authority.len() < rest.len();
    let authority = authority.rsplit('@').next()?;
    // Signs after an address are no part of it.
    let is_after = |sign: char| !sign.is_alphanumeric() && (sign != ']' || !authority.contains('['));
    let authority = if has_path { authority } else { authority.trim_end_matches(is_after) };
    let begin = authority.split(|sign| !is_of_name(sign)).next().and_then(host);
    let end = text.trim_end_matches(|sign: char| !sign.is_alphanumeric() && sign != '/').len();
    Some(Address { part: (at, at + end), host: host_of(authority), is_too_long: authority.len() > MAX_HOST, begin })
}

/// The `http` and `https` addresses in a text; `None` where there are too many. An address within another one counts, too.
pub(super) fn addresses(text: &str) -> Option<Vec<Address>> {
    // The same places, since only ASCII changes.
    let small = text.to_ascii_lowercase();
    let mut found = Vec::new();
    // Where the last address ends with all that may follow it.
    let mut end = 0;
    for (at, _) in small.match_indices("http") {
        let Some(scheme) = small.get(at..).and_then(scheme) else { continue };
        let rest = text.get(at..).unwrap_or_default();
        if end <= at {
            end = at + rest.find(ends_address).unwrap_or(rest.len());
        }
        found.extend(text.get(at..end).and_then(|text| address(text, at, scheme)));
        if found.len() > MAX_ADDRESSES {
            return None;
        }
    }
    Some(found)
}

/// Whether a text begins with a path, perhaps after a port.
fn is_path(text: &str) -> bool {
    let after_port = text.strip_prefix(':').map(|rest| rest.trim_start_matches(|sign: char| sign.is_ascii_digit()));
    after_port.unwrap_or(text).starts_with('/')
}

/// A name of at least two labels, the last of which is no number.
fn name(text: &str, (from, to): Part) -> Option<Name> {
    let (before, found, after) = (text.get(..from)?, text.get(from..to)?, text.get(to..)?);
    if !found.contains(is_dot) {
        return None;
    }
    let has_path = is_path(after);
    if before.ends_with('@') && !has_path {
        // An e-mail address.
        return None;
    }
    let rest = if has_path { after.split(ends_address).next().map_or(0, str::len) } else { 0 };
    let part = (from, to + rest);
    let found = found.trim_matches(is_dot);
    if found.len() > MAX_HOST {
        return found.contains(is_dot).then_some(Name { part, host: None, is_address: true });
    }
    let host @ Host::Domain(_) = Host::parse(found).ok()? else { return None };
    let host = shown(&host)?;
    let (_, last) = host.rsplit_once('.')?;
    let is_domain = last.len() > 1 && (last.starts_with("xn--") || last.bytes().all(|byte| byte.is_ascii_alphabetic()));
    let is_inner = before.ends_with('/') && !before.ends_with("//");
    let is_address = is_domain && !is_inner && (host.starts_with("www.") || has_path);
    Some(Name { part, host: Some(host), is_address })
}

/// The names in a text without a scheme, outside of addresses.
pub(super) fn names(text: &str, addresses: &[Address]) -> Vec<Name> {
    if !text.contains(is_dot) {
        return Vec::new();
    }
    let (mut found, mut start) = (Vec::new(), None);
    for (at, sign) in text.char_indices().chain([(text.len(), ' ')]) {
        match (start, is_of_name(sign)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                let is_inner = addresses.iter().any(|address| (address.part.0..address.part.1).contains(&from));
                found.extend(if is_inner { None } else { name(text, (from, at)) });
                start = None;
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    found
}
