//! One load again and again, with another value of one of its options each time.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser};

use super::Failure;
use super::load::Load;
use crate::output::{self, print};
use crate::progress;
use crate::report::{self, Point, Sweep};

#[derive(Debug, Args)]
pub(super) struct ScaleArgs {
    /// The option to vary, and its values: pairs=1,10,100
    #[arg(long, value_name = "OPTION=VALUE,VALUE...")]
    over: Over,

    /// Write the reports as JSON, which `plot` draws; without FILE, to standard output instead of the text
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = output::STDOUT)]
    json: Option<PathBuf>,

    /// The load with its other options: pubsub ws://127.0.0.1:8080 --window 8
    #[arg(value_name = "LOAD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    load: Vec<String>,
}

/// An option and its values.
#[derive(Clone, Debug, PartialEq)]
struct Over {
    option: String,
    /// As numbers, and as they are written.
    values: Vec<(f64, String)>,
}

/// A load as its words say.
#[derive(Debug, Parser)]
#[command(name = "scale", no_binary_name = true)]
struct Words {
    #[command(subcommand)]
    load: Load,
}

impl FromStr for Over {
    type Err = String;

    fn from_str(text: &str) -> Result<Over, String> {
        let fault = || format!("`{text}` is no option with numbers; write it as pairs=1,10,100");
        let (option, values) = text.split_once('=').ok_or_else(fault)?;
        let option = option.trim_start_matches("--").to_owned();
        if option.is_empty() {
            return Err(fault());
        }
        let number = |value: &str| match value.parse() {
            Ok(x) if f64::is_finite(x) => Ok((x, value.to_owned())),
            _ => Err(fault()),
        };
        Ok(Over { option, values: values.split(',').map(number).collect::<Result<_, _>>()? })
    }
}

impl ScaleArgs {
    /// Runs all of it. Ctrl-C ends it with what there is.
    ///
    /// # Errors
    /// A load fails, or makes no sense.
    pub(super) fn run(&self) -> Result<(), Failure> {
        // A word that is wrong is better told now than after an hour.
        let loads = self.loads()?;
        if let Some(path) = &self.json {
            output::check(path)?;
        }
        let mut sweep = Sweep { over: self.over.option.clone(), points: Vec::new() };
        for (&(x, _), load) in self.over.values.iter().zip(loads) {
            let report = super::report(load.args(), load.run()?)?;
            let interrupted = report.interrupted;
            let point = Point { x, report };
            progress(&format!("{} {}", self.over.option, point.line()));
            sweep.points.push(point);
            if interrupted {
                break;
            }
        }
        match &self.json {
            Some(path) if output::is_stdout(path) => output::print_json(&sweep)?,
            Some(path) => {
                print(&sweep.text())?;
                output::write(path, &report::json(&sweep)?)?;
            }
            None => print(&sweep.text())?,
        }
        Ok(())
    }

    fn loads(&self) -> Result<Vec<Load>, clap::Error> {
        let load = |(_, value): &(f64, String)| {
            let varied = format!("--{}={value}", self.over.option);
            Ok(Words::try_parse_from(self.load.iter().chain([&varied]))?.load)
        };
        self.over.values.iter().map(load).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(over: &str, load: &str) -> ScaleArgs {
        let load = load.split(' ').map(str::to_owned).collect();
        ScaleArgs { over: over.parse().unwrap(), json: None, load }
    }

    #[test]
    fn each_value_has_a_load() {
        let loads = scale("pairs=1,20", "rpc tcp://127.0.0.1:1 --window 3").loads().unwrap();
        let lanes = loads.iter().map(|load| load.run().unwrap().scenario).map(|it| (it.lanes, it.window));
        assert_eq!(lanes.collect::<Vec<_>>(), [(1, 3), (20, 3)]);
    }

    #[test]
    fn what_cannot_be_varied() {
        let error = |over, load| scale(over, load).loads().unwrap_err().to_string();
        assert!(error("pears=1", "rpc tcp://127.0.0.1:1").contains("'--pears'"));
        assert!(error("pairs=1.5", "rpc tcp://127.0.0.1:1").contains("'1.5'"));
        assert!(error("pairs=1", "rpc tcp://127.0.0.1:1 --pairs 2").contains("multiple times"));
        assert!(error("pairs=1", "relay").contains("'relay'"));
        for text in ["pairs", "pairs=", "=1", "pairs=1,,2", "pairs=x", "pairs=inf"] {
            assert!(text.parse::<Over>().is_err(), "{text}");
        }
    }
}
