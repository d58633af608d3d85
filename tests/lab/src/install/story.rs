//! What is told.

use super::{
    machine::Machine,
    wire::{OUTSIDE, Wire, address, mac},
};
use anyhow::{Context as _, Result, bail, ensure};
use humilis_harness::exec;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// An emulated machine beside other work is slow.
pub(crate) const BOOT: Duration = Duration::from_secs(1200);
pub(crate) const PATIENCE: Duration = Duration::from_secs(600);
/// What the client says that could not even ask which versions there are.
const UNHEARD: &str = "Failed to discover available identity versions";
/// Tenants' networks have an MTU of 1450; a ping of so many bytes fills it.
const FULL: u32 = 1450 - 28;

/// What the story is about.
#[derive(Clone, Copy, Debug)]
pub struct Subjects<'a> {
    /// The installer's disk.
    pub installer: &'a Path,
    /// The small guest of our own.
    pub guest: &'a Path,
    /// The folder of OpenStack's own client.
    pub client: &'a Path,
}

/// Tells it; once more where an emulated machine itself died of it.
///
/// # Errors
/// The first step that fails, with the machines' consoles.
pub fn run(subjects: Subjects<'_>) -> Result<()> {
    if once(subjects)? || once(subjects)? {
        return Ok(());
    }
    bail!("an emulated machine died twice")
}

/// Whether the machines lived to its end.
fn once(subjects: Subjects<'_>) -> Result<bool> {
    let folder = tempfile::Builder::new().prefix("humilis-install-").tempdir()?;
    let wire = Wire::lay(folder.path(), 2)?;
    let openstack = subjects.client.join("bin/openstack");
    let mut story = Story { wire, folder: folder.path(), openstack, machines: Vec::new(), started: Instant::now() };
    let told = story.tell(subjects);
    if told.is_err() && story.machines.iter_mut().any(Machine::has_ended) {
        println!("An emulated machine died: {:#}", told.err().context("nothing failed")?);
        return Ok(false);
    }
    told.map_err(|error| error.context(story.consoles()))?;
    Ok(true)
}

pub(crate) struct Story<'a> {
    pub(crate) wire: Wire,
    pub(crate) folder: &'a Path,
    pub(crate) openstack: PathBuf,
    pub(crate) machines: Vec<Machine>,
    pub(crate) started: Instant,
}

/// A guest, and where it is.
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) id: String,
    fixed: String,
    pub(crate) floating: String,
}

impl Story<'_> {
    fn tell(&mut self, subjects: Subjects<'_>) -> Result<()> {
        self.install_both(subjects.installer)?;
        self.prepare(subjects.guest)?;
        let guests = [self.guest(1)?, self.guest(2)?];
        self.meet(&guests)?;
        self.screens()?;
        self.alone(&guests)?;
        for guest in &guests {
            self.openstack(&format!("server delete {} --wait", guest.name))?;
        }
        self.carry()?;
        self.inventories()?;
        self.openstack("server delete iperf-1 iperf-2 --wait")?;
        self.say("told to its end");
        Ok(())
    }

    /// Installs both; gives the administrator's password, and what the console told of the authority.
    pub(crate) fn install_both(&mut self, installer: &Path) -> Result<(String, String)> {
        let external = mac(1, 1);
        let first =
            format!("role=controller,host\nhostname=node-1\ndisk=/dev/vda\nafter=reboot\nexternal={external}\n");
        self.install(1, installer, &first)?;
        let (password, _) = self.machine(1)?.says("humilis: user admin, password ", BOOT)?;
        let (pair, _) = self.machine(1)?.says("humilis: machines join within an hour by ", BOOT)?;
        self.trust(&pair)?;
        self.log_in(&password)?;
        self.say("the first machine's console told the password and a join token");
        let (token, authority) = pair.split_once(' ').context("the console shows no pair of token and fingerprint")?;
        let (external, controller) = (mac(2, 1), address(1));
        let second = format!(
            "role=host\nhostname=node-2\ndisk=/dev/vda\ndata=/dev/vdb\nafter=reboot\nexternal={external}\n\
             controller=https://{controller}:8444\ntoken={token}\nca={authority}\n"
        );
        self.install(2, installer, &second)?;
        self.hypervisors()?;
        Ok((password, pair))
    }

    /// From an empty disk to a machine that does what it is for.
    pub(crate) fn install(&mut self, number: u8, installer: &Path, answers: &str) -> Result<()> {
        let mut machine = Machine::new(number, self.folder, installer, answers)?;
        machine.switch_on(&self.wire)?;
        self.machines.push(machine);
        let (_, installed) = self.machine(number)?.says("humilis: installed on", BOOT)?;
        let (ready, all) = self.machine(number)?.says("humilis: ready", BOOT)?;
        let (installed, all) = (installed.as_secs_f64(), all.as_secs_f64());
        self.say(&format!(
            "machine {number}: installed {installed:.0} s after power-on, ready {:.0} s later: {ready}",
            all - installed
        ));
        Ok(())
    }

    pub(crate) fn machine(&mut self, number: u8) -> Result<&mut Machine> {
        self.machines.iter_mut().find(|machine| machine.number == number).context("there is no such machine")
    }

    /// Takes the controller's authority from what it shows, if it is the one that the console named.
    pub(crate) fn trust(&self, pair: &str) -> Result<()> {
        let fingerprint = pair.split_once("sha256:").context("the console shows no fingerprint")?.1;
        let server = format!("{}:8443", address(1));
        let shown = exec::read(self.wire.command("openssl").args(["s_client", "-showcerts", "-connect", &server]))?;
        let marks = ["-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"];
        let file = self.folder.join("ca.pem");
        for part in shown.split(marks[0]).skip(1) {
            let body = part.split_once(marks[1]).map_or(part, |(body, _)| body);
            fs::write(&file, format!("{}{body}{}\n", marks[0], marks[1]))?;
            let words = ["x509", "-noout", "-fingerprint", "-sha256", "-in"];
            let said = exec::read(std::process::Command::new("openssl").args(words).arg(&file))?;
            if said.replace(':', "").to_lowercase().contains(fingerprint.trim()) {
                return Ok(());
            }
        }
        bail!("the controller shows no certificate with the fingerprint {fingerprint}")
    }

    pub(crate) fn log_in(&self, password: &str) -> Result<()> {
        let (address, ca) = (address(1), self.folder.join("ca.pem"));
        let text = format!(
            "clouds:\n  humilis:\n    auth:\n      auth_url: https://{address}:8443/identity/v3\n      username: admin\n      \
             password: '{password}'\n      user_domain_id: default\n      project_name: admin\n      project_domain_id: default\n    \
             region_name: RegionOne\n    identity_api_version: 3\n    cacert: {}\n",
            ca.display()
        );
        fs::write(self.folder.join("clouds.yaml"), text)?;
        self.openstack("token issue").map(drop)
    }

    /// Both machines, with what they have.
    pub(crate) fn hypervisors(&self) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let list = loop {
            let list = self.json("hypervisor list --long")?;
            let up = list.as_array().into_iter().flatten().filter(|host| host["State"] == "up").count();
            if up == 2 {
                break list;
            }
            ensure!(Instant::now() < end, "the second machine did not join: {list}");
        };
        println!("{}", self.openstack("hypervisor list --long")?.trim_end());
        for host in list.as_array().into_iter().flatten() {
            let name = host["Hypervisor Hostname"].as_str().context("a hypervisor has no name")?;
            let number = if name == "node-1" { 1 } else { 2 };
            let shown = self.json(&format!("hypervisor show {name}"))?;
            ensure!(shown["host_ip"] == address(number), "{name} is not at {}: {shown}", address(number));
            ensure!(shown["state"] == "up" && shown["status"] == "enabled", "{name} is not up: {shown}");
        }
        self.say("two hypervisors, each at its address");
        Ok(())
    }

    pub(crate) fn prepare(&self, guest: &Path) -> Result<()> {
        let image = format!("image create --disk-format aki --container-format aki --file {} small", guest.display());
        self.openstack(&image)?;
        let pool = format!(
            "subnet create public --network public --subnet-range 172.24.4.0/24 --gateway {OUTSIDE} --no-dhcp \
             --allocation-pool start=172.24.4.10,end=172.24.4.99"
        );
        for words in [
            "flavor create --ram 64 --disk 0 --vcpus 1 small",
            "network create public --external --provider-network-type flat --provider-physical-network public",
            &pool,
            "network create net",
            "subnet create net --network net --subnet-range 10.1.0.0/24",
            "router create router --external-gateway public",
            "router add subnet router net",
            "security group create open",
            "security group rule create open --protocol icmp",
            "security group rule create open --protocol tcp --dst-port 7:23",
        ] {
            self.openstack(words)?;
        }
        self.say("image, flavor, networks, router");
        Ok(())
    }

    /// Starts a guest on a machine and gives it a floating address.
    pub(crate) fn guest(&self, number: u8) -> Result<Guest> {
        let name = format!("guest-{number}");
        let made = self.json(&format!(
            "server create {name} --image small --flavor small --network net --security-group open \
             --availability-zone nova:node-{number} --wait"
        ))?;
        ensure!(made["status"] == "ACTIVE", "{name} is not ACTIVE: {made}");
        ensure!(made["OS-EXT-SRV-ATTR:host"] == format!("node-{number}"), "{name} is elsewhere: {made}");
        let id = made["id"].as_str().context("a server has no id")?.to_owned();
        let ports = self.json(&format!("port list --server {name}"))?;
        let fixed = ports[0]["Fixed IP Addresses"][0]["ip_address"].as_str().context("a port has no address")?;
        let floating = self.json("floating ip create public")?;
        let floating = floating["floating_ip_address"].as_str().context("a floating IP has no address")?.to_owned();
        self.openstack(&format!("server add floating ip {name} {floating}"))?;
        self.say(&format!("{name} runs on node-{number}, at {fixed} and {floating}"));
        Ok(Guest { name, id, fixed: fixed.to_owned(), floating })
    }

    /// They reach each other, the outside and their metadata.
    fn meet(&self, guests: &[Guest; 2]) -> Result<()> {
        let [one, two] = guests;
        for (guest, other) in [(one, two), (two, one)] {
            self.answers(guest, "status", &format!("instance-id={}", guest.id))?;
            self.answers(guest, &format!("ping {} {FULL}", other.fixed), "ok")?;
            self.answers(guest, &format!("connect {} 7", other.fixed), "ok")?;
            let size = FULL.to_string();
            let ping = ["-c", "3", "-W", "10", "-M", "do", "-s", &size, &guest.floating];
            let said = exec::read(self.wire.command("ping").args(ping))?;
            println!("  {}: {}", guest.name, said.lines().last().unwrap_or_default());
            let console = self.openstack(&format!("console log show {}", guest.name))?;
            ensure!(console.contains("metadata instance-id="), "{} has no metadata: {console}", guest.name);
        }
        self.say("they reach each other with packets of full size, and have floating addresses and metadata");
        Ok(())
    }

    /// What stands on the machines' consoles is what the controller knows of them.
    fn screens(&mut self) -> Result<()> {
        let known = self.json("hypervisor list --long")?;
        for number in [1, 2] {
            let (id, _) = self.machine(number)?.says("  identity  ", PATIENCE)?;
            let name = format!("node-{number}");
            let host = known.as_array().into_iter().flatten().find(|host| host["Hypervisor Hostname"] == name);
            ensure!(host.is_some_and(|host| host["ID"] == id), "{name} shows {id}: {known}");
            self.machine(number)?.says("  guests    1 running", PATIENCE)?;
        }
        self.say("their consoles show who they are and that a guest runs on each");
        Ok(())
    }

    /// The first machine, and with it the controller, is off: the second one's guest goes on, also after a power cut of its own. Then the
    /// first one is back, and all is as it was.
    fn alone(&mut self, guests: &[Guest; 2]) -> Result<()> {
        let [one, two] = guests;
        self.machine(1)?.press(BOOT)?;
        self.answers(two, "status", &format!("instance-id={}", two.id))?;
        self.machine(2)?.cut();
        self.switch_on(2)?;
        self.answers(two, "status", &format!("instance-id={}", two.id))?;
        let outside = format!("ping {OUTSIDE} {FULL}");
        self.answers(two, &outside, "ok")?;
        self.say("with the first machine switched off by its button, the second machine's guest runs on, and again after a power cut");
        self.switch_on(1)?;
        self.hypervisors()?;
        for guest in [one, two] {
            self.answers(guest, "status", &format!("instance-id={}", guest.id))?;
            let shown = self.json(&format!("server show {}", guest.name))?;
            ensure!(shown["status"] == "ACTIVE", "{} is not ACTIVE: {shown}", guest.name);
        }
        self.say("the controller is back, and so is the first machine's guest");
        Ok(())
    }

    /// Switches a machine on again, until it does what it is for.
    fn switch_on(&mut self, number: u8) -> Result<()> {
        let Story { wire, machines, .. } = self;
        let machine =
            machines.iter_mut().find(|machine| machine.number == number).context("there is no such machine")?;
        machine.switch_on(wire)?;
        machine.says("humilis: ready", BOOT).map(drop)
    }

    /// A command to the small guest at its floating address, until the answer has this in it.
    pub(crate) fn answers(&self, guest: &Guest, command: &str, wanted: &str) -> Result<()> {
        let end = Instant::now() + PATIENCE;
        let script = format!("(echo '{command}'; sleep 9) | timeout 10 busybox nc {} 23 | head -n 1", guest.floating);
        loop {
            let said = exec::read(self.wire.command("sh").args(["-c", &script])).unwrap_or_default();
            if said.contains(wanted) {
                println!("  {}: {command}: {}", guest.name, said.trim());
                return Ok(());
            }
            ensure!(Instant::now() < end, "{} answers {command:?} by {said:?}", guest.name);
        }
    }

    pub(crate) fn json(&self, words: &str) -> Result<Value> {
        let said = self.openstack(&format!("{words} -f json"))?;
        // With --wait, progress stands before it.
        let start = said.find(['{', '[']).with_context(|| format!("{words}: {said}"))?;
        serde_json::from_str(&said[start..]).with_context(|| format!("{words}: {said}"))
    }

    /// OpenStack's own client. It is asked again where it did not get as far as asking for anything: a client that waits for a
    /// processor loses its connection before it has said a word.
    pub(crate) fn openstack(&self, words: &str) -> Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let mut client = self.wire.command(&self.openstack);
            client.env("OS_CLIENT_CONFIG_FILE", self.folder.join("clouds.yaml")).env("OS_CLOUD", "humilis");
            let said = exec::read(client.args(words.split_whitespace()));
            let again = said.as_ref().is_err_and(|error| format!("{error:#}").contains(UNHEARD));
            if !again || Instant::now() > end {
                return said.with_context(|| format!("openstack {words}"));
            }
            self.say(&format!("openstack {words}: not heard, again"));
        }
    }

    pub(crate) fn say(&self, what: &str) {
        println!("{:7.1} s  {what}", self.started.elapsed().as_secs_f64());
    }

    pub(crate) fn consoles(&self) -> String {
        let end = |machine: &Machine| format!("machine {}:\n{}\n", machine.number, machine.end());
        self.machines.iter().map(end).collect()
    }
}
