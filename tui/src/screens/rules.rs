//! Rules: what they watch, what they do, and whether they fire now.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::incident::IncidentState;

use super::{
    Hits, cell,
    columns::{Column, table},
    empty, without_mail,
};
use crate::{state::State, theme::Theme, words};

const COLUMNS: [Column; 4] = [
    Column::new("", (4, 4), 0),
    Column::new("NAME", (14, 40), 1),
    Column::new("WHEN", (28, 50), 0),
    Column::new("DOES", (14, 200), 2),
];

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let area = without_mail(state, theme, area, buf);
    let rules = state.shown_rules();
    if rules.is_empty() {
        empty(state, "no rules: `n` makes one", theme, area, buf);
    }
    table(
        &COLUMNS,
        &rules,
        state.row(),
        theme,
        (area, buf, hits),
        |rule, [state_at, name, when, what], at, buf| {
            let spec = &rule.spec;
            let firing = state.incidents.iter().any(|incident| {
                incident.rule == rule.id
                    && matches!(
                        incident.state,
                        IncidentState::Firing | IncidentState::Acknowledged
                    )
            });
            let (mark, style) = match (rule.enabled, firing) {
                (false, _) => ("off", theme.dim()),
                (true, true) => ("FIRE", theme.bad()),
                (true, false) => ("on", theme.good()),
            };
            cell(buf, at, *state_at, 0, mark, style);
            cell(buf, at, *name, 0, &words::safe(&spec.name), Style::new());
            let node = spec.node.as_deref().unwrap_or("every node");
            let hold = if spec.hold_s > 0 {
                let span = chrono::TimeDelta::seconds(i64::from(spec.hold_s));
                format!(" for {}", words::short(span))
            } else {
                String::new()
            };
            let condition = format!(
                "{node}: {} {} {}{hold}",
                spec.metric,
                spec.op.sign(),
                spec.value
            );
            cell(buf, at, *when, 0, &condition, Style::new());
            let mut does: Vec<String> = spec.command.iter().map(words::order_text).collect();
            does.extend(
                spec.clear_command
                    .iter()
                    .map(|c| format!("then {}", words::order_text(c))),
            );
            does.extend(spec.email.iter().map(|to| format!("mail {to}")));
            cell(buf, at, *what, 0, &does.join(", "), theme.dim());
        },
    );
}
