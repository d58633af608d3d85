//! The part of DNS messages (RFC 1035) that a forwarder with a few names of its own needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Record types that are answered.
const A: u16 = 1;
const PTR: u16 = 12;
const AAAA: u16 = 28;
const IN: u16 = 1;
/// How long an answer may be kept, in seconds: names follow ports.
const TTL: u32 = 60;

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    id: u16,
    recursion_desired: bool,
    /// In lower case, without a final dot.
    pub(super) name: String,
    kind: u16,
    /// The question section as it came.
    section: Vec<u8>,
}

/// What our own names say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The name exists; the addresses of the asked family among these.
    Addresses(Vec<IpAddr>),
    /// The address' name.
    Name(String),
    /// It would be ours, and is not there.
    NoSuchName,
    /// No server could be reached.
    Failure,
}

/// The one question of a standard query; `None` for anything else.
pub(super) fn parse(message: &[u8]) -> Option<Question> {
    let header: &[u8; 12] = message.first_chunk()?;
    let [i0, i1, flags, _, q0, q1, ..] = *header;
    // A response, another operation, or not exactly one question.
    if flags & 0xf8 != 0 || (q0, q1) != (0, 1) {
        return None;
    }
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => labels.push(std::str::from_utf8(message.get(at..at + length)?).ok()?.to_lowercase()),
            // Compressed names point nowhere in a first name.
            _ => return None,
        }
        at += length;
        if at > 12 + 255 {
            return None;
        }
    }
    let &[k0, k1, c0, c1] = message.get(at..at + 4)?.first_chunk()?;
    (u16::from_be_bytes([c0, c1]) == IN).then(|| Question {
        id: u16::from_be_bytes([i0, i1]),
        recursion_desired: flags & 1 == 1,
        name: labels.join("."),
        kind: u16::from_be_bytes([k0, k1]),
        section: message[12..at + 4].to_vec(),
    })
}

impl Question {
    /// The address whose name is asked for.
    pub(super) fn reverse(&self) -> Option<IpAddr> {
        if let Some(rest) = self.name.strip_suffix(".in-addr.arpa") {
            let mut parts: Vec<&str> = rest.split('.').collect();
            parts.reverse();
            return parts.join(".").parse::<Ipv4Addr>().ok().map(IpAddr::V4);
        }
        let rest = self.name.strip_suffix(".ip6.arpa")?;
        let digits: Option<Vec<u128>> =
            rest.split('.').map(|d| u128::from_str_radix(d, 16).ok().filter(|d| *d < 16)).collect();
        let digits = digits.filter(|digits| digits.len() == 32)?;
        let bits = digits.iter().rev().fold(0, |bits, digit| bits << 4 | digit);
        Some(IpAddr::V6(Ipv6Addr::from(bits)))
    }

    /// The answer as a message.
    pub(super) fn answer(&self, answer: &Answer) -> Vec<u8> {
        let (code, records) = match answer {
            Answer::Addresses(addresses) => (0, addresses.iter().filter_map(|ip| self.address(ip)).collect()),
            Answer::Name(name) if self.kind == PTR => (0, vec![self.record(&encode(name))]),
            Answer::Name(_) => (0, Vec::new()),
            Answer::NoSuchName => (3, Vec::new()),
            Answer::Failure => (2, Vec::new()),
        };
        let mut message = Vec::with_capacity(512);
        message.extend(self.id.to_be_bytes());
        // Response, authoritative, recursion desired as asked, recursion available.
        message.extend([0x84 | u8::from(self.recursion_desired), 0x80 | code]);
        message.extend([0, 1]);
        message.extend(u16::try_from(records.len()).unwrap_or_default().to_be_bytes());
        message.extend([0; 4]);
        message.extend(&self.section);
        message.extend(records.concat());
        message
    }

    fn address(&self, address: &IpAddr) -> Option<Vec<u8>> {
        match (self.kind, address) {
            (A, IpAddr::V4(ip)) => Some(self.record(&ip.octets())),
            (AAAA, IpAddr::V6(ip)) => Some(self.record(&ip.octets())),
            _ => None,
        }
    }

    fn record(&self, data: &[u8]) -> Vec<u8> {
        // The name is the question's, 12 bytes into the message.
        let mut record = vec![0xc0, 12];
        record.extend(self.kind.to_be_bytes());
        record.extend(IN.to_be_bytes());
        record.extend(TTL.to_be_bytes());
        record.extend(u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
        record.extend(data);
        record
    }
}

/// A name as labels; labels that do not fit are left out.
pub(super) fn encode(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.') {
        if let Some(length) = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length)) {
            bytes.push(length);
            bytes.extend(label.as_bytes());
        }
    }
    bytes.push(0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn query(name: &str, kind: u16) -> Vec<u8> {
        let mut message = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(encode(name));
        message.extend(kind.to_be_bytes());
        message.extend(IN.to_be_bytes());
        message
    }

    #[test]
    fn a_question_is_read_and_answered() {
        let question = parse(&query("VM1.Example.org", A)).unwrap();
        assert_eq!(question.name, "vm1.example.org");
        let answer = question.answer(&Answer::Addresses(vec!["10.0.0.5".parse().unwrap(), "::1".parse().unwrap()]));
        assert_eq!(answer[..8], [0x12, 0x34, 0x85, 0x80, 0, 1, 0, 1]);
        assert!(answer.ends_with(&[0, 4, 10, 0, 0, 5]));
    }

    #[test]
    fn reverse_names_are_addresses() {
        let name = |name| parse(&query(name, PTR)).unwrap().reverse();
        assert_eq!(name("5.0.0.10.in-addr.arpa"), Some("10.0.0.5".parse().unwrap()));
        let six = "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
        assert_eq!(name(six), Some("2001:db8::5".parse().unwrap()));
        assert_eq!(name("x.in-addr.arpa"), None);
    }

    #[test]
    fn hostile_messages_are_not_read() {
        let good = query("a.b", A);
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]), None, "{length} bytes");
        }
        let mut pointer = good.clone();
        pointer[12] = 0xc0;
        assert_eq!(parse(&pointer), None);
        let mut response = good;
        response[2] |= 0x80;
        assert_eq!(parse(&response), None);
    }
}
