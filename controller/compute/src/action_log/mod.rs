//! What was done with servers, by whom and how it ended: `os-instance-actions`.
//!
//! Owns `compute_action`: one row per request, written in the transaction of the change that it tells of.

pub(crate) mod api;
pub(crate) mod policy;
pub(crate) mod store;

use controller_base::Timestamp;
use controller_base::id::{OperationId, ProjectId, ServerId, UserId};

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) server_id: ServerId,
    pub(crate) project_id: ProjectId,
    pub(crate) user_id: UserId,
    pub(crate) action: String,
    pub(crate) request_id: String,
    pub(crate) started_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) failure: Option<String>,
    pub(crate) host_name: Option<String>,
}

/// An id for a new entry.
pub(crate) fn new_id() -> String {
    OperationId::random().to_string()
}
