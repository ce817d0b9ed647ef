//! Use cases about the emojis of a session's own.

use std::sync::Arc;

use super::{
    Chat,
    decide::{turns::behind, validate::Faults},
    read::batch::only,
};
use crate::{
    error::{Code, Error, Result},
    identity::Principal,
    limits::Use,
    model::{EmojiName, EventKind, NewEvent, Seq, SessionEmoji, SessionEvent, SessionId},
    permission::Action,
    store::{Change, EmojiList, Emojis, Freshness, Record, TypedKey, Version, typed},
    trace::use_case,
};

/// Maximum number of custom emojis of one session.
pub const MAX_EMOJIS: usize = 100;

/// Maximum length of the address of an emoji's picture, in characters.
pub const MAX_EMOJI_URL_CHARS: usize = 2_048;

/// What is to become of an emoji.
#[derive(Debug, Clone)]
enum Intent {
    Add(SessionEmoji),
    Remove(EmojiName),
}

/// The emojis of a session's own, as they were found.
#[derive(Debug, Default)]
pub(super) struct OwnEmojis {
    /// The version of their record; `None` where there is no record.
    version: Option<Version>,
    list: Arc<EmojiList>,
    /// The last position at which they changed.
    pub(super) at: Seq,
}

impl OwnEmojis {
    pub(super) fn of(record: Option<Record>) -> Result<Self> {
        let Some(found) = typed::<EmojiList>(record)? else { return Ok(Self::default()) };
        Ok(Self { version: Some(found.version), list: found.value, at: found.at })
    }

    fn place(&self, name: &EmojiName) -> Result<usize, usize> {
        self.list.emojis.binary_search_by(|emoji| emoji.name.cmp(name))
    }

    /// Whether the session has an emoji of the name.
    pub(super) fn has(&self, name: &EmojiName) -> bool {
        self.place(name).is_ok()
    }

    /// The emojis after a change, and the event that tells of it; `None` where nothing is to be changed.
    fn plan(&self, intent: &Intent) -> Result<Option<(EmojiList, SessionEvent)>> {
        let mut emojis = self.list.emojis.clone();
        let event = match intent {
            Intent::Add(emoji) => {
                match self.place(&emoji.name) {
                    Ok(place) => match emojis.get_mut(place) {
                        Some(before) if before != emoji => *before = emoji.clone(),
                        Some(_) | None => return Ok(None),
                    },
                    Err(_) if emojis.len() >= MAX_EMOJIS => {
                        let limit = MAX_EMOJIS as u64;
                        return Err(Error::LimitExceeded { what: "the number of emojis of one session", limit });
                    }
                    Err(place) => emojis.insert(place, emoji.clone()),
                }
                SessionEvent::EmojiAdded { emoji: emoji.clone() }
            }
            Intent::Remove(name) => {
                let Ok(place) = self.place(name) else { return Ok(None) };
                emojis.remove(place);
                SessionEvent::EmojiRemoved { name: name.clone() }
            }
        };
        Ok(Some((EmojiList { emojis }, event)))
    }
}

/// Whether a text is an address of the web by the characters and the beginning that it has. A host of another script has the form that is
/// sent (RFC 3986).
pub(super) fn is_https(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    !host.is_empty() && !host.starts_with(':') && !host.contains('@') && rest.chars().all(allowed)
}

impl Chat {
    /// The custom emojis of a session, in the order of their names.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not view the session.
    pub async fn emojis(&self, principal: &Principal, id: SessionId) -> Result<Vec<SessionEmoji>> {
        use_case!("emojis", id, async move {
            self.enter(principal, Use::Request).await?;
            let known = self.allowed(id, principal, Action::View, Freshness::Fresh).await?;
            let own = self.own_emojis(id).await?;
            only(self.decided_upto(&principal.user_id, [(known.sight()?, own.at)]).await?)?;
            Ok(own.list.emojis.clone())
        })
    }

    /// Adds a custom emoji to a session. Users react with `:name:`. For an existing name, the call replaces the address. A repeated call
    /// changes nothing, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not manage emojis; [`Invalid`](Error::Invalid) for an address that does not begin with
    /// `https://` or has more than [`MAX_EMOJI_URL_CHARS`] characters; [`LimitExceeded`](Error::LimitExceeded) when the session has
    /// [`MAX_EMOJIS`].
    pub async fn add_emoji(
        &self,
        principal: &Principal,
        id: SessionId,
        name: &EmojiName,
        url: Option<String>,
    ) -> Result<()> {
        use_case!("add_emoji", id, async move {
            self.enter(principal, Use::Request).await?;
            let mut faults = Faults::default();
            if let Some(url) = &url {
                faults.text("url", url, MAX_EMOJI_URL_CHARS, false);
                if !is_https(url) {
                    faults.add("url", Code::ValidationInvalidValue, "an address that begins with https://".to_owned());
                }
            }
            faults.finish()?;
            self.change_emoji(principal, id, Intent::Add(SessionEmoji { name: name.clone(), url })).await
        })
    }

    /// Removes a custom emoji of a session. Reactions with the emoji stay, and users can remove these reactions; new reactions with the
    /// emoji are refused. Without an emoji of the name, nothing changes, so a retry is safe.
    ///
    /// # Errors
    /// [`Denied`](Error::Denied) when the caller may not manage emojis.
    pub async fn remove_emoji(&self, principal: &Principal, id: SessionId, name: &EmojiName) -> Result<()> {
        use_case!("remove_emoji", id, async move {
            self.enter(principal, Use::Request).await?;
            self.change_emoji(principal, id, Intent::Remove(name.clone())).await
        })
    }

    async fn change_emoji(&self, principal: &Principal, session: SessionId, intent: Intent) -> Result<()> {
        // All emojis of a session are one record, so two changes at once would only make each other fail.
        let gate = self.inner.gates.pass(session).await;
        for freshness in self.turns() {
            let known = self.allowed(session, principal, Action::ManageEmojis, freshness).await?;
            let found = self.own_emojis(session).await?;
            let head = known.head;
            let (list, event) = match (found.plan(&intent), freshness) {
                (Ok(Some(planned)), _) => planned,
                (settled, Freshness::Fresh) if found.at <= head.seq => return settled.map(drop),
                (Ok(None) | Err(_), Freshness::Fresh | Freshness::Cached) => continue,
            };
            let write = Emojis { session }.put(list);
            let write = match found.version {
                Some(version) => write.at(version),
                None => write.absent(),
            };
            let created_at = self.inner.clock.now().max(head.at);
            let event = NewEvent { actor: principal.user_id.clone(), created_at, kind: EventKind::Session(event) };
            let change = Change::of(session, head.seq, vec![event], vec![write]);
            let Some(committed) = self.try_commit(change).await? else { continue };
            drop(gate);
            self.tell(session, &committed.events).await;
            return Ok(());
        }
        Err(behind(session, "a change of an emoji"))
    }

    async fn own_emojis(&self, session: SessionId) -> Result<OwnEmojis> {
        OwnEmojis::of(self.inner.store.records(&[Emojis { session }.key()]).await?.pop().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_the_web() {
        for good in ["https://a", "https://example.org/a.png?b=%20#c", "https://[2001:db8::1]:8443/a", "https://a.b:1"]
        {
            assert!(is_https(good), "{good}");
        }
        for bad in [
            "",
            "https://",
            "https:///a",
            "https://?a",
            "https://:443/a",
            "http://a",
            "HTTPS://a",
            "//a",
            "a.png",
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "https://user@a/",
            "https://a b",
            "https://a/\u{e4}",
            "https://a/\"",
            "https://a\\b",
            "https://a/<b>",
            " https://a",
        ] {
            assert!(!is_https(bad), "{bad}");
        }
    }
}
