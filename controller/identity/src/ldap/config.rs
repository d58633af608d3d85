//! What an operator says of a directory: Keystone's options and defaults.

use super::{LdapError, options::Reader};
use serde_json::{Map, Value};
use std::{path::PathBuf, time::Duration};

/// A directory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LdapConfig {
    /// Tried one after the other.
    pub urls: Vec<String>,
    /// The account that searches; none: anonymously.
    pub account: Option<(String, controller_base::Secret)>,
    /// Whether all below the tree counts, not only its children.
    pub subtree: bool,
    /// Entries an answer; 0: all at once.
    pub page_size: i32,
    pub chase_referrals: bool,
    pub starttls: bool,
    pub verify: bool,
    pub ca_file: Option<PathBuf>,
    pub timeout: Duration,
    pub pool_size: usize,
    pub pool_lifetime: Duration,
    pub user: UserOptions,
    pub group: GroupOptions,
}

/// Where users are and what their attributes are called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct UserOptions {
    pub tree: String,
    pub filter: Option<String>,
    pub class: String,
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub mail: Option<String>,
    pub enabled: Enabled,
    /// Attribute in the directory, name here.
    pub extra: Vec<(String, String)>,
}

/// How the directory says whether a user may come in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Enabled {
    /// It does not: all may.
    Always,
    /// An attribute that is true or false.
    Flag { attribute: String, invert: bool, default: bool },
    /// A bit of an attribute that, set, keeps users out: Active Directory's userAccountControl.
    Mask { attribute: String, mask: i64, default: i64 },
    /// Being in this group.
    Emulated { group: String, member: String },
}

/// Where groups are and what their attributes are called.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GroupOptions {
    pub tree: String,
    pub filter: Option<String>,
    pub class: String,
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub member: String,
    /// Members are named by their ids, not by their distinguished names.
    pub members_are_ids: bool,
    /// The server follows groups within groups (Active Directory's matching rule).
    pub ad_nesting: bool,
    pub extra: Vec<(String, String)>,
}

impl LdapConfig {
    /// Reads the options of group `ldap`.
    pub(crate) fn read(options: &Map<String, Value>) -> Result<Self, LdapError> {
        let reader = Reader(options);
        let suffix = reader.text_or("suffix", "cn=example,cn=com");
        let urls: Vec<String> = reader
            .text_or("url", "ldap://localhost")
            .split([',', ' ', '\t'])
            .filter(|url| !url.is_empty())
            .map(str::to_owned)
            .collect();
        if let Some(wrong) = urls.iter().find(|url| !url.starts_with("ldap://") && !url.starts_with("ldaps://")) {
            return Err(LdapError::Config { option: "url", reason: format!("{wrong:?} is neither ldap: nor ldaps:") });
        }
        let account = reader.text("user").map(|user| {
            let password = options.get("password").and_then(Value::as_str).unwrap_or_default();
            (user, controller_base::Secret::new(password))
        });
        Ok(Self {
            urls,
            account,
            subtree: subtree(reader)?,
            page_size: i32::try_from(reader.number("page_size", 0)?).unwrap_or(0).max(0),
            chase_referrals: reader.flag("chase_referrals", false)?,
            starttls: reader.flag("use_tls", false)?,
            verify: reader.text_or("tls_req_cert", "demand") == "demand",
            ca_file: reader.text("tls_cacertfile").map(PathBuf::from),
            timeout: seconds(reader, "connection_timeout", 10)?,
            pool_size: if reader.flag("use_pool", true)? { positive(reader, "pool_size", 10)? } else { 0 },
            pool_lifetime: seconds(reader, "pool_connection_lifetime", 600)?,
            user: UserOptions::read(reader, &suffix)?,
            group: GroupOptions::read(reader, &suffix)?,
        })
    }
}

fn subtree(reader: Reader<'_>) -> Result<bool, LdapError> {
    match reader.text_or("query_scope", "one").as_str() {
        "one" => Ok(false),
        "sub" => Ok(true),
        other => Err(LdapError::Config { option: "query_scope", reason: format!("{other:?} is neither one nor sub") }),
    }
}

/// Keystone's -1 means for ever; nothing waits for ever here.
fn seconds(reader: Reader<'_>, option: &'static str, default: u64) -> Result<Duration, LdapError> {
    let given = reader.number(option, -1)?;
    Ok(Duration::from_secs(u64::try_from(given).ok().filter(|seconds| *seconds > 0).unwrap_or(default)))
}

fn positive(reader: Reader<'_>, option: &'static str, default: usize) -> Result<usize, LdapError> {
    let given = reader.number(option, 0)?;
    Ok(usize::try_from(given).ok().filter(|number| *number > 0).unwrap_or(default))
}

fn extra(reader: Reader<'_>, name: &'static str) -> Result<Vec<(String, String)>, LdapError> {
    let pair = |item: String| match item.split_once(':') {
        Some((from, to)) => Ok((from.to_owned(), to.to_owned())),
        None => Err(LdapError::Config { option: name, reason: format!("{item:?} is not <attribute>:<name>") }),
    };
    reader.list(name).unwrap_or_default().into_iter().map(pair).collect()
}

/// A filter with its parentheses.
fn parenthesised(filter: String) -> String {
    if filter.starts_with('(') { filter } else { format!("({filter})") }
}

impl UserOptions {
    fn read(reader: Reader<'_>, suffix: &str) -> Result<Self, LdapError> {
        let tree = reader.text_or("user_tree_dn", &format!("ou=Users,{suffix}"));
        let ignored = reader.list("user_attribute_ignore").unwrap_or_default();
        let kept =
            |name: &str, attribute: String| (!ignored.iter().any(|ignored| ignored == name)).then_some(attribute);
        Ok(Self {
            filter: reader.text("user_filter").map(parenthesised),
            class: reader.text_or("user_objectclass", "inetOrgPerson"),
            id: reader.text_or("user_id_attribute", "cn"),
            name: reader.text_or("user_name_attribute", "sn"),
            description: kept("description", reader.text_or("user_description_attribute", "description")),
            mail: kept("email", reader.text_or("user_mail_attribute", "mail")),
            enabled: Enabled::read(reader, ignored.iter().any(|name| name == "enabled"), &tree)?,
            extra: extra(reader, "user_additional_attribute_mapping")?,
            tree,
        })
    }
}

impl Enabled {
    fn read(reader: Reader<'_>, ignored: bool, tree: &str) -> Result<Self, LdapError> {
        if reader.flag("user_enabled_emulation", false)? {
            let own = format!("cn=enabled_users,{tree}");
            let member = if reader.flag("user_enabled_emulation_use_group_config", false)? {
                reader.text_or("group_member_attribute", "member")
            } else {
                "member".to_owned()
            };
            return Ok(Self::Emulated { group: reader.text_or("user_enabled_emulation_dn", &own), member });
        }
        if ignored {
            return Ok(Self::Always);
        }
        let attribute = reader.text_or("user_enabled_attribute", "enabled");
        let mask = reader.number("user_enabled_mask", 0)?;
        if mask != 0 {
            let default = reader.text_or("user_enabled_default", "0").parse().unwrap_or(0);
            return Ok(Self::Mask { attribute, mask, default });
        }
        let default = reader.text_or("user_enabled_default", "True").eq_ignore_ascii_case("true");
        Ok(Self::Flag { attribute, invert: reader.flag("user_enabled_invert", false)?, default })
    }
}

impl GroupOptions {
    fn read(reader: Reader<'_>, suffix: &str) -> Result<Self, LdapError> {
        let ignored = reader.list("group_attribute_ignore").unwrap_or_default();
        let description = reader.text_or("group_desc_attribute", "description");
        Ok(Self {
            tree: reader.text_or("group_tree_dn", &format!("ou=UserGroups,{suffix}")),
            filter: reader.text("group_filter").map(parenthesised),
            class: reader.text_or("group_objectclass", "groupOfNames"),
            id: reader.text_or("group_id_attribute", "cn"),
            name: reader.text_or("group_name_attribute", "ou"),
            description: (!ignored.iter().any(|name| name == "description")).then_some(description),
            member: reader.text_or("group_member_attribute", "member"),
            members_are_ids: reader.flag("group_members_are_ids", false)?,
            ad_nesting: reader.flag("group_ad_nesting", false)?,
            extra: extra(reader, "group_additional_attribute_mapping")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(options: Value) -> Result<LdapConfig, LdapError> {
        let Value::Object(options) = options else { unreachable!() };
        LdapConfig::read(&options)
    }

    #[test]
    fn what_is_not_said_is_keystones_default() {
        let config = read(json!({"suffix": "dc=acme,dc=test"})).unwrap();
        assert_eq!(config.urls, ["ldap://localhost"]);
        assert_eq!(
            (config.user.tree.as_str(), config.group.tree.as_str()),
            ("ou=Users,dc=acme,dc=test", "ou=UserGroups,dc=acme,dc=test")
        );
        assert_eq!(
            (config.user.id.as_str(), config.user.name.as_str(), config.group.name.as_str()),
            ("cn", "sn", "ou")
        );
        assert!(config.verify && !config.starttls && !config.subtree && !config.chase_referrals);
        assert_eq!(config.user.enabled, Enabled::Flag { attribute: "enabled".into(), invert: false, default: true });
        assert_eq!(config.account, None);
    }

    #[test]
    fn active_directorys_options_are_understood_as_text_and_as_json() {
        for (mask, nesting) in [(json!("2"), json!("True")), (json!(2), json!(true))] {
            let config = read(json!({
                "url": "ldaps://one.test, ldaps://two.test", "user": "cn=reader", "password": " pw ",
                "query_scope": "sub", "user_enabled_attribute": "userAccountControl", "user_enabled_mask": mask,
                "user_enabled_default": "512", "group_ad_nesting": nesting, "user_filter": "memberOf=cn=cloud",
                "user_additional_attribute_mapping": "telephoneNumber:phone", "user_attribute_ignore": "email,password",
            }))
            .unwrap();
            assert_eq!(config.urls.len(), 2);
            assert_eq!(config.account.unwrap().1.reveal(), " pw ", "a password is not trimmed");
            let expected = Enabled::Mask { attribute: "userAccountControl".into(), mask: 2, default: 512 };
            assert_eq!(config.user.enabled, expected);
            assert!(config.group.ad_nesting && config.subtree);
            assert_eq!(config.user.filter.as_deref(), Some("(memberOf=cn=cloud)"));
            assert_eq!(config.user.extra, [("telephoneNumber".to_owned(), "phone".to_owned())]);
            assert_eq!(config.user.mail, None);
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for options in [
            json!({"url": "http://x"}),
            json!({"query_scope": "base"}),
            json!({"use_tls": "perhaps"}),
            json!({"page_size": "many"}),
            json!({"user_additional_attribute_mapping": "x"}),
        ] {
            assert!(read(options.clone()).is_err(), "{options}");
        }
    }
}
