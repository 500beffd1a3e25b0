//! `signalbox user …`: accounts.

use std::process::ExitCode;

use signalbox_protocol::api::user::{NewUser, Role, User, UserPatch, Users};
use signalbox_tui::client::segment;

use super::login::new_password;
use crate::{
    context::StationArgs,
    output::{self, maybe_time, time, word},
};

/// `user …`
#[derive(Debug, clap::Subcommand)]
pub(crate) enum UserVerb {
    /// Make an account
    Add {
        /// 1 to 32 letters, digits, `_`, `-`, `.`
        username: String,
        /// Mail address
        #[arg(long)]
        email: String,
        /// viewer, operator or administrator [default: viewer; the first account: administrator]
        #[arg(long, value_parser = role)]
        role: Option<Role>,
        /// Read the password from standard input instead of the terminal
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        station: StationArgs,
    },
    /// Give an account a new password; ends its sessions
    Passwd {
        /// Account name
        username: String,
        /// Read the password from standard input instead of the terminal
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        station: StationArgs,
    },
    /// List accounts
    List {
        #[command(flatten)]
        station: StationArgs,
    },
    /// Give an account another role; ends its sessions
    Role {
        /// Account name
        username: String,
        /// viewer, operator or administrator
        #[arg(value_parser = role)]
        role: Role,
        #[command(flatten)]
        station: StationArgs,
    },
    /// Delete an account
    Delete {
        /// Account name
        username: String,
        #[command(flatten)]
        station: StationArgs,
    },
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| "must be viewer, operator or administrator".to_owned())
}

pub(crate) async fn run(verb: UserVerb) -> anyhow::Result<ExitCode> {
    match verb {
        UserVerb::Add {
            username,
            email,
            role,
            password_stdin,
            station,
        } => {
            let new = NewUser {
                username,
                email,
                password: new_password(password_stdin)?,
                role,
            };
            let user: User = station.client()?.post("/api/v1/users", &new).await?;
            show(&station, &user)?;
        }
        UserVerb::Passwd {
            username,
            password_stdin,
            station,
        } => {
            let patch = UserPatch {
                password: Some(new_password(password_stdin)?),
                ..UserPatch::default()
            };
            change(&station, &username, &patch).await?;
        }
        UserVerb::Role {
            username,
            role,
            station,
        } => {
            let patch = UserPatch {
                role: Some(role),
                ..UserPatch::default()
            };
            change(&station, &username, &patch).await?;
        }
        UserVerb::List { station } => {
            let users: Users = station.client()?.get("/api/v1/users", &()).await?;
            if station.json {
                output::json(&users)?;
            } else {
                rows(&users.users)?;
            }
        }
        UserVerb::Delete { username, station } => {
            let path = format!("/api/v1/users/{}", segment(&username));
            station.client()?.delete(&path).await?;
            output::line(&format!("account `{username}` is deleted"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn change(station: &StationArgs, username: &str, patch: &UserPatch) -> anyhow::Result<()> {
    let path = format!("/api/v1/users/{}", segment(username));
    let user: User = station.client()?.patch(&path, patch).await?;
    show(station, &user)
}

fn show(station: &StationArgs, user: &User) -> anyhow::Result<()> {
    if station.json {
        return output::json(user);
    }
    rows(std::slice::from_ref(user))
}

fn rows(users: &[User]) -> anyhow::Result<()> {
    let rows = users.iter().map(|user| {
        vec![
            user.username.clone(),
            word(&user.role),
            user.email.clone(),
            time(user.created_at),
            maybe_time(user.last_login_at),
        ]
    });
    let head = ["NAME", "ROLE", "MAIL", "MADE", "LAST LOGIN"];
    output::table(&head, rows, "no account yet")
}
