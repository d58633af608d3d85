//! Groups and their rules for what comes in.

use crate::{
    attributes::{self, Attribute, Attributes, Verb},
    error::{Error, Result},
    security_group::{
        model, service as groups, store,
        wire::{ATTRIBUTES, RULE_ATTRIBUTES},
    },
    service::{Caller, Change, NetworkService},
};
use controller_base::id::{ProjectId, SecurityGroupId, SecurityGroupRuleId};
use controller_db::Connection;
use controller_db::Filter;
use controller_ports::legacy_network::{Group, NewRule, Rule, Source};
use futures::FutureExt;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

/// The project's groups.
pub async fn list(service: &NetworkService, project: &ProjectId) -> Result<Vec<Group>> {
    groups::prepare_default(service, Some(project)).await?;
    let mut conn = service.read().await?;
    let filter =
        Filter::new(store::SELECT).and_eq("project_id", Some(project.as_str())).then("ORDER BY created_at, id");
    let mut shown = Vec::new();
    for group in store::list(&mut conn, filter).await? {
        shown.push(render(&mut conn, project, &group).await?);
    }
    Ok(shown)
}

/// One of them.
pub async fn show(service: &NetworkService, project: &ProjectId, id: SecurityGroupId) -> Result<Group> {
    let mut conn = service.read().await?;
    let group = own(&mut conn, project, id).await?;
    render(&mut conn, project, &group).await
}

/// A new one.
pub async fn create(service: &NetworkService, project: &ProjectId, name: &str, description: &str) -> Result<Group> {
    let body = json!({"name": name, "description": description, "project_id": project});
    let wanted = read(ATTRIBUTES, Verb::Create, body)?;
    service
        .write(move |change| {
            let (wanted, project) = (wanted.clone(), project.clone());
            async move {
                let group = groups::create(change, &wanted).await?;
                render(change.conn(), &project, &group).await
            }
            .boxed()
        })
        .await
}

/// Sets name and description.
pub async fn update(
    service: &NetworkService,
    project: &ProjectId,
    id: SecurityGroupId,
    name: &str,
    description: &str,
) -> Result<Group> {
    let wanted = read(ATTRIBUTES, Verb::Update, json!({"name": name, "description": description}))?;
    service
        .write(move |change| {
            let (wanted, project) = (wanted.clone(), project.clone());
            async move {
                own(change.conn(), &project, id).await?;
                let group = groups::update(change, id, &wanted).await?;
                render(change.conn(), &project, &group).await
            }
            .boxed()
        })
        .await
}

/// Deletes one.
pub async fn delete(service: &NetworkService, project: &ProjectId, id: SecurityGroupId) -> Result<()> {
    service
        .write(move |change| {
            let project = project.clone();
            async move {
                own(change.conn(), &project, id).await?;
                groups::delete(change, &Caller::project(project), id).await
            }
            .boxed()
        })
        .await
}

/// A new rule.
pub async fn create_rule(service: &NetworkService, project: &ProjectId, rule: &NewRule) -> Result<Rule> {
    let wanted = read(RULE_ATTRIBUTES, Verb::Create, body(project, rule))?;
    service
        .write(move |change| {
            let (wanted, project) = (wanted.clone(), project.clone());
            async move {
                let made = groups::create_rule(change, &Caller::project(project.clone()), &wanted).await?;
                render_rule(change.conn(), &project, &made).await
            }
            .boxed()
        })
        .await
}

/// Nova's words in Neutron's. Without a source, a rule lets in everything of IPv4.
fn body(project: &ProjectId, rule: &NewRule) -> Value {
    let ipv6 = matches!(rule.cidr, Some(IpNet::V6(_)));
    json!({
        "project_id": project,
        "security_group_id": rule.group_id,
        "direction": "ingress",
        "ethertype": if ipv6 { "IPv6" } else { "IPv4" },
        "protocol": rule.protocol,
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        "remote_ip_prefix": rule.cidr.map(|cidr| cidr.to_string()),
        "remote_group_id": rule.remote_group,
    })
}

/// Deletes a rule.
pub async fn delete_rule(service: &NetworkService, project: &ProjectId, id: SecurityGroupRuleId) -> Result<()> {
    service
        .write(move |change| {
            let project = project.clone();
            async move {
                own_rule(change, &project, id).await?;
                groups::delete_rule(change, id).await
            }
            .boxed()
        })
        .await
}

async fn own_rule(change: &mut Change, project: &ProjectId, id: SecurityGroupRuleId) -> Result<()> {
    let missing = || Error::SecurityGroupRuleNotFound(id.to_string());
    let rule = store::get_rule(change.conn(), id).await?.ok_or_else(missing)?;
    own(change.conn(), project, rule.group_id).await.map_err(|_| missing())?;
    Ok(())
}

async fn own(conn: &mut Connection, project: &ProjectId, id: SecurityGroupId) -> Result<model::SecurityGroup> {
    let group = store::require(conn, id).await?;
    match group.standard.project_id.as_ref() == Some(project) {
        true => Ok(group),
        false => Err(Error::SecurityGroupNotFound(id.to_string())),
    }
}

fn read(table: &[Attribute], verb: Verb, body: Value) -> Result<Attributes> {
    let item = body.as_object().cloned().unwrap_or_default();
    attributes::parse(table, verb, item)
}

async fn render(conn: &mut Connection, project: &ProjectId, group: &model::SecurityGroup) -> Result<Group> {
    let mut rules = Vec::new();
    for rule in group.rules.iter().filter(|rule| rule.ingress) {
        rules.push(render_rule(conn, project, rule).await?);
    }
    Ok(Group {
        id: group.id,
        project_id: project.clone(),
        name: group.standard.name.clone(),
        description: group.standard.description.clone(),
        rules,
    })
}

async fn render_rule(conn: &mut Connection, project: &ProjectId, rule: &model::Rule) -> Result<Rule> {
    let from = match rule.remote_group_id {
        Some(id) => {
            let group = store::require(conn, id).await?;
            let owner = group.standard.project_id.unwrap_or_else(|| project.clone());
            Source::Group(id, group.standard.name, owner)
        }
        None => Source::Cidr(rule.remote_prefix.unwrap_or_else(|| anywhere(rule.ipv6))),
    };
    Ok(Rule {
        id: rule.id,
        group_id: rule.group_id,
        protocol: rule.protocol.clone(),
        port_min: rule.port_min,
        port_max: rule.port_max,
        from,
    })
}

fn anywhere(ipv6: bool) -> IpNet {
    if ipv6 { Ipv6Net::default().into() } else { Ipv4Net::default().into() }
}
