//! Who may do what, in the language of oslo.policy, so that operators' policy files keep their meaning.
//!
//! Each service brings its rules with their defaults; an operator's overrides replace single rules and may bring helpers of their own
//! (names without a colon). Rule names live apart per service (`admin_required` of two services are two rules). A rule that does not
//! exist allows nothing. `load` reads the operator's files; a loaded set replaces the running one at once ([`Policy::replace`]).
//!
//! A rule may be bound to scopes ([`ScopeTable`]): a token of another scope is refused whatever the check says.

mod check;
mod explain;
pub mod file;
pub mod load;
mod parse;
mod scope;
mod target;

use crate::TokenInfo;
use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use check::{Check, Rules};
pub use explain::Explanation;
pub use load::{LoadError, Sources};
pub use scope::{ScopeTable, ScopeType};
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
    /// A check asks a server, as oslo.policy's `http:` does.
    #[error("policy rule {rule} asks a server ({kind}:), which is not supported")]
    Server {
        /// The rule.
        rule: String,
        /// `http` or `https`.
        kind: String,
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

impl PolicyError {
    /// The rule that is wrong.
    #[must_use]
    pub fn rule(&self) -> &str {
        match self {
            Self::Syntax { rule, .. }
            | Self::Server { rule, .. }
            | Self::Circle { rule }
            | Self::Missing { rule, .. }
            | Self::Unknown { rule, .. } => rule,
        }
    }
}

/// The rules of all services.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    services: HashMap<&'static str, Arc<RuleSet>>,
}

/// The rules of one service. Whoever holds it sees a replaced set at once.
#[derive(Debug, Default)]
pub struct RuleSet {
    current: RwLock<Arc<Current>>,
}

/// A set of rules with the scopes that they are bound to.
#[derive(Clone, Debug, Default)]
struct Current {
    rules: Rules,
    scopes: ScopeTable,
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
            let check = parse::parse(&text.check).map_err(|error| error.of(&text.name))?;
            rules.insert(text.name, check);
        }
        check::verify(&rules)?;
        self.services.insert(service, Arc::new(RuleSet::new(Current { rules, scopes: &[] })));
        Ok(())
    }

    /// Binds rules of a service to scopes.
    pub fn restrict(&mut self, service: &str, scopes: ScopeTable) {
        if let Some(set) = self.services.get(service) {
            let rules = set.now().rules.clone();
            set.put(Arc::new(Current { rules, scopes }));
        }
    }

    /// Puts another policy's rules in the place of these, for everybody who holds them.
    pub fn replace(&self, other: &Self) {
        for (service, set) in &self.services {
            if let Some(new) = other.services.get(service) {
                set.put(new.now());
            }
        }
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
    let mut further: Vec<_> =
        own.into_iter().flatten().filter(|(name, _)| !defaults.iter().any(|d| d.name == name.as_str())).collect();
    further.sort();
    if let Some((rule, _)) = further.iter().find(|(name, _)| name.contains(':')) {
        return Err(PolicyError::Unknown { service: service.to_owned(), rule: (*rule).clone() });
    }
    let helper = |(name, check): (&String, &String)| RuleText {
        name: name.clone(),
        check: check.clone(),
        description: "A helper of the operator's",
        overridden: true,
    };
    let text = |default: &RuleDefault| {
        let changed = own.and_then(|own| own.get(default.name));
        RuleText {
            name: default.name.to_owned(),
            check: changed.cloned().unwrap_or_else(|| default.check.to_owned()),
            description: default.description,
            overridden: changed.is_some(),
        }
    };
    Ok(defaults.iter().map(text).chain(further.into_iter().map(helper)).collect())
}

impl RuleSet {
    fn new(current: Current) -> Self {
        Self { current: RwLock::new(Arc::new(current)) }
    }

    fn now(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, new: Arc<Current>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// Whether the rule lets this token do it to this target.
    #[must_use]
    pub fn allows(&self, token: &TokenInfo, rule: &str, target: &Target) -> bool {
        let now = self.now();
        scope::fits(now.scopes, rule, token)
            && now.rules.get(rule).is_some_and(|check: &Check| check.holds(&now.rules, token, target))
    }

    /// Why the rule lets this token do it, or not; none for a rule that does not exist.
    #[must_use]
    pub fn explain(&self, token: &TokenInfo, rule: &str, target: &Target) -> Option<Explanation> {
        let now = self.now();
        let check = explain::explain(now.rules.get(rule)?, &now.rules, token, target);
        let scopes = scope::of(now.scopes, rule);
        let fits = scope::fits(now.scopes, rule, token);
        let holds = fits && check.holds;
        let scope = scopes.map(|scopes| Explanation {
            check: format!("scope: {}", scope::names(scopes)),
            holds: fits,
            because: Some(format!("the token's is {}", scope::of_token(token).name())),
            parts: Vec::new(),
        });
        let parts = scope.into_iter().chain([check]).collect();
        Some(Explanation { check: rule.to_owned(), holds, because: None, parts })
    }

    /// Whether there is such a rule.
    #[must_use]
    pub fn has(&self, rule: &str) -> bool {
        self.now().rules.contains_key(rule)
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
        assert!(policy.add("demo", DEFAULTS, &overrides("helper")).is_ok());
        assert!(matches!(policy.add("demo", DEFAULTS, &overrides("demo:b")), Err(PolicyError::Unknown { .. })));
    }

    #[test]
    fn a_decision_is_explained_down_to_the_check_that_failed() {
        let policy = rules(&[("base", "role:admin"), ("a", "rule:base or (role:member and user_id:%(target.id)s)")]);
        let set = policy.unwrap().of("demo");
        let member = testing::project_token("u1", "p1", &["member"]);
        let why = set.explain(&member, "a", &Target::none().with("target.id", "u2")).unwrap();
        assert!(!why.holds);
        let failed: Vec<_> = why.failed().iter().map(|one| one.check.as_str()).collect();
        assert_eq!(failed, ["role:admin", "user_id:%(target.id)s"]);
        let text = why.to_string();
        assert!(
            text.contains("- user_id:%(target.id)s   (user_id of the caller is \"u1\", wanted is \"u2\")"),
            "{text}"
        );
        assert!(text.contains("+ role:member   (the roles are member)"), "{text}");
        assert!(set.explain(&member, "a", &Target::none().with("target.id", "u1")).unwrap().holds);
        assert!(set.explain(&member, "nothing", &Target::none()).is_none());
        let why = set.explain(&member, "a", &Target::none()).unwrap().to_string();
        assert!(why.contains("the target has no target.id"), "{why}");
    }

    #[test]
    fn a_rule_bound_to_scopes_refuses_others() {
        let mut policy = rules(&[("a", "role:admin")]).unwrap();
        policy.restrict("demo", &[("a", &[ScopeType::System])]);
        let set = policy.of("demo");
        assert!(set.allows(&testing::system_token("u", &["admin"]), "a", &Target::none()));
        let project = testing::project_token("u", "p", &["admin"]);
        assert!(!set.allows(&project, "a", &Target::none()));
        let why = set.explain(&project, "a", &Target::none()).unwrap();
        assert_eq!(why.failed()[0].check, "scope: system");
    }
}
