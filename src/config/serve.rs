//! The configuration of a whole router, and the order in which its sources win.

use std::path::{Path, PathBuf};

use super::check::check;
use super::error::{ConfigError, ConfigErrors};
use super::file::{Draft, Key, Place};
use super::{Io, Listen, LogFilter, NoSources, RealmConfig, RouterConfig, Shards, Sources, Spin, TlsConfig};

/// Everything that `connectanum serve` can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeConfig {
    /// What the shards get.
    pub router: RouterConfig,
    /// Where to listen; at least one address.
    pub listen: Vec<Listen>,
    /// How the addresses that ask for TLS speak it.
    pub tls: TlsConfig,
    /// How many shards run.
    pub shards: Shards,
    /// Which shell runs them.
    pub io: Io,
    /// How long shards spin before they sleep.
    pub spin: Spin,
    /// What is logged.
    pub log: LogFilter,
    /// Whether addresses that other machines can reach are allowed although nobody has to authenticate.
    pub allow_anonymous_remote: bool,
    /// The Unix socket over which the router can be told to read its configuration again.
    pub control: Option<PathBuf>,
    /// Where its metrics can be had over HTTP.
    pub metrics: Option<Listen>,
}

/// What the command line says; each value that is there wins over the file's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Replaces all addresses, unless empty.
    pub listen: Vec<Listen>,
    /// Names of realms. Replaces all realms, unless empty; a realm that the file has too keeps its rules.
    pub realms: Vec<String>,
    /// Replaces the number of shards.
    pub shards: Option<Shards>,
    /// Replaces the shell.
    pub io: Option<Io>,
    /// Replaces the time to spin.
    pub spin: Option<Spin>,
    /// Replaces the log filter.
    pub log: Option<LogFilter>,
    /// Allows addresses that other machines can reach.
    pub allow_anonymous_remote: bool,
}

impl ServeConfig {
    /// The configuration from defaults, then `file` (its name, for messages, and its text), then `overrides`.
    ///
    /// # Errors
    /// All faults that can be found at once. A TOML syntax error hides the others: what follows it may be misread.
    pub fn load(file: Option<(&str, &str)>, overrides: Overrides) -> Result<ServeConfig, ConfigErrors> {
        ServeConfig::load_with(file, &NoSources, overrides)
    }

    /// The same, with what a file may name: other files, and variables.
    ///
    /// # Errors
    /// As [`ServeConfig::load`].
    pub fn load_with(
        file: Option<(&str, &str)>,
        sources: &dyn Sources,
        overrides: Overrides,
    ) -> Result<ServeConfig, ConfigErrors> {
        let (name, mut draft) = match file {
            Some((name, text)) => (name, Draft::read(text, sources)),
            None => ("", Draft::new(sources)),
        };
        if let Some(folder) = Path::new(name).parent() {
            draft.config.tls.resolve(folder);
            draft.config.control = draft.config.control.map(|path| folder.join(path));
        }
        if !draft.not_toml {
            draft.apply(overrides);
            draft.check();
        }
        draft.faults.sort_by_key(|(line, _)| *line);
        let error = |(line, text): (Option<usize>, String)| ConfigError {
            place: line.map(|line| (name.to_owned(), line)),
            text,
        };
        match draft.faults.is_empty() {
            true => Ok(draft.config),
            false => Err(ConfigErrors(draft.faults.into_iter().map(error).collect())),
        }
    }

    /// Checks a configuration that was put together in code.
    ///
    /// # Errors
    /// Values out of range, limits that contradict each other, bad or repeated realms and addresses, and addresses
    /// that other machines can reach without having to authenticate.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let faults = check(self).into_iter().map(|fault| ConfigError { place: None, text: fault.text });
        let faults: Vec<_> = faults.collect();
        if faults.is_empty() { Ok(()) } else { Err(ConfigErrors(faults)) }
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        ServeConfig {
            router: RouterConfig::default(),
            listen: vec![Listen::default()],
            tls: TlsConfig::default(),
            shards: Shards::default(),
            io: Io::default(),
            spin: Spin::default(),
            log: LogFilter::default(),
            allow_anonymous_remote: false,
            control: None,
            metrics: None,
        }
    }
}

impl Draft {
    fn apply(&mut self, overrides: Overrides) {
        let config = &mut self.config;
        if !overrides.listen.is_empty() {
            config.listen = overrides.listen;
            self.places.retain(|key, _| !matches!(key, Key::Listen(_)));
        }
        if !overrides.realms.is_empty() {
            let known = std::mem::take(&mut config.router.realms);
            let realm = |name: String| match known.iter().find(|realm| realm.name == name) {
                Some(realm) => realm.clone(),
                None => RealmConfig::new(name),
            };
            config.router.realms = overrides.realms.into_iter().map(realm).collect();
            self.places.retain(|key, _| !matches!(key, Key::Realm(_) | Key::Policy(..)));
        }
        config.shards = overrides.shards.unwrap_or(config.shards);
        config.io = overrides.io.unwrap_or(config.io);
        config.spin = overrides.spin.unwrap_or(config.spin);
        config.log = overrides.log.unwrap_or_else(|| config.log.clone());
        config.allow_anonymous_remote |= overrides.allow_anonymous_remote;
    }

    /// Reports what [`check`] finds, except about values that could not be read in the first place.
    fn check(&mut self) {
        for fault in check(&self.config) {
            let places = || fault.keys.iter().filter_map(|key| self.places.get(key));
            if !places().any(|place| *place == Place::Broken) {
                let line = places().find_map(|place| match place {
                    Place::Line(line) => Some(*line),
                    Place::Broken => None,
                });
                self.faults.push((line, fault.text));
            }
        }
    }
}
