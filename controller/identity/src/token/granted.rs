//! Which roles a token has, and from where: its user's own, those of the groups that a mapping gave, or delegated ones.

use super::payload::{Federation, Origin, Payload};
use crate::{
    Identity, IdentityError,
    assignment::{Actor, Target, effective_roles},
};
use controller_base::{Timestamp, id::UserId};
use controller_db::Connection;
use controller_web::token::{Delegation, FederationRef, RoleRef};

/// What a token's origin gives it.
#[derive(Debug, Default)]
pub(super) struct Granted {
    pub roles: Vec<RoleRef>,
    pub delegation: Option<Delegation>,
    pub federation: Option<FederationRef>,
    /// When what gives the roles ends, if it does.
    pub until: Option<Timestamp>,
}

impl Identity {
    /// The roles on a target (none without one), and what delegated them.
    pub(super) async fn granted(
        &self,
        conn: &mut Connection,
        payload: &Payload,
        target: Option<&Target>,
    ) -> Result<Granted, IdentityError> {
        match &payload.origin {
            Origin::Own => Ok(Granted { roles: own(conn, &payload.user_id, target).await?, ..Granted::default() }),
            Origin::Federated(federation) => federated(conn, payload, federation, target).await,
            Origin::Trust(id) => {
                let (roles, trust, until) = self.granted_by_trust(conn, id, target).await?;
                if trust.trustee != payload.user_id {
                    return Err(IdentityError::Forbidden("User is not a trustee.".to_owned()));
                }
                Ok(Granted { roles, delegation: Some(Delegation::Trust(trust)), until, federation: None })
            }
            Origin::ApplicationCredential(id) => {
                let (roles, credential) = self.granted_by_credential(conn, id, &payload.user_id, target).await?;
                let delegation = Some(Delegation::ApplicationCredential(credential));
                Ok(Granted { roles, delegation, ..Granted::default() })
            }
        }
    }
}

/// The roles that a user has on a target (none without one) by assignments alone.
pub(super) async fn own(
    conn: &mut Connection,
    user: &UserId,
    target: Option<&Target>,
) -> Result<Vec<RoleRef>, IdentityError> {
    match target {
        None => Ok(Vec::new()),
        Some(target) => Ok(effective_roles(conn, &Actor::User(user.clone()), target).await?),
    }
}

/// The user's own roles and those of the groups.
async fn federated(
    conn: &mut Connection,
    payload: &Payload,
    federation: &Federation,
    target: Option<&Target>,
) -> Result<Granted, IdentityError> {
    if !crate::federation::login::still_trusted(conn, &federation.idp_id).await? {
        return Err(IdentityError::Unauthorized("the identity provider is gone or disabled"));
    }
    let mut roles = own(conn, &payload.user_id, target).await?;
    for group in &federation.group_ids {
        let Some(target) = target else { continue };
        let more = effective_roles(conn, &Actor::Group(group.clone()), target).await?;
        roles.extend(more.into_iter().filter(|role| !roles.contains(role)).collect::<Vec<_>>());
    }
    let federation = FederationRef {
        identity_provider: federation.idp_id.clone(),
        protocol: federation.protocol_id.clone(),
        groups: federation.group_ids.clone(),
    };
    Ok(Granted { roles, federation: Some(federation), ..Granted::default() })
}
