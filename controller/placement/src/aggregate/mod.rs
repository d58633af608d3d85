//! Placement's aggregates: providers that share something, such as a pool of disks. Hosts here share nothing that is counted, so no
//! host is in one; compute's host aggregates are another thing, which placement does not know.

pub(crate) mod api;
pub(crate) mod policy;
