//! Incidents: open ones first, with peak and duration.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::incident::{Incident, IncidentState};

use super::{
    Hits, cell,
    columns::{Column, table},
    put, without_mail,
};
use crate::{
    state::{State, severity_word},
    theme::Theme,
    words,
};

const COLUMNS: [Column; 7] = [
    Column::new("STATE", (7, 7), 0),
    Column::new("NODE", (10, 24), 0),
    Column::new("CONDITION", (16, 32), 0),
    Column::new("SINCE", (8, 12), 2),
    Column::new("LASTED", (6, 7), 3),
    Column::new("PEAK", (7, 12), 1),
    Column::new("SEVERITY", (8, 60), 4),
];

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let area = without_mail(state, theme, area, buf);
    let incidents = state.shown_incidents();
    if incidents.is_empty() {
        put(buf, area, 1, 2, "nothing has fired", theme.dim());
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
            let severity = severity_word(incident.severity);
            let text = incident.acknowledged_by.as_ref().map_or_else(
                || severity.to_owned(),
                |who| format!("{severity}, acknowledged by {who}"),
            );
            cell(buf, at, *who, 0, &text, theme.dim());
        },
    );
}

fn lasted(state: &State, incident: &Incident) -> String {
    let begin = incident.fired_at.unwrap_or(incident.began_at);
    words::short(incident.closed_at.unwrap_or(state.now) - begin)
}
