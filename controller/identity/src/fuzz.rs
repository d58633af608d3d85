//! What is fuzzed (`cargo xtask fuzz`): everything that reads bytes of strangers. Each takes any bytes and must neither panic nor
//! break what it promises.

use crate::{
    ec2::signature::Signed,
    federation::mapping::rules::{self, Mapping},
    token::{
        fernet::{self, Key},
        payload::Payload,
    },
};
use controller_base::{Secret, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// As a token's text and as what stands inside one: what is read is written and read again as the same.
///
/// # Panics
/// When it is not.
pub fn token(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let key = Key::decode("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=");
        // Nobody but the holder of the key can have made one, and the fuzzer has not.
        let _ = fernet::open(key.as_slice(), text);
    }
    if let Some(payload) = Payload::decode(bytes) {
        let again = Payload::decode(&payload.encode());
        assert_eq!(again.as_ref(), Some(&payload), "what is written must be what was read");
    }
}

/// As a JSON object with the rules of a mapping, its version, and what an identity provider says of somebody.
pub fn mapping(bytes: &[u8]) {
    let Ok(whole) = serde_json::from_slice::<Value>(bytes) else { return };
    let version = whole["version"].as_str().unwrap_or("2.0");
    let Ok(mapping) = Mapping::read(version, &whole["rules"]) else { return };
    let said = whole["attributes"].as_object().into_iter().flatten();
    let attributes: BTreeMap<String, String> =
        said.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    // Whether somebody is let in is not the question, only that there is an answer.
    let _ = mapping.apply(&rules::split(&attributes));
}

/// As a signed request that a service passes on: no signature made without the secret is right.
///
/// # Panics
/// When one is.
pub fn signature(bytes: &[u8]) {
    let Ok(signed) = serde_json::from_slice::<Signed>(bytes) else { return };
    let secret = Secret::new("a secret that nobody knows");
    assert!(signed.is_ec2_by(&secret).is_err() && signed.is_s3_by(&secret).is_err(), "nobody knows the secret");
    // Late or not, there is an answer.
    let _ = signed.is_in_time(Timestamp(0));
}
