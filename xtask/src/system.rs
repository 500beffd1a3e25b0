//! What tests need of the system: Debian packages and a Python environment of the project's own.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use xshell::{Shell, cmd};

use crate::firmware;

/// Debian packages, each with a command that works once it is there.
const PACKAGES: &[(&str, &str)] = &[
    (
        "mosquitto-clients",
        "command -v mosquitto_pub mosquitto_sub",
    ),
    (
        "mosquitto",
        "PATH=$PATH:/usr/sbin command -v mosquitto mosquitto_passwd",
    ),
    (
        "rabbitmq-server",
        "test -x /usr/lib/rabbitmq/bin/rabbitmq-server && command -v epmd",
    ),
    ("nats-server", "PATH=$PATH:/usr/sbin command -v nats-server"),
    ("curl", "command -v curl"),
    ("buildah", "command -v buildah"),
    ("docker-compose", "command -v docker-compose"),
    ("systemd", "command -v systemd-analyze"),
    ("openssl", "command -v openssl"),
    ("sqlite3", "command -v sqlite3"),
    ("postgresql", "ls /usr/lib/postgresql/*/bin/initdb"),
    ("iproute2", "PATH=$PATH:/usr/sbin:/sbin command -v ip"),
    ("nftables", "PATH=$PATH:/usr/sbin command -v nft"),
    ("faketime", "ls /usr/lib/*/faketime/libfaketime.so.1"),
    ("openssh-client", "command -v ssh ssh-keygen"),
    ("openssh-server", "PATH=$PATH:/usr/sbin command -v sshd"),
    ("python3", "command -v python3"),
    ("python3-venv", "/usr/bin/python3 -m ensurepip --version"),
];
/// Runs a command while no package starts its service, unless the machine has a policy of its own:
/// tests start their own servers.
const WITHOUT_SERVICES: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod +x "$policy"
fi
"$0" "$@"
"#;
/// Cargo features of the tests that need these packages.
pub(crate) const SERVER_FEATURES: &str = "signalbox-tests/e2e,signalbox-backend/servers";
/// Pinned Python packages of the tests.
const REQUIREMENTS: &str = "tests/requirements.txt";
/// The Python environment, below the target folder.
const VENV: &str = "test-venv";
/// The copy of the requirements that the environment was made with.
const STAMP: &str = "signalbox-requirements.txt";

/// Installs the Debian packages that are missing.
pub(crate) fn install_packages(shell: &Shell) -> Result<()> {
    let missing = missing(shell);
    if missing.is_empty() {
        return Ok(());
    }
    ensure!(
        works(shell, "command -v apt-get"),
        "the tests need {}, and there is no apt-get here; hint: install what has these programs",
        missing.join(", ")
    );
    println!("installing with apt: {}", missing.join(" "));
    let root = cmd!(shell, "id -u").quiet().read()? == "0";
    let sudo: &[&str] = if root { &[] } else { &["sudo"] };
    let environment = ["env", "DEBIAN_FRONTEND=noninteractive"];
    let before: Vec<&str> = sudo.iter().copied().chain(environment).collect();
    let (program, before) = before.split_first().context("a program to run")?;
    cmd!(shell, "{program} {before...} apt-get -q update").run()?;
    let options = ["install", "-y", "--no-install-recommends"];
    cmd!(
        shell,
        "{program} {before...} sh -c {WITHOUT_SERVICES} apt-get -q {options...} {missing...}"
    )
    .run()?;
    let missing = self::missing(shell);
    ensure!(
        missing.is_empty(),
        "apt has installed {}, but its programs do not run; hint: are they in PATH?",
        missing.join(", ")
    );
    Ok(())
}

fn missing(shell: &Shell) -> Vec<&'static str> {
    let packages = PACKAGES.iter().copied().chain(firmware::packages());
    let missing = packages.filter(|(_, proof)| !works(shell, proof));
    missing.map(|(package, _)| package).collect()
}

fn works(shell: &Shell, command: &str) -> bool {
    let tried = cmd!(shell, "sh -c {command}").quiet();
    tried.ignore_stdout().ignore_stderr().run().is_ok()
}

/// The Python environment with the pinned packages; made anew when they change.
pub(crate) fn python_environment(shell: &Shell) -> Result<PathBuf> {
    let venv = target_dir(shell)?.join(VENV);
    // The programs in it hold its path: in a folder that was moved they do not run.
    let wanted = format!("{}\n{}", venv.display(), shell.read_file(REQUIREMENTS)?);
    let stamp = venv.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|made_with| made_with == wanted) {
        return Ok(venv);
    }
    println!("making the Python environment of the tests");
    shell.remove_path(&venv)?;
    // Debian's own, which python3-venv belongs to; another one may come first in PATH.
    let system = PathBuf::from("/usr/bin/python3");
    let python = if system.exists() {
        system
    } else {
        "python3".into()
    };
    cmd!(shell, "{python} -m venv {venv}").run()?;
    let pip = venv.join("bin/pip");
    cmd!(
        shell,
        "{pip} install --quiet --disable-pip-version-check -r {REQUIREMENTS}"
    )
    .run()?;
    fs::write(stamp, wanted)?;
    Ok(venv)
}

/// What the compiler builds for when it is not told otherwise.
pub(crate) fn host(shell: &Shell) -> Result<String> {
    let about = cmd!(shell, "rustc -vV").quiet().read()?;
    let host = about.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host
        .context("rustc does not say what it builds for")?
        .to_owned())
}

/// Where cargo builds.
pub(crate) fn target_dir(shell: &Shell) -> Result<PathBuf> {
    let text = cmd!(
        shell,
        "cargo metadata --format-version 1 --no-deps --offline"
    )
    .quiet()
    .read()?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    match metadata["target_directory"].as_str() {
        Some(path) => Ok(path.into()),
        None => bail!("cargo does not say where it builds"),
    }
}
