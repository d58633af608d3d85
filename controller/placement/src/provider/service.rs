//! Looking at hosts.

use super::{Place, Provider};
use crate::{PlacementError, PlacementService, store};
use uuid::Uuid;

/// A host, and which place of its tree was asked for.
#[derive(Debug)]
pub(crate) struct Found {
    provider: Provider,
    id: Uuid,
}

impl Found {
    pub(crate) fn place(&self) -> Place<'_> {
        self.provider.place(self.id).unwrap_or_else(|| self.provider.root())
    }
}

impl PlacementService {
    /// All hosts, by name.
    pub(crate) async fn providers(&self) -> Result<Vec<Provider>, PlacementError> {
        Ok(store::hosts(&mut *self.db.read().await?).await?)
    }

    /// The host of which this is the id, or a node's, in text; [`Found::place`] is what was asked for.
    pub(crate) async fn provider(&self, id: &str) -> Result<Found, PlacementError> {
        let missing = || PlacementError::NoProvider(id.to_owned());
        let id: Uuid = Uuid::try_parse(id).map_err(|_| missing())?;
        let all = self.providers().await?;
        let provider = all.into_iter().find(|provider| provider.place(id).is_some()).ok_or_else(missing)?;
        Ok(Found { provider, id })
    }
}
