//! What a policy rule may look at: attributes of the thing that shall be touched.

use std::borrow::Cow;

/// Names and values of the target; few, so a list.
#[derive(Clone, Debug, Default)]
pub struct Target(Vec<(Cow<'static, str>, Option<String>)>);

impl Target {
    /// A target without attributes.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// A thing that belongs to a project (under both of its names).
    pub fn project(id: impl ToString) -> Self {
        let id = id.to_string();
        Self(vec![("project_id".into(), Some(id.clone())), ("tenant_id".into(), Some(id))])
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name.into(), Some(value.to_string())));
        self
    }

    /// Adds an attribute whose name is only known when the program runs.
    #[must_use]
    pub fn named(mut self, name: &str, value: &str) -> Self {
        self.0.push((Cow::Owned(name.to_owned()), Some(value.to_owned())));
        self
    }

    /// Adds an attribute that may have no value; that shows as the word `None`.
    #[must_use]
    pub fn with_maybe(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.push((name.into(), value.map(|value| value.to_string())));
        self
    }

    /// Adds an attribute that is true or false, in Python's words.
    #[must_use]
    pub fn with_flag(self, name: &'static str, set: bool) -> Self {
        self.with(name, if set { "True" } else { "False" })
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(key, _)| *key == name)?;
        Some(value.as_deref().unwrap_or("None"))
    }
}
