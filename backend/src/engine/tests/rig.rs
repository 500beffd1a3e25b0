//! An engine that a test drives step by step: real store, decoder and live feed; a clock that
//! the test turns, a link that records, and both can fail.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::SeqCst},
};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use signalbox_protocol::api::{
    command::{Command, CommandQuery, NewCommand, NewTimedCommand},
    event::Event,
    incident::{Incident, IncidentQuery},
    message::Outcome,
    node::{ActuatorState, Node},
    rule::{NewRule, Rule, RulePatch},
    silence::Silence,
};
use tokio::sync::{Notify, broadcast, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::fakes::{FlakyStore, RecordingLink, TurnedClock};
use crate::{
    clock::Clock as _,
    config::Config,
    counters::Counters,
    engine::{EngineHandle, EngineParts, Reply, Request, RequestError, channel, run::Engine},
    ingest::{Decoder, Inbound, head_of},
    live::{Live, LiveEvent},
    logs::Logs,
    store::{Mail, OutboxStore as _, SampleFilter, SampleStore as _, StateStore as _, sqlite},
};

/// 2026-11-21 08:00 UTC.
pub(super) const T0: i64 = 1_795_248_000;

/// The start that messages belong to whose number is of no concern.
const OTHER_BOOT: u32 = 4_000_000;

pub(super) fn at_s(s: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(T0 + s, 0).unwrap()
}

pub(super) struct Rig {
    pub(super) clock: Arc<TurnedClock>,
    pub(super) link: Arc<RecordingLink>,
    pub(super) store: Arc<FlakyStore>,
    pub(super) counters: Arc<Counters>,
    pub(super) live: Live,
    pub(super) engine: Engine,
    pub(super) handle: EngineHandle,
    pub(super) stop: CancellationToken,
    decoder: Decoder,
    pub(super) config: watch::Sender<Arc<Config>>,
    numbers: AtomicU32,
    _dir: tempfile::TempDir,
}

fn config(mail: bool) -> Config {
    let mut config = Config::default();
    if mail {
        let json = json!({"host": "mail.example.org", "from": "box@example.org"});
        config.mail = Some(serde_json::from_value(json).unwrap());
    }
    config.command.tz = chrono_tz::Europe::Paris;
    config
}

impl Rig {
    /// With mail configured.
    pub(super) async fn new() -> Self {
        Self::with(config(true)).await
    }

    pub(super) async fn without_mail() -> Self {
        Self::with(config(false)).await
    }

    /// Measurements may wait this long for others.
    pub(super) async fn with_commit_interval_ms(interval_ms: u32) -> Self {
        let mut config = config(false);
        config.store.commit_interval_ms_max = interval_ms;
        Self::with(config).await
    }

    async fn with(config: Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let real = sqlite::open(&dir.path().join("test.db")).await.unwrap();
        let store = Arc::new(FlakyStore::new(real));
        let clock = Arc::new(TurnedClock::new(at_s(0)));
        let (link, counters) = (Arc::default(), Arc::default());
        let live = Live::default();
        let decoder = Decoder::new(&config).unwrap();
        let config = watch::Sender::new(Arc::new(config));
        let parts = parts(&store, &clock, &link, &counters, &live, &config);
        let (handle, inputs) = channel();
        let stop = CancellationToken::new();
        let engine = Engine::load(inputs, parts, stop.clone()).await.unwrap();
        Self {
            clock,
            link,
            store,
            counters,
            live,
            engine,
            handle,
            stop,
            decoder,
            config,
            numbers: AtomicU32::new(1),
            _dir: dir,
        }
    }

    /// Parts of an engine on the same store.
    pub(super) fn parts(&self) -> EngineParts {
        parts(
            &self.store,
            &self.clock,
            &self.link,
            &self.counters,
            &self.live,
            &self.config,
        )
    }

    /// A kill and a new start: the engine knows what the store has, and nothing else.
    pub(super) async fn restart(&mut self) {
        let (handle, inputs) = channel();
        self.stop = CancellationToken::new();
        let load = Engine::load(inputs, self.parts(), self.stop.clone());
        self.engine = load.await.unwrap();
        self.handle = handle;
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(super) fn turn_ms(&self, ms: i64) {
        self.clock.turn_ms(ms);
    }

    /// Time passes, and the engine notices.
    pub(super) async fn pass_s(&mut self, s: i64) {
        self.turn_ms(s * 1_000);
        self.tick().await;
    }

    pub(super) async fn tick(&mut self) {
        self.engine.turn(&mut Vec::new(), &mut Vec::new()).await;
    }

    /// A message as it arrives now. Telemetry without a number gets a fresh one.
    pub(super) fn message(&self, topic: &str, body: &Value) -> Inbound {
        let mut body = body.clone();
        if body["samples"].is_array() && body["boot"].is_null() {
            body["boot"] = OTHER_BOOT.into();
            body["seq"] = self.numbers.fetch_add(1, SeqCst).into();
        }
        let payload = serde_json::to_vec(&body).unwrap();
        let received_at = self.now();
        Inbound {
            received_at,
            topic: topic.to_owned(),
            payload_bytes: payload.len(),
            head: head_of(&payload),
            body: self.decoder.decode(topic, &payload, false, received_at),
            done: None,
        }
    }

    /// Messages of one batch; what became of each.
    pub(super) async fn batch(&mut self, messages: Vec<Inbound>) -> Vec<Outcome> {
        let n = messages.len();
        let mut messages = messages;
        self.engine.turn(&mut messages, &mut Vec::new()).await;
        let recent = self.live.recent_messages(n);
        recent.iter().rev().map(|message| message.outcome).collect()
    }

    pub(super) async fn receive(&mut self, topic: &str, body: Value) -> Outcome {
        let message = self.message(topic, &body);
        self.batch(vec![message]).await[0]
    }

    /// One value of `kitchen`, measured now.
    pub(super) async fn measure(&mut self, metric: &str, value: f64) {
        let body = json!({"samples": [{"age_ms": 0, "values": {metric: value}}]});
        let outcome = self.receive("signalbox/kitchen/telemetry", body).await;
        assert_eq!(outcome, Outcome::Stored);
    }

    /// The node `kitchen` says that it is there.
    pub(super) async fn online(&mut self, actuators: Value) {
        let body = json!({"online": true, "boot": 1, "actuators": actuators});
        self.receive("signalbox/kitchen/status", body).await;
    }

    pub(super) async fn offline(&mut self) {
        let body = json!({"online": false});
        self.receive("signalbox/kitchen/status", body).await;
    }

    /// The node `kitchen` answers; `more` adds to `id` and `result`.
    pub(super) async fn ack(&mut self, id: &str, result: &str, more: Value) -> Outcome {
        let mut body = json!({"id": id, "result": result, "actuators": {}});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.receive("signalbox/kitchen/ack", body).await
    }

    pub(super) async fn ask<T>(
        &mut self,
        make: impl FnOnce(Reply<T>) -> Request,
    ) -> Result<T, RequestError> {
        let (reply, mut answer) = oneshot::channel();
        let mut requests = vec![make(reply)];
        self.engine.turn(&mut Vec::new(), &mut requests).await;
        answer.try_recv().unwrap()
    }

    pub(super) async fn rule(&mut self, json: Value) -> Rule {
        let new: NewRule = serde_json::from_value(json).unwrap();
        let by = "anna".to_owned();
        self.ask(|reply| Request::AddRule { new, by, reply })
            .await
            .unwrap()
    }

    pub(super) async fn patch(&mut self, id: &str, json: Value) -> Rule {
        let patch: RulePatch = serde_json::from_value(json).unwrap();
        let (id, by) = (id.to_owned(), "anna".to_owned());
        let make = |reply| Request::PatchRule {
            id,
            patch,
            by,
            reply,
        };
        self.ask(make).await.unwrap()
    }

    pub(super) async fn acknowledge(&mut self, id: &str) -> Result<Incident, RequestError> {
        self.acknowledge_with(id, json!({})).await
    }

    pub(super) async fn acknowledge_with(
        &mut self,
        id: &str,
        body: Value,
    ) -> Result<Incident, RequestError> {
        let (id, by) = (id.to_owned(), "anna".to_owned());
        let ack = serde_json::from_value(body).unwrap();
        let make = |reply| Request::AckIncident { id, ack, by, reply };
        self.ask(make).await
    }

    pub(super) async fn silence(&mut self, body: Value) -> Silence {
        let new = serde_json::from_value(body).unwrap();
        let by = "anna".to_owned();
        self.ask(|reply| Request::AddSilence { new, by, reply })
            .await
            .unwrap()
    }

    pub(super) async fn end_silence(&mut self, id: &str) -> Result<Silence, RequestError> {
        let (id, by) = (id.to_owned(), "ben".to_owned());
        self.ask(|reply| Request::EndSilence { id, by, reply })
            .await
    }

    /// `on`, `off` or `toggle` for the led of `kitchen`.
    pub(super) async fn order(&mut self, action: &str) -> Command {
        let json = json!({"node": "kitchen", "actuator": "led", "action": action});
        let new: NewCommand = serde_json::from_value(json).unwrap();
        let by = "anna".to_owned();
        self.ask(|reply| Request::AddCommand { new, by, reply })
            .await
            .unwrap()
    }

    /// A timed order for the led of `kitchen`; its id.
    pub(super) async fn timed(&mut self, action: &str, more: Value) -> String {
        let mut json = json!({"node": "kitchen", "actuator": "led", "action": action});
        for (key, value) in more.as_object().unwrap() {
            json[key] = value.clone();
        }
        let new: NewTimedCommand = serde_json::from_value(json).unwrap();
        let by = "anna".to_owned();
        let accepted = self.ask(|reply| Request::AddTimedCommand { new, by, reply });
        accepted.await.unwrap().id
    }

    pub(super) async fn cancel(&mut self, id: &str) -> Result<Command, RequestError> {
        let (id, by) = (id.to_owned(), "anna".to_owned());
        self.ask(|reply| Request::CancelCommand { id, by, reply })
            .await
    }

    pub(super) async fn command(&self, id: &str) -> Command {
        self.store.real.command(id).await.unwrap().unwrap()
    }

    /// Oldest first.
    pub(super) async fn commands(&self) -> Vec<Command> {
        let query = CommandQuery {
            limit: Some(10_000),
            ..CommandQuery::default()
        };
        let mut all = self.store.real.commands(&query).await.unwrap().commands;
        all.reverse();
        all
    }

    /// Oldest first.
    pub(super) async fn incidents(&self) -> Vec<Incident> {
        let query = IncidentQuery {
            limit: Some(10_000),
            ..IncidentQuery::default()
        };
        let mut all = self.store.real.incidents(&query).await.unwrap().incidents;
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// The only incident there is.
    pub(super) async fn incident(&self) -> Incident {
        let mut all = self.incidents().await;
        assert_eq!(all.len(), 1, "{all:#?}");
        all.remove(0)
    }

    /// Oldest first.
    pub(super) async fn mails(&self) -> Vec<Mail> {
        let mut all = self.store.real.mails(None, 10_000).await.unwrap();
        all.sort_by(|a, b| a.mail.id.cmp(&b.mail.id));
        all
    }

    pub(super) async fn samples(&self) -> Vec<(i64, f64)> {
        let filter = SampleFilter::default();
        let (rows, _) = self.store.real.page(&filter, None, 10_000).await.unwrap();
        rows.iter()
            .map(|row| ((row.ts - at_s(0)).num_milliseconds(), row.value))
            .collect()
    }

    pub(super) async fn kitchen(&self) -> Node {
        let node = self.store.real.node("kitchen", self.now()).await;
        node.unwrap().unwrap()
    }

    /// Reported and desired state of the led of `kitchen`.
    pub(super) async fn led(&self) -> (Option<ActuatorState>, Option<ActuatorState>) {
        let led = &self.kitchen().await.actuators["led"];
        (led.reported, led.desired)
    }
}

/// All events that wait.
pub(super) fn drain(feed: &mut broadcast::Receiver<LiveEvent>) -> Vec<Event> {
    std::iter::from_fn(|| feed.try_recv().ok())
        .map(|event| Event::clone(&event.event))
        .collect()
}

fn parts(
    store: &Arc<FlakyStore>,
    clock: &Arc<TurnedClock>,
    link: &Arc<RecordingLink>,
    counters: &Arc<Counters>,
    live: &Live,
    config: &watch::Sender<Arc<Config>>,
) -> EngineParts {
    EngineParts {
        store: store.clone(),
        clock: clock.clone(),
        live: live.clone(),
        logs: Logs::start(std::path::PathBuf::new(), Live::default()),
        counters: counters.clone(),
        link: link.clone(),
        config: config.subscribe(),
        mail_written: Arc::new(Notify::new()),
        trouble: watch::Sender::new(None),
        heart: Default::default(),
    }
}
