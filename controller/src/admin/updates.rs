//! New versions of the appliance, and which hosts shall run them.

use super::{Admin, convert, unavailable};
use controller_base::id::HostId;
use controller_fleet::update::{Bundle, Depot, DepotError, Order, OrderError, State};
use humilis_proto::admin as wire;
use std::{collections::HashMap, sync::Arc};
use tonic::{Request, Response, Status, Streaming};

#[tonic::async_trait]
impl wire::updates_server::Updates for Admin {
    async fn add_update(
        &self,
        request: Request<Streaming<wire::AddUpdateRequest>>,
    ) -> Result<Response<wire::Update>, Status> {
        let (depot, mut pieces) = (self.depot()?, request.into_inner());
        let mut incoming = depot.receive().map_err(refusal)?;
        while let Some(piece) = pieces.message().await? {
            incoming = blocking(move || incoming.push(&piece.data).map(|()| incoming)).await?;
        }
        let kept = blocking(move || depot.keep(incoming)).await?;
        tracing::info!(version = kept.version, "an operator added an update");
        Ok(Response::new(update(&kept)))
    }

    async fn list_updates(
        &self,
        _: Request<wire::ListUpdatesRequest>,
    ) -> Result<Response<wire::ListUpdatesResponse>, Status> {
        let depot = self.depot()?;
        let updates = blocking(move || depot.list()).await?.iter().map(update).collect();
        let orders = self.cloud.hub.updates().await.map_err(unavailable)?;
        Ok(Response::new(wire::ListUpdatesResponse { updates, hosts: self.shown(orders).await? }))
    }

    async fn remove_update(
        &self,
        request: Request<wire::RemoveUpdateRequest>,
    ) -> Result<Response<wire::RemoveUpdateResponse>, Status> {
        let version = request.into_inner().version;
        let orders = self.cloud.hub.updates().await.map_err(unavailable)?;
        if orders.iter().any(|order| order.version == version && !order.state.ended()) {
            return Err(Status::failed_precondition(format!("hosts are being updated to {version}")));
        }
        let depot = self.depot()?;
        blocking(move || depot.remove(&version)).await?;
        Ok(Response::new(wire::RemoveUpdateResponse {}))
    }

    async fn update_hosts(
        &self,
        request: Request<wire::UpdateHostsRequest>,
    ) -> Result<Response<wire::UpdateHostsResponse>, Status> {
        let wire::UpdateHostsRequest { hosts, version } = request.into_inner();
        let depot = self.depot()?;
        let bundle = blocking(move || chosen(&depot, version)).await?;
        let mut named: Vec<controller_ports::fleet::Host> = Vec::new();
        for name in &hosts {
            let (host, _) = self.find_host(name).await?;
            if named.iter().all(|other| other.id != host.id) {
                named.push(host);
            }
        }
        let orders = self.cloud.hub.update_hosts(&bundle, named).await.map_err(not_ordered)?;
        Ok(Response::new(wire::UpdateHostsResponse { hosts: self.shown(orders).await? }))
    }

    async fn stop_updates(
        &self,
        _: Request<wire::StopUpdatesRequest>,
    ) -> Result<Response<wire::StopUpdatesResponse>, Status> {
        let stopped = self.cloud.hub.stop_updates().await.map_err(unavailable)?;
        let names = self.cloud.hub.host_names().await.map_err(unavailable)?;
        let hosts = stopped.iter().map(|host| name(&names, *host)).collect();
        Ok(Response::new(wire::StopUpdatesResponse { hosts }))
    }
}

impl Admin {
    fn depot(&self) -> Result<Arc<Depot>, Status> {
        self.cloud.hub.depot().cloned().ok_or_else(|| Status::unavailable("the controller is starting"))
    }

    async fn shown(&self, orders: Vec<Order>) -> Result<Vec<wire::HostUpdate>, Status> {
        let names = self.cloud.hub.host_names().await.map_err(unavailable)?;
        let shown = |order: Order| wire::HostUpdate {
            host_id: order.host.to_string(),
            host: name(&names, order.host),
            version: order.version,
            state: state(order.state).into(),
            reason: order.reason,
            changed_at: convert::time(order.changed_at),
        };
        Ok(orders.into_iter().map(shown).collect())
    }
}

/// The version that was named, or the newest.
fn chosen(depot: &Depot, version: String) -> Result<Bundle, DepotError> {
    if !version.is_empty() {
        return depot.get(&version);
    }
    depot.list()?.pop().ok_or_else(|| DepotError::NotFound("any kind".to_owned()))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, DepotError> + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work).await.map_err(unavailable)?.map_err(refusal)
}

fn name(names: &HashMap<HostId, String>, id: HostId) -> String {
    names.get(&id).cloned().unwrap_or_default()
}

fn update(bundle: &Bundle) -> wire::Update {
    wire::Update { version: bundle.version.clone(), size: bundle.size, added_at: convert::time(bundle.added_at) }
}

fn state(state: State) -> wire::HostUpdateState {
    use wire::HostUpdateState as W;
    match state {
        State::Waiting => W::Waiting,
        State::Ordered => W::Ordered,
        State::Fetching => W::Fetching,
        State::Installing => W::Installing,
        State::Restarting => W::Restarting,
        State::Trial => W::Trial,
        State::Done => W::Done,
        State::Failed => W::Failed,
        State::Stopped => W::Stopped,
    }
}

fn refusal(error: DepotError) -> Status {
    match error {
        DepotError::Refused(_) => Status::invalid_argument(error.to_string()),
        DepotError::TooLarge(_) | DepotError::Full(_) => Status::resource_exhausted(error.to_string()),
        DepotError::Exists(_) => Status::already_exists(error.to_string()),
        DepotError::NotFound(_) => Status::not_found(error.to_string()),
        DepotError::Keys(_) | DepotError::Io(_) => unavailable(error),
    }
}

fn not_ordered(error: OrderError) -> Status {
    match error {
        OrderError::Busy(_) | OrderError::NoAppliance(_) | OrderError::NoMember(_) | OrderError::Nobody(_) => {
            Status::failed_precondition(error.to_string())
        }
        OrderError::Depot(error) => refusal(error),
        OrderError::Db(error) => unavailable(error),
    }
}
