//! Who this host is: its key, its certificate, its federation. One file, replaced as a whole, readable by root alone.

use hostd_kit::{
    durable::{self, Durability},
    paths::Layout,
};
use rcgen::{CertificateParams, KeyPair};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{fs, io, path::PathBuf, time::Duration};
use x509_parser::prelude::{FromDer, X509Certificate};

/// What makes this host a member of a federation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The id that the controller gave.
    pub host_id: String,
    /// Where the controller is.
    pub url: String,
    /// The private key, PEM. It never leaves the host.
    pub key: String,
    /// The certificate chain, PEM.
    pub certificate: String,
    /// The federation's CA, PEM; two while it is being replaced.
    pub ca: String,
}

/// An identity that cannot be read, written or made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file cannot be used.
    #[error("cannot {action} {path}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No key or request can be made.
    #[error("cannot make a key")]
    Key(#[from] rcgen::Error),
    /// What should be a certificate is none.
    #[error("the certificate is malformed")]
    Certificate,
}

/// A new key and the request to sign it.
pub struct KeyRequest {
    /// The key, PEM.
    pub key: String,
    /// PKCS#10, DER.
    pub csr: Vec<u8>,
}

impl KeyRequest {
    /// Makes both.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new() -> Result<Self, IdentityError> {
        let key = KeyPair::generate()?;
        let request = CertificateParams::new(Vec::new())?.serialize_request(&key)?;
        Ok(Self { key: key.serialize_pem(), csr: request.der().to_vec() })
    }
}

fn path(layout: &Layout) -> PathBuf {
    layout.identity().join("identity.json")
}

impl Identity {
    /// Reads it; `None` when this host is no member yet.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(layout: &Layout) -> Result<Option<Self>, IdentityError> {
        let path = path(layout);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|source| IdentityError::File { action: "read", path: path.clone(), source })?,
        };
        let identity = serde_json::from_slice(&bytes).map_err(io::Error::from);
        identity.map(Some).map_err(|source| IdentityError::File { action: "understand", path, source })
    }

    /// Writes it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn store(&self, layout: &Layout) -> Result<(), IdentityError> {
        let path = path(layout);
        let written = serde_json::to_vec(self)
            .map_err(io::Error::from)
            .and_then(|bytes| durable::write(&path, &bytes, Durability::Power));
        written.map_err(|source| IdentityError::File { action: "write", path, source })
    }

    /// When the certificate begins and ceases to hold, in seconds since the epoch.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn validity(&self) -> Result<(i64, i64), IdentityError> {
        let der = self.der()?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|_| IdentityError::Certificate)?;
        let validity = certificate.validity();
        Ok((validity.not_before.timestamp(), validity.not_after.timestamp()))
    }

    /// When the certificate ended, if it did, for people.
    #[must_use]
    pub fn expired(&self, now: Duration) -> Option<String> {
        let der = self.der().ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let end = certificate.validity().not_after;
        let over = u64::try_from(end.timestamp()).is_ok_and(|end| end <= now.as_secs());
        over.then(|| end.to_string())
    }

    /// SHA-256 of the certificate, as the controller shows it to operators.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn fingerprint(&self) -> Result<String, IdentityError> {
        Ok(format!("sha256:{}", hex::encode(Sha256::digest(self.der()?))))
    }

    fn der(&self) -> Result<CertificateDer<'static>, IdentityError> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).map_err(|_| IdentityError::Certificate)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("host_id", &self.host_id).field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_back_and_its_secret_is_not_printed() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path());
        layout.create().unwrap();
        assert_eq!(Identity::load(&layout).unwrap(), None);
        let request = KeyRequest::new().unwrap();
        let identity = Identity {
            host_id: "id".into(),
            url: "https://c".into(),
            key: request.key,
            certificate: String::new(),
            ca: String::new(),
        };
        identity.store(&layout).unwrap();
        assert_eq!(Identity::load(&layout).unwrap().as_ref(), Some(&identity));
        assert!(!format!("{identity:?}").contains("PRIVATE"));
    }
}
