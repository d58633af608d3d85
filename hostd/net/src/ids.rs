//! A type per kind of id. Ids are the controller's (UUIDs in their textual form) and only compared here.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Wraps the controller's id.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            /// The id as the controller wrote it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self::new(id)
            }
        }

        impl From<String> for $name {
            fn from(id: String) -> Self {
                Self(id)
            }
        }
    };
}

id!(
    /// A network.
    NetworkId
);
id!(
    /// A subnet.
    SubnetId
);
id!(
    /// A port of a guest or of a router.
    PortId
);
id!(
    /// A security group.
    SecurityGroupId
);
id!(
    /// A router.
    RouterId
);
id!(
    /// A floating address.
    FloatingIpId
);
