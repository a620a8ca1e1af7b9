//! The control socket: a Unix socket over which the router's own user tells it to do something. A line of words goes in, a line with
//! an exit code and then text come out, and the connection ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use socket2::Socket;

use super::listen::{BindError, SocketFile, bind_private};
use super::patient::Patient;

/// Bytes of the longest line that goes in.
const LINE_BYTES_MAX: u64 = 1024;

/// Bytes of the longest answer.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;

/// How long somebody who has connected may take for the line, and then for the answer.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 5000 });

/// A control socket. Its file goes with it.
#[derive(Debug)]
pub struct Control {
    socket: Socket,
    _file: SocketFile,
}

impl Control {
    /// Binds the socket; only this user can connect to it.
    ///
    /// # Errors
    /// Why not.
    pub fn bind(path: &Path) -> Result<Control, BindError> {
        let (socket, _file) = bind_private(path)?;
        Ok(Control { socket, _file })
    }

    /// From now on a thread answers each line by an exit code and a text.
    ///
    /// # Errors
    /// The system gives no thread or descriptor.
    pub fn serve(&self, answer: impl Fn(&str) -> (u8, String) + Send + 'static) -> io::Result<()> {
        let socket = self.socket.try_clone()?;
        thread::Builder::new().name("control".to_owned()).spawn(move || {
            loop {
                match socket.accept() {
                    // Whoever goes without the answer does not want it.
                    Ok((stream, _)) => drop(converse(&stream, &answer)),
                    // Out of descriptors, as a rule.
                    Err(_) => thread::sleep(Duration::from_millis(100)),
                }
            }
        })?;
        Ok(())
    }
}

fn converse(socket: &Socket, answer: impl Fn(&str) -> (u8, String)) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(Patient::new(socket, PATIENCE).take(LINE_BYTES_MAX)).read_line(&mut line)?;
    let (code, text) = answer(line.trim_end());
    Patient::new(socket, PATIENCE).write_all(format!("{code}\n{text}").as_bytes())
}

/// Says a line to the router with this control socket; returns its answer.
///
/// # Errors
/// Nobody is there, or it does not answer as a router does.
pub fn ask_control(path: &Path, line: &str) -> io::Result<(u8, String)> {
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    let (code, text) = answer.split_once('\n').unwrap_or_default();
    let code = code.parse().map_err(|_| io::Error::other("it does not answer as a router does"))?;
    Ok((code, text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_line_in_and_an_answer_out() {
        let path = std::env::temp_dir().join(format!("connectanum-control-{}", std::process::id()));
        let control = Control::bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(Control::bind(&path).unwrap_err().to_string().contains("in use"));
        control.serve(|line| (line.len() as u8, format!("{line}!\n"))).unwrap();
        assert_eq!(ask_control(&path, "reload").unwrap(), (6, "reload!\n".to_owned()));
        // One that says nothing, or goes, is no harm.
        drop(UnixStream::connect(&path).unwrap());
        assert_eq!(ask_control(&path, "").unwrap(), (0, "!\n".to_owned()));
        // One that is never done does not hold up the others.
        let mut dripping = UnixStream::connect(&path).unwrap();
        let drips = thread::spawn(move || {
            let pause = || thread::sleep(Duration::from_millis(20));
            (0..500).take_while(|_| dripping.write_all(b"x").map(|()| pause()).is_ok()).count()
        });
        assert_eq!(ask_control(&path, "a").unwrap(), (1, "a!\n".to_owned()));
        assert!(drips.join().unwrap() < 500);
        drop(control);
        assert!(!path.exists());
        assert!(ask_control(&path, "reload").is_err());
    }
}
