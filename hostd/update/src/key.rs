//! Who may sign a bundle.

use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use std::fmt;

/// What a maker signs with: PKCS#8.
pub struct SigningKey(Ed25519KeyPair);

/// The makers that a machine trusts: one a line, hex, with a name behind it for people; `#` begins a remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<[u8; 32]>);

/// A key that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// The secret half.
    #[error("this is no ed25519 key in PKCS#8")]
    Secret,
    /// A public one.
    #[error("line {0} is no public key: 64 hex digits are wanted")]
    Public(usize),
    /// No random bytes.
    #[error("no key can be made: the system has no random bytes")]
    Random,
}

impl SigningKey {
    /// A new key, as it is kept.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<Vec<u8>, BadKey> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| BadKey::Random)?;
        Ok(pkcs8.as_ref().to_vec())
    }

    /// Reads what [`SigningKey::generate`] made.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse(pkcs8: &[u8]) -> Result<Self, BadKey> {
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map(Self).map_err(|_| BadKey::Secret)
    }

    /// The public half, as a line of [`Keys`].
    #[must_use]
    pub fn public(&self) -> String {
        hex::encode(self.0.public_key().as_ref())
    }

    pub(crate) fn sign(&self, text: &[u8]) -> String {
        hex::encode(self.0.sign(text).as_ref())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, secret)", self.public())
    }
}

impl Keys {
    /// Reads a file of keys.
    ///
    /// # Errors
    /// When a line is none.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let Some(word) = line.split('#').next().and_then(|line| line.split_whitespace().next()) else { continue };
            let mut key = [0; 32];
            hex::decode_to_slice(word, &mut key).map_err(|_| BadKey::Public(number + 1))?;
            keys.push(key);
        }
        Ok(Self(keys))
    }

    pub(crate) fn vouch(&self, text: &[u8], signature: &[u8]) -> bool {
        self.0.iter().any(|key| UnparsedPublicKey::new(&ED25519, key).verify(text, signature).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_vouches_for_what_it_signed_alone() {
        let (one, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let (one, other) = (SigningKey::parse(&one).unwrap(), SigningKey::parse(&other).unwrap());
        let keys = Keys::parse(&format!("# makers\n\n{} us\n", one.public())).unwrap();
        let signed = |key: &SigningKey, text: &[u8]| hex::decode(key.sign(text)).unwrap();
        assert!(keys.vouch(b"text", &signed(&one, b"text")));
        assert!(!keys.vouch(b"text!", &signed(&one, b"text")));
        assert!(!keys.vouch(b"text", &signed(&other, b"text")));
        assert!(!keys.vouch(b"text", b""));
        assert!(!Keys::parse("").unwrap().vouch(b"text", &signed(&one, b"text")), "who trusts nobody takes nothing");
    }

    #[test]
    fn what_is_no_key_is_named() {
        assert_eq!(Keys::parse("# x\nabc"), Err(BadKey::Public(2)));
        assert_eq!(SigningKey::parse(b"x").unwrap_err(), BadKey::Secret);
        let debug = format!("{:?}", SigningKey::parse(&SigningKey::generate().unwrap()).unwrap());
        assert!(debug.ends_with("secret)"));
    }
}
