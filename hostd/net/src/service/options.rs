//! DHCPv4 options by neutron's names (those of dnsmasq) or by number.

use std::net::Ipv4Addr;

/// How an option's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Addresses,
    Text,
    U8,
    U16,
    U32,
}

const NAMES: [(&str, u8); 33] = [
    ("netmask", 1),
    ("time-offset", 2),
    ("router", 3),
    ("dns-server", 6),
    ("log-server", 7),
    ("lpr-server", 9),
    ("hostname", 12),
    ("boot-file-size", 13),
    ("domain-name", 15),
    ("swap-server", 16),
    ("root-path", 17),
    ("extension-path", 18),
    ("mtu", 26),
    ("broadcast", 28),
    ("nis-domain", 40),
    ("nis-server", 41),
    ("ntp-server", 42),
    ("vendor-encap", 43),
    ("netbios-ns", 44),
    ("netbios-nodetype", 46),
    ("x-windows-fs", 48),
    ("x-windows-dm", 49),
    ("lease-time", 51),
    ("vendor-class", 60),
    ("tftp-server", 66),
    ("server-ip-address", 150),
    ("tftp-server-address", 150),
    ("bootfile-name", 67),
    ("domain-search", 119),
    ("client-arch", 93),
    ("sip-server", 120),
    ("T1", 58),
    ("T2", 59),
];

fn form(code: u8) -> Form {
    match code {
        1 | 3..=11 | 16 | 21 | 28 | 32 | 33 | 41 | 42 | 44 | 45 | 48 | 49 | 54 | 65 | 68..=76 | 150 => Form::Addresses,
        2 | 24 | 35 | 38 | 51 | 58 | 59 => Form::U32,
        13 | 22 | 26 => Form::U16,
        19 | 20 | 23 | 27 | 29 | 30 | 31 | 34 | 36 | 37 | 39 | 46 => Form::U8,
        _ => Form::Text,
    }
}

/// The option's number and value; `None` if the name is unknown, the value does not fit, or it is DHCP's own business.
pub(super) fn parse(name: &str, value: &str) -> Option<(u8, Vec<u8>)> {
    let name = name.strip_prefix("option:").unwrap_or(name);
    let by_name = NAMES.iter().find(|(known, _)| *known == name).map(|(_, code)| *code);
    let code = by_name.or_else(|| name.parse().ok())?;
    if matches!(code, 0 | 50 | 52..=57 | 61 | 82 | 255) {
        return None;
    }
    let bytes = match form(code) {
        Form::Addresses => {
            let addresses: Option<Vec<Ipv4Addr>> = value.split(',').map(|ip| ip.trim().parse().ok()).collect();
            addresses?.into_iter().flat_map(|ip| ip.octets()).collect()
        }
        Form::Text => value.as_bytes().to_vec(),
        Form::U8 => vec![value.parse().ok()?],
        Form::U16 => value.parse::<u16>().ok()?.to_be_bytes().to_vec(),
        Form::U32 => value.parse::<u32>().ok()?.to_be_bytes().to_vec(),
    };
    (!bytes.is_empty() && bytes.len() <= 255).then_some((code, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_known() {
        assert_eq!(parse("bootfile-name", "pxe.0"), Some((67, b"pxe.0".to_vec())));
        assert_eq!(parse("150", "10.0.0.1"), Some((150, vec![10, 0, 0, 1])));
        assert_eq!(parse("mtu", "1400"), Some((26, vec![5, 120])));
        assert_eq!(parse("dns-server", "1.1.1.1, 8.8.8.8"), Some((6, vec![1, 1, 1, 1, 8, 8, 8, 8])));
    }

    #[test]
    fn nonsense_and_dhcps_own_options_are_refused() {
        for (name, value) in
            [("mtu", "big"), ("router", "x"), ("54", "1.2.3.4"), ("no-such", "1"), ("255", "x"), ("67", "")]
        {
            assert_eq!(parse(name, value), None, "{name}={value}");
        }
    }
}
