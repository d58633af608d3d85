//! The signatures of AWS: versions 0, 1, 2 and 4 of EC2's queries, and what S3 signs in versions 1 and 4.
//!
//! Sources: AWS's description of each version; what keystoneclient's signer and Keystone's S3 extension make of it, since services
//! send what those understand. Input is hostile: whatever is malformed has no signature.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use controller_base::{Secret, Timestamp};
use ring::{digest, hmac};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// How long after its own moment a signature is taken, seconds.
const LASTS: i64 = 15 * 60;

/// A signed request, as a service passes it on.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Signed {
    pub access: Option<String>,
    signature: Option<String>,
    /// What S3 signed, in base64url.
    token: Option<String>,
    #[serde(default)]
    verb: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    body_hash: Option<String>,
}

/// Why a signature is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the signature is missing")]
    Missing,
    #[error("the request or its signature is malformed")]
    Malformed,
    #[error("the signature is another")]
    Wrong,
    #[error("the signature's moment is over or malformed")]
    Late,
}

impl Signed {
    /// Whether a request to EC2's API was signed with this secret.
    pub(crate) fn is_ec2_by(&self, secret: &Secret) -> Result<(), Refused> {
        let given = self.signature.as_deref().filter(|text| !text.is_empty()).ok_or(Refused::Missing)?;
        let own = self.ec2(secret.reveal(), &self.host).ok_or(Refused::Malformed)?;
        if same(given, &own) {
            return Ok(());
        }
        // Some clients sign the host without its port.
        let bare = self.host.rsplit_once(':').map(|(host, _)| host).ok_or(Refused::Wrong)?;
        let own = self.ec2(secret.reveal(), bare).ok_or(Refused::Malformed)?;
        if same(given, &own) { Ok(()) } else { Err(Refused::Wrong) }
    }

    /// Whether what S3 signed was signed with this secret.
    pub(crate) fn is_s3_by(&self, secret: &Secret) -> Result<(), Refused> {
        let given = self.signature.as_deref().ok_or(Refused::Missing)?;
        let text = self.token.as_deref().and_then(|text| URL_SAFE.decode(text).ok()).ok_or(Refused::Malformed)?;
        let own = if text.starts_with(b"AWS4") {
            s3_version_4(secret.reveal(), &text).ok_or(Refused::Malformed)?
        } else {
            STANDARD.encode(sha1(secret.reveal().as_bytes(), &text))
        };
        if same(given, &own) { Ok(()) } else { Err(Refused::Wrong) }
    }

    /// Whether the signature's own moment, where it has one, is not long ago.
    pub(crate) fn is_in_time(&self, now: Timestamp) -> Result<(), Refused> {
        let moment = self.param("Timestamp").or_else(|| self.header("X-Amz-Date")).or_else(|| self.param("X-Amz-Date"));
        let Some(text) = moment else { return Ok(()) };
        let signed = Timestamp::parse(&text).ok_or(Refused::Late)?;
        if now > signed.plus_seconds(LASTS) { Err(Refused::Late) } else { Ok(()) }
    }

    /// For tests: signs as a client does.
    #[cfg(test)]
    pub(crate) fn sign(&self, secret: &str) -> Option<String> {
        self.ec2(secret, &self.host)
    }

    fn param(&self, name: &str) -> Option<String> {
        self.params.get(name).map(text)
    }

    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(text)
    }

    fn ec2(&self, secret: &str, host: &str) -> Option<String> {
        let key = secret.as_bytes();
        match self.param("SignatureVersion").as_deref() {
            Some("0") => {
                let signed = self.param("Action")? + &self.param("Timestamp")?;
                Some(STANDARD.encode(sha1(key, signed.as_bytes())))
            }
            Some("1") => {
                let mut params: Vec<_> = self.params.iter().collect();
                params.sort_by_key(|(name, _)| name.to_lowercase());
                let signed: String = params.into_iter().map(|(name, value)| name.clone() + &text(value)).collect();
                Some(STANDARD.encode(sha1(key, signed.as_bytes())))
            }
            Some("2") => {
                let mut params = self.params.clone();
                params.insert("SignatureMethod".to_owned(), "HmacSHA256".into());
                let signed = format!("{}\n{host}\n{}\n{}", self.verb, self.path, query(&params));
                Some(STANDARD.encode(sha256(key, signed.as_bytes())))
            }
            _ if self.is_version_4() => self.ec2_version_4(secret, host),
            _ => None,
        }
    }

    fn is_version_4(&self) -> bool {
        const ALGORITHM: &str = "AWS4-HMAC-SHA256";
        match self.header("Authorization") {
            Some(header) => header.starts_with(ALGORITHM),
            None => self.param("X-Amz-Algorithm").as_deref() == Some(ALGORITHM),
        }
    }

    fn ec2_version_4(&self, secret: &str, host: &str) -> Option<String> {
        let credential = self.authorization("Credential")?;
        let parts: Vec<&str> = credential.split('/').collect();
        let [_, date, region, service, _] = parts.as_slice() else { return None };
        let moment = self.header("X-Amz-Date").or_else(|| self.param("X-Amz-Date"))?;
        if !moment.starts_with(date) {
            return None;
        }
        let signed_headers = self.authorization("SignedHeaders")?;
        let verb = self.verb.to_uppercase();
        // A POST carries its parameters in the body.
        let query = if verb == "POST" { String::new() } else { query(&self.params) };
        let headers = self.canonical_headers(&signed_headers, host);
        let request =
            format!("{verb}\n{}\n{query}\n{headers}\n{signed_headers}\n{}", self.path, self.body_hash.as_deref()?);
        let hash = hex::encode(digest::digest(&digest::SHA256, request.as_bytes()));
        let scope = parts.get(1..)?.join("/");
        let signed = format!("AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hash}");
        Some(hex::encode(sha256(&version_4_key(secret, date, region, service), signed.as_bytes())))
    }

    /// A part of the header `Authorization`, or of the query.
    fn authorization(&self, name: &str) -> Option<String> {
        match self.header("Authorization") {
            Some(header) => {
                let (_, rest) = header.split_once(&format!("{name}="))?;
                Some(rest.split(',').next().unwrap_or_default().to_owned())
            }
            None => self.param(&format!("X-Amz-{name}")),
        }
    }

    fn canonical_headers(&self, signed: &str, host: &str) -> String {
        let lower: BTreeMap<String, String> = self
            .headers
            .iter()
            .map(|(name, value)| (name.trim().to_lowercase(), text(value).trim().to_owned()))
            .collect();
        let mut lines = String::new();
        for name in signed.split(';') {
            let Some(value) = lower.get(name) else { continue };
            let value = if name == "host" && host != self.host { host } else { value };
            lines += &format!("{name}:{value}\n");
        }
        if lines.is_empty() { "\n".to_owned() } else { lines }
    }
}

fn s3_version_4(secret: &str, signed: &[u8]) -> Option<String> {
    let lines: Vec<&[u8]> = signed.split(|byte| *byte == b'\n').collect();
    let [b"AWS4-HMAC-SHA256", _, scope, _] = lines.as_slice() else { return None };
    let scope: Vec<&str> = std::str::from_utf8(scope).ok()?.split('/').collect();
    let [date, region, service @ ("s3" | "iam" | "sts"), "aws4_request"] = scope.as_slice() else { return None };
    Some(hex::encode(sha256(&version_4_key(secret, date, region, service), signed)))
}

fn version_4_key(secret: &str, date: &str, region: &str, service: &str) -> Vec<u8> {
    let first = format!("AWS4{secret}").into_bytes();
    [date, region, service, "aws4_request"].iter().fold(first, |key, part| sha256(&key, part.as_bytes()))
}

fn sha1(key: &[u8], signed: &[u8]) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::sign(&key, signed).as_ref().to_vec()
}

fn sha256(key: &[u8], signed: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed).as_ref().to_vec()
}

/// In constant time.
fn same(given: &str, own: &str) -> bool {
    Secret::new(given) == Secret::new(own)
}

/// As Python's `str` shows it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Null => "None".to_owned(),
        other => other.to_string(),
    }
}

/// Names sorted by their bytes, both halves percent-encoded.
fn query(params: &BTreeMap<String, Value>) -> String {
    let pairs = params.iter().filter(|(name, _)| *name != "X-Amz-Signature");
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{}={}", encode(name), encode(&text(value)))).collect();
    pairs.join("&")
}

fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn signed(value: Value) -> Signed {
        serde_json::from_value(value).unwrap()
    }

    fn secret() -> Secret {
        Secret::new("e7a7a2240136494986991a6598d9fb9f")
    }

    /// keystoneclient's own samples.
    #[test]
    fn the_older_versions_are_keystoneclients() {
        let query = |version: &str, signature: &str| {
            signed(json!({"host": "127.0.0.1", "verb": "GET", "path": "/v1/", "signature": signature, "params":
                {"SignatureVersion": version, "AWSAccessKeyId": "fd25bb2c8a6f4ef58e64da5eb4d60e1f",
                 "Timestamp": "2012-08-22T13:00:00", "Action": "Test"}}))
        };
        for version in ["0", "1", "2"] {
            let own = query(version, "").ec2(secret().reveal(), "127.0.0.1").unwrap();
            assert!(query(version, &own).is_ec2_by(&secret()).is_ok());
            assert_eq!(query(version, &own).is_ec2_by(&Secret::new("other")), Err(Refused::Wrong));
            assert_eq!(query(version, "").is_ec2_by(&secret()), Err(Refused::Missing));
        }
        assert_eq!(query("9", "x").is_ec2_by(&secret()), Err(Refused::Malformed));
    }

    /// AWS's example of version 4: IAM's `ListUsers`.
    #[test]
    fn aws_own_example_of_version_4_is_met() {
        let request = |host: &str, port: &str| {
            signed(json!({
                "host": format!("{host}{port}"), "verb": "GET", "path": "/",
                "params": {"Action": "ListUsers", "Version": "2010-05-08"},
                "headers": {
                    "Host": format!("iam.amazonaws.com{port}"), "X-Amz-Date": "20150830T123600Z",
                    "Content-Type": "application/x-www-form-urlencoded; charset=utf-8",
                    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
                        SignedHeaders=content-type;host;x-amz-date, Signature=x",
                },
                "body_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                "signature": "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
            }))
        };
        let key = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        assert_eq!(request("iam.amazonaws.com", "").is_ec2_by(&key), Ok(()));
        assert_eq!(request("iam.amazonaws.com", ":8443").is_ec2_by(&key), Ok(()), "signed without the port");
        assert_eq!(request("iam.amazonaws.com", "").is_ec2_by(&secret()), Err(Refused::Wrong));
        let now = Timestamp::parse("2015-08-30T12:51:00Z").unwrap();
        assert_eq!(request("h", "").is_in_time(now), Ok(()));
        assert_eq!(request("h", "").is_in_time(now.plus_seconds(1)), Err(Refused::Late));
    }

    /// AWS's example of S3 in version 4: `GET /test.txt`.
    #[test]
    fn aws_own_example_of_s3_is_met() {
        let text = "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n\
                    7344ae5b7ee6c3e7e6b0fe0640412a37625d1fbfff95c48bbb2dc43964946972";
        let request = |text: &str| {
            signed(json!({"access": "a", "token": URL_SAFE.encode(text),
                "signature": "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}))
        };
        let key = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        assert_eq!(request(text).is_s3_by(&key), Ok(()));
        assert_eq!(request(&text.replace("us-east", "us-west")).is_s3_by(&key), Err(Refused::Wrong));
        assert_eq!(request(&text.replace("/s3/", "/ec2/")).is_s3_by(&key), Err(Refused::Malformed));
        assert_eq!(request("AWS4").is_s3_by(&key), Err(Refused::Malformed));
        let old = signed(json!({"token": URL_SAFE.encode("GET\n\n\n\n/bucket"), "signature": "x"}));
        assert_eq!(old.is_s3_by(&key), Err(Refused::Wrong));
    }
}
