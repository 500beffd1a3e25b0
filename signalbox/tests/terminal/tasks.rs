//! Whole tasks as a person does them, by keys alone.

use std::fs;

use chrono::{DateTime, Days, TimeDelta, Utc};

use crate::station::{Node, Station};

/// Nodes beside the one that is looked for.
const OTHERS: usize = 999;
/// The highest value of the day before.
const PEAK: f64 = 38.5;

/// Yesterday from noon to six, warmest at three.
fn yesterday() -> (DateTime<Utc>, Vec<(DateTime<Utc>, f64)>) {
    let day = Utc::now().date_naive() - Days::new(1);
    let at = |h| day.and_hms_opt(h, 0, 0).unwrap().and_utc();
    let (from, peak_at) = (at(12), at(15));
    let readings = (0..=36)
        .map(|n| {
            let at = from + TimeDelta::minutes(10 * n);
            let off_min = (at - peak_at).num_minutes().abs();
            (at, PEAK - f64::from(i32::try_from(off_min).unwrap()) / 20.0)
        })
        .collect();
    (peak_at, readings)
}

fn confirm_next(node: &Node, led: &str) {
    let command = node.next_command();
    node.confirm(&command, led);
}

/// Find a node among 1,000, switch its LED, time it, read yesterday's peak with the cursor,
/// export it, make a rule from a dry run, acknowledge what fires, take the rule back.
#[test]
fn a_whole_task_among_a_thousand_nodes() {
    let station = Station::open_to_all();
    station.fleet((0..OTHERS).map(|n| format!("room-{n}")));
    let node = station.node("attic-north");
    let (peak_at, readings) = yesterday();
    node.past(1, &readings);
    node.reading(2, 21.5);
    let mut screen = station.screen(120, 40);
    screen.until_text("Nodes 1000");
    screen.keys("/~atcnth\r");
    screen.until("only the node", |text| {
        text.contains("attic-north") && !text.contains("room-")
    });

    screen.keys(" ");
    confirm_next(&node, "on");
    screen.until_text("led ON");
    screen.keys("o");
    screen.until_text("10m");
    screen.keys("\u{15}90s\r");
    let command = node.next_command();
    assert_eq!(command["for_ms"], 90_000);
    node.confirm_for(&command, 90_000);
    screen.until_text("led ON 1:2");

    // Yesterday as a whole, then around the peak until a second is a column.
    screen.keys("c");
    screen.until_text("now 21.5");
    screen.keys("tyesterday\r");
    screen.until_text("max 38.5");
    for (keys, span) in [("p++++", " 1 h "), ("p+++", " 1 min ")] {
        screen.keys(keys);
        // The cursor says what it reads there in place of the span.
        screen.until_text("38.5 °C");
        screen.keys("\u{1b}[F");
        screen.until("the zoomed chart", |text| {
            text.contains(span) && text.contains("max 38.5")
        });
    }
    screen.keys("p");
    let time = peak_at
        .format("%Y-%m-%d %H:%M:%S +00:00: 38.5 °C")
        .to_string();
    screen.until_text(&time);

    let file = station.dir.path().join("peak.csv");
    screen.keys(&format!(":export {}\r", file.display()));
    screen.until_text("written:");
    let csv = fs::read_to_string(&file).unwrap();
    assert!(csv.contains("attic-north,temperature,"), "{csv}");
    assert!(csv.contains("38.5"), "{csv}");

    // A rule of what the cursor reads, for this node; a dry run finds the peak.
    screen.keys("n");
    screen.until_text("Threshold");
    screen.keys("\t\t\u{15}38\u{12}");
    screen.until("the dry run", |text| {
        text.contains("It would have fired 1 ×") && text.contains("worst 38.5")
    });
    screen.keys("\u{13}");
    screen.until_text("Rules 1");
    node.reading(3, 41.0);
    screen.until_text("Incidents 1");
    screen.keys("3a");
    screen.until_text("acked");
    screen.keys("u");
    screen.until_text("Rules 0");
    screen.keys("q");
    assert!(screen.ended());
}

/// What one does is on the screens of the others at once, whatever their size.
#[test]
fn several_terminals_see_the_same_live() {
    let station = Station::start();
    let node = station.node("kitchen");
    node.reading(1, 21.5);
    let mut screens = [(120, 40), (80, 24), (60, 20)].map(|(columns, rows)| {
        let mut screen = station.screen(columns, rows);
        screen.until_text("21.5");
        screen
    });
    screens[0].keys(" ");
    let command = node.next_command();
    for screen in &mut screens[..2] {
        screen.until_text("led off…");
    }
    node.confirm(&command, "on");
    for screen in &mut screens[..2] {
        screen.until_text("led ON");
    }
    screens[1].keys("2n");
    screens[1].until_text("Threshold");
    screens[1].keys("\t\t30\u{13}");
    for screen in &mut screens {
        screen.keys("2");
        screen.until_text("temperature > 30");
    }
    node.reading(2, 31.5);
    for screen in &mut screens {
        screen.keys("3");
        screen.until_text("FIRING");
    }
    screens[2].keys("a");
    for screen in &mut screens {
        screen.until_text("acked");
    }
    for mut screen in screens {
        screen.keys("q");
        assert!(screen.ended());
    }
}
