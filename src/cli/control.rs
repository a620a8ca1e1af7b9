//! Talking with a router that runs: `connectanum reload` and `connectanum status` here, its answers over the control socket there;
//! and what else it hears and tells while it runs, SIGHUP and the metrics.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use connectanum::config::{Overrides, ServeConfig};
use connectanum::shell::{self, Address, Control, Handle, Metrics, StartError};

use super::reload::Source;
use super::{Failure, USAGE, load, print, status};

/// What can be said to the router.
const RELOAD: &str = "reload";
const STATUS: &str = "status";

/// How a router can be reached besides by its clients. To be kept as long as it runs.
#[derive(Default)]
pub(super) struct Lines {
    control: Option<Control>,
    metrics: Option<Metrics>,
}

impl Lines {
    /// Binds what the configuration names.
    pub(super) fn bind(config: &ServeConfig) -> Result<Lines, Failure> {
        let fault = |error| Failure::Start(StartError::Bind(error));
        Ok(Lines {
            control: config.control.as_deref().map(Control::bind).transpose().map_err(fault)?,
            metrics: config.metrics.as_ref().map(Metrics::bind).transpose().map_err(fault)?,
        })
    }

    /// Where the metrics can be had.
    pub(super) fn metrics(&self) -> &[Address] {
        self.metrics.as_ref().map_or(&[], Metrics::addresses)
    }

    /// From now on the router hears. Without a file SIGHUP is about certificates only.
    pub(super) fn open(
        &self,
        handle: Handle,
        config: ServeConfig,
        file: Option<PathBuf>,
        overrides: Overrides,
    ) -> Result<(), Failure> {
        // Whatever else there is to hear is named in a file.
        let Some(file) = file else { return shell::install_signals(handle).map_err(Failure::Signals) };
        let source = Arc::new(Source::new(handle.clone(), config, file, overrides));
        if let Some(control) = &self.control {
            let (handle, source) = (handle.clone(), source.clone());
            control.serve(move |line| answer(&handle, &source, line)).map_err(Failure::Control)?;
        }
        if let Some(metrics) = &self.metrics {
            let (handle, source) = (handle.clone(), source.clone());
            metrics.serve(move || status::numbers(&handle, &source)).map_err(Failure::Metrics)?;
        }
        shell::install_signals_with(handle, move || drop(source.reload("SIGHUP"))).map_err(Failure::Signals)
    }
}

fn answer(handle: &Handle, source: &Source, line: &str) -> (u8, String) {
    match line {
        RELOAD => match source.reload("connectanum reload") {
            Ok(changes) => (0, format!("reloaded: {}\n", changes.join("\n          "))),
            Err(failure) => (failure.exit_code(), format!("{failure}\n")),
        },
        STATUS => match status::numbers(handle, source) {
            Some(text) => (0, text),
            None => (super::FAILED, "the router ends, or is too busy to answer\n".to_owned()),
        },
        _ => (USAGE, format!("`{line}` is not understood here; known are `{RELOAD}` and `{STATUS}`\n")),
    }
}

/// `connectanum reload`.
pub(super) fn reload(file: Option<&Path>, control: Option<PathBuf>) -> Result<(), Failure> {
    ask(RELOAD, file, control)
}

/// `connectanum status`.
pub(super) fn status(file: Option<&Path>, control: Option<PathBuf>) -> Result<(), Failure> {
    ask(STATUS, file, control)
}

fn ask(line: &str, file: Option<&Path>, control: Option<PathBuf>) -> Result<(), Failure> {
    let path = match control {
        Some(path) => path,
        None => {
            let config = load(file, Overrides::default())?;
            let name = || file.map(|file| file.display().to_string()).unwrap_or_default();
            config.control.ok_or_else(|| Failure::NoControl(name()))?
        }
    };
    match shell::ask_control(&path, line) {
        Ok((0, text)) => {
            print(&text);
            Ok(())
        }
        Ok((code, text)) => Err(Failure::Told(code, text)),
        Err(error) => Err(Failure::Unreachable(path.display().to_string(), error)),
    }
}
