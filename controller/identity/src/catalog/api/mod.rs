//! `/v3/regions`, `/v3/services`, `/v3/endpoints`.

pub(crate) mod endpoint;
pub(crate) mod region;
pub(crate) mod service;
