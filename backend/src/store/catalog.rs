//! Every series with its names and its newest sample, as committed, kept in memory. Fed by the
//! tables at opening and by each commit after it happened; feeds ingest with ids, and every
//! question that needs names or newest values only. Both are asked more often than all else, and
//! fetching a thousand rows costs either database more than a millisecond.
//!
//! A series takes about 200 bytes.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use super::{
    chunk::Point,
    history::{Series, Which},
};

/// A row of `series` with its row of `latest`: id, node, metric, time, value, flags.
pub(super) type CatalogRow = (i64, String, String, Option<i64>, Option<f64>, Option<i64>);

/// The series of a store, shared by the writer and all who read.
#[derive(Debug, Clone, Default)]
pub(super) struct Catalog(Arc<RwLock<Known>>);

#[derive(Debug, Default)]
struct Known {
    by_id: HashMap<i64, Entry>,
    /// In the order of the API.
    by_name: BTreeMap<Arc<str>, BTreeMap<Arc<str>, i64>>,
    /// Many nodes have metrics of the same name.
    metrics: HashSet<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    node: Arc<str>,
    metric: Arc<str>,
    latest: Option<Point>,
}

/// What a transaction changes, to be taken over once it is committed: ids of a rolled-back one
/// must never be known.
#[derive(Debug, Default)]
pub(super) struct CatalogNews {
    /// Id, node and metric of series that were made.
    pub(super) series: Vec<(i64, String, String)>,
    /// Series and their newest sample of this transaction, which may be older than one before.
    pub(super) newest: Vec<(i64, Point)>,
}

impl Catalog {
    fn read(&self) -> RwLockReadGuard<'_, Known> {
        // A panic between two changes leaves a series too few, which the next opening finds.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all and takes over what the tables have.
    pub(super) fn replace(&self, rows: Vec<CatalogRow>) {
        let mut fresh = Known::default();
        for (id, node, metric, ts_us, value, flags) in rows {
            fresh.add(id, &node, &metric);
            if let (Some(ts_us), Some(value), Some(flags)) = (ts_us, value, flags) {
                let flags = flags.to_le_bytes()[0];
                fresh.raise(
                    id,
                    Point {
                        ts_us,
                        value,
                        flags,
                    },
                );
            }
        }
        *self.write() = fresh;
    }

    /// Takes over what was committed.
    pub(super) fn take_over(&self, news: CatalogNews) {
        let mut known = self.write();
        for (id, node, metric) in news.series {
            known.add(id, &node, &metric);
        }
        for (id, point) in news.newest {
            known.raise(id, point);
        }
    }

    /// The id of a series.
    pub(super) fn id(&self, node: &str, metric: &str) -> Option<i64> {
        self.read().by_name.get(node)?.get(metric).copied()
    }

    /// Series by node and metric.
    pub(super) fn find(&self, which: &Which) -> Vec<Series> {
        let known = self.read();
        let series = |id: i64, node: &Arc<str>, metric: &Arc<str>| Series {
            id,
            node: node.to_string(),
            metric: metric.to_string(),
        };
        let mut found = Vec::new();
        if let Some(id) = which.id {
            let entry = known.by_id.get(&id);
            found.extend(entry.map(|entry| series(id, &entry.node, &entry.metric)));
            return found;
        }
        known.each_node(which.node.as_deref(), |node, metrics| {
            let ids: &mut dyn Iterator<Item = _> = match &which.metric {
                Some(metric) => &mut metrics.get_key_value(metric.as_str()).into_iter(),
                None => &mut metrics.iter(),
            };
            let named = ids.filter(|(_, id)| **id <= which.id_max);
            found.extend(named.map(|(metric, id)| series(*id, node, metric)));
        });
        found
    }

    /// Node, metric and newest sample of the series of a node or of all, in the order of names.
    pub(super) fn each_latest(&self, node: Option<&str>, mut give: impl FnMut(&str, &str, &Point)) {
        let known = self.read();
        known.each_node(node, |node, metrics| {
            for (metric, id) in metrics {
                let entry = known.by_id.get(id);
                if let Some(latest) = entry.and_then(|entry| entry.latest.as_ref()) {
                    give(node, metric, latest);
                }
            }
        });
    }
}

impl Known {
    fn add(&mut self, id: i64, node: &str, metric: &str) {
        let metric = match self.metrics.get(metric) {
            Some(known) => known.clone(),
            None => {
                let new: Arc<str> = metric.into();
                self.metrics.insert(new.clone());
                new
            }
        };
        let node: Arc<str> = match self.by_name.get_key_value(node) {
            Some((known, _)) => known.clone(),
            None => node.into(),
        };
        let metrics = self.by_name.entry(node.clone()).or_default();
        metrics.insert(metric.clone(), id);
        let latest = None;
        let entry = Entry {
            node,
            metric,
            latest,
        };
        self.by_id.insert(id, entry);
    }

    fn raise(&mut self, id: i64, point: Point) {
        if let Some(entry) = self.by_id.get_mut(&id)
            && entry.latest.is_none_or(|known| known.ts_us < point.ts_us)
        {
            entry.latest = Some(point);
        }
    }

    fn each_node(
        &self,
        node: Option<&str>,
        mut give: impl FnMut(&Arc<str>, &BTreeMap<Arc<str>, i64>),
    ) {
        let nodes: &mut dyn Iterator<Item = _> = match node {
            Some(node) => &mut self.by_name.get_key_value(node).into_iter(),
            None => &mut self.by_name.iter(),
        };
        for (node, metrics) in nodes {
            give(node, metrics);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn point(ts_us: i64) -> Point {
        Point {
            ts_us,
            value: 1.0,
            flags: 0,
        }
    }

    fn catalog() -> Catalog {
        let catalog = Catalog::default();
        catalog.replace(vec![
            (2, "b".into(), "t".into(), Some(5), Some(1.0), Some(0)),
            (7, "a".into(), "t".into(), None, None, None),
        ]);
        catalog
    }

    fn latest(catalog: &Catalog, node: Option<&str>) -> Vec<(String, String, i64)> {
        let mut all = Vec::new();
        catalog.each_latest(node, |node, metric, point| {
            all.push((node.to_owned(), metric.to_owned(), point.ts_us));
        });
        all
    }

    #[test]
    fn series_are_found_by_each_name_in_order() {
        let catalog = catalog();
        let ids = |which: &Which| -> Vec<i64> {
            catalog
                .find(which)
                .into_iter()
                .map(|series| series.id)
                .collect()
        };
        let all = Which {
            id_max: i64::MAX,
            ..Which::default()
        };
        assert_eq!(ids(&all), [7, 2]);
        assert_eq!(
            ids(&Which {
                id_max: 6,
                ..all.clone()
            }),
            [2]
        );
        let node = Some("b".to_owned());
        assert_eq!(
            ids(&Which {
                node,
                ..all.clone()
            }),
            [2]
        );
        let metric = Some("x".to_owned());
        assert_eq!(ids(&Which { metric, ..all }), [0; 0]);
        let id = Some(7);
        assert_eq!(
            ids(&Which {
                id,
                ..Which::default()
            }),
            [7]
        );
        assert_eq!(catalog.id("a", "t"), Some(7));
        assert_eq!(catalog.id("a", "u"), None);
    }

    #[test]
    fn the_newest_sample_moves_only_forward() {
        let catalog = catalog();
        let text = str::to_owned;
        catalog.take_over(CatalogNews {
            series: vec![(9, text("b"), text("u"))],
            newest: vec![(9, point(3)), (2, point(4)), (7, point(1))],
        });
        assert_eq!(
            latest(&catalog, None),
            [
                (text("a"), text("t"), 1),
                (text("b"), text("t"), 5),
                (text("b"), text("u"), 3)
            ]
        );
        catalog.take_over(CatalogNews {
            series: Vec::new(),
            newest: vec![(2, point(6))],
        });
        assert_eq!(latest(&catalog, Some("b"))[0].2, 6);
        assert_eq!(latest(&catalog, Some("c")), []);
    }
}
