//! Looking at claims.

use super::Allocation;
use crate::{
    PlacementError, PlacementService,
    provider::Place,
    store::{self, Of},
};
use controller_base::id::ServerId;

impl PlacementService {
    /// The claims on a host, or on a NUMA node.
    pub(super) async fn allocations_on(&self, place: &Place<'_>) -> Result<Vec<Allocation>, PlacementError> {
        let mut found = self.allocations(Of::Host(place.provider.usage.host_id)).await?;
        if let Some(node) = place.node {
            found.retain(|allocation| allocation.node == Some(node.number));
        }
        Ok(found)
    }

    /// A server's claim. Anything may be a consumer's id; one that is no server's has none.
    pub(super) async fn allocation(&self, consumer: &str) -> Result<Option<Allocation>, PlacementError> {
        match consumer.parse::<ServerId>() {
            Ok(server) => Ok(self.allocations(Of::Server(server)).await?.pop()),
            Err(_) => Ok(None),
        }
    }

    /// The claims of a project's servers, or of those that one user asked for.
    pub(crate) async fn allocations_of_project(
        &self,
        project: &str,
        user: Option<&str>,
    ) -> Result<Vec<Allocation>, PlacementError> {
        self.allocations(Of::Project(project, user)).await
    }

    async fn allocations(&self, of: Of<'_>) -> Result<Vec<Allocation>, PlacementError> {
        Ok(store::allocations(&mut *self.db.read().await?, of).await?)
    }
}
