//! What a host needs to know of a server.

use controller_base::id::{ImageId, PortId, ProjectId, RequestId, UserId};
use std::collections::BTreeMap;

/// A server as it shall be on its host.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredGuest {
    /// The server's name.
    pub name: String,
    /// The guest's own host name.
    pub hostname: String,
    /// Owner.
    pub project_id: ProjectId,
    /// Who made it.
    pub user_id: UserId,
    /// Number of vCPUs.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// The host's NUMA node that both are of; `None`: any.
    pub numa_node: Option<u32>,
    /// Shall it run.
    pub power: Power,
    /// Direct kernel start; `None`: firmware and the root disk's boot loader.
    pub kernel: Option<KernelBoot>,
    /// Its disks made from the flavor.
    pub root_disk: RootDisk,
    /// Its ports, in the order of its interfaces.
    pub ports: Vec<PortId>,
    /// What the metadata service and the config drive tell.
    pub metadata: GuestMetadata,
    /// Whether it gets a config drive.
    pub config_drive: bool,
    /// The request on whose behalf it changed last.
    pub request: Option<RequestId>,
}

/// Shall a guest run, and how it is brought there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Power {
    /// Shall it run.
    pub running: bool,
    /// A higher number than the host has carried out asks for a restart.
    pub boot_count: u64,
    /// Stop and restart without asking the guest.
    pub hard: bool,
    /// How long the guest may take to power itself off, seconds.
    pub grace_seconds: u32,
    /// Whether its host starts it again when it ends by itself.
    pub restart: RestartPolicy,
}

/// Whether a host starts a guest again that ended by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// When it crashed, not when it powered itself off.
    #[default]
    OnFailure,
    /// Only when it is asked for.
    Never,
    /// Also when it powered itself off.
    Always,
}

/// Direct kernel start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelBoot {
    /// The kernel.
    pub kernel: ImageRef,
    /// The initial RAM disk.
    pub ramdisk: Option<ImageRef>,
    /// The kernel's command line.
    pub args: String,
}

/// The bytes of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    /// The image.
    pub id: ImageId,
    /// SHA-256 of the bytes that hosts fetch, hex.
    pub sha256: String,
    /// Their number.
    pub size_bytes: u64,
    /// `raw`, or what a kernel's or ramdisk's image says.
    pub disk_format: String,
}

/// Disks by flavor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootDisk {
    /// What the root disk is a copy-on-write child of; `None`: an empty disk.
    pub image: Option<ImageRef>,
    /// The root disk's size.
    pub size_bytes: u64,
    /// Ephemeral disk's size; 0: none.
    pub ephemeral_bytes: u64,
    /// Swap disk's size; 0: none.
    pub swap_bytes: u64,
}

/// What a guest may ask about itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GuestMetadata {
    /// User data, decoded.
    pub user_data: Vec<u8>,
    /// The server's metadata.
    pub properties: BTreeMap<String, String>,
    /// Public keys.
    pub keys: Vec<PublicKey>,
    /// Availability zone.
    pub availability_zone: String,
    /// The flavor's name.
    pub flavor_name: String,
    /// The image's id; empty without one.
    pub image_id: String,
    /// The reservation, `r-` and eight characters.
    pub reservation_id: String,
    /// Position within the request that made it.
    pub launch_index: u32,
    /// `i-` and eight hex digits.
    pub ec2_instance_id: String,
    /// `ami-` and eight hex digits.
    pub ec2_image_id: String,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
    /// Random bytes, base64.
    pub random_seed: String,
    /// The administrator's password that the API returned.
    pub admin_password: String,
    /// The password that the guest made for itself, encrypted by it; empty: none.
    pub guest_password: String,
}

/// A key pair's public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The pair's name.
    pub name: String,
    /// OpenSSH or X.509 text.
    pub public_key: String,
    /// `ssh` or `x509`.
    pub kind: String,
}
