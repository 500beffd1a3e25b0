//! Carries out what administrators ask for, and reads their screen.

use signalbox_protocol::api::{
    mail::{MailQuery, MailTest, MailTested, Mails},
    session::{SessionEnded, Sessions},
    user::{NewUser, User, UserPatch, Users},
};

use super::ask::{done, undoable};
use crate::{
    client::{Client, ClientError, segment},
    event::{Action, Admin, Answer},
    words,
};

/// Mails that the administration shows.
pub(super) const MAILS_SHOWN: u32 = 200;

pub(super) async fn user(client: &Client, action: Action) -> Result<Answer, ClientError> {
    let path = |name: &str| format!("/api/v1/users/{}", segment(name));
    match action {
        Action::AddUser {
            username,
            email,
            role,
            password,
        } => {
            let new = NewUser {
                username,
                email,
                password,
                role: Some(role),
            };
            let _: User = client.post("/api/v1/users", &new).await?;
        }
        Action::SetRole {
            username,
            role,
            back,
        } => {
            let patch = UserPatch {
                role: Some(role),
                ..UserPatch::default()
            };
            let _: User = client.patch(&path(&username), &patch).await?;
            if let Some(before) = back.filter(|before| *before != role) {
                return undoable(
                    format!("`{username}` is {} now", role.as_str()),
                    format!("the role of `{username}`"),
                    Action::SetRole {
                        username,
                        role: before,
                        back: Some(role),
                    },
                );
            }
        }
        Action::SetPassword { username, password } => {
            let patch = UserPatch {
                password: Some(password),
                ..UserPatch::default()
            };
            let _: User = client.patch(&path(&username), &patch).await?;
        }
        Action::EndSession(session) => {
            let path = format!("/api/v1/sessions/{}", segment(&session.id));
            let _: SessionEnded = client.delete_for(&path).await?;
        }
        Action::DeleteUser(username) => client.delete(&path(&username)).await?,
        _ => {}
    }
    admin(client).await
}

pub(super) async fn mail(client: &Client, action: Action) -> Result<Answer, ClientError> {
    match action {
        Action::RetryMail(id) => {
            let path = format!("/api/v1/mails/{}/retry", segment(&id));
            client.post_alone(&path).await?;
        }
        Action::TestMail(recipient) => {
            let asked = MailTest { recipient };
            let tested: MailTested = client.post("/api/v1/mails/test", &asked).await?;
            return match tested.error {
                None => done(format!("the mail server took it for {}", asked.recipient)),
                Some(error) => Ok(Answer::Failed {
                    text: format!("the test mail did not go out: {}", words::safe(&error)),
                    field: None,
                }),
            };
        }
        _ => {}
    }
    admin(client).await
}

pub(super) async fn admin(client: &Client) -> Result<Answer, ClientError> {
    let users: Option<Users> = allowed(client.get("/api/v1/users", &()).await)?;
    let sessions: Option<Sessions> = allowed(client.get("/api/v1/sessions", &()).await)?;
    let query = MailQuery {
        incident: None,
        limit: Some(MAILS_SHOWN),
    };
    let mails: Option<Mails> = allowed(client.get("/api/v1/mails", &query).await)?;
    Ok(Answer::Admin(Box::new(Admin {
        station: client.get("/api/v1/station", &()).await?,
        health: client.health().await?,
        users: users.map(|users| users.users),
        sessions: sessions.map(|sessions| sessions.sessions),
        mails: mails.map(|mails| mails.mails),
    })))
}

/// What this person may not see is absent.
pub(super) fn allowed<T>(asked: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(ClientError::Refused { status: 403, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
