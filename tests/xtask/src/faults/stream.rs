//! The stream of requests during the kills: tenants who make, stop, start and delete servers and bear it when nobody answers.

use super::plan::Random;
use anyhow::{Context as _, Result};
use humilis_harness::rest::Client;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Servers that one tenant has at a time.
const SERVERS: usize = 3;
/// Between two of a tenant's requests.
const PAUSE: Duration = Duration::from_millis(40);

/// What servers are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    pub image: String,
    /// An image that no host can start.
    pub broken: String,
    /// What an image is made of.
    pub file: PathBuf,
    pub flavor: String,
    pub network: String,
}

/// What happened.
#[derive(Debug, Default)]
pub struct Tally {
    /// Requests by what they were, and how often.
    pub requests: BTreeMap<&'static str, usize>,
    /// Servers of which a tenant knows.
    pub servers: BTreeSet<String>,
    /// Servers that a tenant wanted to stop.
    pub stopped: BTreeSet<String>,
    /// Images that were uploaded on the way.
    pub images: BTreeSet<String>,
    /// Answers that no request should get, whoever was killed.
    pub wrong: BTreeSet<String>,
}

/// The stream: shared by the tenants.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    parts: Parts,
    tally: Mutex<Tally>,
    over: AtomicBool,
}

impl Stream {
    pub fn new(client: Client, parts: Parts) -> Arc<Self> {
        Arc::new(Self { client, parts, tally: Mutex::default(), over: AtomicBool::new(false) })
    }

    pub fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a server is made of the image that no host can start.
    pub fn is_broken(&self, server: &Value) -> bool {
        server["image"]["id"] == *self.parts.broken
    }

    /// No tenant begins anything more.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// One tenant, until the stream ends. The first one also brings images of its own.
    pub async fn tenant(self: Arc<Self>, number: usize, mut random: Random) {
        let mut own = Vec::new();
        while !self.over.load(Ordering::Relaxed) {
            if own.len() < SERVERS {
                if let Ok(Some(server)) = self.make(number, &mut random).await {
                    own.push(server);
                }
            } else {
                let at = random.below(own.len());
                if let Ok(false) = self.change(&own[at], &mut random).await {
                    own.swap_remove(at);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks for a server; `None` where the answer was lost, although there may be one.
    async fn make(&self, tenant: usize, random: &mut Random) -> Result<Option<String>> {
        let chance = random.below(8);
        let image = match chance {
            0 => self.parts.broken.clone(),
            1 | 2 if tenant == 0 => self.image(random).await?,
            _ => self.parts.image.clone(),
        };
        let answer = self.send("create", "POST", "/servers", Some(self.parts.server("stream", &image))).await?;
        let Some(id) = answer["server"]["id"].as_str().map(str::to_owned) else { return Ok(None) };
        self.tally().servers.insert(id.clone());
        if chance == 3 {
            self.send("delete at once", "DELETE", &format!("/servers/{id}"), None).await?;
        }
        Ok(Some(id))
    }

    fn heard(&self, what: &'static str, wrong: Option<String>) {
        let mut tally = self.tally();
        *tally.requests.entry(what).or_default() += 1;
        tally.wrong.extend(wrong);
    }

    /// A new image of which no host has a copy: the guest's program and some bytes behind it.
    async fn image(&self, random: &mut Random) -> Result<String> {
        let mut bytes = tokio::fs::read(&self.parts.file).await?;
        bytes.extend(random.next().to_le_bytes());
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("image");
        tokio::fs::write(&file, bytes).await?;
        let body = json!({"name": "stream", "disk_format": "aki", "container_format": "aki", "visibility": "public"});
        let image = self.client.call("POST", "image", "/v2/images", Some(body)).await?;
        let id = image["id"].as_str().context("the image has no id")?.to_owned();
        self.tally().images.insert(id.clone());
        self.client.upload(&id, &file).await?;
        Ok(id)
    }

    /// Does something to a server, as its state allows; `false` once it is gone.
    async fn change(&self, id: &str, random: &mut Random) -> Result<bool> {
        let path = format!("/servers/{id}");
        let answer = self.send("show", "GET", &path, None).await?;
        let server = &answer["server"];
        let action = format!("{path}/action");
        match (server["status"].as_str(), random.below(4)) {
            (None, _) => return Ok(false),
            (Some("ACTIVE"), 0 | 1) => {
                // Also where the answer is lost.
                self.tally().stopped.insert(id.to_owned());
                drop(self.send("stop", "POST", &action, Some(json!({"os-stop": null}))).await?);
            }
            (Some("SHUTOFF"), 0..=2) => {
                drop(self.send("start", "POST", &action, Some(json!({"os-start": null}))).await?);
            }
            (Some("ACTIVE"), 2) | (Some("SHUTOFF" | "ERROR"), 3) => {
                drop(self.send("delete", "DELETE", &path, None).await?);
            }
            _ => {}
        }
        Ok(true)
    }

    async fn send(&self, what: &'static str, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.client.try_call(method, "compute", path, body).await?;
        let wrong = !matches!(status, 200..300 | 404 | 409 | 503);
        self.heard(what, wrong.then(|| format!("{method} {path}: {status} {answer}")));
        // A body that was cut off by a kill is no answer.
        anyhow::ensure!(status == 204 || status == 202 || !answer.is_null(), "the answer was cut off");
        Ok(answer)
    }
}

impl Parts {
    /// The body of a request for a server.
    pub fn server(&self, name: &str, image: &str) -> Value {
        json!({"server": {"name": name, "imageRef": image, "flavorRef": self.flavor, "networks": [{"uuid": self.network}]}})
    }
}
