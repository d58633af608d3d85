//! Commands of the host (`nft`, `ip`, `mkfs.ext4`): a deadline, bounded output, and the text of what went wrong.

use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
    time::timeout,
};

/// At most this much of a command's output is kept.
pub const MAX_OUTPUT: u64 = 1024 * 1024;

/// A command that did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not be started.
    #[error("{program} cannot be started")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ran longer than it may and was killed.
    #[error("{program} did not end within {seconds} s")]
    Deadline {
        /// The program.
        program: String,
        /// The bound.
        seconds: u64,
    },
    /// It ended with another status than 0.
    #[error("{program} failed ({status}): {message}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The end of what it wrote to its standard error.
        message: String,
    },
}

/// Runs `program` with `input` on its standard input, and returns what it wrote to its standard output.
///
/// # Errors
/// See [`RunError`]. A command that is dropped or late is killed.
pub async fn run(program: &str, arguments: &[&str], input: &[u8], limit: Duration) -> Result<Vec<u8>, RunError> {
    let start = |source| RunError::Start { program: program.to_owned(), source };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feed = async {
        if let Some(mut stdin) = stdin {
            // A command that does not read its input closes the pipe: its status says whether that was right.
            let _ = stdin.write_all(input).await;
        }
    };
    let work = async { tokio::join!(feed, bounded(stdout), bounded(stderr), child.wait()) };
    let late = |_| RunError::Deadline { program: program.to_owned(), seconds: limit.as_secs() };
    let ((), output, errors, status) = timeout(limit, work).await.map_err(late)?;
    let status = status.map_err(start)?;
    if status.success() {
        return Ok(output);
    }
    let message = String::from_utf8_lossy(&errors).trim().chars().take(2000).collect();
    Err(RunError::Failed { program: program.to_owned(), status, message })
}

async fn bounded(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        // The rest is read and dropped, so that the command does not wait for a reader.
        let _ = (&mut pipe).take(MAX_OUTPUT).read_to_end(&mut kept).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn input_goes_in_and_output_comes_out() {
        assert_eq!(run("cat", &[], b"through", LIMIT).await.unwrap(), b"through");
    }

    #[tokio::test]
    async fn a_failure_carries_what_the_command_said() {
        let error = run("sh", &["-c", "echo sorry >&2; exit 3"], b"", LIMIT).await.unwrap_err();
        assert!(matches!(&error, RunError::Failed { message, .. } if message == "sorry"), "{error}");
    }

    #[tokio::test]
    async fn a_late_command_is_given_up() {
        let error = run("sleep", &["60"], b"", Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(error, RunError::Deadline { .. }));
    }

    #[tokio::test]
    async fn endless_output_is_bounded() {
        let output = run("head", &["-c", "3000000", "/dev/zero"], b"", LIMIT).await.unwrap();
        assert_eq!(output.len() as u64, MAX_OUTPUT);
    }
}
