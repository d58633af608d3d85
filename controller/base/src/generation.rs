//! The number of a row's last change.

/// Counts the changes of a row; an update names the one that it saw, so that two writers cannot both win.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub i64);

impl Generation {
    /// The generation of a new row.
    pub const FIRST: Self = Self(1);

    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}
