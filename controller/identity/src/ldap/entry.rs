//! What entries of a directory say, by the options that name their attributes. Pure.

use super::config::{Enabled, GroupOptions, UserOptions};
use crate::wire::Attributes;
use std::collections::HashMap;

/// An entry: its distinguished name and its attributes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Entry {
    pub dn: String,
    pub attributes: HashMap<String, Vec<String>>,
}

/// A user of a directory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Person {
    pub dn: String,
    pub id: String,
    pub name: String,
    /// None: another entry says it.
    pub enabled: Option<bool>,
    pub extra: Attributes,
}

/// A group of a directory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Team {
    pub dn: String,
    pub id: String,
    pub name: String,
    pub description: String,
    /// Ids or distinguished names, as the options say.
    pub members: Vec<String>,
    pub extra: Attributes,
}

impl Entry {
    /// All values of an attribute, whose name tells no case apart.
    pub(super) fn all(&self, name: &str) -> &[String] {
        let found = self.attributes.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map_or(&[], |(_, values)| values)
    }

    fn first(&self, name: &str) -> Option<&String> {
        self.all(name).first()
    }

    /// The id: the attribute's value; where it has several, the one that stands in the distinguished name.
    fn id(&self, attribute: &str) -> Option<String> {
        match self.all(attribute) {
            [] => None,
            [one] => Some(one.clone()),
            several => several.iter().find(|value| leading(&self.dn, attribute).as_ref() == Some(*value)).cloned(),
        }
    }

    fn extras(&self, wanted: &[(String, String)]) -> Attributes {
        let one = |(from, to): &(String, String)| Some((to.clone(), self.first(from)?.clone().into()));
        wanted.iter().filter_map(one).collect()
    }

    /// None where the entry has no id or no name: it is no user.
    pub(super) fn person(&self, options: &UserOptions) -> Option<Person> {
        let mut extra = self.extras(&options.extra);
        for (name, attribute) in [("description", &options.description), ("email", &options.mail)] {
            if let Some(value) = attribute.as_ref().and_then(|attribute| self.first(attribute)) {
                extra.insert(name.to_owned(), value.clone().into());
            }
        }
        Some(Person {
            dn: self.dn.clone(),
            id: self.id(&options.id)?,
            name: self.first(&options.name)?.clone(),
            enabled: self.enabled(&options.enabled),
            extra,
        })
    }

    fn enabled(&self, how: &Enabled) -> Option<bool> {
        match how {
            Enabled::Always => Some(true),
            Enabled::Emulated { .. } => None,
            Enabled::Flag { attribute, invert, default } => {
                let said = self.first(attribute).map_or(*default, |value| value.eq_ignore_ascii_case("true"));
                Some(said != *invert)
            }
            Enabled::Mask { attribute, mask, default } => {
                let said = self.first(attribute).and_then(|value| value.parse().ok()).unwrap_or(*default);
                Some(said & mask != *mask)
            }
        }
    }

    /// None where the entry has no id or no name: it is no group.
    pub(super) fn team(&self, options: &GroupOptions) -> Option<Team> {
        let description = options.description.as_ref().and_then(|attribute| self.first(attribute));
        Some(Team {
            dn: self.dn.clone(),
            id: self.id(&options.id)?,
            name: self.first(&options.name)?.clone(),
            description: description.cloned().unwrap_or_default(),
            members: self.all(&options.member).to_vec(),
            extra: self.extras(&options.extra),
        })
    }
}

/// The value of an attribute in the first part of a distinguished name.
fn leading(dn: &str, attribute: &str) -> Option<String> {
    let (name, rest) = dn.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case(attribute) {
        return None;
    }
    let (mut value, mut escape) = (String::new(), false);
    for c in rest.chars() {
        match c {
            '\\' if !escape => escape = true,
            ',' | '+' if !escape => break,
            other => {
                value.push(other);
                escape = false;
            }
        }
    }
    Some(value)
}

/// A distinguished name in the one form in which it is compared: case and spaces around separators do not count.
pub(super) fn plain_dn(dn: &str) -> String {
    let parts = dn.split(',').map(|part| part.trim().replace(" =", "=").replace("= ", "=").to_lowercase());
    parts.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ldap::config::LdapConfig;
    use serde_json::{Value, json};

    fn options(given: Value) -> LdapConfig {
        let Value::Object(given) = given else { unreachable!() };
        LdapConfig::read(&given).unwrap()
    }

    fn entry(dn: &str, given: &[(&str, &[&str])]) -> Entry {
        let attributes = given
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(ToString::to_string).collect()))
            .collect();
        Entry { dn: dn.to_owned(), attributes }
    }

    #[test]
    fn a_person_is_read_by_the_options() {
        let config = options(json!({"user_id_attribute": "uid", "user_additional_attribute_mapping": ["l:city"]}));
        let found = entry(
            "uid=bob,ou=Users",
            &[("UID", &["bob"]), ("sn", &["Bob"]), ("mail", &["b@x", "c@x"]), ("l", &["Lugo"])],
        )
        .person(&config.user)
        .unwrap();
        assert_eq!((found.id.as_str(), found.name.as_str(), found.enabled), ("bob", "Bob", Some(true)));
        assert_eq!(Value::Object(found.extra), json!({"email": "b@x", "city": "Lugo"}));
        assert_eq!(entry("x", &[("uid", &["bob"])]).person(&config.user), None, "no name, no user");
    }

    #[test]
    fn an_id_with_several_values_is_the_one_of_the_name() {
        let config = options(json!({}));
        let many: &[(&str, &[&str])] = &[("cn", &["one", "two, three"]), ("sn", &["s"])];
        assert_eq!(entry("cn=two\\, three,ou=Users", many).person(&config.user).unwrap().id, "two, three");
        assert_eq!(entry("uid=x,ou=Users", many).person(&config.user), None);
    }

    #[test]
    fn who_is_enabled() {
        for (given, value, expected) in [
            (json!({}), None, true),
            (json!({}), Some("TRUE"), true),
            (json!({}), Some("FALSE"), false),
            (json!({"user_enabled_default": "False"}), None, false),
            (json!({"user_enabled_invert": true}), Some("TRUE"), false),
            (json!({"user_enabled_invert": true, "user_enabled_default": "False"}), None, true),
            (json!({"user_enabled_mask": 2, "user_enabled_default": "512"}), Some("512"), true),
            (json!({"user_enabled_mask": 2, "user_enabled_default": "512"}), Some("514"), false),
            (json!({"user_enabled_mask": 2, "user_enabled_default": "512"}), None, true),
            (json!({"user_enabled_mask": 2, "user_enabled_default": "514"}), None, false),
            (json!({"user_attribute_ignore": ["enabled"]}), Some("FALSE"), true),
        ] {
            let config = options(given.clone());
            let mut entry = entry("cn=bob", &[("cn", &["bob"]), ("sn", &["bob"])]);
            if let Some(value) = value {
                entry.attributes.insert("Enabled".to_owned(), vec![value.to_owned()]);
            }
            assert_eq!(entry.person(&config.user).unwrap().enabled, Some(expected), "{given} {value:?}");
        }
    }

    #[test]
    fn distinguished_names_are_compared_by_meaning() {
        assert_eq!(plain_dn("CN=Bob, OU = Users,dc=X"), plain_dn("cn=bob,ou=users,DC=x"));
        assert_ne!(plain_dn("cn=bob,ou=users"), plain_dn("cn=bob"));
    }
}
