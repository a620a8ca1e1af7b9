//! The router as a thing that a program builds and runs.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use super::cpus;
use super::epoll;
use super::host::Seat;
use super::link;
use super::listen::{Address, BindError, Listener};
use super::probe::{self, GlommioUnusable, IoKind, UringFacts};
use super::reload::{self, Added, Addresses, Place, Standing};
use super::shared::{Handle, Phase, Shared};
use super::tls::{TlsContext, TlsErrors};
use super::verify::Verifier;
use crate::access::{Access, Authorizer};
use crate::auth::{Authenticator, CookieJar, CookieStore, Gate};
use crate::config::{Io, Listen, RouterConfig, Shards, Spin, TlsConfig};
use crate::limits::{Limits, MESH_LINK_MESSAGES, MESH_SHARD_MESSAGES, SHARDS_MAX};
use crate::router::ShardId;

/// A router that is bound to its addresses and ready to run.
///
/// ```no_run
/// use connectanum::shell::Router;
///
/// let router = Router::builder().listen("ws://127.0.0.1:8080".parse()?).build()?;
/// let handle = router.handle(); // handle.shutdown() from any thread makes run() return
/// router.run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Router {
    summary: Summary,
    seats: Vec<Seat>,
    verifier: Verifier,
    shared: Arc<Shared>,
    /// Kept until the end.
    _addresses: Addresses,
}

/// What was decided at the start: for people, and for programs that let the system choose a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The addresses that were bound.
    pub addresses: Vec<Address>,
    /// By shard: the CPU that it is pinned to, if it is.
    pub shards: Vec<Option<usize>>,
    /// The shell.
    pub io: IoKind,
    /// Why that shell, in a few words.
    pub io_reason: String,
    /// How long shards spin before they sleep.
    pub spin: Spin,
    /// The limits.
    pub limits: Limits,
}

/// Why a router cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS is asked for and cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsErrors),
    /// glommio was asked for and cannot run.
    #[error("glommio cannot run here: {0}; or run with `--io auto` or `--io epoll`")]
    Glommio(#[from] GlommioUnusable),
    /// Too many shards.
    #[error("{0} shards are too many: there can be {SHARDS_MAX}")]
    Shards(u16),
    /// An authenticator is for a realm that there is not.
    #[error("there is no realm `{0}` to authenticate for")]
    Realm(String),
    /// An authorizer is for a realm that there is not.
    #[error("there is no realm `{0}` to authorize for")]
    AuthorizedRealm(String),
    /// The system has no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

/// Why a router has stopped although nobody asked it to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A fault in the router itself.
    #[error("shard {shard} has failed, and with it the router: {message}; this is a bug, please report it")]
    Panicked {
        /// The shard.
        shard: u16,
        /// What it said.
        message: String,
    },
    /// The system did not give what a shard needs.
    #[error("shard {shard} cannot run: {error}{}", remedy(error))]
    System {
        /// The shard.
        shard: u16,
        /// What the system said.
        error: io::Error,
    },
}

/// What to do about what the system does not give.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EMFILE) => "; raise the limit of open files: `ulimit -n`, `LimitNOFILE` of systemd",
        Some(libc::ENOMEM) => {
            "; raise the limit of locked memory (`ulimit -l`, `LimitMEMLOCK` of systemd), or run fewer shards"
        }
        _ => "",
    }
}

/// Makes a [`Router`]. What is not set has the defaults of the command line.
#[derive(Debug, Default)]
pub struct Builder {
    config: RouterConfig,
    listen: Vec<Listen>,
    tls: TlsConfig,
    shards: Shards,
    io: Io,
    seed: Option<[u8; 32]>,
    mesh_capacity: Option<usize>,
    spin: Spin,
    /// By realm and method.
    authenticators: Vec<Added>,
    /// By realm.
    authorizers: Vec<(String, Arc<dyn Authorizer>)>,
    cookies: Option<Arc<dyn CookieStore>>,
    uring: Option<UringFacts>,
}

impl Builder {
    /// Realms and limits.
    pub fn config(self, config: RouterConfig) -> Self {
        Builder { config, ..self }
    }

    /// Listen on one more address. Without any the router listens on `ws://127.0.0.1:8080`.
    pub fn listen(mut self, listen: Listen) -> Self {
        self.listen.push(listen);
        self
    }

    /// How the addresses that ask for TLS speak it. They need at least one certificate.
    pub fn tls(self, tls: TlsConfig) -> Self {
        Builder { tls, ..self }
    }

    /// How many shards. By default one per allowed CPU.
    pub fn shards(self, shards: Shards) -> Self {
        Builder { shards, ..self }
    }

    /// Which shell. By default glommio where it can run, else epoll.
    pub fn io(self, io: Io) -> Self {
        Builder { io, ..self }
    }

    /// The source of all ids and random choices, to repeat a run. By default from the system.
    pub fn seed(self, seed: [u8; 32]) -> Self {
        Builder { seed: Some(seed), ..self }
    }

    /// Messages that each mesh link holds. By default [`MESH_LINK_MESSAGES`], less with many shards.
    pub fn mesh_capacity(self, messages: usize) -> Self {
        Builder { mesh_capacity: Some(messages), ..self }
    }

    /// How long a shard looks for events before it sleeps. Zero, the default, costs no CPU; more answers sooner, at the
    /// price of a busy core while there is traffic.
    pub fn spin(self, spin: Spin) -> Self {
        Builder { spin, ..self }
    }

    /// Has a realm offer a method of authentication, or another implementation of one.
    pub fn authenticator(
        mut self,
        realm: impl Into<String>,
        method: impl Into<String>,
        authenticator: Arc<dyn Authenticator>,
    ) -> Self {
        self.authenticators.push((realm.into(), method.into(), authenticator));
        self
    }

    /// Has this one decide what the sessions of a realm may do, instead of the realm's roles.
    pub fn authorizer(mut self, realm: impl Into<String>, authorizer: Arc<dyn Authorizer>) -> Self {
        self.authorizers.push((realm.into(), authorizer));
        self
    }

    /// Another store for cookies than the one in memory.
    pub fn cookies(self, store: Arc<dyn CookieStore>) -> Self {
        Builder { cookies: Some(store), ..self }
    }

    /// What to believe about io_uring instead of asking the system.
    #[doc(hidden)]
    pub fn uring_facts(self, facts: UringFacts) -> Self {
        Builder { uring: Some(facts), ..self }
    }

    /// Decides what is left open and binds the addresses; clients can connect from now on, and are served once the
    /// router runs.
    pub fn build(self) -> Result<Router, StartError> {
        if let Shards::Count(n) = self.shards
            && n.get() > SHARDS_MAX
        {
            return Err(StartError::Shards(n.get()));
        }
        let facts = self.uring.unwrap_or_else(UringFacts::gather);
        let cpus = cpus::place(self.shards);
        let (io, io_reason) = probe::choose(self.io, &facts, cpus.len())?;
        let seed = self.seed.map_or_else(random_seed, Ok)?;
        let listen = if self.listen.is_empty() { vec![Listen::default()] } else { self.listen };
        let is_secure = listen.iter().any(Listen::is_secure);
        let tls = if is_secure { Some(TlsContext::load(&self.tls)?) } else { None };
        let (places, listeners) = bind(listen, cpus.len())?;
        if let Some(tls) = &tls {
            tls.log();
        }

        let config = Arc::new(self.config);
        let gates = gates(&config, &self.authenticators)?;
        let access = access(&config, &self.authorizers)?;
        let cookies = self.cookies.unwrap_or_else(|| Arc::new(CookieJar::default()));
        let (verifier, verifying) = Verifier::new(cpus.len());
        let (shared, arrivals) = Shared::new(cpus.len(), &config.limits, tls);
        let shared = Arc::new(shared);
        let addresses = places.iter().flat_map(|place| place.addresses.clone()).collect();
        *shared.standing() =
            Standing { places, authenticators: self.authenticators, authorizers: self.authorizers };
        let capacity = self.mesh_capacity.unwrap_or_else(|| mesh_capacity(cpus.len()));
        let links = link::mesh(&shared.bells, capacity);
        let spin = self.spin.duration();
        let seat = |(((((id, links), listeners), arrivals), verifying), &cpu)| Seat {
            id,
            cpu,
            spin,
            config: config.clone(),
            seed,
            links,
            listeners,
            arrivals,
            gates: gates.clone(),
            access: access.clone(),
            cookies: cookies.clone(),
            verifying,
            shared: shared.clone(),
        };
        let ids = (0..).map(ShardId);
        let seats = ids.zip(links).zip(listeners).zip(arrivals).zip(verifying).zip(&cpus).map(seat).collect();
        let limits = config.limits.clone();
        let summary = Summary { addresses, shards: cpus, io, io_reason, spin: self.spin, limits };
        let _addresses = Addresses(shared.clone());
        Ok(Router { summary, seats, verifier, shared, _addresses })
    }
}

impl Router {
    /// Begins a router with the defaults of the command line.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The addresses that were bound, with the ports that the system chose.
    pub fn addresses(&self) -> &[Address] {
        &self.summary.addresses
    }

    /// What was decided.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The router from outside.
    pub fn handle(&self) -> Handle {
        Handle(self.shared.clone())
    }

    /// Runs the shards, each on a thread of its own, until [`Handle::shutdown`] and all sessions have ended. If a
    /// shard fails, the others end at once.
    pub fn run(self) -> Result<(), RunError> {
        match self.summary.io {
            #[cfg(all(feature = "glommio", target_os = "linux", target_pointer_width = "64"))]
            IoKind::Glommio => self.run_with(super::glommio::run),
            // Where there is no other shell, the probe has chosen this one.
            _ => self.run_with(epoll::run),
        }
    }

    fn run_with(self, shell: fn(Seat) -> io::Result<()>) -> Result<(), RunError> {
        let mut threads = Vec::new();
        let mut result = Ok(());
        self.verifier.start(self.shared.clone()).map_err(|error| RunError::System { shard: 0, error })?;
        for seat in self.seats {
            let shard = seat.id.0;
            match thread::Builder::new().name(format!("shard-{shard}")).spawn(move || run_shard(shell, seat))
            {
                Ok(thread) => threads.push((shard, thread)),
                Err(error) => {
                    result = Err(RunError::System { shard, error });
                    self.shared.advance(Phase::Halted);
                    break;
                }
            }
        }
        for (shard, thread) in threads {
            let ended = thread.join().unwrap_or_else(|panic| Err(RunError::panicked(shard, &*panic)));
            result = result.and(ended);
        }
        result
    }
}

/// Binds all addresses; by shard its sockets.
fn bind(listen: Vec<Listen>, shards: usize) -> Result<(Vec<Place>, Vec<Vec<Listener>>), BindError> {
    let mut listeners: Vec<Vec<Listener>> = (0..shards).map(|_| Vec::new()).collect();
    let mut places = Vec::new();
    for (id, listen) in listen.into_iter().enumerate() {
        let (place, bound) = Place::bind(id, listen, shards)?;
        listeners.iter_mut().zip(bound).for_each(|(shard, bound)| shard.extend(bound));
        places.push(place);
    }
    Ok((places, listeners))
}

/// The realms' gates, with what an embedder has added.
fn gates(config: &RouterConfig, authenticators: &[Added]) -> Result<Arc<[Gate]>, StartError> {
    let missing = |(realm, ..): &&Added| !config.realms.iter().any(|known| known.name == *realm);
    match authenticators.iter().find(missing) {
        Some((realm, ..)) => Err(StartError::Realm(realm.clone())),
        None => Ok(reload::gates(config, authenticators)),
    }
}

/// The same of who decides in each realm.
fn access(
    config: &RouterConfig,
    authorizers: &[(String, Arc<dyn Authorizer>)],
) -> Result<Arc<[Access]>, StartError> {
    let missing = |(realm, _): &&(String, _)| !config.realms.iter().any(|known| known.name == *realm);
    match authorizers.iter().find(missing) {
        Some((realm, _)) => Err(StartError::AuthorizedRealm(realm.clone())),
        None => Ok(reload::access(config, authorizers)),
    }
}

impl RunError {
    fn panicked(shard: u16, panic: &(dyn Any + Send)) -> RunError {
        RunError::Panicked { shard, message: panic_message(panic) }
    }
}

/// The life of a shard's thread.
fn run_shard(shell: fn(Seat) -> io::Result<()>, seat: Seat) -> Result<(), RunError> {
    let (ShardId(shard), shared) = (seat.id, seat.shared.clone());
    if let Some(cpu) = seat.cpu
        && !cpus::pin(cpu)
    {
        tracing::warn!(shard, cpu, "cannot be pinned to its CPU; it runs unpinned");
    }
    let result = match catch_unwind(AssertUnwindSafe(|| shell(seat))) {
        Ok(ended) => ended.map_err(|error| RunError::System { shard, error }),
        Err(panic) => Err(RunError::panicked(shard, &*panic)),
    };
    shared.bells[usize::from(shard)].set_waker(None);
    if let Err(error) = &result {
        tracing::error!("{error}");
        shared.advance(Phase::Halted);
    }
    result
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it gave no reason").to_owned()
}

fn random_seed() -> Result<[u8; 32], StartError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(StartError::Random)?;
    Ok(seed)
}

fn mesh_capacity(shards: usize) -> usize {
    MESH_LINK_MESSAGES.min(MESH_SHARD_MESSAGES / (shards - 1).max(1))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn four_shards(io: Io) -> Option<Router> {
        let builder = Router::builder().shards(Shards::Count(NonZeroU16::new(4).unwrap())).io(io);
        match builder.listen("tcp://127.0.0.1:0".parse().unwrap()).build() {
            Err(StartError::Glommio(why)) => {
                println!("skipped: {why}");
                None
            }
            router => Some(router.unwrap()),
        }
    }

    #[test]
    fn a_shard_that_panics_ends_the_router() {
        let router = four_shards(Io::Epoll).unwrap();
        let error = router.run_with(|seat| match seat.id.0 {
            2 => panic!("it was {}", 2),
            _ => epoll::run(seat),
        });
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("shard 2 has failed, and with it the router: it was 2; "), "{error}");
    }

    #[test]
    fn a_shard_that_the_system_stops_ends_the_router() {
        let router = four_shards(Io::Epoll).unwrap();
        let error = router.run_with(|seat| match seat.id.0 {
            0 => Err(io::Error::from_raw_os_error(libc::ENOMEM)),
            _ => epoll::run(seat),
        });
        assert!(matches!(error, Err(RunError::System { shard: 0, .. })), "{error:?}");
    }

    #[test]
    #[cfg(all(feature = "glommio", target_os = "linux", target_pointer_width = "64"))]
    fn both_shells_end_when_another_shard_fails() {
        let Some(router) = four_shards(Io::Glommio) else { return };
        let error = router.run_with(|seat| match seat.id.0 {
            3 => {
                thread::sleep(std::time::Duration::from_millis(50));
                panic!("late")
            }
            _ => super::super::glommio::run(seat),
        });
        assert!(matches!(error, Err(RunError::Panicked { shard: 3, .. })), "{error:?}");
    }

    #[test]
    fn too_many_shards_are_an_error() {
        let shards = Shards::Count(NonZeroU16::new(SHARDS_MAX + 1).unwrap());
        let error = Router::builder().shards(shards).build().unwrap_err().to_string();
        assert_eq!(error, format!("{} shards are too many: there can be {SHARDS_MAX}", SHARDS_MAX + 1));
    }

    #[test]
    fn links_shrink_when_there_are_many() {
        assert_eq!([1, 2, 17].map(mesh_capacity), [MESH_LINK_MESSAGES; 3]);
        assert_eq!(mesh_capacity(33), MESH_LINK_MESSAGES / 2);
        assert!(mesh_capacity(usize::from(SHARDS_MAX)) >= 64);
    }
}
