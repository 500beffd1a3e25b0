//! What the station says becomes state.

use std::collections::VecDeque;

use signalbox_protocol::api::{
    command::{Command, CommandState},
    data::Sample,
    event::Event as Live,
    incident::{Incident, IncidentState},
    node::{LatestValue, Node},
    station::Health,
};
use tui_input::Input;

use super::{COMMANDS_MAX, INCIDENTS_MAX, Link, MESSAGES_MAX, Modal, Spark, State};
use crate::{
    event::{Answer, Net, Snapshot},
    words,
};

impl State {
    pub(super) fn on_net(&mut self, net: Net) {
        match net {
            Net::Connected(snapshot) => self.on_connected(*snapshot),
            Net::Live(event) => self.on_live(*event),
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
            Net::Answer(answer) => self.on_answer(*answer),
        }
    }

    fn on_connected(&mut self, snapshot: Snapshot) {
        if !matches!(self.link, Link::Online) {
            // On a new connection the station tells what is wrong after its hello.
            self.degraded = None;
        }
        self.link = Link::Online;
        self.hello = Some(snapshot.hello);
        self.me = Some(snapshot.me);
        let named = |node: Node| (node.name.clone(), node);
        self.nodes = snapshot.nodes.into_iter().map(named).collect();
        self.rules = snapshot.rules;
        self.mail_configured = snapshot.mail_configured;
        self.incidents = snapshot.incidents;
        self.commands = snapshot.commands.into();
        self.messages = snapshot.messages.into();
        self.sparks.clear();
        for series in snapshot.recent.series {
            let mut spark = Spark::default();
            for bucket in &series.buckets {
                spark.add(bucket.ts, bucket.mean, bucket.n);
            }
            self.sparks.insert((series.node, series.metric), spark);
        }
        if let Some(plot) = &mut self.plot {
            plot.forget_asking();
        }
        if matches!(self.modal, Some(Modal::Login { .. })) {
            self.modal = None;
        }
    }

    fn on_live(&mut self, event: Live) {
        match event {
            Live::Hello(hello) => self.hello = Some(hello),
            Live::Samples { samples } => samples.into_iter().for_each(|s| self.on_sample(s)),
            Live::Status { node } => self.on_status(node),
            Live::Command { command } => self.on_command(command),
            Live::Incident { incident } => self.on_incident(incident),
            Live::Rule { rule } => match self.rules.iter_mut().find(|old| old.id == rule.id) {
                Some(old) => *old = rule,
                None => self.rules.push(rule),
            },
            Live::RuleDeleted { id } => self.rules.retain(|rule| rule.id != id),
            Live::Message { message } => {
                self.messages.push_front(message);
                self.messages.truncate(MESSAGES_MAX);
            }
            Live::Health { health } => self.on_health(health),
            Live::Missed { count } => self.missed += count,
        }
    }

    fn on_health(&mut self, health: Health) {
        let since = self.degraded.as_ref().map_or(self.now, |(since, _)| *since);
        self.degraded = (health.status != "ok").then_some((since, health));
    }

    fn on_sample(&mut self, sample: Sample) {
        if sample.flags.is_empty() {
            let key = (sample.node.clone(), sample.metric.clone());
            let spark = self.sparks.entry(key).or_default();
            spark.add(sample.ts, sample.value, 1);
            if let Some(plot) = &mut self.plot
                && plot.node == sample.node
            {
                plot.add(&sample.metric, sample.ts, sample.value);
            }
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
            node.latest.insert(sample.metric, value);
        }
    }

    /// A status comes without the latest values: those that we have stay.
    fn on_status(&mut self, mut node: Node) {
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

    fn on_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Done(text) => {
                if matches!(self.modal, Some(Modal::Rule(_))) {
                    self.modal = None;
                }
                if !text.is_empty() {
                    self.say(text, false);
                }
            }
            Answer::Failed { text, field } => match &mut self.modal {
                Some(Modal::Rule(form)) if form.waiting => form.refused(text, field),
                Some(Modal::Login { error, waiting, .. }) => {
                    *error = Some(text);
                    *waiting = false;
                }
                _ => self.say(text, true),
            },
            Answer::LoggedIn(_) => {
                self.modal = None;
                self.link = Link::Connecting;
            }
            Answer::Chart { node, reply } => {
                if let Some(plot) = &mut self.plot
                    && plot.node == node
                {
                    plot.set_history(&reply, self.now);
                }
            }
        }
    }

    /// Commands of a node, newest first.
    pub(crate) fn commands_of<'a>(&'a self, node: &'a str) -> impl Iterator<Item = &'a Command> {
        let commands: &VecDeque<Command> = &self.commands;
        commands.iter().filter(move |command| command.node == node)
    }
}
