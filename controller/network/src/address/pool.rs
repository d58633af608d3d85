//! Ranges of a subnet from which addresses are handed out.

use super::{address, number};
use crate::error::{Error, Result};
use ipnet::IpNet;
use rand::Rng;
use std::{collections::HashSet, fmt, net::IpAddr};

/// An inclusive range of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its first address.
    pub first: IpAddr,
    /// Its last address.
    pub last: IpAddr,
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

impl Pool {
    /// Whether the address lies in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (number(self.first)..=number(self.last)).contains(&number(address))
    }

    /// How many addresses it has; saturates.
    #[must_use]
    pub fn size(&self) -> u128 {
        (number(self.last) - number(self.first)).saturating_add(1)
    }
}

/// What Neutron hands out from when it is not told: all usable addresses but the gateway's.
#[must_use]
pub fn default_pools(prefix: &IpNet, gateway: Option<IpAddr>) -> Vec<Pool> {
    let network = prefix.network();
    let (mut first, mut last) = (number(network), number(prefix.broadcast()));
    match prefix {
        IpNet::V4(net) if net.prefix_len() < 31 => (first, last) = (first + 1, last - 1),
        IpNet::V6(net) if net.prefix_len() < 127 => first += 1,
        _ => {}
    }
    let gap = gateway.filter(|gateway| prefix.contains(gateway)).map(number).filter(|gap| (first..=last).contains(gap));
    let ranges = match gap {
        Some(gap) => vec![(first, gap.checked_sub(1)), (gap.saturating_add(1), Some(last))],
        None => vec![(first, Some(last))],
    };
    ranges
        .into_iter()
        .filter_map(|(first, last)| {
            let last = last.filter(|last| first <= *last)?;
            Some(Pool { first: address(network, first)?, last: address(network, last)? })
        })
        .collect()
}

/// Whether the pools may stand in a subnet, as Neutron decides it.
pub fn check_pools(pools: &[Pool], prefix: &IpNet, gateway: Option<IpAddr>) -> Result<()> {
    for pool in pools {
        let family = prefix.network().is_ipv4();
        if pool.first.is_ipv4() != family || pool.last.is_ipv4() != family || number(pool.first) > number(pool.last) {
            return Err(Error::InvalidAllocationPool(pool.to_string()));
        }
        if !super::usable(prefix, pool.first) || !super::usable(prefix, pool.last) {
            return Err(Error::OutOfBoundsAllocationPool(pool.to_string(), prefix.to_string()));
        }
    }
    for (index, one) in pools.iter().enumerate() {
        if let Some(other) =
            pools[index + 1..].iter().find(|other| one.contains(other.first) || other.contains(one.first))
        {
            return Err(Error::OverlappingAllocationPools(one.to_string(), other.to_string(), prefix.to_string()));
        }
    }
    match gateway.and_then(|gateway| pools.iter().find(|pool| pool.contains(gateway)).map(|pool| (gateway, pool))) {
        Some((gateway, pool)) => Err(Error::GatewayConflictWithAllocationPools(gateway.to_string(), pool.to_string())),
        None => Ok(()),
    }
}

/// A few addresses of the pools, at random and without repetition: the first one that is free is taken.
pub fn candidates(pools: &[Pool], count: usize, rng: &mut impl Rng) -> Vec<IpAddr> {
    let total = pools.iter().fold(0_u128, |sum, pool| sum.saturating_add(pool.size()));
    let mut chosen = Vec::with_capacity(count);
    if total == 0 {
        return chosen;
    }
    for _ in 0..count {
        let nth = rng.random_range(0..total);
        if let Some(candidate) = nth_address(pools, nth)
            && !chosen.contains(&candidate)
        {
            chosen.push(candidate);
        }
    }
    chosen
}

fn nth_address(pools: &[Pool], mut nth: u128) -> Option<IpAddr> {
    for pool in pools {
        if nth < pool.size() {
            return address(pool.first, number(pool.first) + nth);
        }
        nth -= pool.size();
    }
    None
}

/// The first address of the pools that is not taken. Costs as many looks as there are taken addresses, at most.
#[must_use]
pub fn first_free(pools: &[Pool], taken: &HashSet<IpAddr>) -> Option<IpAddr> {
    pools.iter().find_map(|pool| {
        (number(pool.first)..=number(pool.last))
            .map_while(|number| address(pool.first, number))
            .find(|address| !taken.contains(address))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }
    fn pool(first: &str, last: &str) -> Pool {
        Pool { first: first.parse().unwrap(), last: last.parse().unwrap() }
    }
    fn shown(pools: &[Pool]) -> Vec<String> {
        pools.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn default_pools_leave_the_gateway_out() {
        let table = [
            ("10.0.0.0/24", Some("10.0.0.1"), vec!["10.0.0.2-10.0.0.254"]),
            ("10.0.0.0/24", Some("10.0.0.9"), vec!["10.0.0.1-10.0.0.8", "10.0.0.10-10.0.0.254"]),
            ("10.0.0.0/24", None, vec!["10.0.0.1-10.0.0.254"]),
            ("10.0.0.0/24", Some("192.0.2.1"), vec!["10.0.0.1-10.0.0.254"]),
            ("10.0.0.0/30", Some("10.0.0.1"), vec!["10.0.0.2-10.0.0.2"]),
            ("10.0.0.0/31", Some("10.0.0.0"), vec!["10.0.0.1-10.0.0.1"]),
            ("10.0.0.1/32", Some("10.0.0.1"), vec![]),
            ("fd00::/64", Some("fd00::1"), vec!["fd00::2-fd00::ffff:ffff:ffff:ffff"]),
        ];
        for (prefix, gateway, wanted) in table {
            let gateway = gateway.map(|text| text.parse().unwrap());
            assert_eq!(shown(&default_pools(&net(prefix), gateway)), wanted, "{prefix}");
        }
    }

    #[test]
    fn pools_are_refused_with_neutrons_reasons() {
        let prefix = net("10.0.0.0/24");
        let gateway = Some("10.0.0.1".parse().unwrap());
        let table = [
            (vec![pool("10.0.0.9", "10.0.0.2")], "InvalidAllocationPool"),
            (vec![pool("fd00::1", "fd00::2")], "InvalidAllocationPool"),
            (vec![pool("10.0.0.9", "10.0.1.2")], "OutOfBoundsAllocationPool"),
            (vec![pool("10.0.0.0", "10.0.0.2")], "OutOfBoundsAllocationPool"),
            (vec![pool("10.0.0.2", "10.0.0.9"), pool("10.0.0.9", "10.0.0.20")], "OverlappingAllocationPools"),
            (vec![pool("10.0.0.1", "10.0.0.9")], "GatewayConflictWithAllocationPools"),
        ];
        for (pools, wanted) in table {
            assert_eq!(check_pools(&pools, &prefix, gateway).unwrap_err().kind(), wanted);
        }
        assert!(check_pools(&[pool("10.0.0.2", "10.0.0.9"), pool("10.0.0.11", "10.0.0.20")], &prefix, gateway).is_ok());
    }

    proptest! {
        #[test]
        fn candidates_lie_in_the_pools(length in 8_u8..=30, gateway in 0_u32..300, count in 0_usize..40) {
            let prefix = net(&format!("10.0.0.0/{length}"));
            let gateway = address(prefix.network(), u128::from(0x0a00_0000 + gateway));
            let pools = default_pools(&prefix, gateway);
            let chosen = candidates(&pools, count, &mut rand::rng());
            for candidate in &chosen {
                prop_assert!(pools.iter().any(|pool| pool.contains(*candidate)));
                prop_assert!(Some(*candidate) != gateway);
                prop_assert!(super::super::usable(&prefix, *candidate));
            }
            let distinct: HashSet<_> = chosen.iter().collect();
            prop_assert_eq!(distinct.len(), chosen.len());
        }

        #[test]
        fn every_address_of_a_small_subnet_is_found_once(length in 24_u8..=30, gateway in 0_u32..256) {
            let prefix = net(&format!("10.0.0.0/{length}"));
            let gateway = address(prefix.network(), u128::from(0x0a00_0000 + gateway));
            let pools = default_pools(&prefix, gateway);
            let mut taken = HashSet::new();
            while let Some(free) = first_free(&pools, &taken) {
                prop_assert!(taken.insert(free));
            }
            let hosts = (1_usize << (32 - length)) - 2;
            let inside = gateway.is_some_and(|gateway| super::super::usable(&prefix, gateway));
            prop_assert_eq!(taken.len(), hosts - usize::from(inside));
        }
    }
}
