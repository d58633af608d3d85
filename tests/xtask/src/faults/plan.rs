//! Which kills come, in which order: drawn from a seed alone, so that a seed names a run.

use std::{collections::VecDeque, fmt, time::Duration};

/// The controller's steps; `kind.step` of each operation, as `CONTROLLER_FAULT` takes them.
const CONTROLLER: [&str; 15] = [
    "server.build.place.before",
    "server.build.place.after",
    "server.build.place.undo",
    "server.build.wait.before",
    "server.build.wait.after",
    "server.build.wait.undo",
    "server.build.failed.undo",
    "server.delete.vanish.before",
    "server.delete.vanish.after",
    "server.delete.detach.before",
    "server.delete.detach.after",
    "server.delete.forget.before",
    "server.delete.forget.after",
    "server.delete.confirm.before",
    "server.delete.confirm.after",
];
/// The one that is reached before a host is a member.
pub const ENROLMENT: &str = "enrol.received";

/// Numbers that look random and follow from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    Controller,
    Hostd,
    Guest,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Controller => "controller",
            Self::Hostd => "hostd",
            Self::Guest => "guest",
        })
    }
}

/// A kill at any moment.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    /// How long after the one before.
    pub pause: Duration,
    pub target: Target,
    /// Which guest.
    pub pick: usize,
}

/// All kills of a run: the steps at which each daemon shall end, and the moments between.
#[derive(Debug)]
pub struct Plan {
    pub controller: VecDeque<String>,
    pub hostd: VecDeque<String>,
    pub strikes: VecDeque<Strike>,
}

impl Plan {
    /// `kills` in all, one at enrolment among them: at every named step if there are enough, else at as many as leave a third
    /// for moments between them.
    pub fn draw(kills: usize, hostd_points: &str, random: &mut Random) -> Self {
        let hostd = hostd_points.lines().filter(|point| *point != ENROLMENT);
        let hostd = hostd.map(|point| (Target::Hostd, point.to_owned()));
        let controller = CONTROLLER.iter().map(|step| (Target::Controller, (*step).to_owned()));
        let mut steps: Vec<_> = hostd.chain(controller).collect();
        random.shuffle(&mut steps);
        let kills = kills.saturating_sub(1);
        steps.truncate(kills * 2 / 3);
        let strikes = (0..kills - steps.len()).map(|_| strike(random)).collect();
        let (hostd, controller): (Vec<_>, Vec<_>) = steps.into_iter().partition(|(target, _)| *target == Target::Hostd);
        let names = |steps: Vec<(Target, String)>| steps.into_iter().map(|(_, step)| step).collect();
        Self { controller: names(controller), hostd: names(hostd), strikes }
    }
}

fn strike(random: &mut Random) -> Strike {
    let target = [Target::Controller, Target::Hostd, Target::Guest][random.below(3)];
    let millis = u64::try_from(100 + random.below(1500)).unwrap_or(0);
    Strike { pause: Duration::from_millis(millis), target, pick: random.below(1 << 20) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POINTS: &str = "enrol.received\nguest.disk\nguest.ports\n";

    #[test]
    fn enough_kills_reach_every_step() {
        let plan = Plan::draw(60, POINTS, &mut Random::new(7));
        assert_eq!((plan.controller.len(), plan.hostd.len(), plan.strikes.len()), (15, 2, 42));
    }

    #[test]
    fn few_kills_leave_some_for_any_moment() {
        let plan = Plan::draw(13, POINTS, &mut Random::new(7));
        assert_eq!((plan.controller.len() + plan.hostd.len(), plan.strikes.len()), (8, 4));
    }

    #[test]
    fn a_seed_names_a_plan() {
        let plan = |seed| Plan::draw(30, POINTS, &mut Random::new(seed)).controller;
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }
}
