//! The fleet: hears from the services what hosts shall do, and tells them what hosts did.

use super::Platform;
use controller_compute::Compute;
use controller_fleet::{
    Hub, Sources,
    update::{Depot, Limits, Roll},
};
use controller_image::ImageService;
use controller_network::NetworkService;
use controller_placement::PlacementService;
use std::sync::Arc;

pub(super) async fn open(platform: &Platform) -> anyhow::Result<Arc<Hub>> {
    Ok(Hub::open(platform.db.clone(), platform.clock.clone(), platform.config.federation.host_certificate_seconds)
        .await?)
}

/// Where updates for hosts are kept.
pub(super) fn depot(platform: &Platform) -> anyhow::Result<Arc<Depot>> {
    let own = &platform.config.update;
    let limits = Limits { bytes: own.max_bytes, bundles: own.kept };
    let folder = platform.config.state_directory.join("updates");
    Ok(Arc::new(Depot::open(folder, own.keys.clone(), limits)?))
}

/// Carries updates of hosts on.
pub(super) fn start(platform: &Platform, hub: &Arc<Hub>) {
    platform.reconcilers.start(Arc::new(Roll(hub.clone())));
}

pub(super) fn wire(
    hub: &Arc<Hub>,
    updates: Arc<Depot>,
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
        updates,
    });
}
