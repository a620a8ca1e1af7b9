//! The router within another program: it listens on a free port, serves from a thread of its own, and ends when the
//! program says so.
//!
//! ```sh
//! cargo run --example embed
//! ```

use std::error::Error;
use std::io;
use std::num::NonZeroU16;
use std::thread;

use connectanum::config::{RealmConfig, RouterConfig, Shards};
use connectanum::shell::Router;

fn main() -> Result<(), Box<dyn Error>> {
    let config = RouterConfig { realms: vec![RealmConfig::new("com.example")], ..RouterConfig::default() };
    let router = Router::builder()
        .config(config)
        .listen("ws://127.0.0.1:0".parse()?)
        .shards(Shards::Count(NonZeroU16::MIN))
        .build()?;
    // Clients can connect from here on; they are served once the router runs.
    for address in router.addresses() {
        println!("realm com.example is served on {address}; press Enter to end");
    }

    let handle = router.handle();
    let serving = thread::spawn(|| router.run());

    // What the program is really about happens here.
    io::stdin().read_line(&mut String::new())?;
    println!("{} clients are connected", handle.connections());

    handle.shutdown();
    serving.join().expect("the router's own panics are errors")?;
    Ok(())
}
