//! What the station says becomes state.

use chrono::TimeDelta;
use signalbox_protocol::api::{
    command::{Command, CommandState},
    config::NodeConfig,
    data::Sample,
    event::Event as Live,
    incident::{Incident, IncidentState},
    message::Message,
    node::{LatestValue, Node},
    silence::Silence,
    station::{Health, Station},
};
use tui_input::Input;

use super::{
    COMMANDS_MAX, DryRunState, INCIDENTS_MAX, Link, MESSAGES_MAX, Modal, PRESENCES_MAX,
    PresenceChange, SILENCES_MAX, SortBy, State, chart::tracks, tell::UNDOS_MAX,
};
use crate::{
    event::{Action, Answer, Net, Snapshot},
    keymap::Place,
    words,
};

/// Version of this program.
const OWN_VERSION: &str = env!("CARGO_PKG_VERSION");

impl State {
    pub(super) fn on_net(&mut self, net: Net) -> Vec<Action> {
        match net {
            Net::Connected(snapshot) => self.on_connected(*snapshot),
            Net::Live(events) => events.into_iter().for_each(|event| self.on_live(event)),
            Net::Lost(why) => {
                if !matches!(self.link, Link::Lost(..)) {
                    self.link = Link::Lost(self.now, why);
                }
            }
            Net::LoginNeeded => {
                if !matches!(self.modal, Some(Modal::Login { .. })) {
                    self.modal = Some(Modal::Login {
                        username: Input::default(),
                        password: Input::default(),
                        on_password: false,
                        error: None,
                        waiting: false,
                    });
                }
            }
            Net::Answer(answer) => return self.on_answer(*answer),
        }
        Vec::new()
    }

    fn on_connected(&mut self, snapshot: Snapshot) {
        if !matches!(self.link, Link::Online) {
            // On a new connection the station tells what is wrong after its hello.
            self.degraded = None;
        }
        self.link = Link::Online;
        self.on_version(&snapshot.hello.version);
        self.hello = Some(snapshot.hello);
        self.me = Some(snapshot.me);
        let named = |node: Node| (node.name.clone(), node);
        self.nodes = snapshot.nodes.into_iter().map(named).collect();
        self.nodes_changed();
        let configured = |config: NodeConfig| (config.node.clone(), config);
        self.configs = snapshot.configs.into_iter().map(configured).collect();
        self.rules = snapshot.rules;
        self.mail_configured = snapshot.mail_configured;
        self.incidents = snapshot.incidents;
        self.commands = snapshot.commands.into();
        self.schedules = snapshot.schedules;
        self.waiting.clear();
        snapshot
            .open
            .iter()
            .for_each(|open| self.note_waiting(open));
        self.tz = snapshot.tz;
        self.silences = snapshot.silences;
        self.messages = snapshot.messages.into();
        self.begin_sparks(snapshot.recent);
        if let Some(chart) = &mut self.chart {
            chart.forget_asking();
        }
        if matches!(self.modal, Some(Modal::Login { .. })) {
            self.modal = None;
        }
    }

    /// Another version than ours works, since the hello said so, but may lack what one looks for.
    pub(super) fn on_version(&mut self, version: &str) {
        let before = self.hello.as_ref().map(|hello| hello.version.as_str());
        if version != OWN_VERSION && before != Some(version) {
            let version = words::safe(version);
            let text = format!("the station is version {version}, this terminal {OWN_VERSION}");
            self.say(text, false);
        }
    }

    /// Messages a second since the station was last asked, else since it began.
    fn rate(&self, station: &Station) -> Option<f64> {
        let before = self.admin.as_ref().map(|admin| &admin.station);
        let before = before.filter(|before| before.id == station.id);
        let (since, messages) = match (before, self.admin_at) {
            (Some(before), Some(at)) => (at, before.counters.messages_received),
            _ => (station.started_at, 0),
        };
        let s = (self.now - since).as_seconds_f64();
        let messages = station.counters.messages_received.checked_sub(messages)?;
        // A rate for people: it is shown with one digit.
        #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
        let messages = messages as f64;
        (s >= 1.0).then(|| messages / s)
    }

    fn on_live(&mut self, event: Live) {
        match event {
            Live::Hello(hello) => self.hello = Some(hello),
            Live::Samples { samples } => samples.into_iter().for_each(|s| self.on_sample(s)),
            Live::Status { node } => self.on_status(node),
            Live::Message { message } => self.on_message(message),
            Live::Log { line } => self.on_log_line(line),
            Live::Health { health } => self.on_health(health),
            Live::Missed { count } => self.missed += count,
            event => self.with_mark_kept(|state| state.on_listed(event)),
        }
    }

    /// What is about something in a list of its own.
    fn on_listed(&mut self, event: Live) {
        match event {
            Live::Command { command } => self.on_command(command),
            Live::Incident { incident } => self.on_incident(incident),
            Live::NodeConfig { config } => {
                self.configs.insert(config.node.clone(), config);
            }
            Live::Rule { rule } => match self.rules.iter_mut().find(|old| old.id == rule.id) {
                Some(old) => *old = rule,
                None => self.rules.push(rule),
            },
            Live::Silence { silence } => self.on_silence(silence),
            Live::Schedule { schedule } => self.on_schedule_event(schedule),
            Live::ScheduleDeleted { id } => self.schedules.retain(|old| old.id != id),
            Live::RuleDeleted { id } => self.rules.retain(|rule| rule.id != id),
            Live::Hello(_)
            | Live::Samples { .. }
            | Live::Status { .. }
            | Live::Message { .. }
            | Live::Log { .. }
            | Live::Health { .. }
            | Live::Missed { .. } => {}
        }
    }

    /// Those that came while the latest were asked for are among them already.
    fn on_message(&mut self, message: Message) {
        let newest = self.messages.front().map(|newest| newest.id);
        if newest.is_none_or(|newest| newest < message.id) {
            self.messages.push_front(message);
            self.messages.truncate(MESSAGES_MAX);
        }
    }

    /// Whether received messages are on screen.
    pub(crate) const fn wants_messages(&self) -> bool {
        matches!(self.place, Place::Messages | Place::Node)
    }

    fn on_health(&mut self, health: Health) {
        let since = self.degraded.as_ref().map_or(self.now, |(since, _)| *since);
        self.degraded = (health.status != "ok").then_some((since, health));
    }

    fn on_sample(&mut self, sample: Sample) {
        if sample.flags.is_empty() {
            let key = (sample.node.clone(), sample.metric.clone());
            if let Some(chart) = &mut self.chart {
                chart.add(&key, sample.ts, sample.value);
            }
            self.add_to_spark(key, sample.ts, sample.value);
        }
        if self.sort == SortBy::Age {
            self.nodes_changed();
        }
        let Some(node) = self.nodes.get_mut(&sample.node) else {
            return;
        };
        node.last_seen_at = Some(self.now);
        let latest = node.latest.get(&sample.metric);
        if latest.is_none_or(|latest| latest.ts <= sample.ts) {
            let value = LatestValue {
                ts: sample.ts,
                value: sample.value,
                flags: sample.flags,
            };
            if node.latest.insert(sample.metric, value).is_none() {
                self.nodes_changed();
            }
        }
    }

    /// A status comes without the latest values: those that we have stay.
    fn on_status(&mut self, mut node: Node) {
        let was = self.nodes.get(&node.name).map(|old| old.presence);
        if was != Some(node.presence) {
            self.presences.push_back(PresenceChange {
                node: node.name.clone(),
                at: node.presence_since.unwrap_or(self.now),
                presence: node.presence,
            });
            if self.presences.len() > PRESENCES_MAX {
                self.presences.pop_front();
            }
        }
        self.nodes_changed();
        if let Some(old) = self.nodes.get_mut(&node.name) {
            if node.latest.is_empty() {
                std::mem::swap(&mut node.latest, &mut old.latest);
            }
            *old = node;
        } else {
            self.nodes.insert(node.name.clone(), node);
        }
    }

    fn on_command(&mut self, command: Command) {
        let told = match command.state {
            CommandState::Confirmed => Some(false),
            CommandState::Refused | CommandState::TimedOut | CommandState::Expired => Some(true),
            _ => None,
        };
        if let Some(bad) = told {
            let state = words::state(command.state);
            let why = command
                .outcome
                .as_ref()
                .map_or_else(String::new, |outcome| format!(": {}", words::safe(outcome)));
            self.say(
                format!("{}/{} {state}{why}", command.node, command.actuator),
                bad,
            );
        }
        self.note_waiting(&command);
        if let Some(old) = self.commands.iter_mut().find(|old| old.id == command.id) {
            *old = command;
        } else {
            self.commands.push_front(command);
            self.commands.truncate(COMMANDS_MAX);
        }
    }

    fn on_incident(&mut self, incident: Incident) {
        let old = self.incidents.iter_mut().find(|old| old.id == incident.id);
        let was = old.as_ref().map(|old| old.state);
        if was != Some(incident.state) {
            let text = format!("{}: {}", incident.node, incident.condition);
            match incident.state {
                IncidentState::Firing => self.say(format!("FIRING {text}"), true),
                IncidentState::Closed if was.is_some_and(|was| was != IncidentState::Pending) => {
                    self.say(format!("cleared {text}"), false);
                }
                _ => {}
            }
        }
        // A pending incident that never fired is dropped by the station.
        let dropped = incident.state == IncidentState::Closed && incident.fired_at.is_none();
        let old = self.incidents.iter().position(|old| old.id == incident.id);
        match old {
            Some(at) if dropped => {
                self.incidents.remove(at);
            }
            Some(at) => self.incidents[at] = incident,
            None if dropped => {}
            None => {
                self.incidents.insert(0, incident);
                self.incidents.truncate(INCIDENTS_MAX);
            }
        }
        // Open ones first, then the newest, as the station lists them.
        self.incidents.sort_by_key(|i| {
            (
                i.state == IncidentState::Closed,
                std::cmp::Reverse(i.began_at),
            )
        });
    }

    fn on_silence(&mut self, silence: Silence) {
        match self.silences.iter_mut().find(|old| old.id == silence.id) {
            Some(old) => *old = silence,
            None => self.silences.insert(0, silence),
        }
        // Those that are not over first, then the newest, as the station lists them.
        self.silences
            .sort_by(|a, b| (a.ended_at.is_some(), &b.id).cmp(&(b.ended_at.is_some(), &a.id)));
        self.silences.truncate(SILENCES_MAX);
    }

    fn on_answer(&mut self, answer: Answer) -> Vec<Action> {
        match answer {
            Answer::Done { text, undo } => {
                if self.waiting_form().is_some() {
                    self.modal = None;
                }
                if let Some(undo) = undo {
                    self.undos.push(undo);
                    let excess = self.undos.len().saturating_sub(UNDOS_MAX);
                    self.undos.drain(..excess);
                }
                if !text.is_empty() {
                    self.say(text, false);
                }
                if self.place == Place::Admin {
                    return vec![Action::LoadAdmin];
                }
            }
            Answer::Failed { text, field } => {
                if let Some(form) = self.waiting_form() {
                    form.refused(text, field);
                } else if let Some(Modal::Login { error, waiting, .. }) = &mut self.modal {
                    *error = Some(text);
                    *waiting = false;
                } else {
                    self.say(text, true);
                }
            }
            Answer::LoggedIn(_) => {
                self.modal = None;
                self.link = Link::Connecting;
            }
            Answer::Chart(history) => {
                if let Some(chart) = &mut self.chart {
                    chart.set_history(&history);
                }
            }
            Answer::Sparks { nodes, recent } => self.take_sparks(nodes, recent),
            Answer::DryRun(reply) => {
                if let Some(Modal::Rule(form)) = &mut self.modal {
                    form.dry_run = Some(match reply {
                        Ok((reply, values)) => {
                            let tracks = tracks(&[values], TimeDelta::zero());
                            DryRunState::Known(Box::new(reply), tracks.into_values().collect())
                        }
                        Err(text) => DryRunState::Failed(text),
                    });
                }
            }
            Answer::Log { node, lines } => self.on_log(&node, lines),
            Answer::Incident(facts) => self.on_incident_facts(*facts),
            Answer::Messages(messages) => self.messages = messages.into(),
            Answer::Admin(admin) => {
                self.message_rate = self.rate(&admin.station);
                self.admin_at = Some(self.now);
                self.with_mark_kept(|state| state.admin = Some(*admin));
            }
            Answer::Credentials(login) => {
                self.modal = Some(Modal::Text {
                    title: format!("Login of {}", login.name),
                    lines: vec![
                        format!("user      {}", login.name),
                        format!("password  {}", login.password),
                        String::new(),
                        "It is shown this one time; the station keeps only a hash.".to_owned(),
                    ],
                    top: 0,
                });
            }
        }
        Vec::new()
    }
}
