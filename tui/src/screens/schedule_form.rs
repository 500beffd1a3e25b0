//! The form of a schedule, with the times at which it will run.

use chrono::{DateTime, Utc};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::schedule::Tz;

use super::{cell, form::draw_form};
use crate::{
    state::{Runs, ScheduleForm, State},
    theme::Theme,
    words,
};

/// Rows below the fields: a head and three runs.
const RUN_ROWS: u16 = 4;

pub(super) fn draw(state: &State, form: &ScheduleForm, theme: Theme, area: Rect, buf: &mut Buffer) {
    let title = match form.before {
        Some(_) => "Edit schedule",
        None => "New schedule",
    };
    let keys = "Ctrl-S save   Tab next   Esc leave";
    let words = (title, keys, "Ctrl-S save  Tab next  Esc");
    let below = draw_form(&form.form, words, RUN_ROWS, theme, area, buf);
    let line = (1, below.width.saturating_sub(2));
    let (head, runs) = match &form.runs {
        None => ("it runs: when?", Vec::new()),
        Some(Runs::Once(at)) => ("it runs once:", vec![once(*at, state.now)]),
        Some(Runs::Again(_, _)) if form.before.as_ref().is_some_and(|old| old.paused) => {
            ("it is paused", Vec::new())
        }
        Some(Runs::Again(runs, tz)) => {
            let texts = runs.iter().map(|at| again(*at, *tz, state.now));
            ("it runs next:", texts.collect())
        }
    };
    if below.height > 0 {
        cell(buf, below, line, 0, head, theme.bold());
    }
    for (y, text) in (1..below.height).zip(runs) {
        cell(buf, below, line, y, &text, Style::new());
    }
}

fn once(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{}  in {}", words::exact(at), words::short(at - now))
}

/// A run by the clock of its zone; where the person's own differs, by that too.
fn again(at: DateTime<Utc>, tz: Tz, now: DateTime<Utc>) -> String {
    let (there, here) = (at.with_timezone(&tz), at.with_timezone(&words::Zone));
    let own = if there.naive_local() == here.naive_local() {
        String::new()
    } else {
        format!("  ({} here)", here.format("%a %H:%M"))
    };
    let there = there.format("%a %Y-%m-%d %H:%M %Z");
    format!("{there}  in {}{own}", words::short(at - now))
}
