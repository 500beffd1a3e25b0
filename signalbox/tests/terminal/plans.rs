//! What is to come, by keys: a schedule from its first letter to its end.

use crate::station::Station;

/// Empties the field that has the focus.
const CLEAR: &str = "\u{15}";
/// Saves a form.
const SAVE: &str = "\u{13}";

/// Make a schedule and see when it will run, pause it, take that back, change it, delete it, take
/// that back, and see all of it on a second terminal.
#[test]
fn a_schedule_is_made_paused_undone_and_deleted() {
    let station = Station::start();
    let node = station.node("kitchen");
    node.reading(1, 21.5);
    let mut screen = station.screen(120, 40);
    let mut other = station.screen(80, 24);
    screen.until_text("21.5");
    other.until_text("21.5");
    other.keys("5v");
    other.until_text("nothing repeats yet");

    screen.keys("5n");
    screen.until("the marked actuator in the form", |text| {
        text.contains("New schedule") && text.contains("kitchen") && text.contains("led")
    });
    screen.keys("\t\t\t10m\t61 7 * * *");
    screen.until_text("`61 7 * * *`: ");
    screen.keys(CLEAR);
    screen.keys("0 7 * * *\t");
    screen.keys(CLEAR);
    screen.keys("Europe/Paris\tlight for the plants");
    screen.until("the next three runs", |text| {
        text.contains("it runs next:") && text.matches(" 07:00 CE").count() == 3
    });
    screen.keys(SAVE);
    screen.until_text("schedule made: kitchen/led on for 10m at 0 7 * * *");
    other.until_text("kitchen/led");
    let listed = station.verb(&["commands", "schedules"]);
    assert!(listed.contains("light for the plants"), "{listed}");

    screen.keys("v");
    screen.until_text("light for the plants");
    screen.keys("p");
    screen.until_text("schedule paused");
    other.until_text(" paused ");
    screen.keys("u");
    screen.until_text("schedule runs again");
    other.until("no pause", |text| !text.contains(" paused "));
    screen.keys("e\t\t\t\t");
    screen.until_text("Edit schedule");
    screen.keys(CLEAR);
    screen.keys("0 8 * * *");
    screen.keys(SAVE);
    screen.until_text("schedule changed");
    // In its row: the notice may be there before the change itself is.
    screen.until("the new time in its row", |text| {
        let mut rows = text.lines();
        rows.any(|row| row.contains("0 8 * * *") && row.contains("Europe/Paris"))
    });

    screen.keys("d");
    screen.until_text("Delete the schedule kitchen/led on for 10m at 0 8 * * *?");
    screen.keys("y");
    screen.until_text("nothing repeats yet");
    other.until_text("nothing repeats yet");
    screen.keys("u");
    screen.until_text("schedule made again");
    other.until_text("kitchen/led");

    // Once, at a time: it waits on a page of its own, and can be taken back.
    screen.keys("n\u{15}kitchen\t\u{15}led\t\t\t2h");
    screen.until_text("it runs once:");
    screen.keys(SAVE);
    screen.until_text("planned: kitchen/led on at");
    screen.keys("v");
    screen.until_text("its time");
    screen.keys("d");
    screen.until_text("nothing waits");
    for mut screen in [screen, other] {
        screen.keys("q");
        assert!(screen.ended());
    }
}
