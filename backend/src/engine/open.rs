//! The incidents that are open, found by node and rule without making keys: that is looked up
//! for every sample and rule.

use std::collections::BTreeMap;

use signalbox_protocol::api::incident::Incident;

/// Rule and node: at most one incident of them is open.
pub(super) type Key = (String, String);

/// By node, then by rule.
#[derive(Debug, Default)]
pub(super) struct OpenIncidents(BTreeMap<String, BTreeMap<String, Incident>>);

impl OpenIncidents {
    pub(super) fn get_mut(&mut self, rule: &str, node: &str) -> Option<&mut Incident> {
        self.0.get_mut(node)?.get_mut(rule)
    }

    pub(super) fn insert(&mut self, incident: Incident) {
        let of_node = self.0.entry(incident.node.clone()).or_default();
        of_node.insert(incident.rule.clone(), incident);
    }

    pub(super) fn remove(&mut self, (rule, node): &Key) -> Option<Incident> {
        let of_node = self.0.get_mut(node)?;
        let removed = of_node.remove(rule);
        if of_node.is_empty() {
            self.0.remove(node);
        }
        removed
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Incident> {
        self.0.values().flat_map(BTreeMap::values)
    }

    pub(super) fn find_mut(&mut self, id: &str) -> Option<&mut Incident> {
        let mut all = self.0.values_mut().flat_map(BTreeMap::values_mut);
        all.find(|incident| incident.id == id)
    }
}

impl FromIterator<Incident> for OpenIncidents {
    fn from_iter<I: IntoIterator<Item = Incident>>(incidents: I) -> Self {
        let mut open = Self::default();
        incidents.into_iter().for_each(|one| open.insert(one));
        open
    }
}
