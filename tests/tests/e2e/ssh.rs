//! `--host ssh://`: the system's ssh against a real sshd, and `signalbox dial-stdio` behind it.

use std::{fs, os::unix::fs::symlink, path::Path};

use super::helper::{Ended, Sshd, Station, run, signalbox};

/// A folder with the program in it, for the far side's `PATH`.
pub(crate) fn with_program(home: &Path) -> String {
    let bin = home.join("far");
    fs::create_dir_all(&bin).unwrap();
    let program = signalbox(home).get_program().to_owned();
    symlink(program, bin.join("signalbox")).unwrap();
    format!("{}:/usr/bin:/bin", bin.display())
}

fn verb(home: &Path, sshd: &Sshd, args: &[&str]) -> Ended {
    let mut command = signalbox(home);
    command.env("PATH", sshd.path());
    run(command.args(args).args(["--host", &sshd.address()]), "")
}

#[test]
fn verbs_work_over_ssh_and_the_uid_decides() {
    let station = Station::start();
    let node = station.node("kitchen");
    let host = format!("unix://{}", station.socket().display());
    let path = with_program(station.home());
    let sshd = Sshd::start(
        station.home(),
        &[("PATH", &path), ("SIGNALBOX_HOST", &host)],
    );
    let listed = verb(station.home(), &sshd, &["nodes"]).good();
    assert!(listed.contains("kitchen"), "{listed}");
    // No password: who may log in by ssh as the daemon's user is its administrator.
    let made = verb(station.home(), &sshd, &["node", "add", "cellar"]).good();
    assert!(made.contains("cellar"), "{made}");
    verb(
        station.home(),
        &sshd,
        &["send", "kitchen", "led", "on", "--wait", "30s"],
    )
    .good();
    drop(node);
}

#[test]
fn what_is_missing_over_there_is_explained() {
    let station = Station::start();
    let home = station.home().to_owned();
    let host = format!("unix://{}", station.socket().display());
    let none = Sshd::start(
        &home,
        &[("PATH", "/usr/bin:/bin"), ("SIGNALBOX_HOST", &host)],
    );
    let ended = verb(&home, &none, &["nodes"]);
    assert_eq!(ended.code, 1);
    assert!(
        ended.err.contains("there is no `signalbox` over there"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("hint: install it there"),
        "{}",
        ended.err
    );
    drop(none);
    fs::remove_dir_all(home.join("ssh")).unwrap();

    let path = with_program(&home);
    let nowhere = format!("unix://{}/nothing.sock", home.display());
    let away = Sshd::start(&home, &[("PATH", &path), ("SIGNALBOX_HOST", &nowhere)]);
    let ended = verb(&home, &away, &["nodes"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("cannot be reached"), "{}", ended.err);
    assert!(
        ended.err.contains("is the daemon running there?"),
        "{}",
        ended.err
    );

    // ssh itself is refused: what it says is what is told.
    fs::write(home.join("ssh/authorized_keys"), "").unwrap();
    let ended = verb(&home, &away, &["nodes"]);
    assert_eq!(ended.code, 1);
    assert!(ended.err.contains("Permission denied"), "{}", ended.err);
}
