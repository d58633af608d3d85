//! A PostgreSQL server of our own on a free port of the loopback address, gone when it is dropped.

use crate::exec;
use anyhow::{Context as _, Result, bail};
use std::{
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A running server; databases are made in it by who uses it.
#[derive(Debug)]
pub struct Postgres {
    directory: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Postgres {
    /// Makes a fresh cluster and starts it. Durability is off: it lives as long as the tests.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let directory = tempfile::Builder::new().prefix("humilis-pg-").tempdir().context("cannot make a directory")?;
        let user = nix::unistd::User::from_name("postgres").ok().flatten().context("there is no user postgres")?;
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700))?;
        chown(directory.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let server = Self { directory, programs, port };
        let data = server.data();
        exec::read(server.run("initdb").args(["-A", "trust", "-U", "postgres", "--no-sync", "-D"]).arg(&data))?;
        let options = format!(
            "-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={} -c fsync=off -c max_connections=200",
            server.directory.path().display()
        );
        let log = server.directory.path().join("log");
        exec::read(server.run("pg_ctl").args(["-w", "-o", &options, "-l"]).arg(log).arg("-D").arg(&data).arg("start"))?;
        Ok(server)
    }

    /// Where it listens, as `TEST_POSTGRES_URL` wants it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// The same by its socket, as a program on the server's own machine would reach it.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("postgres://postgres@localhost:{}/postgres?host={}", self.port, self.directory.path().display())
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A program of PostgreSQL's, run as its own user: the server refuses root.
    fn run(&self, program: &str) -> Command {
        let mut command = Command::new("runuser");
        command.args(["-u", "postgres", "--"]).arg(self.programs.join(program)).current_dir("/");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stop = exec::read(self.run("pg_ctl").args(["-m", "immediate", "-D"]).arg(self.data()).arg("stop"));
        if let Err(error) = stop {
            eprintln!("PostgreSQL could not be stopped: {error:#}");
        }
    }
}

/// The newest installed server's programs.
fn programs() -> Result<PathBuf> {
    let root = Path::new("/usr/lib/postgresql");
    let mut versions: Vec<_> =
        std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok).map(|e| e.path()).collect();
    versions.sort();
    match versions.pop().map(|v| v.join("bin")).filter(|b| b.join("initdb").is_file()) {
        Some(programs) => Ok(programs),
        None => bail!("no PostgreSQL server is installed; `cargo xtask setup` installs one"),
    }
}
