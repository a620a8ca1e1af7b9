//! glommio's streams over sockets that this router made. All `unsafe` of the glommio shell is here.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use glommio::net::TcpStream;
use socket2::Socket;

/// A stream socket of any kind. glommio's `TcpStream` is the wrapper, for Unix sockets too: reading, writing and
/// waiting do not depend on the kind, and nothing else of it is used.
#[derive(Debug)]
pub(super) struct Stream(TcpStream);

impl Stream {
    /// Must be called in a task of the executor that is to wait for the socket.
    pub(super) fn new(socket: Socket) -> Stream {
        // SAFETY: the descriptor is open and comes from its only owner, which gives it up.
        Stream(unsafe { TcpStream::from_raw_fd(socket.into_raw_fd()) })
    }

    /// Reads, or has the task woken when there is something to read. It keeps no hold of `buffer`.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    /// Writes, or has the task woken when there is room. It keeps no hold of `bytes`.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the stream owns the descriptor, and closes it only when it is dropped.
        unsafe { BorrowedFd::borrow_raw(self.0.as_raw_fd()) }
    }
}
