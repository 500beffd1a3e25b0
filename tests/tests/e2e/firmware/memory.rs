//! What the node takes of the chip's data RAM; the linker script counts the rest.

use super::{joined, stored};
use crate::helper::Station;

/// Of the stack, what must never have been used.
const RESERVE_BYTES: usize = 1_024;

#[test]
fn the_stack_keeps_a_reserve() {
    let station = Station::start();
    let mut board = joined(&station, "kitchen");
    stored(&station, "kitchen", "temperature", 21.5);
    for action in ["on", "off", "toggle"] {
        let done = station.json(&["send", "kitchen", "led", action]);
        assert_eq!(done["state"], "confirmed", "{done:#}");
    }
    board.tell("net off");
    board.expect("mqtt lost");
    board.tell("net on");
    board.expect("mqtt connected");
    board.tell("soil 300");
    stored(&station, "kitchen", "soil", 300.0);
    for _ in 0..2 {
        board.tell("memory");
        let line = board.expect("stack ");
        let mut numbers = line
            .split(' ')
            .filter_map(|word| word.parse::<usize>().ok());
        let used = numbers.next().expect("how much was used");
        let most = numbers.next().expect("how much there is");
        assert!(used + RESERVE_BYTES <= most, "{line}");
        // The same after a start with what was kept.
        board.reset();
        board.expect("mqtt connected");
    }
}
