//! All that this terminal has told, newest first.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{Hits, cell, empty, list};
use crate::{state::State, theme::Theme, words};

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let told = state.shown_log();
    if told.is_empty() {
        empty(
            state,
            "nothing was told yet: what this terminal says is kept here",
            theme,
            area,
            buf,
        );
    }
    list(
        " TIME         WHAT",
        &told,
        state.row(),
        theme,
        (area, buf, hits),
        |told, at, buf| {
            cell(
                buf,
                at,
                (1, 12),
                0,
                &words::clock(told.at, state.now),
                theme.dim(),
            );
            let (mark, style) = if told.bad {
                ("!", theme.bad())
            } else {
                ("·", theme.good())
            };
            cell(buf, at, (14, 1), 0, mark, style);
            let width = at.width.saturating_sub(16);
            cell(
                buf,
                at,
                (16, width),
                0,
                &words::safe(&told.text),
                theme.bold(),
            );
        },
    );
}
