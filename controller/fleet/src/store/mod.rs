//! The fleet's SQL: `fleet_host`, `fleet_join_token` and `fleet_update`.

mod host;
mod migrations;
mod token;
mod update;

pub(crate) use host::*;
pub use migrations::MIGRATIONS;
pub(crate) use token::*;
pub(crate) use update::*;

use controller_base::Timestamp;
use controller_db::DbError;
use sqlx::{Row as _, any::AnyRow};

/// A moment that may be unknown.
fn maybe(row: &AnyRow, column: &str) -> Result<Option<Timestamp>, DbError> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp))
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
