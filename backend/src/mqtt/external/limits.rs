//! What the broker says that it can do, held against what the station needs. Nothing here stops
//! the station; the operator is told what would get lost.

use super::{
    fault::Fault,
    report::{Concern, Report},
    settings::Settings,
    wire::{Limits, Subscription},
};

/// The first subscriptions are those that nothing works without.
const NEEDED: usize = 3;

/// Looks at what MQTT 5 tells in the welcome.
pub(super) fn check(limits: &Limits, settings: &Settings, report: &Report) {
    let mut narrow = Vec::new();
    if let Some(seconds) = limits.session_expiry_s.filter(|s| *s != u32::MAX) {
        narrow.push(format!(
            "it keeps what waits for the station for {seconds} s only \
             (`persistent_client_expiration` in Mosquitto)"
        ));
    }
    if let Some(qos) = limits.qos_max
        && settings.data.iter().any(|one| one.qos as u8 > qos)
    {
        narrow.push(format!("it delivers with QoS {qos} at most"));
    }
    if limits.has_retain == Some(false) {
        narrow.push(
            "it keeps no retained messages, so after a restart the station does not know which \
             nodes are there (`retain_available true` in Mosquitto)"
                .to_owned(),
        );
    }
    if let Some(bytes) = limits.packet_bytes_max
        && bytes < settings.packet_bytes_max
    {
        narrow.push(format!(
            "it takes packets of {bytes} bytes at most (`mqtt.packet_bytes_max` is {})",
            settings.packet_bytes_max
        ));
    }
    if narrow.is_empty() {
        report.settle(Concern::Limit);
    } else {
        report.warn(
            Concern::Limit,
            format!("limits of the broker: {}", narrow.join("; ")),
        );
    }
}

/// Looks at what became of each subscription.
///
/// # Errors
/// One that nothing works without was not granted.
pub(super) fn check_granted(
    asked: &[Subscription],
    granted: &[Result<u8, String>],
    report: &Report,
) -> Result<(), Fault> {
    let mut missing = Vec::new();
    for (at, one) in asked.iter().enumerate() {
        let filter = &one.filter;
        match granted.get(at) {
            Some(Ok(level)) if *level >= one.qos as u8 => {}
            Some(Ok(level)) => missing.push(format!("`{filter}` with QoS {level} only")),
            answer => {
                let why = match answer {
                    Some(Err(why)) => why.clone(),
                    _ => "no answer".to_owned(),
                };
                if at < NEEDED {
                    let filter = filter.clone();
                    return Err(Fault::NotSubscribed { filter, why });
                }
                missing.push(format!("`{filter}` not at all ({why})"));
            }
        }
    }
    if missing.is_empty() {
        report.settle(Concern::Subscription);
    } else {
        let text = format!("the broker lets the station hear {}", missing.join(", "));
        report.warn(Concern::Subscription, text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Config, Secret},
        mqtt::external::wire::Qos,
    };

    fn subscriptions(n: usize) -> Vec<Subscription> {
        (0..n)
            .map(|n| Subscription {
                filter: format!("t/{n}"),
                qos: Qos::AtLeastOnce,
            })
            .collect()
    }

    #[test]
    fn limits_that_are_too_narrow_are_told_in_one_sentence() {
        let mut config = Config::default();
        config.mqtt.broker = Some(Secret::from("mqtt://broker"));
        config.mqtt.qos = 2;
        let settings = Settings::new(&config).unwrap().unwrap();
        let report = Report::new(String::new());
        let wide = Limits {
            session_expiry_s: Some(u32::MAX),
            qos_max: Some(2),
            has_retain: Some(true),
            packet_bytes_max: Some(u32::MAX),
            ..Limits::default()
        };
        let narrow = Limits {
            session_expiry_s: Some(60),
            qos_max: Some(1),
            has_retain: Some(false),
            packet_bytes_max: Some(1_000),
            ..Limits::default()
        };
        for (limits, n) in [(&Limits::default(), 0), (&narrow, 1), (&wide, 0)] {
            check(limits, &settings, &report);
            assert_eq!(report.warnings().len(), n, "{limits:?}");
        }
        check(&narrow, &settings, &report);
        let warning = report.warnings().remove(0);
        for words in ["60 s", "QoS 1", "retained", "1000 bytes"] {
            assert!(warning.contains(words), "{words}: {warning}");
        }
    }

    #[test]
    fn what_is_not_granted_is_told_and_what_is_needed_is_refused() {
        let report = Report::new(String::new());
        let asked = subscriptions(5);
        let all = vec![Ok(1); 5];
        check_granted(&asked, &all, &report).unwrap();
        assert!(report.warnings().is_empty());
        let mut some = all.clone();
        some[3] = Ok(0);
        some[4] = Err("no".to_owned());
        check_granted(&asked, &some, &report).unwrap();
        let warning = report.warnings().remove(0);
        assert!(
            warning.contains("`t/3` with QoS 0 only, `t/4` not at all (no)"),
            "{warning}"
        );
        check_granted(&asked, &all, &report).unwrap();
        assert!(report.warnings().is_empty());
        some[2] = Err("no".to_owned());
        let fault = check_granted(&asked, &some, &report).unwrap_err();
        assert!(fault.to_string().contains("`t/2`: no"), "{fault}");
        assert!(check_granted(&asked, &all[..2], &report).is_err());
    }
}
