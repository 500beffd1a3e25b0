//! One connection of a node to its broker, from the attempt to the goodbye.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use rumqttc::{
    AsyncClient, ClientError, ConnectionError, Event, LastWill, MqttOptions, Outgoing, QoS,
};
use signalbox_node::Kind;
use signalbox_protocol::{limits::MESSAGE_BYTES_MAX, payload::Name};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

use crate::sim::{NodeSetup, Options};

/// Packets between a node and its connection.
pub(crate) const QUEUE_MAX: usize = 32;
/// A connection that says nothing for this long is dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Longest wait for the broker when leaving.
const GOODBYE: Duration = Duration::from_secs(2);

pub(crate) struct Connection {
    pub(crate) client: AsyncClient,
    pub(crate) events: mpsc::Receiver<Result<Event, ConnectionError>>,
    task: JoinHandle<()>,
    /// Kinds of messages handed over, in order, without a packet id yet.
    pub(crate) handed_over: VecDeque<Kind>,
    /// Messages under way by packet id.
    pub(crate) under_way: HashMap<u16, Kind>,
}

impl Connection {
    /// Begins to connect. The connection is polled by a task of its own, because a poll that is
    /// broken off could lose what it has read.
    pub(crate) fn open(options: &Options, setup: &NodeSetup, name: &Name) -> Self {
        let broker = &options.broker;
        let mut mqtt = MqttOptions::new(&setup.name, &broker.host, broker.port);
        let (will_topic, will) = signalbox_node::offline(name);
        mqtt.set_keep_alive(KEEP_ALIVE)
            .set_last_will(LastWill::new(
                will_topic.as_str(),
                will,
                QoS::AtLeastOnce,
                true,
            ))
            .set_max_packet_size(MESSAGE_BYTES_MAX * 4, MESSAGE_BYTES_MAX * 4);
        if let Some((username, password)) = &setup.login {
            mqtt.set_credentials(username, password);
        }
        let (client, mut connection) = AsyncClient::new(mqtt, QUEUE_MAX);
        let (send, events) = mpsc::channel(QUEUE_MAX);
        let task = tokio::spawn(async move {
            loop {
                let event = connection.poll().await;
                let failed = event.is_err();
                if send.send(event).await.is_err() || failed {
                    return;
                }
            }
        });
        Self {
            client,
            events,
            task,
            handed_over: VecDeque::new(),
            under_way: HashMap::new(),
        }
    }

    /// Leaves of its own accord. The broker drops the last will at a goodbye, so the node says
    /// itself that it is gone.
    pub(crate) async fn say_goodbye(mut self, name: &Name) {
        let (topic, payload) = signalbox_node::offline(name);
        let goodbye = async {
            let qos = QoS::AtLeastOnce;
            self.client
                .publish(topic.as_str(), qos, true, payload)
                .await?;
            self.client.disconnect().await?;
            while let Some(Ok(event)) = self.events.recv().await {
                if matches!(event, Event::Outgoing(Outgoing::Disconnect)) {
                    break;
                }
            }
            Ok::<(), ClientError>(())
        };
        // A broker that does not listen learns of it from the closed socket, and has the will.
        if !matches!(timeout(GOODBYE, goodbye).await, Ok(Ok(()))) {
            tracing::debug!(node = name.as_str(), "left without a goodbye");
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}
