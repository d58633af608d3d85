//! Compute's view of networks: servers plugged in and out.
//!
//! Invariants: a server's port is known by the server and its place among the interfaces, so that attaching may be repeated; what
//! attaching made goes with the server, what it found is freed; the hosts' own address on each subnet is there before the first
//! server's.

mod check;
mod groups;
mod plug;
mod shown;
#[cfg(test)]
mod tests;

use crate::{
    error::Error,
    hosts::unavailable,
    port::{self, model::Status},
    service::{NetworkService, is_collision},
};
use async_trait::async_trait;
use controller_base::id::{PortId, ProjectId, SecurityGroupId, ServerId};
use controller_db::Tx;
use controller_ports::{
    Unavailable,
    network::{AttachError, AttachRequest, AttachedPort, Networks, RequestedNic},
};
use std::collections::{BTreeSet, HashMap};

#[async_trait]
impl Networks for NetworkService {
    async fn default_nics(&self, project: &ProjectId) -> Result<Vec<RequestedNic>, AttachError> {
        check::default_nics(self, project).await
    }

    async fn check(
        &self,
        project: &ProjectId,
        is_admin: bool,
        nics: &[RequestedNic],
    ) -> Result<BTreeSet<String>, AttachError> {
        Ok(check::check(self, project, is_admin, nics).await?)
    }

    async fn security_groups(
        &self,
        project: &ProjectId,
        wanted: &[String],
    ) -> Result<Vec<SecurityGroupId>, AttachError> {
        groups::resolve(self, project, wanted).await
    }

    async fn attach(&self, tx: Tx, request: &AttachRequest) -> Result<Tx, AttachError> {
        plug::attach(self, tx, request).await.map_err(|error| match is_collision(&error) {
            true => AttachError::Collided,
            false => error.into(),
        })
    }

    async fn detach(&self, server: ServerId) -> Result<(), Unavailable> {
        plug::detach(self, server).await.map_err(unavailable)
    }

    async fn detach_port(&self, server: ServerId, port: PortId) -> Result<(), AttachError> {
        Ok(plug::detach_port(self, server, port).await?)
    }

    async fn ports_of(&self, servers: &[ServerId]) -> Result<HashMap<ServerId, Vec<AttachedPort>>, Unavailable> {
        shown::ports_of(self, servers).await.map_err(unavailable)
    }

    async fn set_active(&self, tx: &mut Tx, server: ServerId) -> Result<(), Unavailable> {
        let now = self.0.clock.now();
        port::store::set_status(tx, server, Status::Active, now).await.map(drop).map_err(unavailable)
    }

    async fn change_security_group(
        &self,
        project: &ProjectId,
        server: ServerId,
        group: &str,
        add: bool,
    ) -> Result<(), AttachError> {
        groups::change(self, project, server, group, add).await
    }

    async fn servers_with_address(&self, pattern: &str, ipv6: bool) -> Result<Vec<ServerId>, Unavailable> {
        shown::servers_with_address(self, pattern, ipv6).await.map_err(unavailable)
    }
}

impl From<Error> for AttachError {
    fn from(error: Error) -> Self {
        fn of<T>(text: &str, make: fn(T) -> AttachError) -> Option<AttachError>
        where
            T: std::str::FromStr,
        {
            text.parse().ok().map(make)
        }
        let known = match &error {
            Error::NetworkNotFound(id) => of(id, Self::NetworkNotFound),
            Error::PortNotFound(id) => of(id, Self::PortNotFound),
            Error::PortInUse(id, _, _) => of(id, Self::PortInUse),
            Error::NetworkRequiresSubnet(id) => of(id, Self::NoSubnet),
            Error::ExternalNetworkAttachForbidden(id) => of(id, Self::External),
            Error::IpAddressAlreadyAllocated(address, _) => of(address, Self::AddressInUse),
            Error::InvalidIpForNetwork(address)
            | Error::InvalidIpForSubnet(address)
            | Error::AllocationOnAutoAddressSubnet(address, _) => of(address, Self::AddressInvalid),
            Error::IpAddressGenerationFailure(id) => of(id, Self::Exhausted),
            Error::SecurityGroupNotFound(id) => Some(Self::SecurityGroupNotFound(id.clone())),
            Error::OverQuota(_) => Some(Self::QuotaExceeded),
            _ => None,
        };
        known.unwrap_or_else(|| Self::Unavailable(unavailable(error)))
    }
}
