//! One row of the table: what, how much, the aim, whether it is met.

use std::time::Duration;

use crate::daemon::quantile;

/// The table's head.
pub(crate) fn head() {
    println!("| 120×40 | measured | aim | |");
    println!("|---|---|---|---|");
}

/// A number and its unit; without an aim only what others need is told.
pub(crate) fn row(what: &str, measured: f64, unit: &str, aim: Option<f64>, beside: &str) {
    let digits = match measured {
        _ if measured.fract() == 0.0 || measured >= 100.0 => 0,
        _ if measured >= 10.0 => 1,
        _ => 2,
    };
    let (aim_text, met) = match aim {
        Some(aim) => (
            format!("≤ {aim} {unit}"),
            if measured <= aim { "met" } else { "MISSED" },
        ),
        None => (String::new(), ""),
    };
    let beside = if beside.is_empty() {
        String::new()
    } else {
        format!(" ({beside})")
    };
    println!("| {what} | {measured:.digits$} {unit} | {aim_text}{beside} | {met} |");
}

/// The 99th percentile against its aim, with the median and the slowest beside it.
pub(crate) fn times(what: &str, mut times: Vec<Duration>, aim_ms: f64) {
    times.sort();
    let ms = |share| quantile(&times, share).as_secs_f64() * 1_000.0;
    let what = format!(
        "{what}: p99 of {} (p50 {:.2} ms, slowest {:.2} ms)",
        times.len(),
        ms(0.5),
        ms(1.0)
    );
    row(&what, ms(0.99), "ms", Some(aim_ms), "");
}
