//! Simulated nodes that publish at a steady rate, all together.

use std::time::{Duration, Instant};

use anyhow::Result;
use rumqttc::AsyncClient;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::daemon::{Daemon, publish};

/// 67 nodes with 3 metrics each: 201 series.
pub(crate) const NODES: u32 = 67;

/// The nodes; they stop with the value.
pub(crate) struct Load {
    rate: watch::Sender<u32>,
    task: JoinHandle<()>,
}

impl Load {
    /// Connects the nodes, each with one reading; at first they publish nothing more.
    pub(crate) async fn start(daemon: &Daemon) -> Result<Self> {
        let mut nodes = Vec::new();
        for n in 0..NODES {
            let name = format!("node-{n:02}");
            let password = daemon.login(&name)?;
            let (client, mut events) = daemon.connect(&name, &password).await?;
            tokio::spawn(async move { while events.poll().await.is_ok() {} });
            let status = r#"{"online":true,"boot":1,"actuators":{"led":"off"}}"#;
            let topic = format!("signalbox/{name}/status");
            client
                .publish(topic, rumqttc::QoS::AtLeastOnce, true, status)
                .await?;
            publish(&client, &name, reading(n, 1, 0.0)).await?;
            nodes.push((name, client));
        }
        let (rate, wanted) = watch::channel(0);
        let task = tokio::spawn(run(nodes, wanted));
        Ok(Self { rate, task })
    }

    /// Messages a second from now on.
    pub(crate) fn set(&self, per_s: u32) {
        self.rate.send_replace(per_s);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(nodes: Vec<(String, AsyncClient)>, mut wanted: watch::Receiver<u32>) {
    let begin = Instant::now();
    let mut seq = 1;
    loop {
        let per_s = *wanted.borrow_and_update();
        if per_s == 0 {
            if wanted.changed().await.is_err() {
                return;
            }
            continue;
        }
        let mut tick = interval(Duration::from_secs(1) / per_s);
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while !wanted.has_changed().unwrap_or(false) {
            for (n, (name, client)) in (0..).zip(&nodes) {
                tick.tick().await;
                let payload = reading(n, seq, begin.elapsed().as_secs_f64());
                if publish(client, name, payload).await.is_err() {
                    return;
                }
            }
            seq += 1;
        }
        seq += 1;
    }
}

/// A room's values: each node's at another point of slow waves, as sensors resolve them.
fn reading(node: u32, seq: u32, at_s: f64) -> String {
    let wave = |period_s: f64| (at_s / period_s * std::f64::consts::TAU + f64::from(node)).sin();
    let temperature = ((20.0 + 3.0 * wave(120.0)) * 10.0).round() / 10.0;
    let humidity = (50.0 + 5.0 * wave(300.0)).round();
    let soil = (500.0 + 20.0 * wave(300.0)).round();
    format!(
        r#"{{"boot":1,"seq":{seq},"samples":[{{"age_ms":0,"values":{{"temperature":{temperature},"humidity":{humidity},"soil":{soil}}}}}]}}"#
    )
}
