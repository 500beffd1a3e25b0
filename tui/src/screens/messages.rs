//! The latest messages, good and bad, with their reason and first bytes.

use ratatui::{buffer::Buffer, layout::Rect, style::Style};
use signalbox_protocol::api::message::Outcome;

use super::{Hits, cell, list, put};
use crate::{state::State, theme::Theme, words};

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
            "no messages yet"
        };
        put(buf, area, 1, 2, text, theme.dim());
    }
    let head = " TIME         TOPIC                           RESULT     BYTES  CONTENT";
    let rest = area.width.saturating_sub(65);
    list(
        head,
        &messages,
        state.row(),
        theme,
        (area, buf, hits),
        |message, at, buf| {
            let (mark, style) = match message.outcome {
                Outcome::Stored => ("stored", theme.good()),
                Outcome::Duplicate => ("duplicate", theme.dim()),
                Outcome::Bad => ("BAD", theme.bad()),
                Outcome::Denied => ("DENIED", theme.bad()),
            };
            let time = words::clock(message.received_at, state.now);
            cell(buf, at, (1, 12), 0, &time, theme.dim());
            cell(
                buf,
                at,
                (14, 31),
                0,
                &words::safe(&message.topic),
                Style::new(),
            );
            cell(buf, at, (46, 10), 0, mark, style);
            cell(
                buf,
                at,
                (57, 6),
                0,
                &message.payload_bytes.to_string(),
                theme.dim(),
            );
            let content = match &message.reason {
                Some(reason) => format!("{}: {}", words::safe(reason), words::safe(&message.head)),
                None if state.raw => words::safe(&message.head),
                None => words::gist(message),
            };
            cell(buf, at, (64, rest), 0, &content, Style::new());
        },
    );
}
