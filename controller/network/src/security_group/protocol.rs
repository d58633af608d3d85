//! Names of IP protocols as Neutron knows them, with IANA's numbers.

const NAMES: [(&str, u8); 24] = [
    ("ah", 51),
    ("dccp", 33),
    ("egp", 8),
    ("esp", 50),
    ("gre", 47),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ip", 0),
    ("ipip", 4),
    ("ipv6-encap", 41),
    ("ipv6-frag", 44),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("ipv6-route", 43),
    ("ospf", 89),
    ("pgm", 113),
    ("rsvp", 46),
    ("sctp", 132),
    ("tcp", 6),
    ("udp", 17),
    ("udplite", 136),
];
const VRRP: (&str, u8) = ("vrrp", 112);

/// The number of a protocol's name, or of the number as text. `icmp` in an IPv6 rule is ICMPv6.
#[must_use]
pub fn number(name: &str, ipv6: bool) -> Option<u8> {
    if let Ok(number) = name.parse::<u8>() {
        return Some(if ipv6 && number == 1 { 58 } else { number });
    }
    let known = NAMES.iter().chain([&VRRP]).find(|(known, _)| *known == name)?;
    Some(if ipv6 && known.1 == 1 { 58 } else { known.1 })
}

/// All names, for a message.
#[must_use]
pub fn names() -> String {
    let mut names: Vec<String> = NAMES.iter().chain([&VRRP]).map(|(name, _)| format!("'{name}'")).collect();
    names.sort();
    names.join(", ")
}

/// Whether only IPv6 has it.
#[must_use]
pub fn only_ipv6(name: &str) -> bool {
    name == "icmpv6" || name.starts_with("ipv6-") && name != "ipv6-encap"
}

/// Protocols with port numbers.
#[must_use]
pub fn has_ports(number: u8) -> bool {
    matches!(number, 6 | 17 | 33 | 132 | 136)
}

/// ICMP of either family.
#[must_use]
pub fn is_icmp(number: u8) -> bool {
    matches!(number, 1 | 58)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        assert_eq!(number("tcp", false), Some(6));
        assert_eq!(number("icmp", true), Some(58));
        assert_eq!(number("icmp", false), Some(1));
        assert_eq!(number("255", false), Some(255));
        assert_eq!(number("vrrp", false), Some(112));
        assert_eq!(number("256", false), None);
        assert_eq!(number("bad_protocol_name", false), None);
    }
}
