//! Members: projects with which an image is shared.
//!
//! ```text
//! pending --accept--> accepted --reject--> rejected --accept--> accepted
//! ```
//! The owner adds and removes members; a member itself sets its status.

pub mod store;
pub mod wire;

use controller_base::Timestamp;
use controller_base::id::ProjectId;

/// A project with which an image is shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The project.
    pub project: ProjectId,
    /// What it said to the offer.
    pub status: MemberStatus,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it last changed its mind.
    pub updated_at: Timestamp,
}

/// What a member said to the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberStatus {
    /// Nothing yet.
    Pending,
    /// The image shows in its lists.
    Accepted,
    /// It does not.
    Rejected,
}

impl MemberStatus {
    /// Glance's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
        }
    }

    /// From Glance's word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Pending, Self::Accepted, Self::Rejected].into_iter().find(|s| s.as_str() == word)
    }
}
