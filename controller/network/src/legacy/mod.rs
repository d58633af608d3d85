//! What compute's older API asks of networks: groups and their rules in Nova's form, addresses added to a server's ports.
//!
//! Owns the translation alone; what may be is decided by `security_group` and `port`. A project sees its own groups only.

mod address;
mod group;
#[cfg(test)]
mod tests;

use crate::{
    error::{Class, Error},
    hosts::unavailable,
    service::NetworkService,
};
use async_trait::async_trait;
use controller_base::id::{NetworkId, ProjectId, SecurityGroupId, SecurityGroupRuleId, ServerId};
use controller_ports::legacy_network::{Group, LegacyError, LegacyNetworks, NewRule, Rule};
use std::net::IpAddr;

#[async_trait]
impl LegacyNetworks for NetworkService {
    async fn groups(&self, project: &ProjectId) -> Result<Vec<Group>, LegacyError> {
        Ok(group::list(self, project).await?)
    }

    async fn group(&self, project: &ProjectId, id: SecurityGroupId) -> Result<Group, LegacyError> {
        Ok(group::show(self, project, id).await?)
    }

    async fn create_group(&self, project: &ProjectId, name: &str, description: &str) -> Result<Group, LegacyError> {
        Ok(group::create(self, project, name, description).await?)
    }

    async fn update_group(
        &self,
        project: &ProjectId,
        id: SecurityGroupId,
        name: &str,
        description: &str,
    ) -> Result<Group, LegacyError> {
        Ok(group::update(self, project, id, name, description).await?)
    }

    async fn delete_group(&self, project: &ProjectId, id: SecurityGroupId) -> Result<(), LegacyError> {
        Ok(group::delete(self, project, id).await?)
    }

    async fn create_rule(&self, project: &ProjectId, rule: &NewRule) -> Result<Rule, LegacyError> {
        Ok(group::create_rule(self, project, rule).await?)
    }

    async fn delete_rule(&self, project: &ProjectId, id: SecurityGroupRuleId) -> Result<(), LegacyError> {
        Ok(group::delete_rule(self, project, id).await?)
    }

    async fn add_fixed_ip(&self, server: ServerId, network: NetworkId) -> Result<IpAddr, LegacyError> {
        Ok(address::add(self, server, network).await?)
    }

    async fn remove_fixed_ip(&self, server: ServerId, address: IpAddr) -> Result<(), LegacyError> {
        Ok(address::remove(self, server, address).await?)
    }
}

impl From<Error> for LegacyError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error.class() {
            Class::NotFound => Self::NotFound(message),
            Class::BadRequest | Class::Forbidden => Self::Invalid(message),
            Class::Conflict if matches!(error, Error::OverQuota(_)) => Self::QuotaExceeded(message),
            Class::Conflict | Class::PreconditionFailed | Class::Exhausted => Self::Conflict(message),
            Class::Internal => Self::Unavailable(unavailable(error)),
        }
    }
}
