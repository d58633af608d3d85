//! `cargo xtask monitoring`: the rules and dashboards of `docs/monitoring` against a cloud that runs. A real Prometheus scrapes a controller and a
//! hostd with guests; each query of each dashboard must find something, and every rule must be healthy. A collector gets their traces.

mod collector;

use crate::{bench::cloud::Bench, demo};
use anyhow::{Context as _, Result, bail, ensure};
use collector::Collector;
use humilis_harness::{
    build::{self, Profile},
    exec, isolate, paths,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Where Prometheus listens, inside.
const ADDRESS: &str = "127.0.0.1:9090";
/// How long the last query may take to find something: rates want a few scrapes.
const PATIENCE: Duration = Duration::from_secs(45);

/// Checks all of it.
pub fn run() -> Result<()> {
    ensure!(exec::has("promtool"), "promtool is missing: `cargo xtask setup` installs it");
    let folder = paths::root().join("docs/monitoring");
    promtool(&folder)?;
    let programs = build::programs(Profile::Dev)?;
    isolate::enter()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(scrape(programs, &folder))
}

/// What promtool can say without a cloud.
fn promtool(folder: &Path) -> Result<()> {
    for words in
        [["check", "config", "prometheus.yml"], ["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]]
    {
        exec::read(Command::new("promtool").args(words).current_dir(folder))?;
        println!("  promtool {}", words.join(" "));
    }
    Ok(())
}

/// Prometheus, ended with this.
struct Prometheus {
    child: Child,
    _data: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn scrape(programs: build::Programs, folder: &Path) -> Result<()> {
    let collector = Collector::start()?;
    let bench = Bench::traced(programs, Collector::endpoint()).await?;
    for name in ["one", "two"] {
        let id = bench.post(name).await?;
        demo::active(&bench.client, &id, Duration::from_secs(60)).await?;
        collector.check(&maker(&bench, &id).await?).await?;
    }
    let port = bench.cloud.plan.port;
    for (program, port) in [("controller", port + 2), ("hostd", port + 3)] {
        lint(program, &get(&format!("http://127.0.0.1:{port}/metrics"))?)?;
    }
    let prometheus = start(folder, port)?;
    let queries = queries(&folder.join("dashboards"))?;
    let end = Instant::now() + PATIENCE;
    let mut open: Vec<_> = queries.iter().collect();
    while !open.is_empty() && Instant::now() < end {
        // A little life: rates of requests and errors.
        bench.client.call("GET", "compute", "/servers", None).await?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        open.retain(|(_, query)| !answers(query).unwrap_or(false));
    }
    let empty: Vec<_> = open.iter().map(|(panel, query)| format!("{panel}: {query}")).collect();
    ensure!(empty.is_empty(), "these queries find nothing:\n{}", empty.join("\n"));
    println!("  {} queries of dashboards find something", queries.len());
    rules()?;
    drop(prometheus);
    Ok(())
}

/// The request that made a server.
async fn maker(bench: &Bench, server: &str) -> Result<String> {
    let path = format!("/servers/{server}/os-instance-actions");
    let actions = bench.client.call("GET", "compute", &path, None).await?;
    Ok(actions["instanceActions"][0]["request_id"].as_str().context("a server was made by nobody")?.to_owned())
}

/// promtool's own rules of naming and form.
fn lint(program: &str, page: &str) -> Result<()> {
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), page)?;
    let output = Command::new("promtool").args(["check", "metrics"]).stdin(fs::File::open(file.path())?).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    // The labels of openstack-exporter are not ours to choose.
    let wrong: Vec<_> =
        said.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("openstack_")).collect();
    ensure!(wrong.is_empty(), "promtool check metrics, {program}: {}", wrong.join("; "));
    println!(
        "  promtool check metrics: {} samples of {program}",
        page.lines().filter(|line| !line.starts_with('#')).count()
    );
    Ok(())
}

fn start(folder: &Path, port: u16) -> Result<Prometheus> {
    let data = tempfile::Builder::new().prefix("humilis-prometheus-").tempdir()?;
    let config = fs::read_to_string(folder.join("prometheus.yml"))?;
    let config = config
        .replace("15s", "1s")
        .replace("127.0.0.1:8445", &format!("127.0.0.1:{}", port + 2))
        .replace("127.0.0.1:8446", &format!("127.0.0.1:{}", port + 3));
    fs::write(data.path().join("prometheus.yml"), config)?;
    fs::copy(folder.join("rules.yml"), data.path().join("rules.yml"))?;
    let log = fs::File::create(data.path().join("log"))?;
    let mut command = Command::new("prometheus");
    command.arg(format!("--config.file={}", data.path().join("prometheus.yml").display()));
    command.arg(format!("--storage.tsdb.path={}", data.path().join("data").display()));
    command.arg(format!("--web.listen-address={ADDRESS}")).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let child = command.spawn().context("cannot start prometheus")?;
    let prometheus = Prometheus { child, _data: data };
    let end = Instant::now() + PATIENCE;
    while get(&format!("http://{ADDRESS}/-/ready")).is_err() {
        ensure!(Instant::now() < end, "Prometheus does not become ready");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(prometheus)
}

fn get(url: &str) -> Result<String> {
    exec::read(Command::new("curl").args(["-sSf", "--max-time", "10", url]))
}

fn answers(query: &str) -> Result<bool> {
    let mut curl = Command::new("curl");
    curl.args(["-sSf", "--max-time", "10", "-G", "--data-urlencode", &format!("query={query}")]);
    let answer: Value = serde_json::from_str(&exec::read(curl.arg(format!("http://{ADDRESS}/api/v1/query")))?)?;
    let result = answer["data"]["result"].as_array().context("Prometheus gave no result")?;
    // A rate of nothing, as 0/0 makes it, is no answer.
    Ok(result.iter().any(|sample| sample["value"][1].as_str().is_some_and(|value| value != "NaN")))
}

/// The queries of all dashboards, each with its panel.
fn queries(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    let mut queries = Vec::new();
    for file in files {
        let dashboard: Value = serde_json::from_slice(&fs::read(&file)?)?;
        for panel in dashboard["panels"].as_array().context("a dashboard has no panels")? {
            let title = format!("{}: {}", dashboard["title"].as_str().unwrap_or_default(), panel["title"]);
            for target in panel["targets"].as_array().context("a panel has no queries")? {
                queries.push((title.clone(), target["expr"].as_str().context("a query is empty")?.to_owned()));
            }
        }
    }
    ensure!(!queries.is_empty(), "there are no dashboards in {}", folder.display());
    Ok(queries)
}

/// Every rule was evaluated without an error.
fn rules() -> Result<()> {
    let end = Instant::now() + PATIENCE;
    loop {
        let answer: Value = serde_json::from_str(&get(&format!("http://{ADDRESS}/api/v1/rules"))?)?;
        let groups = answer["data"]["groups"].as_array().context("Prometheus has no rules")?;
        let rules: Vec<&Value> = groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        if let Some(wrong) = rules.iter().find(|rule| rule["health"] == "err") {
            bail!("rule {}: {}", wrong["name"], wrong["lastError"]);
        }
        if !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok") {
            let firing: Vec<_> =
                rules.iter().filter(|rule| rule["state"] == "firing").map(|rule| &rule["name"]).collect();
            ensure!(firing.is_empty(), "a healthy cloud alarms: {firing:?}");
            println!("  {} rules are healthy, none fires", rules.len());
            return Ok(());
        }
        ensure!(Instant::now() < end, "rules are not evaluated");
        std::thread::sleep(Duration::from_millis(200));
    }
}
