//! Mail to the users of the accounts.

use async_trait::async_trait;

/// The purpose of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MailKind {
    /// A code with which the user verifies the address.
    Verification,
    /// A code with which the user sets a new password.
    PasswordReset,
}

/// A mail to a user. A mailer sends the text, or writes its own text from the parts. No part contains a text of the user: the address may
/// belong to another person, and the server must not send texts of the user to that person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The purpose.
    pub kind: MailKind,
    /// The address.
    pub to: String,
    /// The code, a secret.
    pub code: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl Mail {
    pub(super) fn new(kind: MailKind, to: String, code: String) -> Self {
        let (subject, what) = match kind {
            MailKind::Verification => ("Verify your e-mail address", "verify this e-mail address"),
            MailKind::PasswordReset => ("Set a new password", "set a new password"),
        };
        let text = format!("Use this code to {what}:\n\n{code}\n\nIgnore this mail if you have not asked for it.\n");
        Self { kind, to, code, subject: subject.to_owned(), text }
    }
}

/// A mail that was not sent. The cause is logged and not shown to clients.
#[derive(Debug, thiserror::Error)]
#[error("the mail was not sent")]
pub struct MailError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Sends mail.
///
/// # Contract
/// An accepted mail is not sent twice. An error means that the mail was not accepted; the user repeats the request. A call may be slow,
/// since no client waits for the call. If the future is dropped, the mail may be sent or not.
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Sends a mail.
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}

#[async_trait]
impl<M: Mailer + ?Sized> Mailer for std::sync::Arc<M> {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        (**self).send(mail).await
    }
}

/// Writes each mail, with its code, to the log at the level `info`: for development with a private log.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogMailer;

#[async_trait]
impl Mailer for LogMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let Mail { kind, to, code: _, subject, text } = mail;
        tracing::info!(?kind, to, subject, text, "a mail is written to the log, because no mailer is configured");
        Ok(())
    }
}
