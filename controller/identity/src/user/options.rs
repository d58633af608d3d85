//! The options that a user may have, as Keystone knows them.

use crate::{IdentityError, wire::Attributes};
use serde_json::Value;

pub(crate) const IGNORE_FIRST_USE: &str = "ignore_change_password_upon_first_use";
pub(crate) const IGNORE_EXPIRY: &str = "ignore_password_expiry";
pub(crate) const IGNORE_LOCKOUT: &str = "ignore_lockout_failure_attempts";
pub(crate) const IGNORE_INACTIVITY: &str = "ignore_user_inactivity";
pub(crate) const LOCK_PASSWORD: &str = "lock_password";
const MFA_ENABLED: &str = "multi_factor_auth_enabled";
const MFA_RULES: &str = "multi_factor_auth_rules";
const FLAGS: [&str; 6] =
    [IGNORE_FIRST_USE, IGNORE_EXPIRY, IGNORE_LOCKOUT, IGNORE_INACTIVITY, LOCK_PASSWORD, MFA_ENABLED];

/// Whether a flag is set.
pub(crate) fn is_on(options: &Attributes, name: &str) -> bool {
    options.get(name).and_then(Value::as_bool).unwrap_or(false)
}

/// The sets of methods of which one must be shown in full; empty where one method is enough.
pub(crate) fn mfa_rules(options: &Attributes) -> Vec<Vec<String>> {
    if options.get(MFA_ENABLED).and_then(Value::as_bool) == Some(false) {
        return Vec::new();
    }
    let rules = options.get(MFA_RULES).and_then(Value::as_array);
    let methods = |rule: &Value| -> Option<Vec<String>> {
        rule.as_array()?.iter().map(|method| method.as_str().map(str::to_owned)).collect()
    };
    rules.into_iter().flatten().filter_map(methods).filter(|rule| !rule.is_empty()).collect()
}

/// Options of a new user or a change: known ones, each of its kind; `null` takes one away.
pub(crate) fn check(options: &Attributes) -> Result<(), IdentityError> {
    for (name, value) in options {
        let fits = value.is_null()
            || (FLAGS.contains(&name.as_str()) && value.is_boolean())
            || (name == MFA_RULES && are_rules(value));
        if !fits {
            return Err(IdentityError::invalid(format!("Invalid input for field 'options/{name}': {value}")));
        }
    }
    Ok(())
}

/// A list of lists of words, none empty, none twice.
fn are_rules(value: &Value) -> bool {
    let unique = |items: &[Value]| items.iter().enumerate().all(|(at, item)| !items[..at].contains(item));
    let rule = |rule: &Value| {
        rule.as_array().is_some_and(|words| !words.is_empty() && unique(words) && words.iter().all(Value::is_string))
    };
    value.as_array().is_some_and(|rules| unique(rules) && rules.iter().all(rule))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_known_options_of_their_kind_are_taken() {
        for (options, fits) in [
            (json!({"lock_password": true, "ignore_password_expiry": null}), true),
            (json!({"multi_factor_auth_rules": [["password", "totp"], ["token"]]}), true),
            (json!({"lock_password": "yes"}), false),
            (json!({"unheard_of": true}), false),
            (json!({"multi_factor_auth_rules": ["password"]}), false),
            (json!({"multi_factor_auth_rules": [[]]}), false),
            (json!({"multi_factor_auth_rules": [["a", "a"]]}), false),
            (json!({"multi_factor_auth_rules": [["a"], ["a"]]}), false),
            (json!({"multi_factor_auth_rules": [[1]]}), false),
        ] {
            assert_eq!(check(options.as_object().unwrap()).is_ok(), fits, "{options}");
        }
    }

    #[test]
    fn rules_count_unless_they_are_switched_off() {
        let options = json!({"multi_factor_auth_rules": [["password", "totp"]]});
        assert_eq!(mfa_rules(options.as_object().unwrap()), [["password", "totp"]]);
        let off = json!({"multi_factor_auth_rules": [["password"]], "multi_factor_auth_enabled": false});
        assert!(mfa_rules(off.as_object().unwrap()).is_empty());
    }
}
