//! TCP port 23: a line with a command, a line with the answer.

use super::Host;
use super::echo::{buffered, keep_listening};
use super::probe::{Exit, Probe};
use crate::disk;
use crate::power::{self, Power};
use crate::virtio::blk::{Disk, Error, SECTOR};
use crate::{clock, say};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::Socket;

/// Connections at a time.
pub const SESSIONS: usize = 4;
const PORT: u16 = 23;
const BUFFER: usize = 4096;
const LONGEST_LINE: usize = 512;
/// Bytes that one `fill` or `read` may name.
const LONGEST_RANGE: u64 = 64 << 20;

/// What commands work on.
pub struct Context<'a> {
    /// Who the guest is.
    pub host: &'a mut Host,
    /// Its disks.
    pub disks: &'a mut [Disk],
    /// Its power.
    pub power: &'a mut Power,
}

/// A connection or the readiness for one.
pub struct Session {
    handle: SocketHandle,
    line: Vec<u8>,
    probe: Option<Probe>,
    leaving: Option<SocketHandle>,
}

impl Session {
    /// A session with a socket of its own.
    pub fn new(sockets: &mut SocketSet<'static>) -> Self {
        Self { handle: sockets.add(buffered(BUFFER)), line: Vec::new(), probe: None, leaving: None }
    }

    /// Answers the lines that came, one after the other.
    pub fn serve(&mut self, exit: &mut Exit<'_>, context: &mut Context<'_>) {
        if let Some(socket) = self.leaving.take() {
            exit.sockets.remove(socket);
        }
        self.follow_probe(exit);
        while self.probe.is_none() {
            let Some(line) = self.next_line(exit.sockets.get_mut(self.handle)) else { break };
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match Probe::start(&words, exit) {
                Some(Ok(probe)) => self.probe = Some(probe),
                Some(Err(error)) => self.say(&error, exit),
                None => self.say(&answer(line.trim(), context), exit),
            }
        }
        let socket = exit.sockets.get_mut::<Socket<'_>>(self.handle);
        if !socket.is_active() {
            self.line.clear();
        }
        if self.probe.is_none() {
            keep_listening(socket, PORT);
        }
    }

    fn follow_probe(&mut self, exit: &mut Exit<'_>) {
        let Some(answer) = self.probe.as_ref().and_then(|probe| probe.answer(exit)) else { return };
        self.say(&answer, exit);
        self.leaving = self.probe.take().map(|probe| probe.end(exit));
    }

    fn say(&self, answer: &str, exit: &mut Exit<'_>) {
        // A peer that went away needs no answer.
        let _ = exit.sockets.get_mut::<Socket<'_>>(self.handle).send_slice(format!("{answer}\n").as_bytes());
    }

    fn next_line(&mut self, socket: &mut Socket<'_>) -> Option<String> {
        let mut byte = [0];
        while socket.can_recv() && socket.send_queue() < BUFFER / 2 && socket.recv_slice(&mut byte) == Ok(1) {
            match byte[0] {
                b'\n' => return Some(String::from_utf8_lossy(&core::mem::take(&mut self.line)).into_owned()),
                other if self.line.len() < LONGEST_LINE => self.line.push(other),
                _ => {}
            }
        }
        None
    }
}

/// The answer to a command.
pub fn answer(line: &str, context: &mut Context<'_>) -> String {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    match words[..] {
        ["uptime"] => format!("{}", clock::now() / 1000),
        ["hostname"] => context.host.name.clone(),
        ["instance-id"] => context.host.instance.clone(),
        ["ec2-instance-id"] => context.host.ec2.clone(),
        ["clock"] => clock::source().to_string(),
        ["status"] => status(context),
        ["say", ..] => {
            say!("said {}", line.trim_start_matches("say").trim());
            "ok".to_string()
        }
        ["poweroff"] => context.power.off(),
        ["reboot"] => context.power.reset(),
        ["crash"] => power::crash(),
        [command, name, ref arguments @ ..] => disk_command(context.disks, command, name, arguments),
        _ => "error unknown command".to_string(),
    }
}

fn status(context: &mut Context<'_>) -> String {
    let checks =
        context.disks.iter_mut().enumerate().map(|(index, disk)| match disk::checksum(disk, 0, disk::CHECKED) {
            Ok(crc) => format!(" {}={crc:08x}", disk::name(index)),
            Err(error) => format!(" {}={error:?}", disk::name(index)),
        });
    let checks: String = checks.collect();
    format!("uptime={} {}{checks}", clock::now() / 1000, context.host)
}

/// `size`, `crc START LENGTH`, `fill START LENGTH BYTE`, `stamp START LENGTH SEED`, `verify START LENGTH SEED`,
/// `zero START LENGTH`, `discard START LENGTH`, `flush`; in bytes.
fn disk_command(disks: &mut [Disk], command: &str, name: &str, arguments: &[&str]) -> String {
    let found = disks.iter_mut().enumerate().find(|(index, _)| disk::name(*index) == name);
    let Some((_, disk)) = found else {
        return "error no such disk".to_string();
    };
    let Some(numbers) = arguments.iter().map(|text| text.parse().ok()).collect::<Option<Vec<u64>>>() else {
        return "error not a number".to_string();
    };
    let sector = SECTOR as u64;
    if matches!(numbers[..], [start, length, ..] if start % sector != 0 || length % sector != 0 || length > LONGEST_RANGE)
    {
        return "error not whole sectors or too long".to_string();
    }
    let count = |length: u64| (length / sector) as u32;
    match (command, &numbers[..]) {
        ("size", []) => (disk.sectors() * sector).to_string(),
        ("crc", [start, length]) => {
            disk::checksum(disk, *start, *length).map_or_else(failed, |crc| format!("{crc:08x}"))
        }
        ("stamp", [start, length, seed]) => done(disk::stamp(disk, *start, *length, *seed)),
        ("verify", [start, length, seed]) => match disk::find_damage(disk, *start, *length, *seed) {
            Ok(None) => "ok".to_string(),
            Ok(Some(at)) => format!("error differs at {at}"),
            Err(error) => failed(error),
        },
        ("fill", [start, length, byte]) => done(disk::fill(disk, *start, *length, *byte as u8)),
        ("zero", [start, length]) => done(disk.write_zeroes(start / sector, count(*length))),
        ("discard", [start, length]) => done(disk.discard(start / sector, count(*length))),
        ("flush", []) => done(disk.flush()),
        _ => "error unknown command".to_string(),
    }
}

fn done(result: Result<(), Error>) -> String {
    result.map_or_else(failed, |()| "ok".to_string())
}

fn failed(error: Error) -> String {
    format!("error {error:?}")
}
