//! What each resource's body may hold: one table per resource says of every attribute whether it may be given at creation and
//! at update, what it is when it is left out, how it is checked, and which policy rule guards it.
//!
//! Owns the reading of bodies; knows no table of the database. To add an attribute: a line in the resource's `wire.rs`.

pub mod check;
mod values;

use crate::error::{Error, Result};
pub use check::Check;
use serde_json::{Map, Value};
pub use values::Attributes;

/// What an attribute is when a creation leaves it out.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// It cannot be left out.
    Required,
    /// The service decides, or it is not there at all.
    Unset,
    /// Null.
    Null,
    /// No text.
    Empty,
    /// Yes or no.
    Flag(bool),
    /// A text.
    Text(&'static str),
}

/// An attribute of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name in bodies.
    pub name: &'static str,
    /// May be given at creation.
    pub create: bool,
    /// May be given at update.
    pub update: bool,
    /// What it is when left out.
    pub preset: Preset,
    /// What it may hold.
    pub check: Check,
    /// Rule for giving it at creation.
    pub create_rule: Option<&'static str>,
    /// Rule for changing it.
    pub update_rule: Option<&'static str>,
    /// Rule for seeing it.
    pub get_rule: Option<&'static str>,
    /// May be used as a filter and to sort by.
    pub filter: bool,
}

impl Attribute {
    const fn new(name: &'static str, create: bool, update: bool, preset: Preset, check: Check) -> Self {
        Self { name, create, update, preset, check, create_rule: None, update_rule: None, get_rule: None, filter: true }
    }
    /// May be given at creation and at update.
    #[must_use]
    pub const fn writable(name: &'static str, preset: Preset, check: Check) -> Self {
        Self::new(name, true, true, preset, check)
    }
    /// May be given at creation only.
    #[must_use]
    pub const fn fixed(name: &'static str, preset: Preset, check: Check) -> Self {
        Self::new(name, true, false, preset, check)
    }
    /// Is only told.
    #[must_use]
    pub const fn told(name: &'static str) -> Self {
        Self::new(name, false, false, Preset::Unset, Check::Any)
    }
    /// Guarded at creation and at update.
    #[must_use]
    pub const fn guarded(mut self, create: &'static str, update: &'static str) -> Self {
        self.create_rule = Some(create);
        self.update_rule = Some(update);
        self
    }
    /// Guarded at creation.
    #[must_use]
    pub const fn guarded_at_create(mut self, rule: &'static str) -> Self {
        self.create_rule = Some(rule);
        self
    }
    /// Shown only to some.
    #[must_use]
    pub const fn shown_by(mut self, rule: &'static str) -> Self {
        self.get_rule = Some(rule);
        self
    }
    /// Cannot be filtered by.
    #[must_use]
    pub const fn unfiltered(mut self) -> Self {
        self.filter = false;
        self
    }
}

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// POST.
    Create,
    /// PUT.
    Update,
}

/// The single item of a body, or several of a bulk creation.
#[derive(Debug)]
pub enum Items {
    /// `{"network": {}}`.
    One(Map<String, Value>),
    /// `{"networks": [{}]}`.
    Many(Vec<Map<String, Value>>),
}

/// Opens a body's envelope.
pub fn open(body: Value, name: &'static str, collection: &'static str) -> Result<Items> {
    let Value::Object(mut body) = body else {
        return Err(Error::HTTPBadRequest("Resource body required".into()));
    };
    if let Some(many) = body.remove(collection) {
        let Value::Array(many) = many else {
            return Err(Error::HTTPBadRequest(format!("'{collection}' must be a list")));
        };
        let items: Option<Vec<_>> = many.into_iter().map(as_object).collect();
        return match items {
            Some(items) if !items.is_empty() => Ok(Items::Many(items)),
            _ => Err(Error::HTTPBadRequest("Resources required".into())),
        };
    }
    match body.remove(name).and_then(as_object) {
        Some(item) => Ok(Items::One(item)),
        None => Err(Error::HTTPBadRequest(format!("Unable to find '{name}' in request body"))),
    }
}

fn as_object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Checks an item against the table and fills in what was left out. Which attributes the caller gave is remembered.
pub fn parse(table: &[Attribute], verb: Verb, mut item: Map<String, Value>) -> Result<Attributes> {
    fold_project(&mut item)?;
    refuse_unknown(table, &item)?;
    refuse_forbidden(table, verb, &item)?;
    let mut values = Map::new();
    let mut given = Vec::new();
    for attribute in table {
        match item.remove(attribute.name) {
            Some(value) => {
                let value = attribute.check.apply(&value).map_err(|reason| {
                    Error::HTTPBadRequest(format!("Invalid input for {}. Reason: {reason}.", attribute.name))
                })?;
                values.insert(attribute.name.to_owned(), value);
                given.push(attribute.name);
            }
            None if verb == Verb::Create && attribute.create => {
                if let Some(value) = preset(attribute)? {
                    values.insert(attribute.name.to_owned(), value);
                }
            }
            None => {}
        }
    }
    Ok(Attributes::new(values, given))
}

fn preset(attribute: &Attribute) -> Result<Option<Value>> {
    Ok(Some(match attribute.preset {
        Preset::Required => {
            return Err(Error::HTTPBadRequest(format!(
                "Failed to parse request. Required attribute '{}' not specified",
                attribute.name
            )));
        }
        Preset::Unset => return Ok(None),
        Preset::Null => Value::Null,
        Preset::Empty => Value::String(String::new()),
        Preset::Flag(set) => Value::Bool(set),
        Preset::Text(text) => Value::String(text.to_owned()),
    }))
}

/// `tenant_id` is the old name of `project_id`; both may be given if they agree.
fn fold_project(item: &mut Map<String, Value>) -> Result<()> {
    if let Some(tenant) = item.remove("tenant_id") {
        match item.get("project_id") {
            Some(project) if *project != tenant => {
                return Err(Error::HTTPBadRequest("'project_id' and 'tenant_id' do not match".into()));
            }
            _ => item.insert("project_id".to_owned(), tenant),
        };
    }
    Ok(())
}

fn refuse_unknown(table: &[Attribute], item: &Map<String, Value>) -> Result<()> {
    let unknown: Vec<&str> =
        item.keys().map(String::as_str).filter(|name| !table.iter().any(|a| a.name == *name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Error::HTTPBadRequest(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))))
}

fn refuse_forbidden(table: &[Attribute], verb: Verb, item: &Map<String, Value>) -> Result<()> {
    for attribute in table.iter().filter(|attribute| item.contains_key(attribute.name)) {
        match verb {
            Verb::Create if !attribute.create => {
                return Err(Error::HTTPBadRequest(format!("Attribute '{}' not allowed in POST", attribute.name)));
            }
            Verb::Update if !attribute.update => {
                return Err(Error::HTTPBadRequest(format!("Cannot update read-only attribute {}", attribute.name)));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TABLE: &[Attribute] = &[
        Attribute::told("id"),
        Attribute::writable("name", Preset::Empty, Check::Name),
        Attribute::fixed("network_id", Preset::Required, Check::Uuid),
        Attribute::fixed("project_id", Preset::Unset, Check::Project),
    ];

    fn message(verb: Verb, body: Value) -> String {
        let Value::Object(item) = body else { panic!() };
        parse(TABLE, verb, item).unwrap_err().to_string()
    }

    #[test]
    fn refusals_read_as_neutrons() {
        use Verb::{Create, Update};
        assert_eq!(message(Create, json!({"x": 1, "y": 2})), "Unrecognized attribute(s) 'x, y'");
        assert_eq!(message(Create, json!({"id": "1"})), "Attribute 'id' not allowed in POST");
        assert_eq!(message(Update, json!({"network_id": "1"})), "Cannot update read-only attribute network_id");
        assert_eq!(
            message(Create, json!({})),
            "Failed to parse request. Required attribute 'network_id' not specified"
        );
        assert_eq!(
            message(Create, json!({"network_id": "nine"})),
            "Invalid input for network_id. Reason: 'nine' is not a valid UUID."
        );
        assert_eq!(
            message(Create, json!({"project_id": "a", "tenant_id": "b"})),
            "'project_id' and 'tenant_id' do not match"
        );
    }

    #[test]
    fn an_update_holds_only_what_was_given() {
        let Value::Object(item) = json!({"name": "n"}) else { panic!() };
        let parsed = parse(TABLE, Verb::Update, item).unwrap();
        assert_eq!(parsed.given(), ["name"]);
        assert!(!parsed.has("network_id"));
    }

    #[test]
    fn envelopes() {
        assert!(matches!(open(json!({"port": {}}), "port", "ports").unwrap(), Items::One(_)));
        assert!(matches!(open(json!({"ports": [{}, {}]}), "port", "ports").unwrap(), Items::Many(m) if m.len() == 2));
        for body in [json!([]), json!({}), json!({"port": 3}), json!({"ports": []}), json!({"ports": [1]})] {
            assert!(open(body, "port", "ports").is_err());
        }
    }
}
