//! What the daemon tells its service manager, over a real datagram socket.

use std::{cell::RefCell, os::unix::net::UnixDatagram, path::PathBuf, time::Duration};

use crate::helper::{Setup, Station, eventually, look_for, never_within, run, tool};

/// The daemon tells the watchdog at half of this.
const WATCHDOG: Duration = Duration::from_millis(400);

/// Stands where the service manager listens.
struct Manager {
    dir: tempfile::TempDir,
    socket: UnixDatagram,
    /// Read, and not asked for yet.
    heard: RefCell<Vec<String>>,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self {
            dir,
            socket,
            heard: RefCell::default(),
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("notify")
    }

    /// A daemon that knows of it.
    fn start(&self) -> Station {
        let socket = format!("NOTIFY_SOCKET={}", self.path().display());
        let watchdog = format!("WATCHDOG_USEC={}", WATCHDOG.as_micros());
        // The signal of the limit that a test sets on files is ignored, as on a full disk.
        let shell = ["sh", "-c", r#"trap "" XFSZ; exec "$@""#, "sh", "env"];
        let wrapper = shell.map(str::to_owned).into_iter();
        Station::with(Setup {
            wrapper: wrapper.chain([socket, watchdog]).collect(),
            ..Setup::default()
        })
    }

    /// Looks for something that was said, and takes it.
    fn hear(&self, what: &str) -> Option<String> {
        let mut buffer = [0; 4_096];
        let mut heard = self.heard.borrow_mut();
        while let Ok(n) = self.socket.recv(&mut buffer) {
            let text = String::from_utf8(buffer[..n].to_vec()).unwrap();
            heard.extend(text.lines().map(str::to_owned));
        }
        let at = heard.iter().position(|line| line.starts_with(what))?;
        Some(heard.remove(at))
    }

    #[track_caller]
    fn expect(&self, what: &str) -> String {
        eventually(what, || self.hear(what))
    }

    fn forget(&self) {
        while self.hear("").is_some() {}
    }
}

#[test]
fn the_service_manager_is_told_of_start_watchdog_troubles_and_end() {
    let manager = Manager::new();
    let mut station = manager.start();
    assert_eq!(manager.expect("READY"), "READY=1");
    assert!(manager.hear("READY").is_none(), "once");
    assert_eq!(manager.expect("STATUS"), "STATUS=0 nodes, 0 online");
    for _ in 0..5 {
        assert_eq!(manager.expect("WATCHDOG"), "WATCHDOG=1");
    }

    // The store is away: people are told, and the watchdog goes on, because a restart would not
    // bring it back.
    let mut node = station.node("kitchen");
    let limit = |bytes: &str| {
        let mut prlimit = tool("prlimit", station.home());
        prlimit.args(["--pid", &station.pid().to_string()]);
        run(prlimit.arg(format!("--fsize={bytes}:")), "").good();
    };
    limit("4096");
    node.tell(&serde_json::json!({"do": "reading", "values": {"soil": 1}}));
    let status = manager.expect("STATUS=store");
    assert!(
        status.starts_with("STATUS=store cannot be written; "),
        "{status}"
    );
    manager.forget();
    // Longer than an engine may be silent.
    let bitten = look_for(Duration::from_secs(6), || {
        let told = look_for(WATCHDOG * 5, || manager.hear("WATCHDOG"));
        told.is_none().then_some(())
    });
    assert!(bitten.is_none(), "the watchdog would have ended it");
    limit("unlimited");
    manager.expect("STATUS=0 nodes, 0 online");
    node.expect("acked");

    assert_eq!(station.signal("TERM"), Some(0));
    assert_eq!(manager.expect("STOPPING"), "STOPPING=1");
    manager.forget();
}

/// Who is not asked tells nothing, and a watchdog for another process is none of ours.
#[test]
fn a_daemon_without_a_manager_and_a_foreign_watchdog_are_silent() {
    let manager = Manager::new();
    let _without = Station::start();
    let socket = format!("NOTIFY_SOCKET={}", manager.path().display());
    let foreign = ["env", &socket, "WATCHDOG_USEC=100000", "WATCHDOG_PID=1"];
    let _with = Station::with(Setup {
        wrapper: foreign.map(str::to_owned).to_vec(),
        ..Setup::default()
    });
    manager.expect("READY=1");
    never_within(Duration::from_secs(1), "no watchdog", || {
        manager.hear("WATCHDOG")
    });
}
