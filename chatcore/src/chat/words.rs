//! A message policy of lists: words and links.

mod folding;
mod hosts;

use std::collections::HashSet;

use async_trait::async_trait;

use folding::Part;
use hosts::{Address, Name, addresses, host, names};

use super::{MessageDraft, MessagePolicy, Verdict};
use crate::{error::Refusal, model::Content};

/// The outcome for a message with a listed word or link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnMatch {
    /// The message is refused, with the code `WORD_NOT_ALLOWED` or `LINK_NOT_ALLOWED`.
    #[default]
    Refuse,
    /// The message waits for the approval of an owner or admin.
    Hold,
    /// Each character of the word or of the link becomes an asterisk. A match in the name of an attachment is refused, since a policy
    /// cannot change that name.
    Mask,
}

/// The links that a [`ListPolicy`] lets pass. A domain stands for its subdomains, too, and is in ASCII.
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
/// The policy reads the text of a message and the names of its attachments, and no metadata. Encrypted content passes, since the server
/// cannot read encrypted content.
///
/// **Words.** A word is a sequence of letters and digits. Words match as a whole: `ass` does not match `class`. The case of letters makes
/// no difference, nor do accents, characters that are not drawn, and other forms of a letter, such as a full-width one.
///
/// **Links** are read as a browser reads them, and compared by their hosts: also hosts in other scripts, in punycode, and with escaped letters.
/// - An `http` or `https` address goes up to white space, `<`, `>` or a quotation mark. An address within another address is a further
///   link. [`only_links`](Self::only_links) refuses an address with an unreadable host. A text with more than 200 addresses never passes.
/// - A host of more than 1,024 bytes counts as found by each of the two lists, since characters that are not drawn can hide a listed
///   domain in such a host. So does a name without a scheme of that length. No name in the DNS needs so many bytes.
/// - [`no_links`](Self::no_links) finds a name without a scheme at any place, except in e-mail addresses. `only_links` treats such a name
///   as a link if the name begins with `www.` or has a path, such as `example.com/offer`. So `main.rs` and `example.com` pass, and
///   `Node.js/React` does not.
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

/// An entry of a list of domains as hosts are compared; `None` where it is no domain.
fn domain(entry: &str) -> Option<String> {
    host(entry.trim().trim_matches('.'))
}

fn domains(entries: impl IntoIterator<Item = impl AsRef<str>>) -> HashSet<String> {
    entries.into_iter().filter_map(|entry| domain(entry.as_ref())).collect()
}

fn is_within(host: &str, domains: &HashSet<String>) -> bool {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, parent)| parent))
        .any(|host| domains.contains(host))
}

/// The text with an asterisk in the place of each character of the parts.
fn masked(text: &str, parts: &[Part]) -> String {
    let is_masked = |at: usize| parts.iter().any(|(start, end)| (*start..*end).contains(&at));
    text.char_indices().map(|(at, sign)| if is_masked(at) { '*' } else { sign }).collect()
}

impl ListPolicy {
    /// A policy that allows every message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an entry of a list is one word of letters and digits, so that [`words`](Self::words) can find it.
    #[must_use]
    pub fn is_word(entry: &str) -> bool {
        folding::is_word(entry.trim())
    }

    /// Whether an entry of a list is a domain, so that [`no_links`](Self::no_links) and [`only_links`](Self::only_links) can compare it. An
    /// entry with a `*` is no domain, since a domain includes its subdomains.
    #[must_use]
    pub fn is_domain(entry: &str) -> bool {
        !entry.contains('*') && domain(entry).is_some()
    }

    /// Finds these words. An entry that is not one word of letters and digits matches nothing.
    #[must_use]
    pub fn words(mut self, words: impl IntoIterator<Item = impl AsRef<str>>, on_match: OnMatch) -> Self {
        self.words = words.into_iter().map(|word| folding::word(word.as_ref().trim())).collect();
        self.on_word = on_match;
        self
    }

    /// Finds links to these domains and their subdomains. An entry that is no domain matches nothing.
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
        if self.words.is_empty() { Vec::new() } else { folding::words(text, |word| self.words.contains(word)) }
    }

    fn listed_links(&self, text: &str) -> Vec<Part> {
        if self.links == Links::All {
            return Vec::new();
        }
        let Some(addresses) = addresses(text) else { return vec![(0, text.len())] };
        let names = names(text, &addresses);
        let addresses = addresses.iter().filter(|address| self.links.lists(address)).map(|address| address.part);
        addresses.chain(names.iter().filter(|name| self.links.lists_name(name)).map(|name| name.part)).collect()
    }

    /// The verdict on a text and the names of attachments.
    fn verdict(&self, text: &str, names: &[&str]) -> Verdict {
        let word = ("WORD_NOT_ALLOWED", "leave out the word that is not allowed here");
        let link = ("LINK_NOT_ALLOWED", "leave out the link that is not allowed here");
        let in_names = |found: &dyn Fn(&str) -> Vec<Part>| names.iter().any(|name| !found(name).is_empty());
        let found = [
            (self.listed_words(text), in_names(&|name| self.listed_words(name)), self.on_word, word),
            (self.listed_links(text), in_names(&|name| self.listed_links(name)), self.on_link, link),
        ];
        let mut masks = Vec::new();
        let mut is_held = None;
        for (parts, is_named, on_match, (code, detail)) in found {
            match on_match {
                _ if parts.is_empty() && !is_named => {}
                OnMatch::Refuse => return Verdict::Refuse(Refusal::new(code, detail)),
                OnMatch::Hold => is_held = Some(code),
                OnMatch::Mask if is_named => return Verdict::Refuse(Refusal::new(code, detail)),
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

impl Links {
    /// Whether an address is found.
    fn lists(&self, Address { part: _, host, is_too_long, begin }: &Address) -> bool {
        let is_in = |host: &Option<String>, domains| host.as_ref().is_some_and(|host| is_within(host, domains));
        match self {
            Self::All => false,
            Self::But(domains) => *is_too_long || is_in(host, domains) || is_in(begin, domains),
            Self::Only(domains) => !is_in(host, domains),
        }
    }

    /// Whether a name without a scheme is found.
    fn lists_name(&self, Name { part: _, host, is_address }: &Name) -> bool {
        match self {
            Self::All => false,
            Self::But(domains) => host.as_ref().is_none_or(|host| is_within(host, domains)),
            Self::Only(domains) => *is_address && host.as_ref().is_none_or(|host| !is_within(host, domains)),
        }
    }
}

#[async_trait]
impl MessagePolicy for ListPolicy {
    async fn review(&self, draft: &MessageDraft) -> Verdict {
        let text = match &draft.body.content {
            Content::Text(text) => text,
            Content::Encrypted(_) | Content::Deleted => "",
        };
        let names: Vec<&str> = draft.body.attachments.iter().map(|attachment| attachment.name.as_str()).collect();
        self.verdict(text, &names)
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
            // In the decomposed form, with accents, and with characters that are not drawn.
            ("gro\u{308}\u{df}e!", "******!"),
            ("\u{e1}ss a\u{301}ss\u{301}.", "*** *****."),
            ("a\u{200b}s\u{ad}s a\u{336}s\u{336}s", "***** *****"),
            ("\u{ff21}\u{ff53}\u{ff53} \u{212b}ss", "*** ***"),
            // No words of the list.
            ("cl\u{200b}ass a s s", "allow"),
            ("assassin as s", "allow"),
            ("", "allow"),
        ] {
            assert_eq!(code(policy.verdict(text, &[])), verdict, "{text}");
        }
    }

    /// A vowel sign or a voicing mark makes another word. It is the same word in each form.
    #[test]
    fn marks_that_are_no_accents_make_a_difference() {
        let policy = ListPolicy::new().words(["\u{915}\u{93f}", "\u{304c}\u{304d}"], OnMatch::Mask);
        for (text, verdict) in [
            ("\u{915}\u{93f}", "**"),
            ("\u{915}\u{940} \u{915}", "allow"),
            ("\u{304b}\u{3099}\u{304d}", "***"),
            ("\u{304b}\u{304d}", "allow"),
        ] {
            assert_eq!(code(policy.verdict(text, &[])), verdict, "{text}");
        }
    }

    const NO: &str = "refuse LINK_NOT_ALLOWED";
    const ONLY: &str = "hold LINK_NOT_ALLOWED";

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
            ("https://\u{ff45}vil.com", NO, ONLY),
            ("https://evil\u{3002}com", NO, ONLY),
            ("https://ev\u{ad}il.com", NO, ONLY),
            ("https://evil%2ecom", NO, ONLY),
            ("https://a_.evil.com/x", NO, ONLY),
            ("https://-a.evil.com", NO, ONLY),
            ("https:///evil.com", NO, ONLY),
            ("https:\\\\evil.com\\x", NO, ONLY),
            ("xhttps:evil.com", NO, ONLY),
            ("https://evil.com\u{3001}x https://evil.com'x", NO, ONLY),
            ("https://good.com/?to=https://evil.com", NO, ONLY),
            ("https://3232235777/", "allow", ONLY),
            ("https://[2606:4700::1]/", "allow", ONLY),
            ("https://a^b", "allow", ONLY),
            ("(https://good.com), [https://good.com] <https://good.com>", "allow", "allow"),
            ("\"https://good.com\" https://good.com\u{1f600}", "allow", "allow"),
            ("http: and https:// are schemes", "allow", "allow"),
            // Without a scheme.
            ("Evil.com", NO, "allow"),
            ("x/evil.com?", NO, "allow"),
            ("www.evil.com", NO, ONLY),
            ("evil.com:80/x", NO, ONLY),
            ("//evil.com/", NO, ONLY),
            ("bob@evil.com", "allow", "allow"),
            ("www.good.com good.com/x", "allow", "allow"),
            ("Node.js main.rs src/main.rs/x hello.How are you 1.5/2 e.g. 3.14", "allow", "allow"),
        ] {
            assert_eq!(code(no.verdict(text, &[])), by_no, "{text}");
            assert_eq!(code(only.verdict(text, &[])), by_only, "{text}");
        }
    }

    /// A browser reads a listed domain in each of the long hosts.
    #[test]
    fn a_host_that_is_too_long_to_be_read_counts_as_found() {
        let no = ListPolicy::new().no_links(["evil.com"], OnMatch::Refuse);
        let only = ListPolicy::new().only_links(["good.com"], OnMatch::Hold);
        for (before, padding, after, by_no, by_only) in [
            ("evil.com", "\u{200b}", "", NO, ONLY),
            ("www.ev", "\u{ad}", "il.com", NO, ONLY),
            ("www.evil.com", "\u{200b}", "", NO, ONLY),
            ("//evil.com", "\u{fe0f}", "/x", NO, ONLY),
            ("https://ev", "\u{200b}", "il.com/x", NO, ONLY),
            ("https://ev", "%E2%80%8B", "il.com/x", NO, ONLY),
            ("https://evil.com:", "0", "443/", NO, ONLY),
            // Long, but no hosts.
            ("https://good.com/", "\u{200b}", "x", "allow", "allow"),
            ("https://", "me", "@good.com/", "allow", "allow"),
            ("bob@evil.com", "\u{200b}", "", "allow", "allow"),
            ("no dot ", "x", "", "allow", "allow"),
            ("and so on", ".", " and on", "allow", "allow"),
        ] {
            let text = format!("see {before}{}{after}", padding.repeat(1_100));
            assert_eq!(code(no.verdict(&text, &[])), by_no, "{before} {padding} {after}");
            assert_eq!(code(only.verdict(&text, &[])), by_only, "{before} {padding} {after}");
        }
    }

    #[test]
    fn a_domain_is_the_same_in_its_script_and_in_ascii() {
        for entry in ["b\u{fc}cher.example", "xn--bcher-kva.example"] {
            let no = ListPolicy::new().no_links([entry], OnMatch::Mask);
            let only = ListPolicy::new().only_links([entry], OnMatch::Refuse);
            for (text, masked) in [
                ("an https://B\u{dc}CHER.example/x!", format!("an {}!", "*".repeat(24))),
                ("an http://xn--bcher-kva.example.", format!("an {}.", "*".repeat(28))),
                ("bu\u{308}cher.example/x y", format!("{} y", "*".repeat(17))),
            ] {
                assert_eq!(code(no.verdict(text, &[])), masked, "{entry} {text}");
                assert_eq!(code(only.verdict(text, &[])), "allow", "{entry} {text}");
            }
        }
    }

    #[test]
    fn names_of_attachments_are_read_and_cannot_be_masked() {
        for (on_match, verdict) in [(OnMatch::Refuse, "refuse"), (OnMatch::Hold, "hold"), (OnMatch::Mask, "refuse")] {
            let policy = ListPolicy::new().words(["spam"], on_match).no_links(["evil.com"], on_match);
            assert_eq!(code(policy.verdict("", &["a.pdf", "Spam.pdf"])), format!("{verdict} WORD_NOT_ALLOWED"));
            assert_eq!(code(policy.verdict("", &["see evil.com"])), format!("{verdict} LINK_NOT_ALLOWED"));
            assert_eq!(code(policy.verdict("fine", &["a.pdf"])), "allow");
        }
    }

    /// No text makes a policy slow, or breaks it.
    #[test]
    fn long_texts_of_one_kind_are_read_quickly() {
        let policy = ListPolicy::new().words(["spam"], OnMatch::Mask).only_links(["good.com"], OnMatch::Hold);
        let begun = std::time::Instant::now();
        for part in ["http:", "https://a", "a.", "a.b/", "\u{301}", "\u{fdfa}", "@a.b", "%2e", "\u{200b}."] {
            let text: String = part.chars().cycle().take(8_000).collect();
            let _ = policy.verdict(&text, &[]);
        }
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
        assert_eq!(code(policy.verdict(&"https://good.com ".repeat(200), &[])), "allow");
        assert_eq!(code(policy.verdict(&"https://good.com ".repeat(201), &[])), ONLY);
    }

    #[test]
    fn an_entry_is_one_word_or_one_domain() {
        for (entry, is_word) in [
            ("Ass", true),
            (" gr\u{f6}\u{df}e ", true),
            ("\u{200b}ass", true),
            ("4you", true),
            ("two words", false),
            ("a-b", false),
            ("a*", false),
            ("\u{301}", false),
            ("", false),
        ] {
            assert_eq!(ListPolicy::is_word(entry), is_word, "{entry}");
            let policy = ListPolicy::new().words([entry], OnMatch::Refuse);
            assert_eq!(code(policy.verdict(entry, &[])) != "allow", is_word, "{entry}");
        }
        for entry in ["evil.com", " .Evil.com. ", "b\u{fc}cher.example", "localhost", "10.0.0.1", "[::1]"] {
            assert!(ListPolicy::is_domain(entry), "{entry}");
        }
        for entry in ["https://evil.com", "evil.com/x", "evil.com:80", "evil com", "*.evil.com", "a@b.com", ".", ""] {
            assert!(!ListPolicy::is_domain(entry), "{entry}");
        }
    }

    #[test]
    fn the_strictest_outcome_wins() {
        let policy = ListPolicy::new().words(["spam"], OnMatch::Mask).only_links([""; 0], OnMatch::Hold);
        assert_eq!(code(policy.verdict("spam", &[])), "****");
        assert_eq!(code(policy.verdict("spam https://a.example", &[])), "hold LINK_NOT_ALLOWED");
        let policy = policy.words(["spam"], OnMatch::Refuse);
        assert_eq!(code(policy.verdict("spam https://a.example", &[])), "refuse WORD_NOT_ALLOWED");
    }
}
