//! Looking at hosts.

use super::{Provider, query::Query};
use crate::{PlacementError, PlacementService, store};
use controller_base::id::HostId;

impl PlacementService {
    /// All hosts, by name.
    pub(crate) async fn providers(&self) -> Result<Vec<Provider>, PlacementError> {
        Ok(store::hosts(&mut *self.db.read().await?).await?)
    }

    /// Those that a query wants. A cloud has few hosts, and what is asked of them is computed, not stored.
    pub(super) async fn matching(&self, query: &Query) -> Result<Vec<Provider>, PlacementError> {
        let all = self.providers().await?;
        Ok(all.into_iter().filter(|provider| query.wants(provider, &self.ratios)).collect())
    }

    /// One host by the text of its id.
    pub(crate) async fn provider(&self, id: &str) -> Result<Provider, PlacementError> {
        let missing = || PlacementError::NoProvider(id.to_owned());
        let host: HostId = id.parse().map_err(|_| missing())?;
        let all = self.providers().await?;
        all.into_iter().find(|provider| provider.usage.host_id == host).ok_or_else(missing)
    }
}
