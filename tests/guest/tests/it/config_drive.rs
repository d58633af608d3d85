//! The config drive.

use anyhow::{Result, anyhow, ensure};
use hadris_iso::joliet::JolietLevel;
use hadris_iso::read::PathSeparator;
use hadris_iso::rrip::RripOptions;
use hadris_iso::write::options::{BaseIsoLevel, CreationFeatures, IsoFormatOptions};
use hadris_iso::write::{File, InputFiles, IsoImageWriter};
use humilis_guest_tests::{Disk, Guest, Lan};
use std::io::Cursor;
use std::sync::Arc;

const DOCUMENT: &str =
    r#"{"uuid": "83679162-1378-4288-a2d4-70e13ec132aa", "hostname": "driven.example", "name": "driven"}"#;
const ROOM: usize = 2 << 20;

#[test]
fn a_guest_learns_who_it_is_from_its_config_drive() -> Result<()> {
    let (root, drive, lan) = (Disk::raw(1 << 20)?, Disk::with(&volume("config-2")?)?, Lan::new()?);
    let configuration = Guest::configure().cmdline("metadata=off").disk(&root).disk(&drive.read_only()).nic(&lan);
    let mut guest = configuration.boot()?;
    guest.wait_for("config drive vdb instance-id=83679162-1378-4288-a2d4-70e13ec132aa hostname=driven.example")?;
    guest.wait_for("ready")?;
    ensure!(guest.ask("hostname")? == "driven.example");
    Ok(())
}

#[test]
fn a_volume_of_another_name_is_no_config_drive() -> Result<()> {
    let drive = Disk::with(&volume("cidata")?)?;
    let mut guest = Guest::configure().disk(&drive.read_only()).boot()?;
    guest.wait_for("ready")?;
    ensure!(!guest.serial_text()?.contains("config drive"));
    Ok(())
}

/// A volume with the document at its place.
fn volume(label: &str) -> Result<Vec<u8>> {
    let document = File::File { name: Arc::new("meta_data.json".to_string()), contents: DOCUMENT.into() };
    let folder = |name: &str, child| File::Directory { name: Arc::new(name.to_string()), children: vec![child] };
    let files = vec![folder("openstack", folder("latest", document))];
    let input = InputFiles { path_separator: PathSeparator::ForwardSlash, files };
    let mut volume = Cursor::new(vec![0; ROOM]);
    let written = IsoImageWriter::create(&mut volume, input, options(label));
    written.map_err(|error| anyhow!("no volume: {error}"))?;
    Ok(volume.into_inner())
}

fn options(label: &str) -> IsoFormatOptions {
    let features = CreationFeatures {
        filenames: BaseIsoLevel::Level2 { supports_lowercase: false, supports_rrip: true },
        joliet: Some(JolietLevel::Level3),
        rock_ridge: Some(RripOptions::default()),
        ..CreationFeatures::default()
    };
    IsoFormatOptions {
        volume_name: label.to_string(),
        sector_size: 2048,
        path_separator: PathSeparator::ForwardSlash,
        features,
        system_id: None,
        volume_set_id: None,
        publisher_id: None,
        preparer_id: None,
        application_id: None,
        strict_charset: false,
    }
}
