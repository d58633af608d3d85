//! A connection to one database or the other, on which sqlx's queries run.

use crate::sqlite::{self, Sqlite};
use futures::{
    StreamExt as _, TryFutureExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Any, AnyConnection, ConnectOptions as _, Connection as _, Either, Execute, Executor, SqlStr,
    any::{AnyArguments, AnyConnectOptions, AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo},
};
use std::{path::PathBuf, time::Duration};
use tokio::{
    task::{self, coop::consume_budget},
    time::{Instant, sleep},
};

/// So long another program may keep SQLite.
const BUSY: Duration = Duration::from_secs(10);
/// Between two looks whether it still does.
const LOOK: Duration = Duration::from_millis(5);

/// To where.
#[derive(Clone)]
pub enum Target {
    Sqlite(String),
    Postgres(AnyConnectOptions),
}

/// A connection; `&mut connection` is what a query executes on.
#[derive(Debug)]
pub struct Connection(Kind);

#[derive(Debug)]
enum Kind {
    Sqlite(Sqlite),
    Postgres(AnyConnection),
}

impl Connection {
    /// Connects, and tells the connection what each is told first.
    pub(crate) async fn open(target: &Target, setup: &'static str) -> sqlx::Result<Self> {
        match target.clone() {
            Target::Sqlite(url) => {
                let opened = task::spawn_blocking(move || Sqlite::open(&url, setup)).await;
                Ok(Self(Kind::Sqlite(opened.map_err(|_| sqlx::Error::WorkerCrashed)??)))
            }
            Target::Postgres(options) => {
                let mut connection = options.connect().await?;
                sqlx::raw_sql(setup).execute(&mut connection).await?;
                Ok(Self(Kind::Postgres(connection)))
            }
        }
    }

    /// SQLite's file.
    pub(crate) fn file(&self) -> sqlx::Result<Option<PathBuf>> {
        match &self.0 {
            Kind::Sqlite(connection) => connection.file().map(Some),
            Kind::Postgres(_) => Ok(None),
        }
    }

    /// Whether it still is one.
    pub(crate) async fn ping(&mut self) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Sqlite(_) => Ok(()),
            Kind::Postgres(connection) => connection.ping().await,
        }
    }

    pub(crate) async fn close(self) -> sqlx::Result<()> {
        match self.0 {
            // The last one writes the log into the database.
            Kind::Sqlite(connection) => {
                task::spawn_blocking(move || drop(connection)).await.map_err(|_| sqlx::Error::WorkerCrashed)
            }
            Kind::Postgres(connection) => connection.close().await,
        }
    }

    pub(crate) async fn commit(&mut self) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Sqlite(connection) => connection.commit(),
            Kind::Postgres(connection) => sqlx::raw_sql("COMMIT").execute(connection).await.map(drop),
        }
    }

    /// Takes back what was not committed, if there is a transaction.
    ///
    /// # Errors
    /// There may still be one.
    pub(crate) async fn rollback(&mut self) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Sqlite(connection) => connection.rollback(),
            Kind::Postgres(connection) => match sqlx::raw_sql("ROLLBACK").execute(connection).await {
                // What the database itself says is that there is none.
                Ok(_) | Err(sqlx::Error::Database(_)) => Ok(()),
                Err(error) => Err(error),
            },
        }
    }

    /// Whether it is time for [`Self::checkpoint`].
    pub(crate) fn is_checkpoint_due(&self) -> bool {
        matches!(&self.0, Kind::Sqlite(connection) if connection.is_checkpoint_due())
    }

    /// See [`Sqlite::checkpoint`].
    pub(crate) fn checkpoint(&mut self) -> sqlx::Result<()> {
        match &mut self.0 {
            Kind::Sqlite(connection) => connection.checkpoint(),
            Kind::Postgres(_) => Ok(()),
        }
    }
}

struct Question {
    sql: SqlStr,
    arguments: Option<AnyArguments>,
}

impl Question {
    fn of<'q>(mut query: impl Execute<'q, Any>) -> sqlx::Result<Self> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        Ok(Self { sql: query.sql(), arguments })
    }
}

/// Others get their turn now and then also where nothing is ever waited for.
async fn ask(connection: &mut Sqlite, question: sqlx::Result<Question>, most: usize) -> sqlx::Result<sqlite::Answer> {
    let Question { sql, arguments } = question?;
    consume_budget().await;
    let since = Instant::now();
    loop {
        match connection.run(&sql, arguments.as_ref(), most) {
            Err(error) if sqlite::is_busy(&error) && !connection.is_in_transaction() && since.elapsed() < BUSY => {
                sleep(LOOK).await;
            }
            other => return other,
        }
    }
}

impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<AnyQueryResult, AnyRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match &mut self.0 {
            Kind::Sqlite(connection) => {
                let answer = ask(connection, Question::of(query), usize::MAX);
                answer.map_ok(|found| stream::iter(found).map(Ok)).try_flatten_stream().boxed()
            }
            Kind::Postgres(connection) => connection.fetch_many(query),
        }
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<AnyRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Any>,
    {
        match &mut self.0 {
            Kind::Sqlite(connection) => {
                let answer = ask(connection, Question::of(query), 1);
                Box::pin(answer.map_ok(|found| found.into_iter().find_map(Either::right)))
            }
            Kind::Postgres(connection) => connection.fetch_optional(query),
        }
    }

    fn prepare_with<'e>(self, sql: SqlStr, types: &'e [AnyTypeInfo]) -> BoxFuture<'e, sqlx::Result<AnyStatement>>
    where
        'c: 'e,
    {
        match &mut self.0 {
            Kind::Sqlite(_) => {
                let refused = "SQLite's statements are prepared when they run";
                Box::pin(async move { Err(sqlx::Error::Configuration(refused.into())) })
            }
            Kind::Postgres(connection) => connection.prepare_with(sql, types),
        }
    }
}
