//! Rows in and out: what all stores of this crate share.

use crate::error::Result;
use controller_db::{Connection, DbError, Row};
use sqlx::{AssertSqlSafe, any::AnyRow};
use std::str::FromStr;

/// A value to be bound.
#[derive(Clone, Debug)]
pub enum Param {
    /// TEXT.
    Text(String),
    /// BIGINT.
    Int(i64),
    /// NULL in a TEXT column.
    NoText,
    /// NULL in a BIGINT column.
    NoInt,
}

impl Param {
    /// Anything that shows itself as text.
    pub fn text(value: impl ToString) -> Self {
        Self::Text(value.to_string())
    }
    /// The same, or NULL.
    pub fn maybe_text(value: Option<impl ToString>) -> Self {
        value.map_or(Self::NoText, Self::text)
    }
    /// A number, or NULL.
    pub fn maybe_int(value: Option<impl Into<i64>>) -> Self {
        value.map_or(Self::NoInt, |value| Self::Int(value.into()))
    }
}

impl From<bool> for Param {
    fn from(set: bool) -> Self {
        Self::Int(controller_db::flag(set))
    }
}
impl From<i64> for Param {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<&str> for Param {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<&String> for Param {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}
impl From<String> for Param {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Columns with their values.
pub type Columns = Vec<(&'static str, Param)>;

fn query(
    sql: String,
    params: impl IntoIterator<Item = Param>,
) -> sqlx::query::Query<'static, sqlx::Any, sqlx::any::AnyArguments> {
    params.into_iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, param| match param {
        Param::Text(text) => query.bind(text),
        Param::Int(number) => query.bind(number),
        Param::NoText => query.bind(None::<String>),
        Param::NoInt => query.bind(None::<i64>),
    })
}

/// Runs a statement; tells how many rows it changed.
pub async fn run(conn: &mut Connection, sql: &'static str, params: impl IntoIterator<Item = Param>) -> Result<u64> {
    let done = query(sql.to_owned(), params).execute(conn).await.map_err(DbError::from)?;
    Ok(done.rows_affected())
}

/// Runs a query.
pub async fn all(
    conn: &mut Connection,
    sql: &'static str,
    params: impl IntoIterator<Item = Param>,
) -> Result<Vec<AnyRow>> {
    Ok(query(sql.to_owned(), params).fetch_all(conn).await.map_err(DbError::from)?)
}

/// Runs a query for its first row.
pub async fn first(
    conn: &mut Connection,
    sql: &'static str,
    params: impl IntoIterator<Item = Param>,
) -> Result<Option<AnyRow>> {
    Ok(query(sql.to_owned(), params).fetch_optional(conn).await.map_err(DbError::from)?)
}

/// Whether a query finds anything.
pub async fn exists(conn: &mut Connection, sql: &'static str, params: impl IntoIterator<Item = Param>) -> Result<bool> {
    Ok(first(conn, sql, params).await?.is_some())
}

/// The number that a query counts in its first column.
pub async fn count(conn: &mut Connection, sql: &'static str, params: impl IntoIterator<Item = Param>) -> Result<i64> {
    let row = first(conn, sql, params).await?;
    Ok(row.map(|row| row.try_get(0)).transpose().map_err(DbError::from)?.unwrap_or(0))
}

/// The ids in a query's first column.
pub async fn ids<T: FromStr>(
    conn: &mut Connection,
    sql: &'static str,
    params: impl IntoIterator<Item = Param>,
) -> Result<Vec<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let rows = all(conn, sql, params).await?;
    rows.iter()
        .map(|row| {
            let text: String = row.try_get(0).map_err(DbError::from)?;
            text.parse().map_err(|error| DbError::corrupt("id", error).into())
        })
        .collect()
}

/// Inserts a row.
pub async fn insert(conn: &mut Connection, table: &'static str, columns: Columns) -> Result<()> {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let numbers: Vec<String> = (1..=names.len()).map(|number| format!("${number}")).collect();
    let sql = format!("INSERT INTO {table} ({}) VALUES ({})", names.join(", "), numbers.join(", "));
    query(sql, columns.into_iter().map(|(_, param)| param)).execute(conn).await.map_err(DbError::from)?;
    Ok(())
}

/// Writes a row back whose `id` and `generation` are still those that were read; false when somebody else changed it.
pub async fn update(
    conn: &mut Connection,
    table: &'static str,
    id: Param,
    seen: i64,
    columns: Columns,
) -> Result<bool> {
    let sets: Vec<String> =
        columns.iter().enumerate().map(|(index, (name, _))| format!("{name} = ${}", index + 1)).collect();
    let next = columns.len() + 1;
    let sql = format!("UPDATE {table} SET {} WHERE id = ${next} AND generation = ${}", sets.join(", "), next + 1);
    let params = columns.into_iter().map(|(_, param)| param).chain([id, Param::Int(seen)]);
    let done = query(sql, params).execute(conn).await.map_err(DbError::from)?;
    Ok(done.rows_affected() == 1)
}

/// Typed columns of a row.
pub trait Cells {
    /// A text.
    fn text(&self, column: &str) -> Result<String>;
    /// A text, or NULL.
    fn maybe_text(&self, column: &str) -> Result<Option<String>>;
    /// A number.
    fn int(&self, column: &str) -> Result<i64>;
    /// A number, or NULL.
    fn maybe_int(&self, column: &str) -> Result<Option<i64>>;
    /// A yes or no.
    fn flag(&self, column: &str) -> Result<bool>;
    /// A text of a known form.
    fn parsed<T: FromStr>(&self, column: &str) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static;
    /// The same, or NULL.
    fn maybe_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static;
    /// What `string_agg` joined by commas.
    fn members(&self, column: &str) -> Result<Vec<String>>;
    /// The same, each of a known form.
    fn parsed_members<T: FromStr>(&self, column: &str) -> Result<Vec<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static;
    /// JSON.
    fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T>;
}

impl Cells for AnyRow {
    fn text(&self, column: &str) -> Result<String> {
        Ok(self.try_get(column).map_err(DbError::from)?)
    }
    fn maybe_text(&self, column: &str) -> Result<Option<String>> {
        Ok(self.try_get(column).map_err(DbError::from)?)
    }
    fn int(&self, column: &str) -> Result<i64> {
        Ok(self.try_get(column).map_err(DbError::from)?)
    }
    fn maybe_int(&self, column: &str) -> Result<Option<i64>> {
        Ok(self.try_get(column).map_err(DbError::from)?)
    }
    fn flag(&self, column: &str) -> Result<bool> {
        self.int(column).map(controller_db::is_set)
    }
    fn parsed<T: FromStr>(&self, column: &str) -> Result<T>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        self.text(column)?.parse().map_err(|error| DbError::corrupt(column, error).into())
    }
    fn maybe_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.maybe_text(column)?;
        text.map(|text| text.parse()).transpose().map_err(|error| DbError::corrupt(column, error).into())
    }
    fn members(&self, column: &str) -> Result<Vec<String>> {
        Ok(self.maybe_text(column)?.iter().flat_map(|text| text.split(',')).map(str::to_owned).collect())
    }
    fn parsed_members<T: FromStr>(&self, column: &str) -> Result<Vec<T>>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let members = self.members(column)?.into_iter();
        members.map(|text| text.parse().map_err(|error| DbError::corrupt(column, error).into())).collect()
    }
    fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        Ok(controller_db::from_json(column, &self.text(column)?)?)
    }
}
