//! The login, where the station wants to know who we are.

use ratatui::{buffer::Buffer, layout::Rect};

use super::{input, put, row, window};
use crate::{
    state::{Modal, State},
    theme::Theme,
};

pub(super) fn draw(state: &State, theme: Theme, area: Rect, buf: &mut Buffer) {
    let Some(Modal::Login {
        username,
        password,
        on_password,
        error,
        waiting,
    }) = &state.modal
    else {
        return;
    };
    let inside = window("Log in", (56, 9), theme, area, buf);
    put(buf, inside, 1, 0, &state.endpoint, theme.dim());
    let fields = [
        (2, "User", username, false),
        (3, "Password", password, true),
    ];
    for (y, label, field, hidden) in fields {
        put(buf, inside, 1, y, label, theme.bold());
        let place = Rect {
            x: inside.x + 11,
            width: inside.width.saturating_sub(12),
            ..row(inside, y)
        };
        input(field, (hidden == *on_password, hidden), theme, place, buf);
    }
    let (text, style) = match error {
        _ if *waiting => ("…", theme.dim()),
        Some(error) => (error.as_str(), theme.bad()),
        None => ("", theme.dim()),
    };
    put(buf, inside, 1, 5, text, style);
    put(
        buf,
        inside,
        1,
        6,
        "Enter next, log in   Tab other field   Esc quit",
        theme.dim(),
    );
}
