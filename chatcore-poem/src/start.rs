//! The page at the root of a server.

use chatcore_http::{PageStyles, page_headers};
use poem::{Endpoint, Request, Response, endpoint::make_sync, get, http::header};

use crate::ChatFrontend;

/// A page for users who open a server in a browser: a description, links, and for a server with accounts, forms to sign up and sign in. The
/// forms show an access token with example commands. Other clients get a plain text.
///
/// The page is one file, which loads nothing. The page keeps a token in memory only: no URL and no storage of the browser contains the
/// token. All links are relative to the page's own path, which ends with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartPage {
    /// The title.
    pub title: String,
    /// Texts of links with their target paths. The page shows a target with a scheme as text.
    pub links: Vec<(String, String)>,
    /// Whether the server has `api/v1/auth/register` and `api/v1/auth/login`.
    pub accounts: bool,
}

impl Default for StartPage {
    /// Links to the default paths of [`MountOptions`](crate::MountOptions).
    fn default() -> Self {
        let links = [("REST: the operations, to try out", "docs"), ("The OpenAPI document", "openapi.json")];
        let links = links.map(|(text, target)| (text.to_owned(), target.to_owned())).to_vec();
        Self { title: "chatcore".to_owned(), links, accounts: false }
    }
}

impl StartPage {
    /// Adds a link.
    #[must_use]
    pub fn link(mut self, text: impl Into<String>, target: impl Into<String>) -> Self {
        self.links.push((text.into(), target.into()));
        self
    }

    /// The page as HTML.
    fn html(&self) -> String {
        let page = include_str!("start.html");
        let (left_out, kept) = if self.accounts { ("tokens", "accounts") } else { ("accounts", "tokens") };
        let page =
            without(page, left_out).replace(&format!("<!--{kept}-->\n"), "").replace(&format!("<!--/{kept}-->\n"), "");
        let link = |(text, target): &(String, String)| {
            let (text, target) = (escaped(text), escaped(target));
            // The page names no other host in a link.
            if target.contains("://") {
                return format!("        <li>{text}: {target}</li>\n");
            }
            format!("        <li><a href=\"{target}\">{text}</a></li>\n")
        };
        let links: String = self.links.iter().map(link).collect();
        page.replace("{{links}}", &links).replace("{{title}}", &escaped(&self.title))
    }

    /// The page for clients that show no HTML.
    fn text(&self) -> String {
        let mut text = format!(
            "{}\n\nThis is a chat server: sessions, messages and live events over REST, WebSocket and GraphQL.\n\n",
            self.title
        );
        for (name, target) in &self.links {
            text.push_str(&format!("{target}\t{name}\n"));
        }
        text.push('\n');
        text.push_str(if self.accounts {
            "Sign up:  curl -s \"$server/api/v1/auth/register\" -H \"Content-Type: application/json\" \\\n  \
             -d '{\"username\": \"alice\", \"email\": \"alice@example.org\", \"password\": \"...\"}'\n\
             Sign in:  curl -s \"$server/api/v1/auth/login\" -H \"Content-Type: application/json\" \\\n  \
             -d '{\"username\": \"alice\", \"password\": \"...\"}'\n"
        } else {
            "The server takes tokens that its operator makes: chat-server token --user alice\n"
        });
        text
    }
}

impl ChatFrontend {
    /// The endpoint of a page, for `GET` at `/` or at another path that ends with `/`.
    pub fn start_page(&self, page: &StartPage) -> impl Endpoint<Output = Response> + 'static {
        let (html, text) = (page.html(), page.text());
        let headers = page_headers(&html, PageStyles::Own);
        self.wrap_get(
            "startPage",
            get(make_sync(move |request: Request| {
                let response = Response::builder().header(header::VARY, "Accept");
                if !wants_html(&request) {
                    let response = response.content_type("text/plain; charset=utf-8");
                    return response.header(header::CACHE_CONTROL, "no-cache").body(text.clone());
                }
                headers
                    .iter()
                    .fold(response, |response, (name, value)| response.header(*name, value))
                    .body(html.clone())
            })),
            false,
        )
    }
}

/// Whether HTML is named among what the client accepts: browsers do so, and curl accepts anything.
fn wants_html(request: &Request) -> bool {
    let lines = request.headers().get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let mut ranges = lines.flat_map(|line| line.split(','));
    ranges.any(|range| range.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/html")))
}

/// A page without its parts of a name.
fn without(page: &str, name: &str) -> String {
    let (open, close) = (format!("<!--{name}-->\n"), format!("<!--/{name}-->\n"));
    let parts = page.split(&open).map(|part| part.split_once(&close).map_or(part, |(_, behind)| behind));
    parts.collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
