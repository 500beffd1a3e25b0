//! What a node says of itself: that it came or went, its start, its actuators.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::node::{ActuatorState, Presence};

use super::{draft::Draft, state::State};
use crate::ingest::Status;

/// How much a node's uptime may be off before a known boot id is taken for a new start.
const UPTIME_SLACK: TimeDelta = TimeDelta::seconds(60);

impl State {
    /// Takes a status message or a last will in.
    pub(super) fn status(
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
        let known_boot = self.nodes.get(node).and_then(|facts| facts.boot);
        let is_new_boot =
            status.boot.is_some() && known_boot.is_some_and(|known| Some(known) != status.boot);
        let restarted = !came && is_new_boot;
        if let Some(facts) = self.nodes.get_mut(node) {
            facts.boot = status.boot.or(facts.boot);
            facts.firmware = status.firmware.clone().or_else(|| facts.firmware.take());
            facts.uptime_s = status.uptime_s;
            facts.rssi_dbm = status.rssi_dbm;
            let before = facts.started_by.filter(|_| !is_new_boot);
            facts.started_by = status.started_by.or(before);
            draft.nodes.insert(node.to_owned());
            draft.status.insert(node.to_owned());
        }
        self.config_told(node, status, came || restarted, at, draft);
        for (name, on) in &status.actuators {
            if !status.is_old || is_new_boot || self.is_unheard_of(node, name) {
                self.reported(node, name, *on, at, draft);
            }
        }
        // One that started again before anybody saw it go has lost what was on its way.
        if came || restarted {
            self.send_waiting(node, now, draft);
        }
    }

    fn is_unheard_of(&self, node: &str, name: &str) -> bool {
        let known = self.actuators.get(node).and_then(|all| all.get(name));
        known.is_none_or(|actuator| actuator.reported.is_none())
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
        if on {
            return;
        }
        let timer_ran = actuator.off_at.take().is_some();
        if timer_ran && actuator.pending_command.is_none() {
            // The timer's end was wanted; going off by itself is not, and shows as drift.
            actuator.desired = Some(ActuatorState::Off);
        }
        self.verified_off(node, name, draft);
    }
}
