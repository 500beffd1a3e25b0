//! The rows of a batch besides samples: all are whole, so writing one is putting it there. One
//! statement must not meet a row twice, so of rows with the same key only the last goes.

use std::{borrow::Cow, collections::HashMap, hash::Hash};

use sha2::{Digest as _, Sha256};
use signalbox_protocol::api::{
    message::{Message, Outcome},
    node::StartedBy,
};
use tokio_postgres::Statement;

use super::{
    pipeline::{Pipeline, values},
    statements::Statements,
};
use crate::store::{
    BAD_MESSAGES_MAX, Batch, Result,
    convert::{mail_kind_word, presence_word, state_word, to_doc, us},
};

/// Text as PostgreSQL can hold it: it has no NUL.
pub(super) fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// What tells a group of bad messages: topics may be too long for an index.
pub(in crate::store) fn group_hash(topic: &str, reason: &str) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(topic)
        .chain_update([0])
        .chain_update(reason);
    hash.finalize().to_vec()
}

/// The rows without those that a later one replaces.
fn last_of_each<'r, T, K: Hash + Eq>(rows: &'r [T], key: impl Fn(&'r T) -> K) -> Vec<&'r T> {
    if rows.len() < 2 {
        return rows.iter().collect();
    }
    let mut at: HashMap<K, usize> = HashMap::with_capacity(rows.len());
    let mut kept: Vec<&T> = Vec::with_capacity(rows.len());
    for row in rows {
        match at.entry(key(row)) {
            std::collections::hash_map::Entry::Occupied(known) => kept[*known.get()] = row,
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(kept.len());
                kept.push(row);
            }
        }
    }
    kept
}

fn column<'r, T, V>(rows: &[&'r T], value: impl Fn(&'r T) -> V) -> Vec<V> {
    rows.iter().map(|row| value(row)).collect()
}

/// Sends everything of a batch but its samples.
pub(super) fn state<'c>(
    pipeline: &mut Pipeline<'c>,
    statements: &'c Statements,
    batch: &'c Batch,
) -> Result<()> {
    nodes(pipeline, statements, batch);
    marks(pipeline, statements, batch)?;
    rules(pipeline, statements, batch)?;
    commands(pipeline, statements, batch)?;
    silences(pipeline, statements, batch)?;
    mails(pipeline, statements, batch);
    bad_messages(pipeline, statements, &batch.bad_messages);
    Ok(())
}

fn nodes<'c>(pipeline: &mut Pipeline<'c>, statements: &'c Statements, batch: &'c Batch) {
    let rows = last_of_each(&batch.nodes, |node| &node.name);
    if !rows.is_empty() {
        let values = values![
            column(&rows, |node| text(&node.name)),
            column(&rows, |node| presence_word(node.presence)),
            column(&rows, |node| node.presence_since.map(us)),
            column(&rows, |node| node.last_seen_at.map(us)),
            column(&rows, |node| node.boot.map(i64::from)),
            column(&rows, |node| node.firmware.as_deref().map(text)),
            column(&rows, |node| node.uptime_s.map(i64::from)),
            column(&rows, |node| node.rssi_dbm),
            column(&rows, |node| node.started_by.map(StartedBy::as_str)),
        ];
        pipeline.send(&statements.put_nodes, values);
    }
    let rows = last_of_each(&batch.actuators, |row| (&row.node, &row.name));
    if !rows.is_empty() {
        let values = values![
            column(&rows, |row| text(&row.node)),
            column(&rows, |row| text(&row.name)),
            column(&rows, |row| row.reported.map(state_word)),
            column(&rows, |row| row.reported_at.map(us)),
            column(&rows, |row| row.desired.map(state_word)),
            column(&rows, |row| row.off_at.map(us)),
            column(&rows, |row| row.pending_command.as_deref()),
        ];
        pipeline.send(&statements.put_actuators, values);
    }
}

fn marks<'c>(
    pipeline: &mut Pipeline<'c>,
    statements: &'c Statements,
    batch: &'c Batch,
) -> Result<()> {
    if !batch.marks_forgotten.is_empty() {
        let rows: Vec<_> = batch.marks_forgotten.iter().collect();
        let values = values![
            column(&rows, |(node, _)| text(node)),
            column(&rows, |(_, boot)| i64::from(*boot)),
        ];
        pipeline.send(&statements.forget_marks, values);
    }
    let rows = last_of_each(&batch.marks, |mark| (&mark.node, mark.number.boot));
    if !rows.is_empty() {
        let gaps: Result<Vec<String>> = rows.iter().map(|mark| to_doc(&mark.gaps)).collect();
        let values = values![
            column(&rows, |mark| text(&mark.node)),
            column(&rows, |mark| i64::from(mark.number.boot)),
            column(&rows, |mark| i64::from(mark.number.seq)),
            gaps?,
            column(&rows, |mark| us(mark.at)),
        ];
        pipeline.send(&statements.put_marks, values);
    }
    Ok(())
}

fn docs<T: serde::Serialize>(rows: &[&T]) -> Result<Vec<String>> {
    rows.iter().map(to_doc).collect()
}

fn delete<'c>(pipeline: &mut Pipeline<'c>, statement: &'c Statement, ids: &'c [String]) {
    if !ids.is_empty() {
        let ids: Vec<_> = ids.iter().map(|id| text(id)).collect();
        pipeline.send(statement, values![ids]);
    }
}

fn rules<'c>(
    pipeline: &mut Pipeline<'c>,
    statements: &'c Statements,
    batch: &'c Batch,
) -> Result<()> {
    let rows = last_of_each(&batch.rules, |rule| &rule.id);
    if !rows.is_empty() {
        let values = values![column(&rows, |rule| text(&rule.id)), docs(&rows)?];
        pipeline.send(&statements.put_rules, values);
    }
    delete(pipeline, &statements.delete_rules, &batch.rules_deleted);
    let rows = last_of_each(&batch.incidents, |incident| &incident.id);
    if !rows.is_empty() {
        let values = values![
            column(&rows, |incident| text(&incident.id)),
            column(&rows, |incident| text(&incident.rule)),
            column(&rows, |incident| text(&incident.node)),
            column(&rows, |incident| incident.closed_at.is_none()),
            docs(&rows)?,
        ];
        pipeline.send(&statements.put_incidents, values);
    }
    let dropped = &batch.incidents_dropped;
    delete(pipeline, &statements.delete_incidents, dropped);
    Ok(())
}

fn commands<'c>(
    pipeline: &mut Pipeline<'c>,
    statements: &'c Statements,
    batch: &'c Batch,
) -> Result<()> {
    let rows = last_of_each(&batch.commands, |row| &row.command.id);
    if !rows.is_empty() {
        let docs: Result<Vec<String>> = rows.iter().map(|row| to_doc(&row.command)).collect();
        let values = values![
            column(&rows, |row| text(&row.command.id)),
            column(&rows, |row| text(&row.command.node)),
            column(&rows, |row| row.is_open()),
            column(&rows, |row| row.verify_off_at.map(us)),
            column(&rows, |row| row.deadline_at.map(us)),
            docs?,
        ];
        pipeline.send(&statements.put_commands, values);
    }
    let rows = last_of_each(&batch.schedules, |schedule| &schedule.id);
    if !rows.is_empty() {
        let values = values![column(&rows, |schedule| text(&schedule.id)), docs(&rows)?];
        pipeline.send(&statements.put_schedules, values);
    }
    let rows = last_of_each(&batch.configs, |config| &config.node);
    if !rows.is_empty() {
        let values = values![column(&rows, |config| text(&config.node)), docs(&rows)?];
        pipeline.send(&statements.put_configs, values);
    }
    let deleted = &batch.schedules_deleted;
    delete(pipeline, &statements.delete_schedules, deleted);
    Ok(())
}

fn silences<'c>(
    pipeline: &mut Pipeline<'c>,
    statements: &'c Statements,
    batch: &'c Batch,
) -> Result<()> {
    let rows = last_of_each(&batch.silences, |silence| &silence.id);
    if !rows.is_empty() {
        let values = values![
            column(&rows, |silence| text(&silence.id)),
            column(&rows, |silence| silence.ended_at.is_none()),
            docs(&rows)?,
        ];
        pipeline.send(&statements.put_silences, values);
    }
    Ok(())
}

fn mails<'c>(pipeline: &mut Pipeline<'c>, statements: &'c Statements, batch: &'c Batch) {
    let rows: Vec<_> = batch.mails.iter().collect();
    if !rows.is_empty() {
        let values = values![
            column(&rows, |mail| text(&mail.id)),
            column(&rows, |mail| text(&mail.incident)),
            column(&rows, |mail| mail_kind_word(mail.kind)),
            column(&rows, |mail| text(&mail.recipient)),
            column(&rows, |mail| text(&mail.subject)),
            column(&rows, |mail| text(&mail.body)),
            column(&rows, |mail| us(mail.created_at)),
            column(&rows, |mail| us(mail.due_at())),
            column(&rows, |mail| mail
                .held
                .as_ref()
                .map(|hold| hold.silence.as_str())),
        ];
        pipeline.send(&statements.add_mails, values);
    }
    for moved in &batch.mails_moved {
        let values = values![
            us(moved.to.until_at),
            moved.to.silence.as_str(),
            moved.from.as_str(),
            moved.incident.as_str()
        ];
        pipeline.send(&statements.move_mails, values);
    }
    for release in &batch.mails_released {
        let values = values![us(release.at), release.silence.as_str()];
        pipeline.send(&statements.release_mails, values);
    }
}

/// Bad messages of the same topic and reason.
struct Group<'b> {
    hash: Vec<u8>,
    first: &'b Message,
    last: &'b Message,
    count: i64,
}

fn groups(bad: &[Message]) -> Vec<Group<'_>> {
    let mut at: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for message in bad {
        let hash = group_hash(&message.topic, reason(message));
        if let Some(known) = at.get(&hash).and_then(|at| groups.get_mut(*at)) {
            known.last = message;
            known.count += 1;
            continue;
        }
        at.insert(hash.clone(), groups.len());
        groups.push(Group {
            hash,
            first: message,
            last: message,
            count: 1,
        });
    }
    groups
}

fn reason(message: &Message) -> &str {
    message.reason.as_deref().unwrap_or_default()
}

fn bad_messages<'c>(pipeline: &mut Pipeline<'c>, statements: &'c Statements, bad: &'c [Message]) {
    if bad.is_empty() {
        return;
    }
    let groups = groups(bad);
    let rows: Vec<&Group<'c>> = groups.iter().collect();
    let bytes = |message: &Message| i64::try_from(message.payload_bytes).unwrap_or(i64::MAX);
    let firsts: Vec<&'c Message> = groups.iter().map(|group| group.first).collect();
    let lasts: Vec<&'c Message> = groups.iter().map(|group| group.last).collect();
    let values = values![
        rows.iter()
            .map(|group| group.hash.clone())
            .collect::<Vec<_>>(),
        column(&firsts, |message| text(&message.topic)),
        column(&firsts, |message| text(reason(message))),
        column(&lasts, |message| message.node.as_deref().map(text)),
        column(&firsts, |message| message.outcome == Outcome::Denied),
        column(&lasts, bytes),
        column(&lasts, |message| text(&message.head)),
        rows.iter().map(|group| group.count).collect::<Vec<_>>(),
        column(&firsts, |message| us(message.received_at)),
        column(&lasts, |message| us(message.received_at)),
    ];
    pipeline.send(&statements.count_bad_messages, values);
    let kept = i64::try_from(BAD_MESSAGES_MAX).unwrap_or(i64::MAX);
    pipeline.send(&statements.bound_bad_messages, values![kept]);
}
