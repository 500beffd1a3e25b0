//! Log lines of nodes. The engine hands over what came ([`Logs::take`], after its commit); a task
//! reads it with the symbol table of the node's firmware and keeps the newest lines, for the API
//! and for [`crate::live`].
//!
//! `tables` knows the images, `memory` keeps lines. Lines are kept in memory: they help to find a
//! fault, they are no record. Reading them is `signalbox_logs`'s work.

mod memory;
mod tables;
#[cfg(test)]
mod tests;

pub use memory::{LINES_MAX, LINES_PER_NODE_MAX};
pub use tables::{AddError, IMAGES_MAX};

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_logs::{Table, split};
use signalbox_protocol::{
    api::{
        event::Event,
        log::{Firmware, LogLine, LogQuery},
    },
    payload::log::Build,
};
use tokio::sync::mpsc;

use self::{memory::Memory, tables::Tables};
use crate::live::Live;

/// Messages with log lines that wait to be read; more are left out, and counted in the log.
pub const LOG_MESSAGES_MAX: usize = 1_024;
/// A line is not older than this when it comes: a node keeps some hundred bytes of them.
const AGE_MS_MAX: u32 = 7 * 24 * 3_600 * 1_000;

/// Log lines of one message, as frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLog {
    /// Who logged them.
    pub node: String,
    /// Which image wrote them.
    pub build: Build,
    /// The node's clock when it sent, ms modulo 2^32.
    pub now_ms: u32,
    /// The frames.
    pub frames: Vec<u8>,
    /// When the message came.
    pub received_at: DateTime<Utc>,
}

/// A line that is kept, with what it takes to read it later.
#[derive(Debug, Clone)]
struct Kept {
    line: LogLine,
    /// Of a line that cannot be read yet: its image, its frame, and the node's clock when it was
    /// sent.
    raw: Option<(Build, Vec<u8>, u32, DateTime<Utc>)>,
}

/// The lines and images; clones share them.
#[derive(Clone)]
pub struct Logs {
    shared: Arc<Shared>,
    queue: mpsc::Sender<NodeLog>,
}

struct Shared {
    memory: Mutex<Memory>,
    tables: Mutex<Tables>,
    live: Live,
    last_id: AtomicU64,
    left_out: AtomicU64,
}

impl std::fmt::Debug for Logs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Logs").finish_non_exhaustive()
    }
}

impl Logs {
    /// Images lie in this folder. The task ends when all clones are gone.
    #[must_use]
    pub fn start(folder: PathBuf, live: Live) -> Self {
        let (queue, mut inputs) = mpsc::channel::<NodeLog>(LOG_MESSAGES_MAX);
        let shared = Arc::new(Shared {
            memory: Mutex::default(),
            tables: Mutex::new(Tables::new(folder)),
            live,
            last_id: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
        });
        let worker = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Some(log) = inputs.recv().await {
                worker.read(log).await;
            }
        });
        Self { shared, queue }
    }

    /// Takes what came. Never waits.
    pub fn take(&self, log: NodeLog) {
        if self.queue.try_send(log).is_err() {
            let so_far = self.shared.left_out.fetch_add(1, Relaxed) + 1;
            if so_far.is_power_of_two() {
                tracing::warn!(messages = so_far, "log lines of nodes were left out");
            }
        }
    }

    /// Lines of a node, newest first.
    #[must_use]
    pub fn lines(&self, node: &str, query: &LogQuery, limit: usize) -> Vec<LogLine> {
        lock(&self.shared.memory).lines(node, query, limit)
    }

    /// Images whose lines can be read.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub async fn firmware(&self) -> std::io::Result<Vec<Firmware>> {
        self.shared.look().await?;
        Ok(lock(&self.shared.tables).list())
    }

    /// Takes an image; lines of it that came before can be read now, too.
    ///
    /// # Errors
    /// [`AddError`].
    pub async fn add(&self, image: Vec<u8>) -> Result<Firmware, AddError> {
        let shared = Arc::clone(&self.shared);
        let added = tokio::task::spawn_blocking(move || {
            // Read before the lock: it takes a while for a large one.
            let table = Table::read(&image)?;
            lock(&shared.tables).add(&image, table)
        });
        let firmware = added.await.map_err(|_| AddError::Failed)??;
        self.shared.read_again();
        Ok(firmware)
    }

    /// Takes an image away; false when there is none.
    ///
    /// # Errors
    /// Its file cannot be removed.
    pub fn remove(&self, build: &str) -> std::io::Result<bool> {
        lock(&self.shared.tables).remove(build)
    }
}

impl Shared {
    async fn read(self: &Arc<Self>, log: NodeLog) {
        let known = lock(&self.tables).get(log.build).is_some();
        // Somebody may have put the image into the folder.
        if !known && let Err(error) = self.look().await {
            tracing::warn!(%error, "the folder of firmware images cannot be read");
        }
        let table = lock(&self.tables).get(log.build);
        for frame in split(&log.frames) {
            let id = self.last_id.fetch_add(1, Relaxed) + 1;
            let raw = (log.build, frame.to_vec(), log.now_ms, log.received_at);
            let kept = readable(id, &log.node, raw, table.as_deref());
            let line = kept.line.clone();
            lock(&self.memory).push(kept);
            self.live.publish(Event::Log { line });
        }
    }

    /// Reads images that are new in the folder.
    async fn look(self: &Arc<Self>) -> std::io::Result<()> {
        let shared = Arc::clone(self);
        let looked = tokio::task::spawn_blocking(move || {
            // The lock is not held while files are read.
            let new = lock(&shared.tables).unseen()?;
            let tables: Vec<_> = new.into_iter().filter_map(tables::read).collect();
            let found = !tables.is_empty();
            lock(&shared.tables).take(tables);
            Ok::<bool, std::io::Error>(found)
        });
        let found = looked.await.map_err(std::io::Error::other)??;
        if found {
            self.read_again();
        }
        Ok(())
    }

    /// Reads what could not be read before.
    fn read_again(&self) {
        let mut now_readable = Vec::new();
        {
            let tables = lock(&self.tables);
            let mut memory = lock(&self.memory);
            for kept in memory.unreadable() {
                let Some(raw) = &kept.raw else { continue };
                if let Some(table) = tables.get(raw.0) {
                    let raw = raw.clone();
                    *kept = readable(kept.line.id, &kept.line.node.clone(), raw, Some(&table));
                    now_readable.push(kept.line.clone());
                }
            }
        }
        for line in now_readable {
            self.live.publish(Event::Log { line });
        }
    }
}

/// Makes a line of a frame, as far as it can be read.
fn readable(
    id: u64,
    node: &str,
    raw: (Build, Vec<u8>, u32, DateTime<Utc>),
    table: Option<&Table>,
) -> Kept {
    let (build, frame, now_ms, received_at) = &raw;
    let name = hex(*build);
    let mut line = LogLine {
        id,
        node: node.to_owned(),
        at: *received_at,
        level: None,
        text: String::new(),
        build: name,
        readable: false,
    };
    match table.map(|table| table.line(frame)) {
        Some(Ok(read)) => {
            let age_ms = read.at_ms.map_or(0, |at_ms| now_ms.wrapping_sub(at_ms));
            if age_ms <= AGE_MS_MAX {
                line.at = *received_at - TimeDelta::milliseconds(age_ms.into());
            }
            line.level = read.level;
            line.text = read.text;
            line.readable = true;
            Kept { line, raw: None }
        }
        Some(Err(error)) => {
            line.text = format!("this line cannot be read: {error}");
            Kept { line, raw: None }
        }
        None => {
            line.text = format!(
                "no symbol table of build {}; add its ELF file: `signalbox firmware add FILE`",
                line.build
            );
            Kept {
                line,
                raw: Some(raw),
            }
        }
    }
}

/// A build as people write it.
#[must_use]
pub fn hex(build: Build) -> String {
    build.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A poisoned lock still holds whole values: every change of what these guard is one call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
