//! TCP port 7: what comes goes back.

use alloc::vec;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};

/// Connections at a time.
pub const SESSIONS: usize = 4;
const PORT: u16 = 7;
const BUFFER: usize = 64 << 10;

/// A socket of the service.
pub fn socket() -> Socket<'static> {
    buffered(BUFFER)
}

/// A TCP socket with buffers of this size; small answers are not held back.
pub fn buffered(size: usize) -> Socket<'static> {
    let mut socket = Socket::new(SocketBuffer::new(vec![0; size]), SocketBuffer::new(vec![0; size]));
    socket.set_nagle_enabled(false);
    socket.set_ack_delay(None);
    socket
}

/// Listens again after a connection's end; closes when the peer has closed and all was sent.
pub fn keep_listening(socket: &mut Socket<'_>, port: u16) {
    match socket.state() {
        // Neither call fails in these states: the port is not 0 and nothing is open.
        State::Closed | State::TimeWait => {
            socket.abort();
            let _ = socket.listen(port);
        }
        State::CloseWait if socket.recv_queue() == 0 => socket.close(),
        _ => {}
    }
}

/// Moves what came to what goes.
pub fn serve(socket: &mut Socket<'_>) {
    let mut part = [0; 4096];
    loop {
        let room = socket.send_capacity() - socket.send_queue();
        let wanted = room.min(part.len());
        if wanted == 0 || !socket.can_send() {
            break;
        }
        let length = socket.recv_slice(&mut part[..wanted]).unwrap_or(0);
        if length == 0 || socket.send_slice(&part[..length]).is_err() {
            break;
        }
    }
    keep_listening(socket, PORT);
}
