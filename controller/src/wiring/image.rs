//! Images: need nobody.

use super::Platform;
use anyhow::Context as _;
use controller_image::{ContentStore, ImageService};

pub(super) async fn open(platform: &Platform) -> anyhow::Result<ImageService> {
    let directory = platform.config.image_directory();
    let content =
        ContentStore::open(&directory).await.with_context(|| format!("cannot use {}", directory.display()))?;
    let max_bytes = platform.config.image.max_bytes;
    Ok(ImageService::open(platform.db.clone(), platform.clock.clone(), content, max_bytes).await?)
}
