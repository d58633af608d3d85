//! What a guest's process is given at its start: sizes, devices and the numbers of inherited descriptors.
//!
//! Encoded with postcard into a sealed memory file that is the process's descriptor [`SPEC_FD`].

use serde::{Deserialize, Serialize};

/// The descriptor from which the process reads its [`GuestSpec`].
pub const SPEC_FD: i32 = 3;

/// The number of a descriptor that the process inherits.
pub type Fd = i32;

/// A whole guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSpec {
    /// The server's id; it names threads and log lines.
    pub id: String,
    /// Number of vCPUs, at least 1.
    pub vcpus: u8,
    /// Guest memory in MiB.
    pub memory_mib: u64,
    /// Where the process and the guest's memory shall be; `None`: anywhere.
    pub near: Option<Near>,
    /// How the guest starts.
    pub boot: Boot,
    /// `/dev/kvm`, opened by hostd.
    pub kvm: Fd,
    /// A listening Unix stream socket for the control protocol.
    pub control: Fd,
    /// Disks, in the order in which the guest finds them.
    pub disks: Vec<DiskSpec>,
    /// Network interfaces, in the order in which the guest finds them.
    pub nics: Vec<NicSpec>,
    /// The 16550 serial port.
    pub serial: SerialSpec,
    /// Where the process writes its own log lines.
    pub log: Fd,
    /// The jail that the process enters before it touches anything of the guest's; `None` only in tests.
    pub jail: Option<JailSpec>,
    /// Firmware tables' system information: what `dmidecode` and cloud-init's DMI probes see.
    pub smbios: Smbios,
}

/// A NUMA node of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Near {
    /// Where memory comes from as long as some is free.
    pub node: u32,
    /// The processors that all threads stay on, by number.
    pub cpus: Vec<u16>,
}

/// What a Linux kernel that is started directly is told when nobody says otherwise. The first two are nova's.
/// `cryptomgr.notests` leaves out the self-tests of the kernel's cryptography, as Linux itself does where
/// `CRYPTO_MANAGER_DISABLE_TESTS` has its default; distributions build them in for FIPS mode, in which the kernel runs them
/// whatever it is told. They are more than half of the start of Debian's kernel.
pub const LINUX_ARGUMENTS: &str = "root=/dev/vda console=ttyS0 cryptomgr.notests";

/// How a guest starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Boot {
    /// Direct start of a prepared kernel, a bzImage or a PVH ELF kernel.
    Kernel {
        /// The kernel image, perhaps prepared by `vmm-kernel`.
        kernel: Fd,
        /// The initial RAM disk, if any.
        initrd: Option<Fd>,
        /// The kernel's command line.
        cmdline: String,
    },
    /// UEFI firmware entered by PVH, which finds the boot loader on the first disk.
    Firmware {
        /// The firmware image (CLOUDHV.fd).
        image: Fd,
    },
}

/// A virtio-blk disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    /// A stable name for control messages and logs, for example `root` or a volume's id.
    pub id: String,
    /// The image chain: the active layer first, its backing files after it. qcow2 layers are told their backing file by this
    /// list; a name inside the image is never opened.
    pub layers: Vec<LayerSpec>,
    /// The device refuses writes.
    pub readonly: bool,
    /// At most 20 bytes of ASCII, the virtio-blk serial number (`/dev/disk/by-id/virtio-...`).
    pub serial: String,
}

/// One file of a disk's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerSpec {
    /// The open file.
    pub fd: Fd,
    /// Its format.
    pub format: DiskFormat,
}

/// A disk image's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DiskFormat {
    /// Bytes as the guest sees them.
    Raw,
    /// QEMU's copy-on-write format, version 2 or 3.
    Qcow2,
}

/// A virtio-net interface on a tap that hostd made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSpec {
    /// The port's id.
    pub id: String,
    /// The tap, opened with IFF_TAP | IFF_NO_PI | IFF_VNET_HDR.
    pub tap: Fd,
    /// The interface's hardware address.
    pub mac: [u8; 6],
    /// The MTU offered to the guest (VIRTIO_NET_F_MTU).
    pub mtu: u16,
}

/// The serial console.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SerialSpec {
    /// The log file, opened for reading and writing; past `limit` bytes the older half is dropped.
    pub log: Fd,
    /// The log's bound in bytes.
    pub limit: u64,
}

/// The jail around the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JailSpec {
    /// The user id that the process takes; no other guest has it.
    pub uid: u32,
    /// The group id that the process takes.
    pub gid: u32,
    /// Whether system calls are filtered per thread. Off only to find out which call is missing from a list.
    pub seccomp: bool,
}

/// SMBIOS type 1 and type 11.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smbios {
    /// Manufacturer, for example `OpenStack Foundation`.
    pub manufacturer: String,
    /// Product name; cloud-init recognises `OpenStack Nova` and `OpenStack Compute`.
    pub product: String,
    /// Version.
    pub version: String,
    /// Serial number.
    pub serial: String,
    /// The server's UUID in its textual form.
    pub uuid: String,
    /// Chassis asset tag (type 3); cloud-init recognises `OpenStack Nova`.
    pub asset_tag: String,
}
