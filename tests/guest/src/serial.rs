//! The serial log, read line by line.

use crate::until;
use anyhow::{Result, anyhow};
use std::path::PathBuf;
use std::time::Duration;

/// A reader of the log; it passes each line once.
pub(crate) struct Serial {
    path: PathBuf,
    passed: usize,
}

impl Serial {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, passed: 0 }
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.path)?).into_owned())
    }

    /// The next whole line that has this text in it.
    pub(crate) fn wait_for(&mut self, wanted: &str, patience: Duration) -> Result<String> {
        let found = until(patience, wanted, || {
            let text = self.text()?;
            let rest = text.get(self.passed..).unwrap_or("");
            let mut passed = self.passed;
            for line in rest.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                passed += line.len();
                if line.contains(wanted) {
                    return Ok(Some((passed, line.trim_end().to_string())));
                }
            }
            Ok(None)
        });
        let (passed, line) =
            found.map_err(|error| anyhow!("{error}; serial log:\n{}", self.text().unwrap_or_default()))?;
        self.passed = passed;
        Ok(line)
    }
}
