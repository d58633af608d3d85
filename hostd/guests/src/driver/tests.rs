use super::*;
use proptest::prelude::*;
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(60);

fn on(boot_count: u64) -> Power {
    Power { running: true, boot_count, hard: false, grace: GRACE, restart: Restart::Never }
}

fn with(restart: Restart) -> Power {
    Power { restart, ..on(1) }
}

fn off() -> Power {
    Power { running: false, ..on(1) }
}

fn hard(power: Power) -> Power {
    Power { hard: true, ..power }
}

fn is(process: Process, ended: Option<EndedBy>, boot_count: u64) -> Actual {
    Actual { process, ended, boot_count, failed: None, again: None }
}

fn crashed(again: Instant) -> Actual {
    Actual { again: Some(again), ..is(Process::None, Some(EndedBy::Crash), 1) }
}

fn powered_off(again: Instant) -> Actual {
    Actual { ended: Some(EndedBy::Guest), ..crashed(again) }
}

#[test]
fn the_table() {
    let now = Instant::now();
    let (later, earlier) = (now + GRACE, now);
    let (wait, late) = (Process::Stopping { deadline: later }, Process::Stopping { deadline: earlier });
    let table = [
        ("new", on(1), is(Process::None, None, 0), Action::Start),
        ("running", on(1), is(Process::Running, None, 1), Action::Nothing),
        ("new and stopped", off(), is(Process::None, None, 0), Action::AcceptStop),
        ("stopped", off(), is(Process::None, Some(EndedBy::Request), 1), Action::Nothing),
        ("started again", on(1), is(Process::None, Some(EndedBy::Request), 1), Action::Start),
        ("host came back", on(1), is(Process::None, Some(EndedBy::Host), 1), Action::Start),
        ("host came back, shall be off", off(), is(Process::None, Some(EndedBy::Host), 1), Action::AcceptStop),
        ("crashed", on(1), is(Process::None, Some(EndedBy::Crash), 1), Action::Nothing),
        ("crashed, asked for again", on(2), is(Process::None, Some(EndedBy::Crash), 1), Action::Start),
        ("powered itself off", on(1), is(Process::None, Some(EndedBy::Guest), 1), Action::Nothing),
        ("powered itself off, accepted", off(), is(Process::None, Some(EndedBy::Guest), 1), Action::AcceptStop),
        ("stop", off(), is(Process::Running, None, 1), Action::PressPowerButton),
        ("stop by power", hard(off()), is(Process::Running, None, 1), Action::Kill),
        ("stopping", off(), is(wait, None, 1), Action::WaitUntil(later)),
        ("stopping too long", off(), is(late, None, 1), Action::Kill),
        ("stopping, impatient", hard(off()), is(wait, None, 1), Action::Kill),
        ("reboot", on(2), is(Process::Running, None, 1), Action::PressPowerButton),
        ("reboot by power", hard(on(2)), is(Process::Running, None, 1), Action::Kill),
        ("rebooting", on(2), is(wait, None, 1), Action::WaitUntil(later)),
        ("rebooting, down", on(2), is(Process::None, Some(EndedBy::Request), 1), Action::Start),
        ("stop was taken back", on(1), is(wait, None, 1), Action::WaitUntil(later)),
        ("killing", on(1), is(Process::Killing, None, 1), Action::Nothing),
    ];
    for (name, power, actual, action) in table {
        assert_eq!(decide(Some((7, power)), &actual, now), action, "{name}");
    }
}

#[test]
fn a_policy_says_whether_it_is_started_again() {
    use Action::{AcceptStop, Nothing, Start, WaitUntil};
    let now = Instant::now();
    let later = now + GRACE;
    let given_up = is(Process::None, Some(EndedBy::Crash), 1);
    let table = [
        ("crashed", with(Restart::OnFailure), crashed(now), Start),
        ("crashed, shall wait", with(Restart::OnFailure), crashed(later), WaitUntil(later)),
        ("crashed too often", with(Restart::OnFailure), given_up, Nothing),
        ("crashed too often, asked for", Power { boot_count: 2, ..with(Restart::OnFailure) }, given_up, Start),
        ("crashed, shall be off by now", Power { running: false, ..with(Restart::Always) }, crashed(now), AcceptStop),
        ("crashed, never", with(Restart::Never), crashed(now), Nothing),
        ("crashed, always", with(Restart::Always), crashed(now), Start),
        ("powered itself off", with(Restart::OnFailure), powered_off(now), Nothing),
        ("powered itself off, never", with(Restart::Never), powered_off(now), Nothing),
        ("powered itself off, always", with(Restart::Always), powered_off(now), Start),
        ("powered itself off, always, shall wait", with(Restart::Always), powered_off(later), WaitUntil(later)),
        (
            "stopped",
            Power { running: false, ..with(Restart::Always) },
            is(Process::None, Some(EndedBy::Request), 1),
            Nothing,
        ),
    ];
    for (name, power, actual, action) in table {
        assert_eq!(decide(Some((7, power)), &actual, now), action, "{name}");
        let again = matches!(action, Start | WaitUntil(_)) && power.boot_count == 1;
        assert_eq!(starts_again(power, &actual).is_some(), again, "{name}");
    }
}

#[test]
fn a_failed_generation_is_not_tried_again() {
    let actual = Actual { failed: Some(7), ..is(Process::None, None, 0) };
    assert_eq!(decide(Some((7, on(1))), &actual, Instant::now()), Action::Nothing);
    assert_eq!(decide(Some((8, on(1))), &actual, Instant::now()), Action::Start);
}

#[test]
fn an_unwanted_guest_is_killed_then_removed() {
    let now = Instant::now();
    assert_eq!(decide(None, &is(Process::Running, None, 1), now), Action::Kill);
    assert_eq!(decide(None, &is(Process::Stopping { deadline: now + GRACE }, None, 1), now), Action::Kill);
    assert_eq!(decide(None, &is(Process::Killing, None, 1), now), Action::Nothing);
    assert_eq!(decide(None, &is(Process::None, None, 1), now), Action::Remove);
}

fn power() -> impl Strategy<Value = Power> {
    let restart = prop::sample::select(vec![Restart::OnFailure, Restart::Never, Restart::Always]);
    (any::<bool>(), 0_u64..4, any::<bool>(), 0_u64..3, restart).prop_map(
        |(running, boot_count, hard, grace, restart)| Power {
            running,
            boot_count,
            hard,
            grace: Duration::from_secs(grace),
            restart,
        },
    )
}

/// Carries an action out as the actor would, in a world where guests obey or not.
fn step(actual: &mut Actual, desired: (u64, Power), action: Action, obeys: bool, now: &mut Instant) -> bool {
    match action {
        Action::Nothing if actual.process == Process::Killing => {
            (actual.process, actual.ended) = (Process::None, Some(EndedBy::Request));
        }
        Action::Nothing | Action::Remove => return false,
        Action::WaitUntil(deadline) if actual.process == Process::None => *now = deadline,
        Action::WaitUntil(_) if obeys => (actual.process, actual.ended) = (Process::None, Some(EndedBy::Request)),
        Action::WaitUntil(deadline) => *now = deadline,
        Action::Start => *actual = is(Process::Running, None, desired.1.boot_count),
        Action::PressPowerButton => actual.process = Process::Stopping { deadline: *now + desired.1.grace },
        Action::Kill => actual.process = Process::Killing,
        Action::AcceptStop => actual.ended = Some(EndedBy::Request),
    }
    true
}

proptest! {
    /// Whatever is, in few steps the guest runs or does not, as desired; and then nothing more is done.
    #[test]
    fn every_wish_is_reached(
        wishes in prop::collection::vec((power(), any::<bool>()), 1..8),
        ended in prop::sample::select(vec![None, Some(EndedBy::Request), Some(EndedBy::Host), Some(EndedBy::Guest), Some(EndedBy::Crash)]),
    ) {
        let mut now = Instant::now();
        let mut actual = Actual { again: Some(now + GRACE), ..is(Process::None, ended, 0) };
        for (generation, (power, obeys)) in wishes.into_iter().enumerate() {
            let desired = (generation as u64, power);
            let mut steps = 0;
            loop {
                let action = decide(Some(desired), &actual, now);
                if !step(&mut actual, desired, action, obeys, &mut now) {
                    break;
                }
                steps += 1;
                prop_assert!(steps < 8, "{:?} is not reached: {:?}", power, actual);
            }
            let by_itself = matches!(actual.ended, Some(EndedBy::Guest | EndedBy::Crash));
            prop_assert!(starts_again(power, &actual).is_none());
            prop_assert_eq!(actual.process == Process::Running, power.running && !by_itself);
        }
    }
}
