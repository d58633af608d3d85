//! From what is prepared to a running process: the spec, its descriptors, the spawn. Nothing here waits, so that it happens as
//! a whole or not at all.

use crate::{
    context::Context,
    model::Guest,
    prepare::{PrepareError, Prepared, PreparedBoot, file},
    process::{
        live::Live,
        spawn::{Descriptors, listen, spawn},
    },
};
use hostd_block::{Disk, Format};
use hostd_kit::{numa, paths::GuestDir};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};
use vmm_control::spec::{
    Boot, DiskFormat, DiskSpec, GuestSpec, JailSpec, LayerSpec, Near, NicSpec, SerialSpec, Smbios,
};

/// virtio-blk's serial number has 20 bytes.
const SERIAL_BYTES: usize = 20;

/// Starts the guest's process.
pub(crate) fn launch(
    context: &Context,
    dir: &GuestDir,
    guest: &Guest,
    prepared: Prepared,
    uid: u32,
) -> Result<Live, PrepareError> {
    let log = log(&dir.log()).map_err(file("open the process's log"))?;
    let mut descriptors = Descriptors::default();
    let spec = spec(context, dir, guest, prepared, uid, &log, &mut descriptors);
    let spec = spec.map_err(file("open what the guest needs"))?;
    spawn(&context.config.vmm, &context.scope.argument(&guest.id), &spec, descriptors, &log)
        .map_err(PrepareError::Spawn)
}

fn spec(
    context: &Context,
    dir: &GuestDir,
    guest: &Guest,
    prepared: Prepared,
    uid: u32,
    log: &File,
    give: &mut Descriptors,
) -> io::Result<GuestSpec> {
    let config = &context.config;
    Ok(GuestSpec {
        id: guest.id.to_string(),
        vcpus: guest.vcpus,
        memory_mib: guest.memory_mib,
        near: guest.numa_node.and_then(|node| near(guest, node)),
        boot: boot(prepared.boot, give)?,
        kvm: give.give(OpenOptions::new().read(true).write(true).open(&config.kvm)?)?,
        control: give.give(listen(&dir.control())?)?,
        disks: disks(guest, prepared.root, prepared.ephemeral, prepared.swap, prepared.config_drive, give)?,
        nics: prepared.ports.into_iter().map(|(id, port)| nic(&id, port, give)).collect::<io::Result<_>>()?,
        serial: SerialSpec { log: give.give(console(&dir.console())?)?, limit: config.console_bytes },
        log: give.give(log.try_clone()?)?,
        jail: config.jail.then_some(JailSpec { uid, gid: uid, seccomp: config.seccomp }),
        smbios: smbios(guest),
    })
}

/// The node that the guest shall be of. Where the machine does not have it any more, the guest runs all the same, only slower.
fn near(guest: &Guest, number: u32) -> Option<Near> {
    let node = numa::nodes().into_iter().find(|node| node.number == number);
    if node.is_none() {
        tracing::warn!(guest = %guest.id, number, "the guest's NUMA node is not there; it runs anywhere");
    }
    node.map(|node| Near { node: number, cpus: node.threads() })
}

fn boot(boot: PreparedBoot, give: &mut Descriptors) -> io::Result<Boot> {
    Ok(match boot {
        PreparedBoot::Firmware(image) => Boot::Firmware { image: give.give(image)? },
        PreparedBoot::Kernel { kernel, initrd, arguments } => Boot::Kernel {
            kernel: give.give(kernel)?,
            initrd: initrd.map(|initrd| give.give(initrd)).transpose()?,
            cmdline: arguments,
        },
    })
}

fn disks(
    guest: &Guest,
    root: Disk,
    ephemeral: Option<Disk>,
    swap: Option<Disk>,
    config_drive: Option<File>,
    give: &mut Descriptors,
) -> io::Result<Vec<DiskSpec>> {
    let mut specs = Vec::new();
    if !root.layers.is_empty() {
        specs.push(disk("root", root, &guest.disks.serial, false, give)?);
    }
    for (name, extra) in [("ephemeral", ephemeral), ("swap", swap)] {
        if let Some(extra) = extra {
            specs.push(disk(name, extra, name, false, give)?);
        }
    }
    if let Some(drive) = config_drive {
        let layers = vec![hostd_block::Layer { file: drive, format: Format::Raw }];
        specs.push(disk("config-drive", Disk { layers }, "config-drive", true, give)?);
    }
    Ok(specs)
}

fn disk(id: &str, disk: Disk, serial: &str, readonly: bool, give: &mut Descriptors) -> io::Result<DiskSpec> {
    let layers = disk.layers.into_iter().map(|layer| {
        let format = match layer.format {
            Format::Raw => DiskFormat::Raw,
            Format::Qcow2 => DiskFormat::Qcow2,
        };
        Ok(LayerSpec { fd: give.give(layer.file)?, format })
    });
    let serial = serial.chars().filter(char::is_ascii_graphic).take(SERIAL_BYTES).collect();
    Ok(DiskSpec { id: id.to_owned(), layers: layers.collect::<io::Result<_>>()?, readonly, serial })
}

fn nic(id: &hostd_net::model::PortId, port: hostd_net::PreparedPort, give: &mut Descriptors) -> io::Result<NicSpec> {
    Ok(NicSpec { id: id.to_string(), tap: give.give(port.tap)?, mac: port.mac.0, mtu: port.mtu })
}

/// What cloud-init recognises an OpenStack guest by.
fn smbios(guest: &Guest) -> Smbios {
    Smbios {
        manufacturer: "OpenStack Foundation".into(),
        product: "OpenStack Nova".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        serial: guest.id.to_string(),
        uuid: guest.id.to_string(),
        asset_tag: "OpenStack Nova".into(),
    }
}

fn log(path: &Path) -> io::Result<File> {
    // Of the current run alone; what an earlier one said was reported.
    OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
    OpenOptions::new().append(true).open(path)
}

fn console(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).read(true).write(true).truncate(false).mode(0o600).open(path)
}
