//! What the cloud is, asked when Prometheus asks: the federation under names of our own, OpenStack's things under the names of the common
//! `openstack-exporter`, of which those that need a series per project, image or server are left out.

use super::Page;
use crate::wiring::Cloud;
use controller_base::Timestamp;
use controller_compute::Census;
use controller_placement::Ratios;
use controller_ports::{
    fleet::{Fleet as _, Host, HostState},
    placement::{HostUsage, Placement as _, Resources},
};
use std::collections::BTreeMap;

type Failed = Box<dyn std::error::Error + Send + Sync>;

const STATES: [HostState; 5] =
    [HostState::Pending, HostState::Fenced, HostState::Away, HostState::Drained, HostState::Connected];

/// Every server's status that there can be.
const STATUSES: [&str; 6] = ["ACTIVE", "BUILD", "ERROR", "HARD_REBOOT", "REBOOT", "SHUTOFF"];

/// Adds all of it. What cannot be asked is missing, and said to be down.
pub async fn add(cloud: &Cloud, page: &mut Page) {
    certificates(cloud, page);
    let federation = federation(cloud, page).await;
    up(page, "humilis_controller_database_up", "Whether the database answers.", &federation);
    let operations = operations(cloud, page).await;
    if let Err(error) = &operations {
        tracing::warn!(%error, "operations cannot be counted");
    }
    let compute = compute(cloud, page).await;
    up(page, "openstack_nova_up", "Whether compute answers.", &compute);
    let placement = placement(cloud, page).await;
    up(page, "openstack_placement_up", "Whether placement answers.", &placement);
    let region = cloud.platform.config.identity.region.as_str();
    let counts = cloud.networks.counts().await.map_err(Failed::from);
    counted(page, "neutron", region, counts);
    counted(page, "identity", region, cloud.identity.counts().await.map_err(Failed::from));
    counted(page, "glance", region, cloud.images.counts().await.map_err(Failed::from));
}

fn up<T>(page: &mut Page, name: &str, help: &str, result: &Result<T, Failed>) {
    if let Err(error) = result {
        tracing::warn!(%error, metric = name, "metrics are not complete");
    }
    page.gauge(name, help, u8::from(result.is_ok()));
}

fn counted(page: &mut Page, service: &str, region: &str, counts: Result<Vec<(&'static str, u64)>, Failed>) {
    up(page, &format!("openstack_{service}_up"), "Whether the service answers.", &counts);
    for (what, count) in counts.unwrap_or_default() {
        let name = format!("openstack_{service}_{what}");
        page.family(&name, "gauge", &format!("How many {} there are.", what.replace('_', " ")));
        page.sample(&name, &[("region", region)], count);
    }
}

fn seconds(at: Timestamp) -> f64 {
    at.0 as f64 / 1e6
}

fn certificates(cloud: &Cloud, page: &mut Page) {
    let name = "humilis_controller_authority_expiry_timestamp_seconds";
    page.family(name, "gauge", "When the federation's certificate authority ends.");
    for one in cloud.platform.authority.list() {
        let fingerprint = one.fingerprint.get(..16).unwrap_or_default();
        page.sample(name, &[("fingerprint", fingerprint)], seconds(one.expires_at));
    }
}

async fn federation(cloud: &Cloud, page: &mut Page) -> Result<(), Failed> {
    let hosts = cloud.hub.hosts().await?;
    page.family("humilis_controller_hosts", "gauge", "Hosts by state.");
    for state in STATES {
        let count = hosts.iter().filter(|host| host.state() == state).count();
        page.sample("humilis_controller_hosts", &[("state", state.word())], count);
    }
    page.gauge("humilis_controller_streams", "Hosts' streams to this controller.", cloud.hub.streams());
    let name = "humilis_controller_host_certificate_expiry_timestamp_seconds";
    page.family(name, "gauge", "When a host's newest certificate ends.");
    for host in &hosts {
        if let Some(until) = host.membership.certificate_expires_at {
            page.sample(name, &[("host", &host.hostname)], seconds(until));
        }
    }
    let name = "humilis_controller_host_clock_offset_seconds";
    page.family(name, "gauge", "How far a connected host's clock is ahead of the controller's.");
    for host in &hosts {
        if let Some(clock) = host.membership.clock {
            page.sample(name, &[("host", &host.hostname)], clock.micros as f64 / 1e6);
        }
    }
    Ok(())
}

async fn operations(cloud: &Cloud, page: &mut Page) -> Result<(), Failed> {
    let now = cloud.platform.clock.now();
    let mut kinds: BTreeMap<String, (u64, f64)> = cloud.platform.runner.kinds().map(|kind| (kind, (0, 0.0))).collect();
    for pending in cloud.platform.runner.pending().await? {
        let (count, oldest) = kinds.entry(pending.kind).or_default();
        *count += 1;
        *oldest = oldest.max(seconds(now) - seconds(pending.created_at));
    }
    let (count, age) = ("humilis_controller_operations", "humilis_controller_operation_oldest_age_seconds");
    page.family(count, "gauge", "Operations that have not ended, by kind.");
    kinds.iter().for_each(|(kind, (number, _))| page.sample(count, &[("kind", kind)], number));
    page.family(age, "gauge", "Age of the oldest operation that has not ended, by kind; 0 without one.");
    kinds.iter().for_each(|(kind, (_, oldest))| page.sample(age, &[("kind", kind)], oldest));
    Ok(())
}

async fn compute(cloud: &Cloud, page: &mut Page) -> Result<(), Failed> {
    let census = cloud.compute.census().await?;
    let (hosts, usages) = (cloud.hub.hosts().await?, cloud.placement.usages().await?);
    let region = cloud.platform.config.identity.region.as_str();
    let total: u64 = census.guests.iter().map(|guests| guests.count).sum();
    page.family("openstack_nova_total_vms", "gauge", "How many servers there are.");
    page.sample("openstack_nova_total_vms", &[("region", region)], total);
    page.family("openstack_nova_flavors", "gauge", "How many flavors there are.");
    page.sample("openstack_nova_flavors", &[("region", region)], census.flavors);
    page.family("humilis_controller_guests", "gauge", "Servers by status.");
    for status in STATUSES {
        let of = census.guests.iter().filter(|guests| guests.status == status);
        page.sample("humilis_controller_guests", &[("status", status)], of.map(|guests| guests.count).sum::<u64>());
    }
    agents(page, region, &hosts, &census);
    rooms(page, region, &usages, &census);
    Ok(())
}

/// Hosts as nova's services.
fn agents(page: &mut Page, region: &str, hosts: &[Host], census: &Census) {
    let name = "openstack_nova_agent_state";
    page.family(name, "gauge", "Whether a host is connected.");
    for host in hosts {
        let id = host.id.to_string();
        let zone = census.zones.get(&host.id).map(String::as_str).unwrap_or_default();
        let state = if host.disabled() { "disabled" } else { "enabled" };
        let labels = [
            ("region", region),
            ("id", &id),
            ("hostname", &host.hostname),
            ("service", "nova-compute"),
            ("adminState", state),
            ("zone", zone),
        ];
        page.sample(name, &labels, u8::from(host.up));
    }
}

/// What of each class hosts have, and how much of it is promised.
async fn placement(cloud: &Cloud, page: &mut Page) -> Result<(), Failed> {
    let usages = cloud.placement.usages().await?;
    let Ratios { vcpus_percent, memory_percent, disk_percent, reserved } = cloud.platform.config.placement.ratios();
    type Class = (&'static str, u64, fn(&Resources) -> u64);
    let classes: [Class; 3] = [
        ("DISK_GB", disk_percent, |of| of.disk_gib),
        ("MEMORY_MB", memory_percent, |of| of.memory_mib),
        ("VCPU", vcpus_percent, |of| of.vcpus),
    ];
    let mut family = |what: &str, help: &str, amount: &dyn Fn(&HostUsage, &Class) -> f64| {
        let name = format!("openstack_placement_resource_{what}");
        page.family(&name, "gauge", help);
        for usage in &usages {
            for class in &classes {
                page.sample(&name, &[("hostname", &*usage.hostname), ("resourcetype", class.0)], amount(usage, class));
            }
        }
    };
    family("total", "What a host has.", &|usage, (_, _, of)| of(&usage.total) as f64);
    family("usage", "What a host's servers were promised.", &|usage, (_, _, of)| of(&usage.used) as f64);
    family("reserved", "What of it no server can have.", &|_, (_, _, of)| of(&reserved) as f64);
    family("allocation_ratio", "How much of it may be promised.", &|_, (_, percent, _)| *percent as f64 / 100.0);
    Ok(())
}

type Amount = fn(&HostUsage, &Census) -> u64;

/// What hosts have and promise.
fn rooms(page: &mut Page, region: &str, usages: &[HostUsage], census: &Census) {
    let families: [(&str, &str, Amount); 8] = [
        ("running_vms", "Servers on a host.", |usage, census| {
            let on = census.guests.iter().filter(|guests| guests.host.as_deref() == Some(usage.hostname.as_str()));
            on.map(|guests| guests.count).sum()
        }),
        ("vcpus_available", "Processors of a host.", |usage, _| usage.total.vcpus),
        ("vcpus_used", "Processors that a host's servers were promised.", |usage, _| usage.used.vcpus),
        ("memory_available_bytes", "Memory of a host.", |usage, _| usage.total.memory_mib << 20),
        ("memory_used_bytes", "Memory that a host's servers were promised.", |usage, _| usage.used.memory_mib << 20),
        ("local_storage_available_bytes", "Disk of a host.", |usage, _| usage.total.disk_gib << 30),
        ("local_storage_used_bytes", "Disk that a host's servers were promised.", |usage, _| usage.used.disk_gib << 30),
        ("free_disk_bytes", "Disk of a host that nobody was promised.", |usage, _| {
            usage.total.disk_gib.saturating_sub(usage.used.disk_gib) << 30
        }),
    ];
    for (what, help, amount) in families {
        let name = format!("openstack_nova_{what}");
        page.family(&name, "gauge", help);
        for usage in usages {
            let zone = census.zones.get(&usage.host_id).map(String::as_str).unwrap_or_default();
            let labels = [("region", region), ("hostname", &*usage.hostname), ("availability_zone", zone)];
            page.sample(&name, &labels, amount(usage, census));
        }
    }
}
