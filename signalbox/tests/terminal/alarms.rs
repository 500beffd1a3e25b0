//! Incidents and silences by keys: why one fired, knowing of it until a time, holding mails back
//! and ending that.

use crate::station::{Node, Station};

/// A station on whose screen an incident fires.
fn fired() -> (Station, Node, signalbox_tests::Screen) {
    let station = Station::start();
    let node = station.node("kitchen");
    station.verb(&[
        "rules",
        "add",
        "temperature",
        ">",
        "30",
        "--node",
        "kitchen",
        "--name",
        "too warm",
    ]);
    node.reading(1, 21.5);
    let mut screen = station.screen(160, 40);
    screen.until_text("21.5");
    node.reading(2, 31.5);
    screen.keys("3");
    screen.until_text("FIRING");
    (station, node, screen)
}

/// Open the incident, read why it fired, acknowledge it for two hours with a note, read that too,
/// see it clear.
#[test]
fn an_incident_tells_why_it_fired_and_who_knows_until_when() {
    let (station, node, mut screen) = fired();
    screen.keys("\r");
    screen.until("why it fired", |text| {
        text.contains("too warm") && text.contains("temperature > 30") && text.contains("31.5")
    });
    screen.keys("q");
    screen.until("no window", |text| !text.contains("Esc leave"));
    screen.keys("A");
    screen.until_text("Acknowledge temperature > 30 on kitchen");
    screen.keys("\u{15}soon\r");
    screen.until_text("`soon` is no end");
    screen.keys("\u{15}2h on my way\r");
    screen.until("who knows, until when, and why", |text| {
        text.contains("acked") && text.contains(" until ") && text.contains("on my way")
    });
    let told = station.verb(&["incidents", "--json"]);
    assert!(told.contains("on my way"), "{told}");
    screen.keys("\r");
    screen.until_text("acknowledged it until");
    screen.keys("q");
    node.reading(3, 20.0);
    screen.until_text("closed");
    screen.keys("q");
    assert!(screen.ended());
}

/// Silence the incident, see it on another terminal, end the silence, take that back, end it for
/// good; and a silence that is typed whole.
#[test]
fn a_silence_is_made_ended_and_taken_back() {
    let (station, _node, mut screen) = fired();
    let mut other = station.screen(80, 24);
    other.until_text("kitchen");
    other.keys("3v");
    screen.keys("s");
    screen.until_text("Silence `too warm` on kitchen for");
    screen.keys("\u{15}2h new pump\r");
    screen.until("a silent incident", |text| {
        text.contains("silent ") && text.contains("silenced by ")
    });
    other.until_text("active");
    screen.keys("d");
    screen.until_text("silence ended");
    screen.until_text("FIRING");
    other.until_text("over");
    screen.keys("u");
    screen.until_text("silent ");
    other.until_text("active");
    screen.keys("vg");
    screen.until_text("new pump");
    screen.keys("d");
    screen.until("no active silence", |text| !text.contains(" active "));
    screen.keys("n");
    screen.until_text("node=");
    screen.keys("cellar-* 30m spring cleaning\r");
    screen.until("the new silence", |text| {
        text.contains("node cellar-*") && text.contains("spring cleaning")
    });
    other.until_text("node cellar-*");
    for mut screen in [screen, other] {
        screen.keys("q");
        assert!(screen.ended());
    }
}
