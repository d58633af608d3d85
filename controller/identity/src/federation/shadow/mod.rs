//! Users who come from elsewhere, as this cloud knows them.

pub(crate) mod store;
