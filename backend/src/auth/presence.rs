//! Who is there: the latest request of each session, and the open streams of events. Fed by the
//! guard and the WebSocket of [`crate::api`]; feeds the list of sessions, and ends streams. It is
//! gone with the process, as the connections are.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use signalbox_protocol::api::session::Way;
use tokio_util::sync::CancellationToken;

use super::{Caller, Peer, TokenHash};

/// Sessions whose latest request is remembered; the one unheard of for longest is forgotten.
pub const CONTACTS_MAX: usize = 4_096;
/// Characters of what a client calls itself.
const CLIENT_CHARS_MAX: usize = 64;
/// With this our client says that ssh is in front of the unix socket.
const SSH_MARK: &str = "(ssh)";

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// When.
    pub at: DateTime<Utc>,
    /// The way in.
    pub way: Way,
    /// Address or user id.
    pub from: String,
    /// The client, as it names itself.
    pub client: Option<String>,
}

impl Contact {
    /// Of a request; the client's name is a stranger's text and is cut to what can be shown.
    #[must_use]
    pub fn new(at: DateTime<Utc>, peer: Peer, agent: Option<&str>) -> Self {
        let client = agent.map(|agent| {
            let shown = agent.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
            shown.take(CLIENT_CHARS_MAX).collect::<String>()
        });
        let over_ssh = client.as_deref().is_some_and(|c| c.ends_with(SSH_MARK));
        let (way, from) = match peer {
            Peer::Tcp(address) => (Way::Tcp, address.ip().to_canonical().to_string()),
            Peer::Tls(address) => (Way::Tls, address.ip().to_canonical().to_string()),
            Peer::Unix { uid } if over_ssh => (Way::Ssh, format!("uid:{uid}")),
            Peer::Unix { uid } => (Way::Unix, format!("uid:{uid}")),
        };
        let client = client.filter(|client| !client.is_empty());
        Self {
            at,
            way,
            from,
            client,
        }
    }
}

/// An open stream of events.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Names it while it is open.
    pub id: u64,
    /// Whose it is.
    pub caller: Caller,
    /// How it was opened, and when.
    pub contact: Contact,
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    contacts: BTreeMap<TokenHash, Contact>,
    streams: BTreeMap<u64, Stream>,
    last_id: u64,
}

/// Who is there; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Presence(Arc<Mutex<Inner>>);

impl Presence {
    /// Each change is one call, so a poisoned lock still holds whole values.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request of a session.
    pub fn seen(&self, session: TokenHash, contact: Contact) {
        let mut inner = self.lock();
        inner.contacts.insert(session, contact);
        if inner.contacts.len() > CONTACTS_MAX {
            let oldest = inner.contacts.iter().min_by_key(|(_, contact)| contact.at);
            if let Some(oldest) = oldest.map(|(hash, _)| *hash) {
                inner.contacts.remove(&oldest);
            }
        }
    }

    /// The latest request of a session.
    #[must_use]
    pub fn contact(&self, session: &TokenHash) -> Option<Contact> {
        self.lock().contacts.get(session).cloned()
    }

    /// A stream begins; it ends with the value. Their number is bounded by the WebSockets'.
    #[must_use]
    pub fn open(&self, caller: Caller, contact: Contact) -> OpenStream {
        let ended = CancellationToken::new();
        let mut inner = self.lock();
        inner.last_id += 1;
        let id = inner.last_id;
        let stream = Stream {
            id,
            caller,
            contact,
            ended: ended.clone(),
        };
        inner.streams.insert(id, stream);
        OpenStream {
            presence: self.clone(),
            id,
            ended,
        }
    }

    /// All open streams, oldest first.
    #[must_use]
    pub fn streams(&self) -> Vec<Stream> {
        self.lock().streams.values().cloned().collect()
    }

    /// Closes the stream of a local user; whose it was. Those of logins end with their token.
    #[must_use]
    pub fn close(&self, id: u64) -> Option<Stream> {
        let stream = self.lock().streams.get(&id).cloned();
        let stream = stream.filter(|stream| stream.caller.session.is_none())?;
        stream.ended.cancel();
        Some(stream)
    }
}

/// A stream, for whoever serves it.
#[derive(Debug)]
pub struct OpenStream {
    presence: Presence,
    id: u64,
    ended: CancellationToken,
}

impl OpenStream {
    /// Resolves when an administrator closes it.
    pub async fn closed(&self) {
        self.ended.cancelled().await;
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.presence.lock().streams.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(s, 0).unwrap()
    }

    #[test]
    fn the_way_in_is_told_and_a_strangers_name_cut() {
        let contact = |peer, agent| Contact::new(at(0), peer, agent);
        let unix = Peer::Unix { uid: 7 };
        assert_eq!(contact(unix, None).way, Way::Unix);
        let ssh = contact(unix, Some("signalbox/1.2.3 (ssh)"));
        assert_eq!((ssh.way, ssh.from.as_str()), (Way::Ssh, "uid:7"));
        let address = "[::ffff:10.0.0.1]:5".parse().unwrap();
        let tls = contact(Peer::Tls(address), Some("a (ssh)"));
        assert_eq!((tls.way, tls.from.as_str()), (Way::Tls, "10.0.0.1"));
        let odd = format!("\u{1b}[2J{}", "x".repeat(1_000));
        let odd = contact(Peer::Tcp(address), Some(&odd)).client.unwrap();
        assert_eq!(odd.len(), CLIENT_CHARS_MAX);
        assert!(odd.starts_with("[2Jxx"), "{odd}");
        assert_eq!(contact(unix, Some("\n")).client, None);
    }

    #[test]
    fn the_one_unheard_of_for_longest_is_forgotten() {
        let presence = Presence::default();
        let hash = |n: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            hash
        };
        let unix = Peer::Unix { uid: 0 };
        for n in 0..=CONTACTS_MAX {
            let s = i64::try_from(n).unwrap();
            presence.seen(hash(n), Contact::new(at(s), unix, None));
        }
        assert_eq!(presence.contact(&hash(0)), None);
        assert!(presence.contact(&hash(1)).is_some());
        assert!(presence.contact(&hash(CONTACTS_MAX)).is_some());
    }

    #[tokio::test]
    async fn a_stream_is_there_until_it_is_dropped_and_can_be_closed() {
        let presence = Presence::default();
        let unix = Peer::Unix { uid: 0 };
        let caller = Caller::local(0, 0).unwrap();
        let open = presence.open(caller, Contact::new(at(0), unix, None));
        let id = presence.streams()[0].id;
        assert!(presence.close(id + 1).is_none());
        assert_eq!(presence.close(id).unwrap().caller.username, "uid:0");
        open.closed().await;
        drop(open);
        assert!(presence.streams().is_empty());
    }
}
