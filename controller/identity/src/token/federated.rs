//! A token for somebody for whom an identity provider spoke.

use super::{
    payload::{Origin, Payload, ScopeId},
    provider::audit_id,
};
use crate::{Identity, IdentityError, user::User};
use controller_base::Timestamp;
use controller_web::TokenInfo;

/// Who it is, how that was shown, and what gives the roles.
#[derive(Debug)]
pub(crate) struct Federated {
    pub user: User,
    pub method: String,
    pub origin: Origin,
}

impl Identity {
    /// An unscoped token, the first of a chain.
    pub(crate) async fn token_of_federated(&self, login: Federated) -> Result<(String, TokenInfo), IdentityError> {
        let now = self.clock.now();
        let payload = Payload {
            user_id: login.user.id,
            methods: vec![login.method],
            scope: ScopeId::Unscoped,
            origin: login.origin,
            // A revocation of this very moment is of what was there before: it ends tokens up to now's end.
            expires_at: Timestamp(now.plus_seconds(self.token_seconds).0 + 1),
            audit_ids: vec![audit_id()],
        };
        // A token's seal knows whole seconds only.
        let issued_at = Timestamp(now.0 / 1_000_000 * 1_000_000);
        let epoch = self.epoch().await?;
        let mut conn = self.db.read().await?;
        let checked = self.resolve(&mut conn, &payload, issued_at, epoch).await?;
        Ok((self.seal_token(&payload), checked.info))
    }
}
