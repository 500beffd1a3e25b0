//! A private RabbitMQ with its MQTT plugin, from its Debian package. The package's own program
//! becomes the user `rabbitmq`; the one behind it stays who we are.

use std::{fs, process::Command};

use crate::{free_port, server::Server};

/// The program behind `/usr/sbin/rabbitmq-server`.
const PROGRAM: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A broker in a folder of its own, on loopback; ended with the value.
#[derive(Debug)]
pub struct RabbitMq {
    /// Tells Erlang's nodes where they are; a private one, started before and ended after.
    server: Server,
    names: Server,
    port: u16,
    amqp: u16,
    distribution: u16,
    names_port: u16,
}

impl RabbitMq {
    /// Where these logins may do anything, with sessions and retained messages that last.
    ///
    /// # Panics
    /// The package is missing, or the broker does not start.
    #[must_use]
    pub fn start(logins: &[(&str, &str)]) -> Self {
        let mut broker = Self {
            server: Server::new(),
            names: Server::new(),
            port: free_port(),
            amqp: free_port(),
            distribution: free_port(),
            names_port: free_port(),
        };
        let home = broker.server.home();
        let config = format!(
            "listeners.tcp.1 = 127.0.0.1:{}\n\
             mqtt.listeners.tcp.1 = 127.0.0.1:{}\n\
             mqtt.allow_anonymous = false\n\
             load_definitions = {}\n\
             mqtt.prefetch = 1000\n\
             mqtt.retained_message_store = rabbit_mqtt_retained_msg_store_dets\n\
             log.console = true\n\
             log.console.level = warning\n",
            broker.amqp,
            broker.port,
            home.join("definitions.json").display()
        );
        fs::write(home.join("definitions.json"), definitions(logins)).unwrap();
        fs::write(home.join("rabbitmq.conf"), config).unwrap();
        fs::write(home.join("plugins"), "[rabbitmq_mqtt].\n").unwrap();
        let mut names = broker.names.command("epmd");
        names.args(["-address", "127.0.0.1", "-port"]);
        names.arg(broker.names_port.to_string());
        broker.names.launch(names, broker.names_port);
        broker.start_again();
        broker
    }

    fn program(&self) -> Command {
        let home = self.server.home();
        let mut command = self.server.command(PROGRAM);
        command
            .env("ERL_EPMD_PORT", self.names_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", "signalbox-test@localhost")
            .env("RABBITMQ_DIST_PORT", self.distribution.to_string())
            .env("RABBITMQ_CONFIG_FILE", home.join("rabbitmq.conf"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("plugins"))
            .env("RABBITMQ_MNESIA_BASE", home.join("mnesia"))
            .env("RABBITMQ_LOG_BASE", home.join("log"))
            .env("RABBITMQ_CONF_ENV_FILE", home.join("none.conf"));
        command
    }

    /// Starts it after [`RabbitMq::stop`] or [`RabbitMq::kill`]; waits until it takes
    /// connections.
    ///
    /// # Panics
    /// It does not start, or runs already.
    pub fn start_again(&mut self) {
        let command = self.program();
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

/// Names and passwords here have no character that JSON would want escaped.
fn definitions(logins: &[(&str, &str)]) -> String {
    let users = logins
        .iter()
        .map(|(name, password)| format!(r#"{{"name":"{name}","password":"{password}","tags":""}}"#))
        .collect::<Vec<_>>();
    let permissions = logins
        .iter()
        .map(|(name, _)| {
            format!(r#"{{"user":"{name}","vhost":"/","configure":".*","write":".*","read":".*"}}"#)
        })
        .collect::<Vec<_>>();
    format!(
        r#"{{"vhosts":[{{"name":"/"}}],"users":[{}],"permissions":[{}]}}"#,
        users.join(","),
        permissions.join(",")
    )
}
