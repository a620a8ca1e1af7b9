//! Waiting by io_uring until a descriptor can be read. All `unsafe` of the glommio shell is here.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncRead;
use glommio::net::TcpStream;

/// A descriptor of any kind that is waited for. glommio has no such thing; its `TcpStream` is the wrapper, which polls
/// the descriptor before it first tries to read from it as if it were a socket. That can only fail, but it does so when
/// there is something.
#[derive(Debug)]
pub(super) struct Readiness(TcpStream);

impl Readiness {
    /// Begins to wait. Must be called in a task of the executor that is to wait.
    ///
    /// # Errors
    /// The process is out of descriptors.
    pub(super) fn of(fd: &impl AsRawFd) -> io::Result<Readiness> {
        // SAFETY: the descriptor is open for as long as what owns it is borrowed.
        let own = unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) }.try_clone_to_owned()?;
        // SAFETY: the descriptor is open and comes from its only owner, which gives it up.
        Ok(Readiness(unsafe { TcpStream::from_raw_fd(own.into_raw_fd()) }))
    }

    /// Ready once the descriptor can be read; else the task will be woken then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll_read(cx, &mut [0]).map(|_| ())
    }
}
