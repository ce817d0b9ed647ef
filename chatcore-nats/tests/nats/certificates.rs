//! Certificates of an authority of the test's own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// The files of an authority, of a server on 127.0.0.1, and of a client.
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) server: (PathBuf, PathBuf),
    pub(crate) client: (PathBuf, PathBuf),
}

impl Certificates {
    pub(crate) fn made_in(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let write = |name: &str, text: String| {
            let file = folder.join(name);
            fs::write(&file, text).unwrap();
            file
        };
        let signed = |name: &str| {
            let key = KeyPair::generate().unwrap();
            let params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
            let certificate = params.signed_by(&key, &authority).unwrap();
            (write(&format!("{name}.pem"), certificate.pem()), write(&format!("{name}.key"), key.serialize_pem()))
        };
        Self { server: signed("server"), client: signed("client"), authority: write("authority.pem", authority.pem()) }
    }

    /// The flags of a NATS server that takes encrypted connections only.
    pub(crate) fn flags(&self) -> Vec<&str> {
        let (certificate, key) = &self.server;
        vec!["--tls", "--tlscert", certificate.to_str().unwrap(), "--tlskey", key.to_str().unwrap()]
    }

    /// The same for one that asks clients for certificates, too.
    pub(crate) fn mutual_flags(&self) -> Vec<&str> {
        let mut flags = self.flags();
        flags.extend(["--tlsverify", "--tlscacert", self.authority.to_str().unwrap()]);
        flags
    }
}
