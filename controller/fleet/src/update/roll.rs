//! Hosts' updates, one after another: what operators want, what hosts say, and what comes next.

use super::{
    Bundle, Depot, DepotError, Order, State,
    order::{Next, next},
};
use crate::{Hub, hub::unavailable, store};
use async_trait::async_trait;
use controller_base::id::HostId;
use controller_db::{DbError, Tx};
use controller_ports::fleet::{Admission, Fleet as _, Host};
use controller_work::Reconciler;
use std::{error::Error, sync::Arc, time::Duration};

/// How soon the next host's turn is noticed.
const PERIOD: Duration = Duration::from_secs(1);

/// Why no update begins.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// One at a time.
    #[error("hosts are being updated to {0}; wait for them, or stop that")]
    Busy(String),
    /// It would not know what to do.
    #[error("host {0} is no appliance, or has not told its version yet: it takes no updates")]
    NoAppliance(String),
    /// It waits for approval, or is cut off.
    #[error("host {0} is no member in good standing")]
    NoMember(String),
    /// All run it.
    #[error("no host is left that does not run version {0}")]
    Nobody(String),
    /// There is no bundle.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// The database failed.
    #[error("the database failed")]
    Db(#[from] DbError),
}

/// Carries updates on.
pub struct Roll(pub Arc<Hub>);

#[async_trait]
impl Reconciler for Roll {
    fn name(&self) -> &'static str {
        "fleet.update"
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    async fn run(&self) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(self.0.advance_updates().await?)
    }
}

impl Hub {
    /// Where bundles are kept; none before the services are wired.
    #[must_use]
    pub fn depot(&self) -> Option<&Arc<Depot>> {
        self.sources().map(|sources| &sources.updates)
    }

    /// Hosts' last updates, by their turn.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn updates(&self) -> Result<Vec<Order>, DbError> {
        store::list_orders(&mut *self.db.read().await?).await
    }

    /// These hosts shall run what is in the bundle, one after another; of none, all that do not.
    ///
    /// # Errors
    /// When hosts are being updated, or one of these cannot be.
    pub async fn update_hosts(&self, bundle: &Bundle, hosts: Vec<Host>) -> Result<Vec<Order>, OrderError> {
        let all = hosts.is_empty();
        let hosts = if all { self.outdated(bundle).await? } else { hosts };
        for host in &hosts {
            check(host)?;
        }
        let mut tx = self.db.begin().await?;
        let orders = store::list_orders(&mut tx).await?;
        if let Some(open) = orders.iter().find(|order| !order.state.ended()) {
            return Err(OrderError::Busy(open.version.clone()));
        }
        // A gap says where one roll ends and the next begins.
        let first = orders.iter().map(|order| order.place).max().unwrap_or(0) + 2;
        for (place, host) in (first..).zip(&hosts) {
            store::put_order(&mut tx, &self.order(host.id, &bundle.version, place)).await?;
        }
        tx.commit().await?;
        tracing::info!(version = bundle.version, hosts = hosts.len(), "an operator updates hosts");
        let orders = self.updates().await?;
        Ok(orders.into_iter().filter(|order| order.place >= first).collect())
    }

    fn order(&self, host: HostId, version: &str, place: i64) -> Order {
        let (version, reason, changed_at) = (version.to_owned(), String::new(), self.clock.now());
        Order { host, version, place, state: State::Waiting, reason, changed_at }
    }

    async fn outdated(&self, bundle: &Bundle) -> Result<Vec<Host>, OrderError> {
        let members = store::list_members(&mut self.db.read().await?).await?.into_iter().map(|member| member.host);
        let outdated = |host: &Host| {
            let own = &host.membership;
            own.admission == Admission::Admitted && !own.appliance.is_empty() && own.appliance != bundle.version
        };
        let hosts: Vec<_> = members.filter(outdated).collect();
        if hosts.is_empty() { Err(OrderError::Nobody(bundle.version.clone())) } else { Ok(hosts) }
    }

    /// No further host begins; those that would have been.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stop_updates(&self) -> Result<Vec<HostId>, DbError> {
        let mut tx = self.db.begin().await?;
        let open: Vec<_> =
            store::list_orders(&mut tx).await?.into_iter().filter(|order| !order.state.ended()).collect();
        for order in &open {
            self.put(&mut tx, order, State::Stopped, "an operator stopped it").await?;
        }
        tx.commit().await?;
        Ok(open.into_iter().map(|order| order.host).collect())
    }

    /// Does what is next.
    pub(crate) async fn advance_updates(&self) -> Result<(), DbError> {
        let orders = self.updates().await?;
        let decided = next(&orders, self.clock.now());
        if decided == Next::Nothing {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        // Decided anew on what nobody else changes meanwhile.
        let orders = store::list_orders(&mut tx).await?;
        let find = |host: HostId| orders.iter().find(move |order| order.host == host);
        match next(&orders, self.clock.now()) {
            Next::Nothing => return Ok(()),
            Next::Tell(host) => {
                if let Some(order) = find(host) {
                    self.put(&mut tx, order, State::Ordered, "").await?;
                }
                tx.commit().await?;
                self.poke(host);
                return Ok(());
            }
            Next::GiveUp(host) => {
                if let Some(order) = find(host) {
                    let reason = format!("the host said nothing more after {}", order.state.word());
                    self.put(&mut tx, order, State::Failed, &reason).await?;
                }
            }
            Next::Stop(failed) => {
                let reason = format!("host {failed} failed");
                for order in orders.iter().filter(|order| order.state == State::Waiting) {
                    self.put(&mut tx, order, State::Stopped, &reason).await?;
                }
            }
        }
        tx.commit().await
    }

    /// What the host shall run, if it shall be told.
    pub(crate) async fn wanted_update(&self, host: HostId) -> Result<Option<Order>, DbError> {
        let order = store::get_order(&mut *self.db.read().await?, host).await?;
        Ok(order.filter(|order| order.state.active()))
    }

    /// A host says how far it is.
    pub(crate) async fn update_progressed(
        &self,
        host: HostId,
        version: &str,
        state: State,
        reason: &str,
    ) -> Result<(), controller_ports::Unavailable> {
        let noted = async {
            let mut tx = self.db.begin().await?;
            let news = |order: &Order| order.version == version && order.state.active() && order.state != state;
            let Some(order) = store::get_order(&mut tx, host).await?.filter(news) else { return Ok(false) };
            self.put(&mut tx, &order, state, reason).await?;
            tx.commit().await.map(|()| true)
        };
        let noted: Result<bool, DbError> = noted.await;
        if noted.map_err(unavailable)? {
            tracing::info!(%host, version, state = state.word(), reason, "a host's update");
        }
        Ok(())
    }

    async fn put(&self, tx: &mut Tx, order: &Order, state: State, reason: &str) -> Result<(), DbError> {
        let reason = reason.chars().take(1000).collect();
        store::put_order(tx, &Order { state, reason, changed_at: self.clock.now(), ..order.clone() }).await
    }

    /// Names of hosts by id, for people.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn host_names(&self) -> Result<std::collections::HashMap<HostId, String>, controller_ports::Unavailable> {
        Ok(self.hosts().await?.into_iter().map(|host| (host.id, host.hostname)).collect())
    }
}

fn check(host: &Host) -> Result<(), OrderError> {
    if host.membership.admission != Admission::Admitted {
        return Err(OrderError::NoMember(host.hostname.clone()));
    }
    if host.membership.appliance.is_empty() {
        return Err(OrderError::NoAppliance(host.hostname.clone()));
    }
    Ok(())
}
