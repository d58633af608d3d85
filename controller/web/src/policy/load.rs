//! Where rules come from: the services' defaults, the configuration, and a directory with a file per service (`identity.yaml`).

use super::{Overrides, Policy, PolicyError, RuleDefault, ScopeTable, file};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

pub use file::FileError;

/// Names under which a service's file is looked for.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// What the rules are made of.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Each service's rules with their defaults.
    pub services: Vec<(&'static str, Vec<RuleDefault>)>,
    /// Which of them are bound to scopes.
    pub scopes: Vec<(&'static str, ScopeTable)>,
    /// The configuration's rules.
    pub overrides: Overrides,
    /// The directory with the operator's files; none: there are no files.
    pub directory: Option<PathBuf>,
}

/// Rules that an operator changed, with where they stand.
#[derive(Clone, Debug, Default)]
pub struct Changed {
    /// Service, rule, check.
    pub overrides: Overrides,
    /// Service and rule, file and line.
    places: HashMap<(String, String), (PathBuf, usize)>,
}

/// Why rules cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A file is wrong at a line.
    #[error(transparent)]
    File(#[from] FileError),
    /// The configuration is wrong.
    #[error("configuration, policy.{service}: {error}")]
    Configuration {
        /// The service.
        service: String,
        /// What is wrong.
        error: PolicyError,
    },
}

/// What the directory looks like, to see whether something changed.
pub type Look = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Sources {
    /// The rules; all or none.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(&self) -> Result<Policy, LoadError> {
        let changed = self.changed()?;
        let mut policy = Policy::default();
        for (service, rules) in &self.services {
            policy.add(service, rules, &changed.overrides).map_err(|error| changed.locate(service, error))?;
        }
        self.restrict(&mut policy);
        Ok(policy)
    }

    fn restrict(&self, policy: &mut Policy) {
        for (service, scopes) in &self.scopes {
            policy.restrict(service, scopes);
        }
    }

    /// The rules for a start: a wrong file does not keep the service down. What is wrong in it allows nothing; the errors say what.
    ///
    /// # Errors
    /// The configuration itself is wrong.
    pub fn load_what_can_be(&self) -> Result<(Policy, Vec<FileError>), LoadError> {
        let mut refused: Overrides = Overrides::new();
        let mut errors = Vec::new();
        let (mut changed, unread) = self.read_each();
        for (service, error) in unread {
            // Nobody knows what the file would have said: every rule of the service is as closed as the file may have wanted it.
            let all = self.services.iter().find(|(name, _)| *name == service);
            let rules =
                all.into_iter().flat_map(|(_, rules)| rules.iter().map(|rule| (rule.name.to_owned(), "!".to_owned())));
            refused.entry(service.to_owned()).or_default().extend(rules);
            errors.push(error);
        }
        for (service, rules) in &self.services {
            // Each turn closes one wrong rule, so this ends.
            loop {
                let mut policy = Policy::default();
                let merged = merge(&changed.overrides, &refused);
                let Err(error) = policy.add(service, rules, &merged) else { break };
                let name = error.rule().to_owned();
                match changed.locate(service, error) {
                    LoadError::File(error) => errors.push(error),
                    other @ LoadError::Configuration { .. } => return Err(other),
                }
                let known = rules.iter().any(|rule| rule.name == name);
                let own = changed.overrides.entry((*service).to_owned()).or_default();
                if known {
                    own.insert(name, "!".to_owned());
                } else if own.remove(&name).is_none() {
                    break;
                }
            }
        }
        let merged = merge(&changed.overrides, &refused);
        let mut policy = Policy::default();
        for (service, rules) in &self.services {
            policy.add(service, rules, &merged).map_err(|error| changed.locate(service, error))?;
        }
        self.restrict(&mut policy);
        Ok((policy, errors))
    }

    /// What the operator changed.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn changed(&self) -> Result<Changed, LoadError> {
        let (changed, errors) = self.read_each();
        match errors.into_iter().next() {
            Some((_, error)) => Err(error.into()),
            None => Ok(changed),
        }
    }

    fn read_each(&self) -> (Changed, Vec<(&'static str, FileError)>) {
        let mut changed = Changed { overrides: self.overrides.clone(), places: HashMap::new() };
        let mut errors = Vec::new();
        for (service, _) in &self.services {
            for path in self.files(service) {
                match read(&path) {
                    Ok(rules) => changed.add(service, &path, rules),
                    Err(error) => errors.push((*service, error)),
                }
            }
        }
        (changed, errors)
    }

    /// What the directory looks like now.
    #[must_use]
    pub fn look(&self) -> Look {
        let files = self.services.iter().flat_map(|(service, _)| self.files(service));
        let look = |path: PathBuf| {
            let data = fs::metadata(&path).ok();
            let length = data.as_ref().map_or(0, fs::Metadata::len);
            (path, data.and_then(|data| data.modified().ok()), length)
        };
        files.map(look).collect()
    }

    fn files(&self, service: &str) -> Vec<PathBuf> {
        let Some(directory) = &self.directory else { return Vec::new() };
        let names = ENDINGS.iter().map(|ending| directory.join(format!("{service}.{ending}")));
        names.filter(|path| path.exists()).collect()
    }
}

fn read(path: &Path) -> Result<Vec<file::FileRule>, FileError> {
    let text = fs::read_to_string(path).map_err(|error: io::Error| FileError {
        file: path.to_owned(),
        line: 0,
        reason: error.to_string(),
    })?;
    file::parse(path, &text)
}

fn merge(one: &Overrides, other: &Overrides) -> Overrides {
    let mut all = one.clone();
    for (service, rules) in other {
        all.entry(service.clone()).or_default().extend(rules.clone());
    }
    all
}

impl Changed {
    fn add(&mut self, service: &str, path: &Path, rules: Vec<file::FileRule>) {
        for rule in rules {
            self.places.insert((service.to_owned(), rule.name.clone()), (path.to_owned(), rule.line));
            self.overrides.entry(service.to_owned()).or_default().insert(rule.name, rule.check);
        }
    }

    /// Where a changed rule stands, if that is a file.
    #[must_use]
    pub fn place(&self, service: &str, rule: &str) -> Option<(&Path, usize)> {
        let (path, line) = self.places.get(&(service.to_owned(), rule.to_owned()))?;
        Some((path, *line))
    }

    fn locate(&self, service: &str, error: PolicyError) -> LoadError {
        match self.place(service, error.rule()) {
            Some((file, line)) => FileError { file: file.to_owned(), line, reason: error.to_string() }.into(),
            None => LoadError::Configuration { service: service.to_owned(), error },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Target, testing};

    const RULES: &[RuleDefault] = &[
        RuleDefault { name: "demo:list", check: "role:reader", description: "" },
        RuleDefault { name: "demo:create", check: "role:member", description: "" },
    ];

    fn sources(text: &str) -> (tempfile::TempDir, Sources) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("demo.yaml"), text).unwrap();
        let sources = Sources {
            services: vec![("demo", RULES.to_vec())],
            scopes: Vec::new(),
            overrides: Overrides::new(),
            directory: Some(directory.path().to_owned()),
        };
        (directory, sources)
    }

    fn allows(policy: &Policy, rule: &str) -> bool {
        policy.of("demo").allows(&testing::project_token("u", "p", &["reader", "member"]), rule, &Target::none())
    }

    #[test]
    fn a_file_replaces_rules_and_may_bring_its_own() {
        let (_directory, sources) = sources("boss: role:boss\n\"demo:list\": rule:boss\n");
        let policy = sources.load().unwrap();
        assert!(!allows(&policy, "demo:list") && allows(&policy, "demo:create"));
        let boss = testing::project_token("u", "p", &["boss"]);
        assert!(policy.of("demo").allows(&boss, "demo:list", &Target::none()));
    }

    #[test]
    fn a_wrong_rule_names_file_and_line_and_closes_only_itself() {
        for (text, line, reason) in [
            ("# x\ndemo:list: role:a and", 2, "policy rule demo:list is malformed at \"its end\""),
            ("demo:list: rule:nothing", 1, "policy rule demo:list refers to nothing, which does not exist"),
            ("demo:lost: role:a", 1, "there is no policy rule demo:lost of demo"),
            ("a: rule:a", 1, "policy rule a refers to itself"),
            ("demo:list: http://x/y", 1, "policy rule demo:list asks a server (http:), which is not supported"),
        ] {
            let (directory, sources) = sources(text);
            let file = directory.path().join("demo.yaml");
            let error = sources.load().unwrap_err().to_string();
            assert_eq!(error, format!("{}:{line}: {reason}", file.display()));
            let (policy, errors) = sources.load_what_can_be().unwrap();
            assert_eq!(errors.len(), 1, "{errors:?}");
            assert!(allows(&policy, "demo:create"), "{text}");
            assert_eq!(
                allows(&policy, "demo:list"),
                !text.starts_with("demo:list") && !text.starts_with('#'),
                "{text}"
            );
        }
    }

    #[test]
    fn an_unreadable_file_closes_its_service() {
        let (_directory, sources) = sources("- what");
        assert!(sources.load().is_err());
        let (policy, errors) = sources.load_what_can_be().unwrap();
        assert_eq!(errors.len(), 1);
        assert!(!allows(&policy, "demo:list") && !allows(&policy, "demo:create"));
    }

    #[test]
    fn new_rules_hold_at_once_for_who_has_the_old_set() {
        let (directory, sources) = sources("demo:list: role:reader");
        let policy = sources.load().unwrap();
        let held = policy.of("demo");
        let before = sources.look();
        fs::write(directory.path().join("demo.yaml"), "demo:list: '!'").unwrap();
        assert_ne!(sources.look(), before);
        policy.replace(&sources.load().unwrap());
        assert!(!held.allows(&testing::project_token("u", "p", &["reader"]), "demo:list", &Target::none()));
    }
}
