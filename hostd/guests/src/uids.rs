//! User ids for guests' processes: no two guests of this host have the same.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// The ids that are free.
#[derive(Debug)]
pub struct Uids {
    range: Range<u32>,
    taken: Mutex<BTreeSet<u32>>,
}

/// Every id is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("every user id for guests is taken")]
pub struct NoUid;

impl Uids {
    /// `count` ids from `first` on.
    #[must_use]
    pub fn new(first: u32, count: u32) -> Self {
        Self { range: first..first.saturating_add(count), taken: Mutex::default() }
    }

    /// Keeps the id of a guest that was here before; `false` when it cannot have it.
    pub fn keep(&self, uid: u32) -> bool {
        self.range.contains(&uid) && self.taken().insert(uid)
    }

    /// A free id.
    ///
    /// # Errors
    /// When there is none.
    pub fn take(&self) -> Result<u32, NoUid> {
        let mut taken = self.taken();
        let free = self.range.clone().find(|uid| !taken.contains(uid)).ok_or(NoUid)?;
        taken.insert(free);
        Ok(free)
    }

    /// Gives an id back.
    pub fn give_back(&self, uid: u32) {
        self.taken().remove(&uid);
    }

    fn taken(&self) -> std::sync::MutexGuard<'_, BTreeSet<u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_given_once_until_it_comes_back() {
        let uids = Uids::new(100, 2);
        assert!(uids.keep(100));
        assert!(!uids.keep(100));
        assert!(!uids.keep(99));
        assert_eq!(uids.take(), Ok(101));
        assert_eq!(uids.take(), Err(NoUid));
        uids.give_back(100);
        assert_eq!(uids.take(), Ok(100));
    }
}
