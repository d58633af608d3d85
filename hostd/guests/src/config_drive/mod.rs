//! The config drive: a guest's metadata documents on a read-only disk, an ISO 9660 volume labelled `config-2`, as
//! cloud-init's ConfigDrive data source and OpenStack's documentation have it.

mod iso;

use hostd_net::metadata::{GuestInterface, GuestMetadata};
use std::io;

/// The label by which guests find the disk.
const LABEL: &str = "config-2";

/// The disk's bytes.
///
/// # Errors
/// When the volume cannot be laid out.
pub fn render(guest: &GuestMetadata, interfaces: &[GuestInterface]) -> io::Result<Vec<u8>> {
    iso::image(LABEL, &hostd_net::metadata::config_drive(guest, interfaces))
}
