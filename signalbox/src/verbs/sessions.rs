//! `signalbox sessions`: who is logged in and from where, and ending that.

use std::process::ExitCode;

use signalbox_protocol::api::session::{Session, SessionEnd, SessionEnded, Sessions};
use signalbox_tui::client::segment;

use crate::{
    context::StationArgs,
    output::{self, maybe_time, time, word},
};

/// Arguments of `sessions`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Option<SessionVerb>,
    #[command(flatten)]
    station: StationArgs,
}

#[derive(Debug, clap::Subcommand)]
enum SessionVerb {
    /// End one: a login's token is revoked, a local user's terminal is closed
    End {
        /// Its id
        id: String,
    },
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = args.station.client()?;
    let json = args.station.json;
    match args.verb {
        None => {
            let all: Sessions = client.get("/api/v1/sessions", &()).await?;
            if json {
                output::json(&all)?;
            } else {
                rows(&all.sessions)?;
            }
        }
        Some(SessionVerb::End { id }) => {
            let path = format!("/api/v1/sessions/{}", segment(&id));
            let done: SessionEnded = client.delete_for(&path).await?;
            if json {
                output::json(&done)?;
            } else {
                let what = match done.ended {
                    SessionEnd::Revoked => "its token is revoked",
                    SessionEnd::Disconnected => {
                        "its terminal is closed; the system's user id lets it in again"
                    }
                };
                output::line(&format!("ended: {} of {}; {what}", done.id, done.username))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn rows(sessions: &[Session]) -> anyhow::Result<()> {
    let rows = sessions.iter().map(|session| {
        vec![
            session.id.clone(),
            session.username.clone(),
            word(&session.role),
            time(session.created_at),
            maybe_time(session.last_seen_at),
            session.way.map_or("-", |way| way.as_str()).to_owned(),
            session.from.clone().unwrap_or_else(|| "-".to_owned()),
            session.client.clone().unwrap_or_else(|| "-".to_owned()),
            session.streams.to_string(),
        ]
    });
    let head = [
        "ID",
        "NAME",
        "ROLE",
        "SINCE",
        "LAST SEEN",
        "WAY",
        "FROM",
        "CLIENT",
        "STREAMS",
    ];
    output::table(&head, rows, "nobody is logged in")
}
