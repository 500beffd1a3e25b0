//! Actuators: executes each command once, runs off-timers, and keeps acks until they have arrived.

use core::fmt::Write as _;

use heapless::{Deque, String, Vec};
use serde::{Deserialize, Serialize};
use signalbox_protocol::{
    limits::{ACTUATORS_MAX, REASON_BYTES_MAX},
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
pub const ACKS_MAX: usize = 8;

/// What a node knows after a restart: all of it after a reset (see [`crate::kept`]), after a power
/// cut only the ids (see [`crate::flash`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// By position of the actuator, whether it is on, and milliseconds left of its off-timer.
    pub actuators: Vec<(bool, Option<u32>), ACTUATORS_MAX>,
    /// Commands that were executed, oldest first: the station repeats one whose answer it did not
    /// get, also to a node that has started anew.
    pub recent: Vec<Id, RECENT_IDS_MAX>,
}

/// The same, as it lies in a node.
#[derive(Debug, Serialize)]
pub(crate) struct SavedRef<'a> {
    actuators: Vec<(bool, Option<u32>), ACTUATORS_MAX>,
    recent: &'a Deque<Id, RECENT_IDS_MAX>,
}

/// An actuator of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActuatorOptions {
    /// Its name.
    pub name: Name,
    /// What it is after a power cut.
    pub boot_on: bool,
}

impl ActuatorOptions {
    /// One that is off after a power cut, as a pump should be.
    #[must_use]
    pub const fn new(name: Name) -> Self {
        Self {
            name,
            boot_on: false,
        }
    }
}

#[derive(Debug, Clone)]
struct Switch {
    name: Name,
    on: bool,
    off_at_ms: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Refusal {
    NoSuchActuator,
    NotUnderstood,
    /// A field and what is wrong with it.
    Field(&'static str, &'static str),
}

impl Refusal {
    fn reason(self) -> String<REASON_BYTES_MAX> {
        let mut reason = String::new();
        // What is too long is cut; a test shows that nothing is.
        let _ = match self {
            Self::NoSuchActuator => reason.push_str("there is no such actuator").is_ok(),
            Self::NotUnderstood => reason.push_str("the command is not understood").is_ok(),
            Self::Field(field, problem) => write!(reason, "field `{field}` {problem}").is_ok(),
        };
        reason
    }
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
    /// Acks that gave way while they were under way: their PUBACKs come before the others'.
    gone_under_way: usize,
}

impl Switches {
    /// Without actuators, before [`Switches::set_up`].
    pub(crate) const fn unset() -> Self {
        Self {
            switches: Vec::new(),
            recent: Deque::new(),
            acks: Deque::new(),
            gone_under_way: 0,
        }
    }

    pub(crate) fn set_up(
        &mut self,
        options: &[ActuatorOptions],
        saved: Option<&Saved>,
        now_ms: u64,
    ) {
        let switches = options.iter().take(ACTUATORS_MAX).enumerate();
        self.switches.extend(switches.map(|(at, actuator)| {
            let (on, off_in_ms) = saved
                .and_then(|saved| saved.actuators.get(at))
                .copied()
                .unwrap_or((actuator.boot_on, None));
            Switch {
                name: actuator.name.clone(),
                on,
                off_at_ms: off_in_ms.map(|rest| now_ms + u64::from(rest)),
            }
        }));
        for id in saved.into_iter().flat_map(|saved| &saved.recent) {
            self.remember(id.clone());
        }
    }

    pub(crate) fn saved(&self, now_ms: u64) -> Saved {
        let one = |switch: &Switch| (switch.on, rest(switch, now_ms));
        Saved {
            actuators: self.switches.iter().map(one).collect(),
            recent: self.recent.iter().cloned().collect(),
        }
    }

    pub(crate) fn saved_ref(&self, now_ms: u64) -> SavedRef<'_> {
        let one = |switch: &Switch| (switch.on, rest(switch, now_ms));
        SavedRef {
            actuators: self.switches.iter().map(one).collect(),
            recent: &self.recent,
        }
    }

    /// The command that was executed last.
    pub(crate) fn last_executed(&self) -> Option<&Id> {
        self.recent.back()
    }

    pub(crate) fn is_on(&self, at: usize) -> bool {
        self.switches.get(at).is_some_and(|switch| switch.on)
    }

    pub(crate) fn states(&self) -> Actuators {
        let state = |switch: &Switch| (switch.name.clone(), ActuatorState::from_on(switch.on));
        Actuators(self.switches.iter().map(state).collect())
    }

    /// Executes a command unless its id was executed before, and notes the ack. True when it was
    /// executed.
    pub(crate) fn execute(&mut self, command: &Command, now_ms: u64) -> bool {
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
                let name = switch.name.as_str();
                match command.for_ms {
                    Some(for_ms) => log!(info, "command: {=str} on for {=u32} ms", name, for_ms),
                    None if switch.on => log!(info, "command: {=str} on", name),
                    None => log!(info, "command: {=str} off", name),
                }
                self.remember(command.id.clone());
                AckResult::Applied
            }
        };
        let refused = result == AckResult::Refused;
        if refused {
            log!(warn, "command refused: {}", Refusal::NoSuchActuator);
        }
        self.answer(PendingAck {
            id: command.id.clone(),
            result,
            refusal: refused.then_some(Refusal::NoSuchActuator),
            switch: found,
            under_way: false,
        });
        result == AckResult::Applied
    }

    /// Notes the refusal of a command that could not be read, but for its id.
    pub(crate) fn refuse(&mut self, id: Id, refusal: Refusal) {
        log!(warn, "command refused: {}", refusal);
        self.answer(PendingAck {
            id,
            result: AckResult::Refused,
            refusal: Some(refusal),
            switch: None,
            under_way: false,
        });
    }

    fn answer(&mut self, ack: PendingAck) {
        if self.acks.is_full() {
            let oldest = self.acks.pop_front();
            self.gone_under_way += usize::from(oldest.is_some_and(|ack| ack.under_way));
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
                log!(info, "timer: {=str} off", switch.name.as_str());
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
            reason: ack.refusal.map(Refusal::reason),
            actuators,
            off_in_ms: switch.and_then(|switch| rest(switch, now_ms)),
        })
    }

    /// The oldest ack under way has arrived.
    pub(crate) fn ack_acknowledged(&mut self) {
        if self.gone_under_way > 0 {
            self.gone_under_way -= 1;
        } else if self.acks.front().is_some_and(|ack| ack.under_way) {
            self.acks.pop_front();
        }
    }

    pub(crate) fn disconnected(&mut self) {
        self.gone_under_way = 0;
        for ack in &mut self.acks {
            ack.under_way = false;
        }
    }
}

fn rest(switch: &Switch, now_ms: u64) -> Option<u32> {
    let rest = switch.off_at_ms?.saturating_sub(now_ms);
    Some(u32::try_from(rest).unwrap_or(u32::MAX))
}
