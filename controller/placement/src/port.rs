//! Placement as others see it: [`Placement`] for compute, [`HostObserver`] for the fleet.

use crate::{
    Config, Order, Ratios,
    choose::suits,
    store,
    together::Together,
    view::{Loaded, Reservation, View},
};
use async_trait::async_trait;
use controller_base::Clock;
use controller_base::id::{HostId, ServerId};
use controller_db::{Connection, Db, DbError, Dialect, Tx};
use controller_ports::{
    Unavailable,
    fleet::{Host, HostObserver},
    placement::{ClaimError, Claimed, Constraints, Consumer, HostUsage, Placement, Resources},
};
use std::{sync::Arc, time::Duration};

/// So many times a claim looks again when others claim at the same time.
const ATTEMPTS: usize = 16;
/// From so many hosts in doubt on it is quicker to read all.
const MANY: usize = 128;
/// How long the view may miss what another controller on the same PostgreSQL did to make room. What takes room is never missed.
const SHARED: Duration = Duration::from_secs(5);

/// Placement. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PlacementService {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) ratios: Ratios,
    pub(crate) order: Order,
    view: View,
    together: Arc<Together>,
}

impl PlacementService {
    /// Opens placement on a database, whose tables it brings up to date.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(db: Db, clock: Clock, config: Config) -> Result<Self, DbError> {
        db.migrate("placement", store::MIGRATIONS).await?;
        let (ratios, order) = (config.ratios(), config.order);
        let service = Self { db, clock, ratios, order, view: View::new(ratios, order), together: Arc::default() };
        let mut connection = service.db.read().await?;
        service.read_all(&mut connection, Duration::ZERO).await?;
        drop(connection);
        Ok(service)
    }

    /// What a host may promise in all, for those who show it.
    #[must_use]
    pub fn capacity(&self, total: Resources) -> Resources {
        self.ratios.capacity(total)
    }

    /// Takes room in memory alone, on the host that a claim would go to, until the reservation is dropped.
    #[must_use]
    pub fn reserve(&self, wanted: Resources, constraints: &Constraints) -> Option<Reservation> {
        self.view.reserve(wanted, constraints, self.clock.now())
    }

    async fn try_claim(
        &self,
        tx: &mut Tx,
        consumer: &Consumer,
        wanted: Resources,
        constraints: &Constraints,
    ) -> Result<Option<Claimed>, DbError> {
        self.look_again(tx).await?;
        for _ in 0..ATTEMPTS {
            let Some(reservation) = self.reserve_surely(tx, wanted, constraints).await? else { break };
            if !self.stamp(tx, &reservation, wanted, constraints).await? {
                continue;
            }
            let (host, node) = (reservation.host(), reservation.node());
            if !store::insert_claim(tx, consumer, (host, node), wanted, self.clock.now()).await? {
                break;
            }
            let hostname = reservation.hostname().to_owned();
            tx.on_commit(move || reservation.keep());
            return Ok(Some(Claimed { host, hostname, node }));
        }
        store::claim_of(tx, consumer.server).await
    }

    /// As [`Self::reserve`]; that there is no room is said only of what all controllers know.
    async fn reserve_surely(
        &self,
        tx: &mut Tx,
        wanted: Resources,
        constraints: &Constraints,
    ) -> Result<Option<Reservation>, DbError> {
        if let Some(reservation) = self.reserve(wanted, constraints) {
            return Ok(Some(reservation));
        }
        if self.db.dialect() == Dialect::Sqlite {
            // There is but one.
            return Ok(None);
        }
        self.read_all(tx, Duration::ZERO).await?;
        Ok(self.reserve(wanted, constraints))
    }

    /// Locks the chosen host, and sees by what it held before whether there is room indeed.
    async fn stamp(
        &self,
        tx: &mut Tx,
        reservation: &Reservation,
        wanted: Resources,
        constraints: &Constraints,
    ) -> Result<bool, DbError> {
        let (host, now) = (reservation.host(), self.clock.now());
        let Some(former) = store::stamp(tx, host, reservation.stamp(), now).await? else {
            self.view.forget(host);
            return Ok(false);
        };
        if reservation.follows(former, constraints, now) {
            return Ok(true);
        }
        let Some(Loaded { provider, .. }) = store::some(tx, [host].into_iter()).await?.pop() else { return Ok(false) };
        let fits =
            suits(&provider, wanted, constraints, &self.ratios, now) && reservation.node_fits(&provider, &self.ratios);
        reservation.corrected(Loaded { provider, stamp: former });
        Ok(fits)
    }

    /// Reads what changed since it was read.
    async fn look_again(&self, connection: &mut Connection) -> Result<(), DbError> {
        if self.db.dialect() == Dialect::Postgres {
            self.read_all(connection, SHARED).await?;
        }
        match self.view.in_doubt() {
            None => Ok(()),
            Some(scope) if scope.hosts().len() > MANY => self.read_all(connection, Duration::ZERO).await,
            Some(scope) => {
                let found = store::some(connection, scope.hosts()).await?;
                self.view.install(&scope, found);
                Ok(())
            }
        }
    }

    async fn read_all(&self, connection: &mut Connection, unless: Duration) -> Result<(), DbError> {
        let Some(scope) = self.view.everything(unless) else { return Ok(()) };
        let found = store::all(connection).await?;
        self.view.install(&scope, found);
        Ok(())
    }
}

#[async_trait]
impl Placement for PlacementService {
    async fn claim(
        &self,
        tx: &mut Tx,
        consumer: &Consumer,
        wanted: Resources,
        constraints: &Constraints,
    ) -> Result<Claimed, ClaimError> {
        let claimed = self.try_claim(tx, consumer, wanted, constraints).await;
        claimed.map_err(unavailable)?.ok_or(ClaimError::NoValidHost)
    }

    async fn release(&self, tx: &mut Tx, server: ServerId) -> Result<(), Unavailable> {
        if let Some(host) = store::delete_claim(tx, server).await.map_err(unavailable)? {
            let view = self.view.clone();
            tx.on_commit(move || view.doubt(host));
        }
        Ok(())
    }

    fn reserved(&self) -> Resources {
        self.ratios.reserved
    }

    async fn usages(&self) -> Result<Vec<HostUsage>, Unavailable> {
        let mut connection = self.db.read().await.map_err(unavailable)?;
        let hosts = store::hosts(&mut connection).await.map_err(unavailable)?;
        Ok(hosts.into_iter().map(|host| host.usage).collect())
    }

    async fn claims(&self) -> Result<Vec<(ServerId, HostId)>, Unavailable> {
        let mut connection = self.db.read().await.map_err(unavailable)?;
        store::claims(&mut connection).await.map_err(unavailable)
    }
}

#[async_trait]
impl HostObserver for PlacementService {
    async fn host_changed(&self, host: &Host) -> Result<(), Unavailable> {
        let now = self.clock.now();
        self.together.write(&self.db, &self.view, host, now).await.map_err(unavailable)
    }

    async fn forget_host(&self, host: HostId) -> Result<Option<String>, Unavailable> {
        let write = async {
            let mut tx = self.db.begin().await?;
            let servers = store::claims_on(&mut tx, host).await?;
            if servers > 0 {
                return Ok(Some(servers));
            }
            store::delete_host(&mut tx, host).await?;
            let view = self.view.clone();
            tx.on_commit(move || view.forget(host));
            tx.commit().await.map(|()| None)
        };
        let servers = write.await.map_err(unavailable)?;
        Ok(servers
            .map(|servers| format!("{servers} server{} placed there", if servers == 1 { " is" } else { "s are" })))
    }
}

fn unavailable(error: DbError) -> Unavailable {
    Unavailable { service: "placement", source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::Timestamp;
    use controller_db::testing::databases;
    use controller_ports::fleet::{Admission, HostResources, Membership};

    fn host(name: &str, memory_mib: u64) -> Host {
        Host {
            id: HostId::random(),
            hostname: name.to_owned(),
            up: true,
            last_seen: Timestamp(0),
            // Beside what each host keeps.
            resources: HostResources { vcpus: 2, memory_mib: memory_mib + 512, disk_gib: 100 },
            underlay_address: String::new(),
            physical_networks: Vec::new(),
            version: String::new(),
            membership: Membership::default(),
        }
    }

    const SMALL: Resources = Resources { vcpus: 1, memory_mib: 512, disk_gib: 1 };

    async fn claim(service: &PlacementService, server: ServerId) -> Result<Claimed, ClaimError> {
        let mut tx = service.db.begin().await.unwrap();
        let (project, user) = ("p".parse().unwrap(), "u".parse().unwrap());
        let consumer = Consumer { server, project, user };
        let claimed = service.claim(&mut tx, &consumer, SMALL, &Constraints::default()).await?;
        tx.commit().await.unwrap();
        Ok(claimed)
    }

    #[tokio::test]
    async fn a_claim_takes_room_and_release_gives_it_back() {
        for db in databases().await {
            let clock = Clock::set_to(Timestamp(1));
            let service = PlacementService::open((*db).clone(), clock, Config::default()).await.unwrap();
            let only = host("a", 1024);
            service.host_changed(&only).await.unwrap();
            service.host_changed(&only).await.unwrap();
            let (first, second) = (ServerId::random(), ServerId::random());
            let claimed = Claimed { host: only.id, hostname: "a".to_owned(), node: None };
            assert_eq!(claim(&service, first).await.unwrap(), claimed);
            assert_eq!(claim(&service, first).await.unwrap(), claimed, "a server keeps its host");
            claim(&service, second).await.unwrap();
            assert!(matches!(claim(&service, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            let usage = &service.usages().await.unwrap()[0];
            assert_eq!((usage.servers, usage.used.memory_mib, usage.used.vcpus), (2, 1024, 2));
            for _ in 0..2 {
                let mut tx = service.db.begin().await.unwrap();
                service.release(&mut tx, first).await.unwrap();
                tx.commit().await.unwrap();
            }
            assert_eq!(service.claims().await.unwrap(), [(second, only.id)]);
        }
    }

    #[tokio::test]
    async fn a_host_that_stays_away_gets_nothing_new() {
        for db in databases().await {
            let clock = Clock::set_to(Timestamp(1));
            let service = PlacementService::open((*db).clone(), clock.clone(), Config::default()).await.unwrap();
            let mut only = host("a", 4096);
            assert!(matches!(claim(&service, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            service.host_changed(&only).await.unwrap();
            claim(&service, ServerId::random()).await.unwrap();
            only.up = false;
            service.host_changed(&only).await.unwrap();
            claim(&service, ServerId::random()).await.expect("it may come back at once");
            clock.advance_seconds(61);
            service.host_changed(&only).await.unwrap();
            assert!(matches!(claim(&service, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            only.up = true;
            service.host_changed(&only).await.unwrap();
            claim(&service, ServerId::random()).await.unwrap();
            only.membership.admission = Admission::Fenced;
            service.host_changed(&only).await.unwrap();
            assert!(matches!(claim(&service, ServerId::random()).await, Err(ClaimError::NoValidHost)));
        }
    }

    #[tokio::test]
    async fn a_drained_host_gets_nothing_new_and_one_with_servers_is_not_forgotten() {
        for db in databases().await {
            let clock = Clock::set_to(Timestamp(1));
            let service = PlacementService::open((*db).clone(), clock, Config::default()).await.unwrap();
            let mut only = host("a", 4096);
            service.host_changed(&only).await.unwrap();
            let first = ServerId::random();
            claim(&service, first).await.unwrap();
            only.membership.drained = true;
            service.host_changed(&only).await.unwrap();
            assert!(matches!(claim(&service, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            assert_eq!(claim(&service, first).await.unwrap().host, only.id, "what is there stays");
            assert_eq!(service.forget_host(only.id).await.unwrap().unwrap(), "1 server is placed there");
            only.membership.drained = false;
            service.host_changed(&only).await.unwrap();
            claim(&service, ServerId::random()).await.unwrap();
            for (server, _) in service.claims().await.unwrap() {
                let mut tx = service.db.begin().await.unwrap();
                service.release(&mut tx, server).await.unwrap();
                tx.commit().await.unwrap();
            }
            assert_eq!(service.forget_host(only.id).await.unwrap(), None);
            assert_eq!(service.forget_host(only.id).await.unwrap(), None);
            assert!(service.usages().await.unwrap().is_empty());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_claims_at_once_only_as_many_win_as_fit() {
        for db in databases().await {
            let clock = Clock::set_to(Timestamp(1));
            let service = PlacementService::open((*db).clone(), clock, Config::default()).await.unwrap();
            service.host_changed(&host("a", 2048)).await.unwrap();
            let tasks: Vec<_> = (0..10)
                .map(|_| {
                    let service = service.clone();
                    tokio::spawn(async move { claim(&service, ServerId::random()).await.is_ok() })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += u32::from(task.await.unwrap());
            }
            assert_eq!(won, 4);
        }
    }

    /// Two controllers on one database.
    async fn twins(db: &Db, memory_mib: u64) -> (PlacementService, PlacementService, Host) {
        let clock = Clock::set_to(Timestamp(1));
        let one = PlacementService::open(db.clone(), clock.clone(), Config::default()).await.unwrap();
        let only = host("a", memory_mib);
        one.host_changed(&only).await.unwrap();
        claim(&one, ServerId::random()).await.unwrap();
        (one, PlacementService::open(db.clone(), clock, Config::default()).await.unwrap(), only)
    }

    #[tokio::test]
    async fn a_view_that_lags_behind_never_gives_away_too_much() {
        for db in databases().await {
            let (one, other, only) = twins(&db, 2048).await;
            let spare = host("b", 512);
            claim(&one, ServerId::random()).await.unwrap();
            claim(&one, ServerId::random()).await.unwrap();
            claim(&one, ServerId::random()).await.unwrap();
            one.host_changed(&spare).await.unwrap();
            other.view.doubt(spare.id);
            assert_eq!(
                other.reserve(SMALL, &Constraints::default()).unwrap().host(),
                only.id,
                "it does not know better"
            );
            assert_eq!(claim(&other, ServerId::random()).await.unwrap().host, spare.id, "the database does");
            for service in [&one, &other] {
                assert!(matches!(claim(service, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            }
        }
    }

    #[tokio::test]
    async fn a_host_that_another_one_closed_or_removed_is_not_chosen() {
        for db in databases().await {
            let (one, other, mut only) = twins(&db, 4096).await;
            only.membership.drained = true;
            one.host_changed(&only).await.unwrap();
            assert!(matches!(claim(&other, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            let gone = host("b", 8192);
            one.host_changed(&gone).await.unwrap();
            other.view.doubt(gone.id);
            claim(&other, ServerId::random()).await.unwrap();
            for (server, host) in one.claims().await.unwrap() {
                if host == gone.id {
                    let mut tx = one.db.begin().await.unwrap();
                    one.release(&mut tx, server).await.unwrap();
                    tx.commit().await.unwrap();
                }
            }
            assert_eq!(one.forget_host(gone.id).await.unwrap(), None);
            assert_eq!(other.reserve(SMALL, &Constraints::default()).unwrap().host(), gone.id);
            assert!(matches!(claim(&other, ServerId::random()).await, Err(ClaimError::NoValidHost)));
        }
    }

    #[tokio::test]
    async fn what_is_rolled_back_was_never_taken() {
        for db in databases().await {
            let (one, _, only) = twins(&db, 2048).await;
            for _ in 0..3 {
                let mut tx = one.db.begin().await.unwrap();
                for _ in 0..3 {
                    let (project, user) = ("p".parse().unwrap(), "u".parse().unwrap());
                    let consumer = Consumer { server: ServerId::random(), project, user };
                    let claimed = one.claim(&mut tx, &consumer, SMALL, &Constraints::default()).await.unwrap();
                    assert_eq!(claimed.host, only.id, "several in one transaction");
                }
                drop(tx);
            }
            for _ in 0..3 {
                claim(&one, ServerId::random()).await.unwrap();
            }
            assert!(matches!(claim(&one, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            let known = one.reserve(Resources { memory_mib: 0, ..SMALL }, &Constraints::default());
            assert!(known.is_some(), "it is full of memory alone");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hosts_that_come_at_once_are_all_written_down() {
        for db in databases().await {
            let clock = Clock::set_to(Timestamp(1));
            let service = PlacementService::open((*db).clone(), clock, Config::default()).await.unwrap();
            let hosts: Vec<_> = (0..50).map(|number| host(&format!("{number:02}"), 1024 + number)).collect();
            let tasks: Vec<_> = hosts
                .iter()
                .cloned()
                .map(|host| {
                    let service = service.clone();
                    tokio::spawn(async move { service.host_changed(&host).await })
                })
                .collect();
            for task in tasks {
                task.await.unwrap().unwrap();
            }
            let known: Vec<_> = service.usages().await.unwrap().into_iter().map(|usage| usage.host_id).collect();
            assert_eq!(known, hosts.iter().map(|host| host.id).collect::<Vec<_>>());
            assert_eq!(claim(&service, ServerId::random()).await.unwrap().hostname, "49");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_many_claims_by_two_at_once_only_as_many_win_as_fit() {
        for db in databases().await {
            if db.dialect() == Dialect::Sqlite {
                continue;
            }
            let (one, other, _) = twins(&db, 512 * 9).await;
            let tasks: Vec<_> = (0..24)
                .map(|number| {
                    let service = if number % 2 == 0 { one.clone() } else { other.clone() };
                    tokio::spawn(async move { claim(&service, ServerId::random()).await })
                })
                .collect();
            let mut won = 0;
            for task in tasks {
                won += u32::from(task.await.unwrap().is_ok());
            }
            assert_eq!(won, 8);
            assert_eq!(one.usages().await.unwrap()[0].used.memory_mib, 512 * 9);
        }
    }
}
