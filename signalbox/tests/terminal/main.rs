//! The terminal as a person uses it: the built program in a real pseudo-terminal, against a real
//! daemon, with a real MQTT client as node.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation is a failed test, also in its helpers"
)]

mod alarms;
mod plans;
mod station;
mod tasks;
mod watch;

use std::time::Duration;

use station::Station;

#[test]
fn an_led_is_switched_by_key_and_the_node_confirms() {
    let station = Station::start();
    let node = station.node("kitchen");
    node.reading(1, 21.5);
    let mut screen = station.screen(120, 40);
    let text = screen.until("the node", |text| {
        text.contains("kitchen") && text.contains("21.5") && text.contains("led off")
    });
    assert!(text.contains("online"), "{text}");
    screen.keys(" ");
    let command = node.next_command();
    assert_eq!(command["actuator"], "led");
    screen.until_text("led off…");
    node.confirm(&command, "on");
    screen.until_text("led ON");
    // On for two minutes, counted down.
    screen.keys("o");
    screen.until_text("10m");
    screen.keys("\u{7f}\u{7f}\u{7f}2m\r");
    let command = node.next_command();
    assert_eq!(command["for_ms"], 120_000);
    node.confirm_for(&command, 120_000);
    screen.until_text("led ON 1:5");
    screen.keys("q");
    assert!(screen.ended());
}

#[test]
fn a_rule_made_in_the_form_fires_on_screen() {
    let station = Station::start();
    let node = station.node("kitchen");
    node.reading(1, 21.0);
    let mut screen = station.screen(80, 24);
    screen.until_text("kitchen");
    screen.keys("2");
    screen.until_text("no rules");
    screen.keys("n");
    // The threshold is all that the form lacks: a rule for the temperature of every node.
    screen.until_text("Threshold");
    screen.keys("\t\t30\u{13}");
    screen.until_text("2 Rules 1");
    node.reading(2, 31.5);
    screen.until_text("3 Incidents 1");
    screen.keys("3");
    screen.until("the incident", |text| {
        text.contains("FIRING") && text.contains("31.5")
    });
    node.reading(3, 20.0);
    screen.until("the end of it", |text| {
        text.contains("closed") && text.contains("3 Incidents 0")
    });
    screen.keys("q");
    assert!(screen.ended());
}

/// The question about a certificate: a no is no, a yes is kept for the next start.
#[test]
fn a_certificate_is_asked_about_once() {
    let mut station = Station::start();
    station.user("ada", "correct horse battery");
    let shown = station.verb(&["fingerprint"]);
    let shown = shown.trim().trim_start_matches("SHA256:").to_owned();
    let host = station.tls();
    let args = ["--host", host.as_str()];
    let mut screen = station.screen_with(&args, 100, 30);
    let text = screen.until_text("Is it the same");
    assert!(
        text.contains(&shown[..48]) && text.contains(&shown[48..]),
        "{text}"
    );
    screen.keys("no\r");
    screen.until_text("you did not say yes");
    assert!(!screen.ended());

    let mut screen = station.screen_with(&args, 100, 30);
    screen.until_text("Is it the same");
    screen.keys("yes\r");
    screen.until_text("Password");
    screen.keys("ada\tcorrect horse battery\r");
    screen.until_text("ada (administrator)");
    // It connects again by itself, and keeps the screen meanwhile.
    station.kill();
    screen.until_text("NO CONNECTION");
    station.restart();
    screen.until("the daemon again", |text| !text.contains("NO CONNECTION"));
    screen.keys("q");
    assert!(screen.ended());

    let mut screen = station.screen_with(&args, 100, 30);
    screen.until_text("ada (administrator)");
    screen.keys("q");
    assert!(screen.ended());
    let known = station
        .dir
        .path()
        .join(".local/state/signalbox/known_stations.json");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(known).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn keys_and_profiles_come_from_files() {
    let station = Station::start();
    let folder = station.dir.path().join(".config/signalbox");
    std::fs::create_dir_all(&folder).unwrap();
    let client = format!(
        "[profiles.home]\nhost = \"{}\"\nread_only = true\n",
        station.host()
    );
    std::fs::write(folder.join("client.toml"), client).unwrap();
    std::fs::write(folder.join("keys.toml"), "[anywhere]\nquit = \"Q\"\n").unwrap();
    let args = ["--host", "home", "--theme", "contrast"];
    let mut screen = station.screen_with(&args, 120, 30);
    screen.until("the screen", |text| {
        text.contains("no nodes yet") && text.contains("read-only") && text.contains("Q quit")
    });
    screen.keys("qQ");
    assert!(screen.ended());
    // Every conflict is named, and the terminal is left alone.
    let keys = "[anywhere]\nhelp = \"u\"\nquit = \"u\"\n";
    std::fs::write(folder.join("keys.toml"), keys).unwrap();
    let mut screen = station.screen_with(&args, 120, 30);
    assert!(!screen.ended());
    let text = screen.text();
    assert!(text.contains("`u` is both undo and"), "{text}");
}

#[test]
fn a_lost_daemon_is_told_and_the_screen_kept() {
    let mut station = Station::start();
    let node = station.node("kitchen");
    node.reading(1, 21.5);
    let mut screen = station.screen(100, 30);
    screen.until_text("21.5");
    station.kill();
    let text = screen.until_text("NO CONNECTION");
    assert!(text.contains("kitchen") && text.contains("21.5"), "{text}");
    // Other screens are still there to look at.
    screen.keys("2");
    screen.until_text("no rules");
    screen.keys("1");
    station.restart();
    let text = screen.until("the daemon again", |text| !text.contains("NO CONNECTION"));
    assert!(text.contains("21.5"), "{text}");
    screen.keys("q");
    assert!(screen.ended());
}

#[test]
fn any_size_is_drawn_and_pasted_text_is_no_key() {
    let station = Station::start();
    let node = station.node("kitchen");
    node.reading(1, 21.5);
    let mut screen = station.screen(120, 40);
    screen.until_text("21.5");
    for (columns, rows) in [(80, 24), (40, 8), (200, 60), (60, 20)] {
        screen.resize(columns, rows);
        screen.until("the resized screen", |text| {
            text.contains("kitchen") && text.lines().count() <= usize::from(rows)
        });
    }
    screen.resize(20, 5);
    screen.until_text("too small");
    screen.resize(80, 24);
    screen.until_text("kitchen");
    screen.keys("\u{1b}[200~q q\u{1b}[201~");
    screen.until_text("pasted text is not taken as keys");
    screen.keys("/");
    screen.keys("\u{1b}[200~nothing\u{1b}[201~");
    screen.until_text("no node fits the filter");
    screen.keys("\u{1b}");
    screen.until_text("21.5");
    screen.keys("q");
    assert!(screen.ended());
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let station = Station::start();
    let mut screen = station.screen(120, 40);
    screen.until_text("no nodes yet");
    screen.watch(Duration::from_millis(1_500));
    let before = screen.written;
    screen.watch(Duration::from_secs(3));
    assert_eq!(screen.written - before, 0, "{}", screen.text());
    screen.keys("q");
    assert!(screen.ended());
}

#[test]
fn a_program_that_is_told_to_end_restores_the_terminal() {
    let station = Station::start();
    let mut screen = station.screen(80, 24);
    screen.until_text("no nodes yet");
    assert!(screen.screen().alternate_screen());
    screen.terminate();
    assert!(screen.ended());
}

#[test]
fn over_tcp_a_person_logs_in_once() {
    let station = Station::start();
    let host = station.tcp();
    station.user("ada", "correct horse battery");
    let args = ["--host", host.as_str()];
    let mut screen = station.screen_with(&args, 100, 30);
    screen.until("the login", |text| text.to_lowercase().contains("password"));
    screen.keys("ada\twrong password\r");
    screen.until("the refusal", |text| text.contains("wrong"));
    let text = screen.text();
    assert!(!text.contains("wrong password"), "shown in clear: {text}");
    screen.keys(&"\u{7f}".repeat(20));
    screen.keys("correct horse battery\r");
    screen.until_text("no nodes yet");
    screen.keys("q");
    assert!(screen.ended());
    // The session is kept for the next start.
    let mut screen = station.screen_with(&args, 100, 30);
    screen.until("the account", |text| text.contains("ada (administrator)"));
    screen.keys("q");
    assert!(screen.ended());
}

/// The station of [`a_program_that_panics`].
const PANIC_HOST: &str = "SIGNALBOX_TEST_PANIC_HOST";

#[test]
#[ignore = "the next test runs it in a pseudo-terminal"]
fn a_program_that_panics() {
    let host = std::env::var(PANIC_HOST).unwrap();
    let options = signalbox_tui::Options {
        client: signalbox_tui::client::Client::new(host.parse().unwrap(), None),
        keep_token: Box::new(|_, _| panic!("as it was told")),
        settings: signalbox_tui::Settings::default(),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(signalbox_tui::run(options)).unwrap();
}

#[test]
fn a_panic_restores_the_terminal_and_can_be_read() {
    let station = Station::start();
    station.user("ada", "correct horse battery");
    let mut command = portable_pty::CommandBuilder::new(std::env::current_exe().unwrap());
    command.args([
        "--ignored",
        "--exact",
        "a_program_that_panics",
        "--nocapture",
    ]);
    command.env(PANIC_HOST, station.tcp());
    command.env("RUST_BACKTRACE", "0");
    let mut screen = station.run(command, 100, 30);
    screen.until("the login", |text| text.to_lowercase().contains("password"));
    screen.keys("ada\tcorrect horse battery\r");
    assert!(!screen.ended());
    let text = screen.text();
    assert!(text.contains("as it was told"), "{text}");
}

#[test]
fn without_a_terminal_it_says_so() {
    let output = station::program().output().unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("not a terminal"), "{error}");
}
