//! Which of its images this host gives to which other hosts: what the controller told it to, for a minute.
//!
//! It owns that list and knows no wire. A host that is cut off from the cloud is named no more, and so gets nothing after that minute.

use hostd_images::Digest;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How long the controller's word counts.
const GRANTED: Duration = Duration::from_secs(60);
/// A host that asked for nothing so long is not being served.
const IDLE: Duration = Duration::from_secs(10);
/// Transfers to one host at a time.
const MOST_STREAMS: usize = 16;

/// Why an image is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGiven {
    /// As many hosts are served as may be.
    #[error("too many hosts are being served")]
    Busy,
    /// The controller did not say so, or long ago.
    #[error("the controller did not tell this host to give that image to the caller")]
    NotGranted,
}

/// The list; clones share it.
#[derive(Clone, Debug)]
pub struct Sharing {
    grants: Arc<Mutex<HashMap<(String, Digest), Grant>>>,
    most_hosts: usize,
    given: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Grant {
    given: Instant,
    used: Instant,
    streams: usize,
}

impl Grant {
    fn is_busy(&self, now: Instant) -> bool {
        self.streams > 0 || now.duration_since(self.used) < IDLE
    }
}

/// A transfer that is under way, until it is dropped.
#[derive(Debug)]
pub struct Transfer {
    sharing: Sharing,
    key: (String, Digest),
}

impl Sharing {
    /// Serves so many hosts at a time; 0: none.
    #[must_use]
    pub fn new(most_hosts: usize) -> Self {
        Self { grants: Arc::default(), most_hosts, given: Arc::default() }
    }

    /// Bytes that were given.
    #[must_use]
    pub fn given(&self) -> u64 {
        self.given.load(Ordering::Relaxed)
    }

    fn grants(&self) -> MutexGuard<'_, HashMap<(String, Digest), Grant>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The controller says that this host shall get the image.
    ///
    /// # Errors
    /// [`NotGiven::Busy`].
    pub fn grant(&self, host: &str, image: Digest, now: Instant) -> Result<(), NotGiven> {
        let mut grants = self.grants();
        grants.retain(|_, grant| grant.is_busy(now) || now.duration_since(grant.given) < GRANTED);
        let busy = grants.iter().filter(|((other, _), grant)| other != host && grant.is_busy(now));
        if busy.map(|((other, _), _)| other).collect::<BTreeSet<_>>().len() >= self.most_hosts {
            return Err(NotGiven::Busy);
        }
        let grant = grants.entry((host.to_owned(), image)).or_insert(Grant { given: now, used: now, streams: 0 });
        (grant.given, grant.used) = (now, now);
        Ok(())
    }

    /// A host asks for bytes of an image.
    ///
    /// # Errors
    /// See [`NotGiven`].
    pub fn begin(&self, host: &str, image: Digest, now: Instant) -> Result<Transfer, NotGiven> {
        let mut grants = self.grants();
        let streams: usize =
            grants.iter().filter(|((other, _), _)| other == host).map(|(_, grant)| grant.streams).sum();
        let key = (host.to_owned(), image);
        let grant = grants.get_mut(&key).filter(|grant| now.duration_since(grant.given) < GRANTED);
        let grant = grant.ok_or(NotGiven::NotGranted)?;
        if streams >= MOST_STREAMS {
            return Err(NotGiven::Busy);
        }
        grant.streams += 1;
        grant.used = now;
        drop(grants);
        Ok(Transfer { sharing: self.clone(), key })
    }
}

impl Transfer {
    /// So many bytes more were given.
    pub fn count(&self, bytes: u64) {
        self.sharing.given.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(grant) = self.sharing.grants().get_mut(&self.key) {
            grant.streams -= 1;
            grant.used = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(of: char) -> Digest {
        of.to_string().repeat(64).parse().unwrap()
    }

    #[test]
    fn only_who_was_named_gets_only_what_was_named_for_a_minute() {
        let (sharing, now) = (Sharing::new(1), Instant::now());
        assert_eq!(sharing.begin("a", digest('1'), now).unwrap_err(), NotGiven::NotGranted);
        sharing.grant("a", digest('1'), now).unwrap();
        assert_eq!(sharing.begin("b", digest('1'), now).unwrap_err(), NotGiven::NotGranted);
        assert_eq!(sharing.begin("a", digest('2'), now).unwrap_err(), NotGiven::NotGranted);
        let transfer = sharing.begin("a", digest('1'), now + Duration::from_secs(59)).unwrap();
        assert_eq!(sharing.begin("a", digest('1'), now + GRANTED).unwrap_err(), NotGiven::NotGranted);
        sharing.grant("a", digest('1'), now + GRANTED).unwrap();
        drop(sharing.begin("a", digest('1'), now + GRANTED).unwrap());
        drop(transfer);
    }

    #[test]
    fn so_many_hosts_are_served_at_a_time() {
        let (sharing, now) = (Sharing::new(2), Instant::now());
        for host in ["a", "b", "a"] {
            sharing.grant(host, digest('1'), now).unwrap();
        }
        assert_eq!(sharing.grant("c", digest('1'), now), Err(NotGiven::Busy));
        let _transfer = sharing.begin("a", digest('1'), now).unwrap();
        sharing.grant("c", digest('1'), now + IDLE).unwrap();
        assert_eq!(sharing.grant("d", digest('1'), now + IDLE), Err(NotGiven::Busy), "a transfer is under way");
        assert_eq!(Sharing::new(0).grant("a", digest('1'), now), Err(NotGiven::Busy));
    }

    #[test]
    fn one_host_does_not_take_all_transfers() {
        let (sharing, now) = (Sharing::new(2), Instant::now());
        sharing.grant("a", digest('1'), now).unwrap();
        let all: Vec<_> = (0..MOST_STREAMS).map(|_| sharing.begin("a", digest('1'), now).unwrap()).collect();
        assert_eq!(sharing.begin("a", digest('1'), now).unwrap_err(), NotGiven::Busy);
        drop(all);
        sharing.begin("a", digest('1'), now).unwrap();
    }
}
