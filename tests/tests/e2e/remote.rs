//! `--host tcp://`: TLS with the certificate of the station's own making or the person's.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use serde_json::json;

use crate::helper::{Ended, Station, eventually, run, signalbox, tool};

const PASSWORD: &str = "correct horse battery";
const KNOWN: &str = ".local/state/signalbox/known_stations.json";

fn port(station: &Station) -> String {
    let address = station.http_address();
    address.rsplit(':').next().unwrap().to_owned()
}

fn tcp(station: &Station) -> String {
    format!("tcp://localhost:{}", port(station))
}

fn verb(station: &Station, args: &[&str], input: &str) -> Ended {
    let mut command = signalbox(station.home());
    run(command.args(args).args(["--host", &tcp(station)]), input)
}

fn fingerprint(station: &Station) -> String {
    station.verb(&["fingerprint"]).good().trim().to_owned()
}

/// As if a person had said yes.
fn believe(station: &Station, fingerprint: &str) {
    let path = station.home().join(KNOWN);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, json!({tcp(station): fingerprint}).to_string()).unwrap();
}

fn account(station: &Station) {
    let args = [
        "user",
        "add",
        "ada",
        "--email",
        "ada@example.org",
        "--password-stdin",
    ];
    station.verb_with(&args, PASSWORD).good();
}

#[test]
fn a_certificate_is_believed_by_fingerprint_or_authority_and_nothing_else() {
    let station = Station::start();
    account(&station);
    let shown = fingerprint(&station);
    assert!(station.log().contains(shown.trim_start_matches("SHA256:")));
    // OpenSSL says the same of the file.
    let cert = station.data_dir().join("tls.crt");
    let mut openssl = tool("openssl", station.home());
    openssl.args(["x509", "-noout", "-fingerprint", "-sha256", "-in"]);
    let said = run(openssl.arg(&cert), "").good();
    assert_eq!(
        said.trim().rsplit('=').next(),
        shown.strip_prefix("SHA256:")
    );
    let key = fs::metadata(station.data_dir().join("tls.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);

    let login = ["login", "ada", "--password-stdin"];
    let refused = verb(&station, &login, PASSWORD);
    assert_eq!(refused.code, 1);
    assert!(
        refused.err.contains("no terminal to ask"),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("--fingerprint"), "{}", refused.err);
    assert!(refused.err.contains(&shown[7..]), "{}", refused.err);
    assert!(!station.home().join(KNOWN).exists(), "nothing was believed");

    let with = |more: &[&str], args: &[&str], input: &str| {
        let mut all = args.to_vec();
        all.extend(more);
        verb(&station, &all, input)
    };
    let pinned = ["--fingerprint", shown.as_str()];
    with(&pinned, &login, PASSWORD).good();
    with(&pinned, &["nodes"], "").good();
    let authority = ["--ca", cert.to_str().unwrap()];
    with(&authority, &["nodes"], "").good();
    // A session over TCP is not lost between ways of believing, and the token is nobody's business.
    let tokens = station.home().join(".local/state/signalbox/sessions.json");
    let mode = fs::metadata(tokens).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let other = Station::start();
    let wrong = other.data_dir().join("tls.crt");
    let refused = with(&["--ca", wrong.to_str().unwrap()], &["nodes"], "");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("is not trusted"), "{}", refused.err);
    assert!(refused.err.contains("--ca FILE"), "{}", refused.err);
}

#[test]
fn another_certificate_than_before_is_refused_until_it_is_forgotten() {
    let mut station = Station::start();
    let before = fingerprint(&station);
    believe(&station, &before);
    let seen = verb(&station, &["nodes"], "");
    assert!(seen.err.contains("signalbox login"), "{}", seen.err);

    station.signal("TERM");
    fs::remove_file(station.data_dir().join("tls.crt")).unwrap();
    station.restart();
    let now = fingerprint(&station);
    assert_ne!(before, now);
    let refused = verb(&station, &["nodes"], "");
    assert_eq!(refused.code, 1);
    for part in [&before[7..], &now[7..], "another one", "--forget"] {
        assert!(refused.err.contains(part), "{part}\n{}", refused.err);
    }
    let forgotten = verb(&station, &["fingerprint", "--forget"], "").good();
    assert!(forgotten.contains("is forgotten"), "{forgotten}");
    let refused = verb(&station, &["nodes"], "");
    assert!(refused.err.contains("not known here"), "{}", refused.err);
}

#[test]
fn a_certificate_of_ones_own_is_renewed_without_a_restart() {
    let (one, two) = (Station::start(), Station::start());
    let copy = |from: &Station, to: &Path| {
        for name in ["tls.crt", "tls.key"] {
            fs::copy(from.data_dir().join(name), to.join(name)).unwrap();
        }
    };
    let dir = tempfile::tempdir().unwrap();
    copy(&one, dir.path());
    let at = dir.path().display();
    let config = format!("[api]\ncert_file = \"{at}/tls.crt\"\nkey_file = \"{at}/tls.key\"\n");
    let station = Station::configured(&config);
    assert_eq!(fingerprint(&station), fingerprint(&one));
    assert!(!station.data_dir().join("tls.key").exists(), "none is made");
    // The files are others, the configuration is the same.
    copy(&two, dir.path());
    station.tell("HUP");
    let wanted = fingerprint(&two);
    eventually("the new certificate", || {
        (fingerprint(&station) == wanted).then_some(())
    });
    let seen = verb(&station, &["nodes", "--fingerprint", &wanted], "");
    assert!(seen.err.contains("signalbox login"), "{}", seen.err);
}

#[test]
fn one_port_takes_tls_and_from_this_machine_plain_text() {
    let station = Station::start();
    let port = port(&station);
    let ask = |scheme: &str, more: &[&str]| {
        let mut curl = tool("curl", station.home());
        curl.args(["--silent", "--show-error", "--max-time", "30"]);
        run(
            curl.args(more)
                .arg(format!("{scheme}://localhost:{port}/health")),
            "",
        )
    };
    let cert = station.data_dir().join("tls.crt");
    let cert = cert.to_str().unwrap();
    for version in ["1.2", "1.3"] {
        let tls = [
            "--cacert",
            cert,
            &format!("--tlsv{version}"),
            "--tls-max",
            version,
        ];
        assert!(ask("https", &tls).good().contains("\"ok\""), "{version}");
    }
    assert!(ask("http", &[]).good().contains("\"ok\""));
    assert_ne!(ask("https", &[]).code, 0, "curl does not know it");
    let refused = run(
        signalbox(station.home()).args(["nodes", "--host", "http://192.0.2.1:80"]),
        "",
    );
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("listen in"), "{}", refused.err);
}
