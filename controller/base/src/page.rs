//! A window on a long list, as OpenStack's `limit` and `marker` ask for it.

/// The id of the last item of the page before.
pub type Marker = String;

/// Which part of a list is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// At most so many items; `None`: as many as the service allows.
    pub limit: Option<u32>,
    /// Start after this item.
    pub marker: Option<Marker>,
    /// Walk towards the list's beginning instead.
    pub reverse: bool,
}
