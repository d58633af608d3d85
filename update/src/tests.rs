//! A bundle from its maker to a machine, and what happens to it on the way.

use crate::{Bundle, Keys, NotWritten, Refused, SigningKey, write};
use proptest::prelude::*;
use std::{fs, path::PathBuf};

struct Maker {
    folder: tempfile::TempDir,
    key: SigningKey,
    keys: Keys,
}

impl Maker {
    fn new() -> Self {
        let key = SigningKey::parse(&SigningKey::generate().unwrap()).unwrap();
        let keys = Keys::parse(&key.public()).unwrap();
        Self { folder: tempfile::tempdir().unwrap(), key, keys }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn bundle(&self) -> Vec<u8> {
        let (root, efi) = (self.file("humilis_2.root", &[7; 70_000]), self.file("humilis_2.efi", b"kernel"));
        let mut bundle = Vec::new();
        write(&mut bundle, &self.key, "2", &[&root, &efi]).unwrap();
        bundle
    }

    fn unpack(&self, bundle: &[u8]) -> (Result<Vec<PathBuf>, Refused>, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        (Bundle::open(bundle, &self.keys).and_then(|bundle| bundle.unpack(folder.path())), folder)
    }
}

fn names(folder: &tempfile::TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.collect();
    names.sort();
    names
}

#[test]
fn files_come_out_as_they_went_in() {
    let maker = Maker::new();
    let bundle = maker.bundle();
    assert_eq!(bundle, maker.bundle(), "the same inputs, the same bytes");
    assert_eq!(Bundle::open(&bundle[..], &maker.keys).unwrap().header().version, "2");
    assert_eq!(Bundle::open(&bundle[..], &maker.keys).unwrap().check().unwrap().version, "2");
    let (unpacked, folder) = maker.unpack(&bundle);
    assert_eq!(unpacked.unwrap().len(), 2);
    assert_eq!(names(&folder), ["humilis_2.efi", "humilis_2.root"]);
    assert_eq!(fs::read(folder.path().join("humilis_2.root")).unwrap(), [7; 70_000]);
}

#[test]
fn another_makers_bundle_is_refused_before_a_byte_is_written() {
    let (maker, other) = (Maker::new(), Maker::new());
    let (refused, folder) = maker.unpack(&other.bundle());
    assert!(matches!(refused, Err(Refused::Signature)));
    assert!(names(&folder).is_empty());
}

#[test]
fn a_file_of_another_version_is_not_put_into_a_bundle() {
    let maker = Maker::new();
    let file = maker.file("humilis_3.root", b"x");
    let refused = write(&mut Vec::new(), &maker.key, "2", &[&file]);
    assert!(matches!(refused, Err(NotWritten::Malformed(_))));
}

#[test]
fn what_follows_the_last_file_is_refused() {
    let maker = Maker::new();
    let (refused, folder) = maker.unpack(&[maker.bundle(), vec![0]].concat());
    assert!(matches!(refused, Err(Refused::Long)));
    assert!(names(&folder).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_bundle_that_is_cut_or_changed_anywhere_leaves_nothing(at in 0.0..1.0_f64, flip in 1_u8..=255) {
        let maker = Maker::new();
        let bundle = maker.bundle();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place")]
        let at = (at * bundle.len() as f64) as usize;
        let checked = |bundle: &[u8]| Bundle::open(bundle, &maker.keys).and_then(Bundle::check);
        prop_assert!(checked(&bundle).is_ok() && checked(&bundle[..at]).is_err());
        let (refused, folder) = maker.unpack(&bundle[..at]);
        prop_assert!(refused.is_err() && names(&folder).is_empty());
        let mut changed = bundle;
        changed[at] ^= flip;
        prop_assert!(checked(&changed).is_err());
        let (refused, folder) = maker.unpack(&changed);
        prop_assert!(refused.is_err() && names(&folder).is_empty());
    }
}
