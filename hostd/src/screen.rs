//! What a machine's consoles show of it, for who stands before it: services, membership, guests, pool, links.
//!
//! Asks the daemon and the kernel; changes nothing but the consoles. On a screen (`/dev/tty1`) the picture stays at the top, and what
//! others write goes on below it; a serial console gets it line by line, again when it has changed.

use crate::{daemon, local, status::Report};
use hostd_kit::paths::Layout;
use nix::ifaddrs::getifaddrs;
use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

/// How often it is looked at: a console that nobody reads must cost nothing.
const EVERY: Duration = Duration::from_secs(10);
/// How long the daemon may take to tell.
const PATIENCE: Duration = Duration::from_secs(5);
/// The daemon's own unit.
const HOSTD: &str = "hostd.service";
/// A screen's lines are so long at least.
const WIDTH: usize = 79;
/// What stands before a row's value.
const INDENT: usize = 12;
const GIB: u64 = 1 << 30;

/// A machine, as its consoles show it.
#[derive(Clone, Debug)]
pub struct Machine {
    /// What stands above it.
    pub head: Option<String>,
    /// Units of systemd's that shall run.
    pub units: Vec<String>,
    /// Where the health check's verdict stands, if there is one.
    pub health: Option<PathBuf>,
    /// Where hostd keeps its files.
    pub layout: Layout,
}

impl Machine {
    /// How it is now.
    pub async fn text(&self) -> String {
        let services: Vec<_> = self.units.iter().map(|unit| (unit.as_str(), runs(unit))).collect();
        render(self, &services, self.report().await.as_ref(), &links())
    }

    /// `None`: no daemon answers, because none runs or because it is not let in yet.
    async fn report(&self) -> Option<Report> {
        let socket = daemon::local_socket(&self.layout);
        let text = timeout(PATIENCE, local::ask(&socket, "/status")).await.ok()?.ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Shows it on the consoles until this program is told to end; then nothing of it is left on a screen, for whoever shows it next. A
/// console that the machine has not is passed over.
///
/// # Errors
/// When the program cannot hear of its end.
pub async fn keep(machine: &Machine, consoles: &[PathBuf]) -> io::Result<()> {
    let mut end = signal(SignalKind::terminate())?;
    let mut shown = String::new();
    loop {
        let text = machine.text().await;
        if text != shown {
            for console in consoles {
                // There is nobody to tell but who stands before it.
                let _ = show(console, &text, &shown);
            }
            shown = text;
        }
        if timeout(EVERY, end.recv()).await.is_ok() {
            break;
        }
    }
    for console in consoles.iter().filter(|console| is_screen(console) && !shown.is_empty()) {
        let _ = write(console, &wiped(&shown));
    }
    Ok(())
}

fn show(console: &Path, text: &str, before: &str) -> io::Result<()> {
    let bytes = if is_screen(console) { picture(text, before) } else { format!("\n{text}\n") };
    write(console, &bytes)
}

fn write(console: &Path, bytes: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(console)?.write_all(bytes.as_bytes())
}

/// Whether it is one of the kernel's own screens, `tty1` and so on.
fn is_screen(console: &Path) -> bool {
    let name = console.file_name().unwrap_or_default().to_string_lossy();
    name.strip_prefix("tty").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// The text and a rule at the top of a screen, by the sequences of console_codes(4): lines above what scrolls from now on. What
/// stands there moves down, or up, by as many lines as there are more, or fewer, than before.
fn picture(text: &str, before: &str) -> String {
    let rule = "-".repeat(WIDTH);
    let lines: Vec<&str> = text.lines().chain([rule.as_str()]).collect();
    let had = if before.is_empty() { 0 } else { before.lines().count() + 1 };
    let (more, fewer) = (lines.len().saturating_sub(had), had.saturating_sub(lines.len()));
    let mut out = "\n".repeat(more);
    out.push_str("\x1b7\x1b[r\x1b[H");
    // Writing to a string does not fail.
    if more > 0 {
        let _ = write!(out, "\x1b[{more}L");
    }
    if fewer > 0 {
        let _ = write!(out, "\x1b[{fewer}M");
    }
    for line in &lines {
        let line: String = line.chars().take(WIDTH).collect();
        let _ = write!(out, "{line}\x1b[K\r\n");
    }
    let _ = write!(out, "\x1b[{};r\x1b8", lines.len() + 1);
    out
}

/// Takes a picture and its rule away; what stood below moves up, and so does the cursor.
fn wiped(before: &str) -> String {
    let had = before.lines().count() + 1;
    format!("\x1b7\x1b[r\x1b[H\x1b[{had}M\x1b8\x1b[{had}A")
}

/// Whether a unit has processes.
fn runs(unit: &str) -> bool {
    let events = fs::read_to_string(format!("/sys/fs/cgroup/system.slice/{unit}/cgroup.events"));
    events.is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

/// A network device of the machine's own.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Link {
    name: String,
    up: bool,
    addresses: Vec<String>,
}

/// Devices with hardware behind them, by name. What has none was made for guests.
fn links() -> Vec<Link> {
    let net = Path::new("/sys/class/net");
    let names = fs::read_dir(net).into_iter().flatten().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| net.join(name).join("device").exists()).collect();
    names.sort();
    let link = |name: String| {
        let state = fs::read_to_string(net.join(&name).join("operstate")).unwrap_or_default();
        Link { up: state.trim() == "up", addresses: addresses(&name), name }
    };
    names.into_iter().map(link).collect()
}

/// Addresses of a device by which others reach it.
fn addresses(name: &str) -> Vec<String> {
    let all = getifaddrs().into_iter().flatten().filter(|one| one.interface_name == name);
    let ip = all.filter_map(|one| {
        let address = one.address?;
        let v4 = address.as_sockaddr_in().map(|socket| socket.ip().to_string());
        let v6 = address.as_sockaddr_in6().map(nix::sys::socket::SockaddrIn6::ip);
        v4.or_else(|| v6.filter(|ip| !ip.is_unicast_link_local()).map(|ip| ip.to_string()))
    });
    ip.collect()
}

fn render(machine: &Machine, services: &[(&str, bool)], report: Option<&Report>, links: &[Link]) -> String {
    let mut out = String::new();
    if let Some(head) = &machine.head {
        line(&mut out, format_args!("{head}"));
    }
    for (unit, runs) in services {
        let word = if *runs { "runs" } else { "does not run" };
        row(&mut out, "service", format_args!("{}: {word}", unit.trim_end_matches(".service")));
    }
    if let Some(verdict) = machine.health.as_ref().and_then(|file| fs::read_to_string(file).ok()) {
        rows(&mut out, "health", &verdict);
    }
    match report {
        Some(report) => host(&mut out, report),
        None if services.iter().any(|(unit, _)| *unit == HOSTD) => {
            row(&mut out, "host", format_args!("hostd does not answer: it starts, or no controller has let it in yet"));
        }
        None => {}
    }
    for link in links {
        let state = if link.up { "up" } else { "down" };
        row(&mut out, "link", format_args!("{} {state} {}", link.name, link.addresses.join(" ")));
    }
    out
}

fn host(out: &mut String, report: &Report) {
    let reached = if report.connected { "connected to" } else { "not connected to" };
    row(out, "host", format_args!("{reached} {}", report.controller));
    if !report.connected {
        rows(out, "", &report.reason);
    }
    row(out, "identity", format_args!("{}", report.host_id));
    row(out, "sha256", format_args!("{}", report.fingerprint.trim_start_matches("sha256:")));
    let guests: Vec<String> = report.guests.iter().map(|(state, count)| format!("{count} {state}")).collect();
    row(out, "guests", format_args!("{}", if guests.is_empty() { "none".to_owned() } else { guests.join(", ") }));
    if let Some((size, left)) = report.pool {
        // In steps that a guest does not take every few seconds.
        let used = size.saturating_sub(left).saturating_mul(100) / size.max(1);
        row(out, "pool", format_args!("local: {} GiB, {used} % used", size / GIB));
    }
}

/// A text in lines that fit behind a row's name.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= WIDTH - INDENT => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A row whose value may need several lines.
fn rows(out: &mut String, name: &str, value: &str) {
    for (number, part) in wrapped(value).iter().enumerate() {
        row(out, if number == 0 { name } else { "" }, format_args!("{part}"));
    }
}

fn row(out: &mut String, name: &str, value: std::fmt::Arguments<'_>) {
    line(out, format_args!("  {name:<9} {value}"));
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(text.to_string().trim_end());
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            host_id: "56e4100a-7ef2-434f-b5bf-4b13f060b9ee".to_owned(),
            fingerprint: format!("sha256:{}", "ab".repeat(32)),
            controller: "https://10.79.0.11:8444".to_owned(),
            connected: true,
            reason: String::new(),
            guests: vec![("running".to_owned(), 3), ("stopped".to_owned(), 1)],
            pool: Some((40 << 30, 12 << 30)),
        }
    }

    fn machine() -> Machine {
        Machine { head: None, units: Vec::new(), health: None, layout: Layout::new("/nowhere") }
    }

    fn link(name: &str, up: bool, addresses: &[&str]) -> Link {
        Link { name: name.to_owned(), up, addresses: addresses.iter().map(|&address| address.to_owned()).collect() }
    }

    #[test]
    fn a_machine_shows_services_membership_guests_pool_and_links() {
        let links = [link("enp1s0", true, &["10.79.0.11"]), link("enp2s0", false, &[])];
        let services = [("controller.service", true), ("hostd.service", false)];
        let folder = tempfile::tempdir().unwrap();
        let health = folder.path().join("health");
        fs::write(&health, "ready after 17.25 s, version 1.0.0, controller,host, https://10.79.0.11:8443\n").unwrap();
        let head = "Humilis 1.0.0, controller,host".to_owned();
        let told = Machine { head: Some(head), health: Some(health), ..machine() };
        let text = render(&told, &services, Some(&report()), &links);
        let fingerprint = "ab".repeat(32);
        let wanted = format!(
            "Humilis 1.0.0, controller,host\n  service   controller: runs\n  service   hostd: does not run\n  \
             health    ready after 17.25 s, version 1.0.0, controller,host,\n            https://10.79.0.11:8443\n  host      connected to https://10.79.0.11:8444\n  identity  56e4100a-7ef2-434f-b5bf-4b13f060b9ee\n  \
             sha256    {fingerprint}\n  guests    3 running, 1 stopped\n  pool      local: 40 GiB, 70 % used\n  \
             link      enp1s0 up 10.79.0.11\n  link      enp2s0 down\n"
        );
        assert_eq!(text, wanted);
        assert!(text.lines().all(|line| line.len() < 80), "it fits a screen");
    }

    #[test]
    fn a_machine_whose_host_does_not_answer_shows_what_it_can() {
        let text = render(&machine(), &[("controller.service", true)], None, &[link("eth0", true, &[])]);
        assert_eq!(text, "  service   controller: runs\n  link      eth0 up\n");
        let text = render(&machine(), &[("hostd.service", true)], None, &[]);
        assert!(text.contains("  host      hostd does not answer"), "{text}");
        let reason =
            "this host is fenced; an operator has to let it in with `controller host unfence node-1`".to_owned();
        let alone = Report { connected: false, reason, guests: Vec::new(), ..report() };
        let text = render(&machine(), &[], Some(&alone), &[]);
        assert!(text.contains("host      not connected to https://") && text.contains("guests    none"), "{text}");
        assert!(text.contains("\n            this host is fenced; an operator has to let it in with `controller\n            host unfence node-1`\n"), "{text}");
    }

    #[test]
    fn a_screen_keeps_it_above_what_scrolls_and_a_line_does_not() {
        assert!(is_screen(Path::new("/dev/tty1")));
        assert!(!is_screen(Path::new("/dev/ttyS0")) && !is_screen(Path::new("/dev/console")));
        let drawn = picture("a\nb\n", "");
        assert!(drawn.starts_with("\n\n\n\x1b7\x1b[r\x1b[H\x1b[3La\x1b[K\r\nb\x1b[K\r\n"), "{drawn:?}");
        assert!(drawn.ends_with("\x1b[4;r\x1b8"), "{drawn:?}");
        assert!(picture("a\nb\nc\n", "a\nb\n").starts_with("\n\x1b7\x1b[r\x1b[H\x1b[1La"));
        assert!(picture("a\n", "a\nb\n").starts_with("\x1b7\x1b[r\x1b[H\x1b[1Ma"));
        assert!(picture("b\n", "a\n").starts_with("\x1b7\x1b[r\x1b[Hb"));
        assert_eq!(wiped("a\nb\n"), "\x1b7\x1b[r\x1b[H\x1b[3M\x1b8\x1b[3A");
        let long = picture(&"x".repeat(200), "");
        assert!(long.contains(&format!("{}\x1b[K", "x".repeat(79))) && !long.contains(&"x".repeat(80)));
    }
}
