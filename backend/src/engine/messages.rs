//! Received messages: sorted by what they say; duplicates found; samples for the store and the
//! rules.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::message::{Message, Outcome};

use super::{
    draft::Draft,
    incidents::FRESH_MAX,
    says::says,
    state::{Newest, SERIES_PER_NODE_MAX, State},
};
use crate::{
    ingest::{Body, Inbound, Number, Rejection, Sample, Telemetry},
    store::NodeSamples,
};

/// No sample is taken whose time is further ahead than this. When the newest one is, the
/// station's clock has been set back since.
const AHEAD_MAX: TimeDelta = TimeDelta::seconds(60);

impl State {
    /// Takes a message in.
    pub(super) fn message(&mut self, message: &Inbound, now: DateTime<Utc>, draft: &mut Draft) {
        if let Ok(Body::Link(news)) = &message.body {
            self.link_news(*news, message.received_at, now, draft);
            return;
        }
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
        let understood = message.body.as_ref().ok();
        let says = understood.and_then(|body| says(&message.head, body));
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
            says,
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
                self.answered(node, ack, now, draft)
            }
            Body::Log(log) => {
                self.saw(&log.node, received_at, draft);
                draft.logs.push(log.clone());
                Ok(Outcome::Stored)
            }
            Body::Link(_) => Ok(Outcome::Stored),
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
            self.mark(node, boot, seq, received_at);
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
        let mut in_time: Vec<&Sample> = telemetry.samples.iter().collect();
        in_time.sort_by_key(|sample| sample.ts);
        for sample in in_time {
            self.measured(node, sample, received_at, now, draft);
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

    /// Rules see samples in order of time, fresh and without flags: what is late or implausible
    /// is history, not news.
    fn measured(
        &mut self,
        node: &str,
        sample: &Sample,
        received_at: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(known) = self.newest.get_mut(node) else {
            return;
        };
        let flagged = sample.out_of_range || sample.clock_suspect;
        let news = Newest {
            ts: sample.ts,
            value: sample.value,
            flagged,
        };
        match known.get_mut(&sample.metric) {
            Some(newest) if is_before(sample.ts, newest.ts, received_at) => return,
            Some(newest) => *newest = news,
            None => {
                known.insert(sample.metric.clone(), news);
            }
        }
        if !flagged && received_at - sample.ts <= FRESH_MAX {
            self.evaluate(node, &sample.metric, sample.ts, sample.value, now, draft);
        }
    }
}

/// Whether a sample is older than the newest one, as far as that one's time can be believed.
fn is_before(ts: DateTime<Utc>, newest: DateTime<Utc>, received_at: DateTime<Utc>) -> bool {
    ts < newest && newest <= received_at + AHEAD_MAX
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
        Body::Log(log) => &log.node,
        Body::Link(_) => "",
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
