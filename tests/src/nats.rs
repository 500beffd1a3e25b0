//! A private NATS server that speaks MQTT, from its Debian package.

use std::fs;

use crate::{free_port, server::Server};

/// A server in a folder of its own, on loopback; ended with the value.
#[derive(Debug)]
pub struct Nats {
    server: Server,
    port: u16,
}

impl Nats {
    /// Where everybody may do anything; JetStream keeps sessions and retained messages.
    ///
    /// # Panics
    /// The package is missing, or the server does not start.
    #[must_use]
    pub fn start() -> Self {
        let (server, port) = (Server::new(), free_port());
        let config = format!(
            "server_name: test\nlisten: \"127.0.0.1:{}\"\n\
             jetstream {{ store_dir: \"data\" }}\n\
             mqtt {{ listen: \"127.0.0.1:{port}\", max_ack_pending: 1000 }}\n",
            free_port()
        );
        fs::write(server.home().join("nats.conf"), config).unwrap();
        let mut nats = Self { server, port };
        nats.start_again();
        nats
    }

    /// Starts it after [`Nats::stop`] or [`Nats::kill`]; waits until it takes connections.
    ///
    /// # Panics
    /// It does not start, or runs already.
    pub fn start_again(&mut self) {
        let mut command = self.server.command("nats-server");
        command.args(["-c", "nats.conf"]);
        self.server.launch(command, self.port);
    }

    /// Asks it to end, as its service does.
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

    /// Where MQTT listens, on loopback.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// For `--broker`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    /// What all its runs have logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}
