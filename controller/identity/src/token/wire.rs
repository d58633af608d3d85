//! Bodies of `/v3/auth/tokens`.

use super::authenticate::{CredentialName, DomainName, ProjectName, Proof, UserName, Wanted};
use crate::IdentityError;
use controller_base::Secret;
use controller_web::{
    Scope, TokenInfo,
    token::{Delegation, DomainRef},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// `POST /v3/auth/tokens`.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    auth: Auth,
}

#[derive(Debug, Deserialize)]
struct Auth {
    identity: Proofs,
    #[serde(default)]
    scope: Option<ScopeBody>,
}

#[derive(Debug, Deserialize)]
struct Proofs {
    methods: Vec<String>,
    password: Option<Password>,
    token: Option<Token>,
    application_credential: Option<ApplicationCredential>,
    totp: Option<Totp>,
}

#[derive(Debug, Deserialize)]
struct Totp {
    user: TotpUser,
}

#[derive(Debug, Deserialize)]
struct TotpUser {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Domain>,
    passcode: Secret,
}

#[derive(Debug, Deserialize)]
struct ApplicationCredential {
    id: Option<String>,
    name: Option<String>,
    user: Option<NamedUser>,
    secret: Secret,
}

#[derive(Debug, Deserialize)]
struct NamedUser {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Domain>,
}

#[derive(Debug, Deserialize)]
struct Password {
    user: PasswordUser,
}

#[derive(Debug, Deserialize)]
struct PasswordUser {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Domain>,
    password: Secret,
}

#[derive(Debug, Deserialize)]
struct Token {
    id: Secret,
}

#[derive(Debug, Deserialize)]
struct Domain {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum ScopeBody {
    Word(String),
    Thing(ScopeThing),
}

#[derive(Debug, Deserialize)]
struct ScopeThing {
    project: Option<Project>,
    domain: Option<Domain>,
    system: Option<System>,
    unscoped: Option<Value>,
    #[serde(rename = "OS-TRUST:trust")]
    trust: Option<TrustId>,
}

#[derive(Debug, Deserialize)]
struct TrustId {
    id: String,
}

#[derive(Debug, Deserialize)]
struct Project {
    id: Option<String>,
    name: Option<String>,
    domain: Option<Domain>,
}

#[derive(Debug, Deserialize)]
struct System {
    all: bool,
}

impl Request {
    pub(crate) fn read(self) -> Result<(Vec<Proof>, Wanted), IdentityError> {
        let Proofs { mut methods, mut password, mut token, mut application_credential, mut totp } = self.auth.identity;
        let mut seen = Vec::new();
        methods.retain(|method| {
            !seen.contains(method) && {
                seen.push(method.clone());
                true
            }
        });
        let proofs = methods.iter().map(|method| match method.as_str() {
            "password" => password.take().ok_or_else(|| missing("password"))?.read(),
            "token" => Ok(Proof::Token(token.take().ok_or_else(|| missing("token"))?.id)),
            "totp" => {
                let TotpUser { id, name, domain, passcode } = totp.take().ok_or_else(|| missing("totp"))?.user;
                Ok(Proof::Passcode(NamedUser { id, name, domain }.read()?, passcode))
            }
            "application_credential" => {
                application_credential.take().ok_or_else(|| missing("application_credential"))?.read()
            }
            _ => Err(IdentityError::Unauthorized("the method is not supported")),
        });
        let proofs = proofs.collect::<Result<_, _>>()?;
        Ok((proofs, self.auth.scope.map_or(Ok(Wanted::Default), ScopeBody::read)?))
    }
}

impl Password {
    fn read(self) -> Result<Proof, IdentityError> {
        let PasswordUser { id, name, domain, password } = self.user;
        Ok(Proof::Password(NamedUser { id, name, domain }.read()?, password))
    }
}

impl NamedUser {
    fn read(self) -> Result<UserName, IdentityError> {
        match (self.id, self.name) {
            (Some(id), _) => Ok(UserName::Id(id)),
            (None, Some(name)) => Ok(UserName::Name(name, self.domain.ok_or_else(|| missing("domain"))?.read()?)),
            (None, None) => Err(missing("id or name")),
        }
    }
}

impl ApplicationCredential {
    fn read(self) -> Result<Proof, IdentityError> {
        let name = match (self.id, self.name) {
            (Some(id), _) => CredentialName::Id(id),
            (None, Some(name)) => CredentialName::Name(self.user.ok_or_else(|| missing("user"))?.read()?, name),
            (None, None) => return Err(missing("id or name")),
        };
        Ok(Proof::ApplicationCredential(name, self.secret))
    }
}

impl Domain {
    fn read(self) -> Result<DomainName, IdentityError> {
        match (self.id, self.name) {
            (Some(id), _) => Ok(DomainName::Id(id)),
            (None, Some(name)) => Ok(DomainName::Name(name)),
            (None, None) => Err(missing("id or name of the domain")),
        }
    }
}

impl ScopeBody {
    fn read(self) -> Result<Wanted, IdentityError> {
        let thing = match self {
            Self::Word(word) if word == "unscoped" => return Ok(Wanted::Unscoped),
            Self::Word(_) => return Err(missing("project, domain or system")),
            Self::Thing(thing) => thing,
        };
        match (thing.project, thing.domain, thing.system, thing.unscoped, thing.trust) {
            (Some(project), None, None, None, None) => Ok(Wanted::Project(project.read()?)),
            (None, Some(domain), None, None, None) => Ok(Wanted::Domain(domain.read()?)),
            (None, None, Some(System { all: true }), None, None) => Ok(Wanted::System),
            (None, None, None, Some(_), None) => Ok(Wanted::Unscoped),
            (None, None, None, None, Some(trust)) => Ok(Wanted::Trust(trust.id)),
            (None, None, None, None, None) => Ok(Wanted::Default),
            _ => Err(IdentityError::invalid("A token has one scope: project, domain or system.")),
        }
    }
}

impl Project {
    fn read(self) -> Result<ProjectName, IdentityError> {
        match (self.id, self.name) {
            (Some(id), _) => Ok(ProjectName::Id(id)),
            (None, Some(name)) => {
                Ok(ProjectName::Name(name, self.domain.ok_or_else(|| missing("domain of the project"))?.read()?))
            }
            (None, None) => Err(missing("id or name of the project")),
        }
    }
}

fn missing(what: &str) -> IdentityError {
    IdentityError::invalid(format!(
        "Expecting to find {what} in auth. The server could not comply with the request since it is either malformed or \
         otherwise incorrect. The client is assumed to be in error."
    ))
}

/// `{"token": {..}}`.
pub(crate) fn render(info: &TokenInfo, catalog: Option<Value>) -> Value {
    let mut user = json!({
        "id": info.user.id, "name": info.user.name, "domain": domain(&info.user.domain), "password_expires_at": null,
    });
    if let Some(end) = info.user.password_expires_at {
        user["password_expires_at"] = end.micros_naive().into();
    }
    if let Some(federation) = &info.federation {
        let groups: Vec<Value> = federation.groups.iter().map(|id| json!({"id": id})).collect();
        user = json!({
            "id": info.user.id, "name": info.user.name, "domain": domain(&info.user.domain),
            "OS-FEDERATION": {"groups": groups, "identity_provider": {"id": federation.identity_provider},
                "protocol": {"id": federation.protocol}},
        });
    }
    let mut token = json!({
        "methods": info.methods,
        "user": user,
        "audit_ids": info.audit_ids,
        "issued_at": info.issued_at.micros_z(),
        "expires_at": info.expires_at.micros_z(),
    });
    match &info.scope {
        Scope::Unscoped => {}
        Scope::Project(project) => {
            token["project"] = json!({"id": project.id, "name": project.name, "domain": domain(&project.domain)});
            // Keystone leaves it out of a trust's tokens.
            if info.trust().is_none() {
                token["is_domain"] = project.is_domain.into();
            }
        }
        Scope::Domain(scope) => token["domain"] = domain(scope),
        Scope::System => token["system"] = json!({"all": true}),
    }
    match &info.delegation {
        Some(Delegation::Trust(trust)) => {
            token["OS-TRUST:trust"] = json!({
                "id": trust.id, "trustor_user": {"id": trust.trustor}, "trustee_user": {"id": trust.trustee},
                "impersonation": trust.impersonation,
            });
        }
        Some(Delegation::ApplicationCredential(credential)) => {
            token["application_credential"] =
                json!({"id": credential.id, "name": credential.name, "restricted": !credential.unrestricted});
            if let Some(rules) = &credential.access_rules {
                token["application_credential"]["access_rules"] =
                    rules.iter().map(crate::app_credential::bare_rule).collect();
            }
        }
        None => {}
    }
    if info.scope != Scope::Unscoped {
        token["roles"] = info.roles.iter().map(|role| json!({"id": role.id, "name": role.name})).collect();
        if let Some(catalog) = catalog {
            token["catalog"] = catalog;
        }
    }
    json!({"token": token})
}

fn domain(domain: &DomainRef) -> Value {
    json!({"id": domain.id, "name": domain.name})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: Value) -> Result<(Vec<Proof>, Wanted), IdentityError> {
        serde_json::from_value::<Request>(body).unwrap().read()
    }

    #[test]
    fn all_scopes_are_read() {
        let with = |scope: Value| {
            let identity = json!({"methods": ["token"], "token": {"id": "x"}});
            read(json!({"auth": {"identity": identity, "scope": scope}})).map(|(_, wanted)| format!("{wanted:?}"))
        };
        assert_eq!(with(json!("unscoped")).unwrap(), "Unscoped");
        assert_eq!(with(json!({"system": {"all": true}})).unwrap(), "System");
        assert_eq!(with(json!({"project": {"id": "p"}})).unwrap(), r#"Project(Id("p"))"#);
        assert_eq!(
            with(json!({"project": {"name": "p", "domain": {"name": "d"}}})).unwrap(),
            r#"Project(Name("p", Name("d")))"#
        );
        assert!(with(json!({"project": {"name": "p"}})).is_err());
        assert!(with(json!({"project": {"id": "p"}, "domain": {"id": "d"}})).is_err());
        assert!(with(json!({"system": {"all": false}})).is_err());
    }

    #[test]
    fn a_method_needs_its_data() {
        assert!(read(json!({"auth": {"identity": {"methods": ["password"]}}})).is_err());
        let (proofs, wanted) = read(json!({"auth": {"identity": {"methods": ["password"],
            "password": {"user": {"name": "n", "domain": {"id": "d"}, "password": "secret"}}}}}))
        .unwrap();
        assert!(matches!(wanted, Wanted::Default));
        assert!(!format!("{proofs:?}").contains("secret"));
    }
}
