//! A real daemon from the built program, with a real MQTT client as its node.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use chrono::{DateTime, Utc};
use portable_pty::CommandBuilder;
use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;
use signalbox_tests::{DEADLINE, Screen};

/// The status of a node whose LED is off.
const OFF: &str = r#"{"online":true,"boot":1,"actuators":{"led":"off"}}"#;

/// The program under test.
pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_signalbox"))
}

/// A daemon in a folder of its own; ended with the value.
pub(crate) struct Station {
    pub(crate) dir: tempfile::TempDir,
    child: Child,
    mqtt: u16,
    http: String,
    variables: Vec<(&'static str, &'static str)>,
}

impl Station {
    pub(crate) fn start() -> Self {
        Self::start_with(Vec::new())
    }

    /// A station that lets everybody publish for every node.
    pub(crate) fn open_to_all() -> Self {
        Self::start_with(vec![("SIGNALBOX_MQTT__ANONYMOUS", "true")])
    }

    fn start_with(variables: Vec<(&'static str, &'static str)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (child, ready) = serve(&dir, 0, 0, &variables);
        let mqtt = field(&ready, "mqtt=127.0.0.1:").parse().unwrap();
        let http = field(&ready, "api=http://").to_owned();
        Self {
            dir,
            child,
            mqtt,
            http,
            variables,
        }
    }

    /// Ends the daemon without a word, as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again in the same folder, at the same address.
    pub(crate) fn restart(&mut self) {
        let http = self.http.rsplit_once(':').unwrap().1.parse().unwrap();
        (self.child, _) = serve(&self.dir, http, self.mqtt, &self.variables);
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The same station over TCP, where a login is needed.
    pub(crate) fn tcp(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The same station over TCP with TLS.
    pub(crate) fn tls(&self) -> String {
        format!("tcp://{}", self.http)
    }

    /// Makes an account; the first one is the administrator.
    pub(crate) fn user(&self, name: &str, password: &str) {
        let mut child = program()
            .args([
                "user",
                "add",
                name,
                "--password-stdin",
                "--email",
                "ada@example.org",
                "--host",
                &self.host(),
            ])
            .env("HOME", self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{password}").unwrap();
        drop(stdin);
        assert!(child.wait().unwrap().success());
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("data/signalbox.sock")
    }

    /// Runs a verb that must succeed; what it prints.
    pub(crate) fn verb(&self, args: &[&str]) -> String {
        let output = program()
            .args(args)
            .args(["--host", &self.host()])
            .env("HOME", self.dir.path())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{args:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The terminal, over the socket.
    pub(crate) fn screen(&self, columns: u16, rows: u16) -> Screen {
        self.screen_with(&["--host", &self.host()], columns, rows)
    }

    pub(crate) fn screen_with(&self, args: &[&str], columns: u16, rows: u16) -> Screen {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_signalbox"));
        command.args(args);
        self.run(command, columns, rows)
    }

    /// Any program, at home in the station's folder.
    pub(crate) fn run(&self, mut command: CommandBuilder, columns: u16, rows: u16) -> Screen {
        command.env("HOME", self.dir.path());
        Screen::run(command, columns, rows)
    }

    /// A node that is online, with an LED that is off.
    pub(crate) fn node(&self, name: &str) -> Node {
        let made: Value =
            serde_json::from_str(&self.verb(&["node", "add", name, "--json"])).unwrap();
        let login = Some((name, made["password"].as_str().unwrap()));
        let node = self.client(name, login);
        let topic = format!("signalbox/{name}/command");
        node.client.subscribe(topic, QoS::AtLeastOnce).unwrap();
        node.acks.recv_timeout(DEADLINE).unwrap();
        node.publish("status", OFF);
        node
    }

    /// So many nodes that are online, which one client speaks for.
    pub(crate) fn fleet(&self, names: impl Iterator<Item = String>) {
        let mut node = self.client("gateway", None);
        for name in names {
            node.name = name;
            node.publish("status", OFF);
        }
    }

    fn client(&self, name: &str, login: Option<(&str, &str)>) -> Node {
        let mut options = MqttOptions::new(name, "127.0.0.1", self.mqtt);
        if let Some((username, password)) = login {
            options.set_credentials(username, password);
        }
        options.set_keep_alive(Duration::from_secs(5));
        let (client, mut connection) = Client::new(options, 100);
        let (command, commands) = mpsc::channel();
        let (ack, acks) = mpsc::channel();
        thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Incoming::Publish(message))) => {
                        let body: Value = serde_json::from_slice(&message.payload).unwrap();
                        if command.send(body).is_err() {
                            return;
                        }
                    }
                    Ok(Event::Incoming(Incoming::PubAck(_) | Incoming::SubAck(_))) => {
                        if ack.send(()).is_err() {
                            return;
                        }
                    }
                    Ok(_) => {}
                    // The test ends it, or the daemon was ended.
                    Err(_) => return,
                }
            }
        });
        Node {
            name: name.to_owned(),
            client,
            commands,
            acks,
        }
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(
    clippy::zombie_processes,
    reason = "the station that takes it waits for it"
)]
fn serve(
    dir: &tempfile::TempDir,
    http: u16,
    mqtt: u16,
    variables: &[(&str, &str)],
) -> (Child, String) {
    let mut child = program()
        .args(["serve", "--port", &http.to_string()])
        .args(["--mqtt-listen", &format!("127.0.0.1:{mqtt}")])
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .env("HOME", dir.path())
        .envs(variables.iter().copied())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (send, lines) = mpsc::channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            // The receiver is gone when nobody waits any more; the pipe is still emptied.
            let _ = send.send(line);
        }
    });
    loop {
        let line = lines.recv_timeout(DEADLINE).expect("no ready line");
        if line.contains(" ready id=") {
            return (child, line);
        }
    }
}

fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let (_, rest) = line.split_once(key).unwrap();
    rest.split(' ').next().unwrap()
}

/// A node as a test moves it.
pub(crate) struct Node {
    name: String,
    client: Client,
    commands: Receiver<Value>,
    acks: Receiver<()>,
}

impl Node {
    /// Publishes, and waits until it is acknowledged.
    pub(crate) fn publish(&self, what: &str, body: &str) {
        let topic = format!("signalbox/{}/{what}", self.name);
        let retained = what == "status";
        self.client
            .publish(topic, QoS::AtLeastOnce, retained, body)
            .unwrap();
        self.acks.recv_timeout(DEADLINE).unwrap();
    }

    pub(crate) fn reading(&self, seq: u32, temperature: f64) {
        let body = format!(
            r#"{{"boot":1,"seq":{seq},"samples":[{{"age_ms":0,"values":{{"temperature":{temperature}}}}}]}}"#
        );
        self.publish("telemetry", &body);
    }

    /// Readings of another time, as one message.
    pub(crate) fn past(&self, seq: u32, readings: &[(DateTime<Utc>, f64)]) {
        let samples: Vec<Value> = readings
            .iter()
            .map(|(at, value)| {
                serde_json::json!({
                    "ts_ms": at.timestamp_millis(), "values": {"temperature": value}
                })
            })
            .collect();
        let body = serde_json::json!({"boot": 1, "seq": seq, "samples": samples});
        self.publish("telemetry", &body.to_string());
    }

    pub(crate) fn next_command(&self) -> Value {
        self.commands.recv_timeout(DEADLINE).unwrap()
    }

    /// Confirms a command with the state that the LED is in now.
    pub(crate) fn confirm(&self, command: &Value, led: &str) {
        let id = command["id"].as_str().unwrap();
        self.publish(
            "ack",
            &format!(r#"{{"id":"{id}","result":"applied","actuators":{{"led":"{led}"}}}}"#),
        );
    }

    /// Confirms that the LED is on and goes off by itself.
    pub(crate) fn confirm_for(&self, command: &Value, off_in_ms: u32) {
        let id = command["id"].as_str().unwrap();
        self.publish(
            "ack",
            &format!(
                r#"{{"id":"{id}","result":"applied","actuators":{{"led":"on"}},"off_in_ms":{off_in_ms}}}"#
            ),
        );
    }
}
