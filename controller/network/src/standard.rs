//! What every resource has: owner, name, description, tags, times, revision.

use crate::{
    attributes::Attributes,
    error::{Error, Result},
    sql::{Cells, Columns, Param},
};
use controller_base::{Generation, Timestamp, id::ProjectId};
use controller_db::AnyRow;
use serde_json::{Map, Value, json};

/// What every resource has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standard {
    /// Owner; nobody owns what the service makes for itself.
    pub project_id: Option<ProjectId>,
    /// May be empty, and need not be unique.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Sorted, each once.
    pub tags: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Number of the last change (`revision_number`).
    pub generation: Generation,
}

impl Standard {
    /// Of a new resource.
    #[must_use]
    pub fn new(project_id: Option<ProjectId>, now: Timestamp) -> Self {
        Self {
            project_id,
            name: String::new(),
            description: String::new(),
            tags: Vec::new(),
            created_at: now,
            updated_at: now,
            generation: Generation::FIRST,
        }
    }

    /// Of a new resource as asked for.
    #[must_use]
    pub fn from_attributes(attributes: &Attributes, now: Timestamp) -> Self {
        let mut standard = Self::new(attributes.parsed("project_id"), now);
        standard.apply(attributes);
        standard
    }

    /// Takes over what an update gives.
    pub fn apply(&mut self, attributes: &Attributes) {
        attributes.copy_text("name", &mut self.name);
        attributes.copy_text("description", &mut self.description);
    }

    /// The owner's id, or nothing.
    #[must_use]
    pub fn project_text(&self) -> &str {
        self.project_id.as_ref().map_or("", ProjectId::as_str)
    }

    /// Moves to the next revision; returns the one that was read.
    pub fn advance(&mut self, now: Timestamp) -> i64 {
        let seen = self.generation.0;
        self.generation = self.generation.next();
        self.updated_at = now;
        seen
    }

    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> Columns {
        vec![
            ("project_id", self.project_text().into()),
            ("name", (&self.name).into()),
            ("description", (&self.description).into()),
            ("tags", controller_db::json(&self.tags).into()),
            ("created_at", self.created_at.0.into()),
            ("updated_at", self.updated_at.0.into()),
            ("generation", Param::Int(self.generation.0)),
        ]
    }

    /// From a row with all of them.
    pub fn from_row(row: &AnyRow) -> Result<Self> {
        let project = row.text("project_id")?;
        Ok(Self {
            project_id: project.parse().ok(),
            name: row.text("name")?,
            description: row.text("description")?,
            tags: row.json("tags")?,
            created_at: Timestamp(row.int("created_at")?),
            updated_at: Timestamp(row.int("updated_at")?),
            generation: Generation(row.int("generation")?),
        })
    }

    /// Adds what bodies tell of it.
    pub fn render(&self, body: &mut Map<String, Value>) {
        body.insert("tenant_id".into(), json!(self.project_text()));
        body.insert("project_id".into(), json!(self.project_text()));
        body.insert("description".into(), json!(self.description));
        body.insert("tags".into(), json!(self.tags));
        body.insert("created_at".into(), json!(self.created_at.seconds_z()));
        body.insert("updated_at".into(), json!(self.updated_at.seconds_z()));
        body.insert("revision_number".into(), json!(self.generation.0));
    }
}

/// The result of [`crate::sql::update`] as an error.
pub fn check_written(written: bool) -> Result<()> {
    if written { Ok(()) } else { Err(Error::ConcurrentUpdate) }
}
