//! Keys find their command: through the window in front, the filter, or the key map.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{State, form::type_into};
use crate::event::Action;

impl State {
    pub(super) fn on_key(&mut self, key: KeyEvent) -> Vec<Action> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let typing = self.modal.is_some() || self.filtering;
        let interrupt =
            key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        // While something is typed the key map does not hold, and there is still a way out.
        if interrupt && typing {
            return vec![Action::Quit];
        }
        if self.modal.is_some() {
            return self.on_modal_key(key);
        }
        if self.filtering {
            match key.code {
                KeyCode::Enter => self.filtering = false,
                KeyCode::Esc => {
                    self.filtering = false;
                    self.filter.reset();
                }
                _ => type_into(&mut self.filter, key),
            }
            return Vec::new();
        }
        match self.settings.keymap.command(self.place, key) {
            Some(cmd) => self.command(cmd),
            None => Vec::new(),
        }
    }
}
