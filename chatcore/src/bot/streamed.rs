//! An answer that is written in parts.

use super::Context;
use crate::{
    chat::{FailMessage, MAX_FAILURE_CHARS},
    error::Result,
    model::{Message, MessageId},
};

/// A streamed message of the bot. If the handler neither finishes nor fails the message, the bot ends the message as failed after the
/// handler.
#[derive(Debug)]
pub struct StreamedAnswer {
    context: Context,
    id: MessageId,
    /// How many characters the text has.
    length: u64,
}

impl StreamedAnswer {
    pub(super) const fn new(context: Context, id: MessageId) -> Self {
        Self { context, id, length: 0 }
    }

    /// The message.
    #[must_use]
    pub const fn id(&self) -> MessageId {
        self.id
    }

    /// The length of the text in characters (Unicode scalar values).
    #[must_use]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Appends a part to the text. Readers see the part at once. An empty part changes nothing.
    ///
    /// # Errors
    /// As [`Chat::append_to_message`](crate::Chat::append_to_message). It waits where the limits on use refuse it.
    pub async fn push(&mut self, text: impl AsRef<str> + Send) -> Result<()> {
        let text = text.as_ref();
        if text.is_empty() {
            return Ok(());
        }
        let (context, id, offset) = (&self.context, self.id, self.length);
        let append = || context.chat().append_to_message(context.principal(), id, offset, text);
        self.length = context.patiently(append).await?.length;
        Ok(())
    }

    /// Completes the message.
    ///
    /// # Errors
    /// As [`Chat::finish_message`](crate::Chat::finish_message): a message without a text cannot be completed.
    pub async fn finish(self) -> Result<Message> {
        let (context, id, length) = (&self.context, self.id, self.length);
        let finish = || context.chat().finish_message(context.principal(), id, length);
        let finished = context.patiently(finish).await?;
        context.ended(id);
        Ok(finished)
    }

    /// Ends the message as failed. The message keeps its text. Readers see the detail, without control characters and truncated to
    /// [`MAX_FAILURE_CHARS`].
    ///
    /// # Errors
    /// As [`Chat::fail_message`](crate::Chat::fail_message).
    pub async fn fail(self, detail: impl AsRef<str> + Send) -> Result<Message> {
        let detail: String = detail.as_ref().chars().filter(|c| !c.is_control()).take(MAX_FAILURE_CHARS).collect();
        let fail = FailMessage { detail: Some(detail.trim().to_owned()).filter(|detail| !detail.is_empty()) };
        let (context, id) = (&self.context, self.id);
        let failed = context.patiently(|| context.chat().fail_message(context.principal(), id, fail.clone())).await?;
        context.ended(id);
        Ok(failed)
    }
}
