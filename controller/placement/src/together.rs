//! Writing hosts down together: when a thousand streams open at once, each of them would wait for the disk alone.
//!
//! Who comes puts its host on a pile and waits for its turn; who has it writes the whole pile in one transaction, for all who wait.

use crate::{store, view::View};
use controller_base::Timestamp;
use controller_db::{Db, DbError};
use controller_ports::fleet::Host;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{
    Mutex as Turn,
    oneshot::{self, error::TryRecvError},
};

/// Hosts that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Together {
    pile: Mutex<Vec<(Host, oneshot::Sender<()>)>>,
    turn: Turn<()>,
}

impl Together {
    /// Writes a host, and all that wait. The newest of one host counts.
    pub(crate) async fn write(&self, db: &Db, view: &View, host: &Host, now: Timestamp) -> Result<(), DbError> {
        loop {
            let (done, mut written) = oneshot::channel();
            self.pile().push((host.clone(), done));
            let turn = self.turn.lock().await;
            match written.try_recv() {
                Ok(()) => return Ok(()),
                // Whoever took it along failed.
                Err(TryRecvError::Closed) => continue,
                Err(TryRecvError::Empty) => {}
            }
            let mut pile = std::mem::take(&mut *self.pile());
            // Rows are locked in the same order by all.
            pile.sort_by_key(|(host, _)| host.id);
            write(db, view, &pile, now).await?;
            // Who went meanwhile needs no answer; the others look when it is their turn.
            pile.into_iter().for_each(|(_, done)| done.send(()).unwrap_or_default());
            drop(turn);
            return Ok(());
        }
    }

    fn pile(&self) -> MutexGuard<'_, Vec<(Host, oneshot::Sender<()>)>> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(db: &Db, view: &View, pile: &[(Host, oneshot::Sender<()>)], now: Timestamp) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    for (host, _) in pile {
        store::put_host(&mut tx, host, now).await?;
        let (view, host) = (view.clone(), host.id);
        tx.on_commit(move || view.doubt(host));
    }
    tx.commit().await
}
