//! The station's side of the event channel: one task keeps the connection and sends the present
//! state and every change; actions are asked for by tasks of their own (see [`ask`]).

mod ask;

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use futures_util::FutureExt as _;
use signalbox_protocol::api::{
    command::{CommandPage, CommandQuery, Schedules},
    data::{BucketsReply, RangeQuery},
    event::{Event as Live, Hello},
    incident::{IncidentPage, IncidentQuery},
    message::{MessageQuery, Messages},
    node::Nodes,
    rule::Rules,
    silence::{SilencePage, SilenceQuery},
    station::Station,
};
use tokio::{sync::mpsc::Sender, time::sleep};

pub(crate) use ask::act;

use crate::{
    client::{Client, ClientError},
    event::{Event, Net, Snapshot},
    state::{
        COMMANDS_MAX, INCIDENTS_MAX, MESSAGES_MAX, SILENCES_MAX, SPARK_COLUMNS_MAX,
        SPARK_SERIES_MAX,
    },
};

/// Longest pause between two attempts to connect.
const PAUSE_S_MAX: u64 = 10;
/// Events that are taken together.
const EVENTS_TOGETHER_MAX: usize = 256;
/// Pause after events were read: what a busy station tells meanwhile is read in one go. An event
/// after a silence is read at once.
const READ_PAUSE: Duration = Duration::from_millis(50);
/// Minutes of the sparklines.
const RECENT_MIN: i64 = 15;

/// Keeps the connection until the channel closes or a login is needed.
pub(crate) async fn keep(client: Arc<Client>, events: Sender<Event>) {
    let mut pause_s = 1;
    loop {
        let net = match session(&client, &events, &mut pause_s).await {
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
    pause_s: &mut u64,
) -> Result<(), ClientError> {
    // The stream first, so that nothing falls between it and the present state.
    let mut stream = client.events().await?;
    let mut stale = true;
    loop {
        if stale {
            let snapshot = snapshot(client, stream.hello().clone()).await?;
            let net = Net::Connected(Box::new(snapshot));
            if events.send(Event::Net(net)).await.is_err() {
                return Ok(());
            }
            *pause_s = 1;
        }
        let Some(first) = stream.next().await else {
            return Err(closed());
        };
        let mut together = vec![first?];
        while together.len() < EVENTS_TOGETHER_MAX {
            match stream.next().now_or_never() {
                Some(Some(event)) => together.push(event?),
                // The next round finds that it is closed.
                Some(None) | None => break,
            }
        }
        let is_full = together.len() >= EVENTS_TOGETHER_MAX;
        // What was missed is in the present state.
        stale = together
            .iter()
            .any(|event| matches!(event, Live::Missed { .. }));
        let net = match together.pop() {
            Some(event) if together.is_empty() => Net::Live(Box::new(event)),
            last => {
                together.extend(last);
                Net::Several(together)
            }
        };
        if events.send(Event::Net(net)).await.is_err() {
            return Ok(());
        }
        if !is_full {
            sleep(READ_PAUSE).await;
        }
    }
}

fn closed() -> ClientError {
    ClientError::Events("the station closed it".to_owned())
}

async fn snapshot(client: &Client, hello: Hello) -> Result<Snapshot, ClientError> {
    let limit = |n: usize| u32::try_from(n).ok();
    let nodes: Nodes = client.get("/api/v1/nodes", &()).await?;
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
    let query = SilenceQuery {
        limit: limit(SILENCES_MAX),
        ..SilenceQuery::default()
    };
    let silences: SilencePage = client.get("/api/v1/silences", &query).await?;
    let schedules: Schedules = client.get("/api/v1/schedules", &()).await?;
    let query = MessageQuery {
        bad: None,
        limit: limit(MESSAGES_MAX),
    };
    let messages: Messages = client.get("/api/v1/messages", &query).await?;
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
        hello,
        me: client.get("/api/v1/auth/whoami", &()).await?,
        nodes: nodes.nodes,
        rules: rules.rules,
        incidents: incidents.incidents,
        commands: commands.commands,
        messages: messages.messages,
        schedules: schedules.schedules,
        silences: silences.silences,
        recent,
    })
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
