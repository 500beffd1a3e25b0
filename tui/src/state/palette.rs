//! The palette: every action, found by some of its letters, with its key.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use tui_input::Input;

use super::{Modal, State, filter::ranked, form::type_into};
use crate::{
    event::Action,
    keymap::{Binding, Cmd, Keymap, Place},
};

/// What is typed, and the marked row.
#[derive(Debug, Default)]
pub(crate) struct PaletteState {
    pub(crate) typed: Input,
    pub(crate) row: usize,
}

/// The actions that fit what is typed: those of this place and of everywhere first, then those
/// of other places.
pub(crate) fn entries<'a>(keymap: &'a Keymap, place: Place, typed: &str) -> Vec<&'a Binding> {
    let others = keymap
        .all()
        .iter()
        .filter(|binding| binding.place != place && binding.place != Place::Anywhere);
    let all: Vec<&Binding> = keymap.here(place).chain(others).collect();
    ranked(typed, all, |binding| {
        format!("{} {}", binding.place.word(), binding.text)
    })
}

impl State {
    pub(super) fn on_palette_key(&mut self, key: KeyEvent) -> Vec<Action> {
        let place = self.place;
        let Some(Modal::Palette(palette)) = &mut self.modal else {
            return Vec::new();
        };
        let found = entries(&self.settings.keymap, place, palette.typed.value());
        let last = found.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => self.modal = None,
            KeyCode::Down | KeyCode::Tab => palette.row = (palette.row + 1).min(last),
            KeyCode::Up | KeyCode::BackTab => palette.row = palette.row.saturating_sub(1),
            KeyCode::PageDown => palette.row = (palette.row + 10).min(last),
            KeyCode::PageUp => palette.row = palette.row.saturating_sub(10),
            KeyCode::Enter => {
                let chosen = found.get(palette.row.min(last));
                let chosen = chosen.map(|binding| (binding.place, binding.cmd));
                self.modal = None;
                if let Some((at, cmd)) = chosen {
                    return self.run_at(at, cmd);
                }
            }
            _ => {
                type_into(&mut palette.typed, key);
                palette.row = 0;
            }
        }
        Vec::new()
    }

    /// Runs a command of some place: goes there first.
    pub(super) fn run_at(&mut self, place: Place, cmd: Cmd) -> Vec<Action> {
        let mut actions = Vec::new();
        if place != Place::Anywhere && place != self.place {
            actions = match place {
                Place::Node => self.command(Cmd::Open),
                Place::Chart => self.command(Cmd::OpenChart),
                place => self.go(place),
            };
            if self.place != place {
                return actions;
            }
        }
        actions.extend(self.command(cmd));
        actions
    }
}
