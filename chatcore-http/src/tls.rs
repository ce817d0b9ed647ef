//! TLS for [`serve`](crate::serve()): the certificate and its key, with replacement during operation.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
    task::spawn_blocking,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject as _},
        },
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
    server::TlsStream,
};

/// The largest file of certificates or of a key, in bytes.
const LARGEST: u64 = 1 << 20;

/// The type of the record with which a TLS connection begins (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 22;

/// How much of a request without TLS is read before it is answered, in bytes.
const PLAIN: usize = 16 << 10;

/// How long such a client may take to end its side.
const PLAIN_TIME: Duration = Duration::from_secs(2);

/// An error of a certificate or its key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", .file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file of the certificate is no chain of certificates in PEM.
    #[error("{} holds no certificate that can be used: {reason}", .file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file of the key is no private key in PEM.
    #[error("{} holds no private key that can be used: {reason}", .file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// The reason, without content of the file.
        reason: String,
    },
    /// The key is of another certificate.
    #[error("the private key in {} does not belong to the certificate in {}", .key.display(), .certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// The certificate and the private key of a server with TLS 1.2 and 1.3, from two PEM files. The value is a handle: clones share the
/// certificate, and a [`refresh`](Self::refresh) of one clone applies to all clones.
///
/// The protocol within TLS is `http/1.1` (ALPN, RFC 7301). The server does not request certificates of clients.
#[derive(Clone)]
pub struct Tls(Arc<Shared>);

struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
    /// What was found when the files were looked at last.
    last: Mutex<Found>,
}

/// What the files held, so that each new content is tried and told of once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Content([u8; 32]),
    Unreadable(String),
}

/// The certificate that new connections get.
struct Current(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { certificate, key, .. } = &*self.0;
        f.debug_struct("Tls").field("certificate", certificate).field("key", key).finish_non_exhaustive()
    }
}

/// Two values are equal if the values are clones.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tls {}

impl Tls {
    /// Reads a certificate with its chain, the server's own certificate first, and its private key (PKCS #8, SEC 1 or PKCS #1, without a
    /// password).
    ///
    /// # Errors
    /// [`TlsError`] names the file and the reason.
    pub fn load(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        let provider = Arc::new(aws_lc_rs::default_provider());
        let files = Files::read(&certificate, &key)?;
        let current = files.parse(&certificate, &key, &provider)?;
        let current = Arc::new(Current(RwLock::new(Arc::new(current))));
        let invalid = |error: rustls::Error| TlsError::Certificate {
            file: certificate.clone(),
            reason: format!("TLS is not possible: {error}"),
        };
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let resolver = Arc::clone(&current);
        let mut config = config.map_err(invalid)?.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let last = Mutex::new(Found::Content(files.digest()));
        Ok(Self(Arc::new(Shared { certificate, key, current, acceptor, last })))
    }

    /// Reads the files again. New connections get the new certificate; open connections continue. Returns whether the content is new. The
    /// function blocks during the read.
    ///
    /// # Errors
    /// [`TlsError`] for invalid new files: the server continues with the previous certificate.
    pub fn refresh(&self) -> Result<bool, TlsError> {
        self.look(true)
    }

    /// Reads the files repeatedly until the future is dropped, at the interval `every` and on each notification of `asked`, and logs the
    /// results.
    pub async fn follow(&self, every: Duration, asked: &Notify) {
        loop {
            let is_asked = tokio::select! {
                () = asked.notified() => true,
                () = tokio::time::sleep(every) => false,
            };
            let tls = self.clone();
            let Ok(found) = spawn_blocking(move || tls.look(is_asked)).await else { continue };
            let certificate = self.0.certificate.display();
            match found {
                Ok(true) => tracing::info!(%certificate, "new TLS connections get the new certificate"),
                Ok(false) if is_asked => tracing::info!(%certificate, "the TLS certificate has not changed"),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "the TLS certificate stays as it was"),
            }
        }
    }

    /// Logs a failure again only if the caller asks for it.
    fn look(&self, again: bool) -> Result<bool, TlsError> {
        let Shared { certificate, key, current, acceptor, last } = &*self.0;
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        let files = Files::read(certificate, key);
        let found = match &files {
            Ok(files) => Found::Content(files.digest()),
            Err(error) => Found::Unreadable(error.to_string()),
        };
        let is_known = *last == found;
        if is_known && !again {
            return Ok(false);
        }
        *last = found;
        let new = Arc::new(files?.parse(certificate, key, acceptor.config().crypto_provider())?);
        let mut current = current.0.write().unwrap_or_else(PoisonError::into_inner);
        *current = new;
        Ok(!is_known)
    }

    /// Makes a TLS connection of a new one. A client that speaks HTTP without TLS gets an answer that says so.
    pub(crate) async fn accept(&self, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let mut first = [0];
        if stream.peek(&mut first).await? == 1 && first != [HANDSHAKE] {
            refuse_plain(&mut stream, first).await;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the client does not speak TLS"));
        }
        self.0.acceptor.accept(stream).await
    }
}

/// Answers a request that came without TLS, and nothing else.
async fn refuse_plain(stream: &mut TcpStream, [first]: [u8; 1]) {
    if !first.is_ascii_uppercase() {
        return;
    }
    // A connection that ends with unread bytes is reset, and the client loses the answer.
    let _ = stream.read(&mut vec![0; PLAIN]).await;
    let text = "This port speaks TLS: use https:// or wss://\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    if stream.write_all(answer.as_bytes()).await.is_ok() && stream.shutdown().await.is_ok() {
        let mut rest = stream.take(PLAIN as u64);
        let _ = timeout(PLAIN_TIME, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    }
}

/// What two files hold.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update((self.certificate.len() as u64).to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&self.key);
        digest.finalize().into()
    }

    fn parse(&self, certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let wrong = |reason: String| TlsError::Certificate { file: certificate.to_owned(), reason };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(named(&error).to_owned()))?;
        if chain.is_empty() {
            return Err(wrong("it has no section `BEGIN CERTIFICATE`".to_owned()));
        }
        let no_key = |reason: String| TlsError::Key { file: key.to_owned(), reason };
        let private = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| no_key(named(&error).to_owned()))?;
        CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => {
                TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() }
            }
            rustls::Error::InvalidCertificate(_) => wrong(error.to_string()),
            error => no_key(error.to_string()),
        })
    }
}

/// In words that repeat nothing of the file.
fn named(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "a section has no end",
        pem::Error::IllegalSectionStart { .. } => "a section begins in a wrong way",
        pem::Error::Base64Decode(_) => "a section is no base64",
        pem::Error::NoItemsFound => "it has no section of this kind, or one with a password",
        _ => "it is no PEM",
    }
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { file: file.to_owned(), source };
    let found = fs::metadata(file).map_err(unreadable)?;
    if !found.is_file() {
        return Err(unreadable(io::Error::other("it is no file")));
    }
    if found.len() > LARGEST {
        return Err(unreadable(io::Error::other(format!("it has more than {LARGEST} bytes"))));
    }
    fs::read(file).map_err(unreadable)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::generate_simple_self_signed;

    use super::{Files, Tls, TlsError};

    #[test]
    fn each_new_content_is_told_of_once_unless_somebody_asks() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["chain.pem", "key.pem"].map(|name| folder.path().join(name));
        let write = |first: &str, second: &str| {
            fs::write(&certificate, first).unwrap();
            fs::write(&key, second).unwrap();
        };
        let made = [(); 2].map(|()| generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap());
        let [(old, old_key), (new, new_key)] = made.map(|made| (made.cert.pem(), made.signing_key.serialize_pem()));
        write(&old, &old_key);
        let tls = Tls::load(&certificate, &key).unwrap();
        assert!(!tls.look(false).unwrap());
        for (first, second) in [(&new, &old_key), (&new, &"nonsense".to_owned())] {
            write(first, second);
            assert!(matches!(tls.look(false), Err(TlsError::Mismatch { .. } | TlsError::Key { .. })));
            assert!(!tls.look(false).unwrap(), "it was told of again");
            assert!(tls.look(true).is_err());
        }
        fs::remove_file(&key).unwrap();
        assert!(matches!(tls.look(false), Err(TlsError::Unreadable { .. })));
        assert!(!tls.look(false).unwrap(), "it was told of again");
        write(&new, &new_key);
        assert!(tls.look(false).unwrap());
        assert!(!tls.look(false).unwrap());
    }

    #[test]
    fn what_moves_from_one_file_to_the_other_is_new() {
        let files = |certificate: &str, key: &str| Files { certificate: certificate.into(), key: key.into() };
        assert_ne!(files("ab", "c").digest(), files("a", "bc").digest());
    }
}
