//! The service's tables.

use controller_db::Migration;

/// In order.
pub const MIGRATIONS: &[Migration] =
    &[Migration { name: "0001_network", sql: include_str!("migrations/0001_network.sql") }];
