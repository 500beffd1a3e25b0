//! Logs with readable times, to standard error or a file.

use std::{fs::File, io::IsTerminal as _, sync::Mutex};

use anyhow::Context as _;
use signalbox_backend::config::LogConfig;
use tracing_subscriber::{EnvFilter, fmt::time::ChronoLocal};

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

/// Starts logging; call it once.
pub(crate) fn start(config: &LogConfig) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(full(&config.level)).with_context(|| {
        format!(
            "`log.level` is `{}`; hint: write `info` or `info,signalbox_backend=debug`",
            config.level
        )
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_timer(ChronoLocal::new(TIME.to_owned()));
    let started = match &config.file {
        Some(path) => {
            let file = File::options()
                .create(true)
                .append(true)
                .open(path)
                .with_context(|| format!("the log file `{}` cannot be opened", path.display()))?;
            builder
                .with_ansi(false)
                .with_writer(Mutex::new(file))
                .try_init()
        }
        None => builder
            .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none())
            .with_writer(std::io::stderr)
            .try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}
