//! Users who come from elsewhere, as this cloud knows them: made at the first login, found again at every other.
//!
//! A shadow's id is Keystone's: it follows from its domain and the provider's own id of the user. Names are unique within a domain
//! here: where one is taken, the newcomer is called `NAME@PROVIDER`.

pub(crate) mod store;

use crate::{IdentityError, user::User, wire::Attributes};
use controller_base::{
    Timestamp,
    id::{DomainId, FederationProtocolId, IdentityProviderId, UserId},
};
use controller_db::Tx;
use sha2::{Digest, Sha256};

/// What the shadow of a user shall be.
#[derive(Clone, Debug)]
pub(crate) struct Shadow {
    pub provider: IdentityProviderId,
    pub protocol: FederationProtocolId,
    /// The provider's own id of the user.
    pub unique_id: String,
    pub name: String,
    pub domain_id: DomainId,
    pub email: Option<String>,
}

/// The id of something that lives elsewhere, as Keystone makes it: SHA-256 of domain, kind and local id.
pub(crate) fn public_id(domain: &DomainId, kind: &str, local: &str) -> String {
    let digest = Sha256::digest([domain.as_str(), kind, local].concat());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The user of this shadow, with the name and address that the provider says now.
pub(crate) async fn find_or_create(tx: &mut Tx, wanted: &Shadow, now: Timestamp) -> Result<User, IdentityError> {
    match store::find(tx, wanted).await? {
        Some(id) => {
            let gone = || IdentityError::Internal(format!("federated user {id} has no user"));
            let user = crate::user::store::get(tx, &id).await?.ok_or_else(gone)?;
            refresh(tx, wanted, user).await
        }
        None => create(tx, wanted, now).await,
    }
}

async fn create(tx: &mut Tx, wanted: &Shadow, now: Timestamp) -> Result<User, IdentityError> {
    let id: UserId = public_id(&wanted.domain_id, "user", &wanted.unique_id).parse()?;
    if crate::user::store::get(tx, &id).await?.is_some() {
        let details = format!("Duplicate entry found with ID {id}: another provider of the domain has this user");
        return Err(IdentityError::Conflict { kind: "federated_user", details });
    }
    let user = User {
        id,
        domain_id: wanted.domain_id.clone(),
        name: free_name(tx, wanted, None).await?,
        enabled: true,
        default_project_id: None,
        password_hash: None,
        password_changed_at: None,
        password_expires_at: None,
        options: Attributes::new(),
        extra: with_email(Attributes::new(), wanted),
        created_at: now,
        generation: 1,
    };
    crate::user::store::insert(tx, &user).await?;
    store::insert(tx, wanted, &user.id).await?;
    Ok(user)
}

async fn refresh(tx: &mut Tx, wanted: &Shadow, mut user: User) -> Result<User, IdentityError> {
    let taken = format!("{}@{}", wanted.name, wanted.provider);
    let renamed = user.name != wanted.name && user.name != taken;
    let extra = with_email(user.extra.clone(), wanted);
    if !renamed && extra == user.extra {
        return Ok(user);
    }
    if renamed {
        user.name = free_name(tx, wanted, Some(&user.id)).await?;
        store::rename(tx, wanted).await?;
    }
    user.extra = extra;
    crate::user::store::update(tx, &user).await?;
    user.generation += 1;
    Ok(user)
}

async fn free_name(tx: &mut Tx, wanted: &Shadow, own: Option<&UserId>) -> Result<String, IdentityError> {
    let name: String = wanted.name.chars().take(200).collect();
    let other = crate::user::store::find(tx, &wanted.domain_id, &name).await?;
    if other.is_none_or(|user| Some(&user.id) == own) { Ok(name) } else { Ok(format!("{name}@{}", wanted.provider)) }
}

fn with_email(mut extra: Attributes, wanted: &Shadow) -> Attributes {
    if let Some(email) = &wanted.email {
        extra.insert("email".to_owned(), email.clone().into());
    }
    extra
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `hashlib.sha256(b"default" + b"user" + b"bob").hexdigest()` of Python.
    #[test]
    fn ids_are_keystones() {
        let id = public_id(&"default".parse().unwrap(), "user", "bob");
        assert_eq!(id, PYTHON);
    }

    const PYTHON: &str = "9238b942d077e3178bb06a7ce8bef6aec1f389aabb9e0f957ebaeb3c4be733f8";
}
