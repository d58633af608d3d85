//! Starting a guest again that ended by itself: how long to wait, and when to give up. Counted from what its record remembers, so
//! that neither an end of hostd nor an absent controller changes it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The first wait; each further one is twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Ends that are longer ago than this before the last one do not count.
const WINDOW: Duration = Duration::from_secs(600);
/// So often a guest is started again within the window.
pub const MOST: usize = 8;

/// When a guest ended by itself since it was last asked for, in microseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ends(Vec<i64>);

impl Ends {
    /// It ended by itself, now.
    pub fn note(&mut self, now: i64) {
        // Also what a clock that was set back has in the future is forgotten.
        self.0.retain(|end| u64::try_from(now - end).is_ok_and(|age| Duration::from_micros(age) < WINDOW));
        self.0.push(now);
    }

    /// It was asked for: what was before does not count.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether it has not ended by itself since it was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How long to wait before it is started again; `None`: it ended too often.
    #[must_use]
    pub fn wait(&self, now: i64) -> Option<Duration> {
        let Some(last) = self.0.last() else { return Some(Duration::ZERO) };
        if self.0.len() > MOST {
            return None;
        }
        let doublings = u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX);
        let wait = FIRST.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST);
        let passed = u64::try_from(now - last).map_or(Duration::ZERO, Duration::from_micros);
        Some(wait.saturating_sub(passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn waits_grow_until_it_is_given_up() {
        let (mut ends, mut now, mut waits) = (Ends::default(), 0, Vec::new());
        assert_eq!(ends.wait(now), Some(Duration::ZERO));
        loop {
            ends.note(now);
            let Some(wait) = ends.wait(now) else { break };
            waits.push(wait.as_secs());
            now += i64::try_from(wait.as_micros()).unwrap();
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(ends.wait(now + 3600 * SECOND), None, "it stays down until it is asked for");
        ends.clear();
        assert_eq!(ends.wait(now), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let mut ends = Ends::default();
        for end in 0..100 {
            ends.note(end * 601 * SECOND);
            assert_eq!(ends.wait(end * 601 * SECOND), Some(FIRST));
        }
    }

    #[test]
    fn the_time_in_which_nobody_looked_counts_as_waiting() {
        let mut ends = Ends::default();
        ends.note(0);
        ends.note(10 * SECOND);
        assert_eq!(ends.wait(11 * SECOND), Some(FIRST));
        assert_eq!(ends.wait(60 * SECOND), Some(Duration::ZERO));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_longer_waits() {
        let mut ends = Ends::default();
        ends.note(1000 * SECOND);
        assert_eq!(ends.wait(0), Some(FIRST));
        ends.note(0);
        assert_eq!(ends.wait(0), Some(FIRST));
    }

    #[test]
    fn it_reads_back() {
        let mut ends = Ends::default();
        ends.note(7);
        let text = serde_json::to_string(&ends).unwrap();
        assert_eq!((text.as_str(), serde_json::from_str::<Ends>(&text).unwrap()), ("[7]", ends));
    }
}
