//! Commands that repeat: schedules are made, changed, paused, run when they are due, deleted.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use signalbox_protocol::{
    api::command::{
        Action, CommandAccepted, CommandState, NewTimedCommand, Origin, Schedule, SchedulePatch,
    },
    schedule::Cron,
};

use super::{RequestError, draft::Draft, orders::Order, state::State};
use crate::commands::{SCHEDULES_MAX, check, schedule};

/// How late a run of a schedule may come after the station was away; later ones are left out.
/// Only `off` is made up for whenever it is found out: that nothing stays on for ever matters
/// more than that nothing goes off late.
pub const MISSED_RUN_MAX: TimeDelta = TimeDelta::seconds(300);

impl State {
    /// Makes a schedule from a checked request.
    pub(super) fn add_schedule(
        &mut self,
        new: NewTimedCommand,
        (cron, text, tz): (&Cron, String, Tz),
        by: String,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<CommandAccepted, RequestError> {
        self.known(&new.node)?;
        if self.schedules.len() >= SCHEDULES_MAX {
            return Err(RequestError::TooMany {
                what: "schedules",
                max: SCHEDULES_MAX,
            });
        }
        let next_at = first_run(cron, tz, &text, now)?;
        let id = self.new_id(now);
        let made = Schedule {
            id: id.clone(),
            node: new.node,
            actuator: new.actuator,
            action: new.action,
            duration_s: new.duration_s,
            cron: text,
            tz: tz.name().to_owned(),
            reason: new.reason,
            paused: false,
            created_by: by,
            created_at: now,
            next_at: Some(next_at),
        };
        self.put_schedule(made, draft);
        Ok(CommandAccepted {
            id,
            state: CommandState::Requested,
            next_at: Some(next_at),
        })
    }

    /// Changes a schedule, pauses it, or lets it run again. While it is paused it has no next run,
    /// so that nothing is made up for afterwards.
    pub(super) fn patch_schedule(
        &mut self,
        id: &str,
        patch: SchedulePatch,
        by: &str,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) -> Result<Schedule, RequestError> {
        let old = self.schedules.get(id).cloned();
        let old = old.ok_or_else(|| no_schedule(id))?;
        let mut new = patched(old.clone(), patch);
        if new == old {
            return Ok(old);
        }
        check::target(&new.node, &new.actuator, new.reason.as_deref())?;
        check::for_ms(new.action, new.duration_s)?;
        let (cron, tz) = (check::expression(&new.cron)?, check::zone(&new.tz)?);
        self.known(&new.node)?;
        let next_at = first_run(&cron, tz, &new.cron, now)?;
        if new.paused {
            new.next_at = None;
        } else if old.paused || (&old.cron, &old.tz) != (&new.cron, &new.tz) {
            new.next_at = Some(next_at);
        }
        tracing::info!(schedule = id, by, paused = new.paused, "schedule changed");
        self.put_schedule(new.clone(), draft);
        Ok(new)
    }

    fn put_schedule(&mut self, schedule: Schedule, draft: &mut Draft) {
        let id = &schedule.id;
        draft.schedules.insert(id.clone(), Some(schedule.clone()));
        self.schedules.insert(id.clone(), schedule);
    }

    fn known(&self, node: &str) -> Result<(), RequestError> {
        if self.nodes.contains_key(node) {
            return Ok(());
        }
        Err(RequestError::NotFound {
            what: "node",
            id: node.to_owned(),
        })
    }

    /// Ends a schedule; commands that it has made stay.
    pub(super) fn delete_schedule(
        &mut self,
        id: &str,
        by: &str,
        draft: &mut Draft,
    ) -> Result<(), RequestError> {
        if self.schedules.remove(id).is_none() {
            return Err(no_schedule(id));
        }
        tracing::info!(schedule = id, by, "schedule deleted");
        draft.schedules.insert(id.to_owned(), None);
        Ok(())
    }

    /// Makes the commands of schedules that are due, in the order in which they were.
    pub(super) fn run_schedules(&mut self, now: DateTime<Utc>, draft: &mut Draft) {
        let due = self.schedules.values().filter_map(|schedule| {
            let due = schedule.next_at.filter(|due| *due <= now)?;
            Some((due, schedule.id.clone()))
        });
        let mut due: Vec<_> = due.collect();
        due.sort();
        for (due, id) in due {
            self.run_schedule(&id, due, now, draft);
        }
    }

    fn run_schedule(
        &mut self,
        id: &str,
        due: DateTime<Utc>,
        now: DateTime<Utc>,
        draft: &mut Draft,
    ) {
        let Some(schedule) = self.schedules.get_mut(id) else {
            return;
        };
        schedule.next_at = next_run(schedule, now);
        let schedule = schedule.clone();
        draft
            .schedules
            .insert(id.to_owned(), Some(schedule.clone()));
        if now - due > MISSED_RUN_MAX && schedule.action != Action::Off {
            tracing::warn!(schedule = id, %due, "a run was missed while the station was away");
            return;
        }
        let order = Order {
            node: schedule.node,
            actuator: schedule.actuator,
            action: schedule.action,
            for_ms: schedule
                .duration_s
                .map(|duration_s| duration_s.saturating_mul(1_000)),
            origin: Origin::Schedule {
                schedule: id.to_owned(),
            },
            reason: schedule.reason,
            not_before: None,
        };
        if let Err(error) = self.order(order, now, draft) {
            tracing::warn!(schedule = id, %error, "a scheduled command could not be made");
        }
    }

    /// When the next schedule runs.
    pub(super) fn next_run_at(&self) -> Option<DateTime<Utc>> {
        self.schedules
            .values()
            .filter_map(|schedule| schedule.next_at)
            .min()
    }
}

fn no_schedule(id: &str) -> RequestError {
    RequestError::NotFound {
        what: "schedule",
        id: id.to_owned(),
    }
}

/// A schedule with what a patch says.
fn patched(old: Schedule, patch: SchedulePatch) -> Schedule {
    Schedule {
        paused: patch.paused.unwrap_or(old.paused),
        node: patch.node.unwrap_or(old.node),
        actuator: patch.actuator.unwrap_or(old.actuator),
        action: patch.action.unwrap_or(old.action),
        duration_s: patch.duration_s.unwrap_or(old.duration_s),
        cron: patch.cron.unwrap_or(old.cron),
        tz: patch.tz.unwrap_or(old.tz),
        reason: patch.reason.unwrap_or(old.reason),
        ..old
    }
}

/// When an expression first comes; one that never does is refused.
fn first_run(
    cron: &Cron,
    tz: Tz,
    text: &str,
    now: DateTime<Utc>,
) -> Result<DateTime<Utc>, RequestError> {
    schedule::next(cron, tz, now).ok_or_else(|| RequestError::Invalid {
        field: "cron",
        message: format!("`{text}` never comes"),
    })
}

fn next_run(made: &Schedule, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let cron = schedule::parse(&made.cron).ok()?;
    schedule::next(&cron, made.tz.parse().ok()?, now)
}
