//! Consumers of OAuth 1 (`OS-OAUTH1/consumers`): who may one day be let act for users. The table is kept; there is no way yet by which a
//! consumer gets a token.

pub(crate) mod api;
pub(crate) mod policy;
mod store;

use crate::{Identity, IdentityError, wire::Attributes};
use controller_base::Secret;

/// A consumer.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub id: String,
    /// Shown once, when it is made.
    pub secret: Secret,
    pub description: Option<String>,
    pub extra: Attributes,
    pub generation: i64,
}

impl Identity {
    async fn consumers(&self) -> Result<Vec<Consumer>, IdentityError> {
        Ok(store::list(&mut *self.db.read().await?).await?)
    }

    async fn consumer(&self, id: &str) -> Result<Consumer, IdentityError> {
        let found = store::get(&mut *self.db.read().await?, id).await?;
        found.ok_or_else(|| IdentityError::Missing(format!("Could not find Consumer: {id}.")))
    }

    async fn put_consumer(&self, consumer: &Consumer, new: bool) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if new {
            store::insert(&mut tx, consumer).await?;
        } else {
            store::update(&mut tx, consumer).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn delete_consumer(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }
}
