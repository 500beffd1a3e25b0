//! Values as whole numbers where that is exact: a sensor that tells 21.3 tells 213 tenths, and
//! whole numbers compress several times better than the bits of a double.

/// Decimal places that are tried.
pub(super) const PLACES_MAX: u8 = 9;
/// The powers of ten are exact as doubles, so that a quotient by one is the double nearest to the
/// decimal number, which is what a parser makes of its text.
const POWERS: [f64; PLACES_MAX as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
/// 2^53: whole numbers up to it are exact as doubles.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// All values as `(base + step * number) / 10^places`, exact to the bit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scaled {
    pub(super) places: u8,
    pub(super) base: i64,
    pub(super) step: u64,
    pub(super) numbers: Vec<u64>,
}

/// The value that a whole number of `10^-places` stands for.
#[expect(
    clippy::cast_precision_loss,
    reason = "not above 2^53 where it was written"
)]
pub(super) fn value_of(whole: i64, places: u8) -> f64 {
    let power = POWERS[usize::from(places.min(PLACES_MAX))];
    whole as f64 / power
}

/// The whole number that a value is, if it comes back from it with all bits.
#[expect(clippy::cast_possible_truncation, reason = "checked before")]
fn whole_of(value: f64, places: u8) -> Option<i64> {
    let whole = (value * POWERS[usize::from(places)]).round();
    // Not for what is not finite.
    if whole.abs() > WHOLE_MAX || whole.is_nan() {
        return None;
    }
    let whole = whole as i64;
    (value_of(whole, places).to_bits() == value.to_bits()).then_some(whole)
}

/// The fewest decimal places that say all values; `None` when [`PLACES_MAX`] do not.
pub(super) fn scale(values: impl Iterator<Item = f64> + Clone) -> Option<Scaled> {
    let mut places = 0;
    for value in values.clone() {
        while whole_of(value, places).is_none() {
            places += 1;
            if places > PLACES_MAX {
                return None;
            }
        }
    }
    // A large value may have too many digits with the places that a later one needs.
    let wholes: Vec<i64> = values
        .map(|value| whole_of(value, places))
        .collect::<Option<_>>()?;
    let base = wholes.iter().copied().min().unwrap_or(0);
    let above = |whole: &i64| whole.abs_diff(base);
    let step = wholes.iter().map(above).fold(0, gcd).max(1);
    Some(Scaled {
        places,
        base,
        step,
        numbers: wholes.iter().map(|whole| above(whole) / step).collect(),
    })
}

/// Greatest common divisor; that with 0 is the other one.
pub(super) const fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Option<(u8, i64, u64)> {
        let scaled = scale(values.iter().copied())?;
        for (number, value) in scaled.numbers.iter().zip(values) {
            let whole = scaled.base + (number * scaled.step).cast_signed();
            let again = value_of(whole, scaled.places);
            assert_eq!(again.to_bits(), value.to_bits(), "{values:?}");
        }
        Some((scaled.places, scaled.base, scaled.step))
    }

    #[test]
    fn the_fewest_places_and_the_largest_step_are_found() {
        assert_eq!(of(&[21.0, 23.0, 27.0]), Some((0, 21, 2)));
        assert_eq!(of(&[21.5, 22.0, -3.5]), Some((1, -35, 5)));
        assert_eq!(of(&[0.1, 0.2, 0.30]), Some((1, 1, 1)));
        assert_eq!(of(&[1013.25; 3]), Some((2, 101_325, 1)));
        assert_eq!(of(&[0.000_000_001]), Some((9, 1, 1)));
        assert_eq!(of(&[9_007_199_254_740_992.0, 0.0]), Some((0, 0, 1 << 53)));
    }

    #[test]
    fn what_would_not_come_back_is_refused() {
        for odd in [
            -0.0,
            0.1 + 0.2,
            1.0 / 3.0,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::INFINITY,
            f64::NAN,
            1e-10,
        ] {
            assert_eq!(of(&[odd]), None, "{odd}");
        }
        assert_eq!(of(&[9_007_199_254_740_991.0, 0.5]), None, "too many digits");
    }
}
