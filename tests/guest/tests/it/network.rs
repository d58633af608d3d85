//! Networks.

use anyhow::{Result, ensure};
use humilis_guest_tests::lan::{HOSTNAME, INSTANCE};
use humilis_guest_tests::{Disk, Guest, Lan};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

const ECHO: u16 = 7;

#[test]
fn a_guest_takes_its_lease_and_answers_pings() -> Result<()> {
    let lan = Lan::new()?;
    let mut guest = Guest::configure().nic(&lan).boot()?;
    let line = guest.wait_for("net 0 ")?;
    ensure!(line.contains("52:54:00:00:00:01 dhcp 10.77.0.101/24 gw 10.77.0.1 dns 10.77.0.1"), "{line}");
    ensure!(line.contains("route 169.254.169.254/32 via 10.77.0.1 mtu 1442"), "{line}");
    lan.ping(guest.address()?)?;
    Ok(())
}

#[test]
fn a_guest_asks_the_metadata_service_who_it_is() -> Result<()> {
    let lan = Lan::new()?;
    let mut guest = Guest::configure().nic(&lan).boot()?;
    guest.wait_for(&format!("metadata instance-id={INSTANCE} hostname={HOSTNAME}"))?;
    guest.wait_for("metadata ec2 instance-id=i-00000001")?;
    guest.wait_for("ready")?;
    ensure!(guest.ask("hostname")? == HOSTNAME);
    ensure!(guest.ask("instance-id")? == INSTANCE);
    Ok(())
}

#[test]
fn a_mebibyte_comes_back_as_it_went() -> Result<()> {
    let lan = Lan::new()?;
    let mut guest = Guest::configure().nic(&lan).boot()?;
    let stream = lan.connect(guest.address()?, ECHO)?;
    echo(stream, 1 << 20)?;
    let counters = guest.control()?.counters()?;
    let nic = counters.iter().find(|device| device.id == "nic0").expect("the interface counts");
    ensure!(nic.read_bytes > 1 << 20 && nic.write_bytes > 1 << 20, "{nic:?}");
    Ok(())
}

#[test]
fn connections_and_disk_share_a_guest() -> Result<()> {
    let (disk, lan) = (Disk::raw(64 << 20)?, Lan::new()?);
    let mut guest = Guest::configure().disk(&disk).nic(&lan).boot()?;
    guest.wait_for("ready")?;
    let streams: Vec<TcpStream> = (0..3).map(|_| lan.connect(guest.address()?, ECHO)).collect::<Result<_>>()?;
    let echoes: Vec<_> = streams.into_iter().map(|stream| std::thread::spawn(move || echo(stream, 1 << 20))).collect();
    for _ in 0..4 {
        ensure!(guest.ask("fill vda 0 16777216 5")? == "ok");
    }
    for echoed in echoes {
        echoed.join().expect("an echo does not panic")?;
    }
    Ok(())
}

#[test]
fn guests_reach_each_other() -> Result<()> {
    let lan = Lan::new()?;
    let mut first = Guest::configure().nic(&lan).boot()?;
    let mut second = Guest::configure().nic(&lan).boot()?;
    let address = second.address()?;
    let answer = first.ask(&format!("ping {address}"))?;
    ensure!(answer.starts_with("ok"), "{answer}");
    ensure!(first.ask(&format!("connect {address} {ECHO}"))?.starts_with("ok"));
    ensure!(first.ask(&format!("connect {address} 81"))? == "error refused");
    Ok(())
}

#[test]
fn two_guests_share_a_network_and_two_interfaces_share_a_guest() -> Result<()> {
    let (lan, other) = (Lan::new()?, Lan::new()?);
    let mut first = Guest::configure().nic(&lan).nic(&other).boot()?;
    let mut second = Guest::configure().nic(&lan).boot()?;
    ensure!(first.address()? != second.address()?);
    first.wait_for("net 1 ")?;
    lan.ping(first.address()?)?;
    lan.ping(second.address()?)?;
    other.ping(std::net::Ipv4Addr::new(10, 77, 0, 101))?;
    Ok(())
}

#[test]
fn an_idle_guest_costs_next_to_nothing() -> Result<()> {
    let lan = Lan::new()?;
    let mut guest = Guest::configure().nic(&lan).boot()?;
    guest.wait_for("ready")?;
    let before = cpu_ticks(guest.pid())?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    let spent = cpu_ticks(guest.pid())? - before;
    // Ticks of 10 ms: 1 % of the three seconds.
    ensure!(spent <= 3, "{spent} ticks in three idle seconds");
    Ok(())
}

/// Sends random-looking bytes and compares what comes back.
fn echo(mut stream: TcpStream, length: usize) -> Result<()> {
    let sent: Vec<u8> = (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let mut sender = stream.try_clone()?;
    let copy = sent.clone();
    let sending = std::thread::spawn(move || -> Result<()> {
        sender.write_all(&copy)?;
        Ok(sender.shutdown(Shutdown::Write)?)
    });
    let mut received = Vec::new();
    stream.read_to_end(&mut received)?;
    sending.join().expect("the sender does not panic")?;
    ensure!(received == sent, "{} bytes came back differently", received.len());
    Ok(())
}

/// User and system time of a process and its threads, proc(5).
fn cpu_ticks(pid: i32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or("").split(' ').collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}
