//! Servers, outward.

use super::{IntoWire, texts};
use controller_ports::fleet::guest::{
    DesiredGuest, GuestMetadata, ImageRef, KernelBoot, Power, PublicKey, RestartPolicy, RootDisk,
};
use humilis_proto::federation as wire;

impl IntoWire for DesiredGuest {
    type Wire = wire::Guest;
    fn into_wire(self) -> wire::Guest {
        wire::Guest {
            name: self.name,
            hostname: self.hostname,
            project_id: self.project_id.into(),
            user_id: self.user_id.into(),
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            numa_node: self.numa_node,
            power: Some(self.power.into_wire()),
            boot: Some(self.kernel.map(IntoWire::into_wire).unwrap_or_default()),
            root_disk: Some(self.root_disk.into_wire()),
            port_ids: texts(&self.ports),
            metadata: Some(self.metadata.into_wire()),
            config_drive: self.config_drive,
            request_id: self.request.map(String::from).unwrap_or_default(),
        }
    }
}

impl IntoWire for Power {
    type Wire = wire::GuestPower;
    fn into_wire(self) -> wire::GuestPower {
        wire::GuestPower {
            running: self.running,
            boot_count: self.boot_count,
            hard: self.hard,
            grace_seconds: self.grace_seconds,
            restart: self.restart.into_wire().into(),
        }
    }
}

impl IntoWire for RestartPolicy {
    type Wire = wire::RestartPolicy;
    fn into_wire(self) -> wire::RestartPolicy {
        match self {
            Self::OnFailure => wire::RestartPolicy::OnFailure,
            Self::Never => wire::RestartPolicy::Never,
            Self::Always => wire::RestartPolicy::Always,
        }
    }
}

impl IntoWire for KernelBoot {
    type Wire = wire::GuestBoot;
    fn into_wire(self) -> wire::GuestBoot {
        wire::GuestBoot {
            kernel: Some(self.kernel.into_wire()),
            ramdisk: self.ramdisk.map(IntoWire::into_wire),
            kernel_args: self.args,
        }
    }
}

impl IntoWire for ImageRef {
    type Wire = wire::ImageRef;
    fn into_wire(self) -> wire::ImageRef {
        wire::ImageRef {
            id: self.id.into(),
            sha256: self.sha256,
            size_bytes: self.size_bytes,
            disk_format: self.disk_format,
        }
    }
}

impl IntoWire for RootDisk {
    type Wire = wire::RootDisk;
    fn into_wire(self) -> wire::RootDisk {
        wire::RootDisk {
            image: self.image.map(IntoWire::into_wire),
            size_bytes: self.size_bytes,
            bus_serial: String::new(),
            ephemeral_bytes: self.ephemeral_bytes,
            swap_bytes: self.swap_bytes,
        }
    }
}

impl IntoWire for GuestMetadata {
    type Wire = wire::Metadata;
    fn into_wire(self) -> wire::Metadata {
        wire::Metadata {
            user_data: self.user_data,
            properties: self.properties.into_iter().collect(),
            keys: super::all(self.keys),
            availability_zone: self.availability_zone,
            flavor_name: self.flavor_name,
            image_id: self.image_id,
            reservation_id: self.reservation_id,
            launch_index: self.launch_index.to_string(),
            ec2_instance_id: self.ec2_instance_id,
            ec2_image_id: self.ec2_image_id,
            security_groups: self.security_groups,
            random_seed: self.random_seed,
            admin_password: self.admin_password,
            guest_password: self.guest_password,
        }
    }
}

impl IntoWire for PublicKey {
    type Wire = wire::KeyPair;
    fn into_wire(self) -> wire::KeyPair {
        wire::KeyPair { name: self.name, public_key: self.public_key, r#type: self.kind }
    }
}
