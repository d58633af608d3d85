//! What lies in the cache's folder, by its names.

use crate::Digest;
use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What a file is of its image.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// What guests' disks refer to.
    Image,
    /// The bytes as uploaded.
    Original,
    Kernel,
    /// On its way to be one of the others.
    Part,
}

const SUFFIXES: [(&str, Kind); 5] = [
    (".raw.part", Kind::Part),
    (".kernel.part", Kind::Part),
    (".part", Kind::Part),
    (".original", Kind::Original),
    (".kernel", Kind::Kernel),
];

/// The name of the bytes as uploaded of the image at `path`.
pub fn original_path(path: &Path) -> PathBuf {
    path.with_extension("original")
}

/// The name of what there is of them while they come.
pub fn part_path(path: &Path) -> PathBuf {
    path.with_extension("part")
}

/// The name of the disk in them while it is made.
pub fn raw_path(path: &Path) -> PathBuf {
    path.with_extension("raw.part")
}

fn understand(name: &str) -> Option<(Digest, Kind)> {
    let kind = SUFFIXES.iter().find_map(|(suffix, kind)| Some((name.strip_suffix(suffix)?, *kind)));
    let (stem, kind) = kind.unwrap_or((name, Kind::Image));
    Some((stem.parse().ok()?, kind))
}

/// All files of one image.
#[derive(Default)]
pub struct Files {
    pub image: bool,
    pub paths: Vec<PathBuf>,
    pub bytes: u64,
    /// When the last of them was written or used.
    pub used: Option<SystemTime>,
    /// The bytes as uploaded, and how many they are.
    pub original: Option<(PathBuf, u64)>,
    /// What they take on the disk that the image does not.
    pub spare: u64,
}

/// The folder's files by image, and those that belong to none.
pub fn list(folder: &Path) -> (HashMap<Digest, Files>, Vec<PathBuf>) {
    let (mut images, mut strangers) = (HashMap::<_, Files>::new(), Vec::new());
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some((digest, kind)) = entry.file_name().to_str().and_then(understand) else {
            strangers.push(path);
            continue;
        };
        // It may have gone since.
        let Ok(found) = entry.metadata() else { continue };
        let (files, bytes) = (images.entry(digest).or_default(), found.blocks() * 512);
        // A second name of the image takes no room.
        let own = kind != Kind::Original || found.nlink() == 1;
        files.image |= kind == Kind::Image;
        files.bytes += if own { bytes } else { 0 };
        files.used = files.used.max(found.modified().ok());
        if kind == Kind::Original {
            files.original = Some((path.clone(), found.len()));
            files.spare = if own { bytes } else { 0 };
        }
        files.paths.push(path);
    }
    (images, strangers)
}
