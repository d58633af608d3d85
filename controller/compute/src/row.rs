//! Reading rows column by column, in the order of the SELECT.

use controller_db::{AnyRow, DbError, Row, from_json, is_set};
use serde::de::DeserializeOwned;

/// A row, read from its first column on.
pub(crate) struct Reader<'a> {
    row: &'a AnyRow,
    next: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(row: &'a AnyRow) -> Self {
        Self { row, next: 0 }
    }

    pub(crate) fn text(&mut self) -> Result<String, DbError> {
        let index = self.step();
        Ok(self.row.try_get(index)?)
    }

    pub(crate) fn text_or_null(&mut self) -> Result<Option<String>, DbError> {
        let index = self.step();
        Ok(self.row.try_get(index)?)
    }

    pub(crate) fn int(&mut self) -> Result<i64, DbError> {
        let index = self.step();
        Ok(self.row.try_get(index)?)
    }

    pub(crate) fn int_or_null(&mut self) -> Result<Option<i64>, DbError> {
        let index = self.step();
        Ok(self.row.try_get(index)?)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, DbError> {
        self.int().map(is_set)
    }

    /// A number that cannot be negative.
    pub(crate) fn amount<T: TryFrom<i64>>(&mut self) -> Result<T, DbError>
    where
        T::Error: std::error::Error + Send + Sync + 'static,
    {
        let stored = self.int()?;
        T::try_from(stored).map_err(|source| DbError::corrupt(&self.last(), source))
    }

    /// A word, an id or an address.
    pub(crate) fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, DbError>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.text()?;
        text.parse().map_err(|source| DbError::corrupt(&self.last(), source))
    }

    /// Likewise, or NULL.
    pub(crate) fn parsed_or_null<T: std::str::FromStr>(&mut self) -> Result<Option<T>, DbError>
    where
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text = self.text_or_null()?;
        text.map(|text| text.parse().map_err(|source| DbError::corrupt(&self.last(), source))).transpose()
    }

    /// A JSON column.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, DbError> {
        let text = self.text()?;
        from_json(&self.last(), &text)
    }

    /// A JSON column, or NULL.
    pub(crate) fn json_or_null<T: DeserializeOwned>(&mut self) -> Result<Option<T>, DbError> {
        let text = self.text_or_null()?;
        text.map(|text| from_json(&self.last(), &text)).transpose()
    }

    fn step(&mut self) -> usize {
        self.next += 1;
        self.next - 1
    }

    fn last(&self) -> String {
        format!("number {}", self.next)
    }
}
