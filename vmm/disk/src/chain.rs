//! A disk from the files of its layers.

use crate::image::{Format, ImageError};
use crate::qcow2::Qcow2;
use crate::raw::Raw;
use crate::{DiskError, DiskIo};
use std::fs::File;

/// Layers of a disk at most.
pub const MAX_LAYERS: usize = 16;

/// One file of a chain.
#[derive(Debug)]
pub struct Layer {
    /// The open file; writable for the active layer of a writable disk, readable for all.
    pub file: File,
    /// Its format.
    pub format: Format,
}

/// Opens a disk: the active layer first, each layer's backing file after it. The order of `layers` alone says what backs what;
/// names inside the images are not looked at, but an image that asks for a backing file must have got one.
///
/// # Errors
/// When an image is wrong, or the chain is empty, too long, or has something below a raw layer.
pub fn open_chain(layers: Vec<Layer>, read_only: bool) -> Result<Box<dyn DiskIo>, ImageError> {
    if layers.is_empty() || layers.len() > MAX_LAYERS {
        return Err(ImageError::Chain { what: "number of layers" });
    }
    let mut below: Option<Box<dyn DiskIo>> = None;
    let last = layers.len() - 1;
    for (depth, layer) in layers.into_iter().rev().enumerate() {
        let fixed = read_only || depth != last;
        below = Some(match layer.format {
            Format::Raw if below.is_some() => return Err(ImageError::Chain { what: "a raw layer has a backing file" }),
            Format::Raw => Box::new(Raw::open(layer.file, fixed).map_err(ImageError::from)?),
            Format::Qcow2 => Box::new(Qcow2::open(layer.file, below, fixed)?),
        });
    }
    below.ok_or(ImageError::Chain { what: "number of layers" })
}

/// Fills `data` from a layer; what lies beyond its end is zero.
pub(crate) fn read_padded(disk: &mut dyn DiskIo, offset: u64, data: &mut [u8]) -> Result<(), DiskError> {
    let inside = disk.len().saturating_sub(offset).min(data.len() as u64) as usize;
    let (there, beyond) = data.split_at_mut(inside);
    beyond.fill(0);
    if there.is_empty() { Ok(()) } else { disk.read_at(offset, there) }
}
