//! Applying rules to an assertion.

use super::{
    Attributes, DomainKey, DomainTemplate, GroupTemplate, Local, MapError, Mapped, MappedGroup, MappedProject,
    MappedUser, Mapping, ProjectTemplate, Requirement, Rule, Test, UserTemplate, Values, Version,
    template::{Match, values},
};
use serde::Deserialize;

/// What stands before a group that is written as JSON.
const JSON_GROUP: &str = "JSON:";

impl Mapping {
    /// What the rules make of the attributes.
    ///
    /// # Errors
    /// When no rule applies, or a rule that does cannot be followed.
    pub fn apply(&self, attributes: &Attributes) -> Result<Mapped, MapError> {
        let mut said = Said::default();
        let mut any = false;
        for rule in &self.rules {
            let Some(matches) = rule.matches(attributes) else { continue };
            for local in &rule.local {
                any = true;
                said.add(local, &matches, self.version)?;
            }
        }
        if !any {
            return Err(MapError::Nobody);
        }
        let mut user = said.user.unwrap_or_default();
        if self.version >= Version::Two && user.domain.is_none() {
            user.domain = said.domain;
        }
        Ok(Mapped {
            user,
            group_ids: said.group_ids,
            groups: said.groups,
            projects: said.projects,
            sync_projects: self.version >= Version::Three,
        })
    }
}

impl Rule {
    /// The values of its matches, or none when the rule does not apply.
    fn matches(&self, attributes: &Attributes) -> Option<Vec<Match>> {
        let mut matches = Vec::new();
        for requirement in &self.remote {
            matches.extend(requirement.check(attributes)?);
        }
        Some(matches)
    }
}

impl Requirement {
    /// None: it is not met. `Some(None)`: it is met and makes no match.
    #[expect(clippy::option_option, reason = "two questions: whether it is met, and whether it makes a match")]
    fn check(&self, attributes: &Attributes) -> Option<Option<Match>> {
        let given = attributes.get(&self.attribute).filter(|values| !values.is_empty())?;
        match &self.test {
            Test::Present => Some(Some(given.clone())),
            Test::AnyOneOf(list) => given.iter().any(|value| list.fits(value)).then_some(None),
            Test::NotAnyOf(list) => (!given.iter().any(|value| list.fits(value))).then_some(None),
            Test::Blacklist(list) => Some(Some(given.iter().filter(|value| !list.fits(value)).cloned().collect())),
            Test::Whitelist(list) => Some(Some(given.iter().filter(|value| list.fits(value)).cloned().collect())),
        }
    }
}

impl Values {
    fn fits(&self, value: &str) -> bool {
        match self {
            Self::Exact(texts) => texts.iter().any(|text| text == value),
            Self::Patterns(patterns) => patterns.is_match(value),
        }
    }
}

/// What the rules have said so far.
#[derive(Default)]
struct Said {
    user: Option<MappedUser>,
    group_ids: Vec<String>,
    groups: Vec<MappedGroup>,
    projects: Vec<MappedProject>,
    /// The last domain that stood beside something.
    domain: Option<DomainKey>,
}

impl Said {
    fn add(&mut self, local: &Local, matches: &[Match], version: Version) -> Result<(), MapError> {
        let domain = local.domain.as_ref().map(|domain| domain.fill(matches)).transpose()?;
        if self.user.is_none() {
            self.user = local.user.as_ref().map(|user| user.fill(matches)).transpose()?;
        }
        if let Some(group) = &local.group {
            self.add_group(group, matches)?;
        }
        for group in local.groups.iter().map(|groups| groups.fill(matches)).collect::<Result<Vec<_>, _>>()?.concat() {
            let group = named_group(&group, domain.as_ref())?;
            self.name_group(group);
        }
        for id in local.group_ids.iter().map(|ids| ids.fill(matches)).collect::<Result<Vec<_>, _>>()?.concat() {
            self.group_id(id);
        }
        if local.projects.is_some() || local.projects_json.is_some() {
            self.projects = projects(local, matches, domain.as_ref().filter(|_| version >= Version::Two))?;
        }
        self.domain = domain.or(self.domain.take());
        Ok(())
    }

    fn add_group(&mut self, group: &GroupTemplate, matches: &[Match]) -> Result<(), MapError> {
        match group {
            GroupTemplate::Id(id) => self.group_id(id.fill(matches)?),
            GroupTemplate::Name(name, domain) => {
                let name = name.fill(matches)?;
                let domain = domain.as_ref().map(|domain| domain.fill(matches)).transpose()?;
                let domain = domain.ok_or_else(|| MapError::GroupWithoutDomain(name.clone()))?;
                self.name_group(MappedGroup { name, domain });
            }
        }
        Ok(())
    }

    fn group_id(&mut self, id: String) {
        if !self.group_ids.contains(&id) {
            self.group_ids.push(id);
        }
    }

    fn name_group(&mut self, group: MappedGroup) {
        if !self.groups.contains(&group) {
            self.groups.push(group);
        }
    }
}

#[derive(Deserialize)]
struct JsonDomain {
    id: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
struct JsonGroup {
    name: String,
    domain: JsonDomain,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonProject {
    name: String,
    domain: Option<JsonDomain>,
    roles: Vec<JsonRole>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonRole {
    name: String,
}

impl JsonDomain {
    fn key(self) -> Option<DomainKey> {
        self.id.map(DomainKey::Id).or_else(|| self.name.map(DomainKey::Name))
    }
}

/// A group of a list: its name, or `JSON:{"name": .., "domain": {..}}`.
fn named_group(text: &str, domain: Option<&DomainKey>) -> Result<MappedGroup, MapError> {
    let homeless = || MapError::GroupWithoutDomain(text.to_owned());
    let Some(json) = text.strip_prefix(JSON_GROUP) else {
        return Ok(MappedGroup { name: text.to_owned(), domain: domain.cloned().ok_or_else(homeless)? });
    };
    let group: JsonGroup = serde_json::from_str(json).map_err(|error| unreadable("group", &error))?;
    Ok(MappedGroup { name: group.name, domain: group.domain.key().ok_or_else(homeless)? })
}

fn unreadable(what: &'static str, error: &serde_json::Error) -> MapError {
    MapError::Json { what, reason: error.to_string() }
}

fn projects(local: &Local, matches: &[Match], domain: Option<&DomainKey>) -> Result<Vec<MappedProject>, MapError> {
    let fixed = local.projects.iter().flatten().map(|project| project.fill(matches));
    let mut all = fixed.collect::<Result<Vec<_>, _>>()?;
    if let Some(index) = local.projects_json {
        for text in values(matches, index)? {
            let given: Vec<JsonProject> = serde_json::from_str(text).map_err(|error| unreadable("projects", &error))?;
            all.extend(given.into_iter().map(|project| MappedProject {
                name: project.name,
                domain: project.domain.and_then(JsonDomain::key),
                roles: project.roles.into_iter().map(|role| role.name).collect(),
            }));
        }
    }
    for project in all.iter_mut().filter(|project| project.domain.is_none()) {
        project.domain = domain.cloned();
    }
    Ok(all)
}

impl UserTemplate {
    fn fill(&self, matches: &[Match]) -> Result<MappedUser, MapError> {
        let text = |template: &Option<super::Template>| template.as_ref().map(|t| t.fill(matches)).transpose();
        Ok(MappedUser {
            id: text(&self.id)?,
            name: text(&self.name)?,
            email: text(&self.email)?,
            domain: self.domain.as_ref().map(|domain| domain.fill(matches)).transpose()?,
            kind: self.kind,
        })
    }
}

impl DomainTemplate {
    fn fill(&self, matches: &[Match]) -> Result<DomainKey, MapError> {
        match self {
            Self::Id(id) => id.fill(matches).map(DomainKey::Id),
            Self::Name(name) => name.fill(matches).map(DomainKey::Name),
        }
    }
}

impl ProjectTemplate {
    fn fill(&self, matches: &[Match]) -> Result<MappedProject, MapError> {
        Ok(MappedProject {
            name: self.name.fill(matches)?,
            domain: self.domain.as_ref().map(|domain| domain.fill(matches)).transpose()?,
            roles: self.roles.iter().map(|role| role.fill(matches)).collect::<Result<_, _>>()?,
        })
    }
}
