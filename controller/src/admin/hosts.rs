//! Hosts: the facts of `os-services` and `os-hypervisors`, and what operators change.

use super::{Admin, convert, unavailable};
use controller_ports::{
    fleet::{Fleet as _, Host, HostChange, HostChangeError},
    placement::{HostUsage, Placement as _},
};
use humilis_proto::admin as wire;
use std::collections::HashMap;
use tonic::{Request, Response, Status};

type Changed = Result<Response<wire::ChangeHostResponse>, Status>;

#[tonic::async_trait]
impl wire::hosts_server::Hosts for Admin {
    async fn list_hosts(
        &self,
        _: Request<wire::ListHostsRequest>,
    ) -> Result<Response<wire::ListHostsResponse>, Status> {
        let members = self.members().await?;
        let hosts = members.iter().map(|(host, usage)| convert::host(host, usage.as_ref())).collect();
        Ok(Response::new(wire::ListHostsResponse { hosts }))
    }

    async fn get_host(&self, request: Request<wire::GetHostRequest>) -> Result<Response<wire::Host>, Status> {
        let (host, usage) = self.find_host(&request.into_inner().host).await?;
        Ok(Response::new(convert::host(&host, usage.as_ref())))
    }

    async fn approve_host(&self, request: Request<wire::ChangeHostRequest>) -> Changed {
        self.change(request, |_| HostChange::Approve).await
    }

    async fn drain_host(&self, request: Request<wire::ChangeHostRequest>) -> Changed {
        self.change(request, HostChange::Drain).await
    }

    async fn undrain_host(&self, request: Request<wire::ChangeHostRequest>) -> Changed {
        self.change(request, |_| HostChange::Undrain).await
    }

    async fn fence_host(&self, request: Request<wire::ChangeHostRequest>) -> Changed {
        self.change(request, HostChange::Fence).await
    }

    async fn unfence_host(&self, request: Request<wire::ChangeHostRequest>) -> Changed {
        self.change(request, |_| HostChange::Unfence).await
    }

    async fn remove_host(&self, request: Request<wire::ChangeHostRequest>) -> Changed {
        self.change(request, |_| HostChange::Remove).await
    }
}

impl Admin {
    async fn change(&self, request: Request<wire::ChangeHostRequest>, change: fn(String) -> HostChange) -> Changed {
        let request = request.into_inner();
        let (host, usage) = self.find_host(&request.host).await?;
        let hub = &self.cloud.hub;
        hub.change_host(host.id, change(request.reason)).await.map_err(refusal)?;
        let changed = hub.host(host.id).await.map_err(unavailable)?;
        let changed = changed.map(|host| convert::host(&host, usage.as_ref()));
        Ok(Response::new(wire::ChangeHostResponse { host: changed, name: host.hostname }))
    }

    async fn members(&self) -> Result<Vec<(Host, Option<HostUsage>)>, Status> {
        let usages = self.cloud.placement.usages().await.map_err(unavailable)?;
        let mut usages: HashMap<_, _> = usages.into_iter().map(|usage| (usage.host_id, usage)).collect();
        let hosts = self.cloud.hub.hosts().await.map_err(unavailable)?;
        Ok(hosts.into_iter().map(|host| (usages.remove(&host.id), host)).map(|(usage, host)| (host, usage)).collect())
    }

    pub(super) async fn find_host(&self, name: &str) -> Result<(Host, Option<HostUsage>), Status> {
        let mut members = self.members().await?.into_iter();
        let found = members.find(|(host, _)| host.hostname == name || host.id.to_string() == name);
        found.ok_or_else(|| Status::not_found(format!("there is no host {name}")))
    }
}

fn refusal(error: HostChangeError) -> Status {
    match error {
        HostChangeError::NoSuchHost(_) => Status::not_found(error.to_string()),
        HostChangeError::InUse { .. } | HostChangeError::Pending(_) => Status::failed_precondition(error.to_string()),
        HostChangeError::Unavailable(error) => unavailable(error),
    }
}
