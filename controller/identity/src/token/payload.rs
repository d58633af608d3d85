//! What stands inside a token: Keystone's msgpack arrays, so that tokens are as small as Keystone's and either can read them.
//!
//! ```text
//!  0 unscoped       user methods expires audit_ids
//!  1 domain         user methods domain expires audit_ids
//!  2 project        user methods project expires audit_ids
//!  3 trust          user methods project expires audit_ids trust
//!  4 federated      user methods groups provider protocol expires audit_ids
//!  5 and 6          user methods project-or-domain groups provider protocol expires audit_ids
//!  7 OAuth 1.0a     not spoken here
//!  8 system         user methods "all" expires audit_ids
//!  9 application    user methods project expires audit_ids credential
//! 10 OAuth 2.0 mTLS not spoken here
//! ```
//! An id is a pair: `[true, 16 bytes]` for 32 hex digits, `[false, text]` for any other; a domain's and a trust's stand without the
//! pair; times are seconds as a float; audit ids are raw bytes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_base::{
    Timestamp,
    id::{DomainId, GroupId, ProjectId, UserId},
};
use rmpv::Value;

/// The methods of authentication; their place is their bit in the token. The first six are Keystone's default configuration: a
/// Keystone that shall read tokens of the others has `methods` in this order.
pub(crate) const METHODS: [&str; 8] =
    ["external", "password", "token", "oauth1", "mapped", "application_credential", "totp", "openid"];

/// On what a token is scoped, by id alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ScopeId {
    /// On nothing.
    Unscoped,
    /// On a domain.
    Domain(DomainId),
    /// On a project.
    Project(ProjectId),
    /// On the whole cloud.
    System,
}

/// Where a federated user came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federation {
    /// The identity provider.
    pub idp_id: String,
    /// Its protocol.
    pub protocol_id: String,
    /// The groups that its mapping gave.
    pub group_ids: Vec<GroupId>,
}

/// What gave a token its roles, where it is not its user's own assignments alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A user of this cloud.
    Own,
    /// A trust.
    Trust(String),
    /// An identity provider's user, with the groups that the mapping gave.
    Federated(Federation),
    /// An application credential.
    ApplicationCredential(String),
}

/// A token's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Whose it is; the trustee of a trust.
    pub user_id: UserId,
    /// How it was got.
    pub methods: Vec<String>,
    /// Its scope.
    pub scope: ScopeId,
    /// What gave it its roles.
    pub origin: Origin,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its audit id, and that of the first token of its chain.
    pub audit_ids: Vec<String>,
}

impl Payload {
    /// As msgpack.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let end = Value::F64(seconds(self.expires_at));
        let audit_ids = self.audit_ids.iter().filter_map(|id| URL_SAFE_NO_PAD.decode(id).ok());
        let audit_ids = Value::Array(audit_ids.map(Value::Binary).collect());
        let project = || match &self.scope {
            ScopeId::Project(id) => pair(id.as_str()),
            // A trust without a project: Keystone packs Python's None.
            ScopeId::Unscoped | ScopeId::Domain(_) | ScopeId::System => {
                Value::Array(vec![Value::from(false), Value::Nil])
            }
        };
        let (version, rest) = match (&self.origin, &self.scope) {
            (Origin::Trust(id), _) => (3, vec![project(), end, audit_ids, bare(id)]),
            (Origin::ApplicationCredential(id), _) => (9, vec![project(), end, audit_ids, pair(id)]),
            (Origin::Federated(federation), scope) => {
                let groups = federation.group_ids.iter().map(|id| pair(id.as_str())).collect();
                let source = [
                    Value::Array(groups),
                    pair(&federation.idp_id),
                    federation.protocol_id.as_str().into(),
                    end,
                    audit_ids,
                ];
                let (version, scope) = match scope {
                    ScopeId::Unscoped | ScopeId::System => (4, None),
                    ScopeId::Project(id) => (5, Some(pair(id.as_str()))),
                    ScopeId::Domain(id) => (6, Some(pair(id.as_str()))),
                };
                (version, scope.into_iter().chain(source).collect())
            }
            (Origin::Own, ScopeId::Unscoped) => (0, vec![end, audit_ids]),
            (Origin::Own, ScopeId::Domain(id)) => (1, vec![bare(id.as_str()), end, audit_ids]),
            (Origin::Own, ScopeId::Project(id)) => (2, vec![pair(id.as_str()), end, audit_ids]),
            (Origin::Own, ScopeId::System) => (8, vec![Value::from("all"), end, audit_ids]),
        };
        let mut fields = vec![Value::from(version), pair(self.user_id.as_str()), Value::from(mask(&self.methods))];
        fields.extend(rest);
        let mut bytes = Vec::new();
        // Writing to memory cannot fail.
        let _ = rmpv::encode::write_value(&mut bytes, &Value::Array(fields));
        bytes
    }

    /// From msgpack.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let Value::Array(fields) = rmpv::decode::read_value_with_max_depth(&mut bytes, DEEPEST).ok()? else {
            return None;
        };
        let mut fields = fields.into_iter();
        let version = fields.next()?.as_u64()?;
        let user_id = unpair(&fields.next()?)?.parse().ok()?;
        let methods = names(fields.next()?.as_u64()?);
        let scope = match version {
            0 | 4 => ScopeId::Unscoped,
            1 => ScopeId::Domain(unhex(&fields.next()?)?.parse().ok()?),
            6 => ScopeId::Domain(unpair(&fields.next()?)?.parse().ok()?),
            2 | 5 | 9 => ScopeId::Project(unpair(&fields.next()?)?.parse().ok()?),
            3 => match fields.next()? {
                Value::Array(none) if none.get(1) == Some(&Value::Nil) => ScopeId::Unscoped,
                project => ScopeId::Project(unpair(&project)?.parse().ok()?),
            },
            8 if fields.next()?.as_str()? == "all" => ScopeId::System,
            _ => return None,
        };
        let federation = match version {
            4..=6 => Some(federation(&mut fields)?),
            _ => None,
        };
        let expires_at = moment(fields.next()?.as_f64()?)?;
        let Value::Array(audit_ids) = fields.next()? else { return None };
        let audit_ids = audit_ids.iter().map(|id| id.as_slice().map(|bytes| URL_SAFE_NO_PAD.encode(bytes)));
        let audit_ids: Vec<String> = audit_ids.collect::<Option<_>>()?;
        let origin = match (version, federation) {
            (3, _) => Origin::Trust(unhex(&fields.next()?)?),
            (9, _) => Origin::ApplicationCredential(unpair(&fields.next()?)?),
            (_, Some(federation)) => Origin::Federated(federation),
            (_, None) => Origin::Own,
        };
        (!audit_ids.is_empty()).then_some(Self { user_id, methods, scope, origin, expires_at, audit_ids })
    }
}

/// Deeper than any payload is.
const DEEPEST: usize = 16;

fn federation(fields: &mut impl Iterator<Item = Value>) -> Option<Federation> {
    let Value::Array(groups) = fields.next()? else { return None };
    let group_ids = groups.iter().map(|id| unpair(id)?.parse().ok()).collect::<Option<_>>()?;
    let idp_id = unpair(&fields.next()?)?;
    let protocol_id = fields.next()?.as_str()?.to_owned();
    Some(Federation { idp_id, protocol_id, group_ids })
}

/// `[user, methods, expires_at]`: what a receipt holds.
pub(super) fn encode_receipt(user: &UserId, methods: &[String], end: Timestamp) -> Vec<u8> {
    let fields = vec![pair(user.as_str()), Value::from(mask(methods)), Value::F64(seconds(end))];
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = rmpv::encode::write_value(&mut bytes, &Value::Array(fields));
    bytes
}

/// The same back.
pub(super) fn decode_receipt(mut bytes: &[u8]) -> Option<(UserId, Vec<String>, Timestamp)> {
    let fields = rmpv::decode::read_value_with_max_depth(&mut bytes, DEEPEST).ok()?;
    match fields.as_array()?.as_slice() {
        [user, methods, end] => Some((unpair(user)?.parse().ok()?, names(methods.as_u64()?), moment(end.as_f64()?)?)),
        _ => None,
    }
}

/// An id without the word that tells its form.
fn bare(id: &str) -> Value {
    hex(id).map_or_else(|| Value::from(id), Value::Binary)
}

fn pair(id: &str) -> Value {
    Value::Array(match hex(id) {
        Some(bytes) => vec![Value::from(true), Value::Binary(bytes)],
        None => vec![Value::from(false), Value::from(id)],
    })
}

fn unpair(value: &Value) -> Option<String> {
    match value.as_array()?.as_slice() {
        [_, id] => unhex(id),
        _ => None,
    }
}

fn unhex(value: &Value) -> Option<String> {
    match value {
        Value::Binary(bytes) if bytes.len() == 16 => Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        Value::Binary(_) => None,
        other => other.as_str().map(str::to_owned),
    }
}

/// Only the form that comes back the same: 32 lower-case hex digits.
fn hex(id: &str) -> Option<Vec<u8>> {
    let plain = id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let digits = |at: usize| id.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    if plain { (0..32).step_by(2).map(digits).collect() } else { None }
}

fn mask(methods: &[String]) -> u64 {
    METHODS.iter().enumerate().filter(|(_, name)| methods.iter().any(|m| m == *name)).map(|(bit, _)| 1 << bit).sum()
}

fn names(mask: u64) -> Vec<String> {
    let set = METHODS.iter().enumerate().filter(|(bit, _)| mask & (1 << bit) != 0);
    set.map(|(_, name)| (*name).to_owned()).collect()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit into a float's 53 bits until 2255")]
fn seconds(moment: Timestamp) -> f64 {
    moment.0 as f64 / 1e6
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn moment(seconds: f64) -> Option<Timestamp> {
    (0.0..1e12).contains(&seconds).then(|| Timestamp((seconds * 1e6).round() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(scope: ScopeId) -> Payload {
        Payload {
            user_id: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            methods: vec!["password".into(), "token".into()],
            scope,
            origin: Origin::Own,
            expires_at: Timestamp(1_790_000_000_000_042),
            audit_ids: vec!["3T2dc1CGQxyJsHdDu1xkcw".into()],
        }
    }

    #[test]
    fn every_scope_comes_back() {
        for scope in [
            ScopeId::Unscoped,
            ScopeId::Domain("default".parse().unwrap()),
            ScopeId::Domain("00000000000000000000000000000001".parse().unwrap()),
            ScopeId::Project("ffffffffffffffffffffffffffffffff".parse().unwrap()),
            ScopeId::Project("FFFFffffffffffffffffffffffffffff".parse().unwrap()),
            ScopeId::System,
        ] {
            let payload = sample(scope);
            assert_eq!(Payload::decode(&payload.encode()), Some(payload));
        }
    }

    #[test]
    fn every_origin_comes_back() {
        let project = ScopeId::Project("ffffffffffffffffffffffffffffffff".parse().unwrap());
        let federated = || {
            Origin::Federated(Federation {
                idp_id: "acme".to_owned(),
                protocol_id: "openid".to_owned(),
                group_ids: vec!["00000000000000000000000000000001".parse().unwrap(), "short".parse().unwrap()],
            })
        };
        let hex = "0123456789abcdef0123456789abcdee".to_owned();
        for (scope, origin, version) in [
            (project.clone(), Origin::Trust(hex.clone()), 3),
            (ScopeId::Unscoped, Origin::Trust(hex.clone()), 3),
            (project.clone(), Origin::ApplicationCredential(hex), 9),
            (ScopeId::Unscoped, federated(), 4),
            (project, federated(), 5),
            (ScopeId::Domain("default".parse().unwrap()), federated(), 6),
        ] {
            let payload = Payload { origin, ..sample(scope) };
            let bytes = payload.encode();
            assert_eq!(bytes[1], version);
            assert_eq!(Payload::decode(&bytes), Some(payload));
        }
    }

    /// What Python's `msgpack.packb` makes of Keystone's tuples.
    #[test]
    fn the_bytes_are_keystones() {
        const USER: &str = "92c3c4100123456789abcdef0123456789abcdef";
        const PROJECT: &str = "92c3c410ffffffffffffffffffffffffffffffff";
        const DELEGATE: &str = "c4100123456789abcdef0123456789abcdee";
        const END: &str = "cb41daac4ee000000091c410dd3d9d735086431c89b07743bb5c6473";
        const SOURCE: &str = "9192c2a573686f727492c2a461636d65a66f70656e6964";
        let project = || ScopeId::Project("ffffffffffffffffffffffffffffffff".parse().unwrap());
        let domain = || ScopeId::Domain("default".parse().unwrap());
        let delegate = || "0123456789abcdef0123456789abcdee".to_owned();
        let federated = || {
            let group_ids = vec!["short".parse().unwrap()];
            Origin::Federated(Federation { idp_id: "acme".into(), protocol_id: "openid".into(), group_ids })
        };
        for (scope, origin, method, wanted) in [
            (ScopeId::Unscoped, Origin::Own, "password", format!("9500{USER}02{END}")),
            (domain(), Origin::Own, "password", format!("9601{USER}02a764656661756c74{END}")),
            (project(), Origin::Own, "password", format!("9602{USER}02{PROJECT}{END}")),
            (project(), Origin::Trust(delegate()), "password", format!("9703{USER}02{PROJECT}{END}{DELEGATE}")),
            (ScopeId::Unscoped, Origin::Trust(delegate()), "password", format!("9703{USER}0292c2c0{END}{DELEGATE}")),
            (ScopeId::Unscoped, federated(), "openid", format!("9804{USER}cc80{SOURCE}{END}")),
            (project(), federated(), "openid", format!("9905{USER}cc80{PROJECT}{SOURCE}{END}")),
            (domain(), federated(), "openid", format!("9906{USER}cc8092c2a764656661756c74{SOURCE}{END}")),
            (ScopeId::System, Origin::Own, "password", format!("9608{USER}02a3616c6c{END}")),
            (
                project(),
                Origin::ApplicationCredential(delegate()),
                "application_credential",
                format!("9709{USER}20{PROJECT}{END}92c3{DELEGATE}"),
            ),
        ] {
            let mut payload = Payload { origin, ..sample(scope) };
            payload.methods = vec![method.into()];
            payload.expires_at = Timestamp(1_790_000_000_000_000);
            let hex: String = payload.encode().iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, wanted);
            assert_eq!(Payload::decode(&payload.encode()), Some(payload));
        }
    }

    #[test]
    fn hostile_bytes_are_refused() {
        let good = sample(ScopeId::System).encode();
        for length in 0..good.len() {
            assert_eq!(Payload::decode(&good[..length]), None);
        }
        assert_eq!(Payload::decode(b"\x90"), None);
    }
}
