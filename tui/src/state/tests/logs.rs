//! Log lines of a node on its page.

use signalbox_protocol::{api::log::LogLine, payload::log::LogLevel};

use super::*;

fn line(id: u64, text: &str) -> LogLine {
    LogLine {
        id,
        node: "kitchen".to_owned(),
        at: at(0),
        level: Some(LogLevel::Warn),
        text: text.to_owned(),
        build: "0123456789abcdef".to_owned(),
        readable: true,
    }
}

fn told(state: &mut State, line: LogLine) {
    net(state, Net::Live(vec![Live::Log { line }]));
}

fn ids(state: &State) -> Vec<u64> {
    let log = state.node_log.as_ref().unwrap();
    log.lines.iter().map(|line| line.id).collect()
}

#[test]
fn a_node_page_shows_what_the_node_logged() {
    let mut state = connected();
    // What comes before the page is open is not kept here.
    told(&mut state, line(1, "unseen"));
    assert!(state.node_log.is_none());
    let asked = press(&mut state, "\n");
    assert!(
        asked.contains(&Action::LoadLog("kitchen".to_owned())),
        "{asked:?}"
    );
    // A line may come before the answer.
    told(&mut state, line(4, "connection lost"));
    let lines = vec![line(3, "no symbol table"), line(2, "start: power on")];
    let answer = Answer::Log {
        node: "kitchen".to_owned(),
        lines,
    };
    net(&mut state, Net::Answer(Box::new(answer)));
    assert_eq!(ids(&state), [4, 3, 2]);
    // The same line again, when it can be read.
    told(&mut state, line(3, "dht11: NoAnswer\u{1b}[2J"));
    assert_eq!(ids(&state), [4, 3, 2]);
    let mut other = line(5, "from elsewhere");
    other.node = "cellar".to_owned();
    told(&mut state, other);
    for (width, height) in [(80, 24), (120, 40)] {
        let shown = screen(&state, width, height);
        for text in ["warn connection lost", "dht11: NoAnswer", "start: power on"] {
            assert!(shown.contains(text), "{text} in\n{shown}");
        }
        assert!(
            !shown.contains("elsewhere") && !shown.contains('\u{1b}'),
            "{shown}"
        );
    }
    press(&mut state, "\u{1b}");
    assert!(state.node_log.is_none());
}

#[test]
fn log_lines_are_bounded() {
    let mut state = connected();
    press(&mut state, "\n");
    let most = LOG_LINES_MAX as u64;
    for id in 1..=most + 3 {
        told(&mut state, line(id, "again"));
    }
    assert_eq!(ids(&state).len(), LOG_LINES_MAX);
    assert_eq!(
        (ids(&state)[0], ids(&state)[LOG_LINES_MAX - 1]),
        (most + 3, 4)
    );
}
