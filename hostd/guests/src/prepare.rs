//! Everything that a guest's process needs, made or found: images, disks, taps, config drive. All of it at once, each step
//! repeatable, and safe to drop at any point.

use crate::{
    config_drive,
    context::Context,
    model::{Boot, Guest},
};
use hostd_block::{BlockError, Disk, ImageFile};
use hostd_images::{Image, ImageError, Lease};
use hostd_kit::{
    fault::{self, Point},
    paths::GuestDir,
};
use hostd_net::{NetError, PreparedPort, model::PortId};
use std::{fs::File, io, os::unix::fs::DirBuilderExt, path::Path};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

/// Why a guest cannot be started. Its text is told to the tenant.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// An image is not to be had.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A disk cannot be made.
    #[error(transparent)]
    Disk(#[from] BlockError),
    /// A port was not announced in time.
    #[error("port {port} did not become known within {seconds} s")]
    PortDeadline {
        /// The port.
        port: PortId,
        /// The bound.
        seconds: u64,
    },
    /// A tap cannot be made.
    #[error("a port cannot be connected: {0}")]
    Port(#[from] NetError),
    /// A file cannot be used.
    #[error("cannot {action}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The process cannot be started.
    #[error("the guest's process cannot be started: {0}")]
    Spawn(io::Error),
    /// There are more guests than user ids.
    #[error(transparent)]
    Uid(#[from] crate::uids::NoUid),
}

pub(crate) fn file(action: &'static str) -> impl FnOnce(io::Error) -> PrepareError {
    move |source| PrepareError::File { action, source }
}

/// What is ready.
pub(crate) struct Prepared {
    pub(crate) boot: PreparedBoot,
    pub(crate) root: Disk,
    pub(crate) ephemeral: Option<Disk>,
    pub(crate) swap: Option<Disk>,
    pub(crate) config_drive: Option<File>,
    pub(crate) ports: Vec<(PortId, PreparedPort)>,
    pub(crate) leases: Vec<Lease>,
}

/// What the guest boots.
pub(crate) enum PreparedBoot {
    Kernel { kernel: File, initrd: Option<File>, arguments: String },
    Firmware(File),
}

/// Makes the guest's directory.
pub(crate) fn directory(dir: &GuestDir) -> Result<(), PrepareError> {
    let made = std::fs::DirBuilder::new().mode(0o700).create(dir.path());
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(file("make the guest's directory")(error)),
        _ => {
            fault::reach(Point::GuestDirectory);
            Ok(())
        }
    }
}

/// Prepares all of it.
pub(crate) async fn prepare(context: &Context, dir: &GuestDir, guest: &Guest) -> Result<Prepared, PrepareError> {
    directory(dir)?;
    let ((boot, mut leases), (disks, lease), ports, config_drive) = tokio::try_join!(
        boot(context, guest).instrument(tracing::debug_span!("guest.prepare.boot")),
        disks(context, dir, guest).instrument(tracing::debug_span!("guest.prepare.disks")),
        ports(context, guest).instrument(tracing::debug_span!("guest.prepare.ports")),
        drive(context, dir, guest).instrument(tracing::debug_span!("guest.prepare.config_drive")),
    )?;
    leases.extend(lease);
    let [root, ephemeral, swap] = disks;
    let root = root.unwrap_or_else(|| Disk { layers: Vec::new() });
    Ok(Prepared { boot, root, ephemeral, swap, config_drive, ports, leases })
}

async fn boot(context: &Context, guest: &Guest) -> Result<(PreparedBoot, Vec<Lease>), PrepareError> {
    match &guest.boot {
        Boot::Firmware => {
            let firmware = File::open(&context.config.firmware).map_err(file("open the firmware"))?;
            Ok((PreparedBoot::Firmware(firmware), Vec::new()))
        }
        Boot::Kernel { kernel, ramdisk, arguments } => {
            let (kernel, initrd) = tokio::try_join!(open_kernel(context, kernel), async {
                match ramdisk {
                    Some(image) => open(context, image).await.map(Some),
                    None => Ok(None),
                }
            })?;
            let (initrd, lease) = initrd.unzip();
            let leases = std::iter::once(kernel.1).chain(lease).collect();
            let arguments = arguments.clone();
            Ok((PreparedBoot::Kernel { kernel: kernel.0, initrd, arguments }, leases))
        }
    }
}

async fn open_kernel(context: &Context, image: &Image) -> Result<(File, Lease), PrepareError> {
    let (lease, path) = context.images.get_kernel(image).await?;
    let opened = File::open(path).map_err(file("open a kernel"))?;
    Ok((opened, lease))
}

async fn open(context: &Context, image: &Image) -> Result<(File, Lease), PrepareError> {
    let lease = context.images.get(image).await?;
    let opened = File::open(lease.path()).map_err(file("open an image"))?;
    Ok((opened, lease))
}

type DiskSet = [Option<Disk>; 3];

/// Root, ephemeral and swap disk.
async fn disks(context: &Context, dir: &GuestDir, guest: &Guest) -> Result<(DiskSet, Option<Lease>), PrepareError> {
    let lease = match &guest.disks.image {
        Some(image) => Some(context.images.get(image).await?),
        None => None,
    };
    let image = guest.disks.image.as_ref().zip(lease.clone()).map(|(image, lease)| (lease, image.size));
    let (dir, disks) = (dir.path().to_owned(), guest.disks.clone());
    let made = tokio::task::spawn_blocking(move || {
        let base = image.as_ref().map(|(lease, size)| ImageFile { path: lease.path(), size: *size });
        make_disks(&dir, base, disks.root_bytes, disks.ephemeral_bytes, disks.swap_bytes)
    });
    let made = made.await.map_err(|error| file("make the disks")(io::Error::other(error)))??;
    fault::reach(Point::GuestDisk);
    Ok((made, lease))
}

fn make_disks(
    dir: &Path,
    base: Option<ImageFile<'_>>,
    root: u64,
    ephemeral: u64,
    swap: u64,
) -> Result<DiskSet, BlockError> {
    let wants_root = base.is_some() || root > 0;
    let root = wants_root.then(|| hostd_block::root(dir, base, root)).transpose()?;
    let ephemeral = (ephemeral > 0).then(|| hostd_block::ephemeral(dir, ephemeral)).transpose()?;
    let swap = (swap > 0).then(|| hostd_block::swap(dir, swap)).transpose()?;
    Ok([root, ephemeral, swap])
}

async fn ports(context: &Context, guest: &Guest) -> Result<Vec<(PortId, PreparedPort)>, PrepareError> {
    let deadline = Instant::now() + context.config.ports_deadline;
    let mut prepared = Vec::with_capacity(guest.ports.len());
    for port in &guest.ports {
        prepared.push((port.clone(), connect(context, port, deadline).await?));
    }
    fault::reach(Point::GuestPorts);
    Ok(prepared)
}

/// Connects a port as soon as the network knows it.
async fn connect(context: &Context, port: &PortId, deadline: Instant) -> Result<PreparedPort, PrepareError> {
    loop {
        let changed = context.ports_changed.notified();
        tokio::pin!(changed);
        // From here on no change is missed.
        changed.as_mut().enable();
        match context.ports.prepare(port).await {
            Err(NetError::UnknownPort(_) | NetError::UnknownNetwork(_)) => {}
            other => return Ok(other?),
        }
        if timeout_at(deadline, changed).await.is_err() {
            let seconds = context.config.ports_deadline.as_secs();
            return Err(PrepareError::PortDeadline { port: port.clone(), seconds });
        }
    }
}

/// The config drive is made anew at each start: metadata may have changed.
async fn drive(context: &Context, dir: &GuestDir, guest: &Guest) -> Result<Option<File>, PrepareError> {
    if !guest.config_drive {
        return Ok(None);
    }
    let interfaces = context.ports.interfaces(&guest.ports).await?;
    let image = config_drive::render(&guest.metadata, &interfaces).map_err(file("make the config drive"))?;
    let path = dir.config_drive();
    hostd_kit::durable::write(&path, &image, hostd_kit::durable::Durability::Process)
        .map_err(file("write the config drive"))?;
    File::open(path).map(Some).map_err(file("open the config drive"))
}
