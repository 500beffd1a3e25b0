//! A large station: the list is found anew when it must be, and sparklines are of what is on
//! screen.

use super::*;
use crate::state::{SPARK_SERIES_MAX, SortBy};

fn large(count: usize) -> State {
    let mut state = connected();
    let nodes = (0..count).map(|n| node(&format!("node-{n:04}"), Presence::Online));
    state.nodes = nodes.map(|node| (node.name.clone(), node)).collect();
    state.begin_sparks(None);
    state
}

fn sample(node: &str, metric: &str) -> Sample {
    Sample {
        node: node.to_owned(),
        metric: metric.to_owned(),
        ts: at(1),
        value: 1.0,
        flags: Vec::new(),
    }
}

fn live(state: &mut State, samples: Vec<Sample>) {
    net(state, Net::Live(vec![Live::Samples { samples }]));
}

fn names(state: &State) -> Vec<String> {
    let shown = state.shown_nodes();
    shown.iter().map(|node| node.name.clone()).collect()
}

#[test]
fn the_list_follows_what_it_depends_on() {
    let mut state = connected();
    assert_eq!(names(&state), ["kitchen", "cellar"]);
    let shed = Live::Status {
        node: node("attic", Presence::Online),
    };
    net(&mut state, Net::Live(vec![shed]));
    assert_eq!(names(&state), ["kitchen", "attic", "cellar"]);
    state.sort = SortBy::Presence;
    assert_eq!(names(&state), ["cellar", "attic", "kitchen"]);
    let cellar = Live::Status {
        node: node("cellar", Presence::Online),
    };
    net(&mut state, Net::Live(vec![cellar]));
    assert_eq!(names(&state), ["attic", "cellar", "kitchen"]);
    // A node that is heard is the youngest.
    state.sort = SortBy::Age;
    let old = names(&state)[0].clone();
    live(&mut state, vec![sample(&old, "temperature")]);
    assert_eq!(names(&state).last(), Some(&old));
    // A metric that comes for the first time is found by the filter.
    press(&mut state, "/ozone\n");
    assert_eq!(names(&state), [""; 0]);
    live(&mut state, vec![sample("attic", "ozone")]);
    assert_eq!(names(&state), ["attic"]);
}

#[test]
fn the_values_of_a_metric_have_their_points_below_each_other() {
    for (count, columns) in [(2, 120), (2, 200), (60, 120)] {
        let mut state = large(count);
        let of = |number: usize, value| Sample {
            value,
            ..sample(&format!("node-{number:04}"), "temperature")
        };
        live(&mut state, vec![of(0, 20.0), of(1, 20.4)]);
        let text = screen(&state, columns, 40);
        assert!(text.contains("20.0"), "{text}");
        live(&mut state, vec![of(1, 20.0)]);
        if count == 2 {
            let text = screen(&state, columns, 40);
            assert!(!text.contains("20.0"), "{text}");
        }
    }
}

#[test]
fn sparklines_of_a_large_station_are_asked_for_as_one_scrolls() {
    let mut state = large(3_000);
    let asked = |actions: Vec<Action>| {
        let sparks = actions.into_iter().find_map(|action| match action {
            Action::LoadSparks(nodes) => Some(nodes),
            _ => None,
        });
        sparks.expect("sparklines are asked for")
    };
    let first = asked(state.on(Event::Tick, at(0)));
    assert_eq!(first[0], "node-0000");
    // One question at a time.
    assert_eq!(state.on(Event::Tick, at(1)), []);
    // What nobody asked for is not kept.
    live(&mut state, vec![sample("node-2000", "temperature")]);
    assert!(state.sparks.is_empty());
    let mut nodes = first;
    for _ in 0..60 {
        let recent = nodes.iter().map(|name| {
            let mut reply = recent();
            reply.series[0].node.clone_from(name);
            reply
        });
        let recent = recent.collect();
        state.set_row(state.row() + 40);
        let answer = Answer::Sparks { nodes, recent };
        nodes = asked(net(&mut state, Net::Answer(Box::new(answer))));
    }
    assert!(state.sparks.len() <= 400, "{}", state.sparks.len());
    assert!(!state.sparks.keys().any(|(node, _)| node == "node-0000"));
}

#[test]
fn a_station_that_grows_large_stops_keeping_all() {
    let mut state = connected();
    for n in 0..=SPARK_SERIES_MAX {
        live(&mut state, vec![sample(&format!("n{n}"), "t")]);
    }
    assert!(state.sparks.len() < SPARK_SERIES_MAX);
    let asked = state.on(Event::Tick, at(0));
    assert!(matches!(asked[..], [Action::LoadSparks(_)]), "{asked:?}");
}
