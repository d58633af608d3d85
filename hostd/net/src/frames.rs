//! Ethernet frames that the host sends by itself.

use std::net::Ipv4Addr;

use crate::mac::MacAddr;

/// An ARP announcement: a request for one's own address (RFC 5227, section 3).
pub(crate) fn gratuitous_arp(mac: MacAddr, address: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend([0xff; 6]);
    frame.extend(mac.0);
    frame.extend([0x08, 0x06]);
    // Ethernet, IPv4, lengths 6 and 4, request.
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(mac.0);
    frame.extend(address.octets());
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcement_asks_for_its_own_address() {
        let frame = gratuitous_arp(MacAddr([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(192, 0, 2, 7));
        assert_eq!(frame.len(), 42);
        assert_eq!(frame[28..32], frame[38..42]);
        assert_eq!(&frame[..6], &[0xff; 6]);
    }
}
