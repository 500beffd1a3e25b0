//! `ssh://`: the system's ssh with all its configuration, agent, jump hosts and known hosts, and
//! `signalbox dial-stdio` on the far side; one connection for everything.

use std::{process::Stdio, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, join},
    process::{Child, Command},
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};
use tokio_util::compat::FuturesAsyncReadCompatExt as _;

use super::{
    ClientError, SshHost,
    endpoint::Duplex,
    relay::{self, GREETING, Wanted},
};

/// A person may have to type a passphrase.
const START_ASKING: Duration = Duration::from_secs(120);
/// Without a person.
const START: Duration = Duration::from_secs(20);
/// What is kept of what ssh says.
const SAID_BYTES_MAX: usize = 4_096;
/// Bytes before the greeting: a login shell that talks.
const NOISE_BYTES_MAX: usize = 4_096;
/// A far side that does not open a stream for this long is gone.
const STREAM: Duration = Duration::from_secs(10);

/// A connection over ssh.
#[derive(Debug)]
pub(super) struct Ssh {
    streams: mpsc::Sender<Wanted>,
    /// Ended with the connection.
    _child: Child,
}

impl Ssh {
    /// Starts ssh and waits for the greeting of the far side.
    pub(super) async fn start(host: &SshHost, may_ask: bool) -> Result<Self, ClientError> {
        let failed = |reason: String, hint| ClientError::Ssh {
            host: host.to_string(),
            reason,
            hint,
        };
        let mut child = command(host, may_ask).spawn().map_err(|error| {
            failed(
                format!("`ssh` cannot be started: {error}"),
                "install an OpenSSH client",
            )
        })?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(mut stdout), Some(mut stderr)) = pipes else {
            return Err(failed("`ssh` has no pipes".to_owned(), "try again"));
        };
        let said = Arc::new(Mutex::new(Vec::new()));
        let hears = said.clone();
        let listener = tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok(n @ 1..) = stderr.read(&mut buffer).await {
                let mut said = hears.lock().await;
                let room = SAID_BYTES_MAX.saturating_sub(said.len());
                said.extend_from_slice(&buffer[..n.min(room)]);
            }
        });
        let limit = if may_ask { START_ASKING } else { START };
        if let Ok(true) = timeout(limit, greeted(&mut stdout)).await {
            return Ok(Self {
                streams: relay::open(join(stdout, stdin)),
                _child: child,
            });
        }
        // It ends when its input does; what it says then is the reason.
        drop(stdin);
        let status = timeout(Duration::from_secs(2), child.wait()).await;
        let code = status
            .ok()
            .and_then(Result::ok)
            .and_then(|status| status.code());
        // Until its pipe closes, or what was said by then.
        let _ = timeout(Duration::from_secs(1), listener).await;
        let said = String::from_utf8_lossy(&said.lock().await).into_owned();
        let (reason, hint) = explain(code, &said);
        Err(failed(reason, hint))
    }

    /// A new stream; `None` when the connection is gone.
    pub(super) async fn stream(&self) -> Option<Box<dyn Duplex>> {
        let (wanted, stream) = oneshot::channel();
        self.streams.send(wanted).await.ok()?;
        let stream = timeout(STREAM, stream).await.ok()?.ok()?;
        Some(Box::new(stream.compat()))
    }
}

fn command(host: &SshHost, may_ask: bool) -> Command {
    let mut command = Command::new("ssh");
    command.arg("-T");
    if !may_ask {
        command.args(["-o", "BatchMode=yes"]);
    }
    // A dead line is noticed within a minute.
    command.args([
        "-o",
        "ServerAliveInterval=15",
        "-o",
        "ServerAliveCountMax=3",
    ]);
    if let Some(user) = &host.user {
        command.args(["-l", user]);
    }
    if let Some(port) = host.port {
        command.args(["-p", &port.to_string()]);
    }
    command
        .args(["--", &host.host, "signalbox", "dial-stdio"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Reads up to the greeting, past what a login shell prints before it.
async fn greeted(stdout: &mut (impl tokio::io::AsyncRead + Unpin)) -> bool {
    let mut seen = Vec::new();
    while seen.len() < NOISE_BYTES_MAX {
        // Byte by byte: what follows the greeting is not ours.
        let Ok(byte) = stdout.read_u8().await else {
            return false;
        };
        seen.push(byte);
        if seen.ends_with(GREETING.as_bytes()) {
            return true;
        }
    }
    false
}

/// What went wrong, in a sentence, and what to do.
fn explain(code: Option<i32>, said: &str) -> (String, &'static str) {
    let lines: Vec<&str> = said
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    let last = lines.last().copied().unwrap_or("it said nothing");
    match code {
        Some(127) => (
            "there is no `signalbox` over there".to_owned(),
            "install it there, in a folder that a login without a terminal finds (`ssh HOST \
             command -v signalbox`)",
        ),
        Some(255) => (last.to_owned(), "try the same with `ssh` alone"),
        Some(0) | None => (
            format!("what runs over there is not `signalbox dial-stdio`: {last}"),
            "is another command forced in `authorized_keys`?",
        ),
        Some(_) => {
            let error = lines.iter().find_map(|line| line.strip_prefix("error: "));
            (
                error.unwrap_or(last).to_owned(),
                "is the daemon running there? `systemctl status signalbox`",
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_greeting_is_found_behind_a_talking_shell() {
        let noisy = format!("Welcome to Debian!\n{GREETING}rest");
        let mut bytes = noisy.as_bytes();
        assert!(greeted(&mut bytes).await);
        assert_eq!(bytes, b"rest");
        assert!(!greeted(&mut &b"Welcome\n"[..]).await);
        let endless = vec![b'x'; NOISE_BYTES_MAX + 1];
        assert!(!greeted(&mut &endless[..]).await);
    }

    #[test]
    fn what_went_wrong_is_told() {
        let (reason, _) = explain(Some(127), "bash: signalbox: command not found\n");
        assert_eq!(reason, "there is no `signalbox` over there");
        let (reason, _) = explain(
            Some(255),
            "warning\nada@pi: Permission denied (publickey).\n",
        );
        assert_eq!(reason, "ada@pi: Permission denied (publickey).");
        let (reason, hint) = explain(Some(1), "error: the station is away\nhint: start it\n");
        assert_eq!(reason, "the station is away");
        assert!(hint.contains("daemon"));
    }

    #[tokio::test]
    async fn many_streams_share_one_pair_of_pipes() {
        use tokio::{io::AsyncWriteExt as _, net::UnixListener};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.sock");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await.unwrap();
                });
            }
        });
        let (near, far) = tokio::io::duplex(4_096);
        let served = tokio::spawn(async move { relay::serve(far, &path).await });
        let mut near = near;
        assert!(greeted(&mut near).await);
        let streams = relay::open(near);
        for n in 0..20_u8 {
            let (wanted, stream) = oneshot::channel();
            streams.send(wanted).await.unwrap();
            let mut stream = stream.await.unwrap().compat();
            stream.write_all(&[n; 3]).await.unwrap();
            let mut back = [0; 3];
            stream.read_exact(&mut back).await.unwrap();
            assert_eq!(back, [n; 3]);
        }
        drop(streams);
        timeout(Duration::from_secs(10), served)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
}
