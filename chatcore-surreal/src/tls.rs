//! TLS to a database server.

use std::{fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject as _},
    },
};

use crate::connect::ConnectError;

/// What is asked of a server: a certificate of its own host, by one of these authorities, or by one that browsers trust.
pub(crate) fn client(authorities: Option<&Path>) -> Result<ClientConfig, ConnectError> {
    let roots = match authorities {
        Some(file) => read(file)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    // The client's own configuration depends on what the program has installed for the whole process, and panics without it.
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config =
        config.with_safe_default_protocol_versions().map_err(|error| ConnectError::Backend(Box::new(error)))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

fn read(file: &Path) -> Result<RootCertStore, ConnectError> {
    let failed = |reason: String| ConnectError::Authorities { file: file.to_owned(), reason };
    let text = fs::read(file).map_err(|error| failed(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error: pem::Error| failed(error.to_string()))?;
        roots.add(certificate).map_err(|error| failed(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failed("it has no section `BEGIN CERTIFICATE`".to_owned()));
    }
    Ok(roots)
}
