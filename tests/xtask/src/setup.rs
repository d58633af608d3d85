//! What the machine must have, installed by package name from the registries that it already knows.

use anyhow::{Context as _, Result, bail};
use humilis_harness::{exec, paths};
use std::{fs, path::PathBuf, process::Command};

/// What a command is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Run the cloud on this machine.
    Cloud,
    /// Build the appliance and start it in emulation.
    Image,
    /// Run all tests, the lab included.
    All,
}

/// Program, file, or command that succeeds, and the package that brings it.
const CLOUD: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("curl", "curl"),
    ("python3 -m ensurepip --version", "python3-venv"),
    ("ssh-keygen", "openssh-client"),
    ("ping", "iputils-ping"),
    ("modprobe", "kmod"),
    ("cc", "gcc"),
];
const TESTS: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", "postgresql"),
    ("qemu-img", "qemu-utils"),
    ("mmdebstrap", "mmdebstrap"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("mcopy", "mtools"),
    ("sfdisk", "fdisk"),
    ("zstd", "zstd"),
    ("xz", "xz-utils"),
    ("openssl", "openssl"),
    ("/usr/sbin/slapd", "slapd"),
    ("ldapmodify", "ldap-utils"),
    ("promtool", "prometheus"),
];

const IMAGE: &[(&str, &str)] = &[
    ("mmdebstrap", "mmdebstrap"),
    ("qemu-img", "qemu-utils"),
    ("nbdkit", "nbdkit"),
    ("mkfs.vfat", "dosfstools"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("mcopy", "mtools"),
    ("strip", "binutils"),
    ("cc", "gcc"),
    ("xz", "xz-utils"),
];

/// The pinned OpenStack client, with placement's commands and all that it pulls in.
const CLIENT: Environment = Environment {
    name: "openstackclient",
    packages: &["python-openstackclient==10.5.0", "osc-placement==4.9.1"],
    constraints: "constraints.txt",
    what: "the OpenStack client",
};
/// Real Keystone, whose tokens are read here and which reads ours.
const KEYSTONE: Environment = Environment {
    name: "keystone",
    packages: &["keystone==30.0.0"],
    constraints: "constraints-keystone.txt",
    what: "Keystone",
};
/// A provider of OpenID Connect.
const OIDC_PROVIDER: Environment = Environment {
    name: "oidc-provider",
    packages: &["oidc-provider-mock==0.3.4"],
    constraints: "constraints-oidc.txt",
    what: "a provider of OpenID Connect",
};
/// What signs requests as AWS's own tools do.
const AWS: Environment =
    Environment { name: "aws", packages: &["boto3==1.44.5"], constraints: "constraints-aws.txt", what: "boto3" };

/// What speaks gRPC by reflection.
const GRPC: Environment = Environment {
    name: "grpc",
    packages: &["grpcio-reflection==1.85.1"],
    constraints: "constraints-grpc.txt",
    what: "a gRPC client",
};

/// A virtual environment with pinned packages and all that they pull in.
#[derive(Clone, Copy, Debug)]
struct Environment {
    name: &'static str,
    packages: &'static [&'static str],
    /// In `tests/compat`.
    constraints: &'static str,
    what: &'static str,
}

/// Installs what is missing; quick when nothing is.
///
/// # Errors
/// When something cannot be installed.
pub fn run(need: Need) -> Result<()> {
    let wanted = match need {
        Need::Cloud => [CLOUD, &[]],
        Need::Image => [IMAGE, &[]],
        Need::All => [CLOUD, TESTS],
    };
    let wanted = wanted.into_iter().flatten();
    let mut missing: Vec<&str> = wanted.filter(|(what, _)| !present(what)).map(|(_, package)| *package).collect();
    missing.dedup();
    if !missing.is_empty() {
        apt(&missing, None)?;
    }
    if need != Need::Cloud && !exec::has("qemu-system-x86_64") {
        emulator()?;
    }
    if need == Need::Image {
        return Ok(());
    }
    if need == Need::All {
        for environment in [KEYSTONE, OIDC_PROVIDER, AWS, GRPC] {
            environment.make()?;
        }
    }
    client().map(drop)
}

fn present(what: &str) -> bool {
    let mut words = what.split(' ');
    match (words.next(), words.collect::<Vec<_>>()) {
        (Some(path), _) if path.starts_with('/') => std::path::Path::new(path).exists(),
        (Some(program), arguments) if arguments.is_empty() => exec::has(program),
        (program, arguments) => exec::read(Command::new(program.unwrap_or_default()).args(arguments)).is_ok(),
    }
}

/// The emulator must be new enough for nested virtualization in emulation: from backports where the release is older.
fn emulator() -> Result<()> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.contains("VERSION_CODENAME=bookworm") {
        return apt(&["qemu-system-x86"], None);
    }
    backports()?;
    apt(&["qemu-system-x86"], Some("bookworm-backports"))
}

/// Names the backports suite beside the release's own, on the mirror that the machine already uses.
fn backports() -> Result<()> {
    let list = PathBuf::from("/etc/apt/sources.list.d/humilis-backports.sources");
    if list.exists() {
        return Ok(());
    }
    let options = "Types: deb\nSuites: bookworm-backports\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n";
    fs::write(&list, format!("{options}URIs: {}\n", mirror()?)).context("cannot name the backports suite")
}

/// The machine's own Debian mirror.
fn mirror() -> Result<String> {
    let format = "$(REPO_URI) $(CODENAME)";
    let known = exec::read(Command::new("apt-get").args(["indextargets", "--format", format]))?;
    let uri = known.lines().find_map(|line| line.strip_suffix(" bookworm"));
    uri.map(str::to_owned).context("this machine's apt knows no Debian mirror")
}

fn apt(packages: &[&str], suite: Option<&str>) -> Result<()> {
    if !nix_is_root() {
        bail!("as root: apt-get install {}", packages.join(" "));
    }
    let logs = paths::cache();
    fs::create_dir_all(&logs).context("cannot make the cache directory")?;
    let quiet = |command: &mut Command| {
        command.env("DEBIAN_FRONTEND", "noninteractive");
    };
    let mut update = Command::new("apt-get");
    quiet(update.args(["-q", "update"]));
    exec::step("Updating package lists", &logs.join("apt-update.log"), &mut update)?;
    let mut install = Command::new("apt-get");
    quiet(install.args(["-q", "install", "-y", "--no-install-recommends"]));
    if let Some(suite) = suite {
        install.args(["-t", suite]);
    }
    exec::step(&format!("Installing {}", packages.join(" ")), &logs.join("apt-install.log"), install.args(packages))
}

fn nix_is_root() -> bool {
    exec::read(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

/// The OpenStack client's virtual environment; made at first use.
///
/// # Errors
/// When it cannot be made.
pub fn client() -> Result<PathBuf> {
    CLIENT.make()
}

impl Environment {
    /// Makes it, if that was not done.
    fn make(self) -> Result<PathBuf> {
        let home = paths::cache().join(self.name);
        let (stamp, wanted) = (home.join("humilis-stamp"), self.packages.join(" "));
        if fs::read_to_string(&stamp).is_ok_and(|text| text == wanted) {
            return Ok(home);
        }
        fs::create_dir_all(paths::cache()).context("cannot make the cache directory")?;
        let log = paths::cache().join(format!("{}.log", self.name));
        exec::step(
            "Making a virtual environment",
            &log,
            Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home),
        )?;
        let constraints = paths::root().join("tests/compat").join(self.constraints);
        let mut pip = Command::new(home.join("bin/pip"));
        pip.args(["install", "-q", "-c"]).arg(constraints).args(self.packages);
        exec::step(&format!("Installing {}", self.what), &log, &mut pip)?;
        fs::write(stamp, wanted).context("cannot note what was installed")?;
        Ok(home)
    }
}
