//! The SQL of `image_member`.

use super::{Member, MemberStatus};
use controller_base::Timestamp;
use controller_base::id::ImageId;
use controller_db::{Connection, DbError, Row as _, Tx};
use sqlx::any::AnyRow;

const SELECT: &str = "SELECT project_id, status, created_at, updated_at FROM image_member WHERE image_id = $1";

pub async fn list(conn: &mut Connection, image: ImageId) -> Result<Vec<Member>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY project_id"));
    sqlx::query(sql).bind(image.to_string()).fetch_all(conn).await?.iter().map(member).collect()
}

pub async fn get(conn: &mut Connection, image: ImageId, project: &str) -> Result<Option<Member>, DbError> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} AND project_id = $2"));
    let row = sqlx::query(sql).bind(image.to_string()).bind(project.to_owned()).fetch_optional(conn).await?;
    row.as_ref().map(member).transpose()
}

pub async fn insert(tx: &mut Tx, image: ImageId, member: &Member) -> Result<(), DbError> {
    let sql =
        "INSERT INTO image_member (image_id, project_id, status, created_at, updated_at) VALUES ($1, $2, $3, $4, $5)";
    sqlx::query(sql)
        .bind(image.to_string())
        .bind(member.project.to_string())
        .bind(member.status.as_str())
        .bind(member.created_at.0)
        .bind(member.updated_at.0)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

pub async fn set_status(
    tx: &mut Tx,
    image: ImageId,
    project: &str,
    status: MemberStatus,
    now: Timestamp,
) -> Result<(), DbError> {
    let sql = "UPDATE image_member SET status = $1, updated_at = $2 WHERE image_id = $3 AND project_id = $4";
    let update = sqlx::query(sql).bind(status.as_str()).bind(now.0).bind(image.to_string()).bind(project.to_owned());
    update.execute(&mut **tx).await?;
    Ok(())
}

/// False when there was no such member.
pub async fn delete(tx: &mut Tx, image: ImageId, project: &str) -> Result<bool, DbError> {
    let delete = sqlx::query("DELETE FROM image_member WHERE image_id = $1 AND project_id = $2");
    let done = delete.bind(image.to_string()).bind(project.to_owned()).execute(&mut **tx).await?;
    Ok(done.rows_affected() == 1)
}

fn member(row: &AnyRow) -> Result<Member, DbError> {
    let (project, status): (String, String) = (row.try_get("project_id")?, row.try_get("status")?);
    Ok(Member {
        project: project.parse().map_err(|e| DbError::corrupt("project_id", e))?,
        status: MemberStatus::parse(&status).ok_or_else(|| DbError::corrupt("status", status))?,
        created_at: Timestamp(row.try_get("created_at")?),
        updated_at: Timestamp(row.try_get("updated_at")?),
    })
}
