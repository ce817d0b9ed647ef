//! Headers of web pages.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sha2::{Digest as _, Sha256};

/// The styles that a page may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageStyles {
    /// The styles in the text of the page.
    Own,
    /// Also styles that scripts add, for example libraries of components.
    Any,
}

/// The headers of a web page that loads nothing from another host. The policy (Content Security Policy, level 3) allows scripts in the
/// page's text and in files of its own origin, calls to its own origin, and nothing else. No page may frame the page, and the page's
/// address does not go to other sites.
#[must_use]
pub fn page_headers(html: &str, styles: PageStyles) -> Vec<(&'static str, String)> {
    let style = match styles {
        PageStyles::Own => hashes(html, "style"),
        PageStyles::Any => " 'unsafe-inline'".to_owned(),
    };
    let policy = format!(
        "default-src 'none'; script-src 'self'{}; style-src 'self'{style}; img-src 'self' data:; font-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hashes(html, "script"),
    );
    let fixed = |name, value: &str| (name, value.to_owned());
    vec![
        fixed("Content-Type", "text/html; charset=utf-8"),
        ("Content-Security-Policy", policy),
        fixed("X-Content-Type-Options", "nosniff"),
        fixed("X-Frame-Options", "DENY"),
        // The same for everybody, and another one after an update.
        fixed("Cache-Control", "no-cache"),
        fixed("Referrer-Policy", "no-referrer"),
    ]
}

/// The hashes of the elements with this name that have a text, as sources of the policy.
fn hashes(html: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}"));
    let (mut rest, mut hashes) = (html, String::new());
    while let Some((_, behind)) = rest.split_once(&open) {
        let Some((text, after)) = behind.split_once('>').and_then(|(_, text)| text.split_once(&close)) else { break };
        if !text.is_empty() {
            hashes.push_str(&format!(" 'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text))));
        }
        rest = after;
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::{PageStyles, page_headers};

    #[test]
    fn the_policy_names_what_stands_in_the_page_and_nothing_else() {
        let page = "<style>a{}</style><script src=\"x\"></script><script>go()</script>";
        let policy = |styles| {
            let headers = page_headers(page, styles);
            headers.into_iter().find(|(name, _)| *name == "Content-Security-Policy").unwrap().1
        };
        // printf %s 'go()' | openssl dgst -sha256 -binary | base64
        let script = "script-src 'self' 'sha256-5KYv+PUboo5h+0+YAtGRPbwv5d/QxzHslP4YGnUaxRw='; ";
        let style = "style-src 'self' 'sha256-X1RutGBrXCt9KkSaXMK7tHftWiRscFHOhxsS8tv8hBk='; ";
        assert!(policy(PageStyles::Own).contains(&format!("{script}{style}")), "{}", policy(PageStyles::Own));
        assert!(policy(PageStyles::Any).contains("style-src 'self' 'unsafe-inline'; "));
    }
}
