//! virtio 1.x devices and their PCI transport.
