//! Reading the configuration again while the router runs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use connectanum::config::limits::LIMITS;
use connectanum::config::{Listen, Overrides, RealmConfig, ServeConfig};
use connectanum::shell::{Handle, Reloaded, TlsContext};

use super::{Failure, load};

/// What a router goes by, and where that comes from.
pub(super) struct Source {
    handle: Handle,
    file: PathBuf,
    overrides: Overrides,
    running: Mutex<ServeConfig>,
    /// How many files could not be read or had faults.
    faulty: AtomicU64,
}

impl Source {
    pub(super) fn new(handle: Handle, config: ServeConfig, file: PathBuf, overrides: Overrides) -> Source {
        Source { handle, file, overrides, running: Mutex::new(config), faulty: AtomicU64::new(0) }
    }

    /// How many files could not be read or had faults.
    pub(super) fn faulty(&self) -> u64 {
        self.faulty.load(Ordering::Relaxed)
    }

    /// Reads the file and goes over to it. `who` asks for it. Returns what has changed.
    pub(super) fn reload(&self, who: &str) -> Result<Vec<String>, Failure> {
        let reloaded = self.go_over();
        match &reloaded {
            Ok(changes) => {
                for change in changes {
                    tracing::info!("{who}: {change}");
                }
                self.handle.tls().into_iter().for_each(TlsContext::log);
            }
            Err(failure) => {
                for line in failure.to_string().lines() {
                    tracing::error!("{line}");
                }
                tracing::error!("{who}: everything stays as it was");
            }
        }
        reloaded
    }

    fn go_over(&self) -> Result<Vec<String>, Failure> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let config = load(Some(&self.file), self.overrides.clone()).inspect_err(|_| {
            self.faulty.fetch_add(1, Ordering::Relaxed);
        })?;
        let reloaded = self.handle.reload(&config).map_err(Failure::Reload)?;
        let changes = changes(&running, &config, &reloaded);
        // What takes a restart is as it was.
        let ServeConfig { shards, io, spin, ref log, ref control, ref metrics, .. } = *running;
        let (log, control, metrics) = (log.clone(), control.clone(), metrics.clone());
        *running = ServeConfig { shards, io, spin, log, control, metrics, ..config };
        Ok(changes)
    }
}

/// What is different, in words, one line for each.
fn changes(before: &ServeConfig, after: &ServeConfig, reloaded: &Reloaded) -> Vec<String> {
    let mut lines = Vec::new();
    let (old, new) = (&before.router, &after.router);
    let named = |realms: &[RealmConfig], name: &str| realms.iter().find(|realm| realm.name == name).cloned();
    for realm in &new.realms {
        let name = &realm.name;
        match named(&old.realms, name) {
            None => lines.push(format!("realm `{name}` is new")),
            Some(known) if known == *realm => {}
            Some(known) if known.auth == realm.auth => lines.push(format!("realm `{name}` has other rules")),
            Some(known) => {
                let same_rules = RealmConfig { auth: known.auth.clone(), ..realm.clone() } == known;
                let what = if same_rules { "other users" } else { "other users and rules" };
                lines.push(format!("realm `{name}` has {what}"));
            }
        }
    }
    let gone = old.realms.iter().filter(|realm| named(&new.realms, &realm.name).is_none());
    lines.extend(gone.map(|realm| format!("realm `{}` is closed", realm.name)));
    for key in LIMITS {
        let (was, is) = (key.get(&old.limits), key.get(&new.limits));
        if was != is {
            lines.push(format!("`{}` is {is}, no longer {was}", key.name));
        }
    }
    if old.auth_seed != new.auth_seed {
        lines.push("the secret for strangers is another".to_owned());
    }
    if old.origins != new.origins {
        lines.push("`origins` are others".to_owned());
    }
    if old.cookie_name != new.cookie_name {
        lines.push("`cookie_name` is another".to_owned());
    }
    if old.cookie_max_age_s != new.cookie_max_age_s {
        let (was, is) = (old.cookie_max_age_s, new.cookie_max_age_s);
        lines.push(format!("`cookie_max_age_s` is {is}, no longer {was}"));
    }
    lines.extend(reloaded.opened.iter().map(|address| format!("listens on {address}")));
    lines.extend(reloaded.closed.iter().map(|address| format!("listens no longer on {address}")));
    if after.listen.iter().any(Listen::is_secure) {
        let how = if before.tls == after.tls {
            "have been read again"
        } else {
            "and what is asked of clients are new"
        };
        lines.push(format!("certificates {how}"));
    }
    let restart = [
        ("shards", before.shards != after.shards),
        ("io", before.io != after.io),
        ("spin_us", before.spin != after.spin),
        ("log", before.log != after.log),
        ("control", before.control != after.control),
        ("metrics", before.metrics != after.metrics),
    ];
    let restart = restart.into_iter().filter(|(_, differs)| *differs);
    lines.extend(restart.map(|(key, _)| format!("`{key}` needs a restart, and is what it was until then")));
    if lines.is_empty() {
        lines.push("nothing has changed".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use connectanum::shell;

    use super::*;

    fn loaded(text: &str) -> ServeConfig {
        ServeConfig::load(Some(("c.toml", text)), Overrides::default()).expect("a sound file")
    }

    #[test]
    fn changes_in_words() {
        let before = loaded("[router]\nshards = 2\n[[realm]]\nname = 'a'\n[[realm]]\nname = 'b'\n");
        let same = changes(&before, &before.clone(), &Reloaded::default());
        assert_eq!(same, ["nothing has changed"]);
        let after = loaded(
            "[router]\nshards = 3\ncontrol = 'c'\ncookie_name = 'd'\ncookie_max_age_s = 60\n[limits]\nconnections_max = 7\n[[realm]]\nname = 'c'\n[[realm]]\n\
             name = 'b'\nstrict_uris = true\n",
        );
        let reloaded = Reloaded {
            opened: vec![shell::Address::Unix { path: "/a".into() }],
            closed: vec![shell::Address::Unix { path: "/b".into() }],
        };
        assert_eq!(
            changes(&before, &after, &reloaded),
            [
                "realm `c` is new",
                "realm `b` has other rules",
                "realm `a` is closed",
                "`connections_max` is 7, no longer 100000",
                "`cookie_name` is another",
                "`cookie_max_age_s` is 60, no longer 604800",
                "listens on unix:/a",
                "listens no longer on unix:/b",
                "`shards` needs a restart, and is what it was until then",
                "`control` needs a restart, and is what it was until then",
            ]
        );
    }
}
