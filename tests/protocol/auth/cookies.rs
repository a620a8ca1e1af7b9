//! Clients that are known again by a cookie: who comes in by it, as whom, and who does not.

use connectanum::auth::{AuthProcedure, Method};
use connectanum::config::{RealmConfig, RouterConfig};
use connectanum::http::Origins;
use connectanum::limits::Limits;
use serde_json::{Value, json};

use super::answers::{PROOFS, Proof, answer, authextra};
use crate::harness::{Client, Net, REALM, everywhere_in};

const NO_METHOD: &str = "wamp.error.no_matching_auth_method";
const OWN_PAGE: &str = "Origin: http://localhost\r\n";
const TICKET: Proof = PROOFS[0];
const DAY_MS: u64 = 86_400_000;

/// A realm that knows clients again.
fn realm() -> RealmConfig {
    let mut realm = super::answers::realm();
    realm.auth.methods.extend([Method::Cookie, Method::Anonymous]);
    realm
}

#[track_caller]
fn everywhere(test: impl Fn(&Net)) {
    everywhere_in(&realm(), Limits { handshake_ms_max: 100 * DAY_MS, ..Limits::default() }, test);
}

/// What keeps its cookie, as a browser does.
struct Browser<'a> {
    net: &'a Net,
    /// Name and value.
    cookie: Option<String>,
    origin: &'static str,
}

impl<'a> Browser<'a> {
    fn new(net: &'a Net) -> Browser<'a> {
        Browser { net, cookie: None, origin: OWN_PAGE }
    }

    fn with(net: &'a Net, cookie: &str) -> Browser<'a> {
        Browser { cookie: Some(cookie.to_owned()), ..Browser::new(net) }
    }

    /// Opens a WebSocket.
    #[track_caller]
    fn connect(&mut self) -> Client {
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: a=b; {cookie}\r\n"));
        let (client, head) = self.net.browse(&format!("{}{}", self.origin, cookie.unwrap_or_default()));
        if let Some(cookie) = set_cookie(&head) {
            self.cookie = Some(cookie);
        }
        client
    }

    /// Opens a WebSocket and comes in by a proof of its own.
    #[track_caller]
    fn log_in(&mut self, proof: Proof, authid: &str) -> Client {
        prove(self.connect(), proof, authid)
    }

    /// Opens a WebSocket and offers the cookie alone; returns the answer, too.
    #[track_caller]
    fn come_back(&mut self) -> (Client, Value) {
        let client = self.connect();
        let answer = client.ask(hello(&["cookie"]));
        (client, answer)
    }

    #[track_caller]
    fn expect_back(&mut self, authid: &str) -> Client {
        let (client, welcome) = self.come_back();
        assert_eq!(welcome[2]["authid"], authid, "{welcome}");
        assert_eq!(welcome[2]["authmethod"], "cookie");
        client.in_session(&welcome)
    }

    #[track_caller]
    fn expect_stranger(&mut self) {
        let client = self.connect();
        client.send(hello(&["cookie"]));
        client.expect_abort(NO_METHOD, "this realm's authentication methods are: ");
    }
}

/// Name and value of the cookie that a response sets.
#[track_caller]
fn set_cookie(head: &str) -> Option<String> {
    let mut lines = head.lines().filter_map(|line| line.strip_prefix("Set-Cookie: "));
    let line = lines.next()?;
    assert_eq!(lines.next(), None, "{head}");
    let (pair, attributes) = line.split_once("; ").expect("attributes");
    assert_eq!(attributes, "Path=/; Max-Age=604800; HttpOnly; SameSite=Strict");
    assert_eq!(pair.strip_prefix("connectanum=").map(str::len), Some(32), "{pair}");
    Some(pair.to_owned())
}

fn hello(methods: &[&str]) -> Value {
    let mut hello = crate::harness::hello(REALM);
    hello[2]["authmethods"] = json!(methods);
    hello
}

/// HELLO, CHALLENGE, AUTHENTICATE, WELCOME.
#[track_caller]
fn prove(client: Client, proof: Proof, authid: &str) -> Client {
    let mut hello = hello(&["cookie", proof.method]);
    hello[2]["authid"] = json!(authid);
    hello[2]["authextra"] = authextra(proof, authid, "secret");
    let challenge = client.ask(hello);
    let welcome = client.ask(answer(proof, authid, "secret", &challenge));
    assert_eq!(welcome[2]["authmethod"], proof.method, "{welcome}");
    client.in_session(&welcome)
}

#[test]
fn known_again() {
    everywhere(|net| {
        for proof in PROOFS.into_iter().filter(|proof| proof.user != "jwt") {
            let mut browser = Browser::new(net);
            let first = browser.log_in(proof, proof.user);
            let cookie = browser.cookie.clone();
            let (client, welcome) = browser.come_back();
            let details = &welcome[2];
            assert_eq!(details["authid"], proof.user, "{proof:?}: {welcome}");
            assert_eq!(details["authrole"], format!("role of {}", proof.user));
            assert_eq!(
                (&details["authmethod"], &details["authprovider"]),
                (&json!("cookie"), &json!("cookie"))
            );
            assert_eq!(details.get("authextra"), None);
            assert_eq!(browser.cookie, cookie, "it keeps it");
            // And it is a session like any other, as often as the client likes, whether others are there or not.
            let client = client.in_session(&welcome);
            client.register("com.example.hello");
            client.send(json!([6, {}, "wamp.close.close_realm"]));
            assert_eq!(client.next()[0], 6);
            assert_eq!(client.ask(hello(&["cookie"]))[2]["authid"], proof.user, "on the same connection");
            first.socket.lose();
            client.socket.lose();
            browser.expect_back(proof.user);
            // Without a page, too; and with a name that is the right one.
            browser.origin = "";
            let client = browser.connect();
            let mut hello = hello(&["nonsense", "cookie", "ticket"]);
            hello[2]["authid"] = json!(proof.user);
            assert_eq!(client.ask(hello)[2]["authmethod"], "cookie");
        }
    });
}

#[test]
fn where_no_realm_offers_it_there_are_no_cookies() {
    everywhere_in(&super::answers::realm(), Limits::default(), |net| {
        let (client, head) = net.browse(OWN_PAGE);
        assert!(!head.contains("Cookie"), "{head}");
        client.send(hello(&["cookie"]));
        client.expect_abort(NO_METHOD, "are: ticket, wampcra, wamp-scram, cryptosign");
        // From now on there are.
        net.reconfigure(|config| config.realms[0] = realm());
        let mut browser = Browser::new(net);
        browser.log_in(TICKET, "joe");
        browser.expect_back("joe");
        // And no more.
        net.reconfigure(|config| config.realms[0] = super::answers::realm());
        let (_, head) = net.browse(&format!("{OWN_PAGE}Cookie: {}\r\n", browser.cookie.unwrap()));
        assert!(!head.contains("Cookie"), "{head}");
    });
}

#[test]
fn strangers() {
    everywhere(|net| {
        let mut joe = Browser::new(net);
        joe.log_in(TICKET, "joe");
        let cookie = joe.cookie.clone().unwrap();
        let flipped = match cookie.strip_suffix('A') {
            Some(rest) => format!("{rest}B"),
            None => format!("{}A", &cookie[..cookie.len() - 1]),
        };
        let longer = format!("{cookie}A");
        let twice = format!("{cookie}; {cookie}");
        for other in ["", "connectanum=", &flipped, &longer, &twice, &cookie[..cookie.len() - 1], "other=x"] {
            let mut browser = Browser::with(net, other);
            browser.expect_stranger();
            assert_ne!(browser.cookie.as_deref(), Some(other), "it gets one of its own");
        }
        // With another name than the holder's the cookie says nothing.
        let client = joe.connect();
        let mut other = hello(&["cookie", "ticket"]);
        other[2]["authid"] = json!("ann");
        assert_eq!(client.ask(other)[1], "ticket");
        // Who does not offer it is not let in by it.
        let client = joe.connect();
        client.send(hello(&["tls"]));
        client.expect_abort(NO_METHOD, "");
        assert_eq!(joe.connect().ask(hello(&["anonymous", "cookie"]))[2]["authmethod"], "anonymous");
        joe.expect_back("joe");
    });
}

#[test]
fn pages_of_others() {
    everywhere(|net| {
        let mut joe = Browser::new(net);
        joe.log_in(TICKET, "joe");
        let cookie = joe.cookie.clone();
        net.reconfigure(|config| {
            config.origins = Origins::new(["https://*.example.com", "null"]).expect("origins");
        });
        for origin in ["https://app.example.com", "null", "http://127.0.0.1"] {
            let fields = format!("Origin: {origin}\r\nCookie: {}\r\n", cookie.as_ref().unwrap());
            let (client, head) = net.browse(&fields);
            assert!(!head.contains("Cookie"), "{head}");
            client.send(hello(&["cookie"]));
            client.expect_abort(NO_METHOD, "");
            // Coming in there gives no cookie either.
            prove(net.browse(&fields).0, TICKET, "joe");
        }
        joe.expect_back("joe");
    });
}

#[test]
fn expired() {
    everywhere(|net| {
        let mut joe = Browser::new(net);
        joe.log_in(TICKET, "joe");
        net.wait_ms(7 * DAY_MS - 1);
        let there = joe.expect_back("joe");
        net.wait_ms(1);
        joe.expect_stranger();
        // Who is in stays.
        there.register("p");
        net.reconfigure(|config| config.realms[0].disclose_me = false);
        there.expect_nothing();
    });
}

/// Somebody plants a cookie on somebody else, to be him when he comes in.
#[test]
fn planted() {
    everywhere(|net| {
        // One that nobody holds is replaced.
        let mut ann = Browser::new(net);
        let waiting = ann.connect();
        let planted = ann.cookie.clone().unwrap();
        let mut joe = Browser::with(net, &planted);
        joe.log_in(TICKET, "joe");
        assert_ne!(joe.cookie.as_ref(), Some(&planted));
        ann.expect_stranger();
        prove(waiting, TICKET, "ann");
        // Ann's own does not become Joe's.
        let mut ann = Browser::with(net, &planted);
        ann.expect_back("ann");
        let mut victim = Browser::with(net, &planted);
        let client = victim.connect();
        client.ask(hello(&["anonymous"]));
        client.send(json!([6, {}, "wamp.close.close_realm"]));
        client.next();
        let joe = Proof { method: "wampcra", user: "joe" };
        let mut hello = hello(&["wampcra"]);
        hello[2]["authid"] = json!("joe");
        let challenge = client.ask(hello);
        assert_eq!(client.ask(answer(joe, "joe", "secret", &challenge))[2]["authid"], "joe");
        ann.expect_stranger();
        assert_ne!(ann.cookie, Some(planted), "it was forgotten");
    });
}

#[test]
fn what_does_not_last() {
    everywhere(|net| {
        let token = PROOFS.into_iter().find(|proof| proof.user == "jwt").unwrap();
        let mut browser = Browser::new(net);
        browser.log_in(token, "jwt");
        browser.expect_stranger();
        browser.connect().welcomed(REALM);
        browser.expect_stranger();
        // Whoever was nobody at first may still be somebody on the same connection.
        let client = browser.connect();
        client.ask(hello(&["anonymous"]));
        client.send(json!([6, {}, "wamp.close.close_realm"]));
        client.next();
        prove(client, TICKET, "joe");
        browser.expect_back("joe");
    });
}

#[test]
fn other_realms() {
    everywhere(|net| {
        net.reconfigure(|config| config.realms.push(RealmConfig { name: "other".to_owned(), ..realm() }));
        let mut joe = Browser::new(net);
        joe.log_in(TICKET, "joe");
        let client = joe.connect();
        let mut other = hello(&["cookie"]);
        other[1] = json!("other");
        client.send(other.clone());
        client.expect_abort(NO_METHOD, "");
        // Nor does one who comes in there take it over.
        let client = joe.connect();
        other[2] = json!({"roles": {"caller": {}}, "authmethods": ["ticket"], "authid": "ann"});
        client.ask(other);
        assert_eq!(client.ask(json!([5, "secret", {}]))[2]["authid"], "ann");
        joe.expect_back("joe");
    });
}

#[test]
fn who_may_not_come_in_any_more() {
    type Change = fn(&mut RouterConfig);
    let changes: [(Change, &str); 5] = [
        (|config| drop(config.realms[0].auth.users.remove(0)), "there is no user `joe` any more"),
        (
            |config| config.realms[0].auth.users[0].authrole = "admin".to_owned(),
            "the role of `joe` has changed; join again",
        ),
        (
            |config| config.realms[0].auth.users[0].expires_ms = Some(1_700_000_000_000),
            "the user `joe` has expired",
        ),
        (
            |config| config.realms[0].auth.methods.retain(|method| *method != Method::Ticket),
            "this realm does not offer `ticket` any more",
        ),
        (
            |config| config.realms[0].auth.methods.retain(|method| *method != Method::Cookie),
            "this realm does not offer `cookie` any more",
        ),
    ];
    for (change, why) in changes {
        everywhere(|net| {
            let mut joe = Browser::new(net);
            joe.log_in(TICKET, "joe").socket.lose();
            let (there, before) = (joe.expect_back("joe"), joe.connect());
            let mut ann = Browser::new(net);
            ann.log_in(PROOFS[3], "ann");
            let ann_is_there = ann.expect_back("ann");
            net.reconfigure(change);
            assert_eq!(there.next(), json!([6, {"message": why}, "wamp.close.killed"]));
            // Who had connected before comes too late.
            before.send(hello(&["cookie"]));
            before.expect_abort(NO_METHOD, "");
            if why.contains("`cookie`") {
                assert_eq!(ann_is_there.next()[0], 6);
            } else {
                joe.expect_stranger();
                ann_is_there.expect_nothing();
            }
        });
    }
}

const LOGOUT: &str = r#"[6, {}, "wamp.close.logout"]"#;

fn logout() -> Value {
    serde_json::from_str(LOGOUT).expect("JSON")
}

#[test]
fn logging_out() {
    everywhere(|net| {
        let mut joe = Browser::new(net);
        let first = joe.log_in(TICKET, "joe");
        let (tab, other_tab) = (joe.expect_back("joe"), joe.expect_back("joe"));
        let (late, nobody) = (joe.connect(), joe.connect().welcomed(REALM));
        let mut elsewhere = Browser::new(net);
        let phone = elsewhere.log_in(TICKET, "joe");
        tab.send(logout());
        assert_eq!(tab.next(), json!([6, {}, "wamp.close.goodbye_and_out"]));
        for gone in [first, other_tab] {
            let goodbye = json!([6, {"message": "logged out by another session"}, "wamp.close.logout"]);
            assert_eq!(gone.next(), goodbye);
            gone.send(json!([6, {}, "wamp.close.goodbye_and_out"]));
            gone.expect_closed(1000);
        }
        // Neither on the same connection, nor on another.
        tab.send(hello(&["cookie"]));
        tab.expect_abort(NO_METHOD, "");
        late.send(hello(&["cookie"]));
        late.expect_abort(NO_METHOD, "");
        let old = joe.cookie.clone();
        joe.expect_stranger();
        assert_ne!(joe.cookie, old);
        // Others are who they are.
        nobody.expect_nothing();
        phone.expect_nothing();
        elsewhere.expect_back("joe");
        // What was said goodbye to in another way is still known.
        phone.send(json!([6, {}, "wamp.close.close_realm"]));
        assert_eq!(phone.next()[0], 6);
        elsewhere.expect_back("joe");
    });
}

/// A cookie that was logged out is not taken up again by its connection.
#[test]
fn logged_out_and_in_again() {
    everywhere(|net| {
        let mut joe = Browser::new(net);
        let client = joe.log_in(TICKET, "joe");
        client.send(logout());
        client.next();
        prove(client, TICKET, "joe");
        joe.expect_stranger();
    });
}

/// Somebody comes in by a cookie on one shard in the moment when it is logged out on another.
#[test]
fn logged_out_meanwhile() {
    everywhere(|net| {
        let mut joe = Browser::new(net);
        let first = joe.log_in(TICKET, "joe");
        net.carry_mesh(false);
        let late = joe.expect_back("joe");
        first.send(logout());
        net.carry_mesh(true);
        assert_eq!(first.next()[0], 6);
        assert_eq!(late.next()[2], "wamp.close.logout");
    });
}

/// The same, and the store forgets it between two looks.
#[test]
fn logged_out_in_that_very_moment() {
    everywhere(|net| {
        let mut joe = Browser::new(net);
        let first = joe.log_in(TICKET, "joe");
        let late = joe.connect();
        net.forget_cookie_looked_at();
        assert_eq!(late.ask(hello(&["cookie"]))[2]["authmethod"], "cookie");
        joe.expect_stranger();
        first.send(logout());
        assert_eq!(first.next()[0], 6);
        assert_eq!(late.next()[2], "wamp.close.logout");
    });
}

#[test]
fn whom_an_authenticator_has_let_in() {
    let procedure = |procedure: &str| AuthProcedure {
        method: Method::Ticket,
        procedure: procedure.into(),
        realm: None,
        authrole: None,
    };
    let mut realm = RealmConfig::new(REALM);
    realm.auth.methods = vec![Method::Anonymous, Method::Ticket, Method::Cookie];
    realm.auth.procedures = vec![procedure("com.auth")];
    everywhere_in(&realm, Limits::default(), |net| {
        let authenticator = net.join();
        authenticator.register("com.auth");
        let mut browser = Browser::new(net);
        let client = browser.connect();
        let mut hello = hello(&["cookie", "ticket"]);
        hello[2]["authid"] = json!("joe");
        assert_eq!(client.ask(hello)[1], "ticket");
        client.send(json!([5, "secret", {}]));
        let invocation = authenticator.next();
        authenticator.send(json!([70, invocation[1], {}, [{"role": "member", "extra": {"a": 1}}]]));
        assert_eq!(client.next()[2]["authrole"], "member");
        let (there, welcome) = browser.come_back();
        assert_eq!((&welcome[2]["authid"], &welcome[2]["authrole"]), (&json!("joe"), &json!("member")));
        authenticator.expect_nothing();
        // When the users are those of the configuration, they are others.
        net.reconfigure(|config| {
            let auth = &mut config.realms[0].auth;
            auth.procedures.clear();
            auth.users = super::answers::realm().auth.users;
        });
        assert_eq!(there.next()[2], "wamp.close.killed");
        browser.expect_stranger();
    });
}

#[test]
fn so_many_are_kept() {
    let limits = Limits { cookies_kept_max: 2, ..Limits::default() };
    everywhere_in(&realm(), limits, |net| {
        let mut browsers = [(); 3].map(|()| {
            let mut browser = Browser::new(net);
            browser.log_in(TICKET, "joe");
            browser
        });
        assert_eq!(net.limited().cookies_kept_max, 1);
        browsers[0].expect_stranger();
        browsers[1].expect_back("joe");
        browsers[2].expect_back("joe");
    });
}
