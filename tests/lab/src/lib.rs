//! The lab: a machine in emulation with nested virtualization, in which controller and hostd run as they will on metal and start
//! unmodified Debian guests.
//!
//! It owns QEMU processes, images in the cache and network namespaces that it made itself. Images are built from Debian's
//! packages, once; the product's programs go in on a disk of their own, made for each start.
//!
//! ```text
//! this machine, in a namespace:  openstack, ssh -- lab0 10.78.0.1
//!                                                    |  route to 172.24.4.0/24 by 10.78.0.2
//! QEMU (emulation):                              eth0 10.78.0.2:  controller, hostd, br-ex 172.24.4.1
//!                                                    |  floating addresses 172.24.4.0/24
//! KVM in it:                                     guests
//! ```

pub mod appliance;
pub mod apt;
pub mod boot;
pub mod cloud;
pub mod debian;
pub mod emulator;
pub mod firmware;
pub mod guest_disk;
pub mod hang;
pub mod host_disk;
pub mod initrd;
pub mod install;
pub mod iperf;
pub mod machine;
pub mod story;
pub mod update;
