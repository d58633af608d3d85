//! Checked tokens and what they are made of, as long as nothing has changed that could make them mean something else.
//!
//! An entry is worth something in its epoch only. The epoch moves with every commit of this process that touches what tokens mean,
//! and, where controllers share a database, whenever the database's own epoch is seen to have moved: a task looks at it every
//! [`PERIOD`], so that a request does no I/O. Where nobody has looked for [`STALE`], the request itself does.

use super::payload::ScopeId;
use crate::catalog::Offer;
use bytes::Bytes;
use controller_base::{
    Timestamp,
    id::{DomainId, ProjectId, UserId},
};
use controller_web::{
    Scope, TokenInfo,
    token::{RoleRef, UserRef},
};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

const MOST: usize = 16_384;
/// Of everything else.
const MOST_FOUND: usize = 4_096;
/// How often the database's epoch is looked at.
pub(crate) const PERIOD: Duration = Duration::from_millis(25);
/// How old the last look may be: together with a look's own time well below the 100 ms within which a revocation holds everywhere.
const STALE: Duration = Duration::from_millis(60);

/// A token that was checked.
#[derive(Debug)]
pub(crate) struct Entry {
    epoch: i64,
    /// When it ends at the latest.
    until: Timestamp,
    /// What it says.
    pub info: Arc<TokenInfo>,
    /// The whole answer to whoever looks at it, once somebody has: with the catalog, and without.
    pub bodies: [OnceLock<Bytes>; 2],
}

/// What was checked, each with the epoch in which it was.
#[derive(Debug)]
pub struct Cache {
    epoch: AtomicI64,
    /// The database's epoch when it was last looked at, and when that was, in microseconds since `started`; 0: never.
    seen: AtomicI64,
    looked_at: AtomicU64,
    started: Instant,
    /// Held while a request looks at the database's epoch.
    pub(crate) turn: tokio::sync::Mutex<()>,
    tokens: Mutex<HashMap<Box<str>, Arc<Entry>>>,
    /// What projects see of the catalog.
    pub(crate) catalogs: Found<Option<ProjectId>, Arc<[Offer]>>,
    /// What users are in a scope by themselves.
    pub(crate) standings: Found<(UserId, ScopeId), Arc<Standing>>,
    /// Domains whose users live in this cloud's own tables.
    pub(crate) own_domains: Found<DomainId, ()>,
}

/// A user in a scope.
#[derive(Debug)]
pub(crate) struct Standing {
    pub user: UserRef,
    pub scope: Scope,
    pub roles: Vec<RoleRef>,
}

/// What was found in one epoch, by a key.
#[derive(Debug)]
pub(crate) struct Found<K, V>(Mutex<(i64, HashMap<K, V>)>);

impl<K, V> Default for Found<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash, V: Clone> Found<K, V> {
    /// What was found in this epoch.
    pub(crate) fn get(&self, key: &K, epoch: i64) -> Option<V> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.1.get(key).filter(|_| known.0 == epoch).cloned()
    }

    /// Keeps what was found in this epoch.
    pub(crate) fn put(&self, key: K, epoch: i64, value: V) -> V {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != epoch || known.1.len() >= MOST_FOUND {
            *known = (epoch, HashMap::new());
        }
        known.1.insert(key, value.clone());
        value
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            epoch: AtomicI64::new(0),
            seen: AtomicI64::new(0),
            looked_at: AtomicU64::new(0),
            started: Instant::now(),
            turn: tokio::sync::Mutex::default(),
            tokens: Mutex::default(),
            catalogs: Found::default(),
            standings: Found::default(),
            own_domains: Found::default(),
        }
    }
}

impl Cache {
    /// The epoch of this process; read it before looking into the database.
    pub fn epoch(&self) -> i64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// Whatever was checked before is worth nothing now.
    pub fn invalidate(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }

    /// The database's epoch was this when it was looked at from `began` on.
    pub fn saw(&self, epoch: i64, began: Instant) {
        if self.seen.swap(epoch, Ordering::SeqCst) != epoch {
            self.invalidate();
        }
        let at = began.saturating_duration_since(self.started).as_micros();
        self.looked_at.fetch_max(u64::try_from(at).unwrap_or(u64::MAX).max(1), Ordering::SeqCst);
    }

    /// Whether somebody has looked at the database's epoch lately.
    pub fn is_fresh(&self, now: Instant) -> bool {
        let at = self.looked_at.load(Ordering::SeqCst);
        at > 0 && now.saturating_duration_since(self.started) < Duration::from_micros(at) + STALE
    }

    /// A token checked in this epoch that has not ended.
    pub(crate) fn get(&self, token: &str, epoch: i64, now: Timestamp) -> Option<Arc<Entry>> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = tokens.get(token)?;
        (entry.epoch == epoch && entry.until > now).then(|| entry.clone())
    }

    /// Keeps a token that was checked in this epoch.
    pub(crate) fn put(&self, token: &str, epoch: i64, info: TokenInfo, until: Timestamp) -> Arc<Entry> {
        let entry = Arc::new(Entry { epoch, until, info: Arc::new(info), bodies: Default::default() });
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MOST {
            tokens.retain(|_, entry| entry.epoch == epoch);
        }
        if tokens.len() >= MOST {
            tokens.clear();
        }
        tokens.insert(token.into(), entry.clone());
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_worth_something_in_its_epoch_and_time_alone() {
        let (cache, token) = (Cache::default(), controller_web::testing::project_token("u", "p", &[]));
        cache.put("t", cache.epoch(), token, Timestamp(10));
        assert!(cache.get("t", cache.epoch(), Timestamp(9)).is_some());
        assert!(cache.get("t", cache.epoch(), Timestamp(10)).is_none());
        cache.invalidate();
        assert!(cache.get("t", cache.epoch(), Timestamp(9)).is_none());
    }

    #[test]
    fn what_was_found_is_forgotten_with_its_epoch_and_bounded() {
        let found = Found::default();
        assert_eq!(found.put(1, 1, "a"), "a");
        assert_eq!((found.get(&1, 1), found.get(&1, 2)), (Some("a"), None));
        found.put(2, 2, "b");
        assert_eq!((found.get(&1, 2), found.get(&2, 2)), (None, Some("b")));
        for key in 0..2 * MOST_FOUND {
            found.put(key, 3, "c");
        }
        assert!(found.0.lock().unwrap().1.len() <= MOST_FOUND);
    }

    #[test]
    fn another_controllers_change_moves_the_epoch_once_it_is_seen() {
        let cache = Cache::default();
        let now = Instant::now();
        assert!(!cache.is_fresh(now), "nobody has looked");
        cache.saw(5, now);
        let epoch = cache.epoch();
        cache.saw(5, now);
        assert_eq!(cache.epoch(), epoch);
        assert!(cache.is_fresh(now + STALE / 2) && !cache.is_fresh(now + STALE * 2));
        cache.saw(6, now);
        assert_ne!(cache.epoch(), epoch);
    }
}
