//! Which sparklines are kept. Of a small station all are; of a large one those of the nodes around
//! the marked one are asked for when they come on screen, and the oldest are forgotten.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::data::BucketsReply;

use super::{Link, Series, Spark, State};
use crate::{event::Action, keymap::Place};

/// Up to so many series, all are asked for at once and kept.
pub(crate) const SPARK_SERIES_MAX: usize = 100;
/// Nodes whose sparklines are kept at a larger station.
const SPARK_NODES_MAX: usize = 400;
/// Nodes that are asked for together.
const SPARK_NODES_ASKED_MAX: usize = 40;
/// An answer that did not come until then is not waited for.
const ANSWER_S_MAX: i64 = 5;

/// Which nodes have sparklines.
#[derive(Debug, Default)]
pub(super) struct SparkNodes {
    /// Only those in the list, not all.
    some: bool,
    /// Oldest first.
    known: VecDeque<String>,
    asked_at: Option<DateTime<Utc>>,
}

impl State {
    /// After a connection: of all series, or of none yet.
    pub(super) fn begin_sparks(&mut self, recent: Option<BucketsReply>) {
        self.sparks.clear();
        self.spark_nodes = SparkNodes {
            some: recent.is_none(),
            ..SparkNodes::default()
        };
        recent.into_iter().for_each(|reply| self.set_sparks(reply));
    }

    fn set_sparks(&mut self, reply: BucketsReply) {
        for series in reply.series {
            let mut spark = Spark::default();
            for bucket in &series.buckets {
                spark.add(bucket.ts, bucket.mean, bucket.n);
            }
            self.sparks.insert((series.node, series.metric), spark);
        }
    }

    /// A live sample.
    pub(super) fn add_to_spark(&mut self, key: Series, at: DateTime<Utc>, value: f64) {
        if let Some(spark) = self.sparks.get_mut(&key) {
            spark.add(at, value, 1);
            return;
        }
        let nodes = &mut self.spark_nodes;
        if !nodes.some && self.sparks.len() >= SPARK_SERIES_MAX {
            // The station has grown: the nodes on screen are asked for again.
            nodes.some = true;
            self.sparks.clear();
        }
        if nodes.some && !nodes.known.contains(&key.0) {
            return;
        }
        let spark = self.sparks.entry(key).or_default();
        spark.add(at, value, 1);
    }

    /// Asks for the nodes around the marked one that have no sparklines yet.
    pub(super) fn spark_wish(&mut self) -> Option<Action> {
        let waits = self
            .spark_nodes
            .asked_at
            .is_some_and(|at| self.now - at < TimeDelta::seconds(ANSWER_S_MAX));
        let overview = matches!(self.place, Place::Overview | Place::Anywhere);
        if !self.spark_nodes.some || waits || !overview || self.link != Link::Online {
            return None;
        }
        let rows = usize::from(self.size.1);
        let first = self.row().saturating_sub(rows);
        let known = &self.spark_nodes.known;
        let near = self.shown_nodes();
        let near = near.rows_from(first).take(rows * 2);
        let wanted: Vec<String> = near
            .map(|(_, node)| &node.name)
            .filter(|name| !known.contains(name))
            .take(SPARK_NODES_ASKED_MAX)
            .cloned()
            .collect();
        if wanted.is_empty() {
            return None;
        }
        self.spark_nodes.asked_at = Some(self.now);
        Some(Action::LoadSparks(wanted))
    }

    /// Takes an answer, and forgets the nodes that were asked for longest ago.
    pub(super) fn take_sparks(&mut self, nodes: Vec<String>, recent: Vec<BucketsReply>) {
        if !self.spark_nodes.some {
            return;
        }
        recent.into_iter().for_each(|reply| self.set_sparks(reply));
        self.spark_nodes.asked_at = None;
        self.spark_nodes.known.extend(nodes);
        while self.spark_nodes.known.len() > SPARK_NODES_MAX {
            let Some(oldest) = self.spark_nodes.known.pop_front() else {
                return;
            };
            let from = (oldest.clone(), String::new());
            let of_node: Vec<Series> = self
                .sparks
                .range(from..)
                .map(|(key, _)| key)
                .take_while(|(node, _)| *node == oldest)
                .cloned()
                .collect();
            for key in &of_node {
                self.sparks.remove(key);
            }
        }
    }
}
