//! The router with only the system calls of `packaging/seccomp.json`.

#![cfg(target_arch = "x86_64")]

use connectanum::limits::Limits;
use seccompiler::{apply_filter_all_threads, compile_from_json};
use serde_json::{Value, json};

use crate::child::*;
use crate::common::*;

on_every_shell! {
    the_profile_is_enough,
}

fn the_profile_is_enough(setup: Setup) {
    let Some(child) = Child::start(setup, "true", "seccomp::within_the_profile") else { return };
    let mut clients: Vec<_> = (0..10).map(|_| Client::tcp(child.addr).joined()).collect();
    clients.iter_mut().for_each(|client| client.echo(&"x".repeat(300_000)));
    drop(clients);
    assert_eq!(child.result(), "filtered");
}

#[test]
#[ignore = "run by the_profile_is_enough"]
fn within_the_profile() {
    let profile: Value = serde_json::from_str(include_str!("../../packaging/seccomp.json")).unwrap();
    let allowed = profile["syscalls"].as_array().unwrap().iter().flat_map(|group| {
        assert_eq!(group["action"], "SCMP_ACT_ALLOW");
        group["names"].as_array().unwrap()
    });
    // What the profile does not name it refuses; here it is the end, to be seen at once.
    let filter: Vec<_> = allowed.map(|name| json!({"syscall": name})).collect();
    let filter =
        json!({"main": {"match_action": "allow", "mismatch_action": "kill_process", "filter": filter}});
    let programs = compile_from_json(filter.to_string().as_bytes(), "x86_64".try_into().unwrap()).unwrap();
    apply_filter_all_threads(&programs["main"]).unwrap();
    let path = std::env::temp_dir().join(format!("connectanum-seccomp-{}", std::process::id()));
    let unix = format!("unix:{}", path.display()).parse().unwrap();
    let builder = child_setup().unwrap().builder(Limits::default()).listen(unix);
    let Some(router) = Running::start(builder) else { return };
    router.client().echo("tcp");
    Client::unix(&path).joined().echo("unix");
    // As the control socket is made.
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    announce(&router);
    await_stdin_closed();
    drop(router);
    assert!(!path.exists());
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    println!("result {}", if status.contains("Seccomp:\t2") { "filtered" } else { "free" });
}
