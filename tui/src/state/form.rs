//! Text fields that are filled in together: what rules and schedules are made with. One field has
//! the focus, what is wrong stands at its field, and the station's answer is waited for.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, backend::crossterm::EventHandler as _};

/// Longest text of a field.
const FIELD_CHARS_MAX: usize = 254;

/// Name, label and hint of a field. The name is that of the API, so that its errors find their
/// place.
pub(super) type Named = (&'static str, &'static str, &'static str);
/// The field at fault, and what is wrong with it.
pub(super) type Wrong = (&'static str, String);

/// A field of a form.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) hint: &'static str,
    pub(crate) input: Input,
}

/// The fields, with the one that has the focus.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) fields: Vec<Field>,
    pub(crate) focus: usize,
    /// What is wrong, and the field at fault.
    pub(crate) error: Option<(String, Option<String>)>,
    /// Sent, and not answered yet.
    pub(crate) waiting: bool,
}

/// What a key did to a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    /// It is left without saving.
    Leave,
    /// It is to be saved.
    Save,
    /// A text changed.
    Typed,
    /// Another field has the focus, or nothing happened.
    Moved,
}

impl Form {
    /// Fields with their first texts.
    pub(super) fn new(fields: &[Named], text: impl Fn(&str) -> String) -> Self {
        let field = |&(name, label, hint): &Named| Field {
            name,
            label,
            hint,
            input: Input::new(text(name)),
        };
        Self {
            fields: fields.iter().map(field).collect(),
            focus: 0,
            error: None,
            waiting: false,
        }
    }

    /// Fills a field.
    pub(crate) fn set(&mut self, name: &str, text: &str) {
        let field = self.fields.iter_mut().find(|field| field.name == name);
        if let Some(field) = field {
            field.input = Input::new(text.to_owned());
        }
    }

    /// What stands in a field, trimmed.
    pub(super) fn text(&self, name: &str) -> &str {
        let field = self.fields.iter().find(|field| field.name == name);
        field.map_or("", |field| field.input.value()).trim()
    }

    /// As [`Form::text`], when there is any.
    pub(super) fn optional(&self, name: &str) -> Option<String> {
        Some(self.text(name).to_owned()).filter(|text| !text.is_empty())
    }

    /// Whether a field has the focus.
    #[cfg(test)]
    pub(super) fn is_at(&self, name: &str) -> bool {
        self.fields[self.focus].name == name
    }

    /// Takes a key.
    pub(super) fn press(&mut self, key: KeyEvent) -> Pressed {
        let ctrl_s =
            key.code == KeyCode::Char('s') && key.modifiers.contains(KeyModifiers::CONTROL);
        let fields = self.fields.len();
        match key.code {
            KeyCode::Esc => return Pressed::Leave,
            _ if self.waiting => {}
            _ if ctrl_s => return Pressed::Save,
            KeyCode::Enter if self.focus + 1 == fields => return Pressed::Save,
            KeyCode::Enter | KeyCode::Tab | KeyCode::Down => {
                self.focus = (self.focus + 1) % fields;
            }
            KeyCode::BackTab | KeyCode::Up => self.focus = (self.focus + fields - 1) % fields,
            _ => {
                type_into(&mut self.fields[self.focus].input, key);
                return Pressed::Typed;
            }
        }
        Pressed::Moved
    }

    pub(super) fn paste(&mut self, text: &str) {
        paste_into(&mut self.fields[self.focus].input, text);
    }

    /// Says at once what cannot be understood in the field that has the focus.
    pub(super) fn check(&mut self, read: Result<(), Wrong>) {
        let here = &self.fields[self.focus];
        let empty = here.input.value().trim().is_empty();
        self.error = match read {
            Err((field, text)) if field == here.name && !empty => {
                Some((text, Some(field.to_owned())))
            }
            _ => None,
        };
    }

    /// What was read; or the first field that cannot be understood gets the focus.
    pub(super) fn understood<T>(&mut self, read: Result<T, Wrong>) -> Option<T> {
        match read {
            Ok(read) => {
                self.error = None;
                Some(read)
            }
            Err((field, text)) => {
                self.fault(text, Some(field.to_owned()));
                None
            }
        }
    }

    /// Shows the station's refusal at its field.
    pub(super) fn refused(&mut self, text: String, field: Option<String>) {
        self.waiting = false;
        self.fault(text, field);
    }

    fn fault(&mut self, text: String, field: Option<String>) {
        let place = field.as_deref().and_then(|field| {
            let head = field.split('.').next().unwrap_or(field);
            self.fields.iter().position(|field| field.name == head)
        });
        self.focus = place.unwrap_or(self.focus);
        self.error = Some((text, field));
    }
}

/// A key for a text field.
pub(crate) fn type_into(input: &mut Input, key: KeyEvent) {
    if input.value().chars().count() < FIELD_CHARS_MAX || !matches!(key.code, KeyCode::Char(_)) {
        input.handle_event(&Event::Key(key));
    }
}

/// Pasted text for a text field: one line, no control characters.
pub(crate) fn paste_into(input: &mut Input, text: &str) {
    let room = FIELD_CHARS_MAX.saturating_sub(input.value().chars().count());
    for c in text.chars().filter(|c| !c.is_control()).take(room) {
        input.handle(tui_input::InputRequest::InsertChar(c));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        let fields = [("node", "Node", ""), ("command", "Command", "")];
        Form::new(&fields, |_| String::new())
    }

    #[test]
    fn a_refusal_finds_its_field() {
        let mut form = form();
        form.waiting = true;
        form.refused("no".to_owned(), Some("command.actuator".to_owned()));
        assert!(form.is_at("command") && !form.waiting);
        form.refused("nor this".to_owned(), Some("elsewhere".to_owned()));
        assert!(form.is_at("command"));
    }

    #[test]
    fn fields_are_bounded_and_pasted_text_is_one_line() {
        let mut form = form();
        form.paste("a\nb\u{1b}[c");
        assert_eq!(form.text("node"), "ab[c");
        form.paste(&"x".repeat(1_000));
        assert_eq!(form.text("node").len(), FIELD_CHARS_MAX);
    }

    #[test]
    fn while_an_answer_is_waited_for_only_leaving_is_left() {
        let mut form = form();
        form.waiting = true;
        for code in [KeyCode::Enter, KeyCode::Tab, KeyCode::Char('x')] {
            assert_eq!(form.press(KeyEvent::from(code)), Pressed::Moved);
        }
        assert!(form.is_at("node") && form.text("node").is_empty());
        assert_eq!(form.press(KeyEvent::from(KeyCode::Esc)), Pressed::Leave);
    }
}
