//! Fernet: version 0x80, seconds, IV, AES-128-CBC with PKCS#7, HMAC-SHA-256 over all of it; base64url.
//!
//! Source: the Fernet specification (github.com/fernet/spec). Keystone strips the `=` at the end of tokens.

use aes::Aes128;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, block_padding::Pkcs7};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;

const VERSION: u8 = 0x80;
const HEADER: usize = 1 + 8 + 16;
const TAG: usize = 32;

/// A key: 16 bytes to sign with, 16 bytes to encrypt with.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    signing: [u8; 16],
    encryption: [u8; 16],
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// A new random key.
    #[must_use]
    pub fn random() -> Self {
        Self { signing: rand::random(), encryption: rand::random() }
    }

    /// Reads base64url of 32 bytes.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('=')).ok()?;
        let (signing, encryption) = bytes.split_at_checked(16)?;
        Some(Self { signing: signing.try_into().ok()?, encryption: encryption.try_into().ok()? })
    }

    /// As base64url of 32 bytes.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([self.signing, self.encryption].concat()) + "="
    }

    fn tag(&self, signed: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.signing).ok()?;
        mac.update(signed);
        Some(mac)
    }
}

/// Seals a message, without `=` at the end.
#[must_use]
pub fn seal(key: &Key, message: &[u8], seconds: u64, iv: [u8; 16]) -> String {
    let mut token = vec![VERSION];
    token.extend(seconds.to_be_bytes());
    token.extend(iv);
    let encryptor = cbc::Encryptor::<Aes128>::new(&key.encryption.into(), &iv.into());
    token.extend(encryptor.encrypt_padded_vec_mut::<Pkcs7>(message));
    // A key of any length is a valid HMAC key.
    if let Some(tag) = key.tag(&token) {
        token.extend(tag.finalize().into_bytes());
    }
    URL_SAFE_NO_PAD.encode(token)
}

/// Opens what one of the keys has sealed: the message and its seconds.
#[must_use]
pub fn open(keys: &[Key], token: &str) -> Option<(Vec<u8>, u64)> {
    let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
    let (signed, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
    let (header, encrypted) = signed.split_at_checked(HEADER)?;
    if header[0] != VERSION {
        return None;
    }
    // The tag is compared in constant time.
    let key = keys.iter().find(|key| key.tag(signed).is_some_and(|mac| mac.verify_slice(tag).is_ok()))?;
    let seconds = u64::from_be_bytes(header[1..9].try_into().ok()?);
    let iv: [u8; 16] = header[9..].try_into().ok()?;
    let decryptor = cbc::Decryptor::<Aes128>::new(&key.encryption.into(), &iv.into());
    let message = decryptor.decrypt_padded_vec_mut::<Pkcs7>(encrypted).ok()?;
    Some((message, seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own sample (generate.json and verify.json).
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str =
        "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    #[test]
    fn the_specifications_sample_is_met() {
        let key = Key::decode(KEY).unwrap();
        let iv = std::array::from_fn(|i| u8::try_from(i).unwrap());
        assert_eq!(seal(&key, b"hello", 499_162_800, iv), TOKEN.trim_end_matches('='));
        assert_eq!(open(&[Key::random(), key.clone()], TOKEN).unwrap(), (b"hello".to_vec(), 499_162_800));
        assert_eq!(key.encode(), KEY);
    }

    #[test]
    fn a_token_that_was_touched_or_cut_is_refused() {
        let key = Key::decode(KEY).unwrap();
        for at in [0, 5, 20, 40, 90] {
            let mut bytes = TOKEN.as_bytes().to_vec();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(open(std::slice::from_ref(&key), std::str::from_utf8(&bytes).unwrap()), None);
        }
        for length in 0..TOKEN.len() - 4 {
            assert_eq!(open(std::slice::from_ref(&key), &TOKEN[..length]), None);
        }
        assert_eq!(open(&[Key::random()], TOKEN), None);
    }
}
