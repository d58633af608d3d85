//! Writing hosts down together: when a thousand streams open at once, each of them would wait for the disk alone.
//!
//! Who comes puts its host on a pile and waits for its turn; who has it writes the whole pile, for all who wait, in transactions that
//! are short enough for those who claim room on the same hosts.

use crate::{store, view::View};
use controller_base::Timestamp;
use controller_db::{Db, DbError};
use controller_ports::fleet::Host;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{
    Mutex as Turn,
    oneshot::{self, error::TryRecvError},
};

/// The most hosts of one transaction: each stays locked until it ends.
const MOST: usize = 100;
/// How often a transaction is tried that crosses with another one.
const ATTEMPTS: u32 = 5;

type Waiting = (Host, oneshot::Sender<()>);

/// Hosts that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Together {
    pile: Mutex<Vec<Waiting>>,
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
            let failed = write(db, view, pile, now).await;
            drop(turn);
            // It may have been among those that were written before.
            return written.try_recv().or(failed);
        }
    }

    fn pile(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.pile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes all that wait and answers them; from the first failure on they get no answer.
async fn write(db: &Db, view: &View, mut pile: Vec<Waiting>, now: Timestamp) -> Result<(), DbError> {
    while !pile.is_empty() {
        let few: Vec<_> = pile.drain(..pile.len().min(MOST)).collect();
        write_few(db, view, &few, now).await?;
        // Who went meanwhile needs no answer; the others look when it is their turn.
        few.into_iter().for_each(|(_, done)| done.send(()).unwrap_or_default());
    }
    Ok(())
}

async fn write_few(db: &Db, view: &View, few: &[Waiting], now: Timestamp) -> Result<(), DbError> {
    let mut attempt = 1;
    loop {
        match write_once(db, view, few, now).await {
            Err(error) if attempt < ATTEMPTS && error.is_crossing() => attempt += 1,
            other => return other,
        }
    }
}

async fn write_once(db: &Db, view: &View, few: &[Waiting], now: Timestamp) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    for (host, _) in few {
        store::put_host(&mut tx, host, now).await?;
        let (view, host) = (view.clone(), host.id);
        tx.on_commit(move || view.doubt(host));
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::id::HostId;
    use controller_db::{Dialect, testing::databases};
    use controller_ports::fleet::{HostResources, Membership};
    use sqlx::Row as _;

    fn host(name: &str) -> Host {
        Host {
            id: HostId::random(),
            hostname: name.to_owned(),
            up: true,
            last_seen: Timestamp(0),
            resources: HostResources { vcpus: 1, memory_mib: 1024, disk_gib: 10 },
            underlay_address: String::new(),
            physical_networks: Vec::new(),
            version: String::new(),
            membership: Membership::default(),
        }
    }

    fn view() -> View {
        let config = crate::Config::default();
        View::new(config.ratios(), config.order)
    }

    /// Waiting hosts, and those who wait for them.
    fn waiting(count: usize) -> (Vec<Waiting>, Vec<oneshot::Receiver<()>>) {
        let hosts = (0..count).map(|number| {
            let (done, written) = oneshot::channel();
            ((host(&format!("host-{number}")), done), written)
        });
        hosts.unzip()
    }

    async fn number(db: &Db, select: &'static str) -> i64 {
        sqlx::query(select).fetch_one(&mut *db.read().await.unwrap()).await.unwrap().get(0)
    }

    /// Lets a transaction fail that writes this host, so many times.
    async fn cross(db: &Db, hostname: &str, times: u32) {
        let trigger = format!(
            "CREATE SEQUENCE crossed;
             CREATE FUNCTION cross_once() RETURNS trigger AS $$ BEGIN
                 IF NEW.hostname = '{hostname}' AND nextval('crossed') <= {times} THEN
                     RAISE EXCEPTION 'crossed' USING ERRCODE = '40P01';
                 END IF;
                 RETURN NEW;
             END $$ LANGUAGE plpgsql;
             CREATE TRIGGER crosses BEFORE INSERT ON placement_host FOR EACH ROW EXECUTE FUNCTION cross_once();"
        );
        let mut tx = db.begin().await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(trigger)).execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_great_pile_is_written_in_several_transactions() {
        for db in databases().await {
            db.migrate("placement", store::MIGRATIONS).await.unwrap();
            let (pile, waiters) = waiting(2 * MOST + 1);
            write(&db, &view(), pile, Timestamp(1)).await.unwrap();
            assert!(waiters.into_iter().all(|mut written| written.try_recv().is_ok()));
            assert_eq!(number(&db, "SELECT COUNT(*) FROM placement_host").await, 201);
            if db.dialect() == Dialect::Postgres {
                let transactions = "SELECT COUNT(DISTINCT CAST(xmin AS TEXT)) FROM placement_host";
                assert_eq!(number(&db, transactions).await, 3);
            }
        }
    }

    #[tokio::test]
    async fn a_transaction_that_crosses_with_another_is_done_again() {
        for db in databases().await.into_iter().filter(|db| db.dialect() == Dialect::Postgres) {
            db.migrate("placement", store::MIGRATIONS).await.unwrap();
            cross(&db, "host-1", ATTEMPTS - 1).await;
            let (pile, waiters) = waiting(3);
            write(&db, &view(), pile, Timestamp(1)).await.unwrap();
            assert!(waiters.into_iter().all(|mut written| written.try_recv().is_ok()));
            assert_eq!(number(&db, "SELECT COUNT(*) FROM placement_host").await, 3);
        }
    }

    #[tokio::test]
    async fn those_who_were_written_before_a_failure_are_told_so() {
        for db in databases().await.into_iter().filter(|db| db.dialect() == Dialect::Postgres) {
            db.migrate("placement", store::MIGRATIONS).await.unwrap();
            cross(&db, "host-150", 1000).await;
            let (pile, waiters) = waiting(2 * MOST);
            assert!(write(&db, &view(), pile, Timestamp(1)).await.unwrap_err().is_crossing());
            let told: Vec<_> = waiters.into_iter().map(|mut written| written.try_recv().is_ok()).collect();
            assert!(told[..MOST].iter().all(|told| *told) && told[MOST..].iter().all(|told| !told));
        }
    }
}
