//! The form of one ledger file: `HLDG`, version, reserved, payload length, checksum (little-endian), payload.

use std::io;

/// The schema's version; it moves when the payloads' meaning changes so that older programs cannot read it.
pub const VERSION: u16 = 1;

const MAGIC: &[u8; 4] = b"HLDG";
const HEADER: usize = 20;

/// Why a ledger file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It cannot be read.
    #[error("cannot be read")]
    Read(#[from] io::Error),
    /// Its name is no identifier.
    #[error("its name is no identifier")]
    Name,
    /// It does not start as a ledger file does, or is shorter or longer than it says.
    #[error("is no whole ledger file")]
    Shape,
    /// A newer program wrote it.
    #[error("has schema version {0}, this program knows up to {VERSION}")]
    Version(u16),
    /// Its bytes were changed.
    #[error("its checksum is wrong")]
    Checksum,
}

/// FNV-1a: it finds damage, it does not keep out a forger, who could as well write a file of his own.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

pub fn encode(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + payload.len());
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 2]);
    // A gRPC message is at most 4 GiB long, and so is a payload.
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&checksum(payload).to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<&[u8], FrameError> {
    let (header, payload) = bytes.split_at_checked(HEADER).ok_or(FrameError::Shape)?;
    let field = |from: usize, to: usize| {
        let mut value = [0; 8];
        value[..to - from].copy_from_slice(&header[from..to]);
        u64::from_le_bytes(value)
    };
    if header[..4] != *MAGIC {
        return Err(FrameError::Shape);
    }
    let version = field(4, 6) as u16;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    if field(8, 12) != payload.len() as u64 {
        return Err(FrameError::Shape);
    }
    if field(12, 20) == checksum(payload) { Ok(payload) } else { Err(FrameError::Checksum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_found() {
        let whole = encode(b"payload");
        assert_eq!(decode(&whole).unwrap(), b"payload");
        for at in (0..whole.len()).filter(|at| !(6..8).contains(at)) {
            let mut hurt = whole.clone();
            hurt[at] ^= 0x10;
            assert!(decode(&hurt).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_shorter_file_is_found() {
        let whole = encode(b"payload");
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "length {length}");
        }
    }
}
