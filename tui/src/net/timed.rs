//! Carries out what is about commands to come: schedules, and commands at a time.

use signalbox_protocol::api::command::{
    Command, CommandAccepted, NewTimedCommand, Schedule, SchedulePatch,
};

use super::ask::{done, undoable};
use crate::{
    client::{Client, ClientError, segment},
    event::{Action, Answer},
    state::again,
    words,
};

pub(super) async fn timed(client: &Client, action: Action) -> Result<Answer, ClientError> {
    match action {
        Action::AddTimed(new) => add(client, &new).await,
        Action::CancelCommand(command) => cancel(client, &command.id).await,
        Action::PatchSchedule { id, patch, back } => {
            let changed: Schedule = client.patch(&path(&id), &*patch).await?;
            let what = words::schedule(&changed);
            let (done, undone) = match patch.paused {
                Some(true) => ("schedule paused", "pausing"),
                Some(false) => ("schedule runs again", "letting run"),
                None => ("schedule changed", "the change of"),
            };
            let (patch, back) = (back, patch);
            undoable(
                format!("{done}: {what}"),
                format!("{undone} {what}"),
                Action::PatchSchedule { id, patch, back },
            )
        }
        Action::DeleteSchedule(schedule) => {
            client.delete(&path(&schedule.id)).await?;
            let what = words::schedule(&schedule);
            undoable(
                format!("schedule deleted: {what}"),
                format!("deleting {what}"),
                Action::RestoreSchedule(schedule),
            )
        }
        Action::RestoreSchedule(old) => {
            let made: CommandAccepted = client.post(TIMED, &again(&old)).await?;
            if old.paused {
                let patch = SchedulePatch {
                    paused: Some(true),
                    ..SchedulePatch::default()
                };
                let _: Schedule = client.patch(&path(&made.id), &patch).await?;
            }
            done(format!("schedule made again: {}", words::schedule(&old)))
        }
        _ => done(""),
    }
}

const TIMED: &str = "/api/v1/command/timed";

fn path(schedule: &str) -> String {
    format!("/api/v1/schedules/{}", segment(schedule))
}

async fn add(client: &Client, new: &NewTimedCommand) -> Result<Answer, ClientError> {
    let made: CommandAccepted = client.post(TIMED, new).await?;
    if new.cron.is_some() {
        let schedule: Schedule = client.get(&path(&made.id), &()).await?;
        let what = words::schedule(&schedule);
        return undoable(
            format!("schedule made: {what}"),
            format!("making {what}"),
            Action::DeleteSchedule(Box::new(schedule)),
        );
    }
    let one = format!("/api/v1/command/{}", segment(&made.id));
    let command: Command = client.get(&one, &()).await?;
    let what = planned(&command);
    undoable(
        format!("planned: {what}"),
        format!("planning {what}"),
        Action::CancelCommand(Box::new(command)),
    )
}

/// A command that was planned can be planned again.
async fn cancel(client: &Client, id: &str) -> Result<Answer, ClientError> {
    let path = format!("/api/v1/command/{}/cancel", segment(id));
    let command: Command = client.act(&path).await?;
    let what = planned(&command);
    if command.not_before.is_none() {
        return done(format!("cancelled: {what}"));
    }
    let again = NewTimedCommand {
        node: command.node,
        actuator: command.actuator,
        action: command.action,
        reason: command.reason,
        duration_s: command.for_ms.map(|ms| ms / 1_000),
        at: command.not_before,
        cron: None,
        tz: None,
    };
    undoable(
        format!("cancelled: {what}"),
        format!("cancelling {what}"),
        Action::AddTimed(Box::new(again)),
    )
}

fn planned(command: &Command) -> String {
    let does = words::does(command.action, command.for_ms.map(|ms| ms / 1_000));
    let at = command
        .not_before
        .map_or_else(String::new, |at| format!(" at {}", words::exact(at)));
    format!("{}/{} {does}{at}", command.node, command.actuator)
}
