//! Links to the neighbours of a page (RFC 8288).

use std::fmt::Display;

use poem::Request;

/// Where a page begins or ends. A link has a place of its own instead of those of its request.
const PLACES: [&str; 3] = ["skip", "before", "after"];

/// The token is no part of a link: links are kept and logged where a token must not be.
const TOKEN: &str = "token";

/// The parameters that say how a page is to be. Every link keeps them.
const KNOWN: [&str; 4] = ["limit", "include_email", "wait", "q"];

/// The longest query of a link that keeps the parameters that the server does not know, in bytes. A longer request would
/// come back in each link of its answer.
const LONGEST: usize = 2_048;

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
    /// that it holds below any path. Parameters that the server does not know are kept while the query is short.
    pub(super) fn with(mut self, rel: &str, parameter: &str, place: Option<impl Display>) -> Self {
        if let Some(place) = place {
            let place = place.to_string();
            let mut query = self.query(parameter, &place, |name| name != TOKEN && !PLACES.contains(&name));
            if query.len() > LONGEST {
                query = self.query(parameter, &place, |name| KNOWN.contains(&name));
            }
            self.links.push(format!("<?{query}>; rel=\"{rel}\""));
        }
        self
    }

    /// The query of a link: the place, and those of the request's parameters that are kept.
    fn query(&self, parameter: &str, place: &str, is_kept: impl Fn(&str) -> bool) -> String {
        let kept = form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| is_kept(name));
        // The serializer leaves nothing that could end the reference within its angle brackets.
        form_urlencoded::Serializer::new(String::new()).append_pair(parameter, place).extend_pairs(kept).finish()
    }

    /// The value of the header `Link`; `None` for no links.
    pub(super) fn value(self) -> Option<String> {
        (!self.links.is_empty()).then(|| self.links.join(", "))
    }
}
