//! Codes that are sent by mail: to verify an address, and to set a new password.
//!
//! A code is random, kept as its digest, and good for one use. It counts while the account names it. An account names the last few codes, since
//! anybody can ask for one more while the one before is on its way.

use std::{mem, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    AccountEmails, AccountRecord, AccountRecords, Accounts, Client, CodeRecord, Mail, MailCodes, MailKind, Mailer,
    PendingCode,
    logins::{Ending, after, digest},
    names::fold,
};
use crate::{
    error::{Error, Result},
    identity::Principal,
    limits::{Origin, Use},
    model::UserId,
    store::{Change, ChatStoreExt as _, Found, StoreError, TypedKey as _, Write},
    trace::use_case,
};

/// Mails that are being sent at once. Beyond that, a mail is dropped and its user asks again.
const SENDING: usize = 256;

/// How long a mailer may take for a mail. Mails that hang would keep all others back.
const SEND_TIME: Duration = Duration::from_secs(60);

/// Codes of a kind that count at once for an account.
const PENDING: usize = 3;

impl PendingCode {
    fn removed(self) -> Write {
        MailCodes { digest: self.digest }.remove()
    }
}

/// Sends mails while nobody waits.
pub(super) struct Outbox {
    mailer: Arc<dyn Mailer>,
    sending: Arc<Semaphore>,
}

impl Outbox {
    pub(super) fn new(mailer: Arc<dyn Mailer>) -> Self {
        Self { mailer, sending: Arc::new(Semaphore::new(SENDING)) }
    }
}

/// A new code, and its digest.
fn new_code() -> (String, String) {
    let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
    let digest = digest(code.as_bytes());
    (code, digest)
}

impl AccountRecord {
    fn pending(&mut self, kind: MailKind) -> &mut Vec<PendingCode> {
        match kind {
            MailKind::Verification => &mut self.verification,
            MailKind::PasswordReset => &mut self.reset,
        }
    }

    /// Takes all codes back: the writes that remove them.
    pub(super) fn without_codes(&mut self) -> Vec<Write> {
        let codes = [mem::take(&mut self.verification), mem::take(&mut self.reset)];
        codes.into_iter().flatten().map(PendingCode::removed).collect()
    }
}

impl Accounts {
    /// Sends the caller a code to verify the e-mail address, unless the address is verified.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) after too many mails.
    pub async fn request_verification(&self, principal: &Principal, client: &Client) -> Result<()> {
        use_case!("accounts.request_verification", async move {
            self.inner.chat.enter_unscoped(principal, Use::Request).await?;
            let (user, now) = (&principal.user_id, self.now());
            if self.own(user).await?.value.is_verified {
                return Ok(());
            }
            self.inner.guesses.mail_from(client, now)?;
            self.inner.guesses.mail_to(user, now)?;
            self.send_verification_later(user.clone());
            Ok(())
        })
    }

    /// Verifies an e-mail address with the code that was sent to it.
    ///
    /// # Errors
    /// [`CodeInvalid`](Error::CodeInvalid) for a wrong, used or expired code.
    pub async fn verify_email(&self, code: &str) -> Result<()> {
        use_case!("accounts.verify_email", async move {
            self.inner.chat.enter_open(Origin::UNKNOWN).await?;
            for _ in 0..self.inner.chat.limits().commit_attempts {
                let (user, found) = self.holder_of(MailKind::Verification, code).await?;
                let now = self.now();
                let mut account =
                    AccountRecord { is_verified: true, updated_at: now, ..AccountRecord::clone(&found.value) };
                let used = mem::take(&mut account.verification).into_iter().map(PendingCode::removed);
                let mut writes = vec![AccountRecords { user }.put(account).at(found.version)];
                writes.extend(used);
                match self.store().commit(Change::of_records(writes)).await {
                    Ok(_) => return Ok(()),
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Sends a code to set a new password to the e-mail address of an account. For an address without an account, the answer is the same.
    ///
    /// # Errors
    /// [`RateLimited`](Error::RateLimited) after too many mails from one address of the network.
    pub async fn request_password_reset(&self, client: &Client, email: &str) -> Result<()> {
        use_case!("accounts.request_password_reset", async move {
            self.inner.chat.enter_open(client.origin()).await?;
            self.inner.guesses.mail_from(client, self.now())?;
            if email.chars().nth(512).is_some() {
                return Ok(());
            }
            // All that depends on the account happens after the answer, so that its time says nothing.
            let (accounts, email, client) = (self.clone(), fold(email.trim()), client.clone());
            self.later(async move {
                let Some(holder) = accounts.store().get(&AccountEmails { email }).await? else { return Ok(()) };
                let user = &holder.value.user;
                accounts.inner.guesses.mail_for_stranger(user, client.origin(), accounts.now())?;
                accounts.send_code(user, MailKind::PasswordReset).await
            });
            Ok(())
        })
    }

    /// Sets a new password with the code that was sent by mail. All logins of the account end, and the address is verified.
    ///
    /// # Errors
    /// [`CodeInvalid`](Error::CodeInvalid) for a wrong, used or expired code; [`Invalid`](Error::Invalid) for a password that is not
    /// acceptable, which does not consume the code.
    pub async fn reset_password(&self, code: &str, new_password: &str) -> Result<()> {
        use_case!("accounts.reset_password", async move {
            self.inner.chat.enter_open(Origin::UNKNOWN).await?;
            let (_, found) = self.holder_of(MailKind::PasswordReset, code).await?;
            let known = found.value.known();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let password = self.inner.passwords.accept("new_password", new_password, &known).await?;
            for _ in 0..self.inner.chat.limits().commit_attempts {
                let (user, found) = self.holder_of(MailKind::PasswordReset, code).await?;
                let mut account = AccountRecord {
                    password: password.clone(),
                    is_verified: true,
                    updated_at: self.now(),
                    ..AccountRecord::clone(&found.value)
                };
                let mut writes = account.without_codes();
                writes.push(AccountRecords { user: user.clone() }.put(account).at(found.version));
                writes.extend(self.ending(&user, Ending::AllBut(None)).await?);
                match self.store().commit(Change::of_records(writes)).await {
                    Ok(_) => {
                        self.inner.chat.standing_changed(&user).await;
                        return Ok(());
                    }
                    Err(StoreError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            Err(Error::Unavailable)
        })
    }

    /// Sends a code to verify the address while nobody waits.
    pub(super) fn send_verification_later(&self, user: UserId) {
        let accounts = self.clone();
        self.later(async move { accounts.send_code(&user, MailKind::Verification).await });
    }

    fn later(&self, work: impl Future<Output = Result<()>> + Send + 'static) {
        let Ok(sending) = Arc::clone(&self.inner.outbox.sending).try_acquire_owned() else {
            tracing::warn!("too many mails at once; one is dropped");
            return;
        };
        tokio::spawn(async move {
            if let Err(error) = work.await {
                tracing::warn!(%error, "a mail was not sent");
            }
            drop(sending);
        });
    }

    /// The account of a code that counts.
    async fn holder_of(&self, kind: MailKind, code: &str) -> Result<(UserId, Found<AccountRecord>)> {
        let digest = digest(code.trim().as_bytes());
        let record = self.store().get(&MailCodes { digest: digest.clone() }).await?.ok_or(Error::CodeInvalid)?;
        let user = record.value.user.clone();
        let found = self.account(&user).await?.ok_or(Error::CodeInvalid)?;
        let now = self.now();
        let mut account = AccountRecord::clone(&found.value);
        let counts = account.pending(kind).iter().any(|code| code.digest == digest && code.expires_at > now);
        if counts { Ok((user, found)) } else { Err(Error::CodeInvalid) }
    }

    /// Makes a code, and sends it. The oldest one of its kind may lose its place.
    async fn send_code(&self, user: &UserId, kind: MailKind) -> Result<()> {
        let settings = &self.inner.settings;
        let lifetime = match kind {
            MailKind::Verification => settings.verification_lifetime,
            MailKind::PasswordReset => settings.reset_lifetime,
        };
        for _ in 0..self.inner.chat.limits().commit_attempts {
            let Some(found) = self.account(user).await? else { return Ok(()) };
            let (code, digest) = new_code();
            let mut account = AccountRecord::clone(&found.value);
            let pending = PendingCode { digest: digest.clone(), expires_at: after(self.now(), lifetime) };
            let codes = account.pending(kind);
            codes.insert(0, pending);
            let surplus = codes.split_off(codes.len().min(PENDING));
            let mail = Mail::new(kind, account.email.clone(), code);
            let record = CodeRecord { user: user.clone() };
            let mut writes = vec![
                AccountRecords { user: user.clone() }.put(account).at(found.version),
                MailCodes { digest }.put(record).absent(),
            ];
            writes.extend(surplus.into_iter().map(PendingCode::removed));
            match self.store().commit(Change::of_records(writes)).await {
                Ok(_) => {
                    match timeout(SEND_TIME, self.inner.outbox.mailer.send(mail)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => {
                            let cause = error.0;
                            tracing::warn!(%user, %cause, "the mailer failed");
                        }
                        Err(_) => tracing::warn!(%user, "the mailer took too long; the mail may not be sent"),
                    }
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Unavailable)
    }
}
