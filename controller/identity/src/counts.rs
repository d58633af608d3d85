//! How many there are of everything, for metrics.

use crate::Identity;
use controller_db::{DbError, Filter};

/// What is counted, and how.
const COUNTS: [(&str, &str); 5] = [
    ("domains", "SELECT COUNT(*) AS number FROM identity_project WHERE is_domain = 1"),
    ("projects", "SELECT COUNT(*) AS number FROM identity_project WHERE is_domain = 0"),
    ("users", "SELECT COUNT(*) AS number FROM identity_user"),
    ("groups", "SELECT COUNT(*) AS number FROM identity_group"),
    ("regions", "SELECT COUNT(*) AS number FROM identity_region"),
];

impl Identity {
    /// A name in the plural, and how many there are.
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
