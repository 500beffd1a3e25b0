//! A real daemon from the built program.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use super::{
    DEADLINE, Ended, Script, free_port,
    program::{run, signalbox, tool},
    running,
};

/// How a daemon is to be.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    /// `signalbox.toml`.
    pub(crate) config: String,
    /// Words before the program's own, for example of a shell that sets limits.
    pub(crate) wrapper: Vec<String>,
    /// URL of an external broker.
    pub(crate) broker: Option<String>,
    /// More of its environment.
    pub(crate) environment: Vec<(String, String)>,
}

/// A daemon in a folder of its own; ended with the value.
pub(crate) struct Station {
    dir: tempfile::TempDir,
    setup: Setup,
    child: Child,
    log: Arc<Mutex<String>>,
    mqtt: u16,
    http: u16,
}

/// What the API answers.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// With names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// Null when there is none or it is not JSON.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

impl Station {
    pub(crate) fn start() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn configured(config: &str) -> Self {
        Self::with(Setup {
            config: config.to_owned(),
            ..Setup::default()
        })
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("signalbox.toml"), &setup.config).unwrap();
        let log = Arc::default();
        let ports = [free_port(), free_port()];
        let child = serve(dir.path(), &setup, ports, &log);
        let [http, mqtt] = ports;
        Self {
            dir,
            setup,
            child,
            log,
            mqtt,
            http,
        }
    }

    /// Ends the daemon without a word, as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the daemon to end, by `INT` or `TERM`; its exit code.
    pub(crate) fn signal(&mut self, name: &str) -> Option<i32> {
        running::signal(&self.child, name);
        running::exit_code(&mut self.child)
    }

    /// Sends it a signal that does not end it.
    pub(crate) fn tell(&self, name: &str) {
        running::signal(&self.child, name);
    }

    /// Halts it, with its connections open; `go_on` ends that.
    pub(crate) fn halt(&self) {
        running::signal(&self.child, "STOP");
    }

    pub(crate) fn go_on(&self) {
        running::signal(&self.child, "CONT");
    }

    /// Starts it again in the same folder, at the same addresses.
    pub(crate) fn restart(&mut self) {
        let ports = [self.http, self.mqtt];
        self.child = serve(self.dir.path(), &self.setup, ports, &self.log);
    }

    /// Starts it again with another configuration.
    pub(crate) fn restart_with(&mut self, config: &str) {
        config.clone_into(&mut self.setup.config);
        fs::write(self.home().join("signalbox.toml"), config).unwrap();
        self.restart();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Of its broker, whichever that is.
    pub(crate) fn mqtt_port(&self) -> String {
        let external = self.setup.broker.as_deref();
        match external.and_then(|url| url.rsplit_once(':')) {
            Some((_, port)) => port.to_owned(),
            None => self.mqtt.to_string(),
        }
    }

    pub(crate) fn http_address(&self) -> String {
        format!("127.0.0.1:{}", self.http)
    }

    /// Folder of this test.
    pub(crate) fn home(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.home().join("data")
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.data_dir().join("signalbox.db")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.data_dir().join("signalbox.sock")
    }

    /// What all runs of this daemon have logged.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Runs a verb of the program at this station.
    pub(crate) fn verb(&self, args: &[&str]) -> Ended {
        self.verb_with(args, "")
    }

    /// Runs a verb of the program at this station, with something on its standard input.
    pub(crate) fn verb_with(&self, args: &[&str], input: &str) -> Ended {
        let host = format!("unix://{}", self.socket().display());
        let mut command = signalbox(self.home());
        run(command.args(args).args(["--host", &host]), input)
    }

    /// What a verb that must succeed prints with `--json`.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        serde_json::from_str(&self.verb(&all).good()).unwrap()
    }

    /// Makes a node's login; its password.
    #[track_caller]
    pub(crate) fn add_node(&self, name: &str) -> String {
        let made = self.json(&["node", "add", name]);
        made["password"].as_str().unwrap().to_owned()
    }

    /// A node of `python/node.py` that is online.
    #[track_caller]
    pub(crate) fn node(&self, name: &str) -> Script {
        let password = self.add_node(name);
        let mut node = self.node_with(name, &password, &[]);
        node.expect("subscribed");
        eventually_online(self, name);
        node
    }

    /// A node of `python/node.py` that has a login already.
    pub(crate) fn node_with(&self, name: &str, password: &str, more: &[&str]) -> Script {
        let port = self.mqtt_port();
        let mut args = vec!["127.0.0.1", port.as_str(), name, password];
        args.extend(more);
        Script::start("node.py", &args, self.home())
    }

    /// What the API gives, on the unix socket.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let reply = self.ask("GET", path, None);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.body
    }

    /// Posts to the API, on the unix socket, which must take it.
    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let reply = self.ask("POST", path, Some(body));
        assert!(
            reply.status < 300,
            "{path}: {} {}",
            reply.status,
            reply.text
        );
        reply.body
    }

    /// Asks the API, on the unix socket.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let socket = self.socket();
        let mut command = tool("curl", self.home());
        command.arg("--unix-socket").arg(socket);
        curl(command, "http://station", method, path, body)
    }

    /// Asks the API over TCP.
    #[track_caller]
    pub(crate) fn ask_tcp(
        &self,
        token: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Reply {
        let mut command = tool("curl", self.home());
        if let Some(token) = token {
            command.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        let host = format!("http://{}", self.http_address());
        curl(command, &host, method, path, body)
    }

    /// Makes an account and logs in; its token.
    #[track_caller]
    pub(crate) fn login(&self, username: &str, password: &str) -> String {
        let body = json!({"username": username, "password": password});
        let reply = self.ask_tcp(None, "POST", "/api/v1/auth/login", Some(&body));
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.body["token"].as_str().unwrap().to_owned()
    }

    /// The newest samples of a node, `[metric, value]`, oldest first.
    pub(crate) fn values(&self, node: &str) -> Vec<(String, f64)> {
        let path = format!("/api/v1/data/all?node={node}&limit=10000");
        let page = self.get(&path);
        let samples = page["samples"].as_array().unwrap().iter();
        samples
            .map(|sample| {
                let metric = sample["metric"].as_str().unwrap().to_owned();
                (metric, sample["value"].as_f64().unwrap())
            })
            .collect()
    }

    /// Asks the database file itself, past the daemon.
    #[track_caller]
    pub(crate) fn sql(&self, query: &str) -> String {
        let mut command = tool("sqlite3", self.home());
        let file = format!("file:{}?mode=ro", self.database().display());
        let done = run(command.args(["-cmd", ".timeout 5000", &file, query]), "");
        done.good().trim().to_owned()
    }
}

#[track_caller]
fn eventually_online(station: &Station, name: &str) {
    super::eventually("the node is online", || {
        let node = station.get(&format!("/api/v1/nodes/{name}"));
        (node["presence"] == "online").then_some(())
    });
}

impl Drop for Station {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

#[track_caller]
fn curl(mut command: Command, host: &str, method: &str, path: &str, body: Option<&Value>) -> Reply {
    command.args(["--silent", "--show-error", "--include", "--max-time", "30"]);
    command.args(["--request", method]);
    if let Some(body) = body {
        command.args(["--header", "Content-Type: application/json"]);
        command.args(["--data-binary", &body.to_string()]);
    }
    let out = run(command.arg(format!("{host}{path}")), "").good();
    let (head, text) = out.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    Reply {
        status: status.parse().unwrap(),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect(),
        body: serde_json::from_str(text).unwrap_or_default(),
        text: text.to_owned(),
    }
}

fn serve(dir: &Path, setup: &Setup, [http, mqtt]: [u16; 2], log: &Arc<Mutex<String>>) -> Child {
    let program = signalbox(dir);
    let mut command = match setup.wrapper.split_first() {
        Some((first, rest)) => {
            let mut command = tool(first, dir);
            command.args(rest).arg(program.get_program());
            command
        }
        None => program,
    };
    let mut child = command
        .args(["serve", "--config", "signalbox.toml", "--data-dir"])
        .arg(dir.join("data"))
        .args(["--port", &http.to_string()])
        .args(["--mqtt-listen", &format!("127.0.0.1:{mqtt}")])
        .args(setup.broker.iter().flat_map(|url| ["--broker", url]))
        .envs(setup.environment.iter().cloned())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (send, lines) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let kept = Arc::clone(log);
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let mut log = kept.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
            drop(log);
            // The receiver is gone when nobody waits any more; the pipe is still emptied.
            let _ = send.send(line);
        }
    });
    let until = Instant::now() + DEADLINE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Ok(line) = lines.recv_timeout(left) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("no ready line; the log is\n{}", log.lock().unwrap());
        };
        if line.contains(" ready id=") {
            let broker = match setup.broker.as_deref() {
                Some(url) => without_login(url),
                None => format!("127.0.0.1:{mqtt}"),
            };
            let where_it_is = format!(" api=http://127.0.0.1:{http} mqtt={broker} ");
            assert!(line.contains(&where_it_is), "{line}");
            return child;
        }
    }
}

/// The URL as it may be shown.
fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.to_owned(),
    }
}
