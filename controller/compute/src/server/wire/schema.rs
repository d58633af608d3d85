//! What servers' request bodies may look like.

use crate::schema::{Format, Schema, formatted, integer, list, metadata, nullable, object, text, uuid};
use std::sync::LazyLock;

/// Nova's largest integer.
const MAX: i64 = 0x7FFF_FFFF;

/// POST /servers.
pub(crate) static CREATE: LazyLock<Schema> = LazyLock::new(|| {
    let server = object()
        .required("name", name())
        .field("imageRef", text(0, usize::MAX))
        .required("flavorRef", Schema::OneOf(vec![text(1, usize::MAX), integer(0, MAX)]))
        .field("adminPass", text(0, usize::MAX))
        .field("metadata", metadata())
        .until(36, "networks", list(network()))
        .required_since(37, "networks", Schema::OneOf(vec![list(network()), Schema::Enum(&["none", "auto"])]))
        .field("OS-DCF:diskConfig", disk_config())
        .field("accessIPv4", formatted(0, usize::MAX, Format::Ipv4))
        .field("accessIPv6", formatted(0, usize::MAX, Format::Ipv6))
        .until(56, "personality", list(personality()))
        .field("availability_zone", formatted(1, 255, Format::Name))
        .field("block_device_mapping", list(object().open().done()))
        .field("block_device_mapping_v2", list(object().open().done()))
        .field("config_drive", nullable(Schema::Boolean))
        .field("key_name", formatted(1, 255, Format::Name))
        .field("min_count", integer(1, MAX))
        .field("max_count", integer(1, MAX))
        .field("return_reservation_id", Schema::Boolean)
        .field("security_groups", unique(object().field("name", text(1, 255)).done(), usize::MAX))
        .field("user_data", nullable(formatted(0, 65_535, Format::Base64)))
        .since(19, "description", nullable(text(0, 255)))
        .since(52, "tags", unique(tag(), 50))
        .since(63, "trusted_image_certificates", nullable(unique(text(1, usize::MAX), 50)))
        .since(74, "host", formatted(1, 255, Format::Hostname))
        .since(74, "hypervisor_hostname", formatted(1, 255, Format::Hostname))
        .between(90, 93, "hostname", formatted(2, 63, Format::Label))
        .since(94, "hostname", formatted(2, 255, Format::Hostname))
        .done();
    object()
        .required("server", server)
        .field("os:scheduler_hints", object().open().done())
        .field("OS-SCH-HNT:scheduler_hints", object().open().done())
        .done()
});

/// PUT /servers/{id}.
pub(crate) static UPDATE: LazyLock<Schema> = LazyLock::new(|| {
    let server = object()
        .field("name", name())
        .field("OS-DCF:diskConfig", disk_config())
        .field("accessIPv4", address(Format::Ipv4))
        .field("accessIPv6", address(Format::Ipv6))
        .since(19, "description", nullable(text(0, 255)))
        .between(90, 93, "hostname", formatted(2, 63, Format::Label))
        .since(94, "hostname", formatted(2, 255, Format::Hostname))
        .done();
    object().required("server", server).done()
});

/// POST and PUT /servers/{id}/metadata.
pub(crate) static METADATA: LazyLock<Schema> = LazyLock::new(|| object().required("metadata", metadata()).done());

/// PUT /servers/{id}/metadata/{key}.
pub(crate) static METADATA_ITEM: LazyLock<Schema> = LazyLock::new(|| {
    let item = Schema::Map { key: Format::MetadataKey, value: Box::new(text(0, 255)), max: 1 };
    object().required("meta", item).done()
});

/// PUT /servers/{id}/tags.
pub(crate) static TAGS: LazyLock<Schema> = LazyLock::new(|| object().required("tags", unique(tag(), 50)).done());

/// One tag.
pub(crate) fn tag() -> Schema {
    formatted(1, 60, Format::Tag)
}

/// The actions that are one object with fields; each is a body's only field.
pub(crate) mod action {
    use super::*;

    /// `{"reboot": {"type": "SOFT"}}`
    pub(crate) static REBOOT: LazyLock<Schema> = LazyLock::new(|| {
        let kinds = Schema::Enum(&["HARD", "Hard", "hard", "SOFT", "Soft", "soft"]);
        object().required("reboot", object().required("type", kinds).done()).done()
    });

    /// `{"os-getConsoleOutput": {"length": 50}}`
    pub(crate) static CONSOLE: LazyLock<Schema> = LazyLock::new(|| {
        let length = nullable(integer(-1, i64::MAX));
        object().required("os-getConsoleOutput", object().field("length", length).done()).done()
    });

    /// `{"addSecurityGroup": {"name": ".."}}` and its opposite.
    pub(crate) static SECURITY_GROUP: LazyLock<Schema> = LazyLock::new(|| {
        let group = || object().required("name", formatted(1, 255, Format::Name)).done();
        object().field("addSecurityGroup", group()).field("removeSecurityGroup", group()).done()
    });

    /// `{"lock": null}`, since 2.73 with a reason.
    pub(crate) static LOCK: LazyLock<Schema> = LazyLock::new(|| {
        let reason = object().since(73, "locked_reason", text(1, 255)).done();
        object().required("lock", nullable(reason)).done()
    });

    /// `{"os-resetState": {"state": "active"}}`
    pub(crate) static RESET_STATE: LazyLock<Schema> = LazyLock::new(|| {
        let state = Schema::Enum(&["active", "error"]);
        object().required("os-resetState", object().required("state", state).done()).done()
    });

    /// An action without anything, such as `{"os-start": null}`.
    pub(crate) fn bare(name: &'static str) -> Schema {
        object().required(name, Schema::Any).done()
    }
}

fn name() -> Schema {
    formatted(1, 255, Format::Name)
}

fn disk_config() -> Schema {
    Schema::Enum(&["AUTO", "MANUAL"])
}

fn address(format: Format) -> Schema {
    Schema::OneOf(vec![formatted(0, usize::MAX, format), Schema::Enum(&[""]), Schema::Null])
}

fn network() -> Schema {
    object()
        .field("fixed_ip", formatted(0, usize::MAX, Format::Ip))
        .field("port", nullable(uuid()))
        .field("uuid", uuid())
        .between(32, 36, "tag", tag())
        .since(42, "tag", tag())
        .done()
}

fn personality() -> Schema {
    object().required("path", text(0, usize::MAX)).required("contents", formatted(0, usize::MAX, Format::Base64)).done()
}

fn unique(items: Schema, max: usize) -> Schema {
    Schema::List { items: Box::new(items), min: 0, max, unique: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refusal(field: &str, value: Value, version: u16) -> Option<String> {
        let mut server = json!({"name": "a", "flavorRef": "1", "imageRef": "x", "networks": "none"});
        server[field] = value;
        if version < 37 && field != "networks" {
            server.as_object_mut().unwrap().remove("networks");
        }
        CREATE.check(&json!({"server": server}), version).err().map(|error| error.0)
    }

    #[test]
    fn every_field_belongs_to_its_versions() {
        for (field, value, first) in [
            ("description", json!("x"), 19),
            ("tags", json!(["a"]), 52),
            ("trusted_image_certificates", json!(null), 63),
            ("host", json!("host1"), 74),
            ("hostname", json!("web"), 90),
        ] {
            assert_eq!(refusal(field, value.clone(), first), None, "{field} at 2.{first}");
            assert!(refusal(field, value, first - 1).unwrap().contains("was unexpected"), "{field}");
        }
        assert_eq!(refusal("personality", json!([]), 56), None);
        assert!(refusal("personality", json!([]), 57).unwrap().contains("was unexpected"));
    }

    #[test]
    fn networks_are_wanted_since_2_37() {
        assert_eq!(refusal("networks", json!("auto"), 37), None);
        assert!(refusal("networks", json!("auto"), 36).unwrap().contains("not of type 'array'"));
        assert_eq!(refusal("networks", json!([{"uuid": "a3f1c2d4-5e6f-4701-8899-aabbccddeeff"}]), 36), None);
        assert!(refusal("networks", json!([{"uuid": "x"}]), 36).unwrap().contains("'x' is not a 'uuid'"));
        let without = json!({"server": {"name": "a", "flavorRef": "1"}});
        assert!(CREATE.check(&without, 36).is_ok());
        assert!(CREATE.check(&without, 37).unwrap_err().0.ends_with("'networks' is a required property"));
    }

    #[test]
    fn wrong_values_are_refused() {
        for (field, value) in [
            ("name", json!("")),
            ("name", json!(" a")),
            ("name", json!("x".repeat(256))),
            ("flavorRef", json!({})),
            ("metadata", json!({"": "x"})),
            ("metadata", json!({"a": "x".repeat(256)})),
            ("metadata", json!({"a": 1})),
            ("user_data", json!("not base64!")),
            ("min_count", json!(0)),
            ("accessIPv4", json!("1.2.3")),
            ("OS-DCF:diskConfig", json!("auto")),
            ("security_groups", json!([{"name": "a"}, {"name": "a"}])),
            ("tags", json!(["a/b"])),
            ("tags", json!(vec!["x".repeat(61)])),
            ("foo", json!(1)),
        ] {
            assert!(refusal(field, value.clone(), 90).is_some(), "{field}: {value}");
        }
    }
}
