//! Deleting what is kept no longer.

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_protocol::api::{
    command::{CommandQuery, CommandState},
    incident::{IncidentQuery, IncidentState},
    silence::{SilenceQuery, SilenceState},
};

use super::{
    Fixture, all, at_s, exact,
    rows::{command, id, incident, mail, silence},
    samples_of, t0,
};
use crate::store::{
    Batch, EngineStore as _, MailKind, MailState, OutboxStore as _, Retention, SampleFilter,
    SampleStore as _, StateStore as _,
};

fn keep(raw_before: Option<DateTime<Utc>>, rollup_before: Option<DateTime<Utc>>) -> Retention {
    Retention {
        raw_before,
        rollup_before,
        ..Retention::default()
    }
}

pub(in crate::store) async fn prune_takes_bounded_steps_and_keeps_statistics<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    // 50,000 samples over 14 hours, so that one step cannot be enough.
    for part in 0..5 {
        let samples = (0..10_000)
            .map(|i| exact("soil", at_s(part * 10_000 + i), 1.0))
            .collect();
        store.commit(&samples_of("attic", samples)).await.unwrap();
    }
    let mut steps = 1;
    while store.prune(&keep(Some(at_s(45_000)), None)).await.unwrap() {
        steps += 1;
    }
    assert!(steps > 1, "all in one step");
    let rows = all(&store).await;
    assert_eq!(rows.len(), 5_000);
    assert_eq!(
        rows[0].2, 45_000_000_000,
        "nothing newer than asked for went"
    );

    let hours = store
        .buckets(&SampleFilter::default(), t0()..at_s(14 * 3_600), 14)
        .await
        .unwrap();
    let n: u64 = hours.series[0].buckets.iter().map(|bucket| bucket.n).sum();
    assert_eq!(n, 50_000, "the statistics stay");

    while store
        .prune(&keep(Some(at_s(200_000)), Some(at_s(200_000))))
        .await
        .unwrap()
    {}
    assert_eq!(all(&store).await, []);
    let hours = store
        .buckets(&SampleFilter::default(), t0()..at_s(14 * 3_600), 14)
        .await
        .unwrap();
    assert_eq!(hours.series, []);
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.latest.len(), 1, "the latest value stays");
    assert!(!store.prune(&keep(None, None)).await.unwrap());
    store.ping().await.unwrap();
}

pub(in crate::store) async fn prune_deletes_what_is_over_and_keeps_what_is_not<F: Fixture>() {
    let fixture = F::new().await;
    let store = fixture.open().await;
    let batch = Batch {
        incidents: vec![
            incident(1, IncidentState::Closed),
            incident(2, IncidentState::Firing),
        ],
        commands: vec![
            command(1, CommandState::Confirmed),
            command(2, CommandState::Sent),
        ],
        silences: vec![
            silence(1, SilenceState::Over),
            silence(2, SilenceState::Active),
        ],
        mails: vec![
            mail(1, MailKind::Firing, "anna@example.org"),
            mail(2, MailKind::Firing, "ben@example.org"),
        ],
        ..Batch::default()
    };
    store.commit(&batch).await.unwrap();
    store
        .update_mail(&id(1), MailState::Sent, 1, t0(), None)
        .await
        .unwrap();
    let left = async || {
        let incidents = store.incidents(&IncidentQuery::default()).await.unwrap();
        let commands = store.commands(&CommandQuery::default()).await.unwrap();
        let silences = store.silences(&SilenceQuery::default()).await.unwrap();
        let ids = (
            incidents.incidents.into_iter().map(|incident| incident.id),
            commands.commands.into_iter().map(|command| command.id),
            store
                .mails(None, 9)
                .await
                .unwrap()
                .into_iter()
                .map(|mail| mail.mail.id),
            silences.silences.into_iter().map(|silence| silence.id),
        );
        [
            ids.0.collect(),
            ids.1.collect(),
            ids.2.collect(),
            ids.3.collect::<Vec<_>>(),
        ]
    };
    // The time that the ids of the suite begin with.
    let made_at = DateTime::from_timestamp_millis(1_469_922_850_259).unwrap();
    assert!(!store.prune(&keep(Some(made_at), Some(t0()))).await.unwrap());
    let both = vec![id(2), id(1)];
    assert_eq!(
        left().await,
        [both.clone(), both.clone(), both.clone(), both],
        "not older"
    );
    let later = made_at + TimeDelta::milliseconds(1);
    assert!(!store.prune(&keep(Some(later), None)).await.unwrap());
    let open = vec![id(2)];
    assert_eq!(
        left().await,
        [open.clone(), open.clone(), open.clone(), open]
    );
}
