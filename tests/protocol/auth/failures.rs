//! Those who fail too often have to wait, on every shard.

use connectanum::auth::Method;
use connectanum::limits::Limits;
use serde_json::Value;

use super::{DENIED, PROOFS, Proof, come_in, hello, realm};
use crate::harness::{Client, Net, REALM, everywhere_in};

const TICKET: Proof = PROOFS[0];

const WAIT_1_S: &str =
    "too many tries have failed (authid_failures_max or address_failures_max); try again in 1 s";
const WAIT_2_S: &str =
    "too many tries have failed (authid_failures_max or address_failures_max); try again in 2 s";

fn limits() -> Limits {
    Limits {
        authid_failures_max: 2,
        address_failures_max: 4,
        failure_wait_ms: 1000,
        failure_lock_ms: 3000,
        ..Limits::default()
    }
}

/// What comes of a try, on the next shard.
#[track_caller]
fn outcome(client: &Client, authid: &str, secret: &str) -> Value {
    let challenge = client.ask(hello(TICKET, authid, secret));
    if challenge[0] == 3 {
        return challenge[1]["message"].clone();
    }
    come_in_with(client, secret);
    let answer = client.next();
    if answer[0] == 2 { answer[2]["authid"].clone() } else { answer[1]["message"].clone() }
}

fn come_in_with(client: &Client, secret: &str) {
    client.send(serde_json::json!([5, secret, {}]));
}

fn try_in(net: &Net, authid: &str, secret: &str) -> Value {
    outcome(&net.client(), authid, secret)
}

const WRONG: &str = "unknown principal or wrong secret";

#[test]
fn one_authid() {
    everywhere_in(&realm(), limits(), |net| {
        // Nobody learns from it who there is.
        for authid in ["joe", "nobody"] {
            for _ in 0..3 {
                assert_eq!(try_in(net, authid, "wrong"), WRONG);
            }
            for _ in 0..4 {
                assert_eq!(try_in(net, authid, "secret"), WAIT_1_S);
            }
        }
        let limited = net.limited();
        assert_eq!((limited.failure_wait_ms, limited.authid_failures_max), (2, 8), "the third of each");
        assert_eq!((limited.failure_lock_ms, limited.address_failures_max), (0, 0));
        assert_eq!(try_in(net, "ann", "secret"), "ann", "others are not meant");
        net.wait_ms(1000);
        assert_eq!(try_in(net, "nobody", "secret"), WRONG);
        assert_eq!(try_in(net, "nobody", "secret"), WAIT_2_S);
        assert_eq!(try_in(net, "joe", "secret"), "joe");
        // What was before is forgiven.
        for _ in 0..3 {
            assert_eq!(try_in(net, "joe", "wrong"), WRONG);
        }
    });
}

#[test]
fn one_address() {
    everywhere_in(&realm(), limits(), |net| {
        let from = |ip: &str, authid: &str, secret: &str| {
            outcome(&net.client_from(ip.parse().unwrap()), authid, secret)
        };
        for i in 0..5 {
            assert_eq!(from(&format!("2001:db8:0:1::{i}"), &format!("nobody{i}"), "wrong"), WRONG);
        }
        // The whole network of 64 bits.
        for _ in 0..4 {
            assert_eq!(from("2001:db8:0:1::99", "joe", "secret"), WAIT_1_S);
        }
        let limited = net.limited();
        assert_eq!((limited.address_failures_max, limited.authid_failures_max), (4, 0));
        assert_eq!(from("2001:db8:0:2::1", "joe", "secret"), "joe");
        assert_eq!(from("192.0.2.1", "joe", "secret"), "joe");
        net.wait_ms(1000);
        assert_eq!(from("2001:db8:0:1::99", "joe", "secret"), "joe");
        // One good secret does not forgive the address.
        assert_eq!(from("2001:db8:0:1::99", "nobody", "wrong"), WRONG);
        assert_eq!(from("2001:db8:0:1::99", "joe", "secret"), WAIT_2_S);
    });
}

#[test]
fn tries_at_the_same_time_count_too() {
    everywhere_in(&realm(), limits(), |net| {
        let clients: Vec<Client> = (0..8).map(|_| net.client()).collect();
        for client in &clients {
            assert_eq!(client.ask(hello(TICKET, "joe", "secret"))[0], 4);
        }
        clients[..7].iter().for_each(|client| come_in_with(client, "wrong"));
        let tried = clients[..7].iter().filter(|client| client.next()[1]["message"] == WRONG).count();
        assert_eq!(tried, 3);
        // Even with the right secret.
        come_in_with(&clients[7], "secret");
        clients[7].expect_abort(DENIED, WAIT_1_S);
    });
}

#[test]
fn passwords_at_the_same_time_count_too() {
    everywhere_in(&realm(), limits(), |net| {
        net.do_jobs(false);
        let clients: Vec<Client> = (0..8).map(|_| net.client()).collect();
        for client in &clients {
            come_in(client, PROOFS[1], "ann", "wrong");
        }
        while net.do_jobs(false) > 0 {}
        net.do_jobs(true);
        let tried = clients.iter().filter(|client| client.next()[1]["message"] == WRONG).count();
        // Each shard has one under way when the others fail.
        assert!((3..3 + net.shards() as usize).contains(&tried), "{tried}");
    });
}

#[test]
fn only_who_has_failed_is_forgiven() {
    let mut realm = realm();
    realm.auth.methods.push(Method::Anonymous);
    everywhere_in(&realm, limits(), |net| {
        for authid in ["joe", "j\u{AD}oe", "joe"] {
            let mut hello = crate::harness::hello(REALM);
            hello[2]["authid"] = serde_json::json!("joe");
            assert_eq!(net.client().ask(hello)[0], 2, "somebody without a name, whatever it says");
            // A soft hyphen is nothing to WAMP-SCRAM.
            assert_eq!(try_in(net, authid, "wrong"), WRONG);
        }
        assert_eq!(try_in(net, "joe", "secret"), WAIT_1_S);
    });
}

#[test]
fn an_authid_that_is_too_long() {
    everywhere_in(&realm(), limits(), |net| {
        let client = net.client();
        client.send(hello(TICKET, &"x".repeat(1025), "secret"));
        client.expect_abort(DENIED, WRONG);
    });
}
