//! Frames on the control socket: a little-endian u32 length, then a postcard body of at most [`MAX_FRAME`] bytes.

use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};

/// The longest body; a longer one ends the connection.
pub const MAX_FRAME: usize = 64 * 1024;

/// Bytes of one message with its length before it.
///
/// # Errors
/// When the message cannot be encoded or is longer than [`MAX_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    let body = postcard::to_stdvec(message).map_err(invalid)?;
    let length = u32::try_from(body.len()).ok().filter(|n| *n as usize <= MAX_FRAME);
    let length = length.ok_or_else(|| invalid("message is too long"))?;
    Ok([&length.to_le_bytes()[..], &body].concat())
}

/// A message from a frame's body.
///
/// # Errors
/// When the bytes are no `T`.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> io::Result<T> {
    postcard::from_bytes(body).map_err(invalid)
}

/// The body's length that a frame's first four bytes announce.
///
/// # Errors
/// When it is more than [`MAX_FRAME`].
pub fn body_length(head: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_le_bytes(head) as usize;
    if length <= MAX_FRAME { Ok(length) } else { Err(invalid("frame is too long")) }
}

/// Writes one message to a blocking stream.
///
/// # Errors
/// Those of [`encode`] and of the stream.
pub fn write<T: Serialize>(stream: &mut impl Write, message: &T) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

/// Reads one message from a blocking stream.
///
/// # Errors
/// Those of the stream, and `InvalidData` for a body that is too long or no `T`.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> io::Result<T> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let mut body = vec![0; body_length(head)?];
    stream.read_exact(&mut body)?;
    decode(&body)
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Request;

    #[test]
    fn a_message_survives_the_wire() {
        let mut wire = Vec::new();
        write(&mut wire, &Request::Hello { version: 7 }).unwrap();
        assert_eq!(read::<Request>(&mut wire.as_slice()).unwrap(), Request::Hello { version: 7 });
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_read() {
        let head = u32::try_from(MAX_FRAME + 1).unwrap().to_le_bytes();
        assert_eq!(read::<Request>(&mut head.as_slice()).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
