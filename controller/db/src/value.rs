//! Values between programs and columns.

use crate::DbError;
use serde::{Serialize, de::DeserializeOwned};

/// A value to be bound by [`crate::Filter`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// TEXT.
    Text(String),
    /// BIGINT.
    Int(i64),
}

impl Value {
    /// Anything that shows itself as text, such as a typed id.
    pub fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(set: bool) -> Self {
        Self::Int(flag(set))
    }
}

/// How a yes or no is stored: BIGINT 1 or 0.
#[must_use]
pub fn flag(set: bool) -> i64 {
    i64::from(set)
}

/// Reads [`flag`] back.
#[must_use]
pub fn is_set(stored: i64) -> bool {
    stored != 0
}

/// A value as the text of a JSON column.
///
/// # Panics
/// When the value cannot be JSON, such as a map whose keys are no text: a defect of its type, not of its content.
#[must_use]
pub fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("the types kept in JSON columns have text keys and derived Serialize")
}

/// Reads [`json`] back.
///
/// # Errors
/// The text does not have the type's shape.
pub fn from_json<T: DeserializeOwned>(column: &str, text: &str) -> Result<T, DbError> {
    serde_json::from_str(text).map_err(|source| DbError::corrupt(column, source))
}
