//! From a key to the frame that shows what it did, and to the command that arrives at the node,
//! while messages come.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rumqttc::{AsyncClient, Event, EventLoop, Incoming, QoS};
use tokio::sync::mpsc;

use crate::{daemon::Daemon, figure, load::Load, screen::Screen};

const KEYS: u32 = 400;
const COMMANDS: u32 = 200;
const MESSAGES_PER_S: u32 = 100;
const AIM_MS: f64 = 10.0;
const ANSWER: Duration = Duration::from_secs(10);
/// The node that is switched.
const LAMP: &str = "lamp";

pub(crate) async fn run() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let daemon = Daemon::start(folder.path())?;
    let load = Load::start(&daemon).await?;
    let mut commands = lamp(&daemon).await?;
    load.set(MESSAGES_PER_S);
    let mut screen = Screen::open(&daemon.host, folder.path());
    screen.until_selected(|_| true);
    let mut times = Vec::new();
    for n in 0..KEYS {
        let before = screen.selected();
        // There and back, with pauses of all lengths between two keys.
        let pressed = screen.press(if n / 20 % 2 == 0 { "j" } else { "k" });
        let shown = screen.until_selected(|now| Some(now) != before.as_deref());
        times.push(shown - pressed);
        screen.watch(Duration::from_millis(u64::from(20 + n * 37 % 60)));
    }
    figure::times("key to frame", times, AIM_MS);
    screen.press(&format!("/{LAMP}\r"));
    screen.until_selected(|name| name == LAMP);
    let mut times = Vec::new();
    for n in 0..COMMANDS {
        let pressed = screen.press(" ");
        let arrived: Instant = tokio::time::timeout(ANSWER, commands.recv())
            .await?
            .context("the connection ended")?;
        times.push(arrived - pressed);
        let (state, asked) = if n % 2 == 0 {
            ("led ON", "led ON…")
        } else {
            ("led off", "led off…")
        };
        screen.until("the led confirmed", |text| {
            text.contains(state) && !text.contains(asked)
        });
        screen.watch(Duration::from_millis(u64::from(20 + n * 37 % 60)));
    }
    figure::times("key to command at the node", times, AIM_MS);
    Ok(())
}

/// A node that confirms each command; when each arrived.
async fn lamp(daemon: &Daemon) -> Result<mpsc::Receiver<Instant>> {
    let password = daemon.login(LAMP)?;
    let (client, mut events) = daemon.connect(LAMP, &password).await?;
    let topic = format!("signalbox/{LAMP}/command");
    client.subscribe(topic, QoS::AtLeastOnce).await?;
    while !matches!(events.poll().await?, Event::Incoming(Incoming::SubAck(_))) {}
    let status = r#"{"online":true,"boot":1,"actuators":{"led":"off"}}"#;
    let topic = format!("signalbox/{LAMP}/status");
    client
        .publish(topic, QoS::AtLeastOnce, true, status)
        .await?;
    let (send, commands) = mpsc::channel(16);
    tokio::spawn(answer(client, events, send));
    Ok(commands)
}

async fn answer(client: AsyncClient, mut events: EventLoop, send: mpsc::Sender<Instant>) {
    let mut on = false;
    while let Ok(event) = events.poll().await {
        let Event::Incoming(Incoming::Publish(message)) = event else {
            continue;
        };
        let arrived = Instant::now();
        let Ok(command) = serde_json::from_slice::<serde_json::Value>(&message.payload) else {
            return;
        };
        on = !on;
        let state = if on { "on" } else { "off" };
        let ack = format!(
            r#"{{"id":{},"result":"applied","actuators":{{"led":"{state}"}}}}"#,
            command["id"]
        );
        let topic = format!("signalbox/{LAMP}/ack");
        let sent = client.try_publish(topic, QoS::AtLeastOnce, false, ack);
        if sent.is_err() || send.send(arrived).await.is_err() {
            return;
        }
    }
}
