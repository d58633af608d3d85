//! What hosts shall run: servers as desired guests.

use super::model::Server;
use super::restart;
use super::spec::{Blob, KernelCopy};
use super::store;
use super::wire::view::group_names;
use crate::{Compute, schema};
use async_trait::async_trait;
use controller_base::id::{HostId, ServerId};
use controller_ports::Unavailable;
use controller_ports::fleet::guest::{GuestMetadata, ImageRef, KernelBoot, Power, PublicKey, RootDisk};
use controller_ports::fleet::{Desired, DesiredGuest, DesiredObject, DesiredState, ObjectKey};
use controller_ports::network::AttachedPort;
use std::collections::HashMap;

const GIB: u64 = 1 << 30;
const MIB: u64 = 1 << 20;

#[async_trait]
impl DesiredState for Compute {
    fn owns(&self, key: &ObjectKey) -> bool {
        matches!(key, ObjectKey::Guest(_))
    }

    async fn list(&self, host: HostId) -> Result<Vec<Desired>, Unavailable> {
        let mut connection = self.db.read().await.map_err(crate::unavailable)?;
        let here = store::on_host(&mut connection, host).await.map_err(crate::unavailable)?;
        drop(connection);
        let wanted: Vec<Server> = here.into_iter().filter(|server| server.desired.published).collect();
        self.describe(wanted).await
    }

    async fn get(&self, host: HostId, key: ObjectKey) -> Result<Option<Desired>, Unavailable> {
        let ObjectKey::Guest(id) = key else {
            return Ok(None);
        };
        let mut connection = self.db.read().await.map_err(crate::unavailable)?;
        let server = store::get(&mut connection, id).await.map_err(crate::unavailable)?;
        drop(connection);
        let here = |server: &Server| server.host.as_ref().is_some_and(|placed| placed.id == host);
        let wanted = server.filter(|server| server.desired.published && here(server));
        Ok(self.describe(wanted.into_iter().collect()).await?.pop())
    }
}

impl Compute {
    async fn describe(&self, servers: Vec<Server>) -> Result<Vec<Desired>, Unavailable> {
        if servers.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ServerId> = servers.iter().map(|server| server.id).collect();
        let ports: HashMap<ServerId, Vec<AttachedPort>> = self.networks.ports_of(&ids).await?;
        let none = Vec::new();
        let desired = servers.iter().map(|server| Desired {
            key: ObjectKey::Guest(server.id),
            generation: server.desired.generation,
            object: DesiredObject::Guest(Box::new(guest(
                server,
                ports.get(&server.id).unwrap_or(&none),
                self.config.shutdown_grace_seconds,
            ))),
        });
        Ok(desired.collect())
    }
}

fn guest(server: &Server, ports: &[AttachedPort], grace_seconds: u32) -> DesiredGuest {
    let (spec, flavor) = (&server.spec, &server.spec.flavor);
    DesiredGuest {
        name: server.name.clone(),
        hostname: server.hostname.clone(),
        project_id: server.project_id.clone(),
        user_id: server.user_id.clone(),
        vcpus: flavor.vcpus,
        memory_mib: flavor.memory_mib,
        numa_node: spec.numa_node,
        power: Power {
            running: server.desired.running,
            boot_count: server.desired.boot_count,
            hard: server.desired.hard,
            grace_seconds,
            // It was a policy when the server was made.
            restart: restart::policy(&flavor.extra_specs, spec.image.restart.as_deref()).unwrap_or_default(),
        },
        kernel: spec.image.kernel.as_ref().map(kernel),
        root_disk: RootDisk {
            image: spec.image.root.as_ref().map(image_ref),
            size_bytes: root_bytes(server),
            ephemeral_bytes: flavor.ephemeral_gib.saturating_mul(GIB),
            swap_bytes: flavor.swap_mib.saturating_mul(MIB),
        },
        ports: ports.iter().map(|port| port.id).collect(),
        metadata: metadata(server, ports),
        config_drive: spec.config_drive,
        request: server.request.clone(),
    }
}

/// The flavor's root disk; with 0 as large as the image needs it.
fn root_bytes(server: &Server) -> u64 {
    let image = &server.spec.image;
    match server.spec.flavor.root_gib {
        0 => image.virtual_size_bytes.max(image.root.as_ref().map_or(0, |blob| blob.size_bytes)),
        gib => gib.saturating_mul(GIB),
    }
}

fn metadata(server: &Server, ports: &[AttachedPort]) -> GuestMetadata {
    let spec = &server.spec;
    let key = spec.key.as_ref().map(|key| PublicKey {
        name: key.name.clone(),
        public_key: key.public_key.clone(),
        kind: key.kind.clone(),
    });
    GuestMetadata {
        user_data: server.user_data.as_deref().and_then(schema::decode_base64).unwrap_or_default(),
        properties: server.metadata.clone(),
        keys: key.into_iter().collect(),
        availability_zone: spec.availability_zone.clone(),
        flavor_name: spec.flavor.name.clone(),
        image_id: spec.image.id.to_string(),
        reservation_id: spec.reservation_id.clone(),
        launch_index: spec.launch_index,
        ec2_instance_id: server.ec2_id(),
        ec2_image_id: format!("ami-{:08x}", spec.image.id.uuid().as_fields().0),
        security_groups: group_names(server, ports),
        random_seed: spec.random_seed.clone(),
        admin_password: spec.admin_password.clone(),
        guest_password: server.guest_password.clone(),
    }
}

fn kernel(copy: &KernelCopy) -> KernelBoot {
    KernelBoot {
        kernel: image_ref(&copy.kernel),
        ramdisk: copy.ramdisk.as_ref().map(image_ref),
        args: copy.args.clone(),
    }
}

fn image_ref(blob: &Blob) -> ImageRef {
    ImageRef {
        id: blob.image,
        sha256: blob.sha256.clone(),
        size_bytes: blob.size_bytes,
        disk_format: blob.disk_format.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::server;
    use super::*;
    use controller_ports::fleet::guest::RestartPolicy;

    #[test]
    fn a_server_is_described_for_its_host() {
        let mut sample = server();
        sample.user_data = Some("aGVsbG8=".to_owned());
        let guest = guest(&sample, &[], 60);
        assert_eq!((guest.vcpus, guest.memory_mib), (1, 512));
        assert_eq!(guest.root_disk.size_bytes, GIB);
        assert_eq!(guest.metadata.user_data, b"hello");
        assert_eq!(guest.metadata.ec2_instance_id, "i-a3f1c2d4");
        assert_eq!(guest.metadata.ec2_image_id, "ami-11111111");
        assert!(guest.power.running && guest.kernel.is_none());
    }

    #[test]
    fn its_policy_is_that_of_the_flavor_and_image_of_its_creation() {
        let mut sample = server();
        assert_eq!(guest(&sample, &[], 60).power.restart, RestartPolicy::OnFailure);
        sample.spec.image.restart = Some("always".to_owned());
        assert_eq!(guest(&sample, &[], 60).power.restart, RestartPolicy::Always);
        sample.spec.flavor.extra_specs.insert(restart::EXTRA_SPEC.to_owned(), "never".to_owned());
        assert_eq!(guest(&sample, &[], 60).power.restart, RestartPolicy::Never);
    }

    #[test]
    fn a_flavor_without_disk_takes_the_images_size() {
        let mut sample = server();
        sample.spec.flavor.root_gib = 0;
        assert_eq!(guest(&sample, &[], 60).root_disk.size_bytes, 4096);
    }
}
