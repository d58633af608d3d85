//! Placement: needs nobody.

use super::Platform;
use controller_placement::PlacementService;

pub(super) async fn open(platform: &Platform) -> anyhow::Result<PlacementService> {
    Ok(PlacementService::open(platform.db.clone(), platform.clock.clone(), platform.config.placement).await?)
}
