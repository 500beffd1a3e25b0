//! The form of what is to come: a command that repeats, or one at a time. While it is typed, the
//! form says when it will run, by the same code that the station runs it by.

use chrono::{DateTime, Utc};
use signalbox_protocol::{
    api::command::{Action as Order, NewTimedCommand, Schedule, SchedulePatch},
    schedule::{self, Tz},
    topic::check_name,
};

use super::form::{Form, Named, Wrong};
use crate::{event::Action, until, words};

/// Runs that are shown.
const RUNS_SHOWN: usize = 3;
/// Words of a cron expression.
const CRON_WORDS: usize = 5;

/// Name, label and hint of each field.
const FIELDS: [Named; 7] = [
    ("node", "Node", "its name"),
    ("actuator", "Actuator", "its name"),
    ("action", "Does", "on, off or toggle"),
    ("duration_s", "For", "with on: 10m, 1h30m; empty: stays on"),
    ("cron", "When", "minute hour day month weekday, or 18:00"),
    ("tz", "Zone", "of When, like Europe/Paris"),
    ("reason", "Why", "for the history; may be empty"),
];

/// When a command will run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Runs {
    Once(DateTime<Utc>),
    /// The first of many, in their zone.
    Again(Vec<DateTime<Utc>>, Tz),
}

/// The form.
#[derive(Debug)]
pub(crate) struct ScheduleForm {
    pub(crate) form: Form,
    /// The schedule that is changed, as it was; `None` for a new one.
    pub(crate) before: Option<Box<Schedule>>,
    /// As far as it can be understood.
    pub(crate) runs: Option<Runs>,
}

impl ScheduleForm {
    /// A new schedule for an actuator.
    pub(super) fn new(node: &str, actuator: &str, tz: &str, now: DateTime<Utc>) -> Self {
        Self::filled(now, |name| match name {
            "node" => node.to_owned(),
            "actuator" => actuator.to_owned(),
            "action" => "on".to_owned(),
            "tz" => tz.to_owned(),
            _ => String::new(),
        })
    }

    /// A new schedule like another.
    pub(super) fn like(old: &Schedule, now: DateTime<Utc>) -> Self {
        Self::filled(now, |name| match name {
            "node" => old.node.clone(),
            "actuator" => old.actuator.clone(),
            "action" => words::verb(old.action).to_owned(),
            "duration_s" => old
                .duration_s
                .map_or_else(String::new, words::duration_text),
            "cron" => old.cron.clone(),
            "tz" => old.tz.clone(),
            _ => old.reason.clone().unwrap_or_default(),
        })
    }

    /// A schedule that is there.
    pub(super) fn edit(old: &Schedule, now: DateTime<Utc>) -> Self {
        Self {
            before: Some(Box::new(old.clone())),
            ..Self::like(old, now)
        }
    }

    fn filled(now: DateTime<Utc>, text: impl Fn(&str) -> String) -> Self {
        let mut form = Self {
            form: Form::new(&FIELDS, text),
            before: None,
            runs: None,
        };
        form.runs = form.read_when(now).ok();
        form
    }

    /// Says at once what cannot be understood, and when it will run.
    pub(super) fn check(&mut self, now: DateTime<Utc>) {
        self.runs = self.read_when(now).ok();
        let read = self.read(now).map(|_| ());
        self.form.check(read);
    }

    /// What to ask the station; or the first field that cannot be understood.
    pub(super) fn submit(&mut self, now: DateTime<Utc>) -> Option<Action> {
        let read = self.read(now);
        let new = self.form.understood(read)?;
        self.form.waiting = true;
        Some(match &self.before {
            Some(before) => Action::PatchSchedule {
                id: before.id.clone(),
                patch: Box::new(patch(new)),
                back: Box::new(patch(again(before))),
            },
            None => Action::AddTimed(Box::new(new)),
        })
    }

    /// The only field that says when.
    fn read_when(&self, now: DateTime<Utc>) -> Result<Runs, Wrong> {
        let text = self.form.text("cron");
        let wrong = |text: String| ("cron", text);
        match schedule::parse(text) {
            Ok(cron) => {
                let zone = self.form.optional("tz").unwrap_or_else(|| "UTC".to_owned());
                let tz = schedule::zone(&zone).map_err(|error| ("tz", error))?;
                let runs = schedule::runs(&cron, tz, now, RUNS_SHOWN);
                if runs.is_empty() {
                    return Err(wrong(format!("`{text}` never comes")));
                }
                Ok(Runs::Again(runs, tz))
            }
            Err(error) if self.before.is_some() => Err(wrong(format!("`{text}`: {error}"))),
            Err(error) => until::read(text, now).map(Runs::Once).map_err(|_| {
                wrong(if text.split_whitespace().count() == CRON_WORDS {
                    format!("`{text}`: {error}")
                } else {
                    "write `0 7 * * 1-5` (minute hour day month weekday), or `18:00`".to_owned()
                })
            }),
        }
    }

    /// What stands in the form, or the first field that cannot be understood.
    pub(super) fn read(&self, now: DateTime<Utc>) -> Result<NewTimedCommand, Wrong> {
        let name = |field: &'static str| {
            let text = self.form.text(field);
            if text.is_empty() {
                return Err((field, format!("which {field}?")));
            }
            check_name(text)
                .map(|()| text.to_owned())
                .map_err(|error| (field, format!("`{text}`: {error}")))
        };
        let (node, actuator) = (name("node")?, name("actuator")?);
        let action = match self.form.text("action") {
            "on" => Order::On,
            "off" => Order::Off,
            "toggle" => Order::Toggle,
            _ => return Err(("action", "must be on, off or toggle".to_owned())),
        };
        let duration_s = match self.form.text("duration_s") {
            "" => None,
            _ if action != Order::On => {
                return Err(("duration_s", "only `on` takes a duration".to_owned()));
            }
            text => Some(words::duration_s(text).map_err(|error| ("duration_s", error))?),
        };
        let mut new = NewTimedCommand {
            node,
            actuator,
            action,
            reason: self.form.optional("reason"),
            duration_s,
            at: None,
            cron: None,
            tz: None,
        };
        match self.read_when(now)? {
            Runs::Once(at) => new.at = Some(at),
            Runs::Again(..) => {
                new.cron = self.form.optional("cron");
                new.tz = self.form.optional("tz");
            }
        }
        Ok(new)
    }
}

/// What makes a schedule once more.
pub(crate) fn again(old: &Schedule) -> NewTimedCommand {
    NewTimedCommand {
        node: old.node.clone(),
        actuator: old.actuator.clone(),
        action: old.action,
        reason: old.reason.clone(),
        duration_s: old.duration_s,
        at: None,
        cron: Some(old.cron.clone()),
        tz: Some(old.tz.clone()),
    }
}

fn patch(new: NewTimedCommand) -> SchedulePatch {
    SchedulePatch {
        paused: None,
        node: Some(new.node),
        actuator: Some(new.actuator),
        action: Some(new.action),
        duration_s: Some(new.duration_s),
        cron: new.cron,
        tz: new.tz,
        reason: Some(new.reason),
    }
}
