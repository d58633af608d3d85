//! Nested guests that hang.
//!
//! In nested emulation a guest now and then gets no interrupt any more, its own timer's neither. It turns on the spot, and all that it
//! leaves its processor for are interrupts of the host; or it sleeps, and wakes minutes late if at all. Only a reset brings it back. KVM
//! counts both kinds of interrupts, per guest.

use crate::machine::Machine;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// A guest that runs gets its timer's interrupts far more often.
const LIMIT: Duration = Duration::from_secs(60);
/// One that sleeps may do so a little longer, in a machine that has to wait for a processor.
const SLEEP: Duration = Duration::from_secs(90);
/// A guest that leaves its processor to the host so often in that time does run.
const RUNS: u64 = 2_000;
/// Looking costs the emulated machine something.
const PERIOD: Duration = Duration::from_secs(15);
const COUNTERS: &str = "mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug; \
    cd /sys/kernel/debug/kvm 2>/dev/null && grep . */irq_injections */irq_exits; true";

/// What was seen of a machine's guests.
#[derive(Debug, Default)]
pub struct Watch {
    guests: HashMap<String, Since>,
    looked: Option<Instant>,
    hung: bool,
    restless: bool,
}

/// When a guest got its last interrupt, and what was counted then.
#[derive(Debug)]
struct Since {
    at: Instant,
    counts: Counts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    injected: u64,
    left: u64,
}

impl Watch {
    /// Of guests whose systems always have something to do, so that none of them sleeps for long.
    #[must_use]
    pub fn of_restless() -> Self {
        Self { restless: true, ..Self::default() }
    }

    /// Whether a guest hangs, as far as is known: looks again when it is time. Says so once.
    pub fn sees(&mut self, machine: &Machine) -> bool {
        if self.hung || self.looked.is_some_and(|looked| looked.elapsed() < PERIOD) {
            return self.hung;
        }
        self.looked = Some(Instant::now());
        // A machine that does not answer shows nothing new.
        let Ok(text) = machine.run(COUNTERS) else { return false };
        if let Some(guest) = self.take(&counts(&text), Instant::now()) {
            println!("A nested guest hangs ({guest}): for {} seconds or more nothing interrupted it.", LIMIT.as_secs());
            self.hung = true;
        }
        self.hung
    }

    /// Takes down what was counted; one that hangs.
    fn take(&mut self, counts: &HashMap<String, Counts>, now: Instant) -> Option<String> {
        self.guests.retain(|guest, _| counts.contains_key(guest));
        for (guest, counts) in counts {
            let since = self.guests.entry(guest.clone()).or_insert(Since { at: now, counts: *counts });
            if since.counts.injected != counts.injected {
                *since = Since { at: now, counts: *counts };
            }
            let runs = counts.left.saturating_sub(since.counts.left) >= RUNS;
            let silent = now.duration_since(since.at);
            if runs && silent >= LIMIT || self.restless && silent >= SLEEP {
                return Some(guest.clone());
            }
        }
        None
    }
}

/// By guest, from lines such as `512-17/irq_exits:1200`.
fn counts(text: &str) -> HashMap<String, Counts> {
    let mut guests: HashMap<String, Counts> = HashMap::new();
    for line in text.lines() {
        let Some(((guest, counter), count)) =
            line.split_once(':').and_then(|(path, count)| Some((path.split_once('/')?, count.trim().parse().ok()?)))
        else {
            continue;
        };
        let counts = guests.entry(guest.to_owned()).or_default();
        match counter {
            "irq_injections" => counts.injected = count,
            "irq_exits" => counts.left = count,
            _ => {}
        }
    }
    guests
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restless_guest_hangs_that_sleeps_for_long() {
        let start = Instant::now();
        for (mut watch, hangs) in [(Watch::of_restless(), Some("1-2".to_owned())), (Watch::default(), None)] {
            let mut look = |seconds, text| watch.take(&counts(text), start + Duration::from_secs(seconds));
            assert_eq!(look(0, "1-2/irq_injections:10\n1-2/irq_exits:100\n"), None);
            assert_eq!(look(80, "1-2/irq_injections:10\n1-2/irq_exits:190\n"), None);
            assert_eq!(look(95, "1-2/irq_injections:10\n1-2/irq_exits:200\n"), hangs);
        }
    }

    #[test]
    fn a_guest_hangs_that_runs_without_interrupts() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let mut look = |seconds, text: &str| watch.take(&counts(text), start + Duration::from_secs(seconds));
        assert_eq!(look(0, "1-2/irq_injections:10\n1-2/irq_exits:100\n"), None);
        assert_eq!(look(50, "1-2/irq_injections:11\n1-2/irq_exits:9000\n"), None, "it had one");
        assert_eq!(look(90, "1-2/irq_injections:11\n1-2/irq_exits:19000\n"), None, "not for long");
        assert_eq!(look(111, "1-2/irq_injections:11\n1-2/irq_exits:10500\n"), None, "it sleeps");
        assert_eq!(look(112, "1-2/irq_injections:11\n1-2/irq_exits:19000\n"), Some("1-2".to_owned()));
        assert_eq!(look(113, ""), None, "it is gone");
        assert_eq!(look(300, "1-2/irq_injections:11\n1-2/irq_exits:99999\n"), None, "another of that number");
    }
}
