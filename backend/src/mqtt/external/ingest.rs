//! The client that hears nodes: fixed client id, and a session that outlives the connection. It
//! connects, tells the engine when nodes are not heard any more, and connects again; what happens
//! on a connection is [`super::hearing`].

use std::sync::Arc;

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    connection::Connection,
    fault::Fault,
    hearing::{End, Session},
    limits,
    report::{Client, Concern, Report},
    retry::Retry,
    settings::Settings,
    translate::Translator,
    unacked::UNACKED_MESSAGES_MAX,
    wire::{Hello, Welcome},
};
use crate::ingest::{Inbound, LinkNews};

/// Everything that outlives a connection.
pub(super) struct Ingest {
    pub(super) settings: Arc<Settings>,
    pub(super) inbound: mpsc::Sender<Inbound>,
    pub(super) translator: Translator,
    pub(super) report: Arc<Report>,
    pub(super) stop: CancellationToken,
}

impl Ingest {
    /// Keeps a connection until the station stops.
    pub(super) async fn run(self) {
        let mut retry = Retry::new();
        // What the station has taken from a session, it may have to be told that it is gone.
        let mut had_session = false;
        loop {
            let opened = tokio::select! {
                opened = Connection::open(&self.settings, self.hello()) => opened,
                () = self.stop.cancelled() => return,
            };
            let mut was_up = false;
            let end = match opened {
                Ok((_, welcome)) if self.cannot_share(&welcome) => {
                    let why = "the broker says that it has no shared subscriptions";
                    End::Fault(Fault::NoShare(why.to_owned()))
                }
                Ok((connection, welcome)) => {
                    retry.connected(Instant::now());
                    self.look_at(&welcome, had_session);
                    had_session = true;
                    let mut session = Session::new(&self, connection, &welcome);
                    let end = session.serve().await;
                    was_up = session.is_ready;
                    if matches!(end, End::Stop) {
                        session.leave().await;
                    }
                    end
                }
                Err(fault) => End::Fault(fault),
            };
            let fault = match end {
                End::Stop => return,
                End::Fault(fault) => fault,
            };
            self.report.down(Client::Ingest, &fault);
            if was_up && self.tell(LinkNews::Deaf).await.is_err() {
                return;
            }
            tokio::select! {
                () = sleep(retry.pause(was_up, Instant::now())) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            client_id: self.settings.client_id.clone(),
            login: self.settings.login.clone(),
            keep_alive_s: u16::try_from(self.settings.keep_alive.as_secs()).unwrap_or(u16::MAX),
            keeps_session: true,
            will: None,
            receive_max: UNACKED_MESSAGES_MAX,
        }
    }

    /// What the broker's welcome tells about what may get lost.
    fn look_at(&self, welcome: &Welcome, had_session: bool) {
        limits::check(&welcome.limits, &self.settings, &self.report);
        if welcome.session_present {
            self.report.settle(Concern::SessionLost);
        } else if had_session {
            let text = "the broker has forgotten the station's session, and with it what waited \
                        there: turn its persistence on (`persistence true` in \
                        deploy/mosquitto.conf)";
            self.report.warn(Concern::SessionLost, text.to_owned());
        }
    }

    /// MQTT 5 tells it beforehand.
    fn cannot_share(&self, welcome: &Welcome) -> bool {
        self.settings.share_group.is_some() && welcome.limits.has_shared == Some(false)
    }

    /// Waits for room in the engine's queue; an error when the station stops.
    async fn tell(&self, news: LinkNews) -> Result<(), ()> {
        tokio::select! {
            sent = self.inbound.send(self.translator.news(news)) => sent.map_err(|_| ()),
            () = self.stop.cancelled() => Err(()),
        }
    }
}
