//! `deploy/signalbox.service`, by systemd's own tools, and the daemon under what of its sandbox
//! needs no service manager.

use std::{env, fs, path::Path};

use super::root;
use crate::helper::{Ended, Setup, Station, run, tool};

/// Tenths, as `--threshold` takes them; 100 is no protection at all.
const EXPOSURE_MAX: &str = "15";
const PROGRAM: &str = "/usr/local/bin/signalbox";

fn unit() -> String {
    fs::read_to_string(root().join("deploy/signalbox.service")).unwrap()
}

/// The unit with the program under test, because a check looks whether it is there.
fn analyze(home: &Path, unit: &str, args: &[&str]) -> Ended {
    let program = env::var("SIGNALBOX_BIN").unwrap();
    let path = home.join("signalbox.service");
    fs::write(&path, unit.replace(PROGRAM, &program)).unwrap();
    run(tool("systemd-analyze", home).args(args).arg(&path), "")
}

#[test]
fn systemd_takes_the_service_without_a_word() {
    let home = tempfile::tempdir().unwrap();
    let ended = analyze(home.path(), &unit(), &["verify", "--man=no"]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    // It does complain of what is wrong.
    let wrong = unit().replace("ProtectHome=yes", "ProtectHouse=yes");
    let ended = analyze(home.path(), &wrong, &["verify", "--man=no"]);
    assert!(ended.err.contains("ProtectHouse"), "{}", ended.err);
}

#[test]
fn the_service_can_do_little_else_than_its_work() {
    let home = tempfile::tempdir().unwrap();
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let args = ["security", "--offline=true", "--no-pager", &threshold];
    let ended = analyze(home.path(), &unit(), &args);
    assert_eq!(ended.code, 0, "{}\n{}", ended.out, ended.err);
    let looser = unit().replace("CapabilityBoundingSet=\n", "");
    assert_ne!(analyze(home.path(), &looser, &args).code, 0);
}

/// Every word of the command line is one that the program knows.
#[test]
fn the_service_runs_the_program_as_it_is() {
    let unit = unit();
    let command = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words = command.unwrap().split(' ');
    assert_eq!(words.next(), Some(PROGRAM));
    let home = tempfile::tempdir().unwrap();
    let mut program = crate::helper::signalbox(home.path());
    // clap reads the whole line before it prints the help.
    let ended = run(program.args(words).arg("--help"), "");
    assert!(ended.good().contains("Usage: signalbox serve"));
}

/// No capability, no way to more of them, a closed umask, few files.
#[test]
fn the_daemon_runs_without_rights_and_opens_its_socket_to_the_group() {
    let script = "umask 077; ulimit -c 0; exec \"$@\"";
    let mut wrapper = vec!["sh", "-c", script, "sh", "setpriv", "--no-new-privs"];
    wrapper.extend(["--bounding-set=-all", "--inh-caps=-all"]);
    let station = Station::with(Setup {
        wrapper: wrapper.into_iter().map(str::to_owned).collect(),
        ..Setup::default()
    });
    let status = fs::read_to_string(format!("/proc/{}/status", station.pid())).unwrap();
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    assert!(status.contains("CapBnd:\t0000000000000000"), "{status}");
    let mut node = station.node("kitchen");
    node.tell(&serde_json::json!({"do": "reading", "values": {"soil": 1}}));
    node.expect("acked");
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&station.socket()), 0o660);
    assert_eq!(mode(&station.database()), 0o600);
    assert_eq!(mode(&station.data_dir()), 0o700);
}
