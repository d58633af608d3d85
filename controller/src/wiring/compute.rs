//! Compute: asks hosts, networks, images and placement.

use super::Platform;
use controller_compute::{Compute, Ports};
use controller_fleet::Hub;
use controller_image::ImageService;
use controller_network::NetworkService;
use controller_placement::PlacementService;
use std::sync::Arc;

pub(super) async fn open(
    platform: &Platform,
    hub: &Arc<Hub>,
    networks: &NetworkService,
    images: &ImageService,
    placement: &PlacementService,
) -> anyhow::Result<Compute> {
    let ports = Ports {
        fleet: hub.clone(),
        networks: Arc::new(networks.clone()),
        images: Arc::new(images.clone()),
        placement: Arc::new(placement.clone()),
    };
    let (config, runner) = (platform.config.compute.clone(), platform.runner.clone());
    let compute = Compute::open(platform.db.clone(), platform.clock.clone(), config, ports, runner).await?;
    compute.wire_legacy(Arc::new(networks.clone()));
    Ok(compute)
}

pub(super) fn start(platform: &Platform, compute: &Compute) {
    for reconciler in compute.reconcilers() {
        platform.reconcilers.start(reconciler);
    }
}
