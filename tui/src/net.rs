//! The station's side of the event channel: one task keeps the connection and sends the present
//! state and every change; actions are asked for by tasks of their own (see [`ask`]).

mod admin;
mod ask;
mod past;
mod timed;

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures_util::FutureExt as _;
use signalbox_protocol::api::{
    command::{CommandPage, CommandQuery, Schedules},
    config::NodeConfigs,
    data::{BucketsReply, RangeQuery},
    event::{Event as Live, EventKind, Hello, StreamOptions},
    incident::{IncidentPage, IncidentQuery},
    message::{Message, MessageQuery, Messages},
    node::Nodes,
    rule::Rules,
    silence::{SilencePage, SilenceQuery},
    station::Station,
};
use tokio::{
    sync::{mpsc::Sender, watch},
    time::sleep,
};

pub(crate) use ask::act;

use crate::{
    client::{Client, ClientError, Events},
    event::{Answer, Event, Net, Snapshot},
    state::{
        COMMANDS_MAX, INCIDENTS_MAX, MESSAGES_MAX, SILENCES_MAX, SPARK_COLUMNS_MAX,
        SPARK_SERIES_MAX, WAITING_MAX,
    },
};

/// Longest pause between two attempts to connect.
const PAUSE_S_MAX: u64 = 10;
/// Events that are taken together.
const EVENTS_TOGETHER_MAX: usize = 256;
/// What a busy station measures within this time comes together: to be woken for each is most of
/// what it would cost.
const STREAM_PAUSE_MS: u32 = 50;
/// Minutes of the sparklines.
const RECENT_MIN: i64 = 15;

/// Keeps the connection until the channel closes or a login is needed. `messages` tells whether
/// received messages are looked at; they come only then.
pub(crate) async fn keep(
    client: Arc<Client>,
    events: Sender<Event>,
    mut messages: watch::Receiver<bool>,
) {
    let mut pause_s = 1;
    loop {
        let net = match session(&client, &events, &mut messages, &mut pause_s).await {
            Ok(()) => return,
            Err(error) if error.is_unauthorized() => Net::LoginNeeded,
            Err(error) => Net::Lost(full(&error)),
        };
        let finished = matches!(net, Net::LoginNeeded);
        if events.send(Event::Net(net)).await.is_err() || finished {
            return;
        }
        sleep(Duration::from_secs(pause_s)).await;
        pause_s = (pause_s * 2).min(PAUSE_S_MAX);
    }
}

/// One connection, to its end; `Ok` when nobody listens any more.
async fn session(
    client: &Client,
    events: &Sender<Event>,
    messages: &mut watch::Receiver<bool>,
    pause_s: &mut u64,
) -> Result<(), ClientError> {
    // The stream first, so that nothing falls between it and the present state.
    let mut stream = client.events().await?;
    let mut wanted = *messages.borrow_and_update();
    stream.choose(&options(wanted)).await?;
    let mut stale = true;
    loop {
        if stale {
            let mut snapshot = snapshot(client, stream.hello().clone()).await?;
            if wanted {
                snapshot.messages = latest_messages(client).await?;
            }
            let net = Net::Connected(Box::new(snapshot));
            if events.send(Event::Net(net)).await.is_err() {
                return Ok(());
            }
            *pause_s = 1;
        }
        let first = tokio::select! {
            first = stream.next() => first.ok_or_else(closed)??,
            changed = messages.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                wanted = *messages.borrow_and_update();
                stream.choose(&options(wanted)).await?;
                stale = false;
                if wanted {
                    let answer = Answer::Messages(latest_messages(client).await?);
                    let net = Net::Answer(Box::new(answer));
                    if events.send(Event::Net(net)).await.is_err() {
                        return Ok(());
                    }
                }
                continue;
            }
        };
        let together = rest(&mut stream, first)?;
        // What was missed is in the present state.
        stale = together
            .iter()
            .any(|event| matches!(event, Live::Missed { .. }));
        if events.send(Event::Net(Net::Live(together))).await.is_err() {
            return Ok(());
        }
    }
}

/// An event and those that came with it.
fn rest(stream: &mut Events, first: Live) -> Result<Vec<Live>, ClientError> {
    let mut together = vec![first];
    while together.len() < EVENTS_TOGETHER_MAX {
        match stream.next().now_or_never() {
            Some(Some(event)) => together.push(event?),
            // The next round finds that it is closed.
            Some(None) | None => break,
        }
    }
    Ok(together)
}

fn options(messages: bool) -> StreamOptions {
    StreamOptions {
        without: if messages {
            Vec::new()
        } else {
            vec![EventKind::Message, EventKind::Log]
        },
        pause_ms: STREAM_PAUSE_MS,
    }
}

fn closed() -> ClientError {
    ClientError::Events("the station closed it".to_owned())
}

async fn snapshot(client: &Client, hello: Hello) -> Result<Snapshot, ClientError> {
    let limit = |n: usize| u32::try_from(n).ok();
    let nodes: Nodes = client.get("/api/v1/nodes", &()).await?;
    let configs: NodeConfigs = client.get("/api/v1/configs", &()).await?;
    let rules: Rules = client.get("/api/v1/rules", &()).await?;
    let query = IncidentQuery {
        limit: limit(INCIDENTS_MAX),
        ..IncidentQuery::default()
    };
    let incidents: IncidentPage = client.get("/api/v1/incidents", &query).await?;
    let query = CommandQuery {
        limit: limit(COMMANDS_MAX),
        ..CommandQuery::default()
    };
    let commands: CommandPage = client.get("/api/v1/command/all", &query).await?;
    let query = CommandQuery {
        open: Some(true),
        limit: limit(WAITING_MAX),
        ..CommandQuery::default()
    };
    let open: CommandPage = client.get("/api/v1/command/all", &query).await?;
    let query = SilenceQuery {
        limit: limit(SILENCES_MAX),
        ..SilenceQuery::default()
    };
    let silences: SilencePage = client.get("/api/v1/silences", &query).await?;
    let schedules: Schedules = client.get("/api/v1/schedules", &()).await?;
    let series: usize = nodes.nodes.iter().map(|node| node.latest.len()).sum();
    let recent: Option<BucketsReply> = if series <= SPARK_SERIES_MAX {
        let query = recent_query();
        Some(client.get("/api/v1/data/byDate", &query).await?)
    } else {
        None
    };
    let station: Station = client.get("/api/v1/station", &()).await?;
    Ok(Snapshot {
        mail_configured: station.mail_configured,
        tz: station.tz,
        hello,
        me: client.get("/api/v1/auth/whoami", &()).await?,
        nodes: nodes.nodes,
        configs: configs.configs,
        rules: rules.rules,
        incidents: incidents.incidents,
        commands: commands.commands,
        open: open.commands,
        messages: Vec::new(),
        schedules: schedules.schedules,
        silences: silences.silences,
        recent,
    })
}

async fn latest_messages(client: &Client) -> Result<Vec<Message>, ClientError> {
    let query = MessageQuery {
        bad: None,
        limit: u32::try_from(MESSAGES_MAX).ok(),
    };
    let reply: Messages = client.get("/api/v1/messages", &query).await?;
    Ok(reply.messages)
}

/// The minutes of the sparklines, of all nodes.
fn recent_query() -> RangeQuery {
    let now = Utc::now();
    RangeQuery {
        from: Some(now - TimeDelta::minutes(RECENT_MIN)),
        to: Some(now),
        buckets: u32::try_from(SPARK_COLUMNS_MAX).ok(),
        ..RangeQuery::default()
    }
}

/// An error with its causes.
fn full(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
