//! SQL of federated users.

use controller_base::id::{IdentityProviderId, UserId};
use controller_db::{DbError, Row};
use sqlx::AnyConnection;

/// Users who came by this provider and can come by no other way.
pub(crate) async fn users_only_of(
    conn: &mut AnyConnection,
    provider: &IdentityProviderId,
) -> Result<Vec<UserId>, DbError> {
    let rows = sqlx::query(
        "SELECT DISTINCT f.user_id FROM identity_federated_user f JOIN identity_user u ON u.id = f.user_id \
         WHERE f.provider_id = $1 AND u.password_hash IS NULL AND NOT EXISTS (SELECT 1 FROM identity_federated_user o \
         WHERE o.user_id = f.user_id AND o.provider_id <> $1)",
    )
    .bind(provider.as_str())
    .fetch_all(conn)
    .await?;
    let user = |text: String| text.parse().map_err(|error| DbError::corrupt("user_id", error));
    rows.iter().map(|row| user(row.try_get(0)?)).collect()
}
