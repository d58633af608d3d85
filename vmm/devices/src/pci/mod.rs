//! PCI: one bus with type-0 functions behind a host bridge.
