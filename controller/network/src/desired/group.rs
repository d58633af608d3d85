//! A security group as hosts shall have it.

use crate::{
    error::Result,
    security_group::{self, model::Rule},
};
use controller_base::{Generation, id::SecurityGroupId};
use controller_db::Connection;
use controller_ports::fleet::{
    DesiredSecurityGroup,
    net::{Remote, SecurityRule},
};

pub(super) async fn build(
    conn: &mut Connection,
    id: SecurityGroupId,
) -> Result<Option<(Generation, DesiredSecurityGroup)>> {
    let Some(group) = security_group::store::get(conn, id).await? else { return Ok(None) };
    let desired = DesiredSecurityGroup {
        name: group.standard.name.clone(),
        rules: group.rules.iter().map(convert).collect(),
        stateful: group.stateful,
        member_addresses: security_group::store::member_addresses(conn, id).await?,
    };
    Ok(Some((group.standard.generation, desired)))
}

fn convert(rule: &Rule) -> SecurityRule {
    let remote = match (rule.remote_group_id, rule.remote_prefix) {
        (Some(group), _) => Remote::Group(group),
        (None, Some(prefix)) if prefix.prefix_len() > 0 => Remote::Cidr(prefix.trunc()),
        (None, _) => Remote::Any,
    };
    SecurityRule {
        id: rule.id,
        ingress: rule.ingress,
        ipv6: rule.ipv6,
        protocol: rule.protocol_number(),
        port_min: rule.port_min,
        port_max: rule.port_max,
        remote,
    }
}
