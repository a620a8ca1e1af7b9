//! Between HELLO and WELCOME: which method, what may come when, and how long it may take.

use connectanum::auth::Method;
use connectanum::config::RealmAuth;
use connectanum::limits::Limits;
use connectanum::wamp::Serializer;
use serde_json::json;

use super::{DENIED, PROOFS, answer, come_in, everywhere, hello, realm};
use crate::harness::{REALM, Transport, everywhere_in};

#[test]
fn the_first_method_that_fits() {
    everywhere(|net| {
        let method = |offered: &[&str]| {
            let mut hello = crate::harness::hello(REALM);
            hello[2]["authid"] = json!("joe");
            hello[2]["authmethods"] = json!(offered);
            net.client().ask(hello)[1].clone()
        };
        assert_eq!(method(&["ticket", "wampcra"]), "ticket");
        assert_eq!(method(&["anonymous", "nonsense", "wampcra", "ticket"]), "wampcra");
    });
}

#[test]
fn no_method_that_fits() {
    everywhere(|net| {
        for (offered, reason) in [
            (json!(["anonymous"]), "wamp.error.no_matching_auth_method"),
            (json!(["tls", "cookie", "x"]), "wamp.error.no_matching_auth_method"),
            (json!([]), "wamp.error.authentication_required"),
        ] {
            let mut hello = crate::harness::hello(REALM);
            hello[2]["authmethods"] = offered;
            let client = net.client();
            client.send(hello);
            client
                .expect_abort(reason, "authentication methods are: ticket, wampcra, wamp-scram, cryptosign");
        }
        let client = net.client();
        client.send(crate::harness::hello(REALM));
        client.expect_abort("wamp.error.authentication_required", "authentication methods are: ticket");
    });
}

#[test]
fn what_a_method_needs() {
    everywhere(|net| {
        for (method, lacks) in
            [("wampcra", "an authid"), ("wamp-scram", "an authid"), ("cryptosign", "the public key")]
        {
            let mut hello = crate::harness::hello(REALM);
            hello[2]["authmethods"] = json!([method]);
            let client = net.client();
            client.send(hello.clone());
            client.expect_abort("wamp.error.authentication_required", lacks);
        }
        let mut hello = hello(PROOFS[5], "joe", "secret");
        hello[2]["authextra"]["channel_binding"] = json!("tls-unique");
        let client = net.client();
        client.send(hello);
        let abort = client.next();
        assert_eq!(abort[2], "wamp.error.authentication_failed", "{abort}");
        assert_eq!(abort[1]["scram"], "unsupported-channel-binding-type");
    });
}

#[test]
fn the_challenge_of_cra_names_the_session() {
    everywhere(|net| {
        let client = net.client();
        let challenge = client.ask(hello(PROOFS[3], "joe", "secret"));
        let text: serde_json::Value =
            serde_json::from_str(challenge[2]["challenge"].as_str().unwrap()).unwrap();
        assert_eq!((&text["authid"], &text["authrole"]), (&json!("joe"), &json!("role of joe")));
        client.send(answer(PROOFS[3], "joe", "secret", &challenge));
        assert_eq!(client.next()[1], text["session"]);
    });
}

#[test]
fn scram_says_what_was_wrong() {
    everywhere(|net| {
        let client = net.client();
        come_in(&client, PROOFS[6], "ann", "wrong");
        let abort = client.next();
        assert_eq!((&abort[2], &abort[1]["scram"]), (&json!(DENIED), &json!("invalid-proof")));
    });
}

#[test]
fn nothing_but_authenticate_answers_a_challenge() {
    everywhere(|net| {
        for (message, text) in [
            (crate::harness::hello(REALM), "HELLO instead of AUTHENTICATE"),
            (json!([32, 1, {}, "com.a"]), "SUBSCRIBE instead of AUTHENTICATE"),
            (json!([6, {}, "wamp.close.close_realm"]), "GOODBYE instead of AUTHENTICATE"),
        ] {
            let client = net.client();
            client.ask(hello(PROOFS[0], "joe", "secret"));
            client.send(message);
            client.expect_violation(text);
        }
        let client = net.client();
        client.ask(hello(PROOFS[0], "joe", "secret"));
        client.send(json!([3, {}, "wamp.error.canceled"]));
        client.expect_closed(1000);
        let client = net.client();
        client.send(json!([5, "secret", {}]));
        client.expect_violation("AUTHENTICATE before a session is established");
    });
}

#[test]
fn an_answer_that_comes_too_late() {
    everywhere(|net| {
        let client = net.client();
        let challenge = client.ask(hello(PROOFS[3], "joe", "secret"));
        net.wait_ms(Limits::default().handshake_ms_max);
        client.expect_closed(1008);
        client.send(answer(PROOFS[3], "joe", "secret", &challenge));
        assert_eq!(client.next_frame(), None);
    });
}

#[test]
fn handshakes_are_counted() {
    let limits = Limits { handshakes_max: 1, ..Limits::default() };
    everywhere_in(&realm(), limits, |net| {
        let first = net.client();
        let challenge = first.ask(hello(PROOFS[0], "joe", "secret"));
        // One for each shard, and one too many.
        let others: Vec<_> = (0..net.shards()).map(|_| net.client()).collect();
        let refused = others.iter().find(|other| other.ask(hello(PROOFS[0], "joe", "secret"))[0] == 3);
        assert!(refused.is_some());
        assert!(net.limited().handshakes_max > 0);
        first.send(answer(PROOFS[0], "joe", "secret", &challenge));
        assert_eq!(first.next()[0], 2);
        others.iter().for_each(|other| other.socket.lose());
        let client = net.client();
        assert_eq!(client.ask(hello(PROOFS[0], "joe", "secret"))[0], 4, "there is room again");
    });
}

#[test]
fn what_takes_long_holds_up_nobody_else() {
    everywhere(|net| {
        net.do_jobs(false);
        let (slow, lost, other) = (net.client(), net.client(), net.client());
        for client in [&slow, &lost] {
            come_in(client, PROOFS[1], "ann", "secret");
            client.expect_nothing();
        }
        // It is not read, and may already say more.
        slow.send(json!([32, 1, {}, "com.a"]));
        assert!(slow.socket.is_paused());
        come_in(&other, PROOFS[0], "joe", "secret");
        assert_eq!(other.next()[0], 2);
        lost.socket.lose();
        while net.do_jobs(false) > 0 {}
        assert_eq!(slow.next()[0], 2);
        assert_eq!(slow.next()[0], 33);
        net.do_jobs(true);
    });
}

#[test]
fn a_client_that_takes_small_messages_only() {
    everywhere(|net| {
        let transport = Transport::RawSocket { serializer: Serializer::Json, length: 0 };
        for proof in [PROOFS[0], PROOFS[7]] {
            let client = net.client_over(transport);
            let challenge = client.ask(hello(proof, "joe", "secret"));
            assert_eq!(challenge[0], 4);
            client.send(answer(proof, "joe", "secret", &challenge));
            assert_eq!(client.next()[0], 2);
        }
        let client = net.client_over(transport);
        let mut long = hello(PROOFS[3], &"nobody".repeat(60), "secret");
        long[2]["authmethods"] = json!(["wampcra", "ticket"]);
        let answer = client.ask(long);
        assert!(answer[0] == 4 || answer[2] == "wamp.error.payload_size_exceeded", "{answer}");
    });
}

#[test]
fn anonymous_besides_users() {
    let mut realm = realm();
    let methods = vec![Method::Ticket, Method::Anonymous];
    realm.auth = RealmAuth { methods, anonymous_role: "guest".to_owned(), ..realm.auth };
    everywhere_in(&realm, Limits::default(), |net| {
        let welcome = net.client().ask(crate::harness::hello(REALM));
        assert_eq!(
            (&welcome[2]["authmethod"], &welcome[2]["authrole"]),
            (&json!("anonymous"), &json!("guest"))
        );
        let client = net.client();
        come_in(&client, PROOFS[0], "joe", "secret");
        assert_eq!(client.next()[2]["authrole"], "role of joe");
    });
}
