//! Security groups by name or id, as compute's clients give them.

use crate::{
    error::{Error, Result},
    port, security_group,
    service::{Change, NetworkService},
    standard::check_written,
};
use controller_base::id::{ProjectId, SecurityGroupId, ServerId};
use controller_db::Connection;
use controller_db::Filter;
use controller_ports::network::AttachError;
use futures::FutureExt;

/// Ids of the project's groups, each once.
pub async fn resolve(
    service: &NetworkService,
    project: &ProjectId,
    wanted: &[String],
) -> std::result::Result<Vec<SecurityGroupId>, AttachError> {
    security_group::service::prepare_default(service, Some(project)).await?;
    let mut conn = service.read().await?;
    let mut found = Vec::new();
    for text in wanted {
        let id = one(&mut conn, project, text).await?;
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(found)
}

async fn one(
    conn: &mut Connection,
    project: &ProjectId,
    text: &str,
) -> std::result::Result<SecurityGroupId, AttachError> {
    let filter = Filter::new(security_group::store::SELECT)
        .and_eq("project_id", Some(project.as_str()))
        .and("id = ? OR name = ?", [text.to_ascii_lowercase().into(), text.into()]);
    let groups = security_group::store::list(conn, filter).await?;
    // An id wins over a name that looks like one.
    if let Some(group) = groups.iter().find(|group| group.id.to_string() == text.to_ascii_lowercase()) {
        return Ok(group.id);
    }
    match groups.as_slice() {
        [] => Err(AttachError::SecurityGroupNotFound(text.to_owned())),
        [group] => Ok(group.id),
        _ => Err(AttachError::SecurityGroupAmbiguous(text.to_owned())),
    }
}

/// Adds a group to all of a server's ports, or removes it.
pub async fn change(
    service: &NetworkService,
    project: &ProjectId,
    server: ServerId,
    group: &str,
    add: bool,
) -> std::result::Result<(), AttachError> {
    let ids = resolve(service, project, &[group.to_owned()]).await?;
    let Some(id) = ids.first().copied() else {
        return Err(AttachError::SecurityGroupNotFound(group.to_owned()));
    };
    let found = service.write(move |change| async move { alter(change, server, id, add).await }.boxed()).await?;
    match found || add {
        true => Ok(()),
        false => Err(AttachError::SecurityGroupNotFound(group.to_owned())),
    }
}

/// Whether a port had the group.
async fn alter(change: &mut Change, server: ServerId, id: SecurityGroupId, add: bool) -> Result<bool> {
    let mut found = false;
    for mut port in port::store::of_servers(change.conn(), &[server]).await? {
        let has = port.groups.contains(&id);
        found |= has;
        if has == add || (add && !port.port_security) {
            continue;
        }
        change.touch_port(&port).await?;
        match add {
            true => port.groups.push(id),
            false => port.groups.retain(|group| *group != id),
        }
        let seen = port.standard.advance(change.now);
        check_written(port::store::update(change.conn(), &port, seen).await?)?;
        port::store::write_groups(change.conn(), &port).await?;
        change.touch_port(&port).await?;
    }
    match security_group::store::get(change.conn(), id).await? {
        Some(_) => Ok(found),
        None => Err(Error::SecurityGroupNotFound(id.to_string())),
    }
}
