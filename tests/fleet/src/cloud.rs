//! A controller with its hosts: joining, servers, lists, a restart.

use crate::{
    figure::Figure,
    host::{Counts, Host},
    process::Process,
};
use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use humilis_harness::{postgres::Postgres, rest::Client};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Requests at a time.
const CONCURRENCY: usize = 16;
/// Servers of one project, in one network: a cloud of many tenants, not one of a thousand machines in one segment and one group.
const PER_PROJECT: usize = 20;
/// How many lists are timed.
const LISTS: usize = 200;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is measured.
pub struct Plan {
    /// The controller's program.
    pub controller: PathBuf,
    /// How many hosts.
    pub hosts: usize,
    /// How many servers.
    pub servers: usize,
    /// Whether all are one project's, and members of its group `default`.
    pub one_project: bool,
    /// `sqlite` or `postgres`.
    pub database: &'static str,
}

/// Measures it.
pub async fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    let folder = tempfile::Builder::new().prefix("humilis-fleet-").tempdir()?;
    let postgres = (plan.database == "postgres").then(Postgres::start).transpose()?;
    let url = postgres.as_ref().map(Postgres::socket_url).unwrap_or_default();
    let mut process = Process::start(&plan.controller, folder.path(), &url)?;
    let client = process.login().await?;
    let kind = if plan.one_project { ", one project" } else { "" };
    let name = |what: &str| format!("{}, {} hosts{kind}: {what}", plan.database, plan.hosts);
    let mut figures = Vec::new();

    let began = Instant::now();
    let hosts = enrol(&process, plan.hosts).await?;
    figures.push(Figure::plain(name("joining"), plan.hosts as f64 / began.elapsed().as_secs_f64(), "1/s"));
    let counts = Arc::new(Counts::default());
    let began = Instant::now();
    let streams: Vec<_> = hosts.into_iter().map(|host| tokio::spawn(host.run(counts.clone()))).collect();
    converged(&counts, plan.hosts).await?;
    figures.push(Figure::plain(name("all streams"), began.elapsed().as_secs_f64(), "s"));

    let cloud = Cloud::prepare(&process, client, plan).await?;
    let (began, cpu) = (Instant::now(), process.cpu()?);
    cloud.create(plan.servers).await?;
    let took = began.elapsed().as_secs_f64();
    let cpu = (process.cpu()? - cpu) * 1000.0 / plan.servers as f64;
    figures.push(Figure::at_least(name("servers until ACTIVE"), plan.servers as f64 / took, "1/s", 200.0));
    figures.push(Figure::plain(name("controller's processor time per server"), cpu, "ms"));
    let (brief, detailed) = (cloud.list("/servers").await?, cloud.list("/servers/detail").await?);
    figures.push(Figure::at_most(name("a list of 1,000 servers, p99"), brief, "ms", 50.0));
    figures.push(Figure::plain(name("the same with details, p99"), detailed, "ms"));
    let (now, most) = process.memory()?;
    figures.push(Figure::at_most(name("controller's memory"), now, "MiB", 512.0));
    figures.push(Figure::plain(name("controller's memory, most"), most, "MiB"));
    let cpu = process.cpu()?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    figures.push(Figure::plain(name("controller's processor, idle"), (process.cpu()? - cpu) * 10.0, "%"));

    process.stop()?;
    // Every host notices.
    while counts.converged.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = Instant::now();
    process.launch()?;
    converged(&counts, plan.hosts).await?;
    figures.push(Figure::at_most(name("converged after a restart"), began.elapsed().as_secs_f64(), "s", 10.0));
    streams.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(figures)
}

async fn enrol(process: &Process, count: usize) -> Result<Vec<Host>> {
    let (url, ca, token) = (process.federation(), process.ca()?, process.token(count)?);
    let join = |number: usize| Host::enrol(&url, &ca, &token, format!("host-{number:05}"));
    stream::iter((0..count).map(join)).buffer_unordered(CONCURRENCY).try_collect().await
}

async fn converged(counts: &Counts, wanted: usize) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    while counts.converged.load(Ordering::Relaxed) < wanted {
        ensure!(Instant::now() < end, "{} of {wanted} hosts are connected", counts.converged.load(Ordering::Relaxed));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// What servers are made of.
struct Cloud {
    admin: Client,
    image: String,
    flavor: String,
    tenants: Vec<Tenant>,
}

/// A project with its network.
struct Tenant {
    client: Client,
    network: String,
}

impl Cloud {
    async fn prepare(process: &Process, admin: Client, plan: &Plan) -> Result<Self> {
        let image = json!({"name": "small", "disk_format": "aki", "container_format": "aki", "visibility": "public"});
        let image = text(&admin.call("POST", "image", "/v2/images", Some(image)).await?["id"])?;
        let bytes = tempfile::NamedTempFile::new()?;
        std::fs::write(bytes.path(), b"nobody starts it")?;
        admin.upload(&image, bytes.path()).await?;
        let flavor = json!({"flavor": {"name": "sim", "ram": 512, "vcpus": 1, "disk": 1}});
        let flavor = text(&admin.call("POST", "compute", "/flavors", Some(flavor)).await?["flavor"]["id"])?;
        let mut tenants = Vec::new();
        for number in 0..if plan.one_project { 1 } else { plan.servers.div_ceil(PER_PROJECT) } {
            tenants.push(Tenant::make(process, &admin, number).await?);
        }
        Ok(Self { admin, image, flavor, tenants })
    }

    /// Asks for so many servers and waits until all are ACTIVE.
    async fn create(&self, count: usize) -> Result<()> {
        let posted = stream::iter((0..count).map(|number| self.post(number))).buffer_unordered(CONCURRENCY);
        posted.try_collect::<Vec<()>>().await?;
        let end = Instant::now() + PATIENCE;
        loop {
            let listed = self.admin.call("GET", "compute", "/servers?all_tenants=1&status=BUILD&limit=1", None).await?;
            if listed["servers"].as_array().is_some_and(Vec::is_empty) {
                break;
            }
            ensure!(Instant::now() < end, "servers are still being built");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let failed = self.admin.call("GET", "compute", "/servers?all_tenants=1&status=ERROR&limit=1", None).await?;
        ensure!(failed["servers"].as_array().is_some_and(Vec::is_empty), "a server failed: {failed}");
        Ok(())
    }

    async fn post(&self, number: usize) -> Result<()> {
        let Tenant { client, network } = &self.tenants[number % self.tenants.len()];
        let server = json!({"server": {"name": format!("server-{number}"), "imageRef": self.image,
            "flavorRef": self.flavor, "networks": [{"uuid": network}]}});
        client.call("POST", "compute", "/servers", Some(server)).await.map(drop)
    }

    /// The 99th percentile of a list, ms.
    async fn list(&self, path: &str) -> Result<f64> {
        let path = format!("{path}?all_tenants=1&limit=1000");
        let mut times = Vec::new();
        for _ in 0..LISTS {
            let began = Instant::now();
            let listed = self.admin.call("GET", "compute", &path, None).await?;
            ensure!(listed["servers"].is_array(), "there is no list");
            times.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        times.sort_by(f64::total_cmp);
        times.get(LISTS * 99 / 100).copied().context("nothing was timed")
    }
}

impl Tenant {
    async fn make(process: &Process, admin: &Client, number: usize) -> Result<Self> {
        let name = format!("project-{number}");
        let project = json!({"project": {"name": name, "domain_id": "default"}});
        let project = admin.call("POST", "identity", "/v3/projects", Some(project)).await?;
        let project = text(&project["project"]["id"])?;
        let roles = admin.call("GET", "identity", "/v3/roles?name=admin", None).await?;
        let role = text(&roles["roles"][0]["id"])?;
        let path = format!("/v3/projects/{project}/users/{}/roles/{role}", admin.user_id);
        admin.call("PUT", "identity", &path, None).await?;
        let quota = json!({"quota_set": {"instances": -1, "cores": -1, "ram": -1}});
        admin.call("PUT", "compute", &format!("/os-quota-sets/{project}"), Some(quota)).await?;
        let quota = json!({"quota": {"port": -1}});
        admin.call("PUT", "network", &format!("/v2.0/quotas/{project}"), Some(quota)).await?;
        let client = process.login_to(&name).await?;
        let network = json!({"network": {"name": "net"}});
        let network = client.call("POST", "network", "/v2.0/networks", Some(network)).await?;
        let network = text(&network["network"]["id"])?;
        let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/16"}});
        client.call("POST", "network", "/v2.0/subnets", Some(subnet)).await?;
        Ok(Self { client, network })
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}
