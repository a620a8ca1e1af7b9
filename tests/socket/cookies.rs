//! Cookies over real sockets: set with one WebSocket, sent with the next, in the clear and over TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use connectanum::auth::{Method, TicketSecret, User};
use connectanum::config::{RealmConfig, RouterConfig, ServeConfig};
use connectanum::http::Origins;
use connectanum::limits::Limits;
use connectanum::shell::Address;
use rustls::{ClientConfig, version};
use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest;
use tungstenite::http::HeaderValue;
use tungstenite::{Message, WebSocket};

use crate::authority::{Authority, connect};
use crate::client::Steady;
use crate::common::*;

on_every_shell! {
    known_again_unless_something_is_wrong,
}

const WEEK_S: u64 = 7 * 86_400;
const NO_METHOD: &str = "wamp.error.no_matching_auth_method";

trait Both: std::io::Read + std::io::Write {}
impl<S: std::io::Read + std::io::Write> Both for S {}

fn config() -> RouterConfig {
    let mut realm = RealmConfig::new("realm1");
    let mut joe = User::new("joe", "user");
    joe.secrets.ticket = Some(TicketSecret::of("secret"));
    realm.auth.users = vec![joe];
    realm.auth.methods = vec![Method::Ticket, Method::Cookie];
    RouterConfig {
        realms: vec![realm],
        origins: Origins::new(["https://app.example.com"]).unwrap(),
        ..RouterConfig::default()
    }
}

/// Where clients connect to.
struct Place {
    addr: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

struct Client {
    socket: WebSocket<Box<dyn Both>>,
    /// The response's `Set-Cookie`.
    set_cookie: Option<String>,
}

impl Place {
    /// A WebSocket of a page of this origin, with this cookie.
    #[track_caller]
    fn open(&self, origin: Option<&str>, cookie: Option<&str>) -> Client {
        let stream: Box<dyn Both> = match &self.tls {
            Some(tls) => Box::new(Steady(connect(self.addr, tls, "localhost").unwrap())),
            None => Box::new(Steady(crate::client::Client::tcp(self.addr).stream)),
        };
        let mut request = "ws://localhost/ws".into_client_request().unwrap();
        let fields =
            [("Sec-WebSocket-Protocol", Some("wamp.2.json")), ("Origin", origin), ("Cookie", cookie)];
        for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        let Ok((socket, response)) = tungstenite::client(request, stream) else { panic!("no WebSocket") };
        let set_cookie = response.headers().get("Set-Cookie").map(|value| value.to_str().unwrap().to_owned());
        Client { socket, set_cookie }
    }

    fn own_page(&self) -> &'static str {
        if self.tls.is_some() { "https://localhost:1234" } else { "http://localhost:1234" }
    }

    /// Comes in by the ticket; returns the client and its cookie.
    #[track_caller]
    fn log_in(&self, max_age_s: u64) -> (Client, String) {
        let mut client = self.open(Some(self.own_page()), None);
        let set = client.set_cookie.clone().expect("a cookie");
        let (pair, attributes) = set.split_once("; ").expect("attributes");
        let secure = if self.tls.is_some() { "; Secure" } else { "" };
        assert_eq!(attributes, format!("Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Strict{secure}"));
        assert_eq!(client.hello(&["cookie", "ticket"])[1], "ticket");
        assert_eq!(client.ask(&json!([5, "secret", {}]))[2]["authmethod"], "ticket");
        (client, pair.to_owned())
    }

    /// What a client is answered that offers nothing but this cookie, from this page.
    #[track_caller]
    fn try_with(&self, origin: Option<&str>, cookie: &str) -> Value {
        self.open(origin, Some(cookie)).hello(&["cookie"])
    }
}

impl Client {
    #[track_caller]
    fn ask(&mut self, message: &Value) -> Value {
        self.socket.send(Message::text(message.to_string())).unwrap();
        serde_json::from_str(self.socket.read().unwrap().to_text().unwrap()).unwrap()
    }

    #[track_caller]
    fn hello(&mut self, methods: &[&str]) -> Value {
        let details = json!({"roles": {"caller": {}}, "authmethods": methods, "authid": "joe"});
        self.ask(&json!([1, "realm1", details]))
    }
}

fn known_again_unless_something_is_wrong(setup: Setup) {
    let authority = Authority::new();
    let builder = setup.builder(Limits::default()).config(config()).tls(authority.config());
    let Some(router) = Running::start(builder.listen("wss://127.0.0.1:0".parse().unwrap())) else { return };
    let Address::Tcp { addr: secure, .. } = router.addresses[1] else { panic!("the second is TCP") };
    let tls = Arc::new(authority.client(&version::TLS13, None));
    let places = [Place { addr: router.tcp(), tls: None }, Place { addr: secure, tls: Some(tls) }];
    let is_denied = |answer: Value| {
        assert_eq!((&answer[0], &answer[2]), (&json!(3), &json!(NO_METHOD)), "{answer}");
    };
    for place in &places {
        let own = Some(place.own_page());
        let (_first, cookie) = place.log_in(WEEK_S);
        // Whatever shard it comes to.
        for origin in [own, None].repeat(4) {
            let mut again = place.open(origin, Some(&format!("other=x; {cookie}")));
            assert_eq!(again.set_cookie, None);
            let welcome = again.hello(&["cookie", "ticket"]);
            let details = &welcome[2];
            assert_eq!(
                (&details["authid"], &details["authrole"]),
                (&json!("joe"), &json!("user")),
                "{welcome}"
            );
            assert_eq!(
                (&details["authmethod"], &details["authprovider"]),
                (&json!("cookie"), &json!("cookie"))
            );
        }
        is_denied(place.try_with(own, &format!("connectanum={}", "A".repeat(32))));
        is_denied(place.try_with(own, &cookie.replace("connectanum", "another")));
        is_denied(place.try_with(Some("https://app.example.com"), &cookie));
        if place.tls.is_some() {
            is_denied(place.try_with(Some("http://localhost"), &cookie));
        }
        assert_eq!(place.try_with(own, &cookie)[0], 2, "it is still good");
    }

    let mut served = ServeConfig { router: config(), tls: authority.config(), ..ServeConfig::default() };
    served.listen = ["tcp://127.0.0.1:0", "wss://127.0.0.1:0"].map(|url| url.parse().unwrap()).into();
    served.router.cookie_max_age_s = 1;
    let [place, _] = &places;
    let own = Some(place.own_page());
    let (_there, lasting) = place.log_in(WEEK_S);
    router.handle.reload(&served).unwrap();
    let (_there, short) = place.log_in(1);
    thread::sleep(Duration::from_millis(1100));
    is_denied(place.try_with(own, &short));
    assert_eq!(place.try_with(own, &lasting)[0], 2, "given before");
    // Whoever is no user any more does not come back.
    served.router.realms[0].auth.users[0].authid = "ann".to_owned();
    router.handle.reload(&served).unwrap();
    is_denied(place.try_with(own, &lasting));
}
