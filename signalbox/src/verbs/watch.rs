//! `signalbox watch`: a line in words for each thing that happens. For screen readers, dumb
//! terminals and logs: no cursor movement, no colours, no redrawing.

use std::{collections::HashMap, process::ExitCode, time::Duration};

use chrono::{DateTime, Local, Utc};
use signalbox_protocol::api::{
    command::{Action, Command, CommandState, Schedule},
    data::Sample,
    event::{Event, EventKind, StreamOptions},
    incident::{Incident, IncidentState},
    log::LogLine,
    message::Outcome,
    node::{Node, Nodes, Presence},
};
use signalbox_tui::{
    client::{Client, ClientError, Events},
    node_settings,
};
use tokio::time::sleep;

use crate::{context::StationArgs, output};

/// Longest pause between two attempts to connect.
const PAUSE_S_MAX: u64 = 10;

/// Arguments of `watch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave measured values out
    #[arg(long)]
    no_values: bool,
    /// End when the connection is lost, instead of connecting again
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let mut words = Words {
        values: !args.no_values,
        ..Words::default()
    };
    let mut pause_s = 1;
    let mut first = true;
    loop {
        let error = match client.events().await {
            Ok(events) => {
                (first, pause_s) = (false, 1);
                match watch(&client, events, &mut words, args.station.json).await {
                    Ok(()) => ClientError::Events("the station closed it".to_owned()),
                    Err(Ended::Station(error)) => error,
                    Err(Ended::Output(error)) => return Err(error),
                }
            }
            Err(error) => error,
        };
        // A first attempt that fails, and a login that is needed, are told as of any verb.
        if first || error.is_unauthorized() {
            return Err(error.into());
        }
        tell(Utc::now(), &format!("no connection: {error}"))?;
        if args.once {
            return Ok(ExitCode::FAILURE);
        }
        sleep(Duration::from_secs(pause_s)).await;
        pause_s = (pause_s * 2).min(PAUSE_S_MAX);
    }
}

enum Ended {
    Station(ClientError),
    Output(anyhow::Error),
}

impl From<ClientError> for Ended {
    fn from(error: ClientError) -> Self {
        Self::Station(error)
    }
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Output(error)
    }
}

/// Tells what comes until the connection ends.
async fn watch(
    client: &Client,
    mut events: Events,
    words: &mut Words,
    json: bool,
) -> Result<(), Ended> {
    if !words.values && !json {
        let options = StreamOptions {
            without: vec![EventKind::Samples],
            ..StreamOptions::default()
        };
        events.choose(&options).await?;
    }
    if !json {
        let nodes: Nodes = client.get("/api/v1/nodes", &()).await?;
        tell(Utc::now(), &format!("connected to {}", client.endpoint()))?;
        for node in &nodes.nodes {
            tell(Utc::now(), &words.node(node))?;
        }
    }
    while let Some(event) = events.next().await {
        let event = event?;
        if json {
            let text = serde_json::to_string(&event).map_err(anyhow::Error::from)?;
            output::line(&text)?;
            continue;
        }
        for (at, text) in words.of(&event) {
            tell(at, &text)?;
        }
    }
    Ok(())
}

fn tell(at: DateTime<Utc>, text: &str) -> anyhow::Result<()> {
    let clock = at.with_timezone(&Local).format("%H:%M:%S");
    // What comes from nodes must not steer the terminal.
    let safe: String = text.chars().filter(|c| !c.is_control()).collect();
    output::line(&format!("{clock} {safe}"))
}

/// What was told last, so that only news is told.
#[derive(Debug, Default)]
struct Words {
    values: bool,
    told: HashMap<(String, String), f64>,
    presence: HashMap<String, Presence>,
    boots: HashMap<String, u32>,
    actuators: HashMap<(String, String), String>,
    commands: HashMap<String, CommandState>,
    incidents: HashMap<String, IncidentState>,
    schedules: HashMap<String, Schedule>,
}

/// Commands and incidents whose last state is remembered.
const REMEMBERED_MAX: usize = 10_000;

impl Words {
    /// The lines of an event, with their times.
    fn of(&mut self, event: &Event) -> Vec<(DateTime<Utc>, String)> {
        let now = Utc::now();
        match event {
            Event::Hello(_) => Vec::new(),
            Event::Samples { samples } => self.samples(samples),
            Event::Status { node } => {
                let was = self.presence.get(&node.name).copied();
                let mut lines: Vec<_> = self
                    .start(node)
                    .map(|line| (now, line))
                    .into_iter()
                    .collect();
                if was != Some(node.presence) {
                    lines.push((now, self.node(node)));
                }
                for (name, actuator) in &node.actuators {
                    let state = actuator
                        .reported
                        .map_or_else(String::new, |s| output::word(&s));
                    let key = (node.name.clone(), name.clone());
                    if self.actuators.insert(key, state.clone()).as_ref() != Some(&state)
                        && was.is_some()
                    {
                        lines.push((now, format!("{} {name} is {state}", node.name)));
                    }
                }
                lines
            }
            Event::Command { command } => self.command(command).into_iter().collect(),
            Event::Incident { incident } => self.incident(incident).into_iter().collect(),
            Event::NodeConfig { config } => {
                let stands = node_settings::state_text(config);
                vec![(now, format!("{} configuration: {stands}", config.node))]
            }
            Event::Rule { rule } => {
                let state = if rule.enabled { "on" } else { "off" };
                vec![(now, format!("rule {} is {state}", rule.spec.name))]
            }
            Event::Schedule { schedule } => self.schedule(schedule).into_iter().collect(),
            Event::ScheduleDeleted { id } => {
                self.schedules.remove(id);
                vec![(now, format!("schedule {id} is deleted"))]
            }
            Event::Silence { silence } => {
                let state = output::word(&silence.state);
                let what = signalbox_tui::words::silenced(silence);
                vec![(now, format!("silence {state}: {what}"))]
            }
            Event::RuleDeleted { id } => vec![(now, format!("rule {id} is deleted"))],
            Event::Message { message } => match message.outcome {
                Outcome::Stored | Outcome::Duplicate => Vec::new(),
                Outcome::Bad | Outcome::Denied => {
                    let why = message.reason.as_deref().unwrap_or("no reason");
                    let text = format!("message on {} was refused: {why}", message.topic);
                    vec![(message.received_at, text)]
                }
            },
            Event::Log { line } => vec![(line.at, log_line(line))],
            Event::Health { health } if health.status == "ok" => {
                vec![(now, "the station is well again".to_owned())]
            }
            Event::Health { health } => vec![(
                now,
                format!(
                    "the station: store {}, broker {}",
                    health.store, health.broker
                ),
            )],
            Event::Missed { count } => vec![(now, format!("{count} events were left out"))],
        }
    }

    /// What repeats, and when next; that it had its run is told by its command.
    fn schedule(&mut self, schedule: &Schedule) -> Option<(DateTime<Utc>, String)> {
        let lasting = Schedule {
            next_at: None,
            ..schedule.clone()
        };
        let known = self.schedules.insert(schedule.id.clone(), lasting.clone());
        (known.as_ref() != Some(&lasting)).then(|| (Utc::now(), scheduled(schedule)))
    }

    fn samples(&mut self, samples: &[Sample]) -> Vec<(DateTime<Utc>, String)> {
        let mut lines = Vec::new();
        for sample in samples.iter().filter(|_| self.values) {
            let key = (sample.node.clone(), sample.metric.clone());
            let known = self.told.insert(key, sample.value);
            if known == Some(sample.value) {
                continue;
            }
            let doubt = if sample.flags.is_empty() {
                ""
            } else {
                ", implausible"
            };
            let text = format!(
                "{} {} is {}{doubt}",
                sample.node, sample.metric, sample.value
            );
            lines.push((sample.ts, text));
        }
        lines
    }

    /// That a known node has begun anew.
    fn start(&mut self, node: &Node) -> Option<String> {
        let boot = node.boot?;
        let was = self.boots.insert(node.name.clone(), boot)?;
        let by = node.started_by;
        let by = by.map_or_else(String::new, |by| format!(", by {}", by.as_str()));
        (was != boot).then(|| format!("{} has started anew{by}", node.name))
    }

    fn node(&mut self, node: &Node) -> String {
        self.presence.insert(node.name.clone(), node.presence);
        if let Some(boot) = node.boot {
            self.boots.insert(node.name.clone(), boot);
        }
        let mut text = format!("{} is {}", node.name, output::word(&node.presence));
        for (metric, latest) in &node.latest {
            let key = (node.name.clone(), metric.clone());
            self.told.insert(key, latest.value);
            text.push_str(&format!(", {metric} {}", latest.value));
        }
        for (name, actuator) in &node.actuators {
            let state = actuator
                .reported
                .map_or_else(|| "unknown".to_owned(), |s| output::word(&s));
            let key = (node.name.clone(), name.clone());
            self.actuators.insert(key, state.clone());
            text.push_str(&format!(", {name} {state}"));
        }
        text
    }

    fn command(&mut self, command: &Command) -> Option<(DateTime<Utc>, String)> {
        bound(&mut self.commands);
        let was = self.commands.insert(command.id.clone(), command.state);
        if was == Some(command.state) {
            return None;
        }
        let verb = match command.action {
            Action::On => "on",
            Action::Off => "off",
            Action::Toggle => "toggle",
        };
        let why = command
            .outcome
            .as_ref()
            .map_or_else(String::new, |why| format!(": {why}"));
        let state = output::word(&command.state).replace('_', " ");
        let text = format!("{} {} {verb} {state}{why}", command.node, command.actuator);
        Some((
            command
                .finished_at
                .or(command.sent_at)
                .unwrap_or(command.requested_at),
            text,
        ))
    }

    fn incident(&mut self, incident: &Incident) -> Option<(DateTime<Utc>, String)> {
        bound(&mut self.incidents);
        let was = self.incidents.insert(incident.id.clone(), incident.state);
        if was == Some(incident.state) {
            return None;
        }
        let at = match incident.state {
            IncidentState::Pending => Some(incident.began_at),
            IncidentState::Firing => incident.fired_at,
            IncidentState::Acknowledged => incident.acknowledged_at,
            IncidentState::Closed => incident.closed_at,
        };
        let state = output::word(&incident.state);
        let text = format!(
            "incident {state}: {} on {}, value {}",
            incident.condition, incident.node, incident.last_value
        );
        Some((at.unwrap_or(incident.began_at), text))
    }
}

/// `kitchen warn: command refused`.
fn log_line(line: &LogLine) -> String {
    let level = line.level.as_ref().map_or_else(String::new, output::word);
    format!("{} logs {level}: {}", line.node, line.text)
}

/// Forgets everything rather than grow without end; a line may then be told twice.
fn bound<V>(map: &mut HashMap<String, V>) {
    if map.len() >= REMEMBERED_MAX {
        map.clear();
    }
}

/// What repeats, and when next.
fn scheduled(schedule: &Schedule) -> String {
    let what = format!(
        "schedule {}/{} {} at {}",
        schedule.node,
        schedule.actuator,
        output::word(&schedule.action),
        schedule.cron
    );
    match schedule.next_at {
        _ if schedule.paused => format!("{what} is paused"),
        Some(at) => format!("{what}: next {}", output::time(at)),
        None => format!("{what}: never again"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_is_told() {
        let mut words = Words {
            values: true,
            ..Words::default()
        };
        let event = |value| Event::Samples {
            samples: vec![Sample {
                node: "kitchen".to_owned(),
                metric: "temperature".to_owned(),
                ts: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
                value,
                flags: Vec::new(),
            }],
        };
        let told = words.of(&event(21.5));
        assert_eq!(told[0].1, "kitchen temperature is 21.5");
        assert!(words.of(&event(21.5)).is_empty());
        assert_eq!(words.of(&event(21.6)).len(), 1);
        words.values = false;
        assert!(words.of(&event(21.7)).is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut map = HashMap::new();
        for n in 0..REMEMBERED_MAX + 5 {
            bound(&mut map);
            map.insert(n.to_string(), ());
        }
        assert_eq!(map.len(), 5);
    }
}
