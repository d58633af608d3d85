//! Lists with filters and pages: SQL that grows with what the caller asks for.
//!
//! Only the program's own words become SQL text; everything that came from outside is bound.

use crate::{Connection, DbError, Value};
use sqlx::{AssertSqlSafe, Row as _, any::AnyRow, query::Query};

/// A column to sort by. It must not be NULL: write `COALESCE(name, '')` where it may be.
#[derive(Clone, Debug)]
pub struct SortKey {
    /// Column or expression, in the program's own words.
    pub expression: &'static str,
    /// From the greatest to the least.
    pub descending: bool,
}

impl SortKey {
    /// From the least to the greatest.
    #[must_use]
    pub const fn ascending(expression: &'static str) -> Self {
        Self { expression, descending: false }
    }

    /// From the greatest to the least.
    #[must_use]
    pub fn descending(expression: &'static str) -> Self {
        Self { expression, descending: true }
    }
}

/// Lists that are longer are seldom, and near the number of values that a database takes at most.
const PADDED: usize = 1024;

/// A SELECT in the making.
#[derive(Clone, Debug)]
pub struct Filter {
    sql: String,
    binds: Vec<Value>,
    conditions: usize,
}

impl Filter {
    /// Starts with `SELECT .. FROM ..`, without WHERE.
    #[must_use]
    pub fn new(select: &str) -> Self {
        Self { sql: select.to_owned(), binds: Vec::new(), conditions: 0 }
    }

    /// Adds a condition; each `?` in it stands for the next value.
    #[must_use]
    pub fn and(mut self, condition: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.join();
        let mut values = values.into_iter();
        for piece in condition.split_inclusive('?') {
            match piece.strip_suffix('?') {
                Some(text) => {
                    self.sql.push_str(text);
                    // A missing value leaves a parameter unbound, which the database reports.
                    self.push_bind(values.next());
                }
                None => self.sql.push_str(piece),
            }
        }
        self.sql.push(')');
        self
    }

    /// Adds `column = value`, if there is a value.
    #[must_use]
    pub fn and_eq(self, column: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.and(&format!("{column} = ?"), [value.into()]),
            None => self,
        }
    }

    /// Adds `column IN (..)`. With no values nothing matches. The last value of a short list is repeated up to a power of two, so that
    /// lists of many lengths are few statements, which the database plans once.
    #[must_use]
    pub fn and_in(mut self, column: &str, values: impl IntoIterator<Item = Value>) -> Self {
        self.join();
        self.sql.push_str(column);
        self.sql.push_str(" IN (");
        let mut values: Vec<Value> = values.into_iter().collect();
        match values.last().cloned() {
            Some(last) if values.len() < PADDED => values.resize(values.len().next_power_of_two(), last),
            Some(_) => {}
            None => self.sql.push_str("NULL"),
        }
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.sql.push_str(", ");
            }
            self.push_bind(Some(value));
        }
        self.sql.push_str("))");
        self
    }

    /// Sorts by the keys (the last one unique, so that the order is total), starts behind the row whose keys are `after`, and
    /// stops after `limit` rows. The last call before fetching.
    #[must_use]
    pub fn page(mut self, keys: &[SortKey], after: Option<&[Value]>, limit: Option<u32>) -> Self {
        if let Some(after) = after {
            self = self.after(keys, after);
        }
        for (index, key) in keys.iter().enumerate() {
            self.sql.push_str(if index == 0 { " ORDER BY " } else { ", " });
            self.sql.push_str(key.expression);
            self.sql.push_str(if key.descending { " DESC" } else { " ASC" });
        }
        if let Some(limit) = limit {
            self.sql.push_str(" LIMIT ");
            self.push_bind(Some(Value::Int(i64::from(limit))));
        }
        self
    }

    /// `(a > x) OR (a = x AND b > y) OR ..`: row comparison cannot mix directions.
    fn after(mut self, keys: &[SortKey], after: &[Value]) -> Self {
        self.join();
        for (index, (key, value)) in keys.iter().zip(after).enumerate() {
            self.sql.push_str(if index == 0 { "(" } else { " OR (" });
            for (earlier, same) in keys.iter().zip(after).take(index) {
                self.sql.push_str(earlier.expression);
                self.sql.push_str(" = ");
                self.push_bind(Some(same.clone()));
                self.sql.push_str(" AND ");
            }
            self.sql.push_str(key.expression);
            self.sql.push_str(if key.descending { " < " } else { " > " });
            self.push_bind(Some(value.clone()));
            self.sql.push(')');
        }
        self.sql.push(')');
        self
    }

    /// Adds text behind the conditions, such as `GROUP BY`; before [`Filter::page`].
    #[must_use]
    pub fn then(mut self, text: &'static str) -> Self {
        self.sql.push(' ');
        self.sql.push_str(text);
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch_all(self, connection: &mut Connection) -> Result<Vec<AnyRow>, DbError> {
        Ok(bound(self.sql, self.binds).fetch_all(connection).await?)
    }

    /// Runs a `SELECT COUNT(*) AS number ..`.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch_count(self, connection: &mut Connection) -> Result<u64, DbError> {
        let number: i64 = bound(self.sql, self.binds).fetch_one(connection).await?.try_get("number")?;
        u64::try_from(number).map_err(|source| DbError::corrupt("number", source))
    }

    /// Runs it for its first row.
    ///
    /// # Errors
    /// The database's.
    pub async fn fetch_optional(self, connection: &mut Connection) -> Result<Option<AnyRow>, DbError> {
        Ok(bound(self.sql, self.binds).fetch_optional(connection).await?)
    }

    fn join(&mut self) {
        self.sql.push_str(if self.conditions == 0 { " WHERE (" } else { " AND (" });
        self.conditions += 1;
    }

    fn push_bind(&mut self, value: Option<Value>) {
        let number = self.binds.len() + 1;
        self.sql.push('$');
        self.sql.push_str(&number.to_string());
        self.binds.extend(value);
    }
}

fn bound(sql: String, binds: Vec<Value>) -> Query<'static, sqlx::Any, sqlx::any::AnyArguments> {
    let query = sqlx::query(AssertSqlSafe(sql));
    binds.into_iter().fold(query, |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Int(number) => query.bind(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Migration, testing::databases};
    use sqlx::Row;

    const TABLE: Migration =
        Migration { name: "0001", sql: "CREATE TABLE demo (id TEXT PRIMARY KEY, name TEXT, size BIGINT NOT NULL);" };

    fn select() -> Filter {
        Filter::new("SELECT id FROM demo")
    }

    fn ids(rows: &[AnyRow]) -> String {
        rows.iter().map(|row| row.get::<String, _>(0)).collect()
    }

    #[tokio::test]
    async fn conditions_and_pages_work_on_both_databases() {
        for db in databases().await {
            db.migrate("demo", &[TABLE]).await.unwrap();
            let mut tx = db.begin().await.unwrap();
            for (id, name, size) in [("a", Some("x"), 1_i64), ("b", None, 2), ("c", Some("y"), 2), ("d", Some("x"), 3)]
            {
                let insert = sqlx::query("INSERT INTO demo VALUES ($1, $2, $3)").bind(id).bind(name).bind(size);
                insert.execute(&mut *tx).await.unwrap();
            }
            tx.commit().await.unwrap();
            let keys = [SortKey::descending("size"), SortKey::ascending("id")];
            let mut conn = db.read().await.unwrap();
            let first = select().page(&keys, None, Some(2)).fetch_all(&mut conn).await.unwrap();
            assert_eq!(ids(&first), "db");
            let after = [Value::Int(2), Value::from("b")];
            let second = select().page(&keys, Some(&after), Some(2)).fetch_all(&mut conn).await.unwrap();
            assert_eq!(ids(&second), "ca");
            let some = select()
                .and("name = ? OR size = ?", [Value::from("y"), Value::Int(1)])
                .and_eq("size", Some(1_i64))
                .and_in("id", ["a", "d", "none"].map(Value::from));
            assert_eq!(ids(&some.fetch_all(&mut conn).await.unwrap()), "a");
            assert_eq!(ids(&select().and_in("id", []).fetch_all(&mut conn).await.unwrap()), "");
        }
    }
}
