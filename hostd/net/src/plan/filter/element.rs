//! Elements of sets and maps: for nft as text, for the kernel as bytes.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::mac::MacAddr;

/// An element of a set, or with a verdict of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Element {
    pub(crate) set: String,
    pub(super) parts: Vec<Part>,
    pub(crate) verdict: Option<Verdict>,
}

/// Part of a key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Interface(String),
    Mac(MacAddr),
    Address(IpAddr),
    /// An address that nft takes for a number.
    Number(Ipv6Addr),
}

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    Accept,
    Goto(String),
}

/// An element comes or goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) add: bool,
    pub(crate) element: Element,
}

impl Element {
    /// The key as the kernel has it: each part in whole words.
    pub(crate) fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(40);
        for part in &self.parts {
            match part {
                Part::Interface(name) => {
                    let end = key.len() + 16;
                    key.extend(name.bytes().take(15));
                    key.resize(end, 0);
                }
                Part::Mac(mac) => key.extend(mac.0),
                Part::Address(IpAddr::V4(address)) => key.extend(address.octets()),
                Part::Address(IpAddr::V6(address)) | Part::Number(address) => key.extend(address.octets()),
            }
            key.resize(key.len().next_multiple_of(4), 0);
        }
        key
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, part) in self.parts.iter().enumerate() {
            if number > 0 {
                f.write_str(" . ")?;
            }
            match part {
                Part::Interface(name) => write!(f, "\"{name}\"")?,
                Part::Mac(mac) => write!(f, "{mac}")?,
                Part::Address(address) => write!(f, "{address}")?,
                Part::Number(address) => write!(f, "{:#034x}", u128::from(*address))?,
            }
        }
        match &self.verdict {
            Some(verdict) => write!(f, " : {verdict}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_key_are_whole_words() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let element = Element {
            set: "own-v4".into(),
            parts: vec![
                Part::Interface("ht-1".into()),
                Part::Mac(mac),
                Part::Address("10.0.0.5".parse().unwrap()),
                Part::Number("fe80::1".parse().unwrap()),
            ],
            verdict: Some(Verdict::Goto("c".into())),
        };
        let mut key = b"ht-1\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
        key.extend([2, 0, 0, 0, 0, 1, 0, 0, 10, 0, 0, 5, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(element.key(), key);
        let text = "\"ht-1\" . 02:00:00:00:00:01 . 10.0.0.5 . 0xfe800000000000000000000000000001 : goto c";
        assert_eq!(element.to_string(), text);
    }
}
