//! Who may sign a bundle.

use ring::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey},
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

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

/// A file of keys that is there and of no use.
#[derive(Debug, thiserror::Error)]
#[error("the keys in {} cannot be used", .file.display())]
pub struct BadKeys {
    /// The file.
    pub file: PathBuf,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
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

    /// Reads files of keys; one that is not there has none.
    ///
    /// # Errors
    /// When a file cannot be read or followed.
    pub fn load<P: AsRef<Path>>(files: &[P]) -> Result<Self, BadKeys> {
        let mut keys = Vec::new();
        for file in files.iter().map(AsRef::as_ref) {
            let bad = |source| BadKeys { file: file.to_owned(), source };
            match fs::read_to_string(file) {
                Ok(text) => keys.extend(Self::parse(&text).map_err(|error| bad(Box::new(error)))?.0),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(bad(Box::new(error))),
            }
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
    fn files_of_keys_are_taken_together_and_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let [own, other, none] = ["own", "other", "none"].map(|name| folder.path().join(name));
        fs::write(&own, format!("{} us\n", "ab".repeat(32))).unwrap();
        fs::write(&other, "cd".repeat(32)).unwrap();
        assert_eq!(Keys::load(&[&own, &none, &other]).unwrap(), Keys(vec![[0xab; 32], [0xcd; 32]]));
        fs::write(&other, "x").unwrap();
        assert!(Keys::load(&[&own, &other]).unwrap_err().to_string().contains("other"));
    }

    #[test]
    fn what_is_no_key_is_named() {
        assert_eq!(Keys::parse("# x\nabc"), Err(BadKey::Public(2)));
        assert_eq!(SigningKey::parse(b"x").unwrap_err(), BadKey::Secret);
        let debug = format!("{:?}", SigningKey::parse(&SigningKey::generate().unwrap()).unwrap());
        assert!(debug.ends_with("secret)"));
    }
}
