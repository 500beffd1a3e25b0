//! Letters over SMTP, by lettre: TLS from the start, STARTTLS (required, never optional), or
//! plain text. Fed by [`super::outbox`].

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        self,
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::outbox::{Letter, Mailer, Outbox, Retry, SendError};
use crate::{
    clock::SharedClock,
    config::{LiveConfig, MailConfig, MailTls},
    store::SharedStore,
};

/// A step of the SMTP conversation that takes longer is given up.
const SMTP_S_MAX: u64 = 30;

/// Why mail cannot be sent at all with this configuration.
#[derive(Debug, thiserror::Error)]
pub enum MailConfigError {
    /// `mail.from` is no address.
    #[error("`mail.from` is `{from}`, which is not a mail address")]
    From {
        /// As configured.
        from: String,
    },
    /// A password would go over the network in plain text.
    #[error("`mail.tls` is `none`, but `{host}` is not this machine and `mail.username` is set")]
    PlainPassword {
        /// The mail server.
        host: String,
    },
    /// The name of the server cannot be used for TLS.
    #[error("`mail.host` is `{host}`, which TLS cannot verify: {reason}")]
    Host {
        /// As configured.
        host: String,
        /// Why not.
        reason: String,
    },
    /// The file with one's own certificates is of no use.
    #[error("`mail.ca_file` is `{path}`, which {problem}")]
    CaFile {
        /// As configured.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// Sends letters to one server.
#[derive(Debug)]
pub struct SmtpMailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    retry: Retry,
}

impl SmtpMailer {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`MailConfigError`].
    pub fn new(config: &MailConfig) -> Result<Self, MailConfigError> {
        let from = config.from.parse().map_err(|_| MailConfigError::From {
            from: config.from.clone(),
        })?;
        let host = config.host.clone();
        let own = config.ca_file.as_deref().map(certificates).transpose()?;
        let tls = || {
            let mut parameters = TlsParameters::builder(host.clone());
            if let Some(own) = own {
                parameters = parameters.add_root_certificate(own);
            }
            parameters.build().map_err(|error| MailConfigError::Host {
                host: host.clone(),
                reason: error.to_string(),
            })
        };
        let (tls, port) = match config.tls {
            MailTls::Tls => (Tls::Wrapper(tls()?), 465),
            MailTls::Starttls => (Tls::Required(tls()?), 587),
            MailTls::None => (Tls::None, 25),
        };
        let here = matches!(host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if config.tls == MailTls::None && config.username.is_some() && !here {
            return Err(MailConfigError::PlainPassword { host });
        }
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
            .tls(tls)
            .port(config.port.unwrap_or(port))
            .timeout(Some(Duration::from_secs(SMTP_S_MAX)));
        if let Some(username) = &config.username {
            let password = config.password.clone().unwrap_or_default();
            builder = builder.credentials(Credentials::new(username.clone(), password));
        }
        Ok(Self {
            transport: builder.build(),
            from,
            retry: Retry {
                first_s: config.retry_s,
                give_up_h: config.give_up_h,
            },
        })
    }

    fn message(&self, letter: &Letter) -> Result<Message, SendError> {
        let refused = |error: &dyn std::fmt::Display| SendError::Refused(error.to_string());
        let to: Address = letter.to.parse().map_err(|error| refused(&error))?;
        let domain = self.from.email.domain();
        let id = |id: &str| format!("<{id}@{domain}>");
        let header = |name, value: &str| {
            HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
        };
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(to.into())
            .subject(letter.subject.clone())
            .date_now()
            .message_id(Some(id(&letter.id)))
            .header(ContentType::TEXT_PLAIN)
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("X-Signalbox-State", letter.state));
        if let Some(first) = &letter.in_reply_to {
            builder = builder.in_reply_to(id(first)).references(id(first));
        }
        builder
            .body(letter.body.clone())
            .map_err(|error| refused(&error))
    }
}

/// All certificates of a PEM file, at least one.
fn certificates(path: &Path) -> Result<Certificate, MailConfigError> {
    let wrong = |problem: String| MailConfigError::CaFile {
        path: path.to_owned(),
        problem,
    };
    let pem =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    // Without any, lettre would take the file and believe nobody more.
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        return Err(wrong("has no certificate in PEM".to_owned()));
    }
    Certificate::from_pem(pem.as_bytes())
        .map_err(|error| wrong(format!("cannot be used: {}", chain(&error))))
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, letter: &Letter) -> Result<(), SendError> {
        let message = self.message(letter)?;
        self.transport
            .send(message)
            .await
            .map(|_| ())
            .map_err(|error| kind(&error))
    }
}

/// 5xx is about the letter, except where the server does not let us in at all: then every
/// letter would meet the same, and none is to blame.
fn kind(error: &smtp::Error) -> SendError {
    let text = chain(error);
    let code = error.status().map(u16::from);
    match code {
        Some(530 | 534 | 535 | 538 | 421 | 454) => SendError::ServerDown(text),
        Some(500..) => SendError::Refused(text),
        Some(400..) => SendError::Later(text),
        _ => SendError::ServerDown(text),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Empties the outbox by the mail server of the configuration, and by another one as soon as
/// the configuration names it, until `stop`. Without a mail server the mails wait.
pub async fn run(
    store: SharedStore,
    clock: SharedClock,
    mut config: LiveConfig,
    written: Arc<Notify>,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let mail = config.borrow_and_update().mail.clone();
        let until_changed = stop.child_token();
        let worker = async {
            match mail.as_ref().map(SmtpMailer::new).transpose() {
                Ok(Some(mailer)) => {
                    let retry = mailer.retry;
                    Outbox::new(store.clone(), clock.clone(), mailer, retry)
                        .run(written.clone(), until_changed.clone())
                        .await;
                }
                Ok(None) => until_changed.cancelled().await,
                // It was checked while it was read; a file that it names may have changed since.
                Err(error) => {
                    tracing::error!(%error, "no mail is sent until the configuration is corrected");
                    until_changed.cancelled().await;
                }
            }
        };
        let changed = async {
            loop {
                if config.changed().await.is_err() {
                    // Nobody can change it any more.
                    stop.cancelled().await;
                }
                if stop.is_cancelled() || config.borrow_and_update().mail != mail {
                    return until_changed.cancel();
                }
            }
        };
        tokio::pin!(worker);
        tokio::select! {
            () = &mut worker => {}
            () = changed => worker.await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
        net::TcpListener,
        task::JoinHandle,
    };

    use super::*;

    fn config(port: u16) -> MailConfig {
        MailConfig {
            host: "127.0.0.1".to_owned(),
            port: Some(port),
            tls: MailTls::None,
            ca_file: None,
            username: None,
            password: None,
            from: "Station <station@example.org>".to_owned(),
            give_up_h: 72,
            retry_s: 10,
        }
    }

    fn letter(subject: &str) -> Letter {
        Letter {
            to: "anna@example.org".to_owned(),
            subject: subject.to_owned(),
            body: "It is hot.\n".to_owned(),
            id: "I.recovery".to_owned(),
            in_reply_to: Some("I.firing".to_owned()),
            state: "recovery",
        }
    }

    /// A server that answers `RCPT` and the end of `DATA` as told, and gives what it was told.
    async fn serve(rcpt: &'static str, data: &'static str) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            let mut heard = String::new();
            let mut in_data = false;
            write.write_all(b"220 hi\r\n").await.unwrap();
            while let Some(line) = lines.next_line().await.unwrap() {
                heard.push_str(&line);
                heard.push('\n');
                let answer = match line.get(..4).unwrap_or(&line) {
                    "." => {
                        in_data = false;
                        data
                    }
                    _ if in_data => continue,
                    "RCPT" => rcpt,
                    "DATA" => {
                        in_data = true;
                        "354 go on"
                    }
                    "QUIT" => "221 bye",
                    _ => "250 ok",
                };
                write.write_all(answer.as_bytes()).await.unwrap();
                write.write_all(b"\r\n").await.unwrap();
            }
            heard
        });
        (port, heard)
    }

    async fn sent(port: u16) -> Result<(), SendError> {
        let mailer = SmtpMailer::new(&config(port)).unwrap();
        mailer.send(&letter("[signalbox] kitchen")).await
    }

    #[tokio::test]
    async fn a_letter_goes_out_with_the_headers_that_thread_it() {
        let (port, heard) = serve("250 ok", "250 taken").await;
        sent(port).await.unwrap();
        let heard = heard.await.unwrap();
        for line in [
            "MAIL FROM:<station@example.org>",
            "RCPT TO:<anna@example.org>",
            "Subject: [signalbox] kitchen",
            "Message-ID: <I.recovery@example.org>",
            "In-Reply-To: <I.firing@example.org>",
            "References: <I.firing@example.org>",
            "Auto-Submitted: auto-generated",
            "X-Signalbox-State: recovery",
            "It is hot.",
        ] {
            assert!(
                heard.lines().any(|heard| heard.starts_with(line)),
                "{line}\n{heard}"
            );
        }
    }

    #[tokio::test]
    async fn what_the_server_says_decides_what_comes_next() {
        let (port, _) = serve("550 no such user", "250 taken").await;
        assert!(matches!(sent(port).await, Err(SendError::Refused(text)) if text.contains("550")));
        let (port, _) = serve("451 greylisted", "250 taken").await;
        assert!(matches!(sent(port).await, Err(SendError::Later(_))));
        let (port, _) = serve("250 ok", "552 too much").await;
        assert!(matches!(sent(port).await, Err(SendError::Refused(_))));
        let (port, _) = serve("421 going away", "250 taken").await;
        assert!(matches!(sent(port).await, Err(SendError::ServerDown(_))));
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = closed.local_addr().unwrap().port();
        drop(closed);
        assert!(matches!(sent(port).await, Err(SendError::ServerDown(_))));
    }

    #[test]
    fn no_header_can_be_smuggled_in() {
        let mailer = SmtpMailer::new(&config(25)).unwrap();
        let message = mailer
            .message(&letter("hot\r\nBcc: eve@example.org"))
            .unwrap();
        let text = String::from_utf8(message.formatted()).unwrap();
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
        let mut bad = letter("x");
        bad.to = "a@b.c\r\nBcc: eve@example.org".to_owned();
        assert!(matches!(mailer.message(&bad), Err(SendError::Refused(_))));
    }

    #[test]
    fn a_file_of_certificates_is_looked_at_before_the_first_mail() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let mut config = config(25);
        config.ca_file = Some(path.clone());
        let problem = || SmtpMailer::new(&config).unwrap_err().to_string();
        assert!(problem().contains("ca.pem") && problem().contains("cannot be read"));
        std::fs::write(&path, "-----BEGIN PRIVATE KEY-----\n").unwrap();
        assert!(problem().contains("no certificate"), "{}", problem());
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\n!\n").unwrap();
        assert!(problem().contains("cannot be used"), "{}", problem());
    }

    #[test]
    fn a_password_never_goes_out_in_plain_text() {
        let mut config = config(25);
        config.username = Some("station".to_owned());
        assert!(SmtpMailer::new(&config).is_ok());
        config.host = "mail.example.org".to_owned();
        let error = SmtpMailer::new(&config).unwrap_err();
        assert!(error.to_string().contains("mail.example.org"));
        config.tls = MailTls::Starttls;
        assert!(SmtpMailer::new(&config).is_ok());
        config.from = "nobody".to_owned();
        assert!(matches!(
            SmtpMailer::new(&config),
            Err(MailConfigError::From { .. })
        ));
    }
}
