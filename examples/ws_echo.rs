//! A plain echo server over the router's own WebSocket layer, without WAMP and without the router: for conformance
//! tests (`scripts/autobahn.sh`), and as a short tour of [`connectanum::ws`].
//!
//! ```text
//! cargo run --example ws_echo -- 127.0.0.1:9001
//! ```

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use connectanum::http::{self, Head};
use connectanum::limits::Limits;
use connectanum::ws::{self, Control, Data, Decoded, Decoder, Event, OpCode, Role};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(address)?;
    println!("ws://{}", listener.local_addr()?);
    for stream in listener.incoming() {
        let stream = stream?;
        thread::spawn(move || {
            if let Err(error) = serve(stream) {
                eprintln!("connection lost: {error}");
            }
        });
    }
    Ok(())
}

/// One connection, from its handshake to its end.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let limits = Limits::default();
    let mut received = Vec::new();
    if !handshake(&mut stream, &mut received, limits.http_head_bytes_max)? {
        return end(stream);
    }
    let mut decoder = Decoder::new(Role::Server, limits.message_bytes_max);
    let mut replies = Vec::new();
    loop {
        let goes_on = echo(&mut decoder, &mut received, &mut replies);
        stream.write_all(&replies)?;
        replies.clear();
        if !goes_on {
            return end(stream);
        }
        if !read_more(&mut stream, &mut received)? {
            return Ok(());
        }
    }
}

/// Answers the HTTP request. Returns whether it was accepted; then `received` begins with the first frame.
fn handshake(stream: &mut TcpStream, received: &mut Vec<u8>, head_bytes_max: usize) -> io::Result<bool> {
    loop {
        let (consumed, answer) = match Head::parse(received, head_bytes_max) {
            Head::Incomplete => (0, None),
            Head::Bad(refusal) => (0, Some(Err(refusal))),
            Head::Complete { consumed, request } => {
                (consumed, Some(http::accept(&request, request.subprotocols().next())))
            }
        };
        match answer {
            None if !read_more(stream, received)? => return Ok(false),
            None => {}
            Some(Err(refusal)) => {
                stream.write_all(&refusal.response())?;
                return Ok(false);
            }
            Some(Ok(response)) => {
                stream.write_all(&response)?;
                received.drain(..consumed);
                return Ok(true);
            }
        }
    }
}

/// Answers all whole frames of `received` and takes them out. Returns whether the connection goes on.
fn echo(decoder: &mut Decoder, received: &mut Vec<u8>, replies: &mut Vec<u8>) -> bool {
    let mut at = 0;
    let goes_on = loop {
        match decoder.decode(&mut received[at..]) {
            Ok(Decoded::Incomplete { .. }) => break true,
            Ok(Decoded::Frame { consumed, event }) => {
                at += consumed;
                match event {
                    None | Some(Event::Pong(_)) => {}
                    Some(Event::Text(text)) => reply(replies, OpCode::Data(Data::Text), text.as_bytes()),
                    Some(Event::Binary(bytes)) => reply(replies, OpCode::Data(Data::Binary), bytes),
                    Some(Event::Ping(bytes)) => reply(replies, OpCode::Control(Control::Pong), bytes),
                    Some(Event::Close { code, .. }) => {
                        match code {
                            Some(code) => ws::write_close(replies, code, ""),
                            None => reply(replies, OpCode::Control(Control::Close), &[]),
                        }
                        break false;
                    }
                }
            }
            Err(error) => {
                ws::write_close(replies, error.close_code(), &error.to_string());
                break false;
            }
        }
    };
    received.drain(..at);
    goes_on
}

fn reply(replies: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    ws::write_frame_header(replies, opcode, payload.len());
    replies.extend_from_slice(payload);
}

/// Appends what has come. Returns false at the end of the stream.
fn read_more(stream: &mut TcpStream, received: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    let n = stream.read(&mut buffer)?;
    received.extend_from_slice(&buffer[..n]);
    Ok(n > 0)
}

/// Ends the connection so that the peer sees all that was written: a close while received bytes lie unread would
/// reset it.
fn end(mut stream: TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut rest = Vec::new();
    while read_more(&mut stream, &mut rest).unwrap_or(false) {
        rest.clear();
    }
    Ok(())
}
