//! The documents of the metadata service and of the config drive, after nova's (api/metadata/base.py). Pure.

use serde_json::{Map, Value, json};

use super::{GuestInterface, GuestMetadata, ec2, network_data};

/// Nova's default for guests' names in metadata.
const DHCP_DOMAIN: &str = "novalocal";

/// Dates of OpenStack's forms.
const VERSIONS: [&str; 9] = [
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
];
/// The document that a guest may post.
const PASSWORD: &str = "password";
const GRIZZLY: &str = "2013-04-04";
const HAVANA: &str = "2013-10-17";
const LIBERTY: &str = "2015-10-15";
const NEWTON_ONE: &str = "2016-06-30";
const NEWTON_TWO: &str = "2016-10-06";
const VICTORIA: &str = "2020-10-14";

/// A document or listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its bytes.
    pub body: Vec<u8>,
    /// What they are.
    pub media_type: MediaType,
}

/// What a document's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `text/plain; charset=UTF-8`.
    Text,
    /// `application/json`.
    Json,
}

impl Answer {
    pub(super) fn text(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), media_type: MediaType::Text }
    }

    fn json(value: &Value) -> Self {
        Self { body: value.to_string().into_bytes(), media_type: MediaType::Json }
    }
}

/// The guest's full name as metadata tell it.
pub(super) fn hostname(guest: &GuestMetadata) -> String {
    if guest.hostname.contains('.') { guest.hostname.clone() } else { format!("{}.{DHCP_DOMAIN}", guest.hostname) }
}

/// What is at a path of the metadata service; `None`: not found.
pub fn documents(guest: &GuestMetadata, interfaces: &[GuestInterface], path: &str) -> Option<Answer> {
    let tokens: Vec<&str> = path.split('/').filter(|token| !token.is_empty()).collect();
    match tokens.as_slice() {
        ["openstack", rest @ ..] => openstack(guest, interfaces, rest),
        rest => ec2::document(guest, interfaces, rest).map(Answer::text),
    }
}

/// Whether this is where the guest may post its password.
pub(super) fn takes_password(guest: &GuestMetadata, path: &str) -> bool {
    let tokens: Vec<&str> = path.split('/').filter(|token| !token.is_empty()).collect();
    matches!(tokens[..], ["openstack", _, PASSWORD]) && documents(guest, &[], path).is_some()
}

fn openstack(guest: &GuestMetadata, interfaces: &[GuestInterface], tokens: &[&str]) -> Option<Answer> {
    let (version, rest) = match tokens {
        [] => return Some(Answer::text([VERSIONS.as_slice(), &["latest"]].concat().join("\n"))),
        ["latest", rest @ ..] => (VICTORIA, rest),
        [version, rest @ ..] => (*VERSIONS.iter().find(|known| *known == version)?, rest),
    };
    match rest {
        [] => Some(Answer::text(listing(guest, version).join("\n"))),
        [name] => document(guest, interfaces, version, name),
        _ => None,
    }
}

fn listing(guest: &GuestMetadata, version: &str) -> Vec<&'static str> {
    let mut names = vec!["meta_data.json"];
    if !guest.user_data.is_empty() {
        names.push("user_data");
    }
    for (name, since) in [
        (PASSWORD, GRIZZLY),
        ("vendor_data.json", HAVANA),
        ("network_data.json", LIBERTY),
        ("vendor_data2.json", NEWTON_TWO),
    ] {
        if version >= since {
            names.push(name);
        }
    }
    names
}

fn document(guest: &GuestMetadata, interfaces: &[GuestInterface], version: &str, name: &str) -> Option<Answer> {
    listing(guest, version).contains(&name).then_some(())?;
    match name {
        "meta_data.json" => Some(Answer::json(&meta_data(guest, version, false))),
        "user_data" => Some(Answer::text(guest.user_data.clone())),
        PASSWORD => Some(Answer::text(guest.guest_password.clone())),
        "vendor_data.json" | "vendor_data2.json" => Some(Answer::json(&json!({}))),
        "network_data.json" => Some(Answer::json(&network_data::render(interfaces))),
        _ => None,
    }
}

fn meta_data(guest: &GuestMetadata, version: &str, drive: bool) -> Value {
    let mut all = Map::new();
    all.insert("uuid".into(), json!(guest.uuid));
    if !guest.properties.is_empty() {
        all.insert("meta".into(), json!(guest.properties));
    }
    if drive && !guest.admin_password.is_empty() {
        all.insert("admin_pass".into(), json!(guest.admin_password));
    }
    if !guest.keys.is_empty() {
        let public: Map<String, Value> = guest.keys.iter().map(|k| (k.name.clone(), json!(k.public_key))).collect();
        all.insert("public_keys".into(), Value::Object(public));
        let keys = guest.keys.iter().map(|k| json!({"name": k.name, "type": k.kind, "data": k.public_key}));
        all.insert("keys".into(), keys.collect());
    }
    all.insert("hostname".into(), json!(hostname(guest)));
    all.insert("name".into(), json!(guest.name));
    all.insert("launch_index".into(), json!(guest.launch_index));
    all.insert("availability_zone".into(), json!(guest.availability_zone));
    if version >= GRIZZLY && !guest.random_seed.is_empty() {
        all.insert("random_seed".into(), json!(guest.random_seed));
    }
    if version >= LIBERTY {
        all.insert("project_id".into(), json!(guest.project_id));
    }
    if version >= NEWTON_ONE {
        all.insert("devices".into(), json!([]));
    }
    if version >= VICTORIA {
        all.insert("dedicated_cpus".into(), json!([]));
    }
    Value::Object(all)
}

/// The files of the config drive, each with its path: OpenStack's forms of every date and `latest`, and EC2's.
pub fn config_drive(guest: &GuestMetadata, interfaces: &[GuestInterface]) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (folder, version) in VERSIONS.iter().map(|v| (*v, *v)).chain([("latest", VICTORIA)]) {
        for name in listing(guest, version).into_iter().filter(|name| *name != PASSWORD) {
            let body = match name {
                "meta_data.json" => Some(meta_data(guest, version, true).to_string().into_bytes()),
                _ => document(guest, interfaces, version, name).map(|answer| answer.body),
            };
            files.extend(body.map(|body| (format!("openstack/{folder}/{name}"), body)));
        }
    }
    for folder in [ec2::NEWEST, "latest"] {
        files.push((format!("ec2/{folder}/meta-data.json"), ec2::drive(guest, interfaces).to_string().into_bytes()));
        if !guest.user_data.is_empty() {
            files.push((format!("ec2/{folder}/user-data"), guest.user_data.clone()));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::metadata::KeyPair;

    fn guest() -> GuestMetadata {
        GuestMetadata {
            uuid: "u-1".into(),
            name: "web one".into(),
            hostname: "web-one".into(),
            project_id: "p-1".into(),
            user_data: b"#cloud-config\n".to_vec(),
            properties: BTreeMap::from([("role".into(), "web".into())]),
            keys: vec![KeyPair { name: "me".into(), public_key: "ssh-ed25519 AAAA me".into(), kind: "ssh".into() }],
            availability_zone: "nova".into(),
            admin_password: "secret".into(),
            random_seed: "c2VlZA==".into(),
            ..GuestMetadata::default()
        }
    }

    fn text(path: &str) -> String {
        String::from_utf8(documents(&guest(), &[], path).unwrap().body).unwrap()
    }

    #[test]
    fn openstack_lists_its_versions_and_files() {
        assert!(text("/openstack").starts_with("2012-08-10\n"));
        assert!(text("/openstack/").ends_with("\nlatest"));
        assert_eq!(text("/openstack/2012-08-10"), "meta_data.json\nuser_data");
        assert_eq!(
            text("/openstack/latest/"),
            "meta_data.json\nuser_data\npassword\nvendor_data.json\nnetwork_data.json\nvendor_data2.json"
        );
    }

    #[test]
    fn meta_data_grow_with_the_version() {
        let old: Value = serde_json::from_str(&text("/openstack/2012-08-10/meta_data.json")).unwrap();
        let new: Value = serde_json::from_str(&text("/openstack/latest/meta_data.json")).unwrap();
        assert_eq!(old.get("random_seed"), None);
        assert_eq!(new["random_seed"], "c2VlZA==");
        assert_eq!(new["hostname"], "web-one.novalocal");
        assert_eq!(new["public_keys"]["me"], "ssh-ed25519 AAAA me");
        assert_eq!(new["meta"]["role"], "web");
        assert_eq!(new.get("admin_pass"), None, "never over the network");
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in ["/openstack/2011-01-01", "/openstack/latest/nothing", "/openstack/latest/user_data/x", "/nothing"]
        {
            assert_eq!(documents(&guest(), &[], path), None, "{path}");
        }
        let plain = GuestMetadata { user_data: Vec::new(), ..guest() };
        assert_eq!(documents(&plain, &[], "/openstack/latest/user_data"), None);
    }

    #[test]
    fn the_drive_has_the_password_and_both_forms() {
        let files: BTreeMap<String, Vec<u8>> = config_drive(&guest(), &[]).into_iter().collect();
        let meta: Value = serde_json::from_slice(&files["openstack/latest/meta_data.json"]).unwrap();
        assert_eq!(meta["admin_pass"], "secret");
        assert_eq!(files["openstack/latest/user_data"], b"#cloud-config\n");
        assert!(files.contains_key("ec2/latest/meta-data.json"));
        assert!(!files.contains_key("openstack/latest/password"));
    }
}
