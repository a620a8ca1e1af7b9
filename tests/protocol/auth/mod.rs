//! Authentication: every method with right and wrong answers, and what becomes of those who fail (spec: "Authentication
//! Methods").

mod answers;
mod cookies;
mod dynamic;
mod failures;
mod handshake;
mod takeover;

use connectanum::limits::Limits;
use serde_json::{Value, json};

use crate::harness::{Client, Net, REALM, everywhere_in};

use answers::{PROOFS, Proof, answer, authextra, realm};

const DENIED: &str = "wamp.error.authentication_denied";

/// Runs `test` everywhere, in a realm with users and room for failures.
#[track_caller]
fn everywhere(test: impl Fn(&Net)) {
    let limits = Limits { authid_failures_max: 1000, ..Limits::default() };
    everywhere_in(&realm(), limits, test);
}

/// HELLO with this method.
fn hello(proof: Proof, authid: &str, secret: &str) -> Value {
    let mut hello = crate::harness::hello(REALM);
    hello[2]["authmethods"] = json!([proof.method]);
    hello[2]["authid"] = json!(authid);
    hello[2]["authextra"] = authextra(proof, authid, secret);
    hello
}

/// HELLO, CHALLENGE and AUTHENTICATE. Returns the answer to that, which has come, and the AUTHENTICATE.
#[track_caller]
fn come_in(client: &Client, proof: Proof, authid: &str, secret: &str) -> Value {
    let challenge = client.ask(hello(proof, authid, secret));
    let authenticate = answer(proof, authid, secret, &challenge);
    client.send(authenticate.clone());
    authenticate
}

#[test]
fn right() {
    everywhere(|net| {
        for proof in PROOFS {
            let client = net.client();
            come_in(&client, proof, proof.user, "secret");
            let welcome = client.next();
            assert_eq!(welcome[0], 2, "{proof:?}: {welcome}");
            let details = &welcome[2];
            let expected = (proof.user, format!("role of {}", proof.user), proof.method);
            assert_eq!(details["authid"], expected.0);
            assert_eq!(details["authrole"], expected.1.as_str());
            assert_eq!(details["authmethod"], expected.2);
            assert_eq!(details["authprovider"], if proof.user == "jwt" { "jwt" } else { "static" });
            assert_eq!(details["authextra"]["verifier"].is_string(), proof.method == "wamp-scram");
            // And it is a session like any other.
            let client = client.in_session(&welcome);
            client.register("com.example.hello");
            let session = client.ask(json!([48, 2, {}, "wamp.session.get", [welcome[1]]]));
            assert_eq!(session[3][0]["authmethod"], proof.method, "{session}");
            client.send(json!([6, {}, "wamp.close.close_realm"]));
            assert_eq!(client.next()[0], 6);
            // Another one may follow on the same connection, and has to show who it is again.
            come_in(&client, proof, proof.user, "secret");
            assert_eq!(client.next()[0], 2);
        }
    });
}

/// A machine whose clock was without power starts in the past, until it is told the time.
#[test]
fn tokens_are_judged_by_a_clock_that_is_put_right() {
    everywhere(|net| {
        let token = PROOFS[2];
        let client = net.client();
        come_in(&client, token, token.user, "secret");
        assert_eq!(client.next()[0], 2);
        // Decades; and what has been late does not become early.
        for ms in [2_400_000_000_000, 0] {
            net.put_clock_forward(ms);
            let client = net.client();
            come_in(&client, token, token.user, "secret");
            client.expect_abort(DENIED, "unknown principal or wrong secret");
        }
    });
}

#[test]
fn wrong_unknown_and_expired_look_the_same() {
    everywhere(|net| {
        for proof in PROOFS {
            let (user, old) = (proof.user, format!("old-{}", proof.user));
            for (authid, secret) in [(user, "wrong"), ("nobody", "secret"), (old.as_str(), "secret")] {
                let client = net.client();
                let challenge = client.ask(hello(proof, authid, secret));
                assert_eq!(
                    (&challenge[0], &challenge[1]),
                    (&json!(4), &json!(proof.method)),
                    "{proof:?} {authid}"
                );
                client.send(answer(proof, authid, secret, &challenge));
                client.expect_abort(DENIED, "unknown principal or wrong secret");
            }
        }
    });
}

#[test]
fn replayed() {
    everywhere(|net| {
        for proof in PROOFS {
            let client = net.client();
            let authenticate = come_in(&client, proof, proof.user, "secret");
            assert_eq!(client.next()[0], 2);
            // Tickets are what they are: whoever has one comes in.
            if proof.method != "ticket" {
                let thief = net.client();
                thief.ask(hello(proof, proof.user, "secret"));
                thief.send(authenticate.clone());
                thief.expect_abort(DENIED, "wrong secret");
            }
            client.send(authenticate);
            client.expect_violation("AUTHENTICATE without a CHALLENGE");
        }
    });
}

#[test]
fn garbage_instead_of_a_proof() {
    everywhere(|net| {
        for proof in PROOFS {
            for signature in ["", "\u{0}", "AAAA", "zz", "ey.ey.ey"] {
                for extra in [json!({}), json!({"nonce": 1, "channel_binding": [], "cbind_data": {}})] {
                    let client = net.client();
                    client.ask(hello(proof, proof.user, "secret"));
                    client.send(json!([5, signature, extra]));
                    let abort = client.next();
                    assert_eq!(
                        (&abort[0], &abort[2]),
                        (&json!(3), &json!(DENIED)),
                        "{proof:?} {signature} {abort}"
                    );
                    client.expect_closed(1000);
                }
            }
        }
    });
}
