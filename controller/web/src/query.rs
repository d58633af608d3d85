//! The query string: several values per name, in their order.

use crate::ApiError;
use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use std::{convert::Infallible, fmt::Write as _};

const KEEP: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');

/// A request's query parameters; an extractor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Splits a query string.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    /// The last value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the name is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// A yes or no as OpenStack's services read it: `1 t true on y yes` and `0 f false off n no`, in any case.
    ///
    /// # Errors
    /// 400 for another word.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        match self.get(name) {
            None => Ok(None),
            Some(text) => parse_flag(text).map(Some).ok_or_else(|| {
                ApiError::bad_request(format!("Invalid value '{text}' for query parameter {name}: a boolean is wanted"))
            }),
        }
    }

    /// The same query with one name's values replaced (or removed).
    #[must_use]
    pub fn with(&self, name: &str, value: Option<&str>) -> Self {
        let mut pairs: Vec<_> = self.0.iter().filter(|(key, _)| key != name).cloned().collect();
        pairs.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        Self(pairs)
    }

    /// As a query string, without the question mark.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut out = String::new();
        for (key, value) in &self.0 {
            let joint = if out.is_empty() { "" } else { "&" };
            let (key, value) = (utf8_percent_encode(key, KEEP), utf8_percent_encode(value, KEEP));
            // Writing to a String cannot fail.
            let _ = write!(out, "{joint}{key}={value}");
        }
        out
    }
}

/// `1 t true on y yes` and `0 f false off n no`, in any case.
#[must_use]
pub fn parse_flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "on" | "y" | "yes" => Some(true),
        "0" | "f" | "false" | "off" | "n" | "no" => Some(false),
        _ => None,
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_repeat_and_are_decoded() {
        let params = Params::parse("name=a%20b&sort_key=x&sort_key=y+z&flag&&limit=1");
        assert_eq!(params.get("name"), Some("a b"));
        assert_eq!(params.all("sort_key").collect::<Vec<_>>(), ["x", "y z"]);
        assert_eq!(params.get("flag"), Some(""));
        assert!(!params.has("other"));
    }

    #[test]
    fn a_changed_query_keeps_the_rest() {
        let params = Params::parse("name=a%26b&marker=1");
        assert_eq!(params.with("marker", Some("2")).encode(), "name=a%26b&marker=2");
    }
}
