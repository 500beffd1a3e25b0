//! Carries actions out: one request or a few, and the answer for the state.

use std::{io::Write as _, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    auth::{LoginReply, LoginRequest},
    command::{Action as Order, CommandAccepted, NewCommand, NewTimedCommand},
    config::NodeConfig,
    data::{BucketsReply, RangeQuery},
    incident::Incident,
    mail::{MailQuery, MailTest, MailTested, Mails},
    node::{NewNode, NodeCredentials},
    rule::{DryRun, NewRule, Rule, RulePatch},
    session::{SessionEnded, Sessions},
    silence::{NewSilence, Silence},
    user::{NewUser, User, UserPatch, Users},
};
use tokio::sync::mpsc::Sender;

use super::{full, recent_query, timed};
use crate::{
    client::{Client, ClientError, segment},
    event::{Action, Admin, Answer, Event, Net, Undo},
    state::{History, INCIDENT_BUCKETS, IncidentFacts, Question},
    words,
};

/// Mails that the administration shows.
const MAILS_SHOWN: u32 = 200;
/// Points of a line under a dry run.
const DRY_RUN_BUCKETS: u32 = 168;

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
        Action::SetConfig { node, new } => {
            let path = format!("/api/v1/nodes/{}/config", segment(&node));
            let config: NodeConfig = client.put(&path, &new).await?;
            let version = config.desired.map_or(0, |desired| desired.version);
            done(format!("{node}: configuration {version} is on its way"))
        }
        Action::AddRule(_)
        | Action::RestoreRule(_)
        | Action::PatchRule { .. }
        | Action::DeleteRule(_) => rule(client, action).await,
        Action::DryRun { rule, from, to } => dry_run(client, *rule, (from, to)).await,
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
        | Action::DeleteUser(_) => user(client, action).await,
        Action::RetryMail(_) | Action::TestMail(_) => mail(client, action).await,
        Action::LoadChart(question) => history(client, *question).await,
        Action::LoadSparks(nodes) => sparks(client, nodes).await,
        Action::LoadAdmin => admin(client).await,
    }
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
        } => incident(client, id, (node, metric), from, to).await,
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

async fn user(client: &Client, action: Action) -> Result<Answer, ClientError> {
    let path = |name: &str| format!("/api/v1/users/{}", segment(name));
    match action {
        Action::AddUser {
            username,
            email,
            role,
            password,
        } => {
            let new = NewUser {
                username,
                email,
                password,
                role: Some(role),
            };
            let _: User = client.post("/api/v1/users", &new).await?;
        }
        Action::SetRole { username, role } => {
            let patch = UserPatch {
                role: Some(role),
                ..UserPatch::default()
            };
            let _: User = client.patch(&path(&username), &patch).await?;
        }
        Action::SetPassword { username, password } => {
            let patch = UserPatch {
                password: Some(password),
                ..UserPatch::default()
            };
            let _: User = client.patch(&path(&username), &patch).await?;
        }
        Action::EndSession(session) => {
            let path = format!("/api/v1/sessions/{}", segment(&session.id));
            let _: SessionEnded = client.delete_for(&path).await?;
        }
        Action::DeleteUser(username) => client.delete(&path(&username)).await?,
        _ => {}
    }
    admin(client).await
}

async fn dry_run(
    client: &Client,
    rule: NewRule,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<Answer, ClientError> {
    let query = RangeQuery {
        from: Some(from),
        to: Some(to),
        node: rule.node.clone(),
        metric: Some(rule.metric.clone()),
        buckets: Some(DRY_RUN_BUCKETS),
        ..RangeQuery::default()
    };
    let asked = DryRun { rule, from, to };
    let reply = client.post("/api/v1/rules/dry-run", &asked).await?;
    let values = client.get("/api/v1/data/byDate", &query).await?;
    Ok(Answer::DryRun(Ok((reply, values))))
}

async fn mail(client: &Client, action: Action) -> Result<Answer, ClientError> {
    match action {
        Action::RetryMail(id) => {
            let path = format!("/api/v1/mails/{}/retry", segment(&id));
            client.post_alone(&path).await?;
        }
        Action::TestMail(recipient) => {
            let asked = MailTest { recipient };
            let tested: MailTested = client.post("/api/v1/mails/test", &asked).await?;
            return match tested.error {
                None => done(format!("the mail server took it for {}", asked.recipient)),
                Some(error) => Ok(Answer::Failed {
                    text: format!("the test mail did not go out: {}", words::safe(&error)),
                    field: None,
                }),
            };
        }
        _ => {}
    }
    admin(client).await
}

/// What this person may not see is absent.
fn allowed<T>(asked: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Refused { status: 403, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn incident(
    client: &Client,
    id: String,
    (node, metric): (String, String),
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Answer, ClientError> {
    let query = RangeQuery {
        from: Some(from),
        to: Some(to),
        node: Some(node),
        metric: Some(metric),
        buckets: Some(INCIDENT_BUCKETS),
        ..RangeQuery::default()
    };
    let values = client.get("/api/v1/data/byDate", &query).await?;
    let query = MailQuery {
        incident: Some(id.clone()),
        limit: Some(MAILS_SHOWN),
    };
    let mails: Option<Mails> = allowed(client.get("/api/v1/mails", &query).await)?;
    let mails = mails.map(|mails| mails.mails);
    Ok(Answer::Incident(Box::new(IncidentFacts {
        id,
        mails,
        values,
    })))
}

async fn admin(client: &Client) -> Result<Answer, ClientError> {
    let users: Option<Users> = allowed(client.get("/api/v1/users", &()).await)?;
    let sessions: Option<Sessions> = allowed(client.get("/api/v1/sessions", &()).await)?;
    let query = MailQuery {
        incident: None,
        limit: Some(MAILS_SHOWN),
    };
    let mails: Option<Mails> = allowed(client.get("/api/v1/mails", &query).await)?;
    Ok(Answer::Admin(Box::new(Admin {
        station: client.get("/api/v1/station", &()).await?,
        health: client.health().await?,
        users: users.map(|users| users.users),
        sessions: sessions.map(|sessions| sessions.sessions),
        mails: mails.map(|mails| mails.mails),
    })))
}

async fn history(client: &Client, question: Question) -> Result<Answer, ClientError> {
    let present = buckets(client, &question, question.from, question.to).await?;
    let before = match question.shift {
        Some(shift) => {
            let (from, to) = (question.from - shift, question.to - shift);
            buckets(client, &question, from, to).await?
        }
        None => Vec::new(),
    };
    Ok(Answer::Chart(Box::new(History {
        question,
        present,
        before,
    })))
}

async fn sparks(client: &Client, nodes: Vec<String>) -> Result<Answer, ClientError> {
    let mut recent = Vec::new();
    for node in &nodes {
        let query = RangeQuery {
            node: Some(node.clone()),
            ..recent_query()
        };
        recent.push(client.get("/api/v1/data/byDate", &query).await?);
    }
    Ok(Answer::Sparks { nodes, recent })
}

async fn buckets(
    client: &Client,
    question: &Question,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<Vec<BucketsReply>, ClientError> {
    debug_assert!(to - from > TimeDelta::zero(), "the window is never empty");
    let mut replies = Vec::new();
    for node in &question.nodes {
        let query = RangeQuery {
            from: Some(from),
            to: Some(to),
            node: Some(node.clone()),
            buckets: Some(question.buckets),
            ..RangeQuery::default()
        };
        replies.push(client.get("/api/v1/data/byDate", &query).await?);
    }
    Ok(replies)
}
