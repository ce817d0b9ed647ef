//! A message policy of lists: words and links.

use std::collections::HashSet;

use async_trait::async_trait;
use linkify::{LinkFinder, LinkKind};

use super::{MessageDraft, MessagePolicy, Verdict};
use crate::{error::Refusal, model::Content};

/// What becomes of a message with a listed word or link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMatch {
    /// It is refused, with the code `WORD_NOT_ALLOWED` or `LINK_NOT_ALLOWED`.
    #[default]
    Refuse,
    /// It waits for the approval of an owner or admin.
    Hold,
    /// Each letter of the word, or each character of the link, becomes an asterisk.
    Mask,
}

/// The links that a [`ListPolicy`] lets pass. A domain stands for its subdomains, too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Links {
    #[default]
    All,
    /// All but those to these domains.
    But(HashSet<String>),
    /// None but those to these domains.
    Only(HashSet<String>),
}

/// A [`MessagePolicy`] of word lists and link lists.
///
/// A word is a sequence of letters and digits. It matches as a whole, whatever the case of its letters: `ass` does not match `class`. Links are
/// the `http` and `https` addresses that messages mark as links, and addresses without a scheme such as `example.com/offer`. Encrypted content
/// passes, since the server cannot read it.
///
/// ```
/// use chatcore::chat::{ListPolicy, OnMatch};
///
/// let policy = ListPolicy::new().words(["viagra", "Casino"], OnMatch::Hold).only_links(["example.com"], OnMatch::Refuse);
/// let chat = chatcore::Chat::builder(chatcore::MemoryStore::new()).message_policy(policy).build();
/// # drop(chat);
/// ```
#[derive(Debug, Clone, Default)]
pub struct ListPolicy {
    words: HashSet<String>,
    on_word: OnMatch,
    links: Links,
    on_link: OnMatch,
}

fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

fn domains(domains: impl IntoIterator<Item = impl AsRef<str>>) -> HashSet<String> {
    domains.into_iter().map(|domain| folded(domain.as_ref().trim().trim_matches('.'))).collect()
}

/// The host of a link, in small letters; `None` where there is none.
fn host(link: &str) -> Option<String> {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = host.split(':').next()?.trim_matches('.');
    (!host.is_empty()).then(|| folded(host))
}

fn is_within(host: &str, domains: &HashSet<String>) -> bool {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, parent)| parent))
        .any(|host| domains.contains(host))
}

/// A part of a text, in bytes.
type Part = (usize, usize);

/// The text with an asterisk in the place of each character of the parts.
fn masked(text: &str, parts: &[Part]) -> String {
    let is_masked = |at: usize| parts.iter().any(|(start, end)| (*start..*end).contains(&at));
    text.char_indices().map(|(at, sign)| if is_masked(at) { '*' } else { sign }).collect()
}

impl ListPolicy {
    /// A policy that lets everything pass.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds these words. An entry that is not one word of letters and digits matches nothing.
    #[must_use]
    pub fn words(mut self, words: impl IntoIterator<Item = impl AsRef<str>>, on_match: OnMatch) -> Self {
        self.words = words.into_iter().map(|word| folded(word.as_ref().trim())).collect();
        self.on_word = on_match;
        self
    }

    /// Finds links to these domains and their subdomains.
    #[must_use]
    pub fn no_links(mut self, to: impl IntoIterator<Item = impl AsRef<str>>, on_match: OnMatch) -> Self {
        (self.links, self.on_link) = (Links::But(domains(to)), on_match);
        self
    }

    /// Finds links to other domains than these and their subdomains. Without a domain it finds each link.
    #[must_use]
    pub fn only_links(mut self, to: impl IntoIterator<Item = impl AsRef<str>>, on_match: OnMatch) -> Self {
        (self.links, self.on_link) = (Links::Only(domains(to)), on_match);
        self
    }

    fn listed_words(&self, text: &str) -> Vec<Part> {
        if self.words.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut start = None;
        for (at, sign) in text.char_indices().chain([(text.len(), ' ')]) {
            match (start, sign.is_alphanumeric()) {
                (None, true) => start = Some(at),
                (Some(from), false) => {
                    if text.get(from..at).is_some_and(|word| self.words.contains(&folded(word))) {
                        found.push((from, at));
                    }
                    start = None;
                }
                (None, false) | (Some(_), true) => {}
            }
        }
        found
    }

    fn listed_links(&self, text: &str) -> Vec<Part> {
        let is_listed: &dyn Fn(&str) -> bool = match &self.links {
            Links::All => return Vec::new(),
            Links::But(domains) => &|host| is_within(host, domains),
            Links::Only(domains) => &|host| !is_within(host, domains),
        };
        let mut finder = LinkFinder::new();
        finder.kinds(&[LinkKind::Url]).url_must_have_scheme(false);
        let listed = |link: &linkify::Link<'_>| host(link.as_str()).is_some_and(|host| is_listed(&host));
        finder.links(text).filter(listed).map(|link| (link.start(), link.end())).collect()
    }

    /// The verdict on a text.
    fn verdict(&self, text: &str) -> Verdict {
        let found = [
            (self.listed_words(text), self.on_word, "WORD_NOT_ALLOWED", "leave out the word that is not allowed here"),
            (self.listed_links(text), self.on_link, "LINK_NOT_ALLOWED", "leave out the link that is not allowed here"),
        ];
        let mut masks = Vec::new();
        let mut is_held = None;
        for (parts, on_match, code, detail) in found.into_iter().filter(|(parts, ..)| !parts.is_empty()) {
            match on_match {
                OnMatch::Refuse => return Verdict::Refuse(Refusal::new(code, detail)),
                OnMatch::Hold => is_held = Some(code),
                OnMatch::Mask => masks.extend(parts),
            }
        }
        match is_held {
            Some(code) => Verdict::Hold(Some(code.to_owned())),
            None if masks.is_empty() => Verdict::Allow,
            None => Verdict::Change(Content::Text(masked(text, &masks))),
        }
    }
}

#[async_trait]
impl MessagePolicy for ListPolicy {
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        match &draft.body.content {
            Content::Text(text) => self.verdict(text),
            Content::Encrypted(_) | Content::Deleted => Verdict::Allow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(verdict: Verdict) -> String {
        match verdict {
            Verdict::Allow => "allow".to_owned(),
            Verdict::Change(Content::Text(text)) => text,
            Verdict::Change(Content::Encrypted(_) | Content::Deleted) => "no text".to_owned(),
            Verdict::Hold(reason) => format!("hold {}", reason.unwrap_or_default()),
            Verdict::Refuse(refusal) => format!("refuse {}", refusal.code()),
        }
    }

    #[test]
    fn words_match_as_a_whole_and_whatever_their_case() {
        let policy = ListPolicy::new().words(["Ass", "größe"], OnMatch::Mask);
        for (text, verdict) in [
            ("an ASS, a class", "an ***, a class"),
            ("ass", "***"),
            ("GRÖSSE größe GRÖẞE", "GRÖSSE ***** *****"),
            ("(ass)ass_ass", "(***)***_***"),
            ("assassin as s", "allow"),
            ("", "allow"),
        ] {
            assert_eq!(code(policy.verdict(text)), verdict, "{text}");
        }
    }

    #[test]
    fn a_domain_stands_for_its_subdomains_only() {
        let no = ListPolicy::new().no_links(["evil.com"], OnMatch::Refuse);
        let only = ListPolicy::new().only_links(["good.com"], OnMatch::Hold);
        for (text, by_no, by_only) in [
            ("see https://evil.com/x", "refuse LINK_NOT_ALLOWED", "hold LINK_NOT_ALLOWED"),
            ("see HTTP://A.Evil.COM:8080?x", "refuse LINK_NOT_ALLOWED", "hold LINK_NOT_ALLOWED"),
            ("see evil.com/x", "refuse LINK_NOT_ALLOWED", "hold LINK_NOT_ALLOWED"),
            ("https://good.com@evil.com/", "refuse LINK_NOT_ALLOWED", "hold LINK_NOT_ALLOWED"),
            ("https://evil.com.good.com", "allow", "allow"),
            ("https://notevil.com", "allow", "hold LINK_NOT_ALLOWED"),
            ("https://www.good.com./a", "allow", "allow"),
            ("no link", "allow", "allow"),
        ] {
            assert_eq!(code(no.verdict(text)), by_no, "{text}");
            assert_eq!(code(only.verdict(text)), by_only, "{text}");
        }
    }

    #[test]
    fn the_strictest_outcome_wins() {
        let policy = ListPolicy::new().words(["spam"], OnMatch::Mask).only_links([""; 0], OnMatch::Hold);
        assert_eq!(code(policy.verdict("spam")), "****");
        assert_eq!(code(policy.verdict("spam https://a.example")), "hold LINK_NOT_ALLOWED");
        let policy = policy.words(["spam"], OnMatch::Refuse);
        assert_eq!(code(policy.verdict("spam https://a.example")), "refuse WORD_NOT_ALLOWED");
    }
}
