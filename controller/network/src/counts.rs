//! How many there are of everything, for metrics.

use crate::NetworkService;
use controller_db::{DbError, Filter};

/// What is counted, and how.
const COUNTS: [(&str, &str); 6] = [
    ("networks", "SELECT COUNT(*) AS number FROM network_network"),
    ("subnets", "SELECT COUNT(*) AS number FROM network_subnet"),
    ("ports", "SELECT COUNT(*) AS number FROM network_port"),
    ("routers", "SELECT COUNT(*) AS number FROM network_router"),
    ("floating_ips", "SELECT COUNT(*) AS number FROM network_floating_ip"),
    ("security_groups", "SELECT COUNT(*) AS number FROM network_security_group"),
];

impl NetworkService {
    /// A name in the plural, and how many of all projects there are.
    ///
    /// # Errors
    /// The database's.
    pub async fn counts(&self) -> Result<Vec<(&'static str, u64)>, DbError> {
        let mut conn = self.0.db.read().await?;
        let mut counts = Vec::new();
        for (name, select) in COUNTS {
            counts.push((name, Filter::new(select).fetch_count(&mut conn).await?));
        }
        Ok(counts)
    }
}
