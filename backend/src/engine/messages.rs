//! Received messages: duplicates, facts about nodes, samples for the store and the rules.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    message::{Message, Outcome},
    node::{ActuatorState, Presence},
};

use super::{
    draft::Draft,
    seen::Seen,
    state::{SERIES_PER_NODE_MAX, State},
};
use crate::{
    ingest::{Body, Inbound, Number, Rejection, Sample, Status, Telemetry},
    store::NodeSamples,
};

/// How much a node's uptime may be off before a known boot id is taken for a new start.
const UPTIME_SLACK: TimeDelta = TimeDelta::seconds(60);

impl State {
    /// Takes a message in.
    pub(super) fn message(&mut self, message: &Inbound, now: DateTime<Utc>, draft: &mut Draft) {
        let (node, outcome, reason) = match &message.body {
            Err(rejection) => rejected(rejection),
            Ok(body) => {
                let node = node_of(body);
                match self.body(body, message.received_at, now, draft) {
                    Ok(outcome) => (Some(node.to_owned()), outcome, None),
                    Err(reason) => (Some(node.to_owned()), Outcome::Bad, Some(reason)),
                }
            }
        };
        let shown = Message {
            id: 0,
            received_at: message.received_at,
            topic: message
                .topic
                .chars()
                .take(256)
                .flat_map(char::escape_debug)
                .collect(),
            node,
            outcome,
            reason,
            payload_bytes: message.payload_bytes as u64,
            head: head(&message.head),
            count: 1,
            first_at: message.received_at,
        };
        match outcome {
            Outcome::Bad | Outcome::Denied => draft.bad_messages.push(shown.clone()),
            Outcome::Duplicate => draft.duplicates += 1,
            Outcome::Stored => {}
        }
        draft.messages.push(shown);
    }

    fn body(
        &mut self,
        body: &Body,
        received_at: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Outcome, String> {
        if !self.know_node(node_of(body), draft) {
            return Err("there are too many nodes".to_owned());
        }
        match body {
            Body::Telemetry(telemetry) => {
                self.saw(&telemetry.node, received_at, draft);
                self.telemetry(telemetry, received_at, now, draft)
            }
            Body::Status { node, status } => {
                if status.online {
                    self.saw(node, received_at, draft);
                }
                self.status(node, status, received_at, now, draft);
                Ok(Outcome::Stored)
            }
            Body::Ack { node, ack } => {
                self.saw(node, received_at, draft);
                self.answered(node, ack, now, draft)?;
                Ok(Outcome::Stored)
            }
        }
    }

    fn telemetry(
        &mut self,
        telemetry: &Telemetry,
        received_at: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Outcome, String> {
        let node = &telemetry.node;
        if let Some(number) = telemetry.number
            && self.is_duplicate(node, number)
        {
            return Ok(Outcome::Duplicate);
        }
        self.check_series(node, &telemetry.samples)?;
        if let Some(Number { boot, seq }) = telemetry.number {
            self.marks
                .entry(node.clone())
                .or_default()
                .entry(boot)
                .and_modify(|seen| seen.add(seq, received_at))
                .or_insert_with(|| Seen::first(seq, received_at));
            draft.marks.insert((node.clone(), boot));
        }
        draft.flagged += telemetry
            .samples
            .iter()
            .filter(|s| s.out_of_range || s.clock_suspect)
            .count() as u64;
        if !telemetry.samples.is_empty() {
            let samples = telemetry.samples.clone();
            draft.samples.push(NodeSamples {
                node: node.clone(),
                samples,
            });
        }
        for sample in &telemetry.samples {
            self.measured(node, sample, now, draft);
        }
        Ok(Outcome::Stored)
    }

    fn is_duplicate(&self, node: &str, number: Number) -> bool {
        let seen = self
            .marks
            .get(node)
            .and_then(|boots| boots.get(&number.boot));
        seen.is_some_and(|seen| seen.has(number.seq))
    }

    fn check_series(&mut self, node: &str, samples: &[Sample]) -> Result<(), String> {
        let known = self.newest.entry(node.to_owned()).or_default();
        let fresh: BTreeSet<&str> = samples
            .iter()
            .map(|sample| sample.metric.as_str())
            .filter(|metric| !known.contains_key(*metric))
            .collect();
        if known.len() + fresh.len() > SERIES_PER_NODE_MAX {
            return Err(format!(
                "the node has more than {SERIES_PER_NODE_MAX} metrics"
            ));
        }
        Ok(())
    }

    /// Rules see samples in order of time and without flags: what is late or implausible is
    /// history, not news.
    fn measured(&mut self, node: &str, sample: &Sample, now: DateTime<Utc>, draft: &mut Draft) {
        let Some(known) = self.newest.get_mut(node) else {
            return;
        };
        let newest = known.get(&sample.metric).copied();
        if newest.is_some_and(|(ts, _)| sample.ts < ts) {
            return;
        }
        known.insert(sample.metric.clone(), (sample.ts, sample.value));
        if !sample.out_of_range && !sample.clock_suspect {
            self.evaluate(node, &sample.metric, sample.ts, sample.value, now, draft);
        }
    }

    fn status(
        &mut self,
        node: &str,
        status: &Status,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        if !status.online {
            self.set_presence(node, Presence::Offline, at, draft);
            return;
        }
        self.forget_reused_boot(node, status, at, draft);
        let came = self.set_presence(node, Presence::Online, at, draft);
        if let Some(facts) = self.nodes.get_mut(node) {
            facts.boot = status.boot.or(facts.boot);
            facts.firmware = status.firmware.clone().or_else(|| facts.firmware.take());
            facts.uptime_s = status.uptime_s;
            facts.rssi_dbm = status.rssi_dbm;
            draft.nodes.insert(node.to_owned());
            draft.status.insert(node.to_owned());
        }
        for (name, on) in &status.actuators {
            self.reported(node, name, *on, None, at, draft);
        }
        if came {
            self.send_waiting(node, now, draft);
        }
    }

    /// A boot counter that begins anew (flash erased) would make all that follows a duplicate.
    /// A known boot id with an uptime that began after its last message is a new start.
    fn forget_reused_boot(
        &mut self,
        node: &str,
        status: &Status,
        at: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let (Some(boot), Some(uptime_s)) = (status.boot, status.uptime_s) else {
            return;
        };
        let Some(boots) = self.marks.get_mut(node) else {
            return;
        };
        let Some(seen) = boots.get(&boot) else { return };
        if at - TimeDelta::seconds(uptime_s.into()) > seen.at + UPTIME_SLACK {
            tracing::warn!(node.id = node, boot, "the node counts its starts anew");
            boots.remove(&boot);
            draft.marks.remove(&(node.to_owned(), boot));
            draft.marks_forgotten.push((node.to_owned(), boot));
        }
    }

    /// Takes over what a node says of an actuator.
    pub(super) fn reported(
        &mut self,
        node: &str,
        name: &str,
        on: bool,
        off_at: Option<DateTime<Utc>>,
        at: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let actuator = self.actuator(node, name, draft);
        actuator.reported = Some(if on {
            ActuatorState::On
        } else {
            ActuatorState::Off
        });
        actuator.reported_at = Some(at);
        if off_at.is_some() {
            actuator.off_at = off_at;
        }
        if !on {
            actuator.off_at = None;
            if actuator.pending_command.is_none() {
                actuator.desired = Some(ActuatorState::Off);
            }
            self.verified_off(node, name, draft);
        }
    }
}

fn rejected(rejection: &Rejection) -> (Option<String>, Outcome, Option<String>) {
    let outcome = if rejection.denied {
        Outcome::Denied
    } else {
        Outcome::Bad
    };
    (
        rejection.node.clone(),
        outcome,
        Some(rejection.reason.clone()),
    )
}

fn node_of(body: &Body) -> &str {
    match body {
        Body::Telemetry(telemetry) => &telemetry.node,
        Body::Status { node, .. } | Body::Ack { node, .. } => node,
    }
}

/// The first bytes as text that no screen can be harmed by.
fn head(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes)
        .chars()
        .flat_map(|c| {
            let plain = !c.is_control();
            plain
                .then_some(c)
                .into_iter()
                .chain((!plain).then(|| c.escape_default()).into_iter().flatten())
        })
        .collect()
}
