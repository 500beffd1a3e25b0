//! `signalbox login`: opens a session and keeps its token.

use std::{io::IsTerminal as _, process::ExitCode};

use anyhow::Context as _;
use signalbox_protocol::api::auth::{LoginReply, LoginRequest};

use crate::{
    context::{StationArgs, keep_token},
    output,
};

/// Arguments of `login`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Account name
    username: String,
    /// Read the password from standard input instead of the terminal
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (endpoint, profile) = args.station.place()?;
    let client = args
        .station
        .client_at(endpoint.clone(), profile.as_ref(), None)?;
    // Whether it is the right station is asked before the password.
    client.connect().await?;
    let request = LoginRequest {
        username: args.username,
        password: password("Password: ", args.password_stdin)?,
    };
    let reply: LoginReply = client.post("/api/v1/auth/login", &request).await?;
    let until = output::time(reply.expires_at);
    keep_token(&endpoint, Some(reply.token.clone()))?;
    if args.station.json {
        output::json(&reply)?;
    } else {
        output::line(&format!("logged in at {endpoint} until {until}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for a password without showing it, or reads one line of standard input.
pub(crate) fn password(prompt: &str, from_stdin: bool) -> anyhow::Result<String> {
    if from_stdin || !std::io::stdin().is_terminal() {
        let mut line = String::new();
        std::io::stdin()
            .read_line(&mut line)
            .context("no password on standard input")?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    rpassword::prompt_password(prompt).context("no password could be read")
}

/// Asks for a new password twice.
pub(crate) fn new_password(from_stdin: bool) -> anyhow::Result<String> {
    let first = password("New password: ", from_stdin)?;
    if from_stdin || !std::io::stdin().is_terminal() {
        return Ok(first);
    }
    let second = password("Once more: ", false)?;
    anyhow::ensure!(first == second, "the two passwords differ");
    Ok(first)
}
