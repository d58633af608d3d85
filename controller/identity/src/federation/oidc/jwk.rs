//! A provider's public keys (RFC 7517), and what each can check.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use serde_json::Value;

/// The signatures that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Ps256,
    Es256,
}

impl Algorithm {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "PS256" => Some(Self::Ps256),
            "ES256" => Some(Self::Es256),
            _ => None,
        }
    }
}

/// The keys of a provider that can check signatures.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
struct Key {
    id: Option<String>,
    /// The only algorithm that it may be used with, if its owner says so.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Keys {
    /// Those of a key set that are understood and are for signatures.
    pub(super) fn read(set: &Value) -> Self {
        let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
        Self(keys.filter_map(|key| serde_json::from_value::<RawKey>(key.clone()).ok()?.read()).collect())
    }

    /// The keys that could have signed with this id and algorithm.
    fn fitting(&self, id: Option<&str>, algorithm: Algorithm, name: &str) -> impl Iterator<Item = &Key> {
        self.0.iter().filter(move |key| {
            let named = id.is_none() || key.id.is_none() || key.id.as_deref() == id;
            named && key.algorithm.as_deref().is_none_or(|own| own == name) && key.material.can(algorithm)
        })
    }

    /// Whether there is any that could have signed.
    pub(super) fn knows(&self, id: Option<&str>, algorithm: Algorithm, name: &str) -> bool {
        self.fitting(id, algorithm, name).next().is_some()
    }

    /// Whether one of them has signed.
    pub(super) fn verify(
        &self,
        (id, algorithm, name): (Option<&str>, Algorithm, &str),
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        self.fitting(id, algorithm, name).any(|key| key.material.verify(algorithm, message, signature))
    }
}

impl RawKey {
    fn read(self) -> Option<Key> {
        if self.r#use.is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: Option<String>| URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok();
        let material = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: bytes(self.n)?, e: bytes(self.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (bytes(self.x)?, bytes(self.y)?);
                (x.len() == 32 && y.len() == 32).then_some(())?;
                Material::P256([vec![4], x, y].concat())
            }
            _ => return None,
        };
        Some(Key { id: self.kid, algorithm: self.alg, material })
    }
}

impl Material {
    fn can(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => matches!(algorithm, Algorithm::Rs256 | Algorithm::Ps256),
            Self::P256(_) => algorithm == Algorithm::Es256,
        }
    }

    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (self, algorithm) {
            (Self::Rsa { n, e }, Algorithm::Rs256) => RsaPublicKeyComponents { n, e }
                .verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            (Self::Rsa { n, e }, Algorithm::Ps256) => {
                RsaPublicKeyComponents { n, e }.verify(&signature::RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
            }
            (Self::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
            (Self::Rsa { .. }, Algorithm::Es256) | (Self::P256(_), Algorithm::Rs256 | Algorithm::Ps256) => false,
        }
    }
}
