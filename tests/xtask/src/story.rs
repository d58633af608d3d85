//! The story of a first server, told by OpenStack's own client to a cloud of its own on this machine's KVM, with the small guest
//! of our own. In the end nothing is left.

use crate::{
    demo::{self, DemoImage},
    setup,
};
use anyhow::{Context as _, Result, ensure};
use humilis_harness::{
    build::{self, Profile},
    cloud::{Cloud, Plan, guests},
    exec, isolate,
};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// Who tells it.
struct Teller {
    openstack: PathBuf,
    cloud: Cloud,
}

pub fn run() -> Result<()> {
    let programs = build::programs(Profile::Dev)?;
    let openstack = setup::client()?.join("bin/openstack");
    isolate::enter()?;
    let folder = tempfile::Builder::new().prefix("humilis-story-").tempdir()?;
    let plan = Plan { namespace: None, ..Plan::private(programs, folder.path(), "") };
    let teller = Teller { openstack, cloud: Cloud::start(plan)? };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(teller.prepare())?;
    teller.tell()?;
    teller.nothing_is_left()
}

impl Teller {
    /// What an operator has made before: flavors, and the image, whose bytes are a kernel.
    async fn prepare(&self) -> Result<()> {
        let client = self.cloud.client().await?;
        demo::flavors(&client).await?;
        let file = self.cloud.plan.programs.guest.clone();
        let image = DemoImage { name: "small", file: &file, disk_format: "aki", properties: json!({}) };
        demo::image(&client, &image).await.map(drop)
    }

    fn tell(&self) -> Result<()> {
        self.openstack("token issue")?;
        self.openstack(
            "network create public --external --provider-network-type flat --provider-physical-network public",
        )?;
        self.openstack("subnet create public --network public --subnet-range 172.24.4.0/24 --no-dhcp --allocation-pool start=172.24.4.10,end=172.24.4.99")?;
        self.openstack("network create net")?;
        self.openstack("subnet create net --network net --subnet-range 10.1.0.0/24")?;
        self.openstack("router create router --external-gateway public")?;
        self.openstack("router add subnet router net")?;
        self.openstack("security group create open")?;
        self.openstack("security group rule create open --protocol icmp")?;
        self.openstack("security group rule create open --protocol tcp --dst-port 7:23")?;
        self.openstack("keypair create key")?;
        let server = "server create server --image small --flavor m1.nano --network net --security-group open --key-name key --property a=b --wait";
        let made = self.openstack(server)?;
        ensure!(made["status"] == "ACTIVE", "the server is not ACTIVE");
        let host = self.claimed(made["id"].as_str().context("the server has no id")?)?;
        let floating = self.openstack("floating ip create public")?;
        let address = floating["floating_ip_address"].as_str().context("no floating address")?.to_owned();
        self.openstack(&format!("server add floating ip server {address}"))?;
        self.answers(&address)?;
        let console = self.plain("console log show server")?;
        ensure!(console.contains("metadata instance-id="), "the guest found no metadata: {console}");
        self.openstack("server reboot server --wait")?;
        self.answers(&address)?;
        self.openstack("server stop server")?;
        self.becomes("SHUTOFF")?;
        self.openstack("server start server")?;
        self.becomes("ACTIVE")?;
        self.answers(&address)?;
        self.openstack("server delete server --wait")?;
        ensure!(self.used(&host)? == json!([0, 0, 0]), "the server's room is not free again");
        self.openstack(&format!("floating ip delete {address}"))?;
        self.openstack("router remove subnet router net")?;
        self.openstack("router delete router")?;
        self.openstack("network delete net public")?;
        self.openstack("security group delete open")?;
        self.openstack("keypair delete key").map(drop)
    }

    /// What placement tells of the server's room; gives the host's id.
    fn claimed(&self, server: &str) -> Result<String> {
        let allocations = self.rows(&format!("resource provider allocation show {server}"))?;
        let m1_nano = json!({"VCPU": 1, "MEMORY_MB": 192, "DISK_GB": 1});
        ensure!(allocations[0]["resources"] == m1_nano, "the server's room is told as {allocations}");
        let host = allocations[0]["resource_provider"].as_str().context("the server has no provider")?.to_owned();
        let used = self.used(&host)?;
        ensure!(used == json!([1, 1, 192]), "the host's usage is told as {used}");
        let free = self.rows("allocation candidate list --resource VCPU=1 --resource MEMORY_MB=192")?;
        ensure!(free[0]["resource provider"] == host.as_str(), "the host is no candidate: {free}");
        Ok(host)
    }

    /// How much of a host is used, the least first: of the small server GiB and vCPUs, then MiB.
    fn used(&self, host: &str) -> Result<Value> {
        let rows = self.rows(&format!("resource provider usage show {host} --sort-column usage"))?;
        let amounts = rows.as_array().context("no usages")?.iter().map(|row| row["usage"].clone());
        Ok(amounts.collect())
    }

    /// The rows of a list.
    fn rows(&self, words: &str) -> Result<Value> {
        let said = self.plain(&format!("{words} -f json"))?;
        println!("         openstack {words}");
        serde_json::from_str(&said).with_context(|| format!("openstack {words} printed {said}"))
    }

    /// Runs a command of the client and gives its JSON, `Null` where it prints none.
    fn openstack(&self, words: &str) -> Result<Value> {
        let started = Instant::now();
        let shows = ["create", "issue"].iter().any(|word| words.contains(word)) && !words.contains("keypair create");
        let said = self.plain(&format!("{words}{}", if shows { " -f json" } else { "" }))?;
        println!("  {:5.1} s  openstack {words}", started.elapsed().as_secs_f64());
        Ok(said.find('{').and_then(|start| serde_json::from_str(&said[start..]).ok()).unwrap_or(Value::Null))
    }

    fn plain(&self, words: &str) -> Result<String> {
        let mut command = Command::new(&self.openstack);
        command.env("OS_CLIENT_CONFIG_FILE", self.cloud.plan.clouds_yaml()).env("OS_CLOUD", "humilis");
        exec::read(command.args(words.split(' ')))
    }

    fn becomes(&self, status: &str) -> Result<()> {
        within(Duration::from_secs(60), &format!("the server does not become {status}"), || {
            Ok(self.plain("server show server -f value -c status")?.trim() == status)
        })
    }

    fn answers(&self, address: &str) -> Result<()> {
        within(Duration::from_secs(60), &format!("the guest does not answer at {address}"), || {
            Ok(exec::read(Command::new("ping").args(["-c", "1", "-W", "1", address])).is_ok())
        })
    }

    fn nothing_is_left(&self) -> Result<()> {
        within(Duration::from_secs(30), "something is left", || Ok(self.cloud.audit().is_ok()))
            .or_else(|_| self.cloud.audit())?;
        ensure!(guests(&self.cloud.plan.folder).is_empty(), "a guest's process is left");
        println!("  nothing is left");
        Ok(())
    }
}

fn within(limit: Duration, complaint: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + limit;
    while Instant::now() < end {
        if done()? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    anyhow::bail!("{complaint}")
}
