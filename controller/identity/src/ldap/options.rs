//! Reading options that come as JSON (the API) or as text (files).

use super::LdapError;
use serde_json::{Map, Value};

/// The options of group `ldap`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub &'a Map<String, Value>);

impl Reader<'_> {
    /// A text that is set and not empty.
    pub(super) fn text(self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn text_or(self, name: &str, default: &str) -> String {
        self.text(name).unwrap_or_else(|| default.to_owned())
    }

    pub(super) fn flag(self, option: &'static str, default: bool) -> Result<bool, LdapError> {
        match self.text(option).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(default),
            Some("true" | "1" | "yes" | "on") => Ok(true),
            Some("false" | "0" | "no" | "off") => Ok(false),
            Some(other) => Err(LdapError::Config { option, reason: format!("{other:?} is neither true nor false") }),
        }
    }

    pub(super) fn number(self, option: &'static str, default: i64) -> Result<i64, LdapError> {
        match self.text(option) {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| LdapError::Config { option, reason: format!("{text:?} is no number") })
            }
        }
    }

    /// A list, or a text with commas.
    pub(super) fn list(self, name: &str) -> Option<Vec<String>> {
        match self.0.get(name)? {
            Value::Array(list) => Some(list.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            Value::String(text) => {
                Some(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    }
}
