//! A test in a network and a file system of its own, where it may cut lines and fill disks that
//! nobody else uses: it runs itself again inside new namespaces of the kernel.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::helper::run;

/// Set inside.
const INSIDE: &str = "SIGNALBOX_TEST_INSIDE";
/// Prepares the namespaces and becomes the test: the loopback, and a disk for temporary files.
const PREPARE: &str = "ip link set lo up && mount -t tmpfs -o mode=1777,size=$1 tmpfs \"$2\" && \
                       shift 2 && exec \"$@\"";

/// Runs a test that is named by its full path, with a disk of so many MiB.
#[track_caller]
pub(super) fn of_its_own(name: &str, disk_mib: u32, test: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return test();
    }
    let disk = tempfile::tempdir().unwrap();
    let mut command = as_root("unshare");
    command
        .args(["--net", "--mount", "sh", "-c", PREPARE, "sh"])
        .arg(format!("{disk_mib}m"))
        .arg(disk.path())
        .arg(env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .env("TMPDIR", disk.path());
    let ended = run(&mut command, "");
    println!("{}{}", ended.out, ended.err);
    assert_eq!(ended.code, 0, "{name} failed, see above");
    assert!(ended.out.contains("1 passed"), "there is no test `{name}`");
}

/// The disk, inside.
pub(super) fn disk() -> PathBuf {
    env::temp_dir()
}

/// A program that only root may run.
fn as_root(program: &str) -> Command {
    let root = run(Command::new("id").arg("-u"), "").good().trim() == "0";
    if root {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--preserve-env", program]);
    command
}

/// Drops every packet from and to a port, without a word to either side.
pub(super) fn cut(port: &str) {
    nft(&["add", "table", "inet", "cut"]);
    let chain = "{ type filter hook input priority 0; }";
    nft(&["add", "chain", "inet", "cut", "in", chain]);
    for end in ["dport", "sport"] {
        nft(&["add", "rule", "inet", "cut", "in", "tcp", end, port, "drop"]);
    }
}

/// Lets them through again.
pub(super) fn mend() {
    nft(&["delete", "table", "inet", "cut"]);
}

fn nft(args: &[&str]) {
    let program = ["/usr/sbin/nft", "nft"].into_iter();
    let found = program.clone().find(|path| Path::new(path).exists());
    run(Command::new(found.unwrap_or("nft")).args(args), "").good();
}
