//! The window about one incident: its mails and the samples around it are asked for when it opens;
//! the rest is read from the list, so that it stays live.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{data::BucketsReply, incident::Incident, mail::Mail, rule::Rule};

use super::{Modal, Point, State, chart::tracks};
use crate::{event::Action, story};

/// Time before its begin and after it fired that the chart shows, at least.
const AROUND: TimeDelta = TimeDelta::minutes(10);
/// Points of the chart.
pub(crate) const INCIDENT_BUCKETS: u32 = 240;

/// An incident that is looked at.
#[derive(Debug)]
pub(crate) struct IncidentView {
    pub(crate) id: String,
    /// First line of the story on screen.
    pub(crate) top: usize,
    /// The chart's window.
    pub(crate) from: DateTime<Utc>,
    pub(crate) to: DateTime<Utc>,
    /// Absent until they come, and for those who may not see mails.
    pub(crate) mails: Vec<Mail>,
    pub(crate) points: Vec<Point>,
    /// Lines of the story when a key was last pressed.
    pub(crate) lines: usize,
}

/// What was asked for an incident's window.
#[derive(Debug)]
pub(crate) struct IncidentFacts {
    pub(crate) id: String,
    pub(crate) mails: Option<Vec<Mail>>,
    pub(crate) values: BucketsReply,
}

impl State {
    /// Opens the window of the marked incident.
    pub(super) fn open_incident(&mut self) -> Vec<Action> {
        let Some(incident) = self.selected_incident() else {
            self.say("no incident is marked", true);
            return Vec::new();
        };
        let hold_s = self.rule_of(incident).map_or(0, |rule| rule.spec.hold_s);
        let pad = AROUND.max(TimeDelta::seconds(hold_s.into()));
        let fired = incident.fired_at.unwrap_or(incident.began_at);
        let (from, to) = (incident.began_at - pad, (fired + pad).min(self.now));
        let asked = Action::LoadIncident {
            id: incident.id.clone(),
            node: incident.node.clone(),
            metric: incident.metric.clone(),
            from,
            to,
        };
        let mut view = IncidentView {
            id: incident.id.clone(),
            top: 0,
            from,
            to,
            mails: Vec::new(),
            points: Vec::new(),
            lines: 0,
        };
        view.lines = self.incident_story(&view).len();
        self.modal = Some(Modal::Incident(Box::new(view)));
        vec![asked]
    }

    /// The incident of a window, as it is now.
    pub(crate) fn incident_of(&self, view: &IncidentView) -> Option<&Incident> {
        self.incidents.iter().find(|one| one.id == view.id)
    }

    /// The rule of an incident, if it is still there.
    pub(crate) fn rule_of(&self, incident: &Incident) -> Option<&Rule> {
        self.rules.iter().find(|rule| rule.id == incident.rule)
    }

    /// Why it fired, and what happened.
    pub(crate) fn incident_story(&self, view: &IncidentView) -> Vec<String> {
        self.incident_of(view).map_or_else(
            || vec!["this incident is not listed any more".to_owned()],
            |incident| story::story(incident, self.rule_of(incident), &view.mails, self.now),
        )
    }

    pub(super) fn on_incident_facts(&mut self, facts: IncidentFacts) {
        let Some(Modal::Incident(view)) = &mut self.modal else {
            return;
        };
        if view.id != facts.id {
            return;
        }
        view.mails = facts.mails.unwrap_or_default();
        let tracks = tracks(&[facts.values], TimeDelta::zero());
        view.points = tracks.into_values().next().unwrap_or_default();
        let Some(Modal::Incident(mut view)) = self.modal.take() else {
            return;
        };
        view.lines = self.incident_story(&view).len();
        self.modal = Some(Modal::Incident(view));
    }
}
