//! As much of an MQTT packet as the [`super::gate`] must see: where it ends, what kind it is, and
//! which message it acknowledges. The library reads and writes all the rest.

use bytes::Buf as _;

/// Acknowledges QoS 1.
pub(super) const PUBACK: u8 = 4;
/// Acknowledges QoS 2, the first of its answers.
pub(super) const PUBREC: u8 = 5;
/// From the broker only with MQTT 5.
pub(super) const DISCONNECT: u8 = 14;

/// The packet's kind (MQTT 3.1.1 and 5, section 2.2.1).
pub(super) fn kind_of(packet: &[u8]) -> Option<u8> {
    packet.first().map(|byte| byte >> 4)
}

/// The first packet and what follows it; all of it where that cannot be told.
pub(super) fn split_frame(bytes: &[u8]) -> (&[u8], &[u8]) {
    header_of(bytes)
        .and_then(|(start, length)| bytes.split_at_checked(start + length))
        .unwrap_or((bytes, &[]))
}

/// Where a packet's body begins, and how long it is.
fn header_of(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for at in 0..4 {
        let byte = *bytes.get(at + 1)?;
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((at + 2, length));
        }
    }
    None
}

/// The id in the packets that begin with one.
pub(super) fn packet_id_of(frame: &[u8]) -> Option<u16> {
    let (start, _) = header_of(frame)?;
    frame.get(start..)?.try_get_u16().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PINGRESP: &[u8] = &[0xd0, 0];

    #[test]
    fn packets_are_told_apart() {
        let long = [[0x30, 0x80, 0x01].as_slice(), &[7; 128]].concat();
        let both = [long.as_slice(), PINGRESP].concat();
        assert_eq!(split_frame(&both), (long.as_slice(), PINGRESP));
        assert_eq!(split_frame(&long[..50]), (&long[..50], [].as_slice()));
        assert!(split_frame(&[0x30, 0xff, 0xff, 0xff, 0xff]).1.is_empty());
        assert_eq!(packet_id_of(&[0x40, 2, 1, 2]), Some(0x0102));
        assert_eq!(packet_id_of(&[0x40, 1, 1]), None);
    }
}
