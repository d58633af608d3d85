//! What the generic handlers must know of a kind of resource.

use crate::{
    attributes::{Attribute, Attributes, Verb},
    error::{Error, Result},
    service::{Caller, Change, NetworkService},
    standard::Standard,
};
use controller_db::Connection;
use controller_db::Filter;
use controller_web::Target;
use serde_json::{Map, Value};
use std::future::Future;

/// The names of a kind's policy rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// See.
    pub get: &'static str,
    /// Make.
    pub create: &'static str,
    /// Change.
    pub update: &'static str,
    /// Remove.
    pub delete: &'static str,
}

/// A kind of resource.
pub trait Resource: Send + Sync + 'static {
    /// The service's own type.
    type Model: Send + Sync;
    /// Its name in bodies.
    const NAME: &'static str;
    /// The name of its lists.
    const COLLECTION: &'static str;
    /// Its table.
    const TABLE: &'static str;
    /// What its body may hold.
    const ATTRIBUTES: &'static [Attribute];
    /// Its rules.
    const RULES: Rules;
    /// The start of its list in SQL.
    const SELECT: &'static str;
    /// Attributes that are columns of the same name and hold text, so that the database filters by them.
    const COLUMNS: &'static [&'static str];

    /// All that the filter lets through.
    fn list(conn: &mut Connection, filter: Filter) -> impl Future<Output = Result<Vec<Self::Model>>> + Send;
    /// Leaves out what a project's caller cannot see anyway; the policy decides about the rest.
    fn visible(filter: Filter, project: &str) -> Filter;
    /// What it has in common with the others.
    fn standard(model: &Self::Model) -> &Standard;
    /// Its id.
    fn id(model: &Self::Model) -> String;
    /// Its body.
    fn render(service: &NetworkService, model: &Self::Model) -> Map<String, Value>;
    /// What policy rules may look at.
    fn target(model: &Self::Model) -> Target;
    /// The same for a change.
    fn update_target(model: &Self::Model, _attributes: &Attributes) -> Target {
        Self::target(model)
    }
    /// The same for one that is to be made.
    fn new_target(conn: &mut Connection, attributes: &Attributes) -> impl Future<Output = Result<Target>> + Send;
    /// Rules beyond those of the table.
    fn extra_rules(_attributes: &Attributes, _verb: Verb) -> Vec<&'static str> {
        Vec::new()
    }
    /// Makes one; its id.
    fn create(
        change: &mut Change,
        caller: &Caller,
        attributes: &Attributes,
    ) -> impl Future<Output = Result<String>> + Send;
    /// Changes one.
    fn update(
        change: &mut Change,
        caller: &Caller,
        id: &str,
        attributes: &Attributes,
    ) -> impl Future<Output = Result<()>> + Send;
    /// Removes one.
    fn delete(change: &mut Change, caller: &Caller, id: &str) -> impl Future<Output = Result<()>> + Send;
    /// The refusal when there is none of this id.
    fn not_found(id: &str) -> Error;
    /// What must be there before a list is told.
    fn prepare(_service: &NetworkService, _caller: &Caller) -> impl Future<Output = Result<()>> + Send {
        async { Ok(()) }
    }
}
