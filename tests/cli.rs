//! The binary as its users meet it: what it prints, where, and the exit codes.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a slow machine, short enough for a person.
const PATIENCE: Duration = Duration::from_secs(20);

fn connectanum() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_connectanum"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program to its end.
fn output(args: &[&str]) -> Output {
    connectanum().args(args).output().expect("the binary runs")
}

/// The program ends with `code`, with all of `stdout` and `stderr` in its output.
#[track_caller]
fn ends(args: &[&str], code: i32, stdout: &[&str], stderr: &[&str]) {
    let output = output(args);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    let found = stdout.iter().all(|text| out.contains(text)) && stderr.iter().all(|text| err.contains(text));
    let quiet = (!stdout.is_empty() || out.is_empty()) && (!stderr.is_empty() || err.is_empty());
    assert!(
        found && quiet && output.status.code() == Some(code),
        "{}\nout: {out}\nerr: {err}",
        output.status
    );
}

/// A file of this test alone, which goes with it.
struct TempFile(PathBuf);

impl TempFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("connectanum-{}-{name}", std::process::id()));
        fs::write(&path, text).expect("the file can be written");
        TempFile(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("the path is UTF-8")
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A router that runs until the end of the test.
struct Server {
    child: Child,
    /// What it said at the start.
    block: String,
    log: Option<mpsc::Receiver<String>>,
}

impl Server {
    fn start(args: &[&str]) -> Self {
        Self::of(connectanum().args(args).stderr(Stdio::inherit()))
    }

    /// Its log is for [`Server::expect_log`].
    fn start_logging(args: &[&str]) -> Self {
        let mut server = Self::of(connectanum().args(args));
        let lines = BufReader::new(server.child.stderr.take().expect("it is piped")).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        server.log = Some(receiver);
        server
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary runs");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut block = String::new();
            while let Some(Ok(line)) = lines.next() {
                block += &format!("{line}\n");
                if line.trim_start().starts_with("stop ") {
                    break;
                }
            }
            let _ = sender.send(block);
        });
        let block = receiver.recv_timeout(PATIENCE).expect("it says that it has started");
        Server { child, block, log: None }
    }

    fn hang_up(&self) {
        let kill = format!("kill -HUP {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().is_ok_and(|status| status.success()));
    }

    /// Reads the log up to a line with all of `texts`.
    #[track_caller]
    fn expect_log(&self, texts: &[&str]) {
        let log = self.log.as_ref().expect("it is kept");
        while let Ok(line) = log.recv_timeout(PATIENCE) {
            if texts.iter().all(|text| line.contains(text)) {
                return;
            }
        }
        panic!("{texts:?} are not in the log");
    }

    /// The text of a line of the block.
    #[track_caller]
    fn says(&self, name: &str) -> &str {
        let found = self.block.lines().find_map(|line| line.trim_start().strip_prefix(name));
        found.unwrap_or_else(|| panic!("no {name} in\n{}", self.block)).trim()
    }

    /// `127.0.0.1:PORT`
    fn address(&self) -> &str {
        self.says("demo page").trim_start_matches("http://").trim_end_matches('/')
    }

    /// Sends a signal and returns the exit code.
    #[track_caller]
    fn signal(mut self, signal: &str) -> Option<i32> {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(
            Command::new("sh").args(["-c", &kill]).status().is_ok_and(|status| status.success()),
            "{kill}"
        );
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("SIG{signal} does not end it");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn version_and_help() {
    let version = concat!("connectanum ", env!("CARGO_PKG_VERSION"), "\n");
    ends(&["--version"], 0, &[version], &[]);
    let options =
        ["--config", "--listen", "--realm", "--shards", "--io", "--log", "--allow-anonymous-remote"];
    ends(&["--help"], 0, &[&options[..], &["check-config", "Examples:\n"]].concat(), &[]);
    ends(&["serve", "--help"], 0, &options, &[]);
}

#[test]
fn usage_errors_end_with_2() {
    ends(&["--frobnicate"], 2, &[], &["--frobnicate"]);
    ends(&["--listen", "wss://127.0.0.1:1"], 2, &[], &["speaks TLS, for which there is no certificate"]);
    ends(&["--listen", "127.0.0.1:1"], 2, &[], &["has no scheme; write `ws://HOST:PORT`"]);
    ends(&["--shards", "0"], 2, &[], &["`0` is no number of shards"]);
    ends(&["--shards", "-1"], 2, &[], &["`-1` is no number of shards"]);
    ends(&["--io", "uring"], 2, &[], &["`uring` is no shell"]);
    ends(&["--log", "ifno"], 2, &[], &["did you mean `info`?"]);
    ends(&["--realm", "a b"], 2, &[], &["error: `a b` is no name for a realm"]);
    let remote = ["error: other machines can reach `ws://0.0.0.0:0`", "--allow-anonymous-remote"];
    ends(&["--listen", "ws://0.0.0.0:0"], 2, &[], &remote);
    ends(
        &["--config", "/nonexistent.toml"],
        2,
        &[],
        &["error: cannot read `/nonexistent.toml`: No such file"],
    );
    ends(&["check-config", "/dev/zero"], 2, &[], &["`/dev/zero` is larger than"]);
    // Cut off in the middle of a character.
    let large = TempFile::new("large.toml", &format!("# {}", "\u{e9}".repeat(600_000)));
    ends(&["check-config", large.name()], 2, &[], &["is larger than"]);
    let latin = TempFile::new("latin.toml", "");
    fs::write(&latin.0, b"# \xE9\n").unwrap();
    ends(&["check-config", latin.name()], 2, &[], &["error: cannot read `", "utf-8"]);
    ends(&["check-config"], 2, &[], &["FILE"]);
    let file = TempFile::new("alone.toml", "");
    ends(
        &[file.name()],
        2,
        &[],
        &[&format!("tip: to serve with a configuration file, write `--config {}`", file.name())],
    );
    ends(
        &["reload", "--control", "/nonexistent.sock"],
        1,
        &[],
        &["does it run, and with this path as `control`"],
    );
}

#[test]
fn secrets_for_the_configuration() {
    let password = TempFile::new("password", "secret\n");
    let hash = |args: &[&str]| {
        let output = output(
            &[&["hash-secret", "--iterations", "10", "--memory", "64"], args, &[password.name()]].concat(),
        );
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let key = TempFile::new("key", "");
    fs::remove_file(&key.0).unwrap();
    let made = output(&["keygen", key.name()]);
    let private = fs::read_to_string(&key.0).unwrap();
    assert_eq!((private.len(), fs::metadata(&key.0).unwrap().permissions().mode() & 0o777), (65, 0o600));
    ends(&["keygen", key.name()], 2, &[], &["error: cannot write", "exists"]);
    let missing = ["hash-secret", "--method", "ticket", "/nonexistent"];
    ends(&missing, 2, &[], &["error: cannot read the secret from `/nonexistent`: No such file"]);
    let lines = [
        hash(&["--method", "ticket"]),
        hash(&["--method", "wampcra"]),
        String::from_utf8(made.stdout).unwrap(),
        "scram_file = 'connectanum-scram'\n".to_owned(),
    ];
    let folder = TempFile::new("config", "");
    fs::remove_file(&folder.0).unwrap();
    fs::create_dir(&folder.0).unwrap();
    let scram = hash(&["--method", "wamp-scram"]);
    fs::write(
        folder.0.join("connectanum-scram"),
        scram.trim_end().trim_start_matches("scram = ").trim_matches('"'),
    )
    .unwrap();
    let config = folder.0.join("c.toml");
    let realm = "[[realm]]\nname = 'a'\n[[realm.user]]\nauthid = 'joe'\nauthrole = 'user'\n";
    fs::write(&config, format!("[router]\nlisten = ['ws://0.0.0.0:80']\n{realm}{}", lines.concat())).unwrap();
    ends(&["check-config", config.to_str().unwrap()], 0, &["realms     a (1 user)\n"], &[]);
    fs::remove_dir_all(&folder.0).unwrap();
    ends(
        &["hash-secret", "--method", "ticket"],
        2,
        &[],
        &["error: there is no secret; give it on standard input"],
    );
    ends(
        &["hash-secret", "--method", "wampcra", "--kdf", "sha256", password.name()],
        2,
        &[],
        &["error: `wampcra` cannot"],
    );
}

#[test]
fn check_config_says_what_a_file_means() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/connectanum.example.toml");
    let summary = ["ok: ", "listen     ws://127.0.0.1:8080\n", "realms     realm1\n", "16 MiB per message"];
    ends(&["check-config", example], 0, &summary, &[]);
}

#[test]
fn check_config_says_everything_that_is_wrong() {
    let file = TempFile::new("bad.toml", "[router]\nlisen = []\nshards = 0\n[[realm]]\nname = ''\n");
    let name = file.name();
    let errors = [
        format!("error: {name}:2: unknown key `lisen` in [router]; did you mean `listen`?\n"),
        format!("error: {name}:3: `shards`: `0` is no number of shards"),
        format!("error: {name}:5: `` is no name for a realm"),
    ];
    ends(&["check-config", name], 2, &[], &errors.each_ref().map(String::as_str));
    ends(&["--config", name], 2, &[], &errors.each_ref().map(String::as_str));
}

#[test]
fn serve_says_what_it_does() {
    let server =
        Server::start(&["--listen", "ws://127.0.0.1:0", "--shards", "2", "--io", "epoll", "--realm", "a"]);
    assert_eq!(server.says("Connectanum "), env!("CARGO_PKG_VERSION"));
    assert_eq!(server.says("listening "), format!("ws://{} (WebSocket, RawSocket, HTTP)", server.address()));
    assert_eq!(server.says("clients "), format!("ws://{}/ws", server.address()));
    assert_eq!(server.says("realms "), "a");
    assert!(server.says("shards ").starts_with("2, "));
    assert!(server.says("io ").starts_with("epoll: "));
    assert!(server.says("limits ").contains(" connections"));

    let mut page = TcpStream::connect(server.address()).expect("it listens where it says");
    page.set_read_timeout(Some(PATIENCE)).unwrap();
    page.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn signals_end_it_cleanly() {
    for signal in ["TERM", "INT"] {
        let server = Server::start(&["--listen", "ws://127.0.0.1:0"]);
        let mut client = TcpStream::connect(server.address()).expect("it listens");
        // It leaves when the router closes, or resets it if it has not been accepted yet.
        let client = thread::spawn(move || client.read_to_end(&mut Vec::new()));
        assert_eq!(server.signal(signal), Some(0), "SIG{signal}");
        let _ = client.join().expect("the client ends");
    }
}

/// A certificate for `name` and its key, as PEM.
fn certificate(name: &str) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
    (made.cert.pem(), made.signing_key.serialize_pem())
}

#[test]
fn check_config_reads_the_certificates() {
    let (chain, key) = certificate("a.test");
    let (chain, key) = (TempFile::new("check.pem", &chain), TempFile::new("check.key", &key));
    let text = |chain: &str| {
        format!(
            "[router]\nlisten = ['wss://127.0.0.1:1']\n[[tls.certificate]]\nchain = '{chain}'\nkey = '{}'\n",
            key.name()
        )
    };
    let good = TempFile::new("tls-good.toml", &text(chain.name()));
    ends(&["check-config", good.name()], 0, &["wss://127.0.0.1:1\n", "tls        a.test, until 40"], &[]);
    let relative = chain.0.file_name().unwrap().to_str().unwrap();
    let good = TempFile::new("tls-relative.toml", &text(relative));
    ends(&["check-config", good.name()], 0, &["tls        a.test, until 40"], &[]);
    let bad = TempFile::new("tls-bad.toml", &text("/nowhere.pem"));
    let error = "error: cannot read `/nowhere.pem`: No such file";
    ends(&["check-config", bad.name()], 2, &[], &[error]);
    ends(&["--config", bad.name()], 2, &[], &[error]);
}

#[test]
fn sighup_reads_the_certificates_again() {
    let ((chain, key), (new_chain, new_key)) = (certificate("a.test"), certificate("b.test"));
    let (chain, key) = (TempFile::new("hup.pem", &chain), TempFile::new("hup.key", &key));
    let text = format!(
        "[router]\nlisten = ['wss://127.0.0.1:0']\n[[tls.certificate]]\nchain = '{}'\nkey = '{}'\n",
        chain.name(),
        key.name()
    );
    let file = TempFile::new("hup.toml", &text);
    let server = Server::start_logging(&["--config", file.name()]);
    assert!(server.says("listening ").ends_with(" (WebSocket, RawSocket, HTTP; all over TLS)"));
    assert!(
        server.says("clients ").starts_with("wss://") && server.says("demo page ").starts_with("https://")
    );
    assert!(server.says("tls ").starts_with("a.test, until "));

    fs::write(&chain.0, new_chain).unwrap();
    server.hang_up();
    server.expect_log(&["ERROR", "is not the one of the first certificate in"]);
    server.expect_log(&["ERROR", "SIGHUP: everything stays as it was"]);
    fs::write(&key.0, new_key).unwrap();
    server.hang_up();
    server.expect_log(&["INFO", "certificate for b.test, until "]);
    assert_eq!(server.signal("TERM"), Some(0));

    let plain = Server::start_logging(&["--listen", "ws://127.0.0.1:0"]);
    plain.hang_up();
    plain.expect_log(&["SIGHUP: no address asks for TLS"]);
    assert_eq!(plain.signal("TERM"), Some(0));
}

#[test]
fn a_unix_socket_goes_with_its_router() {
    let socket = TempFile::new("router.sock", "");
    fs::remove_file(&socket.0).unwrap();
    let server = Server::start(&["serve", "--listen", &format!("unix:{}", socket.name())]);
    assert!(!server.block.contains("demo page"), "there is no URL for it\n{}", server.block);
    UnixStream::connect(&socket.0).expect("it listens");
    assert_eq!(server.signal("TERM"), Some(0));
    assert!(!socket.0.exists());
}

#[test]
fn the_command_line_wins_over_the_file() {
    let text =
        "[router]\nlisten = ['ws://192.0.2.1:1']\nallow_anonymous_remote = true\nshards = 3\nio = 'epoll'\n";
    let file = TempFile::new("wins.toml", text);
    let server = Server::start(&["--config", file.name(), "--listen", "tcp://127.0.0.1:0"]);
    assert!(server.says("listening ").starts_with("tcp://127.0.0.1:"));
    assert!(server.says("shards ").starts_with("3, "));
}

#[test]
fn an_address_in_use_is_a_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", taken.local_addr().unwrap());
    ends(&["--listen", &url], 1, &[], &[&format!("error: `{url}` is in use")]);
}

#[test]
fn log_goes_to_standard_error_without_colours() {
    let mut child = connectanum();
    let child = child.args(["--listen", "ws://127.0.0.1:0", "--log", "info"]).spawn().unwrap();
    let mut server = Server { child, block: String::new(), log: None };
    let mut stdout = BufReader::new(server.child.stdout.take().unwrap());
    let mut stderr = server.child.stderr.take().unwrap();
    stdout.read_line(&mut String::new()).unwrap();
    assert_eq!(server.signal("TERM"), Some(0));
    let mut log = String::new();
    stderr.read_to_string(&mut log).unwrap();
    assert!(log.contains("INFO") && log.contains("shutting down") && !log.contains('\x1b'), "{log}");
}

/// Has the router at the address let a client into the realm; returns WELCOME or ABORT.
#[track_caller]
fn hello(address: &str, realm: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let message = format!("[1,\"{realm}\",{{\"roles\":{{\"caller\":{{}}}}}}]");
    let length = u32::try_from(message.len()).expect("it is short").to_be_bytes();
    let bytes = [&[0x7F, 0xF1, 0, 0][..], &length, message.as_bytes()].concat();
    stream.write_all(&bytes).expect("it reads");
    stream.read_exact(&mut [0; 4]).expect("a handshake");
    let answer = frame(&mut stream);
    (stream, answer)
}

#[track_caller]
fn frame(stream: &mut TcpStream) -> String {
    let mut head = [0; 4];
    stream.read_exact(&mut head).expect("a frame");
    let mut body = vec![0; u32::from_be_bytes(head) as usize];
    stream.read_exact(&mut body).expect("a whole frame");
    String::from_utf8(body).expect("JSON")
}

/// How often the threads of a process whose name begins so have gone to sleep, by name: threads that glommio makes for itself have
/// that of their shard.
fn sleeps(pid: u32, name: &str) -> BTreeMap<String, u64> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let mut sleeps = BTreeMap::new();
    for task in tasks.map(|task| task.expect("it runs").path()) {
        let read = |file| fs::read_to_string(task.join(file)).unwrap_or_default();
        let comm = read("comm");
        if comm.starts_with(name) {
            let status = read("status");
            let count = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            let count: u64 = count.and_then(|count| count.trim().parse().ok()).expect("it is counted");
            *sleeps.entry(comm).or_default() += count;
        }
    }
    sleeps
}

/// A small machine is not kept awake: without anything to do, and with sessions that do nothing, a shard wakes 15 times a second at
/// most.
#[test]
fn idle_shards_sleep() {
    const SECONDS: u64 = 3;
    for io in ["epoll", "auto"] {
        let server = Server::start(&["--listen", "ws://127.0.0.1:0", "--shards", "4", "--io", io]);
        let clients: Vec<_> = (0..4).map(|_| hello(server.address(), "realm1")).collect();
        assert!(clients.iter().all(|(_, welcome)| welcome.starts_with("[2,")), "{clients:?}");
        // The shells look for more for a moment after an event.
        thread::sleep(Duration::from_millis(200));
        let before = sleeps(server.child.id(), "shard");
        assert_eq!(before.len(), 4, "each shard has a name: {before:?}");
        let start = Instant::now();
        thread::sleep(Duration::from_secs(SECONDS));
        let after = sleeps(server.child.id(), "shard");
        // The machine may have let this thread wait.
        let most = 15 * (start.elapsed().as_secs() + 1);
        let wakes: Vec<_> = before.iter().map(|(name, before)| after[name] - before).collect();
        println!("--io {io}: {wakes:?} wakes in {:?}", start.elapsed());
        assert!(wakes.iter().all(|wakes| *wakes <= most), "--io {io}: {wakes:?} in {:?}", start.elapsed());
    }
}

/// Kilobytes of the program's code: all of it, and what of it is in memory.
fn code(pid: u32) -> (u64, u64) {
    let smaps = fs::read_to_string(format!("/proc/{pid}/smaps")).expect("it runs");
    let (_, code) = smaps.split_once(" r-xp ").expect("it has code");
    let kib = |name| {
        let size = code.lines().find_map(|line| line.strip_prefix(name)).expect("it is told");
        size.trim().trim_end_matches(" kB").parse().expect("a number")
    };
    (kib("Size:"), kib("Rss:"))
}

/// Once all shards run, the process lets go of the code that only the start has needed, and serves.
#[test]
fn the_code_of_the_start_is_let_go() {
    for io in ["epoll", "auto"] {
        let server = Server::start(&["--listen", "ws://127.0.0.1:0", "--shards", "4", "--io", io]);
        let start = Instant::now();
        loop {
            let (all, resident) = code(server.child.id());
            if resident * 3 < all * 2 {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "--io {io}: {resident} of {all} KiB");
            thread::sleep(Duration::from_millis(10));
        }
        let (_client, welcome) = hello(server.address(), "realm1");
        assert!(welcome.starts_with("[2,"), "{welcome}");
    }
}

#[test]
fn reload_reads_the_file_again() {
    let control = TempFile::new("reload.sock", "");
    fs::remove_file(&control.0).unwrap();
    let text = |rest: &str| {
        format!("[router]\nlisten = ['ws://127.0.0.1:0']\nshards = 2\ncontrol = '{}'\n{rest}", control.name())
    };
    let file = TempFile::new("reload.toml", &text("[[realm]]\nname = 'a'\n"));
    let reload = ["reload", "--config", file.name()];
    ends(
        &reload,
        1,
        &[],
        &[&format!("error: no router can be reached at `{}`: No such file", control.name())],
    );

    let server = Server::start_logging(&["--config", file.name()]);
    let (mut stays, welcome) = hello(server.address(), "a");
    assert!(welcome.starts_with("[2,"), "{welcome}");
    assert!(hello(server.address(), "b").1.contains("no_such_realm"));
    ends(&reload, 0, &["reloaded: nothing has changed\n"], &[]);

    fs::write(
        &file.0,
        text("[[realm]]\nname = 'b'\n[[realm]]\nname = 'a'\n[limits]\nconnections_max = 99\n"),
    )
    .unwrap();
    let expected = "reloaded: realm `b` is new\n          `connections_max` is 99, no longer 100000\n";
    ends(&reload, 0, &[expected], &[]);
    assert!(hello(server.address(), "b").1.starts_with("[2,"));

    // What is wrong, is told as by `check-config`, and changes nothing.
    fs::write(&file.0, text("[[realm]]\nnane = 'c'\n[limits]\nconnections_max = 0\n")).unwrap();
    let faults = |args: &[&str]| {
        let output = output(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        String::from_utf8(output.stderr).unwrap()
    };
    // The file itself cannot be read, so the socket is named.
    let told = faults(&["reload", "--control", control.name()]);
    assert_eq!(told, faults(&["check-config", file.name()]));
    assert!(told.contains("reload.toml:6: unknown key `nane` in [[realm]]; did you mean `name`?"), "{told}");
    server.expect_log(&["ERROR", "connectanum reload: everything stays as it was"]);
    assert!(hello(server.address(), "b").1.starts_with("[2,"));
    server.hang_up();
    server.expect_log(&["ERROR", "unknown key `nane`"]);
    server.expect_log(&["ERROR", "SIGHUP: everything stays as it was"]);

    // Two changes that need a restart, and one that does not.
    let other = "[[realm]]\nname = 'c'\n";
    fs::write(&file.0, text(other).replace("shards = 2", "shards = 1\nlog = 'debug'")).unwrap();
    server.hang_up();
    server.expect_log(&["INFO", "SIGHUP: realm `c` is new"]);
    server.expect_log(&["INFO", "SIGHUP: realm `a` is closed"]);
    server.expect_log(&["INFO", "SIGHUP: `shards` needs a restart, and is what it was until then"]);
    server.expect_log(&["INFO", "SIGHUP: `log` needs a restart"]);
    let goodbye = frame(&mut stays);
    assert_eq!(goodbye, "[6,{\"message\":\"the realm was closed\"},\"wamp.close.close_realm\"]");
    assert!(hello(server.address(), "c").1.starts_with("[2,"));
    assert_eq!(server.signal("TERM"), Some(0));
    assert!(!control.0.exists(), "the socket goes with the router");
}

#[test]
fn reload_changes_the_addresses() {
    let control = TempFile::new("addresses.sock", "");
    fs::remove_file(&control.0).unwrap();
    let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (first, second) = (port(), port());
    let text = |listen: &str| format!("[router]\nlisten = [{listen}]\ncontrol = '{}'\n", control.name());
    let file = TempFile::new("addresses.toml", &text(&format!("'ws://{first}'")));
    let reload = ["reload", "--config", file.name()];
    let server = Server::start(&["--config", file.name()]);
    let (mut lives, _) = hello(&first.to_string(), "realm1");

    // One that cannot be listened on: nothing changes.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken_address = taken.local_addr().unwrap();
    fs::write(&file.0, text(&format!("'ws://{second}', 'ws://{taken_address}'"))).unwrap();
    ends(&reload, 1, &[], &[&format!("error: `ws://{taken_address}` is in use")]);
    assert!(hello(&first.to_string(), "realm1").1.starts_with("[2,"));
    assert!(TcpStream::connect(second).is_err());
    drop(taken);

    // One that overlaps what it has: only a restart can give the port free before.
    let all = text(&format!("'ws://0.0.0.0:{}'", first.port())) + "allow_anonymous_remote = true\n";
    fs::write(&file.0, all).unwrap();
    ends(&reload, 1, &[], &[&format!("this router itself, on ws://{first}"), "restart it"]);
    assert!(hello(&first.to_string(), "realm1").1.starts_with("[2,"));

    let unix = TempFile::new("addresses-unix.sock", "");
    fs::remove_file(&unix.0).unwrap();
    for _ in 0..3 {
        fs::write(&file.0, text(&format!("'tcp://{second}', 'unix:{}'", unix.name()))).unwrap();
        let opened = format!("listens on tcp://{second}\n");
        let closed = format!("listens no longer on ws://{first}\n");
        ends(&reload, 0, &[&opened, &closed, "listens on unix:"], &[]);
        assert!(hello(&second.to_string(), "realm1").1.starts_with("[2,"));
        assert!(TcpStream::connect(first).is_err(), "nobody listens there");
        UnixStream::connect(&unix.0).expect("it listens");
        fs::write(&file.0, text(&format!("'ws://{first}'"))).unwrap();
        ends(&reload, 0, &[&format!("listens on ws://{first}\n")], &[]);
        assert!(hello(&first.to_string(), "realm1").1.starts_with("[2,"));
        assert!(TcpStream::connect(second).is_err() && !unix.0.exists());
    }

    // With TLS, which it did not speak before, on the port that it has.
    let (chain, key) = certificate("a.test");
    let (chain, key) = (TempFile::new("addresses.pem", &chain), TempFile::new("addresses.key", &key));
    let tls = format!("[[tls.certificate]]\nchain = '{}'\nkey = '{}'\n", chain.name(), key.name());
    fs::write(&file.0, text(&format!("'wss://{first}'")) + &tls).unwrap();
    let secured = [format!("listens on wss://{first}\n"), format!("listens no longer on ws://{first}\n")];
    ends(&reload, 0, &[&secured[0], &secured[1], "certificates and what is asked of clients are new"], &[]);
    let mut plain = TcpStream::connect(first).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");

    // A key that is broken: nothing changes, though what comes before it could.
    let broken = tls.replace(key.name(), chain.name());
    fs::write(&file.0, text(&format!("'wss://{first}', 'wss://{second}'")) + &broken).unwrap();
    ends(&reload, 2, &[], &["has no private key"]);
    assert!(TcpStream::connect(second).is_err());

    // Without TLS again, which is said.
    fs::write(&file.0, text(&format!("'ws://{first}'")) + &tls).unwrap();
    let in_the_clear =
        [format!("listens on ws://{first}\n"), format!("listens no longer on wss://{first}\n")];
    ends(&reload, 0, &in_the_clear.each_ref().map(String::as_str), &[]);
    assert!(hello(&first.to_string(), "realm1").1.starts_with("[2,"));

    // Whoever came by an address that is gone is still there.
    lives.write_all(&[0, 0, 0, 35]).unwrap();
    lives.write_all(b"[6,{},\"wamp.close.goodbye_and_out\"]").unwrap();
    assert!(frame(&mut lives).contains("goodbye"), "it answers");
    assert_eq!(server.signal("TERM"), Some(0));
}

#[test]
fn reload_needs_to_know_where() {
    let file = TempFile::new("nowhere.toml", "");
    let error = format!("error: `{}` names no control socket", file.name());
    ends(&["reload", "--config", file.name()], 2, &[], &[&error]);
    ends(&["reload"], 2, &[], &["--config"]);
}
