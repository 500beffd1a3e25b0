//! A daemon in a process of its own, and connections to it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};

/// Messages that a connection has on the way at a time.
pub(crate) const WINDOW: u16 = 64;

/// A running daemon; ended with the value.
pub(crate) struct Daemon {
    child: Child,
    pub(crate) mqtt: u16,
    pub(crate) host: String,
}

impl Daemon {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_signalbox"))
            .args([
                "serve",
                "--port",
                "0",
                "--mqtt-listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(folder)
            .env("HOME", folder)
            .stderr(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stderr.take().context("no stderr")?).lines();
        let ready = loop {
            let line = lines.next().context("the daemon ended")??;
            if line.contains(" ready id=") {
                break line;
            }
        };
        std::thread::spawn(move || lines.for_each(drop));
        let field = |key: &str| {
            let rest = ready.split_once(key).map(|(_, rest)| rest)?;
            rest.split(' ').next()
        };
        Ok(Self {
            mqtt: field("mqtt=127.0.0.1:").context("no port")?.parse()?,
            host: format!("unix://{}", field("socket=").context("no socket")?),
            child,
        })
    }

    /// Runs a verb; what it prints.
    pub(crate) fn verb(&self, args: &[&str]) -> Result<String> {
        let output = Command::new(env!("CARGO_BIN_EXE_signalbox"))
            .args(args)
            .args(["--host", &self.host])
            .output()?;
        ensure!(
            output.status.success(),
            "{args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// A login for a node.
    pub(crate) fn login(&self, name: &str) -> Result<String> {
        let made = self.verb(&["node", "add", name, "--replace", "--json"])?;
        let made: serde_json::Value = serde_json::from_str(&made)?;
        Ok(made["password"].as_str().context("no password")?.to_owned())
    }

    /// Resident memory in MiB.
    pub(crate) fn memory_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line
            .and_then(|rest| rest.split_whitespace().next())
            .context("no VmRSS")?
            .parse()?;
        Ok(kib / 1_024.0)
    }

    /// A connection that has been welcomed.
    pub(crate) async fn connect(
        &self,
        name: &str,
        password: &str,
    ) -> Result<(AsyncClient, EventLoop)> {
        let mut options = MqttOptions::new(name, "127.0.0.1", self.mqtt);
        options
            .set_credentials(name, password)
            .set_inflight(WINDOW)
            .set_keep_alive(Duration::from_secs(60));
        let (client, mut events) = AsyncClient::new(options, usize::from(WINDOW));
        while !matches!(events.poll().await?, Event::Incoming(Incoming::ConnAck(_))) {}
        Ok((client, events))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself; nothing more can be done here either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A telemetry message with three values.
pub(crate) fn telemetry(boot: u32, seq: u32, temperature: f64) -> String {
    format!(
        r#"{{"boot":{boot},"seq":{seq},"samples":[{{"age_ms":0,"values":{{"temperature":{temperature},"humidity":40,"soil":512}}}}]}}"#
    )
}

/// Publishes with QoS 1.
pub(crate) async fn publish(client: &AsyncClient, node: &str, payload: String) -> Result<()> {
    let topic = format!("signalbox/{node}/telemetry");
    client
        .publish(topic, QoS::AtLeastOnce, false, payload)
        .await?;
    Ok(())
}

/// The value below which this share of the sorted values lies.
pub(crate) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a position in a list"
    )]
    let at = ((sorted.len() - 1) as f64 * share).round() as usize;
    sorted[at]
}
