//! Many lives and hard deaths: nothing stays behind.

use anyhow::{Result, ensure};
use humilis_guest_tests::{Disk, Guest, Lan};
use std::io::Write;
use std::time::Duration;

const CYCLES: usize = 60;
const KILLED: i32 = -9;

#[test]
fn sixty_lives_leave_nothing_behind() -> Result<()> {
    let (disk, lan) = (Disk::raw(16 << 20)?, Lan::new()?);
    let configuration = Guest::configure().disk(&disk).nic(&lan);
    let interfaces = lan.interfaces()?;
    for cycle in 1..=CYCLES {
        let mut guest = configuration.boot()?;
        guest.wait_for(&format!("disk vda boots {cycle}"))?;
        guest.control()?.quit()?;
        ensure!(guest.exit()? == 0, "cycle {cycle}: {}", guest.log());
    }
    ensure!(lan.interfaces()? == interfaces, "a tap was left");
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

#[test]
fn kills_in_the_middle_of_writes_lose_nothing_that_was_flushed() -> Result<()> {
    const KILLS: u64 = 8;
    let base = Disk::with(&vec![0x5a; 32 << 20])?;
    let (disk, lan) = (base.overlay()?, Lan::new()?);
    let configuration = Guest::configure().cmdline("metadata=off").disk(&disk).nic(&lan);
    for kill in 0..KILLS {
        let mut guest = configuration.boot()?;
        guest.wait_for("ready")?;
        for earlier in 0..kill {
            let answer = guest.ask(&format!("verify vda {} 1048576 {earlier}", earlier << 21))?;
            ensure!(answer == "ok", "kill {kill}, range {earlier}: {answer}");
        }
        ensure!(guest.ask(&format!("stamp vda {} 1048576 {kill}", kill << 21))? == "ok");
        ensure!(guest.ask("flush vda")? == "ok");
        let mut writing = lan.connect(guest.address()?, 23)?;
        writing.write_all(b"stamp vda 17825792 8388608 99\n")?;
        std::thread::sleep(Duration::from_millis(3 * kill));
        guest.kill()?;
        ensure!(guest.exit()? == KILLED);
        disk.check_after_kill()?;
    }
    Ok(())
}
