//! The terminal itself over `ssh://`, with a real sshd: it works, and it outlives a lost line.

use std::fs;

use portable_pty::CommandBuilder;
use signalbox_tests::{Screen, eventually};

use super::{
    helper::{Sshd, Station, signalbox},
    ssh::with_program,
};

/// The programs that a process has started.
fn children(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|pids| {
            let pids: Vec<u32> = pids
                .split_whitespace()
                .map(|pid| pid.parse().unwrap())
                .collect();
            pids
        })
        .collect()
}

fn end(pid: u32) {
    let status = std::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_lost_line_keeps_the_screen_and_comes_back() {
    let station = Station::start();
    let _node = station.node("kitchen");
    let host = format!("unix://{}", station.socket().display());
    let path = with_program(station.home());
    let sshd = Sshd::start(
        station.home(),
        &[("PATH", &path), ("SIGNALBOX_HOST", &host)],
    );
    let program = signalbox(station.home());
    let mut command = CommandBuilder::new(program.get_program());
    command.args(["--host", &sshd.address()]);
    command.env("HOME", station.home());
    command.env("PATH", sshd.path());
    let mut screen = Screen::run(command, 100, 30);
    screen.until_text("kitchen");

    let line = eventually("the ssh of the terminal", || {
        children(screen.pid()).first().copied()
    });
    end(line);
    let text = screen.until_text("NO CONNECTION");
    assert!(text.contains("kitchen"), "{text}");
    // Another ssh, without a question.
    screen.until("the station again", |text| !text.contains("NO CONNECTION"));

    // With the server gone it stays, and leaves the terminal as it was.
    let line = eventually("another ssh", || {
        children(screen.pid()).into_iter().find(|pid| *pid != line)
    });
    drop(sshd);
    end(line);
    screen.until_text("NO CONNECTION");
    screen.keys("q");
    assert!(screen.ended());
}
