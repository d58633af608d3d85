//! The groups and options that a domain may set, and their defaults: Keystone's.

use serde_json::{Value, json};

/// Options that are never shown again.
const SENSITIVE: &[(&str, &str)] = &[("ldap", "password")];

/// Whether there is such a group.
pub(super) fn has_group(group: &str) -> bool {
    matches!(group, "identity" | "ldap")
}

/// Whether a domain may set this option.
pub(super) fn has_option(group: &str, option: &str) -> bool {
    is_sensitive(group, option) || defaults(group).iter().any(|(name, _)| *name == option)
}

/// Whether it is a secret.
pub(super) fn is_sensitive(group: &str, option: &str) -> bool {
    SENSITIVE.contains(&(group, option))
}

/// A group's options that may be shown, with their defaults.
pub(super) fn defaults(group: &str) -> Vec<(&'static str, Value)> {
    match group {
        "identity" => vec![("driver", json!("sql")), ("list_limit", Value::Null)],
        "ldap" => ldap(),
        _ => Vec::new(),
    }
}

fn ldap() -> Vec<(&'static str, Value)> {
    vec![
        ("user", Value::Null),
        ("suffix", json!("cn=example,cn=com")),
        ("url", json!("ldap://localhost")),
        ("query_scope", json!("one")),
        ("page_size", json!(0)),
        ("alias_dereferencing", json!("default")),
        ("debug_level", Value::Null),
        ("chase_referrals", Value::Null),
        ("user_tree_dn", Value::Null),
        ("user_filter", Value::Null),
        ("user_objectclass", json!("inetOrgPerson")),
        ("user_id_attribute", json!("cn")),
        ("user_name_attribute", json!("sn")),
        ("user_description_attribute", json!("description")),
        ("user_mail_attribute", json!("mail")),
        ("user_pass_attribute", json!("userPassword")),
        ("user_enabled_attribute", json!("enabled")),
        ("user_enabled_invert", json!(false)),
        ("user_enabled_mask", json!(0)),
        ("user_enabled_default", json!("True")),
        ("user_attribute_ignore", json!(["default_project_id"])),
        ("user_default_project_id_attribute", Value::Null),
        ("user_enabled_emulation", json!(false)),
        ("user_enabled_emulation_dn", Value::Null),
        ("user_enabled_emulation_use_group_config", json!(false)),
        ("user_additional_attribute_mapping", json!([])),
        ("group_tree_dn", Value::Null),
        ("group_filter", Value::Null),
        ("group_objectclass", json!("groupOfNames")),
        ("group_id_attribute", json!("cn")),
        ("group_name_attribute", json!("ou")),
        ("group_member_attribute", json!("member")),
        ("group_members_are_ids", json!(false)),
        ("group_desc_attribute", json!("description")),
        ("group_attribute_ignore", json!([])),
        ("group_additional_attribute_mapping", json!([])),
        ("group_ad_nesting", json!(false)),
        ("tls_cacertfile", Value::Null),
        ("tls_cacertdir", Value::Null),
        ("use_tls", json!(false)),
        ("tls_req_cert", json!("demand")),
        ("connection_timeout", json!(-1)),
        ("use_pool", json!(true)),
        ("pool_size", json!(10)),
        ("pool_retry_max", json!(3)),
        ("pool_retry_delay", json!(0.1)),
        ("pool_connection_timeout", json!(-1)),
        ("pool_connection_lifetime", json!(600)),
        ("use_auth_pool", json!(true)),
        ("auth_pool_size", json!(100)),
        ("auth_pool_connection_lifetime", json!(60)),
        ("randomize_urls", json!(false)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_stands_twice_and_no_secret_is_shown() {
        for group in ["identity", "ldap"] {
            let mut names: Vec<_> = defaults(group).into_iter().map(|(name, _)| name).collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{group}");
            assert!(!names.contains(&"password"));
        }
        assert!(has_option("ldap", "password") && !has_option("ldap", "nonsense") && !has_group("sql"));
    }
}
