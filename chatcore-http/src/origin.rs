//! Allowed origins of web pages (RFC 6454).

use poem::{
    Request,
    http::{HeaderName, header},
};
use url::Url;

/// The web pages that may use a server: open WebSockets, and read answers to requests (the Fetch standard's CORS protocol). The option does
/// not affect programs other than browsers, which send no `Origin`. Pages of the server's own host may always use the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Origins {
    /// Only pages of the host that the page connects to.
    #[default]
    SameHost,
    /// Also pages of these origins, each as `scheme://host` or `scheme://host:port`. [`Origins::listed`] creates this variant, and refuses
    /// invalid origins; an invalid entry in a variant without that function matches no page.
    Listed(Vec<String>),
    /// All origins. Any page that a user visits can then act with a token that the page obtains.
    Any,
}

/// An invalid entry of a list of origins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the origin `{entry}` cannot be used: {why}")]
pub struct InvalidOrigin {
    /// The original entry.
    pub entry: String,
    /// The reason.
    pub why: &'static str,
}

impl Origins {
    /// These origins, each in the form of browsers: without surrounding spaces, a slash at the end and the default port, with names in
    /// lower case and in ASCII (UTS 46). `*` stands for all origins. Without an entry, only pages of the server's own host may use the
    /// server.
    ///
    /// # Errors
    /// [`InvalidOrigin`] for the first invalid entry, also beside `*`.
    pub fn listed<T: AsRef<str>>(entries: impl IntoIterator<Item = T>) -> Result<Self, InvalidOrigin> {
        let (mut listed, mut any) = (Vec::new(), false);
        for entry in entries {
            let entry = entry.as_ref();
            match entry.trim() {
                "*" => any = true,
                trimmed => match normal(trimmed) {
                    Ok(origin) if listed.contains(&origin) => {}
                    Ok(origin) => listed.push(origin),
                    Err(why) => return Err(InvalidOrigin { entry: entry.to_owned(), why }),
                },
            }
        }
        Ok(if any {
            Self::Any
        } else if listed.is_empty() {
            Self::SameHost
        } else {
            Self::Listed(listed)
        })
    }

    /// Whether the page of a request has an allowed origin. Browsers send a page's origin, and a page cannot change that header.
    #[must_use]
    pub fn allow(&self, request: &Request) -> bool {
        if !request.headers().contains_key(header::ORIGIN) {
            return true;
        }
        let named = || one(request, header::ORIGIN).and_then(|origin| normal(origin).ok());
        match self {
            Self::Any => true,
            Self::SameHost => named().is_some_and(|origin| is_same_host(&origin, request)),
            Self::Listed(listed) => named().is_some_and(|origin| {
                let is_it =
                    |entry: &String| *entry == origin || normal(entry.trim()).is_ok_and(|entry| entry == origin);
                is_same_host(&origin, request) || listed.iter().any(is_it)
            }),
        }
    }
}

/// The value of a header that is there once.
fn one(request: &Request, name: HeaderName) -> Option<&str> {
    let mut values = request.headers().get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// Whether the page came from the host that the request names. Behind a proxy that ends TLS the scheme of the connection
/// is not the page's, so the port that is not named is the default port of the page's scheme.
fn is_same_host(origin: &str, request: &Request) -> bool {
    let Some(scheme) = ["https", "http"].into_iter().find(|scheme| origin.starts_with(&format!("{scheme}://"))) else {
        return false;
    };
    let authority = request.original_uri().authority().map(|authority| authority.as_str());
    let host = authority.or_else(|| one(request, header::HOST));
    host.is_some_and(|host| normal(&format!("{scheme}://{host}")).is_ok_and(|host| host == origin))
}

/// The form in which browsers send an origin (the URL standard's "serialization of an origin").
fn normal(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if text.eq_ignore_ascii_case("null") {
        return Err("`null` is sent by every sandboxed page and every local file, so it tells no page from another");
    }
    let (_, rest) = text.split_once("://").ok_or("it has no scheme; write https://host or https://host:port")?;
    // The parser is as lenient as an address bar.
    if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err("it holds a space, a backslash or a control character; give each origin as an entry of its own");
    }
    let (authority, tail) =
        rest.split_at_checked(rest.find(['/', '?', '#']).unwrap_or(rest.len())).unwrap_or((rest, ""));
    if authority.is_empty() {
        return Err("it has no host");
    }
    if !matches!(tail, "" | "/") {
        return Err("it has more than a scheme, a host and a port; an origin has no path");
    }
    if authority.contains('@') {
        return Err("it has a user's name; an origin is a scheme, a host and a port");
    }
    if authority.contains('*') {
        return Err("it has a wildcard; list each host, or `*` alone for all pages");
    }
    let url = Url::parse(text).map_err(|_| "it is no URL; write https://host or https://host:port")?;
    if matches!(url.scheme(), "ws" | "wss" | "ftp" | "file" | "data" | "blob" | "about" | "javascript") {
        return Err("no page has an origin with this scheme; pages come over https or http");
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it has no host")?.to_ascii_lowercase();
    match url.port() {
        Some(0) => Err("no page comes from port 0"),
        Some(port) => Ok(format!("{}://{host}:{port}", url.scheme())),
        None => Ok(format!("{}://{host}", url.scheme())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_take_the_form_that_browsers_send() {
        for (entry, origin) in [
            ("https://chat.example", "https://chat.example"),
            ("https://chat.example/", "https://chat.example"),
            (" https://chat.example\t", "https://chat.example"),
            ("https://chat.example:443", "https://chat.example"),
            ("http://chat.example:80/", "http://chat.example"),
            ("https://chat.example:80", "https://chat.example:80"),
            ("http://chat.example:443", "http://chat.example:443"),
            ("https://chat.example:08443", "https://chat.example:8443"),
            ("HTTPS://Chat.EXAMPLE", "https://chat.example"),
            ("https://b\u{fc}cher.example", "https://xn--bcher-kva.example"),
            ("https://B\u{dc}CHER.example", "https://xn--bcher-kva.example"),
            ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[0:0:0:0:0:0:0:1]", "http://[::1]"),
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://ABCdef", "chrome-extension://abcdef"),
        ] {
            assert_eq!(Origins::listed([entry]), Ok(Origins::Listed(vec![origin.to_owned()])), "{entry:?}");
        }
        let twice = Origins::listed(["https://a.example", "https://A.example:443/"]);
        assert_eq!(twice, Ok(Origins::Listed(vec!["https://a.example".to_owned()])));
        assert_eq!(Origins::listed(["https://a.example", " * "]), Ok(Origins::Any));
        assert_eq!(Origins::listed::<&str>([]), Ok(Origins::SameHost));
    }

    #[test]
    fn what_can_be_no_origin_is_refused_by_name() {
        for entry in [
            "",
            "  ",
            "nonsense",
            "chat.example",
            "localhost:3000",
            "//chat.example",
            "https:chat.example",
            "https:/chat.example",
            "https://",
            "https:///chat.example",
            "https:\\\\chat.example",
            "https://chat.example/app",
            "https://chat.example//",
            "https://chat.example/.",
            "https://chat.example?",
            "https://chat.example#top",
            "https://user@chat.example",
            "https://user:password@chat.example",
            "https://chat.example https://other.example",
            "https://chat .example",
            "https://chat.\nexample",
            "https://*.chat.example",
            "https://*",
            "https://chat.example:0",
            "https://chat.example:65536",
            "https://chat.example:port",
            "https://[::1",
            "http://::1",
            "https://:443",
            "wss://chat.example",
            "file:///srv/page.html",
            "null",
            "NULL",
            "**",
        ] {
            for listed in [vec![entry], vec!["https://good.example", entry], vec!["*", entry]] {
                let refused = Origins::listed(listed).unwrap_err();
                assert_eq!(refused.entry, entry);
                assert!(refused.to_string().contains(&format!("`{entry}`")), "{refused}");
            }
        }
    }

    #[test]
    fn the_page_of_a_request_is_found() {
        let listed = Origins::listed(["https://chat.example"]).unwrap();
        let allow = |origins: &Origins, host: &str, names: &[&str]| {
            let mut request = Request::builder().header(header::HOST, host).finish();
            for origin in names {
                request.headers_mut().append(header::ORIGIN, origin.parse().unwrap());
            }
            origins.allow(&request)
        };
        for (host, origin, same) in [
            ("h", "https://h", true),
            ("h", "http://h", true),
            ("H", "https://h", true),
            ("h:443", "https://h", true),
            ("h:80", "http://h", true),
            ("h", "https://h:443", true),
            ("h:8443", "https://h:8443", true),
            ("[::1]:8000", "http://[::1]:8000", true),
            ("b\u{fc}cher.example", "https://xn--bcher-kva.example", false),
            ("xn--bcher-kva.example", "https://xn--bcher-kva.example", true),
            ("h:443", "http://h", false),
            ("h:80", "https://h", false),
            ("h", "https://h:8443", false),
            ("h:8443", "https://h", false),
            ("h", "https://h.evil.example", false),
            ("h", "https://evil.example", false),
            ("h", "capacitor://h", false),
            ("h", "null", false),
            ("h", "", false),
            ("h", "h", false),
            ("h/x", "https://h", false),
            ("x@h", "https://h", false),
        ] {
            if host.is_ascii() {
                assert_eq!(allow(&Origins::SameHost, host, &[origin]), same, "{host} {origin}");
                assert_eq!(allow(&listed, host, &[origin]), same, "{host} {origin}");
            }
            assert!(allow(&Origins::Any, "h", &[origin]));
        }
        assert!(allow(&listed, "h", &["https://chat.example"]));
        assert!(!allow(&Origins::SameHost, "h", &["https://chat.example"]));
        assert!(!allow(&listed, "h", &["https://chat.example", "https://chat.example"]));
        assert!(!allow(&listed, "h", &["http://chat.example"]));
        assert!(!allow(&listed, "h", &["https://chat.example.evil.example"]));
        for origins in [Origins::SameHost, listed.clone(), Origins::Any] {
            assert!(allow(&origins, "h", &[]), "who is no browser is not concerned");
        }
        // An entry that was put into the list by hand is read in the same way.
        let by_hand = Origins::Listed(vec![" HTTPS://Chat.example:443/ ".to_owned(), "nonsense".to_owned()]);
        assert!(allow(&by_hand, "h", &["https://chat.example"]));
        assert!(!allow(&by_hand, "h", &["nonsense"]));
    }
}
