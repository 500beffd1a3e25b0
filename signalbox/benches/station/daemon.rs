//! A daemon in a process of its own, and connections to it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, MqttOptions, QoS};
use signalbox_protocol::api::station::Health;
use signalbox_tui::client::Client;

/// Messages that a connection has on the way at a time.
pub(crate) const WINDOW: u16 = 64;

/// What a daemon is to use instead of what it has built in.
#[derive(Debug, Default)]
pub(crate) struct Setup<'a> {
    /// URL of a store.
    pub(crate) store: Option<&'a str>,
    /// Port of a broker on loopback that lets everybody in.
    pub(crate) broker: Option<u16>,
    /// How long a measurement may wait for others.
    pub(crate) commit_interval_ms: u32,
}

/// A running daemon; ended with the value.
pub(crate) struct Daemon {
    child: Child,
    /// Where nodes connect.
    pub(crate) mqtt: u16,
    /// Whether they need a login there.
    logins: bool,
    pub(crate) host: String,
}

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    /// Time on the processor, in user and system mode.
    pub(crate) cpu: Duration,
    /// Largest resident memory.
    pub(crate) peak_mib: f64,
    /// Bytes that it caused to be sent to the disk.
    pub(crate) written: u64,
}

impl Daemon {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        Self::with(folder, &Setup::default())
    }

    pub(crate) fn with(folder: &Path, setup: &Setup<'_>) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signalbox"));
        command.args(["serve", "--port", "0", "--data-dir"]);
        command.arg(folder).env("HOME", folder);
        match setup.broker {
            Some(port) => command.args(["--broker", &format!("mqtt://127.0.0.1:{port}")]),
            None => command.args(["--mqtt-listen", "127.0.0.1:0"]),
        };
        if let Some(url) = setup.store {
            command.args(["--store", url]);
        }
        let interval_ms = setup.commit_interval_ms.to_string();
        command.env("SIGNALBOX_STORE__COMMIT_INTERVAL_MS_MAX", interval_ms);
        let mut child = command.stderr(Stdio::piped()).spawn()?;
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
        let mqtt = match setup.broker {
            Some(port) => port,
            None => field("mqtt=127.0.0.1:").context("no port")?.parse()?,
        };
        Ok(Self {
            mqtt,
            logins: setup.broker.is_none(),
            host: format!("unix://{}", field("socket=").context("no socket")?),
            child,
        })
    }

    /// The way to its API.
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(Client::new(self.host.parse()?, None))
    }

    /// Waits until it has its store and its broker.
    pub(crate) async fn is_well(&self) -> Result<()> {
        let client = self.client()?;
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            match client.get::<Health>("/health", &()).await {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > until => return Err(error.into()),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// What it has used so far.
    pub(crate) fn used(&self) -> Result<Used> {
        Used::of(self.child.id())
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

    /// A login for a node; empty where none is needed.
    pub(crate) fn login(&self, name: &str) -> Result<String> {
        if !self.logins {
            return Ok(String::new());
        }
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
        let login = (!password.is_empty()).then_some(password);
        connect(self.mqtt, name, login).await
    }
}

impl Used {
    /// Of a process, by its number.
    pub(crate) fn of(pid: u32) -> Result<Self> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}"));
        let number = |text: &str, key: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let word = line.and_then(|rest| rest.split_whitespace().next());
            Ok(word.context("a line of the process is missing")?.parse()?)
        };
        let stat = read("stat")?;
        // After the name, which is in brackets: user time is the 12th word, system time the 13th.
        let (_, words) = stat.rsplit_once(')').context("no stat")?;
        let ticks: u64 = words
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<_, _>>()?;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let peak_mib = number(&read("status")?, "VmHWM:")? as f64 / 1_024.0;
        Ok(Self {
            cpu: Duration::from_millis(ticks * 10),
            peak_mib,
            written: number(&read("io")?, "write_bytes:")?,
        })
    }
}

/// A connection that has been welcomed.
pub(crate) async fn connect(
    port: u16,
    name: &str,
    password: Option<&str>,
) -> Result<(AsyncClient, EventLoop)> {
    let mut options = MqttOptions::new(name, "127.0.0.1", port);
    if let Some(password) = password {
        options.set_credentials(name, password);
    }
    options
        .set_inflight(WINDOW)
        .set_keep_alive(Duration::from_secs(60));
    let (client, mut events) = AsyncClient::new(options, usize::from(WINDOW));
    while !matches!(events.poll().await?, Event::Incoming(Incoming::ConnAck(_))) {}
    Ok((client, events))
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
