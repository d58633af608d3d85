//! Bodies about hosts.

use crate::schema::Minor;
use controller_ports::fleet::Host;
use controller_ports::placement::{HostUsage, Resources};
use serde_json::{Value, json};

/// A host with what placement knows of it.
pub(super) struct Member {
    pub(super) host: Host,
    pub(super) usage: Option<HostUsage>,
    /// What it keeps for itself.
    pub(super) reserved: Resources,
}

impl Member {
    /// Its number, for versions before 2.53, which knew no UUIDs: made of the id, so that it stays the same.
    fn number(&self) -> u32 {
        self.host.id.uuid().as_fields().0 >> 1
    }

    /// How clients name it.
    pub(super) fn id(&self, version: Minor) -> Value {
        if version >= 53 { json!(self.host.id) } else { json!(self.number()) }
    }

    /// Whether a client means this one.
    pub(super) fn is(&self, id: &str) -> bool {
        self.host.id.to_string() == id || self.number().to_string() == id
    }

    fn state(&self) -> &'static str {
        if self.host.up { "up" } else { "down" }
    }

    fn status(&self) -> &'static str {
        if self.host.disabled() { "disabled" } else { "enabled" }
    }

    /// Why it is disabled; nothing when it is not or nobody said.
    fn reason(&self) -> Value {
        let reason = Some(&self.host.membership.reason).filter(|reason| self.host.disabled() && !reason.is_empty());
        json!(reason)
    }

    /// Its `nova-compute` entry.
    pub(super) fn service(&self, zone: &str, version: Minor) -> Value {
        let mut out = json!({
            "id": self.id(version),
            "binary": "nova-compute",
            "host": self.host.hostname,
            "zone": zone,
            "status": self.status(),
            "state": self.state(),
            "updated_at": self.host.last_seen.micros_naive(),
            "disabled_reason": self.reason(),
        });
        if version >= 11 {
            out["forced_down"] = json!(self.host.fenced());
        }
        out
    }

    /// Its hypervisor in a list.
    pub(super) fn brief(&self, version: Minor) -> Value {
        json!({
            "id": self.id(version),
            "hypervisor_hostname": self.host.hostname,
            "state": self.state(),
            "status": self.status(),
        })
    }

    /// Where other hosts reach it; one that was not told where it is reached is where it called from.
    fn address(&self) -> &str {
        let told = &self.host.underlay_address;
        if told.is_empty() { &self.host.membership.address } else { told }
    }

    /// Its hypervisor in full.
    pub(super) fn full(&self, version: Minor) -> Value {
        let mut out = self.brief(version);
        out["hypervisor_type"] = json!("Humilis");
        out["hypervisor_version"] = json!(version_number(&self.host.version));
        out["host_ip"] = json!(self.address());
        out["service"] = json!({"id": self.id(version), "host": self.host.hostname, "disabled_reason": self.reason()});
        if version < 88 {
            for (name, value) in self.amounts() {
                out[name] = value;
            }
            let cpu = self.cpu();
            out["cpu_info"] = if version >= 28 { cpu } else { json!(cpu.to_string()) };
        }
        out
    }

    /// As Nova's libvirt driver tells it, without a topology, which the host does not tell.
    fn cpu(&self) -> Value {
        let cpu = &self.host.membership.cpu;
        if cpu.model.is_empty() && cpu.features.is_empty() {
            return json!({});
        }
        json!({"arch": "x86_64", "vendor": cpu.vendor, "model": cpu.model, "features": cpu.features})
    }

    fn amounts(&self) -> Vec<(&'static str, Value)> {
        let total = self.usage.as_ref().map(|usage| usage.total).unwrap_or_default();
        let used = self.usage.as_ref().map(|usage| usage.used).unwrap_or_default();
        // As Nova counts: memory that is kept back is in use.
        let memory_used = (used.memory_mib + self.reserved.memory_mib).min(total.memory_mib);
        let free = |total: u64, used: u64| json!(total.saturating_sub(used));
        vec![
            ("vcpus", json!(total.vcpus)),
            ("vcpus_used", json!(used.vcpus)),
            ("memory_mb", json!(total.memory_mib)),
            ("memory_mb_used", json!(memory_used)),
            ("free_ram_mb", free(total.memory_mib, memory_used)),
            ("local_gb", json!(total.disk_gib)),
            ("local_gb_used", json!(used.disk_gib)),
            ("free_disk_gb", free(total.disk_gib, used.disk_gib)),
            ("disk_available_least", free(total.disk_gib, used.disk_gib)),
            ("running_vms", json!(self.usage.as_ref().map_or(0, |usage| usage.servers))),
            ("current_workload", json!(0)),
        ]
    }
}

/// All hypervisors together.
pub(super) fn statistics(members: &[Member]) -> Value {
    let mut out = json!({"count": members.len()});
    for member in members {
        for (name, value) in member.amounts() {
            let sum = out.get(name).and_then(Value::as_u64).unwrap_or(0) + value.as_u64().unwrap_or(0);
            out[name] = json!(sum);
        }
    }
    if members.is_empty() {
        let none = Member::empty_amounts();
        none.into_iter().for_each(|name| out[name] = json!(0));
    }
    out
}

impl Member {
    fn empty_amounts() -> [&'static str; 11] {
        [
            "vcpus",
            "vcpus_used",
            "memory_mb",
            "memory_mb_used",
            "free_ram_mb",
            "local_gb",
            "local_gb_used",
            "free_disk_gb",
            "disk_available_least",
            "running_vms",
            "current_workload",
        ]
    }
}

/// `1.2.3` as 1002003, the form of `hypervisor_version`.
fn version_number(text: &str) -> u64 {
    let parts = text.split(['.', '-', '+']).map(|part| part.parse::<u64>().unwrap_or(0));
    parts.chain([0, 0, 0]).take(3).fold(0, |sum, part| sum * 1000 + part.min(999))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_become_numbers() {
        assert_eq!(version_number("0.1.0"), 1000);
        assert_eq!(version_number("2.11"), 2_011_000);
        assert_eq!(version_number(""), 0);
    }

    #[test]
    fn nothing_sums_up_to_nothing() {
        let none = statistics(&[]);
        assert_eq!((&none["count"], &none["vcpus"]), (&json!(0), &json!(0)));
    }
}
