//! Changes of sets' and maps' elements in the host's packet filter, told to the kernel directly (nf_tables): what a port that comes or goes
//! needs, a tenth of what `nft` costs for it as a program. One call is one atomic transaction.

use std::io;

use crate::netfilter::{ACK, CREATE, ERROR, NESTED, REQUEST, attribute, code, message, messages, open};
use crate::plan::filter::{Change, Verdict};

const TABLE: &str = "humilis";
const BRIDGE: [u8; 4] = [7, 0, 0, 0];
/// `NFNL_SUBSYS_NFTABLES`.
const SUBSYSTEM: u8 = 10;
const BATCH: [u8; 4] = [0, 0, 0, SUBSYSTEM];
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_ELEMENTS: u16 = (SUBSYSTEM as u16) << 8 | 12;
const DELETE_ELEMENTS: u16 = (SUBSYSTEM as u16) << 8 | 14;

const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3 | NESTED;
const ELEMENT: u16 = 1 | NESTED;
const KEY: u16 = 1 | NESTED;
const DATA: u16 = 2 | NESTED;
const VALUE: u16 = 1;
const VERDICT: u16 = 2 | NESTED;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;

const ACCEPT: i32 = 1;
const GOTO: i32 = -4;

/// Carries out changes in the calling thread's namespace, in their order: all of them or none.
pub(crate) fn change(changes: &[Change]) -> io::Result<()> {
    let Some(last) = changes.len().checked_sub(1).and_then(|last| u32::try_from(last).ok()) else { return Ok(()) };
    let socket = open()?;
    socket.send(&batch(changes, last), 0)?;
    loop {
        let (answer, _) = socket.recv_from_full()?;
        for (_, body) in messages(&answer).into_iter().filter(|(kind, _)| *kind == ERROR) {
            match code(body) {
                0 if sequence(body) == Some(last) => return Ok(()),
                0 => {}
                code => return Err(io::Error::from_raw_os_error(-code)),
            }
        }
    }
}

/// The last change is acknowledged when all are made.
fn batch(changes: &[Change], last: u32) -> Vec<u8> {
    let mut bytes = message(BATCH_BEGIN, REQUEST, 0, BATCH, &[]);
    for (sequence, change) in (0..=last).zip(changes) {
        let (kind, create) = if change.add { (NEW_ELEMENTS, CREATE) } else { (DELETE_ELEMENTS, 0) };
        let ack = if sequence == last { ACK } else { 0 };
        bytes.extend(message(kind, REQUEST | create | ack, sequence, BRIDGE, &element(change)));
    }
    bytes.extend(message(BATCH_END, REQUEST, 0, BATCH, &[]));
    bytes
}

fn element(change: &Change) -> Vec<u8> {
    let mut element = attribute(KEY, &attribute(VALUE, &change.element.key()));
    if let Some(verdict) = &change.element.verdict {
        element.extend(attribute(DATA, &attribute(VERDICT, &code_of(verdict))));
    }
    let list = attribute(LIST_ELEMENTS, &attribute(ELEMENT, &element));
    [attribute(LIST_TABLE, &text(TABLE)), attribute(LIST_SET, &text(&change.element.set)), list].concat()
}

fn code_of(verdict: &Verdict) -> Vec<u8> {
    let code = |code: i32| attribute(VERDICT_CODE, &code.to_be_bytes());
    match verdict {
        Verdict::Accept => code(ACCEPT),
        Verdict::Goto(chain) => [code(GOTO), attribute(VERDICT_CHAIN, &text(chain))].concat(),
    }
}

fn text(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

/// Of the message that is answered, whose header follows the code.
fn sequence(body: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(*body.get(12..)?.first_chunk()?))
}
