//! The latest messages, good and bad, with their reason and first bytes.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::message::Outcome;

use super::{
    Hits, cell, cell_end,
    columns::{Column, table},
    empty, put,
};
use crate::{state::State, theme::Theme, words};

const COLUMNS: [Column; 5] = [
    Column::new("TIME", (8, 12), 1),
    Column::new("TOPIC", (16, 40), 0),
    Column::new("RESULT", (9, 9), 0),
    Column::new("BYTES", (5, 6), 4),
    Column::new("CONTENT", (12, 200), 3),
];

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer, hits: &mut Hits) {
    let messages = state.shown_messages();
    let area = if state.paused.is_some() {
        let text = "paused: what comes meanwhile is shown when it goes on";
        put(buf, area, 1, 0, text, theme.warn());
        Rect {
            y: area.y + 1,
            height: area.height.saturating_sub(1),
            ..area
        }
    } else {
        area
    };
    if messages.is_empty() {
        let text = if state.only_bad {
            "no message was refused"
        } else {
            "no messages yet: they show as nodes send them"
        };
        empty(state, text, theme, area, buf);
    }
    table(
        &COLUMNS,
        &messages,
        state.row(),
        theme,
        (area, buf, hits),
        |message, [time, topic, result, bytes, content], at, buf| {
            let (mark, style) = match message.outcome {
                Outcome::Stored => ("stored", theme.good()),
                Outcome::Duplicate => ("duplicate", theme.dim()),
                Outcome::Bad => ("BAD", theme.bad()),
                Outcome::Denied => ("DENIED", theme.bad()),
            };
            let received = words::clock(message.received_at, state.now);
            cell(buf, at, *time, 0, &received, theme.dim());
            let name = words::safe(&message.topic);
            cell_end(buf, at, *topic, 0, &name, Style::new());
            cell(buf, at, *result, 0, mark, style);
            let size = message.payload_bytes.to_string();
            cell(buf, at, *bytes, 0, &size, theme.dim());
            let text = match &message.reason {
                Some(reason) => format!("{}: {}", words::safe(reason), words::safe(&message.head)),
                None if state.raw => words::safe(&message.head),
                None => words::gist(message),
            };
            cell(buf, at, *content, 0, &text, Style::new());
        },
    );
}
