//! Forms that text may have to have.

use super::repr;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A form of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A name: printable, no white space at its ends.
    Name,
    /// A UUID.
    Uuid,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// Either.
    Ip,
    /// Base64.
    Base64,
    /// A key of metadata: letters, digits, `-_.: `.
    MetadataKey,
    /// A key of extra specs: word characters, `-`, `.`, `:`, blank.
    SpecKey,
    /// A tag: no `/`, no `,`.
    Tag,
    /// A key pair's name until 2.91: letters, digits, blank, `-`, `_`.
    KeyName,
    /// A flavor's id: word characters, `-`, `.`, blank; no white space at its ends.
    FlavorId,
    /// A host name of one label, or of several.
    Hostname,
    /// A host name of one label.
    Label,
}

impl Format {
    /// Whether the text has this form; else the message.
    pub fn check(self, text: &str) -> Result<(), String> {
        if self.fits(text) {
            return Ok(());
        }
        let quoted = repr(&Value::from(text));
        Err(match self {
            Self::Name | Self::KeyName | Self::FlavorId => format!(
                "An invalid 'name' value was provided. The name must be: {}. Can not start or end with whitespace.",
                if self == Self::Name {
                    "printable characters"
                } else {
                    "letters, digits, spaces, dashes, underscores and dots"
                }
            ),
            Self::Uuid => format!("{quoted} is not a 'uuid'"),
            Self::Ipv4 => format!("{quoted} is not a 'ipv4'"),
            Self::Ipv6 => format!("{quoted} is not a 'ipv6'"),
            Self::Ip => format!("{quoted} is not a 'ip-address'"),
            Self::Base64 => format!("{quoted} is not a 'base64'"),
            Self::Tag => format!("{quoted} does not match '^[^,/]*$'"),
            Self::MetadataKey | Self::SpecKey | Self::Hostname | Self::Label => {
                format!("{quoted} does not match {}", self.pattern())
            }
        })
    }

    /// Whether the text may be a key of this form; else the message.
    pub fn check_key(self, key: &str) -> Result<(), String> {
        let length = key.chars().count();
        if (1..=255).contains(&length) && self.fits(key) {
            return Ok(());
        }
        let quoted = repr(&Value::from(key));
        Err(format!("{quoted} does not match any of the regexes: {}", self.pattern()))
    }

    fn pattern(self) -> &'static str {
        match self {
            Self::SpecKey => r"'^[a-zA-Z0-9-_:. ]{1,255}$'",
            Self::Hostname => r"'^[a-zA-Z0-9]+[a-zA-Z0-9-.]*[a-zA-Z0-9]+$'",
            Self::Label => r"'^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$'",
            _ => r"'^[a-zA-Z0-9-_:. ]{1,255}$'",
        }
    }

    fn fits(self, text: &str) -> bool {
        let of = |extra: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c));
        match self {
            Self::Name => text.trim() == text && !text.is_empty() && !text.chars().any(char::is_control),
            Self::Uuid => is_uuid(text),
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Ip => text.parse::<IpAddr>().is_ok(),
            Self::Base64 => decode_base64(text).is_some(),
            Self::MetadataKey | Self::SpecKey => of("-_:. "),
            Self::Tag => !text.contains([',', '/']),
            Self::KeyName => text.trim() == text && of(" -_@."),
            Self::FlavorId => text.trim() == text && of("-_. "),
            Self::Hostname => is_hostname(text),
            Self::Label => is_hostname(text) && !text.contains('.'),
        }
    }
}

/// The bytes of base64 text; line breaks in it are let through, as encoders that wrap lines write them.
#[must_use]
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

fn is_uuid(text: &str) -> bool {
    let compact: String = text.chars().filter(|c| *c != '-').collect();
    compact.len() == 32 && compact.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_hostname(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() >= 2
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_its_own_and_refuses_others() {
        let cases = [
            (Format::Name, "a b", " a"),
            (Format::Uuid, "a3f1c2d4-5e6f-4701-8899-aabbccddeeff", "a3f1"),
            (Format::Ipv4, "10.0.0.1", "10.0.0"),
            (Format::Ipv6, "fe80::1", "10.0.0.1"),
            (Format::Base64, "aGVs\nbG8=", "a"),
            (Format::Tag, "web", "a/b"),
            (Format::KeyName, "my key_1", "a;b"),
            (Format::FlavorId, "m1.tiny", "m1 "),
            (Format::Hostname, "web-1.lan", "-web"),
            (Format::Label, "web-1", "web.lan"),
        ];
        for (format, good, bad) in cases {
            assert_eq!(format.check(good), Ok(()), "{format:?}");
            assert!(format.check(bad).is_err(), "{format:?}");
        }
    }

    #[test]
    fn a_key_is_not_empty_nor_too_long() {
        assert!(Format::MetadataKey.check_key("a.b:c d").is_ok());
        assert!(Format::MetadataKey.check_key("").is_err());
        assert!(Format::MetadataKey.check_key(&"k".repeat(256)).is_err());
        assert!(Format::MetadataKey.check_key("a/b").is_err());
    }
}
