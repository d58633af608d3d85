//! The kinds of resources, as the generic handlers see them.

use super::resource::{Resource, Rules};
use crate::{
    attributes::{Attribute, Attributes, Verb},
    error::{Error, Result},
    floating_ip, network, port, router, security_group,
    service::{Caller, Change, NetworkService},
    standard::Standard,
    subnet,
};
use controller_base::id::{NetworkId, PortId};
use controller_db::Connection;
use controller_db::{Filter, Value as Bind};
use controller_web::Target;
use serde_json::{Map, Value};
use std::str::FromStr;

const STANDARD_COLUMNS: &[&str] = &["id", "project_id", "name"];

fn project_target(standard: &Standard) -> Target {
    Target::project(standard.project_text())
}

fn new_project_target(attributes: &Attributes) -> Target {
    Target::project(attributes.text("project_id").unwrap_or_default())
}

/// The target of something in a network that is to be made.
async fn in_network(conn: &mut Connection, attributes: &Attributes) -> Result<Target> {
    let target = new_project_target(attributes);
    let id: Option<NetworkId> = attributes.parsed("network_id");
    let Some(id) = id else { return Ok(target) };
    // One that is not there is refused by the service, in its own words.
    Ok(match network::store::get(conn, id).await? {
        Some(network) => with_network(target, &(&network).into()),
        None => target,
    })
}

fn with_network(target: Target, network: &network::model::Surroundings) -> Target {
    let owner = network.owner.as_ref().map(|owner| owner.as_str()).unwrap_or_default();
    target
        .with("network:project_id", owner)
        .with("network:tenant_id", owner)
        .with_flag("shared", network.shared)
        .with_flag("router:external", network.external)
}

fn own(filter: Filter, project: &str) -> Filter {
    filter.and("project_id = ?", [Bind::from(project)])
}

fn parse<T: FromStr>(id: &str, missing: fn(&str) -> Error) -> Result<T> {
    id.parse().map_err(|_| missing(id))
}

/// The parts of an address that a body chooses, for the rules that guard them.
fn address_rules(attributes: &Attributes, ip_address: &'static str, subnet_id: &'static str) -> Vec<&'static str> {
    let items = attributes.objects("fixed_ips").unwrap_or_default();
    let has = |key: &str| items.iter().any(|item| item.contains_key(key));
    [("ip_address", ip_address), ("subnet_id", subnet_id)]
        .into_iter()
        .filter(|(key, _)| has(key))
        .map(|(_, rule)| rule)
        .collect()
}

/// Networks.
pub struct Networks;

impl Resource for Networks {
    type Model = network::model::Network;
    const NAME: &'static str = "network";
    const COLLECTION: &'static str = "networks";
    const TABLE: &'static str = "network_network";
    const ATTRIBUTES: &'static [Attribute] = network::wire::ATTRIBUTES;
    const RULES: Rules =
        Rules { get: "get_network", create: "create_network", update: "update_network", delete: "delete_network" };
    const SELECT: &'static str = network::store::SELECT;
    const COLUMNS: &'static [&'static str] = STANDARD_COLUMNS;

    async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Self::Model>> {
        network::store::list(conn, filter).await
    }
    fn visible(filter: Filter, project: &str) -> Filter {
        filter.and("project_id = ? OR shared = 1 OR external = 1", [Bind::from(project)])
    }
    fn standard(model: &Self::Model) -> &Standard {
        &model.standard
    }
    fn id(model: &Self::Model) -> String {
        model.id.to_string()
    }
    fn render(_: &NetworkService, model: &Self::Model) -> Map<String, Value> {
        network::wire::render(model)
    }
    fn target(model: &Self::Model) -> Target {
        with_network(project_target(&model.standard), &model.into())
    }
    async fn new_target(_: &mut Connection, attributes: &Attributes) -> Result<Target> {
        Ok(new_project_target(attributes))
    }
    async fn create(change: &mut Change, _: &Caller, attributes: &Attributes) -> Result<String> {
        Ok(network::service::create(change, attributes).await?.id.to_string())
    }
    async fn update(change: &mut Change, _: &Caller, id: &str, attributes: &Attributes) -> Result<()> {
        network::service::update(change, parse(id, Self::not_found)?, attributes).await.map(drop)
    }
    async fn delete(change: &mut Change, _: &Caller, id: &str) -> Result<()> {
        network::service::delete(change, parse(id, Self::not_found)?).await
    }
    fn not_found(id: &str) -> Error {
        Error::NetworkNotFound(id.to_owned())
    }
}

/// Subnets.
pub struct Subnets;

impl Resource for Subnets {
    type Model = subnet::model::Subnet;
    const NAME: &'static str = "subnet";
    const COLLECTION: &'static str = "subnets";
    const TABLE: &'static str = "network_subnet";
    const ATTRIBUTES: &'static [Attribute] = subnet::wire::ATTRIBUTES;
    const RULES: Rules =
        Rules { get: "get_subnet", create: "create_subnet", update: "update_subnet", delete: "delete_subnet" };
    const SELECT: &'static str = subnet::store::SELECT;
    const COLUMNS: &'static [&'static str] = &["id", "project_id", "name", "network_id", "cidr"];

    async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Self::Model>> {
        subnet::store::list(conn, filter).await
    }
    fn visible(filter: Filter, project: &str) -> Filter {
        let condition = "project_id = ? OR network_project_id = ? OR network_shared = 1 OR network_external = 1";
        filter.and(condition, [Bind::from(project), Bind::from(project)])
    }
    fn standard(model: &Self::Model) -> &Standard {
        &model.standard
    }
    fn id(model: &Self::Model) -> String {
        model.id.to_string()
    }
    fn render(_: &NetworkService, model: &Self::Model) -> Map<String, Value> {
        subnet::wire::render(model)
    }
    fn target(model: &Self::Model) -> Target {
        with_network(project_target(&model.standard), &model.network)
    }
    async fn new_target(conn: &mut Connection, attributes: &Attributes) -> Result<Target> {
        let target = in_network(conn, attributes).await?;
        let id = attributes.text("network_id").unwrap_or_default();
        match network::store::get(conn, parse(&id, Networks::not_found)?).await? {
            Some(_) => Ok(target),
            None => Err(Networks::not_found(&id)),
        }
    }
    async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<String> {
        Ok(subnet::service::create(change, caller, attributes).await?.id.to_string())
    }
    async fn update(change: &mut Change, _: &Caller, id: &str, attributes: &Attributes) -> Result<()> {
        subnet::service::update(change, parse(id, Self::not_found)?, attributes).await.map(drop)
    }
    async fn delete(change: &mut Change, _: &Caller, id: &str) -> Result<()> {
        subnet::service::delete(change, parse(id, Self::not_found)?).await
    }
    fn not_found(id: &str) -> Error {
        Error::SubnetNotFound(id.to_owned())
    }
}

/// Ports.
pub struct Ports;

impl Resource for Ports {
    type Model = port::model::Port;
    const NAME: &'static str = "port";
    const COLLECTION: &'static str = "ports";
    const TABLE: &'static str = "network_port";
    const ATTRIBUTES: &'static [Attribute] = port::wire::ATTRIBUTES;
    const RULES: Rules = Rules { get: "get_port", create: "create_port", update: "update_port", delete: "delete_port" };
    const SELECT: &'static str = port::store::SELECT;
    const COLUMNS: &'static [&'static str] =
        &["id", "project_id", "name", "network_id", "device_id", "device_owner", "status"];

    async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Self::Model>> {
        port::store::list(conn, filter).await
    }
    fn visible(filter: Filter, project: &str) -> Filter {
        filter.and("project_id = ? OR network_project_id = ?", [Bind::from(project), Bind::from(project)])
    }
    fn standard(model: &Self::Model) -> &Standard {
        &model.standard
    }
    fn id(model: &Self::Model) -> String {
        model.id.to_string()
    }
    fn render(service: &NetworkService, model: &Self::Model) -> Map<String, Value> {
        port::wire::render(model, &service.config().dns_domain)
    }
    fn target(model: &Self::Model) -> Target {
        with_network(project_target(&model.standard), &model.network)
            .with_flag("network_device", model.device_owner.starts_with("network:"))
    }
    fn update_target(model: &Self::Model, attributes: &Attributes) -> Target {
        let owner = attributes.text("device_owner").unwrap_or_else(|| model.device_owner.clone());
        with_network(project_target(&model.standard), &model.network)
            .with_flag("network_device", owner.starts_with("network:"))
    }
    async fn new_target(conn: &mut Connection, attributes: &Attributes) -> Result<Target> {
        let owner = attributes.text("device_owner").unwrap_or_default();
        Ok(in_network(conn, attributes).await?.with_flag("network_device", owner.starts_with("network:")))
    }
    fn extra_rules(attributes: &Attributes, verb: Verb) -> Vec<&'static str> {
        match verb {
            Verb::Create => {
                address_rules(attributes, "create_port:fixed_ips:ip_address", "create_port:fixed_ips:subnet_id")
            }
            Verb::Update => {
                address_rules(attributes, "update_port:fixed_ips:ip_address", "update_port:fixed_ips:subnet_id")
            }
        }
    }
    async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<String> {
        let new = port::wire::new_port(attributes, change.now)?;
        Ok(port::service::create_for_tenant(change, caller, new).await?.id.to_string())
    }
    async fn update(change: &mut Change, caller: &Caller, id: &str, attributes: &Attributes) -> Result<()> {
        port::service::update(change, caller, parse(id, Self::not_found)?, attributes).await.map(drop)
    }
    async fn delete(change: &mut Change, _: &Caller, id: &str) -> Result<()> {
        port::service::delete(change, parse::<PortId>(id, Self::not_found)?).await
    }
    fn not_found(id: &str) -> Error {
        Error::PortNotFound(id.to_owned())
    }
}

/// Routers.
pub struct Routers;

impl Resource for Routers {
    type Model = router::model::Router;
    const NAME: &'static str = "router";
    const COLLECTION: &'static str = "routers";
    const TABLE: &'static str = "network_router";
    const ATTRIBUTES: &'static [Attribute] = router::wire::ATTRIBUTES;
    const RULES: Rules =
        Rules { get: "get_router", create: "create_router", update: "update_router", delete: "delete_router" };
    const SELECT: &'static str = router::store::SELECT;
    const COLUMNS: &'static [&'static str] = STANDARD_COLUMNS;

    async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Self::Model>> {
        router::store::list(conn, filter).await
    }
    fn visible(filter: Filter, project: &str) -> Filter {
        own(filter, project)
    }
    fn standard(model: &Self::Model) -> &Standard {
        &model.standard
    }
    fn id(model: &Self::Model) -> String {
        model.id.to_string()
    }
    fn render(_: &NetworkService, model: &Self::Model) -> Map<String, Value> {
        router::wire::render(model)
    }
    fn target(model: &Self::Model) -> Target {
        project_target(&model.standard)
    }
    async fn new_target(_: &mut Connection, attributes: &Attributes) -> Result<Target> {
        Ok(new_project_target(attributes))
    }
    fn extra_rules(attributes: &Attributes, verb: Verb) -> Vec<&'static str> {
        let info = attributes.get("external_gateway_info").and_then(Value::as_object);
        let given = |key: &str| info.is_some_and(|info| info.contains_key(key));
        let table = [
            (
                "network_id",
                "create_router:external_gateway_info:network_id",
                "update_router:external_gateway_info:network_id",
            ),
            (
                "enable_snat",
                "create_router:external_gateway_info:enable_snat",
                "update_router:external_gateway_info:enable_snat",
            ),
            (
                "external_fixed_ips",
                "create_router:external_gateway_info:external_fixed_ips",
                "update_router:external_gateway_info:external_fixed_ips",
            ),
        ];
        let rule = |(_, create, update): (&str, &'static str, &'static str)| match verb {
            Verb::Create => create,
            Verb::Update => update,
        };
        table.into_iter().filter(|(key, _, _)| given(key)).map(rule).collect()
    }
    async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<String> {
        Ok(router::service::create(change, caller, attributes).await?.id.to_string())
    }
    async fn update(change: &mut Change, caller: &Caller, id: &str, attributes: &Attributes) -> Result<()> {
        router::service::update(change, caller, parse(id, Self::not_found)?, attributes).await.map(drop)
    }
    async fn delete(change: &mut Change, _: &Caller, id: &str) -> Result<()> {
        router::service::delete(change, parse(id, Self::not_found)?).await
    }
    fn not_found(id: &str) -> Error {
        Error::RouterNotFound(id.to_owned())
    }
}

/// Floating IPs.
pub struct FloatingIps;

impl Resource for FloatingIps {
    type Model = floating_ip::store::Shown;
    const NAME: &'static str = "floatingip";
    const COLLECTION: &'static str = "floatingips";
    const TABLE: &'static str = "network_floating_ip";
    const ATTRIBUTES: &'static [Attribute] = floating_ip::wire::ATTRIBUTES;
    const RULES: Rules = Rules {
        get: "get_floatingip",
        create: "create_floatingip",
        update: "update_floatingip",
        delete: "delete_floatingip",
    };
    const SELECT: &'static str = floating_ip::store::SELECT;
    const COLUMNS: &'static [&'static str] = &["id", "project_id", "port_id", "router_id", "status"];

    async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Self::Model>> {
        floating_ip::store::list_shown(conn, filter).await
    }
    fn visible(filter: Filter, project: &str) -> Filter {
        own(filter, project)
    }
    fn standard(model: &Self::Model) -> &Standard {
        &model.floating.standard
    }
    fn id(model: &Self::Model) -> String {
        model.floating.id.to_string()
    }
    fn render(_: &NetworkService, model: &Self::Model) -> Map<String, Value> {
        floating_ip::wire::render(&model.floating, model.inner.as_ref())
    }
    fn target(model: &Self::Model) -> Target {
        project_target(&model.floating.standard)
    }
    async fn new_target(_: &mut Connection, attributes: &Attributes) -> Result<Target> {
        Ok(new_project_target(attributes))
    }
    async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<String> {
        Ok(floating_ip::service::create(change, caller, attributes).await?.id.to_string())
    }
    async fn update(change: &mut Change, caller: &Caller, id: &str, attributes: &Attributes) -> Result<()> {
        floating_ip::service::update(change, caller, parse(id, Self::not_found)?, attributes).await.map(drop)
    }
    async fn delete(change: &mut Change, _: &Caller, id: &str) -> Result<()> {
        floating_ip::service::delete(change, parse(id, Self::not_found)?).await
    }
    fn not_found(id: &str) -> Error {
        Error::FloatingIPNotFound(id.to_owned())
    }
}

/// Security groups.
pub struct SecurityGroups;

impl Resource for SecurityGroups {
    type Model = security_group::model::SecurityGroup;
    const NAME: &'static str = "security_group";
    const COLLECTION: &'static str = "security_groups";
    const TABLE: &'static str = "network_security_group";
    const ATTRIBUTES: &'static [Attribute] = security_group::wire::ATTRIBUTES;
    const RULES: Rules = Rules {
        get: "get_security_group",
        create: "create_security_group",
        update: "update_security_group",
        delete: "delete_security_group",
    };
    const SELECT: &'static str = security_group::store::SELECT;
    const COLUMNS: &'static [&'static str] = STANDARD_COLUMNS;

    async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Self::Model>> {
        security_group::store::list(conn, filter).await
    }
    fn visible(filter: Filter, project: &str) -> Filter {
        own(filter, project)
    }
    fn standard(model: &Self::Model) -> &Standard {
        &model.standard
    }
    fn id(model: &Self::Model) -> String {
        model.id.to_string()
    }
    fn render(_: &NetworkService, model: &Self::Model) -> Map<String, Value> {
        security_group::wire::render(model)
    }
    fn target(model: &Self::Model) -> Target {
        project_target(&model.standard)
    }
    async fn new_target(_: &mut Connection, attributes: &Attributes) -> Result<Target> {
        Ok(new_project_target(attributes))
    }
    async fn create(change: &mut Change, _: &Caller, attributes: &Attributes) -> Result<String> {
        Ok(security_group::service::create(change, attributes).await?.id.to_string())
    }
    async fn update(change: &mut Change, _: &Caller, id: &str, attributes: &Attributes) -> Result<()> {
        security_group::service::update(change, parse(id, Self::not_found)?, attributes).await.map(drop)
    }
    async fn delete(change: &mut Change, caller: &Caller, id: &str) -> Result<()> {
        security_group::service::delete(change, caller, parse(id, Self::not_found)?).await
    }
    fn not_found(id: &str) -> Error {
        Error::SecurityGroupNotFound(id.to_owned())
    }
    async fn prepare(service: &NetworkService, caller: &Caller) -> Result<()> {
        security_group::service::prepare_default(service, caller.project_id.as_ref()).await
    }
}

/// Rules of security groups.
pub struct SecurityGroupRules;

impl Resource for SecurityGroupRules {
    type Model = security_group::model::Rule;
    const NAME: &'static str = "security_group_rule";
    const COLLECTION: &'static str = "security_group_rules";
    const TABLE: &'static str = "network_security_group_rule";
    const ATTRIBUTES: &'static [Attribute] = security_group::wire::RULE_ATTRIBUTES;
    const RULES: Rules = Rules {
        get: "get_security_group_rule",
        create: "create_security_group_rule",
        update: "create_security_group_rule",
        delete: "delete_security_group_rule",
    };
    const SELECT: &'static str = security_group::store::SELECT_RULES;
    const COLUMNS: &'static [&'static str] = &["id", "project_id", "direction", "remote_group_id"];

    async fn list(conn: &mut Connection, filter: Filter) -> Result<Vec<Self::Model>> {
        security_group::store::list_rules(conn, filter).await
    }
    fn visible(filter: Filter, project: &str) -> Filter {
        own(filter, project)
    }
    fn standard(model: &Self::Model) -> &Standard {
        &model.standard
    }
    fn id(model: &Self::Model) -> String {
        model.id.to_string()
    }
    fn render(_: &NetworkService, model: &Self::Model) -> Map<String, Value> {
        security_group::wire::render_rule(model)
    }
    fn target(model: &Self::Model) -> Target {
        project_target(&model.standard)
    }
    async fn new_target(_: &mut Connection, attributes: &Attributes) -> Result<Target> {
        Ok(new_project_target(attributes))
    }
    async fn create(change: &mut Change, caller: &Caller, attributes: &Attributes) -> Result<String> {
        Ok(security_group::service::create_rule(change, caller, attributes).await?.id.to_string())
    }
    async fn update(_: &mut Change, _: &Caller, id: &str, _: &Attributes) -> Result<()> {
        // No route leads here: a rule is never changed.
        Err(Self::not_found(id))
    }
    async fn delete(change: &mut Change, _: &Caller, id: &str) -> Result<()> {
        security_group::service::delete_rule(change, parse(id, Self::not_found)?).await
    }
    fn not_found(id: &str) -> Error {
        Error::SecurityGroupRuleNotFound(id.to_owned())
    }
}
