//! What the overlay carries between guests of two machines, by iperf3; and whether placement tells what the machines have.

use super::{
    machine::{DISKS, MEMORY_MIB, NODES, PROCESSORS},
    story::Story,
};
use crate::iperf;
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    fs,
    time::{Duration, Instant},
};

/// A guest of an emulated machine starts slowly.
const BOOT: Duration = Duration::from_secs(600);
/// iperf3's own.
const PORT: u16 = 5201;
/// Tenants' networks have an MTU of 1450: less the headers of IP and TCP with its time stamps.
const SEGMENT: u32 = 1450 - 52;
/// MiB of the guest.
const MEMORY: u64 = 256;

impl Story<'_> {
    /// A guest on each machine: iperf3 from the one to the other, in segments that fill the network's MTU.
    pub(super) fn carry(&self) -> Result<()> {
        let guest = iperf::make(self.folder)?;
        for (format, file, name) in [("ari", &guest.initrd, "iperf-ramdisk"), ("aki", &guest.kernel, "iperf")] {
            let words = format!("image create --disk-format {format} --container-format {format} --file");
            self.openstack(&format!("{words} {} {name}", file.display()))?;
        }
        let ramdisk = self.json("image show iperf-ramdisk")?;
        let ramdisk = ramdisk["id"].as_str().context("an image has no id")?;
        self.openstack(&format!("image set iperf --property ramdisk_id={ramdisk}"))?;
        self.openstack(&format!("flavor create --ram {MEMORY} --disk 0 --vcpus 1 --property hw:numa_nodes=1 iperf"))?;
        self.openstack(&format!("security group rule create open --protocol tcp --dst-port {PORT}"))?;
        let address = self.task("iperf-1", 1, &format!("iperf3 -s -p {PORT}\n"))?;
        let ask = format!("iperf3 -c {address} -p {PORT} -t 10 -f k -V");
        self.task(
            "iperf-2",
            2,
            &format!("until {ask} > /tmp/said; do /bin/busybox sleep 3; done\n/bin/busybox cat /tmp/said\n"),
        )?;
        let said = self.done("iperf-2")?;
        for line in said.lines().filter(|line| ["MSS", "sender", "receiver"].iter().any(|word| line.contains(word))) {
            println!("  iperf-2: {}", line.trim());
        }
        ensure!(said.contains(&format!("MSS: {SEGMENT} ")), "segments do not fill the network's MTU: {said}");
        ensure!(received(&said).is_some_and(|kilobits| kilobits > 0.0), "nothing arrived: {said}");
        self.say("iperf3 over the overlay, in segments of full size");
        Ok(())
    }

    /// Starts a guest with a task on a machine; gives its address.
    fn task(&self, name: &str, number: u8, script: &str) -> Result<String> {
        let file = self.folder.join(name);
        fs::write(&file, script)?;
        self.openstack(&format!(
            "server create {name} --image iperf --flavor iperf --network net --security-group open --user-data {} \
             --availability-zone nova:node-{number} --wait",
            file.display()
        ))?;
        let ports = self.json(&format!("port list --server {name}"))?;
        let fixed = ports[0]["Fixed IP Addresses"][0]["ip_address"].as_str();
        fixed.map(str::to_owned).context("a port has no address")
    }

    /// Waits for the end of a guest's task; gives its console.
    fn done(&self, name: &str) -> Result<String> {
        let end = Instant::now() + BOOT;
        loop {
            let said = self.openstack(&format!("console log show {name}"))?;
            if said.contains(iperf::DONE) {
                return Ok(said);
            }
            ensure!(Instant::now() < end, "{name} does not get its task done: {said}");
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    /// Placement tells what each machine has, and what its guests take of it.
    pub(super) fn inventories(&self) -> Result<()> {
        let providers = self.json("resource provider list")?;
        let servers = self.json("server list --all-projects --long")?;
        let hypervisors = self.json("--os-compute-api-version 2.87 hypervisor list --long")?;
        for number in [1, 2] {
            let name = format!("node-{number}");
            let provider = row(&providers, "name", &name)?;
            let id = provider["uuid"].as_str().context("a provider has no uuid")?;
            println!("{name}:\n{}", self.openstack(&format!("resource provider inventory list {id}"))?.trim_end());
            let inventory = self.json(&format!("resource provider inventory list {id}"))?;
            let total =
                |class: &str| Ok::<_, anyhow::Error>(row(&inventory, "resource_class", class)?["total"].as_u64());
            let shown = row(&hypervisors, "Hypervisor Hostname", &name)?;
            for (class, field) in [("VCPU", "vCPUs"), ("MEMORY_MB", "Memory MB")] {
                ensure!(total(class)? == shown[field].as_u64(), "{class} is {inventory} here and {shown} there");
            }
            ensure!(total("VCPU")? == Some(PROCESSORS), "the machine has {PROCESSORS} processors: {inventory}");
            // The kernel keeps some of it for itself, and the disk has the system too.
            let fits = |class: &str, has: u64| {
                Ok::<_, anyhow::Error>(total(class)?.is_some_and(|told| (has / 2..=has).contains(&told)))
            };
            ensure!(fits("MEMORY_MB", MEMORY_MIB)?, "the machine has {MEMORY_MIB} MiB: {inventory}");
            // The second has a disk for its guests alone.
            let gib = DISKS[number - 1].1;
            ensure!(fits("DISK_GB", gib)?, "the machine has a disk of {gib} GiB for guests: {inventory}");
            let here =
                servers.as_array().into_iter().flatten().filter(|server| server["Host"] == name.as_str()).count();
            let used = self.json(&format!("resource provider usage show {id}"))?;
            let expected = [("VCPU", 1), ("MEMORY_MB", MEMORY), ("DISK_GB", 0)];
            for (class, each) in expected {
                let used = row(&used, "resource_class", class)?["usage"].as_u64();
                ensure!(used == Some(each * here as u64), "{here} guests take {used:?} of {class} at {name}");
            }
            self.nodes(&providers, &name, here as u64)?;
        }
        self.say("placement tells what the machines have, and what their guests take");
        Ok(())
    }

    /// Below a machine are its NUMA nodes. The first has the processor, and with it the guests.
    fn nodes(&self, providers: &Value, machine: &str, guests: u64) -> Result<()> {
        for node in 0..NODES {
            let provider = row(providers, "name", &format!("{machine}_NUMA{node}"))?;
            let id = provider["uuid"].as_str().context("a provider has no uuid")?;
            let told = |what: &str, class: &str, field: &str| {
                let rows = self.json(&format!("resource provider {what} {id}"))?;
                Ok::<_, anyhow::Error>(row(&rows, "resource_class", class)?[field].as_u64())
            };
            let (has, half) = (told("inventory list", "NUMA_MEMORY_MB", "total")?, MEMORY_MIB / NODES);
            ensure!(
                has.is_some_and(|has| (half / 2..=half).contains(&has)),
                "node {node} of {machine} has {has:?} MiB"
            );
            let used = told("usage show", "NUMA_MEMORY_MB", "usage")?;
            let expected = if node == 0 { guests * MEMORY } else { 0 };
            ensure!(used == Some(expected), "{guests} guests take {used:?} MiB of node {node} of {machine}");
        }
        Ok(())
    }
}

/// The row of a list with this in a field.
fn row<'a>(list: &'a Value, field: &str, value: &str) -> Result<&'a Value> {
    let mut rows = list.as_array().into_iter().flatten();
    rows.find(|row| row[field] == value).with_context(|| format!("there is no {field} {value} in {list}"))
}

/// What the receiver counted, in kilobits a second.
fn received(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.trim_end().ends_with("receiver"))?;
    let before = line.split_whitespace().rev().skip_while(|word| *word != "Kbits/sec").nth(1)?;
    before.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrived_is_read() {
        let said = "[ ID] Interval           Transfer     Bitrate         Retr\r\n\
                    [  5]   0.00-10.05  sec  61.2 MBytes  51234 Kbits/sec   12             sender\r\n\
                    [  5]   0.00-10.10  sec  60.0 MBytes  49834 Kbits/sec                  receiver\r\n";
        assert_eq!(received(said), Some(49834.0));
        assert_eq!(received("iperf3: error - unable to connect"), None);
    }
}
