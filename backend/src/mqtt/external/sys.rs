//! What Mosquitto tells of itself below `$SYS`: its version, and how many messages it has thrown
//! away. Other brokers say nothing there.

use super::{
    report::{Concern, Report},
    wire::{Message, Qos, Subscription},
};

const VERSION: &str = "$SYS/broker/version";
const DROPPED: &str = "$SYS/broker/publish/messages/dropped";

/// Releases that lose messages of sessions at a restart with `per_listener_settings true`
/// (mosquitto#2618).
const LOSES_SESSIONS: std::ops::RangeInclusive<[u32; 3]> = [2, 0, 12]..=[2, 0, 18];

/// What is subscribed to.
pub(super) fn subscriptions() -> impl Iterator<Item = Subscription> {
    [VERSION, DROPPED].into_iter().map(|topic| Subscription {
        filter: topic.to_owned(),
        qos: Qos::AtMostOnce,
    })
}

/// What was read so far on this connection.
#[derive(Debug, Default)]
pub(super) struct Sys {
    dropped: Option<u64>,
}

impl Sys {
    /// Looks at a message; false when it is about something else.
    pub(super) fn take(&mut self, message: &Message, report: &Report) -> bool {
        let text = str::from_utf8(&message.payload).unwrap_or_default();
        match message.topic.as_str() {
            VERSION => version(text, report),
            DROPPED => self.dropped(text, report),
            _ => return false,
        }
        true
    }

    /// The broker counts from its start, for all clients: what rises while we look is news.
    fn dropped(&mut self, text: &str, report: &Report) {
        let Ok(now) = text.trim().parse::<u64>() else {
            return;
        };
        let known = self.dropped.replace(now);
        if known.is_some_and(|known| now > known) {
            let text = format!(
                "the broker drops messages of slow or absent clients ({now} since its start): \
                 set `max_queued_messages 0` and `max_inflight_messages 1000`, as in \
                 deploy/mosquitto.conf"
            );
            report.warn(Concern::Dropped, text);
        }
    }
}

fn version(text: &str, report: &Report) {
    // `mosquitto version 2.0.11`
    let number = text.rsplit(' ').next().unwrap_or_default();
    let parts: Vec<u32> = number
        .split('.')
        .map_while(|part| part.parse().ok())
        .collect();
    let loses = <[u32; 3]>::try_from(parts).is_ok_and(|parts| LOSES_SESSIONS.contains(&parts));
    if text.contains("mosquitto") && loses {
        let text = format!(
            "Mosquitto {number} loses what waits in sessions at a restart with \
             `per_listener_settings true`: leave it `false`, as in deploy/mosquitto.conf, or \
             upgrade to 2.0.19"
        );
        report.warn(Concern::Version, text);
    } else {
        report.settle(Concern::Version);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn after(messages: &[(&str, &str)]) -> Vec<String> {
        let (report, mut sys) = (Report::new(String::new()), Sys::default());
        for (topic, text) in messages {
            let message = Message {
                topic: (*topic).to_owned(),
                payload: Bytes::copy_from_slice(text.as_bytes()),
                qos: Qos::AtMostOnce,
                retain: true,
                packet_id: 0,
                expiry_s: None,
            };
            assert!(sys.take(&message, &report));
        }
        report.warnings()
    }

    #[test]
    fn releases_that_lose_sessions_are_known() {
        for (version, warns) in [
            ("2.0.11", false),
            ("2.0.12", true),
            ("2.0.18", true),
            ("2.0.19", false),
            ("2.1.15", false),
            ("x", false),
        ] {
            let text = format!("mosquitto version {version}");
            assert_eq!(!after(&[(VERSION, &text)]).is_empty(), warns, "{version}");
        }
    }

    #[test]
    fn what_rises_while_we_look_is_told() {
        assert!(after(&[(DROPPED, "17"), (DROPPED, "17")]).is_empty());
        // The broker was started anew.
        assert!(after(&[(DROPPED, "17"), (DROPPED, "3")]).is_empty());
        let warnings = after(&[(DROPPED, "17"), (DROPPED, "18")]);
        assert!(
            warnings[0].contains("max_queued_messages 0"),
            "{warnings:?}"
        );
    }
}
