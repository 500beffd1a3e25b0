//! Logs with readable times, to standard error or a file.

use std::{fs::File, io::IsTerminal as _, sync::Mutex};

use anyhow::Context as _;
use signalbox_backend::config::LogConfig;
use tracing_subscriber::{
    EnvFilter, Registry, fmt::time::ChronoLocal, layer::SubscriberExt as _, reload,
    util::SubscriberInitExt as _,
};

/// Local time with offset, to the millisecond.
const TIME: &str = "%Y-%m-%d %H:%M:%S%.3f %:z";

/// A plain level is ours; what the broker and the database library say below a warning would
/// drown it.
fn full(level: &str) -> String {
    if level.contains(['=', ',']) {
        return level.to_owned();
    }
    format!("{level},mqtt5=error,sqlx=warn")
}

/// Changes the level of a running log.
#[derive(Debug)]
pub(crate) struct Level(reload::Handle<EnvFilter, Registry>);

impl Level {
    /// Logs at the configured level from now on.
    pub(crate) fn set(&self, config: &LogConfig) -> anyhow::Result<()> {
        self.0.reload(filter(config)?).context("the log has ended")
    }
}

fn filter(config: &LogConfig) -> anyhow::Result<EnvFilter> {
    EnvFilter::try_new(full(&config.level)).with_context(|| {
        format!(
            "`log.level` is `{}`; hint: write `info` or `info,signalbox_backend=debug`",
            config.level
        )
    })
}

/// Starts logging; call it once.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<Level> {
    let (filter, level) = reload::Layer::new(filter(config)?);
    let lines = tracing_subscriber::fmt::layer().with_timer(ChronoLocal::new(TIME.to_owned()));
    let registry = tracing_subscriber::registry().with(filter);
    let started = match &config.file {
        Some(path) => {
            let file = File::options()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("the log file `{}` cannot be opened", path.display()))?;
            let lines = lines.with_ansi(false).with_writer(Mutex::new(file));
            registry.with(lines).try_init()
        }
        None => {
            let coloured =
                std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let lines = lines.with_ansi(coloured).with_writer(std::io::stderr);
            registry.with(lines).try_init()
        }
    };
    started.context("logging cannot start")?;
    Ok(Level(level))
}
