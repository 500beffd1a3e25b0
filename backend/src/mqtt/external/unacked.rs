//! Messages that were handed to the engine and are not acknowledged yet, in the order in which
//! they came: MQTT wants acknowledgements in that order. It belongs to one connection and ends
//! with it, so an acknowledgement can never go out on another one, where its packet id may stand
//! for another message.

use std::{collections::VecDeque, future::poll_fn, pin::Pin, task::Poll};

use tokio::sync::oneshot::{self, error::TryRecvError};

use super::wire::{Message, Outgoing, Qos};

/// Messages of one connection that may wait for their commit; the broker is told so with MQTT 5.
pub(super) const UNACKED_MESSAGES_MAX: u16 = 4_096;
/// Payload that may wait for its commit; beyond it the connection is not read. Decoded, a payload
/// can take ten times its size.
const UNACKED_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// The engine was stopped before it committed a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotCommitted;

struct One {
    committed: oneshot::Receiver<()>,
    qos: Qos,
    packet_id: u16,
    bytes: usize,
}

/// See the module.
#[derive(Default)]
pub(super) struct Unacked {
    all: VecDeque<One>,
    bytes: usize,
    /// The oldest will never be committed.
    is_broken: bool,
}

impl Unacked {
    /// Whether another message may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.all.len() < usize::from(UNACKED_MESSAGES_MAX) && self.bytes < UNACKED_BYTES_MAX
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Notes a message; what it gives is to be told after the commit.
    pub(super) fn add(&mut self, message: &Message) -> oneshot::Sender<()> {
        let (done, committed) = oneshot::channel();
        let bytes = message.payload.len();
        self.bytes += bytes;
        self.all.push_back(One {
            committed,
            qos: message.qos,
            packet_id: message.packet_id,
            bytes,
        });
        done
    }

    /// Waits until the oldest message is committed, and gives it and all after it that are: one
    /// commit holds many. With an empty queue it waits for ever. May be broken off.
    pub(super) async fn committed(&mut self) -> Result<Acks<'_>, NotCommitted> {
        if self.is_broken {
            return Err(NotCommitted);
        }
        poll_fn(|cx| match self.all.front_mut() {
            None => Poll::Pending,
            Some(oldest) => Pin::new(&mut oldest.committed)
                .poll(cx)
                .map(|told| told.map_err(|_| NotCommitted)),
        })
        .await?;
        Ok(Acks {
            unacked: self,
            is_first: true,
        })
    }

    fn pop(&mut self) -> Option<Outgoing> {
        let one = self.all.pop_front()?;
        self.bytes -= one.bytes;
        match one.qos {
            Qos::AtMostOnce => None,
            Qos::AtLeastOnce => Some(Outgoing::PubAck(one.packet_id)),
            Qos::ExactlyOnce => Some(Outgoing::PubRec(one.packet_id)),
        }
    }
}

/// Acknowledgements that are due, in order.
pub(super) struct Acks<'a> {
    unacked: &'a mut Unacked,
    is_first: bool,
}

impl Iterator for Acks<'_> {
    type Item = Outgoing;

    fn next(&mut self) -> Option<Outgoing> {
        loop {
            if !std::mem::take(&mut self.is_first) {
                let oldest = self.unacked.all.front_mut()?;
                match oldest.committed.try_recv() {
                    Ok(()) => {}
                    Err(TryRecvError::Empty) => return None,
                    Err(TryRecvError::Closed) => {
                        self.unacked.is_broken = true;
                        return None;
                    }
                }
            }
            if let Some(ack) = self.unacked.pop() {
                return Some(ack);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::*;

    fn message(packet_id: u16, qos: Qos, bytes: usize) -> Message {
        Message {
            topic: "t".to_owned(),
            payload: Bytes::from(vec![0; bytes]),
            qos,
            retain: false,
            packet_id,
            expiry_s: None,
        }
    }

    /// Packet ids that may be acknowledged now.
    fn due(unacked: &mut Unacked) -> Option<Vec<u16>> {
        let acks = unacked.committed().now_or_never()?;
        let ids = acks.unwrap().map(|packet| match packet {
            Outgoing::PubAck(id) => id,
            Outgoing::PubRec(id) => 1_000 + id,
            _ => panic!("not an acknowledgement"),
        });
        Some(ids.collect())
    }

    #[test]
    fn acknowledgements_go_out_in_the_order_of_receipt() {
        let mut unacked = Unacked::default();
        let qos = [
            Qos::AtLeastOnce,
            Qos::ExactlyOnce,
            Qos::AtMostOnce,
            Qos::AtLeastOnce,
        ];
        let mut done: Vec<_> = (1..)
            .zip(qos)
            .map(|(id, qos)| Some(unacked.add(&message(id, qos, 10))))
            .collect();
        let mut commit = |at: usize| done[at].take().unwrap().send(()).unwrap();
        assert_eq!(due(&mut unacked), None);
        commit(1);
        commit(3);
        assert_eq!(due(&mut unacked), None);
        commit(0);
        assert_eq!(due(&mut unacked), Some(vec![1, 1_002]));
        assert_eq!(due(&mut unacked), None);
        commit(2);
        assert_eq!(due(&mut unacked), Some(vec![4]));
        assert!(unacked.is_empty());
        assert_eq!(unacked.bytes, 0);
    }

    #[test]
    fn nothing_is_acknowledged_after_what_was_not_committed() {
        let mut unacked = Unacked::default();
        let first = unacked.add(&message(1, Qos::AtLeastOnce, 10));
        let second = unacked.add(&message(2, Qos::AtLeastOnce, 10));
        let third = unacked.add(&message(3, Qos::AtLeastOnce, 10));
        first.send(()).unwrap();
        drop(second);
        third.send(()).unwrap();
        assert_eq!(due(&mut unacked), Some(vec![1]));
        let next = unacked.committed().now_or_never().unwrap();
        assert!(next.is_err());
    }

    #[test]
    fn there_is_an_end_to_what_may_wait() {
        let mut many = Unacked::default();
        for id in 0..UNACKED_MESSAGES_MAX {
            assert!(many.has_room());
            drop(many.add(&message(id + 1, Qos::AtLeastOnce, 1)));
        }
        assert!(!many.has_room());
        let mut large = Unacked::default();
        let payload = 256 * 1_024;
        for id in 0..32 {
            assert!(large.has_room(), "{id}");
            drop(large.add(&message(id + 1, Qos::AtLeastOnce, payload)));
        }
        assert!(!large.has_room());
    }
}
