//! The numbers over HTTP, from addresses and threads of their own: whoever asks for them takes nothing from those who speak WAMP but what
//! [`Handle::status`](super::Handle::status) takes, and cannot get at anything else.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::listen::{self, Address, BindError, Listener, SocketFile};
use super::patient::Patient;
use crate::config::Listen;
use crate::http;
use crate::limits::METRICS_HEAD_BYTES_MAX;

/// How long somebody who has connected may take for the request, and then for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// For so long numbers are given again, so that a flood of requests does not keep the shards busy.
const FRESH: Duration = Duration::from_millis(100);

/// Addresses where the numbers can be had.
#[derive(Debug)]
pub struct Metrics {
    addresses: Vec<Address>,
    listeners: Vec<Listener>,
    _files: Vec<SocketFile>,
}

impl Metrics {
    /// Listens.
    ///
    /// # Errors
    /// Why not.
    pub fn bind(listen: &Listen) -> Result<Metrics, BindError> {
        let bound = listen::bind(std::slice::from_ref(listen), 1)?;
        let listeners = bound.listeners.into_iter().flatten().collect();
        Ok(Metrics { addresses: bound.addresses, listeners, _files: bound.files })
    }

    /// The addresses that were bound.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// From now on whoever asks gets the numbers, if they can be had.
    ///
    /// # Errors
    /// The system gives no thread or descriptor.
    pub fn serve(&self, numbers: impl Fn() -> Option<String> + Send + Sync + 'static) -> io::Result<()> {
        let recent = Mutex::new(None);
        let numbers: Arc<dyn Fn() -> Option<String> + Send + Sync> = Arc::new(move || {
            let mut recent = recent.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, text)) = &*recent
                && Instant::elapsed(at) < FRESH
            {
                return Some(String::clone(text));
            }
            let text = numbers()?;
            *recent = Some((Instant::now(), text.clone()));
            Some(text)
        });
        for listener in &self.listeners {
            let socket = listener.socket.try_clone()?;
            socket.set_nonblocking(false)?;
            let numbers = numbers.clone();
            thread::Builder::new().name("metrics".to_owned()).spawn(move || {
                loop {
                    match socket.accept() {
                        // Whoever goes without the answer does not want it.
                        Ok((stream, _)) => drop(converse(&stream, &*numbers)),
                        // Out of descriptors, as a rule.
                        Err(_) => thread::sleep(Duration::from_millis(100)),
                    }
                }
            })?;
        }
        Ok(())
    }
}

fn converse(socket: &Socket, numbers: &dyn Fn() -> Option<String>) -> io::Result<()> {
    let mut stream = Patient::new(socket, PATIENCE);
    let mut request = Vec::new();
    let mut buffer = [0; 1024];
    let response = loop {
        if let Some(response) = http::metrics(&request, METRICS_HEAD_BYTES_MAX, numbers) {
            break response;
        }
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => request.extend_from_slice(&buffer[..n]),
        }
    };
    let mut stream = Patient::new(socket, PATIENCE);
    stream.write_all(&response)?;
    stream.end()
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpStream};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn ask(addr: SocketAddr, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn numbers_for_everybody_who_asks() {
        let metrics = Metrics::bind(&"ws://127.0.0.1:0".parse().unwrap()).unwrap();
        let Address::Tcp { addr, .. } = metrics.addresses()[0] else { panic!("{metrics:?}") };
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        metrics.serve(move || Some(format!("{}\n", count.fetch_add(1, Ordering::Relaxed)))).unwrap();
        // One that goes, and one that says nothing sensible, are no harm.
        drop(TcpStream::connect(addr).unwrap());
        assert!(ask(addr, b"\0\r\n\r\n").starts_with("HTTP/1.1 400 "));
        let long = [&b"GET /metrics HTTP/1.1\r\nX: "[..], &[b'x'; 2 * METRICS_HEAD_BYTES_MAX]].concat();
        assert!(ask(addr, &long).starts_with("HTTP/1.1 431 "), "and no reset");
        let get = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
        assert!(ask(addr, get).ends_with("\r\n\r\n0\n"));
        for _ in 0..20 {
            ask(addr, get);
        }
        assert!(asked.load(Ordering::Relaxed) < 10, "they are given again for a while");
        thread::sleep(FRESH);
        let before = asked.load(Ordering::Relaxed);
        assert!(ask(addr, get).ends_with(&format!("\r\n\r\n{before}\n")), "they are new again");
    }
}
