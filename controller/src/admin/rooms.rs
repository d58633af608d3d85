//! Who has room where: placement's inventories and allocations, and the guests themselves.

use super::{Admin, convert, unavailable};
use controller_base::id::{HostId, ProjectId, ServerId};
use controller_compute::GuestSummary;
use controller_ports::placement::{HostUsage, Placement as _, Resources};
use humilis_proto::admin as wire;
use std::collections::HashMap;
use tonic::{Request, Response, Status};

/// The longest page.
const PAGE: u32 = 1000;

#[tonic::async_trait]
impl wire::placement_server::Placement for Admin {
    async fn list_inventories(
        &self,
        request: Request<wire::ListInventoriesRequest>,
    ) -> Result<Response<wire::ListInventoriesResponse>, Status> {
        let only = self.only(&request.into_inner().host).await?;
        let usages = self.cloud.placement.usages().await.map_err(unavailable)?;
        let usages = usages.iter().filter(|usage| only.is_none_or(|only| only == usage.host_id));
        let inventories = usages.flat_map(|usage| self.inventories(usage)).collect();
        Ok(Response::new(wire::ListInventoriesResponse { inventories }))
    }

    async fn list_allocations(
        &self,
        request: Request<wire::ListAllocationsRequest>,
    ) -> Result<Response<wire::ListAllocationsResponse>, Status> {
        let request = request.into_inner();
        let (only, after) = (self.only(&request.host).await?, place(&request.page_token)?);
        let hosts = self.cloud.placement.usages().await.map_err(unavailable)?;
        let names: HashMap<_, _> = hosts.into_iter().map(|usage| (usage.host_id, usage.hostname)).collect();
        let mut claims = self.cloud.placement.claims().await.map_err(unavailable)?;
        claims.retain(|(server, host)| {
            only.is_none_or(|only| only == *host) && after.is_none_or(|after| server.to_string() > after.to_string())
        });
        let (claims, next_page_token) = page(claims, request.page_size, |(server, _)| *server);
        let allocations = claims.into_iter().map(|(server, host)| wire::Allocation {
            guest_id: server.to_string(),
            host_id: host.to_string(),
            host: names.get(&host).cloned().unwrap_or_default(),
        });
        Ok(Response::new(wire::ListAllocationsResponse { allocations: allocations.collect(), next_page_token }))
    }
}

#[tonic::async_trait]
impl wire::guests_server::Guests for Admin {
    async fn list_guests(
        &self,
        request: Request<wire::ListGuestsRequest>,
    ) -> Result<Response<wire::ListGuestsResponse>, Status> {
        let request = request.into_inner();
        let (only, after) = (self.only(&request.host).await?, place(&request.page_token)?);
        let project = Some(request.project_id).filter(|id| !id.is_empty());
        let project = project.map(|id| id.parse::<ProjectId>()).transpose();
        let project = project.map_err(|_| Status::invalid_argument("project_id is malformed"))?;
        let limit = size(request.page_size) + 1;
        let guests = self.cloud.compute.guests(only, project.as_ref(), after, limit).await.map_err(unavailable)?;
        let (guests, next_page_token) = page(guests, request.page_size, |guest| guest.id);
        let guests = guests.into_iter().map(guest).collect();
        Ok(Response::new(wire::ListGuestsResponse { guests, next_page_token }))
    }
}

impl Admin {
    async fn only(&self, host: &str) -> Result<Option<HostId>, Status> {
        if host.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.find_host(host).await?.0.id))
    }

    fn inventories(&self, usage: &HostUsage) -> [wire::Inventory; 3] {
        let ratios = self.cloud.platform.config.placement.ratios();
        let line = |class: &str, of: fn(Resources) -> u64, percent: u64| wire::Inventory {
            host_id: usage.host_id.to_string(),
            host: usage.hostname.clone(),
            resource_class: class.to_owned(),
            total: of(usage.total),
            reserved: of(ratios.reserved),
            allocation_ratio: percent as f64 / 100.0,
            used: of(usage.used),
        };
        [
            line("VCPU", |of| of.vcpus, ratios.vcpus_percent),
            line("MEMORY_MB", |of| of.memory_mib, ratios.memory_percent),
            line("DISK_GB", |of| of.disk_gib, ratios.disk_percent),
        ]
    }
}

fn guest(guest: GuestSummary) -> wire::Guest {
    wire::Guest {
        id: guest.id.to_string(),
        name: guest.name,
        project_id: guest.project_id.to_string(),
        user_id: guest.user_id.to_string(),
        host: guest.host.unwrap_or_default(),
        status: guest.status.to_owned(),
        task: guest.task.unwrap_or_default().to_owned(),
        size: Some(convert::resources(guest.size)),
        flavor: guest.flavor,
        created_at: convert::time(guest.created_at),
    }
}

fn size(wanted: u32) -> u32 {
    if wanted == 0 { PAGE } else { wanted.min(PAGE) }
}

/// Where a page begins.
fn place(token: &str) -> Result<Option<ServerId>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    token.parse().map(Some).map_err(|_| Status::invalid_argument("page_token is none of mine"))
}

/// Cuts a page off, and says where the next one begins.
fn page<T>(mut items: Vec<T>, wanted: u32, id: impl Fn(&T) -> ServerId) -> (Vec<T>, String) {
    let length = usize::try_from(size(wanted)).unwrap_or(usize::MAX);
    if items.len() <= length {
        return (items, String::new());
    }
    items.truncate(length);
    let next = items.last().map(|last| id(last).to_string()).unwrap_or_default();
    (items, next)
}
