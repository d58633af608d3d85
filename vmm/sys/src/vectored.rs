//! Scatter-gather I/O between descriptors and guest memory, without a copy.

#![expect(unsafe_code, reason = "iovecs carry raw pointers into guest memory")]

use crate::memory::GuestSlice;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The most slices a call takes (the kernel's IOV_MAX).
pub const MAX_SLICES: usize = 1024;

/// Slices of guest memory in the form the kernel takes them. It keeps its allocation from call to call.
#[derive(Default)]
pub struct IoSlices {
    vectors: Vec<libc::iovec>,
}

// SAFETY: the pointers are only followed inside the four calls below, whose slices are borrowed for the call.
unsafe impl Send for IoSlices {}

impl IoSlices {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads at the descriptor's position: one packet of a tap.
    ///
    /// # Errors
    /// Those of readv(2); `InvalidInput` for more than [`MAX_SLICES`].
    pub fn read(&mut self, fd: BorrowedFd<'_>, slices: &[GuestSlice<'_>]) -> io::Result<usize> {
        self.call(slices, |vectors, count| {
            // SAFETY: `vectors` describes `count` slices of mapped guest memory, borrowed during the call.
            unsafe { libc::readv(fd.as_raw_fd(), vectors, count) }
        })
    }

    /// Writes at the descriptor's position: one packet of a tap.
    ///
    /// # Errors
    /// Those of writev(2); `InvalidInput` for more than [`MAX_SLICES`].
    pub fn write(&mut self, fd: BorrowedFd<'_>, slices: &[GuestSlice<'_>]) -> io::Result<usize> {
        self.call(slices, |vectors, count| {
            // SAFETY: as for `read`; the kernel only reads the slices.
            unsafe { libc::writev(fd.as_raw_fd(), vectors, count) }
        })
    }

    /// Reads from `offset` of a file.
    ///
    /// # Errors
    /// Those of preadv(2); `InvalidInput` for more than [`MAX_SLICES`] or an offset beyond `i64`.
    pub fn read_at(&mut self, fd: BorrowedFd<'_>, slices: &[GuestSlice<'_>], offset: u64) -> io::Result<usize> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        self.call(slices, |vectors, count| {
            // SAFETY: as for `read`.
            unsafe { libc::preadv(fd.as_raw_fd(), vectors, count, offset) }
        })
    }

    /// Writes at `offset` of a file.
    ///
    /// # Errors
    /// Those of pwritev(2); `InvalidInput` for more than [`MAX_SLICES`] or an offset beyond `i64`.
    pub fn write_at(&mut self, fd: BorrowedFd<'_>, slices: &[GuestSlice<'_>], offset: u64) -> io::Result<usize> {
        let offset = libc::off_t::try_from(offset).map_err(io::Error::other)?;
        self.call(slices, |vectors, count| {
            // SAFETY: as for `write`.
            unsafe { libc::pwritev(fd.as_raw_fd(), vectors, count, offset) }
        })
    }

    fn call(
        &mut self,
        slices: &[GuestSlice<'_>],
        call: impl FnOnce(*const libc::iovec, libc::c_int) -> isize,
    ) -> io::Result<usize> {
        let count = libc::c_int::try_from(slices.len()).ok().filter(|_| slices.len() <= MAX_SLICES);
        let count = count.ok_or(io::ErrorKind::InvalidInput)?;
        self.vectors.clear();
        let guards: Vec<_> = slices.iter().map(|slice| slice.ptr_guard_mut()).collect();
        for (guard, slice) in guards.iter().zip(slices) {
            self.vectors.push(libc::iovec { iov_base: guard.as_ptr().cast(), iov_len: slice.len() });
        }
        usize::try_from(call(self.vectors.as_ptr(), count)).map_err(|_| io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::GuestMemory;
    use std::io::{Seek, Write};
    use std::os::fd::AsFd;
    use vm_memory::{Bytes, GuestAddress, GuestMemoryBackend};

    fn memory() -> GuestMemory {
        GuestMemory::from_ranges(&[(GuestAddress(0), 0x3000)]).unwrap()
    }

    #[test]
    fn a_file_lands_in_two_places() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"..abcdef").unwrap();
        let memory = memory();
        let slices =
            [memory.get_slice(GuestAddress(0x10), 2).unwrap(), memory.get_slice(GuestAddress(0x2000), 9).unwrap()];
        assert_eq!(IoSlices::new().read_at(file.as_fd(), &slices, 2).unwrap(), 6);
        assert_eq!(memory.read_obj::<[u8; 2]>(GuestAddress(0x10)).unwrap(), *b"ab");
        assert_eq!(memory.read_obj::<[u8; 4]>(GuestAddress(0x2000)).unwrap(), *b"cdef");
    }

    #[test]
    fn guest_memory_is_written_in_order() {
        let mut file = tempfile::tempfile().unwrap();
        let memory = memory();
        memory.write_obj(*b"xy", GuestAddress(0)).unwrap();
        let slices = [memory.get_slice(GuestAddress(1), 1).unwrap(), memory.get_slice(GuestAddress(0), 1).unwrap()];
        assert_eq!(IoSlices::new().write(file.as_fd(), &slices).unwrap(), 2);
        file.rewind().unwrap();
        assert_eq!(std::io::read_to_string(file).unwrap(), "yx");
    }

    #[test]
    fn too_many_slices_are_refused() {
        let memory = memory();
        let slices: Vec<_> = (0..=MAX_SLICES).map(|_| memory.get_slice(GuestAddress(0), 1).unwrap()).collect();
        let file = tempfile::tempfile().unwrap();
        assert_eq!(IoSlices::new().write(file.as_fd(), &slices).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }
}
