//! Mappings: what is refused, what matches, what is read.

use super::*;

fn config(topic: &str, node: &str, path: &str) -> MappingConfig {
    MappingConfig {
        topic: topic.to_owned(),
        node: Some(node.to_owned()),
        node_path: None,
        metrics: [("t".to_owned(), path.to_owned())].into(),
        login: None,
        ts_path: None,
        qos: None,
    }
}

fn mapping(config: &MappingConfig) -> Mapping {
    Mapping::new(config).unwrap()
}

#[test]
fn bad_mappings_are_refused_by_key() {
    let both = MappingConfig {
        node_path: Some("$.n".to_owned()),
        ..config("a", "a", "$")
    };
    let many = MappingConfig {
        metrics: (0..=VALUES_MAX)
            .map(|n| (format!("m{n}"), "$".to_owned()))
            .collect(),
        ..config("a", "a", "$")
    };
    let bad_name = MappingConfig {
        metrics: [("a b".to_owned(), "$".to_owned())].into(),
        ..config("a", "a", "$")
    };
    let bad_time = MappingConfig {
        login: None,
        ts_path: Some("$[".to_owned()),
        ..config("a", "a", "$")
    };
    for (bad, words) in [
        (config("", "a", "$"), "`topic` is empty"),
        (config("a/#/b", "a", "$"), "`topic` has `#` before"),
        (config("signalbox/+/x", "a", "$"), "own topics"),
        (config("/exp/sensor", "a", "$"), "classic topic"),
        (config("a/b+", "a", "$"), "not a level of its own"),
        (config("a/+", "{2}", "$"), "`node` `{2}` makes no node name"),
        (config("a", "", "$"), "`node` `` makes no node name"),
        (
            config("a/+", "{1}", "temperature"),
            "`metrics.t` `temperature` is not a JSON path",
        ),
        (both, "`node` or `node_path` must be there, not both"),
        (many, "`metrics` has more than 32 entries"),
        (bad_name, "`metrics.a b` cannot be used"),
        (bad_time, "`ts_path` `$[` is not a JSON path"),
    ] {
        let error = Mapping::new(&bad).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let twice = [config("a", "a", "$"), config("a", "b", "$")];
    let error = Mappings::new(&twice).unwrap_err().to_string();
    assert!(error.contains("`topic` is mapped twice"), "{error}");
}

#[test]
fn filters_match_as_in_mqtt() {
    for (filter, topic, levels) in [
        ("a/+/#", "a/7/deep/er", Some(vec!["7"])),
        ("a/+/#", "a/7", Some(vec!["7"])),
        ("a/+", "a/7/8", None),
        ("a/+", "a", None),
        ("a/#", "a", Some(vec![])),
        ("+/+", "kitchen/t", Some(vec!["kitchen", "t"])),
        ("+/t", "/t", Some(vec![""])),
        ("#", "x/y", Some(vec![])),
        ("#", "$SYS/x", None),
        ("+/x", "$SYS/x", None),
    ] {
        let mapping = mapping(&config(filter, "a", "$"));
        assert_eq!(mapping.matches(topic), levels, "{filter} {topic}");
    }
    let mappings = [config("a/x", "first", "$"), config("a/+", "second", "$")];
    let mappings = Mappings::new(&mappings).unwrap();
    let node = |topic| {
        let (mapping, levels) = mappings.find(topic).unwrap();
        mapping.read(&levels, b"1").unwrap().node
    };
    assert_eq!((&*node("a/x"), &*node("a/y")), ("first", "second"));
}

#[test]
fn bare_values_and_numbers_in_text_are_read() {
    let mapping = mapping(&config("a/+/#", "n-{1}", "$"));
    for payload in [b"21.5".as_slice(), b"\"21.5\"", b" 21.5\n"] {
        let found = mapping.read(&["7"], payload).unwrap();
        assert_eq!((found.node.as_str(), found.values[0].1), ("n-7", 21.5));
    }
    for (payload, words) in [
        ("\"nan\"", "`t` is not a finite number"),
        ("\"21,5\"", "`t` is not a finite number"),
        ("true", "`t` is not a finite number"),
        ("ON", "expected value"),
        ("null", "none of the mapping's metrics"),
    ] {
        let error = mapping.read(&["7"], payload.as_bytes()).unwrap_err();
        assert!(error.contains(words), "{payload}: {error}");
    }
}

#[test]
fn a_path_that_leads_to_several_values_is_not_guessed() {
    let mapping = mapping(&config("a", "a", "$..t"));
    assert_eq!(
        mapping.read(&[], br#"{"x":{"t":1}}"#).unwrap().values[0].1,
        1.0
    );
    let error = mapping.read(&[], br#"{"x":{"t":1},"t":2}"#).unwrap_err();
    assert_eq!(error, "the path of `t` leads to 2 values");
    let error = mapping.read(&[], br#"{"t":1,"t":2}"#).unwrap_err();
    assert!(error.contains("appears twice"), "{error}");
}

#[test]
fn names_and_times_come_from_the_payload() {
    let mapping = mapping(&MappingConfig {
        node: None,
        node_path: Some("$.id".to_owned()),
        login: None,
        ts_path: Some("$.at".to_owned()),
        ..config("a", "", "$.t")
    });
    let seconds = 1_795_219_200;
    for at in [
        "\"2026-11-21T00:00:00Z\"",
        "\"2026-11-21T02:00:00+02:00\"",
        "1795219200",
        "1795219200.0",
        "1795219200000",
    ] {
        let payload = format!(r#"{{"id":"shed","t":1,"at":{at}}}"#);
        let found = mapping.read(&[], payload.as_bytes()).unwrap();
        assert_eq!(found.node, "shed");
        assert_eq!(found.ts.unwrap().timestamp(), seconds, "{at}");
    }
    let found = mapping
        .read(&[], br#"{"id":"shed","t":1,"at":null}"#)
        .unwrap();
    assert_eq!(found.ts, None);
    for (payload, words) in [
        (
            r#"{"id":"x","t":1,"at":"2026-11-20T22:00:00"}"#,
            "`ts_path`",
        ),
        (r#"{"id":"x","t":1,"at":1e300}"#, "`ts_path`"),
        (r#"{"id":"x","t":1,"at":18446744073709551615}"#, "`ts_path`"),
        (r#"{"id":7,"t":1}"#, "no node name"),
        (r#"{"t":1}"#, "no node name"),
    ] {
        let error = mapping.read(&[], payload.as_bytes()).unwrap_err();
        assert!(error.contains(words), "{payload}: {error}");
    }
}
