//! The command line: one line per verb.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::verbs::{
    commands, config, data, demo, dial_stdio, fingerprint, firmware, health, incidents, login,
    logout, mail, nodes, publish, rules, send, serve, sessions, silence, sim, store, subscribe,
    terminal, user, watch,
};

/// A control station in the terminal for MQTT sensor nodes. Without a command it opens the
/// terminal.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    terminal: terminal::Args,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show everything at once: a station with simulated nodes, in a folder that goes away
    Demo(demo::Args),
    /// Run the station without a terminal
    Serve(serve::Args),
    /// Print a line for each thing that happens, for screen readers and logs
    Watch(watch::Args),
    /// Open a session at a station
    Login(login::Args),
    /// End the session
    Logout(logout::Args),
    /// List nodes, or show one
    Nodes(nodes::ListArgs),
    /// Give a node a login for the broker, or take it away; configure it; read its log
    #[command(subcommand)]
    Node(nodes::NodeVerb),
    /// Give the station the images that nodes run, to read their logs
    #[command(subcommand)]
    Firmware(firmware::FirmwareVerb),
    /// Show, chart as numbers, or export samples
    Data(data::Args),
    /// Switch an actuator, now, for a while, at a time, or again and again
    Send(send::Args),
    /// List commands and schedules, or cancel one
    Commands(commands::Args),
    /// List, make, change or delete rules
    Rules(rules::Args),
    /// List incidents, or acknowledge one
    Incidents(incidents::Args),
    /// Hold mails back for a while: make, list, end silences
    #[command(subcommand)]
    Silence(silence::SilenceVerb),
    /// List the mail outbox, try a mail again, or send a test mail
    #[command(subcommand)]
    Mail(mail::MailVerb),
    /// Tell whether the station, its store and its broker work; exit code 1 when not
    Health(health::Args),
    /// Print the fingerprint of the station's certificate, to compare it
    Fingerprint(fingerprint::Args),
    /// List who is logged in and from where, or end that
    Sessions(sessions::Args),
    /// Manage accounts
    #[command(subcommand)]
    User(user::UserVerb),
    /// Print, check or find the configuration
    Config(config::Args),
    /// Copy everything into another store
    #[command(subcommand)]
    Store(store::StoreVerb),
    /// Run simulated nodes against any broker
    Sim(sim::Args),
    /// Publish an MQTT message to any broker
    Pub(publish::Args),
    /// Print MQTT messages of any broker
    Sub(subscribe::Args),
    /// Join standard input and output to the local daemon; `ssh://` starts it over there
    DialStdio(dial_stdio::Args),
}

impl Cli {
    /// Whether it is more than a client: a station or nodes run in this process.
    pub(crate) const fn has_a_station(&self) -> bool {
        matches!(
            self.verb,
            Some(Verb::Demo(_) | Verb::Serve(_) | Verb::Sim(_) | Verb::Store(_))
        )
    }

    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let Some(verb) = self.verb else {
            return terminal::run(self.terminal).await;
        };
        match verb {
            Verb::Demo(args) => demo::run(args).await,
            Verb::Sim(args) => sim::run(args).await,
            Verb::Serve(args) => serve::run(args).await,
            Verb::Watch(args) => watch::run(args).await,
            Verb::Login(args) => login::run(args).await,
            Verb::Logout(args) => logout::run(args).await,
            Verb::Nodes(args) => nodes::list(args).await,
            Verb::Node(verb) => nodes::node(verb).await,
            Verb::Firmware(verb) => firmware::run(verb).await,
            Verb::Data(args) => data::run(args).await,
            Verb::Send(args) => send::run(args).await,
            Verb::Commands(args) => commands::run(args).await,
            Verb::Rules(args) => rules::run(args).await,
            Verb::Incidents(args) => incidents::run(args).await,
            Verb::Silence(verb) => silence::run(verb).await,
            Verb::Mail(verb) => mail::run(verb).await,
            Verb::Health(args) => health::run(args).await,
            Verb::Fingerprint(args) => fingerprint::run(args).await,
            Verb::Sessions(args) => sessions::run(args).await,
            Verb::User(verb) => user::run(verb).await,
            Verb::Store(verb) => store::run(verb).await,
            Verb::Config(args) => config::run(&args),
            Verb::Pub(args) => publish::run(args).await,
            Verb::Sub(args) => subscribe::run(args).await,
            Verb::DialStdio(args) => dial_stdio::run(&args).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
