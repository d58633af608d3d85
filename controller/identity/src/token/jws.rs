//! Tokens as signed claims (JWS, ES256), as Keystone's provider of that name has them: nothing is secret in them, and whoever has the
//! public keys can check one.
//!
//! `private/private.pem` signs; every file of `public` verifies. There is no other algorithm: a header that names one is refused.

use super::payload::{Federation, Origin, Payload, ScopeId};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use controller_base::{Timestamp, id::GroupId};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt, fs, io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// What precedes the point in the DER of a public key on P-256 (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The keys that sign and verify.
pub(crate) struct Signer {
    key: EcdsaKeyPair,
    public: Vec<Vec<u8>>,
    random: SystemRandom,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer(…)")
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Group {
    id: GroupId,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
    openstack_methods: Vec<String>,
    openstack_audit_ids: Vec<String>,
    openstack_system: Option<String>,
    openstack_domain_id: Option<String>,
    openstack_project_id: Option<String>,
    openstack_trust_id: Option<String>,
    openstack_group_ids: Option<Vec<Group>>,
    openstack_idp_id: Option<String>,
    openstack_protocol_id: Option<String>,
    openstack_app_cred_id: Option<String>,
}

/// The same the other way: what is not there is left out.
#[derive(Serialize)]
struct Shown<'a> {
    sub: &'a str,
    iat: i64,
    exp: i64,
    openstack_methods: &'a [String],
    openstack_audit_ids: &'a [String],
    #[serde(flatten)]
    rest: serde_json::Map<String, serde_json::Value>,
}

impl Signer {
    /// Opens the directory; an empty or missing one gets a pair of keys.
    ///
    /// # Errors
    /// The directory cannot be used, or holds what is no key on P-256.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let (private, public) = (directory.join("private"), directory.join("public"));
        for folder in [&private, &public] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let random = SystemRandom::new();
        let path = private.join("private.pem");
        if !path.exists() {
            make(&path, &public.join("public.pem"), &random)?;
        }
        let key = pair(&unpem(&fs::read_to_string(&path)?).ok_or_else(|| broken(&path))?, &random);
        let key = key.ok_or_else(|| broken(&path))?;
        let mut keys = vec![key.public_key().as_ref().to_vec()];
        for entry in fs::read_dir(&public)? {
            let path = entry?.path();
            let der = unpem(&fs::read_to_string(&path)?).ok_or_else(|| broken(&path))?;
            let point = der.strip_prefix(&SPKI[..]).ok_or_else(|| broken(&path))?;
            keys.push(point.to_vec());
        }
        keys.dedup();
        Ok(Self { key, public: keys, random })
    }

    /// A token of this payload.
    pub(crate) fn sign(&self, payload: &Payload, issued_at: Timestamp) -> Option<String> {
        let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"ES256","typ":"JWT"}"#);
        let shown = Shown {
            sub: payload.user_id.as_str(),
            iat: issued_at.0.div_euclid(1_000_000),
            exp: payload.expires_at.0.div_euclid(1_000_000),
            openstack_methods: &payload.methods,
            openstack_audit_ids: &payload.audit_ids,
            rest: rest(payload),
        };
        let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(serde_json::to_vec(&shown).ok()?));
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The payload of a token that one of the keys has signed, and when.
    pub(crate) fn open_token(&self, token: &str) -> Option<(Payload, Timestamp)> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        let verified = self.public.iter().any(|point| {
            let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
            key.verify(signed.as_bytes(), &signature).is_ok()
        });
        if header.alg != "ES256" || !verified {
            return None;
        }
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let issued_at = Timestamp(claims.iat.checked_mul(1_000_000)?);
        Some((payload(claims)?, issued_at))
    }
}

fn rest(payload: &Payload) -> serde_json::Map<String, serde_json::Value> {
    let mut rest = serde_json::Map::new();
    let mut put = |name: &str, value: &str| rest.insert(format!("openstack_{name}"), value.into());
    match &payload.scope {
        ScopeId::Unscoped => None,
        ScopeId::Domain(id) => put("domain_id", id.as_str()),
        ScopeId::Project(id) => put("project_id", id.as_str()),
        ScopeId::System => put("system", "all"),
    };
    match &payload.origin {
        Origin::Own => {}
        Origin::Trust(id) => {
            put("trust_id", id);
        }
        Origin::ApplicationCredential(id) => {
            put("app_cred_id", id);
        }
        Origin::Federated(federation) => {
            put("idp_id", &federation.idp_id);
            put("protocol_id", &federation.protocol_id);
            let groups = federation.group_ids.iter().map(|id| serde_json::json!({"id": id})).collect();
            rest.insert("openstack_group_ids".to_owned(), groups);
        }
    }
    rest
}

fn payload(claims: Claims) -> Option<Payload> {
    let scope = match (claims.openstack_project_id, claims.openstack_domain_id, claims.openstack_system.as_deref()) {
        (Some(id), None, None) => ScopeId::Project(id.parse().ok()?),
        (None, Some(id), None) => ScopeId::Domain(id.parse().ok()?),
        (None, None, Some("all")) => ScopeId::System,
        (None, None, None) => ScopeId::Unscoped,
        _ => return None,
    };
    let origin = match (claims.openstack_trust_id, claims.openstack_app_cred_id, claims.openstack_idp_id) {
        (Some(id), None, None) => Origin::Trust(id),
        (None, Some(id), None) => Origin::ApplicationCredential(id),
        (None, None, Some(idp_id)) => Origin::Federated(Federation {
            idp_id,
            protocol_id: claims.openstack_protocol_id?,
            group_ids: claims.openstack_group_ids?.into_iter().map(|group| group.id).collect(),
        }),
        (None, None, None) => Origin::Own,
        _ => return None,
    };
    let audit_ids = claims.openstack_audit_ids;
    let expires_at = Timestamp(claims.exp.checked_mul(1_000_000)?);
    let user_id = claims.sub.parse().ok()?;
    let methods = claims.openstack_methods;
    (!audit_ids.is_empty()).then_some(Payload { user_id, methods, scope, origin, expires_at, audit_ids })
}

fn pair(der: &[u8], random: &SystemRandom) -> Option<EcdsaKeyPair> {
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, random).ok()
}

fn make(private: &Path, public: &Path, random: &SystemRandom) -> io::Result<()> {
    let failed = || io::Error::other("no key can be made");
    let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, random).map_err(|_| failed())?;
    let key = pair(der.as_ref(), random).ok_or_else(failed)?;
    let spki = [&SPKI[..], key.public_key().as_ref()].concat();
    for (path, label, der, mode) in
        [(public, "PUBLIC KEY", spki.as_slice(), 0o644), (private, "PRIVATE KEY", der.as_ref(), 0o600)]
    {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        io::Write::write_all(&mut file, pem(label, der).as_bytes())?;
        file.sync_all()?;
    }
    Ok(())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn unpem(text: &str) -> Option<Vec<u8>> {
    let body: String = text.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    STANDARD.decode(body).ok()
}

fn broken(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} is no key on P-256", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(scope: ScopeId, origin: Origin) -> Payload {
        Payload {
            user_id: "u".parse().unwrap(),
            methods: vec!["password".into()],
            scope,
            origin,
            expires_at: Timestamp(1_790_000_000_000_000),
            audit_ids: vec!["3T2dc1CGQxyJsHdDu1xkcw".into()],
        }
    }

    #[test]
    fn every_kind_of_token_comes_back() {
        let directory = tempfile::tempdir().unwrap();
        let signer = Signer::open(directory.path()).unwrap();
        let again = Signer::open(directory.path()).unwrap();
        let federation =
            Federation { idp_id: "i".into(), protocol_id: "openid".into(), group_ids: vec!["g".parse().unwrap()] };
        let project = || ScopeId::Project("p".parse().unwrap());
        for payload in [
            sample(ScopeId::Unscoped, Origin::Own),
            sample(ScopeId::System, Origin::Own),
            sample(ScopeId::Domain("d".parse().unwrap()), Origin::Federated(federation)),
            sample(project(), Origin::Trust("t".into())),
            sample(project(), Origin::ApplicationCredential("a".into())),
        ] {
            let token = signer.sign(&payload, Timestamp(1_000_000)).unwrap();
            assert_eq!(again.open_token(&token), Some((payload, Timestamp(1_000_000))));
        }
    }

    #[test]
    fn another_algorithm_key_or_claim_is_refused() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (signer, stranger) = (Signer::open(one.path()).unwrap(), Signer::open(other.path()).unwrap());
        let token = signer.sign(&sample(ScopeId::System, Origin::Own), Timestamp(0)).unwrap();
        assert!(stranger.open_token(&token).is_none());
        let parts: Vec<&str> = token.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(br#"{"alg":"none"}"#);
        for forged in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(b"{}"), parts[2]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
        ] {
            assert!(signer.open_token(&forged).is_none(), "{forged}");
        }
        fs::copy(one.path().join("public/public.pem"), other.path().join("public/other.pem")).unwrap();
        assert!(Signer::open(other.path()).unwrap().open_token(&token).is_some(), "a key that was brought along");
    }
}
