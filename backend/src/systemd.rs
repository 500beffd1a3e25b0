//! What the service manager is told: that the station is ready, how it is, that it stops, and,
//! while the engine's task turns, that the watchdog need not bite (`sd_notify(3)`). Fed by the
//! engine's heartbeat and by what store and link say is wrong; feeds the datagram socket that
//! `NOTIFY_SOCKET` names. Without one nothing happens.

use std::{env, io, time::Duration};

use sd_notify::NotifyState;
use signalbox_protocol::api::{node::Presence, station::Health};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::{clock::SharedClock, engine::Heart, health::Vitals};

/// An engine that has been silent for longer hangs. It beats every second, so a few beats may
/// come late on a machine under load.
pub const ENGINE_SILENT_MAX: Duration = Duration::from_secs(5);
/// The watchdog is told at half of its time, but not in an endless loop when that is tiny.
const PING_MIN: Duration = Duration::from_millis(10);
/// How often is looked whether the line of status has changed.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// Nodes are counted at every so many looks: that reads them all.
const LOOKS_PER_COUNT: u32 = 12;
/// A store that takes longer to tell its nodes is not waited for.
const COUNT_S_MAX: Duration = Duration::from_secs(3);
/// By how much a start that waits for something is given more time.
const EXTENSION: Duration = Duration::from_secs(60);
/// Longest line of status.
pub const STATUS_CHARS_MAX: usize = 200;

/// What is watched.
pub struct Supervised {
    /// Of the engine.
    pub heart: Heart,
    /// Store and link, and what is wrong with them.
    pub vitals: Vitals,
    /// The present time.
    pub clock: SharedClock,
}

impl std::fmt::Debug for Supervised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervised").finish_non_exhaustive()
    }
}

/// Tells that everything is up: call it after the ready line.
pub async fn ready() {
    tell(Word::Ready).await;
}

/// Tells that the shutdown has begun.
pub async fn stopping() {
    tell(Word::Stopping).await;
}

/// Tells that the start takes longer, and why; again and again, at most [`EXTENSION`] apart.
pub async fn waiting(why: &'static str) {
    tell(Word::Waiting(why)).await;
}

/// Keeps the watchdog and the line of status fed until `shutdown`.
pub async fn run(supervised: Supervised, shutdown: CancellationToken) {
    if !has_manager() {
        return;
    }
    let watchdog = async {
        if let Some(limit) = sd_notify::watchdog_enabled() {
            feed(&supervised.heart, limit / 2).await;
        }
    };
    let both = async { tokio::join!(watchdog, report(&supervised)) };
    shutdown.run_until_cancelled(both).await;
}

fn has_manager() -> bool {
    env::var_os("NOTIFY_SOCKET").is_some()
}

#[derive(Debug)]
enum Word {
    Ready,
    Stopping,
    Watchdog,
    Status(String),
    Waiting(&'static str),
}

async fn tell(word: Word) {
    if !has_manager() {
        return;
    }
    // The manager may be slow to read, and the call waits for it.
    let told = tokio::task::spawn_blocking(move || {
        let one = |state| sd_notify::notify(&[state]);
        match &word {
            Word::Ready => one(NotifyState::Ready),
            Word::Stopping => one(NotifyState::Stopping),
            Word::Watchdog => one(NotifyState::Watchdog),
            Word::Status(text) => one(NotifyState::Status(text)),
            Word::Waiting(why) => {
                let more_us = u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX);
                let more = NotifyState::ExtendTimeoutUsec(more_us);
                sd_notify::notify(&[more, NotifyState::Status(why)])
            }
        }
        .map_err(|error| (word, error))
    });
    match told.await.map_err(io::Error::other) {
        Ok(Ok(())) => {}
        Ok(Err((word, error))) => {
            tracing::warn!(%error, ?word, "the service manager cannot be told");
        }
        Err(error) => tracing::warn!(%error, "the service manager cannot be told"),
    }
}

/// Pings for as long as the heart beats.
async fn feed(heart: &Heart, every: Duration) {
    let mut ticks = interval(every.max(PING_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut pulse = Pulse::Well;
    loop {
        ticks.tick().await;
        let silent = heart.silent_for();
        let before = std::mem::replace(&mut pulse, Pulse::of(silent));
        match (before, pulse) {
            (_, Pulse::Well) => tell(Word::Watchdog).await,
            (Pulse::Well, Pulse::Hangs) => {
                let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
                tracing::error!(
                    silent_ms,
                    "the engine hangs: the watchdog is not told any more"
                );
            }
            (Pulse::Hangs, Pulse::Hangs) => {}
        }
    }
}

/// How the engine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pulse {
    Well,
    Hangs,
}

impl Pulse {
    fn of(silent: Duration) -> Self {
        if silent <= ENGINE_SILENT_MAX {
            Self::Well
        } else {
            Self::Hangs
        }
    }
}

/// Tells the line of status each time that it changes.
async fn report(supervised: &Supervised) {
    let mut ticks = interval(STATUS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut nodes, mut last) = (String::new(), String::new());
    for look in 0_u32.. {
        ticks.tick().await;
        if look.is_multiple_of(LOOKS_PER_COUNT)
            && let Some(counted) = count(supervised).await
        {
            nodes = counted;
        }
        let line = line(&nodes, &supervised.vitals.look().await);
        if line != last {
            tell(Word::Status(line.clone())).await;
            last = line;
        }
    }
}

async fn count(supervised: &Supervised) -> Option<String> {
    let nodes = supervised.vitals.store.nodes(supervised.clock.now());
    // What is wrong with the store, the engine tells.
    let nodes = timeout(COUNT_S_MAX, nodes).await.ok()?.ok()?;
    let online = nodes.iter().filter(|n| n.presence == Presence::Online);
    let s = if nodes.len() == 1 { "" } else { "s" };
    Some(format!(
        "{} node{s}, {} online",
        nodes.len(),
        online.count()
    ))
}

/// One line, whatever is in the reasons: a line end would begin another assignment.
fn line(nodes: &str, health: &Health) -> String {
    let all = [("store", &health.store), ("broker", &health.broker)];
    let troubles = all.into_iter().filter(|(_, state)| *state != "ok");
    let troubles = troubles.map(|(what, state)| format!("{what} {state}"));
    let parts = troubles.chain((!nodes.is_empty()).then(|| nodes.to_owned()));
    let line = parts.collect::<Vec<_>>().join("; ");
    line.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(STATUS_CHARS_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::BEAT;

    /// Beats that come a little late must not make a healthy engine look dead.
    #[test]
    fn an_engine_that_beats_late_is_well_and_one_that_is_silent_hangs() {
        assert_eq!(Pulse::of(BEAT * 4), Pulse::Well);
        assert_eq!(Pulse::of(ENGINE_SILENT_MAX), Pulse::Well);
        let longer = ENGINE_SILENT_MAX + Duration::from_millis(1);
        assert_eq!(Pulse::of(longer), Pulse::Hangs);
    }

    #[test]
    fn the_status_is_one_line_whatever_the_reasons_hold() {
        let said = |nodes: &str, store: &str, broker: &str| {
            let health = Health {
                status: "degraded".to_owned(),
                store: store.to_owned(),
                broker: broker.to_owned(),
                warnings: Vec::new(),
            };
            line(nodes, &health)
        };
        assert_eq!(said("2 nodes, 1 online", "ok", "ok"), "2 nodes, 1 online");
        assert_eq!(said("", "ok", "ok"), "");
        let all = said("1 node, 0 online", "gone\nMAINPID=1", "is down");
        assert_eq!(
            all,
            "store gone MAINPID=1; broker is down; 1 node, 0 online"
        );
        let long = said("", &"ä".repeat(1_000), "ok");
        assert_eq!(long.chars().count(), STATUS_CHARS_MAX);
    }
}
