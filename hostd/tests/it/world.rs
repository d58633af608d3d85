//! A story's own little world: a network namespace, a directory, a controller, a hostd.

use crate::{
    controller::{Controller, TOKEN},
    daemon::{Daemon, process_of},
    programs,
};
use hostd_kit::ledger::{Key, Ledger};
use humilis_proto::federation::{self as wire, object};
use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// A story's world.
pub struct World {
    pub controller: Controller,
    /// With what the host joins.
    pub token: String,
    /// A guest's id that no other story has.
    pub id: String,
    dir: TempDir,
    cgroup: String,
}

/// Tells a story in a network namespace of its own.
pub fn tell<F: Future<Output = ()>>(story: impl FnOnce(World) -> F + Send) {
    std::thread::scope(|scope| {
        let told = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET | nix::sched::CloneFlags::CLONE_NEWNS)
                .expect("the tests run as root");
            let lo = std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
            assert!(lo.success());
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async { story(World::new().await).await });
        });
        if let Err(panic) = told.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

impl World {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let cgroup = format!("humilis-test-{}", std::process::id());
        let id = format!("0d1f2b1c-6f0b-4c3e-9a57-{:012}", std::process::id());
        Self { controller: Controller::start().await, token: TOKEN.into(), id, dir, cgroup }
    }

    pub fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    /// Where images and guests are: on a disk of their own, once a story has plugged one in.
    fn data(&self) -> PathBuf {
        if self.disk().exists() { self.disk().join("hostd") } else { self.state() }
    }

    fn disk(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn config(&self) -> PathBuf {
        let path = self.dir.path().join("hostd.toml");
        let text = format!(
            "state_dir = {:?}\ndata_dir = {:?}\nhostname = 'host'\n\
             [log]\nfilter = 'debug,h2=info,hyper=info,tower=info,tonic=info,rustls=info'\n\
             [controller]\nurl = {:?}\nca_fingerprint = {:?}\njoin_token = {:?}\n\
             [guests]\nvmm = {:?}\ncgroup_parent = {:?}\nports_deadline = 3\nstart_deadline = 20\n\
             [images]\nunused_bytes = 0\n[network]\nnamespace_dir = {:?}\n[local]\nmetrics = ''\n",
            self.state(),
            self.data(),
            self.controller.url,
            self.controller.fingerprint,
            self.token,
            programs::vmm(),
            self.cgroup,
            self.dir.path().join("netns"),
        );
        fs::write(&path, text).unwrap();
        path
    }

    /// Gives images and guests a disk of this size, gone with the story's mount namespace.
    pub fn data_disk(&self, size: &str) {
        let medium = self.dir.path().join("medium");
        fs::create_dir_all(&medium).unwrap();
        fs::create_dir_all(self.disk()).unwrap();
        mount(&["--make-rprivate", "/"], &[]);
        mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], &[&medium]);
        fs::create_dir(medium.join("hostd")).unwrap();
        self.plug();
    }

    /// Plugs the data disk in again.
    pub fn plug(&self) {
        mount(&["--bind"], &[&self.dir.path().join("medium"), &self.disk()]);
    }

    /// Pulls the data disk out.
    pub fn unplug(&self) {
        nix::mount::umount2(&self.disk(), nix::mount::MntFlags::MNT_DETACH).unwrap();
    }

    pub fn log(&self) -> PathBuf {
        self.dir.path().join("hostd.log")
    }

    pub fn hostd(&self) -> Daemon {
        Daemon::start(&self.config(), &self.log(), None)
    }

    pub fn hostd_with_fault(&self, fault: &str) -> Daemon {
        Daemon::start(&self.config(), &self.log(), Some(fault))
    }

    /// One of hostd's commands.
    pub fn command(&self, words: &[&str]) -> std::process::Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hostd"));
        command.arg("--config").arg(self.config()).args(words).output().unwrap()
    }

    /// A small guest: our own program as its kernel, a root disk of an image.
    pub fn guest(&self, id: &str) -> wire::Object {
        let kernel = self.controller.image("kernel", fs::read(programs::guest()).unwrap());
        let image = self.controller.image("disk", (0..1 << 20).map(|at| (at / 512) as u8).collect());
        let guest = wire::Guest {
            name: "small".into(),
            hostname: "small".into(),
            vcpus: 1,
            memory_mib: 32,
            power: Some(wire::GuestPower {
                running: true,
                boot_count: 1,
                grace_seconds: 10,
                ..wire::GuestPower::default()
            }),
            boot: Some(wire::GuestBoot { kernel: Some(kernel), ramdisk: None, kernel_args: "metadata=off".into() }),
            root_disk: Some(wire::RootDisk { image: Some(image), size_bytes: 2 << 20, ..wire::RootDisk::default() }),
            ..wire::Guest::default()
        };
        wire::Object { id: id.into(), generation: 1, object: Some(object::Object::Guest(guest)) }
    }

    /// The same on a NUMA node.
    pub fn near(&self, id: &str, node: u32) -> wire::Object {
        let mut object = self.guest(id);
        if let Some(object::Object::Guest(guest)) = &mut object.object {
            guest.numa_node = Some(node);
        }
        object
    }

    /// The same with a policy of restarts.
    pub fn with_policy(&self, id: &str, policy: wire::RestartPolicy) -> wire::Object {
        let mut object = self.guest(id);
        if let Some(object::Object::Guest(guest)) = &mut object.object {
            guest.power.as_mut().unwrap().set_restart(policy);
        }
        object
    }

    /// The same with an interface: a network of its own, an address by DHCP, metadata by both ways.
    pub fn networked(&self, id: &str) -> Vec<wire::Object> {
        let subnet = wire::Subnet {
            id: "subnet".into(),
            cidr: "10.9.0.0/24".into(),
            dhcp: true,
            service_address: "10.9.0.2".into(),
            ..wire::Subnet::default()
        };
        let network = wire::Network {
            name: "net".into(),
            mtu: 1450,
            segment: Some(wire::network::Segment::Overlay(wire::Overlay { vni: 77, remotes: vec![] })),
            subnets: vec![subnet],
            ..wire::Network::default()
        };
        let port = wire::Port {
            network_id: "network".into(),
            mac: "fa:16:3e:00:00:05".into(),
            fixed_ips: vec![wire::FixedIp { subnet_id: "subnet".into(), address: "10.9.0.5".into() }],
            port_security: true,
            security_group_ids: vec!["group".into()],
            admin_up: true,
            guest_id: id.into(),
            ..wire::Port::default()
        };
        let any = |ingress| wire::SecurityRule {
            id: format!("rule-{ingress}"),
            ingress,
            protocol: -1,
            port_min: -1,
            port_max: -1,
            ..wire::SecurityRule::default()
        };
        let rules = vec![any(true), any(false)];
        let group = wire::SecurityGroup { name: "default".into(), rules, stateful: true, ..Default::default() };
        let mut object = self.guest(id);
        if let Some(object::Object::Guest(guest)) = &mut object.object {
            guest.port_ids = vec!["port".into()];
            guest.config_drive = true;
            guest.boot.as_mut().unwrap().kernel_args = String::new();
        }
        let named = |id: &str, object| wire::Object { id: id.into(), generation: 1, object: Some(object) };
        vec![
            object,
            named("network", object::Object::Network(network)),
            named("port", object::Object::Port(port)),
            named("group", object::Object::SecurityGroup(group)),
        ]
    }

    /// What the host has left of anything.
    pub async fn leftovers(&self) -> Vec<String> {
        let question = wire::call::Question::Audit(wire::Audit {});
        let text = String::from_utf8(self.controller.ask(question).await.unwrap()).unwrap();
        let mut left: Vec<_> =
            text.lines().filter(|line| line.contains("\"explained\":false")).map(String::from).collect();
        left.extend(
            fs::read_dir(self.data().join("guests")).unwrap().map(|entry| format!("{:?}", entry.unwrap().path())),
        );
        left.extend(self.ledger().into_iter().filter(|(kind, _)| *kind == "guest").map(|key| format!("{key:?}")));
        left
    }

    /// What the ledger of the running hostd holds, read from a copy.
    fn ledger(&self) -> Vec<Key> {
        let copy = tempfile::tempdir().unwrap();
        fs::copy(self.state().join("ledger/journal"), copy.path().join("journal")).unwrap();
        let (_, loaded) = Ledger::open(copy.path(), &["guest"]).unwrap();
        loaded.entries.into_iter().map(|entry| entry.key).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.log()).unwrap_or_default());
            for entry in fs::read_dir(self.data().join("guests")).into_iter().flatten().flatten() {
                eprintln!("{}", fs::read_to_string(entry.path().join("vmm.log")).unwrap_or_default());
                eprintln!("{}", fs::read_to_string(entry.path().join("console.log")).unwrap_or_default());
            }
        }
        for entry in fs::read_dir(self.data().join("guests")).into_iter().flatten().flatten() {
            if let Some(pid) = entry.file_name().to_str().and_then(process_of) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
            }
        }
        for mount in ["", "memory", "cpu", "pids"] {
            let parent = PathBuf::from("/sys/fs/cgroup").join(mount).join(&self.cgroup);
            for child in fs::read_dir(&parent).into_iter().flatten().flatten() {
                let _ = fs::remove_dir(child.path());
            }
            let _ = fs::remove_dir(parent);
        }
        for mounted in [self.disk(), self.dir.path().join("medium")] {
            let _ = nix::mount::umount2(&mounted, nix::mount::MntFlags::MNT_DETACH);
        }
    }
}

fn mount(options: &[&str], paths: &[&Path]) {
    assert!(std::process::Command::new("mount").args(options).args(paths).status().unwrap().success());
}
