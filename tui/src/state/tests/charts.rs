//! The chart's screen: reading, comparing, exporting.

use chrono::TimeDelta;

use super::*;
use crate::event::{Mouse, Target};

/// The chart of kitchen's temperature, a value a minute with a gap.
fn chart() -> State {
    let mut state = connected();
    press(&mut state, ":chart kitchen temperature\n");
    let bucket = |n: i64| Bucket {
        ts: at(n * 60 - 3_600),
        n: 6,
        min: if n == 50 { 18.0 } else { 20.0 },
        mean: 21.0,
        max: if n == 50 { 29.5 } else { 22.0 },
    };
    let has = |n: &i64| !(20..35).contains(n);
    answer(&mut state, (0..60).filter(has).map(bucket).collect());
    state
}

fn text(state: &State) -> String {
    screen(state, 140, 30)
}

#[test]
fn the_peak_is_found_and_read() {
    let mut state = chart();
    press(&mut state, "p");
    let peak_at = crate::words::exact(at(50 * 60 - 3_600 + 30));
    let text = text(&state);
    let read = format!("{peak_at}: 21 °C  min 18 mean 21 max 29.5 of 6");
    assert!(text.contains(&read), "{read}\n{text}");
    press(&mut state, "x");
    press(&mut state, "H");
    let read = self::text(&state);
    assert!(read.contains("Δ 0 °C in -"), "{read}");
}

#[test]
fn a_gap_tells_its_cause() {
    let mut state = chart();
    assert!(text(&state).contains("nothing was heard"));
    let mut gone = node("kitchen", Presence::Offline);
    gone.presence_since = Some(at(-2_300));
    net(&mut state, Net::Live(vec![Live::Status { node: gone }]));
    let seen = text(&state);
    assert!(
        seen.contains("offline") && !seen.contains("nothing was heard"),
        "{seen}"
    );
    // The cursor stands in the gap and says so.
    press(&mut state, "p");
    for _ in 0..3 {
        press(&mut state, "H");
    }
    let read = text(&state);
    let gap = state.gaps(&state.series().unwrap());
    let inside = state.chart.as_ref().unwrap().cursor.unwrap();
    assert!(
        gap[0].from < inside && inside < gap[0].to,
        "{gap:?} {inside}"
    );
    assert!(read.contains(": offline"), "{read}");
}

#[test]
fn a_range_is_typed_and_a_wrong_one_told() {
    let mut state = chart();
    press(&mut state, "tsoon\n");
    assert!(text(&state).contains("`soon` is no range"));
    for _ in 0..4 {
        state.on(Event::Key(KeyEvent::from(KeyCode::Backspace)), at(0));
    }
    let asked = press(&mut state, "last 6h\n");
    assert!(
        matches!(&asked[..], [Action::LoadChart(q)] if span_s(q) == 6 * 3_600),
        "{asked:?}"
    );
    assert_eq!(state.chart.as_ref().unwrap().span, TimeDelta::hours(6));
}

#[test]
fn thresholds_incidents_and_commands_are_drawn() {
    let mut state = chart();
    let mut done = command(CommandState::Confirmed);
    done.finished_at = Some(at(-600));
    net(&mut state, Net::Live(vec![Live::Command { command: done }]));
    press(&mut state, ":scale 10 40\n");
    state.notice = None;
    assert_screen!("chart_drawn_in", text(&state));
}

#[test]
fn other_nodes_are_laid_over_and_an_earlier_time_is_compared() {
    let mut state = chart();
    let asked = press(&mut state, "o");
    assert!(
        matches!(&asked[..], [Action::LoadChart(q)] if q.nodes == ["kitchen", "cellar"]),
        "{asked:?}"
    );
    let asked = press(&mut state, "w");
    assert!(
        matches!(&asked[..], [Action::LoadChart(q)] if q.shift == Some(TimeDelta::days(1))),
        "{asked:?}"
    );
    // After the last node there is none.
    press(&mut state, "o");
    assert_eq!(state.chart.as_ref().unwrap().overlays.len(), 0);
}

#[test]
fn what_is_seen_is_exported() {
    let mut state = chart();
    let write = |state: &mut State, name: &str| {
        press(state, &format!(":export {name}\n"))
            .into_iter()
            .find_map(|action| match action {
                Action::Write { path, text } => Some((path, text)),
                _ => None,
            })
    };
    let (path, csv) = write(&mut state, "a.csv").unwrap();
    assert_eq!(path, "a.csv");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "node,metric,time,n,min,mean,max");
    assert_eq!(lines.len(), 46);
    assert!(
        lines[1].starts_with("kitchen,temperature,20"),
        "{}",
        lines[1]
    );
    assert!(lines[1].ends_with("Z,6,20,21,22"), "{}", lines[1]);
    let (_, json) = write(&mut state, "a.json").unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["series"][0]["points"].as_array().unwrap().len(), 45);
    let (_, svg) = write(&mut state, "a.svg").unwrap();
    // One move for each side of the gap.
    assert_eq!(svg.matches('M').count(), 2, "{svg}");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    assert_eq!(write(&mut state, "a.doc"), None);
}

#[test]
fn a_frozen_chart_says_so() {
    let mut state = chart();
    press(&mut state, "z");
    assert!(text(&state).contains("FROZEN, still recording"));
    press(&mut state, "z");
    assert!(!text(&state).contains("FROZEN"));
}

#[test]
fn a_rule_begins_at_what_the_cursor_reads() {
    let mut state = chart();
    press(&mut state, "pn");
    match &state.modal {
        Some(Modal::Rule(form)) => assert_eq!(form.value(), Some(21.0)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_wheel_zooms_and_moves_through_time() {
    let mut state = chart();
    let window = |state: &State| {
        let chart = state.chart.as_ref().unwrap();
        (chart.from(at(0)), chart.span)
    };
    let over = Some(Target::Chart(0.5));
    let (from, span) = window(&state);
    let left = Mouse::Sideways { left: true, over };
    state.on(Event::Mouse(left), at(0));
    let (earlier, same) = window(&state);
    assert!(earlier < from && same == span);
    let right = Mouse::Sideways { left: false, over };
    state.on(Event::Mouse(right), at(0));
    assert_eq!(window(&state), (from, span));
    let up = Mouse::Wheel { up: true, over };
    state.on(Event::Mouse(up), at(0));
    assert!(window(&state).1 < span);
}
