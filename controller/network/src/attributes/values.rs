//! A checked item, read by the resources' conversions. The checks ran before, so reading never fails: what is not there, or
//! null, is `None`.

use serde_json::{Map, Value};
use std::str::FromStr;

/// A checked item.
#[derive(Clone, Debug, Default)]
pub struct Attributes {
    values: Map<String, Value>,
    given: Vec<&'static str>,
}

impl Attributes {
    pub(super) fn new(values: Map<String, Value>, given: Vec<&'static str>) -> Self {
        Self { values, given }
    }

    /// What the caller gave, in the table's order.
    #[must_use]
    pub fn given(&self) -> &[&'static str] {
        &self.given
    }

    /// Whether the caller gave it.
    #[must_use]
    pub fn was_given(&self, name: &str) -> bool {
        self.given.contains(&name)
    }

    /// Whether it has a value, be it null.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value, unless it is null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name).filter(|value| !value.is_null())
    }

    /// A text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(Value::as_str).map(str::to_owned)
    }

    /// A yes or no.
    #[must_use]
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.get(name).and_then(Value::as_bool)
    }

    /// A number.
    #[must_use]
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(Value::as_i64)
    }

    /// A text of a known form: an id, an address, a prefix.
    #[must_use]
    pub fn parsed<T: FromStr>(&self, name: &str) -> Option<T> {
        self.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok())
    }

    /// A list of such texts.
    #[must_use]
    pub fn list<T: FromStr>(&self, name: &str) -> Option<Vec<T>> {
        let list = self.get(name)?.as_array()?;
        Some(list.iter().filter_map(|value| value.as_str()?.parse().ok()).collect())
    }

    /// A list of objects.
    #[must_use]
    pub fn objects(&self, name: &str) -> Option<Vec<&Map<String, Value>>> {
        Some(self.get(name)?.as_array()?.iter().filter_map(Value::as_object).collect())
    }

    /// Whether it was given as null.
    #[must_use]
    pub fn is_null(&self, name: &str) -> bool {
        self.values.get(name).is_some_and(Value::is_null)
    }

    /// Changes `to` if there is a text.
    pub fn copy_text(&self, name: &str, to: &mut String) {
        if let Some(text) = self.text(name) {
            *to = text;
        }
    }

    /// Changes `to` if there is a yes or no.
    pub fn copy_flag(&self, name: &str, to: &mut bool) {
        if let Some(set) = self.flag(name) {
            *to = set;
        }
    }
}
