//! The SQL of `image_image` and `image_tag`.

use super::model::{Data, Image, Status, Visibility};
use super::query::ImageQuery;
use controller_base::id::{ImageId, ProjectId};
use controller_base::{Generation, Timestamp};
use controller_db::{
    Connection, DbError, Filter, Migration, Row as _, SortKey, Tx, Value, flag, from_json, is_set, json,
};
use sqlx::any::AnyRow;
use std::collections::{HashMap, HashSet};

/// The service's tables.
pub const MIGRATIONS: &[Migration] = &[Migration {
    name: "0001_images",
    sql: "CREATE TABLE image_image (
    id TEXT PRIMARY KEY,
    name TEXT,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    visibility TEXT NOT NULL,
    disk_format TEXT,
    container_format TEXT,
    min_disk BIGINT NOT NULL,
    min_ram BIGINT NOT NULL,
    protected BIGINT NOT NULL,
    hidden BIGINT NOT NULL,
    size BIGINT,
    virtual_size BIGINT,
    checksum TEXT,
    sha512 TEXT,
    sha256 TEXT,
    properties TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    generation BIGINT NOT NULL
);
CREATE INDEX image_image_owner ON image_image (owner);
CREATE INDEX image_image_sha256 ON image_image (sha256);
CREATE TABLE image_tag (
    image_id TEXT NOT NULL REFERENCES image_image (id) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (image_id, tag)
);
CREATE TABLE image_member (
    image_id TEXT NOT NULL REFERENCES image_image (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (image_id, project_id)
);",
}];

const SELECT: &str = "SELECT i.id, i.name, i.owner, i.status, i.visibility, i.disk_format, i.container_format, i.min_disk, \
    i.min_ram, i.protected, i.hidden, i.size, i.virtual_size, i.checksum, i.sha512, i.sha256, i.properties, i.created_at, \
    i.updated_at, i.generation FROM image_image i";

pub async fn insert(tx: &mut Tx, image: &Image) -> Result<(), DbError> {
    let sql = "INSERT INTO image_image (id, name, owner, status, visibility, disk_format, container_format, min_disk, \
        min_ram, protected, hidden, properties, created_at, updated_at, generation) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    sqlx::query(sql)
        .bind(image.id.to_string())
        .bind(image.name.clone())
        .bind(image.owner.to_string())
        .bind(image.status.as_str())
        .bind(image.visibility.as_str())
        .bind(image.disk_format.clone())
        .bind(image.container_format.clone())
        .bind(image.min_disk)
        .bind(image.min_ram)
        .bind(flag(image.protected))
        .bind(flag(image.hidden))
        .bind(json(&image.properties))
        .bind(image.created_at.0)
        .bind(image.updated_at.0)
        .bind(image.generation.0)
        .execute(&mut **tx)
        .await?;
    set_tags(tx, image).await
}

/// Writes the image if its generation is still the one that was read; false when someone else was faster.
pub async fn update(tx: &mut Tx, image: &Image) -> Result<bool, DbError> {
    let sql = "UPDATE image_image SET name = $1, owner = $2, status = $3, visibility = $4, disk_format = $5, \
        container_format = $6, min_disk = $7, min_ram = $8, protected = $9, hidden = $10, size = $11, virtual_size = $12, \
        checksum = $13, sha512 = $14, sha256 = $15, properties = $16, updated_at = $17, generation = generation + 1 \
        WHERE id = $18 AND generation = $19";
    let data = image.data.as_ref();
    let done = sqlx::query(sql)
        .bind(image.name.clone())
        .bind(image.owner.to_string())
        .bind(image.status.as_str())
        .bind(image.visibility.as_str())
        .bind(image.disk_format.clone())
        .bind(image.container_format.clone())
        .bind(image.min_disk)
        .bind(image.min_ram)
        .bind(flag(image.protected))
        .bind(flag(image.hidden))
        .bind(data.map(|d| d.size))
        .bind(data.map(|d| d.virtual_size))
        .bind(data.map(|d| d.checksum.clone()))
        .bind(data.map(|d| d.sha512.clone()))
        .bind(data.map(|d| d.sha256.clone()))
        .bind(json(&image.properties))
        .bind(image.updated_at.0)
        .bind(image.id.to_string())
        .bind(image.generation.0)
        .execute(&mut **tx)
        .await?;
    set_tags(tx, image).await?;
    Ok(done.rows_affected() == 1)
}

pub async fn delete(tx: &mut Tx, id: ImageId) -> Result<(), DbError> {
    for table in ["image_tag", "image_member"] {
        let sql = sqlx::AssertSqlSafe(format!("DELETE FROM {table} WHERE image_id = $1"));
        sqlx::query(sql).bind(id.to_string()).execute(&mut **tx).await?;
    }
    sqlx::query("DELETE FROM image_image WHERE id = $1").bind(id.to_string()).execute(&mut **tx).await?;
    Ok(())
}

async fn set_tags(tx: &mut Tx, image: &Image) -> Result<(), DbError> {
    let id = image.id.to_string();
    sqlx::query("DELETE FROM image_tag WHERE image_id = $1").bind(id.clone()).execute(&mut **tx).await?;
    for tag in &image.tags {
        let insert = sqlx::query("INSERT INTO image_tag (image_id, tag) VALUES ($1, $2)");
        insert.bind(id.clone()).bind(tag.clone()).execute(&mut **tx).await?;
    }
    Ok(())
}

pub async fn get(conn: &mut Connection, id: ImageId) -> Result<Option<Image>, DbError> {
    let rows = Filter::new(SELECT).and_eq("i.id", Some(id.to_string())).fetch_all(&mut *conn).await?;
    Ok(images(conn, rows).await?.pop())
}

/// How many images have this content: when the last one goes, the bytes go.
pub async fn count_content(tx: &mut Tx, sha256: &str) -> Result<i64, DbError> {
    let count = sqlx::query("SELECT COUNT(*) FROM image_image WHERE sha256 = $1");
    Ok(count.bind(sha256.to_owned()).fetch_one(&mut **tx).await?.try_get(0)?)
}

/// Names of all contents that images have.
pub async fn contents(conn: &mut Connection) -> Result<HashSet<String>, DbError> {
    let rows = sqlx::query("SELECT DISTINCT sha256 FROM image_image WHERE sha256 IS NOT NULL").fetch_all(conn).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Uploads that a crash cut off are over.
pub async fn requeue_saving(tx: &mut Tx) -> Result<(), DbError> {
    let sql = "UPDATE image_image SET status = 'queued', generation = generation + 1 WHERE status = 'saving'";
    sqlx::query(sql).execute(&mut **tx).await?;
    Ok(())
}

/// A page of images, and whether there are more.
pub async fn list(conn: &mut Connection, query: &ImageQuery) -> Result<(Vec<Image>, bool), DbError> {
    let after = match query.marker {
        Some(marker) => get(conn, marker).await?,
        None => None,
    };
    let keys = query.sort_keys();
    let after = after.map(|image| keys.iter().map(|key| position(&image, key)).collect::<Vec<_>>());
    let filter = query.conditions(Filter::new(SELECT));
    let rows = filter.page(&keys, after.as_deref(), Some(query.limit + 1)).fetch_all(&mut *conn).await?;
    let mut found = images(conn, rows).await?;
    let more = found.len() > query.limit as usize;
    found.truncate(query.limit as usize);
    Ok((found, more))
}

/// Where an image stands in the order of a sort key; must agree with [`ImageQuery::sort_keys`].
fn position(image: &Image, key: &SortKey) -> Value {
    let text = |text: Option<&str>| Value::from(text.unwrap_or_default());
    match key.expression {
        "COALESCE(i.name, '')" => text(image.name.as_deref()),
        "i.status" => text(Some(image.status.as_str())),
        "COALESCE(i.container_format, '')" => text(image.container_format.as_deref()),
        "COALESCE(i.disk_format, '')" => text(image.disk_format.as_deref()),
        "COALESCE(i.size, 0)" => Value::Int(image.data.as_ref().map_or(0, |d| d.size)),
        "i.created_at" => Value::Int(image.created_at.0),
        "i.updated_at" => Value::Int(image.updated_at.0),
        _ => Value::from(image.id.to_string()),
    }
}

async fn images(conn: &mut Connection, rows: Vec<AnyRow>) -> Result<Vec<Image>, DbError> {
    let mut images = rows.iter().map(image).collect::<Result<Vec<_>, _>>()?;
    let ids = images.iter().map(|i| Value::from(i.id.to_string()));
    let tags = Filter::new("SELECT image_id, tag FROM image_tag").and_in("image_id", ids);
    let mut by_image: HashMap<String, Vec<String>> = HashMap::new();
    for row in tags.page(&[SortKey::ascending("tag")], None, None).fetch_all(conn).await? {
        by_image.entry(row.try_get(0)?).or_default().push(row.try_get(1)?);
    }
    for image in &mut images {
        image.tags = by_image.remove(&image.id.to_string()).unwrap_or_default();
    }
    Ok(images)
}

fn image(row: &AnyRow) -> Result<Image, DbError> {
    let text = |column| row.try_get::<String, _>(column);
    Ok(Image {
        id: parsed(text("id")?)?,
        name: row.try_get("name")?,
        owner: parsed::<ProjectId>(text("owner")?)?,
        status: Status::parse(&text("status")?).ok_or_else(|| corrupt("status"))?,
        visibility: Visibility::parse(&text("visibility")?).ok_or_else(|| corrupt("visibility"))?,
        disk_format: row.try_get("disk_format")?,
        container_format: row.try_get("container_format")?,
        min_disk: row.try_get("min_disk")?,
        min_ram: row.try_get("min_ram")?,
        protected: is_set(row.try_get("protected")?),
        hidden: is_set(row.try_get("hidden")?),
        data: data(row)?,
        properties: from_json("properties", &text("properties")?)?,
        tags: Vec::new(),
        created_at: Timestamp(row.try_get("created_at")?),
        updated_at: Timestamp(row.try_get("updated_at")?),
        generation: Generation(row.try_get("generation")?),
    })
}

fn data(row: &AnyRow) -> Result<Option<Data>, DbError> {
    let Some(sha256) = row.try_get::<Option<String>, _>("sha256")? else { return Ok(None) };
    Ok(Some(Data {
        size: row.try_get("size")?,
        virtual_size: row.try_get("virtual_size")?,
        checksum: row.try_get("checksum")?,
        sha512: row.try_get("sha512")?,
        sha256,
    }))
}

fn parsed<T: std::str::FromStr>(text: String) -> Result<T, DbError>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|e| DbError::corrupt("id", e))
}

fn corrupt(column: &str) -> DbError {
    DbError::corrupt(column, "unknown word")
}
