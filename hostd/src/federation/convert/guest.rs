//! Guests, inward.

use super::{Invalid, number, parse};
use hostd_guests::model::{Boot, Disks, Guest, LINUX_ARGUMENTS, Power, Restart};
use hostd_images::Image;
use hostd_net::{
    metadata::{GuestMetadata, KeyPair},
    model::PortId,
};
use humilis_proto::federation as wire;
use std::{sync::Arc, time::Duration};

/// Bytes of a kernel's command line.
const MAX_ARGUMENTS: usize = 2000;
/// The bound on a guest's memory: more than any host has.
const MAX_MEMORY_MIB: u64 = 64 << 20;

pub(super) fn guest(id: &str, generation: u64, guest: wire::Guest) -> Result<Guest, Invalid> {
    let id = id.parse()?;
    let power = guest.power.ok_or(Invalid::Missing("power"))?;
    let ports: Vec<_> = guest.port_ids.iter().map(|port| PortId::new(port.clone())).collect();
    let boot = boot(guest.boot.unwrap_or_default())?;
    let vcpus: u8 = number("vcpus", guest.vcpus)?;
    let memory = Some(guest.memory_mib).filter(|mib| (1..=MAX_MEMORY_MIB).contains(mib));
    let told = Told { id: &id, name: guest.name, hostname: guest.hostname, ports: &ports, boot: &boot };
    let owner = (guest.project_id, guest.user_id);
    Ok(Guest {
        generation,
        vcpus: Some(vcpus).filter(|count| *count > 0).ok_or_else(|| Invalid::value("vcpus", vcpus))?,
        memory_mib: memory.ok_or_else(|| Invalid::value("memory_mib", guest.memory_mib))?,
        numa_node: guest.numa_node,
        power: Power {
            running: power.running,
            boot_count: power.boot_count,
            hard: power.hard,
            grace: Duration::from_secs(u64::from(power.grace_seconds)),
            restart: restart(power.restart()),
        },
        disks: disks(guest.root_disk.unwrap_or_default())?,
        metadata: Arc::new(metadata(guest.metadata.unwrap_or_default(), told, owner)?),
        config_drive: guest.config_drive,
        request_id: guest.request_id,
        boot,
        ports,
        id,
    })
}

fn restart(policy: wire::RestartPolicy) -> Restart {
    match policy {
        wire::RestartPolicy::Unspecified | wire::RestartPolicy::OnFailure => Restart::OnFailure,
        wire::RestartPolicy::Never => Restart::Never,
        wire::RestartPolicy::Always => Restart::Always,
    }
}

fn boot(boot: wire::GuestBoot) -> Result<Boot, Invalid> {
    let Some(kernel) = boot.kernel else { return Ok(Boot::Firmware) };
    if boot.kernel_args.len() > MAX_ARGUMENTS || boot.kernel_args.contains('\0') {
        return Err(Invalid::value("kernel_args", "its value"));
    }
    let arguments = if boot.kernel_args.is_empty() { LINUX_ARGUMENTS.to_owned() } else { boot.kernel_args };
    let ramdisk = boot.ramdisk.map(|ramdisk| image(&ramdisk)).transpose()?;
    Ok(Boot::Kernel { kernel: image(&kernel)?, ramdisk, arguments })
}

fn image(image: &wire::ImageRef) -> Result<Image, Invalid> {
    let digest = parse("sha256", &image.sha256)?;
    let qcow2 = image.disk_format == "qcow2";
    Ok(Image { id: image.id.clone(), digest, size: image.size_bytes, qcow2 })
}

fn disks(disk: wire::RootDisk) -> Result<Disks, Invalid> {
    Ok(Disks {
        image: disk.image.as_ref().map(image).transpose()?,
        root_bytes: disk.size_bytes,
        serial: disk.bus_serial,
        ephemeral_bytes: disk.ephemeral_bytes,
        swap_bytes: disk.swap_bytes,
    })
}

/// What the metadata repeat of the guest.
struct Told<'a> {
    id: &'a hostd_kit::ids::GuestId,
    name: String,
    hostname: String,
    ports: &'a [PortId],
    boot: &'a Boot,
}

fn metadata(told: wire::Metadata, guest: Told<'_>, owner: (String, String)) -> Result<GuestMetadata, Invalid> {
    let launch_index = if told.launch_index.is_empty() { 0 } else { parse("launch_index", &told.launch_index)? };
    let (kernel, ramdisk) = ec2_boot(guest.boot);
    Ok(GuestMetadata {
        uuid: guest.id.to_string(),
        name: guest.name,
        hostname: guest.hostname,
        project_id: owner.0,
        user_id: owner.1,
        user_data: told.user_data,
        properties: told.properties.into_iter().collect(),
        keys: told.keys.into_iter().map(key).collect(),
        availability_zone: told.availability_zone,
        flavor_name: told.flavor_name,
        image_id: told.image_id,
        reservation_id: told.reservation_id,
        launch_index,
        ec2_instance_id: told.ec2_instance_id,
        ec2_image_id: told.ec2_image_id,
        ec2_kernel_id: kernel,
        ec2_ramdisk_id: ramdisk,
        security_groups: told.security_groups,
        random_seed: told.random_seed,
        admin_password: told.admin_password,
        guest_password: told.guest_password,
        ports: guest.ports.to_vec(),
    })
}

/// EC2's names of kernel and RAM disk, from the images' ids.
fn ec2_boot(boot: &Boot) -> (String, String) {
    let name = |kind: &str, image: &Image| format!("{kind}-{}", image.id.chars().take(8).collect::<String>());
    match boot {
        Boot::Firmware => (String::new(), String::new()),
        Boot::Kernel { kernel, ramdisk, .. } => {
            (name("aki", kernel), ramdisk.as_ref().map_or_else(String::new, |ramdisk| name("ari", ramdisk)))
        }
    }
}

fn key(key: wire::KeyPair) -> KeyPair {
    KeyPair { name: key.name, public_key: key.public_key, kind: key.r#type }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> wire::Guest {
        wire::Guest {
            vcpus: 1,
            memory_mib: 64,
            power: Some(wire::GuestPower {
                running: true,
                boot_count: 1,
                grace_seconds: 60,
                ..wire::GuestPower::default()
            }),
            ..wire::Guest::default()
        }
    }

    #[test]
    fn a_guest_without_a_kernel_boots_by_firmware() {
        let guest = guest("a", 1, small()).unwrap();
        assert_eq!(guest.boot, Boot::Firmware);
        assert_eq!(guest.power.grace, Duration::from_secs(60));
    }

    #[test]
    fn a_controller_that_knows_no_policy_means_the_usual_one() {
        use wire::RestartPolicy as Policy;
        let table = [
            (0, Restart::OnFailure),
            (Policy::OnFailure.into(), Restart::OnFailure),
            (Policy::Never.into(), Restart::Never),
            (Policy::Always.into(), Restart::Always),
            (99, Restart::OnFailure),
        ];
        for (restart, meant) in table {
            let mut told = small();
            told.power.as_mut().unwrap().restart = restart;
            assert_eq!(guest("a", 1, told).unwrap().power.restart, meant, "{restart}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let cases = [
            wire::Guest { vcpus: 0, ..small() },
            wire::Guest { vcpus: 300, ..small() },
            wire::Guest { memory_mib: 0, ..small() },
            wire::Guest { memory_mib: u64::MAX, ..small() },
            wire::Guest { power: None, ..small() },
        ];
        for case in cases {
            assert!(guest("a", 1, case.clone()).is_err(), "{case:?}");
        }
        assert!(guest("../a", 1, small()).is_err());
        let kernel = wire::ImageRef { sha256: "no digest".into(), ..wire::ImageRef::default() };
        let boot = Some(wire::GuestBoot { kernel: Some(kernel), ..wire::GuestBoot::default() });
        assert!(guest("a", 1, wire::Guest { boot, ..small() }).is_err());
    }
}
