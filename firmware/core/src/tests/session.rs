//! The session that `docs/protocol.md` shows is what a node really does: the page is played to it,
//! line by line.

use super::*;

const PAGE: &str = include_str!("../../../../docs/protocol.md");

/// The lines of the block that begins with `seconds`, as time and words; JSON is one word.
fn lines() -> Vec<(u64, Vec<&'static str>)> {
    let (_, rest) = PAGE.split_once("```text\nseconds\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let line = |line: &'static str| {
        let (head, json) = line.split_at(line.find('{').unwrap_or(line.len()));
        let mut words = head.split_whitespace();
        let (seconds, thousandths) = words.next().unwrap().split_once('.').unwrap();
        let at_ms = std::format!("{seconds}{thousandths}").parse().unwrap();
        let json = Some(json).filter(|json| !json.is_empty());
        (at_ms, words.chain(json).collect())
    };
    block.lines().map(line).collect()
}

#[test]
fn the_session_on_the_page_is_what_a_node_does() {
    let mut node = node();
    node.set_rssi_dbm(-61);
    let mut under_way = Vec::new();
    let mut shown = BTreeSet::new();
    for (at_ms, words) in lines() {
        node.tick(at_ms);
        shown.insert(words[0]);
        match words[..] {
            ["measured", temperature, soil] => {
                let values = [temperature, soil].map(|value| value.parse().ok());
                node.reading(&values, at_ms);
            }
            ["connected"] => node.connected(),
            ["broken"] => {
                under_way.clear();
                node.disconnected(at_ms);
            }
            ["→", "signalbox/kitchen/status", r#"{"online":false}"#] => {
                let (topic, payload) = crate::offline(&name("kitchen"));
                assert_eq!((topic.as_str(), payload), (words[1], words[2].as_bytes()));
            }
            ["→", topic, payload] => {
                let (kind, on, sent) = next(&mut node, at_ms).unwrap();
                assert_eq!(
                    (on.as_str(), String::from_utf8(sent).unwrap()),
                    (topic, payload.into())
                );
                under_way.push(kind);
            }
            ["←", "PUBACK"] => node.acknowledged(under_way.remove(0)),
            ["←", "signalbox/kitchen/command", payload] => {
                node.command(payload.as_bytes(), at_ms);
            }
            _ => panic!("{words:?}"),
        }
    }
    assert_eq!(next(&mut node, u64::from(u32::MAX)), None);
    let all = ["broken", "connected", "measured", "←", "→"];
    assert_eq!(shown.into_iter().collect::<Vec<_>>(), all);
}
