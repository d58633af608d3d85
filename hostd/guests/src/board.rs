//! The board: what every guest is right now, for whoever reports it. A state that is overtaken before it was read is not reported.

use crate::model::{Observed, State};
use hostd_kit::ids::GuestId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::sync::Notify;

/// All guests' states.
#[derive(Debug, Default)]
pub struct Board {
    content: Mutex<Content>,
    news: Notify,
    exits: Mutex<BTreeMap<&'static str, u64>>,
    restarts: AtomicU64,
}

#[derive(Debug, Default)]
struct Content {
    guests: BTreeMap<GuestId, Observed>,
    changed: BTreeSet<GuestId>,
}

impl Board {
    /// Sets a guest's state. Its actor alone calls this.
    pub(crate) fn set(&self, observed: Observed) {
        let mut content = self.content();
        if content.guests.get(&observed.id) != Some(&observed) {
            content.changed.insert(observed.id.clone());
            content.guests.insert(observed.id.clone(), observed);
            drop(content);
            self.news.notify_one();
        }
    }

    /// Counts the end of a guest's process.
    pub(crate) fn count_exit(&self, reason: &'static str) {
        *self.exits.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// How many guests' processes ended since this program's start, by reason; reasons that did not occur are missing.
    pub fn exits(&self) -> BTreeMap<&'static str, u64> {
        self.exits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts a start of a guest that ended by itself.
    pub(crate) fn count_restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// How many guests that ended by themselves were started again since this program's start.
    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Waits for changes and takes them. For one reader; a guest that is gone is forgotten when this was taken.
    pub async fn changes(&self) -> Vec<Observed> {
        loop {
            let waiting = self.news.notified();
            let taken = self.take();
            if !taken.is_empty() {
                return taken;
            }
            waiting.await;
        }
    }

    /// All guests that are on this host. What was changed counts as taken.
    pub fn all(&self) -> Vec<Observed> {
        self.take();
        self.content().guests.values().cloned().collect()
    }

    /// A copy of all states, for metrics and the audit; nothing counts as taken.
    pub fn peek(&self) -> Vec<Observed> {
        self.content().guests.values().cloned().collect()
    }

    fn take(&self) -> Vec<Observed> {
        let mut content = self.content();
        let changed = std::mem::take(&mut content.changed);
        let taken: Vec<_> = changed.iter().filter_map(|id| content.guests.get(id).cloned()).collect();
        content.guests.retain(|id, guest| guest.state != State::Gone || !changed.contains(id));
        taken
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(id: &str, state: State) -> Observed {
        Observed { id: id.parse().unwrap(), generation: 1, state, reason: String::new(), boot_count: 1, since: 0 }
    }

    #[tokio::test]
    async fn the_newest_state_is_taken_once() {
        let board = Board::default();
        board.set(observed("a", State::Preparing));
        board.set(observed("a", State::Running));
        assert_eq!(board.changes().await, [observed("a", State::Running)]);
        assert!(board.take().is_empty());
        assert_eq!(board.all(), [observed("a", State::Running)]);
    }

    #[tokio::test]
    async fn a_gone_guest_is_told_and_forgotten() {
        let board = Board::default();
        board.set(observed("a", State::Gone));
        assert_eq!(board.changes().await, [observed("a", State::Gone)]);
        assert!(board.peek().is_empty());
    }
}
