//! Identifiers that the controller gives. They become file, socket and cgroup names, so only harmless ones are let in.

use std::{fmt, str::FromStr};

/// The longest identifier.
pub const MAX_LENGTH: usize = 64;

/// An identifier that cannot be a file name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no identifier: 1 to {MAX_LENGTH} of a-z, A-Z, 0-9, '-' and '_', not starting with '-'")]
pub struct InvalidId(String);

fn check(text: &str) -> Result<(), InvalidId> {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let fine = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(harmless) && !text.starts_with('-');
    if fine { Ok(()) } else { Err(InvalidId(text.chars().take(MAX_LENGTH).collect())) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The identifier's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                check(text).map(|()| Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                check(&text).map(|()| Self(text))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// A server's id.
    GuestId
);
id!(
    /// An object's id in the ledger, whatever its kind.
    ObjectId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_an_identifier() {
        assert!("7b9a1c1e-6f0b-4c3e-9a57-0d5f2a3c4b5d".parse::<GuestId>().is_ok());
    }

    #[test]
    fn what_would_leave_its_folder_is_refused() {
        for text in ["", ".", "..", "a/b", "../x", "a\0b", "-rf", "a.b", &"x".repeat(65)] {
            assert!(text.parse::<GuestId>().is_err(), "{text:?}");
        }
    }
}
