//! The federation's certificate authority: keys and certificates in a directory, made at first use.
//!
//! It signs hosts' certificates (client authentication, common name = host id) and the controller's own (server
//! authentication). Certificates are short-lived; hosts renew them by themselves.
//!
//! ```text
//! one --begin--> two: the next one signs hosts, both are trusted, the controller shows the current one's certificate
//! two --finish--> one: the next one is the current one; the old one's key is deleted
//! ```
//! Between the two every host renews its certificate and learns to trust both.

mod certificate;
mod files;

use controller_base::Timestamp;
use controller_base::id::HostId;
use files::Pair;
use rcgen::{CertificateSigningRequestParams, KeyPair};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock, RwLockReadGuard},
};
use tokio::sync::watch;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// How long the controller's own certificate holds, seconds; it is made anew at each start and every day.
const SERVER_SECONDS: i64 = 90 * 86_400;

/// Why the authority could not be opened or did not sign.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// Its files could not be read or written.
    #[error("cannot use {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// A certificate could not be made.
    #[error("certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// What is on disk is no certificate, or not the key's.
    #[error("stored certificate is malformed")]
    Stored,
    /// The signing request is malformed or not signed by its own key.
    #[error("certificate signing request is malformed")]
    Request,
    /// It is being replaced already.
    #[error("the authority is being replaced already: finish that first")]
    Rotating,
    /// It is not being replaced.
    #[error("the authority is not being replaced: there is nothing to finish")]
    NotRotating,
}

/// The certificate authority.
pub struct Authority {
    directory: PathBuf,
    pairs: RwLock<Pairs>,
    changes: watch::Sender<()>,
}

struct Pairs {
    current: Pair,
    next: Option<Pair>,
}

/// A certificate chain and its key, as rustls takes them.
pub struct ServerIdentity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

/// A host's new certificate.
pub struct Signed {
    /// PEM.
    pub pem: String,
    /// SHA-256 of its DER, hex.
    pub fingerprint: String,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// An authority for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityInfo {
    /// SHA-256 of the certificate's DER, hex.
    pub fingerprint: String,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Whether it signs hosts' certificates.
    pub signs_hosts: bool,
    /// Whether the controller shows a certificate of it, to which join tokens are pinned.
    pub serves: bool,
}

impl Authority {
    /// Opens the authority in `directory`, making it if there is none.
    ///
    /// # Errors
    /// When the files cannot be read or written, or hold no certificate.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        let (current, next) = files::open(directory, now)?;
        let pairs = RwLock::new(Pairs { current, next });
        Ok(Self { directory: directory.to_owned(), pairs, changes: watch::Sender::new(()) })
    }

    fn pairs(&self) -> RwLockReadGuard<'_, Pairs> {
        self.pairs.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when what is trusted or shown changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// The certificates that are trusted, PEM.
    #[must_use]
    pub fn pem(&self) -> String {
        self.pairs().all().map(|pair| pair.pem.as_str()).collect()
    }

    /// The certificates that are trusted, DER.
    #[must_use]
    pub fn trusted(&self) -> Vec<CertificateDer<'static>> {
        self.pairs().all().map(|pair| pair.der.clone()).collect()
    }

    /// A word for what is trusted and who signs: a host with another one has to renew.
    #[must_use]
    pub fn trust(&self) -> String {
        hex::encode(Sha256::digest(self.pem()))
    }

    /// SHA-256 of the certificate whose key signs the controller's, hex: what a join token is printed with.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.pairs().current.der)
    }

    /// Those that are trusted.
    #[must_use]
    pub fn list(&self) -> Vec<AuthorityInfo> {
        let pairs = self.pairs();
        let rotating = pairs.next.is_some();
        let info = |(index, pair): (usize, &Pair)| AuthorityInfo {
            fingerprint: fingerprint(&pair.der),
            expires_at: expiry(&pair.der).unwrap_or(Timestamp(0)),
            signs_hosts: (index == 1) == rotating,
            serves: index == 0,
        };
        pairs.all().enumerate().map(info).collect()
    }

    /// Makes the authority that shall replace this one; from now on it signs hosts' certificates.
    ///
    /// # Errors
    /// [`AuthorityError::Rotating`], or the files'.
    pub fn begin_rotation(&self, now: Timestamp) -> Result<(), AuthorityError> {
        let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        if pairs.next.is_some() {
            return Err(AuthorityError::Rotating);
        }
        pairs.next = Some(files::make_next(&self.directory, now)?);
        drop(pairs);
        self.changes.send_replace(());
        Ok(())
    }

    /// The next authority takes this one's place, which is trusted no more and whose key is deleted.
    ///
    /// # Errors
    /// [`AuthorityError::NotRotating`], or the files'.
    pub fn finish_rotation(&self) -> Result<(), AuthorityError> {
        let mut pairs = self.pairs.write().unwrap_or_else(PoisonError::into_inner);
        let next = pairs.next.take().ok_or(AuthorityError::NotRotating)?;
        if let Err(error) = files::promote(&self.directory) {
            pairs.next = Some(next);
            return Err(error);
        }
        pairs.current = next;
        drop(pairs);
        self.changes.send_replace(());
        Ok(())
    }

    /// A certificate for a host from its signing request, for so many seconds. The request's own subject and extensions are
    /// ignored.
    ///
    /// # Errors
    /// [`AuthorityError::Request`] when the request is malformed or its signature is wrong.
    pub fn sign_host(&self, csr: &[u8], host: HostId, seconds: i64, now: Timestamp) -> Result<Signed, AuthorityError> {
        let request = CertificateSigningRequestDer::from(csr);
        let mut request = CertificateSigningRequestParams::from_der(&request).map_err(|_| AuthorityError::Request)?;
        request.params = certificate::host(host, seconds, now)?;
        let pairs = self.pairs();
        let certificate = request.signed_by(&pairs.next.as_ref().unwrap_or(&pairs.current).issuer)?;
        let fingerprint = fingerprint(certificate.der());
        Ok(Signed { pem: certificate.pem(), fingerprint, expires_at: now.plus_seconds(seconds) })
    }

    /// A certificate and key for the controller itself under these names and addresses.
    ///
    /// # Errors
    /// When a name is neither a DNS name nor an address.
    pub fn server_identity(&self, names: &[String], now: Timestamp) -> Result<ServerIdentity, AuthorityError> {
        let params = certificate::server(names, SERVER_SECONDS, now)?;
        let (key, pairs) = (KeyPair::generate()?, self.pairs());
        let certificate = params.signed_by(&key, &pairs.current.issuer)?;
        let chain = vec![certificate.der().clone(), pairs.current.der.clone()];
        Ok(ServerIdentity { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() })
    }
}

impl Pairs {
    fn all(&self) -> impl Iterator<Item = &Pair> {
        std::iter::once(&self.current).chain(&self.next)
    }
}

/// SHA-256 of a certificate, hex.
pub(crate) fn fingerprint(der: &CertificateDer<'_>) -> String {
    hex::encode(Sha256::digest(der))
}

/// When a certificate ends; `None` when it is none.
pub(crate) fn expiry(der: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(Timestamp(certificate.validity().not_after.timestamp().saturating_mul(1_000_000)))
}

#[cfg(test)]
mod tests;
