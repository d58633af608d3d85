//! How many there are of everything, for metrics.

use crate::ImageService;
use controller_db::{DbError, Filter};

/// What is counted, and how.
const COUNTS: [(&str, &str); 1] = [("images", "SELECT COUNT(*) AS number FROM image_image")];

impl ImageService {
    /// A name in the plural, and how many of all projects there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn counts(&self) -> Result<Vec<(&'static str, u64)>, DbError> {
        let mut conn = self.db.read().await?;
        let mut counts = Vec::new();
        for (name, select) in COUNTS {
            counts.push((name, Filter::new(select).fetch_count(&mut conn).await?));
        }
        Ok(counts)
    }
}
