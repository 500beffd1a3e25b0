//! The system's sshd, private: own port, own keys, loopback only; and an `ssh` that trusts it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::{eventually, free_port, program::tool, run};

/// A server; ended with the value.
pub(crate) struct Sshd {
    child: Child,
    port: u16,
    folder: PathBuf,
}

impl Sshd {
    /// Starts it in a folder; who comes in has these variables, in one key's line.
    pub(crate) fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let folder = folder.join("ssh");
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        for name in ["host", "person"] {
            let file = folder.join(name);
            let mut keygen = tool("ssh-keygen", &folder);
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
            run(keygen.arg(file), "").good();
        }
        let public = fs::read_to_string(folder.join("person.pub")).unwrap();
        let environment: Vec<String> = variables
            .iter()
            .map(|(name, value)| format!("environment=\"{name}={value}\""))
            .collect();
        let line = format!("{} {public}", environment.join(","));
        fs::write(folder.join("authorized_keys"), line).unwrap();
        let port = free_port();
        let at = folder.display();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {at}/host\nPidFile none\n\
             AuthorizedKeysFile {at}/authorized_keys\nPermitUserEnvironment yes\n\
             PermitRootLogin yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             UsePAM no\nStrictModes no\n"
        );
        fs::write(folder.join("sshd_config"), config).unwrap();
        // The system's ssh, with a configuration of our own: it looks for its own in the
        // account's home, whatever HOME says.
        let client = format!(
            "IdentityFile {at}/person\nIdentitiesOnly yes\nUserKnownHostsFile {at}/known_hosts\n\
             StrictHostKeyChecking accept-new\nLogLevel ERROR\n"
        );
        fs::write(folder.join("ssh_config"), client).unwrap();
        let script = format!("#!/bin/sh\nexec /usr/bin/ssh -F {at}/ssh_config \"$@\"\n");
        let ssh = folder.join("bin/ssh");
        fs::write(&ssh, script).unwrap();
        fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
        // Debian's sshd wants this folder when it is root; its service would make it.
        if fs::metadata("/proc/self").is_ok_and(|meta| {
            use std::os::unix::fs::MetadataExt as _;
            meta.uid() == 0
        }) {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(folder.join("sshd_config"))
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .expect("sshd cannot be run; hint: `cargo xtask test` installs it");
        let sshd = Self {
            child,
            port,
            folder,
        };
        eventually("sshd listens", || {
            std::net::TcpStream::connect(("127.0.0.1", port))
                .ok()
                .map(drop)
        });
        sshd
    }

    /// The address for `--host`.
    pub(crate) fn address(&self) -> String {
        format!("ssh://127.0.0.1:{}", self.port)
    }

    /// A `PATH` whose `ssh` is the one that knows this server.
    pub(crate) fn path(&self) -> String {
        let rest = std::env::var("PATH").unwrap_or_default();
        format!("{}:{rest}", self.folder.join("bin").display())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It may have ended already; there is nothing more to do either way.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.join("log"));
            eprintln!("sshd's log:\n{}", log.unwrap_or_default());
        }
    }
}
