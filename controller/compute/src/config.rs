//! How compute is set up.

use crate::quota::Limits;
use std::time::Duration;

/// Section `[compute]`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The availability zone that all hosts are in.
    pub availability_zone: String,
    /// How long a guest may take to power itself off, seconds.
    pub shutdown_grace_seconds: u32,
    /// How long a host may take to answer a change before the server goes to ERROR, seconds.
    pub answer_timeout_seconds: u32,
    /// Most items in one answer.
    pub max_limit: u32,
    /// How long deleted servers stay visible to `changes-since`, seconds.
    pub deleted_retention_seconds: u32,
    /// The command line of kernels that are started directly, for images that bring none; empty: the hosts' default.
    pub kernel_args: String,
    /// What projects may have unless their own quota says otherwise.
    pub quota: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            availability_zone: "nova".to_owned(),
            shutdown_grace_seconds: 60,
            answer_timeout_seconds: 600,
            max_limit: 1000,
            deleted_retention_seconds: 7 * 24 * 3600,
            kernel_args: String::new(),
            quota: Limits::default(),
        }
    }
}

impl Config {
    /// `answer_timeout_seconds` as a duration.
    pub(crate) fn answer_timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.answer_timeout_seconds))
    }
}
