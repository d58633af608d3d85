//! Key pairs as compute thinks of them.

use controller_base::Timestamp;
use controller_base::id::UserId;

/// A user's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// Whose it is.
    pub user_id: UserId,
    /// Its name, unique for the user.
    pub name: String,
    /// What it is.
    pub kind: KeyKind,
    /// MD5 of the key, or SHA-1 of the certificate; hex with colons.
    pub fingerprint: String,
    /// OpenSSH or PEM text.
    pub public_key: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a key pair is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// OpenSSH.
    Ssh,
    /// A certificate, for guests that log in by one.
    X509,
}

impl KeyKind {
    /// Nova's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "ssh",
            Self::X509 => "x509",
        }
    }

    /// Reads [`KeyKind::as_str`] back.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text == "x509" { Self::X509 } else { Self::Ssh }
    }
}
