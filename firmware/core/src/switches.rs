//! Actuators: executes each command once, runs off-timers, and keeps acks until they have arrived.

use heapless::{Deque, String, Vec};
use signalbox_protocol::{
    limits::ACTUATORS_MAX,
    payload::{
        ActuatorState, Actuators, Id, Name,
        ack::{Ack, AckResult},
        command::{Action, Command},
    },
};

/// Command ids that are remembered, so that a repetition is known.
pub const RECENT_IDS_MAX: usize = 16;
/// Acks that wait for their PUBACK; more make the oldest give way (the station then goes by the
/// status).
pub const ACKS_MAX: usize = 16;

/// Actuators as they were, for a restart that keeps its memory (a reset, not a power cut):
/// by position, whether on, and the rest of the off-timer.
pub type Saved = Vec<(bool, Option<u32>), ACTUATORS_MAX>;

#[derive(Debug, Clone)]
struct Switch {
    name: Name,
    on: bool,
    off_at_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoSuchActuator,
}

#[derive(Debug, Clone)]
struct PendingAck {
    id: Id,
    result: AckResult,
    refusal: Option<Refusal>,
    /// Position of the actuator.
    switch: Option<usize>,
    under_way: bool,
}

#[derive(Debug)]
pub(crate) struct Switches {
    switches: Vec<Switch, ACTUATORS_MAX>,
    recent: Deque<Id, RECENT_IDS_MAX>,
    acks: Deque<PendingAck, ACKS_MAX>,
}

impl Switches {
    pub(crate) fn new(names: &[Name], saved: Option<&Saved>, now_ms: u64) -> Self {
        let switches = names.iter().take(ACTUATORS_MAX).enumerate();
        let switches = switches.map(|(at, name)| {
            let (on, off_in_ms) = saved
                .and_then(|saved| saved.get(at))
                .copied()
                .unwrap_or_default();
            Switch {
                name: name.clone(),
                on,
                off_at_ms: off_in_ms.map(|rest| now_ms + u64::from(rest)),
            }
        });
        Self {
            switches: switches.collect(),
            recent: Deque::new(),
            acks: Deque::new(),
        }
    }

    pub(crate) fn saved(&self, now_ms: u64) -> Saved {
        let one = |switch: &Switch| (switch.on, rest(switch, now_ms));
        self.switches.iter().map(one).collect()
    }

    pub(crate) fn is_on(&self, at: usize) -> bool {
        self.switches.get(at).is_some_and(|switch| switch.on)
    }

    pub(crate) fn states(&self) -> Actuators {
        let state = |switch: &Switch| (switch.name.clone(), ActuatorState::from_on(switch.on));
        Actuators(self.switches.iter().map(state).collect())
    }

    /// Executes a command unless its id was executed before, and notes the ack.
    pub(crate) fn execute(&mut self, command: &Command, now_ms: u64) {
        let found = self
            .switches
            .iter()
            .position(|switch| switch.name == command.actuator);
        let result = match found {
            _ if self.recent.iter().any(|id| *id == command.id) => AckResult::Duplicate,
            None => AckResult::Refused,
            Some(at) => {
                let switch = &mut self.switches[at];
                switch.on = match command.action {
                    Action::On => true,
                    Action::Off => false,
                    Action::Toggle => !switch.on,
                };
                switch.off_at_ms = command.for_ms.map(|for_ms| now_ms + u64::from(for_ms));
                self.remember(command.id.clone());
                AckResult::Applied
            }
        };
        let refused = result == AckResult::Refused;
        let ack = PendingAck {
            id: command.id.clone(),
            result,
            refusal: refused.then_some(Refusal::NoSuchActuator),
            switch: found,
            under_way: false,
        };
        if self.acks.is_full() {
            self.acks.pop_front();
        }
        // Room was made above.
        let _ = self.acks.push_back(ack);
    }

    fn remember(&mut self, id: Id) {
        if self.recent.is_full() {
            self.recent.pop_front();
        }
        // Room was made above.
        let _ = self.recent.push_back(id);
    }

    /// Switches off what is due; true when something was.
    pub(crate) fn tick(&mut self, now_ms: u64) -> bool {
        let mut changed = false;
        for switch in &mut self.switches {
            if switch.off_at_ms.is_some_and(|at| at <= now_ms) {
                switch.off_at_ms = None;
                changed |= switch.on;
                switch.on = false;
            }
        }
        changed
    }

    pub(crate) fn next_off_ms(&self) -> Option<u64> {
        self.switches
            .iter()
            .filter_map(|switch| switch.off_at_ms)
            .min()
    }

    pub(crate) fn ack_ready(&self) -> bool {
        self.acks.iter().any(|ack| !ack.under_way)
    }

    /// The next ack that is not under way, with the actuators as they are now.
    pub(crate) fn next_ack(&mut self, now_ms: u64) -> Option<Ack> {
        let actuators = self.states();
        let ack = self.acks.iter_mut().find(|ack| !ack.under_way)?;
        ack.under_way = true;
        let switch = ack.switch.and_then(|at| self.switches.get(at));
        Some(Ack {
            id: ack.id.clone(),
            result: ack.result,
            reason: ack.refusal.map(|refusal| match refusal {
                Refusal::NoSuchActuator => text("there is no such actuator"),
            }),
            actuators,
            off_in_ms: switch.and_then(|switch| rest(switch, now_ms)),
        })
    }

    /// The oldest ack under way has arrived.
    pub(crate) fn ack_acknowledged(&mut self) {
        if self.acks.front().is_some_and(|ack| ack.under_way) {
            self.acks.pop_front();
        }
    }

    pub(crate) fn disconnected(&mut self) {
        for ack in &mut self.acks {
            ack.under_way = false;
        }
    }
}

fn rest(switch: &Switch, now_ms: u64) -> Option<u32> {
    let rest = switch.off_at_ms?.saturating_sub(now_ms);
    Some(u32::try_from(rest).unwrap_or(u32::MAX))
}

fn text<const N: usize>(text: &str) -> String<N> {
    String::try_from(text).unwrap_or_default()
}
