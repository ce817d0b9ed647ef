//! The accounts of the server.

use std::{path::PathBuf, sync::Arc, time::Duration};

use chatcore::{
    Accounts, Chat, JwtIssuer,
    accounts::{AccountSettings, LogMailer, Mailer, SmtpMailer},
};
use object_store::local::LocalFileSystem;

use crate::{
    config::{Config, Failure, Switch},
    environment, exposure,
};

/// How often the server looks for erasures of deleted accounts that were left behind.
const ERASURES: Duration = Duration::from_secs(600);

/// Where pictures are served, below the host.
const PICTURES: &str = "/api/v1/users/avatars/";

/// Sends mails as the settings want it.
pub(crate) fn mailer(config: &Config) -> Result<Arc<dyn Mailer>, Failure> {
    const URL: &str = environment::SMTP;
    match (environment::value(URL)?, &config.smtp_from) {
        (Some(_), _) if config.accounts == Switch::Off => {
            Err(format!("{URL} is for accounts, and --accounts is off").into())
        }
        // The cause could repeat the address, which holds a password.
        (Some(url), Some(from)) => {
            Ok(Arc::new(SmtpMailer::new(&url, from).map_err(|error| format!("{URL}: {error}"))?))
        }
        (None, None) => {
            if config.accounts == Switch::On {
                tracing::warn!(
                    "mails with codes that set new passwords are written to this log; {URL} and --smtp-from send them instead"
                );
            }
            Ok(Arc::new(LogMailer))
        }
        (Some(_), None) => Err(format!("{URL} is set, and --smtp-from names no sender").into()),
        (None, Some(_)) => {
            Err(format!("--smtp-from needs {URL} in the environment, like smtps://user:password@host").into())
        }
    }
}

/// The accounts, where the settings want them. Their tokens are those that the server accepts.
pub(crate) fn build(
    config: &Config,
    chat: &Chat,
    secret: &[u8],
    mailer: Arc<dyn Mailer>,
) -> Result<Option<Accounts>, Failure> {
    if config.accounts == Switch::Off {
        return Ok(None);
    }
    let settings = AccountSettings {
        issuer: config.issuer.clone(),
        audience: config.audience.clone(),
        erases_messages: config.erase_messages,
        access_lifetime: config.access_lifetime.0,
        refresh_lifetime: config.refresh_lifetime.0,
        ..AccountSettings::default()
    };
    let mut builder = Accounts::builder(chat.clone(), JwtIssuer::hs256(secret)?).settings(settings).mailer(mailer);
    if let Some(folder) = pictures(config) {
        let failed = |error: &dyn std::fmt::Display| format!("cannot keep pictures in {}: {error}", folder.display());
        exposure::create_folder(&folder).map_err(|error| failed(&error))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|error| failed(&error))?;
        builder = builder.avatars(Arc::new(store.with_automatic_cleanup(true)), PICTURES);
    }
    Ok(Some(builder.build()?))
}

/// The folder for pictures. A database elsewhere may serve several servers, and a folder of one of them would lack the pictures of the others.
pub(crate) fn pictures(config: &Config) -> Option<PathBuf> {
    config.files.clone().or_else(|| config.database.is_none().then(|| config.data.join("files")))
}

/// Goes on with the erasures that a process has left behind, now and from time to time.
pub(crate) fn resume_erasures(accounts: Accounts) {
    tokio::spawn(async move {
        let mut times = tokio::time::interval(ERASURES);
        loop {
            times.tick().await;
            if let Err(error) = accounts.resume_erasures().await {
                tracing::warn!(%error, "an erasure stopped; it goes on later");
            }
        }
    });
}
