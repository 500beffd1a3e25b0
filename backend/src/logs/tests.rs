//! Lines with and without their image, and every limit.

use std::{path::Path, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use signalbox_logs::made::{BUILD, ENCODING, VERSION, image, symbol};
use signalbox_protocol::{
    api::{
        event::Event,
        log::{LogLine, LogQuery},
    },
    payload::log::LogLevel,
};

use super::{
    AddError, IMAGES_MAX, Kept, LINES_MAX, LINES_PER_NODE_MAX, LOG_MESSAGES_MAX, Logs, NodeLog,
    hex, memory::Memory,
};
use crate::live::Live;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// An image with one line, number 1.
fn firmware(text: &str) -> Vec<u8> {
    let line = symbol("defmt_warn", text);
    let time = symbol("defmt_timestamp", "{=u32:ms}");
    let symbols = [VERSION, ENCODING, (1, line.as_str()), (9, time.as_str())];
    image(&symbols, true)
}

/// A message with line 1, written at 1 s and sent at 3 s.
fn log(node: &str, value: u8) -> NodeLog {
    let mut bytes = vec![1, 0];
    bytes.extend(1_000_u32.to_le_bytes());
    bytes.push(value);
    let mut frames = rzcobs::encode(&bytes);
    frames.push(0);
    NodeLog {
        node: node.to_owned(),
        build: BUILD,
        now_ms: 3_000,
        frames,
        received_at: now(),
    }
}

/// What comes, until a line for which `enough` holds.
async fn heard(
    events: &mut tokio::sync::broadcast::Receiver<crate::live::LiveEvent>,
    enough: impl Fn(&LogLine) -> bool,
) -> LogLine {
    let wait = async {
        loop {
            let event = events.recv().await.unwrap();
            if let Event::Log { line } = &*event.event
                && enough(line)
            {
                return line.clone();
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), wait).await;
    found.expect("the line comes")
}

fn start(
    folder: &Path,
) -> (
    Logs,
    tokio::sync::broadcast::Receiver<crate::live::LiveEvent>,
) {
    let live = Live::default();
    let events = live.subscribe();
    (Logs::start(folder.to_owned(), live), events)
}

fn lines(logs: &Logs, node: &str) -> Vec<LogLine> {
    logs.lines(node, &LogQuery::default(), usize::MAX)
}

#[tokio::test]
async fn a_line_is_read_as_soon_as_its_image_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, mut events) = start(folder.path());
    logs.take(log("kitchen", 7));
    let unread = heard(&mut events, |line| !line.readable).await;
    assert!(unread.text.contains("signalbox firmware add"), "{unread:?}");
    assert!(unread.text.contains(&hex(BUILD)), "{unread:?}");
    assert_eq!((unread.at, unread.level), (now(), None));

    let added = logs.add(firmware("tank at {=u8} %")).await.unwrap();
    assert_eq!((added.build, added.lines), (hex(BUILD), 1));
    let read = heard(&mut events, |line| line.readable).await;
    assert_eq!(read.id, unread.id);
    assert_eq!(read.text, "tank at 7 %");
    assert_eq!(read.level, Some(LogLevel::Warn));
    assert_eq!(read.at, now() - TimeDelta::seconds(2));
    assert_eq!(lines(&logs, "kitchen"), [read]);

    // After a restart the image is still there; without it, what was read stays.
    let (again, mut events) = start(folder.path());
    again.take(log("cellar", 8));
    let read = heard(&mut events, |line| line.readable).await;
    assert_eq!(read.text, "tank at 8 %");
    assert!(again.remove(&hex(BUILD)).unwrap());
    assert!(!again.remove(&hex(BUILD)).unwrap());
    assert!(again.firmware().await.unwrap().is_empty());
    assert_eq!(lines(&again, "cellar").len(), 1);
}

#[tokio::test]
async fn an_image_may_simply_be_copied_into_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, mut events) = start(folder.path());
    std::fs::write(folder.path().join("broken.elf"), "no ELF").unwrap();
    std::fs::write(folder.path().join("node.elf"), firmware("tank at {=u8} %")).unwrap();
    logs.take(log("kitchen", 9));
    assert_eq!(heard(&mut events, |_| true).await.text, "tank at 9 %");
    assert_eq!(logs.firmware().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, _) = start(folder.path());
    for image in [b"no ELF".to_vec(), image(&[], true)] {
        let refused = logs.add(image).await.unwrap_err();
        assert!(matches!(refused, AddError::Table(_)), "{refused}");
    }
    assert!(logs.firmware().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_line_that_is_not_of_the_image_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, mut events) = start(folder.path());
    logs.add(firmware("tank at {=u8} %")).await.unwrap();
    let mut other = log("kitchen", 0);
    other.frames = vec![0xff, 0];
    logs.take(other);
    let line = heard(&mut events, |_| true).await;
    assert!(
        !line.readable && line.text.contains("cannot be read"),
        "{line:?}"
    );
}

#[tokio::test]
async fn images_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, _) = start(folder.path());
    let image = firmware("tank at {=u8} %");
    let at = image.windows(BUILD.len()).position(|w| w == BUILD).unwrap();
    for number in 0..=IMAGES_MAX {
        let mut other = image.clone();
        other[at] = u8::try_from(number).unwrap();
        let added = logs.add(other).await;
        assert_eq!(added.is_ok(), number < IMAGES_MAX, "{number}: {added:?}");
    }
    // One that is known is renewed all the same.
    let mut known = image;
    known[at] = 0;
    assert!(logs.add(known).await.is_ok());
}

#[tokio::test]
async fn messages_that_wait_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let (logs, _) = start(folder.path());
    // The task has no turn before something is waited for.
    for _ in 0..LOG_MESSAGES_MAX + 3 {
        logs.take(log("kitchen", 1));
    }
    let left_out = &logs.shared.left_out;
    assert_eq!(left_out.load(std::sync::atomic::Ordering::Relaxed), 3);
}

fn kept(id: u64, node: &str, level: Option<LogLevel>) -> Kept {
    Kept {
        line: LogLine {
            id,
            node: node.to_owned(),
            at: now(),
            level,
            text: String::new(),
            build: String::new(),
            readable: true,
        },
        raw: None,
    }
}

#[test]
fn the_newest_lines_of_a_node_are_kept() {
    let mut memory = Memory::default();
    let max = u64::try_from(LINES_PER_NODE_MAX).unwrap();
    for id in 1..=max + 2 {
        memory.push(kept(id, "kitchen", None));
    }
    let found = memory.lines("kitchen", &LogQuery::default(), usize::MAX);
    assert_eq!(found.len(), LINES_PER_NODE_MAX);
    assert_eq!((found[0].id, found[found.len() - 1].id), (max + 2, 3));
    let query = LogQuery {
        before: Some(10),
        ..LogQuery::default()
    };
    let ids: Vec<u64> = memory
        .lines("kitchen", &query, 3)
        .iter()
        .map(|l| l.id)
        .collect();
    assert_eq!(ids, [9, 8, 7]);
}

#[test]
fn the_node_with_the_most_lines_makes_room_for_others() {
    let mut memory = Memory::default();
    let nodes = LINES_MAX / LINES_PER_NODE_MAX;
    memory.push(kept(0, "quiet", None));
    for node in 0..nodes {
        for id in 0..LINES_PER_NODE_MAX {
            memory.push(kept(id as u64, &format!("node{node}"), None));
        }
    }
    assert_eq!(memory.len(), LINES_MAX);
    assert_eq!(memory.lines("quiet", &LogQuery::default(), 9).len(), 1);
}

#[test]
fn a_level_shows_what_matters_as_much_or_more() {
    let mut memory = Memory::default();
    let levels = [
        Some(LogLevel::Error),
        Some(LogLevel::Warn),
        Some(LogLevel::Info),
        None,
    ];
    for (id, level) in (1..).zip(levels) {
        memory.push(kept(id, "kitchen", level));
    }
    let query = LogQuery {
        level: Some(LogLevel::Warn),
        ..LogQuery::default()
    };
    let found = memory.lines("kitchen", &query, usize::MAX);
    let ids: Vec<u64> = found.iter().map(|line| line.id).collect();
    assert_eq!(ids, [4, 2, 1]);
}
