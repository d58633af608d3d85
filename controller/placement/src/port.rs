//! Placement as others see it: [`Placement`] for compute, [`HostObserver`] for the fleet.

use crate::{Ratios, choose::choose, store};
use async_trait::async_trait;
use controller_base::Clock;
use controller_base::id::{HostId, ServerId};
use controller_db::{Db, DbError, Tx};
use controller_ports::{
    Unavailable,
    fleet::{Host, HostObserver},
    placement::{ClaimError, Constraints, Consumer, HostUsage, Placement, Resources},
};

/// So many times a claim looks again when others claim at the same time.
const ATTEMPTS: usize = 16;

/// Placement. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PlacementService {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) ratios: Ratios,
}

impl PlacementService {
    /// Opens placement on a database, whose tables it brings up to date.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(db: Db, clock: Clock, ratios: Ratios) -> Result<Self, DbError> {
        db.migrate("placement", store::MIGRATIONS).await?;
        Ok(Self { db, clock, ratios })
    }

    /// What a host may promise in all, for those who show it.
    #[must_use]
    pub fn capacity(&self, total: Resources) -> Resources {
        self.ratios.capacity(total)
    }

    async fn try_claim(
        &self,
        tx: &mut Tx,
        consumer: &Consumer,
        wanted: Resources,
        constraints: &Constraints,
    ) -> Result<Option<(HostId, String)>, DbError> {
        if let Some(had) = store::claim_of(tx, consumer.server).await? {
            return Ok(Some(had));
        }
        for _ in 0..ATTEMPTS {
            let (hosts, now) = (store::hosts(tx).await?, self.clock.now());
            let Some(best) = choose(&hosts, wanted, constraints, &self.ratios, now) else {
                return Ok(None);
            };
            let host = best.usage.host_id;
            if store::advance(tx, host, best.generation, now).await? {
                store::insert_claim(tx, consumer, host, wanted, now).await?;
                return Ok(Some((host, best.usage.hostname.clone())));
            }
        }
        Ok(None)
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
    ) -> Result<(HostId, String), ClaimError> {
        let claimed = self.try_claim(tx, consumer, wanted, constraints).await;
        claimed.map_err(unavailable)?.ok_or(ClaimError::NoValidHost)
    }

    async fn release(&self, tx: &mut Tx, server: ServerId) -> Result<(), Unavailable> {
        store::delete_claim(tx, server).await.map_err(unavailable)
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
        let write = async {
            let mut tx = self.db.begin().await?;
            store::put_host(&mut tx, host, now).await?;
            tx.commit().await
        };
        write.await.map_err(unavailable)
    }

    async fn forget_host(&self, host: HostId) -> Result<Option<String>, Unavailable> {
        let write = async {
            let mut tx = self.db.begin().await?;
            let servers = store::claims_on(&mut tx, host).await?;
            if servers > 0 {
                return Ok(Some(servers));
            }
            store::delete_host(&mut tx, host).await?;
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
            resources: HostResources { vcpus: 2, memory_mib, disk_gib: 100 },
            underlay_address: String::new(),
            physical_networks: Vec::new(),
            version: String::new(),
            membership: Membership::default(),
        }
    }

    const SMALL: Resources = Resources { vcpus: 1, memory_mib: 512, disk_gib: 1 };

    async fn claim(service: &PlacementService, server: ServerId) -> Result<(HostId, String), ClaimError> {
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
            let service = PlacementService::open((*db).clone(), clock, Ratios::default()).await.unwrap();
            let only = host("a", 1024);
            service.host_changed(&only).await.unwrap();
            service.host_changed(&only).await.unwrap();
            let (first, second) = (ServerId::random(), ServerId::random());
            assert_eq!(claim(&service, first).await.unwrap(), (only.id, "a".to_owned()));
            assert_eq!(claim(&service, first).await.unwrap().0, only.id, "a server keeps its host");
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
            let service = PlacementService::open((*db).clone(), clock.clone(), Ratios::default()).await.unwrap();
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
            let service = PlacementService::open((*db).clone(), clock, Ratios::default()).await.unwrap();
            let mut only = host("a", 4096);
            service.host_changed(&only).await.unwrap();
            let first = ServerId::random();
            claim(&service, first).await.unwrap();
            only.membership.drained = true;
            service.host_changed(&only).await.unwrap();
            assert!(matches!(claim(&service, ServerId::random()).await, Err(ClaimError::NoValidHost)));
            assert_eq!(claim(&service, first).await.unwrap().0, only.id, "what is there stays");
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
            let service = PlacementService::open((*db).clone(), clock, Ratios::default()).await.unwrap();
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
}
