//! Log lines that wait.

use proptest::prelude::*;
use signalbox_protocol::payload::log::FRAME_END;

use crate::logs::LogMemory;

extern crate std;
use std::{vec, vec::Vec};

const BYTES: usize = 32;

/// A line of so many bytes with its end, in parts, as an encoder writes it.
fn line(memory: &mut LogMemory<BYTES>, mark: u8, bytes: usize) {
    for _ in 1..bytes {
        memory.write(&[mark]);
    }
    memory.write(&[FRAME_END]);
    memory.end();
}

#[test]
fn a_line_that_finds_no_room_is_counted() {
    let mut memory = LogMemory::<BYTES>::new();
    line(&mut memory, 1, 20);
    line(&mut memory, 2, 13);
    line(&mut memory, 3, 12);
    let mut room = [0; 64];
    let bytes = memory.copy(&mut room);
    assert_eq!(bytes, BYTES);
    assert!(!room.contains(&2));
    assert_eq!(memory.take_lost(), 1);
    assert_eq!(memory.take_lost(), 0);
}

#[test]
fn only_whole_lines_are_copied() {
    let mut memory = LogMemory::<BYTES>::new();
    line(&mut memory, 1, 5);
    line(&mut memory, 2, 5);
    memory.write(&[3, 3]);
    let mut room = [0; 9];
    assert_eq!(memory.copy(&mut room), 5);
    assert_eq!(memory.copy(&mut room[..4]), 0);
    // A line that comes meanwhile stays whole.
    memory.remove(5);
    memory.write(&[FRAME_END]);
    memory.end();
    let mut room = [9; 9];
    assert_eq!(memory.copy(&mut room), 8);
    assert_eq!(room, [2, 2, 2, 2, 0, 3, 3, 0, 9]);
}

#[derive(Debug, Clone)]
enum Step {
    Line(usize),
    Send(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1..40_usize).prop_map(Step::Line),
        (0..40_usize).prop_map(Step::Send),
    ]
}

proptest! {
    /// Every line is sent once, whole and in order, or counted as lost.
    #[test]
    fn no_line_is_cut_or_comes_twice(steps in prop::collection::vec(step(), 0..60)) {
        let mut memory = LogMemory::<BYTES>::new();
        let (mut written, mut lost, mut sent) = (Vec::new(), 0, Vec::new());
        let send = |memory: &mut LogMemory<BYTES>, sent: &mut Vec<Vec<u8>>, room: usize| {
            let mut buffer = vec![0; room];
            let bytes = memory.copy(&mut buffer);
            memory.remove(bytes);
            let lines = buffer[..bytes].split_inclusive(|byte| *byte == FRAME_END);
            sent.extend(lines.map(<[u8]>::to_vec));
        };
        for (number, step) in (1..=u8::MAX).zip(steps) {
            match step {
                Step::Line(bytes) => {
                    line(&mut memory, number, bytes);
                    let gone = memory.take_lost();
                    lost += gone;
                    if gone == 0 {
                        let mut whole = vec![number; bytes - 1];
                        whole.push(FRAME_END);
                        written.push(whole);
                    }
                }
                Step::Send(room) => send(&mut memory, &mut sent, room),
            }
        }
        send(&mut memory, &mut sent, BYTES);
        prop_assert_eq!(sent, written);
        prop_assert!(lost <= 60);
    }
}
