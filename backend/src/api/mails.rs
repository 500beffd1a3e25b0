//! `GET /api/v1/mails`: the outbox.

use axum::{Json, extract::State};
use signalbox_protocol::api::mail::{
    MAILS_DEFAULT, MAILS_MAX, Mail, MailKind, MailQuery, MailState, Mails,
};

use super::{SharedState, bounded, error::ApiError, extract::QueryOf};
use crate::store;

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
