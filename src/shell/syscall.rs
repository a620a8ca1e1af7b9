//! The system calls that no safe crate among the dependencies offers. All `unsafe` of the portable part of the
//! shell is here.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// `u32`s in `struct io_uring_params` (`linux/io_uring.h`).
const IO_URING_PARAMS_LEN: usize = 30;

/// Makes an io_uring with room for `entries` requests; closing the descriptor ends it.
pub(super) fn io_uring_setup(entries: u32) -> io::Result<OwnedFd> {
    let mut params = [0u32; IO_URING_PARAMS_LEN];
    // SAFETY: the kernel reads and writes at most `sizeof(struct io_uring_params)` bytes at the pointer, which is
    // the size of the array, and nothing after the call.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, params.as_mut_ptr()) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has succeeded, so `fd` is an open descriptor, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Raises the soft limit of open files to the hard limit. Returns the limit that then holds.
pub(super) fn raise_open_files() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls only access the one `rlimit` that the pointer names, during the call.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) != 0 {
            return Err(io::Error::last_os_error());
        }
        limit.rlim_cur = limit.rlim_max;
        if libc::setrlimit(libc::RLIMIT_NOFILE, &limit) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    #[allow(clippy::useless_conversion, reason = "32 bits wide on some targets")]
    Ok(limit.rlim_cur.into())
}
