//! A private PostgreSQL from its Debian package: its own folder, loopback, a free port. It
//! refuses to run as root, so for root it runs as user `postgres`.

use std::{
    env, fs,
    os::unix::fs::{PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use super::{DEADLINE, eventually, free_port, look_for};

/// Where Debian puts each version.
const VERSIONS_DIR: &str = "/usr/lib/postgresql";
/// Who it runs as when the tests run as root.
const USERS: [&str; 2] = ["postgres", "nobody"];
/// Role and database of the station.
const NAME: &str = "signalbox";
/// With a character that a URL must escape.
const PASSWORD: &str = "s3cret@home";
const PASSWORD_IN_URL: &str = "s3cret%40home";

/// A running (or stopped) server with a role and a database `signalbox`; ended with the value.
/// Commits are on disk (`fsync` is on), as in real life.
#[derive(Debug)]
pub struct Postgres {
    dir: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
    /// Options of this server, besides those that all have.
    options: Vec<String>,
    postmaster: Option<Child>,
    /// See [`Postgres::shared`].
    watcher: Option<Child>,
}

impl Postgres {
    /// Starts a server.
    ///
    /// # Panics
    /// The package is missing, or the server does not start.
    #[must_use]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with settings of its own, each `name=value`.
    ///
    /// # Panics
    /// The package is missing, or the server does not start.
    #[must_use]
    pub fn with(options: &[&str]) -> Self {
        Self::make(options, "scram-sha-256")
    }

    /// Starts a server that offers TLS, with a certificate and its key (PEM).
    ///
    /// # Panics
    /// The package is missing, or the server does not start.
    #[must_use]
    pub fn with_tls(certificate: &Path, key: &Path) -> Self {
        let mut server = Self::unmade(&["ssl=on"]);
        for (path, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let copy = server.dir.path().join(name);
            fs::copy(path, &copy).unwrap();
            // It refuses a key that others may read.
            fs::set_permissions(&copy, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some(user) = other_user() {
                chown(&copy, Some(user.uid), Some(user.gid)).unwrap();
            }
            let option = if name == "server.crt" {
                "ssl_cert_file"
            } else {
                "ssl_key_file"
            };
            server.options.push(format!("{option}={}", copy.display()));
        }
        server.made("scram-sha-256")
    }

    fn make(options: &[&str], login: &str) -> Self {
        Self::unmade(options).made(login)
    }

    fn unmade(options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            bin: bin(),
            port: free_port(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
            postmaster: None,
            watcher: None,
            dir,
        }
    }

    fn made(mut self, login: &str) -> Self {
        let server = &mut self;
        server.init(login);
        server.start_again();
        let role = format!("CREATE ROLE {NAME} LOGIN PASSWORD '{PASSWORD}'");
        server.sql_in("postgres", &role);
        server.create_database(NAME);
        self
    }

    /// One server for all tests of a program, for tests that need only a database of their own
    /// ([`Postgres::new_database`]). It ends with the program, however that ends.
    ///
    /// # Panics
    /// The package is missing, or the server does not start.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| {
            // Of what goes away with the program nothing has to survive a power cut, and to work
            // out logins takes longer than most tests.
            let mut server = Self::make(&["fsync=off"], "trust");
            // A static is never dropped, but the pipe that only this process holds is closed.
            let script = "read _; kill -INT $1; while kill -0 $1 2>/dev/null; do sleep 0.1; done; \
                          rm -rf \"$2\"";
            let pid = server.pid().to_string();
            let watcher = Command::new("sh")
                .args(["-c", script, "sh", &pid])
                .arg(server.dir.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            server.watcher = Some(watcher);
            server
        })
    }

    /// How the station reaches its database.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of(NAME)
    }

    /// How the station reaches a database of this server.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!(
            "postgres://{NAME}:{PASSWORD_IN_URL}@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Where it listens, on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Folder of its unix socket.
    #[must_use]
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// Makes an empty database that belongs to the station's role.
    ///
    /// # Panics
    /// It cannot be made.
    pub fn create_database(&self, name: &str) {
        self.sql_in("postgres", &format!("CREATE DATABASE {name} OWNER {NAME}"));
    }

    /// Makes an empty database with a name of its own; the name.
    ///
    /// # Panics
    /// It cannot be made.
    #[must_use]
    pub fn new_database(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let name = format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name);
        name
    }

    /// Asks the station's database as superuser, past the station; columns are parted by `|`.
    ///
    /// # Panics
    /// The server refuses it.
    #[track_caller]
    pub fn sql(&self, query: &str) -> String {
        self.sql_in(NAME, query)
    }

    /// Asks a database as superuser.
    ///
    /// # Panics
    /// The server refuses it.
    #[track_caller]
    pub fn sql_in(&self, database: &str, query: &str) -> String {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["--no-psqlrc", "--no-align", "--tuples-only", "--quiet"]);
        psql.args(["--set", "ON_ERROR_STOP=1", "--username", "postgres"]);
        psql.arg("--host").arg(self.dir.path());
        psql.args(["--port", &self.port.to_string(), "--dbname", database]);
        let done = psql.args(["--command", query]).output().unwrap();
        good("psql", &done).trim_end().to_owned()
    }

    /// A program of the server's version, for example `pg_dump`.
    #[must_use]
    pub fn tool(&self, name: &str) -> Command {
        Command::new(self.bin.join(name))
    }

    /// Ends it in an orderly way; open transactions are rolled back.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            signal("INT", &[postmaster.id()]);
            eventually("PostgreSQL ends", || postmaster.try_wait().unwrap());
        }
    }

    /// Ends all its processes without a word, as a power cut does.
    ///
    /// # Panics
    /// It does not run.
    pub fn kill(&mut self) {
        let all = self.processes();
        signal("KILL", &all);
        if let Some(mut postmaster) = self.postmaster.take() {
            postmaster.wait().unwrap();
        }
    }

    /// Starts it after [`Postgres::stop`] or [`Postgres::kill`], at the same address; waits
    /// until it answers.
    ///
    /// # Panics
    /// It does not start.
    pub fn start_again(&mut self) {
        assert!(self.postmaster.is_none(), "it runs already");
        let started = look_for(DEADLINE, || {
            let mut postmaster = self.spawn();
            let answers = look_for(DEADLINE, || {
                // After a kill, what is left of the old one may be in the way for a moment.
                let ended = postmaster.try_wait().unwrap().is_some();
                (ended || self.answers()).then_some(!ended)
            });
            match answers {
                Some(true) => Some(postmaster),
                _ => {
                    let _ = postmaster.kill();
                    let _ = postmaster.wait();
                    None
                }
            }
        });
        let Some(postmaster) = started else {
            panic!("PostgreSQL does not start; its log is\n{}", self.log());
        };
        self.postmaster = Some(postmaster);
    }

    /// [`Postgres::stop`] and [`Postgres::start_again`].
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
        signal("STOP", &self.processes());
    }

    /// Goes on after [`Postgres::freeze`].
    ///
    /// # Panics
    /// It does not run.
    pub fn thaw(&self) {
        signal("CONT", &self.processes());
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    fn pid(&self) -> u32 {
        self.postmaster.as_ref().expect("it runs").id()
    }

    /// All of it, the postmaster first; that is halted, so that it starts no new ones meanwhile.
    fn processes(&self) -> Vec<u32> {
        let mut all = vec![self.pid()];
        signal("STOP", &all);
        all.extend(self.backends());
        all
    }

    fn backends(&self) -> Vec<u32> {
        let pid = self.pid();
        // Missing only when it has ended.
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        children
            .split_whitespace()
            .map(|pid| pid.parse().unwrap())
            .collect()
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn init(&self, login: &str) {
        let password = self.dir.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        if let Some(user) = other_user() {
            for path in [self.dir.path(), &password] {
                chown(path, Some(user.uid), Some(user.gid)).unwrap();
            }
        }
        let mut initdb = self.command("initdb");
        // What is made here need not survive a power cut; what is written later does.
        initdb.args(["--no-sync", "--username", "postgres", "--encoding", "UTF8"]);
        initdb.args(["--locale", "C.UTF-8", "--auth-local", "trust"]);
        initdb.args(["--auth-host", login]);
        initdb
            .arg("--pwfile")
            .arg(password)
            .arg("--pgdata")
            .arg(self.data());
        good("initdb", &initdb.output().unwrap());
    }

    fn spawn(&self) -> Child {
        let mut appended = fs::OpenOptions::new();
        appended.create(true).append(true);
        let log = appended.open(self.dir.path().join("log")).unwrap();
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data());
        command.arg("-k").arg(self.dir.path());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let common = ["shared_buffers=64MB", "max_connections=200"];
        let options = self.options.iter().map(String::as_str);
        for option in common.into_iter().chain(options) {
            command.args(["-c", option]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log).spawn().unwrap()
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(self.bin.join("pg_isready"));
        ready.arg("-q").arg("-h").arg(self.dir.path());
        ready.args(["-p", &self.port.to_string()]);
        ready.status().unwrap().success()
    }

    /// A program of the server, as the user that it can run as.
    fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = match other_user() {
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", &user.uid.to_string()]);
                command.args(["--regid", &user.gid.to_string(), "--clear-groups"]);
                command.arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env_clear().current_dir(self.dir.path());
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.postmaster.is_some() {
            self.thaw();
        }
        if let Some(mut postmaster) = self.postmaster.take() {
            // At once, but so that it takes its other processes and its memory along.
            signal("QUIT", &[postmaster.id()]);
            if look_for(DEADLINE, || postmaster.try_wait().ok().flatten()).is_none() {
                // There is nothing more to do if that fails too.
                let _ = postmaster.kill();
                let _ = postmaster.wait();
            }
        }
        if std::thread::panicking() {
            eprintln!("PostgreSQL's log:\n{}", self.log());
        }
    }
}

struct User {
    uid: u32,
    gid: u32,
}

/// Who it runs as instead of root.
fn other_user() -> Option<User> {
    if id(&["-u"])? != 0 {
        return None;
    }
    let user = USERS.into_iter().find_map(|name| {
        let (uid, gid) = (id(&["-u", name])?, id(&["-g", name])?);
        Some(User { uid, gid })
    });
    Some(user.expect("a user that PostgreSQL can run as"))
}

fn id(args: &[&str]) -> Option<u32> {
    let done = Command::new("id").args(args).output().unwrap();
    String::from_utf8_lossy(&done.stdout).trim().parse().ok()
}

/// The newest version's programs.
fn bin() -> PathBuf {
    let versions = fs::read_dir(VERSIONS_DIR).into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|version| {
            let number: u32 = version.file_name().to_str()?.parse().ok()?;
            let bin = version.path().join("bin");
            bin.join("initdb").exists().then_some((number, bin))
        })
        .max();
    match newest {
        Some((_, bin)) => bin,
        None => panic!("there is no PostgreSQL; hint: `cargo xtask test` installs it"),
    }
}

fn signal(name: &str, pids: &[u32]) {
    let mut command = Command::new("sh");
    command.args(["-c", "name=$1; shift; kill -s \"$name\" \"$@\"", "sh", name]);
    command.args(pids.iter().map(u32::to_string));
    // Some of them may have ended meanwhile.
    command.stderr(Stdio::null()).status().unwrap();
}

#[track_caller]
fn good(what: &str, done: &Output) -> String {
    let err = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{what}: {err}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
