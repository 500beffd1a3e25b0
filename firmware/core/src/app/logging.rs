//! Sends log lines, when nothing else waits.

use embedded_io_async::Write;
use heapless::Vec;
use signalbox_protocol::{
    limits::TOPIC_BYTES_MAX,
    payload::log::{self, LOG_HEADER_BYTES},
    topic,
};

use super::App;
use crate::{
    board::{Clock, Hardware},
    logs,
    mqtt::{
        Lost,
        link::Link,
        packet::{self, PUBLISH_HEAD_BYTES},
    },
};

/// The beginning of a message.
type Head = Vec<u8, { PUBLISH_HEAD_BYTES + TOPIC_BYTES_MAX }>;

impl<C, H, M> App<'_, C, H, M>
where
    C: Clock,
    H: Hardware,
    M: AsRef<[u8]> + AsMut<[u8]>,
{
    /// With QoS 0: a line that is lost with its connection
    /// is not worth a place among what is under way.
    pub(super) async fn send_log<S: Write>(
        &mut self,
        stream: &mut S,
        link: &mut Link<'_>,
        buffer: &mut [u8],
    ) -> Result<(), Lost> {
        let Some((head, bytes, lines_bytes)) = self.log_message(buffer) else {
            return Ok(());
        };
        self.write(stream, &head).await?;
        self.write(stream, &buffer[..bytes]).await?;
        link.wrote(self.clock.now_ms());
        let lost = self.hardware.logged(lines_bytes);
        if lost > 0 {
            log!(warn, "{=u32} lines lost", lost);
        }
        Ok(())
    }

    /// A message with log lines: its head, its bytes in the buffer, and those of the lines.
    #[inline(never)] // Else its frame would lie under that of the network: 80 KiB is little.
    fn log_message(&mut self, buffer: &mut [u8]) -> Option<(Head, usize, usize)> {
        let (header, room) = buffer.split_first_chunk_mut::<LOG_HEADER_BYTES>()?;
        let lines = self.hardware.log_lines(room)?;
        *header = log::header(&lines.build, logs::wrapped(self.clock.now_ms()));
        let bytes = LOG_HEADER_BYTES + lines.bytes;
        let topic = topic::log(&self.login.name);
        let mut head = Head::new();
        head.resize_default(head.capacity()).ok()?;
        let head_bytes = packet::publish_head(&mut head, &topic, None, false, bytes)?;
        head.truncate(head_bytes);
        Some((head, bytes, lines.bytes))
    }
}
