//! One-time join tokens, by which a machine becomes a member.

use crate::store;
use controller_base::{Clock, Secret, Timestamp};
use controller_db::{Db, DbError};
use sha2::{Digest, Sha256};

/// How long a token can be used if nobody says otherwise.
pub const DEFAULT_SECONDS: i64 = 3600;

/// A new token; it is shown once and stored as a digest.
///
/// # Errors
/// When the database fails.
pub async fn create(db: &Db, clock: &Clock, seconds: i64) -> Result<Secret, DbError> {
    let token = format!("{}{}", uuid(), uuid());
    let now = clock.now();
    let mut tx = db.begin().await?;
    store::insert_token(&mut tx, &digest(&token), now, now.plus_seconds(seconds)).await?;
    tx.commit().await?;
    Ok(Secret::new(token))
}

/// Uses a token up within the caller's transaction; false when it is unknown, used or expired.
pub(crate) async fn redeem(tx: &mut controller_db::Tx, token: &str, now: Timestamp) -> Result<bool, DbError> {
    store::use_token(tx, &digest(token), now).await
}

fn uuid() -> String {
    controller_base::id::RequestId::random().to_string()
}

fn digest(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
