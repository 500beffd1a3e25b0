//! The threshold kind: a value beyond a threshold, with hysteresis on the way back.

use signalbox_protocol::api::rule::{Comparison, RuleSpec};

/// Whether a value violates the condition.
#[must_use]
pub fn is_violated(spec: &RuleSpec, value: f64) -> bool {
    compare(spec.op, value, spec.value)
}

/// Whether a value is far enough behind the threshold to clear what has fired: it would not
/// violate the condition even if it were nearer by the hysteresis.
#[must_use]
pub fn is_cleared(spec: &RuleSpec, value: f64) -> bool {
    let nearer = match spec.op {
        Comparison::Above | Comparison::AtLeast => value + spec.hysteresis,
        Comparison::Below | Comparison::AtMost => value - spec.hysteresis,
    };
    !compare(spec.op, nearer, spec.value)
}

/// Whether `value` is worse than `peak`.
#[must_use]
pub fn is_worse(op: Comparison, value: f64, peak: f64) -> bool {
    match op {
        Comparison::Above | Comparison::AtLeast => value > peak,
        Comparison::Below | Comparison::AtMost => value < peak,
    }
}

fn compare(op: Comparison, value: f64, threshold: f64) -> bool {
    match op {
        Comparison::Above => value > threshold,
        Comparison::AtLeast => value >= threshold,
        Comparison::Below => value < threshold,
        Comparison::AtMost => value <= threshold,
    }
}

#[cfg(test)]
mod tests {
    use signalbox_protocol::api::rule::Severity;

    use super::*;

    fn spec(op: Comparison, hysteresis: f64) -> RuleSpec {
        RuleSpec {
            name: "x".into(),
            node: None,
            metric: "t".into(),
            op,
            value: 30.0,
            hysteresis,
            hold_s: 0,
            command: None,
            clear_command: None,
            email: None,
            severity: Severity::Warning,
        }
    }

    #[test]
    fn the_sign_decides_at_the_threshold() {
        for (op, at, beyond) in [
            (Comparison::Above, false, 30.1),
            (Comparison::AtLeast, true, 30.1),
            (Comparison::Below, false, 29.9),
            (Comparison::AtMost, true, 29.9),
        ] {
            let spec = spec(op, 0.0);
            assert_eq!(is_violated(&spec, 30.0), at);
            assert_eq!(is_cleared(&spec, 30.0), !at);
            assert!(is_violated(&spec, beyond));
        }
    }

    #[test]
    fn hysteresis_keeps_it_firing() {
        let hot = spec(Comparison::Above, 2.0);
        assert!(!is_cleared(&hot, 28.5));
        assert!(is_cleared(&hot, 28.0));
        let cold = spec(Comparison::Below, 2.0);
        assert!(!is_cleared(&cold, 31.5));
        assert!(is_cleared(&cold, 32.0));
    }
}
