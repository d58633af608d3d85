//! A security group's chains and set.

use std::net::IpAddr;

use super::{AddressSet, FilterPlan, port};
use crate::ids::SecurityGroupId;
use crate::model::{Direction, Remote, SecurityGroup, SecurityRule};

/// Chain of what the group lets through in this direction.
pub(super) fn chain(id: &SecurityGroupId, direction: Direction) -> String {
    match direction {
        Direction::Ingress => format!("gi-{id}"),
        Direction::Egress => format!("ge-{id}"),
    }
}

fn set(id: &SecurityGroupId, ipv6: bool) -> String {
    format!("m{}-{id}", if ipv6 { '6' } else { '4' })
}

/// Plans the group's chains.
pub(super) fn plan(group: &SecurityGroup, plan: &mut FilterPlan) {
    for direction in [Direction::Ingress, Direction::Egress] {
        let rules = group.rules.iter().filter(|rule| rule.direction == direction).map(render);
        plan.chains.insert(chain(&group.id, direction), rules.collect());
    }
    port::plan_only(group, plan);
}

/// Plans the sets of a group that some rule names as remote.
pub(super) fn members(id: &SecurityGroupId, members: &[IpAddr], plan: &mut FilterPlan) {
    for ipv6 in [false, true] {
        let addresses = members.iter().copied().filter(|ip| ip.is_ipv6() == ipv6).collect();
        plan.sets.insert(set(id, ipv6), AddressSet { ipv6, addresses });
    }
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

fn render(rule: &SecurityRule) -> String {
    let family = if rule.ipv6 { "ip6" } else { "ip" };
    let side = if rule.direction == Direction::Ingress { "saddr" } else { "daddr" };
    let remote = match &rule.remote {
        Remote::Any => format!("ether type {family}"),
        Remote::Prefix(prefix) => format!("ether type {family} {family} {side} {}", prefix.trunc()),
        Remote::Group(id) => format!("ether type {family} {family} {side} @{}", set(id, rule.ipv6)),
    };
    format!("{remote}{} accept", protocol(rule))
}

fn protocol(rule: &SecurityRule) -> String {
    match (rule.protocol, rule.ipv6) {
        (None, _) => String::new(),
        // Neutron's name `icmp` on an IPv6 rule means ICMPv6.
        (Some(ICMP | ICMPV6), true) => icmp("icmpv6", ICMPV6, rule),
        (Some(ICMP), false) => icmp("icmp", ICMP, rule),
        (Some(number @ (6 | 17 | 33 | 132 | 136)), _) => match (rule.port_min, rule.port_max) {
            (None, None) => format!(" meta l4proto {number}"),
            (min, max) => {
                let (min, max) = (min.unwrap_or(0), max.unwrap_or(u16::MAX));
                format!(" meta l4proto {number} th dport {min}-{}", max.max(min))
            }
        },
        (Some(number), _) => format!(" meta l4proto {number}"),
    }
}

fn icmp(name: &str, number: u8, rule: &SecurityRule) -> String {
    match (rule.port_min, rule.port_max) {
        (None, _) => format!(" meta l4proto {number}"),
        (Some(kind), None) => format!(" {name} type {kind}"),
        (Some(kind), Some(code)) => format!(" {name} type {kind} {name} code {code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(protocol: Option<u8>, ports: (Option<u16>, Option<u16>), remote: Remote) -> SecurityRule {
        SecurityRule {
            id: "r".into(),
            direction: Direction::Ingress,
            ipv6: false,
            protocol,
            port_min: ports.0,
            port_max: ports.1,
            remote,
        }
    }

    #[test]
    fn rules_read_as_nft() {
        let prefix = Remote::Prefix("10.0.0.7/8".parse().unwrap());
        for (rule, text) in [
            (rule(None, (None, None), Remote::Any), "ether type ip accept"),
            (rule(Some(6), (Some(22), Some(22)), Remote::Any), "ether type ip meta l4proto 6 th dport 22-22 accept"),
            (rule(Some(17), (None, None), prefix), "ether type ip ip saddr 10.0.0.0/8 meta l4proto 17 accept"),
            (rule(Some(1), (Some(8), Some(0)), Remote::Any), "ether type ip icmp type 8 icmp code 0 accept"),
            (
                rule(Some(112), (None, None), Remote::Group("g".into())),
                "ether type ip ip saddr @m4-g meta l4proto 112 accept",
            ),
        ] {
            assert_eq!(render(&rule), text);
        }
    }

    #[test]
    fn egress_and_ipv6_look_at_the_other_side() {
        let rule = SecurityRule {
            direction: Direction::Egress,
            ipv6: true,
            ..rule(Some(1), (None, None), Remote::Prefix("2001:db8::/32".parse().unwrap()))
        };
        assert_eq!(render(&rule), "ether type ip6 ip6 daddr 2001:db8::/32 meta l4proto 58 accept");
    }
}
