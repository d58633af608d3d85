//! Identity: needs nobody.

use super::Platform;
use crate::config::LimitModel;
use async_trait::async_trait;
use controller_identity::{Identity, Settings, federation::FederationSettings};
use controller_work::Reconciler;
use std::{sync::Arc, time::Duration};

pub(super) async fn open(platform: &Platform) -> anyhow::Result<Identity> {
    let settings = Settings {
        token_seconds: platform.config.identity.token_seconds,
        domain_configs: Some(platform.config.identity.domain_config_directory.clone())
            .filter(|path| !path.as_os_str().is_empty()),
        federation: FederationSettings::read(
            platform.config.identity.federation.clone(),
            platform.config.identity.oidc.clone(),
        )?,
        token_format: platform.config.identity.token_format,
        allow_rescope: platform.config.identity.allow_rescope_scoped_token,
        compliance: platform.config.identity.security_compliance.clone(),
        list_limit: Some(platform.config.identity.list_limit).filter(|limit| *limit > 0),
        project_depth: platform.config.identity.max_project_tree_depth,
        limit_model: match platform.config.identity.limit_model {
            LimitModel::Flat => controller_identity::LimitModel::Flat,
            LimitModel::StrictTwoLevel => controller_identity::LimitModel::StrictTwoLevel,
        },
        events_kept: platform.config.identity.events_kept,
        ..Settings::below(&platform.config.state_directory)
    };
    Ok(Identity::open(platform.db.clone(), platform.clock.clone(), settings).await?)
}

pub(super) fn start(platform: &Platform, identity: &Identity) {
    platform.reconcilers.start(Arc::new(Forget(identity.clone())));
    platform.reconcilers.start(Arc::new(Memberships(identity.clone())));
    platform.reconcilers.start(Arc::new(Directories(identity.clone())));
}

/// Memberships by federation whose time is over.
struct Memberships(Identity);

#[async_trait]
impl Reconciler for Memberships {
    fn name(&self) -> &'static str {
        "identity.memberships"
    }
    fn period(&self) -> Duration {
        Duration::from_secs(15)
    }
    async fn run(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.end_memberships().await?)
    }
}

/// Users and groups that live in LDAP directories.
struct Directories(Identity);

#[async_trait]
impl Reconciler for Directories {
    fn name(&self) -> &'static str {
        "identity.directories"
    }
    fn period(&self) -> Duration {
        Duration::from_secs(60)
    }
    async fn run(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.refresh_directories().await?)
    }
}

/// Revocations of tokens that have ended by themselves.
struct Forget(Identity);

#[async_trait]
impl Reconciler for Forget {
    fn name(&self) -> &'static str {
        "identity.revocations"
    }
    fn period(&self) -> Duration {
        Duration::from_secs(3600)
    }
    async fn run(&self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.forget_old_revocations().await?)
    }
}
