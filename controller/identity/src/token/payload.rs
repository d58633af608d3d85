//! What stands inside a token: Keystone's msgpack arrays, so that tokens are as small as Keystone's and either can read them.
//!
//! `[version, user, methods, (scope,) expires_at, audit_ids]`; an id of 32 hex digits is written as `[true, 16 bytes]`, any other as
//! `[false, text]`; a domain id without that pair; times are seconds as a float; audit ids are raw bytes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use controller_base::{
    Timestamp,
    id::{DomainId, ProjectId, UserId},
};
use rmpv::Value;

/// The methods of authentication in the order of Keystone's default configuration; their bits in the token.
const METHODS: [&str; 6] = ["external", "password", "token", "oauth1", "mapped", "application_credential"];

/// On what a token is scoped, by id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A token's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Whose it is.
    pub user_id: UserId,
    /// How it was got.
    pub methods: Vec<String>,
    /// Its scope.
    pub scope: ScopeId,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Its audit id, and that of the first token of its chain.
    pub audit_ids: Vec<String>,
}

impl Payload {
    /// As msgpack.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let version = match self.scope {
            ScopeId::Unscoped => 0,
            ScopeId::Domain(_) => 1,
            ScopeId::Project(_) => 2,
            ScopeId::System => 8,
        };
        let mut fields = vec![Value::from(version), pair(self.user_id.as_str()), Value::from(mask(&self.methods))];
        match &self.scope {
            ScopeId::Unscoped => {}
            ScopeId::Domain(id) => {
                fields.push(hex(id.as_str()).map_or_else(|| Value::from(id.as_str()), Value::Binary))
            }
            ScopeId::Project(id) => fields.push(pair(id.as_str())),
            ScopeId::System => fields.push(Value::from("all")),
        }
        fields.push(Value::F64(seconds(self.expires_at)));
        let audit_ids = self.audit_ids.iter().filter_map(|id| URL_SAFE_NO_PAD.decode(id).ok());
        fields.push(Value::Array(audit_ids.map(Value::Binary).collect()));
        let mut bytes = Vec::new();
        // Writing to memory cannot fail.
        let _ = rmpv::encode::write_value(&mut bytes, &Value::Array(fields));
        bytes
    }

    /// From msgpack.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let Value::Array(fields) = rmpv::decode::read_value(&mut bytes).ok()? else { return None };
        let mut fields = fields.into_iter();
        let version = fields.next()?.as_u64()?;
        let user_id = unpair(&fields.next()?)?.parse().ok()?;
        let methods = names(fields.next()?.as_u64()?);
        let scope = match version {
            0 => ScopeId::Unscoped,
            1 => ScopeId::Domain(unhex(&fields.next()?)?.parse().ok()?),
            2 => ScopeId::Project(unpair(&fields.next()?)?.parse().ok()?),
            8 if fields.next()?.as_str()? == "all" => ScopeId::System,
            _ => return None,
        };
        let expires_at = moment(fields.next()?.as_f64()?)?;
        let Value::Array(audit_ids) = fields.next()? else { return None };
        let audit_ids = audit_ids.iter().map(|id| id.as_slice().map(|bytes| URL_SAFE_NO_PAD.encode(bytes)));
        let audit_ids: Vec<String> = audit_ids.collect::<Option<_>>()?;
        (!audit_ids.is_empty()).then_some(Self { user_id, methods, scope, expires_at, audit_ids })
    }
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

    /// `msgpack.packb((2, (True, bytes), 2, (True, bytes), 1790000000.0, [bytes]))` of Python.
    #[test]
    fn the_bytes_are_keystones() {
        let mut payload = sample(ScopeId::Project("ffffffffffffffffffffffffffffffff".parse().unwrap()));
        payload.methods = vec!["password".into()];
        payload.expires_at = Timestamp(1_790_000_000_000_000);
        let hex: String = payload.encode().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            concat!(
                "960292c3c4100123456789abcdef0123456789abcdef0292c3c410ffffffffffffffffffffffffffffffff",
                "cb41daac4ee000000091c410dd3d9d735086431c89b07743bb5c6473"
            )
        );
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
