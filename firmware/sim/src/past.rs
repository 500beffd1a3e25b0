//! Made-up history: what a node would have measured, published with its times before the node
//! begins, over the same way as everything else.

use std::time::Duration;

use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Incoming, MqttOptions, QoS};
use signalbox_protocol::{
    limits::{SAMPLES_MAX, TELEMETRY_BYTES_MAX},
    payload::{
        BufferTooSmall,
        telemetry::{SampleRef, SampleTime, TelemetryRef},
    },
    topic,
};
use tokio::time::timeout;

use crate::{
    sensors::{Sensors, metrics},
    sim::{NodeSetup, Options},
    world::{Switched, World},
};

/// A broker that is silent for this long is away.
const ANSWER: Duration = Duration::from_secs(20);
/// Messages that wait for their PUBACK at a time.
const WINDOW: usize = 16;
/// Somebody in the past switched the lamp on below and off above, in °C.
const LAMP: (f64, f64) = (22.0, 24.0);
/// And the pump, in steps of the soil probe.
const PUMP: (f64, f64) = (350.0, 450.0);

/// Why the past could not be published.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The connection.
    #[error("the broker at `{broker}` cannot be used")]
    Connection {
        /// Its address.
        broker: String,
        /// Why.
        #[source]
        cause: Box<ConnectionError>,
    },
    /// No answer.
    #[error("the broker at `{broker}` does not answer")]
    Silent {
        /// Its address.
        broker: String,
    },
    /// A message is larger than it may be.
    #[error(transparent)]
    TooLarge(#[from] BufferTooSmall),
    /// The queue to the connection is closed.
    #[error("the connection takes no messages")]
    Queue(#[from] rumqttc::ClientError),
}

/// Publishes what the node measured from `from_s` to `to_s` (Unix seconds) every `step_s`, as
/// that node, and leaves its room as it is at the end. Gives the number of samples that the
/// broker has acknowledged.
///
/// # Errors
/// [`PastError`]; what was acknowledged before is stored.
pub async fn publish_past(
    options: &Options,
    setup: &mut NodeSetup,
    (from_s, to_s): (i64, i64),
    step_s: u32,
) -> Result<u64, PastError> {
    let readings = readings(setup, from_s, to_s, step_s.max(1));
    let broker = &options.broker;
    let mut mqtt = MqttOptions::new(&setup.name, &broker.host, broker.port);
    mqtt.set_max_packet_size(TELEMETRY_BYTES_MAX * 2, TELEMETRY_BYTES_MAX * 2)
        .set_inflight(u16::try_from(WINDOW).unwrap_or(1));
    if let Some((username, password)) = &setup.login {
        mqtt.set_credentials(username, password);
    }
    let (client, mut connection) = AsyncClient::new(mqtt, WINDOW);
    let topic = topic::telemetry(&setup.name);
    let mut publisher = Publisher {
        options,
        connection: &mut connection,
        under_way: 0,
    };
    publisher.until_welcome().await?;
    let metrics = metrics();
    let (boot, mut samples) = (rand::random(), 0);
    for (part, seq) in readings.chunks(SAMPLES_MAX).zip(1..) {
        let values: Vec<(i64, Vec<(&str, f32)>)> = part
            .iter()
            .map(|(at_s, values)| {
                let named = metrics.iter().zip(values);
                let measured =
                    named.filter_map(|(metric, value)| Some((metric.name.as_str(), (*value)?)));
                (*at_s, measured.collect())
            })
            .collect();
        let refs: Vec<SampleRef<'_>> = values
            .iter()
            .map(|(at_s, measured)| SampleRef {
                time: SampleTime::TsMs(at_s * 1_000),
                values: measured,
            })
            .collect();
        let message = TelemetryRef {
            boot,
            seq,
            samples: &refs,
        };
        let mut buffer = vec![0; TELEMETRY_BYTES_MAX];
        let len = message.encode(options.encoding, &mut buffer)?;
        buffer.truncate(len);
        while publisher.under_way == WINDOW {
            publisher.next().await?;
        }
        client
            .publish(topic.as_str(), QoS::AtLeastOnce, false, buffer)
            .await?;
        publisher.under_way += 1;
        samples += values
            .iter()
            .map(|(_, measured)| measured.len() as u64)
            .sum::<u64>();
    }
    while publisher.under_way > 0 {
        publisher.next().await?;
    }
    client.disconnect().await?;
    // Sends it; the broker closes then, which is an error here.
    while publisher.next().await.is_ok() {}
    Ok(samples)
}

struct Publisher<'a> {
    options: &'a Options,
    connection: &'a mut EventLoop,
    under_way: usize,
}

impl Publisher<'_> {
    async fn next(&mut self) -> Result<Event, PastError> {
        let broker = || self.options.broker.to_string();
        let event = match timeout(ANSWER, self.connection.poll()).await {
            Err(_) => return Err(PastError::Silent { broker: broker() }),
            Ok(Err(cause)) => {
                return Err(PastError::Connection {
                    broker: broker(),
                    cause: Box::new(cause),
                });
            }
            Ok(Ok(event)) => event,
        };
        if let Event::Incoming(Incoming::PubAck(_)) = event {
            self.under_way -= 1;
        }
        Ok(event)
    }

    async fn until_welcome(&mut self) -> Result<(), PastError> {
        while !matches!(self.next().await?, Event::Incoming(Incoming::ConnAck(_))) {}
        Ok(())
    }
}

type Reading = (i64, [Option<f32>; 3]);

/// Lets the room live through the time, with somebody who minds lamp and pump.
fn readings(setup: &mut NodeSetup, from_s: i64, to_s: i64, step_s: u32) -> Vec<Reading> {
    let mut sensors = Sensors::new(setup.seed ^ 0x5eed);
    let mut switched = Switched::default();
    let mut readings = Vec::new();
    let mut at_s = from_s;
    while at_s < to_s {
        mind(&mut switched, &setup.world, &setup.actuators);
        #[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
        setup.world.step(switched, at_s as f64, f64::from(step_s));
        readings.push((at_s, sensors.read(&setup.world)));
        at_s += i64::from(step_s);
    }
    readings
}

fn mind(switched: &mut Switched, world: &World, actuators: &[String]) {
    let has = |name: &str| actuators.iter().any(|known| known == name);
    let mind = |on: bool, value: f64, (low, high): (f64, f64)| value < low || (on && value < high);
    switched.lamp = has("lamp") && mind(switched.lamp, world.temperature, LAMP);
    switched.pump = has("pump") && mind(switched.pump, world.soil, PUMP);
}
