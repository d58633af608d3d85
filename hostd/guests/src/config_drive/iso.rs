//! A small ISO 9660 volume with Rock Ridge and Joliet names, in memory.

use hadris_iso::{
    joliet::JolietLevel,
    read::PathSeparator,
    rrip::RripOptions,
    write::{
        File, InputFiles, IsoImageWriter,
        options::{BaseIsoLevel, CreationFeatures, IsoFormatOptions},
    },
};
use std::{
    collections::BTreeMap,
    io::{self, Cursor},
    sync::Arc,
};

/// Bytes of a sector.
const SECTOR: usize = 2048;
/// Room for descriptors, path tables and directories; what is left over is cut off.
const OVERHEAD: usize = 1024 * 1024;

/// A volume with these files; a path's folders are made.
///
/// # Errors
/// When the volume cannot be laid out.
pub fn image(label: &str, files: &[(String, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut tree = Tree::default();
    for (path, contents) in files {
        tree.add(path, contents);
    }
    let size: usize = files.iter().map(|(_, contents)| contents.len().next_multiple_of(SECTOR)).sum();
    let mut volume = Cursor::new(vec![0; OVERHEAD + size]);
    let input = InputFiles { path_separator: PathSeparator::ForwardSlash, files: tree.files() };
    IsoImageWriter::create(&mut volume, input, options(label)).map_err(|error| io::Error::other(error.to_string()))?;
    let mut bytes = volume.into_inner();
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.truncate(used.next_multiple_of(SECTOR).max(volume_size(&bytes)));
    Ok(bytes)
}

/// The volume's size by its primary descriptor: sectors at offset 80 of sector 16, little-endian (ECMA-119, 8.4.8).
fn volume_size(bytes: &[u8]) -> usize {
    let field = bytes.get(16 * SECTOR + 80..16 * SECTOR + 84).and_then(|field| field.try_into().ok());
    let sectors = field.map_or(0, |field| u32::from_le_bytes(field) as usize);
    (sectors * SECTOR).min(bytes.len())
}

#[derive(Default)]
struct Tree {
    folders: BTreeMap<String, Tree>,
    contents: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    fn add(&mut self, path: &str, contents: &[u8]) {
        match path.split_once('/') {
            Some((folder, rest)) => self.folders.entry(folder.to_owned()).or_default().add(rest, contents),
            None => drop(self.contents.insert(path.to_owned(), contents.to_vec())),
        }
    }

    fn files(self) -> Vec<File> {
        let folders = self.folders.into_iter();
        let folders = folders.map(|(name, tree)| File::Directory { name: Arc::new(name), children: tree.files() });
        let contents = self.contents.into_iter();
        let contents = contents.map(|(name, contents)| File::File { name: Arc::new(name), contents });
        folders.chain(contents).collect()
    }
}

fn options(label: &str) -> IsoFormatOptions {
    IsoFormatOptions {
        volume_name: label.to_owned(),
        sector_size: SECTOR,
        path_separator: PathSeparator::ForwardSlash,
        features: CreationFeatures {
            filenames: BaseIsoLevel::Level2 { supports_lowercase: false, supports_rrip: true },
            joliet: Some(JolietLevel::Level3),
            rock_ridge: Some(RripOptions::default()),
            ..CreationFeatures::default()
        },
        system_id: None,
        volume_set_id: None,
        publisher_id: None,
        preparer_id: None,
        application_id: None,
        strict_charset: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_has_its_label_and_its_contents() {
        let files = [
            ("openstack/latest/meta_data.json".to_owned(), b"{\"uuid\": 1}".to_vec()),
            ("openstack/latest/user_data".to_owned(), vec![7; 5000]),
            ("ec2/latest/meta-data.json".to_owned(), b"{}".to_vec()),
        ];
        let volume = image(LABEL_UNDER_TEST, &files).unwrap();
        // ECMA-119: primary descriptor in sector 16, identifier `CD001`, label at offset 40.
        assert_eq!(&volume[32769..32774], b"CD001");
        assert_eq!(&volume[32768 + 40..32768 + 48], LABEL_UNDER_TEST.as_bytes());
        assert_eq!(volume.len(), volume_size(&volume));
        let holds = |needle: &[u8]| volume.windows(needle.len()).any(|window| window == needle);
        assert!(holds(b"{\"uuid\": 1}") && holds(&[7; 5000]) && holds(b"meta_data.json"));
        assert!(volume.len() < 200 * SECTOR, "{}", volume.len());
    }

    const LABEL_UNDER_TEST: &str = "config-2";
}
