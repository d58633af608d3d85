//! A bound on guessing: how many wrong passwords and passcodes a minute one user gets, whatever the lockout rules are.
//!
//! In memory and for each controller apart: it protects the hashing pool and slows guessing down; the lockout in the database is
//! what counts failures exactly.

use controller_base::Timestamp;
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Users at most; beyond them, those of earlier minutes are forgotten.
const MOST: usize = 100_000;

/// Wrong guesses of this minute.
#[derive(Debug)]
pub(crate) struct Guesses {
    per_minute: u32,
    /// The minute, and how many were wrong in it.
    wrong: Mutex<HashMap<Box<str>, (i64, u32)>>,
}

impl Guesses {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, wrong: Mutex::default() }
    }

    /// Whether another guess is looked at; else, in how many seconds it is.
    pub(crate) fn allow(&self, whose: &str, now: Timestamp) -> Result<(), i64> {
        let wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let (minute, second) = minute(now);
        match wrong.get(whose) {
            Some((seen, count)) if self.per_minute > 0 && *seen == minute && *count >= self.per_minute => {
                Err(60 - second)
            }
            _ => Ok(()),
        }
    }

    /// A guess was wrong.
    pub(crate) fn wrong(&self, whose: &str, now: Timestamp) {
        let (minute, _) = minute(now);
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        if wrong.len() >= MOST {
            wrong.retain(|_, (seen, _)| *seen == minute);
        }
        if wrong.len() >= MOST {
            wrong.clear();
        }
        let entry = wrong.entry(whose.into()).or_insert((minute, 0));
        *entry = if entry.0 == minute { (minute, entry.1.saturating_add(1)) } else { (minute, 1) };
    }
}

fn minute(now: Timestamp) -> (i64, i64) {
    let seconds = now.0.div_euclid(1_000_000);
    (seconds.div_euclid(60), seconds.rem_euclid(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_so_many_wrong_ones_a_user_waits_for_the_next_minute_and_others_do_not() {
        let (guesses, now) = (Guesses::new(2), Timestamp(1_790_000_000_000_000));
        for _ in 0..2 {
            assert!(guesses.allow("alice", now).is_ok());
            guesses.wrong("alice", now);
        }
        assert_eq!(guesses.allow("alice", now), Err(40));
        assert!(guesses.allow("bob", now).is_ok());
        assert!(guesses.allow("alice", now.plus_seconds(40)).is_ok());
        let unbounded = Guesses::new(0);
        unbounded.wrong("alice", now);
        assert!(unbounded.allow("alice", now).is_ok());
    }
}
