//! Keys themselves: reading, fingerprints, making.

use super::model::KeyKind;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use ssh_key::{Algorithm, LineEnding, PrivateKey, PublicKey};

/// The text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Keypair data is invalid: {0}")]
pub(super) struct NoKey(&'static str);

/// A pair that was made.
pub(super) struct Made {
    pub(super) public_key: String,
    pub(super) private_key: String,
}

/// The fingerprint of a public key, hex with colons: MD5 of an SSH key's bytes, SHA-1 of a certificate's.
///
/// # Errors
/// The text is no key of that kind.
pub(super) fn fingerprint(kind: KeyKind, text: &str) -> Result<String, NoKey> {
    match kind {
        KeyKind::Ssh => {
            let bytes = ssh_bytes(text)?;
            Ok(colons(&Md5::digest(bytes)))
        }
        KeyKind::X509 => {
            let bytes = certificate_bytes(text)?;
            Ok(colons(&<Sha1 as sha1::Digest>::digest(bytes)))
        }
    }
}

/// The encoded key of a line `type base64 comment`. Types that the library does not know are let through if their first field
/// agrees with their name, as Nova's own check does.
fn ssh_bytes(text: &str) -> Result<Vec<u8>, NoKey> {
    let line = text.trim();
    let mut parts = line.split_whitespace();
    let name = parts.next().ok_or(NoKey("it is empty"))?;
    let encoded = parts.next().ok_or(NoKey("it has no key"))?;
    let bytes = STANDARD.decode(encoded).map_err(|_| NoKey("the key is not base64"))?;
    if PublicKey::from_openssh(line).is_ok() {
        return Ok(bytes);
    }
    let length = bytes.first_chunk::<4>().map(|length| u32::from_be_bytes(*length));
    let length = length.and_then(|length| usize::try_from(length).ok()).ok_or(NoKey("the key is cut off"))?;
    let inner = bytes.get(4..).and_then(|rest| rest.get(..length)).ok_or(NoKey("the key is cut off"))?;
    let plausible = inner == name.as_bytes() && bytes.len() > 4 + length;
    if plausible { Ok(bytes) } else { Err(NoKey("the key does not fit its type")) }
}

fn certificate_bytes(text: &str) -> Result<Vec<u8>, NoKey> {
    let body: String = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "-----BEGIN CERTIFICATE-----")
        .skip(1)
        .take_while(|line| *line != "-----END CERTIFICATE-----")
        .collect();
    let bytes = STANDARD.decode(body).map_err(|_| NoKey("the certificate is not PEM"))?;
    if bytes.first() == Some(&0x30) { Ok(bytes) } else { Err(NoKey("the certificate is not PEM")) }
}

/// Makes an Ed25519 pair in OpenSSH's own form.
///
/// # Errors
/// The library's; it has no reason to fail.
pub(super) fn make(comment: &str) -> Result<Made, ssh_key::Error> {
    let mut key = PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519)?;
    key.set_comment(comment);
    Ok(Made { public_key: key.public_key().to_openssh()?, private_key: key.to_openssh(LineEnding::LF)?.to_string() })
}

fn colons(bytes: &[u8]) -> String {
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    hex.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@host";

    #[test]
    fn a_made_pair_reads_back() {
        let made = make("Generated-by-test").unwrap();
        assert!(made.private_key.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        let private = PrivateKey::from_openssh(&made.private_key).unwrap();
        assert_eq!(private.public_key().to_openssh().unwrap(), made.public_key);
        assert_eq!(fingerprint(KeyKind::Ssh, &made.public_key).unwrap().len(), 47);
    }

    #[test]
    fn keys_are_told_from_nonsense() {
        assert!(fingerprint(KeyKind::Ssh, ED25519).is_ok());
        assert!(fingerprint(KeyKind::Ssh, &format!("  {ED25519}\n")).is_ok());
        for bad in ["", "ssh-rsa", "ssh-rsa not-base64!", "ssh-rsa AAAA", "ssh-ed25519 AAAAB3NzaC1yc2E="] {
            assert!(fingerprint(KeyKind::Ssh, bad).is_err(), "{bad}");
        }
        assert!(fingerprint(KeyKind::X509, ED25519).is_err());
    }
}
