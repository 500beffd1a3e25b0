//! The command line behind `:`: every action by its name, and some with words of their own. Tab
//! completes, Up and Down go through what was typed before.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use signalbox_protocol::api::command::Action as Order;
use tui_input::Input;

use super::{Chart, Compare, Modal, Scale, SortBy, State, chart::OVERLAYS_MAX, form::type_into};
use crate::{
    event::Action,
    keymap::{Cmd, Place},
    range,
    settings::{Confirm, Marks},
    theme, words,
};

/// Lines that are remembered.
pub(super) const LINES_MAX: usize = 200;

/// Commands that take words, and what they take.
const VERBS: [(&str, &str); 18] = [
    ("node", "NAME"),
    ("chart", "NODE [METRIC]"),
    ("range", "last 6h | yesterday | FROM .. TO"),
    ("config", "SETTING=VALUE… | reset"),
    ("on", "NODE/ACTUATOR [DURATION]"),
    ("off", "NODE/ACTUATOR"),
    ("toggle", "NODE/ACTUATOR"),
    ("schedule", "NODE/ACTUATOR=on:10m 0 7 * * 1-5|18:00|2h"),
    (
        "silence",
        "[rule=P] [node=P] [metric=P] 2h|until 08:00 [WHY]",
    ),
    ("scale", "auto | shared | LOW HIGH"),
    ("overlay", "NODE… | off"),
    ("compare", "yesterday | week | off"),
    ("export", "FILE.csv | FILE.json | FILE.svg"),
    ("sort", "incidents | name | state | age"),
    ("theme", "NAME"),
    ("marks", "braille | octant | block | ascii"),
    ("confirm", "off | dangerous | all"),
    ("mouse", "on | off"),
];

/// What is typed.
#[derive(Debug, Default)]
pub(crate) struct LineState {
    pub(crate) input: Input,
    /// How many lines back in the history.
    back: usize,
    pub(crate) error: Option<String>,
    /// What Tab found, when it was more than one.
    pub(crate) choices: Vec<String>,
}

impl State {
    pub(super) fn on_line_key(&mut self, key: KeyEvent) -> Vec<Action> {
        let typed = match &self.modal {
            Some(Modal::Line(line)) => line.input.value().to_owned(),
            _ => return Vec::new(),
        };
        match key.code {
            KeyCode::Esc => self.modal = None,
            KeyCode::Backspace if typed.is_empty() => self.modal = None,
            KeyCode::Tab => {
                let choices = self.complete(&typed);
                if let Some(Modal::Line(line)) = &mut self.modal {
                    line.take(&typed, choices);
                }
            }
            KeyCode::Up | KeyCode::Down => self.recall(key.code == KeyCode::Up),
            KeyCode::Enter => return self.run_line(typed.trim()),
            _ => {
                if let Some(Modal::Line(line)) = &mut self.modal {
                    type_into(&mut line.input, key);
                    line.error = None;
                    line.choices.clear();
                }
            }
        }
        Vec::new()
    }

    fn recall(&mut self, earlier: bool) {
        let lines = &self.lines;
        if let Some(Modal::Line(line)) = &mut self.modal {
            line.back = if earlier {
                (line.back + 1).min(lines.len())
            } else {
                line.back.saturating_sub(1)
            };
            let found = lines.len().checked_sub(line.back);
            let text = found.and_then(|at| lines.get(at));
            line.input = Input::new(text.cloned().unwrap_or_default());
        }
    }

    fn run_line(&mut self, line: &str) -> Vec<Action> {
        if line.is_empty() {
            self.modal = None;
            return Vec::new();
        }
        if self.lines.last().is_none_or(|last| last != line) {
            self.lines.push(line.to_owned());
            let excess = self.lines.len().saturating_sub(LINES_MAX);
            self.lines.drain(..excess);
        }
        // A command may open a window of its own.
        let before = self.modal.take();
        match self.execute(line) {
            Ok(actions) => actions,
            Err(text) => {
                self.modal = before;
                if let Some(Modal::Line(line)) = &mut self.modal {
                    line.error = Some(text);
                }
                Vec::new()
            }
        }
    }

    fn execute(&mut self, line: &str) -> Result<Vec<Action>, String> {
        let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        if !rest.is_empty()
            || VERBS
                .iter()
                .any(|(known, _)| *known == verb && !is_cmd(verb))
        {
            return self.execute_verb(verb, rest);
        }
        let found = Cmd::ALL.iter().find(|cmd| cmd.id() == verb);
        let Some(cmd) = found.or_else(|| (verb == "q").then_some(&Cmd::Quit)) else {
            return Err(format!("`{verb}` is no command; Tab shows them"));
        };
        let place = self.settings.keymap.all().iter().filter(|b| b.cmd == *cmd);
        let mut places: Vec<Place> = place.map(|binding| binding.place).collect();
        // Where one is, then everywhere, then the first place that has it.
        let rank = |place: &Place| match place {
            place if *place == self.place => 0,
            Place::Anywhere => 1,
            _ => 2,
        };
        places.sort_by_key(rank);
        match places.first() {
            Some(place) => Ok(self.run_at(*place, *cmd)),
            None => Err(format!("`{verb}` is no command; Tab shows them")),
        }
    }

    fn execute_verb(&mut self, verb: &str, rest: &str) -> Result<Vec<Action>, String> {
        match verb {
            "node" => {
                self.known_node(rest)?;
                self.node = Some(rest.to_owned());
                self.place = Place::Overview;
                // It must be found even when the filter hides it.
                self.filter.reset();
                Ok(self.command(Cmd::Open))
            }
            "chart" => {
                let (node, metric) = rest.split_once(' ').unwrap_or((rest, ""));
                self.known_node(node)?;
                let metric = Some(metric.trim().to_owned()).filter(|metric| !metric.is_empty());
                self.open_chart(node.to_owned(), metric);
                Ok(Vec::new())
            }
            "config" => self.configure(rest),
            "on" | "off" | "toggle" => self.order(verb, rest),
            "schedule" => {
                let new = self.typed_schedule(rest)?;
                Ok(self.ask(Action::AddTimed(Box::new(new))))
            }
            "silence" => {
                let new = words::new_silence(rest, self.now)?;
                Ok(self.ask(Action::AddSilence(Box::new(new))))
            }
            "sort" => {
                let found = SortBy::WORDS.into_iter().find(|(_, word)| *word == rest);
                let (by, _) = found.ok_or_else(|| none_of(rest, "sort"))?;
                self.sort = by;
                Ok(Vec::new())
            }
            "theme" => {
                self.settings.find_theme(rest)?;
                self.settings.theme = Some(rest.to_owned());
                Ok(vec![Action::Theme(rest.to_owned())])
            }
            "marks" => {
                self.settings.marks = rest.parse::<Marks>()?;
                Ok(Vec::new())
            }
            "confirm" => {
                self.settings.confirm = rest.parse::<Confirm>()?;
                Ok(Vec::new())
            }
            "mouse" => {
                let on = match rest {
                    "on" => true,
                    "off" => false,
                    _ => return Err(format!("`{rest}` is none of on, off")),
                };
                self.settings.mouse = on;
                Ok(vec![Action::Mouse(on)])
            }
            "export" => Ok(vec![self.export(rest)?]),
            "range" | "scale" | "overlay" | "compare" => self.change_chart(verb, rest),
            _ => Err(format!("`{verb}` is no command; Tab shows them")),
        }
    }

    fn known_node(&self, name: &str) -> Result<(), String> {
        match self.nodes.contains_key(name) {
            true => Ok(()),
            false => Err(format!("there is no node `{name}`")),
        }
    }

    fn order(&mut self, verb: &str, rest: &str) -> Result<Vec<Action>, String> {
        let (target, duration) = rest.split_once(' ').unwrap_or((rest, ""));
        let (node, actuator) = target
            .split_once('/')
            .ok_or("write NODE/ACTUATOR, like `kitchen/led`")?;
        self.known_node(node)?;
        let order = match verb {
            "on" => Order::On,
            "off" => Order::Off,
            _ => Order::Toggle,
        };
        let for_s = match duration.trim() {
            "" => None,
            text if order == Order::On => Some(words::duration_s(text)?),
            _ => return Err("only `on` takes a duration".to_owned()),
        };
        Ok(self.ask(Action::Switch {
            node: node.to_owned(),
            actuator: actuator.to_owned(),
            order,
            for_s,
        }))
    }

    fn change_chart(&mut self, verb: &str, rest: &str) -> Result<Vec<Action>, String> {
        let now = self.now;
        let overlays: Vec<String> = rest.split_whitespace().map(str::to_owned).collect();
        if verb == "overlay" && rest != "off" {
            if overlays.len() > OVERLAYS_MAX {
                return Err(format!("at most {OVERLAYS_MAX} nodes can be laid over"));
            }
            for node in &overlays {
                self.known_node(node)?;
            }
        }
        if self.chart.is_none() {
            let node = self.selected_node().ok_or("there is no node yet")?;
            self.chart = Some(Chart::new(node.name.clone(), None));
        }
        if !matches!(self.place, Place::Node | Place::Chart) {
            self.command(Cmd::OpenChart);
        }
        let chart = self.chart.as_mut().ok_or("there is no chart")?;
        match verb {
            "range" => {
                let (span, end) = range::read(rest, now)?;
                chart.show(span, end);
            }
            "scale" => {
                chart.scale = match rest {
                    "auto" => Scale::Auto,
                    "shared" => Scale::Shared,
                    rest => fixed(rest)?,
                }
            }
            "overlay" => {
                chart.overlays = if rest == "off" { Vec::new() } else { overlays };
                chart.overlays.retain(|node| *node != chart.node);
                chart.ask_anew();
            }
            _ => {
                chart.compare = match rest {
                    "off" => Compare::No,
                    "yesterday" => Compare::Yesterday,
                    "week" => Compare::LastWeek,
                    _ => return Err(none_of(rest, "compare")),
                };
                chart.ask_anew();
            }
        }
        Ok(Vec::new())
    }

    /// Whole lines that what is typed could become.
    fn complete(&self, typed: &str) -> Vec<String> {
        let Some((verb, rest)) = typed.split_once(' ') else {
            let verbs = VERBS.iter().map(|(verb, _)| *verb);
            let mut all: Vec<&str> = verbs.chain(Cmd::ALL.iter().map(|cmd| cmd.id())).collect();
            all.sort_unstable();
            all.dedup();
            let fits = all.into_iter().filter(|word| word.starts_with(typed));
            return fits.map(str::to_owned).collect();
        };
        // All words but the last stay.
        let (done, last) = rest.rsplit_once(' ').map_or(("", rest), |(d, l)| (d, l));
        let words: Vec<String> = match (verb, done) {
            ("node" | "chart", "") | ("overlay", _) => self.nodes.keys().cloned().collect(),
            ("chart", node) => self
                .nodes
                .get(node)
                .map_or_else(Vec::new, |node| node.latest.keys().cloned().collect()),
            ("on" | "off" | "toggle", "") => self
                .nodes
                .values()
                .flat_map(|node| {
                    let names = node.actuators.keys();
                    names.map(move |name| format!("{}/{name}", node.name))
                })
                .collect(),
            ("theme", "") => theme::names().map(str::to_owned).collect(),
            (_, "") => usage(verb)
                .split('|')
                .map(|word| word.trim().to_owned())
                .filter(|word| !word.chars().any(char::is_uppercase))
                .collect(),
            _ => Vec::new(),
        };
        let head = if done.is_empty() {
            format!("{verb} ")
        } else {
            format!("{verb} {done} ")
        };
        let fits = words.into_iter().filter(|word| word.starts_with(last));
        fits.map(|word| format!("{head}{word}")).collect()
    }
}

impl LineState {
    /// Takes what completion found: the only line, or what all have in common.
    fn take(&mut self, typed: &str, choices: Vec<String>) {
        let Some(first) = choices.first() else {
            return;
        };
        let mut common = first.as_str();
        for choice in &choices {
            let same = common
                .char_indices()
                .zip(choice.chars())
                .find(|((_, one), other)| one != other)
                .map_or(common.len().min(choice.len()), |((at, _), _)| at);
            common = &common[..same];
        }
        let text = match choices.len() {
            1 => format!("{common} "),
            _ if common.len() > typed.len() => common.to_owned(),
            _ => typed.to_owned(),
        };
        self.input = Input::new(text);
        self.choices = if choices.len() > 1 {
            choices
        } else {
            Vec::new()
        };
    }
}

fn is_cmd(verb: &str) -> bool {
    Cmd::ALL.iter().any(|cmd| cmd.id() == verb)
}

/// What a verb takes.
pub(crate) fn usage(verb: &str) -> &'static str {
    let found = VERBS.iter().find(|(known, _)| *known == verb);
    found.map_or("", |(_, usage)| usage)
}

fn none_of(word: &str, verb: &str) -> String {
    format!("`{word}` is none of {}", usage(verb).replace(" | ", ", "))
}

fn fixed(text: &str) -> Result<Scale, String> {
    let wrong = || "write `auto`, `shared`, or the two ends, like `10 30`".to_owned();
    let (low, high) = text.split_once(' ').ok_or_else(wrong)?;
    let low: f64 = low.trim().parse().map_err(|_| wrong())?;
    let high: f64 = high.trim().parse().map_err(|_| wrong())?;
    if !(low.is_finite() && high.is_finite() && low < high) {
        return Err("the low end must be below the high end".to_owned());
    }
    Ok(Scale::Fixed(low, high))
}
