//! What a threshold rule would have done with stored samples: the same logic as the engine's, with
//! the times of the samples as its clock. Nothing is stored and nothing is sent.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    data::Sample,
    rule::{DRY_RUN_FIRINGS_MAX, Firing, RuleSpec},
};

use super::threshold::{is_cleared, is_violated, is_worse};

/// A condition that holds on one node.
#[derive(Debug)]
struct Open {
    began_at: DateTime<Utc>,
    fired: bool,
    peak: f64,
    peak_at: DateTime<Utc>,
}

/// Takes samples, oldest first, and collects firings.
#[derive(Debug)]
pub struct Runner<'a> {
    spec: &'a RuleSpec,
    open: HashMap<String, Open>,
    firings: Vec<Firing>,
    samples: u64,
    truncated: bool,
}

impl<'a> Runner<'a> {
    /// A run of one rule.
    #[must_use]
    pub fn new(spec: &'a RuleSpec) -> Self {
        Self {
            spec,
            open: HashMap::new(),
            firings: Vec::new(),
            samples: 0,
            truncated: false,
        }
    }

    /// The next sample; one with a flag proves nothing.
    pub fn take(&mut self, sample: &Sample) {
        if !sample.flags.is_empty() {
            return;
        }
        self.samples += 1;
        let (value, at) = (sample.value, sample.ts);
        let hold = TimeDelta::seconds(i64::from(self.spec.hold_s));
        if let Some(open) = self.open.get_mut(&sample.node) {
            // The hold time is over by the clock, also between two samples.
            open.fired |= at - open.began_at >= hold;
            let over = if open.fired {
                is_cleared(self.spec, value)
            } else {
                !is_violated(self.spec, value)
            };
            if !over {
                if is_worse(self.spec.op, value, open.peak) {
                    (open.peak, open.peak_at) = (value, at);
                }
                return;
            }
            if let Some(open) = self.open.remove(&sample.node)
                && open.fired
            {
                self.note(&sample.node, &open, Some(at));
            }
            return;
        }
        if is_violated(self.spec, value) {
            let open = Open {
                began_at: at,
                fired: hold.is_zero(),
                peak: value,
                peak_at: at,
            };
            self.open.insert(sample.node.clone(), open);
        }
    }

    /// What fired until the end of the range, how many samples were looked at, and whether
    /// firings were left out.
    #[must_use]
    pub fn end(mut self, to: DateTime<Utc>) -> (Vec<Firing>, u64, bool) {
        let hold = TimeDelta::seconds(i64::from(self.spec.hold_s));
        for (node, open) in std::mem::take(&mut self.open) {
            if open.fired || to - open.began_at >= hold {
                self.note(&node, &open, None);
            }
        }
        self.firings
            .sort_by(|one, other| (one.fired_at, &one.node).cmp(&(other.fired_at, &other.node)));
        (self.firings, self.samples, self.truncated)
    }

    fn note(&mut self, node: &str, open: &Open, cleared_at: Option<DateTime<Utc>>) {
        if self.firings.len() == DRY_RUN_FIRINGS_MAX {
            self.truncated = true;
            return;
        }
        self.firings.push(Firing {
            node: node.to_owned(),
            began_at: open.began_at,
            fired_at: open.began_at + TimeDelta::seconds(i64::from(self.spec.hold_s)),
            cleared_at,
            peak: open.peak,
            peak_at: open.peak_at,
        });
    }
}

#[cfg(test)]
mod tests {
    use signalbox_protocol::api::{node::SampleFlag, rule::NewRule};

    use super::*;
    use crate::rules::new_spec;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + s, 0).unwrap()
    }

    fn run(json: &str, samples: &[(&str, i64, f64)]) -> (Vec<Firing>, u64, bool) {
        let new: NewRule = serde_json::from_str(json).unwrap();
        let spec = new_spec(&new).unwrap();
        let mut runner = Runner::new(&spec);
        for (node, s, value) in samples {
            runner.take(&Sample {
                node: (*node).to_owned(),
                metric: "t".to_owned(),
                ts: at(*s),
                value: *value,
                flags: Vec::new(),
            });
        }
        runner.end(at(1_000))
    }

    #[test]
    fn it_fires_after_the_hold_time_and_clears_behind_the_hysteresis() {
        let rule = r#"{"metric":"t","op":">","value":30,"hold_s":60,"hysteresis":2}"#;
        let (firings, samples, truncated) = run(
            rule,
            &[
                ("a", 0, 31.0),
                ("b", 10, 31.0),
                ("a", 30, 33.0),
                // Too short.
                ("b", 40, 29.0),
                ("a", 100, 29.0),
                ("a", 120, 27.9),
                // Still open at the end; the hold time passes without a sample.
                ("b", 900, 35.0),
            ],
        );
        assert_eq!((samples, truncated), (7, false));
        let told: Vec<_> = firings
            .iter()
            .map(|f| (f.node.as_str(), f.fired_at, f.cleared_at, f.peak))
            .collect();
        assert_eq!(
            told,
            [
                ("a", at(60), Some(at(120)), 33.0),
                ("b", at(960), None, 35.0)
            ]
        );
    }

    #[test]
    fn a_flagged_value_proves_nothing() {
        let new: NewRule = serde_json::from_str(r#"{"metric":"t","op":">","value":30}"#).unwrap();
        let spec = new_spec(&new).unwrap();
        let mut runner = Runner::new(&spec);
        runner.take(&Sample {
            node: "a".to_owned(),
            metric: "t".to_owned(),
            ts: at(0),
            value: 99.0,
            flags: vec![SampleFlag::OutOfRange],
        });
        assert_eq!(runner.end(at(10)), (Vec::new(), 0, false));
    }

    #[test]
    fn firings_are_bounded() {
        let many: Vec<(&str, i64, f64)> = (0..2 * i64::try_from(DRY_RUN_FIRINGS_MAX).unwrap() + 4)
            .map(|n| ("a", n, if n % 2 == 0 { 31.0 } else { 0.0 }))
            .collect();
        let (firings, _, truncated) = run(r#"{"metric":"t","op":">","value":30}"#, &many);
        assert_eq!((firings.len(), truncated), (DRY_RUN_FIRINGS_MAX, true));
    }
}
