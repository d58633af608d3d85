//! The far end of a guest's serial line: a bounded log, any number of live viewers, and what they type.
//!
//! Each byte that a guest writes costs an exit already; here it only lands in a buffer. The buffer goes to the log and the
//! viewers at the end of a line, when it is full, [`FLUSH_DELAY`] after its first byte, and at the end.
//!
//! ```text
//! guest -> output() -> buffer --(line, full, timer, drop)--> Log, viewers        viewer -> input() -> take_input() -> guest
//! ```

mod log;

pub use log::Log;

use crate::poll::{Interest, Placement, Pollable, Source};
use crate::sync::lock;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vmm_sys_util::eventfd::EventFd;

/// How long a byte may wait before it can be seen.
pub const FLUSH_DELAY: Duration = Duration::from_millis(8);
const OUTPUT_BUFFER: usize = 4096;
/// Typed bytes that wait for the guest; what comes beyond is refused.
const INPUT_BUFFER: usize = 4096;
/// Viewers at a time; the oldest goes when one more comes.
const MAX_VIEWERS: usize = 8;

/// Names a viewer for [`Terminal::detach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerId(u64);

struct Viewer {
    id: ViewerId,
    stream: Box<dyn Write + Send>,
}

struct State {
    log: Log,
    buffer: Vec<u8>,
    viewers: Vec<Viewer>,
    next_viewer: u64,
    input: VecDeque<u8>,
}

/// A terminal that a serial port or a console is wired to.
pub struct Terminal {
    state: Mutex<State>,
    timer: TimerFd,
    input_ready: EventFd,
}

impl Terminal {
    /// A terminal that writes to `log`.
    ///
    /// # Errors
    /// When its timer or event cannot be made.
    pub fn new(log: Log) -> io::Result<Arc<Self>> {
        let state = State {
            log,
            buffer: Vec::with_capacity(OUTPUT_BUFFER),
            viewers: Vec::new(),
            next_viewer: 0,
            input: VecDeque::new(),
        };
        Ok(Arc::new(Self {
            state: Mutex::new(state),
            timer: TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK)?,
            input_ready: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
        }))
    }

    /// The guest wrote `bytes`.
    pub fn output(&self, bytes: &[u8]) {
        let mut state = lock(&self.state);
        if state.buffer.is_empty() && !bytes.is_empty() {
            self.arm();
        }
        for part in bytes.chunks(OUTPUT_BUFFER) {
            if state.buffer.len() + part.len() > OUTPUT_BUFFER {
                state.flush();
            }
            state.buffer.extend_from_slice(part);
        }
        if state.buffer.len() == OUTPUT_BUFFER || bytes.last() == Some(&b'\n') {
            state.flush();
        }
    }

    /// Writes out what waits. Also done when the terminal is dropped.
    pub fn flush(&self) {
        lock(&self.state).flush();
    }

    /// Shows the output from now on to a stream that must not block. One that fails is detached; one that is full misses bytes.
    pub fn attach(&self, stream: impl Write + Send + 'static) -> ViewerId {
        let mut state = lock(&self.state);
        state.flush();
        let id = ViewerId(state.next_viewer);
        state.next_viewer += 1;
        if state.viewers.len() == MAX_VIEWERS {
            state.viewers.remove(0);
        }
        state.viewers.push(Viewer { id, stream: Box::new(stream) });
        id
    }

    /// Drops a viewer's stream.
    pub fn detach(&self, id: ViewerId) {
        lock(&self.state).viewers.retain(|viewer| viewer.id != id);
    }

    /// Bytes that a viewer typed; returns how many were taken. The rest may be offered again later.
    pub fn input(&self, bytes: &[u8]) -> usize {
        let mut state = lock(&self.state);
        let taken = bytes.len().min(INPUT_BUFFER - state.input.len());
        state.input.extend(&bytes[..taken]);
        drop(state);
        self.announce_input();
        taken
    }

    /// Up to `limit` typed bytes for the guest.
    pub fn take_input(&self, limit: usize) -> Vec<u8> {
        let mut state = lock(&self.state);
        let taken = state.input.len().min(limit);
        state.input.drain(..taken).collect()
    }

    /// Readable (edge-triggered) when there is input to take, or the guest has room for more.
    pub fn input_fd(&self) -> RawFd {
        self.input_ready.as_raw_fd()
    }

    /// Has the device look for input again.
    pub fn announce_input(&self) {
        // The event can only fail to be written when it is signalled already.
        self.input_ready.write(1).ok();
    }

    fn arm(&self) {
        let delay = Expiration::OneShot(TimeSpec::from_duration(FLUSH_DELAY));
        if self.timer.set(delay, TimerSetTimeFlags::empty()).is_err() {
            // Without a timer the bytes still go out when the buffer is full and at the end.
            self.announce_input();
        }
    }
}

impl State {
    fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        // A log that cannot be written (a full disk) must not stop the guest: the bytes are shown to viewers only.
        self.log.append(&self.buffer).ok();
        let buffer = &self.buffer;
        self.viewers.retain_mut(|viewer| show(viewer, buffer));
        self.buffer.clear();
    }
}

/// Whether the viewer stays.
fn show(viewer: &mut Viewer, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        match viewer.stream.write(bytes) {
            Ok(0) => return false,
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
    true
}

impl Pollable for Terminal {
    fn name(&self) -> &str {
        "terminal"
    }

    fn placement(&self) -> Placement {
        Placement::Shared
    }

    fn sources(&self) -> Vec<Source> {
        vec![Source { fd: self.timer.as_fd().as_raw_fd(), token: 0, interest: Interest::Readable }]
    }

    fn handle(&self, _token: u64) {
        self.flush();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek};
    use std::os::unix::net::UnixStream;

    fn terminal() -> (Arc<Terminal>, std::fs::File) {
        let file = tempfile::tempfile().unwrap();
        (Terminal::new(Log::open(file.try_clone().unwrap(), 1 << 20).unwrap()).unwrap(), file)
    }

    fn contents(mut file: &std::fs::File) -> String {
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn output_waits_for_the_timer_the_full_buffer_or_the_end() {
        let (terminal, file) = terminal();
        terminal.output(b"hello");
        assert_eq!(contents(&file), "");
        let mut poll = [nix::poll::PollFd::new(terminal.timer.as_fd(), nix::poll::PollFlags::POLLIN)];
        assert_eq!(nix::poll::poll(&mut poll, 1000_u16).unwrap(), 1);
        terminal.handle(0);
        assert_eq!(contents(&file), "hello");
        terminal.output(&[b'x'; OUTPUT_BUFFER]);
        assert_eq!(contents(&file).len(), 5 + OUTPUT_BUFFER);
        terminal.output(b"end");
        drop(terminal);
        assert!(contents(&file).ends_with("end"));
    }

    #[test]
    fn a_viewer_sees_what_comes_and_a_dead_one_goes() {
        let (terminal, _file) = terminal();
        terminal.output(b"before");
        let (mut near, far) = UnixStream::pair().unwrap();
        let id = terminal.attach(far);
        terminal.output(b"after");
        terminal.flush();
        let mut seen = [0; 5];
        near.read_exact(&mut seen).unwrap();
        assert_eq!(&seen, b"after");
        terminal.detach(id);
        let (near, far) = UnixStream::pair().unwrap();
        terminal.attach(far);
        drop(near);
        terminal.output(b"x");
        terminal.flush();
        assert!(lock(&terminal.state).viewers.is_empty());
    }

    #[test]
    fn a_slow_viewer_does_not_hold_the_guest() {
        let (terminal, file) = terminal();
        let (_near, far) = UnixStream::pair().unwrap();
        far.set_nonblocking(true).unwrap();
        terminal.attach(far);
        for _ in 0..200 {
            terminal.output(&[b'y'; OUTPUT_BUFFER]);
        }
        assert_eq!(contents(&file).len(), 200 * OUTPUT_BUFFER);
        assert_eq!(lock(&terminal.state).viewers.len(), 1);
    }

    #[test]
    fn input_is_bounded() {
        let (terminal, _file) = terminal();
        assert_eq!(terminal.input(&[1; INPUT_BUFFER + 1]), INPUT_BUFFER);
        assert_eq!(terminal.input(&[2]), 0);
        assert_eq!(terminal.take_input(16), [1; 16]);
        assert_eq!(terminal.input(&[2; 99]), 16);
    }
}
