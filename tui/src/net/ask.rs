//! Carries actions out: one request or a few, and the answer for the state.

use std::{io::Write as _, sync::Arc};

use signalbox_protocol::api::{
    auth::{LoginReply, LoginRequest},
    command::{Action as Order, CommandAccepted, NewCommand, NewTimedCommand},
    config::{NewNodeConfig, NodeConfig, NodeSettings},
    incident::Incident,
    node::{NewNode, NodeCredentials},
    rule::{Rule, RulePatch},
    silence::{NewSilence, Silence},
};
use tokio::sync::mpsc::Sender;

use super::{admin, full, past, timed};
use crate::{
    client::{Client, ClientError, segment},
    event::{Action, Answer, Event, Net, Undo},
    words,
};

/// Carries an action out and sends its answer.
pub(crate) async fn act(client: Arc<Client>, action: Action, events: Sender<Event>) {
    let is_dry_run = matches!(action, Action::DryRun { .. });
    let answer = match ask(&client, action).await {
        Ok(answer) => answer,
        Err(error) if is_dry_run => Answer::DryRun(Err(full(&error))),
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

pub(super) fn done(text: impl Into<String>) -> Result<Answer, ClientError> {
    let (text, undo) = (text.into(), None);
    Ok(Answer::Done { text, undo })
}

pub(super) fn undoable(
    text: impl Into<String>,
    undo: impl Into<String>,
    action: Action,
) -> Result<Answer, ClientError> {
    Ok(Answer::Done {
        text: text.into(),
        undo: Some(Undo {
            text: undo.into(),
            action: Box::new(action),
        }),
    })
}

async fn ask(client: &Client, action: Action) -> Result<Answer, ClientError> {
    match action {
        // The loop itself carries these out.
        Action::Quit | Action::Copy(_) | Action::Theme(_) | Action::Mouse(_) => done(""),
        Action::Write { path, text } => Ok(write(&path, &text)),
        Action::LoadLog(node) => past::log(client, node).await,
        Action::LogIn { username, password } => {
            let request = LoginRequest { username, password };
            let reply: LoginReply = client.post("/api/v1/auth/login", &request).await?;
            Ok(Answer::LoggedIn(reply))
        }
        Action::Switch {
            node,
            actuator,
            order,
            for_s,
        } => switch(client, node, actuator, order, for_s).await,
        Action::AddTimed(_)
        | Action::CancelCommand(_)
        | Action::PatchSchedule { .. }
        | Action::DeleteSchedule(_)
        | Action::RestoreSchedule(_) => timed::timed(client, action).await,
        Action::SetConfig { node, new, back } => configure(client, node, *new, *back).await,
        Action::AddRule(_)
        | Action::RestoreRule(_)
        | Action::PatchRule { .. }
        | Action::DeleteRule(_) => rule(client, action).await,
        Action::DryRun { rule, from, to } => past::dry_run(client, *rule, (from, to)).await,
        Action::Acknowledge { .. }
        | Action::AddSilence(_)
        | Action::EndSilence(_)
        | Action::LoadIncident { .. } => alarm(client, action).await,
        Action::AddNode(name) => {
            let new = NewNode { name };
            let made: NodeCredentials = client.post("/api/v1/nodes?replace=true", &new).await?;
            Ok(Answer::Credentials(made))
        }
        Action::RemovePassword(node) => {
            let path = format!("/api/v1/nodes/{}/password", segment(&node));
            client.delete(&path).await?;
            done(format!("`{node}` has no login any more"))
        }
        Action::AddUser { .. }
        | Action::SetRole { .. }
        | Action::SetPassword { .. }
        | Action::EndSession(_)
        | Action::DeleteUser(_) => admin::user(client, action).await,
        Action::RetryMail(_) | Action::TestMail(_) => admin::mail(client, action).await,
        Action::LoadChart(question) => past::history(client, *question).await,
        Action::LoadSparks(nodes) => past::sparks(client, nodes).await,
        Action::LoadAdmin => admin::admin(client).await,
    }
}

/// Taken back, the settings before are a new version; not when somebody else has made one since.
async fn configure(
    client: &Client,
    node: String,
    new: NewNodeConfig,
    back: NodeSettings,
) -> Result<Answer, ClientError> {
    let path = format!("/api/v1/nodes/{}/config", segment(&node));
    let config: NodeConfig = client.put(&path, &new).await?;
    let version = config.desired.map_or(0, |desired| desired.version);
    let before = NewNodeConfig {
        replaces: version,
        settings: back,
    };
    undoable(
        format!("{node}: configuration {version} is on its way"),
        format!("configuration {version} of `{node}`"),
        Action::SetConfig {
            node,
            new: Box::new(before),
            back: Box::new(new.settings),
        },
    )
}

/// Never over a file that is there.
fn write(path: &str, text: &str) -> Answer {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Answer::Done {
            text: format!("written: {path} ({} bytes)", text.len()),
            undo: None,
        },
        Err(error) => Answer::Failed {
            text: format!("`{path}` cannot be written: {error}"),
            field: None,
        },
    }
}

async fn switch(
    client: &Client,
    node: String,
    actuator: String,
    order: Order,
    for_s: Option<u32>,
) -> Result<Answer, ClientError> {
    let text = format!("{node}/{actuator} asked");
    let _: CommandAccepted = if for_s.is_none() {
        let new = NewCommand {
            node,
            actuator,
            action: order,
            reason: None,
        };
        client.post("/api/v1/command/add", &new).await?
    } else {
        let new = NewTimedCommand {
            node,
            actuator,
            action: order,
            reason: None,
            duration_s: for_s,
            at: None,
            cron: None,
            tz: None,
        };
        client.post("/api/v1/command/timed", &new).await?
    };
    done(text)
}

/// What is about incidents and silences.
async fn alarm(client: &Client, action: Action) -> Result<Answer, ClientError> {
    match action {
        Action::Acknowledge { id, ack } => {
            let path = format!("/api/v1/incidents/{}/ack", segment(&id));
            let incident: Incident = client.post(&path, &ack).await?;
            let until = incident
                .acknowledged_until
                .map_or_else(String::new, |at| format!(" until {}", words::exact(at)));
            done(format!("acknowledged{until}: {}", incident.condition))
        }
        Action::LoadIncident {
            id,
            node,
            metric,
            from,
            to,
        } => past::incident(client, id, (node, metric), from, to).await,
        action => silence(client, action).await,
    }
}

async fn silence(client: &Client, action: Action) -> Result<Answer, ClientError> {
    let end = |id: &str| format!("/api/v1/silences/{}/end", segment(id));
    match action {
        Action::AddSilence(new) => {
            let made: Silence = client.post("/api/v1/silences", &*new).await?;
            let what = words::silenced(&made);
            undoable(
                format!("silent until {}: {what}", words::exact(made.until_at)),
                format!("the silence of {what}"),
                Action::EndSilence(Box::new(made)),
            )
        }
        Action::EndSilence(silence) => {
            let ended: Silence = client.act(&end(&silence.id)).await?;
            let what = words::silenced(&ended);
            let again = NewSilence {
                rule: ended.rule,
                node: ended.node,
                metric: ended.metric,
                from_at: Some(ended.from_at),
                until_at: Some(ended.until_at),
                duration_s: None,
                comment: ended.comment,
            };
            undoable(
                format!("silence ended: {what}"),
                format!("ending the silence of {what}"),
                Action::AddSilence(Box::new(again)),
            )
        }
        _ => done(""),
    }
}

async fn rule(client: &Client, action: Action) -> Result<Answer, ClientError> {
    let path = |id: &str| format!("/api/v1/rules/{}", segment(id));
    match action {
        Action::AddRule(new) => {
            let rule: Rule = client.post("/api/v1/rules", &*new).await?;
            let name = rule.spec.name.clone();
            undoable(
                format!("rule made: {name}"),
                format!("making `{name}`"),
                Action::DeleteRule(Box::new(rule)),
            )
        }
        Action::RestoreRule(old) => {
            let mut rule: Rule = client
                .post("/api/v1/rules", &words::new_rule(&old.spec))
                .await?;
            if !old.enabled {
                let patch = RulePatch {
                    enabled: Some(false),
                    ..RulePatch::default()
                };
                rule = client.patch(&path(&rule.id), &patch).await?;
            }
            done(format!("rule made again: {}", rule.spec.name))
        }
        Action::PatchRule { id, patch, back } => {
            let rule: Rule = client.patch(&path(&id), &*patch).await?;
            let name = rule.spec.name;
            let (patch, back) = (back, patch);
            undoable(
                format!("rule changed: {name}"),
                format!("the change of `{name}`"),
                Action::PatchRule { id, patch, back },
            )
        }
        Action::DeleteRule(rule) => {
            client.delete(&path(&rule.id)).await?;
            let name = rule.spec.name.clone();
            undoable(
                format!("rule deleted: {name}"),
                format!("deleting `{name}`"),
                Action::RestoreRule(rule),
            )
        }
        _ => done(""),
    }
}
