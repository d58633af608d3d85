//! From a mapping's JSON, of Keystone's schema, to rules that can be applied.

use super::{
    DomainTemplate, GroupTemplate, ListTemplate, Local, Mapping, ProjectTemplate, ReadError, Requirement, Rule,
    Template, Test, UserKind, UserTemplate, Values, Version,
};
use regex::RegexSetBuilder;
use serde::Deserialize;
use serde_json::Value;

/// Bytes that the compiled patterns of one requirement may take.
const PATTERN_LIMIT: usize = 1 << 20;

impl Mapping {
    /// Reads the rules of a mapping.
    ///
    /// # Errors
    /// When they do not have the form that Keystone's schema of this version asks for, or hold a template or a pattern that cannot
    /// be read.
    pub fn read(version: &str, rules: &Value) -> Result<Self, ReadError> {
        let version = match version {
            "1.0" => Version::One,
            "2.0" => Version::Two,
            "3.0" => Version::Three,
            other => return Err(ReadError::Version(other.to_owned())),
        };
        let raw: Vec<RawRule> = serde_path_to_error::deserialize(rules)
            .map_err(|error| form(format!("rules{}", error.path()), error.inner().to_string()))?;
        if raw.is_empty() {
            return Err(form("rules", "[] is too short"));
        }
        let rules = raw.into_iter().map(|rule| rule.compile(version)).collect::<Result<_, _>>()?;
        Ok(Self { version, rules })
    }
}

fn form(place: impl Into<String>, reason: impl Into<String>) -> ReadError {
    ReadError::Form { place: place.into(), reason: reason.into() }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    local: Vec<RawLocal>,
    remote: Vec<RawRemote>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRemote {
    r#type: String,
    any_one_of: Option<Vec<Value>>,
    not_any_of: Option<Vec<Value>>,
    blacklist: Option<Vec<Value>>,
    whitelist: Option<Vec<Value>>,
    regex: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLocal {
    user: Option<RawUser>,
    group: Option<RawGroup>,
    groups: Option<String>,
    group_ids: Option<String>,
    domain: Option<RawDomain>,
    projects: Option<Vec<RawProject>>,
    projects_json: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawUser {
    id: Option<String>,
    name: Option<String>,
    email: Option<String>,
    domain: Option<RawDomain>,
    r#type: Option<RawKind>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawKind {
    Ephemeral,
    Local,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    id: Option<String>,
    name: Option<String>,
    domain: Option<RawDomain>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDomain {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawProject {
    name: String,
    domain: Option<RawDomain>,
    roles: Vec<RawRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRole {
    name: String,
}

impl RawRule {
    fn compile(self, version: Version) -> Result<Rule, ReadError> {
        if self.remote.is_empty() {
            return Err(form("rules.remote", "[] is too short"));
        }
        Ok(Rule {
            remote: self.remote.into_iter().map(RawRemote::compile).collect::<Result<_, _>>()?,
            local: self.local.into_iter().map(|local| local.compile(version)).collect::<Result<_, _>>()?,
        })
    }
}

impl RawRemote {
    fn compile(self) -> Result<Requirement, ReadError> {
        let regex = self.regex.unwrap_or(false);
        let given = (self.any_one_of, self.not_any_of, self.blacklist, self.whitelist);
        let test = match given {
            (None, None, None, None) if self.regex.is_none() => Test::Present,
            (Some(list), None, None, None) => Test::AnyOneOf(values(list, regex)?),
            (None, Some(list), None, None) => Test::NotAnyOf(values(list, regex)?),
            (None, None, Some(list), None) => Test::Blacklist(values(list, regex)?),
            (None, None, None, Some(list)) => Test::Whitelist(values(list, regex)?),
            _ => {
                return Err(form(
                    "rules.remote",
                    "has more than one of any_one_of, not_any_of, blacklist and whitelist, or a regex without one",
                ));
            }
        };
        Ok(Requirement { attribute: self.r#type, test })
    }
}

/// What is no text never fits.
fn values(list: Vec<Value>, regex: bool) -> Result<Values, ReadError> {
    let texts = list.into_iter().filter_map(|value| match value {
        Value::String(text) => Some(text),
        _ => None,
    });
    if !regex {
        return Ok(Values::Exact(texts.collect()));
    }
    let patterns = RegexSetBuilder::new(texts).size_limit(PATTERN_LIMIT).build();
    patterns.map(Values::Patterns).map_err(|error| ReadError::Pattern(error.to_string()))
}

fn template(text: Option<String>) -> Result<Option<Template>, ReadError> {
    text.map(|text| Template::read(&text)).transpose()
}

fn domain(raw: Option<RawDomain>) -> Result<Option<DomainTemplate>, ReadError> {
    match raw.map(|domain| (domain.id, domain.name)) {
        Some((Some(id), _)) => Ok(Some(DomainTemplate::Id(Template::read(&id)?))),
        Some((None, Some(name))) => Ok(Some(DomainTemplate::Name(Template::read(&name)?))),
        Some((None, None)) | None => Ok(None),
    }
}

impl RawLocal {
    fn compile(self, version: Version) -> Result<Local, ReadError> {
        if self.projects_json.is_some() && version < Version::Three {
            return Err(form("rules.local.projects_json", "is known from schema version 3.0 on"));
        }
        let projects = self.projects.map(|list| list.into_iter().map(|one| one.compile(version)).collect());
        Ok(Local {
            user: self.user.map(RawUser::compile).transpose()?.flatten(),
            group: self.group.map(RawGroup::compile).transpose()?,
            groups: self.groups.map(|text| ListTemplate::read(&text)).transpose()?,
            group_ids: self.group_ids.map(|text| ListTemplate::read(&text)).transpose()?,
            domain: domain(self.domain)?,
            projects: projects.transpose()?,
            projects_json: self.projects_json.map(|text| match_number(&text)).transpose()?,
        })
    }
}

/// `{n}`, or `n` alone.
fn match_number(text: &str) -> Result<usize, ReadError> {
    let digits = text.trim().trim_start_matches('{').trim_end_matches('}');
    digits.parse().map_err(|_| ReadError::Template(text.to_owned()))
}

impl RawUser {
    /// None when nothing is said: such a user is passed over.
    fn compile(self) -> Result<Option<UserTemplate>, ReadError> {
        let empty = self.id.is_none() && self.name.is_none() && self.email.is_none();
        if empty && self.domain.is_none() && self.r#type.is_none() {
            return Ok(None);
        }
        Ok(Some(UserTemplate {
            id: template(self.id)?,
            name: template(self.name)?,
            email: template(self.email)?,
            domain: domain(self.domain)?,
            kind: match self.r#type {
                Some(RawKind::Local) => UserKind::Local,
                Some(RawKind::Ephemeral) | None => UserKind::Ephemeral,
            },
        }))
    }
}

impl RawGroup {
    fn compile(self) -> Result<GroupTemplate, ReadError> {
        match (self.id, self.name, self.domain) {
            (Some(id), None, None) => Ok(GroupTemplate::Id(Template::read(&id)?)),
            (None, Some(name), Some(raw)) => Ok(GroupTemplate::Name(Template::read(&name)?, domain(Some(raw))?)),
            _ => Err(form("rules.local.group", "needs either an id, or a name and a domain")),
        }
    }
}

impl RawProject {
    fn compile(self, version: Version) -> Result<ProjectTemplate, ReadError> {
        if self.domain.is_some() && version < Version::Two {
            return Err(form("rules.local.projects", "'domain' is known from schema version 2.0 on"));
        }
        Ok(ProjectTemplate {
            name: Template::read(&self.name)?,
            domain: domain(self.domain)?,
            roles: self.roles.iter().map(|role| Template::read(&role.name)).collect::<Result<_, _>>()?,
        })
    }
}
