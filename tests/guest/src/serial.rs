//! The serial log, read line by line.

use crate::until;
use anyhow::{Result, anyhow, bail};
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

    /// The next whole line that has this text in it. `ended` tells why there will be no more lines.
    pub(crate) fn wait_for(
        &mut self,
        wanted: &str,
        patience: Duration,
        mut ended: impl FnMut() -> Option<String>,
    ) -> Result<String> {
        let found = until(patience, wanted, || {
            let end = ended();
            let text = self.text()?;
            // Past its bound the log loses its older half: then all that is left is new.
            let mut passed = if text.len() < self.passed { 0 } else { self.passed };
            let rest = text.get(passed..).unwrap_or("");
            for line in rest.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                passed += line.len();
                if line.contains(wanted) {
                    return Ok(Some((passed, line.trim_end().to_string())));
                }
            }
            end.map_or(Ok(None), |end| bail!("{wanted:?} cannot come any more: {end}"))
        });
        let (passed, line) =
            found.map_err(|error| anyhow!("{error}; serial log:\n{}", self.text().unwrap_or_default()))?;
        self.passed = passed;
        Ok(line)
    }
}
