//! The fleet: hears from the services what hosts shall do, and tells them what hosts did.

use super::Platform;
use controller_compute::Compute;
use controller_fleet::{Hub, Sources};
use controller_image::ImageService;
use controller_network::NetworkService;
use controller_placement::PlacementService;
use std::sync::Arc;

pub(super) async fn open(platform: &Platform) -> anyhow::Result<Arc<Hub>> {
    Ok(Hub::open(platform.db.clone(), platform.clock.clone(), platform.config.federation.host_certificate_seconds)
        .await?)
}

pub(super) fn wire(
    hub: &Arc<Hub>,
    compute: &Compute,
    networks: &NetworkService,
    placement: &PlacementService,
    images: &ImageService,
) {
    hub.wire(Sources {
        desired: vec![Arc::new(compute.clone()), Arc::new(networks.clone())],
        guests: Arc::new(compute.clone()),
        hosts: vec![Arc::new(placement.clone()), Arc::new(networks.clone())],
        images: Arc::new(images.clone()),
    });
}
