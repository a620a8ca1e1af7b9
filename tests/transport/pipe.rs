//! Both ends of a connection in memory, without sockets and threads.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

/// What a client library takes for its socket. Clones are the same connection, so that the test keeps one.
#[derive(Clone, Default)]
pub(crate) struct Pipe {
    buffers: Rc<RefCell<Buffers>>,
}

#[derive(Default)]
struct Buffers {
    to_client: VecDeque<u8>,
    from_client: Vec<u8>,
}

impl Pipe {
    /// The client will read this.
    pub(crate) fn send(&self, bytes: &[u8]) {
        self.buffers.borrow_mut().to_client.extend(bytes);
    }

    /// What the client has written since the last call.
    pub(crate) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.buffers.borrow_mut().from_client)
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.buffers.borrow_mut().to_client.read(buffer)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            n => Ok(n),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffers.borrow_mut().from_client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
