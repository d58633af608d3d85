//! The stories.

use crate::{daemon::process_of, world::tell};
use humilis_proto::federation::GuestState;
use std::time::{Duration, Instant};

const ID: &str = "0d1f2b1c-6f0b-4c3e-9a57-0d5f2a3c4b5d";

#[test]
fn a_guest_lives_through_restarts_of_hostd() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let hostd = world.hostd();
        controller.acknowledged().await;
        let begin = Instant::now();
        controller.want(vec![world.guest(ID)]);
        controller.running(ID, 1).await;
        eprintln!("running after {:?}", begin.elapsed());
        controller.console_says(ID, "ready").await;
        let pid = process_of(ID).expect("a process");

        hostd.kill();
        controller.forget();
        let hostd = world.hostd();
        controller.running(ID, 1).await;
        assert_eq!(process_of(ID), Some(pid), "the guest runs on");

        hostd.terminate();
        controller.forget();
        let _hostd = world.hostd();
        controller.running(ID, 1).await;
        assert_eq!(process_of(ID), Some(pid), "the guest runs on");

        controller.change(ID, |guest| guest.power.as_mut().unwrap().boot_count = 2);
        controller.running(ID, 2).await;
        assert_ne!(process_of(ID), Some(pid), "the guest was restarted");
        controller.console_says(ID, "vda boots 2").await;

        controller.change(ID, |guest| guest.power.as_mut().unwrap().running = false);
        controller.state(ID, GuestState::Stopped).await;
        assert_eq!(process_of(ID), None);
        assert!(controller.console(ID).await.contains("power off"), "the console is kept");

        controller.change(ID, |guest| guest.power.as_mut().unwrap().running = true);
        controller.running(ID, 2).await;
        controller.unwant(&[ID]);
        controller.gone(ID).await;
        assert_eq!(process_of(ID), None);
        controller.acknowledged().await;
        assert_eq!(world.leftovers().await, Vec::<String>::new());
    });
}

#[test]
fn a_guest_that_ends_by_itself_stays_down_until_it_is_asked_for() {
    tell(|world| async move {
        let controller = world.controller.clone();
        let _hostd = world.hostd();
        let mut off = world.guest(ID);
        let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut off.object else { unreachable!() };
        guest.boot.as_mut().unwrap().kernel_args = "poweroff".into();
        controller.want(vec![off]);
        controller.state(ID, GuestState::Stopped).await;
        controller.change(ID, |guest| {
            guest.boot.as_mut().unwrap().kernel_args = "crash".into();
            guest.power.as_mut().unwrap().boot_count = 2;
        });
        tokio::time::sleep(Duration::from_millis(500)).await;
        controller.change(ID, |guest| {
            guest.boot.as_mut().unwrap().kernel_args = "metadata=off".into();
            guest.power.as_mut().unwrap().boot_count = 3;
            guest.power.as_mut().unwrap().hard = true;
        });
        controller.running(ID, 3).await;
        let pid = nix::unistd::Pid::from_raw(process_of(ID).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        let crashed = controller.state(ID, GuestState::Crashed).await;
        assert!(crashed.reason.contains("signal 9"), "{}", crashed.reason);
    });
}

#[test]
fn what_cannot_be_started_fails_with_a_reason_and_alone() {
    const OTHER: &str = "1d1f2b1c-6f0b-4c3e-9a57-0d5f2a3c4b5d";
    tell(|world| async move {
        let controller = world.controller.clone();
        let _hostd = world.hostd();
        controller.want(vec![world.guest(OTHER), world.guest(ID)]);
        controller.running(OTHER, 1).await;
        let cases: [(&str, fn(&mut humilis_proto::federation::Guest)); 4] = [
            ("digest", |guest| guest.root_disk.as_mut().unwrap().image.as_mut().unwrap().sha256 = "00".repeat(32)),
            ("cannot be fetched", |guest| guest.boot.as_mut().unwrap().kernel.as_mut().unwrap().id = "unknown".into()),
            ("did not become known", |guest| guest.port_ids = vec!["no-such-port".into()]),
            ("vcpus", |guest| guest.vcpus = 0),
        ];
        for (number, (reason, spoil)) in cases.into_iter().enumerate() {
            let id = format!("{number}e1f2b1c-6f0b-4c3e-9a57-0d5f2a3c4b5d");
            let mut object = world.guest(&id);
            let Some(humilis_proto::federation::object::Object::Guest(guest)) = &mut object.object else {
                unreachable!()
            };
            // An image that no other guest has brought here.
            guest.boot.as_mut().unwrap().kernel = Some(controller.image("own", vec![number as u8; 5000]));
            spoil(guest);
            controller.want(vec![object]);
            let failed = controller.state(&id, GuestState::Failed).await;
            assert!(failed.reason.contains(reason), "{reason}: {}", failed.reason);
            controller.unwant(&[&id]);
        }
        controller.running(OTHER, 1).await;
        controller.running(ID, 1).await;
    });
}

/// Points that are passed while a guest is made, each with what ends there.
const MAKING: [&str; 11] = [
    "ledger.written",
    "ledger.renamed",
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
        for point in MAKING {
            let mut hostd = world.hostd_with_fault(point);
            controller.want(vec![world.guest(ID)]);
            assert!(hostd.wait(Duration::from_secs(20)).is_some(), "{point} is not reached");
            controller.forget();
            let hostd = world.hostd();
            controller.running(ID, 1).await;
            controller.unwant(&[ID]);
            controller.gone(ID).await;
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
        for point in REMOVING {
            let mut hostd = world.hostd_with_fault(point);
            controller.want(vec![world.guest(ID)]);
            controller.running(ID, 1).await;
            controller.console_says(ID, "ready").await;
            if point == "guest.stopping" {
                controller.change(ID, |guest| guest.power.as_mut().unwrap().running = false);
            } else {
                controller.unwant(&[ID]);
            }
            assert!(hostd.wait(Duration::from_secs(20)).is_some(), "{point} is not reached");
            let hostd = world.hostd();
            if point == "guest.stopping" {
                controller.state(ID, GuestState::Stopped).await;
                controller.unwant(&[ID]);
            }
            controller.gone(ID).await;
            controller.acknowledged().await;
            assert_eq!(world.leftovers().await, Vec::<String>::new(), "{point}");
            assert_eq!(process_of(ID), None, "{point}");
            hostd.terminate();
            controller.forget();
        }
    });
}
