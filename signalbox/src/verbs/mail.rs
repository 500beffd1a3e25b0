//! `signalbox mail`: the outbox, trying one again, and a test mail.

use std::process::ExitCode;

use signalbox_protocol::api::mail::{
    MAILS_DEFAULT, Mail, MailQuery, MailState, MailTest, MailTested, Mails,
};
use signalbox_tui::client::segment;

use crate::{
    context::StationArgs,
    output::{self, maybe, maybe_time, time, word},
};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum MailVerb {
    /// List the newest mails: what went out, what waits, and why
    List(ListArgs),
    /// Try a mail again that waits, or that was given up
    Retry {
        /// Its id
        id: String,
        #[command(flatten)]
        station: StationArgs,
    },
    /// Send a test mail and say what the mail server answered; exit code 1 when it took none
    Test {
        /// To this address
        address: String,
        #[command(flatten)]
        station: StationArgs,
    },
}

/// Which mails.
#[derive(Debug, clap::Args)]
pub(crate) struct ListArgs {
    /// Only those about this incident
    #[arg(long, value_name = "ID")]
    incident: Option<String>,
    /// Only those that wait or were given up
    #[arg(long)]
    unsent: bool,
    /// How many of the newest to look at
    #[arg(long, short = 'n', default_value_t = MAILS_DEFAULT)]
    limit: u32,
    #[command(flatten)]
    station: StationArgs,
}

pub(crate) async fn run(verb: MailVerb) -> anyhow::Result<ExitCode> {
    match verb {
        MailVerb::List(args) => list(args).await,
        MailVerb::Retry { id, station } => {
            let path = format!("/api/v1/mails/{}/retry", segment(&id));
            station.client()?.post_alone(&path).await?;
            output::line(&format!("mail `{id}` is due now"))?;
            Ok(ExitCode::SUCCESS)
        }
        MailVerb::Test { address, station } => test(address, station).await,
    }
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let query = MailQuery {
        incident: args.incident,
        limit: Some(args.limit),
    };
    let client = args.station.client()?;
    let mut mails: Mails = client.get("/api/v1/mails", &query).await?;
    if args.unsent {
        let unsent = |mail: &Mail| matches!(mail.state, MailState::Queued | MailState::Failed);
        mails.mails.retain(unsent);
    }
    if args.station.json {
        output::json(&mails)?;
    } else {
        rows(&mails.mails)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn test(recipient: String, station: StationArgs) -> anyhow::Result<ExitCode> {
    let asked = MailTest { recipient };
    let tested: MailTested = station.client()?.post("/api/v1/mails/test", &asked).await?;
    if station.json {
        output::json(&tested)?;
    } else {
        let to = &asked.recipient;
        output::line(&match &tested.error {
            None => format!("the mail server took it for {to}"),
            Some(error) => format!("the test mail did not go out: {error}"),
        })?;
    }
    Ok(if tested.taken {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn rows(mails: &[Mail]) -> anyhow::Result<()> {
    let rows = mails.iter().map(|mail| {
        vec![
            mail.id.clone(),
            time(mail.created_at),
            word(&mail.kind),
            mail.recipient.clone(),
            word(&mail.state),
            mail.tries.to_string(),
            maybe_time(mail.next_try_at),
            mail.subject.clone(),
            maybe(mail.last_error.as_ref()),
        ]
    });
    let head = [
        "ID",
        "WRITTEN",
        "ABOUT",
        "TO",
        "STATE",
        "TRIES",
        "NEXT TRY",
        "SUBJECT",
        "SERVER SAID",
    ];
    output::table(
        &head,
        rows,
        "no mails: nothing has fired that mails somebody",
    )
}
