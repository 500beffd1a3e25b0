//! The engine's task: drain, apply, commit, let the effects out.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use signalbox_protocol::api::{event::Event, message::Outcome};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{
    BATCH_MESSAGES_MAX, EngineInputs, REQUEST_QUEUE_MAX, Request, RequestError,
    draft::Draft,
    heart::Heart,
    requests::Answer,
    state::{Settings, State},
};
use crate::{
    clock::SharedClock,
    config::LiveConfig,
    counters::Counters,
    ingest::{Body, Inbound},
    live::Live,
    logs::Logs,
    mqtt::Link,
    store::{Batch, EngineStore, StoreError},
};

/// Longest sleep: a clock that is set forward is noticed after this.
const TICK_MAX: Duration = Duration::from_secs(1);
/// First and longest pause after a failed commit.
const RETRY_PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// What the engine works with.
pub struct EngineParts {
    /// Where everything goes.
    pub store: Arc<dyn EngineStore>,
    /// The present time.
    pub clock: SharedClock,
    /// Committed changes for listeners.
    pub live: Live,
    /// Takes log lines of nodes.
    pub logs: Logs,
    /// Counters of this run.
    pub counters: Arc<Counters>,
    /// Where commands go.
    pub link: Arc<dyn Link>,
    /// The configuration as it is now.
    pub config: LiveConfig,
    /// Told when a mail was written.
    pub mail_written: Arc<Notify>,
    /// Takes what is wrong with the store (`None` when all is well), for the health route.
    pub trouble: watch::Sender<Option<String>>,
    /// Beats while the task turns, for the watchdog.
    pub heart: Heart,
}

impl std::fmt::Debug for EngineParts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineParts").finish_non_exhaustive()
    }
}

/// The task's own.
pub(super) struct Engine {
    pub(super) parts: EngineParts,
    inputs: EngineInputs,
    pub(super) state: State,
    shutdown: CancellationToken,
    messages_seen: u64,
    /// Commands that say `sent` and may never have reached the link.
    unsure: BTreeSet<String>,
}

/// Loads the state and starts the task. It ends after the shutdown, when it has committed what
/// was in its queues; what comes later is not acknowledged.
///
/// # Errors
/// The store cannot be read.
pub async fn start(
    inputs: EngineInputs,
    parts: EngineParts,
    shutdown: CancellationToken,
) -> Result<JoinHandle<()>, StoreError> {
    let mut engine = Engine::load(inputs, parts, shutdown).await?;
    Ok(tokio::spawn(async move { engine.run().await }))
}

impl Engine {
    pub(super) async fn load(
        inputs: EngineInputs,
        mut parts: EngineParts,
        shutdown: CancellationToken,
    ) -> Result<Self, StoreError> {
        let now = parts.clock.now();
        let mut draft = Draft::default();
        parts.store = parts.heart.around(parts.store);
        let loaded = parts.store.load().await?;
        let settings = Settings::new(&parts.config.borrow());
        let forgets = parts.link.forgets_connections();
        let state = State::new(loaded, settings, forgets, now, &mut draft);
        let batch = draft.batch(&state);
        if !batch.is_empty() {
            parts.store.commit(&batch).await?;
        }
        Ok(Self {
            parts,
            inputs,
            unsure: state.unanswered(),
            state,
            shutdown,
            messages_seen: 0,
        })
    }

    async fn run(&mut self) {
        let mut messages = Vec::with_capacity(BATCH_MESSAGES_MAX);
        let mut requests = Vec::new();
        loop {
            self.parts.heart.beat();
            let wait = self.wait();
            tokio::select! {
                n = self.inputs.inbound.recv_many(&mut messages, BATCH_MESSAGES_MAX) => {
                    if n == 0 { break; }
                }
                n = self.inputs.requests.recv_many(&mut requests, REQUEST_QUEUE_MAX) => {
                    if n == 0 { break; }
                }
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.cancelled() => break,
            }
            let heart = self.parts.heart.clone();
            heart
                .during(self.gather(&mut messages, &mut requests))
                .await;
            self.drain(&mut messages, &mut requests);
            self.turn(&mut messages, &mut requests).await;
        }
        self.inputs.inbound.close();
        self.inputs.requests.close();
        self.finish(messages, requests).await;
    }

    /// Waits for more measurements, so that one commit takes more of them along, for as long as
    /// the configuration allows (by default not at all). Whoever asks for something, an answer to
    /// a command, a deadline and a full batch end the wait.
    async fn gather(&mut self, messages: &mut Vec<Inbound>, requests: &mut Vec<Request>) {
        let interval_ms = self.parts.config.borrow().store.commit_interval_ms_max;
        if interval_ms == 0 || messages.is_empty() {
            return;
        }
        let interval = Duration::from_millis(interval_ms.into());
        let until = Instant::now() + self.due().map_or(interval, |due| due.min(interval));
        let mut looked_at = 0;
        while requests.is_empty()
            && messages.len() < BATCH_MESSAGES_MAX
            && messages[looked_at..].iter().all(can_wait)
        {
            looked_at = messages.len();
            let room = BATCH_MESSAGES_MAX - messages.len();
            let n = tokio::select! {
                n = self.inputs.inbound.recv_many(messages, room) => n,
                n = self.inputs.requests.recv_many(requests, REQUEST_QUEUE_MAX) => n,
                () = tokio::time::sleep_until(until) => 0,
                () = self.shutdown.cancelled() => 0,
            };
            if n == 0 {
                return;
            }
        }
    }

    /// What came in while the last batch was committed goes into the next one; nobody waits for
    /// a timer.
    fn drain(&mut self, messages: &mut Vec<Inbound>, requests: &mut Vec<Request>) {
        while messages.len() < BATCH_MESSAGES_MAX
            && let Ok(message) = self.inputs.inbound.try_recv()
        {
            messages.push(message);
        }
        while requests.len() < REQUEST_QUEUE_MAX
            && let Ok(request) = self.inputs.requests.try_recv()
        {
            requests.push(request);
        }
    }

    async fn finish(&mut self, mut messages: Vec<Inbound>, mut requests: Vec<Request>) {
        loop {
            self.drain(&mut messages, &mut requests);
            if messages.is_empty() && requests.is_empty() {
                return;
            }
            self.turn(&mut messages, &mut requests).await;
        }
    }

    /// Until the next tick.
    fn wait(&self) -> Duration {
        self.due().map_or(TICK_MAX, |due| due.min(TICK_MAX))
    }

    /// Until the next deadline, if there is one.
    fn due(&self) -> Option<Duration> {
        let next = [
            self.state.next_fire(),
            self.state.next_command_at(),
            self.state.next_run_at(),
            self.state.next_silence_at(),
            self.state.next_ack_over(),
        ];
        let now = self.parts.clock.now();
        next.into_iter()
            .flatten()
            .map(|at| (at - now).to_std().unwrap_or(Duration::ZERO))
            .min()
    }

    /// One transaction. When it fails, messages are kept and applied again to the state as the
    /// store has it; requests are told, because somebody waits for them.
    pub(super) async fn turn(&mut self, messages: &mut Vec<Inbound>, requests: &mut Vec<Request>) {
        let mut pause = RETRY_PAUSE.0;
        if self.parts.config.has_changed().unwrap_or(false) {
            self.state.settings = Settings::new(&self.parts.config.borrow_and_update());
        }
        loop {
            let now = self.parts.clock.now();
            let mut draft = Draft::default();
            let answers = self.apply(messages, requests, now, &mut draft);
            let batch = draft.batch(&self.state);
            let result = if batch.is_empty() {
                Ok(0)
            } else {
                self.commit(&batch).await
            };
            match result {
                Ok(stored) => {
                    self.parts
                        .trouble
                        .send_if_modified(|trouble| trouble.take().is_some());
                    self.count(stored, &draft);
                    self.let_out(messages, answers, &mut draft, &batch, now)
                        .await;
                    return;
                }
                Err(error) => {
                    let reason = error.to_string();
                    for answer in answers {
                        let reason = reason.clone();
                        answer(Some(RequestError::Unavailable { reason }));
                    }
                    // The store may have taken the batch and failed to say so.
                    self.unsure.extend(draft.publish);
                    tracing::error!(%error, messages = messages.len(), "a batch could not be stored; it is kept and tried again");
                    self.parts.trouble.send_replace(Some(reason));
                    if self.reload(&mut pause).await {
                        continue;
                    }
                    messages.clear();
                    return;
                }
            }
        }
    }

    pub(super) fn apply(
        &mut self,
        messages: &[Inbound],
        requests: &mut Vec<Request>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Vec<Answer> {
        // First, so that what fires now meets the silences of now.
        self.state.turn_silences(now, draft);
        for message in messages {
            self.state.message(message, now, draft);
        }
        let answers = requests
            .drain(..)
            .map(|request| self.state.request(request, now, draft))
            .collect();
        self.state.fire_due(now, draft);
        self.state.end_acks(now, draft);
        self.state.run_schedules(now, draft);
        self.state.move_commands(now, draft);
        self.state
            .send_again(std::mem::take(&mut self.unsure), draft);
        answers
    }

    async fn commit(&self, batch: &Batch) -> Result<u64, StoreError> {
        let committed = self.parts.store.commit(batch).await?;
        Counters::add(&self.parts.counters.commits, 1);
        Ok(committed.samples_stored)
    }

    /// Waits and loads until it works; false when the station stops meanwhile.
    async fn reload(&mut self, pause: &mut Duration) -> bool {
        loop {
            let heart = self.parts.heart.clone();
            if !heart.during(self.sit_out(*pause)).await {
                return false;
            }
            *pause = (*pause * 2).min(RETRY_PAUSE.1);
            match self.parts.store.load().await {
                Ok(loaded) => {
                    let now = self.parts.clock.now();
                    let settings = self.state.settings;
                    let speaks = self.state.speaks;
                    self.state = State::new(loaded, settings, false, now, &mut Draft::default());
                    self.state.speaks = speaks;
                    return true;
                }
                Err(error) => {
                    tracing::error!(%error, "the state could not be loaded");
                    self.parts.trouble.send_replace(Some(error.to_string()));
                }
            }
        }
    }

    /// Waits, and meanwhile refuses whatever is asked for: a person must not hang on a store that
    /// is away. False when the station stops.
    async fn sit_out(&mut self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut asked = true;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return true,
                () = self.shutdown.cancelled() => return false,
                request = self.inputs.requests.recv(), if asked => match request {
                    Some(request) => {
                        let reason = self.parts.trouble.borrow().clone();
                        request.refuse(RequestError::Unavailable {
                            reason: reason.unwrap_or_else(|| "the store is away".to_owned()),
                        });
                    }
                    None => asked = false,
                },
            }
        }
    }

    fn count(&self, stored: u64, draft: &Draft) {
        let counters = &self.parts.counters;
        Counters::add(&counters.messages_received, draft.messages.len() as u64);
        Counters::add(&counters.samples_stored, stored);
        Counters::add(&counters.duplicates, draft.duplicates);
        Counters::add(&counters.flagged_samples, draft.flagged);
        let bad = draft
            .messages
            .iter()
            .filter(|m| m.outcome == Outcome::Bad)
            .count();
        Counters::add(&counters.bad_messages, bad as u64);
    }

    /// After the commit: acknowledgements first, then commands, answers, events, mails.
    async fn let_out(
        &mut self,
        messages: &mut Vec<Inbound>,
        answers: Vec<Answer>,
        draft: &mut Draft,
        batch: &Batch,
        now: DateTime<Utc>,
    ) {
        for message in messages.drain(..) {
            if let Some(done) = message.done {
                // The client may have gone away meanwhile.
                let _ = done.send(());
            }
        }
        let failed = self.publish(draft, now).await;
        for answer in answers {
            answer(None);
        }
        for mut message in std::mem::take(&mut draft.messages) {
            self.messages_seen += 1;
            message.id = self.messages_seen;
            self.parts.live.publish(Event::Message { message });
        }
        let watched = self.parts.live.is_watched();
        for log in std::mem::take(&mut draft.logs) {
            self.parts.logs.take(log);
        }
        let events = draft.events(&self.state, batch, now, watched);
        let taken_back = failed.events(&self.state, &Batch::default(), now, watched);
        for event in events.into_iter().chain(taken_back) {
            self.parts.live.publish(event);
        }
        if !batch.mails.is_empty() {
            self.parts.mail_written.notify_one();
        }
    }
}

/// Whether nobody is kept waiting when the message is committed a little later: a measurement is
/// only acknowledged later, but an answer or a status tells somebody where a command stands.
const fn can_wait(message: &Inbound) -> bool {
    matches!(message.body, Ok(Body::Telemetry(_)) | Err(_))
}
