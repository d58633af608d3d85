//! A tar archive of small files (POSIX ustar).

/// Records are multiples of it.
const BLOCK: usize = 512;

/// An archive under construction: one folder with files.
pub(super) struct Tar {
    folder: String,
    seconds: i64,
    bytes: Vec<u8>,
}

impl Tar {
    /// An archive whose files lie in this folder and are of this moment.
    pub(super) fn new(folder: &str, seconds: i64) -> Self {
        Self { folder: folder.to_owned(), seconds, bytes: Vec::new() }
    }

    /// Adds a file that its owner alone may read. Names are short: those of this program.
    pub(super) fn add(&mut self, name: &str, content: &[u8]) {
        let mut header = [0_u8; BLOCK];
        let mut put = |at: usize, text: &str| {
            for (byte, value) in header.iter_mut().skip(at).zip(text.bytes()) {
                *byte = value;
            }
        };
        put(0, &format!("{}/{name}", self.folder));
        put(100, "0000600");
        put(108, "0000000");
        put(116, "0000000");
        put(124, &format!("{:011o}", content.len()));
        put(136, &format!("{:011o}", self.seconds));
        // The sum is made with spaces in its own place.
        put(148, "        ");
        put(156, "0");
        put(257, "ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        let text = format!("{sum:06o}\0 ");
        for (byte, value) in header.iter_mut().skip(148).zip(text.bytes()) {
            *byte = value;
        }
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
    }

    /// The whole archive.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; 2 * BLOCK]);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tar_reads_it() {
        let mut tar = Tar::new("folder", 1_790_000_000);
        tar.add("a.txt", b"hello\n");
        tar.add("empty.txt", b"");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.tar");
        std::fs::write(&file, tar.finish()).unwrap();
        let done = std::process::Command::new("tar").arg("-xf").arg(&file).arg("-C").arg(directory.path()).status();
        assert!(done.unwrap().success());
        assert_eq!(std::fs::read(directory.path().join("folder/a.txt")).unwrap(), b"hello\n");
        assert_eq!(std::fs::read(directory.path().join("folder/empty.txt")).unwrap(), b"");
    }
}
