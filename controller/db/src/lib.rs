//! The database: pools, dialects, transactions, migrations, and fresh databases for tests.
//!
//! Owns the connection to SQLite or PostgreSQL and everything in which the two differ. Knows no service and no table but its
//! own record of migrations. Stores (`store.rs` of a service's resource) write their SQL once, for both:
//!
//! - parameters are `$1`, `$2`, ...; a `LIKE` pattern, a limit and every value is bound, never pasted;
//! - columns are TEXT (ids, enums, JSON), BIGINT (microseconds, counters, 0/1 flags) and BLOB; nothing else;
//! - an aggregate is cast (`CAST(SUM(x) AS BIGINT)`), a boolean expression is written `CASE WHEN .. THEN 1 ELSE 0 END`;
//! - a state moves by `UPDATE .. WHERE id = $1 AND generation = $2 RETURNING ..`.
//!
//! Invariants: a write transaction on SQLite starts with `BEGIN IMMEDIATE` on the only writing connection, in the order of
//! asking; what was committed survives a loss of power (but for [`Tx::commit_soon`]); reading never waits for writing.
//!
//! ```no_run
//! # async fn example(db: controller_db::Db) -> Result<(), controller_db::DbError> {
//! let mut tx = db.begin().await?;
//! sqlx::query("INSERT INTO demo (id, size) VALUES ($1, $2)").bind("a").bind(1_i64).execute(&mut *tx).await?;
//! tx.on_commit(|| tracing::info!("it is there"));
//! tx.commit().await
//! # }
//! ```

mod connection;
mod connections;
mod dialect;
mod error;
mod filter;
mod lock;
mod log;
mod migrate;
mod pool;
mod sqlite;
#[cfg(feature = "testing")]
pub mod testing;
mod tx;
mod value;

pub use connection::Connection;
pub use dialect::Dialect;
pub use error::DbError;
pub use filter::{Filter, SortKey};
pub use lock::Lock;
pub use migrate::Migration;
pub use pool::{Conn, Db};
pub use sqlx::{Row, any::AnyRow};
pub use tx::Tx;
pub use value::{Value, flag, from_json, is_set, json};
