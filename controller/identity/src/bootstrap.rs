//! The first administrator, the usual roles and the catalog. May be repeated: it makes what is missing and mends the URLs.

use crate::{
    Identity, IdentityError,
    assignment::{self, Actor, Assignment, Target},
    catalog::{self, Endpoint, Region},
    project::{self, Project},
    role::{self, Role},
    user::{self, User},
    wire::Attributes,
};
use controller_base::{
    Secret,
    id::{DomainId, EndpointId, ProjectId, RegionId, RoleId, ServiceId, UserId},
};
use controller_db::Tx;
use controller_web::Params;

/// A service of the catalog.
#[derive(Clone, Debug)]
pub struct CatalogEntry {
    /// `identity`, `compute`, ...
    pub kind: String,
    /// `keystone`, `nova`, ...
    pub name: String,
    /// Where clients find it; the same for all interfaces.
    pub url: String,
}

/// What shall be there.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The administrator's name.
    pub user: String,
    /// The password of a new administrator.
    pub password: Secret,
    /// Gives an administrator that is there already this password.
    pub reset_password: bool,
    /// The administrator's project.
    pub project: String,
    /// The region of the endpoints.
    pub region: String,
    /// The services of this installation.
    pub catalog: Vec<CatalogEntry>,
}

/// Each implies the next.
const CHAIN: [&str; 4] = ["admin", "manager", "member", "reader"];
const INTERFACES: [&str; 3] = ["public", "internal", "admin"];

impl Identity {
    /// Whether there is nobody yet.
    ///
    /// # Errors
    /// The database's.
    pub async fn is_empty(&self) -> Result<bool, IdentityError> {
        Ok(crate::store::is_empty(&mut *self.db.read().await?).await?)
    }

    /// Makes what is missing. True when the administrator is new (or got a new password).
    ///
    /// # Errors
    /// The database's.
    pub async fn bootstrap(&self, wanted: &Bootstrap) -> Result<bool, IdentityError> {
        let hash = self.passwords.hash(&wanted.password).await?;
        let mut tx = self.db.begin().await?;
        let domain: DomainId = "default".parse()?;
        default_domain(&mut tx, &domain).await?;
        let admin_role = roles(&mut tx).await?;
        let project = admin_project(&mut tx, &domain, &wanted.project).await?;
        let (user, changed) = self.admin_user(&mut tx, &domain, wanted, hash).await?;
        for target in [Target::Project(project), Target::System] {
            let actor = Actor::User(user.clone());
            let grant = Assignment { actor, target, role: admin_role.clone(), inherited: false };
            assignment::store::insert(&mut tx, &grant).await?;
        }
        let region = region(&mut tx, &wanted.region).await?;
        for entry in &wanted.catalog {
            catalog_entry(&mut tx, &region, entry).await?;
        }
        self.touch(&mut tx).await?;
        tx.commit().await?;
        Ok(changed)
    }

    /// Makes the region and the catalog's entries, and mends their URLs.
    ///
    /// # Errors
    /// The database's.
    pub async fn publish(&self, in_region: &str, entries: &[CatalogEntry]) -> Result<(), IdentityError> {
        let mut tx = self.db.begin().await?;
        let region = region(&mut tx, in_region).await?;
        for entry in entries {
            catalog_entry(&mut tx, &region, entry).await?;
        }
        self.touch(&mut tx).await?;
        Ok(tx.commit().await?)
    }

    async fn admin_user(
        &self,
        tx: &mut Tx,
        domain: &DomainId,
        wanted: &Bootstrap,
        hash: String,
    ) -> Result<(UserId, bool), IdentityError> {
        let now = self.clock.now();
        if let Some(mut user) = user::store::find(tx, domain, &wanted.user).await? {
            if wanted.reset_password {
                (user.password_hash, user.password_changed_at, user.enabled) = (Some(hash), Some(now), true);
                user::store::update(tx, &user).await?;
                self.revoke_user(tx, &user.id).await?;
            }
            return Ok((user.id, wanted.reset_password));
        }
        let user = User {
            id: UserId::random(),
            domain_id: domain.clone(),
            name: wanted.user.clone(),
            enabled: true,
            default_project_id: None,
            password_hash: Some(hash),
            password_changed_at: Some(now),
            password_expires_at: None,
            options: Attributes::new(),
            extra: Attributes::new(),
            created_at: now,
            generation: 1,
        };
        user::store::insert(tx, &user).await?;
        Ok((user.id, true))
    }
}

fn empty_project(id: ProjectId, domain: Option<&DomainId>, name: &str, description: &str) -> Project {
    Project {
        id,
        domain_id: domain.cloned(),
        parent_id: domain.and_then(|domain| domain.as_str().parse().ok()),
        name: name.to_owned(),
        description: description.to_owned(),
        enabled: true,
        is_domain: domain.is_none(),
        tags: Vec::new(),
        options: Attributes::new(),
        extra: Attributes::new(),
        generation: 1,
    }
}

async fn default_domain(tx: &mut Tx, id: &DomainId) -> Result<(), IdentityError> {
    if project::store::get_domain(tx, id).await?.is_none() {
        let domain = empty_project(id.as_str().parse()?, None, "Default", "The default domain");
        project::store::insert(tx, &domain).await?;
    }
    Ok(())
}

async fn admin_project(tx: &mut Tx, domain: &DomainId, name: &str) -> Result<ProjectId, IdentityError> {
    if let Some(found) = project::store::find(tx, domain, name).await? {
        return Ok(found.id);
    }
    let description = "Bootstrap project for initializing the cloud.";
    let new = empty_project(ProjectId::random(), Some(domain), name, description);
    project::store::insert(tx, &new).await?;
    Ok(new.id)
}

/// The usual roles; the answer is `admin`.
async fn roles(tx: &mut Tx) -> Result<RoleId, IdentityError> {
    let mut chain = Vec::new();
    for name in CHAIN {
        chain.push(a_role(tx, name).await?);
    }
    a_role(tx, "service").await?;
    for pair in chain.windows(2) {
        role::store::imply(tx, &pair[0], &pair[1]).await?;
    }
    chain.into_iter().next().ok_or_else(|| IdentityError::Internal("there is no role".to_owned()))
}

async fn a_role(tx: &mut Tx, name: &str) -> Result<RoleId, IdentityError> {
    if let Some(found) = role::store::find(tx, name).await? {
        return Ok(found.id);
    }
    // An administrator's role is not deleted by mistake.
    let mut options = Attributes::new();
    options.insert("immutable".to_owned(), true.into());
    let role = Role {
        id: RoleId::random(),
        domain_id: None,
        name: name.to_owned(),
        description: None,
        options,
        extra: Attributes::new(),
        generation: 1,
    };
    role::store::insert(tx, &role).await?;
    Ok(role.id)
}

async fn region(tx: &mut Tx, id: &str) -> Result<RegionId, IdentityError> {
    let id: RegionId = id.parse()?;
    if catalog::store::get_region(tx, &id).await?.is_none() {
        let new = Region {
            id: id.clone(),
            parent_id: None,
            description: String::new(),
            extra: Attributes::new(),
            generation: 1,
        };
        catalog::store::insert_region(tx, &new).await?;
    }
    Ok(id)
}

async fn catalog_entry(tx: &mut Tx, region: &RegionId, entry: &CatalogEntry) -> Result<(), IdentityError> {
    let services = catalog::store::list_services(tx, &Params::parse(&format!("type={}", entry.kind))).await?;
    let service = match services.into_iter().find(|service| service.name == entry.name) {
        Some(found) => found.id,
        None => {
            let new = catalog::Service {
                id: ServiceId::random(),
                kind: entry.kind.clone(),
                name: entry.name.clone(),
                description: None,
                enabled: true,
                extra: Attributes::new(),
                generation: 1,
            };
            catalog::store::insert_service(tx, &new).await?;
            new.id
        }
    };
    let present = catalog::store::list_endpoints(tx, &Params::parse(&format!("service_id={service}"))).await?;
    for interface in INTERFACES {
        let same =
            |endpoint: &&Endpoint| endpoint.interface == interface && endpoint.region_id.as_ref() == Some(region);
        match present.iter().find(same) {
            Some(found) if found.url == entry.url => {}
            Some(found) => {
                catalog::store::update_endpoint(tx, &Endpoint { url: entry.url.clone(), ..found.clone() }).await?;
            }
            None => catalog::store::insert_endpoint(tx, &endpoint(&service, region, interface, &entry.url)).await?,
        }
    }
    Ok(())
}

fn endpoint(service: &ServiceId, region: &RegionId, interface: &str, url: &str) -> Endpoint {
    Endpoint {
        id: EndpointId::random(),
        service_id: service.clone(),
        region_id: Some(region.clone()),
        interface: interface.to_owned(),
        url: url.to_owned(),
        enabled: true,
        extra: Attributes::new(),
        generation: 1,
    }
}
