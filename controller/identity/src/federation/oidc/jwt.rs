//! JSON Web Tokens: read, checked, believed only then.

use super::{
    ProofError,
    jwk::{Algorithm, Keys},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_base::Timestamp;
use serde_json::{Map, Value};

/// What a token says.
pub(super) type Claims = Map<String, Value>;

/// How far clocks may be apart, seconds.
const LEEWAY: i64 = 60;
/// Longer ones are not read.
const LONGEST: usize = 64 * 1024;

/// A token whose signature was not checked.
#[derive(Debug)]
pub(super) struct Unverified<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: Algorithm,
    algorithm_name: String,
    key: Option<String>,
    payload: Vec<u8>,
}

/// Why no key vouches for a token.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyError {
    /// None of the keys could have signed it.
    #[error("the token is signed with a key that the provider does not have")]
    Unknown,
    /// Those that could have, have not.
    #[error("the token's signature is wrong")]
    Wrong,
    /// What they signed is no set of claims.
    #[error("the token's claims cannot be read")]
    Claims,
}

/// For whom a token must be meant.
#[derive(Debug)]
pub(super) struct Expected<'a> {
    pub audiences: Vec<&'a str>,
    /// For ID tokens: what the browser was sent off with.
    pub nonce: Option<&'a str>,
}

/// Whether a text has a JWT's form.
pub(super) fn looks_like_one(token: &str) -> bool {
    let mut parts = token.split('.');
    let header = parts.next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header = header.and_then(|bytes| serde_json::from_slice::<Map<String, Value>>(&bytes).ok());
    header.is_some_and(|header| header.contains_key("alg")) && parts.count() == 2
}

fn refused(reason: &str) -> ProofError {
    ProofError::Refused(reason.to_owned())
}

impl<'a> Unverified<'a> {
    /// Takes a token apart; its algorithm must be one that counts.
    pub(super) fn read(token: &'a str) -> Result<Self, ProofError> {
        let malformed = || refused("the token is malformed");
        if token.len() > LONGEST {
            return Err(malformed());
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or_else(malformed)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed());
        let header: Map<String, Value> = serde_json::from_slice(&bytes(header)?).map_err(|_| malformed())?;
        if header.contains_key("crit") {
            return Err(refused("the token has critical extensions"));
        }
        let name = header.get("alg").and_then(Value::as_str).unwrap_or_default().to_owned();
        let algorithm = Algorithm::named(&name).ok_or_else(|| refused("the token's algorithm is not accepted"))?;
        Ok(Self {
            signed,
            signature: bytes(signature)?,
            algorithm,
            algorithm_name: name,
            key: header.get("kid").and_then(Value::as_str).map(str::to_owned),
            payload: bytes(payload)?,
        })
    }

    /// The claims, if one of the keys has signed them.
    pub(super) fn verify(&self, keys: &Keys) -> Result<Claims, KeyError> {
        let wanted = (self.key.as_deref(), self.algorithm, self.algorithm_name.as_str());
        if !keys.knows(wanted.0, wanted.1, wanted.2) {
            return Err(KeyError::Unknown);
        }
        if !keys.verify(wanted, self.signed.as_bytes(), &self.signature) {
            return Err(KeyError::Wrong);
        }
        serde_json::from_slice(&self.payload).map_err(|_| KeyError::Claims)
    }
}

/// Whether claims are this issuer's, for one of the audiences, and hold now.
pub(super) fn check(claims: &Claims, issuer: &str, expected: &Expected<'_>, now: Timestamp) -> Result<(), ProofError> {
    if claims.get("iss").and_then(Value::as_str) != Some(issuer) {
        return Err(refused("the token is another issuer's"));
    }
    times(claims, now)?;
    let audiences = texts(claims.get("aud"));
    if !audiences.iter().any(|audience| expected.audiences.contains(audience)) {
        return Err(refused("the token is meant for somebody else"));
    }
    if let Some(nonce) = expected.nonce {
        if claims.get("nonce").and_then(Value::as_str) != Some(nonce) {
            return Err(refused("the token answers another login"));
        }
        let party = claims.get("azp").and_then(Value::as_str);
        if party.is_some_and(|party| !expected.audiences.contains(&party)) || (audiences.len() > 1 && party.is_none()) {
            return Err(refused("the token was given to somebody else"));
        }
    }
    Ok(())
}

/// It has an end, which lies ahead, and has begun.
pub(super) fn times(claims: &Claims, now: Timestamp) -> Result<(), ProofError> {
    let now = now.0 / 1_000_000;
    let end = seconds(claims.get("exp")).ok_or_else(|| refused("the token has no end"))?;
    if end.saturating_add(LEEWAY) <= now {
        return Err(refused("the token has ended"));
    }
    for begin in ["nbf", "iat"].iter().filter_map(|name| seconds(claims.get(*name))) {
        if begin.saturating_sub(LEEWAY) > now {
            return Err(refused("the token has not begun"));
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "casts from floats saturate")]
fn seconds(value: Option<&Value>) -> Option<i64> {
    let value = value?;
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

/// A text, or all texts of a list.
pub(super) fn texts(value: Option<&Value>) -> Vec<&str> {
    match value {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ring::{
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
        },
    };
    use serde_json::json;

    pub(in super::super) const NOW: Timestamp = Timestamp(1_790_000_000_000_000);

    fn encode(bytes: impl AsRef<[u8]>) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// A provider that signs with all that counts.
    pub(in super::super) struct Signer {
        ec: EcdsaKeyPair,
        rsa: RsaKeyPair,
    }

    impl Signer {
        pub(in super::super) fn new() -> Self {
            let random = SystemRandom::new();
            let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
            let rsa = base64::engine::general_purpose::STANDARD
                .decode(include_str!("test_rsa_key.b64").replace('\n', ""))
                .unwrap();
            Self {
                ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap(),
                rsa: RsaKeyPair::from_pkcs8(&rsa).unwrap(),
            }
        }

        pub(in super::super) fn jwks(&self) -> Value {
            let point = self.ec.public_key().as_ref();
            let components = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
            json!({"keys": [
                {"kty": "oct", "kid": "secret", "k": "AAAA"},
                {"kty": "RSA", "kid": "other", "use": "enc", "n": encode(&components.n), "e": encode(&components.e)},
                {"kty": "EC", "crv": "P-256", "kid": "ec", "x": encode(&point[1..33]), "y": encode(&point[33..])},
                {"kty": "RSA", "kid": "rsa", "use": "sig", "n": encode(&components.n), "e": encode(&components.e)},
            ]})
        }

        pub(in super::super) fn sign(&self, header: &Value, claims: &Value) -> String {
            let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
            let random = SystemRandom::new();
            let mut rsa = vec![0; self.rsa.public().modulus_len()];
            let signature = match header["alg"].as_str().unwrap_or_default() {
                "ES256" => self.ec.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
                "RS256" => {
                    self.rsa.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut rsa).unwrap();
                    rsa
                }
                "PS256" => {
                    self.rsa.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut rsa).unwrap();
                    rsa
                }
                _ => Vec::new(),
            };
            format!("{signed}.{}", encode(signature))
        }
    }

    fn claims() -> Value {
        json!({"iss": "https://idp.test", "aud": "cloud", "exp": 1_790_000_300, "sub": "bob", "nonce": "n"})
    }

    fn verify(signer: &Signer, token: &str) -> Result<Claims, String> {
        let unverified = Unverified::read(token).map_err(|error| error.to_string())?;
        unverified.verify(&Keys::read(&signer.jwks())).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_provider_signed_is_believed() {
        let signer = Signer::new();
        for (algorithm, key) in [("ES256", "ec"), ("RS256", "rsa"), ("PS256", "rsa")] {
            for header in [json!({"alg": algorithm, "kid": key}), json!({"alg": algorithm})] {
                let token = signer.sign(&header, &claims());
                assert!(looks_like_one(&token));
                assert_eq!(Value::Object(verify(&signer, &token).unwrap()), claims(), "{header}");
            }
        }
    }

    #[test]
    fn no_other_signature_counts() {
        let signer = Signer::new();
        let stranger = Signer::new().sign(&json!({"alg": "ES256", "kid": "ec"}), &claims());
        assert!(verify(&signer, &stranger).unwrap_err().contains("wrong"));
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "None"}),
            json!({"alg": "HS256", "kid": "rsa"}),
            json!({"alg": "RS512", "kid": "rsa"}),
            json!({"kid": "rsa"}),
            json!({"alg": "RS256", "crit": ["x"]}),
        ] {
            assert!(Unverified::read(&signer.sign(&header, &claims())).is_err(), "{header}");
        }
        for header in [json!({"alg": "ES256", "kid": "rsa"}), json!({"alg": "RS256", "kid": "other"})] {
            assert!(verify(&signer, &signer.sign(&header, &claims())).is_err(), "{header}");
        }
        let token = signer.sign(&json!({"alg": "RS256"}), &claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut other = claims();
        other["sub"] = "admin".into();
        let swapped = format!("{}.{}.{signature}", signed.split('.').next().unwrap(), encode(other.to_string()));
        assert!(verify(&signer, &swapped).is_err());
        assert!(verify(&signer, &format!("{signed}.")).is_err());
        for broken in ["", ".", "..", "a.b.c", "e30.e30.", &"x".repeat(LONGEST + 1)] {
            assert!(Unverified::read(broken).is_err() && !looks_like_one(broken), "{broken:.20}");
        }
    }

    #[test]
    fn claims_are_this_issuers_for_this_client_and_now() {
        let good = |change: &dyn Fn(&mut Value), nonce: Option<&str>| {
            let mut claims = claims();
            change(&mut claims);
            let Value::Object(claims) = claims else { unreachable!() };
            check(&claims, "https://idp.test", &Expected { audiences: vec!["cloud"], nonce }, NOW).is_ok()
        };
        assert!(good(&|_| (), None) && good(&|_| (), Some("n")));
        assert!(good(&|c| c["aud"] = json!(["other", "cloud"]), None));
        assert!(good(&|c| c["exp"] = json!(1_789_999_950), None), "clocks may be a little apart");
        assert!(good(&|c| c["exp"] = json!(1_790_000_300.5), None));
        let changes: &[(&str, Value)] = &[
            ("iss", json!("https://idp.test/")),
            ("iss", json!(null)),
            ("aud", json!("other")),
            ("aud", json!([])),
            ("aud", json!({"cloud": 1})),
            ("exp", json!(1_789_999_000)),
            ("exp", json!("1790000300")),
            ("exp", json!(null)),
            ("nbf", json!(1_790_000_900)),
            ("iat", json!(1_790_000_900)),
        ];
        for (name, value) in changes {
            assert!(!good(&|c| c[*name] = value.clone(), None), "{name}: {value}");
        }
        assert!(!good(&|_| (), Some("other")));
        assert!(!good(&|c| c["nonce"] = json!(null), Some("n")));
        assert!(!good(&|c| c["azp"] = json!("other"), Some("n")));
        assert!(!good(&|c| c["aud"] = json!(["cloud", "other"]), Some("n")), "who of both was it given to?");
    }
}
