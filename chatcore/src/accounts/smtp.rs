//! Mail by SMTP.

use std::fmt;

use async_trait::async_trait;
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    address::AddressError,
    message::{Mailbox, header::ContentType},
};

use super::{Mail, MailError, Mailer};

/// Sends mail by SMTP (RFC 5321).
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl fmt::Debug for SmtpMailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The password stays out of logs.
        f.debug_struct("SmtpMailer").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Invalid settings of SMTP.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSmtp {
    /// The URL.
    #[error("the URL of the SMTP server cannot be used")]
    Url(#[source] lettre::transport::smtp::Error),
    /// The sender.
    #[error("the sender is no e-mail address")]
    Sender(#[source] AddressError),
}

impl SmtpMailer {
    /// Sends through a server: `smtps://user:password@host` for TLS, `smtp://user:password@host?tls=required` for STARTTLS. The sender is an
    /// address, or a name with an address: `Chat <chat@example.org>`.
    ///
    /// # Errors
    /// [`InvalidSmtp`] for a URL or a sender of another form. The function makes no connection.
    pub fn new(url: &str, from: &str) -> Result<Self, InvalidSmtp> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(InvalidSmtp::Url)?.build();
        let from = from.parse().map_err(InvalidSmtp::Sender)?;
        Ok(Self { transport, from })
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let Mail { kind: _, to, code: _, subject, text } = mail;
        let address = to.parse().map_err(|error: AddressError| MailError(Box::new(error)))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, address))
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .body(text)
            .map_err(|error| MailError(Box::new(error)))?;
        self.transport.send(message).await.map(drop).map_err(|error| MailError(Box::new(error)))
    }
}
