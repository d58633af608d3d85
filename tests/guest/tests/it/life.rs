//! Many lives and hard deaths: nothing stays behind.

use anyhow::{Result, ensure};
use humilis_guest_tests::{Disk, Guest, Lan};

const CYCLES: usize = 60;
const KILLED: i32 = -9;

#[test]
fn sixty_lives_leave_nothing_behind() -> Result<()> {
    let (disk, lan) = (Disk::raw(16 << 20)?, Lan::new()?);
    let configuration = Guest::configure().disk(&disk).nic(&lan);
    let interfaces = lan.interfaces()?;
    let descriptors = open_descriptors()?;
    for cycle in 1..=CYCLES {
        let mut guest = configuration.boot()?;
        guest.wait_for(&format!("disk vda boots {cycle}"))?;
        guest.control()?.quit()?;
        ensure!(guest.exit()? == 0, "cycle {cycle}: {}", guest.log());
    }
    ensure!(lan.interfaces()? == interfaces, "a tap was left");
    ensure!(open_descriptors()? == descriptors, "a descriptor was left");
    Ok(())
}

#[test]
fn a_killed_process_leaves_a_usable_disk_and_network() -> Result<()> {
    let (disk, lan) = (Disk::qcow2(16 << 20)?, Lan::new()?);
    let configuration = Guest::configure().disk(&disk).nic(&lan);
    let interfaces = lan.interfaces()?;
    for boots in 1..=3 {
        let mut guest = configuration.boot()?;
        guest.wait_for(&format!("disk vda boots {boots}"))?;
        guest.wait_for("ready")?;
        guest.kill()?;
        ensure!(guest.exit()? == KILLED);
        disk.check()?;
    }
    ensure!(lan.interfaces()? == interfaces, "a tap was left");
    Ok(())
}

fn open_descriptors() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}
