//! Authenticators that are procedures: what they are asked, what their answers mean, and what becomes of those who wait for them.

use connectanum::access::{Action, Role, Rule};
use connectanum::auth::{AuthProcedure, Method};
use connectanum::config::{ProcedurePolicy, RealmAuth, RealmConfig};
use connectanum::limits::Limits;
use connectanum::wamp::message::MatchPolicy;
use serde_json::{Value, json};

use super::answers::{self, Proof, answer};
use super::{DENIED, PROOFS, hello};
use crate::harness::{Client, Net, REALM, everywhere_in};

const FAILED: &str = "wamp.error.authentication_failed";
const METHODS: [Method; 4] = [Method::Ticket, Method::Wampcra, Method::Scram, Method::Cryptosign];

/// Whoever comes without authentication may offer `com.auth`, which knows the others.
fn realm() -> RealmConfig {
    let procedure =
        |method| AuthProcedure { method, procedure: "com.auth".into(), realm: None, authrole: None };
    let methods = [&[Method::Anonymous], &METHODS[..]].concat();
    let procedures = METHODS.map(procedure).to_vec();
    let auth = RealmAuth { methods, procedures, ..RealmAuth::default() };
    RealmConfig { auth, ..RealmConfig::new(REALM) }
}

fn limits() -> Limits {
    Limits { authid_failures_max: 1000, ..Limits::default() }
}

#[track_caller]
fn everywhere(test: impl Fn(&Net)) {
    everywhere_in(&realm(), limits(), test);
}

/// All but tokens.
fn proofs() -> impl Iterator<Item = Proof> {
    PROOFS.into_iter().filter(|proof| proof.user != "jwt")
}

/// What an authenticator has of a user, in the words of the procedure's answer. `joe` and `ann` have it in different forms.
fn known(proof: Proof, authid: &str) -> Value {
    let user = answers::realm().auth.users.into_iter().find(|user| user.authid == authid).expect("a user");
    let secrets = user.secrets;
    let hex = |bytes: &[u8]| connectanum::auth::hex::encode(bytes);
    match proof.method {
        "ticket" => json!({}),
        "wampcra" => {
            let secret = secrets.wampcra.expect("a secret");
            let mut told = json!({"secret": String::from_utf8(secret.key).expect("text")});
            if let Some(salting) = secret.salting {
                told["salt"] = json!(salting.salt);
                told["iterations"] = json!(salting.iterations);
                told["keylen"] = json!(salting.keylen);
            }
            told
        }
        "wamp-scram" => {
            let secret = secrets.scram.expect("a secret");
            let (kdf, iterations, memory) = match authid {
                "joe" => ("argon2id13", 1, Some(16)),
                _ => ("pbkdf2", 10, None),
            };
            json!({
                "salt": hex(&secret.salt), "kdf": kdf, "iterations": iterations, "memory": memory,
                "stored-key": hex(&secret.stored_key), "server-key": hex(&secret.server_key),
            })
        }
        "cryptosign" => json!({"pubkey": hex(&secrets.cryptosign[0].0)}),
        other => panic!("{other}"),
    }
}

/// The authenticator is asked about a client. Returns the invocation and its details.
#[track_caller]
fn asked(authenticator: &Client, method: &str, authid: &str) -> (u64, Value) {
    let invocation = authenticator.next();
    assert_eq!((&invocation[0], &invocation[3]), (&json!(68), &json!({})), "{invocation}");
    let details = &invocation[4][2];
    assert_eq!(invocation[4], json!([REALM, authid, details]));
    assert_eq!((&details["authmethod"], &details["authid"]), (&json!(method), &json!(authid)));
    (invocation[1].as_u64().expect("an id"), details.clone())
}

fn tell(authenticator: &Client, invocation: u64, answer: &Value) {
    authenticator.send(json!([70, invocation, {}, [answer]]));
}

/// A client shows who it is, and the authenticator says this about it. Returns the client and what it got.
#[track_caller]
fn come_in(net: &Net, authenticator: &Client, proof: Proof, secret: &str, told: &Value) -> (Client, Value) {
    let client = net.client();
    client.send(hello(proof, proof.user, secret));
    if proof.method != "ticket" {
        client.expect_nothing();
        let (invocation, _) = asked(authenticator, proof.method, proof.user);
        tell(authenticator, invocation, told);
    }
    let challenge = client.next();
    if challenge[0] != 4 {
        return (client, challenge);
    }
    client.send(answer(proof, proof.user, secret, &challenge));
    if proof.method == "ticket" {
        client.expect_nothing();
        let (invocation, details) = asked(authenticator, proof.method, proof.user);
        assert_eq!(details["ticket"], secret);
        tell(authenticator, invocation, told);
    }
    let last = client.next();
    (client, last)
}

fn with_role(mut told: Value, role: &str) -> Value {
    told["role"] = json!(role);
    told
}

#[test]
fn right_and_wrong() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        for proof in proofs() {
            let told = with_role(known(proof, proof.user), "member");
            let (client, welcome) = come_in(net, &authenticator, proof, "secret", &told);
            assert_eq!(welcome[0], 2, "{proof:?}: {welcome}");
            let details = &welcome[2];
            for (key, value) in [
                ("authid", proof.user),
                ("authrole", "member"),
                ("authmethod", proof.method),
                ("authprovider", "dynamic"),
            ] {
                assert_eq!(details[key], value, "{proof:?}");
            }
            assert_eq!(details["authextra"]["verifier"].is_string(), proof.method == "wamp-scram");
            client.in_session(&welcome).register(&format!("com.{}.{}", proof.method, proof.user));
            if proof.method != "ticket" {
                let (client, _) = come_in_wrong(net, &authenticator, proof, &told);
                client.expect_abort(DENIED, "unknown principal or wrong secret");
            }
        }
    });
}

/// The same with a wrong secret, up to the client's answer.
#[track_caller]
fn come_in_wrong(net: &Net, authenticator: &Client, proof: Proof, told: &Value) -> (Client, Value) {
    let client = net.client();
    client.send(hello(proof, proof.user, "wrong"));
    let (invocation, _) = asked(authenticator, proof.method, proof.user);
    tell(authenticator, invocation, told);
    let challenge = client.next();
    client.send(answer(proof, proof.user, "wrong", &challenge));
    (client, challenge)
}

/// Latest versions of Crossbar.io salt the secret themselves.
#[test]
fn wampcra_with_a_secret_that_is_to_be_salted() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        let proof = Proof { method: "wampcra", user: "joe" };
        let told =
            json!({"role": "member", "secret": "secret", "salt": "salt123", "iterations": 100, "keylen": 32});
        let (_, welcome) = come_in(net, &authenticator, proof, "secret", &told);
        assert_eq!(welcome[0], 2, "{welcome}");
        let (client, _) = come_in_wrong(net, &authenticator, proof, &told);
        client.expect_abort(DENIED, "wrong secret");
        // That takes its time, and so it does for a stranger.
        net.do_jobs(false);
        let stranger = net.client();
        stranger.send(hello(proof, "nobody", "secret"));
        let (invocation, _) = asked(&authenticator, "wampcra", "nobody");
        authenticator.send(json!([8, 68, invocation, {}, "com.error.unknown"]));
        stranger.expect_nothing();
        assert_eq!(net.do_jobs(true), 1);
        let challenge = stranger.next();
        assert_eq!((&challenge[0], &challenge[2]["iterations"]), (&json!(4), &json!(100)));
        stranger.send(answer(proof, "nobody", "secret", &challenge));
        stranger.expect_abort(DENIED, "unknown principal or wrong secret");
    });
}

#[test]
fn what_else_an_answer_can_say() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        for proof in proofs() {
            let mut told = with_role(known(proof, proof.user), "member");
            let more =
                json!({"authid": "somebody", "realm": REALM, "extra": {"colour": "blue"}, "unknown": [1]});
            told.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
            let (_, welcome) = come_in(net, &authenticator, proof, "secret", &told);
            let details = &welcome[2];
            assert_eq!(
                (&details["authid"], &details["authextra"]["colour"]),
                (&json!("somebody"), &json!("blue"))
            );
            assert_eq!(details["authextra"]["verifier"].is_string(), proof.method == "wamp-scram");
        }
        // A role alone, as tickets once had it.
        let (_, welcome) = come_in(net, &authenticator, PROOFS[0], "any", &json!("member"));
        assert_eq!((&welcome[2]["authid"], &welcome[2]["authrole"]), (&json!("joe"), &json!("member")));
    });
}

#[test]
fn answers_that_make_no_sense() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        let (ticket, cra, scram, sign) = (PROOFS[0], PROOFS[3], PROOFS[5], PROOFS[7]);
        let salted = |iterations: Value, keylen: Value| json!({"role": "r", "secret": "s", "salt": "s", "iterations": iterations, "keylen": keylen});
        let keys = "ab".repeat(32);
        let scram_with = |salt: &str, kdf: &str, memory: u64| {
            json!({"role": "r", "salt": salt, "kdf": kdf, "iterations": 1, "memory": memory, "stored-key": keys,
                "server-key": keys})
        };
        for (proof, told, text) in [
            (ticket, json!(null), "neither a string nor a dictionary"),
            (ticket, json!(true), "neither a string nor a dictionary"),
            (ticket, json!(""), "no `role`"),
            (ticket, json!({}), "no `role`"),
            (ticket, json!({"role": 1}), "`role` is no string"),
            (ticket, json!({"role": "r", "realm": "com.other"}), "another than the client wants to join"),
            (ticket, json!({"role": "r", "authid": ""}), "`authid` must have"),
            (ticket, json!({"role": "r", "authid": "x".repeat(2000)}), "`authid` must have"),
            (ticket, json!({"role": "r", "extra": 1}), "`extra` is no dictionary"),
            (cra, json!("r"), "no `secret`"),
            (cra, salted(json!(0), json!(32)), "`iterations` must be"),
            (cra, salted(json!(-1), json!(32)), "`iterations` must be"),
            (cra, salted(json!(1), json!(1000)), "`keylen` must be"),
            (cra, salted(json!(4_000_000_000_u64), json!(32)), "`iterations` must be"),
            (cra, json!({"role": "r", "secret": "s", "salt": "s".repeat(100)}), "`salt` has more than"),
            (scram, json!({"role": "r"}), "no `stored-key`"),
            (scram, scram_with("0g", "pbkdf2", 0), "`salt` must be"),
            (scram, scram_with("00", "md5", 0), "`kdf` is neither"),
            (scram, scram_with("00", "argon2id13", 1 << 40), "`memory` must be"),
            (sign, json!({"role": "r", "pubkey": "00"}), "`pubkey` must have"),
        ] {
            let (_, abort) = come_in(net, &authenticator, proof, "secret", &told);
            let message = abort[1]["message"].as_str().unwrap_or_default();
            assert_eq!((&abort[0], &abort[2]), (&json!(3), &json!(FAILED)), "{told}: {abort}");
            assert!(message.contains(text), "{told}: {message}");
        }
    });
}

/// Those whom the authenticator does not know cannot be told from those who have a wrong secret.
#[test]
fn strangers() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        for proof in proofs() {
            // Then it is known what the users' secrets are like.
            let told = with_role(known(proof, proof.user), "member");
            let (_, welcome) = come_in(net, &authenticator, proof, "secret", &told);
            assert_eq!(welcome[0], 2);
            let client = net.client();
            client.send(hello(proof, "nobody", "secret"));
            let refuse = |ticket: Option<&str>| {
                let (invocation, details) = asked(&authenticator, proof.method, "nobody");
                assert_eq!(details["ticket"].as_str(), ticket);
                authenticator.send(json!([8, 68, invocation, {}, "com.error.unknown", ["never heard of"]]));
            };
            if proof.method != "ticket" {
                refuse(None);
            }
            let challenge = client.next();
            assert_eq!((&challenge[0], &challenge[1]), (&json!(4), &json!(proof.method)), "{challenge}");
            for key in ["iterations", "keylen", "kdf", "memory"] {
                if !told[key].is_null() {
                    assert_eq!(told[key], challenge[2][key], "{key}");
                }
            }
            assert_eq!(challenge[2]["salt"].is_string(), told["salt"].is_string());
            client.send(answer(proof, "nobody", "secret", &challenge));
            match proof.method {
                "ticket" => {
                    refuse(Some("secret"));
                    client.expect_abort(DENIED, "never heard of");
                }
                _ => client.expect_abort(DENIED, "unknown principal or wrong secret"),
            }
        }
    });
}

/// A stranger's salt never changes, whichever shard it meets, and whatever else is changed.
#[test]
fn a_stranger_is_always_the_same() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        for proof in [PROOFS[3], PROOFS[5]] {
            let told = with_role(known(proof, "joe"), "member");
            come_in(net, &authenticator, proof, "secret", &told);
            let salt = || {
                let client = net.client();
                client.send(hello(proof, "nobody", "secret"));
                let (invocation, _) = asked(&authenticator, proof.method, "nobody");
                authenticator.send(json!([8, 68, invocation, {}, "com.error.unknown"]));
                let challenge = client.next();
                challenge[2]["salt"].as_str().unwrap_or_else(|| panic!("{challenge}")).to_owned()
            };
            let first = salt();
            for _ in 0..3 {
                assert_eq!(salt(), first);
            }
            net.reconfigure(|config| config.realms[0].strict_uris ^= true);
            assert_eq!(salt(), first);
        }
    });
}

/// Whoever is refused by an authenticator has failed; whoever is not answered has not.
#[test]
fn only_refusals_count_as_failures() {
    let limits = Limits {
        authid_failures_max: 1,
        address_failures_max: 1000,
        failure_wait_ms: 60_000,
        failure_lock_ms: 120_000,
        ..Limits::default()
    };
    everywhere_in(&realm(), limits, |net| {
        let ask = |text: &str| {
            let client = net.client();
            client.send(hello(PROOFS[0], "joe", "secret"));
            client.next();
            client.send(json!([5, "secret", {}]));
            client.expect_abort(FAILED, text);
        };
        // Nobody is there.
        for _ in 0..4 {
            ask("has not answered");
        }
        let authenticator = net.join();
        authenticator.register("com.auth");
        // It is there, and fails.
        for _ in 0..4 {
            let (_, abort) = come_in(net, &authenticator, PROOFS[0], "secret", &json!(7));
            assert_eq!(abort[2], FAILED);
        }
        for _ in 0..2 {
            let client = net.client();
            client.send(hello(PROOFS[0], "joe", "secret"));
            client.next();
            client.send(json!([5, "secret", {}]));
            let (invocation, _) = asked(&authenticator, "ticket", "joe");
            authenticator.send(json!([8, 68, invocation, {}, "wamp.error.runtime_error"]));
            client.expect_abort(DENIED, "unknown principal or wrong secret");
        }
        // The authenticator is not even asked.
        for proof in [PROOFS[0], PROOFS[3]] {
            let client = net.client();
            client.send(hello(proof, "joe", "secret"));
            client.expect_abort(DENIED, "too many tries have failed");
            authenticator.expect_nothing();
        }
    });
}

#[test]
fn authenticators_that_leave() {
    everywhere(|net| {
        for proof in proofs() {
            let authenticator = net.join();
            authenticator.register("com.auth");
            let client = net.client();
            client.send(hello(proof, proof.user, "secret"));
            if proof.method == "ticket" {
                client.next();
                client.send(json!([5, "secret", {}]));
            }
            asked(&authenticator, proof.method, proof.user);
            authenticator.send_last([json!([6, {}, "wamp.close.close_realm"])]);
            client.expect_abort(FAILED, "has not answered");
        }
    });
}

#[test]
fn clients_that_do_not_wait() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        for proof in proofs() {
            let ask = || {
                let client = net.client();
                client.send(hello(proof, proof.user, "secret"));
                if proof.method == "ticket" {
                    client.next();
                    client.send(json!([5, "secret", {}]));
                }
                let (invocation, _) = asked(&authenticator, proof.method, proof.user);
                (client, invocation)
            };
            // It goes.
            let (client, invocation) = ask();
            client.socket.lose();
            tell(&authenticator, invocation, &json!("member"));
            // It is cut off.
            let (client, invocation) = ask();
            net.wait_ms(Limits::default().handshake_ms_max + 1);
            client.expect_closed(1008);
            tell(&authenticator, invocation, &json!("member"));
            authenticator.all();
        }
        // What was sent too early is read when it is decided.
        let client = net.client();
        client.send(hello(PROOFS[3], "joe", "secret"));
        client.send(json!([5, "signature", {}]));
        let (invocation, _) = asked(&authenticator, "wampcra", "joe");
        client.expect_nothing();
        tell(&authenticator, invocation, &with_role(known(PROOFS[3], "joe"), "member"));
        assert_eq!(client.next()[0], 4);
        client.expect_abort(DENIED, "wrong secret");
        let [connections, _, _, _, calls] = net.census();
        assert_eq!((connections, calls), (1, 0));
    });
}

/// What a client has asked for is not done any more when it has gone.
#[test]
fn clients_that_go_are_not_asked_about() {
    everywhere(|net| {
        let busy = net.join_announcing(&["call_canceling"]);
        busy.register_with(json!({"concurrency": 1}), "com.auth");
        let [one, two, three] = ["one", "two", "three"].map(|authid| {
            let client = net.client();
            client.send(hello(PROOFS[3], authid, "secret"));
            client
        });
        let (invocation, _) = asked(&busy, "wampcra", "one");
        // It waits for the authenticator to be free.
        two.socket.lose();
        busy.expect_nothing();
        // It is being asked about.
        one.socket.lose();
        assert_eq!(busy.next(), json!([69, invocation, {"mode": "killnowait"}]));
        let (invocation, _) = asked(&busy, "wampcra", "three");
        // It is cut off.
        net.wait_ms(Limits::default().handshake_ms_max + 1);
        three.expect_closed(1008);
        assert_eq!(busy.next()[1], invocation);
        let [_, _, _, _, calls] = net.census();
        assert_eq!(calls, 0);
    });
}

/// First come, first served, and no more wait than the operator allows.
#[test]
fn authenticators_that_are_busy() {
    let mut realm = realm();
    realm.procedures.push(ProcedurePolicy {
        uri: "com.auth".to_owned(),
        match_policy: MatchPolicy::Exact,
        invoke: None,
        concurrency: Some(1),
        queue: Some(3),
        timeout_ms: None,
        reroute_lost: false,
    });
    everywhere_in(&realm, limits(), |net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        let clients = ["a", "b", "c", "d", "e"].map(|authid| {
            let client = net.client();
            client.send(hello(PROOFS[3], authid, "secret"));
            client
        });
        // The last is one too many.
        clients[4].expect_abort(FAILED, "has not answered");
        for (client, authid) in clients.iter().zip(["a", "b", "c", "d"]) {
            let (invocation, _) = asked(&authenticator, "wampcra", authid);
            authenticator.expect_nothing();
            tell(&authenticator, invocation, &json!({"role": "member", "secret": "secret"}));
            assert_eq!(client.next()[0], 4);
        }
    });
}

/// Nobody who is not let in yet has much kept, or brings much to an authenticator.
#[test]
fn what_is_too_large_to_be_passed_on() {
    const TOO_LARGE: usize = 64 * 1024 + 1;
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        for proof in proofs() {
            let client = net.client();
            let mut large = hello(proof, proof.user, "secret");
            large[2]["authextra"]["more"] = json!("x".repeat(TOO_LARGE));
            client.send(large);
            client
                .expect_abort("wamp.error.invalid_argument", "authextra of HELLO is larger than 65536 bytes");
        }
        for (signature, extra) in
            [("x".repeat(TOO_LARGE), json!({})), ("x".into(), json!({"a": "x".repeat(TOO_LARGE)}))]
        {
            let client = net.client();
            client.ask(hello(PROOFS[0], "joe", "secret"));
            client.send(json!([5, signature, extra]));
            client.expect_abort("wamp.error.invalid_argument", "of AUTHENTICATE is larger than 65536 bytes");
        }
        authenticator.expect_nothing();
    });
}

#[test]
fn in_another_realm() {
    let mut other = realm();
    other.auth.methods.retain(|method| *method != Method::Anonymous);
    other.auth.procedures.iter_mut().for_each(|it| it.realm = Some("com.auth.realm".into()));
    everywhere_in(&other, limits(), |net| {
        let join = || {
            let client = net.client();
            client.send(hello(PROOFS[0], "joe", "secret"));
            client.next();
            client.send(json!([5, "secret", {}]));
            client
        };
        join().expect_abort(FAILED, "has not answered");
        net.reconfigure(|config| config.realms.push(RealmConfig::new("com.auth.realm")));
        join().expect_abort(FAILED, "has not answered");
        let authenticator = net.join_realm("com.auth.realm");
        authenticator.register("com.auth");
        let client = join();
        let (invocation, _) = asked(&authenticator, "ticket", "joe");
        tell(&authenticator, invocation, &json!("member"));
        let welcome = client.next();
        assert_eq!(welcome[2]["authrole"], "member");
        let client = client.in_session(&welcome);
        // It has joined its own realm, not the authenticator's.
        client.send(json!([48, client.fresh(), {}, "com.auth", []]));
        assert_eq!(client.next()[4], "wamp.error.no_such_procedure");
    });
}

#[test]
fn roles_that_there_are_not() {
    let mut realm = realm();
    let rule = Rule {
        uri: String::new(),
        match_policy: MatchPolicy::Prefix,
        allow: Action::ALL.into_iter().collect(),
        disclose: false,
        cache: true,
    };
    let role = |name: &str| Role { name: name.into(), rules: vec![rule.clone()], authorizer: None };
    realm.roles = vec![role("anonymous"), role("member")];
    everywhere_in(&realm, limits(), |net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        for proof in proofs() {
            let told = known(proof, proof.user);
            let (_, welcome) =
                come_in(net, &authenticator, proof, "secret", &with_role(told.clone(), "member"));
            assert_eq!(welcome[0], 2);
            let (_, abort) = come_in(net, &authenticator, proof, "secret", &with_role(told, "chief"));
            assert_eq!(abort[2], "wamp.error.no_such_role");
            assert_eq!(abort[1]["message"], "the realm has no role 'chief'");
        }
    });
}

/// What an authenticator has allowed stays when the configuration changes, unless the method goes.
#[test]
fn reloads() {
    everywhere(|net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        let told = with_role(json!({"secret": "secret"}), "member");
        let (client, welcome) = come_in(net, &authenticator, PROOFS[4], "secret", &told);
        let client = client.in_session(&welcome);
        let (ticket, _) = come_in(net, &authenticator, PROOFS[0], "secret", &json!("member"));
        // One more is on its way.
        let waiting = net.client();
        waiting.send(hello(PROOFS[3], "joe", "secret"));
        let (invocation, _) = asked(&authenticator, "wampcra", "joe");
        net.reconfigure(|config| {
            let auth = &mut config.realms[0].auth;
            auth.methods.retain(|method| *method != Method::Ticket);
            auth.procedures.retain(|it| it.method != Method::Ticket);
        });
        let goodbye = ticket.next();
        assert_eq!((&goodbye[0], &goodbye[2]), (&json!(6), &json!("wamp.close.killed")), "{goodbye}");
        client.register("com.still.there");
        tell(&authenticator, invocation, &told);
        let challenge = waiting.next();
        waiting.send(answer(PROOFS[3], "joe", "secret", &challenge));
        assert_eq!(waiting.next()[0], 2);
    });
}
