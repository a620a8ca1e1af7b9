//! The machine that measures, and what to call it.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    cpu: String,
    cpus: usize,
    kernel: String,
}

impl Machine {
    /// This one.
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
    fn it_has_a_name() {
        let this = Machine::this();
        assert!(this.cpus > 0 && !this.kernel.is_empty(), "{this:?}");
        let named = Machine { cpu: "Cortex-A72".to_owned(), cpus: 4, kernel: "6.1".to_owned() };
        assert_eq!(named.to_string(), "4 × Cortex-A72, Linux 6.1");
    }
}
