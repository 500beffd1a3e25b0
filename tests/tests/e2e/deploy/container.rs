//! `Dockerfile`, by a real builder. Its first stage needs a registry, so the program comes from
//! outside: what the second makes of it is the image that ships, and runs.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::root;
use crate::helper::{Running, eventually, free_port, run, tool};

/// A builder with a storage of its own.
struct Builder {
    home: tempfile::TempDir,
}

impl Builder {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = tool("buildah", self.home.path());
        let folder = |name: &str| self.home.path().join(name).display().to_string();
        command.args(["--root", &folder("root"), "--runroot", &folder("run")]);
        command.args(["--storage-driver", "vfs"]).args(args);
        command
    }

    #[track_caller]
    fn good(&self, args: &[&str]) -> String {
        run(&mut self.command(args), "").good().trim().to_owned()
    }

    /// The image, with a program in place of the one that the first stage would build.
    fn image(&self, program: &Path) -> String {
        let built = self.home.path().join("built");
        fs::create_dir_all(built.join("image/data")).unwrap();
        fs::copy(program, built.join("image/signalbox")).unwrap();
        let authorities = built.join("image/etc/ssl/certs");
        fs::create_dir_all(&authorities).unwrap();
        fs::write(authorities.join("ca-certificates.crt"), "").unwrap();
        let stage = format!("build={}", built.display());
        let mut args = vec!["build", "--quiet", "--isolation", "chroot"];
        args.extend(["--format", "docker", "--build-context", &stage]);
        let root = root().display().to_string();
        self.good(&[args.as_slice(), &[&root]].concat())
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        // Files of containers may be mounted, and belong to other users.
        let _ = self.command(&["rm", "--all"]).output();
        let _ = self.command(&["rmi", "--all", "--force"]).output();
    }
}

#[test]
fn the_image_holds_the_program_the_authorities_and_nothing_else() {
    let builder = Builder::new();
    let program = builder.home.path().join("any");
    fs::write(&program, "the program").unwrap();
    let image = builder.image(&program);
    let about = builder.good(&["inspect", "--type", "image", &image]);
    let about: Value = serde_json::from_str(&about).unwrap();
    let config = &about["Docker"]["config"];
    assert_eq!(config["Entrypoint"], serde_json::json!(["/signalbox"]));
    assert_eq!(config["Cmd"], serde_json::json!(["serve"]));
    let test = serde_json::json!(["CMD", "/signalbox", "health"]);
    assert_eq!(config["Healthcheck"]["Test"], test);
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Volumes"], serde_json::json!({"/data": {}}));
    let ports = serde_json::json!({"1883/tcp": {}, "8080/tcp": {}});
    assert_eq!(config["ExposedPorts"], ports);

    let container = builder.good(&["from", &image]);
    let mount = builder.good(&["mount", &container]);
    let mut files: Vec<String> = fs::read_dir(mount)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, ["data", "etc", "signalbox"]);
}

/// What the first stage gets to see is enough to build from, and has no secrets in it.
#[test]
fn the_build_gets_the_sources_and_nothing_private() {
    let builder = Builder::new();
    let recipe = builder.home.path().join("Dockerfile");
    fs::write(&recipe, "FROM scratch\nCOPY . /\n").unwrap();
    let (recipe, root) = (recipe.display().to_string(), root().display().to_string());
    let image = builder.good(&["build", "--quiet", "--file", &recipe, &root]);
    let container = builder.good(&["from", &image]);
    let mount = PathBuf::from(builder.good(&["mount", &container]));
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
    run(cargo.current_dir(&mount), "").good();
    for private in [".git", ".env", "target", "data", "backend/target"] {
        assert!(!mount.join(private).exists(), "{private}");
    }
    let sources = tool("git", &mount)
        .args(["-C", &root, "ls-files", "backend", "signalbox", "protocol"])
        .output()
        .unwrap();
    let sources = String::from_utf8(sources.stdout).unwrap();
    assert!(sources.lines().count() > 100);
    // One may be deleted here and not committed yet.
    let is_here = |source: &&str| Path::new(&root).join(source).exists();
    for source in sources.lines().filter(is_here) {
        assert!(mount.join(source).exists(), "{source}");
    }
}

/// The station in its image: nothing but the program, another user, the health check.
#[test]
#[ignore = "needs the static program, which `cargo xtask test --full` builds"]
fn the_station_runs_in_its_image() {
    let program = std::env::var("SIGNALBOX_STATIC_BIN").expect("`cargo xtask test --full` sets it");
    let home = tempfile::tempdir().unwrap();
    let linked = run(tool("ldd", home.path()).arg(&program), "");
    let said = format!("{}{}", linked.out, linked.err);
    assert!(
        said.contains("statically linked") || said.contains("not a dynamic"),
        "{said}"
    );

    let builder = Builder::new();
    let image = builder.image(Path::new(&program));
    let container = builder.good(&["from", &image]);
    let (http, mqtt) = (free_port(), free_port());
    let inside = |args: &[&str]| {
        let mut command = builder.command(&["run", "--isolation", "chroot"]);
        command.args(["--env", &format!("SIGNALBOX_API__PORT={http}")]);
        command.args(["--env", &format!("SIGNALBOX_MQTT__LISTEN=127.0.0.1:{mqtt}")]);
        command.args([&container, "--", "/signalbox"]).args(args);
        command
    };
    let unreached = run(&mut inside(&["health"]), "");
    assert_eq!(unreached.code, 1, "{}", unreached.err);
    let serving = Running::start(&mut inside(&["serve", "--json"]));
    // What runs inside does not end with the builder.
    let _ended = Marked(format!("SIGNALBOX_API__PORT={http}"));
    let ready: String = std::iter::from_fn(|| serving.next_within(crate::helper::DEADLINE))
        .take_while(|line| line != "}")
        .collect();
    assert!(ready.contains("unix:///data/signalbox.sock"), "{ready}");
    let health = run(&mut inside(&["health"]), "").good();
    assert_eq!(health.trim(), "ok: store ok, broker ok");
    let health = run(&mut inside(&["health", "--json"]), "").good();
    let health: Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["status"], "ok");

    // The daemon's own user is the administrator.
    let add = ["user", "add", "anna", "--email", "anna@example.org"];
    let mut add = inside(&add);
    run(add.arg("--password-stdin"), "correct horse battery\n").good();

    // Names are looked up without the system's libraries.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let publish = ["pub", "--host", "localhost", "--port", &port];
    let mut publishing = Running::start(inside(&publish).args(["--topic", "a", "--message", "b"]));
    listener.set_nonblocking(true).unwrap();
    eventually("it comes to the name", || listener.accept().ok());
    publishing.kill();
}

/// Processes with this variable, which only ours have; ended with the value.
struct Marked(String);

impl Drop for Marked {
    fn drop(&mut self) {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        for process in processes.map(|entry| entry.path()) {
            // Other processes come and go meanwhile.
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            let mut pairs = environment.split(|byte| *byte == 0);
            let is_ours = pairs.any(|pair| pair == self.0.as_bytes());
            let pid = process.file_name().unwrap().to_string_lossy().into_owned();
            if is_ours {
                // It may have ended with the one before.
                let _ = Command::new("sh")
                    .args(["-c", &format!("kill -KILL {pid}")])
                    .output();
            }
        }
    }
}
