//! SQL of assignments.

use super::{Actor, Assignment, Target};
use controller_base::id::{RoleId, UserId};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, is_set};
use controller_web::token::RoleRef;
use sqlx::AssertSqlSafe;

const SELECT: &str = "SELECT actor_type, actor_id, target_type, target_id, role_id, inherited FROM identity_assignment";

/// Grants of a user ($1), also through groups.
const OF_USER: &str = "((a.actor_type = 'user' AND a.actor_id = $1) OR (a.actor_type = 'group' AND a.actor_id IN \
     (SELECT group_id FROM identity_membership WHERE user_id = $1)))";

fn read(row: &AnyRow) -> Result<Assignment, DbError> {
    let text = |name: &str| -> Result<String, DbError> { Ok(row.try_get(name)?) };
    let corrupt = |error| DbError::corrupt("identity_assignment", error);
    let (actor, target) = (text("actor_id")?, text("target_id")?);
    Ok(Assignment {
        actor: match text("actor_type")?.as_str() {
            "group" => Actor::Group(actor.parse().map_err(corrupt)?),
            _ => Actor::User(actor.parse().map_err(corrupt)?),
        },
        target: match text("target_type")?.as_str() {
            "project" => Target::Project(target.parse().map_err(corrupt)?),
            "domain" => Target::Domain(target.parse().map_err(corrupt)?),
            _ => Target::System,
        },
        role: text("role_id")?.parse().map_err(corrupt)?,
        inherited: is_set(row.try_get("inherited")?),
    })
}

/// The roles of an actor on a target: granted, through groups, inherited, implied. A domain's own roles count only by what they
/// imply.
pub(crate) async fn effective_roles(
    conn: &mut Connection,
    actor: &Actor,
    target: &Target,
) -> Result<Vec<RoleRef>, DbError> {
    let of_actor = match actor {
        Actor::User(_) => OF_USER,
        Actor::Group(_) => "(a.actor_type = 'group' AND a.actor_id = $1)",
    };
    let on_target = match target {
        Target::Project(_) => {
            "((a.target_type = 'project' AND a.target_id = $2 AND a.inherited = 0) \
             OR (a.inherited = 1 AND a.target_id IN (SELECT id FROM above)))"
        }
        Target::Domain(_) => "(a.target_type = 'domain' AND a.target_id = $2 AND a.inherited = 0)",
        Target::System => "(a.target_type = 'system' AND a.target_id = $2 AND a.inherited = 0)",
    };
    let sql = format!(
        "WITH RECURSIVE above (id) AS (\
         SELECT parent_id FROM identity_project WHERE id = $2 AND parent_id IS NOT NULL \
         UNION SELECT p.parent_id FROM identity_project p JOIN above ON p.id = above.id WHERE p.parent_id IS NOT NULL), \
         have (id) AS (\
         SELECT a.role_id FROM identity_assignment a WHERE {of_actor} AND {on_target} \
         UNION SELECT i.implied_id FROM identity_implied_role i JOIN have ON i.prior_id = have.id) \
         SELECT r.id, r.name FROM have JOIN identity_role r ON r.id = have.id WHERE r.domain_id = '' ORDER BY r.name"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(actor.id()).bind(target.id()).fetch_all(conn).await?;
    let role = |row: &AnyRow| -> Result<RoleRef, DbError> {
        let id: String = row.try_get(0)?;
        Ok(RoleRef { id: id.parse().map_err(|error| DbError::corrupt("role_id", error))?, name: row.try_get(1)? })
    };
    rows.iter().map(role).collect()
}

/// Ids of the projects (`project`) or domains (`domain`) where a user has a role, by whatever way.
pub(crate) async fn targets_of_user(
    conn: &mut Connection,
    user: &UserId,
    kind: &'static str,
) -> Result<Vec<String>, DbError> {
    let sql = format!(
        "WITH RECURSIVE below (id) AS (\
         SELECT p.id FROM identity_project p JOIN identity_assignment a ON p.parent_id = a.target_id \
         WHERE a.inherited = 1 AND {OF_USER} \
         UNION SELECT p.id FROM identity_project p JOIN below ON p.parent_id = below.id) \
         SELECT a.target_id FROM identity_assignment a WHERE a.target_type = $2 AND a.inherited = 0 AND {OF_USER} \
         UNION SELECT id FROM below WHERE $2 = 'project'"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).bind(user.as_str()).bind(kind).fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// What of an assignment shall be matched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    pub actor: Option<Actor>,
    /// A user's, also those of its groups.
    pub of_user: Option<UserId>,
    pub target: Option<Target>,
    pub role: Option<RoleId>,
    pub inherited: Option<bool>,
}

/// Grants as they were made.
pub(crate) async fn list(conn: &mut Connection, wanted: &Wanted) -> Result<Vec<Assignment>, DbError> {
    let mut filter = Filter::new(SELECT);
    if let Some(actor) = &wanted.actor {
        filter = filter.and("actor_type = ? AND actor_id = ?", [Value::from(actor.kind()), Value::from(actor.id())]);
    }
    if let Some(user) = &wanted.of_user {
        let of_user = "(actor_type = 'user' AND actor_id = ?) OR (actor_type = 'group' AND actor_id IN \
                       (SELECT group_id FROM identity_membership WHERE user_id = ?))";
        filter = filter.and(of_user, [Value::text(user), Value::text(user)]);
    }
    if let Some(target) = &wanted.target {
        filter =
            filter.and("target_type = ? AND target_id = ?", [Value::from(target.kind()), Value::from(target.id())]);
    }
    filter = filter.and_eq("role_id", wanted.role.as_ref().map(Value::text)).and_eq("inherited", wanted.inherited);
    let keys = ["target_type", "target_id", "actor_id", "role_id"].map(SortKey::ascending);
    filter.page(&keys, None, None).fetch_all(conn).await?.iter().map(read).collect()
}

/// Whether this very grant was made.
pub(crate) async fn exists(conn: &mut Connection, assignment: &Assignment) -> Result<bool, DbError> {
    let wanted = Wanted {
        actor: Some(assignment.actor.clone()),
        target: Some(assignment.target.clone()),
        role: Some(assignment.role.clone()),
        inherited: Some(assignment.inherited),
        of_user: None,
    };
    Ok(!list(conn, &wanted).await?.is_empty())
}

/// Stores a grant; harmless when it is there.
pub(crate) async fn insert(conn: &mut Connection, assignment: &Assignment) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_assignment (actor_type, actor_id, target_type, target_id, role_id, inherited) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
    )
    .bind(assignment.actor.kind())
    .bind(assignment.actor.id())
    .bind(assignment.target.kind())
    .bind(assignment.target.id())
    .bind(assignment.role.as_str())
    .bind(flag(assignment.inherited))
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes a grant; false when it was not there.
pub(crate) async fn delete(conn: &mut Connection, assignment: &Assignment) -> Result<bool, DbError> {
    let done = sqlx::query(
        "DELETE FROM identity_assignment WHERE actor_type = $1 AND actor_id = $2 AND target_type = $3 AND target_id = $4 \
         AND role_id = $5 AND inherited = $6",
    )
    .bind(assignment.actor.kind())
    .bind(assignment.actor.id())
    .bind(assignment.target.kind())
    .bind(assignment.target.id())
    .bind(assignment.role.as_str())
    .bind(flag(assignment.inherited))
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
