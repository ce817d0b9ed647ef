//! Checks of what callers give, by the limits.

use crate::chat::{
    CreateInvite, INVITE_SECONDS_MAX, INVITE_USES_MAX,
    {
        mentions::MAX_MENTIONS,
        read::lists::Slice,
        sessions::{MAX_AVATAR_URL_CHARS, MAX_TAG_CHARS, MAX_TAGS},
        slow_mode::MAX_SLOW_MODE_SECONDS,
    },
};
use crate::{
    error::{Code, Error, FieldError, Result},
    limits::Limits,
    model::{
        Content, MessageBody, MessageId, MessageType, MessageWindow, Page, SessionChanges, SessionId, SessionType,
        UserId,
        visible::{ends_line, is_visible, turns_text},
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use std::time::Duration;

/// Collects what is wrong, so that a caller learns of everything at once.
#[derive(Default)]
pub(in crate::chat) struct Faults(Vec<FieldError>);

impl Faults {
    pub(in crate::chat) fn add(&mut self, field: &str, code: Code, message: String) {
        self.0.push(FieldError::new(field, code, message));
    }

    pub(in crate::chat) fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }

    pub(in crate::chat) fn text(&mut self, field: &str, text: &str, max: usize, many_lines: bool) {
        if text.chars().take(max + 1).count() > max {
            self.add(field, Code::ValidationLengthExceeded, format!("at most {max} characters"));
        }
        let allowed = |c: char| many_lines && matches!(c, '\n' | '\r' | '\t');
        if text.chars().any(|c| c.is_control() && !allowed(c)) {
            self.add(field, Code::ValidationInvalidValue, "control characters are not allowed".to_owned());
        }
        // A line is shown among other text, whose order such a character changes.
        if !many_lines && text.chars().any(|c| ends_line(c) || turns_text(c)) {
            let message = "characters that end a line or turn its direction are not allowed";
            self.add(field, Code::ValidationInvalidValue, message.to_owned());
        }
    }

    /// A line of text that people read.
    pub(in crate::chat) fn line(&mut self, field: &str, text: &str, max: usize) {
        if !is_visible(text) {
            self.add(field, Code::ValidationRequiredField, "at least 1 character that can be seen".to_owned());
        }
        self.text(field, text, max, false);
    }

    /// A time that has to come and has passed.
    pub(in crate::chat) fn past(&mut self, field: &str) {
        self.add(field, Code::ValidationInvalidValue, "must be in the future".to_owned());
    }

    fn session_type(&mut self, session_type: SessionType) {
        if session_type == SessionType::Direct {
            let message = "PRIVATE, PUBLIC or INVITE_ONLY; a DIRECT session is started with its other user";
            self.add("session_type", Code::ValidationInvalidValue, message.to_owned());
        }
    }

    fn cap(&mut self, cap: u32, limits: &Limits) {
        if cap == 0 || cap > limits.max_participants {
            let message = format!("1 to {}", limits.max_participants);
            self.add("max_participants", Code::ValidationInvalidValue, message);
        }
    }

    /// The settings that are named.
    pub(in crate::chat) fn settings(&mut self, settings: &SessionChanges, limits: &Limits) {
        let SessionChanges {
            title,
            description,
            session_type,
            max_participants,
            slow_mode_seconds,
            message_lifetime,
            history_visibility: _,
            tags,
            avatar_url,
            metadata,
            receipts: _,
        } = settings;
        if let Some(title) = title {
            self.line("title", title, limits.title_chars);
        }
        if let Some(Some(description)) = description {
            self.text("description", description, limits.description_chars, true);
        }
        if let Some(session_type) = session_type {
            self.session_type(*session_type);
        }
        if let Some(cap) = max_participants {
            self.cap(*cap, limits);
        }
        if slow_mode_seconds.is_some_and(|seconds| seconds > MAX_SLOW_MODE_SECONDS) {
            let message = format!("0 to {MAX_SLOW_MODE_SECONDS}");
            self.add("slow_mode_seconds", Code::ValidationInvalidValue, message);
        }
        if let Some(Some(lifetime)) = message_lifetime {
            let (min, max) = (limits.message_lifetime_min, limits.message_lifetime_max);
            if *lifetime == 0 || !(min..=max).contains(&Duration::from_secs((*lifetime).into())) {
                let message = format!("{} to {} seconds, or null", min.as_secs(), max.as_secs());
                self.add("message_lifetime", Code::ValidationInvalidValue, message);
            }
        }
        if let Some(tags) = tags {
            self.tags(tags);
        }
        if let Some(Some(avatar_url)) = avatar_url {
            if !is_visible(avatar_url) {
                self.add(
                    "avatar_url",
                    Code::ValidationInvalidValue,
                    "at least 1 character that can be seen".to_owned(),
                );
            }
            self.text("avatar_url", avatar_url, MAX_AVATAR_URL_CHARS, false);
        }
        if let Some(Some(metadata)) = metadata {
            self.metadata(metadata);
        }
    }

    fn tags(&mut self, tags: &[String]) {
        if tags.len() > MAX_TAGS {
            self.add("tags", Code::ResourceLimitExceeded, format!("at most {MAX_TAGS}"));
        }
        if tags.iter().enumerate().any(|(n, tag)| tags.iter().take(n).any(|other| other == tag)) {
            self.add("tags", Code::ValidationInvalidValue, "each tag once".to_owned());
        }
        // One error says it for all: a client fixes the list.
        let is_bad = |tag: &&String| {
            let mut faults = Self::default();
            faults.text("tags", tag, MAX_TAG_CHARS, false);
            !faults.0.is_empty() || !is_visible(tag)
        };
        if tags.iter().take(MAX_TAGS).any(|tag| is_bad(&tag)) {
            let message = format!("each tag one line of 1 to {MAX_TAG_CHARS} characters of which one can be seen");
            self.add("tags", Code::ValidationInvalidValue, message);
        }
    }

    /// The settings of a new invite.
    pub(in crate::chat) fn invite(&mut self, invite: &CreateInvite) {
        let CreateInvite { role: _, max_uses, expires_in, needs_approval: _ } = invite;
        for (field, number, max) in
            [("max_uses", max_uses, INVITE_USES_MAX), ("expires_in", expires_in, INVITE_SECONDS_MAX)]
        {
            if number.is_some_and(|number| number == 0 || number > max) {
                self.add(field, Code::ValidationInvalidValue, format!("1 to {max}"));
            }
        }
    }

    /// What a user says in a request to join.
    pub(in crate::chat) fn request(&mut self, text: Option<&str>, limits: &Limits) {
        if let Some(text) = text {
            self.text("text", text, limits.description_chars, true);
        }
    }

    pub(in crate::chat) fn message(&mut self, body: &MessageBody, limits: &Limits) {
        let MessageBody {
            role: _,
            message_type,
            content,
            reply: _,
            mentions: _,
            links: _,
            attachments,
            metadata,
            origin: _,
            stream: _,
            command: _,
        } = body;
        match message_type {
            MessageType::Text | MessageType::Image | MessageType::File => {}
            MessageType::System => {
                let message = "only the server sends system messages; use text, image or file";
                self.add("message_type", Code::ValidationInvalidValue, message.to_owned());
            }
        }
        self.content_beside(content, !attachments.is_empty(), limits);
        self.attachments(attachments);
        if let Some(metadata) = metadata {
            self.metadata(metadata);
        }
    }

    /// A time that is not over, and not later than `ahead` from now.
    pub(in crate::chat) fn future(&mut self, field: &str, time: DateTime<Utc>, now: DateTime<Utc>, ahead: Duration) {
        let latest = TimeDelta::from_std(ahead).ok().and_then(|ahead| now.checked_add_signed(ahead));
        if time <= now || latest.is_some_and(|latest| time > latest) {
            let days = ahead.as_secs() / (24 * 60 * 60);
            let message = format!("a time in the future, at most {days} days from now");
            self.add(field, Code::ValidationInvalidValue, message);
        }
    }

    /// The message that is answered.
    pub(in crate::chat) fn reply(&mut self, reply_to: Option<MessageId>, session: SessionId) {
        if reply_to.is_some_and(|message| message.session_id != session) {
            let message = "a message of the session in which the reply is sent";
            self.add("reply_to", Code::ValidationInvalidValue, message.to_owned());
        }
    }

    /// Whom a sender names beside the text.
    pub(in crate::chat) fn mentions(&mut self, users: &[UserId]) {
        if users.len() > MAX_MENTIONS {
            self.add("mentions", Code::ValidationInvalidValue, format!("at most {MAX_MENTIONS} users"));
        }
    }

    /// What a message says that has files, or none.
    pub(in crate::chat) fn content_beside(&mut self, content: &Content, has_files: bool, limits: &Limits) {
        // A picture speaks for itself.
        let is_picture = has_files && *content == Content::Text(String::new());
        if !is_picture {
            self.content(content, limits);
        }
    }

    /// What a message says.
    pub(in crate::chat) fn content(&mut self, content: &Content, limits: &Limits) {
        let max = limits.message_chars;
        let too_long = |text: &str, max: usize| text.chars().take(max + 1).count() > max;
        match content {
            Content::Deleted => self.add("content", Code::ValidationRequiredField, "text or ciphertext".to_owned()),
            Content::Text(text) => {
                if text.is_empty() {
                    self.add("content", Code::ValidationRequiredField, "at least 1 character".to_owned());
                }
                if too_long(text, max) {
                    self.add("content", Code::MessageTooLong, format!("at most {max} characters"));
                }
                if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
                    let message = "control characters other than line breaks and tabs are not allowed";
                    self.add("content", Code::ValidationInvalidValue, message.to_owned());
                }
            }
            Content::Encrypted(content) => {
                if content.encrypted_data.is_empty() {
                    let message = "at least 1 character".to_owned();
                    self.add("content.encrypted_data", Code::ValidationRequiredField, message);
                }
                if too_long(&content.encrypted_data, 2 * max) {
                    let message = format!("at most {} characters", 2 * max);
                    self.add("content.encrypted_data", Code::MessageTooLong, message);
                }
                if content.iv.is_empty() || too_long(&content.iv, 256) {
                    self.add("content.iv", Code::ValidationInvalidValue, "1 to 256 characters".to_owned());
                }
            }
        }
    }
}

/// Refuses to leave out more entries than a page reaches: `rest` of them are still to be left out. The place after them is not known, so no
/// page can go on there.
pub(in crate::chat) fn reached(rest: u64, most: u64) -> Result<()> {
    if rest > 0 {
        let message = format!("a page reaches at most {most} entries of this list; go on with after");
        return Err(Error::invalid("skip", Code::ValidationInvalidValue, message));
    }
    Ok(())
}

impl Limits {
    /// How many entries a page has, and the page as the store wants it: with one entry more, which shows whether there is a
    /// next page.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it is empty, too large or too deep, or has two beginnings.
    pub(in crate::chat) fn slice<K>(&self, page: Page<K>) -> Result<(u64, Slice<K>)> {
        let Page { after, skip, limit } = page;
        let limit = self.page_limit(limit)?;
        self.skip(skip)?;
        if after.is_some() && skip > 0 {
            let message = "give only one of skip and after";
            return Err(Error::invalid("skip", Code::ValidationInvalidValue, message));
        }
        Ok((limit, Slice { after, skip, limit: limit.saturating_add(1) }))
    }

    fn skip(&self, skip: u64) -> Result<()> {
        if skip > self.skip_max {
            let message = format!("0 to {}", self.skip_max);
            return Err(Error::invalid("skip", Code::ValidationInvalidValue, message));
        }
        Ok(())
    }

    /// How many messages a page has.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it would be empty, too large or too deep.
    pub(in crate::chat) fn window(&self, window: MessageWindow, limit: Option<u64>) -> Result<u64> {
        match window {
            MessageWindow::Skip(skip) => {
                let limit = self.page_limit(limit)?;
                self.skip(skip).map(|()| limit)
            }
            MessageWindow::Newest | MessageWindow::Before(_) | MessageWindow::After(_) => self.page_limit(limit),
        }
    }

    /// How many entries a page has.
    ///
    /// # Errors
    /// [`Error::Invalid`] when it would be empty or too large.
    pub(crate) fn page_limit(&self, limit: Option<u64>) -> Result<u64> {
        let (default, max) = (u64::from(self.page_default), u64::from(self.page_max));
        match limit {
            None => Ok(default),
            Some(limit) if (1..=max).contains(&limit) => Ok(limit),
            Some(_) => Err(Error::invalid("limit", Code::ValidationInvalidValue, format!("1 to {max}"))),
        }
    }
}
