//! Checked tokens, as long as nothing has changed that could make them mean something else.

use controller_base::Timestamp;
use controller_web::TokenInfo;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

const MOST: usize = 4096;

/// A token's text, the epoch in which it was checked, until when it holds at most, and what it says.
type Checked = HashMap<Box<str>, (i64, Timestamp, Arc<TokenInfo>)>;

/// What was checked, each with the epoch in which it was.
#[derive(Debug, Default)]
pub struct Cache {
    epoch: AtomicI64,
    tokens: Mutex<Checked>,
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

    /// A token checked in this epoch that has not ended.
    pub fn get(&self, token: &str, epoch: i64, now: Timestamp) -> Option<Arc<TokenInfo>> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, until, info) = tokens.get(token)?;
        (*seen == epoch && *until > now).then(|| info.clone())
    }

    /// Keeps a token that was checked in this epoch.
    pub fn put(&self, token: &str, epoch: i64, info: Arc<TokenInfo>, until: Timestamp) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= MOST {
            tokens.retain(|_, (seen, ..)| *seen == epoch);
        }
        if tokens.len() >= MOST {
            tokens.clear();
        }
        tokens.insert(token.into(), (epoch, until, info));
    }
}
