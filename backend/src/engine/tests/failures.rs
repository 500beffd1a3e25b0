//! The store fails, the link fails, the station stops: nothing is lost, nothing is done twice.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    time::Duration,
};

use serde_json::json;
use signalbox_protocol::api::command::CommandState::{Confirmed, Requested, Sent};
use tokio::{
    sync::oneshot::{self, error::TryRecvError},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{fakes::Failure, rig::Rig};
use crate::{
    engine::{BATCH_MESSAGES_MAX, BEAT, Request, RequestError, channel, start},
    ingest::Inbound,
    store::EngineStore as _,
};

/// Everything that a test waits for happens within this time.
const DEADLINE: Duration = Duration::from_secs(20);

fn hot(rig: &Rig, seq: u32) -> (Inbound, oneshot::Receiver<()>) {
    let body = json!({"boot": 1, "seq": seq, "samples": [{"age_ms": 0, "values": {"t": 31}}]});
    let (done, committed) = oneshot::channel();
    let message = Inbound {
        done: Some(done),
        ..rig.message("signalbox/kitchen/telemetry", &body)
    };
    (message, committed)
}

async fn with_rule() -> Rig {
    let mut rig = Rig::new().await;
    rig.online(json!({"led": "off"})).await;
    rig.rule(
        json!({"metric": "t", "op": ">", "value": 30, "email": "a@example.org",
        "command": {"actuator": "led", "action": "on", "duration_s": 60}}),
    )
    .await;
    rig
}

#[tokio::test]
async fn a_batch_that_could_not_be_stored_is_tried_until_it_is() {
    for failure in [Failure::Lost, Failure::Unheard] {
        let mut rig = with_rule().await;
        rig.store.fail([failure; 3]);
        let (message, mut committed) = hot(&rig, 1);
        rig.batch(vec![message]).await;
        assert_eq!(committed.try_recv(), Ok(()));
        assert_eq!(rig.samples().await.len(), 1, "{failure:?}");
        assert_eq!(rig.incidents().await.len(), 1, "{failure:?}");
        assert_eq!(rig.mails().await.len(), 1, "{failure:?}");
        let commands = rig.commands().await;
        assert_eq!(commands.len(), 1, "{failure:?}");
        assert_eq!(commands[0].state, Sent, "{failure:?}");
        let sent = rig.link.take();
        assert_eq!(
            (sent.len(), sent[0]["id"].as_str()),
            (1, Some(commands[0].id.as_str())),
            "{failure:?}"
        );
        let answer = json!({"actuators": {"led": "on"}, "off_in_ms": 60_000});
        rig.ack(&commands[0].id, "applied", answer).await;
        assert_eq!(rig.command(&commands[0].id).await.state, Confirmed);
        assert_eq!(
            rig.engine.state.commands.len(),
            rig.store.load().await.unwrap().commands.len()
        );
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_or_sent_before_the_commit() {
    let rig = with_rule().await;
    let parts = rig.parts();
    let mut trouble = parts.trouble.subscribe();
    let (handle, inputs) = channel();
    let stop = CancellationToken::new();
    let task = start(inputs, parts, stop.clone()).await.unwrap();
    rig.store.fail([Failure::Lost; 1_000]);
    let (message, mut committed) = hot(&rig, 1);
    handle.inbound.send(message).await.unwrap();
    let seen = timeout(DEADLINE, trouble.wait_for(Option::is_some)).await;
    assert!(
        seen.unwrap()
            .unwrap()
            .as_ref()
            .unwrap()
            .contains("the disk is full")
    );
    assert_eq!(committed.try_recv(), Err(TryRecvError::Empty));
    assert!(rig.link.take().is_empty());
    assert!(rig.samples().await.is_empty());

    rig.store.mend();
    timeout(DEADLINE, committed).await.unwrap().unwrap();
    assert_eq!(rig.samples().await.len(), 1);
    timeout(DEADLINE, trouble.wait_for(Option::is_none))
        .await
        .unwrap()
        .unwrap();
    stop.cancel();
    timeout(DEADLINE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn who_asked_is_told_why_it_could_not_be_done() {
    let mut rig = with_rule().await;
    rig.store.fail([Failure::Lost]);
    let json = json!({"node": "kitchen", "actuator": "led", "action": "on"});
    let (new, by) = (serde_json::from_value(json).unwrap(), "anna".to_owned());
    let refused = rig
        .ask(|reply| Request::AddCommand { new, by, reply })
        .await;
    let Err(RequestError::Unavailable { reason }) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("the disk is full"), "{reason}");
    assert!(rig.commands().await.is_empty());
    assert!(rig.engine.state.commands.is_empty());
    assert!(rig.link.take().is_empty());
    rig.order("on").await;
    assert_eq!(rig.link.take().len(), 1);
}

#[tokio::test]
async fn nobody_waits_for_a_store_that_is_away() {
    let rig = with_rule().await;
    let parts = rig.parts();
    let mut trouble = parts.trouble.subscribe();
    let (handle, inputs) = channel();
    let stop = CancellationToken::new();
    let task = start(inputs, parts, stop.clone()).await.unwrap();
    rig.store.fail([Failure::Lost; 1_000]);
    let (message, committed) = hot(&rig, 1);
    handle.inbound.send(message).await.unwrap();
    let seen = timeout(DEADLINE, trouble.wait_for(Option::is_some)).await;
    assert!(seen.unwrap().is_ok());
    // More than there are tries: these are answered while the engine waits for the next one.
    for _ in 0..100 {
        let json = json!({"node": "kitchen", "actuator": "led", "action": "on"});
        let (new, by) = (serde_json::from_value(json).unwrap(), "anna".to_owned());
        let asked = handle.ask(|reply| Request::AddCommand { new, by, reply });
        let refused = timeout(DEADLINE, asked).await.unwrap();
        let Err(RequestError::Unavailable { reason }) = refused else {
            panic!("{refused:?}")
        };
        assert!(reason.contains("the disk is full"), "{reason}");
    }
    rig.store.mend();
    timeout(DEADLINE, committed).await.unwrap().unwrap();
    let by_rule = rig.commands().await;
    assert_eq!(by_rule.len(), 1, "the rule's, and none of those refused");
    stop.cancel();
    timeout(DEADLINE, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_link_and_then_a_store_that_fail_lose_no_command() {
    let mut rig = with_rule().await;
    rig.link.down.store(true, SeqCst);
    rig.store.fail([Failure::None, Failure::Lost]);
    let made = rig.order("on").await;
    assert_eq!(
        rig.command(&made.id).await.state,
        Sent,
        "that it waits could not be stored"
    );
    rig.link.down.store(false, SeqCst);
    rig.pass_s(1).await;
    assert_eq!(rig.link.take().len(), 1);
    assert_eq!(rig.command(&made.id).await.state, Sent);
    rig.offline().await;
    assert_eq!(rig.command(&made.id).await.state, Requested);
}

#[tokio::test]
async fn a_stop_commits_what_waits() {
    let rig = with_rule().await;
    let (handle, inputs) = channel();
    let stop = CancellationToken::new();
    let n = BATCH_MESSAGES_MAX as u32 + 100;
    let mut waiting = Vec::new();
    for seq in 1..=n {
        let (message, committed) = hot(&rig, seq);
        handle.inbound.try_send(message).unwrap();
        waiting.push(committed);
    }
    stop.cancel();
    let task = start(inputs, rig.parts(), stop).await.unwrap();
    timeout(DEADLINE, task).await.unwrap().unwrap();
    for committed in &mut waiting {
        assert_eq!(committed.try_recv(), Ok(()));
    }
    assert_eq!(rig.samples().await.len(), n as usize);
    let (late, _) = hot(&rig, n + 1);
    assert!(handle.inbound.send(late).await.is_err());
    let asked = handle.ask(|reply| Request::NodeAdded {
        name: "attic".to_owned(),
        reply,
    });
    assert!(matches!(asked.await, Err(RequestError::Unavailable { .. })));
}

#[tokio::test]
async fn a_stop_without_a_store_ends_and_acknowledges_nothing() {
    let rig = with_rule().await;
    let parts = rig.parts();
    let mut trouble = parts.trouble.subscribe();
    let (handle, inputs) = channel();
    let stop = CancellationToken::new();
    let task = start(inputs, parts, stop.clone()).await.unwrap();
    rig.store.fail([Failure::Lost; 1_000]);
    let (message, committed) = hot(&rig, 1);
    handle.inbound.send(message).await.unwrap();
    let seen = timeout(DEADLINE, trouble.wait_for(Option::is_some)).await;
    assert!(seen.unwrap().is_ok());
    stop.cancel();
    timeout(DEADLINE, task).await.unwrap().unwrap();
    assert!(
        committed.await.is_err(),
        "dropped without a word: the node sends it again"
    );
    assert!(rig.samples().await.is_empty());
}

#[tokio::test]
async fn the_running_engine_is_driven_by_its_clock() {
    let rig = with_rule().await;
    let (handle, inputs) = channel();
    let stop = CancellationToken::new();
    let task = start(inputs, rig.parts(), stop.clone()).await.unwrap();
    // Somebody else's change is seen through the feed only: no tick from here.
    let mut feed = rig.live.subscribe();
    let json = json!({"metric": "t", "op": ">", "value": 30, "hold_s": 60});
    let (new, by) = (serde_json::from_value(json).unwrap(), "anna".to_owned());
    handle
        .ask(|reply| Request::AddRule { new, by, reply })
        .await
        .unwrap();
    let (message, committed) = hot(&rig, 1);
    handle.inbound.send(message).await.unwrap();
    timeout(DEADLINE, committed).await.unwrap().unwrap();
    rig.turn_ms(60_000);
    let fired = AtomicU64::new(0);
    let fires = async {
        while fired.load(Relaxed) < 2 {
            let event = feed.recv().await.unwrap();
            if event.json.contains("\"state\":\"firing\"") {
                fired.fetch_add(1, Relaxed);
            }
        }
    };
    timeout(DEADLINE, fires).await.unwrap();
    stop.cancel();
    timeout(DEADLINE, task).await.unwrap().unwrap();
}

/// The watchdog must not end a station whose store is away: a restart would not bring it back.
/// What it is there for is an engine that turns no more.
#[tokio::test]
async fn the_heart_beats_while_the_store_hangs_and_not_while_the_link_does() {
    let rig = with_rule().await;
    // The node is still online, so its command goes out.
    rig.link.keeps_connections.store(true, SeqCst);
    let parts = rig.parts();
    let heart = parts.heart.clone();
    let (handle, inputs) = channel();
    let engine = start(inputs, parts, CancellationToken::new())
        .await
        .unwrap();
    rig.store.hangs.send_replace(true);
    rig.link.hangs.store(true, SeqCst);
    let (message, committed) = hot(&rig, 1);
    handle.inbound.send(message).await.unwrap();
    let mut committed = Box::pin(timeout(BEAT * 4, committed));
    let longest = async {
        let mut longest = Duration::ZERO;
        loop {
            let look = tokio::time::sleep(BEAT / 10);
            tokio::select! {
                waited = committed.as_mut() => {
                    assert!(waited.is_err(), "nothing is committed");
                    return longest;
                }
                () = look => longest = longest.max(heart.silent_for()),
            }
        }
    };
    let longest = longest.await;
    assert!(longest < BEAT * 3, "silent for {longest:?}");

    rig.store.hangs.send_replace(false);
    let silent = async {
        while heart.silent_for() < BEAT * 4 {
            tokio::time::sleep(BEAT / 10).await;
        }
    };
    timeout(DEADLINE, silent)
        .await
        .expect("it hangs in the link");
    engine.abort();
}
