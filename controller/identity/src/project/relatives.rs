//! What lies above and below a project.

use super::{Project, store};
use crate::{Identity, IdentityError};
use serde_json::{Map, Value, json};

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Above,
    Below,
}

impl Identity {
    /// All relatives in one direction, the nearest first.
    pub(super) async fn relatives(
        &self,
        project: &Project,
        direction: Direction,
    ) -> Result<Vec<Project>, IdentityError> {
        let mut conn = self.db.read().await?;
        let ids = match direction {
            Direction::Above => store::parents(&mut conn, &project.id).await?,
            Direction::Below => store::subtree(&mut conn, &project.id).await?,
        };
        let texts: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let mut found = store::list_ids(&mut conn, &texts).await?;
        found.sort_by_key(|one| ids.iter().position(|id| *id == one.id));
        Ok(found)
    }

    /// The same as ids within ids: `{"parent": {"domain": null}}`; `null` where there are none.
    pub(super) async fn relatives_ids(&self, project: &Project, direction: Direction) -> Result<Value, IdentityError> {
        let all = self.relatives(project, direction).await?;
        Ok(match direction {
            Direction::Above => all.iter().rev().fold(Value::Null, |inner, one| json!({one.id.as_str(): inner})),
            Direction::Below => below(project.id.as_str(), &all),
        })
    }
}

fn below(id: &str, all: &[Project]) -> Value {
    let is_child = |one: &&Project| one.parent_id.as_ref().is_some_and(|parent| parent.as_str() == id);
    let children: Map<_, _> =
        all.iter().filter(is_child).map(|one| (one.id.to_string(), below(one.id.as_str(), all))).collect();
    if children.is_empty() { Value::Null } else { Value::Object(children) }
}
