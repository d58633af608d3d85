//! First phase: the spec is checked and its descriptors are taken.

use crate::boot::Source;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use vmm_control::spec::{Boot, DiskFormat, DiskSpec, GuestSpec, JailSpec, NicSpec, Smbios};
use vmm_sys::descriptor::{AdoptError, adopt};

/// Why a spec cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A descriptor is missing or used twice.
    #[error("the spec names a wrong descriptor")]
    Descriptor(#[from] AdoptError),
    /// A guest without a processor.
    #[error("a guest needs at least one vCPU")]
    NoVcpus,
    /// A disk without a layer.
    #[error("disk {0} has no layer")]
    NoLayers(String),
    /// The jail has no place for the process.
    #[error("the process cannot enter its jail")]
    Jail(#[from] vmm_jail::JailError),
}

/// A disk with its open layers, the active one first.
pub struct DiskPlan {
    /// Its name.
    pub id: String,
    /// Files and formats.
    pub layers: Vec<(File, DiskFormat)>,
    /// The device refuses writes.
    pub readonly: bool,
    /// The serial number that the guest sees.
    pub serial: String,
}

/// A network interface with its open tap.
pub struct NicPlan {
    /// Its name.
    pub id: String,
    /// The tap.
    pub tap: OwnedFd,
    /// The hardware address.
    pub mac: [u8; 6],
    /// The MTU.
    pub mtu: u16,
}

/// A guest whose descriptors all belong to this process.
pub struct Plan {
    /// The server's id.
    pub id: String,
    /// Number of vCPUs.
    pub vcpus: u8,
    /// Guest memory in MiB.
    pub memory_mib: u64,
    /// What the guest starts from.
    pub source: Source,
    /// `/dev/kvm`.
    pub kvm: OwnedFd,
    /// The listening control socket.
    pub control: UnixListener,
    /// Disks in the guest's order.
    pub disks: Vec<DiskPlan>,
    /// Interfaces in the guest's order.
    pub nics: Vec<NicPlan>,
    /// The console's log file and its bound.
    pub console: (File, u64),
    /// Firmware tables' system information.
    pub smbios: Smbios,
    /// Whether threads are filtered.
    pub seccomp: bool,
}

impl Plan {
    /// Takes the descriptors that `spec` names.
    ///
    /// # Errors
    /// When a descriptor is missing or used twice, or a number makes no guest.
    pub fn new(spec: GuestSpec) -> Result<(Self, Option<Confinement>), PlanError> {
        if spec.vcpus == 0 {
            return Err(PlanError::NoVcpus);
        }
        crate::log::to(File::from(adopt(spec.log)?));
        let confinement = spec.jail.as_ref().map(|jail| Confinement::new(jail, &spec));
        let plan = Self {
            id: spec.id,
            vcpus: spec.vcpus,
            memory_mib: spec.memory_mib,
            source: source(spec.boot)?,
            kvm: adopt(spec.kvm)?,
            control: adopt(spec.control)?.into(),
            disks: spec.disks.into_iter().map(disk).collect::<Result<_, _>>()?,
            nics: spec.nics.into_iter().map(nic).collect::<Result<_, _>>()?,
            console: (adopt(spec.serial.log)?.into(), spec.serial.limit),
            smbios: spec.smbios,
            seccomp: spec.jail.is_some_and(|jail| jail.seccomp),
        };
        Ok((plan, confinement))
    }
}

fn source(boot: Boot) -> Result<Source, PlanError> {
    Ok(match boot {
        Boot::Kernel { kernel, initrd, cmdline } => Source {
            image: adopt(kernel)?.into(),
            initrd: initrd.map(adopt).transpose()?.map(File::from),
            command_line: cmdline,
        },
        Boot::Firmware { image } => Source { image: adopt(image)?.into(), initrd: None, command_line: String::new() },
    })
}

fn disk(spec: DiskSpec) -> Result<DiskPlan, PlanError> {
    if spec.layers.is_empty() {
        return Err(PlanError::NoLayers(spec.id));
    }
    let open = |layer: vmm_control::spec::LayerSpec| Ok((File::from(adopt(layer.fd)?), layer.format));
    let layers = spec.layers.into_iter().map(open).collect::<Result<_, AdoptError>>()?;
    Ok(DiskPlan { id: spec.id, layers, readonly: spec.readonly, serial: spec.serial })
}

fn nic(spec: NicSpec) -> Result<NicPlan, PlanError> {
    Ok(NicPlan { id: spec.id, tap: adopt(spec.tap)?, mac: spec.mac, mtu: spec.mtu })
}

/// The jail that the process has to enter before it looks at anything of the guest's.
pub struct Confinement(vmm_jail::Jail);

impl Confinement {
    fn new(jail: &JailSpec, spec: &GuestSpec) -> Self {
        Self(vmm_jail::Jail { uid: jail.uid, gid: jail.gid, keep: descriptors(spec) })
    }

    /// Enters the jail.
    ///
    /// # Errors
    /// When a wall cannot be put up.
    pub fn enter(self) -> Result<(), PlanError> {
        Ok(vmm_jail::enter(&self.0)?)
    }
}

/// Every descriptor of a spec.
fn descriptors(spec: &GuestSpec) -> Vec<RawFd> {
    let boot = match &spec.boot {
        Boot::Kernel { kernel, initrd, .. } => vec![Some(*kernel), *initrd],
        Boot::Firmware { image } => vec![Some(*image)],
    };
    let layers = spec.disks.iter().flat_map(|disk| disk.layers.iter().map(|layer| layer.fd));
    let taps = spec.nics.iter().map(|nic| nic.tap);
    let rest = [spec.kvm, spec.control, spec.log, spec.serial.log];
    boot.into_iter().flatten().chain(layers).chain(taps).chain(rest).collect()
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("id", &self.id).field("kvm", &self.kvm.as_raw_fd()).finish_non_exhaustive()
    }
}
