//! One connection: bytes in, frames out of them, frames back.

use super::Operator;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use vmm_control::frame;
use vmm_control::message::{Reply, Request, Status, VERSION};
use vmm_devices::terminal::{Terminal, ViewerId};

/// Replies that a client has not read; beyond it, the client is dropped.
const MAX_UNREAD: usize = 4 * frame::MAX_FRAME;
/// Typed bytes that the guest has not taken; beyond it, they wait in the socket.
const MAX_TYPED: usize = 64 << 10;
const PART: usize = 4096;
const HEAD: usize = 4;

enum Mode {
    Connected,
    Greeted,
    Console(ViewerId),
}

/// The connection is over.
pub(super) struct Closed;

impl From<io::Error> for Closed {
    fn from(_: io::Error) -> Self {
        Self
    }
}

pub(super) struct Connection {
    stream: UnixStream,
    mode: Mode,
    /// What came in and is not served; typed bytes in console mode.
    input: Vec<u8>,
    /// What the client has not read.
    output: Vec<u8>,
    /// The socket may hold more than was read.
    unread: bool,
}

impl Connection {
    pub(super) fn new(stream: UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self { stream, mode: Mode::Connected, input: Vec::new(), output: Vec::new(), unread: false })
    }

    pub(super) fn fd(&self) -> RawFd {
        self.stream.as_raw_fd()
    }

    /// The socket became readable or writable.
    pub(super) fn serve(&mut self, operator: &mut dyn Operator) -> Result<(), Closed> {
        self.flush()?;
        self.unread = true;
        while self.unread {
            let over = self.fill()?;
            if let Mode::Console(_) = self.mode {
                self.type_in(operator.terminal());
            } else {
                self.serve_frames(operator)?;
            }
            if over {
                return Err(Closed);
            }
            if self.input.len() >= MAX_TYPED {
                break;
            }
        }
        Ok(())
    }

    /// Offers typed bytes that the guest had no room for.
    pub(super) fn retry_input(&mut self, terminal: &Terminal) -> Result<(), Closed> {
        if let Mode::Console(_) = self.mode
            && (!self.input.is_empty() || self.unread)
        {
            self.type_in(terminal);
            if self.unread && self.input.len() < MAX_TYPED && self.fill()? {
                return Err(Closed);
            }
        }
        Ok(())
    }

    /// Tells a greeted client of a change.
    pub(super) fn announce(&mut self, status: Status) -> Result<(), Closed> {
        if let Mode::Greeted = self.mode { self.reply(&Reply::Status(status)) } else { Ok(()) }
    }

    /// The connection goes; its viewer goes with it.
    pub(super) fn leave(&self, terminal: &Terminal) {
        if let Mode::Console(viewer) = self.mode {
            terminal.detach(viewer);
        }
    }

    /// Reads one part. Whether the client has closed.
    fn fill(&mut self) -> Result<bool, Closed> {
        let mut part = [0; PART];
        match self.stream.read(&mut part) {
            Ok(0) => return Ok(true),
            Ok(length) => self.input.extend_from_slice(&part[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.unread = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Closed),
        }
        Ok(false)
    }

    fn type_in(&mut self, terminal: &Terminal) {
        let taken = terminal.input(&self.input);
        self.input.drain(..taken);
    }

    fn serve_frames(&mut self, operator: &mut dyn Operator) -> Result<(), Closed> {
        while let Some(body) = self.take_frame()? {
            let request = frame::decode(&body)?;
            self.answer(request, operator)?;
            if let Mode::Console(_) = self.mode {
                self.type_in(operator.terminal());
                return Ok(());
            }
        }
        Ok(())
    }

    fn take_frame(&mut self) -> Result<Option<Vec<u8>>, Closed> {
        let Some(head) = self.input.first_chunk::<HEAD>() else { return Ok(None) };
        let end = HEAD + frame::body_length(*head)?;
        if self.input.len() < end {
            return Ok(None);
        }
        let body = self.input[HEAD..end].to_vec();
        self.input.drain(..end);
        Ok(Some(body))
    }

    fn answer(&mut self, request: Request, operator: &mut dyn Operator) -> Result<(), Closed> {
        if let (Mode::Connected, Request::Hello { .. }) = (&self.mode, &request) {
            self.mode = Mode::Greeted;
        }
        if let Mode::Connected = self.mode {
            return Err(Closed);
        }
        let done = |result: Result<(), String>| result.map_or_else(|reason| Reply::Failed { reason }, |()| Reply::Done);
        let reply = match request {
            Request::Hello { .. } => Reply::Hello { version: VERSION, id: operator.id().to_owned() },
            Request::Status => Reply::Status(operator.status()),
            Request::PowerButton => done(operator.power_button()),
            Request::Reset => done(operator.reset()),
            Request::Pause => done(operator.pause()),
            Request::Resume => done(operator.resume()),
            Request::Counters => Reply::Counters(operator.counters()),
            Request::AttachConsole => return self.attach(operator.terminal()),
            Request::Quit => {
                operator.quit();
                return Ok(());
            }
        };
        self.reply(&reply)
    }

    fn attach(&mut self, terminal: &Terminal) -> Result<(), Closed> {
        self.reply(&Reply::Done)?;
        // From here on the terminal writes; a client that has not read its replies by now would get them out of order.
        if !self.output.is_empty() {
            return Err(Closed);
        }
        self.mode = Mode::Console(terminal.attach(self.stream.try_clone()?));
        Ok(())
    }

    fn reply(&mut self, reply: &Reply) -> Result<(), Closed> {
        self.output.extend(frame::encode(reply)?);
        self.flush()?;
        if self.output.len() > MAX_UNREAD { Err(Closed) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Closed> {
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(Closed),
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Closed),
            }
        }
        Ok(())
    }
}
