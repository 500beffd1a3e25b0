//! Many nodes at once.

use super::{joined, reported, stored};
use crate::helper::Station;

const NODES: usize = 10;

#[test]
fn ten_nodes_at_once() {
    let station = Station::start();
    let names: Vec<String> = (0..NODES).map(|n| format!("node{n}")).collect();
    let mut boards: Vec<_> = names.iter().map(|name| joined(&station, name)).collect();
    for (n, board) in boards.iter_mut().enumerate() {
        board.tell(&format!("soil {}", 100 + n * 10));
    }
    for (n, name) in (0_u32..).zip(&names) {
        stored(&station, name, "soil", f64::from(100 + n * 10));
    }
    for (board, name) in boards.iter_mut().zip(&names) {
        let done = station.json(&["send", name, "led", "on"]);
        assert_eq!(done["state"], "confirmed", "{done:#}");
        board.pin("led", "on");
        reported(&station, name, "led", "on");
    }
}
