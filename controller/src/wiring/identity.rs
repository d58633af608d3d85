//! Identity: needs nobody.

use super::Platform;
use async_trait::async_trait;
use controller_identity::{Identity, Settings};
use controller_work::Reconciler;
use std::{sync::Arc, time::Duration};

pub(super) async fn open(platform: &Platform) -> anyhow::Result<Identity> {
    let settings = Settings {
        token_seconds: platform.config.identity.token_seconds,
        ..Settings::below(&platform.config.state_directory)
    };
    Ok(Identity::open(platform.db.clone(), platform.clock.clone(), settings).await?)
}

pub(super) fn start(platform: &Platform, identity: &Identity) {
    platform.reconcilers.start(Arc::new(Forget(identity.clone())));
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
