//! A connection to a guest's process, as hostd has it.

use crate::PATIENCE;
use anyhow::{Result, bail, ensure};
use std::os::unix::net::UnixStream;
use std::path::Path;
use vmm_control::frame;
use vmm_control::message::{DeviceCounters, Reply, Request, Status, VERSION};

/// The connection.
pub struct Control {
    stream: UnixStream,
}

impl Control {
    /// Connects and says hello.
    ///
    /// # Errors
    /// When nobody answers, or somebody else than the guest `id`.
    pub fn connect(socket: &Path, id: &str) -> Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut control = Self { stream };
        match control.ask(&Request::Hello { version: VERSION })? {
            Reply::Hello { id: answered, .. } => ensure!(answered == id, "{answered} answered for {id}"),
            other => bail!("hello was answered by {other:?}"),
        }
        Ok(control)
    }

    /// Sends a request and returns its answer; states that are reported in between are passed over.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn ask(&mut self, request: &Request) -> Result<Reply> {
        frame::write(&mut self.stream, request)?;
        loop {
            match frame::read(&mut self.stream)? {
                Reply::Status(_) if *request != Request::Status => {}
                answer => return Ok(answer),
            }
        }
    }

    /// Asks for something that is answered by 'done'.
    ///
    /// # Errors
    /// When it is not.
    pub fn order(&mut self, request: &Request) -> Result<()> {
        let answer = self.ask(request)?;
        ensure!(answer == Reply::Done, "{request:?} was answered by {answer:?}");
        Ok(())
    }

    /// The guest's state.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn status(&mut self) -> Result<Status> {
        match self.ask(&Request::Status)? {
            Reply::Status(status) => Ok(status),
            other => bail!("status was answered by {other:?}"),
        }
    }

    /// The devices' counters.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn counters(&mut self) -> Result<Vec<DeviceCounters>> {
        match self.ask(&Request::Counters)? {
            Reply::Counters(counters) => Ok(counters),
            other => bail!("counters was answered by {other:?}"),
        }
    }

    /// Ends the process.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn quit(mut self) -> Result<()> {
        frame::write(&mut self.stream, &Request::Quit)?;
        Ok(())
    }

    /// Makes the connection the serial port.
    ///
    /// # Errors
    /// When the process refuses.
    pub fn into_console(mut self) -> Result<UnixStream> {
        self.order(&Request::AttachConsole)?;
        Ok(self.stream)
    }
}
