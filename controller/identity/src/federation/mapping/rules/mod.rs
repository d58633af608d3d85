//! Keystone's mapping language: rules that turn the attributes of an assertion into a user, groups and projects. Pure: texts in,
//! texts out; what they name is looked up by others.
//!
//! ```text
//!  attributes with their values --remote requirements--> matches {0} {1} ..
//!                                        | one fails: the rule does not apply
//!                                        v
//!                              local templates, filled in --merged over all rules--> Mapped
//! ```
//!
//! Versions: `1.0`; `2.0` gives `user` and `projects` the rule's `domain` where they name none; `3.0` adds `projects_json` and takes
//! away roles that the provider does not name any more.
//!
//! Differences from Keystone, on purpose: a list that a provider sends stays a list and is never read back from its printed form,
//! so that nobody becomes a member of a group by being called `['admin']`; regular expressions are those of the `regex` crate
//! (linear time, no look-around) and are checked, as the templates are, when the mapping is stored.

mod evaluate;
mod read;
mod template;
#[cfg(test)]
mod tests;

use regex::RegexSet;
use std::collections::BTreeMap;
use template::{ListTemplate, Template};

/// What an assertion says: the values of each attribute.
pub type Attributes = BTreeMap<String, Vec<String>>;

/// Attributes of which several values stand in one text, between semicolons, as web servers hand them on.
#[must_use]
pub fn split(texts: &BTreeMap<String, String>) -> Attributes {
    texts.iter().map(|(name, text)| (name.clone(), text.split(';').map(str::to_owned).collect())).collect()
}

/// A mapping, ready to be applied.
#[derive(Clone, Debug)]
pub struct Mapping {
    version: Version,
    rules: Vec<Rule>,
}

/// The version of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    One,
    Two,
    Three,
}

#[derive(Clone, Debug)]
struct Rule {
    remote: Vec<Requirement>,
    local: Vec<Local>,
}

/// What an attribute must be like.
#[derive(Clone, Debug)]
struct Requirement {
    attribute: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    /// It is there; its values are a match.
    Present,
    /// One of its values fits; no match is kept.
    AnyOneOf(Values),
    /// None of its values fits; no match is kept.
    NotAnyOf(Values),
    /// The match is its values without those that fit.
    Blacklist(Values),
    /// The match is those of its values that fit.
    Whitelist(Values),
}

#[derive(Clone, Debug)]
enum Values {
    Exact(Vec<String>),
    Patterns(RegexSet),
}

/// What a rule that applies says.
#[derive(Clone, Debug, Default)]
struct Local {
    user: Option<UserTemplate>,
    group: Option<GroupTemplate>,
    groups: Option<ListTemplate>,
    group_ids: Option<ListTemplate>,
    domain: Option<DomainTemplate>,
    projects: Option<Vec<ProjectTemplate>>,
    /// Which match holds projects as JSON.
    projects_json: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct UserTemplate {
    id: Option<Template>,
    name: Option<Template>,
    email: Option<Template>,
    domain: Option<DomainTemplate>,
    kind: UserKind,
}

#[derive(Clone, Debug)]
enum GroupTemplate {
    Id(Template),
    Name(Template, Option<DomainTemplate>),
}

#[derive(Clone, Debug)]
enum DomainTemplate {
    Id(Template),
    Name(Template),
}

#[derive(Clone, Debug)]
struct ProjectTemplate {
    name: Template,
    domain: Option<DomainTemplate>,
    roles: Vec<Template>,
}

/// What the rules made of an assertion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Who it is.
    pub user: MappedUser,
    /// Groups by id; each must exist.
    pub group_ids: Vec<String>,
    /// Groups by name; those that do not exist are passed over.
    pub groups: Vec<MappedGroup>,
    /// Projects to be made, with the user's roles there.
    pub projects: Vec<MappedProject>,
    /// Whether roles on projects that are not named are taken away.
    pub sync_projects: bool,
}

/// The user whom the rules name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappedUser {
    /// The provider's name for the user, unique there.
    pub id: Option<String>,
    /// The name that is shown.
    pub name: Option<String>,
    /// An address.
    pub email: Option<String>,
    /// Where the user lives; the provider's domain if not said.
    pub domain: Option<DomainKey>,
    /// Whether the user must be there already.
    pub kind: UserKind,
}

/// Kinds of mapped users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UserKind {
    /// Made at the first login.
    #[default]
    Ephemeral,
    /// There already.
    Local,
}

/// A group by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedGroup {
    /// Its name.
    pub name: String,
    /// Its domain.
    pub domain: DomainKey,
}

/// A project by its name, and the user's roles there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedProject {
    /// Its name.
    pub name: String,
    /// Its domain; the provider's if not said.
    pub domain: Option<DomainKey>,
    /// Names of roles.
    pub roles: Vec<String>,
}

/// How a domain is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainKey {
    /// By its id.
    Id(String),
    /// By its name.
    Name(String),
}

/// Why a mapping cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such version of the language.
    #[error("schema version {0:?} is none of 1.0, 2.0 and 3.0")]
    Version(String),
    /// It does not have the language's form.
    #[error("{place}: {reason}")]
    Form {
        /// Where.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A text with braces is no template.
    #[error("{0:?} is no template: braces hold the number of a match, or are doubled")]
    Template(String),
    /// A regular expression cannot be read.
    #[error("cannot read a regular expression: {0}")]
    Pattern(String),
}

/// Why an assertion becomes nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// No rule applies.
    #[error("no rule of the mapping applies to what the identity provider says")]
    Nobody,
    /// A local part uses a match that the remote part does not make.
    #[error("the mapping uses match {{{0}}}, which its remote part does not make")]
    NoMatch(usize),
    /// A group is named without domain.
    #[error("the mapping names group {0:?} without a domain")]
    GroupWithoutDomain(String),
    /// The provider's JSON is not what the rule needs.
    #[error("the identity provider's {what} cannot be read: {reason}")]
    Json {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
}
