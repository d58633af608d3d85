//! What the authority's certificates look like.

use super::AuthorityError;
use controller_base::Timestamp;
use controller_base::id::HostId;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use time::OffsetDateTime;

/// How long the authority itself holds, seconds.
const AUTHORITY_SECONDS: i64 = 3650 * 86_400;
/// Clocks of hosts differ: certificates hold from so long ago.
const BACKDATED: i64 = 3600;

/// A host's; its only name is its id.
pub(super) fn host(id: HostId, seconds: i64, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = leaf(&id.to_string(), seconds, now)?;
    // A host is also a server to other hosts (images, block export, migration).
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// The controller's own.
pub(super) fn server(names: &[String], seconds: i64, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = leaf("controller", seconds, now)?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    for name in names {
        let san = match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        };
        params.subject_alt_names.push(san);
    }
    Ok(params)
}

/// A new authority: certificate and key, PEM. Its name holds when it was made: of two trusted at the same time each is found.
pub(super) fn authority(now: Timestamp) -> Result<(String, String), AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, format!("Humilis federation CA {}", now.micros_z()));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, AUTHORITY_SECONDS, now);
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn leaf(name: &str, seconds: i64, now: Timestamp) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    validity(&mut params, seconds, now);
    Ok(params)
}

/// A short life is backdated less, so that two thirds of what the certificate shows lie in the future.
fn validity(params: &mut CertificateParams, seconds: i64, now: Timestamp) {
    params.not_before = moment(now.plus_seconds(-BACKDATED.min(seconds / 10)));
    params.not_after = moment(now.plus_seconds(seconds));
}

fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(at.0 / 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
