//! The EC2 forms: a tree of plain values whose inner nodes list their names.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{GuestInterface, GuestMetadata, render};

/// Dates of EC2's forms, as nova has them.
const VERSIONS: [&str; 9] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
];
/// The newest of them.
pub(super) const NEWEST: &str = "2009-04-04";

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Text(String),
    Lines(Vec<String>),
    Bytes(Vec<u8>),
    /// A listing may name a node in its own way (public keys are `0=name`).
    Tree {
        label: Option<String>,
        nodes: BTreeMap<&'static str, Node>,
    },
}

impl Node {
    fn tree(nodes: impl IntoIterator<Item = (&'static str, Node)>) -> Self {
        Self::Tree { label: None, nodes: nodes.into_iter().collect() }
    }

    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    fn find(&self, path: &[&str]) -> Option<&Self> {
        match (path, self) {
            ([], node) => Some(node),
            ([name, rest @ ..], Self::Tree { nodes, .. }) => nodes.get::<str>(name)?.find(rest),
            _ => None,
        }
    }

    fn print(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.clone().into_bytes(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Lines(lines) => lines.join("\n").into_bytes(),
            Self::Tree { nodes, .. } => {
                let names = nodes.iter().map(|(name, node)| match node {
                    Self::Tree { label: Some(label), .. } => label.clone(),
                    Self::Tree { label: None, .. } => format!("{name}/"),
                    _ => (*name).to_owned(),
                });
                names.collect::<Vec<String>>().join("\n").into_bytes()
            }
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Bytes(bytes) => json!(String::from_utf8_lossy(bytes)),
            Self::Lines(lines) => json!(lines),
            Self::Tree { nodes, .. } => nodes.iter().map(|(name, node)| ((*name).to_owned(), node.value())).collect(),
        }
    }
}

/// What is at a path; `None`: not found.
pub(super) fn document(guest: &GuestMetadata, interfaces: &[GuestInterface], path: &[&str]) -> Option<Vec<u8>> {
    let (version, rest) = match path {
        [] => return Some([VERSIONS.as_slice(), &["latest"]].concat().join("\n").into_bytes()),
        ["latest", rest @ ..] => (NEWEST, rest),
        [version, rest @ ..] => (*VERSIONS.iter().find(|known| *known == version)?, rest),
    };
    Some(tree(guest, interfaces, version).find(rest)?.print())
}

/// The tree of the config drive's `meta-data.json`.
pub(super) fn drive(guest: &GuestMetadata, interfaces: &[GuestInterface]) -> Value {
    meta_data(guest, interfaces, NEWEST).value()
}

fn tree(guest: &GuestMetadata, interfaces: &[GuestInterface], version: &str) -> Node {
    let mut nodes = vec![("meta-data", meta_data(guest, interfaces, version))];
    if !guest.user_data.is_empty() {
        nodes.push(("user-data", Node::Bytes(guest.user_data.clone())));
    }
    Node::tree(nodes)
}

fn first_v4<'a>(mut addresses: impl Iterator<Item = &'a IpAddr>) -> String {
    addresses.find(|ip| ip.is_ipv4()).map(ToString::to_string).unwrap_or_default()
}

fn meta_data(guest: &GuestMetadata, interfaces: &[GuestInterface], version: &str) -> Node {
    let fixed: Vec<IpAddr> = interfaces.iter().flat_map(|i| i.addresses.iter().map(|a| a.address.addr())).collect();
    let mut nodes = vec![
        ("ami-id", Node::text(&guest.ec2_image_id)),
        ("ami-launch-index", Node::text(guest.launch_index.to_string())),
        ("ami-manifest-path", Node::text("FIXME")),
        ("instance-id", Node::text(&guest.ec2_instance_id)),
        ("hostname", Node::text(render::hostname(guest))),
        ("local-ipv4", Node::text(first_v4(fixed.iter()))),
        ("reservation-id", Node::text(&guest.reservation_id)),
        ("security-groups", Node::Lines(guest.security_groups.clone())),
    ];
    if let Some(key) = guest.keys.first() {
        let key_node = Node::Tree {
            label: Some(format!("0={}", key.name)),
            nodes: BTreeMap::from([("openssh-key", Node::text(&key.public_key))]),
        };
        nodes.push(("public-keys", Node::tree([("0", key_node)])));
    }
    if version >= "2007-01-19" {
        nodes.push(("local-hostname", Node::text(render::hostname(guest))));
        nodes.push(("public-hostname", Node::text(render::hostname(guest))));
        nodes.push(("public-ipv4", Node::text(first_v4(interfaces.iter().flat_map(|i| &i.floating_addresses)))));
    }
    if version >= "2007-08-29" {
        nodes.push(("instance-type", Node::text(&guest.flavor_name)));
    }
    if version >= "2007-12-15" {
        let disks = [("ami", Node::text("vda")), ("root", Node::text("/dev/vda"))];
        nodes.push(("block-device-mapping", Node::tree(disks)));
        for (name, id) in [("kernel-id", &guest.ec2_kernel_id), ("ramdisk-id", &guest.ec2_ramdisk_id)] {
            if !id.is_empty() {
                nodes.push((name, Node::text(id)));
            }
        }
    }
    if version >= "2008-02-01" {
        nodes.push(("placement", Node::tree([("availability-zone", Node::text(&guest.availability_zone))])));
    }
    if version >= "2008-09-01" {
        nodes.push(("instance-action", Node::text("none")));
    }
    Node::tree(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::KeyPair;

    fn text(path: &[&str]) -> Option<String> {
        let guest = GuestMetadata {
            hostname: "web".into(),
            ec2_instance_id: "i-0000002a".into(),
            availability_zone: "nova".into(),
            keys: vec![KeyPair { name: "me".into(), public_key: "ssh-rsa AAAA".into(), kind: "ssh".into() }],
            ..GuestMetadata::default()
        };
        document(&guest, &[], path).map(|body| String::from_utf8(body).unwrap())
    }

    #[test]
    fn listings_mark_inner_nodes() {
        assert_eq!(text(&["latest"]).as_deref(), Some("meta-data/"));
        let names = text(&["2009-04-04", "meta-data"]).unwrap();
        assert!(names.contains("\ninstance-id\n") && names.contains("\nplacement/\n"), "{names}");
        assert_eq!(text(&["latest", "meta-data", "placement"]).as_deref(), Some("availability-zone"));
    }

    #[test]
    fn public_keys_are_listed_by_number_and_name() {
        assert_eq!(text(&["latest", "meta-data", "public-keys"]).as_deref(), Some("0=me"));
        assert_eq!(text(&["latest", "meta-data", "public-keys", "0"]).as_deref(), Some("openssh-key"));
        assert_eq!(text(&["latest", "meta-data", "public-keys", "0", "openssh-key"]).as_deref(), Some("ssh-rsa AAAA"));
    }

    #[test]
    fn old_versions_have_less() {
        assert_eq!(text(&["1.0", "meta-data", "placement"]), None);
        assert_eq!(text(&["1.0", "meta-data", "instance-id"]).as_deref(), Some("i-0000002a"));
        assert_eq!(text(&["latest", "user-data"]), None);
        assert_eq!(text(&["2010-01-01"]), None);
    }
}
