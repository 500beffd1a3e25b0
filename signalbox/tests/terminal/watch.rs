//! `signalbox watch`: what happens, in lines.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use signalbox_tests::DEADLINE;

use crate::station::{Station, program};

/// `signalbox watch`, line by line; ended with the value.
struct Watch {
    child: Child,
    lines: Receiver<String>,
}

impl Watch {
    fn start(station: &Station) -> Self {
        let mut child = program()
            .args(["watch", "--host", &station.host()])
            .env("HOME", station.dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The receiver is gone when the test is over.
                let _ = send.send(line);
            }
        });
        Self { child, lines }
    }

    fn expect(&self, part: &str) {
        loop {
            let line = self.lines.recv_timeout(DEADLINE).expect(part);
            assert!(!line.contains('\u{1b}'), "{line}");
            if line.contains(part) {
                return;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn watch_tells_what_happens_in_lines_and_connects_again() {
    let mut station = Station::start();
    let node = station.node("kitchen");
    let watch = Watch::start(&station);
    watch.expect("kitchen is online, led off");
    node.reading(1, 21.5);
    watch.expect("kitchen temperature is 21.5");
    station.verb(&["send", "kitchen", "led", "on", "--no-wait"]);
    let command = node.next_command();
    node.confirm(&command, "on");
    watch.expect("kitchen led on confirmed");
    station.kill();
    watch.expect("no connection: ");
    station.restart();
    watch.expect("connected to ");
    watch.expect("temperature 21.5");
}
