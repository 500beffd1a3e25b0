//! Mails on their way.

use signalbox_protocol::api::incident::{Incident, IncidentState};

use super::{
    Fixture, at_s,
    rows::{id, incident, mail},
};
use crate::store::{
    Batch, EngineStore as _, Mail, MailHold, MailKind, MailMove, MailRelease, MailState,
    OutboxStore, StoreError,
};

async fn with_mails<F: Fixture>(fixture: &F) -> F::Store {
    let store = fixture.open().await;
    let batch = Batch {
        mails: vec![
            mail(1, MailKind::Firing, "anna@example.org"),
            mail(2, MailKind::Firing, "ben@example.org"),
            mail(3, MailKind::Recovery, "anna@example.org"),
        ],
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    store
}

fn ids(mails: &[Mail]) -> Vec<&str> {
    mails.iter().map(|mail| mail.mail.id.as_str()).collect()
}

pub(in crate::store) async fn mails_are_due_in_order<F: Fixture>() {
    let fixture = F::new().await;
    let store = with_mails(&fixture).await;
    let due = store.due_mails(at_s(2), 10).await.unwrap();
    let expected = |number, recipient: &str| Mail {
        mail: mail(number, MailKind::Firing, recipient),
        state: MailState::Queued,
        tries: 0,
        next_try_at: at_s(i64::from(number)),
        last_error: None,
    };
    assert_eq!(
        due,
        [
            expected(1, "anna@example.org"),
            expected(2, "ben@example.org")
        ]
    );
    assert_eq!(ids(&store.due_mails(at_s(9), 1).await.unwrap()), [id(1)]);
    assert_eq!(store.next_mail_at().await.unwrap(), Some(at_s(1)));
    let of_anna = store
        .queued_mails_of(&id(900), "anna@example.org")
        .await
        .unwrap();
    assert_eq!(ids(&of_anna), [id(1), id(3)]);
    assert_eq!(ids(&store.mails(None, 2).await.unwrap()), [id(3), id(2)]);
}

pub(in crate::store) async fn a_mail_is_due_again_unless_it_went_out<F: Fixture>() {
    let fixture = F::new().await;
    let store = with_mails(&fixture).await;
    let later = at_s(100);
    for (number, state) in [
        (1, MailState::Queued),
        (2, MailState::Failed),
        (3, MailState::Sent),
    ] {
        let id = id(number);
        let done = store.update_mail(&id, state, 4, later, Some("550"));
        done.await.unwrap();
    }
    let now = at_s(50);
    assert!(store.retry_mail(&id(1), now).await.unwrap());
    assert!(store.retry_mail(&id(2), now).await.unwrap());
    assert!(!store.retry_mail(&id(3), now).await.unwrap(), "it went out");
    assert!(!store.retry_mail(&id(9), now).await.unwrap());
    let due = store.due_mails(now, 10).await.unwrap();
    assert_eq!(ids(&due), [id(1), id(2)]);
    assert_eq!(due[1].tries, 4, "and what it said is kept");
}

pub(in crate::store) async fn a_mail_that_is_done_is_not_due<F: Fixture>() {
    let fixture = F::new().await;
    let store = with_mails(&fixture).await;
    let later = at_s(100);
    store
        .update_mail(&id(1), MailState::Queued, 1, later, Some("451 greylisted"))
        .await
        .unwrap();
    store
        .update_mail(
            &id(2),
            MailState::Failed,
            2,
            later,
            Some("550 no such user"),
        )
        .await
        .unwrap();
    store
        .update_mail(&id(3), MailState::Merged, 0, later, None)
        .await
        .unwrap();
    assert_eq!(store.due_mails(at_s(99), 10).await.unwrap(), []);
    assert_eq!(store.next_mail_at().await.unwrap(), Some(later));
    let due = store.due_mails(later, 10).await.unwrap();
    assert_eq!(ids(&due), [id(1)]);
    assert_eq!(due[0].tries, 1);
    assert_eq!(due[0].last_error.as_deref(), Some("451 greylisted"));
    store
        .update_mail(&id(1), MailState::Sent, 2, later, None)
        .await
        .unwrap();
    F::close(store).await;
    let store = fixture.open().await;
    assert_eq!(store.next_mail_at().await.unwrap(), None);
    let states: Vec<_> = store
        .mails(None, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|mail| (mail.state, mail.tries, mail.last_error))
        .collect();
    let refused = Some("550 no such user".to_owned());
    assert_eq!(
        states,
        [
            (MailState::Merged, 0, None),
            (MailState::Failed, 2, refused),
            (MailState::Sent, 2, None),
        ]
    );
}

pub(in crate::store) async fn a_held_mail_is_due_after_its_silence<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let held = |number, kind, silence: &str| {
        let mut mail = mail(number, kind, "anna@example.org");
        mail.held = Some(MailHold {
            silence: silence.to_owned(),
            until_at: at_s(1_000),
        });
        mail
    };
    let mails = vec![
        held(1, MailKind::Recovery, "S"),
        held(2, MailKind::Reminder(1), "T"),
        held(3, MailKind::Reminder(2), "S"),
    ];
    let batch = Batch {
        mails,
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    assert_eq!(store.due_mails(at_s(999), 10).await.unwrap(), []);
    let due = store.due_mails(at_s(1_000), 10).await.unwrap();
    assert_eq!(ids(&due), [id(1), id(2), id(3)]);
    let kinds: Vec<_> = due.iter().map(|mail| mail.mail.kind).collect();
    let (one, two) = (MailKind::Reminder(1), MailKind::Reminder(2));
    assert_eq!(kinds, [MailKind::Recovery, one, two]);
    // The silence of one incident's mails is another one now: the end of `S` lets out the rest.
    let mut other = held(4, MailKind::Recovery, "S");
    other.incident = id(901);
    let moved = Batch {
        mails: vec![other],
        mails_moved: vec![MailMove {
            incident: id(901),
            from: "S".to_owned(),
            to: MailHold {
                silence: "U".to_owned(),
                until_at: at_s(2_000),
            },
        }],
        incidents: vec![Incident {
            id: id(901),
            ..incident(901, IncidentState::Closed)
        }],
        ..Batch::default()
    };
    store.commit(&moved).await.unwrap();
    let loaded = store.load().await.unwrap().held;
    let waits: Vec<_> = loaded
        .iter()
        .map(|held| (held.incident.id.as_str(), held.silence.as_str()))
        .collect();
    assert_eq!(waits, [(id(901).as_str(), "U")]);
    let release = Batch {
        mails_released: vec![MailRelease {
            silence: "S".to_owned(),
            at: at_s(60),
        }],
        ..Batch::default()
    };
    store.commit(&release).await.unwrap();
    let due = store.due_mails(at_s(60), 10).await.unwrap();
    assert_eq!(ids(&due), [id(1), id(3)]);
}

pub(in crate::store) async fn mails_of_one_incident_are_told<F: Fixture>() {
    let fixture = F::new().await;
    let store = with_mails(&fixture).await;
    let mut other = mail(4, MailKind::Firing, "anna@example.org");
    other.incident = id(901);
    let batch = Batch {
        mails: vec![other],
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    let of = async |incident: &str| store.mails(Some(incident), 2).await.unwrap();
    assert_eq!(ids(&of(&id(901)).await), [id(4)]);
    assert_eq!(ids(&of(&id(900)).await), [id(3), id(2)]);
    assert_eq!(of("none").await, []);
}

pub(in crate::store) async fn the_outbox_tells_its_depth<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    assert_eq!(store.outbox_depth().await.unwrap(), (0, None));
    assert_eq!(store.next_mail_at().await.unwrap(), None);
    F::close(store).await;
    let store = with_mails(&fixture).await;
    assert_eq!(store.outbox_depth().await.unwrap(), (3, Some(at_s(1))));
    store
        .update_mail(&id(1), MailState::Sent, 1, at_s(5), None)
        .await
        .unwrap();
    assert_eq!(store.outbox_depth().await.unwrap(), (2, Some(at_s(2))));
}

pub(in crate::store) async fn a_missing_mail_is_told<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let result = store
        .update_mail(&id(1), MailState::Sent, 1, at_s(5), None)
        .await;
    assert!(
        matches!(&result, Err(StoreError::Missing { name }) if *name == id(1)),
        "{result:?}"
    );
}
