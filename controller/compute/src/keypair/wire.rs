//! Key pairs' bodies.

use super::model::KeyPair;
use crate::schema::{Format, Minor, Schema, formatted, object, text};
use serde_json::{Value, json};
use std::sync::LazyLock;

/// POST /os-keypairs.
pub(super) static CREATE: LazyLock<Schema> = LazyLock::new(|| {
    let pair = object()
        .required("name", formatted(1, 255, Format::KeyName))
        .field("public_key", text(0, 65_535))
        .required_since(92, "public_key", text(1, 65_535))
        .since(2, "type", Schema::Enum(&["ssh", "x509"]))
        .since(10, "user_id", text(1, 255))
        .done();
    object().required("keypair", pair).done()
});

/// In a list.
pub(super) fn listed(pair: &KeyPair, version: Minor) -> Value {
    let mut out = json!({"name": pair.name, "public_key": pair.public_key, "fingerprint": pair.fingerprint});
    if version >= 2 {
        out["type"] = json!(pair.kind.as_str());
    }
    json!({"keypair": out})
}

/// By itself.
pub(super) fn shown(pair: &KeyPair, version: Minor) -> Value {
    let mut out = listed(pair, version);
    let inner = &mut out["keypair"];
    inner["user_id"] = json!(pair.user_id);
    inner["id"] = json!(pair.created_at.0);
    inner["created_at"] = json!(pair.created_at.micros_naive());
    inner["deleted"] = json!(false);
    inner["deleted_at"] = Value::Null;
    inner["updated_at"] = Value::Null;
    out
}

/// After its creation, with its private half if we made it.
pub(super) fn created(pair: &KeyPair, private_key: Option<&str>, version: Minor) -> Value {
    let mut out = listed(pair, version);
    out["keypair"]["user_id"] = json!(pair.user_id);
    if let Some(private_key) = private_key {
        out["keypair"]["private_key"] = json!(private_key);
    }
    out
}
