//! Search filters (RFC 4515), with every value escaped.

use std::fmt::Write as _;

/// A value as it may stand in a filter: whatever it holds, it stays a value.
pub(super) fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'-' | b'_' | b'.' | b'@' | b',' | b'=' | b'+' | b':' => {
                out.push(char::from(byte));
            }
            // Writing to a String cannot fail.
            other => drop(write!(out, "\\{other:02x}")),
        }
    }
    out
}

/// Entries of a class that an operator's filter lets through.
pub(super) fn all(class: &str, own: Option<&str>) -> String {
    format!("(&(objectClass={}){})", escaped(class), own.unwrap_or_default())
}

/// Those of them with an attribute of this value.
pub(super) fn with(class: &str, own: Option<&str>, attribute: &str, value: &str) -> String {
    format!("(&(objectClass={}){}({attribute}={}))", escaped(class), own.unwrap_or_default(), escaped(value))
}

/// Active Directory's matching rule that follows a chain of memberships.
const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";

/// The attribute under which a whole chain is asked for.
pub(super) fn in_chain(attribute: &str) -> String {
    format!("{attribute}:{IN_CHAIN}:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_value_stays_a_value() {
        for (value, expected) in [
            ("bob", "bob"),
            ("*", "\\2a"),
            ("bob)(|(cn=*", "bob\\29\\28\\7c\\28cn=\\2a"),
            ("a\\2a", "a\\5c2a"),
            ("nul\0", "nul\\00"),
            ("ñ", "\\c3\\b1"),
            ("cn=bob,ou=Users", "cn=bob,ou=Users"),
        ] {
            assert_eq!(escaped(value), expected);
        }
        assert_eq!(with("person", Some("(x=1)"), "cn", "a*"), "(&(objectClass=person)(x=1)(cn=a\\2a))");
        assert_eq!(
            with("group", None, &in_chain("member"), "cn=x"),
            "(&(objectClass=group)(member:1.2.840.113556.1.4.1941:=cn=x))"
        );
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_value(value in ".{0,80}") {
            let filter = escaped(&value);
            prop_assert!(!filter.contains(['(', ')', '*', '\0', '&', '|', '!']));
            let mut bytes = Vec::new();
            let mut rest = filter.bytes();
            while let Some(byte) = rest.next() {
                if byte == b'\\' {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
                } else {
                    bytes.push(byte);
                }
            }
            prop_assert_eq!(String::from_utf8(bytes).unwrap(), value);
        }
    }
}
