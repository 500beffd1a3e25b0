//! `/api/v1/mails...`: the outbox, trying again, and a test mail.

use std::time::Duration;

use axum::{Extension, Json, extract::State, http::StatusCode};
use signalbox_protocol::api::mail::{
    MAILS_DEFAULT, MAILS_MAX, Mail, MailKind, MailQuery, MailState, MailTest, MailTested, Mails,
};

use tokio::time::timeout;

use super::{
    SharedState, bounded,
    error::ApiError,
    extract::{JsonBody, PathOf, QueryOf},
};
use crate::{
    alerts::{
        mail::SmtpMailer,
        outbox::{Letter, Mailer as _},
    },
    auth::Caller,
    store,
};

/// A mail server that has not taken the test mail within this time is told as such, before the
/// request itself is given up.
const TEST_S_MAX: u64 = 25;

/// The newest mails in any state, without their bodies.
#[utoipa::path(
    get, path = "/api/v1/mails", tag = "mails", params(MailQuery),
    responses((status = 200, description = "newest first", body = Mails))
)]
pub(crate) async fn list(
    State(state): State<SharedState>,
    QueryOf(query): QueryOf<MailQuery>,
) -> Result<Json<Mails>, ApiError> {
    let limit = bounded("limit", query.limit, MAILS_DEFAULT, MAILS_MAX)?;
    let mails = state.store.mails(query.incident.as_deref(), limit).await?;
    let mails = mails.into_iter().map(shown).collect();
    Ok(Json(Mails { mails }))
}

/// Makes a mail that waits, or that was given up, due now.
///
/// It is tried at once, unless the mail server itself has just failed: then with its next attempt.
#[utoipa::path(
    post, path = "/api/v1/mails/{id}/retry", tag = "mails",
    params(("id" = String, Path, description = "id of a mail")),
    responses(
        (status = 204, description = "it is due"),
        (status = 404, description = "no such mail, or it went out"),
    )
)]
pub(crate) async fn retry(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    PathOf(id): PathOf<String>,
) -> Result<StatusCode, ApiError> {
    if !state.store.retry_mail(&id, state.clock.now()).await? {
        let what = "waiting or failed mail";
        return Err(ApiError::NotFound { what, id });
    }
    state.mail_written.notify_one();
    tracing::info!(mail.id = id, by = caller.username, "mail is tried again");
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test mail past the outbox, and tells what the mail server said.
#[utoipa::path(
    post, path = "/api/v1/mails/test", tag = "mails", request_body = MailTest,
    responses(
        (status = 200, description = "whether the mail server took it", body = MailTested),
        (status = 409, description = "no mail server is configured"),
    )
)]
pub(crate) async fn test(
    State(state): State<SharedState>,
    Extension(caller): Extension<Caller>,
    JsonBody(wanted): JsonBody<MailTest>,
) -> Result<Json<MailTested>, ApiError> {
    let Some(config) = state.config.borrow().mail.clone() else {
        return Err(ApiError::Conflict {
            message: "no mail server is configured".to_owned(),
            field: None,
            hint: Some("`[mail]` of the configuration names one".to_owned()),
        });
    };
    let letter = Letter {
        to: wanted.recipient,
        subject: "Test mail of the station".to_owned(),
        body: format!(
            "{} asked for this mail. Alerts of the station will reach you as this one did.\n",
            caller.username
        ),
        id: format!("test.{}", uuid::Uuid::new_v4()),
        in_reply_to: None,
        state: "test",
    };
    let sent = async {
        let mailer = SmtpMailer::new(&config).map_err(|error| error.to_string())?;
        let sent = timeout(Duration::from_secs(TEST_S_MAX), mailer.send(&letter)).await;
        sent.map_err(|_| format!("the mail server did not answer within {TEST_S_MAX} s"))?
            .map_err(|error| error.to_string())
    };
    let error = sent.await.err();
    tracing::info!(by = caller.username, taken = error.is_none(), "test mail");
    let taken = error.is_none();
    Ok(Json(MailTested { taken, error }))
}

fn shown(row: store::Mail) -> Mail {
    let state = match row.state {
        store::MailState::Queued => MailState::Queued,
        store::MailState::Sent => MailState::Sent,
        store::MailState::Failed => MailState::Failed,
        store::MailState::Merged => MailState::Merged,
    };
    Mail {
        id: row.mail.id,
        incident: row.mail.incident,
        kind: match row.mail.kind {
            store::MailKind::Firing => MailKind::Firing,
            store::MailKind::Reminder(_) => MailKind::Reminder,
            store::MailKind::Recovery => MailKind::Recovery,
        },
        recipient: row.mail.recipient,
        subject: row.mail.subject,
        state,
        created_at: row.mail.created_at,
        tries: row.tries,
        next_try_at: (state == MailState::Queued).then_some(row.next_try_at),
        last_error: row.last_error,
    }
}
