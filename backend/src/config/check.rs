//! What a well-formed configuration can still get wrong.

use super::Config;
use crate::{alerts::mail::SmtpMailer, ingest::Decoder, mqtt::external, store::StoreUrl, tls};

/// Smallest packet limit: our own protocol's largest telemetry message with its topic.
const PACKET_BYTES_MIN: usize = 70_000;
/// Longest of the durations that are counted in seconds: a year.
const S_MAX: u32 = 366 * 24 * 3_600;
/// Longest wait for a fuller commit: nodes send again what is not acknowledged in time.
const COMMIT_INTERVAL_MS_MAX: u32 = 30_000;

/// The first key that makes no sense, and why.
pub(super) fn check(config: &Config) -> Result<(), (String, String)> {
    let wrong = |key: &str, problem: String| Err((key.to_owned(), problem));
    let command = &config.command;
    for (key, value, max) in [
        ("account.session_h", config.account.session_h, 24 * 3_660),
        ("command.ack_timeout_s", command.ack_timeout_s, S_MAX),
        ("command.expiry_s", command.expiry_s, S_MAX),
    ] {
        if !(1..=max).contains(&value) {
            return wrong(
                key,
                format!("is `{value}`, must be at least 1 and at most {max}"),
            );
        }
    }
    let interval_ms = config.store.commit_interval_ms_max;
    if interval_ms > COMMIT_INTERVAL_MS_MAX {
        let problem = format!("is `{interval_ms}`, must be at most {COMMIT_INTERVAL_MS_MAX}");
        return wrong("store.commit_interval_ms_max", problem);
    }
    if config.mqtt.packet_bytes_max < PACKET_BYTES_MIN {
        let value = config.mqtt.packet_bytes_max;
        let problem = format!("is `{value}`, must be at least {PACKET_BYTES_MIN}");
        return wrong("mqtt.packet_bytes_max", problem);
    }
    if config.mqtt.clients_max == 0 {
        return wrong("mqtt.clients_max", "is `0`, must be at least 1".to_owned());
    }
    for (name, metric) in &config.metric {
        if let (Some(min), Some(max)) = (metric.min, metric.max)
            && min.partial_cmp(&max) != Some(std::cmp::Ordering::Less)
        {
            let problem = format!("is `{min}`, must be less than `max`, which is `{max}`");
            return wrong(&format!("metric.{name}.min"), problem);
        }
    }
    if let Some(Err(error)) = config.store.url.as_ref().map(StoreUrl::place) {
        return wrong("store.url", format!("is refused: {error}"));
    }
    if config.log.level.trim().is_empty() {
        return wrong("log.level", "is empty, `info` is the default".to_owned());
    }
    if let Some(mail) = &config.mail
        && let Err(error) = SmtpMailer::new(mail)
    {
        return wrong("mail", error.to_string());
    }
    if let Err(error) = tls::check(&config.api) {
        return wrong("api", error.to_string());
    }
    if let Err(error) = external::check(config) {
        return wrong(&format!("mqtt.{}", error.key), error.problem);
    }
    if let Err(error) = Decoder::new(config) {
        return wrong("mapping", error.to_string());
    }
    Ok(())
}
