//! The metadata service at 169.254.169.254: OpenStack's document and EC2's instance id, over HTTP/1.1 with one connection each.

use super::Host;
use super::echo::buffered;
use crate::{clock, say};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use smoltcp::iface::{Context, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::Ipv4Address;

const SERVICE: Ipv4Address = Ipv4Address::new(169, 254, 169, 254);
const PATHS: [&str; 2] = ["/openstack/latest/meta_data.json", "/latest/meta-data/instance-id"];
const BUFFER: usize = 8 << 10;
const LONGEST_ANSWER: usize = 256 << 10;
const ATTEMPTS: u32 = 10;
/// Microseconds that one attempt may take, and between attempts.
const PATIENCE: u64 = 2_000_000;
const PAUSE: u64 = 500_000;
const FIRST_PORT: u16 = 49_152;

/// How far the questions are.
pub enum Progress {
    /// Come back at this moment.
    Waiting(u64),
    /// Answered or given up.
    Done,
}

enum Phase {
    /// Connect at this moment.
    Pause(u64),
    /// An attempt runs until this moment.
    Attempt(u64),
    Done,
}

/// Asks one question after the other.
pub struct Asker {
    handle: SocketHandle,
    phase: Phase,
    question: usize,
    failures: u32,
    connections: u16,
    sent: bool,
    answer: Vec<u8>,
}

/// The socket for [`Asker`].
pub fn socket() -> Socket<'static> {
    buffered(BUFFER)
}

impl Asker {
    /// Asks over this socket, or not at all.
    pub fn new(handle: SocketHandle, enabled: bool) -> Self {
        let phase = if enabled { Phase::Pause(0) } else { Phase::Done };
        Self { handle, phase, question: 0, failures: 0, connections: 0, sent: false, answer: Vec::new() }
    }

    /// Whether all is answered or given up.
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Does what can be done now.
    pub fn step(&mut self, context: &mut Context, sockets: &mut SocketSet<'static>, host: &mut Host) -> Progress {
        let socket = sockets.get_mut::<Socket<'_>>(self.handle);
        match self.phase {
            Phase::Pause(until) if clock::now() >= until => self.connect(context, socket),
            Phase::Attempt(until) => self.exchange(socket, until, host),
            Phase::Pause(_) | Phase::Done => {}
        }
        match self.phase {
            Phase::Pause(until) | Phase::Attempt(until) => Progress::Waiting(until),
            Phase::Done => Progress::Done,
        }
    }

    fn connect(&mut self, context: &mut Context, socket: &mut Socket<'_>) {
        socket.abort();
        self.connections += 1;
        self.sent = false;
        self.answer.clear();
        let port = FIRST_PORT + (clock::entropy() as u16 % 8192) + self.connections;
        match socket.connect(context, (SERVICE, 80), port) {
            Ok(()) => self.phase = Phase::Attempt(clock::now() + PATIENCE),
            Err(_) => self.fail("no route"),
        }
    }

    fn exchange(&mut self, socket: &mut Socket<'_>, until: u64, host: &mut Host) {
        if !self.sent && socket.can_send() {
            let request =
                format!("GET {} HTTP/1.1\r\nHost: {SERVICE}\r\nConnection: close\r\n\r\n", PATHS[self.question]);
            self.sent = socket.send_slice(request.as_bytes()) == Ok(request.len());
        }
        while socket.can_recv() && self.answer.len() < LONGEST_ANSWER {
            let mut part = [0; 2048];
            let length = socket.recv_slice(&mut part).unwrap_or(0);
            self.answer.extend_from_slice(&part[..length]);
        }
        let ended = matches!(socket.state(), State::CloseWait | State::Closed | State::TimeWait);
        if is_complete(&self.answer) || (ended && !self.answer.is_empty()) {
            socket.close();
            self.finish(host);
        } else if ended {
            self.fail("refused");
        } else if clock::now() >= until {
            self.fail("no answer");
        }
    }

    fn finish(&mut self, host: &mut Host) {
        match body(&self.answer) {
            Ok(document) if self.question == 0 && host.learn(document) => say!("metadata {host}"),
            Ok(document) if self.question == 1 => {
                host.ec2 = String::from_utf8_lossy(document).trim().into();
                say!("metadata ec2 instance-id={}", host.ec2);
            }
            Ok(_) => return self.fail("not a meta_data.json"),
            Err(status) => {
                let reason = format!("status {status}");
                return self.fail(&reason);
            }
        }
        self.question += 1;
        self.failures = 0;
        self.phase = if self.question == PATHS.len() { Phase::Done } else { Phase::Pause(clock::now()) };
    }

    fn fail(&mut self, reason: &str) {
        self.failures += 1;
        if self.failures == ATTEMPTS {
            say!("metadata failed {reason}");
            self.phase = Phase::Done;
        } else {
            self.phase = Phase::Pause(clock::now() + PAUSE);
        }
    }
}

/// Whether the body is as long as the header says.
fn is_complete(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else {
        return false;
    };
    header(head, "content-length")
        .and_then(|value| value.parse::<usize>().ok())
        .is_some_and(|length| body.len() >= length)
}

/// The body of a success, else the status.
fn body(answer: &[u8]) -> Result<&[u8], String> {
    let (head, body) = split(answer).ok_or("missing")?;
    let status = head.split(' ').nth(1).unwrap_or("missing");
    if status == "200" { Ok(body) } else { Err(status.into()) }
}

fn split(answer: &[u8]) -> Option<(&str, &[u8])> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((core::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}
