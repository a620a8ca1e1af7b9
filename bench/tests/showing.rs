//! What becomes of reports, with the baselines as servers: files, pages, comparisons, pictures.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

fn bench(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_connectanum-bench")).args(words).output().unwrap()
}

#[track_caller]
fn success(words: &[&str]) -> String {
    let output = bench(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn failure(words: &[&str]) -> String {
    let output = bench(words);
    assert!(!output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

/// A baseline that runs until it is dropped.
struct Baseline {
    process: Child,
    url: String,
}

impl Baseline {
    fn start(words: &[&str]) -> Baseline {
        let mut command = Command::new(env!("CARGO_BIN_EXE_connectanum-bench"));
        let mut process =
            command.args(words).args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Baseline { process, url: url.trim().to_owned() }
    }

    /// Puts a load on it, and writes the report to `path`.
    fn load(&self, words: &[&str], path: &Path) {
        let common = [&self.url, "--duration", "0.1", "--warmup", "0.02", "--json", text(path)];
        success(&[words, &common].concat());
    }
}

impl Drop for Baseline {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with the reports of a load through the relay (`relay.json`), of the same load through the bare fan-out
/// (`fanout.json`), and of another (`other.json`).
struct Reports(TempDir);

impl Reports {
    fn make() -> Reports {
        let reports = Reports(tempfile::tempdir().unwrap());
        let (relay, fanout) =
            (Baseline::start(&["relay"]), Baseline::start(&["fanout", "--subscribers", "1"]));
        relay.load(&["pubsub", "--window", "4"], &reports.path("relay.json"));
        relay.load(&["rpc"], &reports.path("other.json"));
        fanout.load(&["pubsub", "--window", "4"], &reports.path("fanout.json"));
        reports
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        text(&self.path(name)).to_owned()
    }
}

#[test]
fn the_bare_fan_out_delivers_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let fanout = Baseline::start(&["fanout", "--subscribers", "7"]);
    fanout.load(&["pubsub", "--fanout", "7", "--pairs", "3", "--window", "5", "--payload", "5000"], &path);
    let report: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert!(report["total"].as_u64().unwrap() >= 3 * 7 * 5, "{report}");
    let calls = failure(&["rpc", &fanout.url]);
    assert!(calls.contains("the bare fan-out has no calls"), "{calls}");
}

#[test]
fn reports_are_shown_compared_and_drawn() {
    let reports = Reports::make();
    let [relay, fanout, other] = ["relay.json", "fanout.json", "other.json"].map(|name| reports.text(name));

    let shown =
        success(&["show", &relay, "--html", &reports.text("a.html"), "--hgrm", &reports.text("a.hgrm")]);
    assert!(shown.starts_with("pubsub raw://") && shown.contains("1 pair, window 4"), "{shown}");
    assert!(fs::read_to_string(reports.path("a.html")).unwrap().contains("Latency by percentile"));
    assert!(fs::read_to_string(reports.path("a.hgrm")).unwrap().contains("1/(1-Percentile)"));

    let compared = success(&["compare", &relay, &fanout, "--html", &reports.text("both.html")]);
    let row = compared.lines().find(|line| line.starts_with("events per second")).unwrap();
    assert!(row.split_whitespace().count() >= 6 && compared.contains("÷ relay"), "{compared}");
    let page = fs::read_to_string(reports.path("both.html")).unwrap();
    assert!(page.contains("data-name=\"relay\"") && page.contains("data-name=\"fanout\""));

    let different = failure(&["compare", &relay, &other]);
    assert!(
        different.contains("relay and other measure different things: pubsub (1 pair, window 4"),
        "{different}"
    );
    let missing = failure(&["compare", &relay, &reports.text("nothing.json")]);
    assert!(missing.contains("cannot read ") && missing.contains("nothing.json"), "{missing}");

    let report: Value = serde_json::from_slice(&fs::read(&relay).unwrap()).unwrap();
    let points: Vec<_> = (1..4).map(|x| json!({ "x": x, "report": report })).collect();
    fs::write(reports.path("sweep.json"), json!({ "over": "pairs", "points": points }).to_string()).unwrap();
    success(&["plot", &reports.text("sweep.json"), "--out", &reports.text("sweep.svg")]);
    assert!(fs::read_to_string(reports.path("sweep.svg")).unwrap().starts_with("<svg "));
    let no_sweep = failure(&["plot", &relay, "--out", &reports.text("no.svg")]);
    assert!(no_sweep.contains("is no sweep of connectanum-bench"), "{no_sweep}");
    assert!(!reports.path("no.svg").exists());
}

#[test]
fn a_suite_without_its_parts_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let missing = failure(&["suite", "--router", text(&folder.path().join("router"))]);
    assert!(missing.contains("there is no router at") && missing.contains("--router"), "{missing}");
    let router = env!("CARGO_BIN_EXE_connectanum-bench");
    let nobody = failure(&["suite", "--router", router, "--peer-pid", "a=1"]);
    assert!(nobody.contains("no --peer is called `a`"), "{nobody}");
    let work = failure(&["suite", "--router", router, "--only", "nothing"]);
    assert!(work.contains("no work is called `nothing`"), "{work}");
}
