//! From an assertion to a token: the provider's remote id, the mapping, the shadow of the user, its groups and projects.

use super::{
    assertion::Assertion,
    identity_provider::IdentityProvider,
    mapping::{
        self,
        rules::{DomainKey, MapError, Mapped, MappedUser, UserKind},
    },
    projects,
    protocol::Protocol,
    shadow::{self, Shadow},
};
use crate::{
    Identity, IdentityError,
    token::{
        federated::Federated,
        payload::{Federation, Origin},
    },
    user::User,
};
use controller_base::id::{DomainId, GroupId, MappingId};
use controller_db::{Connection, Tx};
use controller_web::TokenInfo;

/// What of a URL Python's `quote` leaves as it is: the ids of federated users are Keystone's.
const UNQUOTED: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~').remove(b'/');

impl Identity {
    /// An enabled provider and its protocol.
    pub(crate) async fn trusted(
        &self,
        provider: &str,
        protocol: &str,
    ) -> Result<(IdentityProvider, Protocol), IdentityError> {
        let found = self.identity_provider(provider).await?;
        if !found.enabled {
            return Err(IdentityError::Forbidden(format!("Identity Provider {provider} is disabled")));
        }
        let protocol = self.federation_protocol(provider, protocol).await?;
        Ok((found, protocol))
    }

    /// An unscoped token for whom the provider speaks of.
    pub(crate) async fn federated_login(
        &self,
        (provider, protocol): &(IdentityProvider, Protocol),
        assertion: &Assertion,
    ) -> Result<(String, TokenInfo), IdentityError> {
        self.check_remote_id(provider, protocol, assertion)?;
        let mut tx = self.db.begin().await?;
        let mapped = self.mapped(&mut tx, &protocol.mapping_id, assertion).await?;
        let (user, origin) = match mapped.user.kind {
            UserKind::Local => (local_user(&mut tx, &mapped.user).await?, Origin::Own),
            UserKind::Ephemeral => {
                let groups = groups(&mut tx, &mapped).await?;
                let user = self.shadow_user(&mut tx, provider, protocol, &mapped, assertion).await?;
                let changed = self.keep_memberships(&mut tx, provider, &user, &groups).await?;
                let changed = projects::provide(&mut tx, provider, &user, &mapped).await? || changed;
                if changed {
                    self.touch(&mut tx).await?;
                }
                let origin = Federation {
                    idp_id: provider.id.to_string(),
                    protocol_id: protocol.id.to_string(),
                    group_ids: groups,
                };
                (user, Origin::Federated(origin))
            }
        };
        tx.commit().await?;
        let method = crate::token::payload::METHODS.iter().find(|method| **method == protocol.id.as_str());
        let method = (*method.unwrap_or(&"mapped")).to_owned();
        tracing::info!(user = %user.id, provider = %provider.id, protocol = %protocol.id, "federated login");
        self.token_of_federated(Federated { user, method, origin }).await
    }

    /// Where it is said how the provider calls itself, it must call itself so.
    fn check_remote_id(
        &self,
        provider: &IdentityProvider,
        protocol: &Protocol,
        assertion: &Assertion,
    ) -> Result<(), IdentityError> {
        let default = self.federation.remote_id_attribute.as_ref();
        let Some(attribute) = protocol.remote_id_attribute.as_ref().or(default).filter(|name| !name.is_empty()) else {
            return Ok(());
        };
        if provider.remote_ids.is_empty() {
            return Ok(());
        }
        let missing = IdentityError::Unauthorized("the assertion does not name its identity provider");
        let said = assertion.attributes.get(attribute).ok_or(missing)?;
        if said.iter().all(|id| provider.remote_ids.contains(id)) {
            return Ok(());
        }
        Err(IdentityError::Forbidden(
            "Incoming identity provider identifier not included among the accepted identifiers.".to_owned(),
        ))
    }

    async fn mapped(
        &self,
        conn: &mut Connection,
        id: &MappingId,
        assertion: &Assertion,
    ) -> Result<Mapped, IdentityError> {
        let broken = |reason: String| IdentityError::Internal(format!("mapping {id}: {reason}"));
        let stored = mapping::store::get(conn, id).await?.ok_or_else(|| broken("is gone".to_owned()))?;
        let rules = mapping::rules::Mapping::read(&stored.schema_version, &stored.rules)
            .map_err(|error| broken(error.to_string()))?;
        rules.apply(&assertion.attributes).map_err(|error| match error {
            MapError::NoMatch(_) => broken(error.to_string()),
            MapError::Nobody | MapError::GroupWithoutDomain(_) | MapError::Json { .. } => {
                tracing::info!(mapping = %id, reason = %error, "federated login refused");
                IdentityError::Unauthorized("the mapping makes nobody of the assertion")
            }
        })
    }

    async fn shadow_user(
        &self,
        tx: &mut Tx,
        provider: &IdentityProvider,
        protocol: &Protocol,
        mapped: &Mapped,
        assertion: &Assertion,
    ) -> Result<User, IdentityError> {
        let named = mapped.user.name.clone().or_else(|| assertion.remote_user.clone());
        let nobody = IdentityError::Unauthorized("neither the mapping nor the provider names the user");
        let id = mapped.user.id.clone().or_else(|| named.clone()).filter(|id| !id.is_empty()).ok_or(nobody)?;
        let domain_id = match &mapped.user.domain {
            None => provider.domain_id.clone(),
            Some(domain) => domain_id(tx, domain).await?.ok_or_else(|| unknown_domain(domain))?,
        };
        let wanted = Shadow {
            provider: provider.id.clone(),
            protocol: protocol.id.clone(),
            unique_id: percent_encoding::utf8_percent_encode(&id, UNQUOTED).to_string(),
            name: named.unwrap_or(id),
            domain_id,
            email: mapped.user.email.clone(),
        };
        shadow::find_or_create(tx, &wanted, self.clock.now()).await
    }

    /// Has the user in these groups for the provider's time, and in no other of its groups; true when that changed what counts.
    async fn keep_memberships(
        &self,
        tx: &mut Tx,
        provider: &IdentityProvider,
        user: &User,
        groups: &[GroupId],
    ) -> Result<bool, IdentityError> {
        let minutes = provider.authorization_ttl.unwrap_or(self.federation.default_authorization_ttl);
        let kept: &[GroupId] = if minutes > 0 { groups } else { &[] };
        let ended = shadow::store::end_other_memberships(tx, &provider.id, &user.id, kept).await?;
        let end = self.clock.now().plus_seconds(minutes.saturating_mul(60));
        let mut new = false;
        for group in kept {
            new |= shadow::store::keep_membership(tx, &provider.id, &user.id, group, end).await?;
        }
        if ended {
            self.revoke_user(tx, &user.id).await?;
        }
        Ok(ended || new)
    }

    /// Ends the memberships whose time is over.
    ///
    /// # Errors
    /// The database's.
    pub async fn end_memberships(&self) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        if shadow::store::end_memberships(&mut tx, self.clock.now()).await? {
            self.touch(&mut tx).await?;
        }
        Ok(tx.commit().await?)
    }
}

/// A user who must be here already.
async fn local_user(conn: &mut Connection, mapped: &MappedUser) -> Result<User, IdentityError> {
    let nobody = || IdentityError::Unauthorized("the mapping names a local user who does not exist");
    let found = match (&mapped.id, &mapped.name, &mapped.domain) {
        (Some(id), _, _) => crate::user::store::get(conn, &id.parse().map_err(|_| nobody())?).await?,
        (None, Some(name), Some(domain)) => {
            let domain = domain_id(conn, domain).await?.ok_or_else(nobody)?;
            crate::user::store::find(conn, &domain, name).await?
        }
        (None, _, _) => None,
    };
    found.filter(|user| user.enabled).ok_or_else(nobody)
}

/// The groups of a mapping: by id they must exist, by name they may.
async fn groups(conn: &mut Connection, mapped: &Mapped) -> Result<Vec<GroupId>, IdentityError> {
    let mut found = Vec::new();
    for id in &mapped.group_ids {
        let missing = || IdentityError::Internal(format!("group {id}, which a mapping names, does not exist"));
        let group = id.parse().map_err(|_| missing())?;
        crate::group::store::get(conn, &group).await?.ok_or_else(missing)?;
        found.push(group);
    }
    for wanted in &mapped.groups {
        let Some(domain) = domain_id(conn, &wanted.domain).await? else { continue };
        if let Some(group) = shadow::store::group_by_name(conn, &domain, &wanted.name).await?
            && !found.contains(&group)
        {
            found.push(group);
        }
    }
    Ok(found)
}

/// A domain as rules name it.
pub(super) async fn domain_id(conn: &mut Connection, key: &DomainKey) -> Result<Option<DomainId>, IdentityError> {
    let found = match key {
        DomainKey::Id(id) => match id.parse() {
            Ok(id) => crate::project::store::get_domain(conn, &id).await?,
            Err(_) => None,
        },
        DomainKey::Name(name) => crate::project::store::find_domain(conn, name).await?,
    };
    Ok(found.map(|domain| domain.owning_domain()))
}

pub(super) fn unknown_domain(key: &DomainKey) -> IdentityError {
    let (DomainKey::Id(name) | DomainKey::Name(name)) = key;
    IdentityError::not_found("domain", name)
}

/// Whether a token that this provider gave still counts: it is there and enabled.
pub(crate) async fn still_trusted(conn: &mut Connection, provider: &str) -> Result<bool, IdentityError> {
    let Ok(id) = provider.parse() else { return Ok(false) };
    let found = super::identity_provider::store::get(conn, &id).await?;
    Ok(found.is_some_and(|provider| provider.enabled))
}
