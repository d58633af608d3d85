//! Servers as tenants and administrators see them, in each microversion.

use super::super::model::{Server, VmState};
use crate::links::Links;
use crate::schema::Minor;
use controller_base::Timestamp;
use controller_ports::network::AttachedPort;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha224};
use std::collections::{BTreeSet, HashMap};

/// For whom and how.
pub(crate) struct View<'a> {
    pub(crate) links: Links<'a>,
    pub(crate) version: Minor,
    /// May see where a server is and what it is there.
    pub(crate) admin: bool,
    /// May see a flavor's extra specs.
    pub(crate) extra_specs: bool,
    /// Whether each host is up, by name; `None`: `host_status` is not shown.
    pub(crate) hosts: Option<HashMap<String, bool>>,
}

impl View<'_> {
    /// Everything. `groups`: the ids of its server groups, on `show` alone.
    pub(crate) fn full(&self, server: &Server, ports: &[AttachedPort], groups: Option<Vec<String>>) -> Value {
        let mut out = self.core(server, ports);
        self.extended(&mut out, server, ports);
        if self.admin {
            self.where_it_is(&mut out, server);
        } else if self.version >= 90 {
            out.insert("OS-EXT-SRV-ATTR:hostname".to_owned(), json!(server.hostname));
        }
        self.later(&mut out, server, groups);
        Value::Object(out)
    }

    /// As PUT answers: until 2.74 without what extensions add.
    pub(crate) fn updated(&self, server: &Server, ports: &[AttachedPort], groups: Vec<String>) -> Value {
        if self.version >= 75 {
            return self.full(server, ports, Some(groups));
        }
        let mut out = self.core(server, ports);
        self.later(&mut out, server, Some(groups));
        out.remove("host_status");
        Value::Object(out)
    }

    fn core(&self, server: &Server, ports: &[AttachedPort]) -> Map<String, Value> {
        let id = server.id.to_string();
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
        put("id", json!(id));
        put("name", json!(server.name));
        put("status", json!(server.status()));
        put("tenant_id", json!(server.project_id));
        put("user_id", json!(server.user_id));
        put("metadata", json!(server.metadata));
        put("hostId", json!(host_id(server)));
        let image = server.spec.image.id.to_string();
        put("image", json!({"id": image, "links": self.links.bookmark("images", &image)}));
        put("flavor", self.flavor(server));
        put("created", json!(server.created_at.seconds_z()));
        put("updated", json!(server.updated_at.seconds_z()));
        put("addresses", addresses(ports));
        put("accessIPv4", json!(server.access_ipv4.map_or_else(String::new, |address| address.to_string())));
        put("accessIPv6", json!(server.access_ipv6.map_or_else(String::new, |address| address.to_string())));
        put("links", self.links.of("servers", &id));
        put("OS-DCF:diskConfig", json!(server.spec.disk_config));
        if matches!(server.state, VmState::Active | VmState::Building) {
            put("progress", json!(0));
        }
        if let Some(fault) = self.fault(server) {
            put("fault", fault);
        }
        out
    }

    fn extended(&self, out: &mut Map<String, Value>, server: &Server, ports: &[AttachedPort]) {
        let mut put = |name: &str, value: Value| drop(out.insert(name.to_owned(), value));
        let zone = server.host.as_ref().map_or("", |_| server.spec.availability_zone.as_str());
        put("OS-EXT-AZ:availability_zone", json!(zone));
        put("config_drive", json!(if server.spec.config_drive { "True" } else { "" }));
        put("key_name", json!(server.spec.key.as_ref().map(|key| &key.name)));
        put("OS-SRV-USG:launched_at", json!(server.launched_at.map(Timestamp::micros_naive)));
        put("OS-SRV-USG:terminated_at", json!(server.deleted_at.map(Timestamp::micros_naive)));
        put("OS-EXT-STS:task_state", json!(server.task.map(|task| task.as_str())));
        put("OS-EXT-STS:vm_state", json!(server.state.as_str()));
        put("OS-EXT-STS:power_state", json!(server.power.number()));
        put("os-extended-volumes:volumes_attached", json!([]));
        let groups = group_names(server, ports);
        if !groups.is_empty() {
            let named: Vec<Value> = groups.iter().map(|name| json!({"name": name})).collect();
            put("security_groups", json!(named));
        }
    }

    fn where_it_is(&self, out: &mut Map<String, Value>, server: &Server) {
        let mut put = |name: &str, value: Value| drop(out.insert(format!("OS-EXT-SRV-ATTR:{name}"), value));
        let host = server.host.as_ref().map(|host| &host.name);
        put("host", json!(host));
        put("hypervisor_hostname", json!(host));
        put("instance_name", json!(server.instance_name()));
        if self.version < 3 {
            return;
        }
        let blob = |id: Option<controller_base::id::ImageId>| id.map_or_else(String::new, |id| id.to_string());
        let kernel = server.spec.image.kernel.as_ref();
        put("reservation_id", json!(server.spec.reservation_id));
        put("launch_index", json!(server.spec.launch_index));
        put("hostname", json!(server.hostname));
        put("kernel_id", json!(blob(kernel.map(|kernel| kernel.kernel.image))));
        put("ramdisk_id", json!(blob(kernel.and_then(|kernel| kernel.ramdisk.as_ref()).map(|disk| disk.image))));
        put("root_device_name", json!("/dev/vda"));
        put("user_data", json!(server.user_data));
    }

    fn later(&self, out: &mut Map<String, Value>, server: &Server, groups: Option<Vec<String>>) {
        let mut put = |since: Minor, name: &str, value: Value| {
            if self.version >= since {
                out.insert(name.to_owned(), value);
            }
        };
        put(9, "locked", json!(server.lock.is_some()));
        if let Some(hosts) = &self.hosts {
            put(16, "host_status", json!(host_status(server, hosts)));
        }
        put(19, "description", json!(server.description));
        put(26, "tags", json!(server.tags));
        put(63, "trusted_image_certificates", Value::Null);
        if let Some(groups) = groups {
            put(71, "server_groups", json!(groups));
        }
        put(73, "locked_reason", json!(server.lock.as_ref().and_then(|lock| lock.reason.as_ref())));
        put(96, "pinned_availability_zone", json!(server.spec.pinned_zone));
    }

    fn flavor(&self, server: &Server) -> Value {
        let flavor = &server.spec.flavor;
        if self.version < 47 {
            let id = flavor.id.as_str();
            return json!({"id": id, "links": self.links.bookmark("flavors", id)});
        }
        let mut out = json!({
            "vcpus": flavor.vcpus,
            "ram": flavor.memory_mib,
            "disk": flavor.root_gib,
            "ephemeral": flavor.ephemeral_gib,
            "swap": flavor.swap_mib,
            "original_name": flavor.name,
        });
        if self.extra_specs {
            out["extra_specs"] = json!(flavor.extra_specs);
        }
        out
    }

    /// Of a server that failed, was deleted or ended by itself; details for administrators alone.
    fn fault(&self, server: &Server) -> Option<Value> {
        let shown = matches!(server.state, VmState::Error | VmState::Deleted | VmState::Stopped);
        let fault = server.fault.as_ref().filter(|_| shown)?;
        let mut out = json!({"code": fault.code, "message": fault.message, "created": fault.created.seconds_z()});
        if self.admin && !fault.details.is_empty() {
            out["details"] = json!(fault.details);
        }
        Some(out)
    }
}

/// `{"net": [{"addr", "version", ..}]}`.
pub(crate) fn addresses(ports: &[AttachedPort]) -> Value {
    let mut out = Map::new();
    for port in ports {
        let list = out.entry(port.network_name.clone()).or_insert_with(|| json!([]));
        let Some(list) = list.as_array_mut() else { continue };
        let fixed = port.fixed_ips.iter().map(|address| (address, "fixed"));
        let floating = port.floating_ips.iter().map(|(address, _)| (address, "floating"));
        list.extend(fixed.chain(floating).map(|(address, kind)| {
            json!({
                "version": if address.is_ipv4() { 4 } else { 6 },
                "addr": address.to_string(),
                "OS-EXT-IPS:type": kind,
                "OS-EXT-IPS-MAC:mac_addr": port.mac,
            })
        }));
    }
    Value::Object(out)
}

/// Names of its security groups: those of its ports, or those asked for while there are none.
pub(crate) fn group_names(server: &Server, ports: &[AttachedPort]) -> Vec<String> {
    let names: BTreeSet<&String> =
        ports.iter().flat_map(|port| port.security_groups.iter().map(|(_, name)| name)).collect();
    if names.is_empty() && server.state == VmState::Building {
        return server.spec.security_group_names.clone();
    }
    names.into_iter().cloned().collect()
}

/// The same for two servers of a project on the same host, and tells nobody which host it is.
pub(crate) fn host_id(server: &Server) -> String {
    server.host.as_ref().map_or_else(String::new, |host| {
        let digest = Sha224::digest(format!("{}{}", server.project_id, host.name));
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    })
}

fn host_status(server: &Server, hosts: &HashMap<String, bool>) -> &'static str {
    match server.host.as_ref().map(|host| hosts.get(&host.name)) {
        None => "",
        Some(Some(true)) => "UP",
        Some(Some(false)) => "DOWN",
        Some(None) => "UNKNOWN",
    }
}
