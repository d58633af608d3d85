//! Servers' requests: parse, policy, service, render; a file per verb.

mod action;
mod create;
mod list;
mod metadata;
mod network;
mod password;
mod show;
mod tags;
mod update;

use super::wire::view::View;
use crate::links::Links;
use crate::{Compute, Failure};
use controller_web::{Access, Context, Routes, Target};
use std::collections::HashMap;

/// Rules of the actions, told apart by the body.
const ACTIONS: Access = Access::AnyOf(&[
    "os_compute_api:servers:start",
    "os_compute_api:servers:stop",
    "os_compute_api:servers:reboot",
    "os_compute_api:os-console-output",
    "os_compute_api:os-lock-server:lock",
    "os_compute_api:os-lock-server:unlock",
    "os_compute_api:os-security-groups:add",
    "os_compute_api:os-security-groups:remove",
    "os_compute_api:os-admin-actions:reset_state",
    "os_compute_api:os-multinic:add",
    "os_compute_api:os-multinic:remove",
]);

/// The routes.
pub(crate) fn routes() -> Routes<Compute> {
    Routes::new()
        .get("/v2.1/servers", "os_compute_api:servers:index", list::index)
        .get("/v2.1/servers/detail", "os_compute_api:servers:detail", list::detail)
        .post("/v2.1/servers", "os_compute_api:servers:create", create::create)
        .get("/v2.1/servers/{id}", "os_compute_api:servers:show", show::show)
        .put("/v2.1/servers/{id}", "os_compute_api:servers:update", update::update)
        .delete("/v2.1/servers/{id}", "os_compute_api:servers:delete", update::delete)
        .post("/v2.1/servers/{id}/action", ACTIONS, action::action)
        .merge(metadata::routes())
        .merge(tags::routes())
        .merge(network::routes())
        .merge(password::routes())
}

/// How this caller sees servers.
pub(crate) async fn view<'a>(compute: &Compute, context: &'a Context, target: &Target) -> Result<View<'a>, Failure> {
    let version = context.microversion().minor;
    let status = version >= 16 && context.allows("os_compute_api:servers:show:host_status", target);
    let hosts = if status {
        let hosts = compute.fleet.hosts().await?;
        Some(hosts.into_iter().map(|host| (host.hostname, host.up)).collect::<HashMap<_, _>>())
    } else {
        None
    };
    Ok(View {
        links: Links(context.url()),
        version,
        admin: context.allows("os_compute_api:os-extended-server-attributes", target),
        extra_specs: context.allows("os_compute_api:os-flavor-extra-specs:index", target),
        hosts,
    })
}
