//! Where a domain's users live, and what that means for logins, lists and writes.

use super::{LdapError, config::LdapConfig, connection::Ldap, files, store};
use crate::{
    Identity, IdentityError,
    token::{authenticate::UserName, find::find_domain},
    user::User,
};
use async_trait::async_trait;
use controller_base::{Secret, id::DomainId};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// Keystone's words.
const READ_ONLY: &str = "LDAP does not support write operations";

/// What users are known by when they come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    /// By their name in the domain.
    Name(&'a str),
    /// By their id here.
    Id(&'a str),
}

/// Where the users of one domain live.
#[async_trait]
pub(crate) trait Directory: Send + Sync + fmt::Debug {
    /// Whether users and groups can be made and changed here.
    fn writable(&self) -> bool;

    /// Brings what is written down of one user up to date, before a login.
    async fn look(&self, identity: &Identity, who: Who<'_>) -> Result<(), IdentityError>;

    /// Brings what is written down of all users and groups up to date, before a list and now and then.
    async fn look_at_all(&self, identity: &Identity) -> Result<(), IdentityError>;

    /// Whether it is the user's password; without a user it never is, after about the same time.
    async fn verify(&self, identity: &Identity, user: Option<&User>, password: &Secret) -> Result<bool, IdentityError>;
}

/// Users and groups that live in this cloud's own tables.
#[derive(Clone, Copy, Debug)]
struct Own;

#[async_trait]
impl Directory for Own {
    fn writable(&self) -> bool {
        true
    }

    async fn look(&self, _: &Identity, _: Who<'_>) -> Result<(), IdentityError> {
        Ok(())
    }

    async fn look_at_all(&self, _: &Identity) -> Result<(), IdentityError> {
        Ok(())
    }

    async fn verify(&self, identity: &Identity, user: Option<&User>, password: &Secret) -> Result<bool, IdentityError> {
        identity.passwords.verify(password, user.and_then(|user| user.password_hash.clone())).await
    }
}

/// Users and groups that live in an LDAP directory.
#[derive(Debug)]
struct Foreign {
    domain: DomainId,
    ldap: Ldap,
}

#[async_trait]
impl Directory for Foreign {
    fn writable(&self) -> bool {
        false
    }

    async fn look(&self, identity: &Identity, who: Who<'_>) -> Result<(), IdentityError> {
        let person = match who {
            Who::Name(name) => self.ldap.person_named(name).await?,
            Who::Id(id) => {
                // The connection is given back before the directory is asked.
                let local = store::local_id(&mut *identity.db.read().await?, id).await?;
                match local {
                    None => None,
                    Some(local) => self.ldap.person_with_id(&local).await?,
                }
            }
        };
        if let Some(person) = person {
            let teams = self.ldap.teams_of(&person).await?;
            identity.write_person(&self.domain, &person, &teams).await?;
        }
        Ok(())
    }

    async fn look_at_all(&self, identity: &Identity) -> Result<(), IdentityError> {
        identity.write_directory(&self.domain, &self.ldap).await
    }

    async fn verify(&self, identity: &Identity, user: Option<&User>, password: &Secret) -> Result<bool, IdentityError> {
        let Some(user) = user else { return Ok(false) };
        let local = store::local_id(&mut *identity.db.read().await?, user.id.as_str()).await?;
        let Some(local) = local else { return Ok(false) };
        let Some(person) = self.ldap.person_with_id(&local).await? else { return Ok(false) };
        Ok(self.ldap.verify(&person.dn, password.reveal()).await?)
    }
}

/// The directories that are configured.
#[derive(Debug, Default)]
pub(crate) struct Directories {
    /// By the domain's name, from files.
    files: BTreeMap<String, files::Sections>,
    /// With the configuration that they were made of.
    open: Mutex<HashMap<DomainId, (LdapConfig, Arc<Foreign>)>>,
}

impl Directories {
    /// Reads the domains' files of a directory.
    pub(crate) fn read(directory: Option<&Path>) -> Result<Self, IdentityError> {
        let Some(path) = directory else { return Ok(Self::default()) };
        let files = files::read_all(path);
        let files = files.map_err(|error| IdentityError::Internal(format!("{}: {error}", path.display())))?;
        Ok(Self { files, open: Mutex::default() })
    }

    fn at(&self, domain: &DomainId, options: &Map<String, Value>) -> Result<Arc<Foreign>, LdapError> {
        let config = LdapConfig::read(options)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, directory)) = open.get(domain)
            && *known == config
        {
            return Ok(directory.clone());
        }
        let directory = Arc::new(Foreign { domain: domain.clone(), ldap: Ldap::new(config.clone()) });
        open.insert(domain.clone(), (config, directory.clone()));
        Ok(directory)
    }
}

fn uses_ldap(options: &BTreeMap<String, Map<String, Value>>) -> bool {
    let driver = options.get("identity").and_then(|identity| identity.get("driver")).and_then(Value::as_str);
    driver == Some("ldap")
}

impl Identity {
    /// Where the users of a domain live. What the API says goes before what a file says.
    pub(crate) async fn directory(&self, domain: &DomainId) -> Result<Arc<dyn Directory>, IdentityError> {
        let epoch = self.epoch().await?;
        if self.cache.own_domains.get(domain, epoch).is_some() {
            return Ok(Arc::new(Own));
        }
        let mut options = self.domain_options(domain).await?;
        if options.is_empty() && !self.directories.files.is_empty() {
            let found = crate::project::store::get_domain(&mut *self.db.read().await?, domain).await?;
            let file = found.and_then(|domain| self.directories.files.get(&domain.name).cloned());
            options = file.unwrap_or_default();
        }
        if !uses_ldap(&options) {
            self.cache.own_domains.put(domain.clone(), epoch, ());
            return Ok(Arc::new(Own));
        }
        let ldap = options.remove("ldap").unwrap_or_default();
        Ok(self.directories.at(domain, &ldap)?)
    }

    /// Brings what is written down of who is about to come in up to date.
    pub(crate) async fn look_for(&self, name: &UserName) -> Result<(), IdentityError> {
        let (domain, who) = match name {
            UserName::Id(id) => {
                let Ok(user) = id.parse() else { return Ok(()) };
                let found = crate::user::store::get(&mut *self.db.read().await?, &user).await?;
                (found.map(|user| user.domain_id), Who::Id(id))
            }
            UserName::Name(name, domain) => {
                let found = find_domain(&mut *self.db.read().await?, domain.clone()).await?;
                (found, Who::Name(name))
            }
        };
        match domain {
            None => Ok(()),
            Some(domain) => self.directory(&domain).await?.look(self, who).await,
        }
    }

    /// Whether it is the user's password, wherever the user lives.
    pub(crate) async fn verify_password(&self, user: Option<&User>, password: &Secret) -> Result<bool, IdentityError> {
        match user {
            None => Own.verify(self, None, password).await,
            Some(user) => self.directory(&user.domain_id).await?.verify(self, Some(user), password).await,
        }
    }

    /// Brings a domain up to date before its users or groups are listed; a directory that does not answer leaves what was written
    /// down last.
    pub(crate) async fn freshen(&self, domain: Option<&DomainId>) {
        let Some(domain) = domain else { return };
        if let Err(error) = self.look_at_directories(Some(domain)).await {
            tracing::warn!(%domain, %error, "a directory cannot be read");
        }
    }

    /// Refuses a change of users or groups of a domain whose directory is not ours to change.
    pub(crate) async fn refuse_foreign_write(&self, domain: &DomainId) -> Result<(), IdentityError> {
        if self.directory(domain).await?.writable() {
            return Ok(());
        }
        Err(IdentityError::Forbidden(READ_ONLY.to_owned()))
    }

    /// Brings all domains that live elsewhere up to date; with a domain, only that one.
    pub(crate) async fn look_at_directories(&self, domain: Option<&DomainId>) -> Result<(), IdentityError> {
        if let Some(domain) = domain {
            return self.directory(domain).await?.look_at_all(self).await;
        }
        let mut domains = self.domains_with_option("identity", "driver").await?;
        for name in self.directories.files.keys() {
            let found = crate::project::store::find_domain(&mut *self.db.read().await?, name).await?;
            domains.extend(found.map(|domain| domain.owning_domain()));
        }
        let mut last = Ok(());
        for domain in domains {
            let looked = self.directory(&domain).await?.look_at_all(self).await;
            last = looked.and(last);
        }
        last
    }

    /// Brings what is written down of directories up to date; a directory that does not answer leaves the others be.
    ///
    /// # Errors
    /// The last failure.
    pub async fn refresh_directories(&self) -> Result<(), IdentityError> {
        self.look_at_directories(None).await
    }
}
