//! What compute and the fleet get of images.

use crate::content;
use crate::image::model::{Image as Row, ImageError, Status};
use crate::image::{ImageService, Viewer};
use async_trait::async_trait;
use bytes::Bytes;
use controller_base::id::{ImageId, ProjectId};
use controller_ports::Unavailable;
use controller_ports::image::{Content, Image, Images};
use futures::stream::BoxStream;
use std::ops::Range;

#[async_trait]
impl Images for ImageService {
    async fn get(&self, id: ImageId, viewer: Option<&ProjectId>) -> Result<Option<Image>, Unavailable> {
        let viewer = viewer.map_or(Viewer::All, |project| Viewer::Project(project.clone()));
        match self.show(id, &viewer).await {
            Ok(row) => Ok(Some(image(row))),
            Err(ImageError::NotFound(_)) => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn open(
        &self,
        id: ImageId,
        range: Range<u64>,
    ) -> Result<Option<BoxStream<'static, std::io::Result<Bytes>>>, Unavailable> {
        let row = match self.show(id, &Viewer::All).await {
            Ok(row) => row,
            Err(ImageError::NotFound(_)) => return Ok(None),
            Err(error) => return Err(unavailable(error)),
        };
        let Some(data) = row.data else { return Ok(None) };
        let length = range.end.saturating_sub(range.start);
        if range.start >= size(data.size) {
            return Ok(Some(content::nothing()));
        }
        self.content.read(&data.sha256, range.start, length).await.map_err(|e| unavailable(ImageError::Store(e)))
    }
}

fn unavailable(error: ImageError) -> Unavailable {
    Unavailable { service: "image", source: Box::new(error) }
}

fn size(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or_default()
}

fn image(row: Row) -> Image {
    let data = row.data.as_ref();
    Image {
        id: row.id,
        name: row.name.clone().unwrap_or_default(),
        owner: Some(row.owner.clone()),
        active: row.status == Status::Active,
        status: row.status.as_str().to_owned(),
        disk_format: row.disk_format.clone().unwrap_or_default(),
        size_bytes: data.map_or(0, |d| size(d.size)),
        virtual_size_bytes: data.map_or(0, |d| size(d.virtual_size)),
        min_disk_gib: size(row.min_disk),
        min_ram_mib: size(row.min_ram),
        content: data.map(|d| Content { sha256: d.sha256.clone(), size_bytes: size(d.size) }),
        properties: row.properties,
    }
}
