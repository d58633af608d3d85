//! SQL of application credentials and access rules.

use super::ApplicationCredential;
use controller_base::{
    Timestamp,
    id::{GroupId, ProjectId, RoleId, UserId},
};
use controller_db::{AnyRow, Connection, DbError, Filter, Row, SortKey, Value, flag, is_set};
use controller_web::{Params, token::AccessRule};

const SELECT: &str = "SELECT id, user_id, project_id, name, description, secret_hash, expires_at, unrestricted \
     FROM identity_app_credential";
const RULES: &str = "SELECT id, service, path, method FROM identity_access_rule";

fn read(row: &AnyRow) -> Result<ApplicationCredential, DbError> {
    let (user, project): (String, String) = (row.try_get("user_id")?, row.try_get("project_id")?);
    Ok(ApplicationCredential {
        id: row.try_get("id")?,
        user_id: user.parse().map_err(|error| DbError::corrupt("user_id", error))?,
        project_id: project.parse().map_err(|error| DbError::corrupt("project_id", error))?,
        name: row.try_get("name")?,
        description: row.try_get("description")?,
        secret_hash: row.try_get("secret_hash")?,
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Timestamp),
        unrestricted: is_set(row.try_get("unrestricted")?),
        roles: Vec::new(),
        access_rules: None,
    })
}

fn read_rule(row: &AnyRow) -> Result<AccessRule, DbError> {
    Ok(AccessRule {
        id: row.try_get("id")?,
        service: row.try_get("service")?,
        path: row.try_get("path")?,
        method: row.try_get("method")?,
    })
}

/// With roles and access rules.
async fn whole(conn: &mut Connection, row: &AnyRow) -> Result<ApplicationCredential, DbError> {
    let mut credential = read(row)?;
    let roles =
        sqlx::query("SELECT role_id FROM identity_app_credential_role WHERE credential_id = $1 ORDER BY role_id");
    for row in roles.bind(&credential.id).fetch_all(&mut *conn).await? {
        let role: String = row.try_get(0)?;
        credential.roles.push(role.parse().map_err(|error| DbError::corrupt("role_id", error))?);
    }
    let of_credential = "id IN (SELECT rule_id FROM identity_app_credential_rule WHERE credential_id = ?)";
    let rules = Filter::new(RULES).and(of_credential, [Value::from(credential.id.as_str())]);
    let rules = rules.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?;
    if !rules.is_empty() {
        credential.access_rules = Some(rules.iter().map(read_rule).collect::<Result<_, _>>()?);
    }
    Ok(credential)
}

/// A credential by id.
pub(crate) async fn get(conn: &mut Connection, id: &str) -> Result<Option<ApplicationCredential>, DbError> {
    let found = Filter::new(SELECT).and("id = ?", [Value::from(id)]).fetch_optional(&mut *conn).await?;
    match found {
        Some(row) => whole(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

/// A user's credential by name.
pub(crate) async fn find(
    conn: &mut Connection,
    user: &UserId,
    name: &str,
) -> Result<Option<ApplicationCredential>, DbError> {
    let filter = Filter::new(SELECT).and("user_id = ? AND name = ?", [Value::text(user), Value::from(name)]);
    match filter.fetch_optional(&mut *conn).await? {
        Some(row) => whole(conn, &row).await.map(Some),
        None => Ok(None),
    }
}

/// A user's credentials.
pub(crate) async fn list(
    conn: &mut Connection,
    user: &UserId,
    params: &Params,
) -> Result<Vec<ApplicationCredential>, DbError> {
    let filter = Filter::new(SELECT).and("user_id = ?", [Value::text(user)]);
    let filter = crate::listing::by_text(filter, params, &[("name", "name")]);
    let mut found = Vec::new();
    for row in filter.page(&[SortKey::ascending("name")], None, None).fetch_all(&mut *conn).await? {
        found.push(whole(conn, &row).await?);
    }
    Ok(found)
}

/// Stores a new one; access rules that the user has already are used again. Tells the rules as they are stored.
pub(crate) async fn insert(
    conn: &mut Connection,
    credential: &ApplicationCredential,
) -> Result<Option<Vec<AccessRule>>, DbError> {
    sqlx::query(
        "INSERT INTO identity_app_credential (id, user_id, project_id, name, description, secret_hash, expires_at, \
         unrestricted, generation) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)",
    )
    .bind(&credential.id)
    .bind(credential.user_id.as_str())
    .bind(credential.project_id.as_str())
    .bind(&credential.name)
    .bind(credential.description.clone())
    .bind(&credential.secret_hash)
    .bind(credential.expires_at.map(|end| end.0))
    .bind(flag(credential.unrestricted))
    .execute(&mut *conn)
    .await?;
    for role in &credential.roles {
        insert_role(conn, &credential.id, role).await?;
    }
    let Some(rules) = &credential.access_rules else { return Ok(None) };
    let mut stored: Vec<AccessRule> = Vec::new();
    for rule in rules {
        let rule = the_rule(conn, &credential.user_id, rule).await?;
        if !stored.contains(&rule) {
            sqlx::query("INSERT INTO identity_app_credential_rule (credential_id, rule_id) VALUES ($1, $2)")
                .bind(&credential.id)
                .bind(&rule.id)
                .execute(&mut *conn)
                .await?;
            stored.push(rule);
        }
    }
    Ok((!stored.is_empty()).then_some(stored))
}

async fn insert_role(conn: &mut Connection, credential: &str, role: &RoleId) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity_app_credential_role (credential_id, role_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(credential)
    .bind(role.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// The user's rule that is the same; a new one where there is none.
async fn the_rule(conn: &mut Connection, user: &UserId, wanted: &AccessRule) -> Result<AccessRule, DbError> {
    let same = Filter::new(RULES).and(
        "user_id = ? AND service = ? AND path = ? AND method = ?",
        [
            Value::text(user),
            Value::from(wanted.service.as_str()),
            Value::from(wanted.path.as_str()),
            Value::from(wanted.method.as_str()),
        ],
    );
    if let Some(row) = same.fetch_optional(&mut *conn).await? {
        return read_rule(&row);
    }
    sqlx::query("INSERT INTO identity_access_rule (id, user_id, service, path, method) VALUES ($1, $2, $3, $4, $5)")
        .bind(&wanted.id)
        .bind(user.as_str())
        .bind(&wanted.service)
        .bind(&wanted.path)
        .bind(&wanted.method)
        .execute(conn)
        .await?;
    Ok(wanted.clone())
}

/// Deletes one.
pub(crate) async fn delete(conn: &mut Connection, id: &str) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_app_credential WHERE id = $1").bind(id).execute(conn).await?;
    Ok(())
}

/// Deletes all of a user, and the user's access rules.
pub(crate) async fn delete_of_user(conn: &mut Connection, user: &UserId) -> Result<(), DbError> {
    for sql in [
        "DELETE FROM identity_app_credential WHERE user_id = $1",
        "DELETE FROM identity_access_rule WHERE user_id = $1",
    ] {
        sqlx::query(sql).bind(user.as_str()).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Deletes a user's on a project, where the user has lost a role.
pub(crate) async fn delete_of_user_on(
    conn: &mut Connection,
    user: &UserId,
    project: &ProjectId,
) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_app_credential WHERE user_id = $1 AND project_id = $2")
        .bind(user.as_str())
        .bind(project.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes those of a group's members on a project, where the group has lost a role.
pub(crate) async fn delete_of_group_on(
    conn: &mut Connection,
    group: &GroupId,
    project: &ProjectId,
) -> Result<(), DbError> {
    sqlx::query(
        "DELETE FROM identity_app_credential WHERE project_id = $2 AND user_id IN \
         (SELECT user_id FROM identity_membership WHERE group_id = $1)",
    )
    .bind(group.as_str())
    .bind(project.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes all on a project.
pub(crate) async fn delete_of_project(conn: &mut Connection, project: &ProjectId) -> Result<(), DbError> {
    sqlx::query("DELETE FROM identity_app_credential WHERE project_id = $1")
        .bind(project.as_str())
        .execute(conn)
        .await?;
    Ok(())
}

/// A user's access rules.
pub(crate) async fn rules(conn: &mut Connection, user: &UserId, params: &Params) -> Result<Vec<AccessRule>, DbError> {
    let filter = Filter::new(RULES).and("user_id = ?", [Value::text(user)]);
    let columns = [("service", "service"), ("path", "path"), ("method", "method")];
    let filter = crate::listing::by_text(filter, params, &columns);
    filter.page(&[SortKey::ascending("id")], None, None).fetch_all(conn).await?.iter().map(read_rule).collect()
}

/// A user's access rule by id.
pub(crate) async fn rule(conn: &mut Connection, user: &UserId, id: &str) -> Result<Option<AccessRule>, DbError> {
    let filter = Filter::new(RULES).and("id = ? AND user_id = ?", [Value::from(id), Value::text(user)]);
    filter.fetch_optional(conn).await?.as_ref().map(read_rule).transpose()
}

/// Deletes an access rule; false while a credential has it.
pub(crate) async fn delete_rule(conn: &mut Connection, id: &str) -> Result<bool, DbError> {
    let done = sqlx::query(
        "DELETE FROM identity_access_rule WHERE id = $1 AND id NOT IN (SELECT rule_id FROM identity_app_credential_rule)",
    );
    Ok(done.bind(id).execute(conn).await?.rows_affected() == 1)
}
