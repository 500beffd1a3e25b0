//! `docker-compose.yaml`, by its own tool; and what it tells each service, by the real program
//! that the service is.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::Value;

use super::root;
use crate::helper::{
    Ended, Mosquitto, Postgres, Setup, Station, bin, eventually, run, signalbox, tool,
};

const PASSWORDS: [(&str, &str); 2] = [
    ("POSTGRES_PASSWORD", "5ecret0fp0stgres"),
    ("MQTT_PASSWORD", "5ecret0fm0squitt0"),
];
/// A Raspberry Pi 3 has 1,024; half is for the system and its file cache.
const MEMORY_MIB_MAX: u64 = 512;

fn compose(home: &Path, environment: &[(&str, &str)]) -> Ended {
    let mut command = tool("docker-compose", home);
    let file = root().join("docker-compose.yaml");
    // Passwords of whoever runs this test stay out of it.
    let empty = home.join("empty.env");
    fs::write(&empty, "").unwrap();
    command.arg("--env-file").arg(empty).arg("--file").arg(file);
    command.arg("config").envs(environment.iter().copied());
    run(&mut command, "")
}

/// The file as the tool understands it.
fn configured() -> Value {
    let home = tempfile::tempdir().unwrap();
    let yaml = compose(home.path(), &PASSWORDS).good();
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let mut python = Command::new(bin("python"));
    let json = run(python.args(["-c", script]), &yaml).good();
    // What is for the shell of the container, the tool writes as it reads it.
    serde_json::from_str(&json.replace("$$", "$")).unwrap()
}

fn words(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|word| word.as_str().unwrap()).collect()
}

#[test]
fn every_service_is_watched_bounded_and_kept() {
    let all = configured();
    let services = all["services"].as_object().unwrap();
    let names: Vec<&String> = services.keys().collect();
    assert_eq!(names, ["mosquitto", "postgres", "station"]);
    let mut memory_mib = 0;
    for (name, service) in services {
        assert_eq!(service["restart"], "unless-stopped", "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        // The station's is in its image.
        let watched = name == "station" || service["healthcheck"]["test"].is_array();
        assert!(watched, "{name}");
        let limit = service["mem_limit"].as_str().unwrap();
        memory_mib += limit.strip_suffix('m').unwrap().parse::<u64>().unwrap();
        assert!(!words(&service["volumes"]).is_empty(), "{name}");
        for port in words(service.get("ports").unwrap_or(&Value::Array(Vec::new()))) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
        if name != "station" {
            let waits = &services["station"]["depends_on"][name]["condition"];
            assert_eq!(waits, "service_healthy", "{name}");
            let (_, version) = service["image"].as_str().unwrap().split_once(':').unwrap();
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{version}"
            );
        }
    }
    assert!(memory_mib <= MEMORY_MIB_MAX, "{memory_mib}");
}

#[test]
fn no_password_is_in_the_file_and_none_may_be_missing() {
    let home = tempfile::tempdir().unwrap();
    for (name, _) in PASSWORDS {
        let others: Vec<_> = PASSWORDS.into_iter().filter(|(n, _)| *n != name).collect();
        let ended = compose(home.path(), &others);
        assert_ne!(ended.code, 0, "{name}");
        assert!(
            ended.err.contains("deploy/compose.env.example"),
            "{}",
            ended.err
        );
    }
    let example = fs::read_to_string(root().join("deploy/compose.env.example")).unwrap();
    let set: BTreeMap<&str, &str> = example
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .collect();
    for (name, _) in PASSWORDS {
        assert_eq!(set[name], "", "{name}");
    }
    assert_eq!(set["MQTT_ADDRESS"], "127.0.0.1");
}

/// PostgreSQL itself says that it took each setting.
#[test]
fn postgres_takes_its_settings() {
    let all = configured();
    let command = words(&all["services"]["postgres"]["command"]);
    let (program, options) = command.split_first().unwrap();
    assert_eq!(*program, "postgres");
    let settings: Vec<&str> = options
        .iter()
        .map(|option| option.strip_prefix("-c").unwrap())
        .collect();
    let server = Postgres::with(&settings);
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap();
        // The server says some in another unit or word.
        let is = format!("SELECT current_setting('{name}')");
        let is_default = format!("SELECT source FROM pg_settings WHERE name = '{name}'");
        assert_eq!(server.sql(&is_default), "command line", "{name}");
        let said = server.sql(&is);
        let same = said == value || (value == "on" && said == "pglz");
        assert!(same, "{name}: {value} became {said}");
    }
    // The health check, at the address of this server.
    let test = words(&all["services"]["postgres"]["healthcheck"]["test"]);
    let home = tempfile::tempdir().unwrap();
    let healthy = |port: u16| {
        let mut command = tool(test[1], home.path());
        for word in &test[2..] {
            command.arg(word.replace("5432", &port.to_string()));
        }
        run(&mut command, "").code
    };
    assert_eq!(test[0], "CMD");
    assert_eq!(healthy(server.port()), 0);
    assert_ne!(healthy(1), 0);
}

/// The service's own script makes the login of the station, which then may hear the version.
#[test]
fn mosquitto_starts_with_the_login_of_the_station_and_its_health_is_seen() {
    let all = configured();
    let service = &all["services"]["mosquitto"];
    assert_eq!(words(&service["entrypoint"]), ["sh", "-ec"]);
    let [script] = words(&service["command"])[..] else {
        panic!("one script");
    };
    let (prepare, start) = script.trim().rsplit_once('\n').unwrap();
    assert_eq!(start, "exec mosquitto -c /etc/mosquitto/mosquitto.conf");
    let password = service["environment"]["MQTT_PASSWORD"].as_str().unwrap();
    let mut broker = Mosquitto::guarded(&[]);
    let home = broker.home().to_owned();
    let own = run(tool("stat", &home).args(["-c", "%u:%g", "."]), "").good();
    let prepare = prepare
        .replace("/etc/mosquitto", &home.display().to_string())
        .replace("/var/lib/mosquitto", &home.display().to_string())
        .replace("mosquitto:mosquitto", own.trim());
    let prepared = |password: &str| {
        let mut shell = tool("sh", &home);
        shell.env("MQTT_PASSWORD", password);
        run(shell.args(["-ec", &prepare]), "").good();
    };
    let ["CMD-SHELL", check] = words(&service["healthcheck"]["test"])[..] else {
        panic!("a line for the shell");
    };
    let check = check.replace("-p 1883", &format!("-p {}", broker.port()));
    let health = |password: &str| {
        let mut shell = tool("sh", &home);
        shell.env("MQTT_PASSWORD", password);
        run(shell.args(["-c", &check]), "")
    };
    assert_ne!(health(password).code, 0, "no login yet");
    prepared(password);
    broker.add_login("kitchen", "of a node");
    broker.restart();
    assert!(health(password).good().starts_with("mosquitto version 2."));

    // Another password, and a start anew: the node's login is still there.
    prepared("another");
    broker.restart();
    assert_ne!(health(password).code, 0);
    health("another").good();
    let logins = fs::read_to_string(home.join("passwd")).unwrap();
    let names: Vec<_> = logins.lines().map(|line| line.split(':').next()).collect();
    assert_eq!(names, [Some("station"), Some("kitchen")]);
    broker.stop();
    assert_ne!(health("another").code, 0, "it is away");
}

/// What the file and the image set for the station.
fn environment_of_the_station() -> BTreeMap<String, String> {
    let all = configured();
    let set = all["services"]["station"]["environment"]
        .as_object()
        .unwrap();
    let mut environment: BTreeMap<String, String> = set
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let image = fs::read_to_string(root().join("Dockerfile")).unwrap();
    for line in image.lines() {
        let line = line.trim_start_matches("ENV").trim().trim_end_matches('\\');
        if let Some((name, value)) = line.trim().split_once('=')
            && name.starts_with("SIGNALBOX_")
        {
            environment.insert(name.to_owned(), value.to_owned());
        }
    }
    environment
}

/// Every variable is one that the station knows.
#[test]
fn the_station_takes_its_environment() {
    let home = tempfile::tempdir().unwrap();
    let mut check = signalbox(home.path());
    check.envs(environment_of_the_station());
    run(check.args(["config", "check"]), "").good();
}

/// With the services' names replaced by where they are here, it works with both of them.
#[test]
fn the_station_works_with_its_environment() {
    let environment = environment_of_the_station();
    let store = &environment["SIGNALBOX_STORE__URL"];
    let password = &environment["SIGNALBOX_MQTT__BROKER_PASSWORD"];
    assert_eq!(
        *store,
        format!(
            "postgres://signalbox:{}@postgres:5432/signalbox",
            PASSWORDS[0].1
        )
    );
    let postgres = Postgres::start();
    postgres.sql_in(
        "postgres",
        &format!("ALTER ROLE signalbox PASSWORD '{}'", PASSWORDS[0].1),
    );
    let mosquitto = Mosquitto::guarded(&[("station", password), ("kitchen", "of a node")]);
    let here = |text: &str| {
        text.replace("@postgres:5432", &format!("@127.0.0.1:{}", postgres.port()))
            .replace(
                "@mosquitto:1883",
                &format!("@127.0.0.1:{}", mosquitto.port()),
            )
    };
    let station = Station::with(Setup {
        broker: Some(here(&environment["SIGNALBOX_MQTT__BROKER"])),
        environment: ["SIGNALBOX_STORE__URL", "SIGNALBOX_MQTT__BROKER_PASSWORD"]
            .map(|name| (name.to_owned(), here(&environment[name])))
            .to_vec(),
        ..Setup::default()
    });
    let mut node = station.node_with("kitchen", "of a node", &[]);
    node.expect("subscribed");
    node.tell(&serde_json::json!({"do": "reading", "values": {"soil": 300}}));
    node.expect("acked");
    eventually("it is in PostgreSQL", || {
        (postgres.sql("SELECT count(*) FROM sample").trim() == "1").then_some(())
    });
}
