//! A type per kind of id.
//!
//! Keystone's ids are opaque strings of at most 64 characters (usually 32 hex digits, but also `default`); those of the other
//! services are UUIDs in their dashed form. Both are stored as TEXT.
//!
//! To add one: a line in one of the two lists below.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

/// The text is no id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a valid {kind} id")]
pub struct InvalidId {
    /// What kind of thing the id should name.
    pub kind: &'static str,
    /// The offending text, cut short.
    pub text: String,
}

impl InvalidId {
    fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.chars().take(64).collect() }
    }
}

macro_rules! common {
    ($name:ident) => {
        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }
    };
}

macro_rules! opaque_ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A new random id: 32 hex digits.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4().simple().to_string())
            }
            /// The id's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let fits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic());
                if fits { Ok(Self(text.to_owned())) } else { Err(InvalidId::new($kind, text)) }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        common!($name);
    )*};
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident = $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Uuid);

        impl $name {
            /// A new random id.
            #[must_use]
            pub fn random() -> Self {
                Self(Uuid::new_v4())
            }
            /// The id as a UUID.
            #[must_use]
            pub fn uuid(&self) -> Uuid {
                self.0
            }
        }
        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId::new($kind, text))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }
        common!($name);
    )*};
}

opaque_ids! {
    /// An identity domain.
    DomainId = "domain";
    /// A project, or tenant.
    ProjectId = "project";
    /// A user.
    UserId = "user";
    /// A group of users.
    GroupId = "group";
    /// A role.
    RoleId = "role";
    /// A catalog service.
    ServiceId = "service";
    /// A catalog endpoint.
    EndpointId = "endpoint";
    /// A region.
    RegionId = "region";
    /// An identity provider that identity trusts; operators choose it.
    IdentityProviderId = "identity provider";
    /// A protocol of an identity provider; operators choose it.
    FederationProtocolId = "federated protocol";
    /// A mapping of a provider's attributes; operators choose it.
    MappingId = "mapping";
    /// A cloud that trusts this one; operators choose it.
    ServiceProviderId = "service provider";
    /// A flavor; operators may choose it.
    FlavorId = "flavor";
    /// A request, `req-` and a UUID.
    RequestId = "request";
}

uuid_ids! {
    /// A compute server.
    ServerId = "server";
    /// A host of the federation.
    HostId = "host";
    /// An image.
    ImageId = "image";
    /// A network.
    NetworkId = "network";
    /// A subnet.
    SubnetId = "subnet";
    /// A port.
    PortId = "port";
    /// A router.
    RouterId = "router";
    /// A floating IP.
    FloatingIpId = "floating ip";
    /// A security group.
    SecurityGroupId = "security group";
    /// A security group rule.
    SecurityGroupRuleId = "security group rule";
    /// A durable operation.
    OperationId = "operation";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opaque_id_is_short_printable_text() {
        assert_eq!("default".parse::<DomainId>().unwrap().as_str(), "default");
        assert!("".parse::<DomainId>().is_err());
        assert!("a b".parse::<DomainId>().is_err());
        assert!("x".repeat(65).parse::<DomainId>().is_err());
    }

    #[test]
    fn a_uuid_id_is_shown_dashed_however_it_was_written() {
        let id: ServerId = "A3F1C2D45E6F47018899AABBCCDDEEFF".parse().unwrap();
        assert_eq!(id.to_string(), "a3f1c2d4-5e6f-4701-8899-aabbccddeeff");
    }
}
