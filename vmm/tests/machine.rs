//! The real binary with guests of a few instructions: start, console, reset, power-off, control, jail.

mod support;

use std::io::{Read, Write};
use support::tiny::Code;
use support::{GuestBuilder, file};
use vmm_control::message::{Reply, Request, Status};
use vmm_control::spec::DiskFormat;

fn guest(code: &Code) -> GuestBuilder {
    GuestBuilder::kernel(&file(&code.image()), 16)
}

#[test]
fn a_guest_prints_and_powers_off() {
    let mut guest = guest(&Code::new().print("hello\n").power_off()).start();
    assert_eq!(guest.wait().code(), Some(0), "{}", guest.log());
    assert_eq!(guest.serial(), "hello\n");
}

#[test]
fn a_reset_starts_the_guest_again() {
    let code = Code::new().unless_second_start(Code::new().print("first ").reset()).print("second").power_off();
    let mut guest = guest(&code).start();
    assert_eq!(guest.wait().code(), Some(0), "{}", guest.log());
    assert_eq!(guest.serial(), "first second");
}

#[test]
fn a_triple_fault_resets_but_not_for_ever() {
    let mut guest = guest(&Code::new().print("x").triple_fault()).start();
    assert_eq!(guest.wait().code(), Some(1), "{}", guest.log());
    assert_eq!(guest.serial(), "xxxx");
    assert!(guest.log().contains("again and again"));
}

#[test]
fn hostd_pauses_resumes_resets_and_quits() {
    let mut guest = guest(&Code::new().print("up ").stay()).start();
    guest.wait_for("up ");
    let mut control = guest.connect();
    assert_eq!(control.ask(&Request::Status), Reply::Status(Status::Running));
    for (request, status) in [(Request::Pause, Status::Paused), (Request::Resume, Status::Running)] {
        assert_eq!(control.ask(&request), Reply::Done);
        assert_eq!(control.next(), Reply::Status(status));
    }
    assert_eq!(control.ask(&Request::Reset), Reply::Done);
    guest.wait_for("up up ");
    assert_eq!(control.ask(&Request::Counters), Reply::Counters(Vec::new()));
    control.tell(&Request::Quit);
    assert_eq!(guest.wait().code(), Some(0));
}

#[test]
fn typed_bytes_reach_the_guest_and_come_back() {
    let mut guest = guest(&Code::new().print("ready ").answer().answer().power_off()).start();
    guest.wait_for("ready ");
    let mut console = guest.connect().attach();
    console.write_all(b"ax").unwrap();
    let mut answer = Vec::new();
    console.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, b"by");
    assert_eq!(guest.wait().code(), Some(0));
}

#[test]
fn powering_off_is_announced() {
    let mut guest = guest(&Code::new().answer().power_off()).start();
    let (mut watcher, mut console) = (guest.connect(), guest.connect().attach());
    console.write_all(b"a").unwrap();
    assert_eq!(watcher.next(), Reply::Status(Status::PoweredOff));
    assert_eq!(guest.wait().code(), Some(0));
}

#[test]
fn a_client_that_does_not_greet_or_talks_nonsense_is_dropped() {
    let mut guest = guest(&Code::new().print("up").stay()).start();
    guest.wait_for("up");
    let mut control = guest.connect();
    let mut nonsense = guest.connect().into_stream();
    nonsense.write_all(&[0xff; 64]).unwrap();
    assert_eq!(nonsense.read(&mut [0; 8]).unwrap(), 0);
    let mut rude = guest.raw_connection();
    vmm_control::frame::write(&mut rude, &Request::Status).unwrap();
    assert_eq!(rude.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(control.ask(&Request::Status), Reply::Status(Status::Running));
}

#[test]
fn a_jailed_guest_works_the_same() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let code =
        Code::new().unless_second_start(Code::new().print("first ").reset()).print("second ").answer().power_off();
    let mut guest = guest(&code).with(|spec| spec.vcpus = 2).jailed(61234).start();
    guest.wait_for("second ");
    let status = std::fs::read_to_string(format!("/proc/{}/status", guest.pid())).unwrap();
    for line in ["Uid:\t61234\t61234\t61234\t61234", "NoNewPrivs:\t1", "Seccomp:\t2", "CapBnd:\t0000000000000000"] {
        assert!(status.contains(line), "{line} is not in {status}");
    }
    assert!(std::fs::read_dir(format!("/proc/{}/root/", guest.pid())).unwrap().next().is_none());
    let mut console = guest.connect().attach();
    console.write_all(b"a").unwrap();
    assert_eq!(guest.wait().code(), Some(0), "{}", guest.log());
    assert_eq!(guest.serial(), "first second b");
}

#[test]
fn an_image_that_is_no_kernel_is_refused() {
    let mut guest = GuestBuilder::kernel(&file(&[0; 4096]), 16).start();
    assert_eq!(guest.wait().code(), Some(2));
    assert!(guest.log().contains("no start"), "{}", guest.log());
}

#[test]
fn disks_are_counted_and_what_is_no_image_is_refused() {
    let disk = file(&[0; 4096]);
    let mut guest = guest(&Code::new().print("up").stay()).disk("root", &disk, DiskFormat::Raw).start();
    guest.wait_for("up");
    let Reply::Counters(counters) = guest.connect().ask(&Request::Counters) else { panic!("no counters") };
    assert_eq!(counters.iter().map(|disk| (disk.id.as_str(), disk.reads)).collect::<Vec<_>>(), [("root", 0)]);
    let mut guest = self::guest(&Code::new().stay()).disk("root", &disk, DiskFormat::Qcow2).start();
    assert_eq!(guest.wait().code(), Some(2));
    assert!(guest.log().contains("disk root cannot be used"), "{}", guest.log());
}

#[test]
fn what_is_no_tap_is_refused() {
    let mut guest = guest(&Code::new().stay()).nic("port", &file(b""), [0x52, 0x54, 0, 0, 0, 1]).start();
    assert_eq!(guest.wait().code(), Some(2));
    assert!(guest.log().contains("cannot build port"), "{}", guest.log());
}
