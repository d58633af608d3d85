//! Disks.

use anyhow::{Result, ensure};
use humilis_guest_tests::{Disk, Guest, Lan};

const MIB: u64 = 1 << 20;

#[test]
fn a_raw_disk_counts_boots_and_keeps_what_was_written() -> Result<()> {
    keeps_what_was_written(&Disk::raw(64 * MIB)?)
}

#[test]
fn a_qcow2_disk_counts_boots_and_keeps_what_was_written() -> Result<()> {
    let disk = Disk::qcow2(64 * MIB)?;
    keeps_what_was_written(&disk)?;
    disk.check()
}

#[test]
fn an_overlay_keeps_its_base_as_it_is() -> Result<()> {
    let base = Disk::with(&vec![0x5a; 8 << 20])?;
    let before = std::fs::read(base.path())?;
    let overlay = base.overlay()?;
    let lan = Lan::new()?;
    let mut guest = Guest::configure().disk(&overlay).nic(&lan).boot()?;
    guest.wait_for("ready")?;
    // Part of a cluster: the rest of it comes from the base.
    ensure!(guest.ask("fill vda 4096 512 1")? == "ok");
    ensure!(guest.ask("flush vda")? == "ok");
    guest.control()?.quit()?;
    guest.exit()?;
    let content = overlay.content(0, 65_536)?;
    ensure!(content[4096..4608].iter().all(|byte| *byte == 1), "what was written is missing");
    ensure!(content[..4096].iter().chain(&content[4608..]).all(|byte| *byte == 0x5a), "the base's bytes are missing");
    ensure!(std::fs::read(base.path())? == before, "the base was written to");
    overlay.check()
}

#[test]
fn a_write_protected_disk_refuses_writes() -> Result<()> {
    let (disk, lan) = (Disk::raw(4 * MIB)?, Lan::new()?);
    let mut guest = Guest::configure().disk(&disk.read_only()).nic(&lan).boot()?;
    ensure!(guest.wait_for("disk vda")?.contains(" ro "));
    guest.wait_for("ready")?;
    let answer = guest.ask("fill vda 0 512 1")?;
    ensure!(answer.starts_with("error"), "{answer}");
    ensure!(disk.content(0, 512)?.iter().all(|byte| *byte == 0));
    Ok(())
}

#[test]
fn discarded_and_zeroed_ranges_read_as_zeros() -> Result<()> {
    let lan = Lan::new()?;
    for disk in [Disk::raw(16 * MIB)?, Disk::qcow2(16 * MIB)?] {
        let mut guest = Guest::configure().disk(&disk).nic(&lan).boot()?;
        guest.wait_for("ready")?;
        let zeros = guest.ask("crc vda 0 1048576")?;
        ensure!(guest.ask("fill vda 0 2097152 9")? == "ok");
        ensure!(guest.ask("crc vda 0 1048576")? != zeros);
        ensure!(guest.ask("zero vda 0 1048576")? == "ok");
        ensure!(guest.ask("discard vda 1048576 1048576")? == "ok");
        ensure!(guest.ask("crc vda 0 1048576")? == zeros, "zeroed range");
        ensure!(guest.ask("crc vda 1048576 1048576")? == zeros, "discarded range");
    }
    Ok(())
}

#[test]
fn disks_come_in_the_order_of_the_spec() -> Result<()> {
    let disks = [Disk::raw(MIB)?, Disk::qcow2(2 * MIB)?, Disk::raw(3 * MIB)?];
    let mut configuration = Guest::configure();
    for disk in &disks {
        configuration = configuration.disk(disk);
    }
    let mut guest = configuration.boot()?;
    for (name, bytes, serial) in [("vda", MIB, "serial0"), ("vdb", 2 * MIB, "serial1"), ("vdc", 3 * MIB, "serial2")] {
        let line = guest.wait_for(&format!("disk {name} "))?;
        ensure!(line.contains(&format!(" {bytes} bytes rw serial \"{serial}\"")), "{line}");
    }
    Ok(())
}

#[test]
fn a_full_volume_is_an_error_of_the_request_alone() -> Result<()> {
    let (disk, volume) = Disk::on_small_volume(16 * MIB, 2 * MIB)?;
    let lan = Lan::new()?;
    let mut guest = Guest::configure().disk(&disk).nic(&lan).boot()?;
    guest.wait_for("ready")?;
    ensure!(guest.ask("fill vda 0 8388608 3")? == "error Io");
    ensure!(guest.ask("size vda")? == (16 * MIB).to_string(), "the guest lives on");
    volume.resize(32 * MIB)?;
    ensure!(guest.ask("fill vda 0 8388608 3")? == "ok");
    ensure!(guest.ask("flush vda")? == "ok");
    Ok(())
}

fn keeps_what_was_written(disk: &Disk) -> Result<()> {
    let lan = Lan::new()?;
    let configuration = Guest::configure().disk(disk).nic(&lan);
    let mut guest = configuration.boot()?;
    guest.wait_for("disk vda boots 1")?;
    guest.wait_for("ready")?;
    ensure!(guest.ask("fill vda 8388608 4194304 7")? == "ok");
    ensure!(guest.ask("stamp vda 16777216 16777216 11")? == "ok");
    ensure!(guest.ask("flush vda")? == "ok");
    guest.kill()?;
    guest.exit()?;
    let mut again = configuration.boot()?;
    again.wait_for("disk vda boots 2")?;
    again.wait_for("ready")?;
    ensure!(again.ask("crc vda 8388608 4194304")? == format!("{SEVENS:08x}"));
    ensure!(again.ask("verify vda 16777216 16777216 11")? == "ok");
    again.control()?.quit()?;
    again.exit()?;
    ensure!(disk.content(8 * MIB, 4 << 20)?.iter().all(|byte| *byte == 7));
    Ok(())
}

/// The CRC-32 of 4 MiB of sevens.
const SEVENS: u32 = 0xab97_b9fb;
