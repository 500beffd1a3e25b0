//! A real daemon from the built program, with a real MQTT client as its node.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};
use serde_json::Value;

/// Longest wait for anything; far beyond what it takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

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
}

impl Station {
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    fn start_in(dir: tempfile::TempDir) -> Self {
        let (child, ready) = serve(&dir, 0);
        let mqtt = field(&ready, "mqtt=127.0.0.1:").parse().unwrap();
        let http = field(&ready, "api=http://").to_owned();
        Self {
            dir,
            child,
            mqtt,
            http,
        }
    }

    /// Ends the daemon without a word, as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again in the same folder, at the same address.
    pub(crate) fn restart(&mut self) {
        (self.child, _) = serve(&self.dir, self.mqtt);
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// The same station over TCP, where a login is needed.
    pub(crate) fn tcp(&self) -> String {
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

    /// A node that is online, with an LED that is off.
    pub(crate) fn node(&self, name: &str) -> Node {
        let made: Value =
            serde_json::from_str(&self.verb(&["node", "add", name, "--json"])).unwrap();
        let mut options = MqttOptions::new(name, "127.0.0.1", self.mqtt);
        options.set_credentials(name, made["password"].as_str().unwrap());
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
        let node = Node {
            name: name.to_owned(),
            client,
            commands,
            acks,
        };
        let topic = format!("signalbox/{name}/command");
        node.client.subscribe(topic, QoS::AtLeastOnce).unwrap();
        node.acks.recv_timeout(DEADLINE).unwrap();
        let status = r#"{"online":true,"boot":1,"actuators":{"led":"off"}}"#;
        node.publish("status", status);
        node
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
fn serve(dir: &tempfile::TempDir, mqtt: u16) -> (Child, String) {
    let mut child = program()
        .args(["serve", "--port", "0"])
        .args(["--mqtt-listen", &format!("127.0.0.1:{mqtt}")])
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .env("HOME", dir.path())
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
}
