//! Rules of groups and of their rules.

use super::{
    model::{DEFAULT, Rule, SecurityGroup},
    rules, store,
};
use crate::{
    attributes::Attributes,
    error::{Error, Result},
    quota,
    service::{Caller, Change, NetworkService},
    standard::{Standard, check_written},
    touch::remote_groups,
};
use controller_base::id::{ProjectId, SecurityGroupId, SecurityGroupRuleId};
use futures::FutureExt;

/// The project's default group, made at its first use.
pub async fn ensure_default(change: &mut Change, project: Option<&ProjectId>) -> Result<Option<SecurityGroupId>> {
    let Some(project) = project else { return Ok(None) };
    if let Some(id) = store::default_group(change.conn(), project.as_str()).await? {
        return Ok(Some(id));
    }
    // Two at once make one.
    quota::lock(change.conn(), project, "security_group").await?;
    if let Some(id) = store::default_group(change.conn(), project.as_str()).await? {
        return Ok(Some(id));
    }
    let mut standard = Standard::new(Some(project.clone()), change.now);
    standard.name = DEFAULT.to_owned();
    standard.description = "Default security group".to_owned();
    let mut group = SecurityGroup { id: SecurityGroupId::random(), standard, stateful: true, rules: Vec::new() };
    group.rules = egress_rules(&group);
    for ipv6 in [false, true] {
        group.rules.push(Rule { ingress: true, remote_group_id: Some(group.id), ..any(&group, ipv6) });
    }
    store::insert(change.conn(), &group).await?;
    store::set_default_group(change.conn(), project.as_str(), group.id).await?;
    Ok(Some(group.id))
}

/// The same outside of a change, for those who only look.
pub async fn prepare_default(service: &NetworkService, project: Option<&ProjectId>) -> Result<()> {
    let Some(project) = project.cloned() else { return Ok(()) };
    let mut conn = service.read().await?;
    if store::default_group(&mut conn, project.as_str()).await?.is_some() {
        return Ok(());
    }
    drop(conn);
    service
        .write(move |change| {
            let project = project.clone();
            async move { ensure_default(change, Some(&project)).await.map(drop) }.boxed()
        })
        .await
}

fn any(group: &SecurityGroup, ipv6: bool) -> Rule {
    Rule {
        id: SecurityGroupRuleId::random(),
        standard: Standard::new(group.standard.project_id.clone(), group.standard.created_at),
        group_id: group.id,
        ingress: false,
        ipv6,
        protocol: None,
        port_min: None,
        port_max: None,
        remote_prefix: None,
        remote_group_id: None,
    }
}

fn egress_rules(group: &SecurityGroup) -> Vec<Rule> {
    [false, true].into_iter().map(|ipv6| any(group, ipv6)).collect()
}

/// A new group; its ports may send anything.
pub async fn create(change: &mut Change, attributes: &Attributes) -> Result<SecurityGroup> {
    let standard = Standard::from_attributes(attributes, change.now);
    ensure_default(change, standard.project_id.as_ref()).await?;
    quota::check(change, standard.project_id.as_ref(), "security_group", 1).await?;
    quota::check(change, standard.project_id.as_ref(), "security_group_rule", 2).await?;
    if standard.name == DEFAULT {
        return Err(Error::SecurityGroupDefaultAlreadyExists);
    }
    let stateful = attributes.flag("stateful").unwrap_or(true);
    let mut group = SecurityGroup { id: SecurityGroupId::random(), standard, stateful, rules: Vec::new() };
    group.rules = egress_rules(&group);
    store::insert(change.conn(), &group).await?;
    Ok(group)
}

async fn is_default(change: &mut Change, group: &SecurityGroup) -> Result<bool> {
    let default = store::default_group(change.conn(), group.standard.project_text()).await?;
    Ok(default == Some(group.id))
}

/// A changed group.
pub async fn update(change: &mut Change, id: SecurityGroupId, attributes: &Attributes) -> Result<SecurityGroup> {
    let mut group = store::require(change.conn(), id).await?;
    let renamed = attributes.text("name").is_some_and(|name| name != group.standard.name);
    if renamed && is_default(change, &group).await? {
        return Err(Error::SecurityGroupCannotUpdateDefault);
    }
    if renamed && attributes.text("name").is_some_and(|name| name == DEFAULT) {
        return Err(Error::SecurityGroupDefaultAlreadyExists);
    }
    if attributes.flag("stateful").is_some_and(|stateful| stateful != group.stateful)
        && store::in_use(change.conn(), id).await?
    {
        return Err(Error::SecurityGroupInUse(id.to_string()));
    }
    group.standard.apply(attributes);
    attributes.copy_flag("stateful", &mut group.stateful);
    let seen = group.standard.advance(change.now);
    check_written(store::update(change.conn(), &group, seen).await?)?;
    change.touch_group(id).await?;
    Ok(group)
}

/// Removes a group that nobody uses. A project's default group may go only with the project, by an administrator.
pub async fn delete(change: &mut Change, caller: &Caller, id: SecurityGroupId) -> Result<()> {
    let group = store::require(change.conn(), id).await?;
    if is_default(change, &group).await? {
        if !caller.is_admin {
            return Err(Error::SecurityGroupCannotRemoveDefault);
        }
        crate::sql::run(
            change.conn(),
            "UPDATE network_project SET default_group_id = NULL WHERE id = $1",
            [group.standard.project_text().into()],
        )
        .await?;
    }
    if store::in_use(change.conn(), id).await? {
        return Err(Error::SecurityGroupInUse(id.to_string()));
    }
    change.touch_group(id).await?;
    // Rules that let its members in go with it, as in Neutron.
    let now = change.now.0;
    for other in store::named_by(change.conn(), id).await? {
        store::advance(change.conn(), other, now).await?;
        change.touch_group(other).await?;
    }
    store::delete(change.conn(), id).await
}

/// A new rule.
pub async fn create_rule(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<Rule> {
    let mut rule = rules::build(attributes, Standard::from_attributes(attributes, change.now))?;
    let group = store::require(change.conn(), rule.group_id).await?;
    require_usable(caller, None, &group)?;
    rule.standard.project_id.clone_from(&group.standard.project_id);
    quota::check(change, rule.standard.project_id.as_ref(), "security_group_rule", 1).await?;
    if let Some(remote) = rule.remote_group_id {
        let remote = store::require(change.conn(), remote).await?;
        require_usable(caller, group.standard.project_id.as_ref(), &remote)?;
    }
    if let Some(same) = group.rules.iter().find(|other| other.same_as(&rule)) {
        return Err(Error::SecurityGroupRuleExists(same.id.to_string()));
    }
    store::insert_rule(change.conn(), &rule).await?;
    touch_rules(change, &rule).await?;
    Ok(rule)
}

async fn touch_rules(change: &mut Change, rule: &Rule) -> Result<()> {
    let now = change.now.0;
    store::advance(change.conn(), rule.group_id, now).await?;
    change.touch_group(rule.group_id).await?;
    for remote in remote_groups(change.conn(), rule.group_id).await? {
        change.touch_group(remote).await?;
    }
    Ok(())
}

/// Removes a rule.
pub async fn delete_rule(change: &mut Change, id: SecurityGroupRuleId) -> Result<()> {
    let rule = store::get_rule(change.conn(), id).await?;
    let rule = rule.ok_or_else(|| Error::SecurityGroupRuleNotFound(id.to_string()))?;
    touch_rules(change, &rule).await?;
    store::delete_rule(change.conn(), id).await
}

fn require_usable(caller: &Caller, owner: Option<&ProjectId>, group: &SecurityGroup) -> Result<()> {
    let of_owner = owner.is_some() && owner == group.standard.project_id.as_ref();
    match of_owner || caller.owns(group.standard.project_id.as_ref()) {
        true => Ok(()),
        false => Err(Error::SecurityGroupNotFound(group.id.to_string())),
    }
}

/// All groups are there, and the caller or the port's owner may use them.
pub async fn require_all(
    change: &mut Change,
    caller: &Caller,
    owner: Option<&ProjectId>,
    ids: &[SecurityGroupId],
) -> Result<()> {
    for id in ids {
        let group = store::require(change.conn(), *id).await?;
        require_usable(caller, owner, &group)?;
    }
    Ok(())
}
