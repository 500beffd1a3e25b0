//! `signalbox config`: the commented example, a check, or where the file is.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use signalbox_backend::config::{self, Config, EXAMPLE};

use crate::output;

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<ConfigVerb>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum ConfigVerb {
    /// Print every key with its default and what it means (the default)
    Example,
    /// Read the file and the environment as the daemon would, and say what is wrong
    Check {
        /// The file [default: the one that the daemon reads]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Print which file the daemon reads
    Path,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.verb {
        None | Some(ConfigVerb::Example) if args.json => output::json(&Config::default())?,
        None | Some(ConfigVerb::Example) => output::raw(EXAMPLE.as_bytes())?,
        Some(ConfigVerb::Check { config }) => {
            let file = config.clone().or_else(config::default_file);
            config::load(file.as_deref(), std::env::vars())?;
            if args.json {
                output::json(&json!({"file": file, "good": true}))?;
            } else {
                output::line(&format!("good: {}", shown(file.as_deref())))?;
            }
        }
        Some(ConfigVerb::Path) => match config::default_file() {
            file if args.json => output::json(&json!({"file": file}))?,
            Some(file) => output::line(&file.display().to_string())?,
            None => output::line("no file, the defaults")?,
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(file: Option<&Path>) -> String {
    file.map_or_else(
        || "no file, the defaults".to_owned(),
        |file| format!("`{}`", file.display()),
    )
}
