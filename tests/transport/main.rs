//! The transports' syntax against what real peers send, what comes in pieces, and what is not meant well.

mod http_heads;
mod pipe;
mod rawsocket_octets;
mod websocket_client;
mod websocket_frames;
