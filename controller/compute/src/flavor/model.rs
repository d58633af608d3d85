//! Flavors as compute thinks of them.

use controller_base::Timestamp;
use controller_base::id::FlavorId;
use std::collections::BTreeMap;

/// A size.
#[derive(Clone, Debug, PartialEq)]
pub struct Flavor {
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
    /// Share of the host's network bandwidth; kept for clients, without effect.
    pub rxtx_factor: f64,
    /// Whether all projects may use it.
    pub is_public: bool,
    /// For people.
    pub description: Option<String>,
    /// Extra specs.
    pub extra_specs: BTreeMap<String, String>,
    /// When it was made.
    pub created_at: Timestamp,
}
