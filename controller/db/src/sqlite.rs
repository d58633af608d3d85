//! A connection to SQLite. A statement runs on the thread that asks: most take less time than another thread needs to wake up.

use rusqlite::{
    OpenFlags, Row, Statement, ToSql, ffi,
    types::{ToSqlOutput, ValueRef},
};
use sqlx::{
    Either, SqlStr,
    any::{AnyArguments, AnyQueryResult, AnyRow, AnyTypeInfo, AnyTypeInfoKind, AnyValue},
    error::{DatabaseError, ErrorKind},
};
use sqlx_core::{
    HashMap,
    any::{AnyColumn, AnyValueKind},
    ext::ustr::UStr,
};
use std::{borrow::Cow, error, ffi::c_int, fmt, path::PathBuf, sync::Arc, time::Duration};

/// Statements that a connection keeps prepared.
const PREPARED: usize = 128;
/// After so many commits their log, of some four MiB then, goes into the database.
const CHECKPOINT: u32 = 64;
/// So long that waits for those who read. If it is in vain the log grows until the next.
const READERS: Duration = Duration::from_millis(200);

/// What a statement yields, as sqlx tells it.
pub type Answer = Vec<Either<AnyQueryResult, AnyRow>>;

pub struct Sqlite {
    connection: rusqlite::Connection,
    commits: u32,
}

impl Sqlite {
    /// Opens `sqlite:/path/file.db?mode=rwc`, and runs the statements that set it up. It waits for the disk.
    pub fn open(url: &str, setup: &str) -> sqlx::Result<Self> {
        let file = url.trim_start_matches("sqlite:").trim_start_matches("//").replace('#', "%23");
        let (path, mode) = file.split_once('?').unwrap_or((&file, "mode=rw"));
        let connection = rusqlite::Connection::open_with_flags(format!("file:{path}?{mode}"), OpenFlags::default())
            .map_err(failed)?;
        connection.set_prepared_statement_cache_capacity(PREPARED);
        connection.execute_batch(setup).map_err(failed)?;
        // Whoever finds it busy asks again: the thread is not kept.
        connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        Ok(Self { connection, commits: 0 })
    }

    /// The database's file.
    pub fn file(&self) -> sqlx::Result<PathBuf> {
        let path = self.connection.path().filter(|path| !path.is_empty());
        path.map(PathBuf::from).ok_or_else(|| sqlx::Error::Configuration("SQLite's file has no name in UTF-8".into()))
    }

    /// Runs a statement and reads so many rows at most; without arguments several statements, whose rows nobody wants.
    pub fn run(&self, sql: &SqlStr, arguments: Option<&AnyArguments>, most: usize) -> sqlx::Result<Answer> {
        let sql = sql.as_str();
        let Some(arguments) = arguments else {
            self.connection.execute_batch(sql).map_err(failed)?;
            return Ok(vec![Either::Left(AnyQueryResult::default())]);
        };
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        bind(&mut statement, &arguments.values.0)?;
        let mut answer = rows(&mut statement, most).map_err(failed)?;
        let rows_affected = if statement.readonly() { 0 } else { self.connection.changes() };
        answer.push(Either::Left(AnyQueryResult { rows_affected, last_insert_id: None }));
        Ok(answer)
    }

    pub fn commit(&mut self) -> sqlx::Result<()> {
        self.connection.execute_batch("COMMIT").map_err(failed)?;
        self.commits += 1;
        Ok(())
    }

    pub fn rollback(&mut self) -> sqlx::Result<()> {
        if self.is_in_transaction() { self.connection.execute_batch("ROLLBACK").map_err(failed) } else { Ok(()) }
    }

    pub fn is_in_transaction(&self) -> bool {
        !self.connection.is_autocommit()
    }

    /// Whether it is time for [`Self::checkpoint`].
    pub fn is_checkpoint_due(&self) -> bool {
        self.commits >= CHECKPOINT
    }

    /// Writes what is in the log into the database, and begins the log anew. It waits for the disk, which a new log's first commit
    /// would: that one is made here, and changes nothing.
    ///
    /// # Errors
    /// The disk failed, and what lies in the log or in the database is not known any more.
    pub fn checkpoint(&mut self) -> sqlx::Result<()> {
        self.commits = 0;
        let anew = "PRAGMA wal_checkpoint(RESTART); PRAGMA user_version = 0";
        self.connection.busy_timeout(READERS).map_err(failed)?;
        let done = self.connection.execute_batch(anew).map_err(failed);
        self.connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        match done {
            Err(error) if !is(&error, ffi::SQLITE_IOERR) => {
                // Somebody else has it, or the disk is full: it is tried again.
                tracing::warn!(error = &error as &dyn error::Error, "the database's log grows");
                Ok(())
            }
            done => done,
        }
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("commits", &self.commits).finish_non_exhaustive()
    }
}

/// Binds `$1` to the first, wherever it stands.
fn bind(statement: &mut Statement<'_>, arguments: &[AnyValueKind]) -> sqlx::Result<()> {
    for index in 1..=statement.parameter_count() {
        let number = statement.parameter_name(index).and_then(|name| name.strip_prefix('$')?.parse().ok());
        let argument = number.and_then(|number: usize| arguments.get(number.checked_sub(1)?));
        let argument = argument.ok_or_else(|| sqlx::Error::Encode("a parameter is no $N or has no value".into()))?;
        statement.raw_bind_parameter(index, Argument(argument)).map_err(failed)?;
    }
    Ok(())
}

struct Argument<'a>(&'a AnyValueKind);

impl ToSql for Argument<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            AnyValueKind::Null(_) => ValueRef::Null,
            AnyValueKind::Bool(value) => ValueRef::Integer(i64::from(*value)),
            AnyValueKind::SmallInt(value) => ValueRef::Integer(i64::from(*value)),
            AnyValueKind::Integer(value) => ValueRef::Integer(i64::from(*value)),
            AnyValueKind::BigInt(value) => ValueRef::Integer(*value),
            AnyValueKind::Real(value) => ValueRef::Real(f64::from(*value)),
            AnyValueKind::Double(value) => ValueRef::Real(*value),
            AnyValueKind::Text(text) => ValueRef::Text(text.as_bytes()),
            AnyValueKind::TextSlice(text) => ValueRef::Text(text.as_bytes()),
            AnyValueKind::Blob(bytes) => ValueRef::Blob(bytes),
            other => return Err(rusqlite::Error::ToSqlConversionFailure(format!("{other:?} is not known").into())),
        }))
    }
}

fn rows(statement: &mut Statement<'_>, most: usize) -> rusqlite::Result<Answer> {
    let mut found = statement.raw_query();
    let mut answer = Vec::new();
    let mut shape = None;
    while answer.len() < most
        && let Some(row) = found.next()?
    {
        let Shape { names, columns } = shape.get_or_insert_with(|| Shape::of(row));
        let values = (0..columns.len()).map(|at| value(row.get_ref(at)?)).collect::<rusqlite::Result<_>>()?;
        answer.push(Either::Right(AnyRow { column_names: names.clone(), columns: columns.clone(), values }));
    }
    Ok(answer)
}

/// What the columns of a statement's rows are called; known when the first is there, because a changed schema changes them.
struct Shape {
    names: Arc<HashMap<UStr, usize>>,
    columns: Vec<AnyColumn>,
}

impl Shape {
    fn of(row: &Row<'_>) -> Self {
        // A column of SQLite's has no type, only its values have.
        let type_info = AnyTypeInfo { kind: AnyTypeInfoKind::Null };
        let names = row.as_ref().column_names().into_iter().map(UStr::new).enumerate();
        let columns = names.map(|(ordinal, name)| AnyColumn { ordinal, name, type_info: type_info.clone() });
        let columns = columns.collect::<Vec<_>>();
        let names = columns.iter().map(|column| (column.name.clone(), column.ordinal)).collect();
        Self { names: Arc::new(names), columns }
    }
}

fn value(value: ValueRef<'_>) -> rusqlite::Result<AnyValue> {
    let kind = match value {
        ValueRef::Null => AnyValueKind::Null(AnyTypeInfoKind::Null),
        ValueRef::Integer(value) => AnyValueKind::BigInt(value),
        ValueRef::Real(value) => AnyValueKind::Double(value),
        ValueRef::Text(_) => AnyValueKind::Text(Arc::new(value.as_str()?.to_owned())),
        ValueRef::Blob(bytes) => AnyValueKind::Blob(Arc::new(bytes.to_vec())),
    };
    Ok(AnyValue { kind })
}

/// SQLite's error, in sqlx's words.
#[derive(Debug)]
struct Failure {
    message: String,
    code: c_int,
}

fn failed(error: rusqlite::Error) -> sqlx::Error {
    let code = error.sqlite_error().map_or(ffi::SQLITE_ERROR, |error| error.extended_code);
    let message = match error {
        rusqlite::Error::SqlInputError { msg, .. } => msg,
        error => error.to_string(),
    };
    sqlx::Error::Database(Box::new(Failure { message, code }))
}

/// Whether somebody else has what was asked for.
pub fn is_busy(error: &sqlx::Error) -> bool {
    is(error, ffi::SQLITE_BUSY)
}

fn is(error: &sqlx::Error, code: c_int) -> bool {
    let failure = error.as_database_error().and_then(|error| error.try_downcast_ref::<Failure>());
    failure.is_some_and(|failure| failure.code & 0xff == code)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl error::Error for Failure {}

impl DatabaseError for Failure {
    fn message(&self) -> &str {
        &self.message
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        Some(self.code.to_string().into())
    }

    fn as_error(&self) -> &(dyn error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        match self.code {
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY => ErrorKind::UniqueViolation,
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => ErrorKind::ForeignKeyViolation,
            ffi::SQLITE_CONSTRAINT_NOTNULL => ErrorKind::NotNullViolation,
            ffi::SQLITE_CONSTRAINT_CHECK => ErrorKind::CheckViolation,
            _ => ErrorKind::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::CHECKPOINT;
    use crate::{Db, Migration};
    use sqlx::Row as _;
    use std::{fs, path::PathBuf, time::Duration};
    use tempfile::TempDir;
    use tokio::time::sleep;

    const TABLE: Migration = Migration { name: "0001", sql: "CREATE TABLE demo (id BIGINT PRIMARY KEY)" };

    async fn open(name: &str) -> (TempDir, PathBuf, Db) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        let db = Db::open(&format!("sqlite:{}?mode=rwc", path.display())).await.unwrap();
        (directory, path, db)
    }

    /// On one thread: who waits leaves it to others.
    #[tokio::test]
    async fn another_program_that_writes_is_waited_for() {
        let (_directory, path, db) = open("test.db").await;
        let other = rusqlite::Connection::open(path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let writing = tokio::spawn(async move { db.begin().await.map(drop) });
        sleep(Duration::from_millis(50)).await;
        assert!(!writing.is_finished());
        other.execute_batch("ROLLBACK").unwrap();
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_log_goes_into_the_database_now_and_then() {
        let (_directory, path, db) = open("test.db").await;
        db.migrate("demo", &[TABLE]).await.unwrap();
        let size = || fs::metadata(&path).unwrap().len();
        let before = size();
        for number in 0..i64::from(CHECKPOINT) {
            let mut tx = db.begin().await.unwrap();
            sqlx::query("INSERT INTO demo (id) VALUES ($1)").bind(number).execute(&mut *tx).await.unwrap();
            tx.commit().await.unwrap();
        }
        // The connection comes back when it is done.
        drop(db.begin().await.unwrap());
        assert!(size() > before, "{before} bytes still");
    }

    #[tokio::test]
    async fn a_program_that_reads_for_long_keeps_nobody_from_writing() {
        let (_directory, path, db) = open("test.db").await;
        db.migrate("demo", &[TABLE]).await.unwrap();
        let other = rusqlite::Connection::open(path).unwrap();
        other.execute_batch("BEGIN; SELECT * FROM demo").unwrap();
        for _ in 0..=CHECKPOINT {
            db.begin().await.unwrap().commit().await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_a_changed_schema_adds_is_read_under_its_name() {
        let (_directory, _path, db) = open("test.db").await;
        db.migrate("demo", &[TABLE]).await.unwrap();
        let mut tx = db.begin().await.unwrap();
        sqlx::query("INSERT INTO demo (id) VALUES (1)").execute(&mut *tx).await.unwrap();
        for added in [false, true] {
            let row = sqlx::query("SELECT demo.*, 7 AS last FROM demo").fetch_one(&mut *tx).await.unwrap();
            assert_eq!((row.get::<i64, _>("last"), row.len()), (7, 2 + usize::from(added)));
            if !added {
                sqlx::raw_sql("ALTER TABLE demo ADD COLUMN size BIGINT").execute(&mut *tx).await.unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_file_may_be_called_as_one_likes() {
        let (_directory, path, _db) = open("one #2.db").await;
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_made_only_if_that_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("test.db");
        Db::open(&format!("sqlite:{}", path.display())).await.unwrap_err();
        assert!(!path.exists());
    }
}
