//! Measurements wait for each other where the configuration says so; nothing else does.

use std::{sync::atomic::Ordering::Relaxed, time::Duration};

use serde_json::json;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::rig::Rig;
use crate::{
    engine::{BATCH_MESSAGES_MAX, EngineHandle, Heart, Request, channel, start},
    ingest::Inbound,
};

/// Everything that a test waits for happens within this time.
const DEADLINE: Duration = Duration::from_secs(20);
/// An interval that no test waits out.
const LONG_MS: u32 = 30_000;

struct Running {
    handle: EngineHandle,
    heart: Heart,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(rig: &Rig) -> Self {
        let (handle, inputs) = channel();
        let stop = CancellationToken::new();
        let parts = rig.parts();
        let heart = parts.heart.clone();
        let task = start(inputs, parts, stop.clone()).await.unwrap();
        Self {
            handle,
            heart,
            stop,
            task,
        }
    }

    /// Hands a measurement over and waits until the engine has taken it.
    async fn measure(&self, rig: &Rig, seq: u32) -> oneshot::Receiver<()> {
        let body = json!({"boot": 1, "seq": seq, "samples": [{"age_ms": 0, "values": {"t": 1}}]});
        let (done, committed) = oneshot::channel();
        let message = rig.message("signalbox/kitchen/telemetry", &body);
        let message = Inbound {
            done: Some(done),
            ..message
        };
        self.handle.inbound.send(message).await.unwrap();
        let until = Instant::now() + DEADLINE;
        while self.handle.inbound.capacity() < self.handle.inbound.max_capacity() {
            assert!(Instant::now() < until, "the engine takes nothing");
            tokio::task::yield_now().await;
        }
        committed
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(DEADLINE, self.task).await.unwrap().unwrap();
    }
}

fn commits(rig: &Rig) -> u64 {
    rig.counters.commits.load(Relaxed)
}

#[tokio::test]
async fn what_comes_within_the_interval_is_one_commit() {
    let rig = Rig::with_commit_interval_ms(2_000).await;
    let engine = Running::start(&rig).await;
    let began = Instant::now();
    let mut waiting = Vec::new();
    for seq in 1..=5 {
        waiting.push(engine.measure(&rig, seq).await);
    }
    for committed in waiting {
        timeout(DEADLINE, committed).await.unwrap().unwrap();
    }
    assert!(began.elapsed() >= Duration::from_millis(2_000));
    assert_eq!(commits(&rig), 1);
    assert_eq!(rig.samples().await.len(), 5);
    engine.end().await;
}

#[tokio::test]
async fn a_request_takes_along_what_waits() {
    let rig = Rig::with_commit_interval_ms(LONG_MS).await;
    let engine = Running::start(&rig).await;
    let mut committed = engine.measure(&rig, 1).await;
    assert!(committed.try_recv().is_err());
    let name = "attic".to_owned();
    let asked = engine
        .handle
        .ask(|reply| Request::NodeAdded { name, reply });
    timeout(DEADLINE, asked).await.unwrap().unwrap();
    assert_eq!(committed.try_recv(), Ok(()));
    assert_eq!(commits(&rig), 1);
    engine.end().await;
}

#[tokio::test]
async fn a_status_takes_along_what_waits() {
    let rig = Rig::with_commit_interval_ms(LONG_MS).await;
    let engine = Running::start(&rig).await;
    let committed = engine.measure(&rig, 1).await;
    let body = json!({"online": true, "boot": 1, "actuators": {}});
    let status = rig.message("signalbox/kitchen/status", &body);
    engine.handle.inbound.send(status).await.unwrap();
    timeout(DEADLINE, committed).await.unwrap().unwrap();
    assert_eq!(commits(&rig), 1);
    engine.end().await;
}

#[tokio::test]
async fn a_full_batch_waits_for_nothing() {
    let rig = Rig::with_commit_interval_ms(LONG_MS).await;
    let engine = Running::start(&rig).await;
    let n = BATCH_MESSAGES_MAX as u32;
    let mut first = engine.measure(&rig, 1).await;
    for seq in 2..n {
        engine.measure(&rig, seq).await;
    }
    assert!(first.try_recv().is_err(), "one is missing");
    let last = engine.measure(&rig, n).await;
    timeout(DEADLINE, last).await.unwrap().unwrap();
    assert_eq!(first.try_recv(), Ok(()));
    assert_eq!(commits(&rig), 1);
    engine.end().await;
}

#[tokio::test]
async fn a_stop_commits_what_waits_for_others() {
    let rig = Rig::with_commit_interval_ms(LONG_MS).await;
    let engine = Running::start(&rig).await;
    let mut committed = engine.measure(&rig, 1).await;
    engine.end().await;
    assert_eq!(committed.try_recv(), Ok(()));
}

/// Or the service manager would take an engine that waits for one that hangs.
#[tokio::test]
async fn the_heart_beats_while_measurements_wait() {
    let rig = Rig::with_commit_interval_ms(LONG_MS).await;
    let engine = Running::start(&rig).await;
    let mut committed = engine.measure(&rig, 1).await;
    let until = Instant::now() + DEADLINE;
    let mut beats = 0;
    let mut before = engine.heart.silent_for();
    while beats < 2 {
        assert!(Instant::now() < until, "{beats} beats");
        tokio::task::yield_now().await;
        let now = engine.heart.silent_for();
        beats += u32::from(now < before);
        before = now;
    }
    assert!(committed.try_recv().is_err(), "it waits still");
    engine.end().await;
}
