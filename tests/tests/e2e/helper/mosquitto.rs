//! A real Mosquitto, with the configuration that we ship.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{eventually, free_port, program::run, running, tool};

/// Debian puts it where users' PATH does not lead.
const PROGRAMS: [&str; 2] = ["/usr/sbin/mosquitto", "mosquitto"];

/// A broker in a folder of its own; ended with the value.
#[allow(
    dead_code,
    reason = "what one kind of test does not need, another does"
)]
pub(crate) struct Mosquitto {
    dir: tempfile::TempDir,
    /// None while it is stopped.
    child: Option<Child>,
    port: u16,
}

#[allow(
    dead_code,
    reason = "what one kind of test does not need, another does"
)]
impl Mosquitto {
    /// With `deploy/mosquitto.conf`, except that anybody may do anything.
    pub(crate) fn start() -> Self {
        Self::with(|shipped| {
            let mut config = without(shipped, &["password_file", "acl_file", "allow_anonymous"]);
            config.push_str("allow_anonymous true\n");
            config
        })
    }

    /// With `deploy/mosquitto.conf` and `deploy/mosquitto.acl` as they are, and these logins.
    pub(crate) fn guarded(logins: &[(&str, &str)]) -> Self {
        let mut broker = Self::prepared(str::to_owned);
        for (name, password) in logins {
            broker.add_login(name, password);
        }
        broker.launch();
        broker
    }

    /// With Mosquitto's own defaults, under which messages are lost.
    pub(crate) fn with_defaults() -> Self {
        Self::with(|_| "listener 1883\nallow_anonymous true\nsys_interval 1\n".to_owned())
    }

    /// With what a function makes of `deploy/mosquitto.conf`.
    pub(crate) fn with(change: impl Fn(&str) -> String) -> Self {
        let mut broker = Self::prepared(change);
        broker.launch();
        broker
    }

    /// Everything but started: paths and port are this test's own.
    fn prepared(change: impl Fn(&str) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().display();
        let port = free_port();
        let config = change(&shipped("mosquitto.conf"))
            .replace("/etc/mosquitto", &home.to_string())
            .replace("/var/lib/mosquitto", &home.to_string())
            .replace("listener 1883", &format!("listener {port} 127.0.0.1"));
        // Started by root it would become another user, who may not write here.
        let config = format!("{config}\nuser root\n");
        fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        fs::write(dir.path().join("mosquitto.acl"), shipped("mosquitto.acl")).unwrap();
        fs::write(dir.path().join("passwd"), "").unwrap();
        Self {
            dir,
            child: None,
            port,
        }
    }

    /// Adds a login, which it knows after the next start.
    pub(crate) fn add_login(&self, name: &str, password: &str) {
        let mut command = tool("mosquitto_passwd", self.home());
        run(command.args(["-b", "passwd", name, password]), "").good();
    }

    /// Starts it again with the same files at the same port.
    pub(crate) fn launch(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        let mut command = self.command();
        command
            .args(["-c", "mosquitto.conf"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("mosquitto: {error}; hint: `cargo xtask test` installs what tests need")
        });
        eventually("mosquitto listens", || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("mosquitto has ended with {status}: {}", self.log());
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()
        });
        self.child = Some(child);
    }

    fn command(&self) -> Command {
        let found = PROGRAMS.iter().find(|path| Path::new(path).exists());
        tool(found.unwrap_or(&PROGRAMS[1]), self.home())
    }

    /// Asks it to end, as its service does: it writes what it has.
    pub(crate) fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        running::signal(&child, "TERM");
        running::exit_code(&mut child);
    }

    /// Ends it without a word, as a power cut does.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops and starts it.
    pub(crate) fn restart(&mut self) {
        self.stop();
        self.launch();
    }

    /// Lets it do nothing, with its connections open, as a broker that hangs; `resume` ends it.
    pub(crate) fn pause(&self) {
        running::signal(self.child.as_ref().expect("it runs"), "STOP");
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        running::signal(self.child.as_ref().expect("it runs"), "CONT");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// For `--broker` and `[mqtt] broker`.
    pub(crate) fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Folder with its configuration, log and data.
    pub(crate) fn home(&self) -> &Path {
        self.dir.path()
    }

    fn log_file(&self) -> PathBuf {
        self.home().join("mosquitto.log")
    }

    /// What all its runs have logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended already; there is nothing more to do either way.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            eprintln!("mosquitto's log:\n{}", self.log());
        }
    }
}

/// A file of `deploy/`.
fn shipped(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The configuration without these settings.
#[allow(
    dead_code,
    reason = "what one kind of test does not need, another does"
)]
pub(crate) fn without(config: &str, keys: &[&str]) -> String {
    let is_kept = |line: &&str| !keys.iter().any(|key| line.starts_with(key));
    let mut kept: Vec<&str> = config.lines().filter(is_kept).collect();
    kept.push("");
    kept.join("\n")
}
