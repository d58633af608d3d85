//! Tokens that ended before their time.

use super::payload::Payload;
use crate::Identity;
use controller_base::{Timestamp, id::UserId};
use controller_db::{Connection, DbError, Row, Tx};

impl Identity {
    /// Ends one token.
    pub(crate) async fn revoke_token(&self, tx: &mut Tx, audit_id: &str) -> Result<(), DbError> {
        self.revoke(tx, "token", audit_id).await
    }

    /// Ends all tokens that a user got until now.
    pub(crate) async fn revoke_user(&self, tx: &mut Tx, user: &UserId) -> Result<(), DbError> {
        self.revoke(tx, "user", user.as_str()).await
    }

    async fn revoke(&self, tx: &mut Tx, kind: &str, subject: &str) -> Result<(), DbError> {
        let now = self.clock.now();
        sqlx::query(
            "INSERT INTO identity_revocation (kind, subject, issued_before, expires_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (kind, subject) DO UPDATE SET issued_before = excluded.issued_before, \
             expires_at = excluded.expires_at",
        )
        .bind(kind)
        .bind(subject)
        .bind(now.0)
        .bind(now.plus_seconds(self.token_seconds).0)
        .execute(&mut **tx)
        .await?;
        self.touch(tx).await
    }

    /// Whether a token was ended early. A token's seal knows whole seconds only, so that what was got in the very second of
    /// the revocation is told apart by its end: tokens of one chain end when the first of them, which was got by a password, does.
    pub(crate) async fn is_revoked(
        &self,
        conn: &mut Connection,
        payload: &Payload,
        user: &UserId,
        issued_at: Timestamp,
    ) -> Result<bool, DbError> {
        let own = payload.audit_ids.first().map(String::as_str).unwrap_or_default();
        let rows = sqlx::query(
            "SELECT kind, issued_before, expires_at FROM identity_revocation \
             WHERE (kind = 'token' AND subject = $1) OR (kind = 'user' AND subject = $2)",
        )
        .bind(own)
        .bind(user.as_str())
        .fetch_all(conn)
        .await?;
        for row in rows {
            let kind: String = row.try_get(0)?;
            let (before, expires): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            let earlier = issued_at.0 < before / 1_000_000 * 1_000_000 || payload.expires_at.0 <= expires;
            if kind == "token" || earlier {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Revocations since a moment: whether of a `user`'s tokens or of a `token`, whose or its audit id, and when.
    pub(crate) async fn revocations(
        &self,
        since: Option<Timestamp>,
    ) -> Result<Vec<(String, String, Timestamp)>, DbError> {
        let mut conn = self.db.read().await?;
        let query = sqlx::query(
            "SELECT kind, subject, issued_before FROM identity_revocation WHERE issued_before >= $1 \
             ORDER BY issued_before, kind, subject",
        );
        let rows = query.bind(since.map_or(0, |since| since.0)).fetch_all(&mut *conn).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?, Timestamp(row.try_get(2)?)))).collect()
    }

    /// Forgets revocations of tokens that have ended by themselves.
    ///
    /// # Errors
    /// The database's.
    pub async fn forget_old_revocations(&self) -> Result<(), DbError> {
        let mut tx = self.db.begin().await?;
        // A day of grace, for controllers whose tokens last longer, and the time in which ended ones may be looked at.
        let bound = self.clock.now().plus_seconds(-86_400 - super::api::LATE).0;
        sqlx::query("DELETE FROM identity_revocation WHERE expires_at < $1").bind(bound).execute(&mut *tx).await?;
        tx.commit().await
    }
}
