//! Who may do what, in the language of oslo.policy, so that operators' policy files keep their meaning.
//!
//! Each service brings its rules with their defaults; an operator's overrides replace single rules. Rule names live apart per
//! service (`admin_required` of two services are two rules). A rule that does not exist allows nothing.

mod check;
mod parse;
mod target;

use crate::TokenInfo;
use std::{collections::HashMap, sync::Arc};

use check::{Check, Rules};
pub use target::Target;

/// A rule with its default, as a service declares it: `pub const RULES: &[RuleDefault]`.
#[derive(Clone, Copy, Debug)]
pub struct RuleDefault {
    /// OpenStack's own name, such as `identity:list_users`.
    pub name: &'static str,
    /// Who may, in the policy language: `rule:admin_required or user_id:%(target.user.id)s`.
    pub check: &'static str,
    /// What it guards, for `controller policy list`.
    pub description: &'static str,
}

/// Why a policy cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A check is not of the policy language.
    #[error("policy rule {rule} is malformed at {near:?}")]
    Syntax {
        /// The rule.
        rule: String,
        /// Where it went wrong.
        near: String,
    },
    /// Rules refer to each other in a circle.
    #[error("policy rule {rule} refers to itself")]
    Circle {
        /// One of them.
        rule: String,
    },
    /// A rule refers to one that does not exist.
    #[error("policy rule {rule} refers to {missing}, which does not exist")]
    Missing {
        /// The referring rule.
        rule: String,
        /// The missing one.
        missing: String,
    },
    /// An operator's rule has a name that no service knows.
    #[error("there is no policy rule {rule} of {service}")]
    Unknown {
        /// The service.
        service: String,
        /// The name.
        rule: String,
    },
}

/// The rules of all services.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    services: HashMap<&'static str, Arc<RuleSet>>,
}

/// The rules of one service.
#[derive(Debug, Default)]
pub struct RuleSet {
    rules: Rules,
}

/// One rule as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleText {
    /// Its name.
    pub name: String,
    /// Its check.
    pub check: String,
    /// What it guards.
    pub description: &'static str,
    /// Whether an operator changed it.
    pub overridden: bool,
}

/// An operator's rules: service, rule name, check.
pub type Overrides = HashMap<String, HashMap<String, String>>;

impl Policy {
    /// Adds a service with its rules, some of them overridden.
    ///
    /// # Errors
    /// A rule cannot be read, or an override has no rule.
    pub fn add(
        &mut self,
        service: &'static str,
        defaults: &[RuleDefault],
        overrides: &Overrides,
    ) -> Result<(), PolicyError> {
        let mut rules = Rules::default();
        for text in texts(service, defaults, overrides)? {
            let check =
                parse::parse(&text.check).map_err(|near| PolicyError::Syntax { rule: text.name.clone(), near })?;
            rules.insert(text.name, check);
        }
        check::verify(&rules)?;
        self.services.insert(service, Arc::new(RuleSet { rules }));
        Ok(())
    }

    /// The rules of a service; none (so that everything is refused) for one that was not added.
    #[must_use]
    pub fn of(&self, service: &str) -> Arc<RuleSet> {
        self.services.get(service).cloned().unwrap_or_default()
    }
}

/// A service's rules as they are in force, in the order of their declaration.
///
/// # Errors
/// An override has no rule.
pub fn texts(service: &str, defaults: &[RuleDefault], overrides: &Overrides) -> Result<Vec<RuleText>, PolicyError> {
    let own = overrides.get(service);
    let unknown =
        own.into_iter().flat_map(HashMap::keys).find(|name| !defaults.iter().any(|d| d.name == name.as_str()));
    if let Some(rule) = unknown {
        return Err(PolicyError::Unknown { service: service.to_owned(), rule: rule.clone() });
    }
    let text = |default: &RuleDefault| {
        let changed = own.and_then(|own| own.get(default.name));
        RuleText {
            name: default.name.to_owned(),
            check: changed.cloned().unwrap_or_else(|| default.check.to_owned()),
            description: default.description,
            overridden: changed.is_some(),
        }
    };
    Ok(defaults.iter().map(text).collect())
}

impl RuleSet {
    /// Whether the rule lets this token do it to this target.
    #[must_use]
    pub fn allows(&self, token: &TokenInfo, rule: &str, target: &Target) -> bool {
        self.rules.get(rule).is_some_and(|check: &Check| check.holds(&self.rules, token, target))
    }

    /// Whether there is such a rule.
    #[must_use]
    pub fn has(&self, rule: &str) -> bool {
        self.rules.contains_key(rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn rules(pairs: &'static [(&'static str, &'static str)]) -> Result<Policy, PolicyError> {
        let defaults: Vec<_> = pairs.iter().map(|(name, check)| RuleDefault { name, check, description: "" }).collect();
        let mut policy = Policy::default();
        policy.add("demo", &defaults, &Overrides::new())?;
        Ok(policy)
    }

    #[test]
    fn the_language_means_what_it_means_in_openstack() {
        let member = testing::project_token("u1", "p1", &["member", "Reader"]);
        let system = testing::system_token("u2", &["admin"]);
        let target = Target::project("p1").with("target.user.id", "u1").with_maybe("domain", None::<&str>);
        let cases: &[(&'static str, bool, bool)] = &[
            ("", true, true),
            ("@", true, true),
            ("!", false, false),
            ("role:reader", true, false),
            ("role:ADMIN", false, true),
            ("not role:admin", true, false),
            ("role:member and project_id:%(project_id)s", true, false),
            ("role:member and project_id:%(missing)s", false, false),
            ("user_id:%(target.user.id)s", true, false),
            ("system_scope:all", false, true),
            ("role:admin and system_scope:all or role:member", true, true),
            ("role:member or role:admin and !", true, false),
            ("(role:member or role:admin) and !", false, false),
            ("'p1':%(project_id)s", true, true),
            ("None:%(domain)s", true, true),
            ("token.project.domain.id:default", true, false),
            ("user_domain_id:default", true, true),
            ("rule:nothing_such", false, false),
        ];
        for (text, for_member, for_system) in cases {
            let check = parse::parse(text).unwrap();
            assert_eq!(check.holds(&Rules::default(), &member, &target), *for_member, "{text} for member");
            assert_eq!(check.holds(&Rules::default(), &system, &target), *for_system, "{text} for system admin");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["role:a and", "(role:a", "role:a role:b", "and", "nocolon", "not", "role:a)"] {
            assert!(parse::parse(text).is_err(), "{text}");
        }
        assert!(matches!(rules(&[("a", "rule:b"), ("b", "rule:a")]), Err(PolicyError::Circle { .. })));
        assert!(matches!(rules(&[("a", "rule:b")]), Err(PolicyError::Missing { .. })));
    }

    #[test]
    fn an_override_replaces_one_rule_and_must_have_one() {
        const DEFAULTS: &[RuleDefault] = &[RuleDefault { name: "a", check: "!", description: "" }];
        let overrides = |name: &str| {
            Overrides::from([("demo".to_owned(), HashMap::from([(name.to_owned(), "role:reader".to_owned())]))])
        };
        let mut policy = Policy::default();
        policy.add("demo", DEFAULTS, &overrides("a")).unwrap();
        let reader = testing::project_token("u", "p", &["reader"]);
        assert!(policy.of("demo").allows(&reader, "a", &Target::none()));
        assert!(!policy.of("demo").allows(&reader, "b", &Target::none()));
        assert!(!policy.of("other").allows(&reader, "a", &Target::none()));
        assert!(matches!(policy.add("demo", DEFAULTS, &overrides("b")), Err(PolicyError::Unknown { .. })));
    }
}
