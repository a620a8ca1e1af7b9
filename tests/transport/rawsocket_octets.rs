//! RawSocket's octets at random: what is accepted is exactly what the writing side would write.

use connectanum::rawsocket::{self, HandshakeError, MAGIC, ReplyError};
use proptest::prelude::*;

/// Octets of which many are zero, as in what peers send.
fn octets() -> impl Strategy<Value = [u8; 4]> {
    let octet = || prop_oneof![2 => Just(0), 1 => 0_u8..16, 2 => any::<u8>()];
    [octet(), octet(), octet(), octet()]
}

proptest! {
    #[test]
    fn frame_headers(octets in octets()) {
        if let Ok(header) = rawsocket::parse_header(octets) {
            prop_assert!(header.len <= rawsocket::FRAME_BYTES_MAX);
            prop_assert_eq!(rawsocket::header(header.kind, header.len), octets);
        }
    }

    #[test]
    fn handshakes(octets in octets()) {
        let octets = [MAGIC, octets[1], octets[2], octets[3]];
        let parsed = rawsocket::parse_handshake(octets);
        match parsed {
            Ok(hello) => {
                prop_assert_eq!(rawsocket::client_hello(hello.serializer, hello.peer_bytes_max), octets);
                prop_assert_eq!(rawsocket::parse_reply(octets), Ok(hello));
            }
            Err(error) => {
                let refusals = [HandshakeError::SerializerUnsupported, HandshakeError::ReservedBits];
                prop_assert!(refusals.contains(&error));
                prop_assert_eq!(rawsocket::parse_reply(error.octets()), Err(ReplyError::Refused(error)));
            }
        }
    }

    #[test]
    fn replies(octets in octets()) {
        match rawsocket::parse_reply(octets) {
            Ok(reply) => prop_assert_eq!(rawsocket::reply(reply.serializer, reply.peer_bytes_max), octets),
            Err(ReplyError::Refused(error)) => prop_assert_eq!(error.octets(), octets),
            Err(_) => {}
        }
    }
}
