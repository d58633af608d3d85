//! What request bodies may look like, as data, with the messages that Nova's clients know.
//!
//! Owns the description language and its checks; knows no resource. A schema is built once (`LazyLock`) and covers all
//! microversions: a field has the range of versions in which it exists and is an unknown field outside of it.
//! Messages follow JSON-schema validators as Nova wraps them: `Invalid input for field/attribute <name>. Value: <value>.
//! <message>`, values in Python's notation.

mod formats;
mod python;

pub use formats::{Format, decode_base64};
pub use python::repr;

use serde_json::{Map, Value};

/// A minor version of the compute API, 2.x.
pub type Minor = u16;

/// Why a body is refused, in Nova's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// What a value may be.
#[derive(Clone, Debug)]
pub enum Schema {
    /// Anything.
    Any,
    /// `null`.
    Null,
    /// Text.
    Text {
        /// Least number of characters.
        min: usize,
        /// Most.
        max: usize,
        /// Further demands.
        format: Option<Format>,
    },
    /// A whole number, also written as text.
    Integer {
        /// Least.
        min: i64,
        /// Most.
        max: i64,
    },
    /// A number.
    Number,
    /// `true`, `false` or one of the words that stand for them.
    Boolean,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A list.
    List {
        /// Of these.
        items: Box<Schema>,
        /// At least so many.
        min: usize,
        /// At most so many.
        max: usize,
        /// None twice.
        unique: bool,
    },
    /// An object with fields.
    Object(Object),
    /// An object with free keys of 1 to 255 characters of this format, and values of one schema.
    Map {
        /// The keys' form.
        key: Format,
        /// The values.
        value: Box<Schema>,
        /// At most so many.
        max: usize,
    },
    /// One of several.
    OneOf(Vec<Schema>),
}

/// An object with fields.
#[derive(Clone, Debug, Default)]
pub struct Object {
    fields: Vec<Field>,
    open: bool,
}

#[derive(Clone, Debug)]
struct Field {
    name: &'static str,
    schema: Schema,
    required: bool,
    since: Minor,
    until: Minor,
}

/// Begins an object.
#[must_use]
pub fn object() -> Object {
    Object::default()
}

/// Text of so many characters.
#[must_use]
pub fn text(min: usize, max: usize) -> Schema {
    Schema::Text { min, max, format: None }
}

/// Text of a form.
#[must_use]
pub fn formatted(min: usize, max: usize, format: Format) -> Schema {
    Schema::Text { min, max, format: Some(format) }
}

/// A UUID.
#[must_use]
pub fn uuid() -> Schema {
    formatted(0, usize::MAX, Format::Uuid)
}

/// A whole number.
#[must_use]
pub fn integer(min: i64, max: i64) -> Schema {
    Schema::Integer { min, max }
}

/// `null` or the other.
#[must_use]
pub fn nullable(schema: Schema) -> Schema {
    Schema::OneOf(vec![schema, Schema::Null])
}

/// A list.
#[must_use]
pub fn list(items: Schema) -> Schema {
    Schema::List { items: Box::new(items), min: 0, max: usize::MAX, unique: false }
}

/// Free keys with text values, as metadata is.
#[must_use]
pub fn metadata() -> Schema {
    Schema::Map { key: Format::MetadataKey, value: Box::new(text(0, 255)), max: usize::MAX }
}

impl Object {
    /// A field that may be absent.
    #[must_use]
    pub fn field(self, name: &'static str, schema: Schema) -> Self {
        self.push(name, schema, false, 1, Minor::MAX)
    }

    /// A field that must be there.
    #[must_use]
    pub fn required(self, name: &'static str, schema: Schema) -> Self {
        self.push(name, schema, true, 1, Minor::MAX)
    }

    /// A field that may be there from this version on.
    #[must_use]
    pub fn since(self, since: Minor, name: &'static str, schema: Schema) -> Self {
        self.push(name, schema, false, since, Minor::MAX)
    }

    /// A field that must be there from this version on.
    #[must_use]
    pub fn required_since(self, since: Minor, name: &'static str, schema: Schema) -> Self {
        self.push(name, schema, true, since, Minor::MAX)
    }

    /// A field that may be there up to and including this version.
    #[must_use]
    pub fn until(self, until: Minor, name: &'static str, schema: Schema) -> Self {
        self.push(name, schema, false, 1, until)
    }

    /// A field within a range of versions.
    #[must_use]
    pub fn between(self, since: Minor, until: Minor, name: &'static str, schema: Schema) -> Self {
        self.push(name, schema, false, since, until)
    }

    /// Unknown fields are let through.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    /// The finished schema.
    #[must_use]
    pub fn done(self) -> Schema {
        Schema::Object(self)
    }

    fn push(mut self, name: &'static str, schema: Schema, required: bool, since: Minor, until: Minor) -> Self {
        self.fields.push(Field { name, schema, required, since, until });
        self
    }

    fn check(
        &self,
        path: Option<&str>,
        value: &Value,
        map: &Map<String, Value>,
        version: Minor,
    ) -> Result<(), Invalid> {
        let present = |field: &&Field| (field.since..=field.until).contains(&version);
        let unknown: Vec<&str> = map
            .keys()
            .map(String::as_str)
            .filter(|key| !self.fields.iter().filter(present).any(|field| field.name == *key))
            .collect();
        if !self.open && !unknown.is_empty() {
            return Err(invalid(path, value, &unexpected(&unknown)));
        }
        for field in self.fields.iter().filter(present) {
            match map.get(field.name) {
                Some(inner) => field.schema.check_at(Some(field.name), inner, version)?,
                None if field.required => {
                    let message = format!("'{}' is a required property", field.name);
                    return Err(invalid(path, value, &message));
                }
                None => {}
            }
        }
        Ok(())
    }
}

impl Schema {
    /// Checks a whole body.
    pub fn check(&self, body: &Value, version: Minor) -> Result<(), Invalid> {
        self.check_at(None, body, version)
    }

    fn check_at(&self, path: Option<&str>, value: &Value, version: Minor) -> Result<(), Invalid> {
        let fail = |message: String| Err(invalid(path, value, &message));
        match self {
            Self::Any => Ok(()),
            Self::Null if value.is_null() => Ok(()),
            Self::Null => fail(wrong_type(value, "null")),
            Self::Text { min, max, format } => match check_text(value, *min, *max, format.as_ref()) {
                Ok(()) => Ok(()),
                Err(message) => fail(message),
            },
            Self::Integer { min, max } => match check_integer(value, *min, *max) {
                Ok(()) => Ok(()),
                Err(message) => fail(message),
            },
            Self::Number if value.is_number() || value.as_str().is_some_and(|t| t.parse::<f64>().is_ok()) => Ok(()),
            Self::Number => fail(wrong_type(value, "number")),
            Self::Boolean if as_bool(value).is_some() => Ok(()),
            Self::Boolean => fail(format!("{} is not one of {BOOLEANS}", repr(value))),
            Self::Enum(words) if value.as_str().is_some_and(|text| words.contains(&text)) => Ok(()),
            Self::Enum(words) => {
                let words: Vec<Value> = words.iter().map(|word| Value::from(*word)).collect();
                fail(format!("{} is not one of {}", repr(value), repr(&Value::Array(words))))
            }
            Self::List { items, min, max, unique } => {
                let Some(list) = value.as_array() else {
                    return fail(wrong_type(value, "array"));
                };
                if let Some(message) = list_trouble(value, list, *min, *max, *unique) {
                    return fail(message);
                }
                list.iter()
                    .enumerate()
                    .try_for_each(|(index, item)| items.check_at(Some(&index.to_string()), item, version))
            }
            Self::Object(object) => match value.as_object() {
                Some(map) => object.check(path, value, map, version),
                None => fail(wrong_type(value, "object")),
            },
            Self::Map { key, value: inner, max } => {
                let Some(map) = value.as_object() else {
                    return fail(wrong_type(value, "object"));
                };
                if map.len() > *max {
                    return fail(format!("{} has too many properties", repr(value)));
                }
                for (name, item) in map {
                    if let Err(message) = key.check_key(name) {
                        return fail(message);
                    }
                    inner.check_at(Some(name), item, version)?;
                }
                Ok(())
            }
            Self::OneOf(choices) => check_choices(choices, path, value, version),
        }
    }
}

/// The truth of a boolean or of a word that stands for one.
#[must_use]
pub fn as_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(truth) => Some(*truth),
        Value::String(text) => bool_from_text(text),
        _ => None,
    }
}

/// The truth that a word stands for.
#[must_use]
pub fn bool_from_text(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "on" | "yes" | "t" | "y" => Some(true),
        "false" | "0" | "off" | "no" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// The whole number that a value is or spells.
#[must_use]
pub fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

const BOOLEANS: &str = "[True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes', 'y', 't', \
                        False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no', 'n', 'f']";

fn check_choices(choices: &[Schema], path: Option<&str>, value: &Value, version: Minor) -> Result<(), Invalid> {
    let mut first = None;
    for choice in choices {
        match choice.check_at(path, value, version) {
            Ok(()) => return Ok(()),
            Err(error) if !matches!(choice, Schema::Null) => first = first.or(Some(error)),
            Err(_) => {}
        }
    }
    // With one real choice beside null, its own message tells more.
    let real = choices.iter().filter(|choice| !matches!(choice, Schema::Null)).count();
    match first {
        Some(error) if real == 1 => Err(error),
        _ => {
            let message = format!("{} is not valid under any of the given schemas", repr(value));
            Err(invalid(path, value, &message))
        }
    }
}

fn check_text(value: &Value, min: usize, max: usize, format: Option<&Format>) -> Result<(), String> {
    let Some(text) = value.as_str() else {
        return Err(wrong_type(value, "string"));
    };
    let length = text.chars().count();
    if length < min {
        return Err(format!("{} is too short", repr(value)));
    }
    if length > max {
        return Err(format!("{} is too long", repr(value)));
    }
    format.map_or(Ok(()), |format| format.check(text))
}

fn check_integer(value: &Value, min: i64, max: i64) -> Result<(), String> {
    if !value.is_number() && !value.is_string() {
        return Err(format!("{} is not of type 'integer', 'string'", repr(value)));
    }
    let Some(number) = as_integer(value) else {
        return Err(match value {
            Value::String(_) => format!("{} does not match '^-?[0-9]+$'", repr(value)),
            _ => wrong_type(value, "integer"),
        });
    };
    if number < min {
        return Err(format!("{number} is less than the minimum of {min}"));
    }
    if number > max {
        return Err(format!("{number} is greater than the maximum of {max}"));
    }
    Ok(())
}

fn list_trouble(value: &Value, list: &[Value], min: usize, max: usize, unique: bool) -> Option<String> {
    if list.len() < min {
        return Some(format!("{} is too short", repr(value)));
    }
    if list.len() > max {
        return Some(format!("{} is too long", repr(value)));
    }
    let twice = |(index, item): (usize, &Value)| list[..index].contains(item);
    (unique && list.iter().enumerate().any(twice)).then(|| format!("{} has non-unique elements", repr(value)))
}

fn wrong_type(value: &Value, wanted: &str) -> String {
    format!("{} is not of type '{wanted}'", repr(value))
}

fn unexpected(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| repr(&Value::from(*name))).collect();
    let verb = if names.len() == 1 { "was" } else { "were" };
    format!("Additional properties are not allowed ({} {verb} unexpected)", quoted.join(", "))
}

fn invalid(path: Option<&str>, value: &Value, message: &str) -> Invalid {
    match path {
        Some(path) => Invalid(format!("Invalid input for field/attribute {path}. Value: {}. {message}", repr(value))),
        None => Invalid(message.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Schema {
        let server = object()
            .required("name", formatted(1, 255, Format::Name))
            .field("min_count", integer(1, i64::MAX))
            .since(19, "description", nullable(text(0, 255)))
            .until(56, "personality", list(Schema::Any))
            .done();
        object().required("server", server).done()
    }

    fn refusal(body: &Value, version: Minor) -> String {
        sample().check(body, version).unwrap_err().0
    }

    #[test]
    fn an_unknown_field_is_named() {
        let body = json!({"server": {"name": "a", "foo": 1}});
        assert_eq!(
            refusal(&body, 1),
            "Invalid input for field/attribute server. Value: {'foo': 1, 'name': 'a'}. Additional properties are not \
             allowed ('foo' was unexpected)"
        );
    }

    #[test]
    fn a_field_exists_only_in_its_versions() {
        let described = json!({"server": {"name": "a", "description": null}});
        assert!(sample().check(&described, 19).is_ok());
        assert!(refusal(&described, 18).contains("'description' was unexpected"));
        let injected = json!({"server": {"name": "a", "personality": []}});
        assert!(sample().check(&injected, 56).is_ok());
        assert!(refusal(&injected, 57).contains("'personality' was unexpected"));
    }

    #[test]
    fn a_missing_body_and_a_missing_field_are_told() {
        assert_eq!(refusal(&json!({}), 1), "'server' is a required property");
        assert!(refusal(&json!({"server": {}}), 1).ends_with("'name' is a required property"));
    }

    #[test]
    fn lengths_types_and_ranges_are_checked() {
        let with_name = |name: Value| json!({"server": {"name": name}});
        assert!(refusal(&with_name(json!("")), 1).ends_with("'' is too short"));
        assert!(refusal(&with_name(json!("x".repeat(256))), 1).ends_with("is too long"));
        assert!(refusal(&with_name(json!(7)), 1).ends_with("Value: 7. 7 is not of type 'string'"));
        let counted = |count: Value| json!({"server": {"name": "a", "min_count": count}});
        assert!(sample().check(&counted(json!("3")), 1).is_ok());
        assert!(refusal(&counted(json!(0)), 1).ends_with("0 is less than the minimum of 1"));
        assert!(refusal(&counted(json!("x")), 1).contains("does not match"));
    }
}
