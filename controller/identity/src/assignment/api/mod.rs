//! Grants and the list of them.

pub(crate) mod grant;
pub(crate) mod list;
