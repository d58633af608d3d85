//! The federation's certificate authority: one key and certificate in a directory, made at first use.
//!
//! It signs hosts' certificates (client authentication, common name = host id) and the controller's own (server
//! authentication). Certificates are short-lived; hosts renew them by themselves.

use controller_base::Timestamp;
use controller_base::id::HostId;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject,
};
use sha2::{Digest, Sha256};
use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use time::OffsetDateTime;

/// How long a host's certificate holds.
const HOST_DAYS: i64 = 30;
/// How long the controller's own certificate holds; it is made anew at each start.
const SERVER_DAYS: i64 = 90;
/// How long the authority itself holds.
const AUTHORITY_DAYS: i64 = 3650;

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
    /// What is on disk is no certificate.
    #[error("stored certificate is malformed")]
    Stored,
    /// The signing request is malformed or not signed by its own key.
    #[error("certificate signing request is malformed")]
    Request,
}

/// The certificate authority.
pub struct Authority {
    pem: String,
    der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate chain and its key, as rustls takes them.
pub struct ServerIdentity {
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// The leaf's key.
    pub key: PrivateKeyDer<'static>,
}

impl Authority {
    /// Opens the authority in `directory`, making it if there is none.
    ///
    /// # Errors
    /// When the files cannot be read or written, or hold no certificate.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, AuthorityError> {
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca.key"));
        if !certificate.exists() {
            fs::create_dir_all(directory).map_err(|e| file(directory, e))?;
            let (pem, key_pem) = make(now)?;
            write_private(&key, &key_pem)?;
            write_private(&certificate, &pem)?;
        }
        let pem = fs::read_to_string(&certificate).map_err(|e| file(&certificate, e))?;
        let key_pair = KeyPair::from_pem(&fs::read_to_string(&key).map_err(|e| file(&key, e))?)?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| AuthorityError::Stored)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key_pair)?;
        Ok(Self { pem, der, issuer })
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate, DER.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// SHA-256 of the certificate's DER, hex: what a join token is printed with.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(&self.der))
    }

    /// A certificate for a host from its signing request. The request's own subject and extensions are ignored.
    ///
    /// # Errors
    /// [`AuthorityError::Request`] when the request is malformed or its signature is wrong.
    pub fn sign_host(&self, csr: &[u8], host: HostId, now: Timestamp) -> Result<String, AuthorityError> {
        let request = CertificateSigningRequestDer::from(csr);
        let mut request = CertificateSigningRequestParams::from_der(&request).map_err(|_| AuthorityError::Request)?;
        let mut params = leaf(&host.to_string(), HOST_DAYS, now)?;
        // A host is also a server to other hosts (images, block export, migration).
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        request.params = params;
        Ok(request.signed_by(&self.issuer)?.pem())
    }

    /// A certificate and key for the controller itself under these names and addresses.
    ///
    /// # Errors
    /// When a name is neither a DNS name nor an address.
    pub fn server_identity(&self, names: &[String], now: Timestamp) -> Result<ServerIdentity, AuthorityError> {
        let mut params = leaf("controller", SERVER_DAYS, now)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in names {
            let san = match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            };
            params.subject_alt_names.push(san);
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let chain = vec![certificate.der().clone(), self.der.clone()];
        Ok(ServerIdentity { chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() })
    }
}

fn leaf(name: &str, days: i64, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    validity(&mut params, days, now);
    Ok(params)
}

fn validity(params: &mut CertificateParams, days: i64, now: Timestamp) {
    // Clocks of hosts differ: valid from an hour ago.
    params.not_before = moment(now.plus_seconds(-3600));
    params.not_after = moment(now.plus_seconds(days * 86_400));
}

fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.0 / 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn make(now: Timestamp) -> Result<(String, String), AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Humilis federation CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, AUTHORITY_DAYS, now);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn write_private(path: &Path, text: &str) -> Result<(), AuthorityError> {
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = open.and_then(|mut f| f.write_all(text.as_bytes()).and_then(|()| f.sync_all()));
    written.map_err(|e| file(path, e))
}

fn file(path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::prelude::{FromDer as _, X509Certificate};

    const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    #[test]
    fn a_reopened_authority_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let first = Authority::open(directory.path(), NOW).unwrap();
        let second = Authority::open(directory.path(), NOW).unwrap();
        assert_eq!(first.fingerprint(), second.fingerprint());
    }

    #[test]
    fn a_host_gets_the_name_that_the_controller_chose() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(directory.path(), NOW).unwrap();
        let key = KeyPair::generate().unwrap();
        let csr = CertificateParams::new(vec!["evil.example".into()]).unwrap().serialize_request(&key).unwrap();
        let host = HostId::random();
        let pem = authority.sign_host(csr.der(), host, NOW).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.subject().iter_common_name().next().unwrap().as_str().unwrap(), host.to_string());
        assert!(certificate.subject_alternative_name().unwrap().is_none());
    }

    #[test]
    fn a_broken_request_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::open(directory.path(), NOW).unwrap();
        assert!(matches!(authority.sign_host(b"no", HostId::random(), NOW), Err(AuthorityError::Request)));
    }
}
