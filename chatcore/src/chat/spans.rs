//! What stands in a text: links, and the signs at which a name may begin.

use linkify::{LinkFinder, LinkKind};

use super::mentions::MAX_MENTIONS;
use crate::model::{Content, Span};

/// Maximum number of marked links of one message.
pub const MAX_LINKS: usize = 50;

/// Signs that are looked at in one text.
const SIGNS: usize = 4 * MAX_MENTIONS;

/// The places of links to web pages (`http` and `https`) in a text, at most [`MAX_LINKS`].
pub(super) fn links(content: &Content) -> Vec<Span> {
    let Content::Text(text) = content else { return Vec::new() };
    // Most texts have none.
    if !text.contains("://") {
        return Vec::new();
    }
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    let is_web = |link: &linkify::Link<'_>| {
        let scheme = link.as_str().split(':').next().unwrap_or_default();
        ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web))
    };
    let (mut spans, mut bytes, mut chars) = (Vec::new(), 0, 0);
    for link in finder.links(text).filter(is_web).take(MAX_LINKS) {
        chars += text.get(bytes..link.start()).map_or(0, |before| before.chars().count());
        bytes = link.end();
        let start = chars;
        chars += link.as_str().chars().count();
        spans.extend(span(start, chars));
    }
    spans
}

pub(super) fn span(start: usize, end: usize) -> Option<Span> {
    Some(Span { start: u32::try_from(start).ok()?, end: u32::try_from(end).ok()? })
}

/// A text in which names are looked for.
pub(super) struct Named {
    chars: Vec<char>,
    /// The places after which a name may begin.
    signs: Vec<usize>,
}

impl Named {
    /// A text; `None` where no name can stand in it.
    pub(super) fn of(content: &Content) -> Option<Self> {
        let Content::Text(text) = content else { return None };
        if !text.contains('@') {
            return None;
        }
        let (links, chars) = (links(content), text.chars().collect::<Vec<_>>());
        let is_sign = |place: &usize| {
            let before = place.checked_sub(1).and_then(|before| chars.get(before));
            let after = chars.get(place + 1);
            let in_link = |link: &Span| (link.start as usize..link.end as usize).contains(place);
            chars.get(*place) == Some(&'@')
                // An e-mail address mentions nobody.
                && before.is_none_or(|before| !before.is_alphanumeric() && !matches!(before, '_' | '.' | '-' | '+' | '@' | '/'))
                && after.is_some_and(|after| !after.is_whitespace() && *after != '@')
                && !links.iter().any(in_link)
        };
        let signs: Vec<usize> = (0..chars.len()).filter(is_sign).take(SIGNS).collect();
        if signs.is_empty() { None } else { Some(Self { chars, signs }) }
    }

    /// The places of the longest names after each sign, with the place of the name in the list, which has long names first. Names are
    /// equal whatever the case of their letters.
    pub(super) fn find(&self, names: &[Vec<char>]) -> Vec<(Span, usize)> {
        let mut found = Vec::new();
        for sign in &self.signs {
            let text = self.chars.get(sign + 1..).unwrap_or_default();
            let mut longest = None;
            for (place, name) in names.iter().enumerate() {
                if longest.is_some_and(|longest| name.len() < longest) {
                    break;
                }
                if begins(text, name) {
                    longest = Some(name.len());
                    found.extend(span(*sign, sign + 1 + name.len()).map(|span| (span, place)));
                }
            }
        }
        found
    }
}

/// Whether a text begins with a name, which ends there.
fn begins(text: &[char], name: &[char]) -> bool {
    let same = |(one, other): (&char, &char)| one == other || one.to_lowercase().eq(other.to_lowercase());
    let ends = text.get(name.len()).is_none_or(|next| !next.is_alphanumeric() && *next != '_');
    !name.is_empty() && name.len() <= text.len() && ends && text.iter().zip(name).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, spans: impl IntoIterator<Item = Span>) -> Vec<String> {
        let part =
            |Span { start, end }| text.chars().skip(start as usize).take((end - start) as usize).collect::<String>();
        spans.into_iter().map(part).collect()
    }

    #[test]
    fn links_are_those_of_web_pages() {
        for (text, expected) in [
            ("", &[][..]),
            ("no link, a@b.example, www.example.com, ftp://x.example/y, javascript://x", &[]),
            ("see https://example.com/a?b=c#d.", &["https://example.com/a?b=c#d"]),
            (
                "\u{1f600} (http://example.com) und HTTPS://\u{fc}ber.example/\u{1f600}!",
                &["http://example.com", "HTTPS://\u{fc}ber.example/\u{1f600}"],
            ),
        ] {
            assert_eq!(shown(text, links(&Content::Text(text.to_owned()))), expected, "{text}");
        }
        let many = "https://example.com ".repeat(MAX_LINKS + 1);
        assert_eq!(links(&Content::Text(many)).len(), MAX_LINKS);
    }

    #[test]
    fn names_are_found_where_they_are_meant() {
        let mut names: Vec<Vec<char>> =
            ["Bob", "bob smith", "\u{e4}nne", "b", ""].map(|name| name.chars().collect()).into();
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        for (text, expected) in [
            ("@bob", &["@bob"][..]),
            ("\u{1f600}@BOB, @bob. (@bob) @bob\u{1f600}", &["@BOB", "@bob", "@bob", "@bob"]),
            ("@bob smith and @bob smithy", &["@bob smith", "@bob"]),
            ("@bobby @bob_ @bob2 bob bob@bob.example x@bob .@bob @@bob /@bob", &[]),
            ("@\u{c4}NNE", &["@\u{c4}NNE"]),
            ("@ bob @", &[]),
            ("https://example.com/@bob @b", &["@b"]),
        ] {
            let found = Named::of(&Content::Text(text.to_owned())).map_or_else(Vec::new, |text| text.find(&names));
            assert_eq!(shown(text, found.into_iter().map(|(span, _)| span)), expected, "{text}");
        }
        let many = Named::of(&Content::Text("@bob ".repeat(10 * SIGNS))).map(|text| text.find(&names).len());
        assert_eq!(many, Some(SIGNS));
    }
}
