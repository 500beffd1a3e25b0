//! Reads history: for charts and sparklines, for a dry run, for the window of an incident; what a
//! node logged.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    data::{BucketsReply, RangeQuery},
    log::{LogLines, LogQuery},
    mail::{MailQuery, Mails},
    rule::{DryRun, NewRule},
};

use super::{
    admin::{MAILS_SHOWN, allowed},
    recent_query,
};
use crate::{
    client::{Client, ClientError, segment},
    event::Answer,
    state::{History, INCIDENT_BUCKETS, IncidentFacts, LOG_LINES_MAX, Question},
};

/// Points of a line under a dry run.
const DRY_RUN_BUCKETS: u32 = 168;

pub(super) async fn history(client: &Client, question: Question) -> Result<Answer, ClientError> {
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

pub(super) async fn log(client: &Client, node: String) -> Result<Answer, ClientError> {
    let path = format!("/api/v1/nodes/{}/logs", segment(&node));
    let query = LogQuery {
        limit: u32::try_from(LOG_LINES_MAX).ok(),
        ..LogQuery::default()
    };
    // A node that the station does not know any more has none.
    let lines = match client.get::<LogLines>(&path, &query).await {
        Ok(found) => found.lines,
        Err(ClientError::Refused { status: 404, .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Answer::Log { node, lines })
}

pub(super) async fn sparks(client: &Client, nodes: Vec<String>) -> Result<Answer, ClientError> {
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

pub(super) async fn dry_run(
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

pub(super) async fn incident(
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
