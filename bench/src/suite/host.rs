//! The CPUs that the suite uses.

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
