//! The start of a router, and what it says when it cannot.

use std::os::unix::net::{UnixListener, UnixStream};

use connectanum::config::{Io, Shards};
use connectanum::limits::Limits;
use connectanum::shell::{IoKind, Router, StartError, UringFacts};

use crate::common::*;

on_every_shell! {
    two_routers_on_one_port_are_an_error,
    a_stale_unix_socket_is_replaced,
    clients_may_come_before_it_runs,
    the_summary_tells_what_was_decided,
}

fn two_routers_on_one_port_are_an_error(setup: Setup) {
    let Some(router) = setup.start() else { return };
    let url = format!("ws://{}", router.tcp());
    let second = Router::builder().io(setup.io).listen(url.parse().unwrap()).build();
    let error = second.unwrap_err().to_string();
    assert!(error.starts_with(&format!("`{url}` is in use: ")), "{error}");
    for _ in 0..20 {
        router.client().echo("the first serves alone");
    }
}

fn a_stale_unix_socket_is_replaced(setup: Setup) {
    let dir = Dir::new();
    let path = dir.0.join("socket");
    drop(UnixListener::bind(&path).unwrap());
    UnixStream::connect(&path).unwrap_err();
    let url = format!("unix:{}", path.display());
    let Some(router) = Running::start(setup.builder(Limits::default()).listen(url.parse().unwrap())) else {
        return;
    };
    for _ in 0..20 {
        Client::unix(&path).joined().echo("hello");
    }
    let second = Router::builder().listen(url.parse().unwrap()).build();
    assert!(matches!(second, Err(StartError::Bind(_))), "a live socket stays");
    drop(router);
    assert!(!path.exists());
}

fn clients_may_come_before_it_runs(setup: Setup) {
    let Some(router) = built(setup.builder(Limits::default())) else { return };
    let addr = match router.addresses()[0] {
        connectanum::shell::Address::Tcp { addr, .. } => addr,
        _ => unreachable!(),
    };
    let mut clients: Vec<_> = (0..20).map(|_| Client::tcp(addr)).collect();
    clients.iter_mut().for_each(Client::hello);
    let handle = router.handle();
    let thread = std::thread::spawn(|| router.run());
    clients.iter_mut().for_each(Client::welcome);
    drop(clients);
    handle.shutdown();
    thread.join().unwrap().unwrap();
}

fn the_summary_tells_what_was_decided(setup: Setup) {
    let Some(router) = built(setup.builder(Limits::default())) else { return };
    let summary = router.summary();
    assert_eq!(summary.addresses, router.addresses());
    assert_eq!(summary.shards.len(), usize::from(setup.shards));
    assert_eq!(summary.io, if setup.io == Io::Epoll { IoKind::Epoll } else { IoKind::Glommio });
    assert_eq!(summary.io_reason, "as asked for");
    assert_eq!(summary.limits, Limits::default());
    assert_eq!(router.handle().counters().len(), summary.shards.len());
}

/// io_uring as an administrator has left it who turned it off.
fn disabled() -> UringFacts {
    UringFacts {
        built: true,
        kernel: Some((6, 6)),
        memlock_bytes: Some(u64::MAX),
        memlock_exempt: false,
        disabled: Some(2),
        setup_error: Some(libc::EPERM),
    }
}

#[test]
fn glommio_where_it_cannot_run_is_an_error_with_the_remedy() {
    let error = Router::builder().io(Io::Glommio).uring_facts(disabled()).build().unwrap_err().to_string();
    assert_eq!(
        error,
        "glommio cannot run here: io_uring is turned off (kernel.io_uring_disabled = 2); \
         `sysctl kernel.io_uring_disabled=0` turns it on; or run with `--io auto` or `--io epoll`"
    );
}

#[test]
fn auto_takes_epoll_where_glommio_cannot_run() {
    let setup = Setup { io: Io::Auto, shards: 2 };
    let builder = || setup.builder(Limits::default()).uring_facts(disabled());
    let summary = builder().build().unwrap().summary().clone();
    assert_eq!(summary.io, IoKind::Epoll);
    assert!(
        summary.io_reason.starts_with("glommio cannot run: io_uring is turned off"),
        "{}",
        summary.io_reason
    );
    Running::start(builder()).unwrap().client().echo("it runs");
}

#[test]
fn auto_has_a_shard_per_cpu() {
    let builder = Router::builder().shards(Shards::Auto).listen("tcp://127.0.0.1:0".parse().unwrap());
    let shards = builder.build().unwrap().summary().shards.clone();
    assert!(!shards.is_empty() && shards.iter().all(Option::is_some), "{shards:?}");
}

#[test]
fn several_routers_run_in_one_process() {
    let routers: Vec<_> =
        [Io::Epoll, Io::Auto, Io::Epoll].map(|io| Setup { io, shards: 2 }.start().unwrap()).into();
    for router in &routers {
        router.client().echo("hello");
        assert_eq!(router.counted(|c| c.accepted), 1);
    }
}
