//! Which roles a token has, and from where: its user's own, those of the groups that a mapping gave, or delegated ones.

use super::payload::{Federation, Origin, Payload};
use crate::{
    Identity, IdentityError,
    assignment::{Actor, Target, effective_roles},
};
use controller_db::Connection;
use controller_web::token::{Delegation, FederationRef, RoleRef};

/// What a token's origin gives it.
#[derive(Debug, Default)]
pub(super) struct Granted {
    pub roles: Vec<RoleRef>,
    pub delegation: Option<Delegation>,
    pub federation: Option<FederationRef>,
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
            Origin::Own => Ok(Granted { roles: own(conn, payload, target).await?, ..Granted::default() }),
            Origin::Federated(federation) => federated(conn, payload, federation, target).await,
            Origin::Trust(_) | Origin::ApplicationCredential(_) => {
                Err(IdentityError::Unauthorized("the token's kind is not known here"))
            }
        }
    }
}

async fn own(conn: &mut Connection, payload: &Payload, target: Option<&Target>) -> Result<Vec<RoleRef>, IdentityError> {
    match target {
        None => Ok(Vec::new()),
        Some(target) => Ok(effective_roles(conn, &Actor::User(payload.user_id.clone()), target).await?),
    }
}

/// The user's own roles and those of the groups.
async fn federated(
    conn: &mut Connection,
    payload: &Payload,
    federation: &Federation,
    target: Option<&Target>,
) -> Result<Granted, IdentityError> {
    let mut roles = own(conn, payload, target).await?;
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
    Ok(Granted { roles, delegation: None, federation: Some(federation) })
}
