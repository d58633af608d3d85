//! The story of two machines on this machine's KVM: one network over both, with small guests of our own on each. Then the one that
//! hides the tenants' addresses is unplugged, the other takes over, and in the end nothing is left.

pub mod partition;

use crate::demo::{self, DemoImage};
use anyhow::{Context as _, Result, ensure};
use humilis_harness::{
    build::{self, Profile},
    cloud::{Cloud, EXTERNAL_GATEWAY, Plan},
    exec, guest,
    host::{self, Host},
    isolate,
    rest::Client,
};
use serde_json::json;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// Tenants' networks have an MTU of 1450 here; a ping of so many bytes fills it.
const FULL: u32 = 1450 - 28;
/// Bytes of an image that is worth sharing.
const LARGE: u32 = 64 << 20;
/// Where the outside takes calls.
const CALLS: u16 = 8080;
const PATIENCE: Duration = Duration::from_secs(90);

/// A server on the shared network.
struct Server {
    id: String,
    node: usize,
    fixed: String,
    floating: Option<String>,
}

struct Story {
    hosts: [Host; 2],
    cloud: Cloud,
    client: Client,
    /// Who called the outside, by address.
    calls: Arc<Mutex<Vec<IpAddr>>>,
    started: Instant,
}

/// The whole story.
pub fn run() -> Result<()> {
    with_two(async |story| story.tell().await)
}

/// Two machines in a network of this program's own, whose story is told; a failure ends with their logs.
fn with_two(tell: impl AsyncFnOnce(&Story) -> Result<()>) -> Result<()> {
    let programs = build::programs(Profile::Dev)?;
    isolate::enter()?;
    let folder = tempfile::Builder::new().prefix("humilis-hosts-").tempdir()?;
    host::wires()?;
    let plan = Plan {
        namespace: None,
        address: host::UNDERLAY.to_owned(),
        federation: host::UNDERLAY.to_owned(),
        ..Plan::private(programs, folder.path(), "")
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let story = Story::begin(plan).await?;
        tell(&story).await.map_err(|error| error.context(story.logs()))
    })
}

impl Story {
    async fn begin(plan: Plan) -> Result<Self> {
        let started = Instant::now();
        let cloud = Cloud::start_controller(plan)?;
        let hosts = [Host::start(&cloud, 1)?, Host::start(&cloud, 2)?];
        let client = cloud.client().await?;
        let calls = listen()?;
        let story = Self { hosts, cloud, client, calls, started };
        story.until_up(2).await.map_err(|error| error.context(story.logs()))?;
        story.say("two machines joined by tokens");
        Ok(story)
    }

    async fn tell(&self) -> Result<()> {
        let (public, private) = self.prepare().await?;
        let mut servers = Vec::new();
        for (name, node) in [("one", 0), ("two", 1), ("shy-one", 0), ("shy-two", 1)] {
            servers.push(self.server(name, node, &private).await?);
        }
        self.image_is_shared(&private).await?;
        let [one, two, shy @ ..] = &mut servers[..] else { unreachable!("four were made") };
        self.say("two guests run on each");
        for server in [&mut *one, &mut *two] {
            self.float(server, &public).await?;
        }
        for (from, to) in [(&*one, &*two), (two, one)] {
            self.ask_from_outside(from, &format!("ping {} {FULL}", to.fixed), "ok")?;
            self.ask_from_outside(from, &format!("connect {} 7", to.fixed), "ok")?;
            self.ask_from_outside(from, "status", &format!("instance-id={}", from.id))?;
            let floating = from.floating.as_deref().unwrap_or_default();
            let full = ["-c", "1", "-W", "5", "-M", "do", "-s", &FULL.to_string(), floating];
            exec::read(Command::new("ping").args(full)).context("a floating address takes no packet of full size")?;
            self.leaves_as(from, floating, &private)?;
        }
        self.say("they reach each other with packets of full size, the outside and their metadata");
        let shared = self.shared_address().await?;
        for server in &*shy {
            self.leaves_as(server, &shared, &private)?;
            self.ask_from_inside(
                server,
                &private,
                &format!("ping {} {FULL}", one.floating.as_deref().unwrap_or_default()),
                "ok",
            )?;
        }
        self.say("guests without a floating address leave with the shared one, on both machines");
        let [first, second] = shy else { unreachable!("two are left") };
        let holder = self.holder(&shared)?;
        let (held, other) = if holder == 0 { (first, second) } else { (second, first) };
        self.unplugged(holder, held, other, &shared, &private).await?;
        for server in &servers {
            self.delete(server).await?;
        }
        self.nothing_is_left()
    }

    /// The first machine gets a large image from the controller, the second one from the first.
    async fn image_is_shared(&self, network: &str) -> Result<()> {
        let file = self.cloud.plan.folder.join("large.raw");
        let bytes: Vec<u8> = (0..LARGE).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(&file, bytes)?;
        let kernel = self.id("image", "/v2/images", "images", "small").await?;
        let properties = json!({"kernel_id": kernel});
        demo::image(&self.client, &DemoImage { name: "large", file: &file, disk_format: "raw", properties }).await?;
        for node in [0, 1] {
            let server = self.server_of("large", &format!("large-{node}"), node, network).await?;
            self.delete(&server).await?;
        }
        let fetched =
            |node: usize| self.hosts[node].log().lines().rfind(|line| line.contains("was fetched")).map(str::to_owned);
        let (first, second) = (fetched(0).unwrap_or_default(), fetched(1).unwrap_or_default());
        let size = format!("bytes={LARGE}");
        ensure!(first.contains(&size) && first.contains("hosts={}"), "the first machine says {first:?}");
        ensure!(second.contains(&size) && !second.contains("hosts={}"), "the second machine says {second:?}");
        self.say("the second machine got an image from the first");
        Ok(())
    }

    /// The machine that hides the tenants' addresses is out of sight for a while.
    async fn unplugged(&self, node: usize, held: &Server, other: &Server, shared: &str, net: &str) -> Result<()> {
        let host = &self.hosts[node];
        host.unplug()?;
        let since = Instant::now();
        self.until_up(1).await?;
        self.say(&format!("{} is missed {:.0} s after it was unplugged", host.name, since.elapsed().as_secs_f64()));
        self.leaves_as(other, shared, net)?;
        ensure!(self.holder(shared)? == other.node, "the shared address did not move");
        self.say("the other has the shared address");
        self.ask_from_inside(held, net, &format!("ping {}", self.gateway_inside(held)), "ok")
            .context("a guest of the unplugged machine lost its router")?;
        host.plug()?;
        self.until_up(2).await?;
        for server in [held, other] {
            self.leaves_as(server, shared, net)?;
        }
        self.ask_from_inside(held, net, &format!("ping {} {FULL}", other.fixed), "ok")?;
        self.say("it is back, and all is as before");
        Ok(())
    }

    /// What an operator makes first; gives the external and the tenants' network.
    async fn prepare(&self) -> Result<(String, String)> {
        demo::flavors(&self.client).await?;
        let file = self.cloud.plan.programs.guest.clone();
        let image = DemoImage { name: "small", file: &file, disk_format: "aki", properties: json!({}) };
        demo::image(&self.client, &image).await?;
        demo::open_default_group(&self.client).await?;
        demo::networks(&self.client).await
    }

    async fn server(&self, name: &str, node: usize, network: &str) -> Result<Server> {
        self.server_of("small", name, node, network).await
    }

    /// The id of what has this name in a collection.
    async fn id(&self, service: &str, path: &str, collection: &str, name: &str) -> Result<String> {
        let listed = self.client.call("GET", service, path, None).await?;
        let found = listed[collection].as_array().into_iter().flatten().find(|item| item["name"] == name);
        found.and_then(|item| item["id"].as_str()).map(str::to_owned).with_context(|| format!("there is no {name}"))
    }

    async fn server_of(&self, image: &str, name: &str, node: usize, network: &str) -> Result<Server> {
        let image = self.id("image", "/v2/images", "images", image).await?;
        let flavor = self.id("compute", "/flavors", "flavors", "m1.nano").await?;
        let host = &self.hosts[node].name;
        let body = json!({"server": {"name": name, "imageRef": image, "flavorRef": flavor,
            "availability_zone": format!("nova:{host}"), "networks": [{"uuid": network}]}});
        let made = self.client.call("POST", "compute", "/servers", Some(body)).await?;
        let id = made["server"]["id"].as_str().context("the server has no id")?.to_owned();
        demo::active(&self.client, &id, PATIENCE).await?;
        let shown = self.client.call("GET", "compute", &format!("/servers/{id}"), None).await?["server"].clone();
        ensure!(shown["OS-EXT-SRV-ATTR:host"] == host.as_str(), "{name} is not on {host}: {shown}");
        let address = shown["addresses"]["private"][0]["addr"].as_str().context("the server has no address")?;
        Ok(Server { id, node, fixed: address.to_owned(), floating: None })
    }

    async fn delete(&self, server: &Server) -> Result<()> {
        self.client.call("DELETE", "compute", &format!("/servers/{}", server.id), None).await.map(drop)
    }

    async fn float(&self, server: &mut Server, public: &str) -> Result<()> {
        let ports = self.client.call("GET", "network", &format!("/v2.0/ports?device_id={}", server.id), None).await?;
        let body = json!({"floatingip": {"floating_network_id": public, "port_id": ports["ports"][0]["id"]}});
        let made = self.client.call("POST", "network", "/v2.0/floatingips", Some(body)).await?;
        server.floating = made["floatingip"]["floating_ip_address"].as_str().map(str::to_owned);
        Ok(())
    }

    /// A command to a guest at its floating address, until the answer has this in it.
    fn ask_from_outside(&self, server: &Server, command: &str, wanted: &str) -> Result<()> {
        let address = server.floating.as_deref().context("it has no floating address")?;
        until(command, || answer(guest::command(address, command), wanted))
    }

    /// The same from its network's services on its own host.
    fn ask_from_inside(&self, server: &Server, network: &str, command: &str, wanted: &str) -> Result<()> {
        until(command, || {
            let asked = || guest::command(&server.fixed, command);
            answer(self.hosts[server.node].inside(&format!("hn-{network}"), asked), wanted)
        })
    }

    /// The guest calls the outside, which sees this address.
    fn leaves_as(&self, server: &Server, address: &str, network: &str) -> Result<()> {
        let seen: IpAddr = address.parse()?;
        self.calls().clear();
        let call = format!("connect {EXTERNAL_GATEWAY} {CALLS}");
        self.ask_from_inside(server, network, &call, "ok").with_context(|| format!("it shall leave as {address}"))?;
        let calls = self.calls().clone();
        ensure!(calls.iter().all(|caller| *caller == seen), "it shall leave as {address} and leaves as {calls:?}");
        Ok(())
    }

    fn calls(&self) -> std::sync::MutexGuard<'_, Vec<IpAddr>> {
        self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The router's own address outside.
    async fn shared_address(&self) -> Result<String> {
        let routers = self.client.call("GET", "network", "/v2.0/routers", None).await?;
        let fixed = &routers["routers"][0]["external_gateway_info"]["external_fixed_ips"][0]["ip_address"];
        fixed.as_str().map(str::to_owned).context("the router has no address outside")
    }

    /// Which machine has the shared address, as its router's namespace tells.
    fn holder(&self, shared: &str) -> Result<usize> {
        let mut holders = Vec::new();
        for (node, host) in self.hosts.iter().enumerate() {
            let addresses = host.inside(&self.router(host)?, || exec::read(Command::new("ip").args(["-4", "addr"])))?;
            if addresses.contains(&format!("inet {shared}/")) {
                holders.push(node);
            }
        }
        // One that is unplugged does not know that it is missed.
        holders.iter().copied().find(|node| self.hosts[*node].is_plugged()).context("nobody has the shared address")
    }

    fn router(&self, host: &Host) -> Result<String> {
        host.namespaces().into_iter().find(|name| name.starts_with("hr-")).context("a host has no router")
    }

    fn gateway_inside(&self, server: &Server) -> String {
        let address: Ipv4Addr = server.fixed.parse().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let [a, b, c, _] = address.octets();
        Ipv4Addr::new(a, b, c, 1).to_string()
    }

    /// Waits until so many hosts are up.
    async fn until_up(&self, wanted: usize) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.client.call("GET", "compute", "/os-hypervisors/detail", None).await?;
            let hosts = shown["hypervisors"].as_array().into_iter().flatten();
            if hosts.filter(|host| host["state"] == "up").count() == wanted {
                return Ok(());
            }
            ensure!(Instant::now() < end, "there are not {wanted} hosts up: {shown}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn nothing_is_left(&self) -> Result<()> {
        until("all guests' processes to end", || {
            ensure!(self.hosts.iter().all(|host| host.guests().is_empty()), "a guest's process is left");
            Ok(())
        })?;
        self.nothing_differs()?;
        self.say("nothing is left");
        Ok(())
    }

    /// Waits until the hosts are as their daemons have them, and all is as the controller has it.
    fn nothing_differs(&self) -> Result<()> {
        until("the audits", || {
            self.hosts.iter().try_for_each(Host::audit)?;
            self.cloud.audit()
        })
    }

    fn say(&self, what: &str) {
        println!("  {:6.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    fn logs(&self) -> String {
        let end = |text: &str| {
            text.lines().rev().take(15).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        let hosts = self.hosts.iter().map(|host| format!("{}:\n{}\n", host.name, end(&host.log()))).collect::<String>();
        format!("{hosts}controller:\n{}", self.cloud.log_end(humilis_harness::cloud::Daemon::Controller))
    }
}

/// The outside takes calls and notes who calls.
fn listen() -> Result<Arc<Mutex<Vec<IpAddr>>>> {
    let calls: Arc<Mutex<Vec<IpAddr>>> = Arc::default();
    let listener = TcpListener::bind(SocketAddr::new(EXTERNAL_GATEWAY.parse()?, CALLS))?;
    let noted = Arc::clone(&calls);
    std::thread::spawn(move || {
        for call in listener.incoming().flatten() {
            if let (Ok(from), Ok(mut calls)) = (call.peer_addr(), noted.lock()) {
                calls.push(from.ip());
            }
        }
    });
    Ok(calls)
}

fn answer(answer: Result<String>, wanted: &str) -> Result<()> {
    let answer = answer?;
    ensure!(answer.contains(wanted), "it answers {answer:?}");
    Ok(())
}

/// Tries until it succeeds: a guest has to start, and a network to settle.
fn until(what: &str, mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error.context(what.to_owned())),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}
