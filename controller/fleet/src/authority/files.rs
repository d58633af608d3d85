//! The authority's files: `ca.pem` and `ca.key`, and while it is being replaced `next.pem` and `next.key`.
//!
//! Every step is one rename or one file written aside, so that a crash between any two is mended by the next start.

use super::{AuthorityError, certificate};
use controller_base::Timestamp;
use rcgen::{Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use std::{
    fs, io,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// One certificate authority: what signs, and what vouches for it.
pub(super) struct Pair {
    pub(super) pem: String,
    pub(super) der: CertificateDer<'static>,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

const CURRENT: &str = "ca";
const NEXT: &str = "next";

/// The current pair, made if there is none, and the next one if there is one.
pub(super) fn open(directory: &Path, now: Timestamp) -> Result<(Pair, Option<Pair>), AuthorityError> {
    if !path(directory, CURRENT, "pem").exists() {
        fs::create_dir_all(directory).map_err(|e| file(directory, e))?;
        make(directory, CURRENT, now)?;
    }
    mend(directory)?;
    let next = path(directory, NEXT, "pem").exists().then(|| read(directory, NEXT)).transpose()?;
    Ok((read(directory, CURRENT)?, next))
}

/// Makes the next pair.
pub(super) fn make_next(directory: &Path, now: Timestamp) -> Result<Pair, AuthorityError> {
    make(directory, NEXT, now)?;
    read(directory, NEXT)
}

/// The next pair takes the current one's place, whose key is gone then.
pub(super) fn promote(directory: &Path) -> Result<(), AuthorityError> {
    rename(directory, "key")?;
    rename(directory, "pem")
}

/// A promotion that was cut short has moved the key alone.
fn mend(directory: &Path) -> Result<(), AuthorityError> {
    let (key, next) = (path(directory, NEXT, "key"), path(directory, NEXT, "pem"));
    if next.exists() && !key.exists() {
        rename(directory, "pem")?;
    }
    Ok(())
}

fn rename(directory: &Path, kind: &str) -> Result<(), AuthorityError> {
    let (from, to) = (path(directory, NEXT, kind), path(directory, CURRENT, kind));
    let renamed = fs::rename(&from, to).and_then(|()| fs::File::open(directory)?.sync_all());
    renamed.map_err(|e| file(&from, e))
}

/// The key first: a certificate tells that both are there.
fn make(directory: &Path, name: &str, now: Timestamp) -> Result<(), AuthorityError> {
    let (pem, key) = certificate::authority(now)?;
    write_private(&path(directory, name, "key"), &key)?;
    write_private(&path(directory, name, "pem"), &pem)
}

fn read(directory: &Path, name: &str) -> Result<Pair, AuthorityError> {
    let text = |kind| {
        let path = path(directory, name, kind);
        fs::read_to_string(&path).map_err(|e| file(&path, e))
    };
    let (pem, key) = (text("pem")?, KeyPair::from_pem(&text("key")?)?);
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| AuthorityError::Stored)?;
    let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| AuthorityError::Stored)?;
    if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
        return Err(AuthorityError::Stored);
    }
    let issuer = Issuer::from_ca_cert_pem(&pem, key)?;
    Ok(Pair { pem, der, issuer })
}

fn path(directory: &Path, name: &str, kind: &str) -> PathBuf {
    directory.join(format!("{name}.{kind}"))
}

fn write_private(path: &Path, text: &str) -> Result<(), AuthorityError> {
    let beside = path.with_extension("tmp");
    let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside);
    let written = open.and_then(|mut f| f.write_all(text.as_bytes()).and_then(|()| f.sync_all()));
    written.and_then(|()| fs::rename(&beside, path)).map_err(|e| file(path, e))
}

fn file(path: &Path, source: io::Error) -> AuthorityError {
    AuthorityError::File { path: path.to_owned(), source }
}
