//! The station's side of the event channel: one task keeps the connection and sends the present
//! state and every change; actions are asked for by tasks of their own.

use std::{sync::Arc, time::Duration};

use chrono::{TimeDelta, Utc};
use signalbox_protocol::api::{
    auth::{LoginReply, LoginRequest},
    command::{
        Action as Order, CommandAccepted, CommandPage, CommandQuery, NewCommand, NewTimedCommand,
    },
    data::{BucketsReply, RangeQuery},
    event::Event as Live,
    incident::{Incident, IncidentPage, IncidentQuery},
    message::{MessageQuery, Messages},
    node::Nodes,
    rule::{Rule, Rules},
    station::Station,
};
use tokio::{sync::mpsc::Sender, time::sleep};

use crate::{
    client::{Client, ClientError, segment},
    event::{Action, Answer, Event, Net, Snapshot},
    state::{COMMANDS_MAX, INCIDENTS_MAX, MESSAGES_MAX, SPARK_COLUMNS_MAX},
};

/// Longest pause between two attempts to connect.
const PAUSE_S_MAX: u64 = 10;
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
        let Some(event) = stream.next().await else {
            return Err(ClientError::Events("the station closed it".to_owned()));
        };
        let event = event?;
        // What was missed is in the present state.
        stale = matches!(event, Live::Missed { .. });
        if events
            .send(Event::Net(Net::Live(Box::new(event))))
            .await
            .is_err()
        {
            return Ok(());
        }
    }
}

async fn snapshot(
    client: &Client,
    hello: signalbox_protocol::api::event::Hello,
) -> Result<Snapshot, ClientError> {
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
    let query = MessageQuery {
        bad: None,
        limit: limit(MESSAGES_MAX),
    };
    let messages: Messages = client.get("/api/v1/messages", &query).await?;
    let now = Utc::now();
    let query = RangeQuery {
        from: Some(now - TimeDelta::minutes(RECENT_MIN)),
        to: Some(now),
        buckets: limit(SPARK_COLUMNS_MAX),
        ..RangeQuery::default()
    };
    let recent: BucketsReply = client.get("/api/v1/data/byDate", &query).await?;
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
        recent,
    })
}

/// Carries an action out and sends its answer.
pub(crate) async fn act(client: Arc<Client>, action: Action, events: Sender<Event>) {
    let answer = match ask(&client, action).await {
        Ok(answer) => answer,
        Err(error) => Answer::Failed {
            field: match &error {
                ClientError::Refused { detail, .. } => detail.field.clone(),
                _ => None,
            },
            text: full(&error),
        },
    };
    // Nobody listens any more: the program ends.
    let _ = events.send(Event::Net(Net::Answer(Box::new(answer)))).await;
}

async fn ask(client: &Client, action: Action) -> Result<Answer, ClientError> {
    let rule_path = |id: &str| format!("/api/v1/rules/{}", segment(id));
    let done = |text: String| Ok(Answer::Done(text));
    match action {
        Action::Quit => done(String::new()),
        Action::LogIn { username, password } => {
            let request = LoginRequest { username, password };
            let reply: LoginReply = client.post("/api/v1/auth/login", &request).await?;
            Ok(Answer::LoggedIn(reply))
        }
        Action::Switch {
            node,
            actuator,
            on_for_s,
        } => {
            let text = format!("{node}/{actuator} asked");
            switch(client, node, actuator, on_for_s).await?;
            done(text)
        }
        Action::AddRule(new) => {
            let rule: Rule = client.post("/api/v1/rules", &*new).await?;
            done(format!("rule made: {}", rule.spec.name))
        }
        Action::PatchRule(id, patch) => {
            let rule: Rule = client.patch(&rule_path(&id), &*patch).await?;
            done(format!("rule changed: {}", rule.spec.name))
        }
        Action::DeleteRule(id) => {
            client.delete(&rule_path(&id)).await?;
            done("rule deleted".to_owned())
        }
        Action::Acknowledge(id) => {
            let path = format!("/api/v1/incidents/{}/ack", segment(&id));
            let incident: Incident = client.act(&path).await?;
            done(format!("acknowledged: {}", incident.condition))
        }
        Action::LoadChart {
            node,
            range_s,
            back_s,
            buckets,
        } => {
            let to = Utc::now() - TimeDelta::seconds(back_s);
            let query = RangeQuery {
                from: Some(to - TimeDelta::seconds(range_s)),
                to: Some(to),
                node: Some(node.clone()),
                buckets: Some(buckets),
                ..RangeQuery::default()
            };
            let reply = client.get("/api/v1/data/byDate", &query).await?;
            Ok(Answer::Chart { node, reply })
        }
    }
}

async fn switch(
    client: &Client,
    node: String,
    actuator: String,
    on_for_s: Option<u32>,
) -> Result<(), ClientError> {
    let Some(duration_s) = on_for_s else {
        let new = NewCommand {
            node,
            actuator,
            action: Order::Toggle,
            reason: None,
        };
        let _: CommandAccepted = client.post("/api/v1/command/add", &new).await?;
        return Ok(());
    };
    let new = NewTimedCommand {
        node,
        actuator,
        action: Order::On,
        reason: None,
        duration_s: Some(duration_s),
        at: None,
        cron: None,
        tz: None,
    };
    let _: CommandAccepted = client.post("/api/v1/command/timed", &new).await?;
    Ok(())
}

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
