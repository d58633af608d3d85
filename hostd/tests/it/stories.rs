//! The stories.

use crate::{daemon::process_of, world::tell};
use humilis_proto::federation::{GuestState, RestartPolicy};
use std::time::{Duration, Instant};

#[test]
fn a_guest_lives_through_restarts_of_hostd() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let hostd = world.hostd();
        controller.acknowledged().await;
        let begin = Instant::now();
        controller.want(vec![world.guest(id)]);
        controller.running(id, 1).await;
        eprintln!("running after {:?}", begin.elapsed());
        controller.console_says(id, "ready").await;
        let pid = process_of(id).expect("a process");

        hostd.kill();
        controller.forget();
        let hostd = world.hostd();
        controller.running(id, 1).await;
        assert_eq!(process_of(id), Some(pid), "the guest runs on");

        hostd.terminate();
        controller.forget();
        let _hostd = world.hostd();
        controller.running(id, 1).await;
        assert_eq!(process_of(id), Some(pid), "the guest runs on");

        controller.change(id, |guest| guest.power.as_mut().unwrap().boot_count = 2);
        controller.running(id, 2).await;
        assert_ne!(process_of(id), Some(pid), "the guest was restarted");
        controller.console_says(id, "vda boots 2").await;

        controller.change(id, |guest| guest.power.as_mut().unwrap().running = false);
        controller.state(id, GuestState::Stopped).await;
        assert_eq!(process_of(id), None);
        assert!(controller.console(id).await.contains("power off"), "the console is kept");

        controller.change(id, |guest| guest.power.as_mut().unwrap().running = true);
        controller.running(id, 2).await;
        controller.unwant(&[id]);
        controller.gone(id).await;
        assert_eq!(process_of(id), None);
        controller.acknowledged().await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}

#[test]
fn a_guest_of_one_numa_node_stays_there() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let _hostd = world.hostd();
        controller.want(vec![world.near(id, 0)]);
        controller.running(id, 1).await;
        let pid = process_of(id).expect("a process");
        let node = hostd_kit::numa::nodes().remove(0);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let cpus = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim().to_owned();
        let allowed = hostd_kit::numa::Node { cpus, ..node.clone() }.threads();
        assert!(allowed.iter().all(|thread| node.threads().contains(thread)), "{allowed:?}");
        let maps = std::fs::read_to_string(format!("/proc/{pid}/numa_maps")).unwrap();
        assert!(maps.contains(" prefer:0 "), "{maps}");
        controller.unwant(&[id]);
        controller.gone(id).await;
    });
}

#[test]
fn before_the_machine_goes_down_guests_power_themselves_off() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let hostd = world.hostd();
        controller.want(vec![world.guest(id)]);
        controller.running(id, 1).await;
        controller.console_says(id, "ready").await;
        assert!(!world.command(&["shut-down-guests"]).status.success(), "hostd runs");
        assert!(process_of(id).is_some());
        hostd.terminate();
        let output = world.command(&["shut-down-guests"]);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "1 guests powered off, 0 were ended\n");
        assert_eq!(process_of(id), None);
        controller.forget();
        let _hostd = world.hostd();
        controller.until(id, |_| true).await;
        assert!(controller.console(id).await.contains("power off"));
        controller.unwant(&[id]);
        controller.gone(id).await;
    });
}

#[test]
fn a_guest_that_ends_by_itself_stays_down_until_it_is_asked_for() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let _hostd = world.hostd();
        let mut off = world.guest(id);
        let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut off.object else { unreachable!() };
        guest.boot.as_mut().unwrap().kernel_args = "poweroff".into();
        controller.want(vec![off]);
        controller.state(id, GuestState::Stopped).await;
        controller.change(id, |guest| {
            guest.boot.as_mut().unwrap().kernel_args = "crash".into();
            guest.power.as_mut().unwrap().boot_count = 2;
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        controller.change(id, |guest| {
            guest.boot.as_mut().unwrap().kernel_args = "metadata=off".into();
            guest.power.as_mut().unwrap().boot_count = 3;
            guest.power.as_mut().unwrap().hard = true;
            guest.power.as_mut().unwrap().set_restart(RestartPolicy::Never);
        });
        controller.running(id, 3).await;
        let pid = nix::unistd::Pid::from_raw(process_of(id).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        let crashed = controller.state(id, GuestState::Crashed).await;
        assert!(crashed.reason.contains("signal 9"), "{}", crashed.reason);
    });
}

#[test]
fn a_guest_that_crashes_is_started_again() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let hostd = world.hostd();
        controller.want(vec![world.guest(id)]);
        controller.running(id, 1).await;
        controller.console_says(id, "ready").await;
        let first = end(id);
        let second = another(id, first).await;
        controller.running(id, 1).await;
        controller.console_says(id, "vda boots 2").await;

        // Adopted, and not a child any more: nobody tells how it ended.
        hostd.kill();
        controller.forget();
        let hostd = world.hostd();
        controller.running(id, 1).await;
        assert_eq!(end(id), second);
        let third = another(id, second).await;

        // While hostd is away: the next one starts it.
        hostd.kill();
        controller.forget();
        assert_eq!(end(id), third);
        let _hostd = world.hostd();
        another(id, third).await;
        controller.running(id, 1).await;

        // What waits to be started again is stopped as any.
        end(id);
        controller.change(id, |guest| guest.power.as_mut().unwrap().running = false);
        controller.state(id, GuestState::Stopped).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(process_of(id), None);
        controller.unwant(&[id]);
        controller.gone(id).await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}

#[test]
fn a_guest_that_shall_always_run_is_started_again_when_it_powers_itself_off() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let _hostd = world.hostd();
        let mut off = world.with_policy(id, RestartPolicy::Always);
        let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut off.object else { unreachable!() };
        guest.boot.as_mut().unwrap().kernel_args = "poweroff".into();
        controller.want(vec![off]);
        controller.console_says(id, "vda boots 3").await;
        controller.change(id, |guest| guest.power.as_mut().unwrap().running = false);
        controller.state(id, GuestState::Stopped).await;
    });
}

#[test]
fn a_guest_finds_its_network_and_its_metadata() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let hostd = world.hostd();
        controller.acknowledged().await;
        let begin = Instant::now();
        controller.want(world.networked(id));
        controller.running(id, 1).await;
        eprintln!("running with a network after {:?}", begin.elapsed());
        let console = controller.console_says(id, "ready").await;
        assert!(console.contains("dhcp 10.9.0.5/24"), "{console}");
        assert!(console.contains(&format!("metadata instance-id={id} hostname=small")), "{console}");
        assert!(console.contains(&format!("config drive vdb instance-id={id}")), "{console}");
        let shown = String::from_utf8(world.command(&["status", "--head", "A host"]).stdout).unwrap();
        assert!(shown.starts_with("A host\n  host      connected to https://"), "{shown}");
        assert!(shown.contains("\n  guests    1 running\n"), "{shown}");

        hostd.kill();
        controller.forget();
        let _hostd = world.hostd();
        controller.running(id, 1).await;
        controller.acknowledged().await;
        controller.change(id, |guest| guest.power.as_mut().unwrap().boot_count = 2);
        controller.running(id, 2).await;
        controller.unwant(&[id, "port", "network", "group"]);
        controller.gone(id).await;
        controller.acknowledged().await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}

#[test]
fn a_host_serves_a_controller_of_the_revision_before() {
    tell(|world| async move {
        let controller = world.controller.clone();
        controller.grow_old();
        let id = world.id.as_str();
        let hostd = world.hostd();
        let mut objects = world.networked(id);
        let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut objects[0].object else {
            unreachable!()
        };
        // In more than one piece.
        let disk = guest.root_disk.as_mut().unwrap();
        disk.image = Some(controller.image("large", (0..20 << 20).map(|at| (at / 4096) as u8).collect()));
        disk.size_bytes = 32 << 20;
        controller.want(objects);
        controller.running(id, 1).await;
        let console = controller.console_says(id, "ready").await;
        assert!(console.contains("dhcp 10.9.0.5/24"), "{console}");
        controller.acknowledged().await;
        let first = end(id);
        another(id, first).await;
        controller.running(id, 1).await;

        hostd.kill();
        controller.forget();
        let _hostd = world.hostd();
        controller.running(id, 1).await;
        controller.ask_for_renewal().await;
        controller.change(id, |guest| guest.power.as_mut().unwrap().boot_count = 2);
        controller.running(id, 2).await;
        controller.unwant(&[id, "port", "network", "group"]);
        controller.gone(id).await;
        controller.acknowledged().await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}

#[test]
fn many_guests_start_at_once() {
    const COUNT: usize = 10;
    tell(|world| async move {
        let controller = world.controller.clone();
        let hostd = world.hostd();
        controller.acknowledged().await;
        let ids: Vec<_> = (0..COUNT).map(|number| format!("{}-{number}", world.id)).collect();
        let begin = (Instant::now(), hostd.processor_time());
        controller.want(ids.iter().map(|id| world.guest(id)).collect());
        for id in &ids {
            controller.running(id, 1).await;
        }
        let spent = hostd.processor_time() - begin.1;
        eprintln!("{COUNT} guests run after {:?}, {spent:?} of hostd's processor time", begin.0.elapsed());
        eprintln!("hostd takes {} KiB", hostd.memory_kib());
        controller.unwant(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        for id in &ids {
            controller.gone(id).await;
        }
        assert_eq!(world.leftovers().await, Vec::<String>::new());
        assert!(hostd.memory_kib() < 64 * 1024, "hostd takes {} KiB", hostd.memory_kib());
    });
}

#[test]
fn what_cannot_be_started_fails_with_a_reason_and_alone() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let other = &format!("{id}-other");
        let _hostd = world.hostd();
        controller.want(vec![world.guest(other), world.guest(id)]);
        controller.running(other, 1).await;
        type Spoil = fn(&mut humilis_proto::federation::Guest);
        let cases: [(&str, Spoil); 4] = [
            ("digest", |guest| guest.root_disk.as_mut().unwrap().image.as_mut().unwrap().sha256 = "00".repeat(32)),
            ("cannot be fetched", |guest| guest.boot.as_mut().unwrap().kernel.as_mut().unwrap().id = "unknown".into()),
            ("did not become known", |guest| guest.port_ids = vec!["no-such-port".into()]),
            ("vcpus", |guest| guest.vcpus = 0),
        ];
        for (number, (reason, spoil)) in cases.into_iter().enumerate() {
            let bad = format!("{id}-{number}");
            let mut object = world.guest(&bad);
            let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut object.object else {
                unreachable!()
            };
            // An image that no other guest has brought here.
            guest.boot.as_mut().unwrap().kernel = Some(controller.image("own", vec![number as u8; 5000]));
            spoil(guest);
            controller.want(vec![object]);
            let failed = controller.state(&bad, GuestState::Failed).await;
            assert!(failed.reason.contains(reason), "{reason}: {}", failed.reason);
            controller.unwant(&[&bad]);
        }
        controller.running(other, 1).await;
        controller.running(id, 1).await;
    });
}

#[test]
fn what_cannot_be_started_fails_also_when_hostd_died_meanwhile() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        for point in ["guest.recorded", "guest.ended"] {
            let mut hostd = world.hostd_with_fault(point);
            let mut object = world.guest(id);
            let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut object.object else {
                unreachable!()
            };
            guest.boot.as_mut().unwrap().kernel = Some(controller.image("rubbish", vec![7; 5000]));
            controller.want(vec![object]);
            assert!(hostd.wait(Duration::from_secs(20)).is_some(), "{point} is not reached");
            controller.forget();
            let hostd = world.hostd();
            let failed = controller.state(id, GuestState::Failed).await;
            assert!(failed.reason.contains("kernel image"), "{point}: {}", failed.reason);
            controller.unwant(&[id]);
            controller.gone(id).await;
            hostd.terminate();
            controller.forget();
        }
    });
}

/// Points that are passed while a guest is made, each with what ends there.
const MAKING: [&str; 11] = [
    "ledger.written",
    "ledger.synced",
    "image.part",
    "image.fetched",
    "guest.directory",
    "guest.disk",
    "guest.ports",
    "guest.cgroup",
    "guest.spawned",
    "guest.recorded",
    "guest.running",
];

const REMOVING: [&str; 5] =
    ["guest.ended", "guest.removing", "guest.ports-released", "guest.removed", "guest.stopping"];

#[test]
fn hostd_may_die_at_every_step_of_making_a_guest() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        for point in MAKING {
            let mut hostd = world.hostd_with_fault(point);
            controller.want(vec![world.guest(id)]);
            assert!(hostd.wait(Duration::from_secs(20)).is_some(), "{point} is not reached");
            controller.forget();
            let hostd = world.hostd();
            controller.running(id, 1).await;
            controller.unwant(&[id]);
            controller.gone(id).await;
            controller.acknowledged().await;
            assert_eq!(world.leftovers().await, Vec::<String>::new(), "{point}");
            hostd.terminate();
            controller.forget();
        }
    });
}

#[test]
fn hostd_may_die_at_every_step_of_stopping_and_removing_a_guest() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        for point in REMOVING {
            let mut hostd = world.hostd_with_fault(point);
            controller.want(vec![world.guest(id)]);
            controller.running(id, 1).await;
            controller.console_says(id, "ready").await;
            if point == "guest.stopping" {
                controller.change(id, |guest| guest.power.as_mut().unwrap().running = false);
            } else {
                controller.unwant(&[id]);
            }
            assert!(hostd.wait(Duration::from_secs(20)).is_some(), "{point} is not reached");
            let hostd = world.hostd();
            if point == "guest.stopping" {
                controller.state(id, GuestState::Stopped).await;
                controller.unwant(&[id]);
            }
            controller.gone(id).await;
            controller.acknowledged().await;
            assert_eq!(world.leftovers().await, Vec::<String>::new(), "{point}");
            assert_eq!(process_of(id), None, "{point}");
            hostd.terminate();
            controller.forget();
        }
    });
}

#[test]
fn what_happens_while_hostd_is_away_is_seen_when_it_is_back() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        let hostd = world.hostd();
        controller.want(vec![world.with_policy(id, RestartPolicy::Never)]);
        controller.running(id, 1).await;
        hostd.kill();
        controller.forget();
        end(id);
        let hostd = world.hostd();
        let crashed = controller.state(id, GuestState::Crashed).await;
        assert!(crashed.reason.contains("while hostd was away"), "{}", crashed.reason);
        controller.change(id, |guest| guest.power.as_mut().unwrap().boot_count = 2);
        controller.running(id, 2).await;

        // The machine was restarted: its boot id is another one, and no process is left.
        hostd.kill();
        controller.forget();
        end(id);
        let record = world.state().join("guests").join(id).join("record.json");
        let mut remembered: serde_json::Value = serde_json::from_slice(&std::fs::read(&record).unwrap()).unwrap();
        remembered["boot_id"] = "another".into();
        std::fs::write(&record, remembered.to_string()).unwrap();
        let _hostd = world.hostd();
        controller.running(id, 2).await;
        assert!(process_of(id).is_some(), "it was started again");
        controller.unwant(&[id]);
        controller.gone(id).await;
    });
}

/// Kills a guest's process and waits for its end; gives its number.
fn end(id: &str) -> i32 {
    let pid = process_of(id).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
    // One that is taken apart by the kernel has no name any more, but is there still.
    while !is_over(pid) {
        std::thread::sleep(Duration::from_millis(5));
    }
    pid
}

fn is_over(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

/// Waits for a process of the guest that is another one than this; gives its number.
async fn another(id: &str, than: i32) -> i32 {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match process_of(id) {
            Some(pid) if pid != than => return pid,
            _ => assert!(Instant::now() < deadline, "the guest is not started again"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_full_disk_fails_who_needs_it_and_nobody_else() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        world.data_disk("12M");
        let _hostd = world.hostd();
        controller.want(vec![world.guest(id)]);
        controller.running(id, 1).await;
        let pid = process_of(id);
        let big = &format!("{id}-big");
        let mut object = world.guest(big);
        if let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut object.object {
            let bytes = (0..20 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            guest.root_disk.as_mut().unwrap().image = Some(controller.image("big", bytes));
            guest.root_disk.as_mut().unwrap().size_bytes = 0;
        }
        controller.want(vec![object]);
        let failed = controller.state(big, GuestState::Failed).await;
        assert!(failed.reason.contains("no space left for image"), "{}", failed.reason);
        controller.unwant(&[big]);
        controller.gone(big).await;
        controller.running(id, 1).await;
        assert_eq!(process_of(id), pid);
        controller.unwant(&[id]);
        controller.gone(id).await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}

#[test]
fn a_host_whose_data_disk_is_missing_waits_for_it_and_takes_no_guest_for_gone() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let id = world.id.as_str();
        world.data_disk("64M");
        let hostd = world.hostd();
        controller.want(vec![world.guest(id)]);
        controller.running(id, 1).await;
        let pid = process_of(id);
        hostd.terminate();
        world.unplug();
        let mut hostd = world.hostd();
        let ended = hostd.wait(Duration::from_secs(20)).expect("it does not wait for ever");
        assert!(!ended.success());
        let log = std::fs::read_to_string(world.log()).unwrap();
        assert!(log.contains("Error: the data disk is not there"), "{log}");
        assert_eq!(process_of(id), pid, "its guest runs on");
        // Late, but in time.
        let _hostd = world.hostd();
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.plug();
        controller.running(id, 1).await;
        assert_eq!(process_of(id), pid);
        controller.unwant(&[id]);
        controller.gone(id).await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    tell(|world| async move {
        let controller = world.controller.clone();
        controller.sign_short_lived(true);
        let identity = world.state().join("identity/identity.json");
        let mut hostd = world.hostd_with_fault("ledger.synced");
        assert!(hostd.wait(Duration::from_secs(20)).is_some());
        let first = std::fs::read(&identity).unwrap();
        controller.sign_short_lived(false);
        let _hostd = world.hostd();
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::fs::read(&identity).unwrap() == first {
            assert!(Instant::now() < deadline, "the certificate is not renewed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        controller.want(vec![world.guest(&world.id)]);
        controller.running(&world.id, 1).await;
        controller.unwant(&[&world.id]);
        controller.gone(&world.id).await;
    });
}
