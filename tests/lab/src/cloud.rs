//! A cloud in a lab machine: controller and hostd on its payload disk, their state on its data disk.

use crate::{
    debian, firmware, host_disk,
    machine::{Machine, Place, Plan},
};
use anyhow::{Context as _, Result, bail};
use humilis_harness::{build::Programs, exec};
use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// Where the REST APIs are, from outside.
pub const ENDPOINT: &str = "https://10.78.0.2:8443";
/// The physical network of floating addresses, as networks name it.
pub const PHYSICAL_NETWORK: &str = "public";
/// The administrator's password.
const PASSWORD: &str = "secret";
const MEMORY_MIB: u32 = 6144;
const CPUS: u32 = 2;
const UP: Duration = Duration::from_secs(180);

/// A running cloud in its lab machine.
pub struct Cloud {
    machine: Machine,
    folder: PathBuf,
}

impl Cloud {
    /// Starts the machine with these programs and waits until the cloud answers and has its host.
    ///
    /// # Errors
    /// When an image cannot be made, the machine does not come up or the cloud does not answer.
    pub fn start(programs: &Programs, folder: &Path, place: Place) -> Result<Self> {
        let payload = folder.join("payload");
        fill(programs, &payload)?;
        let host = host_disk::get()?;
        let plan = Plan { host, payload, memory_mib: MEMORY_MIB, cpus: CPUS, place, folder: folder.to_owned() };
        let mut machine = Machine::start(plan)?;
        machine.wait(UP)?;
        let cloud = Self { machine, folder: folder.to_owned() };
        cloud.await_answer().with_context(|| cloud.logs())?;
        Ok(cloud)
    }

    fn await_answer(&self) -> Result<()> {
        let end = Instant::now() + UP;
        while self
            .machine
            .run(&format!("test -e {STATE}/controller/clouds.yaml && test -e {STATE}/hostd/local.sock"))
            .is_err()
        {
            if Instant::now() > end {
                bail!("controller and hostd did not come up");
            }
            std::thread::sleep(Duration::from_millis(500));
        }
        let authority = self.machine.run(&format!("cat {STATE}/controller/ca.pem"))?;
        fs::write(self.authority(), authority)?;
        fs::write(self.clouds_yaml(), clouds_yaml(&self.authority()))?;
        let probe = [
            "-s",
            "-f",
            "-o",
            "/dev/null",
            "--max-time",
            "20",
            "--retry",
            "60",
            "--retry-delay",
            "1",
            "--retry-all-errors",
        ];
        let url = format!("{ENDPOINT}/identity/v3");
        exec::read(self.machine.outside("curl").args(probe).arg("--cacert").arg(self.authority()).arg(url)).map(drop)
    }

    /// The machine it runs in.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The certificate authority's file on this machine.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// The file with which the OpenStack client logs in, as cloud `humilis`.
    #[must_use]
    pub fn clouds_yaml(&self) -> PathBuf {
        self.folder.join("clouds.yaml")
    }

    /// What `controller audit` and `hostd audit` find: nothing, if all is well.
    ///
    /// # Errors
    /// When something does not fit; the error is the findings.
    pub fn audit(&self) -> Result<()> {
        for program in ["controller", "hostd"] {
            let command = format!("/opt/humilis/bin/{program} --config /opt/humilis/{program}.toml audit 2>&1");
            let output = self.machine.ssh(&command).output().context("cannot ask for an audit")?;
            if !output.status.success() {
                bail!("{program} audit: {}", String::from_utf8_lossy(&output.stdout));
            }
        }
        Ok(())
    }

    /// The ends of the daemons' logs and of the machine's console.
    #[must_use]
    pub fn logs(&self) -> String {
        let daemons = self.machine.run("tail -n 25 /run/*.log 2>&1").unwrap_or_else(|error| format!("{error:#}"));
        format!("{daemons}\nconsole:\n{}", self.machine.console())
    }

    /// Whether the machine died under it, which is the emulator's failure, not the cloud's: now and then an exit from a nested guest
    /// loses the host's registers. Says so.
    #[must_use]
    pub fn died(&self) -> bool {
        let died = self.machine.has_ended();
        if died {
            println!("The emulated machine died; its console's end:\n{}", self.machine.console());
        }
        died
    }

    /// Lets it run on when this program ends.
    pub fn let_go(self) {
        self.machine.let_go();
    }
}

const STATE: &str = "/var/lib/humilis";

/// Whether a cloud that an earlier program let go still runs in this folder.
#[must_use]
pub fn runs(folder: &Path) -> bool {
    let pid = fs::read_to_string(folder.join("qemu.pid")).unwrap_or_default();
    let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    let ours = folder.join("serial.log");
    !pid.is_empty() && String::from_utf8_lossy(&command).contains(&*ours.to_string_lossy())
}

/// What goes on the payload disk.
fn fill(programs: &Programs, payload: &Path) -> Result<()> {
    if payload.exists() {
        fs::remove_dir_all(payload).context("cannot remove the old payload")?;
    }
    fs::create_dir_all(payload.join("bin"))?;
    fs::create_dir_all(payload.join("units"))?;
    for (name, program) in [("controller", &programs.controller), ("hostd", &programs.hostd), ("vmm", &programs.vmm)] {
        strip(program, &payload.join("bin").join(name))?;
    }
    fs::copy(firmware::get()?, payload.join("CLOUDHV.fd"))?;
    fs::write(payload.join("controller.toml"), controller_config())?;
    fs::write(payload.join("hostd.toml"), hostd_config())?;
    script(&payload.join("units/controller"), CONTROLLER)?;
    script(&payload.join("units/hostd"), HOSTD)
}

/// Without what only debuggers read: it would all have to be read by an emulated disk's reader.
fn strip(from: &Path, to: &Path) -> Result<()> {
    if exec::read(Command::new("strip").arg("-o").arg(to).arg(from)).is_err() {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}

fn script(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).context("cannot make a script executable")
}

const CONTROLLER: &str = "#!/bin/bash\nexec controller --config /opt/humilis/controller.toml serve\n";

/// The host joins at its first start, with a token that the controller's operator makes.
const HOSTD: &str = "#!/bin/bash\n\
    if [ ! -e /var/lib/humilis/hostd/identity/certificate.pem ]; then\n\
    \x20 until [ -S /var/lib/humilis/controller/admin.sock ]; do sleep 0.2; done\n\
    \x20 read -r token fingerprint <<< \"$(controller --config /opt/humilis/controller.toml join-token)\"\n\
    \x20 hostd --config /opt/humilis/hostd.toml enrol --ca-fingerprint \"${fingerprint#sha256:}\" --token \"$token\" || exit\n\
    fi\n\
    exec hostd --config /opt/humilis/hostd.toml\n";

fn controller_config() -> String {
    format!(
        "state_directory = '{STATE}/controller'\n\
         [api]\nlisten = '0.0.0.0:8443'\npublic_url = '{ENDPOINT}'\n\
         [federation]\nlisten = '127.0.0.1:8444'\n\
         [identity]\nadmin_password = '{PASSWORD}'\n\
         [network]\nphysical_networks = ['{PHYSICAL_NETWORK}']\n"
    )
}

fn hostd_config() -> String {
    format!(
        "state_dir = '{STATE}/hostd'\nhostname = 'lab'\n\
         [controller]\nurl = 'https://127.0.0.1:8444'\n\
         [guests]\nvmm = '/opt/humilis/bin/vmm'\nfirmware = '/opt/humilis/CLOUDHV.fd'\n\
         [network.physical.{PHYSICAL_NETWORK}]\ninterface = 'br-ex'\ncreate = true\nhost_addresses = ['172.24.4.1/24']\nmasquerade = true\n"
    )
}

fn clouds_yaml(authority: &Path) -> String {
    format!(
        "clouds:\n  humilis:\n    auth:\n      auth_url: '{ENDPOINT}/identity/v3'\n      username: admin\n      password: {PASSWORD}\n      \
         user_domain_id: default\n      project_name: admin\n      project_domain_id: default\n    region_name: RegionOne\n    \
         identity_api_version: 3\n    cacert: '{}'\n",
        authority.display()
    )
}

/// Starts a cloud in a lab machine that stays running on this machine, or finds it running.
///
/// # Errors
/// As [`Cloud::start`].
pub fn up(folder: &Path, programs: &Programs) -> Result<PathBuf> {
    let clouds_yaml = folder.join("clouds.yaml");
    if runs(folder) && clouds_yaml.exists() {
        return Ok(clouds_yaml);
    }
    debian::folder()?;
    Cloud::start(programs, folder, Place::Here)?.let_go();
    Ok(clouds_yaml)
}

/// Ends the cloud that [`up`] left running; its disks stay.
pub fn down(folder: &Path) {
    if runs(folder) {
        let pid = fs::read_to_string(folder.join("qemu.pid")).unwrap_or_default();
        // Both may have gone by themselves meanwhile.
        drop(exec::read(Command::new("kill").arg(pid.trim())));
        drop(exec::read(Command::new("ip").args(["link", "del", "humilis-lab0"])));
    }
}
