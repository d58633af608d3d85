//! Networks: tell the fleet what hosts shall do.

use super::Platform;
use controller_fleet::Hub;
use controller_network::NetworkService;
use std::sync::Arc;

pub(super) async fn open(platform: &Platform, hub: &Arc<Hub>) -> anyhow::Result<NetworkService> {
    let config = platform.config.network.clone();
    Ok(NetworkService::start(platform.db.clone(), platform.clock.clone(), config, hub.clone()).await?)
}
