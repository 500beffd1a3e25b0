//! What applying inputs changed: rows to write, and effects to let out after the commit.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{
    command::Schedule, data::Sample as SampleRow, event::Event, incident::Incident,
    incident::IncidentState, message::Message, node::SampleFlag, rule::Rule, silence::Silence,
};

use super::state::State;
use crate::{
    ingest::{Number, Sample},
    logs::NodeLog,
    store::{Batch, CommandRow, MailMove, MailRelease, Mark, NewMail, NodeSamples},
};

/// A node and one of its boots: what sequence numbers count within.
type NodeBoot = (String, u32);

/// Collects while inputs are applied. Rows are taken from the state at the end, so that a row
/// that changed twice is written once.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) samples: Vec<NodeSamples>,
    pub(super) marks: HashSet<NodeBoot>,
    pub(super) marks_forgotten: Vec<(String, u32)>,
    pub(super) nodes: BTreeSet<String>,
    pub(super) actuators: BTreeSet<(String, String)>,
    pub(super) rules: BTreeMap<String, Option<Rule>>,
    pub(super) incidents: BTreeMap<String, Option<Incident>>,
    pub(super) commands: BTreeMap<String, CommandRow>,
    pub(super) schedules: BTreeMap<String, Option<Schedule>>,
    pub(super) silences: BTreeMap<String, Silence>,
    /// Nodes whose configuration is another row than before.
    pub(super) configs: BTreeSet<String>,
    /// Nodes that are to be sent their configuration after the commit.
    pub(super) send_config: BTreeSet<String>,
    pub(super) mails: Vec<NewMail>,
    pub(super) mails_moved: Vec<MailMove>,
    pub(super) mails_released: Vec<MailRelease>,
    pub(super) bad_messages: Vec<Message>,

    /// Nodes whose status event is due.
    pub(super) status: BTreeSet<String>,
    /// Commands to publish after the commit.
    pub(super) publish: BTreeSet<String>,
    /// Pending incidents that ended without firing, as their last event shows them.
    pub(super) dropped: Vec<Incident>,
    /// Messages, for the list of the latest.
    pub(super) messages: Vec<Message>,
    /// Log lines of nodes.
    pub(super) logs: Vec<NodeLog>,
    /// Messages dropped as duplicates.
    pub(super) duplicates: u64,
    /// Samples flagged.
    pub(super) flagged: u64,
}

impl Draft {
    /// Notes a command's row as it is now.
    pub(super) fn command(&mut self, row: &CommandRow) {
        self.commands.insert(row.command.id.clone(), row.clone());
    }

    /// Notes an incident as it is now.
    pub(super) fn incident(&mut self, incident: &Incident) {
        self.incidents
            .insert(incident.id.clone(), Some(incident.clone()));
    }

    /// Notes a silence as it is now.
    pub(super) fn silence(&mut self, silence: &Silence) {
        self.silences.insert(silence.id.clone(), silence.clone());
    }

    /// Notes that a pending incident ended without firing: its row goes, and who saw it is told.
    pub(super) fn drop_incident(
        &mut self,
        mut incident: Incident,
        because: &str,
        at: DateTime<Utc>,
    ) {
        self.incidents.insert(incident.id.clone(), None);
        incident.state = IncidentState::Closed;
        incident.closed_at = Some(at);
        incident.closed_because = Some(because.to_owned());
        self.dropped.push(incident);
    }

    /// The transaction.
    pub(super) fn batch(&mut self, state: &State) -> Batch {
        let mut batch = Batch {
            samples: std::mem::take(&mut self.samples),
            marks_forgotten: std::mem::take(&mut self.marks_forgotten),
            nodes: self
                .nodes
                .iter()
                .filter_map(|name| state.nodes.get(name).cloned())
                .collect(),
            commands: self.commands.values().cloned().collect(),
            silences: self.silences.values().cloned().collect(),
            configs: self
                .configs
                .iter()
                .filter_map(|node| state.configs.get(node).cloned())
                .collect(),
            mails: std::mem::take(&mut self.mails),
            mails_moved: std::mem::take(&mut self.mails_moved),
            mails_released: std::mem::take(&mut self.mails_released),
            bad_messages: std::mem::take(&mut self.bad_messages),
            ..Batch::default()
        };
        for (node, boot) in self.marks.drain() {
            let boots = state.marks.get(&node);
            if let Some(seen) = boots.and_then(|boots| boots.get(&boot)) {
                batch.marks.push(Mark {
                    node,
                    number: Number {
                        boot,
                        seq: seen.highest(),
                    },
                    gaps: seen.gaps().to_vec(),
                    at: seen.at,
                });
            }
        }
        for (node, name) in &self.actuators {
            batch.actuators.extend(
                state
                    .actuators
                    .get(node)
                    .and_then(|all| all.get(name))
                    .cloned(),
            );
        }
        split(&self.rules, &mut batch.rules, &mut batch.rules_deleted);
        split(
            &self.incidents,
            &mut batch.incidents,
            &mut batch.incidents_dropped,
        );
        split(
            &self.schedules,
            &mut batch.schedules,
            &mut batch.schedules_deleted,
        );
        batch
    }

    /// The events of the batch; samples are taken from it.
    pub(super) fn events(
        &self,
        state: &State,
        batch: &Batch,
        now: DateTime<Utc>,
        watched: bool,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        if watched {
            events.extend(batch.samples.iter().map(sample_event));
        }
        events.extend(
            self.status
                .iter()
                .filter_map(|name| state.shown(name, now).map(|node| Event::Status { node })),
        );
        for (id, rule) in &self.rules {
            events.push(match rule {
                Some(rule) => Event::Rule { rule: rule.clone() },
                None => Event::RuleDeleted { id: id.clone() },
            });
        }
        for (id, schedule) in &self.schedules {
            events.push(match schedule {
                Some(schedule) => Event::Schedule {
                    schedule: schedule.clone(),
                },
                None => Event::ScheduleDeleted { id: id.clone() },
            });
        }
        let incidents = self.incidents.values().flatten().chain(&self.dropped);
        events.extend(incidents.map(|incident| Event::Incident {
            incident: incident.clone(),
        }));
        events.extend(self.silences.values().map(|silence| Event::Silence {
            silence: silence.clone(),
        }));
        events.extend(batch.configs.iter().map(|config| Event::NodeConfig {
            config: config.clone(),
        }));
        events.extend(self.commands.values().map(|row| Event::Command {
            command: row.command.clone(),
        }));
        events
    }
}

fn split<T: Clone>(
    all: &BTreeMap<String, Option<T>>,
    rows: &mut Vec<T>,
    deleted: &mut Vec<String>,
) {
    for (id, row) in all {
        match row {
            Some(row) => rows.push(row.clone()),
            None => deleted.push(id.clone()),
        }
    }
}

fn sample_event(message: &NodeSamples) -> Event {
    let samples = message
        .samples
        .iter()
        .map(|sample| row(&message.node, sample))
        .collect();
    Event::Samples { samples }
}

fn row(node: &str, sample: &Sample) -> SampleRow {
    let mut flags = Vec::new();
    if sample.out_of_range {
        flags.push(SampleFlag::OutOfRange);
    }
    if sample.clock_suspect {
        flags.push(SampleFlag::ClockSuspect);
    }
    SampleRow {
        node: node.to_owned(),
        metric: sample.metric.clone(),
        ts: sample.ts,
        value: sample.value,
        flags,
    }
}
