//! A server of others as a process group in a folder of its own: started, stopped, killed, halted.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{eventually, look_for};

/// What our programs and those of others get of our own environment.
const KEPT: [&str; 2] = ["PATH", "TMPDIR"];
/// Longest start: RabbitMQ takes ten seconds when it has the machine for itself.
const START: Duration = Duration::from_secs(120);
/// Where Debian puts servers, which is not in everybody's `PATH`.
const SBIN: &str = "/usr/sbin";

/// Ended with the value, with all its children.
#[derive(Debug)]
pub(crate) struct Server {
    dir: tempfile::TempDir,
    /// None while it does not run.
    child: Option<Child>,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            child: None,
        }
    }

    pub(crate) fn home(&self) -> &Path {
        self.dir.path()
    }

    /// A program with this folder as home and nothing of our environment that could change it.
    pub(crate) fn command(&self, program: &str) -> Command {
        let in_sbin = Path::new(SBIN).join(program);
        let found = if in_sbin.exists() {
            in_sbin
        } else {
            PathBuf::from(program)
        };
        let mut command = Command::new(found);
        command
            .env_clear()
            .env("HOME", self.home())
            .current_dir(self.home());
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
    }

    /// Starts it, and waits until it takes connections.
    pub(crate) fn launch(&mut self, mut command: Command, port: u16) {
        assert!(self.child.is_none(), "it runs already");
        let name = command.get_program().display().to_string();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())
            .unwrap();
        command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("`{name}`: {error}; hint: `cargo xtask test` installs what tests need")
        });
        let listens = look_for(START, || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("`{name}` has ended with {status}: {}", self.log());
            }
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()
        });
        self.child = Some(child);
        assert!(
            listens.is_some(),
            "`{name}` does not listen: {}",
            self.log()
        );
    }

    /// Asks it to end, as its service does.
    pub(crate) fn stop(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().expect("it runs");
        eventually("it ends", || child.try_wait().unwrap());
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.signal("KILL");
        self.child.take().expect("it runs").wait().unwrap();
    }

    /// To it and its children; the shell has the only `kill` that is everywhere.
    pub(crate) fn signal(&self, name: &str) {
        let order = format!("kill -{name} -{}", self.pid());
        let done = Command::new("sh").args(["-c", &order]).status().unwrap();
        assert!(done.success(), "{order}");
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn log_file(&self) -> PathBuf {
        self.home().join("server.log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}
