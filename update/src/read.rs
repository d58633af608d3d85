//! A bundle is looked at, and taken apart.

use crate::{
    Entry, Header, Keys, Malformed,
    header::{LONGEST_LINE, MAGIC},
};
use sha2::{Digest as _, Sha256};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

/// Bytes that are taken at once.
const PIECE: usize = 256 * 1024;

/// A bundle whose maker is trusted; its files are still to be read.
#[derive(Debug)]
pub struct Bundle<R> {
    header: Header,
    rest: BufReader<R>,
}

/// Why a bundle is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is no bundle, or one that cannot be followed.
    #[error("the update is refused: {0}")]
    Malformed(#[from] Malformed),
    /// Nobody who is trusted signed it.
    #[error("the update is refused: none of the keys that this machine trusts has signed it")]
    Signature,
    /// It ends too soon.
    #[error("the update is refused: it is cut short in {0}")]
    Short(String),
    /// A file is not what was signed.
    #[error("the update is refused: {0} is not what was signed")]
    Content(String),
    /// Something follows the last file.
    #[error("the update is refused: something follows its last file")]
    Long,
    /// It cannot be read, or its files cannot be written.
    #[error("cannot {what}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> Refused {
    move |source| Refused::Io { what: what.into(), source }
}

impl<R: Read> Bundle<R> {
    /// Reads what the bundle says of itself, and believes it if one of the keys vouches for it.
    ///
    /// # Errors
    /// When it is no bundle or nobody vouches.
    pub fn open(input: R, keys: &Keys) -> Result<Self, Refused> {
        let mut rest = BufReader::with_capacity(PIECE, input);
        let (magic, description, signature) = (line(&mut rest)?, line(&mut rest)?, line(&mut rest)?);
        if magic != MAGIC.as_bytes() {
            return Err(Malformed::Magic.into());
        }
        let text = [magic, description.clone()].concat();
        let digits = signature.trim_ascii_end();
        let signature = hex::decode(digits).map_err(|_| Refused::Signature)?;
        // One text for one bundle: capital digits are none of ours.
        if hex::encode(&signature).as_bytes() != digits || !keys.vouch(&text, &signature) {
            return Err(Refused::Signature);
        }
        Ok(Self { header: Header::parse(&description)?, rest })
    }

    /// What is in it.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Reads all of it, and writes nothing.
    ///
    /// # Errors
    /// When a byte is not what was signed, or is missing.
    pub fn check(mut self) -> Result<Header, Refused> {
        for entry in &self.header.files {
            take(&mut self.rest, &mut io::sink(), entry)?;
        }
        self.end()?;
        Ok(self.header)
    }

    fn end(&mut self) -> Result<(), Refused> {
        let rest = self.rest.fill_buf().map_err(failed("read the update"))?;
        if rest.is_empty() { Ok(()) } else { Err(Refused::Long) }
    }

    /// Puts its files into a folder, each under its name once all are whole and on the disk; files of those names are replaced.
    ///
    /// # Errors
    /// When a byte is not what was signed, or nothing can be written; then nothing of the bundle is left.
    pub fn unpack(mut self, folder: &Path) -> Result<Vec<PathBuf>, Refused> {
        let mut parts = Parts(Vec::new());
        for entry in &self.header.files {
            let part = folder.join(format!(".{}.part", entry.name));
            parts.0.push(part.clone());
            let mut out = File::create(&part).map_err(failed(format!("write {}", part.display())))?;
            take(&mut self.rest, &mut out, entry)?;
            out.sync_all().map_err(failed(format!("write {}", part.display())))?;
        }
        self.end()?;
        let mut unpacked = Vec::new();
        for (entry, part) in self.header.files.iter().zip(&parts.0) {
            let place = folder.join(&entry.name);
            fs::rename(part, &place).map_err(failed(format!("write {}", place.display())))?;
            unpacked.push(place);
        }
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("write the update's folder"))?;
        Ok(unpacked)
    }
}

/// What is not whole yet; removed unless it got its name.
struct Parts(Vec<PathBuf>);

impl Drop for Parts {
    fn drop(&mut self) {
        for part in &self.0 {
            // It has its name, or was never made.
            drop(fs::remove_file(part));
        }
    }
}

fn line(input: &mut impl BufRead) -> Result<Vec<u8>, Refused> {
    let mut line = Vec::new();
    input.take(LONGEST_LINE as u64).read_until(b'\n', &mut line).map_err(failed("read the update"))?;
    if line.last() == Some(&b'\n') { Ok(line) } else { Err(Malformed::Magic.into()) }
}

/// Copies an entry's bytes, if they are what was signed.
fn take(input: &mut impl Read, out: &mut impl io::Write, entry: &Entry) -> Result<(), Refused> {
    let (mut left, mut hash, mut piece) = (entry.size, Sha256::new(), vec![0; PIECE]);
    while left > 0 {
        let most = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE));
        let got = input.read(&mut piece[..most]).map_err(failed("read the update"))?;
        if got == 0 {
            return Err(Refused::Short(entry.name.clone()));
        }
        hash.update(&piece[..got]);
        out.write_all(&piece[..got]).map_err(failed(format!("write {}", entry.name)))?;
        left -= got as u64;
    }
    if hex::encode(hash.finalize()) == entry.sha256.to_ascii_lowercase() {
        Ok(())
    } else {
        Err(Refused::Content(entry.name.clone()))
    }
}
