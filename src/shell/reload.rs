//! Another configuration for a router that runs: [`Handle::reload`]. What can fail is done first, so that a configuration that is refused
//! changes nothing: addresses are bound, certificates are read. Then the shards go over to it (`router::reload`), then
//! connections are accepted from the new addresses and no longer from those that are gone.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::listen::{self, Address, BindError, Listener, SocketFile};
use super::shared::{Handle, Phase, Shared};
use super::status::ShardStatus;
use super::tls::{TlsContext, TlsErrors};
use crate::access::{Access, Authorizer};
use crate::auth::{Authenticator, Gate};
use crate::config::{Listen, RouterConfig, ServeConfig};
use crate::router::ShardId;

/// How often somebody who waits for the shards looks whether they have ended.
const LOOK: Duration = Duration::from_millis(50);

/// What an embedder has added: realm, method, and what it is done by.
pub(super) type Added = (String, String, Arc<dyn Authenticator>);

/// What a router was told last.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub(super) places: Vec<Place>,
    pub(super) authenticators: Vec<Added>,
    pub(super) authorizers: Vec<(String, Arc<dyn Authorizer>)>,
}

/// An entry of `listen` that is bound.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: usize,
    pub(super) listen: Listen,
    pub(super) addresses: Vec<Address>,
    /// Goes with it.
    _files: Vec<SocketFile>,
}

impl Place {
    /// Also its sockets, by shard.
    pub(super) fn bind(
        id: usize,
        listen: Listen,
        shards: usize,
    ) -> Result<(Place, Vec<Vec<Listener>>), BindError> {
        let bound = listen::bind(std::slice::from_ref(&listen), shards)?.with_id(id);
        Ok((Place { id, listen, addresses: bound.addresses, _files: bound.files }, bound.listeners))
    }
}

/// The files of Unix sockets go with it, though there may be handles still.
#[derive(Debug)]
pub(super) struct Addresses(pub(super) Arc<Shared>);

impl Drop for Addresses {
    fn drop(&mut self) {
        self.0.standing().places.clear();
    }
}

/// What a shard is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Shard 0: have all go over to this configuration.
    Reconfigure { config: Arc<RouterConfig>, gates: Arc<[Gate]>, access: Arc<[Access]> },
    /// Accept connections from other addresses.
    Listen(Listening),
    /// Say what it holds and has done.
    Status(Sender<(ShardId, ShardStatus)>),
}

/// What is to change about a shard's addresses, by their ids.
#[derive(Debug)]
pub(super) struct Listening {
    pub(super) add: Vec<Listener>,
    pub(super) remove: Vec<usize>,
    /// These go over to TLS, or from it.
    pub(super) secure: Vec<(usize, bool)>,
    pub(super) done: Sender<()>,
}

/// Why a configuration was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// A new address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A new address is in use, most likely by one that the router has until nothing can fail any more.
    #[error(
        "`{0}` is in use: another program listens there, or this router itself, on {1}, which it keeps until all else is done; \
         restart it"
    )]
    Overlap(Listen, Address),
    /// TLS is asked for and cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsErrors),
    /// Realms that are gone count, too.
    #[error("there have been too many realms since the start; restart the router")]
    Realms,
    /// It ends.
    #[error("the router is shutting down")]
    Ending,
}

impl ReloadError {
    fn of_bind(error: BindError, places: &[Place]) -> ReloadError {
        let BindError::InUse(listen @ Listen::Tcp { port, .. }, _) = &error else { return error.into() };
        let has_port = |it: &&Address| matches!(it, Address::Tcp { addr, .. } if addr.port() == *port);
        match places.iter().flat_map(|place| &place.addresses).find(has_port) {
            Some(address) => ReloadError::Overlap(listen.clone(), address.clone()),
            None => error.into(),
        }
    }
}

/// What a reload has changed about addresses. One that goes over to TLS, or from it, is gone and new.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Those that are new.
    pub opened: Vec<Address>,
    /// Those that are gone.
    pub closed: Vec<Address>,
}

impl Handle {
    /// Goes over to another configuration: realms, users, limits, addresses, certificates. Sessions go on, but for those whose realm is
    /// gone or would not let them in any more. Returns when all shards have done so, which takes a running router. `shards`,
    /// `io`, `spin` and `log` are what they were at the start.
    ///
    /// # Errors
    /// Why not; then nothing has changed.
    pub fn reload(&self, config: &ServeConfig) -> Result<Reloaded, ReloadError> {
        let reloaded = self.go_over(config);
        self.0.note_reload(reloaded.is_ok());
        reloaded
    }

    fn go_over(&self, config: &ServeConfig) -> Result<Reloaded, ReloadError> {
        let shared = &self.0;
        let mut standing = shared.standing();
        if shared.phase() != Phase::Running {
            return Err(ReloadError::Ending);
        }
        let shards = shared.bells.len();
        let mut reloaded = Reloaded::default();

        // All that can fail.
        let mut change = Change { add: (0..shards).map(|_| Vec::new()).collect(), ..Change::default() };
        let is_known = |listen: &Listen| config.listen.contains(listen);
        let mut ids = standing.places.iter().map(|place| place.id + 1).max().unwrap_or(0)..;
        let mut fresh = Vec::new();
        for listen in &config.listen {
            let places = &standing.places;
            if places.iter().any(|place| place.listen == *listen) {
                continue;
            }
            let twin = places.iter().find(|place| !is_known(&place.listen) && is_twin(&place.listen, listen));
            if let Some(twin) = twin {
                change.secure.push((twin.id, listen.clone()));
                continue;
            }
            let (place, listeners) = Place::bind(ids.next().unwrap_or_default(), listen.clone(), shards)
                .map_err(|error| ReloadError::of_bind(error, places))?;
            change.add.iter_mut().zip(listeners).for_each(|(shard, bound)| shard.extend(bound));
            reloaded.opened.extend(place.addresses.clone());
            fresh.push(place);
        }
        let prepared = match (config.listen.iter().any(Listen::is_secure), shared.tls.get()) {
            (false, _) => None,
            (true, Some(tls)) => Some((tls, tls.prepare(&config.tls)?)),
            (true, None) => {
                // From now on it is there, but no address uses it before the end.
                let context = TlsContext::load(&config.tls)?;
                shared.tls.get_or_init(|| context);
                None
            }
        };
        let gates = gates(&config.router, &standing.authenticators);
        let access = access(&config.router, &standing.authorizers);
        let config_of_shards = Arc::new(config.router.clone());
        shared.order(ShardId(0), Order::Reconfigure { config: config_of_shards, gates, access });
        if !shared.wait(&shared.reconfigured.1)? {
            return Err(ReloadError::Realms);
        }

        // Nothing else can.
        shared.set_limits(&config.router.limits);
        if let Some((tls, prepared)) = prepared {
            tls.go_over(prepared);
        }
        standing.places.retain_mut(|place| {
            let other = change.secure.iter().find(|(id, _)| *id == place.id);
            let stays = other.is_some() || is_known(&place.listen);
            match other {
                Some((_, listen)) => {
                    reloaded.closed.extend(place.addresses.clone());
                    place.redeclare(listen);
                    reloaded.opened.extend(place.addresses.clone());
                }
                None if stays => {}
                None => {
                    change.remove.push(place.id);
                    reloaded.closed.append(&mut place.addresses);
                }
            }
            stays
        });
        standing.places.extend(fresh);
        shared.listen(change)?;
        Ok(reloaded)
    }

    /// The addresses that the router listens on now.
    pub fn addresses(&self) -> Vec<Address> {
        self.0.standing().places.iter().flat_map(|place| place.addresses.clone()).collect()
    }
}

/// What changes about addresses.
#[derive(Default)]
struct Change {
    /// By shard.
    add: Vec<Vec<Listener>>,
    remove: Vec<usize>,
    /// Those that stay where they are and are declared otherwise.
    secure: Vec<(usize, Listen)>,
}

impl Place {
    fn redeclare(&mut self, listen: &Listen) {
        if let Listen::Tcp { declared: new, .. } = listen {
            for address in &mut self.addresses {
                if let Address::Tcp { declared, .. } = address {
                    *declared = *new;
                }
            }
        }
        self.listen = listen.clone();
    }
}

impl Shared {
    /// What the router was told last.
    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has all shards accept from other addresses.
    fn listen(&self, change: Change) -> Result<(), ReloadError> {
        let secure: Vec<_> = change.secure.iter().map(|(id, listen)| (*id, listen.is_secure())).collect();
        if change.add.iter().all(Vec::is_empty) && change.remove.is_empty() && secure.is_empty() {
            return Ok(());
        }
        let (done, is_done) = crossbeam_channel::unbounded();
        let shards = change.add.len();
        for (shard, add) in (0..).map(ShardId).zip(change.add) {
            let (remove, secure, done) = (change.remove.clone(), secure.clone(), done.clone());
            self.order(shard, Order::Listen(Listening { add, remove, secure, done }));
        }
        (0..shards).try_for_each(|_| self.wait(&is_done))
    }

    /// Waits for what a shard says, as long as they run.
    fn wait<T>(&self, answer: &Receiver<T>) -> Result<T, ReloadError> {
        loop {
            match answer.recv_timeout(LOOK) {
                Ok(answer) => return Ok(answer),
                Err(RecvTimeoutError::Timeout) if self.phase() == Phase::Running => {}
                Err(_) => return Err(ReloadError::Ending),
            }
        }
    }
}

/// The realms' gates, with what an embedder has added for those that there are.
pub(super) fn gates(config: &RouterConfig, authenticators: &[Added]) -> Arc<[Gate]> {
    let mut gates = config.gates().to_vec();
    for (realm, method, authenticator) in authenticators {
        let index = config.realms.iter().position(|known| known.name == *realm);
        if let Some(gate) = index.and_then(|index| gates.get_mut(index)) {
            *gate = gate.clone().with(method, authenticator.clone());
        }
    }
    gates.into()
}

/// Who decides in each realm, an embedder's authorizer instead of roles.
pub(super) fn access(config: &RouterConfig, authorizers: &[(String, Arc<dyn Authorizer>)]) -> Arc<[Access]> {
    let mut access = config.access().to_vec();
    for (realm, authorizer) in authorizers {
        let index = config.realms.iter().position(|known| known.name == *realm);
        if let Some(place) = index.and_then(|index| access.get_mut(index)) {
            *place = Access::by(authorizer.clone());
        }
    }
    access.into()
}

/// Whether both are the same port, declared otherwise.
fn is_twin(a: &Listen, b: &Listen) -> bool {
    match (a, b) {
        (Listen::Tcp { host: a, port: p, .. }, Listen::Tcp { host: b, port: q, .. }) => a == b && p == q,
        _ => false,
    }
}
