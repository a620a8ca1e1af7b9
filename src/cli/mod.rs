//! The command line: reads it, does what it says, and ends with 0 (done), 1 (the router failed) or 2 (it was told
//! something wrong).

mod args;
mod control;
mod log;
mod reload;
mod report;
mod secrets;
mod status;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use connectanum::config::{ConfigErrors, FILE_BYTES_MAX, Overrides, ServeConfig};
use connectanum::shell::{self, Builder, ReloadError, Router, RunError, StartError, TlsContext, TlsErrors};

use args::{Args, Command, ServeArgs};
use control::Lines;
use secrets::{Machine, SecretError};

/// Exit code of a router that could not start or had to stop.
const FAILED: u8 = 1;

/// Exit code of a program that was told something wrong: by the command line or the configuration.
const USAGE: u8 = 2;

/// Why the program ends otherwise than by success. Displayed on standard error.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read `{0}`: {1}")]
    Unreadable(String, io::Error),
    #[error("`{0}` is larger than {FILE_BYTES_MAX} bytes: no configuration")]
    TooLarge(String),
    #[error("{0}")]
    Config(ConfigErrors),
    #[error("{0}")]
    Tls(TlsErrors),
    #[error("{0}")]
    Start(StartError),
    #[error("{0}")]
    Reload(ReloadError),
    #[error("`{0}` names no control socket; write `control = \"PATH\"` in [router], and restart the router")]
    NoControl(String),
    #[error(
        "no router can be reached at `{0}`: {1}; does it run, and with this path as `control` in [router]?"
    )]
    Unreachable(String, io::Error),
    #[error("cannot listen for `connectanum reload` and `connectanum status`: {0}")]
    Control(io::Error),
    #[error("cannot listen for those who want metrics: {0}")]
    Metrics(io::Error),
    /// What a router has said, and its exit code.
    #[error("{1}")]
    Told(u8, String),
    #[error("cannot handle signals: {0}")]
    Signals(io::Error),
    #[error("{0}")]
    Run(RunError),
    #[error("{0}")]
    Secret(SecretError),
}

/// Runs the program.
pub(crate) fn run() -> ExitCode {
    let args = Args::try_parse().unwrap_or_else(|error| args::explain(error).exit());
    let done = match args.command {
        Some(Command::CheckConfig { file }) => check_config(&file),
        Some(Command::Serve(options)) => serve(options),
        Some(Command::Reload { router }) => control::reload(router.config.as_deref(), router.control),
        Some(Command::Status { router }) => control::status(router.config.as_deref(), router.control),
        Some(Command::HashSecret(options)) => tell(options.run()),
        Some(Command::Keygen { file }) => tell(secrets::keygen(&file)),
        None => serve(args.serve),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            for line in failure.to_string().lines() {
                // Nobody to tell when standard error is closed.
                let _ = writeln!(io::stderr(), "error: {line}");
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::Unreadable(..) | Failure::TooLarge(_) | Failure::Config(_) | Failure::Secret(_) => USAGE,
            Failure::Tls(_) | Failure::Start(StartError::Tls(_)) => USAGE,
            Failure::Reload(ReloadError::Tls(_)) | Failure::NoControl(_) => USAGE,
            Failure::Told(code, _) => *code,
            Failure::Start(_) | Failure::Signals(_) | Failure::Run(_) => FAILED,
            Failure::Reload(_) | Failure::Unreachable(..) => FAILED,
            Failure::Control(_) | Failure::Metrics(_) => FAILED,
        }
    }
}

fn tell(line: Result<String, SecretError>) -> Result<(), Failure> {
    print(&line.map_err(Failure::Secret)?);
    Ok(())
}

fn check_config(file: &Path) -> Result<(), Failure> {
    let config = load(Some(file), Overrides::default())?;
    let tls = match config.tls.certificates.is_empty() {
        true => None,
        false => Some(TlsContext::load(&config.tls).map_err(Failure::Tls)?),
    };
    let certificates = tls.map_or_else(Vec::new, |tls| tls.certificates());
    let title = format!("ok: {}", file.display());
    print(&report::config(&title, &config, &certificates, shell::memory_bytes()));
    Ok(())
}

fn serve(options: ServeArgs) -> Result<(), Failure> {
    let (file, overrides) = options.split();
    let config = load(file.as_deref(), overrides.clone())?;
    log::begin(&config.log);
    let open_files = shell::raise_open_files()
        .inspect_err(|error| tracing::warn!(%error, "the limit of open files stays as it is"))
        .ok();

    let builder = Router::builder()
        .config(config.router.clone())
        .shards(config.shards)
        .io(config.io)
        .spin(config.spin)
        .tls(config.tls.clone());
    let router =
        config.listen.iter().cloned().fold(builder, Builder::listen).build().map_err(Failure::Start)?;
    let certificates = router.handle().tls().map_or_else(Vec::new, TlsContext::certificates);
    let lines = Lines::bind(&config)?;
    let metrics = lines.metrics();
    let machine = report::Machine { open_files, memory_bytes: shell::memory_bytes() };
    let block = report::start(router.summary(), &config.router.realms, &certificates, metrics, &machine);
    if config.metrics.as_ref().is_some_and(|listen| !listen.is_local()) {
        tracing::warn!(
            "other machines can read the metrics: `metrics` in [router] is no address of this machine alone"
        );
    }
    lines.open(router.handle(), config, file, overrides)?;
    print(&block);
    router.run().map_err(Failure::Run)
}

fn load(file: Option<&Path>, overrides: Overrides) -> Result<ServeConfig, Failure> {
    let Some(file) = file else {
        let machine = Machine { folder: Path::new("") };
        return ServeConfig::load_with(None, &machine, overrides).map_err(Failure::Config);
    };
    let name = file.display().to_string();
    let text = read(file, &name)?;
    let folder = file.parent().unwrap_or(Path::new(""));
    ServeConfig::load_with(Some((&name, &text)), &Machine { folder }, overrides).map_err(Failure::Config)
}

fn read(file: &Path, name: &str) -> Result<String, Failure> {
    let mut text = Vec::new();
    // A device or a pipe could go on for ever.
    let limit = FILE_BYTES_MAX as u64 + 1;
    let read = File::open(file).and_then(|file| file.take(limit).read_to_end(&mut text));
    let unreadable = |error| Failure::Unreadable(name.to_owned(), error);
    if read.map_err(unreadable)? > FILE_BYTES_MAX {
        return Err(Failure::TooLarge(name.to_owned()));
    }
    String::from_utf8(text).map_err(|error| unreadable(io::Error::other(error)))
}

/// Writes to standard output. Not worth failing for: the reader may have seen enough and gone (`| head`).
fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
