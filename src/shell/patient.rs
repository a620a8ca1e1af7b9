//! A socket for a thread that serves one after the other: all that is read from it, or written to it, has one deadline, so that whoever
//! goes byte by byte does not keep the others waiting.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use socket2::Socket;

/// Bytes that one call of the system writes at most: it may wait anew for each part of a longer one.
const PIECE_BYTES: usize = 16 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Patient<'a> {
    socket: &'a Socket,
    until: Instant,
}

impl Patient<'_> {
    /// From now on for so long.
    pub(super) fn new(socket: &Socket, patience: Duration) -> Patient<'_> {
        Patient { socket, until: Instant::now() + patience }
    }

    /// Says that nothing more will be written, and waits until the peer has come to its end, too. To close a socket before all is read
    /// may take back what was written.
    pub(super) fn end(mut self) -> io::Result<()> {
        self.socket.shutdown(Shutdown::Write)?;
        io::copy(&mut self, &mut io::sink()).map(drop)
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        // To the system less than a microsecond is for ever.
        if left < Duration::from_millis(1) { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Patient<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(bytes)
    }
}

impl Write for Patient<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(&bytes[..bytes.len().min(PIECE_BYTES)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use socket2::{Domain, Type};

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    /// Does a little again and again, for 10 seconds if nobody ends it; says how often.
    fn drip(mut drop: impl FnMut() -> io::Result<usize>) -> usize {
        let is_taken = |_: &usize| {
            thread::sleep(Duration::from_millis(20));
            drop().is_ok_and(|n| n > 0)
        };
        (0..500).take_while(is_taken).count()
    }

    #[test]
    fn who_drips_is_left_in_time() {
        let (near, mut far) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let drops = thread::spawn(move || drip(|| far.write(b"x")));
        let error = Patient::new(&near, PATIENCE).read_to_end(&mut Vec::new()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock), "{error}");
        drop(near);
        assert!(drops.join().unwrap() < 500);
    }

    #[test]
    fn who_reads_in_drops_is_left_in_time() {
        let (near, mut far) = Socket::pair(Domain::UNIX, Type::STREAM, None).unwrap();
        let (is_left, left) = std::sync::mpsc::channel();
        let drops = thread::spawn(move || {
            drip(|| if left.try_recv().is_ok() { Ok(0) } else { far.read(&mut [0; 100_000]) })
        });
        let error = Patient::new(&near, PATIENCE).write_all(&vec![0; 100_000_000]).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock), "{error}");
        is_left.send(()).unwrap();
        assert!(drops.join().unwrap() < 500);
    }
}
