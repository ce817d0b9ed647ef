//! Links to the neighbours of a page (RFC 8288).

use std::fmt::Display;

use poem::Request;

/// Where a page begins or ends. A link has a place of its own instead of those of its request.
const PLACES: [&str; 3] = ["skip", "before", "after"];

/// The token is no part of a link: links are kept and logged where a token must not be.
const TOKEN: &str = "token";

/// Collects the links of a page.
pub(super) struct Links<'a> {
    query: &'a str,
    links: Vec<String>,
}

impl<'a> Links<'a> {
    /// Of the page that is asked for.
    pub(super) fn of(request: &'a Request) -> Self {
        Self { query: request.uri().query().unwrap_or_default(), links: Vec::new() }
    }

    /// A link to the page at this place, if there is one: the request with that place instead of its own. It is relative, so
    /// that it holds below any path.
    pub(super) fn with(mut self, rel: &str, parameter: &str, place: Option<impl Display>) -> Self {
        if let Some(place) = place {
            let query = self.query(parameter, &place.to_string());
            self.links.push(format!("<?{query}>; rel=\"{rel}\""));
        }
        self
    }

    /// The query of a link: the place, and the request's parameters that say how a page is to be.
    fn query(&self, parameter: &str, place: &str) -> String {
        let is_kept = |name: &str| name != TOKEN && !PLACES.contains(&name);
        let kept = form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| is_kept(name));
        // The serializer leaves nothing that could end the reference within its angle brackets.
        form_urlencoded::Serializer::new(String::new()).append_pair(parameter, place).extend_pairs(kept).finish()
    }

    /// The value of the header `Link`; `None` for no links.
    pub(super) fn value(self) -> Option<String> {
        (!self.links.is_empty()).then(|| self.links.join(", "))
    }
}
