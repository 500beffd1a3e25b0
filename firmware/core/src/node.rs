//! A node: what was measured goes out, commands come in.

use heapless::{String, Vec};
use signalbox_protocol::{
    limits::{ACTUATORS_MAX, FIRMWARE_BYTES_MAX},
    payload::{
        DecodeError, Encoding, Id, Name,
        command::Command,
        config::LogLevel,
        status::{StartedBy, Status},
    },
    topic::{self, TopicName},
};

use crate::{
    backoff::Backoff,
    config::{self, Settings},
    logs,
    outbox::Outbox,
    report::{METRICS_MAX, MetricOptions, Reporter},
    switches::{ActuatorOptions, Refusal, Saved, SavedRef, Switches},
};

/// The status goes out at least this often.
pub const STATUS_INTERVAL_MS: u64 = 300_000;

/// Smallest buffer for messages: a status or an ack with the longest names, and readings in
/// smaller parts.
pub const BUFFER_BYTES_MIN: usize = 1_024;

/// Memory for readings that keeps more than a thousand samples: a value alone takes 6 bytes, three
/// of one time 10.
pub const READINGS_BYTES: usize = 7_168;

/// What a node is.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Its name.
    pub name: Name,
    /// Firmware version.
    pub firmware: String<FIRMWARE_BYTES_MAX>,
    /// Takes no configuration: too many starts have failed, perhaps because of one.
    pub safe_mode: bool,
    /// What it measures, by position.
    pub metrics: Vec<MetricOptions, METRICS_MAX>,
    /// What it switches, by position.
    pub actuators: Vec<ActuatorOptions, ACTUATORS_MAX>,
    /// Time between two readings.
    pub interval_ms: u64,
    /// A value is reported at least this often.
    pub heartbeat_ms: u64,
    /// How messages are written.
    pub encoding: Encoding,
}

impl NodeOptions {
    const fn unset() -> Self {
        Self {
            name: Name::new(),
            firmware: String::new(),
            safe_mode: false,
            metrics: Vec::new(),
            actuators: Vec::new(),
            interval_ms: 0,
            heartbeat_ms: 0,
            encoding: Encoding::Protobuf,
        }
    }
}

/// What a message is, for [`Node::acknowledged`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Status.
    Status,
    /// Answer to a command.
    Ack,
    /// Readings.
    Telemetry,
}

/// A message to publish with QoS 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// What it is.
    pub kind: Kind,
    /// Where it goes.
    pub topic: TopicName,
    /// Its bytes.
    pub payload: &'a [u8],
    /// Whether the broker keeps it.
    pub retain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StatusState {
    Due,
    UnderWay { due_again: bool },
    Sent,
}

/// A node; it keeps readings in its memory `M` (an array, a box, a borrowed slice) while it is
/// offline, about 10 bytes for each.
#[derive(Debug)]
pub struct Node<M> {
    options: NodeOptions,
    boot: u32,
    started_ms: u64,
    connected: bool,
    next_sample_ms: u64,
    /// A sensor has not answered and is asked again; not before.
    again_ms: u64,
    status: StatusState,
    status_at_ms: u64,
    /// Whether this connection has carried a status yet; it comes before everything else.
    introduced: bool,
    rssi_dbm: Option<i16>,
    started_by: Option<StartedBy>,
    settings: Settings,
    reporter: Reporter,
    outbox: Outbox<M>,
    switches: Switches,
    backoff: Backoff,
    bad_commands: u32,
}

impl<M: AsRef<[u8]> + AsMut<[u8]>> Node<M> {
    /// A node that has just started. `memory` is for readings. `boot` differs from every earlier start's. `saved` is what
    /// [`Node::saved`] gave before a reset; after a power cut there is none, and each actuator is
    /// what it is to be then.
    /// `seed` spreads its attempts to connect.
    ///
    /// # Panics
    /// The memory has less than [`crate::READING_BYTES_MAX`] bytes.
    #[must_use]
    pub fn new(
        options: NodeOptions,
        memory: M,
        boot: u32,
        saved: Option<&Saved>,
        seed: u32,
        now_ms: u64,
    ) -> Self {
        let mut node = Self::unset(memory);
        *node.options() = options;
        node.set_up(boot, saved, seed, now_ms);
        node
    }

    /// A node that is nobody yet, for a place where it stays: a small machine's stack has no room
    /// for the copies that a move makes. Then come [`Node::options`], to be filled in, and
    /// [`Node::set_up`].
    ///
    /// # Panics
    /// The memory has less than [`crate::READING_BYTES_MAX`] bytes.
    #[must_use]
    pub fn unset(memory: M) -> Self {
        Self {
            boot: 0,
            started_ms: 0,
            connected: false,
            next_sample_ms: 0,
            again_ms: 0,
            status: StatusState::Due,
            status_at_ms: 0,
            introduced: false,
            rssi_dbm: None,
            started_by: None,
            settings: Settings::unset(),
            reporter: Reporter::new(),
            outbox: Outbox::new(memory),
            switches: Switches::unset(),
            backoff: Backoff::new(0, 0),
            bad_commands: 0,
            options: NodeOptions::unset(),
        }
    }

    /// What the node is; read by [`Node::set_up`], and not to be changed later.
    pub const fn options(&mut self) -> &mut NodeOptions {
        &mut self.options
    }

    /// Begins, with what [`Node::new`] takes.
    pub fn set_up(&mut self, boot: u32, saved: Option<&Saved>, seed: u32, now_ms: u64) {
        self.boot = boot;
        self.started_ms = now_ms;
        self.next_sample_ms = now_ms;
        self.again_ms = now_ms;
        self.status_at_ms = now_ms;
        self.settings.reset(&self.options);
        self.switches.set_up(&self.options.actuators, saved, now_ms);
        self.backoff = Backoff::new(seed, now_ms);
    }

    /// Whether it is time for a reading.
    #[must_use]
    pub fn sample_due(&self, now_ms: u64) -> bool {
        self.sample_ms() <= now_ms
    }

    fn sample_ms(&self) -> u64 {
        self.next_sample_ms.max(self.again_ms)
    }

    /// The reading that is due has to wait until then.
    pub fn sample_again(&mut self, at_ms: u64) {
        self.again_ms = at_ms;
    }

    /// Takes a reading, by position of the metric; what could not be measured is `None`.
    pub fn reading(&mut self, values: &[Option<f32>], now_ms: u64) {
        let tunings = &self.settings.tunings;
        let values = config::calibrate(values, &self.options.metrics, tunings);
        if let Some(worth) = self.reporter.worth(&values, tunings, now_ms) {
            self.outbox.push(now_ms, &worth);
        }
        // Kept in step with the start; a long pause is not made up for.
        let interval_ms = self.settings.interval_ms;
        let missed = now_ms.saturating_sub(self.next_sample_ms) / interval_ms;
        self.next_sample_ms += (missed + 1) * interval_ms;
    }

    /// Takes a command's payload. What cannot be read is counted, and refused when at least its
    /// id can be read. When the command was executed, its id, to be remembered before the next
    /// message goes out.
    #[inline(never)] // Else its frame would lie under that of the network: 80 KiB is little.
    pub fn command(&mut self, payload: &[u8], now_ms: u64) -> Option<Id> {
        match Command::decode(payload) {
            Ok(command) => {
                if self.switches.execute(&command, now_ms) {
                    // The ack tells the station; the status tells who comes later.
                    self.need_status();
                    return self.switches.last_executed().cloned();
                }
            }
            Err(error) => {
                self.bad_commands = self.bad_commands.saturating_add(1);
                if let Some(id) = Command::id_of(payload) {
                    self.switches.refuse(id, refusal(&error));
                }
            }
        }
        None
    }

    /// Takes a configuration's payload; it holds whole, or not at all, and the status tells. True
    /// when it is another one than before, and is to be kept for [`Node::begin_with`].
    #[inline(never)] // Else its frame would lie under that of the network: 80 KiB is little.
    pub fn configure(&mut self, payload: &[u8], now_ms: u64) -> bool {
        // An empty one is the broker's way to say that there is none any more.
        if payload.is_empty() {
            return false;
        }
        let (version, refused) = (self.settings.version, self.settings.refused.clone());
        let is_new = self.settings.take(payload, &self.options);
        logs::want(self.settings.log);
        match (&self.settings.refused, self.settings.version) {
            (Some(why), _) if self.settings.refused != refused => {
                log!(
                    warn,
                    "configuration {=u32} refused: {=str}",
                    why.version,
                    why.reason.as_str()
                );
            }
            (_, Some(version)) if is_new => log!(info, "configuration {=u32} holds", version),
            _ => {}
        }
        if is_new {
            self.next_sample_ms = now_ms;
        }
        if (version, &refused) != (self.settings.version, &self.settings.refused) {
            self.need_status();
        }
        is_new
    }

    /// Begins with the configuration that was kept. What is left of one that this program does not
    /// take is told like any other.
    pub fn begin_with(&mut self, payload: &[u8]) {
        self.settings.take(payload, &self.options);
    }

    /// From which weight on the log is wanted.
    #[must_use]
    pub const fn log_level(&self) -> LogLevel {
        self.settings.log
    }

    /// Time between two readings.
    #[must_use]
    pub const fn interval_ms(&self) -> u64 {
        self.settings.interval_ms
    }

    /// Takes note of a command that the broker had retained. The station retains none: it is old
    /// or from somebody else, and is counted and not executed.
    pub fn retained_command(&mut self) {
        log!(warn, "command refused: it was retained");
        self.bad_commands = self.bad_commands.saturating_add(1);
    }

    /// Takes note of a command that was too long to be read.
    pub fn unreadable_command(&mut self) {
        log!(warn, "command refused: it is too long");
        self.bad_commands = self.bad_commands.saturating_add(1);
    }

    /// Why it started, for every status.
    pub fn set_started_by(&mut self, started_by: Option<StartedBy>) {
        self.started_by = started_by;
    }

    /// Signal strength for the next status.
    pub fn set_rssi_dbm(&mut self, rssi_dbm: i16) {
        self.rssi_dbm = Some(rssi_dbm);
    }

    /// Switches off what is due.
    pub fn tick(&mut self, now_ms: u64) {
        if self.switches.tick(now_ms) {
            self.need_status();
        }
        if self.status == StatusState::Sent && self.status_at_ms + STATUS_INTERVAL_MS <= now_ms {
            self.status = StatusState::Due;
        }
    }

    fn need_status(&mut self) {
        self.status = match self.status {
            StatusState::UnderWay { .. } => StatusState::UnderWay { due_again: true },
            StatusState::Due | StatusState::Sent => StatusState::Due,
        };
    }

    /// When to connect, with [`offline`] as last will; nothing while the connection stands.
    #[must_use]
    pub fn connect_at_ms(&self) -> Option<u64> {
        (!self.connected).then_some(self.backoff.at_ms)
    }

    /// Whether to connect now.
    #[must_use]
    pub fn connect_due(&self, now_ms: u64) -> bool {
        self.connect_at_ms().is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// The connection stands, and the subscription to [`topic::command`] is asked for: a command
    /// that waits comes as soon as the status is there.
    pub fn connected(&mut self) {
        self.connected = true;
        self.introduced = false;
        self.status = StatusState::Due;
    }

    /// The connection broke, or could not be made.
    pub fn disconnected(&mut self, now_ms: u64) {
        self.connected = false;
        self.outbox.disconnected();
        self.switches.disconnected();
        self.backoff.failed(now_ms);
    }

    /// When to call [`Node::tick`] or [`Node::reading`], at the latest.
    #[must_use]
    pub fn next_wake_ms(&self) -> u64 {
        // A status that waits for its PUBACK is not due again before that.
        let status_ms = (self.connected && self.status == StatusState::Sent)
            .then_some(self.status_at_ms + STATUS_INTERVAL_MS);
        [status_ms, self.switches.next_off_ms()]
            .into_iter()
            .flatten()
            .fold(self.sample_ms(), u64::min)
    }

    /// Whether [`Node::next_publish`] has something.
    #[must_use]
    pub fn publish_ready(&self) -> bool {
        let status = self.status == StatusState::Due;
        self.connected && (status || self.switches.ack_ready() || self.outbox.ready())
    }

    /// The next message to publish, written into the buffer (at least [`BUFFER_BYTES_MIN`]):
    /// the first status of a connection, acks, a later status, readings, in this order. It is
    /// under way until [`Node::acknowledged`] or [`Node::disconnected`].
    #[inline(never)] // Else its frame would lie under that of the network: 80 KiB is little.
    pub fn next_publish<'a>(&mut self, buffer: &'a mut [u8], now_ms: u64) -> Option<Publish<'a>> {
        if !self.connected {
            return None;
        }
        let encoding = self.options.encoding;
        let answers_first = self.introduced && self.switches.ack_ready();
        let (kind, len) = if self.status == StatusState::Due && !answers_first {
            self.introduced = true;
            self.status = StatusState::UnderWay { due_again: false };
            self.status_at_ms = now_ms;
            (Kind::Status, self.write_status(now_ms, buffer)?)
        } else if self.switches.ack_ready() {
            (Kind::Ack, self.write_ack(now_ms, buffer)?)
        } else {
            let metrics = &self.options.metrics;
            let written = self
                .outbox
                .write(self.boot, metrics, encoding, now_ms, buffer);
            (Kind::Telemetry, written?)
        };
        let name = &self.options.name;
        Some(Publish {
            kind,
            topic: match kind {
                Kind::Status => topic::status(name),
                Kind::Ack => topic::ack(name),
                Kind::Telemetry => topic::telemetry(name),
            },
            payload: &buffer[..len],
            retain: kind == Kind::Status,
        })
    }

    #[inline(never)] // Else its frame would lie under that of readings.
    fn write_ack(&mut self, now_ms: u64, buffer: &mut [u8]) -> Option<usize> {
        let ack = self.switches.next_ack(now_ms)?;
        ack.encode(self.options.encoding, buffer).ok()
    }

    #[inline(never)] // Else its frame would lie under that of readings.
    fn write_status(&self, now_ms: u64, buffer: &mut [u8]) -> Option<usize> {
        let status = self.own_status(now_ms);
        status.encode(self.options.encoding, buffer).ok()
    }

    fn own_status(&self, now_ms: u64) -> Status {
        let uptime_s = now_ms.saturating_sub(self.started_ms) / 1_000;
        Status {
            online: true,
            boot: Some(self.boot),
            firmware: Some(self.options.firmware.clone()),
            actuators: self.switches.states(),
            uptime_s: Some(u32::try_from(uptime_s).unwrap_or(u32::MAX)),
            rssi_dbm: self.rssi_dbm,
            config: self.settings.version,
            config_refused: self.settings.refused.clone(),
            started_by: self.started_by,
        }
    }

    /// The oldest message of this kind that is under way has its PUBACK.
    pub fn acknowledged(&mut self, kind: Kind) {
        // Not before: a broker that lets a node in and throws it out again, as with two nodes of
        // one name, is no success.
        self.backoff.succeeded();
        match kind {
            Kind::Status => {
                self.status = match self.status {
                    StatusState::UnderWay { due_again: true } | StatusState::Due => {
                        StatusState::Due
                    }
                    StatusState::UnderWay { due_again: false } | StatusState::Sent => {
                        StatusState::Sent
                    }
                };
            }
            Kind::Ack => self.switches.ack_acknowledged(),
            Kind::Telemetry => self.outbox.acknowledged(),
        }
    }

    /// How many actuators it has.
    #[must_use]
    pub fn actuators(&self) -> usize {
        self.options.actuators.len()
    }

    /// Whether the actuator at this position is on.
    #[must_use]
    pub fn is_on(&self, actuator: usize) -> bool {
        self.switches.is_on(actuator)
    }

    /// Actuators and off-timers, for [`Node::new`] after a reset.
    #[must_use]
    pub fn saved(&self, now_ms: u64) -> Saved {
        self.switches.saved(now_ms)
    }

    pub(crate) fn saved_ref(&self, now_ms: u64) -> SavedRef<'_> {
        self.switches.saved_ref(now_ms)
    }

    /// Readings that wait for their PUBACK.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.outbox.len()
    }

    /// Readings that gave way to newer ones because the memory was full.
    #[must_use]
    pub const fn dropped(&self) -> u32 {
        self.outbox.dropped
    }

    /// Commands that could not be read, or were retained.
    #[must_use]
    pub const fn bad_commands(&self) -> u32 {
        self.bad_commands
    }
}

fn refusal(error: &DecodeError) -> Refusal {
    match error {
        DecodeError::Field { field, problem } => Refusal::Field(field, problem),
        _ => Refusal::NotUnderstood,
    }
}

/// Topic and payload of a node's last will, retained, QoS 1. A node that leaves of its own accord
/// publishes the same before it says goodbye, because the broker drops the will then.
#[must_use]
pub fn offline(name: &Name) -> (TopicName, &'static [u8]) {
    (topic::status(name), br#"{"online":false}"#)
}
