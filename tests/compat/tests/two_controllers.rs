//! Two controllers on one PostgreSQL: what one revokes the other refuses, and what one acknowledged the other has, whoever dies.

use anyhow::{Context as _, Result, ensure};
use humilis_harness::{
    build::{self, Profile},
    controller::Controller,
    postgres::Postgres,
    rest::Client,
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Within this a revocation holds on every controller.
const AT_ONCE: Duration = Duration::from_millis(100);
/// Writers of each controller.
const WRITERS: usize = 3;

struct Pair {
    controllers: Vec<Controller>,
    _postgres: Postgres,
    _folder: tempfile::TempDir,
}

impl Pair {
    fn start() -> Result<Self> {
        let programs = build::programs(Profile::Dev)?;
        let (postgres, folder) = (Postgres::start()?, tempfile::tempdir()?);
        let settings = format!("[database]\nurl = '{}'", postgres.url());
        let keys = folder.path().join("keys");
        fs::create_dir(&keys)?;
        let mut controllers = Vec::new();
        for name in ["one", "two"] {
            let own = folder.path().join(name);
            share(&own, &keys)?;
            let controller = Controller::start(&programs.controller, &own, &settings)?;
            // The second finds what the first has made.
            tokio::runtime::Handle::current().block_on(controller.login())?;
            controllers.push(controller);
        }
        Ok(Self { controllers, _postgres: postgres, _folder: folder })
    }
}

/// Both read the same keys, as operators have it: on a share, or copied.
fn share(folder: &Path, keys: &Path) -> Result<()> {
    let state = folder.join("state");
    fs::create_dir_all(&state)?;
    for repository in ["fernet-keys", "credential-keys"] {
        let shared = keys.join(repository);
        fs::create_dir_all(&shared)?;
        symlink(shared, state.join(repository))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_revokes_the_other_refuses_at_once() -> Result<()> {
    let pair = tokio::task::spawn_blocking(Pair::start).await??;
    let admin = pair.controllers[0].login().await?;
    for _ in 0..10 {
        let victim = pair.controllers[0].login().await?;
        let elsewhere = victim.clone().at("identity", pair.controllers[1].endpoint());
        ensure!(projects(&elsewhere).await? == 200, "the other does not know the token");
        ensure!(admin.revoke(&victim).await? == 204, "the token cannot be revoked");
        let revoked = Instant::now();
        // What counts is when it was asked: a busy machine may answer late.
        let mut asked = revoked.elapsed();
        while projects(&elsewhere).await? != 401 {
            ensure!(asked < AT_ONCE, "the other still takes the token after {asked:?}");
            asked = revoked.elapsed();
        }
    }
    Ok(())
}

/// The status of a request that any valid token may make.
async fn projects(client: &Client) -> Result<u16> {
    Ok(client.try_call("GET", "identity", "/v3/auth/projects", None).await?.0)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_one_dies() -> Result<()> {
    let mut pair = tokio::task::spawn_blocking(Pair::start).await??;
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let mut writers = tokio::task::JoinSet::new();
    for (at, controller) in pair.controllers.iter().enumerate() {
        for number in 0..WRITERS {
            let client = controller.login().await?;
            writers.spawn(write(client, format!("{at}-{number}"), acknowledged.clone()));
        }
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    pair.controllers[0].kill();
    tokio::time::sleep(Duration::from_millis(500)).await;
    writers.shutdown().await;
    let two = pair.controllers[1].login().await?;
    let found = two.call("GET", "identity", "/v3/projects", None).await?;
    let found: BTreeSet<String> = found["projects"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|p| Some(p["id"].as_str()?.to_owned()))
        .collect();
    let acknowledged = acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(acknowledged.len() > 10, "only {} projects were made", acknowledged.len());
    let lost: Vec<_> = acknowledged.difference(&found).collect();
    ensure!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    Ok(())
}

/// Makes projects until it is ended or its controller is.
async fn write(client: Client, name: String, acknowledged: Arc<Mutex<BTreeSet<String>>>) {
    for number in 0.. {
        let body = json!({"project": {"name": format!("{name}-{number}")}});
        let Ok(made) = client.call("POST", "identity", "/v3/projects", Some(body)).await else { return };
        if let Some(id) = made["project"]["id"].as_str() {
            acknowledged.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        }
    }
}
