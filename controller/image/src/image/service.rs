//! The rules of images: who sees what, which step is allowed when, what happens to the bytes.

use super::model::{Data, Image, ImageError, Status, Visibility};
use super::patch::{self, Change, PatchError};
use super::query::ImageQuery;
use super::{attributes, store};
use crate::content::{ContentStore, Upload};
use crate::member::{Member, MemberStatus, store as member_store};
use controller_base::id::{ImageId, ProjectId};
use controller_base::{Clock, Generation};
use controller_db::{Connection, Db, Tx};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// For whom something is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Sees every image.
    All,
    /// Sees its own, public, community and shared ones.
    Project(ProjectId),
}

/// The catalogue with its store of bytes.
#[derive(Clone)]
pub struct ImageService {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) content: ContentStore,
    /// The most bytes that an image may have.
    pub(crate) max_bytes: u64,
}

impl ImageService {
    /// Opens the catalogue: makes its tables, ends what a crash cut off.
    ///
    /// # Errors
    /// When the database or the store cannot be used.
    pub async fn open(db: Db, clock: Clock, content: ContentStore, max_bytes: u64) -> Result<Self, ImageError> {
        db.migrate("image", store::MIGRATIONS).await?;
        let mut tx = db.begin().await?;
        store::requeue_saving(&mut tx).await?;
        let named = store::contents(&mut tx).await?;
        tx.commit().await?;
        content.sweep(&named).await.map_err(ImageError::Store)?;
        Ok(Self { db, clock, content, max_bytes })
    }

    /// A new image without bytes, not yet stored.
    pub fn draft(&self, owner: &ProjectId, body: &Map<String, Value>) -> Result<Image, ImageError> {
        let now = self.clock.now();
        let mut image = Image {
            id: ImageId::random(),
            name: None,
            owner: owner.clone(),
            status: Status::Queued,
            visibility: Visibility::Shared,
            disk_format: None,
            container_format: None,
            min_disk: 0,
            min_ram: 0,
            protected: false,
            hidden: false,
            data: None,
            properties: BTreeMap::new(),
            tags: Vec::new(),
            created_at: now,
            updated_at: now,
            generation: Generation::FIRST,
        };
        attributes::apply_all(&mut image, body)?;
        Ok(image)
    }

    /// Stores a new image.
    pub async fn create(&self, image: &Image) -> Result<(), ImageError> {
        let mut tx = self.db.begin().await?;
        if store::get(&mut tx, image.id).await?.is_some() {
            return Err(ImageError::Duplicate(image.id));
        }
        store::insert(&mut tx, image).await?;
        Ok(tx.commit().await?)
    }

    /// A page of images, and whether there are more.
    pub async fn list(&self, query: &ImageQuery) -> Result<(Vec<Image>, bool), ImageError> {
        let mut conn = self.db.read().await?;
        if let Some(marker) = query.marker
            && store::get(&mut conn, marker).await?.is_none()
        {
            return Err(ImageError::Invalid(format!("Invalid marker {marker}")));
        }
        Ok(store::list(&mut conn, query).await?)
    }

    /// An image that the viewer may know of.
    pub async fn show(&self, id: ImageId, viewer: &Viewer) -> Result<Image, ImageError> {
        let mut conn = self.db.read().await?;
        let image = store::get(&mut conn, id).await?.ok_or(ImageError::NotFound(id))?;
        if let Viewer::Project(project) = viewer
            && !sees(&mut conn, &image, project).await?
        {
            return Err(ImageError::NotFound(id));
        }
        Ok(image)
    }

    /// The image as a patch would leave it, not yet stored.
    pub fn patched(&self, image: &Image, changes: &[Change]) -> Result<Image, PatchError> {
        let mut patched = image.clone();
        patch::apply(&mut patched, changes)?;
        Ok(patched)
    }

    /// Stores a changed image.
    pub async fn update(&self, mut image: Image) -> Result<Image, ImageError> {
        image.updated_at = self.clock.now();
        let mut tx = self.db.begin().await?;
        self.put(&mut tx, &mut image).await?;
        tx.commit().await?;
        Ok(image)
    }

    async fn put(&self, tx: &mut Tx, image: &mut Image) -> Result<(), ImageError> {
        if !store::update(tx, image).await? {
            return Err(ImageError::Raced(image.id));
        }
        image.generation = image.generation.next();
        Ok(())
    }

    /// Deletes an image, and its bytes when no other image has the same.
    pub async fn delete(&self, image: &Image) -> Result<(), ImageError> {
        if image.protected {
            return Err(ImageError::Protected(image.id));
        }
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, image.id).await?;
        let orphan = match &image.data {
            Some(data) if store::count_content(&mut tx, &data.sha256).await? == 0 => Some(data.sha256.clone()),
            _ => None,
        };
        tx.commit().await?;
        if let Some(sha256) = orphan {
            self.content.remove(&sha256).await.map_err(ImageError::Store)?;
        }
        Ok(())
    }

    /// Makes the image ready to take bytes; end it with [`Self::finish_upload`] or [`Self::cancel_upload`].
    pub async fn begin_upload(&self, mut image: Image) -> Result<(Image, Upload), ImageError> {
        if image.status != Status::Queued {
            return Err(ImageError::Transition { from: image.status.as_str(), to: Status::Saving.as_str() });
        }
        if image.disk_format.is_none() || image.container_format.is_none() {
            return Err(ImageError::Incomplete("disk_format, container_format".to_owned()));
        }
        let upload = self.content.upload().await.map_err(ImageError::Store)?;
        image.status = Status::Saving;
        Ok((self.update(image).await?, upload))
    }

    /// Takes the bytes in: checks them, stores them, makes the image active.
    pub async fn finish_upload(&self, mut image: Image, upload: Upload) -> Result<Image, ImageError> {
        let format = image.disk_format.clone().unwrap_or_default();
        let done = upload.finish(&format).await?;
        image.data = Some(Data {
            size: i64::try_from(done.size).unwrap_or(i64::MAX),
            virtual_size: i64::try_from(done.virtual_size).unwrap_or(i64::MAX),
            checksum: done.md5,
            sha512: done.sha512,
            sha256: done.sha256,
        });
        image.status = Status::Active;
        self.update(image).await
    }

    /// Puts the image back to where it was before the upload.
    pub async fn cancel_upload(&self, mut image: Image) {
        image.status = Status::Queued;
        let id = image.id;
        if let Err(error) = self.update(image).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(image = %id, error, "image stays `saving` until the next start");
        }
    }

    /// Withholds the bytes or gives them again.
    pub async fn set_active(&self, mut image: Image, active: bool) -> Result<(), ImageError> {
        let wanted = if active { Status::Active } else { Status::Deactivated };
        if !matches!(image.status, Status::Active | Status::Deactivated) {
            return Err(ImageError::Transition { from: image.status.as_str(), to: wanted.as_str() });
        }
        image.status = wanted;
        self.update(image).await.map(drop)
    }

    /// Who an image is shared with, as far as the viewer may know.
    pub async fn members(&self, image: &Image, viewer: &Viewer) -> Result<Vec<Member>, ImageError> {
        let mut conn = self.db.read().await?;
        let mut members = member_store::list(&mut conn, image.id).await?;
        if let Viewer::Project(project) = viewer
            && image.owner != *project
        {
            members.retain(|m| m.project == *project);
        }
        Ok(members)
    }

    /// Shares an image.
    pub async fn add_member(&self, image: &Image, project: ProjectId) -> Result<Member, ImageError> {
        if image.visibility != Visibility::Shared {
            return Err(ImageError::NotShared);
        }
        let now = self.clock.now();
        let member = Member { project, status: MemberStatus::Pending, created_at: now, updated_at: now };
        let mut tx = self.db.begin().await?;
        if member_store::get(&mut tx, image.id, member.project.as_str()).await?.is_some() {
            return Err(ImageError::DuplicateMember { image: image.id, member: member.project.to_string() });
        }
        member_store::insert(&mut tx, image.id, &member).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// One member, as far as the viewer may know.
    pub async fn member(&self, image: &Image, project: &str, viewer: &Viewer) -> Result<Member, ImageError> {
        let found = self.members(image, viewer).await?.into_iter().find(|m| m.project.as_str() == project);
        found.ok_or_else(|| ImageError::NoMember { image: image.id, member: project.to_owned() })
    }

    /// A member says yes or no.
    pub async fn answer(&self, image: &Image, mut member: Member, status: MemberStatus) -> Result<Member, ImageError> {
        member.status = status;
        member.updated_at = self.clock.now();
        let mut tx = self.db.begin().await?;
        member_store::set_status(&mut tx, image.id, member.project.as_str(), status, member.updated_at).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Shares an image no more.
    pub async fn remove_member(&self, image: &Image, project: &str) -> Result<(), ImageError> {
        let mut tx = self.db.begin().await?;
        if !member_store::delete(&mut tx, image.id, project).await? {
            return Err(ImageError::NoMember { image: image.id, member: project.to_owned() });
        }
        Ok(tx.commit().await?)
    }
}

async fn sees(conn: &mut Connection, image: &Image, project: &ProjectId) -> Result<bool, ImageError> {
    match image.visibility {
        _ if image.owner == *project => Ok(true),
        Visibility::Public | Visibility::Community => Ok(true),
        Visibility::Private => Ok(false),
        Visibility::Shared => Ok(member_store::get(conn, image.id, project.as_str()).await?.is_some()),
    }
}
