//! Incidents, open ones first, with peak and duration; and the silences that hold mails back.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::{
    incident::{Incident, IncidentState},
    silence::{Silence, SilenceState},
};

use super::{
    Hits, cell,
    columns::{Column, table},
    empty, tabs, without_mail,
};
use crate::{
    state::{IncidentsPage, State, severity_word},
    theme::Theme,
    words,
};

const COLUMNS: [Column; 7] = [
    Column::new("STATE", (7, 7), 0),
    Column::new("NODE", (10, 18), 0),
    Column::new("CONDITION", (16, 26), 0),
    Column::new("SINCE", (8, 12), 2),
    Column::new("LASTED", (6, 7), 3),
    Column::new("PEAK", (7, 10), 1),
    Column::new("SEVERITY", (8, 100), 4),
];
const SILENCES: [Column; 5] = [
    Column::new("STATE", (7, 7), 0),
    Column::new("WHAT", (18, 48), 0),
    Column::new("UNTIL", (8, 12), 1),
    Column::new("LEFT", (6, 7), 2),
    Column::new("WHO AND WHY", (12, 100), 3),
];

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let area = without_mail(state, theme, area, buf);
    let all = state.silences.iter();
    let active = all.filter(|silence| silence.state == SilenceState::Active);
    let silences = format!("Silences {}", active.count());
    let area = tabs(
        &["Incidents", &silences],
        state.page(),
        theme,
        area,
        (buf, hits),
    );
    match state.incidents_page {
        IncidentsPage::Incidents => draw_incidents(state, theme, area, buf, hits),
        IncidentsPage::Silences => draw_silences(state, theme, area, buf, hits),
    }
}

fn draw_incidents(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let incidents = state.shown_incidents();
    if incidents.is_empty() {
        empty(
            state,
            "nothing has fired; rules (`2`) say what does",
            theme,
            area,
            buf,
        );
    }
    table(
        &COLUMNS,
        &incidents,
        state.row(),
        theme,
        (area, buf, hits),
        |incident, [mark, node, condition, since, length, peak, who], at, buf| {
            let (word, style) = match incident.state {
                IncidentState::Pending => ("pending", theme.warn()),
                // Not by colour alone.
                IncidentState::Firing if incident.silenced.is_some() => ("silent", theme.warn()),
                IncidentState::Firing => ("FIRING", theme.bad()),
                IncidentState::Acknowledged => ("acked", theme.warn()),
                IncidentState::Closed => ("closed", theme.dim()),
            };
            cell(buf, at, *mark, 0, word, style);
            cell(buf, at, *node, 0, &incident.node, theme.bold());
            let text = words::safe(&incident.condition);
            cell(buf, at, *condition, 0, &text, Style::new());
            let began = incident.fired_at.unwrap_or(incident.began_at);
            let text = words::clock(began, state.now);
            cell(buf, at, *since, 0, &text, Style::new());
            cell(buf, at, *length, 0, &lasted(state, incident), Style::new());
            let text = format!(
                "{}{}",
                words::value(incident.peak),
                words::unit(&incident.metric)
            );
            cell(buf, at, *peak, 0, &text, Style::new());
            cell(buf, at, *who, 0, &remarks(state, incident), theme.dim());
        },
    );
}

fn lasted(state: &State, incident: &Incident) -> String {
    let begin = incident.fired_at.unwrap_or(incident.began_at);
    words::short(incident.closed_at.unwrap_or(state.now) - begin)
}

/// How bad it is, who knows, and who does not want to hear of it.
fn remarks(state: &State, incident: &Incident) -> String {
    let mut all = vec![severity_word(incident.severity).to_owned()];
    let until = |at| words::clock(at, state.now);
    if let Some(silenced) = &incident.silenced {
        let (by, end) = (words::safe(&silenced.by), until(silenced.until_at));
        all.push(format!("silenced by {by} until {end}"));
    }
    if let Some(who) = &incident.acknowledged_by {
        let end = incident
            .acknowledged_until
            .map_or_else(String::new, |at| format!(" until {}", until(at)));
        all.push(format!("acknowledged by {}{end}", words::safe(who)));
    }
    if let Some(note) = &incident.acknowledged_note {
        all.push(words::safe(note));
    }
    all.join(", ")
}

fn draw_silences(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let rows = state.shown_silences();
    if rows.is_empty() {
        empty(state, "no silences: `n` makes one", theme, area, buf);
    }
    table(
        &SILENCES,
        &rows,
        state.row(),
        theme,
        (area, buf, hits),
        |row, [mark, what, until, left, who], at, buf| {
            let (word, style) = match row.state {
                SilenceState::Planned => ("planned", theme.bold()),
                SilenceState::Active => ("active", theme.warn()),
                SilenceState::Over => ("over", theme.dim()),
            };
            cell(buf, at, *mark, 0, word, style);
            cell(buf, at, *what, 0, &words::silenced(row), theme.bold());
            let end = words::clock(row.ended_at.unwrap_or(row.until_at), state.now);
            cell(buf, at, *until, 0, &end, Style::new());
            let rest = match row.state {
                SilenceState::Planned => format!("in {}", words::short(row.from_at - state.now)),
                SilenceState::Active => words::short(row.until_at - state.now),
                SilenceState::Over => String::new(),
            };
            cell(buf, at, *left, 0, &rest, theme.dim());
            cell(buf, at, *who, 0, &who_and_why(row), theme.dim());
        },
    );
}

fn who_and_why(silence: &Silence) -> String {
    let mut text = words::safe(&silence.created_by);
    if let Some(by) = &silence.ended_by {
        text = format!("{text}, ended by {}", words::safe(by));
    }
    if !silence.comment.is_empty() {
        text = format!("{text}: {}", words::safe(&silence.comment));
    }
    text
}
