//! The form of one record of the journal, little-endian:
//!
//! ```text
//! HLDG  version  operation  kind's length  id's length  0   payload's length  payload's checksum
//! 4     2        1          1              1            3   4                 8
//! kind  id  checksum of all before it (8)  payload
//! ```
//!
//! The head has a checksum of its own, so that a damaged payload neither hides whose it is nor where the next record starts.
//! Nothing is ever searched for: a payload carries what tenants wrote, and could hold what looks like a record.

use std::io;

/// The schema's version; it moves when the records' meaning changes so that older programs cannot read it.
pub const VERSION: u16 = 2;

const MAGIC: &[u8; 4] = b"HLDG";
const FIXED: usize = 24;
const SUM: usize = 8;

/// Why a record was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The journal cannot be read.
    #[error("cannot be read")]
    Read(#[from] io::Error),
    /// The journal ends within it.
    #[error("is cut short")]
    Short,
    /// It does not start as a record does.
    #[error("is no record")]
    Shape,
    /// A newer program wrote it.
    #[error("has schema version {0}, this program knows {VERSION}")]
    Version(u16),
    /// Its bytes were changed.
    #[error("its checksum is wrong")]
    Checksum,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Operation {
    /// The object is this now.
    Put = 1,
    /// The object is gone.
    Remove = 2,
    /// A whole snapshot is in the journal.
    Complete = 3,
}

/// A record whose head is whole.
#[derive(Debug)]
pub struct Record<'a> {
    /// What it says.
    pub operation: Operation,
    /// Of what kind of object.
    pub kind: &'a str,
    /// Of which one.
    pub id: &'a str,
    /// The object, unless it was damaged.
    pub payload: Result<&'a [u8], FrameError>,
    /// Its checksum.
    pub checksum: u64,
    /// The whole record's length.
    pub length: usize,
}

/// FNV-1a: it finds damage, it does not keep out a forger, who could as well write a journal of his own.
pub fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Appends a record to `bytes` and returns its length.
pub fn encode(bytes: &mut Vec<u8>, operation: Operation, kind: &str, id: &str, payload: &[u8]) -> usize {
    let start = bytes.len();
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    // Kinds are the program's own words, ids at most `ids::MAX_LENGTH` long.
    bytes.extend_from_slice(&[operation as u8, kind.len() as u8, id.len() as u8, 0, 0, 0]);
    // A gRPC message is at most 4 GiB long, and so is a payload.
    bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&checksum(payload).to_le_bytes());
    bytes.extend_from_slice(kind.as_bytes());
    bytes.extend_from_slice(id.as_bytes());
    let head = checksum(&bytes[start..]);
    bytes.extend_from_slice(&head.to_le_bytes());
    bytes.extend_from_slice(payload);
    bytes.len() - start
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The record at the start of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, FrameError> {
    let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or(FrameError::Short)?;
    if fixed[..4] != *MAGIC {
        return Err(FrameError::Shape);
    }
    let version = number(&fixed[4..6]) as u16;
    if version != VERSION {
        return Err(FrameError::Version(version));
    }
    let (kind, rest) = rest.split_at_checked(fixed[7].into()).ok_or(FrameError::Short)?;
    let (id, rest) = rest.split_at_checked(fixed[8].into()).ok_or(FrameError::Short)?;
    let (sum, rest) = rest.split_at_checked(SUM).ok_or(FrameError::Short)?;
    let head = FIXED + kind.len() + id.len();
    if checksum(&bytes[..head]) != number(sum) {
        return Err(FrameError::Checksum);
    }
    let operation = match fixed[6] {
        1 => Operation::Put,
        2 => Operation::Remove,
        3 => Operation::Complete,
        _ => return Err(FrameError::Shape),
    };
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| FrameError::Shape);
    let payload = rest.get(..number(&fixed[12..16]) as usize).ok_or(FrameError::Short)?;
    let expected = number(&fixed[16..24]);
    Ok(Record {
        operation,
        kind: text(kind)?,
        id: text(id)?,
        payload: if checksum(payload) == expected { Ok(payload) } else { Err(FrameError::Checksum) },
        checksum: expected,
        length: head + SUM + payload.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put() -> Vec<u8> {
        let mut bytes = Vec::new();
        assert_eq!(encode(&mut bytes, Operation::Put, "guest", "a", b"payload"), bytes.len());
        bytes
    }

    #[test]
    fn every_changed_byte_is_found() {
        let whole = put();
        let record = decode(&whole).unwrap();
        assert_eq!((record.operation, record.kind, record.id), (Operation::Put, "guest", "a"));
        assert_eq!((record.payload.unwrap(), record.length), (&b"payload"[..], whole.len()));
        for at in 0..whole.len() {
            let mut hurt = whole.clone();
            hurt[at] ^= 0x10;
            assert!(decode(&hurt).and_then(|record| record.payload).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_damaged_payload_does_not_hide_whose_it_is() {
        let mut hurt = put();
        *hurt.last_mut().unwrap() ^= 1;
        let record = decode(&hurt).unwrap();
        assert_eq!((record.id, record.length), ("a", hurt.len()));
        assert!(matches!(record.payload, Err(FrameError::Checksum)));
    }

    #[test]
    fn every_shorter_record_is_found() {
        let whole = put();
        for length in 0..whole.len() {
            assert!(matches!(decode(&whole[..length]), Err(FrameError::Short)), "length {length}");
        }
    }
}
