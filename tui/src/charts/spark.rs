//! A sparkline: one column for a quarter of a minute, blank where nothing was measured. A value
//! holds a while, because nodes report what changes and little else.

use crate::state::{SPARK_COLUMNS_MAX, Spark};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Columns that a value holds without a new one: a node tells each value at least once a minute,
/// and a lost reading must not tear a hole.
const HOLD_COLUMNS: usize = 6;

/// The last `width` columns up to the bucket `newest`.
pub(crate) fn text(spark: &Spark, newest: i64, width: usize) -> String {
    let width = width.min(SPARK_COLUMNS_MAX);
    let first = newest - i64::try_from(width).unwrap_or(0) + 1;
    let means: Vec<Option<f64>> = (first..=newest).map(|index| held(spark, index)).collect();
    let known = || means.iter().flatten().copied();
    let (min, max) = (
        known().fold(f64::MAX, f64::min),
        known().fold(f64::MIN, f64::max),
    );
    let span = max - min;
    let bar = |mean: f64| {
        if span <= f64::EPSILON * max.abs().max(1.0) {
            return BARS[3];
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the share is 0 to 1"
        )]
        let step = ((mean - min) / span * 7.0).round() as usize;
        BARS[step.min(7)]
    };
    means
        .into_iter()
        .map(|mean| mean.map_or(' ', bar))
        .collect()
}

/// The mean of a column, or of the last one before it that still holds.
fn held(spark: &Spark, index: i64) -> Option<f64> {
    (0..=HOLD_COLUMNS)
        .filter_map(|back| i64::try_from(back).ok())
        .find_map(|back| spark.mean(index - back))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::state::spark_index;

    #[test]
    fn it_scales_to_what_is_shown_and_leaves_gaps() {
        let at = |n: i64| DateTime::from_timestamp(1_700_000_000 + n * 15, 0).unwrap();
        let mut spark = Spark::default();
        for (n, value) in [(0, 100.0), (1, 0.0), (2, 7.0), (4, 3.5), (15, 7.0)] {
            spark.add(at(n), value, 1);
        }
        let newest = spark_index(at(5));
        assert_eq!(text(&spark, newest, 5), "▁██▅▅");
        assert_eq!(text(&spark, newest, 6), "█▁▁▁▁▁");
        // After six columns without a value there is a hole.
        assert_eq!(text(&spark, spark_index(at(15)), 6), "▁    █");
        assert_eq!(text(&Spark::default(), newest, 3), "   ");
        let mut flat = Spark::default();
        flat.add(at(5), 3.0, 1);
        assert_eq!(text(&flat, newest, 2), " ▄");
    }
}
