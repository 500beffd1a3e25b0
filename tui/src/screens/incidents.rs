//! Incidents: open ones first, with peak and duration.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::incident::{Incident, IncidentState};

use super::{Hits, cell, list, put, without_mail};
use crate::{
    state::{State, severity_word},
    theme::Theme,
    words,
};

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let area = without_mail(state, theme, area, buf);
    let incidents = state.shown_incidents();
    if incidents.is_empty() {
        put(buf, area, 1, 2, "nothing has fired", theme.dim());
    }
    let head = " STATE    NODE             CONDITION                 SINCE        LASTED  PEAK";
    list(
        head,
        &incidents,
        state.row(),
        theme,
        (area, buf, hits),
        |incident, at, buf| {
            let (mark, style) = match incident.state {
                IncidentState::Pending => ("pending", theme.warn()),
                IncidentState::Firing => ("FIRING", theme.bad()),
                IncidentState::Acknowledged => ("acked", theme.warn()),
                IncidentState::Closed => ("closed", theme.dim()),
            };
            cell(buf, at, (1, 8), 0, mark, style);
            cell(buf, at, (10, 16), 0, &incident.node, theme.bold());
            cell(
                buf,
                at,
                (27, 25),
                0,
                &words::safe(&incident.condition),
                Style::new(),
            );
            let since = incident.fired_at.unwrap_or(incident.began_at);
            cell(
                buf,
                at,
                (53, 12),
                0,
                &words::clock(since, state.now),
                Style::new(),
            );
            cell(buf, at, (66, 7), 0, &lasted(state, incident), Style::new());
            cell(
                buf,
                at,
                (74, 9),
                0,
                &words::value(incident.peak),
                Style::new(),
            );
            let who = incident.acknowledged_by.as_ref().map_or_else(
                || severity_word(incident.severity).to_owned(),
                |who| {
                    format!(
                        "{}, acknowledged by {who}",
                        severity_word(incident.severity)
                    )
                },
            );
            cell(buf, at, (84, 40), 0, &who, theme.dim());
        },
    );
}

fn lasted(state: &State, incident: &Incident) -> String {
    let begin = incident.fired_at.unwrap_or(incident.began_at);
    words::short(incident.closed_at.unwrap_or(state.now) - begin)
}
