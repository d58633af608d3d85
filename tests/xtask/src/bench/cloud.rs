//! A cloud of its own for a bench: isolated from this machine's network, with the small guest of our own as its image.

use crate::demo::{self, DemoImage};
use anyhow::{Context as _, Result};
use humilis_harness::{
    build::{self, Profile},
    cloud::{Cloud, Plan},
    isolate,
    rest::Client,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A cloud, a client, and what a server needs.
pub struct Bench {
    pub cloud: Cloud,
    pub client: Client,
    pub image: String,
    pub flavor: String,
    pub network: String,
    _folder: TempDir,
}

/// Builds, goes into a network of its own, and starts the cloud there.
pub fn prepare() -> Result<build::Programs> {
    let programs = build::programs(Profile::Release)?;
    isolate::enter()?;
    Ok(programs)
}

impl Bench {
    /// Starts a cloud whose one host says that it has plenty.
    pub async fn start(programs: build::Programs) -> Result<Self> {
        Self::traced(programs, String::new()).await
    }

    /// The same, with a collector for its traces.
    pub async fn traced(programs: build::Programs, traces: String) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("humilis-bench-").tempdir()?;
        let resources = (1024, 1 << 20, 1 << 16);
        let plan = Plan { namespace: None, resources, traces, ..Plan::private(programs, folder.path(), "") };
        let cloud = Cloud::start(plan)?;
        let client = cloud.client().await?;
        let file = cloud.plan.programs.guest.clone();
        let image = DemoImage { name: "small", file: &file, disk_format: "aki", properties: json!({}) };
        let image = demo::image(&client, &image).await?;
        let quota = json!({"quota_set": {"instances": -1, "cores": -1, "ram": -1}});
        client.call("PUT", "compute", &format!("/os-quota-sets/{}", client.project_id), Some(quota)).await?;
        let quota = json!({"quota": {"port": -1}});
        client.call("PUT", "network", &format!("/v2.0/quotas/{}", client.project_id), Some(quota)).await?;
        let flavor = json!({"flavor": {"name": "bench", "ram": 32, "vcpus": 1, "disk": 0}});
        let flavor = text(&client.call("POST", "compute", "/flavors", Some(flavor)).await?["flavor"]["id"])?;
        let network = json!({"network": {"name": "bench"}});
        let network = client.call("POST", "network", "/v2.0/networks", Some(network)).await?;
        let network = text(&network["network"]["id"])?;
        let subnet = json!({"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/20"}});
        client.call("POST", "network", "/v2.0/subnets", Some(subnet)).await?;
        Ok(Self { cloud, client, image, flavor, network, _folder: folder })
    }

    /// The body of a request for a server.
    pub fn server(&self, name: &str) -> Value {
        json!({"server": {"name": name, "imageRef": self.image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}]}})
    }

    /// Asks for a server and gives its id.
    pub async fn post(&self, name: &str) -> Result<String> {
        let made = self.client.call("POST", "compute", "/servers", Some(self.server(name))).await?;
        text(&made["server"]["id"])
    }
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}
