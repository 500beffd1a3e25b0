//! Random histories, each lived twice: once with restarts, once without. Both must end with the
//! same incidents and commands, and what was mailed and told must be what happened.

use std::{collections::BTreeMap, sync::atomic::Ordering::SeqCst};

use proptest::{
    prelude::{Just, Strategy, any, prop},
    prop_oneof,
    test_runner::{Config, TestCaseError, TestRunner},
};
use serde_json::json;
use signalbox_protocol::api::{
    command::Origin,
    event::Event,
    incident::{Incident, IncidentState},
};

use super::rig::{Rig, drain};
use crate::{
    engine::Request,
    store::{EngineStore as _, MailKind},
};

/// Histories that are tried.
const CASES: u32 = 48;
const NODES: [&str; 2] = ["kitchen", "cellar"];
/// The last one is out of the plausible range.
const VALUES: [f64; 6] = [20.0, 28.5, 30.0, 31.0, 40.0, 51.0];

#[derive(Debug, Clone)]
enum Step {
    Measure {
        node: usize,
        value: usize,
        age_s: i64,
    },
    Pass {
        s: i64,
    },
    Online {
        node: usize,
        on: bool,
    },
    Offline {
        node: usize,
    },
    Order {
        action: &'static str,
    },
    Timed {
        duration_s: u32,
        in_s: Option<i64>,
    },
    Answer {
        nth: usize,
        result: &'static str,
    },
    Cancel {
        nth: usize,
    },
    Acknowledge {
        nth: usize,
    },
    Change {
        rule: usize,
        value: usize,
    },
    Switch {
        rule: usize,
        enabled: bool,
    },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES.len();
    let age_s = prop_oneof![6 => Just(0), 2 => 1..60_i64, 1 => 250..400_i64];
    let results = prop::sample::select(vec!["applied", "applied", "duplicate", "refused"]);
    let actions = prop::sample::select(vec!["on", "off", "toggle"]);
    prop_oneof![
        10 => (node.clone(), 0..VALUES.len(), age_s)
            .prop_map(|(node, value, age_s)| Step::Measure { node, value, age_s }),
        6 => (1..40_i64).prop_map(|s| Step::Pass { s }),
        1 => (300..4_000_i64).prop_map(|s| Step::Pass { s }),
        2 => (node.clone(), any::<bool>()).prop_map(|(node, on)| Step::Online { node, on }),
        1 => node.prop_map(|node| Step::Offline { node }),
        1 => actions.prop_map(|action| Step::Order { action }),
        2 => (1..90_u32, prop::option::of(1..90_i64))
            .prop_map(|(duration_s, in_s)| Step::Timed { duration_s, in_s }),
        3 => (any::<usize>(), results).prop_map(|(nth, result)| Step::Answer { nth, result }),
        1 => any::<usize>().prop_map(|nth| Step::Cancel { nth }),
        2 => any::<usize>().prop_map(|nth| Step::Acknowledge { nth }),
        1 => (0..RULES.len(), 0..VALUES.len() - 1)
            .prop_map(|(rule, value)| Step::Change { rule, value }),
        1 => (0..RULES.len(), any::<bool>())
            .prop_map(|(rule, enabled)| Step::Switch { rule, enabled }),
        5 => Just(Step::Restart),
    ]
}

const RULES: [&str; 3] = [
    r#"{"metric": "temperature", "op": ">", "value": 30, "hysteresis": 1, "hold_s": 30,
        "email": "a@example.org", "command": {"actuator": "led", "action": "on", "duration_s": 20},
        "clear_command": {"actuator": "led", "action": "off"}}"#,
    r#"{"metric": "temperature", "op": ">=", "value": 31, "email": "a@example.org",
        "command": {"actuator": "led", "action": "toggle", "node": "cellar"}}"#,
    r#"{"metric": "temperature", "op": "<", "value": 29, "node": "cellar", "hold_s": 5,
        "email": "a@example.org"}"#,
];

struct Life {
    rig: Rig,
    rules: Vec<String>,
    feed: tokio::sync::broadcast::Receiver<crate::live::LiveEvent>,
    /// Times that each incident was told to begin firing and to be closed.
    told: BTreeMap<String, (u32, u32)>,
    states: BTreeMap<String, IncidentState>,
}

impl Life {
    async fn new() -> Self {
        let mut rig = Rig::new().await;
        rig.link.keeps_connections.store(true, SeqCst);
        let feed = rig.live.subscribe();
        let mut rules = Vec::new();
        for rule in RULES {
            rig.turn_ms(1);
            rules.push(rig.rule(serde_json::from_str(rule).unwrap()).await.id);
        }
        Self {
            rig,
            rules,
            feed,
            told: BTreeMap::new(),
            states: BTreeMap::new(),
        }
    }

    async fn step(&mut self, step: &Step, restarts: bool) {
        // No two steps at the same millisecond, whatever the ages are.
        self.rig.turn_ms(1);
        match *step {
            Step::Measure { node, value, age_s } => {
                let topic = format!("signalbox/{}/telemetry", NODES[node]);
                let values = json!({"temperature": VALUES[value]});
                let body = json!({"samples": [{"age_ms": age_s * 1_000, "values": values}]});
                self.rig.receive(&topic, body).await;
            }
            Step::Pass { s } => self.rig.turn_ms(s * 1_000),
            Step::Online { node, on } => {
                let led = if on { "on" } else { "off" };
                let body = json!({"online": true, "boot": 1, "actuators": {"led": led}});
                let topic = format!("signalbox/{}/status", NODES[node]);
                self.rig.receive(&topic, body).await;
            }
            Step::Offline { node } => {
                let topic = format!("signalbox/{}/status", NODES[node]);
                self.rig.receive(&topic, json!({"online": false})).await;
            }
            Step::Order { .. } | Step::Timed { .. } => self.order(step).await,
            Step::Answer { .. } | Step::Cancel { .. } => self.on_command(step).await,
            Step::Acknowledge { nth } => {
                let ids = self.rig.engine.state.incidents.iter();
                let ids: Vec<_> = ids.map(|incident| incident.id.clone()).collect();
                if !ids.is_empty() {
                    // Of one that is pending it is refused.
                    let _ = self.rig.acknowledge(&ids[nth % ids.len()]).await;
                }
            }
            Step::Change { rule, value } => {
                let patch = json!({"value": VALUES[value]});
                self.rig.patch(&self.rules[rule].clone(), patch).await;
            }
            Step::Switch { rule, enabled } => {
                let patch = json!({"enabled": enabled});
                self.rig.patch(&self.rules[rule].clone(), patch).await;
            }
            Step::Restart if restarts => self.rig.restart().await,
            Step::Restart => {}
        }
        self.rig.tick().await;
        self.listen();
    }

    async fn order(&mut self, step: &Step) {
        let (mut json, actuator) = (json!({"node": "kitchen"}), "led");
        json["actuator"] = actuator.into();
        let by = "anna".to_owned();
        // Refused while the node is not known, and when it has too many.
        match *step {
            Step::Order { action } => {
                json["action"] = action.into();
                let new = serde_json::from_value(json).unwrap();
                let _ = self
                    .rig
                    .ask(|reply| Request::AddCommand { new, by, reply })
                    .await;
            }
            Step::Timed { duration_s, in_s } => {
                json["action"] = "on".into();
                json["duration_s"] = duration_s.into();
                if let Some(s) = in_s {
                    json["at"] = json!(self.rig.now() + chrono::TimeDelta::seconds(s));
                }
                let new = serde_json::from_value(json).unwrap();
                let _ = self
                    .rig
                    .ask(|reply| Request::AddTimedCommand { new, by, reply })
                    .await;
            }
            _ => unreachable!(),
        }
    }

    async fn on_command(&mut self, step: &Step) {
        // Open ones, and some that are done with.
        let all = self.rig.commands().await;
        match *step {
            Step::Answer { nth, result } if !all.is_empty() => {
                let command = &all[nth % all.len()];
                let topic = format!("signalbox/{}/ack", command.node);
                let body = json!({"id": command.id, "result": result, "reason": "no",
                    "actuators": {"led": if nth % 2 == 0 { "on" } else { "off" }}});
                self.rig.receive(&topic, body).await;
            }
            Step::Cancel { nth } if !all.is_empty() => {
                // Refused when it was sent or is done with.
                let _ = self.rig.cancel(&all[nth % all.len()].id.clone()).await;
            }
            _ => {}
        }
    }

    fn listen(&mut self) {
        for event in drain(&mut self.feed) {
            let Event::Incident { incident } = event else {
                continue;
            };
            let told = self.told.entry(incident.id.clone()).or_default();
            let was = self.states.insert(incident.id.clone(), incident.state);
            let fired = |state| !matches!(state, None | Some(IncidentState::Pending));
            if incident.fired_at.is_some() && !fired(was) {
                told.0 += 1;
            }
            if incident.state == IncidentState::Closed {
                assert_ne!(was, Some(IncidentState::Closed), "closed twice");
                told.1 += 1;
            }
        }
    }

    /// Everything that matters of the incidents, without ids and in one order.
    async fn incidents(&self) -> Vec<String> {
        let all = self.rig.incidents().await;
        let mut shown: Vec<_> = all.into_iter().map(|one| self.without_ids(one)).collect();
        shown.sort();
        shown
    }

    fn without_ids(&self, mut incident: Incident) -> String {
        incident.id.clear();
        let rule = self.rules.iter().position(|id| *id == incident.rule);
        incident.rule = format!("{rule:?}");
        format!("{incident:?}")
    }

    /// All commands as they are shown, and what the open ones wait for.
    async fn commands(&self) -> (Vec<String>, Vec<String>) {
        let shown = self.rig.commands().await.into_iter().map(|mut command| {
            command.id.clear();
            command.origin = Origin::Station;
            format!("{command:?}")
        });
        let open = self.rig.store.load().await.unwrap().commands.into_iter();
        let open = open.map(|row| format!("{:?} {:?}", row.verify_off_at, row.deadline_at));
        (shown.collect(), open.collect())
    }

    async fn check(&self) {
        let incidents = self.rig.incidents().await;
        let fired: Vec<_> = incidents.iter().filter(|i| i.fired_at.is_some()).collect();
        for incident in &fired {
            let over = incident.state == IncidentState::Closed;
            assert_eq!(incident.closed_at.is_some(), over);
            assert_eq!(
                self.told[&incident.id],
                (1, u32::from(over)),
                "{incident:?}"
            );
            if let Some(closed) = incident.closed_at {
                assert!(closed >= incident.fired_at.unwrap(), "{incident:?}");
            }
        }
        let never = incidents.iter().filter(|i| i.fired_at.is_none());
        assert!(never.clone().all(|i| i.state == IncidentState::Pending));
        let mut open: Vec<_> = incidents
            .iter()
            .filter(|i| i.state != IncidentState::Closed)
            .map(|i| (&i.rule, &i.node))
            .collect();
        open.sort();
        let n = open.len();
        open.dedup();
        assert_eq!(open.len(), n, "one open incident for a rule and a node");
        let mails = self.rig.mails().await;
        let of = |kind| mails.iter().filter(|mail| mail.mail.kind == kind).count();
        let closed = fired.iter().filter(|i| i.closed_at.is_some()).count();
        assert_eq!(
            (of(MailKind::Firing), of(MailKind::Recovery)),
            (fired.len(), closed)
        );
    }
}

async fn live_twice(steps: &[Step]) {
    let (mut with, mut without) = (Life::new().await, Life::new().await);
    for step in steps {
        with.step(step, true).await;
        without.step(step, false).await;
    }
    assert_eq!(with.incidents().await, without.incidents().await);
    assert_eq!(with.commands().await, without.commands().await);
    with.check().await;
    without.check().await;
}

/// Tries random inputs.
fn check<S, F>(inputs: &S, lives: impl Fn(S::Value) -> F)
where
    S: Strategy,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Handle::current();
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let result = runner.run(inputs, |input| {
        let lived = std::panic::AssertUnwindSafe(|| {
            tokio::task::block_in_place(|| runtime.block_on(lives(input)));
        });
        std::panic::catch_unwind(lived).map_err(|_| TestCaseError::fail("see the assertion above"))
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_at_any_point_changes_nothing() {
    let steps = prop::collection::vec(step(), 1..60);
    check(&steps, |steps| async move { live_twice(&steps).await });
}

/// What was ordered, and the story of the incidents, of readings that come in these batches.
async fn lived_in_batches(readings: &[(i64, usize)], ends: &[bool]) -> (Vec<String>, Vec<String>) {
    let mut life = Life::new().await;
    let body = json!({"online": true, "boot": 1, "actuators": {"led": "off"}});
    life.rig.receive("signalbox/cellar/status", body).await;
    let mut batch = Vec::new();
    for (at, (s, value)) in readings.iter().enumerate() {
        life.rig.turn_ms(s * 1_000 + 1);
        let values = json!({"temperature": VALUES[*value]});
        let body = json!({"samples": [{"age_ms": 0, "values": values}]});
        batch.push(life.rig.message("signalbox/cellar/telemetry", &body));
        if ends[at % ends.len()] || at + 1 == readings.len() {
            life.rig.batch(std::mem::take(&mut batch)).await;
        }
    }
    let commands = life.rig.commands().await.into_iter();
    let commands = commands.map(|one| format!("{} {:?} {:?}", one.node, one.action, one.for_ms));
    let incidents = life.rig.incidents().await.into_iter().map(|mut one| {
        // When the station did something depends on when it heard.
        one.acted_at = one.acted_at.map(|_| one.began_at);
        for step in &mut one.steps {
            step.at = one.began_at;
        }
        life.without_ids(one)
    });
    let mut incidents: Vec<_> = incidents.collect();
    incidents.sort();
    (commands.collect(), incidents)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_do_does_not_depend_on_how_messages_fall_into_batches() {
    // In all, less than what makes a reading history.
    let readings = prop::collection::vec((0..12_i64, 0..VALUES.len()), 1..24);
    let ends = prop::collection::vec(any::<bool>(), 1..24);
    check(&(readings, ends), |(readings, ends)| async move {
        let one_by_one = lived_in_batches(&readings, &[true]).await;
        assert_eq!(lived_in_batches(&readings, &ends).await, one_by_one);
        assert_eq!(lived_in_batches(&readings, &[false]).await, one_by_one);
    });
}
