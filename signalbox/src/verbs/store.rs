//! `signalbox store`: what is done with a store while no daemon has it.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use signalbox_backend::store::{self, Copied, Place, Progress, StoreError};

use crate::output;

/// Verbs below `store`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum StoreVerb {
    /// Copy everything into an empty store, while no daemon has either of them
    Copy(CopyArgs),
}

/// Arguments of `store copy`.
#[derive(Debug, clap::Args)]
pub(crate) struct CopyArgs {
    /// sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE
    from: Place,
    /// Likewise; it gets all or nothing
    to: Place,
    /// Print how many rows of each table were copied as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(verb: StoreVerb) -> anyhow::Result<ExitCode> {
    match verb {
        StoreVerb::Copy(args) => copy(args).await,
    }
}

async fn copy(args: CopyArgs) -> anyhow::Result<ExitCode> {
    let bar = bar()?;
    let told = |progress| match progress {
        // Copied, and then compared.
        Progress::Found(rows) => bar.set_length(2 * rows),
        Progress::Copies(table) => bar.set_message(format!("copying {table}")),
        Progress::Checks(table) => bar.set_message(format!("comparing {table}")),
        Progress::Done(rows) => bar.inc(rows),
    };
    let copied = store::copy(&args.from, &args.to, &told).await;
    bar.finish_and_clear();
    let copied = copied.map_err(|error| with_hint(&error))?;
    tell(&args, &copied)?;
    Ok(ExitCode::SUCCESS)
}

/// On standard error, and only where that is a terminal.
fn bar() -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{msg:24} {wide_bar} {percent:>3} %  {human_pos}/{human_len} rows  {eta} left",
    )
    .context("the progress bar has no shape")?;
    Ok(ProgressBar::new(0).with_style(style))
}

fn with_hint(error: &StoreError) -> anyhow::Error {
    let hint = match error {
        StoreError::Unusable { .. } => {
            "stop the daemons of both sides; the target must be empty; nothing was changed"
        }
        _ => "nothing was changed; correct it and begin again",
    };
    anyhow!("{error}\nhint: {hint}")
}

fn tell(args: &CopyArgs, copied: &Copied) -> anyhow::Result<()> {
    if args.json {
        let tables: serde_json::Map<_, _> = copied
            .iter()
            .map(|(table, rows)| ((*table).to_owned(), json!(rows)))
            .collect();
        return output::json(&json!({"tables": tables}));
    }
    let rows: u64 = copied.iter().map(|(_, rows)| rows).sum();
    output::line(&format!(
        "{rows} rows of {} tables are in `{}` now, compared row by row\n`{}` is as it was; \
         `signalbox serve --store URL` uses the new one",
        copied.len(),
        args.to,
        args.from,
    ))
}
