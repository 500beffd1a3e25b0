//! TLS to the broker, with an authority of one's own and a certificate to show.

use std::{fs, path::Path};

use super::helper::{command_becomes, healthy, order, says, trouble};
use crate::helper::{Mosquitto, Setup, Station, eventually, run, tool};

/// An authority and what it has signed: a server's and a client's certificate.
pub(crate) fn certificates(dir: &Path) {
    let openssl = |args: &[&str]| {
        run(tool("openssl", dir).args(args), "").good();
    };
    let key = ["-newkey", "rsa:2048", "-nodes"];
    let ca = ["req", "-x509", "-subj", "/CN=own authority", "-days", "2"];
    openssl(&[&ca[..], &key, &["-keyout", "ca.key", "-out", "ca.crt"]].concat());
    fs::write(dir.join("server.ext"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    fs::write(dir.join("client.ext"), "extendedKeyUsage=clientAuth\n").unwrap();
    for name in ["server", "client"] {
        let (key_file, request) = (format!("{name}.key"), format!("{name}.csr"));
        let (extensions, out) = (format!("{name}.ext"), format!("{name}.crt"));
        let subject = format!("/CN={name}");
        let ask = [
            "req", "-subj", &subject, "-keyout", &key_file, "-out", &request,
        ];
        openssl(&[&ask[..], &key].concat());
        let sign = [
            "x509", "-req", "-in", &request, "-CA", "ca.crt", "-CAkey", "ca.key",
        ];
        let more = [
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            &extensions,
            "-out",
            &out,
        ];
        openssl(&[&sign[..], &more].concat());
    }
}

fn secure_broker(dir: &Path) -> Mosquitto {
    let file = |name: &str| dir.join(name).display().to_string();
    let lines = [
        format!("cafile {}", file("ca.crt")),
        format!("certfile {}", file("server.crt")),
        format!("keyfile {}", file("server.key")),
        "require_certificate true".to_owned(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    Mosquitto::with(&lines)
}

fn station(broker: &Mosquitto, keys: &str) -> Station {
    Station::with(Setup {
        config: format!("[mqtt]\n{keys}"),
        broker: Some(format!("mqtts://127.0.0.1:{}", broker.port())),
        ..Setup::default()
    })
}

fn publish(broker: &Mosquitto, dir: &Path, topic: &str, message: &str) {
    let mut command = tool("mosquitto_pub", dir);
    command.args(["-h", "127.0.0.1", "-p", &broker.port().to_string()]);
    command.args([
        "--cafile",
        "ca.crt",
        "--cert",
        "client.crt",
        "--key",
        "client.key",
    ]);
    run(
        command.args(["-q", "1", "-r", "-t", topic, "-m", message]),
        "",
    )
    .good();
}

#[test]
fn with_an_authority_of_ones_own_and_a_certificate_to_show() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    certificates(dir);
    let broker = secure_broker(dir);
    let ca = format!("broker_ca_file = \"{}\"\n", dir.join("ca.crt").display());
    let own = format!(
        "broker_cert_file = \"{}\"\nbroker_key_file = \"{}\"\n",
        dir.join("client.crt").display(),
        dir.join("client.key").display()
    );
    let stranger = station(&broker, "");
    says(&stranger, "mqtt.broker_ca_file");
    eventually("it says why", || {
        trouble(&stranger).contains("certificate").then_some(())
    });
    let nameless = station(&broker, &ca);
    says(&nameless, "mqtt.broker_cert_file");

    let known = station(&broker, &(ca + &own));
    healthy(&known);
    let topic = "signalbox/kitchen/telemetry";
    let message = r#"{"boot":1,"seq":1,"samples":[{"age_ms":0,"values":{"t":1}}]}"#;
    publish(&broker, dir, topic, message);
    eventually("it is stored", || {
        (known.values("kitchen").len() == 1).then_some(())
    });
    let id = order(&known, "on");
    command_becomes(&known, &id, "sent");
    let signed = known.ask("GET", "/health", None);
    assert_eq!(signed.status, 200, "{}", signed.text);
}
