//! The files of the certificate and the key: wrong ones, and new ones while the server runs.

use std::{fs, sync::Arc, time::Duration};

use chatcore_http::{Tls, TlsError};
use tokio::{sync::Notify, time::timeout};

use crate::{Folder, PATIENCE, Pair, ask, connect, options, served};

#[test]
fn what_cannot_be_used_is_named_with_its_file() {
    let (pair, other) = (Pair::new(), Pair::new());
    let refused = |change: &dyn Fn(&Folder), file: &str, reason: &str| {
        let files = Folder::with(&pair);
        change(&files);
        let error = Tls::load(files.certificate(), files.key()).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(file) && text.contains(reason), "{text}");
        // A key is a secret, and half of a key too.
        let key = pair.key.serialize_pem();
        assert!(!key.lines().skip(1).any(|line| !line.starts_with('-') && text.contains(line)), "{text}");
        error
    };
    let key = pair.key.serialize_pem();
    let half = key.get(..key.len() / 2).unwrap();
    refused(&|files| fs::remove_file(files.certificate()).unwrap(), "chain.pem", "No such file");
    refused(&|files| fs::remove_file(files.key()).unwrap(), "key.pem", "No such file");
    refused(&|files| fs::write(files.certificate(), "").unwrap(), "chain.pem", "BEGIN CERTIFICATE");
    refused(&|files| fs::write(files.certificate(), &key).unwrap(), "chain.pem", "BEGIN CERTIFICATE");
    refused(&|files| fs::write(files.key(), pair.certificate.pem()).unwrap(), "key.pem", "no section of this kind");
    refused(&|files| fs::write(files.key(), half).unwrap(), "key.pem", "no end");
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    refused(&|files| fs::write(files.certificate(), garbage).unwrap(), "chain.pem", "certificate");
    let broken = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    refused(&|files| fs::write(files.key(), broken).unwrap(), "key.pem", "private key");
    let folder = |files: &Folder| {
        fs::remove_file(files.key()).unwrap();
        fs::create_dir(files.key()).unwrap();
    };
    refused(&folder, "key.pem", "it is no file");
    let mismatch = refused(
        &|files| fs::write(files.key(), other.key.serialize_pem()).unwrap(),
        "key.pem",
        "does not belong to the certificate",
    );
    assert!(matches!(mismatch, TlsError::Mismatch { .. }));
}

#[tokio::test]
async fn new_files_count_for_new_connections_and_open_ones_go_on() {
    let (old, new) = (Pair::new(), Pair::new());
    let files = Folder::with(&old);
    let tls = files.load();
    let address = served(options(&tls)).await;
    let mut open = connect(&old, &address).await.unwrap();
    assert_eq!(ask(&mut open).await, "127.0.0.1 https");
    assert!(!tls.refresh().unwrap(), "nothing was new");

    // The certificate is there before its key, so for a while the two do not match.
    fs::write(files.certificate(), new.certificate.pem()).unwrap();
    assert!(matches!(tls.refresh(), Err(TlsError::Mismatch { .. })));
    fs::write(files.key(), "nonsense").unwrap();
    assert!(matches!(tls.refresh(), Err(TlsError::Key { .. })));
    fs::remove_file(files.key()).unwrap();
    assert!(matches!(tls.refresh(), Err(TlsError::Unreadable { .. })));
    ask(&mut connect(&old, &address).await.unwrap()).await;

    files.write(&new);
    assert!(tls.refresh().unwrap());
    ask(&mut connect(&new, &address).await.unwrap()).await;
    assert!(connect(&old, &address).await.is_err());
    assert_eq!(ask(&mut open).await, "127.0.0.1 https");
}

#[tokio::test]
async fn files_are_followed_by_time_and_on_demand() {
    let (old, new) = (Pair::new(), Pair::new());
    for (every, is_asked) in [(Duration::from_millis(5), false), (Duration::from_secs(3_600), true)] {
        let files = Folder::with(&old);
        let tls = files.load();
        let address = served(options(&tls)).await;
        let asked = Arc::new(Notify::new());
        let (following, told) = (tls.clone(), Arc::clone(&asked));
        let follower = tokio::spawn(async move { following.follow(every, &told).await });
        // What cannot be used ends nothing.
        fs::write(files.key(), "nonsense").unwrap();
        asked.notify_one();
        ask(&mut connect(&old, &address).await.unwrap()).await;
        files.write(&new);
        if is_asked {
            asked.notify_one();
        }
        let changed = async { while connect(&new, &address).await.is_err() {} };
        timeout(PATIENCE, changed).await.expect("the new certificate was not taken in a minute");
        follower.abort();
    }
}
