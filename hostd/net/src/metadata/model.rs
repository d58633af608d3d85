//! The contents of a guest's metadata, and where they come from.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;

use crate::ids::PortId;

/// What a guest is told about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GuestMetadata {
    /// The server's id.
    pub uuid: String,
    /// The server's name.
    pub name: String,
    /// Its host name, without a domain.
    pub hostname: String,
    /// Its project.
    pub project_id: String,
    /// Who made it.
    pub user_id: String,
    /// What the tenant gave along, decoded; empty: nothing.
    pub user_data: Vec<u8>,
    /// The server's metadata.
    pub properties: BTreeMap<String, String>,
    /// Public keys for its first user.
    pub keys: Vec<KeyPair>,
    /// Its availability zone.
    pub availability_zone: String,
    /// Its flavor's name.
    pub flavor_name: String,
    /// Its image's id.
    pub image_id: String,
    /// The request by which it was made.
    pub reservation_id: String,
    /// Its number within that request.
    pub launch_index: u32,
    /// `i-0000abcd`.
    pub ec2_instance_id: String,
    /// `ami-0000abcd`.
    pub ec2_image_id: String,
    /// `aki-...`; empty: none.
    pub ec2_kernel_id: String,
    /// `ari-...`; empty: none.
    pub ec2_ramdisk_id: String,
    /// Names of its security groups.
    pub security_groups: Vec<String>,
    /// Random bytes for its entropy pool, base64; empty: none.
    pub random_seed: String,
    /// Its administrator's password; empty: none.
    pub admin_password: String,
    /// The one that it made for itself, encrypted for its owner's key; empty: none.
    pub guest_password: String,
    /// Its ports, in the order of its interfaces.
    pub ports: Vec<PortId>,
}

/// A public key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyPair {
    /// Its name.
    pub name: String,
    /// OpenSSH's one-line form, or an X.509 certificate.
    pub public_key: String,
    /// `ssh` or `x509`.
    pub kind: String,
}

/// Where guests' metadata come from. Asked for every request, from the metadata server's tasks; must not block.
pub trait MetadataSource: Send + Sync + 'static {
    /// The guest that the port belongs to; `None` while it is not known.
    fn guest(&self, port: &PortId) -> Option<Arc<GuestMetadata>>;

    /// Keeps the password that the guest made for itself; ends once it is kept.
    fn keep_password(&self, guest: &GuestMetadata, password: String) -> BoxFuture<'static, Result<(), NotKept>>;
}

/// Why a guest's password is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// There is one.
    AlreadySet,
    /// The guest is not known any more.
    NotFound,
    /// Who keeps them does not answer; later it may.
    Unavailable,
}

/// Takes a guest's id and password to where it is kept.
pub type Keep = dyn Fn(String, String) -> BoxFuture<'static, Result<(), NotKept>> + Send + Sync;

/// A source that is simply told.
pub struct MetadataTable {
    guests: RwLock<HashMap<PortId, Arc<GuestMetadata>>>,
    keep: Box<Keep>,
}

impl MetadataTable {
    /// Without guests.
    #[must_use]
    pub fn new(keep: Box<Keep>) -> Self {
        Self { guests: RwLock::default(), keep }
    }

    /// Sets the metadata of a guest for all its ports.
    pub fn set_guest(&self, guest: GuestMetadata) {
        let guest = Arc::new(guest);
        let mut guests = self.guests.write().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|_, known| known.uuid != guest.uuid);
        for port in &guest.ports {
            guests.insert(port.clone(), Arc::clone(&guest));
        }
    }

    /// Forgets a guest.
    pub fn remove_guest(&self, uuid: &str) {
        let mut guests = self.guests.write().unwrap_or_else(PoisonError::into_inner);
        guests.retain(|_, known| known.uuid != uuid);
    }
}

impl MetadataSource for MetadataTable {
    fn guest(&self, port: &PortId) -> Option<Arc<GuestMetadata>> {
        self.guests.read().unwrap_or_else(PoisonError::into_inner).get(port).cloned()
    }

    fn keep_password(&self, guest: &GuestMetadata, password: String) -> BoxFuture<'static, Result<(), NotKept>> {
        (self.keep)(guest.uuid.clone(), password)
    }
}
