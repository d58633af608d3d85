//! Rules of trusts: what one may be made of, and what it gives.

use super::{Trust, store};
use crate::{
    Identity, IdentityError,
    assignment::{Actor, Target, effective_roles},
};
use controller_base::{Timestamp, id::RoleId};
use controller_db::Connection;
use controller_web::token::{RoleRef, TrustRef};

/// How many trusts may come from a first one, one after the other.
pub(super) const DEEPEST: i64 = 3;

/// What a new trust shall be, before its depth is known.
#[derive(Debug)]
pub(crate) struct NewTrust {
    pub trust: Trust,
    pub allow_redelegation: bool,
    pub redelegation_count: Option<i64>,
}

impl Identity {
    /// A trust that can be used, by its id.
    pub(crate) async fn trust(&self, id: &str) -> Result<Trust, IdentityError> {
        self.usable_trust(&mut *self.db.read().await?, id).await
    }

    /// Trusts, of a trustor or a trustee.
    pub(crate) async fn trusts(
        &self,
        trustor: Option<&str>,
        trustee: Option<&str>,
    ) -> Result<Vec<Trust>, IdentityError> {
        Ok(store::list(&mut *self.db.read().await?, trustor, trustee).await?)
    }

    /// A trust with uses left.
    pub(crate) async fn usable_trust(&self, conn: &mut Connection, id: &str) -> Result<Trust, IdentityError> {
        let chain = self.chain(conn, id).await?;
        let trust = chain.into_iter().next().filter(|trust| trust.remaining_uses.is_none_or(|uses| uses > 0));
        trust.ok_or_else(|| IdentityError::not_found("trust", id))
    }

    /// A trust and those that it comes from, all of which hold.
    async fn chain(&self, conn: &mut Connection, id: &str) -> Result<Vec<Trust>, IdentityError> {
        let mut chain: Vec<Trust> = Vec::new();
        let mut next = Some(id.to_owned());
        while let Some(id) = next.take() {
            let found = store::get(conn, &id).await?.filter(|trust| in_time(trust, self.clock.now()));
            let trust = found.ok_or_else(|| IdentityError::not_found("trust", &id))?;
            next.clone_from(&trust.redelegated_trust_id);
            if let Some(child) = chain.last() {
                may_come_from(child, &trust)?;
                self.enabled(conn, &trust.trustee, "One of the trust agents is disabled or deleted").await?;
            }
            chain.push(trust);
        }
        Ok(chain)
    }

    async fn enabled(
        &self,
        conn: &mut Connection,
        user: &controller_base::id::UserId,
        otherwise: &'static str,
    ) -> Result<(), IdentityError> {
        let refused = || IdentityError::Forbidden(otherwise.to_owned());
        let user = crate::user::store::get(conn, user).await?.filter(|user| user.enabled).ok_or_else(refused)?;
        let domain = crate::project::store::get_domain(conn, &user.domain_id).await?;
        domain.filter(|domain| domain.enabled).map(|_| ()).ok_or_else(refused)
    }

    /// Stores a new trust; with `from` it is redelegated.
    pub(crate) async fn create_trust(&self, new: NewTrust, from: Option<&str>) -> Result<Trust, IdentityError> {
        let mut tx = self.db.begin().await?;
        let mut trust = new.trust;
        if crate::user::store::get(&mut tx, &trust.trustee).await?.is_none() {
            return Err(IdentityError::not_found("user", &trust.trustee));
        }
        let chain = match from {
            None => Vec::new(),
            Some(id) => self.chain(&mut tx, id).await?,
        };
        let first = chain.last().map_or_else(|| trust.trustor.clone(), |first| first.trustor.clone());
        let have = match &trust.project_id {
            None => Vec::new(),
            Some(project) if crate::project::store::get(&mut tx, project).await?.is_none() => {
                return Err(IdentityError::not_found("project", project));
            }
            Some(project) => effective_roles(&mut tx, &Actor::User(first), &Target::Project(project.clone())).await?,
        };
        if let Some(role) = trust.roles.iter().find(|role| !have.iter().any(|one| one.id == **role)) {
            return Err(IdentityError::not_found("role", role));
        }
        trust.redelegation_count = depth(&trust, new.allow_redelegation, new.redelegation_count, chain.first())?;
        if let Some(parent) = chain.first() {
            trust.expires_at = trust.expires_at.or(parent.expires_at);
            trust.redelegated_trust_id = Some(parent.id.clone());
            for parent in &chain {
                may_come_from(&trust, parent)?;
            }
        }
        store::insert(&mut tx, &trust).await?;
        tx.commit().await?;
        Ok(trust)
    }

    /// Deletes a trust and all that come from it; their tokens end.
    pub(crate) async fn delete_trust(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    /// Takes one of a trust's uses, where they are counted.
    pub(crate) async fn consume_trust(&self, trust: &Trust) -> Result<(), IdentityError> {
        if trust.remaining_uses.is_none() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        if !store::consume(&mut tx, &trust.id).await? {
            return Err(IdentityError::Forbidden(format!("No remaining uses for trust: {}.", trust.id)));
        }
        Ok(tx.commit().await?)
    }

    /// What a trust gives on its project: its roles and what they imply, as long as the first trustor has them all.
    pub(crate) async fn granted_by_trust(
        &self,
        conn: &mut Connection,
        id: &str,
        target: Option<&Target>,
    ) -> Result<(Vec<RoleRef>, TrustRef, Option<Timestamp>), IdentityError> {
        let chain = self.chain(conn, id).await?;
        let (Some(trust), Some(first)) = (chain.first(), chain.last()) else {
            return Err(IdentityError::not_found("trust", id));
        };
        self.enabled(conn, &trust.trustor, "Trustor is disabled.").await?;
        let project = trust.project_id.clone().map(Target::Project);
        if project.as_ref() != target {
            return Err(IdentityError::Unauthorized("the trust is for another project"));
        }
        let mut roles = Vec::new();
        if let Some(target) = target {
            let have = effective_roles(conn, &Actor::User(first.trustor.clone()), target).await?;
            let wanted = crate::role::with_implied(conn, &trust.roles).await?;
            roles = delegated(&wanted, have)?;
        }
        let until = chain.iter().filter_map(|trust| trust.expires_at).min();
        let shown = TrustRef {
            id: trust.id.clone(),
            trustor: trust.trustor.clone(),
            trustee: trust.trustee.clone(),
            impersonation: trust.impersonation,
        };
        Ok((roles, shown, until))
    }
}

fn delegated(wanted: &[RoleId], mut have: Vec<RoleRef>) -> Result<Vec<RoleRef>, IdentityError> {
    if wanted.iter().any(|role| !have.iter().any(|one| one.id == *role)) {
        return Err(IdentityError::Forbidden("Trustee has no delegated roles.".to_owned()));
    }
    have.retain(|role| wanted.contains(&role.id));
    Ok(have)
}

fn in_time(trust: &Trust, now: Timestamp) -> bool {
    trust.expires_at.is_none_or(|end| end >= now)
}

/// How often a new trust may be redelegated.
fn depth(trust: &Trust, allowed: bool, asked: Option<i64>, from: Option<&Trust>) -> Result<i64, IdentityError> {
    if !allowed || asked == Some(0) {
        return Ok(0);
    }
    if let Some(asked) = asked.filter(|asked| *asked > DEEPEST) {
        let reason = format!("Requested redelegation depth of {asked} is greater than allowed {DEEPEST}");
        return Err(IdentityError::Forbidden(reason));
    }
    if trust.remaining_uses.is_some() {
        return Err(IdentityError::invalid("remaining_uses must not be set if redelegation is allowed"));
    }
    let Some(parent) = from else { return Ok(asked.unwrap_or(DEEPEST)) };
    let rest = parent.redelegation_count - 1;
    if asked.is_some_and(|asked| asked != rest) {
        let reason =
            "Modifying \"redelegation_count\" upon redelegation is forbidden. Omitting this parameter is advised.";
        return Err(IdentityError::Forbidden(reason.to_owned()));
    }
    Ok(rest)
}

/// Whether one trust may come from another: that one has depth left, lasts as long, and has the roles.
fn may_come_from(trust: &Trust, parent: &Trust) -> Result<(), IdentityError> {
    let refuse = |reason: String| Err(IdentityError::Forbidden(reason));
    if !(1..=DEEPEST).contains(&parent.redelegation_count) {
        return refuse(format!(
            "Remaining redelegation depth of {} out of allowed range of [0..{DEEPEST}]",
            parent.redelegation_count
        ));
    }
    if let Some(uses) = trust.remaining_uses {
        return refuse(format!(
            "Field \"remaining_uses\" is set to {uses} while it must not be set in order to redelegate a trust"
        ));
    }
    let longer = match (trust.expires_at, parent.expires_at) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(own), Some(parents)) => own > parents,
    };
    if longer {
        return refuse("Requested expiration time is more than redelegated trust can provide".to_owned());
    }
    if trust.roles.iter().any(|role| !parent.roles.contains(role)) {
        return refuse("Some of requested roles are not in redelegated trust".to_owned());
    }
    if trust.impersonation && !parent.impersonation {
        return refuse(format!(
            "Impersonation is not allowed because redelegated trust does not specify impersonation. Redelegated trust id: {}",
            parent.id
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trust(count: i64) -> Trust {
        Trust {
            id: "t".into(),
            trustor: "a".parse().unwrap(),
            trustee: "b".parse().unwrap(),
            project_id: Some("p".parse().unwrap()),
            impersonation: true,
            expires_at: Some(Timestamp(100)),
            remaining_uses: None,
            redelegated_trust_id: None,
            redelegation_count: count,
            roles: vec!["r".parse().unwrap()],
        }
    }

    #[test]
    fn depth_is_given_once_and_then_counts_down() {
        let new = trust(0);
        assert_eq!(depth(&new, false, Some(2), None).unwrap(), 0);
        assert_eq!(depth(&new, true, None, None).unwrap(), DEEPEST);
        assert_eq!(depth(&new, true, Some(2), None).unwrap(), 2);
        assert!(depth(&new, true, Some(DEEPEST + 1), None).is_err());
        assert_eq!(depth(&new, true, None, Some(&trust(2))).unwrap(), 1);
        assert!(depth(&new, true, Some(2), Some(&trust(2))).is_err());
        assert!(depth(&Trust { remaining_uses: Some(1), ..new }, true, None, None).is_err());
    }

    #[test]
    fn a_redelegated_trust_gives_no_more_than_its_parent() {
        let parent = trust(1);
        assert!(may_come_from(&trust(0), &parent).is_ok());
        assert!(may_come_from(&trust(0), &trust(0)).is_err());
        assert!(may_come_from(&Trust { expires_at: Some(Timestamp(101)), ..trust(0) }, &parent).is_err());
        assert!(may_come_from(&Trust { expires_at: None, ..trust(0) }, &parent).is_err());
        assert!(may_come_from(&Trust { roles: vec!["x".parse().unwrap()], ..trust(0) }, &parent).is_err());
        assert!(may_come_from(&Trust { remaining_uses: Some(1), ..trust(0) }, &parent).is_err());
        assert!(may_come_from(&trust(0), &Trust { impersonation: false, ..parent }).is_err());
    }
}
