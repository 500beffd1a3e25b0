//! Commands by cron: on time over restarts, changes of the clock, and time away.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use signalbox_protocol::api::{
    command::{Action, Origin, Schedule},
    event::Event,
};

use super::rig::{Rig, drain};
use crate::{
    commands::SCHEDULES_MAX,
    engine::{Request, RequestError},
    store::StateStore as _,
};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn rig_at(text: &str) -> Rig {
    let mut rig = Rig::new().await;
    rig.turn_ms((at(text) - rig.now()).num_milliseconds());
    rig.online(json!({"led": "off"})).await;
    rig
}

/// When each command was asked for, and what.
async fn runs(rig: &Rig) -> Vec<(String, Action)> {
    let all = rig.commands().await;
    all.iter()
        .map(|command| {
            (
                command.requested_at.format("%d %H:%M").to_string(),
                command.action,
            )
        })
        .collect()
}

/// Minute by minute, answering everything.
async fn live_minutes(rig: &mut Rig, minutes: i64) {
    for _ in 0..minutes {
        rig.pass_s(60).await;
        for body in rig.link.take() {
            let state = body["action"].as_str().unwrap().to_owned();
            let id = body["id"].as_str().unwrap().to_owned();
            rig.ack(&id, "applied", json!({"actuators": {"led": state}}))
                .await;
        }
    }
}

#[tokio::test]
async fn runs_at_its_time_once_and_after_a_restart() {
    let mut rig = rig_at("2026-11-21T05:50:00Z").await;
    // 07:00 in Paris.
    let id = rig.timed("on", json!({"cron": "0 7 * * *"})).await;
    live_minutes(&mut rig, 5).await;
    rig.restart().await;
    rig.online(json!({"led": "off"})).await;
    live_minutes(&mut rig, 24 * 60).await;
    assert_eq!(runs(&rig).await, [("21 06:00".to_owned(), Action::On)]);
    assert_eq!(
        rig.commands().await[0].origin,
        Origin::Schedule {
            schedule: id.clone()
        }
    );
    let schedules = rig.store.real.schedules().await.unwrap();
    assert_eq!(schedules[0].next_at, Some(at("2026-11-22T06:00:00Z")));
    assert_eq!(schedules[0].tz, "Europe/Paris");

    let by = || "anna".to_owned();
    let delete = |id: String| {
        move |reply| Request::DeleteSchedule {
            id,
            by: by(),
            reply,
        }
    };
    rig.ask(delete(id.clone())).await.unwrap();
    let again = rig.ask(delete(id)).await;
    assert!(matches!(again, Err(RequestError::NotFound { .. })));
    rig.restart().await;
    live_minutes(&mut rig, 60).await;
    assert_eq!(runs(&rig).await.len(), 1);
}

#[tokio::test]
async fn over_the_spring_change_a_run_that_has_no_time_comes_at_the_end_of_the_gap() {
    let mut rig = rig_at("2026-03-28T22:00:00Z").await;
    rig.timed("on", json!({"cron": "30 2 * * *"})).await;
    live_minutes(&mut rig, 28 * 60).await;
    let times: Vec<_> = runs(&rig).await.into_iter().map(|(time, _)| time).collect();
    assert_eq!(
        times,
        ["29 01:00", "30 00:30"],
        "03:00, then 02:30 of summer time"
    );
}

#[tokio::test]
async fn over_the_autumn_change_a_run_whose_time_comes_twice_is_done_once() {
    let mut rig = rig_at("2026-10-24T22:00:00Z").await;
    rig.timed("on", json!({"cron": "30 2 * * *"})).await;
    rig.timed("off", json!({"cron": "30 2 * * *", "tz": "UTC"}))
        .await;
    live_minutes(&mut rig, 28 * 60).await;
    let all = runs(&rig).await;
    let of = |action| {
        all.iter()
            .filter(|run| run.1 == action)
            .map(|run| run.0.as_str())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(Action::On), ["25 00:30", "26 01:30"]);
    assert_eq!(of(Action::Off), ["25 02:30"]);
}

#[tokio::test]
async fn what_was_missed_while_away_is_made_up_for_only_when_it_makes_sense() {
    let mut rig = rig_at("2026-11-21T05:59:00Z").await;
    // Made in another order than they run in.
    rig.timed("off", json!({"cron": "2 6 * * *", "tz": "UTC"}))
        .await;
    rig.timed("toggle", json!({"cron": "1 6 * * *", "tz": "UTC"}))
        .await;
    rig.timed("on", json!({"cron": "0 6 * * *", "tz": "UTC"}))
        .await;
    rig.turn_ms(360_000);
    // 06:05:00: five minutes late is not too late, and all run in the order of their times.
    rig.restart().await;
    rig.tick().await;
    rig.online(json!({"led": "off"})).await;
    let actions: Vec<_> = runs(&rig).await.into_iter().map(|run| run.1).collect();
    assert_eq!(actions, [Action::On, Action::Toggle, Action::Off]);
    let sent: Vec<_> = rig
        .link
        .take()
        .iter()
        .map(|body| body["action"].clone())
        .collect();
    assert_eq!(sent, ["on", "toggle", "off"]);

    // 06:30 the next day: what switches on is left out, what switches off is not.
    rig.turn_ms((24 * 60 + 25) * 60_000);
    rig.restart().await;
    rig.tick().await;
    let actions: Vec<_> = runs(&rig)
        .await
        .into_iter()
        .map(|run| run.1)
        .skip(3)
        .collect();
    assert_eq!(actions, [Action::Off]);
    for schedule in rig.store.real.schedules().await.unwrap() {
        assert!(schedule.next_at.unwrap() > rig.now(), "{schedule:?}");
    }
}

#[tokio::test]
async fn each_run_can_be_timed() {
    let mut rig = rig_at("2026-11-21T05:59:00Z").await;
    rig.timed(
        "on",
        json!({"cron": "0 6 * * *", "tz": "UTC", "duration_s": 60}),
    )
    .await;
    rig.pass_s(60).await;
    assert_eq!(rig.link.take()[0]["for_ms"], 60_000);
}

async fn patch(rig: &mut Rig, id: &str, json: Value) -> Result<Schedule, RequestError> {
    let (id, by) = (id.to_owned(), "ben".to_owned());
    let patch = serde_json::from_value(json).unwrap();
    rig.ask(|reply| Request::PatchSchedule {
        id,
        patch,
        by,
        reply,
    })
    .await
}

#[tokio::test]
async fn what_is_paused_makes_no_commands_and_makes_up_for_none() {
    let mut rig = rig_at("2026-11-21T05:59:00Z").await;
    // `off` is what is else made up for however late it is.
    let cron = json!({"cron": "0 6 * * *", "tz": "UTC", "reason": "bed time"});
    let id = rig.timed("off", cron).await;
    let mut events = rig.live.subscribe();
    let paused = patch(&mut rig, &id, json!({"paused": true})).await.unwrap();
    assert!(paused.paused && paused.next_at.is_none());
    assert_eq!(drain(&mut events), [Event::Schedule { schedule: paused }]);
    live_minutes(&mut rig, 5).await;
    rig.restart().await;
    rig.online(json!({"led": "off"})).await;
    live_minutes(&mut rig, 5).await;
    let resumed = patch(&mut rig, &id, json!({"paused": false}))
        .await
        .unwrap();
    assert_eq!(resumed.next_at, Some(at("2026-11-22T06:00:00Z")));
    live_minutes(&mut rig, 60).await;
    assert_eq!(runs(&rig).await, []);
    live_minutes(&mut rig, 24 * 60).await;
    assert_eq!(runs(&rig).await, [("22 06:00".to_owned(), Action::Off)]);
    let made = rig.commands().await;
    assert_eq!(made[0].reason.as_deref(), Some("bed time"));
}

#[tokio::test]
async fn a_schedule_is_changed_as_it_was_made() {
    let mut rig = rig_at("2026-11-21T05:59:00Z").await;
    let cron = json!({"cron": "0 6 * * *", "tz": "UTC", "duration_s": 60});
    let id = rig.timed("on", cron).await;
    let next = Some(at("2026-11-21T06:00:00Z"));
    let changed = patch(&mut rig, &id, json!({"reason": "light"}))
        .await
        .unwrap();
    assert_eq!((changed.next_at, changed.duration_s), (next, Some(60)));
    let json = json!({"cron": "0 8 * * *", "tz": "Europe/Paris", "action": "off",
        "duration_s": null, "reason": null});
    let changed = patch(&mut rig, &id, json).await.unwrap();
    assert_eq!(changed.next_at, Some(at("2026-11-21T07:00:00Z")));
    let kept = rig.store.real.schedules().await.unwrap();
    assert_eq!(kept, std::slice::from_ref(&changed));
    for (json, field) in [
        (json!({"cron": "0 0 30 2 *"}), "cron"),
        (json!({"cron": "nonsense"}), "cron"),
        (json!({"tz": "Mars"}), "tz"),
        (json!({"duration_s": 60}), "duration_s"),
        (json!({"actuator": "a/b"}), "actuator"),
        (json!({"reason": "a\nb", "paused": true}), "reason"),
    ] {
        let refused = patch(&mut rig, &id, json).await;
        assert!(
            matches!(&refused, Err(RequestError::Invalid { field: at, .. }) if *at == field),
            "{refused:?}"
        );
    }
    for (id, json) in [(id.as_str(), json!({"node": "nowhere"})), ("no", json!({}))] {
        let refused = patch(&mut rig, id, json).await;
        assert!(
            matches!(refused, Err(RequestError::NotFound { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(rig.store.real.schedules().await.unwrap(), [changed]);
}

#[tokio::test]
async fn what_never_comes_and_what_is_too_much_is_refused() {
    let mut rig = rig_at("2026-11-21T05:59:00Z").await;
    let ask = |cron: &str| {
        let json = json!({"node": "kitchen", "actuator": "led", "action": "on", "cron": cron});
        let (new, by) = (serde_json::from_value(json).unwrap(), "anna".to_owned());
        move |reply| Request::AddTimedCommand { new, by, reply }
    };
    let never = rig.ask(ask("0 0 30 2 *")).await;
    assert!(
        matches!(never, Err(RequestError::Invalid { field: "cron", .. })),
        "{never:?}"
    );
    for _ in 0..SCHEDULES_MAX {
        rig.ask(ask("0 0 1 1 *")).await.unwrap();
    }
    let refused = rig.ask(ask("0 0 1 1 *")).await;
    assert!(
        matches!(refused, Err(RequestError::TooMany { .. })),
        "{refused:?}"
    );
}
