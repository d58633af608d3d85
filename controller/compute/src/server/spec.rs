//! What was asked for when a server was created, as it is stored: later changes of flavor, image or key do not reach it.

use controller_base::id::{FlavorId, ImageId, SecurityGroupId};
use controller_ports::network::RequestedNic;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The flavor as it was.
    pub flavor: FlavorCopy,
    /// The image as it was.
    pub image: ImageCopy,
    /// The key pair as it was.
    pub key: Option<KeyCopy>,
    /// Interfaces in order.
    pub nics: Vec<RequestedNic>,
    /// Groups of new ports.
    pub security_groups: Vec<SecurityGroupId>,
    /// Their names or ids as the tenant wrote them.
    pub security_group_names: Vec<String>,
    /// The request that made it, together with its siblings.
    pub reservation_id: String,
    /// Its place among them.
    pub launch_index: u32,
    /// The password that was returned.
    pub admin_password: String,
    /// Random bytes for the guest, base64.
    pub random_seed: String,
    /// Whether it gets a config drive.
    pub config_drive: bool,
    /// The zone that its host is in.
    pub availability_zone: String,
    /// The zone that the tenant insisted on.
    pub pinned_zone: Option<String>,
    /// The NUMA node of its host that it got, as it asked for one.
    #[serde(default)]
    pub numa_node: Option<u32>,
    /// `AUTO` or `MANUAL`.
    pub disk_config: String,
    /// Made by an administrator, who may use any project's networks.
    pub by_admin: bool,
    /// The request's id, for the log of what was done.
    pub request_id: String,
}

/// A flavor as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlavorCopy {
    /// Its id.
    pub id: FlavorId,
    /// Its name.
    pub name: String,
    /// vCPUs.
    pub vcpus: u32,
    /// MiB.
    pub memory_mib: u64,
    /// Root disk, GiB; 0: as large as the image.
    pub root_gib: u64,
    /// Ephemeral disk, GiB.
    pub ephemeral_gib: u64,
    /// Swap disk, MiB.
    pub swap_mib: u64,
    /// Extra specs.
    pub extra_specs: BTreeMap<String, String>,
}

/// An image as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageCopy {
    /// Its id.
    pub id: ImageId,
    /// What the root disk is made from; `None`: an empty disk, for an image that is itself a kernel.
    pub root: Option<Blob>,
    /// Size of the disk that the guest sees when the flavor names none.
    pub virtual_size_bytes: u64,
    /// Direct start of a kernel.
    pub kernel: Option<KernelCopy>,
    /// Its word on starting a guest again that ended by itself.
    #[serde(default)]
    pub restart: Option<String>,
    /// How many NUMA nodes it wants its guest to be of.
    #[serde(default)]
    pub numa_nodes: Option<String>,
    /// The traits that it requires of its host.
    #[serde(default)]
    pub traits: Vec<String>,
}

/// A kernel to start directly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KernelCopy {
    /// The kernel.
    pub kernel: Blob,
    /// Its RAM disk.
    pub ramdisk: Option<Blob>,
    /// Its command line.
    pub args: String,
}

/// Bytes that a host fetches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blob {
    /// The image that they belong to.
    pub image: ImageId,
    /// SHA-256, hex.
    pub sha256: String,
    /// Their number.
    pub size_bytes: u64,
    /// `raw`, `aki`, ...
    pub disk_format: String,
}

/// A key pair as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCopy {
    /// Its name.
    pub name: String,
    /// The public half.
    pub public_key: String,
    /// `ssh` or `x509`.
    pub kind: String,
}

impl FlavorCopy {
    /// GiB that its disks take of a host, swap rounded up.
    #[must_use]
    pub fn disk_gib(&self) -> u64 {
        self.root_gib.saturating_add(self.ephemeral_gib).saturating_add(self.swap_mib.div_ceil(1024))
    }
}
