//! `controller support-bundle`: what somebody needs who shall find out what is wrong, without what opens doors.
//!
//! No keys, no passwords, no tokens, no data of tenants: files of the state directory are named, not copied. Every text is searched for the
//! secrets that the configuration holds, and for tokens, before it goes in.

mod scrub;
mod tar;

use crate::{admin::client, config::Config};
use anyhow::Context as _;
use controller_base::Clock;
use humilis_proto::admin as wire;
use scrub::Scrub;
use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};
use tar::Tar;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The newest lines of the journal.
const LINES: &str = "20000";
/// How long the running controller may take for one thing.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file to write, a tar archive; the usual one is named after the time.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let now = Clock::system().now();
    let name = format!("humilis-support-{}", now.seconds_z().replace([':', '-'], ""));
    let output = arguments.output.unwrap_or_else(|| PathBuf::from(format!("{name}.tar")));
    let scrub = Scrub::of(&config);
    let mut tar = Tar::new(&name, now.0 / 1_000_000);
    for (file, text) in gather(&config).await {
        tar.add(&file, scrub.clean(&text).as_bytes());
    }
    fs::write(&output, tar.finish()).with_context(|| format!("cannot write {}", output.display()))?;
    println!("{}", output.display());
    Ok(ExitCode::SUCCESS)
}

/// File names and texts. What cannot be had says why.
async fn gather(config: &Config) -> Vec<(String, String)> {
    let mut files = vec![
        ("version.txt".to_owned(), format!("controller {}\n", env!("CARGO_PKG_VERSION"))),
        ("configuration.txt".to_owned(), format!("{config:#?}\n")),
        ("state-directory.txt".to_owned(), names(&config.state_directory)),
        ("metrics.txt".to_owned(), or_why(timeout(PATIENCE, metrics(config)).await)),
        (
            "journal.txt".to_owned(),
            program("journalctl", &["-u", "controller", "-u", "hostd", "-n", LINES, "--no-pager"]),
        ),
        ("memory.txt".to_owned(), fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        ("disks.txt".to_owned(), program("df", &["-h"])),
    ];
    match client::connect(config).await {
        Ok(channel) => files.extend(running(channel).await),
        Err(error) => files.push(("controller.txt".to_owned(), format!("{error:#}\n"))),
    }
    files
}

/// What the running controller says.
async fn running(channel: client::Channel) -> Vec<(String, String)> {
    let mut hosts = wire::hosts_client::HostsClient::new(channel.clone());
    let mut operations = wire::operations_client::OperationsClient::new(channel.clone());
    let mut audit = wire::audit_client::AuditClient::new(channel.clone());
    let mut placement = wire::placement_client::PlacementClient::new(channel.clone());
    let mut authority = wire::authority_client::AuthorityClient::new(channel);
    let all = wire::ListInventoriesRequest::default();
    vec![
        ("hosts.txt".to_owned(), said(timeout(PATIENCE, hosts.list_hosts(wire::ListHostsRequest {})).await)),
        ("inventories.txt".to_owned(), said(timeout(PATIENCE, placement.list_inventories(all)).await)),
        (
            "operations.txt".to_owned(),
            said(timeout(PATIENCE, operations.list_operations(wire::ListOperationsRequest::default())).await),
        ),
        ("audit.txt".to_owned(), said(timeout(PATIENCE, audit.run_audit(wire::RunAuditRequest {})).await)),
        (
            "authority.txt".to_owned(),
            said(timeout(PATIENCE, authority.show_authority(wire::ShowAuthorityRequest {})).await),
        ),
    ]
}

fn said<T: Debug, E: Debug, F: Debug>(answer: Result<Result<T, E>, F>) -> String {
    match answer {
        Ok(Ok(answer)) => format!("{answer:#?}\n"),
        Ok(Err(error)) => format!("{error:?}\n"),
        Err(error) => format!("{error:?}\n"),
    }
}

fn or_why<F: Debug>(text: Result<anyhow::Result<String>, F>) -> String {
    match text {
        Ok(Ok(text)) => text,
        Ok(Err(error)) => format!("{error:#}\n"),
        Err(error) => format!("{error:?}\n"),
    }
}

/// One request of HTTP/1.0, so that the answer ends with the connection.
async fn metrics(config: &Config) -> anyhow::Result<String> {
    let mut stream = TcpStream::connect(config.metrics.listen).await.context("the controller serves no metrics")?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: controller\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, body)| body.to_owned()))
}

/// Names, sizes and modes, two folders deep.
fn names(folder: &Path) -> String {
    program("find", &[&folder.to_string_lossy(), "-maxdepth", "2", "-printf", "%M %s %TY-%Tm-%TdT%TH:%TM %P\\n"])
}

fn program(name: &str, words: &[&str]) -> String {
    match Command::new(name).args(words).output() {
        Ok(output) => String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        Err(error) => format!("{name}: {error}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use controller_base::Secret;

    #[tokio::test]
    async fn no_secret_is_in_a_bundle() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = Config { state_directory: directory.path().join("state"), ..Config::default() };
        fs::create_dir(&config.state_directory).unwrap();
        config.identity.admin_password = Secret::new("swordfish-1");
        config.database.url = Secret::new("postgres://humilis:swordfish-2@db/humilis");
        let clouds = "clouds:\n  humilis:\n    auth:\n      password: 'swordfish-3'\n";
        fs::write(config.state_directory.join("clouds.yaml"), clouds).unwrap();
        // What a careless line of a log might hold.
        let scrub = Scrub::of(&config);
        let line = "swordfish-1 swordfish-2 swordfish-3 gAAAAABmXw0123456789abcdefghijk= end";
        assert_eq!(scrub.clean(line), "[secret] [secret] [secret] [token] end");
        let output = directory.path().join("bundle.tar");
        run(Arguments { output: Some(output.clone()) }, config).await.unwrap();
        let bundle = String::from_utf8_lossy(&fs::read(output).unwrap()).into_owned();
        assert!(bundle.contains("clouds.yaml") && bundle.contains("admin_user"), "{bundle}");
        assert!(!bundle.contains("swordfish"), "{bundle}");
    }
}
