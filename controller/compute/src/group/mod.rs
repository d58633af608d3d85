//! Server groups: which servers shall share a host and which shall not.
//!
//! Owns `compute_server_group`. Who is a member stands with the servers. A policy is kept when a member is placed, in the
//! transaction that claims its room.

pub(crate) mod api;
pub(crate) mod policy;
pub(crate) mod store;

use controller_base::id::{HostId, ProjectId, UserId};
use controller_db::Connection;
use controller_db::DbError;
use controller_ports::placement::Constraints;

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServerGroup {
    pub(crate) id: String,
    pub(crate) project_id: ProjectId,
    pub(crate) user_id: UserId,
    pub(crate) name: String,
    pub(crate) policy: Policy,
    /// Since 2.64, with anti-affinity: so many members may share a host.
    pub(crate) max_per_host: Option<u32>,
}

/// What a group asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// All on one host.
    Affinity,
    /// No two on one host.
    AntiAffinity,
    /// As far as possible on one host.
    SoftAffinity,
    /// As far as possible on different hosts.
    SoftAntiAffinity,
}

impl Policy {
    /// Nova's word.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Affinity => "affinity",
            Self::AntiAffinity => "anti-affinity",
            Self::SoftAffinity => "soft-affinity",
            Self::SoftAntiAffinity => "soft-anti-affinity",
        }
    }
}

impl std::str::FromStr for Policy {
    type Err = crate::server::model::UnknownWord;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Affinity, Self::AntiAffinity, Self::SoftAffinity, Self::SoftAntiAffinity];
        let found = all.into_iter().find(|policy| policy.as_str() == text);
        found.ok_or_else(|| crate::server::model::UnknownWord(text.to_owned()))
    }
}

/// A host with members of a group on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MemberHost {
    pub(crate) id: HostId,
    pub(crate) name: String,
    pub(crate) members: u32,
}

/// Narrows the choice of a host to what the group allows, and says which of them it would rather have.
pub(crate) async fn constrain(
    connection: &mut Connection,
    group: &ServerGroup,
    constraints: &mut Constraints,
) -> Result<(), DbError> {
    let hosts = store::member_hosts(connection, &group.id).await?;
    narrow(group, &hosts, constraints);
    Ok(())
}

fn narrow(group: &ServerGroup, hosts: &[MemberHost], constraints: &mut Constraints) {
    match group.policy {
        Policy::Affinity => {
            if let Some(host) = hosts.first() {
                constraints.hostname.get_or_insert_with(|| host.name.clone());
            }
        }
        Policy::AntiAffinity => {
            let most = group.max_per_host.unwrap_or(1);
            let full = hosts.iter().filter(|host| host.members >= most);
            constraints.avoid.extend(full.map(|host| host.id));
        }
        Policy::SoftAffinity => constraints.first = by_members(hosts).rev().collect(),
        Policy::SoftAntiAffinity => constraints.last = by_members(hosts).collect(),
    }
}

/// Those with the fewest members first.
fn by_members(hosts: &[MemberHost]) -> impl DoubleEndedIterator<Item = HostId> {
    let mut hosts: Vec<_> = hosts.iter().collect();
    hosts.sort_by_key(|host| host.members);
    hosts.into_iter().map(|host| host.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(policy: Policy, max_per_host: Option<u32>) -> ServerGroup {
        ServerGroup {
            id: "g".to_owned(),
            project_id: "p".parse().unwrap(),
            user_id: "u".parse().unwrap(),
            name: "g".to_owned(),
            policy,
            max_per_host,
        }
    }

    #[test]
    fn affinity_keeps_to_the_first_host_and_anti_affinity_avoids_full_ones() {
        let host = MemberHost { id: HostId::random(), name: "a".to_owned(), members: 1 };
        let constrained = |group: &ServerGroup| {
            let mut constraints = Constraints::default();
            narrow(group, std::slice::from_ref(&host), &mut constraints);
            (constraints.hostname, constraints.avoid)
        };
        assert_eq!(constrained(&group(Policy::Affinity, None)), (Some("a".to_owned()), vec![]));
        assert_eq!(constrained(&group(Policy::AntiAffinity, None)), (None, vec![host.id]));
        assert_eq!(constrained(&group(Policy::AntiAffinity, Some(2))), (None, vec![]));
        assert_eq!(constrained(&group(Policy::SoftAffinity, None)), (None, vec![]));
    }

    #[test]
    fn soft_policies_wish_for_the_host_with_most_members_or_with_fewest() {
        let hosts = [2, 1, 3].map(|members| MemberHost { id: HostId::random(), name: "h".to_owned(), members });
        let [two, one, three] = [0, 1, 2].map(|number: usize| hosts[number].id);
        let wished = |policy| {
            let mut constraints = Constraints::default();
            narrow(&group(policy, None), &hosts, &mut constraints);
            (constraints.first, constraints.last)
        };
        assert_eq!(wished(Policy::SoftAffinity), (vec![three, two, one], vec![]));
        assert_eq!(wished(Policy::SoftAntiAffinity), (vec![], vec![one, two, three]));
        assert_eq!(wished(Policy::Affinity), (vec![], vec![]));
    }
}
