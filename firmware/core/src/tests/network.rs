//! A node behind a network that may break at any moment, with messages and PUBACKs under way, and
//! with resets. A station beside it knows what must be true.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

/// Room for some ten readings, so that they give way all the time, also those under way.
const FEW: usize = READING_BYTES_MAX;
const NAMES: [&str; 2] = ["led", "pump"];

#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Reading,
    Connect,
    Break,
    /// The node hands its next message to the network.
    Publish,
    /// The broker takes the oldest message under way and sends its PUBACK.
    Take,
    /// The oldest PUBACK under way comes to the node.
    PubAck,
    Order {
        actuator: usize,
        action: u8,
        for_ms: Option<u32>,
    },
    /// The station sends the last command again.
    Repeat,
    /// The node begins anew and keeps what a reset keeps.
    Reset,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u64..3_000).prop_map(Step::Wait),
        8 => Just(Step::Reading),
        6 => Just(Step::Connect),
        2 => Just(Step::Break),
        10 => Just(Step::Publish),
        8 => Just(Step::Take),
        8 => Just(Step::PubAck),
        4 => (0_usize..2, 0_u8..3, proptest::option::of(1_u32..5_000))
            .prop_map(|(actuator, action, for_ms)| Step::Order { actuator, action, for_ms }),
        2 => Just(Step::Repeat),
        1 => Just(Step::Reset),
    ]
}

/// A message under way: what it is, its bytes, when it was handed over.
type Message = (Kind, Vec<u8>, u64);

struct World {
    node: Node<[u8; FEW]>,
    boot: u32,
    now_ms: u64,
    connected: bool,
    to_broker: VecDeque<Message>,
    to_node: VecDeque<Kind>,
    taken: Vec<(u64, f64)>,
    /// Readings that the station may never see: given way, or in a memory that was reset.
    excused: usize,
    stored: BTreeMap<(u64, u64), Vec<(u64, f64)>>,
    retained: Option<Status>,
    orders: Vec<Vec<u8>>,
    answered: BTreeSet<usize>,
    /// Answers that wait in the node.
    answers: usize,
    answers_gave_way: bool,
    /// What each actuator must be, and until when.
    expected: [(bool, Option<u64>); 2],
}

impl World {
    fn new() -> Self {
        Self {
            node: Node::new(options(), [0; _], BOOT, None, 1, 0),
            boot: BOOT,
            now_ms: 0,
            connected: false,
            to_broker: VecDeque::new(),
            to_node: VecDeque::new(),
            taken: Vec::new(),
            excused: 0,
            stored: BTreeMap::new(),
            retained: None,
            orders: Vec::new(),
            answered: BTreeSet::new(),
            answers: 0,
            answers_gave_way: false,
            expected: [(false, None); 2],
        }
    }

    fn apply(&mut self, step: &Step) {
        match step {
            Step::Wait(ms) => self.now_ms += ms,
            Step::Reading => self.reading(),
            Step::Connect => self.connect(),
            Step::Break => self.break_connection(),
            Step::Publish => _ = self.publish(),
            Step::Take => _ = self.take(),
            Step::PubAck => _ = self.pub_ack(),
            Step::Order {
                actuator,
                action,
                for_ms,
            } => self.order(*actuator, *action, *for_ms),
            Step::Repeat => {
                if let Some(last) = self.orders.len().checked_sub(1) {
                    self.send(last);
                }
            }
            Step::Reset => self.reset(),
        }
        self.check();
    }

    fn reading(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let value = self.taken.len() as f32;
        self.taken.push((self.now_ms, f64::from(value)));
        self.node.reading(&[Some(value)], self.now_ms);
    }

    fn connect(&mut self) {
        if !self.connected {
            self.connected = true;
            self.node.connected();
        }
    }

    fn break_connection(&mut self) {
        self.connected = false;
        self.to_broker.clear();
        self.to_node.clear();
        self.node.disconnected(self.now_ms);
    }

    fn reset(&mut self) {
        self.break_connection();
        self.excused += self.node.waiting() + self.node.dropped() as usize;
        self.answers = 0;
        self.boot += 1;
        let saved = self.node.saved(self.now_ms);
        self.node = Node::new(options(), [0; FEW], self.boot, Some(&saved), 1, self.now_ms);
    }

    fn publish(&mut self) -> bool {
        let ready = self.node.publish_ready();
        let message = next(&mut self.node, self.now_ms);
        assert_eq!(message.is_some(), ready);
        let Some((kind, _, payload)) = message else {
            return false;
        };
        self.to_broker.push_back((kind, payload, self.now_ms));
        let under_way = self.to_broker.iter().map(|(kind, ..)| kind);
        let readings = under_way.chain(&self.to_node);
        assert!(readings.filter(|kind| **kind == Kind::Telemetry).count() <= 1);
        true
    }

    fn take(&mut self) -> bool {
        let Some((kind, payload, sent_ms)) = self.to_broker.pop_front() else {
            return false;
        };
        match kind {
            Kind::Status => self.retained = Some(Status::decode(&payload).unwrap()),
            Kind::Ack => {
                let ack = Ack::decode(&payload).unwrap();
                assert_ne!(ack.result, AckResult::Refused);
                self.answered.insert(ack.id.parse().unwrap());
            }
            Kind::Telemetry => {
                let (boot, seq, samples) = telemetry(&payload);
                let at = samples
                    .into_iter()
                    .map(|(age, value)| (sent_ms - age, value));
                // The station keeps the first it sees of a number.
                self.stored.entry((boot, seq)).or_insert(at.collect());
            }
        }
        self.to_node.push_back(kind);
        true
    }

    fn pub_ack(&mut self) -> bool {
        let Some(kind) = self.to_node.pop_front() else {
            return false;
        };
        if kind == Kind::Ack {
            self.answers = self.answers.saturating_sub(1);
        }
        self.node.acknowledged(kind);
        true
    }

    fn order(&mut self, at: usize, action: u8, for_ms: Option<u32>) {
        if !self.connected {
            return;
        }
        let (action, for_ms) = match action {
            0 => (Action::On, for_ms),
            1 => (Action::Off, None),
            _ => (Action::Toggle, None),
        };
        let id = self.orders.len();
        self.orders.push(order(id, NAMES[at], action, for_ms));
        self.send(id);
        let on = match action {
            Action::On => true,
            Action::Off => false,
            Action::Toggle => !self.expected[at].0,
        };
        self.expected[at] = (on, for_ms.map(|ms| self.now_ms + u64::from(ms)));
    }

    fn send(&mut self, id: usize) {
        if self.connected {
            self.node.command(&self.orders[id], self.now_ms);
            self.answers += 1;
            self.answers_gave_way |= self.answers > ACKS_MAX;
        }
    }

    fn check(&mut self) {
        self.node.tick(self.now_ms);
        for (at, expected) in self.expected.iter_mut().enumerate() {
            if expected.1.is_some_and(|off| off <= self.now_ms) {
                *expected = (false, None);
            }
            assert_eq!(self.node.is_on(at), expected.0);
        }
        // Nothing is due for ever: whoever sleeps until the next wake sleeps.
        assert!(self.node.next_wake_ms() > self.now_ms || self.node.sample_due(self.now_ms));
    }

    /// Lets everything through.
    fn settle(&mut self) {
        self.connect();
        while self.publish() | self.take() | self.pub_ack() {}
        self.check();
    }

    fn check_stored(&self) {
        assert_eq!(self.node.waiting(), 0);
        let mut stored: Vec<_> = self.stored.values().flatten().collect();
        stored.sort_by_key(|(_, value)| *value as u64);
        let missing = self.taken.len() - stored.len();
        let excused = self.excused + self.node.dropped() as usize;
        assert!(missing <= excused, "{missing} missing, {excused} gave way");
        // What is there is there once, at its time, in the order of the numbers.
        let in_order: Vec<_> = self.stored.values().flatten().collect();
        assert_eq!(in_order, stored);
        let mut taken = self.taken.iter();
        for one in stored {
            assert!(taken.any(|taken| taken == one), "{one:?} is not as it was");
        }
    }

    /// The station repeats what was not answered: the node knows that it has been done.
    fn check_answers(&mut self) {
        if self.answers_gave_way {
            return;
        }
        let known = self.orders.len().saturating_sub(RECENT_IDS_MAX)..self.orders.len();
        let open: Vec<usize> = known.filter(|id| !self.answered.contains(id)).collect();
        for id in open {
            self.send(id);
            self.settle();
            assert!(self.answered.contains(&id), "{id} is not answered");
        }
    }

    fn check_retained(&self) {
        let retained = self.retained.as_ref().unwrap();
        assert_eq!(retained.boot, Some(self.boot));
        for ((_, told), (on, _)) in retained.actuators.0.iter().zip(&self.expected) {
            assert_eq!(told.is_on(), *on);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Every reading that did not give way reaches the station once, at its time, in order; an
    /// actuator is what the last command made it, until its time, and the retained status says
    /// so; every command is executed once and answered.
    #[test]
    fn nothing_is_lost_or_doubled_and_nothing_stays_on(
        steps in proptest::collection::vec(step(), 1..200),
    ) {
        let mut world = World::new();
        for step in &steps {
            world.apply(step);
        }
        world.settle();
        world.check_stored();
        world.check_answers();
        world.check_retained();
    }
}
