//! Rules of limits.

use super::{
    Limit, Model, Owner, RegisteredLimit, store,
    wire::{Change, NewLimit},
};
use crate::{Identity, IdentityError, catalog, project};
use controller_base::id::{DomainId, ProjectId, ServiceId};
use controller_db::{Connection, DbError};
use controller_web::Params;

/// Keystone's number for no limit.
const UNLIMITED: i64 = -1;

impl Identity {
    pub(super) async fn registered_limit(&self, id: &str) -> Result<RegisteredLimit, IdentityError> {
        let found = store::get_registered(&mut *self.db.read().await?, id).await?;
        found.ok_or_else(|| IdentityError::Missing(format!("Could not find registered limit for {id}.")))
    }

    pub(super) async fn registered_limits(&self, params: &Params) -> Result<Vec<RegisteredLimit>, IdentityError> {
        Ok(store::list_registered(&mut *self.db.read().await?, params).await?)
    }

    /// Stores new registered limits, all or none.
    pub(super) async fn create_registered_limits(&self, limits: &[RegisteredLimit]) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        for limit in limits {
            refers(&mut tx, limit).await?;
            store::insert_registered(&mut tx, limit).await.map_err(|error| duplicate(error, "registered_limit"))?;
        }
        Ok(tx.commit().await?)
    }

    /// Changes a registered limit that nobody's limit refers to yet.
    pub(super) async fn update_registered_limit(&self, limit: &RegisteredLimit) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        let before = store::get_registered(&mut tx, &limit.id).await?;
        let names = |one: &RegisteredLimit| (one.service_id.clone(), one.region_id.clone(), one.resource_name.clone());
        if before.is_some_and(|before| names(&before) != names(limit)) {
            unused(&mut tx, limit).await?;
        }
        refers(&mut tx, limit).await?;
        store::update_registered(&mut tx, limit).await.map_err(|error| match error {
            IdentityError::Db(error) => duplicate(error, "registered_limit"),
            other => other,
        })?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn delete_registered_limit(&self, limit: &RegisteredLimit) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        unused(&mut tx, limit).await?;
        store::delete_registered(&mut tx, &limit.id).await?;
        Ok(tx.commit().await?)
    }

    pub(super) async fn limit(&self, id: &str) -> Result<Limit, IdentityError> {
        let found = store::get(&mut *self.db.read().await?, id).await?;
        found.ok_or_else(|| IdentityError::Missing(format!("Could not find limit for {id}.")))
    }

    pub(super) async fn limits(&self, params: &Params) -> Result<Vec<Limit>, IdentityError> {
        Ok(store::list(&mut *self.db.read().await?, params).await?)
    }

    /// Stores new limits, all or none.
    pub(super) async fn create_limits(&self, wanted: Vec<NewLimit>) -> Result<Vec<Limit>, IdentityError> {
        let mut tx = self.db.begin().await?;
        let mut made = Vec::new();
        for one in wanted {
            let limit = read(&mut tx, one).await?;
            store::insert(&mut tx, &limit).await.map_err(|error| duplicate(error, "limit"))?;
            made.push(limit);
        }
        // When all are there: a project's may come together with its domain's.
        for limit in &made {
            self.fits(&mut tx, limit).await?;
        }
        tx.commit().await?;
        Ok(made)
    }

    pub(super) async fn update_limit(&self, id: &str, change: Change) -> Result<Limit, IdentityError> {
        let mut tx = self.db.begin().await?;
        let found = store::get(&mut tx, id).await?;
        let mut limit = found.ok_or_else(|| IdentityError::Missing(format!("Could not find limit for {id}.")))?;
        limit.resource_limit =
            super::wire::bounded("resource_limit", change.resource_limit.unwrap_or(limit.resource_limit))?;
        limit.description = change.description.unwrap_or(limit.description);
        store::update(&mut tx, &limit).await?;
        self.fits(&mut tx, &limit).await?;
        tx.commit().await?;
        Ok(limit)
    }

    pub(super) async fn delete_limit(&self, id: &str) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        store::delete(&mut tx, id).await?;
        Ok(tx.commit().await?)
    }

    /// With two levels: a project's limit is not above its domain's, a domain's (or the default) not below a project's.
    async fn fits(&self, conn: &mut Connection, limit: &Limit) -> Result<(), IdentityError> {
        if self.limit_model != Model::StrictTwoLevel {
            return Ok(());
        }
        let all = store::list_under(conn, &limit.registered_id).await?;
        let registered = store::get_registered(conn, &limit.registered_id).await?;
        let default = registered.map_or(UNLIMITED, |registered| registered.default_limit);
        match &limit.owner {
            Owner::Project(id) => {
                let domain = domain_of(conn, id).await?;
                let above = all.iter().find(|one| one.owner.domain() == domain.as_ref().map(DomainId::as_str));
                below(limit, above.map_or(default, |one| one.resource_limit))
            }
            Owner::Domain(domain) => {
                for one in &all {
                    let Some(project) = one.owner.project() else { continue };
                    if domain_of(conn, project).await?.is_some_and(|own| own.as_str() == domain) {
                        below(one, limit.resource_limit)?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// Whether a project's limit is not above that of its domain.
fn below(limit: &Limit, above: i64) -> Result<(), IdentityError> {
    let fits = above == UNLIMITED || (limit.resource_limit != UNLIMITED && limit.resource_limit <= above);
    if fits {
        return Ok(());
    }
    Err(IdentityError::Forbidden(format!(
        "Invalid resource limit: The resource limit (project_id: {}, service_id: {}, region_id: {}, resource_name: {}, \
         resource_limit: {}) doesn't satisfy current hierarchy model.",
        limit.owner.project().unwrap_or_default(),
        limit.service_id,
        limit.region_id.as_ref().map_or("None", controller_base::id::RegionId::as_str),
        limit.resource_name,
        limit.resource_limit
    )))
}

async fn domain_of(conn: &mut Connection, project: &str) -> Result<Option<DomainId>, IdentityError> {
    let id: ProjectId = project.parse()?;
    Ok(project::store::get(conn, &id).await?.map(|project| project.owning_domain()))
}

/// A new limit with the registered limit that it must have.
async fn read(conn: &mut Connection, wanted: NewLimit) -> Result<Limit, IdentityError> {
    let owner = match (wanted.project_id, wanted.domain_id) {
        (Some(project), None) => Owner::Project(project),
        (None, Some(domain)) => Owner::Domain(domain),
        _ => {
            return Err(IdentityError::invalid("A limit is either a project's or a domain's: specify one of the two."));
        }
    };
    exists(conn, &owner).await?;
    let query = Params::default()
        .with("service_id", Some(&wanted.service_id))
        .with("region_id", Some(wanted.region_id.as_deref().unwrap_or_default()))
        .with("resource_name", Some(&wanted.resource_name));
    let registered = store::list_registered(conn, &query).await?.into_iter().next();
    let registered = registered.ok_or_else(|| {
        IdentityError::Forbidden("Unable to create a limit that has no corresponding registered limit.".to_owned())
    })?;
    Ok(Limit {
        id: ServiceId::random().to_string(),
        registered_id: registered.id,
        owner,
        resource_limit: super::wire::bounded("resource_limit", wanted.resource_limit)?,
        description: wanted.description,
        service_id: registered.service_id,
        region_id: registered.region_id,
        resource_name: registered.resource_name,
        generation: 1,
    })
}

async fn exists(conn: &mut Connection, owner: &Owner) -> Result<(), IdentityError> {
    let found = match owner {
        Owner::Project(id) => project::store::get(conn, &id.parse()?).await?,
        Owner::Domain(id) => project::store::get_domain(conn, &id.parse()?).await?,
    };
    let (kind, id) = match owner {
        Owner::Project(id) => ("project", id),
        Owner::Domain(id) => ("domain", id),
    };
    found.map(|_| ()).ok_or_else(|| IdentityError::invalid(format!("Could not find {kind}: {id}.")))
}

/// Service and region must exist.
async fn refers(conn: &mut Connection, limit: &RegisteredLimit) -> Result<(), IdentityError> {
    if catalog::store::get_service(conn, &limit.service_id).await?.is_none() {
        return Err(IdentityError::invalid(format!("Could not find service: {}.", limit.service_id)));
    }
    if let Some(region) = &limit.region_id
        && catalog::store::get_region(conn, region).await?.is_none()
    {
        return Err(IdentityError::invalid(format!("Could not find region: {region}.")));
    }
    Ok(())
}

async fn unused(conn: &mut Connection, limit: &RegisteredLimit) -> Result<(), IdentityError> {
    if store::list_under(conn, &limit.id).await?.is_empty() {
        return Ok(());
    }
    Err(IdentityError::Forbidden(format!(
        "Unable to update or delete registered limit {} because there are project limits associated with it.",
        limit.id
    )))
}

fn duplicate(error: DbError, kind: &'static str) -> IdentityError {
    match error {
        DbError::UniqueViolation { .. } => IdentityError::Conflict { kind, details: "Duplicate entry".to_owned() },
        other => IdentityError::Db(other),
    }
}
