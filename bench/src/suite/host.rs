//! The machine that runs the suite: its CPUs, and what to call it.

use std::fs;

use core_affinity::CoreId;
use serde::Serialize;

use super::SuiteError;

/// Where servers and generator run. They must not share a CPU, if there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Cpus {
    /// Every server's.
    pub(crate) server: Option<usize>,
    /// The generator's.
    pub(crate) generator: Option<usize>,
}

impl Cpus {
    /// As asked for, else the first two that this process may use. On a machine with a single one nothing is pinned.
    pub(crate) fn choose(server: Option<usize>, generator: Option<usize>) -> Cpus {
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        let mut free =
            allowed.iter().map(|core| core.id).filter(|id| ![server, generator].contains(&Some(*id)));
        let mut choose = |asked: Option<usize>| asked.or_else(|| free.next());
        match [choose(server), choose(generator)] {
            [Some(server), Some(generator)] => Cpus { server: Some(server), generator: Some(generator) },
            _ => Cpus { server, generator },
        }
    }

    /// Pins the current thread, which is to generate load.
    ///
    /// # Errors
    /// The system does not agree.
    pub(crate) fn pin_generator(self) -> Result<(), SuiteError> {
        match self.generator {
            Some(id) if !core_affinity::set_for_current(CoreId { id }) => Err(SuiteError::Pin(id)),
            _ => Ok(()),
        }
    }
}

/// The machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    cpu: String,
    cpus: usize,
    kernel: String,
}

impl Machine {
    pub(crate) fn this() -> Machine {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (info, kernel) = (read("/proc/cpuinfo"), read("/proc/sys/kernel/osrelease"));
        // x86 says `model name`; ARM boards say `Model`, once, at the end.
        let model = info.lines().find(|line| line.to_ascii_lowercase().starts_with("model"));
        let model = info.lines().find(|line| line.starts_with("model name")).or(model);
        let cpu = model.and_then(|line| line.split_once(':')).map_or("unknown CPU", |(_, name)| name.trim());
        let cpus = info.lines().filter(|line| line.starts_with("processor")).count();
        Machine { cpu: cpu.to_owned(), cpus, kernel: kernel.trim().to_owned() }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} × {}, Linux {}", self.cpus, self.cpu, self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_and_generator_do_not_share() {
        let allowed: Vec<_> =
            core_affinity::get_core_ids().unwrap().into_iter().map(|core| core.id).collect();
        let chosen = Cpus::choose(None, None);
        match allowed[..] {
            [] | [_] => assert_eq!(chosen, Cpus { server: None, generator: None }),
            [a, b, ..] => {
                assert_eq!(chosen, Cpus { server: Some(a), generator: Some(b) });
                assert_eq!(Cpus::choose(Some(b), None), Cpus { server: Some(b), generator: Some(a) });
                assert_eq!(Cpus::choose(None, Some(a)), Cpus { server: Some(b), generator: Some(a) });
            }
        }
    }
}
