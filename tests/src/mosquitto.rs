//! A private Mosquitto from its Debian package, with the configuration that we ship.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{free_port, server::Server};

/// A broker in a folder of its own, on loopback; ended with the value.
#[derive(Debug)]
pub struct Mosquitto {
    server: Server,
    port: u16,
}

impl Mosquitto {
    /// With `deploy/mosquitto.conf`, except that anybody may do anything.
    ///
    /// # Panics
    /// The package is missing, or the broker does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// As [`Mosquitto::start`], with lines that replace those of the same name, or add to them.
    ///
    /// # Panics
    /// The package is missing, or the broker does not start.
    #[must_use]
    pub fn with(lines: &[&str]) -> Self {
        let open = ["password_file", "acl_file", "allow_anonymous"];
        let names = lines.iter().map(|line| line.split(' ').next().unwrap());
        let names: Vec<&str> = open.into_iter().chain(names).collect();
        let shipped = shipped("mosquitto.conf");
        let is_kept = |line: &&str| {
            let name = line.split(' ').next().unwrap();
            !names.contains(&name) || name == "listener"
        };
        let mut config: Vec<&str> = shipped.lines().filter(is_kept).collect();
        config.push("allow_anonymous true");
        config.extend(lines);
        Self::run(&config.join("\n"), &[])
    }

    /// With `deploy/mosquitto.conf` and `deploy/mosquitto.acl` as they are, and these logins.
    ///
    /// # Panics
    /// The package is missing, or the broker does not start.
    #[must_use]
    pub fn guarded(logins: &[(&str, &str)]) -> Self {
        Self::run(&shipped("mosquitto.conf"), logins)
    }

    /// With Mosquitto's own defaults, under which messages are lost.
    ///
    /// # Panics
    /// The package is missing, or the broker does not start.
    #[must_use]
    pub fn with_defaults() -> Self {
        Self::run("listener 1883\nallow_anonymous true\nsys_interval 1", &[])
    }

    fn run(config: &str, logins: &[(&str, &str)]) -> Self {
        let server = Server::new();
        let home = server.home().display().to_string();
        let port = free_port();
        let config = config
            .replace("/etc/mosquitto", &home)
            .replace("/var/lib/mosquitto", &home)
            .replace("listener 1883", &format!("listener {port} 127.0.0.1"));
        // Started by root it would become another user, who may not write here.
        let config = format!("{config}\nuser root\n");
        fs::write(server.home().join("mosquitto.conf"), config).unwrap();
        let acl = server.home().join("mosquitto.acl");
        fs::write(acl, shipped("mosquitto.acl")).unwrap();
        fs::write(server.home().join("passwd"), "").unwrap();
        let mut broker = Self { server, port };
        for (name, password) in logins {
            broker.add_login(name, password);
        }
        broker.start_again();
        broker
    }

    /// Adds a login, which it knows after the next start.
    ///
    /// # Panics
    /// The package is missing.
    pub fn add_login(&self, name: &str, password: &str) {
        let mut command = self.server.command("mosquitto_passwd");
        let status = command.args(["-b", "passwd", name, password]).status();
        assert!(status.unwrap().success(), "no login for `{name}`");
    }

    /// Starts it after [`Mosquitto::stop`] or [`Mosquitto::kill`], with the same files and port;
    /// waits until it takes connections.
    ///
    /// # Panics
    /// It does not start, or runs already.
    pub fn start_again(&mut self) {
        let mut command = self.server.command("mosquitto");
        command.args(["-c", "mosquitto.conf"]);
        self.server.launch(command, self.port);
    }

    /// Asks it to end, as its service does: it writes what it has.
    ///
    /// # Panics
    /// It does not run, or does not end.
    pub fn stop(&mut self) {
        self.server.stop();
    }

    /// Ends it without a word, as a power cut does.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// [`Mosquitto::stop`] and [`Mosquitto::start_again`].
    ///
    /// # Panics
    /// It does not end or start.
    pub fn restart(&mut self) {
        self.stop();
        self.start_again();
    }

    /// Halts it with its connections open, as a network does that swallows everything.
    ///
    /// # Panics
    /// It does not run.
    pub fn freeze(&self) {
        self.server.signal("STOP");
    }

    /// Goes on after [`Mosquitto::freeze`].
    ///
    /// # Panics
    /// It does not run.
    pub fn thaw(&self) {
        self.server.signal("CONT");
    }

    /// Where it listens, on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// For `--broker`, without a login.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// Its process.
    ///
    /// # Panics
    /// It does not run.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Folder with its configuration, log and data.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.server.home()
    }

    /// What all its runs have logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}

/// A file of `deploy/`.
fn shipped(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    fs::read_to_string(folder.join(name)).unwrap()
}
