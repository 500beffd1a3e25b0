//! Empties the mail outbox: tries what is due, writes down what became of it, waits. Fed by the
//! rows that the engine commits; feeds a [`Mailer`].
//!
//! A mail is `sent` only after the server's 250 was written down, so a crash in between can
//! repeat one mail, with the same Message-ID, and can never lose one. What fires and clears
//! while the server is away goes out as one mail. When the server itself is in trouble, the
//! whole round pauses: nothing storms it, and nothing storms people when it is back.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    clock::SharedClock,
    store::{Mail, MailKind, MailState, SharedStore, StoreError},
};

/// Mails that are taken from the store at a time.
pub const ROUND_MAILS_MAX: u32 = 50;
/// Longest pause between two tries.
const RETRY_S_MAX: u64 = 1_800;
/// Pauses are made longer or shorter by up to this part, so that stations do not come in step.
const JITTER_PERCENT: u64 = 20;
/// How often is looked for what is due.
const POLL: Duration = Duration::from_secs(1);
/// A mail under way when the station stops may take this long.
const DRAIN: Duration = Duration::from_secs(5);
/// What a server said is cut to this length.
const ERROR_CHARS_MAX: usize = 300;

/// A mail as it goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// One address.
    pub to: String,
    /// The same for all mails of an incident.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Stable: the same row makes the same id after a crash. Without angle brackets or domain.
    pub id: String,
    /// Id of the mail that this one answers.
    pub in_reply_to: Option<String>,
    /// For filters: `firing`, `reminder`, `recovery`, `firing and recovery`.
    pub state: &'static str,
}

/// Why a letter did not go out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server will never take this letter (5xx, or an address that is none).
    #[error("{0}")]
    Refused(String),
    /// The server does not take this letter now (4xx).
    #[error("{0}")]
    Later(String),
    /// The server cannot be reached, or does not let us in: no letter would go out.
    #[error("{0}")]
    ServerDown(String),
}

/// Whatever carries letters.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Hands a letter to the mail server; `Ok` after its 250.
    ///
    /// # Errors
    /// [`SendError`].
    async fn send(&self, letter: &Letter) -> Result<(), SendError>;
}

/// How often and how long is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// First pause; doubles.
    pub first_s: u32,
    /// A mail that is older is given up.
    pub give_up_h: u32,
}

/// The worker's state.
pub struct Outbox<M> {
    store: SharedStore,
    clock: SharedClock,
    mailer: M,
    retry: Retry,
    /// Rounds in a row that ended because of the server.
    server_failures: u32,
    /// No mail is tried before this time.
    paused_until: Option<DateTime<Utc>>,
}

impl<M: Mailer> Outbox<M> {
    /// Over a store and a mailer.
    pub fn new(store: SharedStore, clock: SharedClock, mailer: M, retry: Retry) -> Self {
        Self {
            store,
            clock,
            mailer,
            retry,
            server_failures: 0,
            paused_until: None,
        }
    }

    /// Works until `stop`, at once when `written` tells of a new row; a mail under way at the end
    /// gets a moment to finish.
    pub async fn run(mut self, written: Arc<Notify>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let hurry = async {
                stop.cancelled().await;
                tokio::time::sleep(DRAIN).await;
            };
            tokio::select! {
                () = hurry => return,
                done = self.round(&stop) => {
                    if let Err(error) = done {
                        tracing::warn!(%error, "the mail outbox cannot be read or written");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = written.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Tries everything that is due; stops early when `stop` fires or the server is down.
    ///
    /// # Errors
    /// [`StoreError`]; what was tried until then is written down.
    pub async fn round(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let now = self.clock.now();
        if self.paused_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        let due = self.store.due_mails(now, ROUND_MAILS_MAX).await?;
        for row in due {
            if stop.is_cancelled() {
                return Ok(());
            }
            let (incident, recipient) = (&row.mail.incident, &row.mail.recipient);
            let queued = self.store.queued_mails_of(incident, recipient).await?;
            // An earlier mail of this round may have carried this one along.
            if !queued.iter().any(|other| other.mail.id == row.mail.id) {
                continue;
            }
            let whole = Whole::of(row, &queued);
            let letter = whole.letter(now);
            let sent = self.mailer.send(&letter).await;
            if !self.note(&whole, sent).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Writes down what became of a letter; false when the round is over.
    async fn note(
        &mut self,
        whole: &Whole,
        sent: Result<(), SendError>,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let first = &whole.first;
        let tries = first.tries.saturating_add(1);
        let (id, to) = (&first.mail.id, &first.mail.recipient);
        let error = match sent {
            Ok(()) => {
                self.server_failures = 0;
                self.store
                    .update_mail(id, MailState::Sent, tries, now, None)
                    .await?;
                if let Some(second) = &whole.second {
                    self.store
                        .update_mail(&second.mail.id, MailState::Merged, second.tries, now, None)
                        .await?;
                }
                tracing::info!(
                    mail.id = id,
                    incident.id = first.mail.incident,
                    to,
                    "mail sent"
                );
                return Ok(true);
            }
            Err(error) => error,
        };
        let text: String = error.to_string().chars().take(ERROR_CHARS_MAX).collect();
        let age = now - first.mail.created_at;
        let too_old = age >= TimeDelta::hours(i64::from(self.retry.give_up_h));
        if matches!(error, SendError::Refused(_)) || too_old {
            tracing::error!(mail.id = id, to, error = text, "mail given up");
            for row in [Some(first), whole.second.as_ref()].into_iter().flatten() {
                self.store
                    .update_mail(
                        &row.mail.id,
                        MailState::Failed,
                        row.tries + 1,
                        now,
                        Some(&text),
                    )
                    .await?;
            }
            return Ok(!matches!(error, SendError::ServerDown(_)));
        }
        let next = now + self.pause(first.tries);
        tracing::warn!(mail.id = id, to, error = text, next_try = %next, "mail not sent");
        self.store
            .update_mail(id, MailState::Queued, tries, next, Some(&text))
            .await?;
        if let Some(second) = &whole.second {
            self.store
                .update_mail(
                    &second.mail.id,
                    MailState::Queued,
                    second.tries,
                    next,
                    Some(&text),
                )
                .await?;
        }
        if matches!(error, SendError::ServerDown(_)) {
            self.paused_until = Some(now + self.pause(self.server_failures));
            self.server_failures = self.server_failures.saturating_add(1);
            return Ok(false);
        }
        Ok(true)
    }

    fn pause(&self, failures: u32) -> TimeDelta {
        let doubled = u64::from(self.retry.first_s.max(1)) << failures.min(12);
        let percent = rand::random_range(100 - JITTER_PERCENT..=100 + JITTER_PERCENT);
        let ms = doubled.min(RETRY_S_MAX) * 10 * percent;
        TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX))
    }
}

/// What goes out together: a mail, or an alert with its recovery.
struct Whole {
    first: Mail,
    second: Option<Mail>,
}

impl Whole {
    /// The due row with what else waits for the same person about the same incident.
    fn of(row: Mail, queued: &[Mail]) -> Self {
        let find = |kind| queued.iter().find(|mail| mail.mail.kind == kind).cloned();
        match (find(MailKind::Firing), find(MailKind::Recovery)) {
            (Some(first), Some(second)) => Self {
                first,
                second: Some(second),
            },
            _ => Self {
                first: row,
                second: None,
            },
        }
    }

    fn letter(&self, now: DateTime<Utc>) -> Letter {
        let mail = &self.first.mail;
        let id = |kind| match kind {
            MailKind::Firing => format!("{}.firing", mail.incident),
            MailKind::Reminder(n) => format!("{}.reminder.{n}", mail.incident),
            MailKind::Recovery => format!("{}.recovery", mail.incident),
        };
        let (state, body) = match (&self.second, mail.kind) {
            (Some(second), _) => ("firing and recovery", combined(&self.first, second, now)),
            (None, MailKind::Firing) => ("firing", mail.body.clone()),
            (None, MailKind::Reminder(_)) => ("reminder", mail.body.clone()),
            (None, MailKind::Recovery) => ("recovery", mail.body.clone()),
        };
        Letter {
            to: mail.recipient.clone(),
            subject: mail.subject.clone(),
            body,
            id: id(mail.kind),
            in_reply_to: (mail.kind != MailKind::Firing).then(|| id(MailKind::Firing)),
            state,
        }
    }
}

fn combined(firing: &Mail, recovery: &Mail, now: DateTime<Utc>) -> String {
    let late_min = (now - firing.mail.created_at).num_minutes();
    format!(
        "{}\n\nThe alert itself could not be delivered for {late_min} minutes, so both come \
         together. It said:\n\n{}",
        recovery.mail.body.trim_end(),
        firing.mail.body
    )
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;
