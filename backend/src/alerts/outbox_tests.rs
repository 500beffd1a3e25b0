//! The outbox against a real store, a turned clock and a mail server with moods.

use std::sync::{Arc, Mutex};

use super::*;
use crate::{
    clock::Clock,
    store::{Batch, NewMail, sqlite},
};

#[derive(Debug)]
struct TurnedClock(Mutex<DateTime<Utc>>);

impl Clock for TurnedClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap()
    }
}

/// Answers by recipient, and notes what it took and how often it was asked.
#[derive(Debug, Default, Clone)]
struct Server {
    mood: Arc<Mutex<Option<SendError>>>,
    taken: Arc<Mutex<Vec<Letter>>>,
    asked: Arc<Mutex<u32>>,
}

#[async_trait]
impl Mailer for Server {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        *self.asked.lock().unwrap() += 1;
        if letter.to.starts_with("nobody") {
            return Err(SendError::Refused("550 no such user".to_owned()));
        }
        if let Some(error) = self.mood.lock().unwrap().clone() {
            return Err(error);
        }
        self.taken.lock().unwrap().push(letter.clone());
        Ok(())
    }
}

struct Bench {
    outbox: Outbox<Server>,
    server: Server,
    clock: Arc<TurnedClock>,
    store: SharedStore,
    _dir: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = sqlite::open(&dir.path().join("t.db")).await.unwrap();
        let store: SharedStore = Arc::new(store);
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let clock = Arc::new(TurnedClock(Mutex::new(at)));
        let server = Server::default();
        let retry = Retry {
            first_s: 10,
            give_up_h: 72,
        };
        let outbox = Outbox::new(store.clone(), clock.clone(), server.clone(), retry);
        Self {
            outbox,
            server,
            clock,
            store,
            _dir: dir,
        }
    }

    async fn write(&self, id: &str, incident: &str, kind: MailKind, to: &str) {
        let mail = NewMail {
            id: id.to_owned(),
            incident: incident.to_owned(),
            kind,
            recipient: to.to_owned(),
            subject: format!("[signalbox] {incident}"),
            body: format!("{kind:?} of {incident}"),
            created_at: self.clock.now(),
            held: None,
        };
        let batch = Batch {
            mails: vec![mail],
            ..Batch::default()
        };
        self.store.commit(&batch).await.unwrap();
    }

    async fn round(&mut self) {
        let stop = CancellationToken::new();
        self.outbox.round(&stop).await.unwrap();
    }

    fn turn_s(&self, s: i64) {
        *self.clock.0.lock().unwrap() += TimeDelta::seconds(s);
    }

    fn mood(&self, mood: Option<SendError>) {
        *self.server.mood.lock().unwrap() = mood;
    }

    fn taken(&self) -> Vec<Letter> {
        self.server.taken.lock().unwrap().clone()
    }

    fn asked(&self) -> u32 {
        *self.server.asked.lock().unwrap()
    }

    async fn states(&self) -> Vec<(String, MailState)> {
        let mut mails = self.store.mails(None, 100).await.unwrap();
        mails.sort_by(|a, b| a.mail.id.cmp(&b.mail.id));
        let state = |mail: Mail| (mail.mail.id, mail.state);
        mails.into_iter().map(state).collect()
    }
}

fn later() -> Option<SendError> {
    Some(SendError::Later("451 try later".to_owned()))
}

fn down() -> Option<SendError> {
    Some(SendError::ServerDown("connection refused".to_owned()))
}

#[tokio::test]
async fn an_alert_and_its_recovery_are_one_thread() {
    let mut bench = Bench::new().await;
    bench.write("1", "I", MailKind::Firing, "a@b.c").await;
    bench.round().await;
    bench.write("2", "I", MailKind::Recovery, "a@b.c").await;
    bench.round().await;
    bench.round().await;
    let [firing, recovery] = &bench.taken()[..] else {
        panic!("{:?}", bench.taken());
    };
    assert_eq!(
        (firing.id.as_str(), &firing.in_reply_to),
        ("I.firing", &None)
    );
    assert_eq!(recovery.id, "I.recovery");
    assert_eq!(recovery.in_reply_to.as_deref(), Some("I.firing"));
    assert_eq!(firing.subject, recovery.subject);
    assert_eq!((firing.state, recovery.state), ("firing", "recovery"));
}

#[tokio::test]
async fn what_fired_and_cleared_while_the_server_was_away_is_one_mail() {
    let mut bench = Bench::new().await;
    bench.mood(down());
    bench.write("1", "I", MailKind::Firing, "a@b.c").await;
    bench.round().await;
    bench.turn_s(600);
    bench.write("2", "I", MailKind::Recovery, "a@b.c").await;
    bench.round().await;
    bench.mood(None);
    bench.turn_s(3_600);
    bench.round().await;
    bench.round().await;
    let taken = bench.taken();
    assert_eq!(taken.len(), 1);
    assert!(taken[0].body.contains("Firing of I"), "{}", taken[0].body);
    assert!(taken[0].body.contains("Recovery of I"), "{}", taken[0].body);
    assert!(taken[0].body.contains("70 minutes"), "{}", taken[0].body);
    let sent = ("1".to_owned(), MailState::Sent);
    assert_eq!(
        bench.states().await,
        [sent, ("2".to_owned(), MailState::Merged)]
    );
}

#[tokio::test]
async fn a_refusal_for_good_ends_that_mail_only() {
    let mut bench = Bench::new().await;
    bench.write("1", "I", MailKind::Firing, "nobody@b.c").await;
    bench.write("2", "I", MailKind::Firing, "a@b.c").await;
    for _ in 0..3 {
        bench.round().await;
        bench.turn_s(10_000);
    }
    assert_eq!(bench.asked(), 2);
    let failed = ("1".to_owned(), MailState::Failed);
    assert_eq!(
        bench.states().await,
        [failed, ("2".to_owned(), MailState::Sent)]
    );
    let mails = bench.store.mails(None, 10).await.unwrap();
    let refused = mails.iter().find(|mail| mail.mail.id == "1").unwrap();
    assert_eq!(refused.last_error.as_deref(), Some("550 no such user"));
}

#[tokio::test]
async fn not_now_is_tried_again_with_growing_pauses_until_it_is_too_old() {
    let mut bench = Bench::new().await;
    bench.mood(later());
    bench.write("1", "I", MailKind::Firing, "a@b.c").await;
    let began = bench.clock.now();
    let mut pauses_s = Vec::new();
    bench.round().await;
    while let Some(next) = bench.store.next_mail_at().await.unwrap() {
        let now = bench.clock.now();
        pauses_s.push((next - now).num_seconds());
        // A moment too early nothing is asked.
        let before = bench.asked();
        *bench.clock.0.lock().unwrap() = next - TimeDelta::milliseconds(1);
        bench.round().await;
        assert_eq!(bench.asked(), before);
        *bench.clock.0.lock().unwrap() = next;
        bench.round().await;
        assert!(pauses_s.len() < 300, "{pauses_s:?}");
    }
    assert!((7..=12).contains(&pauses_s[0]), "{pauses_s:?}");
    assert!((15..=24).contains(&pauses_s[1]), "{pauses_s:?}");
    // Once it has grown, every pause stays near half an hour.
    assert!(
        pauses_s[8..].iter().all(|s| (1_440..=2_160).contains(s)),
        "{pauses_s:?}"
    );
    let gave_up_h = (bench.clock.now() - began).num_hours();
    assert_eq!(gave_up_h, 72);
    assert_eq!(bench.states().await, [("1".to_owned(), MailState::Failed)]);
}

#[tokio::test]
async fn a_server_that_is_down_is_asked_once_a_pause_whatever_waits() {
    let mut bench = Bench::new().await;
    bench.mood(down());
    for n in 0..40 {
        let (id, incident) = (format!("{n:02}"), format!("I{n}"));
        bench.write(&id, &incident, MailKind::Firing, "a@b.c").await;
    }
    // One minute of rounds, a second apart: at most a try after 0, 8, 24, 56 s.
    for _ in 0..60 {
        bench.round().await;
        bench.turn_s(1);
    }
    assert!((3..=4).contains(&bench.asked()), "{}", bench.asked());
    bench.mood(None);
    bench.turn_s(7_200);
    bench.round().await;
    assert_eq!(bench.taken().len(), 40);
    bench.round().await;
    assert_eq!(bench.taken().len(), 40);
}

#[tokio::test]
async fn a_round_takes_a_bounded_number() {
    let mut bench = Bench::new().await;
    for n in 0..=ROUND_MAILS_MAX {
        let (id, incident) = (format!("{n:02}"), format!("I{n}"));
        bench.write(&id, &incident, MailKind::Firing, "a@b.c").await;
    }
    bench.round().await;
    assert_eq!(bench.taken().len(), ROUND_MAILS_MAX as usize);
    bench.round().await;
    assert_eq!(bench.taken().len(), ROUND_MAILS_MAX as usize + 1);
}

#[tokio::test]
async fn a_reminder_answers_the_first_mail_and_has_an_id_of_its_own() {
    let mut bench = Bench::new().await;
    bench.write("1", "I", MailKind::Firing, "a@b.c").await;
    bench.round().await;
    bench.write("2", "I", MailKind::Reminder(1), "a@b.c").await;
    bench.write("3", "I", MailKind::Reminder(2), "a@b.c").await;
    bench.round().await;
    let letters = bench.taken();
    let told: Vec<_> = letters
        .iter()
        .map(|letter| {
            (
                letter.id.as_str(),
                letter.state,
                letter.in_reply_to.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("I.firing", "firing", None),
            ("I.reminder.1", "reminder", Some("I.firing")),
            ("I.reminder.2", "reminder", Some("I.firing")),
        ]
    );
}
